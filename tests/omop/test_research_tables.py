"""The research table against plain Python: every figure, every kind of source, and one person at a time."""

from datetime import date

import pytest

from tests.omop.mapping_text import COLUMNS, EVERYTHING, SETS
from tests.omop.omop_world import (
    definition,
    drawn,
    drug_after,
    in_csv,
    in_duckdb,
    in_parquet,
    in_sqlite,
    research,
    spec_of,
)
from tests.omop.plain_oracle import DIABETES, expected, first_type_2, records, with_drug

ZERO = date(2020, 6, 30)


def alike(found, wanted):
    assert found.keys() == wanted.keys()
    for person, row in wanted.items():
        mean = row.pop("glucose_mean")
        assert found[person].pop("glucose_mean") == (mean if mean is None else pytest.approx(mean))
        assert found[person] == row, person


@pytest.mark.parametrize("seed", [1, 2])
def test_every_figure_at_one_date(tmp_path, seed):
    rows = drawn(seed)
    spec = spec_of(tmp_path, EVERYTHING, in_duckdb(tmp_path / "cdm.duckdb", rows), "person")
    alike(research(spec), expected(rows, {row[0]: ZERO for row in rows["person"]}))


@pytest.mark.parametrize("days", [150, 700])
def test_the_start_of_a_cohort_is_the_index_date(tmp_path, days):
    rows = drawn(4, n=80)
    text = SETS + '[cohorts.t2]\nfile = "t2.json"\n[index]\ncohort = "t2"\n' + COLUMNS
    source = in_duckdb(tmp_path / "cdm.duckdb", rows)
    spec = spec_of(tmp_path, text, source, "person", [("t2.json", definition([drug_after(days)]))])
    entries = with_drug(rows, first_type_2(rows), days)
    assert entries
    alike(research(spec), expected(rows, {person: start for person, (start, _) in entries.items()}))


def test_the_first_and_the_last_event_as_index_and_persons_without_one(tmp_path):
    rows = drawn(5)
    sick = {}
    for row in records(rows, "condition_occurrence"):
        if row["condition_concept_id"] in DIABETES:
            sick.setdefault(row["person_id"], []).append(row["condition_start_date"])
    source = in_duckdb(tmp_path / "cdm.duckdb", rows)
    index = '[index]\ntable = "condition_occurrence"\nset = "diabetes"\n'
    column = '[columns.when]\ntable = "person"\ntake = "index_date"\n'
    column += '[columns.n]\ntable = "drug_exposure"\ntake = "count"\n'
    for take, choose in (("first", min), ("last", max)):
        spec = spec_of(tmp_path, SETS + index + f'take = "{take}"\n' + column, source, "person")
        found = research(spec)
        assert {person: row["when"] for person, row in found.items()} == {
            person: choose(dates) for person, dates in sick.items()
        }
    kept = research(spec_of(tmp_path, SETS + index + 'without = "keep"\n' + column, source, "person"))
    assert kept.keys() == {row[0] for row in rows["person"]}
    assert all(
        (row["when"] is None) == (person not in sick) == (row["n"] is None) for person, row in kept.items()
    )
    periods = {row["person_id"]: row for row in records(rows, "observation_period")}
    observed = research(spec_of(tmp_path, SETS + index + "observed = true\n" + column, source, "person"))
    assert observed.keys() == {
        person
        for person, dates in sick.items()
        if periods[person]["observation_period_start_date"]
        <= min(dates)
        <= periods[person]["observation_period_end_date"]
    }


def test_every_kind_of_source_gives_the_same_table(tmp_path):
    rows = drawn(6, n=15)
    sources = [
        (in_duckdb(tmp_path / "a.duckdb", rows), "person"),
        (in_duckdb(tmp_path / "b.duckdb", rows, schema="cdm", upper=True), "cdm.person"),
        (in_sqlite(tmp_path / "c.sqlite", rows), "person"),
        (in_csv(tmp_path / "csv", rows), ""),
        (in_parquet(tmp_path / "parquet", rows), ""),
    ]
    first, *others = [research(spec_of(tmp_path, EVERYTHING, path, name)) for path, name in sources]
    assert len(first) == 15
    assert all(other == first for other in others)


def test_a_person_who_leaves_moves_no_other_row(tmp_path):
    rows = drawn(7, n=12)
    text = SETS + '[cohorts.t2]\nfile = "t2.json"\n[index]\ncohort = "t2"\nwithout = "keep"\n' + COLUMNS
    files = [("t2.json", definition())]
    whole = research(spec_of(tmp_path, text, in_duckdb(tmp_path / "a.duckdb", rows), "person", files))
    assert any(row["age"] is not None for row in whole.values())
    inside = [person for person, row in whole.items() if row["age"] is not None]
    for person in (inside[0], 5, 9):
        fewer = {
            table: [row for row in own if table.startswith("concept") or row[_place(table)] != person]
            for table, own in rows.items()
        }
        found = research(spec_of(tmp_path, text, in_duckdb(tmp_path / "b.duckdb", fewer), "person", files))
        assert found == {other: row for other, row in whole.items() if other != person}


def _place(table):
    return 0 if table in {"person", "death"} else 1


def test_words_ranges_derived_columns_and_missing_values(tmp_path):
    rows = drawn(8)
    text = (
        SETS
        + '[index]\ndate = "2020-06-30"\n'
        + COLUMNS.replace(
            'set = "diabetes"\ntake = "last_concept"',
            'set = "diabetes"\ntake = "last_concept"\nwords = {1 = "some", 2 = "type 2"}\nunmapped = "keep"',
        )
    )
    text += '[derive]\ngap = "glucose_max - glucose_min"\nold = "age >= 60"\n[missing.gap]\nrule = "constant"\nvalue = 0\n'
    spec = spec_of(tmp_path, text, in_duckdb(tmp_path / "cdm.duckdb", rows), "person")
    wanted = expected(rows, {row[0]: ZERO for row in rows["person"]})
    for person, row in research(spec).items():
        own = wanted[person]
        low, high = own["glucose_min"], own["glucose_max"]
        assert row["gap"] == (0 if low is None else high - low)
        assert row["old"] == (own["age"] >= 60)
        assert row["kind"] == {"1": "some", "2": "type 2"}.get(own["kind"], own["kind"])
