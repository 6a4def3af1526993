"""Cohorts of ATLAS against plain Python, and the definitions that are refused."""

import copy
from datetime import timedelta

import pytest

from analytics.errors import MappingError, SchemaMismatchError
from tests.omop.omop_world import counts, definition, drawn, drug_after, in_duckdb, research, spec_of
from tests.omop.plain_oracle import DRUG, family, first_type_2, records, with_drug

TEXT = """
[cohorts.own]
file = "own.json"
[index]
date = "2020-01-01"
[columns.start]
table = "cohort"
cohort = "own"
take = "start_date"
[columns.end]
table = "cohort"
cohort = "own"
take = "end_date"
[columns.length]
table = "cohort"
cohort = "own"
take = "length"
"""


def entries(folder, rows, document):
    source = in_duckdb(folder / "cdm.duckdb", rows)
    found = research(spec_of(folder, TEXT, source, "person", [("own.json", document)]))
    assert found.keys() == {row[0] for row in rows["person"]}
    chosen = {person: (row["start"], row["end"]) for person, row in found.items() if row["start"] is not None}
    for person, (start, end) in chosen.items():
        assert found[person]["length"] == (end - start).days
    return chosen


def test_the_first_event_within_observation(tmp_path):
    rows = drawn(11, n=60)
    assert entries(tmp_path, rows, definition()) == first_type_2(rows)
    named = {"name": "x", "expression": definition()}  # as ATLAS's interface hands it out
    assert entries(tmp_path, rows, named) == first_type_2(rows)


def test_rules_of_at_least_and_of_none(tmp_path):
    rows = drawn(12, n=60)
    first = first_type_2(rows)
    some = with_drug(rows, first, 300)
    assert entries(tmp_path, rows, definition([drug_after(300)])) == some
    none = entries(tmp_path, rows, definition([drug_after(300, count=0, kind=0)]))
    assert none == {person: entry for person, entry in first.items() if person not in some}
    assert some
    assert none


def test_an_end_so_many_days_after_the_start(tmp_path):
    rows = drawn(13, n=80)
    strategy = {"DateOffset": {"DateField": "StartDate", "Offset": 30}}
    found = entries(tmp_path, rows, definition(EndStrategy=strategy))
    assert found == {
        person: (start, min(start + timedelta(days=30), end))
        for person, (start, end) in first_type_2(rows).items()
    }


def test_a_continuous_exposure_ends_the_entry(tmp_path):
    rows = drawn(14, n=60)
    strategy = {"CustomEra": {"DrugCodesetId": 1, "GapDays": 30, "Offset": 0}}
    primary = copy.deepcopy(definition()["PrimaryCriteria"])
    primary["CriteriaList"] = [{"DrugExposure": {"CodesetId": 1}}]
    found = entries(tmp_path, rows, definition(EndStrategy=strategy, PrimaryCriteria=primary))
    periods = {row["person_id"]: row for row in records(rows, "observation_period")}
    wanted = {}
    for person, period in periods.items():
        last = period["observation_period_end_date"]
        days = sorted(
            (
                row["drug_exposure_start_date"],
                row["drug_exposure_end_date"] or row["drug_exposure_start_date"] + timedelta(days=30),
            )
            for row in records(rows, "drug_exposure")
            if row["person_id"] == person and row["drug_concept_id"] in DRUG
        )
        inside = [start for start, _ in days if period["observation_period_start_date"] <= start <= last]
        if not inside:
            continue
        eras = []
        for start, end in days:
            if eras and start <= eras[-1][1] + timedelta(days=30):
                eras[-1][1] = max(eras[-1][1], end)
            else:
                eras.append([start, end])
        end = next(end for start, end in eras if start <= inside[0] <= end)
        wanted[person] = (inside[0], min(end, last))
    assert wanted
    assert found == wanted


