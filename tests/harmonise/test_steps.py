"""Steps over rows: ranges, duplicates, joins, derived columns, roll-ups, missing values, scales, and what is refused."""

import random

import pytest

from analytics.errors import SchemaMismatchError
from tests.harmonise.harmonise_world import counts, harmonised

AGE = '[table.columns.id]\n[table.columns.age]\ntype = "number"\n'
AGES = "id,age\na,40\nb,455\nc,\nd,-1\ne,60\n"


def ages(folder, rule):
    return {row["id"]: row["age"] for row in harmonised(folder, AGE + rule, AGES)}


def test_numbers_outside_a_range(tmp_path):
    limits = "range = {low = 0, high = 120"
    assert ages(tmp_path, limits + "}") == {"a": 40, "b": None, "c": None, "d": None, "e": 60}
    assert ages(tmp_path, limits + ', outside = "clip"}') == {"a": 40, "b": 120, "c": None, "d": 0, "e": 60}
    assert ages(tmp_path, limits + ', outside = "drop"}') == {"a": 40, "c": None, "e": 60}
    found = harmonised(tmp_path, AGE + limits + ', outside = "flag", flag = "odd"}', AGES)
    assert {row["id"]: row["odd"] for row in found} == {
        "a": False,
        "b": True,
        "c": None,
        "d": True,
        "e": False,
    }
    with pytest.raises(SchemaMismatchError, match="values outside the range"):
        ages(tmp_path, limits + ', outside = "refuse"}')


def test_a_mapping_that_loses_more_rows_than_declared_is_refused(tmp_path):
    drop = '\n[table.missing.age]\nrule = "drop"\n'
    assert len(ages(tmp_path, drop)) == 4
    with pytest.raises(SchemaMismatchError, match=r"loses more than 0.1 of the rows .*step missing values"):
        harmonised(tmp_path, "[table]\nmost_lost = 0.1\n" + AGE + drop, AGES)
    with pytest.raises(SchemaMismatchError, match="loses all rows"):
        harmonised(tmp_path, "[table]\nmost_lost = 1\n" + AGE + drop, "id,age\na,\n")


def test_missing_values(tmp_path):
    assert ages(tmp_path, '\n[table.missing.age]\nrule = "constant"\nvalue = 50.5\n')["c"] == 50.5
    found = harmonised(tmp_path, AGE + '\n[table.missing.age]\nrule = "flag"\nflag = "unknown"\n', AGES)
    assert [row["unknown"] for row in found] == [False, False, True, False, False]
    with pytest.raises(SchemaMismatchError, match="column age: missing, refused"):
        ages(tmp_path, '\n[table.missing.age]\nrule = "refuse"\n')


TWICE = """
[table.columns.id]
[table.columns.day]
type = "date"
[table.columns.x]
type = "number"
[table.duplicates]
key = ["id"]
"""
DOUBLE = [
    "a,2020-01-02,1",
    "a,2020-03-04,2",
    "a,,9",
    "b,2020-01-01,",
    "b,2020-01-01,5",
    ",2020-01-01,7",
    ",2020-01-01,7",
]


@pytest.mark.parametrize(
    ("keep", "wanted"),
    [
        ('"newest"\nby = "day"', {"a": 2.0, "b": 5.0}),
        ('"oldest"\nby = "day"', {"a": 1.0, "b": 5.0}),
        ('"most_complete"', {"a": 1.0, "b": 5.0}),
    ],
)
def test_which_row_of_a_key_stays_does_not_depend_on_the_order_of_the_file(tmp_path, keep, wanted):
    for seed in range(4):
        rows = random.Random(seed).sample(DOUBLE, len(DOUBLE))
        found = harmonised(tmp_path, TWICE + f"keep = {keep}\n", "id,day,x\n" + "\n".join(rows) + "\n")
        assert {row["id"]: row["x"] for row in found if row["id"]} == wanted
        assert sum(row["id"] is None for row in found) == 2  # rows without a key are not one person


def test_identical_rows_are_one_and_differing_rows_of_one_key_are_refused(tmp_path):
    same = "id,day,x\na,2020-01-02,1\na,2020-01-02,1\nb,2020-01-02,1\n"
    assert len(harmonised(tmp_path, TWICE + 'keep = "identical"\n', same)) == 2
    with pytest.raises(SchemaMismatchError, match=r"keys .id. whose rows differ"):
        harmonised(tmp_path, TWICE + 'keep = "identical"\n', same + "b,2020-01-02,2\n")


