"""Plans: golden local statements, sensitivities, noise, guards, limits, determinism."""

import dataclasses
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError, ReleaseRefusedError
from analytics.plans.block_layout import lay_out
from analytics.plans.cell_guards import Guard
from analytics.plans.noise.noise_split import Portion
from analytics.plans.plan import Plan, PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.sql.terms.expressions import ColumnIndex
from analytics.statistics.blocks import BlockSpec, Measure
from privacy_accounting.events import Relation
from privacy_accounting.rdp import epsilon, standalone_epsilon

GOLDEN = Path(__file__).parents[1] / "golden"
CONTEXT = PlanContext(
    n_sites=4, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=10
)


def schema_of(**changes: object) -> Schema:
    table = {
        "privacy_unit": "pid",
        "max_rows_per_unit": 3,
        "max_sites_per_unit": 2,
        "rows_max": 1000,
        "exact_dimensions": ["age", "k", "b", "two"],
        "columns": {
            "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": [0, 40, 60, 120]},
            "temp": {"type": "numeric", "lower": 30, "upper": 45, "resolution": "0.1", "nullable": True},
            "two": {"type": "numeric", "lower": 0, "upper": 1, "resolution": 1},
            "g": {"type": "numeric", "lower": 0, "upper": 1, "resolution": 1, "guessed": True},
            "k": {"type": "categorical", "domain": ["red", "green"], "nullable": True},
            "b": {"type": "boolean"},
        },
    }
    return Schema.from_dict({"tables": {"visits": table | changes}})


UNITS = schema_of()
ROWS = schema_of(privacy_unit="row", max_rows_per_unit=1, max_sites_per_unit=1)


def private(sql: str, eps: Fraction = Fraction(1, 2), schema: Schema = ROWS, **changes: object) -> Plan:
    context = dataclasses.replace(CONTEXT, **changes)
    return make_plan(bind(sql, schema), mode="private", epsilon=eps, context=context)


def exact(sql: str, schema: Schema = ROWS, **changes: object) -> Plan:
    return make_plan(
        bind(sql, schema), mode="exact", epsilon=None, context=dataclasses.replace(CONTEXT, **changes)
    )


# golden local statements


def golden() -> list[tuple[str, str, str, str]]:
    cases = []
    for path in sorted(GOLDEN.glob("*.sql")):
        question, statement = path.read_text(encoding="utf-8").split("-- becomes\n")
        mode, unit, *_ = question.splitlines()[0].removeprefix("-- ").split()
        cases.append((mode, unit, "\n".join(question.splitlines()[1:]).strip(), statement.strip()))
    return cases


@pytest.mark.parametrize(("mode", "unit", "question", "statement"), golden())
def test_golden_local_statement(mode: str, unit: str, question: str, statement: str) -> None:
    schema = {"row": ROWS, "unit": UNITS}[unit]
    plan = private(question, schema=schema) if mode == "private" else exact(question, schema=schema)
    assert plan.local_sql == statement


def test_there_are_golden_statements() -> None:
    assert len(golden()) >= 8


# determinism


def test_equal_requests_have_equal_plans_and_digests() -> None:
    sql = "SELECT k, AVG(temp) AS m FROM visits WHERE age > 3 GROUP BY k"
    one, other = private(sql), private(sql)
    assert one == other
    assert one.digest() == other.digest()
    assert len(one.digest()) == 64


@pytest.mark.parametrize(
    "change",
    [{"n_sites": 5}, {"colluding": 2}, {"relation": "replace_one"}, {"delta": Fraction(1, 10**5)}],
)
def test_every_parameter_is_in_the_digest(change: dict) -> None:
    sql = "SELECT COUNT(*) FROM visits"
    assert private(sql).digest() != private(sql, **change).digest()


def test_question_epsilon_schema_and_cell_are_in_the_digest() -> None:
    sql = "SELECT COUNT(*) AS n FROM visits"
    plans = [
        private(sql), private(sql, Fraction(1)), private("SELECT COUNT(*) AS m FROM visits"), private(sql + " ORDER BY n"),
        private(sql + " LIMIT 1"), private(sql, schema=schema_of(privacy_unit="row", max_rows_per_unit=1, rows_max=999)),
        exact(sql), exact(sql, minimum_cell=11),
    ]  # fmt: skip
    assert len({plan.digest() for plan in plans}) == len(plans)


