"""The division of privacy over blocks: doubled blocks are one, joint sensitivities hold, errors are what they should be."""

import dataclasses
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_analytics_plan import CONTEXT, ROWS, UNITS, portions_of, private, schema_of

from analytics.plans.block_layout import lay_out
from analytics.plans.noise_calibration import calibrate
from analytics.plans.noise_split import norm_above
from analytics.plans.question import bind
from analytics.sql.expressions import bounds
from analytics.statistics.aggregate import shift_of
from analytics.statistics.blocks import Measure

FOUR = "SELECT COUNT(*) AS n, AVG(age) AS m, STDDEV_SAMP(age) AS s FROM visits"
MEAN = "SELECT AVG(age) AS m FROM visits"
TABLE = dataclasses.replace(CONTEXT, delta=Fraction(4, 10**7))


def sds(plan):
    return [plan.noise_sd(place) for place in range(len(plan.blocks))]


def test_a_count_that_is_all_rows_by_the_schema_is_one_block_and_only_by_the_schema():
    measures = [block.measure for block in private(FOUR).blocks]
    assert measures == [Measure.ROWS, Measure.SUM, Measure.SQUARES]
    nullable = private("SELECT COUNT(*), AVG(temp) FROM visits")
    assert [block.measure for block in nullable.blocks] == [Measure.ROWS, Measure.COUNT, Measure.SUM]
    two = private("SELECT AVG(age), AVG(two) FROM visits")
    assert [block.measure for block in two.blocks] == [Measure.ROWS, Measure.SUM, Measure.SUM]
    alone = private(MEAN)
    assert [block.measure for block in alone.blocks] == [Measure.COUNT, Measure.SUM]
    made = private("SELECT COUNT(*), AVG(age + two) FROM visits")  # an expression may be NULL
    assert made.blocks[1].measure is Measure.COUNT


def test_rows_without_a_value_that_is_always_known_count_nowhere_where_counts_are_one(world_of):
    import pandas as pd

    frame = pd.DataFrame({"age": [50, None, 70, None], "temp": 36.0, "two": 1, "g": 1, "k": "red", "b": True})
    world = world_of(ROWS, [frame] * 4)
    plan = private(FOUR)
    total = world.total(plan)
    assert total[0] == 8
    assert total[1] == 4 * (50 - 60 + 70 - 60)
    assert '"age" IS NOT NULL' in plan.local_sql
    assert "IS NOT NULL" not in private(MEAN).local_sql


def row_norms(sql, schema):
    """Squared norm of each possible row's weighted integers, by enumeration, per portion."""
    layout = lay_out(bind(sql, schema), centered=True)
    for portion in layout.portions:
        if not portion.weights:
            continue
        squares = layout.figures[portion.places[-1]]
        low, high = bounds(squares.argument)
        found = []
        for value in range(low, high + 1):
            d = value - squares.center
            of = {Measure.SUM: d, Measure.SQUARES: d * d - squares.offset}
            found.append(
                sum(
                    (weight * of.get(layout.figures[place].measure, 1)) ** 2
                    for place, weight in zip(portion.places, portion.weights, strict=True)
                )
            )
        yield portion, found


@settings(max_examples=60)
@given(lower=st.integers(-300, 300), width=st.integers(1, 400), others=st.booleans())
def test_law_no_row_exceeds_the_joint_norm_and_some_row_reaches_it(lower, width, others):
    columns = {
        "x": {"type": "numeric", "lower": lower, "upper": lower + width, "resolution": 1, "nullable": others}
    }
    schema = schema_of(
        columns=columns, exact_dimensions=[], privacy_unit="row", max_rows_per_unit=1, max_sites_per_unit=1
    )
    portions = list(row_norms("SELECT COUNT(*), VAR_SAMP(x), AVG(x) FROM visits", schema))
    assert portions
    for portion, norms in portions:
        assert max(norms) == portion.square
        assert norm_above(portion.square) ** 2 >= portion.square > (norm_above(portion.square) - 1) ** 2


def test_the_offset_balances_both_ends_and_another_one_is_dearer():
    """Power: the offset of half the largest square, which three separate blocks had, gives a larger norm."""
    reach = 60

    def norm(q):
        return max(reach**4 + reach**2 * d**2 + 4 * (d**2 - q) ** 2 for d in range(reach + 1))

    chosen = shift_of(lay_out(bind(FOUR, ROWS), centered=True).figures[1].argument).offset
    assert chosen == 5 * reach**2 // 8
    assert norm(chosen) == min(norm(q) for q in range(reach**2 + 1))
    assert norm(reach**2 // 2) > 1.15 * norm(chosen)


@pytest.mark.parametrize("eps", ["0.1", "0.5", "1", "2"])
def test_the_four_block_question_has_no_block_above_and_a_mean_far_below_the_equal_split(eps):
    """Against the deviations of four equal blocks under the Rényi conversion, at epsilon 0.5 20.8, 20.8, 1241, 37240."""
    before = {"0.1": 94.8, "0.5": 20.8, "1": 10.83, "2": 5.67}[eps]
    found = sds(private(FOUR, Fraction(eps), delta=TABLE.delta))
    ratios = [sd / was for sd, was in zip(found, (before, 59.7 * before, 1790 * before), strict=True)]
    assert max(ratios) <= 0.83
    assert math.prod(ratios) ** (1 / 3) <= 0.78


def test_a_mean_alone_has_less_error_near_the_center_and_a_count_beside_it_keeps_its_part():
    total_before, count_before = 878 / 1.0, 14.7
    count, total = sds(private(MEAN, delta=TABLE.delta))
    for distance in (0, 5, 10):
        error = math.hypot(total, distance * count)
        assert error <= 0.82 * math.hypot(total_before, distance * count_before)
    beside = sds(private("SELECT COUNT(*), AVG(age) FROM visits", delta=TABLE.delta))
    assert beside[0] <= count_before
    assert count > beside[0]
    summed = sds(private("SELECT AVG(age), SUM(age) FROM visits", delta=TABLE.delta))
    assert summed[0] == pytest.approx(beside[0], rel=0.03)


@pytest.mark.parametrize("schema", [ROWS, UNITS])
def test_law_the_whole_release_costs_what_its_shares_add_up_to(schema):
    for sql in (
        FOUR,
        MEAN,
        "SELECT k, COUNT(*), AVG(age), VAR_SAMP(age), VAR_POP(temp), SUM(two) FROM visits GROUP BY k",
        "SELECT COUNT(DISTINCT pid), AVG(temp) FROM visits"
        if schema is UNITS
        else "SELECT SUM(age) FROM visits",
    ):
        portions = portions_of(sql, schema)
        assert sum(portion.share for portion in portions) == 1
        places = sorted(place for portion in portions for place in portion.places)
        plan = private(sql, schema=schema)
        assert places == list(range(len(plan.blocks)))
        assert len(plan.cost) == len(portions)


def test_without_portions_every_block_has_the_same_share():
    layout = lay_out(bind(FOUR, ROWS), centered=True)
    found = calibrate(
        layout.figures, table=ROWS.tables["visits"], n_groups=1, epsilon=Fraction(1, 2), context=CONTEXT
    )
    parts = [float(event.l2) ** 2 / float(event.sigma2_local) for event in found.events]
    assert len(parts) == len(layout.figures)
    assert parts == pytest.approx([parts[0]] * 3, rel=0.02)
