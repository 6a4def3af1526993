"""What refuses an OMOP source or its mapping: each is named for the administrator."""

import sqlite3

import duckdb
import pytest

from analytics.errors import MappingError, SchemaMismatchError
from analytics.sources import SourceSpec
from analytics.sources.dry_opening import opening_faults
from tests.harmonise.harmonise_world import BooleanColumn, numeric, table
from tests.omop.mapping_text import FIXED, SETS
from tests.omop.omop_world import counts, definition, drawn, in_csv, in_duckdb, in_sqlite, research, spec_of
from tests.omop.test_cohorts import TEXT

SMALL = (
    SETS
    + FIXED
    + """
[columns.age]
table = "person"
take = "age"
[columns.sick]
table = "condition_occurrence"
set = "diabetes"
take = "any"
[columns.died]
table = "death"
take = "any"
[columns.before]
table = "observation_period"
take = "days_before"
[columns.glucose_max]
table = "measurement"
set = "glucose"
take = "max"
units = ["mg/dL", "mmol/L"]
no_unit = "mg/dL"
to_unit = "mg/dL"
analyte = "glucose"
"""
)
AGE = '[columns.age]\ntable = "person"\ntake = "age"\n'
GLUCOSE = """
[columns.x]
table = "measurement"
set = "glucose"
take = "max"
units = ["mmol/L"]
to_unit = "mg/dL"
analyte = "glucose"
digits = 0
"""


def database(folder, *statements, seed=1, n=10):
    path = in_duckdb(folder / "cdm.duckdb", drawn(seed, n))
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def test_all_missing_tables_are_named(tmp_path):
    path = database(tmp_path, "DROP TABLE death", "DROP TABLE measurement")
    with pytest.raises(SchemaMismatchError, match=r"no table or view death.*no table or view measurement"):
        research(spec_of(tmp_path, SMALL, path, "person"))
    plain = in_sqlite(tmp_path / "cdm.sqlite", drawn(1, 5))
    with sqlite3.connect(plain) as connection:
        connection.execute("DROP TABLE death")
    connection.close()
    with pytest.raises(SchemaMismatchError, match="no table or view death"):
        research(spec_of(tmp_path, SMALL, plain, "person"))
    folder = in_csv(tmp_path / "csv", drawn(1, 5))
    (folder.parent / "death.csv").unlink()
    with pytest.raises(SchemaMismatchError, match=r"death\.csv: there is no such file"):
        research(spec_of(tmp_path, SMALL, folder))


def test_all_missing_columns_of_a_table_are_named(tmp_path):
    path = database(
        tmp_path,
        "ALTER TABLE measurement RENAME value_as_number TO column0",
        "ALTER TABLE measurement RENAME unit_concept_id TO column1",
    )
    with pytest.raises(
        SchemaMismatchError,
        match=r"cdm.duckdb#measurement.*value_as_number.*omop.toml, line \d+ \(measurement\).*column unit_concept_id",
    ):
        research(spec_of(tmp_path, SMALL, path, "person"))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("INSERT INTO person SELECT * FROM person LIMIT 1", "person: person_id with several rows"),
        ("UPDATE person SET person_id = NULL WHERE person_id = 3", "person: rows without person_id"),
        ("INSERT INTO concept SELECT * FROM concept LIMIT 1", "concept: concept_id with several rows"),
        (
            "ALTER TABLE death ALTER death_date TYPE VARCHAR; UPDATE death SET death_date = 'in May'",
            "death.death_date: texts that are no DATE",
        ),
        (
            "ALTER TABLE measurement ALTER value_as_number TYPE VARCHAR; UPDATE measurement SET value_as_number = '<5'",
            "measurement.value_as_number: texts that are no DOUBLE",
        ),
        (
            "ALTER TABLE person ALTER year_of_birth TYPE DOUBLE; UPDATE person SET year_of_birth = 1950.5",
            "person.year_of_birth: texts that are no BIGINT",
        ),
    ],
)
def test_rows_that_the_cdm_does_not_allow(tmp_path, statement, said):
    path = database(tmp_path, *statement.split(";"), n=30)
    with pytest.raises(SchemaMismatchError, match=said):
        research(spec_of(tmp_path, SMALL, path, "person"))


def test_integers_and_dates_that_other_programs_write(tmp_path):
    text = SETS + FIXED + AGE + '[columns.n]\ntable = "condition_occurrence"\ntake = "count"\n'
    plain = research(spec_of(tmp_path, text, database(tmp_path), "person"))
    path = database(
        tmp_path,
        "ALTER TABLE condition_occurrence ALTER person_id TYPE DOUBLE",
        "ALTER TABLE condition_occurrence ALTER condition_start_date TYPE TIMESTAMP",
    )
    assert research(spec_of(tmp_path, text, path, "person")) == plain


def test_rows_of_persons_that_are_not_there_are_counted(tmp_path):
    path = database(tmp_path, "DELETE FROM person WHERE person_id <= 5")
    _, touched, _ = counts(spec_of(tmp_path, SMALL, path, "person"))
    assert touched["observation_period: rows of no person of the table person"] == 5


