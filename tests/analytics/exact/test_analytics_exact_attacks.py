"""Attacks that read one person from opened cells, from suppressed cells, or from several figures of an answer."""

import pandas as pd
import pytest
from exact_world import ExactWorld

from analytics.errors import InvalidRequestError, PlanRejectedError

SCHEMA = {
    "tables": {
        "patients": {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "exact_dimensions": ["age", "cp", "exang", "disease", "pair"],
            "columns": {
                "age": {
                    "type": "numeric",
                    "lower": 0,
                    "upper": 120,
                    "resolution": 1,
                    "bins": [0, 40, 60, 120],
                },
                "pair": {"type": "numeric", "lower": 0, "upper": 3, "resolution": 1, "bins": [0, 2, 3]},
                "cp": {"type": "categorical", "domain": ["none", "mild", "strong"]},
                "exang": {"type": "boolean"},
                "disease": {"type": "boolean"},
                "chol": {"type": "numeric", "lower": 60, "upper": 620, "resolution": 1, "nullable": True},
                "stage": {"type": "numeric", "lower": 0, "upper": 3, "resolution": 1},
                "weight": {"type": "numeric", "lower": 0, "upper": 300, "resolution": 1},
            },
        }
    }
}
VISITS = {
    "tables": {
        "visits": {
            "privacy_unit": "pid",
            "max_rows_per_unit": 3,
            "max_sites_per_unit": 1,
            "rows_max": 1000,
            "exact_dimensions": ["ward"],
            "columns": {
                "pid": {"type": "identifier"},
                "ward": {"type": "categorical", "domain": ["a", "b"]},
                "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
            },
        }
    }
}


def patients(n: int = 240) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [20 + place % 70 for place in range(n)],
            "pair": [place % 4 for place in range(n)],
            "cp": [("none", "mild")[place % 2] for place in range(n)],
            "exang": [place % 3 == 0 for place in range(n)],
            "disease": [place % 2 == 0 for place in range(n)],
            "chol": pd.array([150 + place for place in range(n)], dtype="Int64"),
            "stage": [(0, 3)[place % 2] for place in range(n)],
            "weight": [50 + place % 60 for place in range(n)],
        }
    )


TARGET = {"age": 70, "pair": 3, "cp": "strong", "exang": True, "chol": 200, "stage": 0, "weight": 70}


@pytest.mark.parametrize(
    "where",
    [
        "(age >= 60 AND cp = 'strong' AND exang) IS NOT TRUE",
        "NOT (age >= 60 AND cp = 'strong' AND exang)",
        "cp <> 'strong'",
        "age >= 60 AND cp = 'strong' AND exang",
    ],
)
def test_suppressed_cells_do_not_reveal_the_person_that_a_filter_excludes(where):
    """The attack: the group whose complement holds one person closed, that of the other group, where it holds none, opened."""
    found = set()
    for disease in (False, True):
        frame = pd.concat([patients(), pd.DataFrame([TARGET | {"disease": disease}])], ignore_index=True)
        sql = f"SELECT disease, COUNT(*) AS n FROM patients WHERE {where} GROUP BY disease"
        found.add(tuple(row[1] is None for row in ExactWorld(frame, SCHEMA).rows(sql)))
    assert found == {(True, True)}


def test_a_filter_over_whole_groups_excludes_no_unit():
    rows = ExactWorld(patients(), SCHEMA).rows(
        "SELECT disease, cp, COUNT(*) AS n FROM patients WHERE disease AND cp <> 'strong' GROUP BY disease, cp"
    )
    assert {row[:2]: row[2] for row in rows} == {
        (False, "none"): None, (False, "mild"): None, (False, "strong"): None,
        (True, "none"): 120, (True, "mild"): None, (True, "strong"): None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(age) AS n, SUM(age) AS s FROM patients WHERE age IN (28, 58)",
        "SELECT COUNT(age) AS n, SUM(age) AS s FROM patients WHERE age BETWEEN 28 AND 29",
        "SELECT COUNT(*) AS n, SUM(pair) AS s FROM patients WHERE pair < 2",
        "SELECT pair, COUNT(*) AS n, AVG(pair) AS m FROM patients GROUP BY pair",
        "SELECT VAR_POP(pair) AS v FROM patients WHERE pair >= 2 OR exang",
        "SELECT disease, SUM(disease) AS s FROM patients GROUP BY disease",
        "SELECT COUNT(*) AS n FROM patients WHERE age = 57 AND chol = 303",
        "SELECT SUM(CASE WHEN age = 57 AND chol = 303 THEN weight ELSE 0 END) AS s FROM patients",
    ],
)
def test_a_query_cannot_narrow_a_column_to_few_values(sql):
    with pytest.raises(PlanRejectedError):
        ExactWorld(patients(12), SCHEMA).plan(sql)


