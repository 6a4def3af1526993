"""Queries give the same figures from DuckDB over pooled rows and from sites summed in the clear."""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import costly_law

ROW = st.tuples(
    st.none() | st.integers(-6, 10).map(lambda i: i / 2),
    st.none() | st.integers(0, 9),
    st.none() | st.sampled_from(["red", "green", "blue"]),
    st.none() | st.sampled_from([3, 6, 7]),
    st.none() | st.booleans(),
)
LAWS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
BAND = "CASE WHEN x < 0 THEN '[-3, 0)' WHEN x < 2.5 THEN '[0, 2.5)' WHEN x IS NOT NULL THEN '[2.5, 5]' END"
MOMENTS = (
    "COUNT(*) AS n, COUNT({e}) AS c, SUM({e}) AS s, AVG({e}) AS m, VAR_SAMP({e}) AS v, VAR_POP({e}) AS w"
)
DEVIATIONS = ", STDDEV_SAMP({e}) AS d, STDDEV_POP({e}) AS e, VARIANCE({e}) AS f, STDDEV({e}) AS g"


@pytest.fixture(scope="module")
def pooled(frame_of, rows) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    with duckdb.connect(":memory:") as connection:
        connection.register("visits", frame_of(rows))
        yield lambda sql: connection.execute(sql).fetchall()


