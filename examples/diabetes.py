"""Diabetes at three clinics: how measurements explain the disease's progression a year later, with noise and without.

Data: the diabetes data of Efron, Hastie, Johnstone and Tibshirani (2004), 442 patients in their own units, as scikit-learn ships
them. The split over three clinics is made.
"""

from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

import crossward

COLUMNS = {
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
    "bmi": {"type": "numeric", "lower": 10, "upper": 60, "resolution": 0.1},
    "bp": {"type": "numeric", "lower": 40, "upper": 160, "resolution": 0.01},
    "progression": {"type": "numeric", "lower": 0, "upper": 400, "resolution": 1},
    "woman": {"type": "boolean"},
}
TABLE = {"privacy_unit": "row", "max_sites_per_unit": 1, "rows_max": 500, "population": "diabetes"}
TABLE |= {"exact_dimensions": list(COLUMNS), "columns": COLUMNS}
FEATURES = ["age", "bmi", "bp"]

data = load_diabetes(as_frame=True, scaled=False)
rows = data.data[FEATURES].round(2).assign(progression=data.target, woman=data.data["sex"] == 1)
clinics = {name: rows.iloc[place::3] for place, name in enumerate(("anna", "bert", "carl"))}

pooled = LinearRegression().fit(rows[FEATURES], rows["progression"])
print("pooled rows:", dict(zip(FEATURES, pooled.coef_.round(2).tolist(), strict=True)))
with crossward.local(
    clinics, schema={"tables": {"patients": TABLE}}, budget={"epsilon": 6, "query": {"share": 1}}
) as session:
    patients = session.table("patients")
    print("joint, without noise:")
    print(patients.ols("progression ~ age + bmi + bp", exact=True, purpose="example").frame)
    print("joint, epsilon 4:")
    print(patients.ols("progression ~ age + bmi + bp", epsilon=4, purpose="example").frame)
    print("women and men:")
    print(patients.t_test("progression", by="woman", epsilon=1, purpose="example").frame)
