"""What a mapping should make of the rows of omop_world, in plain Python; it shares no code with the program."""

from datetime import timedelta
from fractions import Fraction

from tests.omop.omop_world import COLUMNS, CONCEPTS, INVALID, PARENTS


def records(rows, table):
    names = COLUMNS[table].split()
    return [dict(zip(names, row, strict=True)) for row in rows[table]]


def family(number):
    """A concept with its valid descendants."""
    return {number} | {child for child, above in PARENTS.items() if number in above and child not in INVALID}


DIABETES = family(1) - family(3)
GLUCOSE = family(30)
DRUG = family(20)
MAPPED = family(2) | {9}


def nearest(value):
    """To whole numbers, halves away from zero."""
    return float((2 * value.numerator + value.denominator) // (2 * value.denominator))


def first_type_2(rows):
    """The first type 2 diabetes of each person that lies in a period of observation, with the period's end."""
    periods = {each["person_id"]: each for each in records(rows, "observation_period")}
    found = {}
    for row in sorted(records(rows, "condition_occurrence"), key=lambda row: row["condition_start_date"]):
        period = periods[row["person_id"]]
        start = row["condition_start_date"]
        inside = period["observation_period_start_date"] <= start <= period["observation_period_end_date"]
        if row["condition_concept_id"] in family(2) and inside:
            found.setdefault(row["person_id"], (start, period["observation_period_end_date"]))
    return found


def with_drug(rows, cohort, days):
    """The entries with a drug within observation at most so many days after their start."""
    kept = {}
    periods = {each["person_id"]: each for each in records(rows, "observation_period")}
    for row in records(rows, "drug_exposure"):
        person, when = row["person_id"], row["drug_exposure_start_date"]
        if person in cohort and row["drug_concept_id"] in DRUG:
            start, end = cohort[person]
            in_time = start <= when <= start + timedelta(days=days) and when <= end
            if in_time and when >= periods[person]["observation_period_start_date"]:
                kept[person] = cohort[person]
    return kept


def glucose(row):
    """Milligrams per decilitre, or None: 18.0156 by the molar mass of glucose, 180.156 g/mol."""
    if row["value_as_number"] is None or row["operator_concept_id"] not in {None, 0, 4172703}:
        return None
    value = Fraction(str(row["value_as_number"]))
    unit = CONCEPTS.get(row["unit_concept_id"], ("", ""))[1]
    if unit == "mmol/L":
        value *= Fraction("18.0156")
    return nearest(value)


def expected(rows, index):
    """The research table for index dates by person."""
    people = {row["person_id"]: row for row in records(rows, "person")}
    periods = {row["person_id"]: row for row in records(rows, "observation_period")}
    deaths = {row["person_id"]: row["death_date"] for row in records(rows, "death")}
    found = {}
    for person, zero in index.items():
        own = people[person]

        def events(table, concept, ids, date, first, last, person=person, zero=zero):
            return sorted(
                (
                    row
                    for row in records(rows, table)
                    if row["person_id"] == person
                    and (ids is None or row[concept] in ids)
                    and (first is None or (row[date] - zero).days >= first)
                    and (last is None or (row[date] - zero).days <= last)
                ),
                key=lambda row: (row[date], row[concept]),
            )

        sick = events(
            "condition_occurrence", "condition_concept_id", DIABETES, "condition_start_date", None, 0
        )
        coded = events(
            "condition_occurrence", "condition_source_concept_id", {9}, "condition_start_date", None, None
        )
        drugs = events("drug_exposure", "drug_concept_id", DRUG, "drug_exposure_start_date", 0, 90)
        visits = events("visit_occurrence", "visit_concept_id", {40}, "visit_start_date", -365, 0)
        tests = [
            (row["measurement_date"], glucose(row))
            for row in events("measurement", "measurement_concept_id", GLUCOSE, "measurement_date", None, 0)
            if glucose(row) is not None
        ]
        values = [value for _, value in tests]
        period = periods[person]
        start, end = period["observation_period_start_date"], period["observation_period_end_date"]
        seen = start <= zero <= end
        died = deaths.get(person)
        found[person] = {
            "age": float(zero.year - own["year_of_birth"]),
            "sex": {8507: "M", 8532: "F"}.get(own["gender_concept_id"]),
            "sick": bool(sick),
            "n_sick": float(len(sick)),
            "sick_days": float(len({row["condition_start_date"] for row in sick})),
            "sick_first": min((row["condition_start_date"] for row in sick), default=None),
            "sick_last": max(
                (float((row["condition_start_date"] - zero).days) for row in sick), default=None
            ),
            "kind": str(sick[-1]["condition_concept_id"]) if sick else None,
            "coded": float(len(coded)),
            "drug": bool(drugs),
            "nights": float(sum((row["visit_end_date"] - row["visit_start_date"]).days for row in visits)),
            "glucose_last": max(tests)[1] if tests else None,
            "glucose_first": min(tests)[1] if tests else None,
            "glucose_min": min(values, default=None),
            "glucose_max": max(values, default=None),
            "glucose_mean": sum(values) / len(values) if values else None,
            "died": died is not None and 0 <= (died - zero).days <= 365,
            "death_day": None if died is None else float((died - zero).days),
            "before": float((zero - start).days) if seen else None,
            "after": float((end - zero).days) if seen else None,
        }
    return found