def test_moments_of_four_values_do_not_reveal_the_count_of_each():
    """The attack: (40, 1, 1, 40) is the only way in which 82 people can have these moments."""
    frame = patients(82).assign(stage=[0] * 40 + [1, 2] + [3] * 40)
    sql = "SELECT COUNT(stage) AS n, AVG(stage) AS m, VAR_POP(stage) AS v FROM patients"
    assert ExactWorld(frame, SCHEMA).rows(sql) == ((82, pytest.approx(123 / 82), None),)


@pytest.mark.parametrize(
    "weights",
    [
        [70] * 41 + [71] * 40 + [73],
        [69] * 41 + [70] * 40 + [150],
        [0] * 41 + [300] * 40 + [150],
        [70] * 82,
        [0] * 81 + [300],
    ],
)
def test_squares_are_suppressed_where_few_people_differ_from_two_values(weights):
    frame = patients(82).assign(weight=weights)
    assert ExactWorld(frame, SCHEMA).rows("SELECT VAR_POP(weight) AS v FROM patients") == ((None,),)


def test_squares_of_many_values_open_where_people_differ():
    ((found,),) = ExactWorld(patients(82), SCHEMA).rows("SELECT VAR_POP(weight) AS v FROM patients")
    assert found == pytest.approx(patients(82).weight.var(ddof=0))


@pytest.mark.parametrize("other", ["COUNT(*) AS n", "AVG(age) AS m", "COUNT(age) AS n", "SUM(age) AS s"])
def test_units_are_not_opened_beside_rows(other):
    """The attack: 61 rows of 60 people say that one person came twice."""
    frame = pd.DataFrame({"pid": [*range(60), 0], "ward": "a", "age": 50})
    world = ExactWorld(frame, VISITS)
    with pytest.raises(PlanRejectedError, match="privacy units beside nothing else"):
        world.plan(f"SELECT {other}, COUNT(DISTINCT pid) AS u FROM visits")
    assert world.rows("SELECT COUNT(DISTINCT pid) AS u FROM visits") == ((60,),)
    assert world.rows("SELECT COUNT(*) AS n FROM visits") == ((61,),)


def test_where_each_unit_has_one_row_units_are_rows():
    world = ExactWorld(
        pd.DataFrame({"pid": range(60), "ward": "a", "age": 50}),
        {"tables": {"visits": VISITS["tables"]["visits"] | {"max_rows_per_unit": 1}}},
    )
    assert world.rows("SELECT COUNT(*) AS n, COUNT(DISTINCT pid) AS u FROM visits") == ((60, 60),)


@pytest.mark.parametrize("missing", [0, 9, 10])
@pytest.mark.parametrize("second", ["COUNT(chol)", "AVG(chol)"])
def test_two_counts_of_one_answer_do_not_reveal_few_missing_values(missing, second):
    frame = patients()
    frame.loc[: missing - 1, "chol"] = pd.NA
    ((n, other),) = ExactWorld(frame, SCHEMA).rows(f"SELECT COUNT(*) AS n, {second} AS other FROM patients")
    assert (n, other is None) == (240, missing < 10)


def test_columns_that_are_always_known_are_counted_over_the_same_rows():
    """A row without a value that the schema declares as always known counts nowhere beside that column."""
    frame = patients().astype({"weight": "Int64"})
    frame.loc[0, "weight"] = pd.NA
    sql = "SELECT COUNT(*) AS n, COUNT(weight) AS known, AVG(age) AS m FROM patients"
    ((n, known, mean),) = ExactWorld(frame, SCHEMA).rows(sql)
    assert (n, known) == (239, 239)
    assert mean == pytest.approx(frame.age[1:].mean())
    assert ExactWorld(frame, SCHEMA).rows("SELECT COUNT(*) AS n FROM patients") == ((240,),)