LABS = """
[table.columns.id]
from = "patient"
[table.columns.admitted]
type = "date"
[table.join.labs]
on = {id = "id"}
[inputs.index]
file = "site.csv"
[inputs.index.columns.id]
from = "patient"
[inputs.index.columns.admitted]
type = "date"
[inputs.labs]
file = "labs.csv"
[inputs.labs.columns.id]
from = "pid"
[inputs.labs.columns.taken]
type = "date"
[inputs.labs.columns.glucose]
type = "number"
unit = "mmol/L"
to_unit = "mg/dL"
analyte = "glucose"
digits = 0
[inputs.labs.columns.urgent]
type = "boolean"
[inputs.labs.join.index]
on = {id = "id"}
[inputs.labs.rollup]
by = ["id"]
order = "taken"
window = {date = "taken", before = "admitted", days = 30}
[inputs.labs.rollup.columns]
n = {take = "count"}
n_known = {take = "count", of = "glucose"}
first = {take = "first", of = "glucose"}
last = {take = "last", of = "glucose"}
low = {take = "min", of = "glucose"}
high = {take = "max", of = "glucose"}
mean = {take = "mean", of = "glucose"}
urgent = {take = "any", of = "urgent"}
newest = {take = "max", of = "taken"}
"""
PATIENTS = "patient,admitted\na,2020-05-31\nb,2020-05-31\nc,2020-05-31\n"
TESTS = """pid,taken,glucose,urgent
a,2020-05-10,5,no
a,2020-05-20,,no
a,2020-05-12,6,yes
a,2020-05-30,7,
a,2020-05-31,50,no
a,2020-03-01,50,no
b,2020-05-15,,
zz,2020-05-15,5,no
"""


def test_a_table_of_tests_becomes_one_row_a_patient_before_the_index_date(tmp_path):
    found = {row["id"]: row for row in harmonised(tmp_path, LABS, PATIENTS, [("labs.csv", TESTS)])}
    a, b, c = found["a"], found["b"], found["c"]
    assert (a["n"], a["n_known"], a["first"], a["last"], a["low"], a["high"]) == (4, 3, 90, 126, 90, 126)
    assert a["mean"] == pytest.approx(108)
    assert (a["urgent"], str(a["newest"])) == (True, "2020-05-30")
    assert (b["n"], b["n_known"], b["first"], b["urgent"]) == (1, 0, None, None)
    assert (c["n"], c["first"]) == (None, None)
    steps, touched = counts(tmp_path, LABS, PATIENTS, [("labs.csv", TESTS)])
    assert steps["labs", "rollup"] == (8, 2)
    assert touched["rollup: rows outside the window"] == 3
    assert touched["join.labs: rows without a match"] == 1


def test_a_join_that_would_multiply_rows_is_refused(tmp_path):
    text = LABS[: LABS.index("[inputs.labs.rollup]")]
    with pytest.raises(SchemaMismatchError, match=r"join.labs: keys with several rows in labs"):
        harmonised(
            tmp_path,
            text.replace('[inputs.labs.join.index]\non = {id = "id"}\n', ""),
            PATIENTS,
            [("labs.csv", TESTS)],
        )


def test_a_join_whose_row_has_no_match_is_refused_where_the_rule_says_so(tmp_path):
    text = LABS.replace(
        '[table.join.labs]\non = {id = "id"}', '[table.join.labs]\nunmatched = "refuse"\non = {id = "id"}'
    )
    with pytest.raises(SchemaMismatchError, match="rows without a match"):
        harmonised(tmp_path, text, PATIENTS, [("labs.csv", TESTS)])
    text = text.replace('"refuse"', '"drop"')
    assert len(harmonised(tmp_path, text, PATIENTS, [("labs.csv", TESTS)])) == 2


def test_derived_columns_see_earlier_ones_and_have_ranges(tmp_path):
    text = """
[table.columns.w]
type = "number"
[table.columns.h]
type = "number"
[table.columns.born]
type = "date"
[table.columns.seen]
type = "date"
[table.derive]
bmi = {expression = "w / (h * h)", range = {low = 10, high = 80}}
heavy = "bmi >= 30"
age = "years_between(born, seen)"
"""
    rows = "w,h,born,seen\n80,2,2000-02-29,2018-02-28\n120,1.5,2000-02-29,2018-03-01\n80,0,,\n"
    found = {row["w"]: row for row in harmonised(tmp_path, text, rows)} | {}
    assert found[120.0]["bmi"] == pytest.approx(53.33333)
    assert found[120.0]["heavy"] is True
    assert found[120.0]["age"] == 18
    both = [row for row in harmonised(tmp_path, text, rows) if row["w"] == 80]
    assert {row["bmi"] for row in both} == {20.0, None}  # a division by zero is missing
    assert {row["age"] for row in both} == {17.0, None}


def test_a_scale_has_public_constants(tmp_path):
    found = ages(tmp_path, "\n[table.scale.age]\ncentre = 40\nscale = 10\n")
    assert found == {"a": 0.0, "b": 41.5, "c": None, "d": -4.1, "e": 2.0}


def test_keys_are_compared_without_blanks_at_their_ends(tmp_path):
    rows = "id,day,x\na,2020-01-02,1\n a ,2020-03-04,2\n"
    found = harmonised(tmp_path, TWICE + 'keep = "newest"\nby = "day"\n', rows)
    assert [(row["id"], row["x"]) for row in found] == [("a", 2.0)]
