"""No row can make a site's scan fail: attacks with constants and units that overflow, then any plan over the corners of its domain."""

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from analytics.errors import (
    InvalidRequestError,
    LocalTimeoutError,
    OverflowRiskError,
    PlanRejectedError,
    SourceFailedError,
    SourceLostError,
)
from analytics.plans.plan import Plan, PlanContext, make_plan
from analytics.plans.question import bind
from analytics.plans.size_limits import MAX_BLOCKS
from analytics.schema import Schema
from analytics.sources import LocalTable, open_frame
from analytics.sql.terms.expressions import ColumnIndex, Compare, Literal, Not, Product
from analytics.sql.terms.extent import MAX_BITS, MAX_DEPTH, ExpressionLimitError
from analytics.sql.terms.render import DIALECTS
from analytics.statistics.blocks import Measure
from tests.analytics import sql_grammar as grammar

KEY = b"k" * 32
ENGINES: dict[str, Callable[..., LocalTable]] = {"duckdb": open_frame}
CONTEXT = PlanContext(
    n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=0
)


def schema_of(columns: dict[str, Any], **changes: Any) -> Schema:
    table = {"privacy_unit": "row", "rows_max": 1000, "max_sites_per_unit": 1, "columns": columns}
    return Schema.from_dict({"tables": {"t": table | changes}})


def planned(sql: str, schema: Schema, epsilon: Fraction = Fraction(1)) -> Plan:
    return make_plan(bind(sql, schema), mode="private", epsilon=epsilon, context=CONTEXT)


PATIENTS = schema_of(
    {
        "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
        "chol": {"type": "numeric", "lower": 0, "upper": 603, "resolution": 1},
        "disease": {"type": "boolean"},
    }
)
HOSPITAL = pd.DataFrame(
    {"age": [57] + [40] * 302, "chol": [303] + [200] * 302, "disease": [True] * 100 + [False] * 203}
)


def test_overflowing_constants_for_one_person_do_not_exclude_the_site() -> None:
    """The attack: in 32 bits the product overflows for one person only, and COUNT(*) then moves by 303 rows."""
    one, other = "CASE WHEN age = 57 THEN 100000 ELSE 0 END", "CASE WHEN chol = 303 THEN 100000 ELSE 0 END"
    plan = planned(f"SELECT COUNT(*), SUM({one} * {other}) FROM t", PATIENTS)
    with open_frame(HOSPITAL, PATIENTS.tables["t"], site_key=KEY) as source:
        assert source.local_figures(plan).tolist() == [303, 10**10]


def test_a_deviation_of_large_constants_is_right() -> None:
    """The honest question that gave n = -31 for 920 people: 120000 squared needs 34 bits."""
    plan = planned("SELECT STDDEV(CASE WHEN disease THEN 120000 ELSE 7 END) AS s FROM t", PATIENTS)
    with open_frame(HOSPITAL, PATIENTS.tables["t"], site_key=KEY) as source:
        n_rows, total, _ = source.local_figures(plan).tolist()
    assert (n_rows, total + 303 * plan.columns[0].center) == (303, 100 * 120000 + 203 * 7)


@pytest.mark.parametrize(
    "form", ["a < b", "a = b", "a BETWEEN b AND b", "CASE a WHEN b THEN 1 ELSE 0 END = 1"]
)
def test_columns_whose_common_unit_is_too_wide_are_refused_with_position(form: str) -> None:
    """Aligning 10^-31 steps of one column and whole ones of another used an unchecked factor."""
    fine = {
        "type": "numeric",
        "lower": 0,
        "upper": "0." + "0" * 30 + "7",
        "resolution": "0." + "0" * 30 + "1",
    }
    coarse = {"type": "numeric", "lower": 0, "upper": 2**40, "resolution": 1}
    schema = schema_of({"a": fine, "b": coarse})
    with pytest.raises(PlanRejectedError, match=f"more than {MAX_BITS} bits") as caught:
        planned(f"SELECT COUNT(*) FROM t WHERE {form}", schema)
    assert caught.value.position.startswith("1:")


@pytest.mark.parametrize(
    "place", ["WHERE (w * w + 0.000001 * w) * 3 = w", "WHERE CASE WHEN w * w * w > 1 THEN d END"]
)
def test_a_width_inside_a_condition_is_checked_like_any_other(place: str) -> None:
    with pytest.raises(PlanRejectedError):
        planned(f"SELECT COUNT(*) FROM t {place}", schema_of(grammar.COLUMNS))