def test_a_group_of_missing_values_is_closed_when_it_is_small():
    schema = {"tables": {"patients": {**SCHEMA["tables"]["patients"]}}}
    columns = schema["tables"]["patients"]["columns"]
    schema["tables"]["patients"]["columns"] = columns | {"cp": columns["cp"] | {"nullable": True}}
    frame = patients()
    frame.loc[:8, "cp"] = None
    rows = dict(ExactWorld(frame, schema).rows("SELECT cp, COUNT(*) AS n FROM patients GROUP BY cp"))
    assert (rows[None], rows["strong"]) == (None, None)
    assert rows["none"] + rows["mild"] == 231


PAIRS = {
    "tables": {
        "patients": {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "columns": {
                "ever": {"type": "boolean"},
                "now": {"type": "boolean"},
                "never": {"type": "boolean"},
                "two": {"type": "numeric", "lower": 1, "upper": 2, "resolution": 1},
                "psa": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1, "nullable": True},
                "hcg": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1, "nullable": True},
            },
        }
    }
}


def pairs(apart: int) -> pd.DataFrame:
    """100 who ever did, all but so many of them still; 100 - that with one measurement, 100 with the other."""
    numbers = range(200)
    return pd.DataFrame(
        {
            "ever": [n < 100 for n in numbers],
            "now": [n < 100 - apart for n in numbers],
            "never": [n >= 100 - apart for n in numbers],
            "two": [2 if n < 100 - apart else 1 for n in numbers],
            "psa": pd.array([n % 10 if n < 100 - apart else None for n in numbers], dtype="Int64"),
            "hcg": pd.array([n % 10 if n >= 100 else None for n in numbers], dtype="Int64"),
        }
    )


@pytest.mark.parametrize("apart", [1, 9, 10])
@pytest.mark.parametrize(
    "columns",
    [
        "SUM(ever) AS a, SUM(now) AS b",
        "AVG(ever) AS a, AVG(never) AS b",
        "SUM(ever) AS a, VAR_POP(two) AS b",
        "SUM(ever) AS a, COUNT(psa) AS b",
        "COUNT(psa) AS b, SUM(ever) AS a",
        "COUNT(hcg) AS a, COUNT(psa) AS b",
    ],
)
def test_two_columns_of_one_answer_do_not_tell_the_few_in_whom_they_differ(columns, apart):
    """The attack: who smokes now ever did, so the difference of two sums is the number of those few who stopped."""
    world = ExactWorld(pairs(apart), PAIRS)
    ((*found,),) = world.rows(f"SELECT {columns}, COUNT(*) AS n FROM patients")
    names = [part.split(" AS ")[1] for part in columns.split(", ")]
    opens = dict(zip(names, [value is not None for value in found], strict=False))
    assert opens == {"a": True, "b": apart >= 10}


def test_the_counts_behind_one_answer_are_bounded_before_they_are_looked_for():
    """The attack: a question over many nullable columns kept every site at planning for minutes, uncharged."""
    columns = {
        f"c{n}": {"type": "numeric", "lower": 0, "upper": 99, "resolution": 1, "nullable": True}
        for n in range(60)
    }
    table = PAIRS["tables"]["patients"] | {"columns": columns}
    world = ExactWorld(pd.DataFrame({name: [1] for name in columns}), {"tables": {"patients": table}})
    names = list(columns)
    asked = ", ".join(f"VARIANCE({name})" for name in names)
    with pytest.raises(InvalidRequestError, match="more than 2000 counts for its guards"):
        world.plan(f"SELECT {asked} FROM patients")
    few = ", ".join(f"AVG({name})" for name in names[:25])
    plan = world.plan(f"SELECT {few} FROM patients")
    assert 1_000 <= len(plan.blocks) <= 2_000
    world.sources[0].local_figures(plan, limit_s=20)
