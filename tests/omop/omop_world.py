"""A small OMOP CDM 5.4 database as plain rows, written as DuckDB, SQLite, CSV or Parquet; nothing here is the program's."""

import csv
import json
import random
import sqlite3
from datetime import date, timedelta

import duckdb

from analytics.harmonise.reading import read_mapping
from analytics.sources import SourceSpec
from analytics.sources.inspection import inspected
from analytics.sources.preparation.mapped import check_mapping

# concepts: 1 diabetes > 2 type 2 > 4 type 2 with kidney disease; 1 > 3 gestational; 9 is an old code that maps to 2
CONCEPTS = {
    1: ("SNOMED", "D", "S"),
    2: ("SNOMED", "D2", "S"),
    3: ("SNOMED", "DG", "S"),
    4: ("SNOMED", "D2K", "S"),
    5: ("SNOMED", "D2X", None),  # a descendant of 2 that is no longer valid
    9: ("ICD10CM", "E11", None),
    20: ("RxNorm", "metformin", "S"),
    21: ("RxNorm", "metformin 500", "S"),
    30: ("LOINC", "glucose", "S"),
    31: ("LOINC", "glucose fasting", "S"),
    40: ("Visit", "IP", "S"),
    41: ("Visit", "OP", "S"),
    50: ("CPT4", "procedure", "S"),
    8840: ("UCUM", "mg/dL", "S"),
    8753: ("UCUM", "mmol/L", "S"),
    9529: ("UCUM", "kg", "S"),
    8507: ("Gender", "M", "S"),
    8532: ("Gender", "F", "S"),
    4172703: ("Meas Value Operator", "=", "S"),
    4171756: ("Meas Value Operator", "<", "S"),
}
INVALID = {5: "D", 9: "D"}
PARENTS = {2: [1], 3: [1], 4: [1, 2], 5: [1, 2], 21: [20], 31: [30]}

COLUMNS = {
    "person": "person_id gender_concept_id year_of_birth month_of_birth day_of_birth race_concept_id ethnicity_concept_id",
    "death": "person_id death_date",
    "observation_period": "observation_period_id person_id observation_period_start_date observation_period_end_date",
    "condition_occurrence": "condition_occurrence_id person_id condition_concept_id condition_start_date "
    "condition_end_date visit_occurrence_id condition_source_concept_id condition_type_concept_id stop_reason provider_id",
    "drug_exposure": "drug_exposure_id person_id drug_concept_id drug_exposure_start_date drug_exposure_end_date "
    "visit_occurrence_id days_supply quantity refills drug_source_concept_id drug_type_concept_id",
    "procedure_occurrence": "procedure_occurrence_id person_id procedure_concept_id procedure_date",
    "measurement": "measurement_id person_id measurement_concept_id measurement_date operator_concept_id "
    "value_as_number unit_concept_id",
    "visit_occurrence": "visit_occurrence_id person_id visit_concept_id visit_start_date visit_end_date",
    "concept": "concept_id concept_name domain_id vocabulary_id concept_class_id standard_concept concept_code invalid_reason",
    "concept_ancestor": "ancestor_concept_id descendant_concept_id",
    "concept_relationship": "concept_id_1 concept_id_2 relationship_id invalid_reason",
}


def vocabulary():
    return {
        "concept": [
            (number, f"name {number}", "", words[0], "", words[2], words[1], INVALID.get(number))
            for number, words in CONCEPTS.items()
        ],
        "concept_ancestor": [(each, each) for each in CONCEPTS]
        + [(parent, child) for child, parents in PARENTS.items() for parent in parents],
        "concept_relationship": [(9, 2, "Maps to", None), (1, 9, "Mapped from", None)],
    }


def drawn(seed=1, n=40):
    """A database of persons drawn by chance, as rows of each table."""
    chance = random.Random(seed)
    rows = {table: [] for table in COLUMNS} | vocabulary()

    def day():
        return date(2018, 1, 1) + timedelta(days=chance.randrange(1400))

    for person in range(1, n + 1):
        rows["person"].append(
            (person, chance.choice([8507, 8532, 0]), chance.randrange(1930, 2001), None, None, 0, 0)
        )
        start = date(2018, 1, 1) + timedelta(days=chance.randrange(200))
        end = start + timedelta(days=chance.randrange(300, 1500))
        rows["observation_period"].append((person, person, start, end))
        if chance.random() < 0.2:
            rows["death"].append((person, end))
        for _ in range(chance.randrange(5)):
            first = day()
            last = chance.choice([None, first + timedelta(days=chance.randrange(20))])
            concept, source = chance.choice([(1, 0), (2, 9), (3, 0), (4, 9), (0, 9), (50, 0)])
            number = len(rows["condition_occurrence"]) + 1
            rows["condition_occurrence"].append(
                (number, person, concept, first, last, None, source, 0, None, None)
            )
        for _ in range(chance.randrange(4)):
            first = day()
            number = len(rows["drug_exposure"]) + 1
            last = chance.choice([None, first + timedelta(days=30)])
            rows["drug_exposure"].append(
                (number, person, chance.choice([20, 21, 50]), first, last, None, 30, 1, 0, 0, 0)
            )
        for _ in range(chance.randrange(6)):
            unit = chance.choice([8840, 8753, 0, None])
            value = chance.choice([None, round(chance.uniform(4, 12), 2)])
            value = value and (value if unit == 8753 else round(value * 18))
            number = len(rows["measurement"]) + 1
            rows["measurement"].append(
                (
                    number,
                    person,
                    chance.choice([30, 31, 50]),
                    day(),
                    chance.choice([4172703, None, 0, 4171756]),
                    value,
                    unit,
                )
            )
        for _ in range(chance.randrange(3)):
            first = day()
            number = len(rows["visit_occurrence"]) + 1
            rows["visit_occurrence"].append(
                (number, person, chance.choice([40, 41]), first, first + timedelta(days=chance.randrange(9)))
            )
        if chance.random() < 0.3:
            rows["procedure_occurrence"].append((person, person, 50, day()))
    return rows