def duck(frame: pd.DataFrame, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(":memory:") as connection:
        connection.register("visits", frame)
        return connection.execute(sql).fetchall()


def same(ours: Any, theirs: Any, name: str, mode: str = "exact") -> bool:
    if theirs is None and name in {"s", "n", "c"}:
        return ours in (None, 0)  # an empty sum is 0 here and NULL there
    if theirs is None and mode == "private" and name in {"m", "v", "w", "d", "e", "f", "g"}:
        return math.isfinite(ours)  # a private cell always has a value in its public range
    if ours is None or theirs is None or isinstance(ours, str | bool):
        return ours is theirs or ours == theirs
    return math.isclose(float(ours), float(theirs), rel_tol=1e-9, abs_tol=1e-9)


def assert_same(result: Any, theirs: list[tuple[Any, ...]], keys: int, mode: str = "exact") -> None:
    """Rows by group key; a group without rows is ours alone, with counts of 0."""
    expected = {row[:keys]: row[keys:] for row in theirs}
    for row in result.rows:
        key, cells = row[:keys], row[keys:]
        names = result.columns[keys:]
        wanted = expected.pop(key, tuple(0 if name in {"n", "c", "s"} else None for name in names))
        for name, cell, want in zip(names, cells, wanted, strict=True):
            assert same(cell, want, name, mode), (key, name, cell, want)
    assert not expected


def dealt(rows: list[Any], owners: list[int], frame_of: Callable[..., pd.DataFrame]) -> list[pd.DataFrame]:
    return [frame_of([r for r, o in zip(rows, owners, strict=True) if o == site]) for site in range(3)]


@costly_law(6, LAWS)
@given(st.lists(st.tuples(ROW, st.integers(0, 2)), max_size=40), st.sampled_from(["private", "exact"]))
def test_moments_agree_with_pooled_duckdb(world_of, frame_of, schema, dealt_rows, mode) -> None:
    rows, owners = [r for r, _ in dealt_rows], [o for _, o in dealt_rows]
    world = world_of(schema, dealt(rows, owners, frame_of))
    sql = "SELECT k, " + MOMENTS.format(e="x") + DEVIATIONS.format(e="x") + " FROM visits GROUP BY k"
    result = world.answer(sql, mode, Fraction(3) if mode == "private" else None)
    assert_same(result, duck(frame_of(rows), sql), 1, mode)


@costly_law(6, LAWS)
@given(st.lists(st.tuples(ROW, st.integers(0, 2)), max_size=40))
def test_groups_of_three_kinds_agree(world_of, frame_of, schema, dealt_rows) -> None:
    rows, owners = [r for r, _ in dealt_rows], [o for _, o in dealt_rows]
    world = world_of(schema, dealt(rows, owners, frame_of))
    tail = "COUNT(*) AS n, AVG(y) AS m FROM visits"
    result = world.answer(f"SELECT x, b, c, {tail} GROUP BY x, b, c", "private")
    assert len(result.rows) == 4 * 3 * 4
    assert_same(result, duck(frame_of(rows), f"SELECT {BAND} AS x, b, c, {tail} GROUP BY ALL"), 3, "private")


def numbers(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["x", "y", "2", "0.25", "-3", "1.5e1", "(-x)"])
    if depth == 0:
        return leaf
    inner, condition = numbers(depth - 1), conditions(depth - 1)
    return st.one_of(
        leaf,
        st.tuples(inner, st.sampled_from(["+", "-", "*"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(condition, inner, inner).map(lambda t: f"CASE WHEN {t[0]} THEN {t[1]} ELSE {t[2]} END"),
        st.tuples(condition, inner, condition, inner).map(
            lambda t: f"CASE WHEN {t[0]} THEN {t[1]} WHEN {t[2]} THEN NULL ELSE {t[3]} END"
        ),
        st.tuples(inner, inner).map(lambda t: f"CASE {t[0]} WHEN {t[1]} THEN 1 WHEN 2 THEN {t[1]} END"),
    )


def conditions(depth: int) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(
        [
            "b", "-x > 0.3", "-2 * y <= -3.5", "3 >= x * -1", "TRUE", "k = 'red'", "k <> 'red'", "'green' < k", "k LIKE '%e%'", "k NOT LIKE 'gr__n'", "k IN ('red', 'blue')",
            "k IS NULL", "x IS NOT NULL", "x > 0.3", "x <= -0.5", "y = 4", "y = 4.5", "y <> 4.5", "1e9 > y", "y >= -1e9",
            "y IN (1, 2, 30, 4.5)", "x NOT IN (0.5, 1)", "y BETWEEN 2 AND 6.5", "x NOT BETWEEN 0 AND y", "x < y", "b IS NOT TRUE",
            "c > 3", "c IN (3, 7)", "c = 6", "(x > 1) IS FALSE", "k LIKE 'zzz'", "b = TRUE", "(x > 0) = b", "x = y", "2 * x <> y",
        ]
    )  # fmt: skip
    if depth == 0:
        return leaf
    inner, number = conditions(depth - 1), numbers(depth - 1)
    return st.one_of(
        leaf,
        st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(NOT {t})"),
        st.tuples(number, st.sampled_from(["<", "<=", ">", ">=", "=", "<>"]), number).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        number.map(lambda t: f"({t} IS NULL)"),
    )


@costly_law(50, LAWS)
@given(numbers(2), conditions(2))
def test_expressions_and_conditions_agree(world, pooled, expression, condition) -> None:
    sql = f"SELECT COUNT(*) AS n, COUNT({expression}) AS c, SUM({expression}) AS s FROM visits WHERE {condition}"
    result = world.answer(sql, "private")
    assert_same(result, pooled(sql), 0)


@costly_law(25, LAWS)
@given(numbers(2))
def test_moments_of_expressions_agree(world, pooled, expression) -> None:
    body = MOMENTS.format(e=expression).removeprefix("COUNT(*) AS n, ")
    sql = f"SELECT {body} FROM visits"
    result = world.answer(sql, "private")
    [ours], [theirs] = result.rows, pooled(sql)
    for name, cell, want in zip(result.columns, ours, theirs, strict=True):
        assert same(cell, want, name, "private") or math.isclose(cell, want, rel_tol=1e-9, abs_tol=1e-6), (
            name,
            cell,
            want,
        )


@costly_law(6, LAWS)
@given(st.lists(st.integers(0, 2), min_size=60, max_size=60), st.sampled_from(["private", "exact"]))
def test_split_invariance(world_of, world, frame_of, schema, rows, owners, mode) -> None:
    kept, argument = (
        ("x > -2", "x") if mode == "private" else ("x >= 0", "y")
    )  # exact: bins' edges, no narrowed column
    sql = f"SELECT k, b, COUNT(*) n, AVG({argument}) m, VAR_SAMP(y) v FROM visits WHERE {kept} GROUP BY b, k"
    other = world_of(schema, dealt(rows, owners, frame_of))
    assert other.answer(sql, mode).rows == world.answer(sql, mode).rows


def test_units_are_counted_once_a_group(world_of) -> None:
    from analytics.schema import Schema

    schema = Schema.from_dict(
        {
            "tables": {
                "visits": {
                    "privacy_unit": "pid",
                    "max_rows_per_unit": 5,
                    "rows_max": 100,
                    "columns": {"k": {"type": "categorical", "domain": ["a", "b"]}},
                }
            }
        }
    )
    frame = pd.DataFrame({"pid": [1, 1, 1, 2, 2, 3], "k": ["a", "a", "b", "a", "a", "b"]})
    world = world_of(schema, [frame, frame.head(0), frame.head(0)])
    sql = "SELECT k, COUNT(DISTINCT pid) AS u, COUNT(*) AS n FROM visits GROUP BY k"
    assert world.answer(sql, "private").rows == (("a", 2, 4), ("b", 2, 2))
    assert world.answer("SELECT COUNT(DISTINCT pid) AS u FROM visits").rows == ((3,),)


@pytest.mark.parametrize("mode", ["private", "exact"])
def test_sites_without_rows_answer_zeros(world_of, frame_of, schema, mode) -> None:
    world = world_of(schema, [frame_of([])] * 3)
    plan = world.plan("SELECT k, COUNT(*) n, AVG(x) m, VAR_SAMP(x) v FROM visits GROUP BY k", mode)
    assert world.total(plan) == [0] * plan.n_figures
    rows = world.answer("SELECT k, COUNT(*) n, AVG(x) m FROM visits GROUP BY k", mode).rows
    mean = None if mode == "exact" else 1.0  # the middle of the column's range
    assert rows == (("red", 0, mean), ("green", 0, mean), ("blue", 0, mean), (None, 0, mean))
