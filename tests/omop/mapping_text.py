"""The mapping whose result plain_oracle computes, without its index."""

_GLUCOSE = """
[columns.glucose_{0}]
table = "measurement"
set = "glucose"
take = "{0}"
units = ["mg/dL", "mmol/L"]
no_unit = "mg/dL"
to_unit = "mg/dL"
analyte = "glucose"
digits = 0
"""
SETS = """
[sets.diabetes]
concepts = [1]
exclude = [3]
[sets.old_code]
concepts = [9]
descendants = false
[sets.glucose]
concepts = [30]
[sets.metformin]
concepts = [20]
[sets.inpatient]
concepts = [40]
"""
COLUMNS = """
[columns.age]
table = "person"
take = "age"
[columns.sex]
table = "person"
take = "sex"
[columns.sick]
table = "condition_occurrence"
set = "diabetes"
take = "any"
[columns.n_sick]
table = "condition_occurrence"
set = "diabetes"
take = "count"
[columns.sick_days]
table = "condition_occurrence"
set = "diabetes"
take = "days"
[columns.sick_first]
table = "condition_occurrence"
set = "diabetes"
take = "first_date"
[columns.sick_last]
table = "condition_occurrence"
set = "diabetes"
take = "last_day"
[columns.kind]
table = "condition_occurrence"
set = "diabetes"
take = "last_concept"
[columns.coded]
table = "condition_occurrence"
set = "old_code"
source_concepts = true
take = "count"
to_the_end = true
[columns.drug]
table = "drug_exposure"
set = "metformin"
take = "any"
from_day = 0
to_day = 90
[columns.nights]
table = "visit_occurrence"
set = "inpatient"
take = "nights"
from_day = -365
[columns.died]
table = "death"
take = "any"
from_day = 0
to_day = 365
[columns.death_day]
table = "death"
take = "day"
[columns.before]
table = "observation_period"
take = "days_before"
[columns.after]
table = "observation_period"
take = "days_after"
""" + "".join(_GLUCOSE.format(take) for take in ("last", "first", "min", "max", "mean"))
FIXED = '[index]\ndate = "2020-06-30"\n'
EVERYTHING = SETS + FIXED + COLUMNS
