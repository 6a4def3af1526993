"""Derived columns: a small language, and no row that can make one of its expressions fail."""

import itertools

import duckdb
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from analytics.harmonise.expressions import derived_sql
from analytics.harmonise.made import RuleError

COLUMNS = {"a": "number", "b": "number", "t": "text", "d": "date", "e": "date", "f": "boolean"}
NUMBERS = ["1.7976931348623157e308", "-1.7976931348623157e308", "0", "-0.0", "5e-324", "-1", "700", "NULL"]
DATES = ["DATE '0001-01-01'", "DATE '9999-12-31'", "DATE '2000-02-29'", "NULL"]


@pytest.fixture(scope="module")
def corners():
    """Every pair of numbers with every pair of dates: what a site's rows can hold at worst."""
    connection = duckdb.connect()
    rows = [
        f"(CAST({a} AS DOUBLE), CAST({b} AS DOUBLE), {t}, CAST({d} AS DATE), CAST({e} AS DATE), {f})"
        for (a, b), (d, e), t, f in zip(
            itertools.cycle(itertools.product(NUMBERS, NUMBERS)),
            itertools.product(DATES, DATES, repeat=1),
            itertools.cycle(["''", "'x'", "NULL", "'é'"]),
            itertools.cycle(["TRUE", "FALSE", "NULL"]),
            strict=False,
        )
    ]
    rows += [
        f"(CAST({a} AS DOUBLE), CAST({b} AS DOUBLE), NULL, NULL, NULL, NULL)"
        for a, b in itertools.product(NUMBERS, NUMBERS)
    ]
    connection.execute(
        f"CREATE TABLE rows AS SELECT * FROM (VALUES {', '.join(rows)}) AS v(a, b, t, d, e, f)"
    )
    yield connection
    connection.close()


def number(inner):
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "^"]), inner),
        st.builds(
            "{}({})".format, st.sampled_from(["abs", "floor", "ceil", "exp", "ln", "log10", "sqrt"]), inner
        ),
        st.builds("power({}, {})".format, inner, inner),
        st.builds("round({}, {})".format, inner, st.integers(0, 9)),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("CASE WHEN {} > {} OR f THEN {} END".format, inner, inner, inner),
        st.builds("-({})".format, inner),
    )


LEAVES = st.sampled_from(
    ["a", "b", "1e308", "0", "-3.5", "year(d)", "month(e)", "years_between(d, e)", "days_between(e, d)"]
)


@given(st.recursive(LEAVES, number, max_leaves=6))
def test_no_row_makes_an_expression_fail_and_no_result_is_infinite(corners, text):
    try:
        sql, kind = derived_sql(text, COLUMNS, "derive.x")
    except RuleError:
        reject()  # its SQL is too long
    assert kind == "number"
    row = corners.execute(
        f"SELECT count(*) FILTER (WHERE NOT isfinite(v)) FROM (SELECT {sql} AS v FROM rows)"
    ).fetchone()
    assert row == (0,)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a / 0", None),
        ("ln(a - a)", None),
        ("a * 1e300 * 1e300 > 5", None),  # an overflow is missing on both sides of a comparison
        ("least(a, nullif(a, 6))", None),
        ("CASE t WHEN 'x' THEN 1 ELSE 0 END", 1.0),
        ("t IN ('x', 'y') AND NOT f", False),
        ("round(a / 4, 1)", 1.5),
        ("upper(substr(t, 1, 1))", "X"),
        ("years_between(DATE '2000-02-29', DATE '2001-02-28')", 0.0),
        ("years_between(DATE '2000-02-29', DATE '2001-03-01')", 1.0),
        ("days_between(d, DATE '2020-03-01')", 1.0),
        ("a BETWEEN 5 AND 7 AND b IS NULL", True),
        ("if(f, 1, 2)", 1.0),
        ("f IS NOT TRUE", False),
    ],
)
def test_what_an_expression_gives(text, wanted):
    sql, _ = derived_sql(text, COLUMNS, "derive.x")
    rows = "(VALUES (6::DOUBLE, NULL::DOUBLE, 'x', DATE '2020-02-29', TRUE)) AS v(a, b, t, d, f)"
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {sql} FROM {rows}").fetchone() == (wanted,)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "(SELECT max(a) FROM rows)",
        "a; DROP TABLE rows",
        "read_csv('/etc/passwd')",
        "error('x')",
        "random()",
        "current_date",
        "count(*)",
        "sum(a)",
        "a // b",
        "a % b",
        "CAST(t AS DOUBLE)",
        "a::INTEGER",
        "t || t",
        "t LIKE 'x%'",
        "t > 3",
        "a + t",
        "f + 1",
        "log(a)",
        "v.a",
        "a IN (b)",
        "nullif(a + 1, 2)",
        "substr(t, a, 1)",
        "round(a, 400)",
        "DATE '2020-13-01'",
        "list_filter([a], x -> true)",
        "NULL",
        "aa",
        "",
        "(" * 500 + "a" + ")" * 500,
        "+".join(["a"] * 300),
    ],
)
def test_what_is_no_part_of_the_language_is_refused(text):
    with pytest.raises(RuleError):
        derived_sql(text, COLUMNS, "derive.x")
