"""Survival after heart failure over three hospitals: curves, a test and a regression without a patient leaving a hospital.

Data: 299 patients of Faisalabad (examples/data/heart_failure, CC BY 4.0). Their hospital is not recorded, so the rows are dealt
out in turn. The pooled log-rank test by anaemia has the chi-square 2.726.
"""

from pathlib import Path

import pandas as pd

import crossward

DATA = Path(__file__).resolve().parent / "data" / "heart_failure" / "records.csv"
COLUMNS = {
    "time": {
        "type": "numeric",
        "lower": 0,
        "upper": 300,
        "resolution": 1,
        "unit": "d",
        "bins": [*range(0, 301, 30)],
    },
    "death": {"type": "boolean"},
    "anaemia": {"type": "boolean"},
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": [0, 60, 120]},
    "ejection_fraction": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1, "bins": [0, 40, 100]},
}
TABLE = {"privacy_unit": "row", "max_sites_per_unit": 1, "rows_max": 500, "population": "cardiology"}
TABLE |= {"exact_dimensions": list(COLUMNS), "columns": COLUMNS}

raw = pd.read_csv(DATA).rename(columns={"death_event": "death"})
rows = raw[list(COLUMNS)].assign(death=raw["death"] == 1, anaemia=raw["anaemia"] == 1)
hospitals = {name: rows.iloc[place::3] for place, name in enumerate(("anna", "bert", "carl"))}

with crossward.local(
    hospitals,
    schema={"tables": {"patients": TABLE}},
    budget={"epsilon": 4, "query": {"share": 1}},
    policy={"minimum_cell": 5},
) as session:
    patients = session.table("patients")
    test = patients.log_rank("time", "death", by="anaemia", exact=True, purpose="example")
    print(f"log-rank by anaemia: chi-square {test.statistic:.3f}, p {test.pvalue:.3f}")
    curves = patients.kaplan_meier("time", "death", epsilon=1, purpose="example")
    print("private curve, epsilon 1:")
    print(curves.frame.round(3).to_string(index=False))
    hazards = patients.cox("time", "death", ["age", "ejection_fraction"], exact=True, purpose="example")
    print("Cox regression:")
    print(hazards.frame)
