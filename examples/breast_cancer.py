"""Breast cancer at three hospitals: a private diagnosis model beside the one of the pooled records.

Data: Breast Cancer Wisconsin, 569 patients, as scikit-learn ships it. The split over three hospitals is made.
"""

import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import crossward
from crossward.models import FederatedLogisticRegression

# public ranges of each measurement, in the unit of the data set
RANGES = {
    "mean radius": (5, 30),
    "mean texture": (5, 40),
    "mean smoothness": (0.04, 0.2),
    "mean concavity": (0, 0.5),
    "worst area": (100, 4500),
    "worst symmetry": (0.1, 0.7),
}
FINE = 100  # columns of smaller numbers are told to a thousandth
FEATURES = [name.replace(" ", "_") for name in RANGES]
COLUMNS = {
    name.replace(" ", "_"): {
        "type": "numeric",
        "lower": low,
        "upper": high,
        "resolution": 1 if high > FINE else 0.001,
    }
    for name, (low, high) in RANGES.items()
}
TABLE = {"privacy_unit": "row", "max_sites_per_unit": 1, "rows_max": 300, "population": "breast"}
TABLE |= {"columns": COLUMNS | {"malignant": {"type": "boolean"}}}

data = load_breast_cancer(as_frame=True)
rows = data.data[list(RANGES)].set_axis(FEATURES, axis=1).assign(malignant=data.target == 0)
train, test = rows[rows.index % 4 != 0], rows[rows.index % 4 == 0]
hospitals = {name: train.iloc[place::3] for place, name in enumerate(("anna", "bert", "carl"))}

pooled = LogisticRegression(max_iter=10_000).fit(train[FEATURES], train["malignant"])
chances = pooled.predict_proba(test[FEATURES])[:, 1]
print(f"pooled rows:      area under the ROC curve {roc_auc_score(test['malignant'], chances):.3f}")
with crossward.local(
    hospitals,
    schema={"tables": {"patients": TABLE}},
    budget={"epsilon": 4, "query": {"share": 0.25}, "training": {"share": 0.75}},
) as session:
    model = FederatedLogisticRegression(epsilon=2, rounds=20, purpose="example")
    model.fit(session, table="patients", features=FEATURES, target="malignant")
    chances = model.predict_proba(pd.DataFrame(test[FEATURES]))[:, 1]
    print(f"joint, epsilon 2: area under the ROC curve {roc_auc_score(test['malignant'], chances):.3f}")
    found = session.evaluate(
        model, table="patients", target="malignant", epsilon=1, metrics=["roc_auc", "accuracy"]
    )
    for name, value in found.metrics.items():
        print(f"over the hospitals' own rows: {name} {value:.3f} +- {found.noise_errors[name]:.3f}")