def test_every_step_of_a_cohort_has_its_counts(tmp_path):
    rows = drawn(12, n=60)
    first = first_type_2(rows)
    some = with_drug(rows, first, 300)
    source = in_duckdb(tmp_path / "cdm.duckdb", rows)
    steps, _, _ = counts(
        spec_of(tmp_path, TEXT, source, "person", [("own.json", definition([drug_after(300)]))])
    )
    assert steps["cohort own: concept sets"] == (20, len(family(2)) + len(DRUG))
    assert steps["cohort own: qualified events"] == (60, len(first))
    assert steps["cohort own: rule 1 metformin"] == (len(first), len(some))
    assert steps["cohort own: events that meet all rules"] == (len(first), len(some))
    assert steps["cohort own: its dates"] == (len(some), len(some))


def _without(key):
    document = definition()
    del document[key]
    return document


def _primary(criteria):
    document = copy.deepcopy(definition())
    document["PrimaryCriteria"]["CriteriaList"] = [criteria]
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "no cohort definition"),
        (_without("PrimaryCriteria"), "no PrimaryCriteria"),
        (definition(Sql="DROP TABLE person"), "the key Sql is not known"),
        (definition(ConceptSets=[{"name": "x"}]), "ConceptSets 0: there is no id"),
        (definition(ConceptSets=[{"id": 0, "expression": {}}]), "ConceptSets 0: .*no list items"),
        (_primary({"ConditionOccurrence": {"CodesetId": 7}}), "names the concept set 7"),
        (_primary({"LocationRegion": {"CodesetId": 0}}), "location.* is not supported"),
        (_primary({"Genome": {"CodesetId": 0}}), "Genome is not known"),
        (_primary({"Gender": {"CodesetId": 0}}), "duckcdm does not take the definition"),
        (
            _primary({"ConditionOccurrence": {"CodesetId": 0, "Firsts": True}}),
            "PrimaryCriteria.CriteriaList.ConditionOccurrence.Firsts is not known; nearest: First",
        ),
        (
            _primary({"ConditionOccurrence": {"StopReason": {"Text": "a {1}?{x}", "Op": "contains"}}}),
            "may not hold any of",
        ),
        (_primary({}), "duckcdm does not take the definition"),
    ],
)
def test_a_definition_that_is_refused(tmp_path, document, said):
    source = in_duckdb(tmp_path / "cdm.duckdb", drawn(1, n=1))
    with pytest.raises(MappingError, match=rf"line 4, cohorts.own: .*{said}"):
        spec_of(tmp_path, TEXT, source, "person", [("own.json", document)])


@pytest.mark.parametrize(
    "text",
    [
        "x') UNION SELECT * FROM read_text('/etc/hostname') --",
        "'; INSERT INTO person VALUES (1); --",
    ],
)
def test_a_text_of_a_definition_is_no_sql_of_another_kind(tmp_path, text):
    """Whatever a filter's text does to the statements, none but SELECTs over the listed tables is left."""
    criteria = {"ConditionOccurrence": {"CodesetId": 0, "StopReason": {"Text": text, "Op": "contains"}}}
    rows = drawn(1, n=5)
    source = in_duckdb(tmp_path / "cdm.duckdb", rows)
    try:
        spec = spec_of(tmp_path, TEXT, source, "person", [("own.json", _primary(criteria))])
    except MappingError:
        return
    assert len(research(spec)) == 5


def test_concepts_of_a_definition_that_the_vocabulary_does_not_have_are_named(tmp_path):
    document = definition(
        ConceptSets=[{"id": 0, "name": "odd", "expression": {"items": [{"concept": {"CONCEPT_ID": 4711}}]}}],
    )
    source = in_duckdb(tmp_path / "cdm.duckdb", drawn(1, n=3))
    spec = spec_of(tmp_path, TEXT, source, "person", [("own.json", document)])
    with pytest.raises(
        SchemaMismatchError, match="cohort own, concept set odd: concept 4711 is not in the site's vocabulary"
    ):
        research(spec)


def test_without_duckcdm_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "duckcdm.circe", None)
    source = in_duckdb(tmp_path / "cdm.duckdb", drawn(1, n=1))
    with pytest.raises(MappingError, match=r"pip install 'crossward\[omop\]'"):
        spec_of(tmp_path, TEXT, source, "person", [("own.json", definition())])
