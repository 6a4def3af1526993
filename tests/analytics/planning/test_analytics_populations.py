"""Whom exact questions count: compared by public facts, and counted at one site, against plain Python over the rows."""

import itertools

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.plans.populations import MOST_ATOMS, populations_of, unequal_cells
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.sources import open_frame
from analytics.sources.population_overlap import small_parts
from analytics.sql.terms import expressions as e
from analytics.sql.terms.evaluate import integer_at, truth_at
from analytics.sql.terms.render import render_condition, render_integer

COLUMNS = {
    "age": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1, "bins": [0, 3, 6, 9]},
    "sex": {"type": "categorical", "domain": ["F", "M", "X"]},
    "ill": {"type": "boolean", "nullable": True},
    "chol": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1, "nullable": True},
}
DIMENSIONS = ["age", "sex", "ill"]


def schema(unit="row", rows=1):
    columns = COLUMNS | ({} if unit == "row" else {unit: {"type": "identifier"}})
    table = {
        "privacy_unit": unit,
        "rows_max": 1000,
        "max_rows_per_unit": rows,
        "max_sites_per_unit": 1,
        "exact_dimensions": DIMENSIONS,
        "columns": columns,
    }
    return Schema.from_dict({"tables": {"visits": table}})


def part(age):
    return min(age // 3, 2)


# a question, and for plain Python: which rows it counts, in which cells, for each kind of its figures
QUESTIONS = [
    ("SELECT COUNT(*) AS n FROM visits", [lambda r: 0]),
    ("SELECT sex, COUNT(*) AS n FROM visits GROUP BY sex", [lambda r: r["sex"]]),
    ("SELECT COUNT(*) AS n FROM visits WHERE sex = 'F'", [lambda r: 0 if r["sex"] == "F" else None]),
    ("SELECT COUNT(*) AS n FROM visits WHERE sex <> 'F'", [lambda r: 0 if r["sex"] != "F" else None]),
    (
        "SELECT COUNT(*) AS n FROM visits WHERE sex = 'M' OR age < 6",
        [lambda r: 0 if r["sex"] == "M" or r["age"] < 6 else None],
    ),
    ("SELECT age, COUNT(*) AS n FROM visits GROUP BY age", [lambda r: part(r["age"])]),
    (
        "SELECT sex, ill, COUNT(*) AS n FROM visits GROUP BY sex, ill",
        [lambda r: (r["sex"], r["ill"])],
    ),
    ("SELECT COUNT(*) AS n FROM visits WHERE ill", [lambda r: 0 if r["ill"] is True else None]),
    ("SELECT COUNT(*) AS n FROM visits WHERE NOT ill", [lambda r: 0 if r["ill"] is False else None]),
    ("SELECT COUNT(*) AS n FROM visits WHERE ill IS NULL", [lambda r: 0 if r["ill"] is None else None]),
    ("SELECT COUNT(chol) AS n FROM visits", [lambda r: None if r["chol"] is None else 0]),
    (
        "SELECT COUNT(*) AS n, AVG(chol) AS m FROM visits WHERE sex IN ('F', 'X')",
        [
            lambda r: 0 if r["sex"] in "FX" else None,
            lambda r: None if r["chol"] is None or r["sex"] not in "FX" else 0,
        ],
    ),
]
ROWS = [
    {"age": age, "sex": sex, "ill": ill, "chol": chol}
    for age, sex, ill, chol in itertools.product(range(10), "FMX", (True, False, None), (1, None))
]
PAIRS = list(itertools.product(range(len(QUESTIONS)), repeat=2))


def populations(number, unit="row", rows=1):
    return populations_of(bind(QUESTIONS[number][0], schema(unit, rows)))


def cells(rows, of):
    found = {}
    for place, row in enumerate(rows):
        if (cell := of(row)) is not None:
            found.setdefault(cell, set()).add(place)
    return found


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_unequal_cells_are_those_of_every_row_that_there_can_be(first, second):
    """The oracle puts one row of every kind into sets."""
    ours = [unequal_cells(one, other) for one in populations(first) for other in populations(second)]
    theirs = [
        {
            (one, other)
            for one, ones in cells(ROWS, left).items()
            for other, others in cells(ROWS, right).items()
            if ones & others and ones != others
        }
        for left in QUESTIONS[first][1]
        for right in QUESTIONS[second][1]
    ]
    assert [len(each) for each in ours] == [len(each) for each in theirs]


def test_too_many_combinations_are_never_called_equal():
    names = [f"c{number}" for number in range(7)]
    columns = {name: {"type": "categorical", "domain": list("abcd")} for name in names}
    table = {
        "privacy_unit": "row",
        "rows_max": 10,
        "exact_dimensions": names,
        "columns": columns,
    }
    many = Schema.from_dict({"tables": {"t": table}})
    (one,) = populations_of(bind("SELECT COUNT(*) AS n FROM t", many))
    text = " AND ".join(f"{name} = 'a'" for name in names)
    (other,) = populations_of(bind(f"SELECT COUNT(*) AS n FROM t WHERE {text}", many))
    assert MOST_ATOMS < 4**7
    assert unequal_cells(one, other) is None
    assert unequal_cells(one, one) == frozenset()


rows_of = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.integers(0, 9),
            "sex": st.sampled_from("FMX"),
            "ill": st.sampled_from([True, False, None]),
            "chol": st.sampled_from([1, 2, None]),
            "patient": st.sampled_from(["p1", "p2", "p3", "p4", "p5", "p6"]),
        }
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=20)
@given(
    rows=rows_of,
    pair=st.sampled_from(PAIRS),
    threshold=st.integers(1, 8),
    unit=st.sampled_from(["row", "patient"]),
)
def test_law_small_parts_are_those_that_sets_of_people_give(rows, pair, threshold, unit):
    frame = pd.DataFrame(rows).astype({"ill": "boolean", "chol": "Int64"})
    shape = schema(unit, 1 if unit == "row" else 30)
    with open_frame(frame, shape.tables["visits"], site_key=b"0" * 16) as table:
        for left, one in zip(
            QUESTIONS[pair[0]][1], populations_of(bind(QUESTIONS[pair[0]][0], shape)), strict=True
        ):
            for right, other in zip(
                QUESTIONS[pair[1]][1], populations_of(bind(QUESTIONS[pair[1]][0], shape)), strict=True
            ):
                found, is_whole = small_parts(table, one, other, threshold=threshold)
                assert is_whole
                assert sorted((each.kind, each.people) for each in found) == sorted(
                    expected(rows, left, right, threshold, unit)
                )


