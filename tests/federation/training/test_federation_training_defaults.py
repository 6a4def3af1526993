"""Training with default settings and without noise comes within 2 % of a fit on the pooled rows."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from hospitals import VIEW, files, in_threads

import federation
from federation.training.estimators import FederatedLogisticRegression

pytestmark = pytest.mark.slow  # forty rounds at the size of real keys; a small key does it in tests/training
FEATURES = ["age", "sex", "cp", "trestbps", "fbs", "ecg_abnormal", "thalach", "exang", "oldpeak"]


def fitted(session, table, features, target):
    model = FederatedLogisticRegression(epsilon=None, exact=True)
    return model.fit(session, table=table, features=features, target=target)


def pooled_accuracy(model, frame, truth):
    """Of scikit-learn's model on the same encoded rows, all in one place."""
    learn = pytest.importorskip("sklearn.linear_model", reason="a test dependency")
    matrix = model._encoding.matrix(model._encoding.codes_of(frame))[:, :-1]
    return learn.LogisticRegression(max_iter=10_000).fit(matrix, truth).score(matrix, truth)


def test_the_defaults_learn_heart_disease(record_property):
    with in_threads(policy=None) as session:
        model = fitted(session, "patients", FEATURES, "disease")
    frames = []
    for path in files().values():
        source = pd.read_csv(path)  # noqa: F841 - the view reads it by name
        frames.append(duckdb.sql(VIEW).df())
    rows = pd.concat(frames).dropna(subset=[*FEATURES, "disease"])
    truth = rows["disease"].to_numpy(bool)
    found, wanted = model.score(rows, truth), pooled_accuracy(model, rows, truth)
    record_property("accuracy", (found, wanted))
    assert found > wanted - 0.02
    assert 0.3 < model.predict(rows).mean() < 0.7  # not one class for everybody


def test_the_defaults_learn_breast_cancer(record_property):
    """Three files with 15 times as many declared rows as there are: a divisor of 15,000 gave the majority class."""
    data = pytest.importorskip("sklearn.datasets", reason="a test dependency").load_breast_cancer(
        as_frame=True
    )
    names = [name.replace(" ", "_") for name in data.feature_names]
    rows = data.data.set_axis(names, axis=1)
    columns = {
        name: {"type": "numeric", "lower": 0, "upper": rounded_up(rows[name].max()), "resolution": "0.0001"}
        for name in names
    }
    rows["malignant"] = data.target.to_numpy() == 0
    columns["malignant"] = {"type": "boolean"}
    schema = {"tables": {"tumours": {"privacy_unit": "row", "rows_max": 5000, "columns": columns}}}
    parts = {name: rows.iloc[place::3] for place, name in enumerate(("east", "north", "south"))}
    with federation.local(parts, schema=schema) as session:
        model = fitted(session, "tumours", names, "malignant")
    truth = rows["malignant"].to_numpy(bool)
    found, wanted = model.score(rows, truth), pooled_accuracy(model, rows, truth)
    record_property("accuracy", (found, wanted))
    assert found > wanted - 0.02


def rounded_up(value):
    """Round to one digit, as a site administrator who knows the unit of a column would declare it."""
    power = 10.0 ** np.floor(np.log10(value))
    return str(np.round(np.ceil(value / power) * power, 4))
