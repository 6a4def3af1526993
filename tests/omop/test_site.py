"""A site whose source is an OMOP database: init, doctor, harmonise check, the typed copy, and an exact joint answer."""

import json

import duckdb
import pytest

import crossward
from analytics.sources import open_table
from federation.diagnostics.checks import examine_files
from federation.setup.infer_schema import init_consortium
from tests.cli.conftest import crossward as command
from tests.omop.mapping_text import SETS
from tests.omop.omop_world import definition, drawn, drug_after, in_duckdb, research, spec_of
from tests.omop.test_faults import schema

TEXT = (
    SETS
    + """
[cohorts.t2]
file = "t2.json"
[index]
cohort = "t2"
without = "keep"
[columns.age]
table = "person"
take = "age"
[columns.sick]
table = "condition_occurrence"
set = "diabetes"
take = "any"
[columns.glucose_max]
table = "measurement"
set = "glucose"
take = "max"
units = ["mg/dL", "mmol/L"]
no_unit = "mg/dL"
to_unit = "mg/dL"
analyte = "glucose"
to_the_end = true
"""
)


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial")
    source = in_duckdb(folder / "cdm.duckdb", drawn(1, 60))
    spec = spec_of(folder, TEXT, source, "person", [("t2.json", definition([drug_after(900)]))])
    lines = [f"{n},{40 + n},yes,{100 + n}\n" for n in range(40)] + [
        f"{n},{40 + n},no,\n" for n in range(40, 60)
    ]
    (folder / "b.csv").write_text("person_id,age,sick,glucose_max\n" + "".join(lines))
    init_consortium(
        folder / "trial",
        sites={"b": folder / "b.csv", "a": f"{source}#person", "c": folder / "b.csv"},
        table="patients",
        settings={"a": {"harmonise": str(folder / "omop.toml")}},
        tell=lambda _: None,
    )
    return folder, spec


def test_the_check_shows_every_step_and_the_sql(trial):
    folder, _ = trial
    own = folder / "trial" / "sites" / "a"
    ran = command("harmonise", "check", str(own))
    assert ran.code == 0, ran.err
    assert "table, types of person: 60 rows" in ran.out
    assert "concept, concept set diabetes: 20 rows before, 3 after" in ran.out
    assert "table, cohort t2: rule 1 metformin:" in ran.out
    assert "measurement, column glucose_max: mg/dL to mg/dL: 2" in ran.out
    shown = json.loads(command("harmonise", "check", str(own), "--explain", "--json").out)["patients"]
    sql = shown["sql"]
    assert '"set#diabetes" AS (' in sql
    assert '"cohort#t2" AS (' in sql
    assert sql.count(" AS (\n") == len(shown["steps"])
    lines = [each.line() for each in examine_files(folder / "trial", own / "site.toml")]
    assert any("60 rows read, 60 kept" in line for line in lines), lines


KEY = b"k" * 16


def kept_rows(spec, copies):
    with open_table(spec, schema("row"), site_key=KEY, copies=copies) as source:
        return source.report.rows_kept


def test_an_unchanged_database_is_read_once_and_a_changed_one_anew(tmp_path, monkeypatch):
    source = in_duckdb(tmp_path / "cdm.duckdb", drawn(1, 20))
    spec = spec_of(tmp_path, TEXT, source, "person", [("t2.json", definition())])
    assert kept_rows(spec, tmp_path / "copies") == 20
    with monkeypatch.context() as shut:
        shut.setattr("analytics.sources.opening.inputs_opened", None)  # nothing is read again
        assert kept_rows(spec, tmp_path / "copies") == 20
    with duckdb.connect(str(source)) as connection:
        connection.execute("DELETE FROM person WHERE person_id = 1")
    assert kept_rows(spec, tmp_path / "copies") == 19


@pytest.mark.slow
def test_an_exact_answer_over_three_databases(tmp_path):
    sites, wanted = {}, []
    for seed, name in enumerate(("north", "south", "west"), 1):
        folder = tmp_path / name
        folder.mkdir()
        source = in_duckdb(folder / "cdm.duckdb", drawn(seed, 60))
        spec = spec_of(folder, TEXT, source, "person", [("t2.json", definition([drug_after(900)]))])
        sites[name] = spec
        wanted += research(spec).values()
    consortium = {
        "tables": {
            "patients": {
                "privacy_unit": "person_id",
                "max_rows_per_unit": 1,
                "rows_max": 100,
                "exact_dimensions": ["sick"],
                "columns": {
                    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "nullable": True},
                    "sick": {"type": "boolean", "nullable": True},
                    "glucose_max": {
                        "type": "numeric",
                        "lower": 0,
                        "upper": 900,
                        "resolution": 1,
                        "nullable": True,
                    },
                },
            }
        }
    }
    policy = {"minimum_cell": 0, "nested_supports": "allow"}
    with crossward.local(sites, schema=consortium, policy=policy) as session:
        answer = session.sql(
            "SELECT COUNT(*) AS n, SUM(age) AS age, COUNT(age) AS known FROM patients", exact=True
        )
    ages = [row["age"] for row in wanted if row["age"] is not None]
    assert answer.frame.iloc[0].to_dict() == {"n": 180, "age": sum(ages), "known": len(ages)}
    assert ages