@pytest.mark.parametrize(
    "counted",
    ["w * w", "CASE WHEN w * w > 1 THEN 1 END", "CASE WHEN w * w * f = 7 THEN 1 ELSE 0 END + 0 * w"],
)
def test_a_wide_part_makes_the_whole_expression_wide(counted: str) -> None:
    """TRY would turn what does not fit into NULL, and the rows would silently be missing."""
    schema, found = schema_of(grammar.COLUMNS), grammar.rows()
    known = sum(row["w"] is not None for row in found)
    with open_frame(grammar.frame(found), schema.tables["t"], site_key=KEY) as source:
        assert source.local_figures(planned(f"SELECT COUNT({counted}) FROM t", schema)).tolist() == [known]


def test_no_expression_wider_than_planning_allows_can_be_made() -> None:
    big = ColumnIndex(name="x", lower=0, upper=2**60)
    with pytest.raises(ExpressionLimitError):
        Product(left=big, right=big)
    with pytest.raises(ExpressionLimitError):
        Literal(value=2**MAX_BITS)


def test_the_deepest_expressions_are_scanned() -> None:
    """The limit of depth is below what the database's parser takes."""
    condition: Any = Compare(
        operator="=", left=ColumnIndex(name="w", lower=0, upper=1), right=Literal(value=1)
    )
    while condition.extent.depth < MAX_DEPTH:
        condition = Not(condition=condition)
    with pytest.raises(ExpressionLimitError):
        Not(condition=condition)
    schema = schema_of(grammar.COLUMNS)
    with open_frame(grammar.frame(grammar.rows()), schema.tables["t"], site_key=KEY) as source:
        for form in ("(-{})", "({} + f)", "CASE WHEN {} < f THEN f ELSE m END", "({} IN (1, 2))"):

            def nested(depth: int, form: str = form) -> str:
                return (
                    f"SELECT COUNT({reduce(lambda inner, _: form.format(inner), range(depth), 'f')}) FROM t"
                )

            depth = bisect_left(range(200), 1, key=lambda depth: not is_bound(nested(depth), schema)) - 1
            assert 10 < depth < 150  # a limit of ours ends it
            source.local_figures(planned(nested(depth), schema))


def is_bound(sql: str, schema: Schema) -> bool:
    try:
        bind(sql, schema)
    except PlanRejectedError:
        return False
    return True


# the law


@pytest.fixture(scope="module", params=sorted(ENGINES))
def site(request: pytest.FixtureRequest) -> Any:
    schema = schema_of(grammar.COLUMNS)
    found = grammar.rows()
    source = ENGINES[request.param](grammar.frame(found), schema.tables["t"], site_key=KEY)
    with source:
        yield schema, found, source


def expected(plan: Plan, trees: list[Any], where: Any, found: list[dict[str, Any]]) -> dict[int, list[int]]:
    """Every block by group, in integers without bound, before the clamp."""
    labels = [key.labels for key in plan.groups]
    columns = [column for column in plan.columns if column.aggregate is not None]
    blocks = {number: [0] * plan.n_groups for number in range(len(plan.blocks))}
    for column, tree in zip(columns, trees, strict=True):
        for measure, number in column.blocks:
            blocks[number] = [0] * plan.n_groups
            for row in found:
                if where is not None and not grammar.holds(where, row):
                    continue
                index = 0
                for key, names in zip(plan.groups, labels, strict=True):
                    index = index * len(names) + names.index(row[key.column.name])
                value = grammar.value(tree, row) if tree is not None else Fraction(1)
                if value is None:
                    continue
                steps = value / column.unit - column.center
                added = {Measure.SUM: steps, Measure.SQUARES: steps**2 - column.offset}.get(
                    measure, Fraction(1)
                )
                assert added.denominator == 1
                blocks[number][index] += int(added)
    return blocks


