"""A study's Table 1 over four hospitals in one call: patients with and without heart disease side by side.

Data: UCI Heart Disease of four real hospitals, which comes with the project (CC BY 4.0).
"""

from hospitals import open_session

COLUMNS = ["age", "sex", "cp", "trestbps", "thalach", "exang"]

with open_session() as session:
    patients = session.table("patients")
    exact = patients.table_one(COLUMNS, "disease", pval=True, smd=True, exact=True, purpose="example")
    print(exact.frame.to_string())
    private = patients.table_one(["age", "sex"], "disease", epsilon=1, purpose="example")
    print("the same with noise, epsilon 1:")
    print(private.frame.to_string())
    print(session.budget()[["sub_budget", "fraction_spent"]].head(1))