def test_canonical_form_has_no_floats() -> None:
    def walk(value: object) -> None:
        assert not isinstance(value, float)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    plan = private("SELECT k, AVG(0.1 * temp), STDDEV(age) FROM visits GROUP BY k")
    walk(plan.to_dict())
    assert json.loads(json.dumps(plan.to_dict())) == plan.to_dict()


# sensitivities (one row, one unit)


def test_bounds_of_centered_blocks_hold_for_every_value() -> None:
    column = ColumnIndex(name="x", lower=-7, upper=20)
    for center in (0, 6, 7, -9, 30):
        for offset in (0, 5, 98, 500):
            total = BlockSpec(measure=Measure.SUM, argument=column, center=center)
            squares = BlockSpec(measure=Measure.SQUARES, argument=column, center=center, offset=offset)
            values = [x - center for x in range(-7, 21)]
            assert total.bound == max(1, *(abs(d) for d in values))
            reached = max(abs(d * d - offset) for d in values)
            assert squares.bound >= reached


def test_sensitivities_of_units() -> None:
    table = UNITS.tables["visits"]
    rows = BlockSpec(measure=Measure.ROWS)
    assert (rows.l1(table, n_groups=9, n_sites=4), rows.l2(table, n_groups=9, n_sites=4)) == (6, 6)
    units = BlockSpec(measure=Measure.UNITS)
    assert (units.l1(table, n_groups=9, n_sites=4), units.l2(table, n_groups=9, n_sites=4)) == (6, 4)
    assert (units.l1(table, n_groups=1, n_sites=4), units.l2(table, n_groups=1, n_sites=4)) == (2, 2)
    assert rows.l1(table, n_groups=1, n_sites=1) == 3


@pytest.mark.parametrize(
    "sql", ["SELECT k, COUNT(*), AVG(age), VAR_SAMP(temp), SUM(temp) FROM visits GROUP BY k"]
)
def test_one_units_rows_change_figures_within_the_sensitivities(sql: str, world_of) -> None:
    """Add a unit with its worst rows at its sites: the change of each block stays within what noise is for."""
    import pandas as pd

    plan = private(sql, schema=UNITS)
    base = pd.DataFrame(
        {"pid": ["p", "q"], "age": [50, 70], "temp": [36.0, 37.0], "two": 1, "g": 1, "k": "red", "b": True}
    )
    extra = pd.DataFrame(
        {
            "pid": "new",
            "age": [0, 120, 120, 0, 0],
            "temp": [45.0, 45.0, 30.0, 45, 45],
            "two": 1,
            "g": 1,
            "k": "red",
            "b": True,
        }
    )
    before = world_of(UNITS, [base, base])
    after = world_of(UNITS, [pd.concat([base, extra]), pd.concat([base, extra])])
    change = np.array(after.total(plan)) - np.array(before.total(plan))
    parts = [
        change[number * plan.n_groups : (number + 1) * plan.n_groups] * block.weight
        for number, block in enumerate(plan.blocks)
    ]
    assert all(np.any(part) for part in parts)
    for portion, event in zip(portions_of(sql, UNITS), plan.cost, strict=True):
        moved = np.concatenate([parts[place] for place in portion.places]).astype(float)
        assert np.abs(moved).sum() <= event.l1
        assert np.square(moved).sum() <= event.l2**2
        assert {plan.blocks[place].sigma2_local for place in portion.places} == {event.sigma2_local}


# noise


@pytest.mark.parametrize("eps", [Fraction(1, 20), Fraction(1, 2), Fraction(3), Fraction(20)])
@pytest.mark.parametrize("relation", ["add_or_remove_one", "replace_one"])
def test_price_is_at_most_what_was_asked_and_nearly_all_of_it(eps: Fraction, relation: str) -> None:
    plan = private("SELECT k, COUNT(*), AVG(temp) FROM visits GROUP BY k", eps, relation=relation)
    found = standalone_epsilon(plan.cost, CONTEXT.delta, Relation(relation)).epsilon
    assert 0.98 * float(eps) < found <= float(eps)
    assert found <= epsilon(plan.cost, CONTEXT.delta, Relation(relation)).epsilon