def check_law(site: Any, tree: Any, other: Any, where: Any, grouped: bool) -> None:
    schema, found, source = site
    keys = "k, d, " if grouped else ""
    body = grammar.text(tree)
    forms = [
        (f"COUNT({body})", [tree]),
        (f"SUM({body}), COUNT(*)", [tree, None]),
        (f"VAR_SAMP({body}), AVG({grammar.text(other)})", [tree, other]),
    ]
    n_scanned = 0
    for form, trees in forms:
        tail = f" WHERE {grammar.text(where)}" if where is not None else ""
        tail += " GROUP BY k, d" if grouped else ""
        try:
            plan = planned(f"SELECT {keys}{form} FROM t{tail}", schema, Fraction(1000))
        except (PlanRejectedError, OverflowRiskError):
            continue
        wanted = [[0] * len(plan.blocks) for _ in range(plan.n_groups)]
        for number, values in expected(plan, trees, where, found).items():
            for group, value in enumerate(values):
                wanted[group][number] = value
        [statement] = plan.statements(DIALECTS[source.engine.dialect])
        raw = {group: list(values) for group, *values in source._rows(statement, None)}
        assert [raw.get(group, [0] * len(plan.blocks)) for group in range(plan.n_groups)] == wanted
        figures = source.local_figures(plan).reshape(len(plan.blocks), plan.n_groups).T.tolist()
        clamps = [block.clamp for block in plan.blocks]
        assert figures == [
            [max(-most, min(most, value)) for value, most in zip(values, clamps, strict=True)]
            for values in wanted
        ]
        n_scanned += 1
    event(f"scanned {n_scanned}")
    assume(n_scanned > 0)


LAW = {
    "deadline": None,
    "suppress_health_check": [
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
}
ARGUMENTS = (grammar.numbers(3), grammar.numbers(1), st.none() | grammar.conditions(2), st.booleans())


@settings(max_examples=30, **LAW)
@given(*ARGUMENTS)
def test_law_a_planned_scan_never_fails_and_equals_unbounded_integers(
    site: Any, tree: Any, other: Any, where: Any, grouped: bool
) -> None:
    check_law(site, tree, other, where, grouped)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=2_000, **LAW)
@given(grammar.numbers(4), *ARGUMENTS[1:])
def test_law_of_planned_scans_at_length(site: Any, tree: Any, other: Any, where: Any, grouped: bool) -> None:
    check_law(site, tree, other, where, grouped)


def test_every_column_and_constant_of_a_statement_is_cast() -> None:
    """No engine chooses a type: what stands bare is a list's codes, which are compared alone."""
    sql = "SELECT SUM(CASE WHEN f > 2 AND NOT d THEN f * 3 - m ELSE 0.5 END), COUNT(f * f) FROM t WHERE f < m OR w = 3"
    statement = planned(sql, schema_of(grammar.COLUMNS)).local_sql
    for piece in statement.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split("CAST")[1:]:
        assert piece.split()[0] == "("
    bare = [
        word
        for word in statement.replace("CAST(", "CAST#").replace("(", " ").replace(")", " ").split()
        if word
    ]
    assert [word for word in bare if word.lstrip("-").isdecimal() or word.strip('"') in grammar.COLUMNS] == [
        "0"
    ]
    assert ", 0) AS" in statement  # COALESCE of an empty sum


# what a failure means


def hospital() -> LocalTable:
    return open_frame(HOSPITAL, PATIENTS.tables["t"], site_key=KEY)


def test_a_scan_that_fails_takes_its_table_out_of_service() -> None:
    plan = planned("SELECT COUNT(*) FROM t", PATIENTS)
    with hospital() as source:
        assert source.is_in_service
        with pytest.raises(SourceFailedError):
            source._rows("SELECT error('a row')", 5)
        assert not source.is_in_service
        for ask in (lambda: source.local_figures(plan), lambda: source.complete_cases(["age"])):
            with pytest.raises(SourceFailedError):
                ask()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (duckdb.InterruptException, LocalTimeoutError),
        (duckdb.ConnectionException, SourceLostError),
    ],
)
def test_time_and_a_lost_database_leave_the_table_in_service(fault: Any, error: Any) -> None:
    def fetch(_: object) -> None:
        raise fault("text")

    with hospital() as source:
        with pytest.raises(error):
            source._run(lambda: source.engine._run("SELECT 1", 5, fetch))
        assert source.is_in_service


def test_rows_of_no_group_are_in_no_figure() -> None:
    schema = schema_of({"d": {"type": "boolean"}, "k": {"type": "categorical", "domain": ["x", "y"]}})
    frame = pd.DataFrame(
        {"d": pd.array([True, None, False, None], dtype="boolean"), "k": ["x", "y", None, None]}
    )
    plan = planned("SELECT d, k, COUNT(*) FROM t GROUP BY d, k", schema)
    with open_frame(frame, schema.tables["t"], site_key=KEY) as source:
        assert source.local_figures(plan).tolist() == [0, 0, 1, 0]


def test_too_many_blocks_are_refused_before_they_are_priced() -> None:
    many = ", ".join(
        f"VARIANCE(age * {number + 2} + chol) v{number}" for number in range(MAX_BLOCKS // 3 + 1)
    )
    with pytest.raises(InvalidRequestError, match="different sums"):
        planned(f"SELECT {many} FROM t", PATIENTS)