TEXTS = {"relationship_id", "vocabulary_id", "domain_id", "concept_class_id"}


def kind_of(column):
    if column.endswith("_date"):
        return "DATE"
    is_number = column.endswith(("_id", "of_birth", "_id_1", "_id_2")) and column not in TEXTS
    if is_number:
        return "INTEGER"
    return "DOUBLE" if column in {"value_as_number", "days_supply", "quantity", "refills"} else "VARCHAR"


def literal(value):
    return "NULL" if value is None else f"'{value}'"


def in_duckdb(path, rows, schema="main", upper=False):
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as database:
        if schema != "main":
            database.execute(f"CREATE SCHEMA {schema}")
        for table, records in rows.items():
            names = COLUMNS[table].split()
            declared = ", ".join(f"{name.upper() if upper else name} {kind_of(name)}" for name in names)
            database.execute(f"CREATE TABLE {schema}.{table} ({declared})")
            if records:
                values = ", ".join(f"({', '.join(map(literal, record))})" for record in records)
                database.execute(f"INSERT INTO {schema}.{table} VALUES {values}")
    return path


def in_sqlite(path, rows):
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        for table, records in rows.items():
            names = COLUMNS[table].split()
            database.execute(f"CREATE TABLE {table} ({', '.join(names)})")
            plain = [[str(v) if isinstance(v, date) else v for v in record] for record in records]
            database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", plain)
    database.close()
    return path


def in_csv(folder, rows):
    folder.mkdir(exist_ok=True)
    for table, records in rows.items():
        with (folder / f"{table}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS[table].split())
            writer.writerows(["" if v is None else v for v in record] for record in records)
    return folder / "person.csv"


def in_parquet(folder, rows):
    folder.mkdir(exist_ok=True)
    path = in_duckdb(folder / "whole.duckdb", rows)
    with duckdb.connect(str(path), read_only=True) as database:
        for table in rows:
            database.execute(f"COPY {table} TO '{folder / table}.parquet' (FORMAT parquet)")
    return folder / "person.parquet"


def definition(rules=(), **more):
    """A cohort of Circe: the first type 2 diabetes within observation."""
    sets = [
        {"id": 0, "name": "type 2", "expression": {"items": [_item(2)]}},
        {"id": 1, "name": "metformin", "expression": {"items": [_item(20)]}},
    ]
    return {
        "ConceptSets": sets,
        "PrimaryCriteria": {
            "CriteriaList": [{"ConditionOccurrence": {"CodesetId": 0}}],
            "ObservationWindow": {"PriorDays": 0, "PostDays": 0},
            "PrimaryCriteriaLimit": {"Type": "First"},
        },
        "QualifiedLimit": {"Type": "First"},
        "ExpressionLimit": {"Type": "First"},
        "InclusionRules": list(rules),
        "CensoringCriteria": [],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0},
        "CensorWindow": {},
    } | more


def _item(number, **flags):
    return {"concept": {"CONCEPT_ID": number}, "includeDescendants": True, **flags}


def drug_after(days, count=1, kind=2):
    """An inclusion rule: metformin within so many days of the index event."""
    window = {"Start": {"Days": 0, "Coeff": -1}, "End": {"Days": days, "Coeff": 1}}
    criteria = {
        "Criteria": {"DrugExposure": {"CodesetId": 1}},
        "StartWindow": window,
        "Occurrence": {"Type": kind, "Count": count},
    }
    group = {"Type": "ALL", "CriteriaList": [criteria], "DemographicCriteriaList": [], "Groups": []}
    return {"name": "metformin", "expression": group}


def spec_of(folder, text, source, relation="", files=()):
    """The source of a mapping; files are pairs of name and object, written as JSON."""
    for name, content in files:
        (folder / name).write_text(json.dumps(content), "utf-8")
    (folder / "omop.toml").write_text('version = 1\nkind = "omop"\n' + text, "utf-8")
    kind = {".duckdb": "duckdb", ".sqlite": "sqlite", ".csv": "csv", ".parquet": "parquet"}[source.suffix]
    mapping = read_mapping(folder / "omop.toml")
    return SourceSpec(kind=kind, path=source, relation=relation, mapping=mapping)


def research(spec):
    """The research table by person."""
    with inspected(spec, name=spec.name, view="SELECT * FROM source", cells=spec.cells) as connection:
        found = connection.execute("SELECT * FROM source")
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    by_person = {int(row.pop(names[0])): row for row in rows}
    assert len(by_person) == len(rows)
    return by_person


def counts(spec):
    done = check_mapping(spec, {})
    steps = {step.what: (step.rows_before, step.rows_after) for step in done.steps}
    touched = {rule: count for step in done.steps for rule, count in step.touched.items() if count}
    return steps, touched, done