def portions_of(sql: str, schema: Schema = ROWS) -> tuple[Portion, ...]:
    return lay_out(bind(sql, schema), centered=True).portions


def test_each_portion_gets_its_share() -> None:
    sql = "SELECT COUNT(*), AVG(temp), VAR_SAMP(age), SUM(age) FROM visits"
    plan, portions = private(sql), portions_of(sql)
    honest = CONTEXT.honest
    parts = [float(event.l2) ** 2 / (float(event.sigma2_local) * honest) for event in plan.cost]
    whole = [float(portion.share) / float(plan.noise_multiplier) ** 2 for portion in portions]
    assert sum(portion.share for portion in portions) == 1
    assert parts == pytest.approx(whole, rel=0.02)
    assert sum(parts) == pytest.approx(1 / float(plan.noise_multiplier) ** 2, rel=0.02)
    assert sum(parts) <= 1 / float(plan.noise_multiplier) ** 2


@pytest.mark.parametrize("eps", [Fraction(1, 10), Fraction(5), Fraction(100)])
def test_local_noise_is_at_least_eight_steps(eps: Fraction) -> None:
    plan = private("SELECT COUNT(*), AVG(age) FROM visits", eps)
    assert all(block.sigma2_local >= 64 for block in plan.blocks)
    assert any(block.weight > 1 for block in plan.blocks) == (eps > 3)


def test_events_are_what_is_done() -> None:
    plan = private("SELECT k, COUNT(*), AVG(temp) FROM visits GROUP BY k", Fraction(30))
    for block, event in zip(plan.blocks, plan.cost, strict=True):
        assert (event.parties, event.colluding, event.dim) == (4, 1, plan.n_groups == 3 and 3)
        assert event.sigma2_local == block.sigma2_local
        assert event.l2 == block.bound * block.weight
    assert plan.weights == tuple(block.weight for block in plan.blocks for _ in range(3))
    assert set(plan.sigma2_local) == {block.sigma2_local for block in plan.blocks}


def test_more_colluders_or_sites_per_unit_need_more_noise() -> None:
    sql = "SELECT COUNT(*) FROM visits"
    base = private(sql)
    assert private(sql, colluding=3).noise_sd(0) == pytest.approx(math.sqrt(3) * base.noise_sd(0), rel=0.02)
    four = schema_of(privacy_unit="row", max_rows_per_unit=1, max_sites_per_unit=4)
    assert private(sql, schema=four).noise_sd(0) == pytest.approx(4 * base.noise_sd(0), rel=0.02)


def test_blocks_are_shared_and_centered_only_where_it_helps() -> None:
    plan = private(
        "SELECT AVG(temp), SUM(temp), VAR_SAMP(temp), AVG(2 * temp), COUNT(temp), SUM(age) FROM visits"
    )
    assert [block.measure.value for block in plan.blocks] == ["count", "sum", "squares", "sum"]
    assert plan.blocks[1].bound == 75  # half of 30..45 in tenths
    assert plan.blocks[3].bound == 120


# exact plans


def test_guards_name_units_complement_and_both_values() -> None:
    plan = exact("SELECT AVG(b) AS share FROM visits WHERE age >= 40")
    meanings = [block.meaning for block in plan.blocks]
    count, total, outside, yes, no = range(5)
    assert [block.opened for block in plan.blocks] == [True, True, False, False, False]
    assert "outside" in meanings[outside]
    assert plan.guards == (
        Guard(figure=count, at_least=(count, outside)),
        Guard(figure=total, at_least=(count, outside, yes, no)),
    )
    assert plan.opened == (0, 1)
    assert plan.cost == ()


def test_columns_of_two_values_are_guarded_as_booleans() -> None:
    assert len(exact("SELECT SUM(two) FROM visits").guards[0].at_least) == 3


