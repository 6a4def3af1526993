"""The division of privacy over blocks: doubled blocks are one, joint sensitivities hold, errors are what they should be."""

import dataclasses
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.errors import SchemaError
from analytics.plans.block_layout import lay_out
from analytics.plans.noise.noise_calibration import calibrate
from analytics.plans.noise.noise_split import norm_above
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.sql.terms.expressions import bounds
from analytics.statistics.aggregate import shift_of
from analytics.statistics.blocks import Measure
from privacy_accounting.events import Relation
from privacy_accounting.rdp import standalone_epsilon
from tests.analytics.planning.test_analytics_plan import CONTEXT, ROWS, UNITS, portions_of, private, schema_of

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


# a mean alone: what it is divided for


def mean_variance(plan, mean_steps):
    """Variance of n times a mean's error, to first order, for a mean so many steps from the center."""
    count, total = sds(plan)
    return total**2 + (mean_steps * count) ** 2


def expecting(value):
    """The schema with an expected mean of age, whose bounds are 0 and 120."""
    table = UNITS.tables["visits"]
    column = dataclasses.replace(
        table.columns["age"], expected_mean=None if value is None else Fraction(value)
    )
    columns = dict(table.columns) | {"age": column}
    return dataclasses.replace(UNITS, tables={"visits": dataclasses.replace(table, columns=columns)})


def mean_plan(value, sql=MEAN):
    return make_plan(bind(sql, expecting(value)), mode="private", epsilon=Fraction(1), context=TABLE)


def least_variance(plan, mean_steps):
    """The least variance of any division of the same multiplier, by trying a thousand."""
    count, total = sds(plan)
    one = 1 / (1 / count**2 + 60**2 / total**2)  # of a count with the whole release
    return min(one * (60**2 / (1 - k / 1000) + mean_steps**2 / (k / 1000)) for k in range(1, 1000))


def test_the_regret_of_a_mean_alone_is_equal_at_the_center_and_at_a_bound_and_less_between():
    plan = mean_plan(None)
    regret = [mean_variance(plan, steps) / least_variance(plan, steps) for steps in (0.001, 10, 30, 60)]
    assert regret[0] == pytest.approx(4 / 3, rel=5e-3)
    assert regret[3] == pytest.approx(4 / 3, rel=5e-3)
    assert max(regret[1:3]) < 4 / 3


@pytest.mark.parametrize(("expected", "steps"), [("100", 40), ("15", -45), ("0", -60), ("75", 15)])
def test_an_expected_mean_has_the_least_error_where_it_is_right(expected, steps):
    plan = mean_plan(expected)
    assert mean_variance(plan, steps) == pytest.approx(least_variance(plan, steps), rel=1e-3)
    assert mean_variance(plan, steps) < mean_variance(mean_plan(None), steps)


def test_a_mean_expected_at_the_center_keeps_a_part_for_its_count():
    near, without = mean_plan("60"), mean_plan(None)
    for steps in (0, 5, 10):
        assert mean_variance(near, steps) < mean_variance(without, steps)
    assert sds(near)[0] < 1.5 * sds(without)[0]


@pytest.mark.parametrize("expected", ["0", "33.3", "60", "120"])
def test_an_expected_mean_changes_noise_alone_and_costs_the_same(expected):
    plan, without = mean_plan(expected), mean_plan(None)
    assert sum(portion.share for portion in lay_out(plan.query, centered=True).portions) == 1
    assert plan.local_sql == without.local_sql
    prices = [
        float(standalone_epsilon(each.cost, TABLE.delta, Relation(TABLE.relation)).epsilon)
        for each in (plan, without)
    ]
    assert prices[0] == pytest.approx(prices[1], rel=1e-3)
    assert max(prices) <= 1
    for sql in (FOUR, "SELECT COUNT(*) AS n FROM visits", "SELECT AVG(age + two) AS m FROM visits"):
        assert sds(mean_plan(expected, sql)) == sds(mean_plan(None, sql))


def test_an_expected_mean_is_read_and_a_schema_without_one_stays_as_it_was():
    column = expecting(None).tables["visits"].columns["age"]
    assert "expected_mean" not in column.to_dict()
    fields = {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1}
    tables = {
        "visits": {"privacy_unit": "row", "max_rows_per_unit": 1, "max_sites_per_unit": 1, "rows_max": 9}
    }
    read = Schema.from_dict(
        {"tables": {"visits": tables["visits"] | {"columns": {"age": fields | {"expected_mean": "48.5"}}}}}
    )
    assert read.tables["visits"].columns["age"].expected_mean == Fraction("48.5")
    assert Schema.from_dict(read.to_dict()).to_dict() == read.to_dict()
    for wrong, words in (
        (121, "between"),
        (-1, "between"),
        ("nan", "expected_mean"),
        ("48 a", "expected_mean"),
    ):
        with pytest.raises(SchemaError, match=words):
            Schema.from_dict(
                {
                    "tables": {
                        "visits": tables["visits"] | {"columns": {"age": fields | {"expected_mean": wrong}}}
                    }
                }
            )