def expected(rows, left, right, threshold, unit):
    possible = {
        (one, other)
        for one, ones in cells(ROWS, left).items()
        for other, others in cells(ROWS, right).items()
        if ones & others and ones != others
    }

    def people(places):
        return len(places if unit == "row" else {rows[place]["patient"] for place in places})

    for one, ones in cells(rows, left).items():
        for other, others in cells(rows, right).items():
            if not ones & others:
                continue
            if 0 < people(ones ^ others) < threshold:
                yield "difference", people(ones ^ others)
            if (one, other) in possible and 0 < people(ones & others) < threshold:
                yield "part", people(ones & others)


def test_a_row_without_a_value_that_is_always_known_counts_for_the_site_s_administrator():
    """Public facts call the two questions equal; two rows that break the schema tell them apart."""
    rows = [{"age": None if place < 2 else 5, "sex": "F", "ill": True, "chol": 1} for place in range(40)]
    shape = schema()
    (total,) = populations_of(bind("SELECT COUNT(*) AS n FROM visits", shape))
    (aged,) = populations_of(bind("SELECT COUNT(age) AS n FROM visits", shape))
    assert unequal_cells(total, aged) == frozenset()
    frame = pd.DataFrame(rows).astype({"age": "Int64"})
    with open_frame(frame, shape.tables["visits"], site_key=b"0" * 16) as table:
        (found,), _ = small_parts(table, total, aged, threshold=10)
    assert (found.kind, found.people) == ("difference", 2)


def test_cells_have_their_public_names():
    (total,) = populations(0)
    (both,) = populations(6)
    assert total.label(0) == "all"
    assert [both.label(cell) for cell in (0, 1, 2, 8)] == [
        "sex = F, ill = False",
        "sex = F, ill = True",
        "sex = F, ill = None",
        "sex = X, ill = None",
    ]


# -- the evaluation in Python, against the database --------------------------------------------------------------

ROW_VALUES = [
    {"a": a, "b": b, "f": f} for a, b, f in itertools.product((None, -2, 0, 3), (None, 0, 1), (None, 0, 1))
]
integers = st.recursive(
    st.sampled_from([e.ColumnIndex(name="a", lower=-2, upper=3), e.ColumnIndex(name="b", lower=0, upper=1)])
    | st.integers(-3, 3).map(lambda value: e.Literal(value=value)),
    lambda inner: st.builds(e.Sum, left=inner, right=inner) | st.builds(e.Product, left=inner, right=inner),
    max_leaves=4,
)
leaves = (
    st.builds(
        e.Compare, operator=st.sampled_from(["<", "<=", ">", ">=", "=", "<>"]), left=integers, right=integers
    )
    | st.builds(e.Member, argument=integers, codes=st.lists(st.integers(-2, 3), max_size=3).map(tuple))
    | st.just(e.Flag(name="f"))
    | st.builds(e.Missing, argument=integers)
    | st.booleans().map(lambda value: e.Known(value=value))
)
conditions = st.recursive(
    leaves,
    lambda inner: (
        st.builds(e.Not, condition=inner)
        | st.builds(e.Is, condition=inner, value=st.booleans())
        | st.builds(e.Both, left=inner, right=inner)
        | st.builds(e.Either, left=inner, right=inner)
    ),
    max_leaves=5,
)
choices = st.builds(
    e.Choice,
    branches=st.lists(st.tuples(conditions, st.none() | integers), min_size=1, max_size=3).map(tuple),
    default=integers,
) | conditions.map(lambda condition: e.TruthValue(condition=condition))


@pytest.fixture(scope="module")
def database():
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (place INTEGER, a BIGINT, b BIGINT, f BOOLEAN)")
    rows = [
        (place, row["a"], row["b"], None if row["f"] is None else bool(row["f"]))
        for place, row in enumerate(ROW_VALUES)
    ]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    yield connection
    connection.close()


@settings(max_examples=80)
@given(condition=conditions, choice=choices)
def test_law_a_condition_has_the_truth_that_the_database_gives_it(database, condition, choice):
    found = database.execute(
        f"SELECT {render_condition(condition)}, {render_integer(choice)} FROM t ORDER BY place"
    ).fetchall()
    assert found == [(truth_at(condition, row), integer_at(choice, row)) for row in ROW_VALUES]
