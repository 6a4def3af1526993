"""Four hospitals against their pooled records, in the set-up of FLamby's benchmark: its patients, its features, its split.

FLamby (Ogier du Terrail and others, NeurIPS 2022, Fed-Heart-Disease) reports an accuracy on the test patients of 0.795 for
a model of the pooled records, 0.785 for its best federated strategy and 0.748 for FedAvg.
"""

import tomllib

import numpy as np
import pandas as pd
from hospitals import DATA, NAMES
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split

import federation
from crossward.models import FederatedLogisticRegression

FEATURES = ["age", "sex", "cp", "trestbps", "chol", "fbs", "ecg_abnormal", "thalach", "exang", "oldpeak"]
RUNS = {
    "sum_gradient": {"epsilon": None, "exact": True, "rounds": 100},
    "adam": {"epsilon": None, "exact": True, "rounds": 100, "strategy": "adam"},
    "fedavg": {"epsilon": None, "exact": True, "rounds": 100, "strategy": "fedavg"},
    "adagrad, epsilon 2": {"epsilon": 2.0, "rounds": 20, "strategy": "adagrad"},
}
BUDGET = {"epsilon": 4, "training": {"share": 1}}
FEWEST = 2
EVEN = 0.5
CHEST_PAIN = {1: "typical", 2: "atypical", 3: "non_anginal", 4: "asymptomatic"}


def records(name):
    """Return a hospital's patients with all features; as in FLamby a cholesterol of 0, not measured, counts as a value."""
    raw = pd.read_csv(DATA / "heart_disease" / f"{name}.csv")
    rows = raw.assign(
        sex=raw["sex"].map({0: "F", 1: "M"}),
        cp=raw["cp"].map(CHEST_PAIN),
        ecg_abnormal=(raw["restecg"] > 0).mask(raw["restecg"].isna()),
        disease=raw["num"] > 0,
    )
    return rows.dropna(subset=[*FEATURES, "disease"])[[*FEATURES, "disease"]].reset_index(drop=True)


def split(rows):
    """Return a hospital's patients for training and for the test."""
    ill = rows["disease"].to_numpy(bool)
    known = ill if min(ill.sum(), (~ill).sum()) > FEWEST else None
    parts = train_test_split(rows.index, test_size=0.34, train_size=0.66, random_state=43, stratify=known)
    return [rows.loc[np.sort(places)].reset_index(drop=True) for places in parts]


def pooled_model(rows):
    """Return scikit-learn's model of all hospitals' rows in one place, as a function that gives chances."""
    columns = pd.get_dummies(rows[FEATURES].infer_objects(), dtype=float)
    learned = LogisticRegression(max_iter=10_000).fit(
        (columns / columns.std()).astype(float), rows["disease"].astype(bool)
    )

    def chances(patients):
        others = pd.get_dummies(patients[FEATURES].infer_objects(), dtype=float).reindex(
            columns=columns.columns
        )
        return learned.predict_proba((others / columns.std()).astype(float))[:, 1]

    return chances


def show(said, chances, truth):
    """Print accuracy and area under the ROC curve on the test patients."""
    accuracy = np.mean((chances > EVEN) == truth)
    print(f"{said:24} accuracy {accuracy:.3f}, area under the ROC curve {roc_auc_score(truth, chances):.4f}")


parts = {name: split(records(name)) for name in NAMES}
train, test = (
    {name: rows for name, (rows, _) in parts.items()},
    pd.concat([held for _, held in parts.values()]),
)
truth = test["disease"].to_numpy(bool)
show("pooled, scikit-learn", pooled_model(pd.concat(train.values()))(test), truth)
schema = tomllib.loads((DATA / "schema.toml").read_text("utf-8"))
schema["tables"]["patients"]["columns"]["chol"] |= {"lower": 0, "bins": [0, 240, 620]}
with federation.local(train, schema=schema, budget=BUDGET) as session:
    for said, parameters in RUNS.items():
        model = FederatedLogisticRegression(**parameters, purpose="example")
        model.fit(session, table="patients", features=FEATURES, target="disease")
        show(said, model.predict_proba(test)[:, 1], truth)