def test_a_value_in_a_unit_that_is_not_listed_refuses_or_is_left_out(tmp_path):
    rows = drawn(1, 1)
    rows["measurement"] = [
        (1, 1, 30, "2020-01-01", None, 5.5, 8753),
        (2, 1, 30, "2020-01-02", None, 200, 8840),
        (3, 1, 30, "2020-01-03", None, 300, None),
        (4, 1, 30, "2020-01-03", None, 400, 9529),
        (5, 1, 30, "2020-01-03", None, 500, 4711),
    ]
    path = in_duckdb(tmp_path / "cdm.duckdb", rows)
    spec = spec_of(tmp_path, SETS + FIXED + GLUCOSE, path, "person")
    with pytest.raises(SchemaMismatchError, match="column x: values in a unit that the column does not list"):
        research(spec)
    assert counts(spec)[1]["column x: values in a unit that the column does not list"] == 4
    text = SETS + FIXED + GLUCOSE + 'unknown_unit = "missing"\n'
    assert research(spec_of(tmp_path, text, path, "person"))[1]["x"] == 99  # 5.5 x 18.0156, rounded
    assert research(spec_of(tmp_path, text + 'no_unit = "mg/dL"\n', path, "person"))[1]["x"] == 300
    small = text + 'no_unit = "mg/dL"\nrange = {high = 250}\n'
    assert research(spec_of(tmp_path, small, path, "person"))[1]["x"] == 99


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AGE, "the key index is missing"),
        ("[index]\n" + AGE, "give one of date, cohort and table"),
        (FIXED, "the key columns is missing"),
        (FIXED + AGE.replace('age"', 'agee"'), "take: for person one of age"),
        (FIXED + AGE + "from_day = 1\n", "from_day, to_day and to_the_end belong to events"),
        (FIXED + AGE + 'tablet = "x"\n', "there is no key tablet here; nearest: table"),
        (SETS + FIXED + GLUCOSE.replace('"mmol/L"', '"kg"'), "kg"),
        (SETS + FIXED + GLUCOSE.replace('analyte = "glucose"\n', ""), "mmol/L"),
        (SETS + FIXED + GLUCOSE.replace('units = ["mmol/L"]\n', ""), "values need units"),
        (SETS + FIXED + GLUCOSE.replace('to_unit = "mg/dL"\n', ""), "values need to_unit"),
        (SETS + FIXED + GLUCOSE.replace('set = "glucose"', 'set = "glucos"'), "no glucos; nearest: glucose"),
        (SETS + FIXED + GLUCOSE.replace('set = "glucose"\n', ""), "values need set"),
        (SETS + FIXED + GLUCOSE + 'range = {low = 1, outside = "clip"}', "outside is missing or refuse"),
        (SETS + FIXED + GLUCOSE + "from_day = 3\nto_day = 1\n", "the window is empty"),
        (SETS + FIXED + GLUCOSE + "from_day = 3\n", "the window is empty"),
        (FIXED + AGE + '[derive]\nx = "agee + 1"\n', "agee"),
        (FIXED + AGE + '[columns.AGE]\ntable = "person"\ntake = "sex"\n', "a column"),
        ('[index]\ncohort = "x"\n' + AGE, "line 4, index.cohort: there is no x"),
        ('[index]\ntable = "measurement"\nset = "x"\n' + AGE, "line 5, index.set: there is no x"),
        (TEXT, "cannot read own.json"),
    ],
)
def test_mistakes_of_a_mapping(tmp_path, text, said):
    with pytest.raises(MappingError, match=said):
        spec_of(tmp_path, text, in_duckdb(tmp_path / "cdm.duckdb", drawn(1, 1)), "person")


def test_the_source_is_the_table_person(tmp_path):
    path = database(tmp_path)
    with pytest.raises(
        SchemaMismatchError, match="the source of an OMOP mapping is the table person, not concept"
    ):
        research(spec_of(tmp_path, SMALL, path, "concept"))
    spec = spec_of(tmp_path, SMALL, path, "person")
    excel = SourceSpec(kind="excel", path=tmp_path / "person.xlsx", mapping=spec.mapping)
    with pytest.raises(SchemaMismatchError, match="needs one of duckdb"):
        excel.inputs()


def test_the_vocabulary_in_a_schema_of_its_own(tmp_path):
    path = database(
        tmp_path,
        "CREATE SCHEMA vocab",
        *(
            f"CREATE TABLE vocab.{name} AS SELECT * FROM {name}; DROP TABLE {name}"
            for name in ("concept", "concept_ancestor", "concept_relationship")
        ),
    )
    text = 'vocabulary = "vocab"\n' + SMALL
    plain = in_duckdb(tmp_path / "plain.duckdb", drawn(1, 10))
    assert research(spec_of(tmp_path, text, path, "person")) == research(
        spec_of(tmp_path, SMALL, plain, "person")
    )


def schema(unit="person_id"):
    columns = [
        numeric("age", "0", "120"),
        BooleanColumn(name="sick", nullable=True),
        numeric("glucose_max", "0", "900"),
    ]
    return table(*columns, unit=unit)


def test_an_opening_without_rows_finds_no_fault_of_rows(tmp_path):
    text = SMALL + TEXT.replace(FIXED, "").replace('[index]\ndate = "2020-01-01"\n', "")
    spec = spec_of(tmp_path, text, database(tmp_path), "person", [("own.json", definition())])
    assert opening_faults(spec, schema("row")) == ()
    with pytest.raises(SchemaMismatchError, match="patient must be the person, person_id"):
        spec.mapping.check_unit("patient")
    broken = database(tmp_path, "ALTER TABLE death RENAME death_date TO column1")
    (fault,) = opening_faults(spec_of(tmp_path, SMALL, broken, "person"), schema("row"))
    assert "death_date" in fault.reason
