"""P6: a rule over several rows stays within one person's rows."""

import pytest

from analytics.errors import SchemaMismatchError
from analytics.schema import IdentifierColumn
from analytics.sources import open_table
from tests.harmonise.harmonise_world import harmonised, numeric, site, table

NEWEST = """
[table.columns.id]
[table.columns.ward]
[table.columns.age]
type = "number"
[table.columns.day]
type = "date"
[table.duplicates]
key = ["{key}"]
keep = "{keep}"
{by}
"""
ROWS = "id,ward,age,day\na,w1,40,2020-01-01\nb,w2,50,2020-01-02\n"
BY = 'by = "day"'
PERSON = table(numeric("age", 0, 120), IdentifierColumn(name="id"), unit="id")
ROW = table(numeric("age", 0, 120))
BY_WARD = """
[table.columns.id]
[table.columns.age]
type = "number"
[table.columns.ward]
[table.join.labs]
on = {on}
[inputs.labs]
file = "labs.csv"
[inputs.labs.columns.patient]
[inputs.labs.columns.ward]
[inputs.labs.columns.x]
type = "number"
[inputs.labs.rollup]
by = ["{by}"]
[inputs.labs.rollup.columns]
mean_x = {{take = "mean", of = "x"}}
"""
LABS = [("labs.csv", "patient,ward,x\na,w1,5\nb,w1,7\n")]


def opened(folder, mapping, schema, files=()):
    spec = site(folder, mapping, ROWS, files, view="SELECT id, age FROM source")
    with open_table(spec, schema, site_key=b"k" * 32) as source:
        return source.report


def test_attack_one_person_takes_anothers_row_away(tmp_path):
    """What the check stops: a third person of ward w1 comes, and the row of person a goes."""
    mapping = NEWEST.format(key="ward", keep="newest", by=BY)
    before = {row["id"] for row in harmonised(tmp_path, mapping, ROWS)}
    after = {row["id"] for row in harmonised(tmp_path, mapping, ROWS + "c,w1,60,2020-02-01\n")}
    assert (before, after) == ({"a", "b"}, {"b", "c"})
    with pytest.raises(SchemaMismatchError, match="duplicates: key must name the privacy unit, id"):
        opened(tmp_path, mapping, PERSON)


def test_attack_one_persons_value_in_anothers_row(tmp_path):
    """A mean over the ward is joined to each of its patients."""
    mapping = BY_WARD.format(on='{ward = "ward"}', by="ward")
    with pytest.raises(SchemaMismatchError, match=r"inputs.labs.rollup: by must name the privacy unit, id"):
        opened(tmp_path, mapping, PERSON, LABS)


def test_rules_within_a_person_are_allowed(tmp_path):
    opened(tmp_path, NEWEST.format(key="id", keep="newest", by=BY), PERSON)
    opened(tmp_path, BY_WARD.format(on='{id = "patient"}', by="patient"), PERSON, LABS)


@pytest.mark.parametrize(("keep", "by"), [("newest", BY), ("oldest", BY), ("most_complete", "")])
def test_where_each_row_is_a_unit_the_mapping_says_whose_it_is(tmp_path, keep, by):
    rule = NEWEST.format(key="id", keep=keep, by=by)
    with pytest.raises(SchemaMismatchError, match=r"write person in \[table\]"):
        opened(tmp_path, rule, ROW)
    opened(tmp_path, '[table]\nperson = "id"\n' + rule, ROW)
    opened(tmp_path, NEWEST.format(key="id", keep="identical", by=""), ROW)
    for key in ("ward", 'id", "day'):
        with pytest.raises(SchemaMismatchError, match="must be the person, id, alone"):
            opened(tmp_path, '[table]\nperson = "id"\n' + NEWEST.format(key=key, keep=keep, by=by), ROW)


def test_a_unit_that_joins_carry_over_two_files(tmp_path):
    mapping = """
[table.columns.id]
[table.columns.age]
type = "number"
[table.join.stays]
on = {id = "patient"}
[inputs.stays]
file = "stays.csv"
[inputs.stays.columns.patient]
[inputs.stays.columns.day]
type = "date"
[inputs.labs]
file = "labs.csv"
[inputs.labs.columns.number]
[inputs.labs.columns.x]
type = "number"
[inputs.labs.rollup]
by = ["number"]
[inputs.labs.rollup.columns]
n = {take = "count"}
[inputs.stays.join.labs]
on = {patient = "number"}
"""
    files = [("stays.csv", "patient,day\na,2020-01-01\n"), ("labs.csv", "number,x\na,1\na,2\n")]
    opened(tmp_path, mapping, PERSON, files)
    other = mapping.replace('on = {patient = "number"}', 'on = {stay = "number"}').replace(
        "[inputs.stays.columns.day]", "[inputs.stays.columns.stay]\n[inputs.stays.columns.day]"
    )
    files[0] = ("stays.csv", "patient,stay,day\na,1,2020-01-01\n")
    with pytest.raises(SchemaMismatchError, match=r"inputs.labs.rollup: by must name the privacy unit"):
        opened(tmp_path, other, PERSON, files)