def test_a_sum_has_enough_units_above_the_lower_bound_and_below_the_upper_one() -> None:
    plan = exact("SELECT SUM(age) FROM visits")
    _, above, below = plan.guards[0].at_least
    assert "120" not in plan.blocks[above].meaning
    assert "120" in plan.blocks[below].meaning


def test_guards_count_distinct_units_where_a_unit_has_rows() -> None:
    plan = exact("SELECT k, COUNT(*), AVG(age) FROM visits WHERE b GROUP BY k", UNITS)
    assert plan.threshold == 20
    for guard in plan.guards:
        for count in guard.at_least:
            assert plan.blocks[count // plan.n_groups].measure is Measure.UNITS
            assert count % plan.n_groups == guard.figure % plan.n_groups
    assert len(plan.guards) == len(plan.opened) == 3 * plan.n_groups
    assert plan.opened == tuple(range(9))


def test_guard_counts_are_true(world_of) -> None:
    import pandas as pd

    n = 90
    frame = pd.DataFrame(
        {
            "pid": [f"p{i % 40}" for i in range(n)],
            "age": [i % 100 for i in range(n)],
            "temp": [None if i % 3 == 0 else 36.5 for i in range(n)],
            "two": [i % 2 for i in range(n)],
            "g": 0,
            "k": "red",
            "b": [i % 5 == 0 for i in range(n)],
        }
    )
    world = world_of(UNITS, [frame])
    plan = exact("SELECT AVG(temp) AS m, SUM(b) AS s FROM visits WHERE age < 40", UNITS)
    values = world.total(plan)
    inside, known = frame.age < 40, frame.temp.notna()
    mean, total = plan.guards[0], plan.guards[-1]
    assert [values[i] for i in mean.at_least] == [
        frame[rows].pid.nunique()
        for rows in (
            *(inside & known, ~inside & known, inside & ~known),
            *(inside & (known != frame.b), inside & (known == frame.b)),
        )
    ]
    assert [values[i] for i in total.at_least] == [
        frame[rows].pid.nunique() for rows in (inside, ~inside, inside & frame.b, inside & ~frame.b)
    ]


def test_two_counts_of_nullable_columns_are_apart_in_both_directions() -> None:
    plan = exact("SELECT COUNT(temp), COUNT(k) FROM visits")
    _, *apart = plan.guards[1].at_least
    assert (
        len({plan.blocks[place].meaning for place in apart}) == 3
    )  # each way, and the people in whom the two differ


def test_a_filter_by_a_key_and_another_column_leaves_a_counted_rest() -> None:
    plan = exact("SELECT b, COUNT(*) FROM visits WHERE b AND age >= 40 GROUP BY b")
    assert any("outside the filter" in block.meaning for block in plan.blocks)
    plan = exact("SELECT b, COUNT(*) FROM visits WHERE b GROUP BY b")
    assert not any("outside the filter" in block.meaning for block in plan.blocks)


def test_a_minimum_cell_of_one_is_guarded_too() -> None:
    """Zero is a count below it."""
    plan = exact("SELECT COUNT(*) FROM visits", minimum_cell=1)
    assert (len(plan.guards), plan.threshold) == (1, 1)


def test_no_guard_without_a_minimum_cell() -> None:
    plan = exact("SELECT AVG(b) FROM visits WHERE age >= 40", minimum_cell=0)
    assert (plan.guards, all(block.opened for block in plan.blocks)) == ((), True)


def test_guard_width_holds_counts_and_thresholds() -> None:
    plan = exact("SELECT COUNT(*) FROM visits")
    assert 2 ** (plan.guard_bits - 1) > 4 * 1000 >= 2 ** (plan.guard_bits - 2)
    assert exact("SELECT COUNT(*) FROM visits", minimum_cell=10**6).guard_bits == 21


@pytest.mark.parametrize(
    ("sql", "position", "words"),
    [
        ("SELECT SUM(CASE WHEN age = 57 THEN temp ELSE 0 END) FROM visits", "1:22", "CASE"),
        ("SELECT SUM(age = 57) FROM visits", "1:12", "condition"),
        ("SELECT AVG(b AND b) FROM visits", "1:12", "condition"),
        ("SELECT AVG(b IS TRUE) FROM visits", "1:12", "condition"),
        ("SELECT AVG(k LIKE 'r%') FROM visits", "1:12", "condition"),
        ("SELECT COUNT(temp IS NULL) FROM visits", "1:14", "condition"),
        ("SELECT SUM(age + temp) FROM visits", "1:12", "arithmetic"),
        ("SELECT SUM(-age) FROM visits", "1:13", "arithmetic"),
        ("SELECT SUM(1) FROM visits", "1:8", "constant"),
        ("SELECT COUNT(*) FROM visits WHERE temp > 40", "1:35", "temp"),
        ("SELECT COUNT(*) FROM visits WHERE age > two", "1:35", "two columns"),
        ("SELECT COUNT(*) FROM visits WHERE age * age > 5", "1:35", "arithmetic"),
        ("SELECT COUNT(*) FROM visits WHERE CASE WHEN b THEN age END > 5", "1:45", "CASE"),
        ("SELECT COUNT(*) FROM visits GROUP BY g", "1:38", "no bins"),
        ("SELECT COUNT(*) FROM visits WHERE age = 57", "1:35", "edges of age: 0, 40, 60, 120"),
        ("SELECT COUNT(*) FROM visits WHERE b AND age IN (28, 58)", "1:49", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE age BETWEEN 40 AND 58", "1:35", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE age > 40", "1:35", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE age = 40", "1:35", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE age <> 59", "1:35", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE age >= 120", "1:35", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE age > 0", "1:35", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE (age <= 40) = b", "1:36", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE age < 39 OR TRUE", "1:35", "edge"),
        ("SELECT COUNT(*) FROM visits WHERE two = 1", "1:35", "without declared bins"),
        ("SELECT COUNT(*) FROM visits WHERE two IS NULL", "1:35", "without declared bins"),
        ("SELECT SUM(age) FROM visits WHERE age >= 40", "1:8", "narrows: age"),
        ("SELECT COUNT(*), VAR_POP(age) FROM visits GROUP BY age", "1:18", "narrows: age"),
        ("SELECT AVG(b) FROM visits WHERE k = 'red' OR b", "1:8", "narrows: b"),
    ],
)
def test_exact_is_narrow(sql: str, position: str, words: str) -> None:
    with pytest.raises(PlanRejectedError) as caught:
        exact(sql)
    assert (caught.value.position, words in str(caught.value)) == (position, True), str(caught.value)


@pytest.mark.parametrize(
    "kept",
    [
        "age >= 40",
        "age < 40",
        "age <= 39",
        "age > 59",
        "age BETWEEN 40 AND 59",
        "40 > age",
        "age < 39.9 + 0.1",
        "age <= 120",
        "age >= 0",
    ],
)
def test_exact_filters_take_the_edges_of_declared_bins(kept: str) -> None:
    assert exact(f"SELECT COUNT(*), AVG(temp) FROM visits WHERE {kept}").mode == "exact"


def test_exact_dimensions_rule_group_by() -> None:
    schema = schema_of(exact_dimensions=["b"])
    with pytest.raises(PlanRejectedError) as caught:
        exact("SELECT COUNT(*) FROM visits GROUP BY k", schema)
    assert (caught.value.position, "GROUP BY" in str(caught.value)) == ("1:38", True)
    assert exact("SELECT COUNT(*), AVG(age) FROM visits WHERE b", schema).mode == "exact"


@pytest.mark.parametrize("change", [{"n_sites": 2}, {"n_sites": 3, "colluding": 2}])
def test_exact_needs_sites_to_hide_among(change: dict) -> None:
    with pytest.raises(ReleaseRefusedError) as caught:
        exact("SELECT COUNT(*) FROM visits", **change)
    assert caught.value.rule == "exact_sites"


# refusals of parameters


@pytest.mark.parametrize("clause", ["AVG(g)", "SUM(g) AS s, COUNT(*)", "COUNT(CASE WHEN g > 0 THEN 1 END)"])
def test_guessed_columns_are_refused_in_private_mode(clause: str) -> None:
    with pytest.raises(PlanRejectedError) as caught:
        private(f"SELECT {clause} FROM visits")
    assert "guessed" in str(caught.value)
    with pytest.raises(PlanRejectedError) as caught:
        private("SELECT COUNT(*) FROM visits WHERE g = 1")
    assert caught.value.position == "1:35"
    assert exact("SELECT AVG(g) FROM visits").mode == "exact"


@pytest.mark.parametrize("eps", [Fraction(0), Fraction(-1), Fraction(1, 3), None, 0.5, 1, True, "0.5 "])
def test_epsilon_must_be_a_positive_fraction(eps: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        private("SELECT COUNT(*) FROM visits", eps)
    assert caught.value.parameter == "epsilon"


@pytest.mark.parametrize("eps", [Fraction(1, 10**6), Fraction(1, 10**15)])
def test_tiny_epsilons_are_paid_for(eps: Fraction) -> None:
    plan = private("SELECT COUNT(*) FROM visits", eps)
    assert standalone_epsilon(plan.cost, CONTEXT.delta, Relation.ADD_OR_REMOVE_ONE).epsilon <= eps
    assert plan.noise_sd(0) > 10**5


def test_epsilon_beyond_any_noise_is_refused() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        private("SELECT COUNT(*) FROM visits", Fraction(1, 10**6), delta=Fraction(1, 10**400))
    assert caught.value.parameter == "epsilon"


def test_exact_takes_no_epsilon() -> None:
    with pytest.raises(InvalidRequestError):
        make_plan(
            bind("SELECT COUNT(*) FROM visits", ROWS), mode="exact", epsilon=Fraction(1), context=CONTEXT
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [("n_sites", 0), ("colluding", 4), ("colluding", -1), ("delta", Fraction(0)), ("delta", Fraction(1)), ("delta", Fraction(2)),
        ("delta", Fraction(1, 3)),
     ("minimum_cell", -1)],
)  # fmt: skip
def test_contexts_are_validated(field: str, value: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        dataclasses.replace(CONTEXT, **{field: value})
    assert caught.value.parameter == field


def test_unknown_relation() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        private("SELECT COUNT(*) FROM visits", relation="sideways")
    assert caught.value.parameter == "relation"


def test_sums_that_could_leave_the_ring_are_refused() -> None:
    wide = schema_of(
        privacy_unit="row",
        max_rows_per_unit=1,
        rows_max=10**9,
        columns={"x": {"type": "numeric", "lower": 0, "upper": 2**30, "resolution": 1}},
        exact_dimensions=[],
    )
    assert exact("SELECT SUM(x) FROM visits", wide).mode == "exact"
    with pytest.raises(OverflowRiskError) as caught:
        exact("SELECT VAR_SAMP(x) FROM visits", wide)
    assert caught.value.bits > caught.value.limit_bits == 62
    assert "squares" in caught.value.figure


def test_the_ring_holds_the_noise_too() -> None:
    """Where the sums alone fit, a small epsilon does not."""
    schema = schema_of(
        privacy_unit="row",
        max_rows_per_unit=1,
        max_sites_per_unit=4,
        rows_max=2**30 - 2**12,  # four sites' sums leave 2^44 of 2^62 for noise
        columns={"x": {"type": "numeric", "lower": 0, "upper": 2**30, "resolution": 1}},
        exact_dimensions=[],
    )
    for block in private("SELECT SUM(x) FROM visits", schema=schema).blocks:
        total = 4 * block.clamp * block.weight + 12 * math.sqrt(4 * block.sigma2_local)
        assert total < 2**62
    with pytest.raises(OverflowRiskError):
        private("SELECT SUM(x) FROM visits", Fraction(1, 1000), schema=schema)


def test_too_many_figures() -> None:
    columns = {"w": {"type": "categorical", "domain": list(range(9000))}}
    columns |= {f"x{i}": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1} for i in range(12)}
    schema = schema_of(columns=columns, exact_dimensions=[])
    sums = ", ".join(f"SUM(x{i})" for i in range(12))
    with pytest.raises(InvalidRequestError, match="figures"):
        private(f"SELECT {sums} FROM visits GROUP BY w", schema=schema)
