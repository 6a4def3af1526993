"""The fitted model on frames: accepted and refused inputs, and the contents of its file."""

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from training_world import made_frame

from analytics.errors import InvalidRequestError
from federation.errors import ConfigError
from federation.training.estimators import FederatedLogisticRegression


@pytest.fixture
def model(made):
    return FederatedLogisticRegression(epsilon=2.0, rounds=2, expected_units=200).fit(
        made, table="patients", features=["x", "k", "b"], target="y"
    )


def test_a_frame_is_cleaned_as_a_site_cleans_its_table(made, model):
    outcome = model.outcome_
    frame = made_frame(40, 0)
    rows = made.sources["east"]["patients"].complete_cases(["x", "k", "b"])
    np.testing.assert_array_equal(outcome.plan.encoding.codes_of(frame), rows[:, 1:])


BAD = {
    "missing column": lambda f: f.drop(columns="x"),
    "missing value": lambda f: f.assign(x=[np.nan] * len(f)),
    "unknown category": lambda f: f.assign(k="zzz"),
    "no number": lambda f: f.assign(x="tall"),
    "no boolean": lambda f: f.assign(b=7),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_frame_that_does_not_fit_is_refused_without_its_values(model, name):
    with pytest.raises(InvalidRequestError) as caught:
        model.predict_proba(BAD[name](made_frame(5, 1)))
    assert caught.value.parameter == "frame"
    assert "zzz" not in str(caught.value)
    assert "tall" not in str(caught.value)


def test_a_model_is_saved_and_read_under_a_text_or_a_path(model, tmp_path):
    frame = made_frame(5, 1)
    for place in (tmp_path / "m.json", str(tmp_path / "n.json")):
        model.save(place)
        again = FederatedLogisticRegression.load(place)
        np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))


def test_a_model_goes_to_another_process_and_back(model):
    frame = made_frame(5, 1)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):  # noqa: S301
        assert again.get_params() == model.get_params()
        assert again.history_ == model.history_
        np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    assert pickle.loads(pickle.dumps(FederatedLogisticRegression())).rounds == 40  # noqa: S301


@pytest.mark.parametrize(
    "labels", [["yes"] * 5, [2] * 5, [None] * 5, [True] * 4, [True] * 4 + [float("nan")], []], ids=str
)
def test_labels_that_are_none_of_the_classes_are_refused_without_being_named(model, labels):
    with pytest.raises(InvalidRequestError) as caught:
        model.score(made_frame(5, 1), labels)
    assert caught.value.parameter == "target"
    assert "yes" not in str(caught.value)


def test_labels_of_any_type_that_equal_the_classes_are_scored(model):
    frame = made_frame(5, 1)
    predicted = model.predict(frame)
    for labels in (
        predicted,
        predicted.tolist(),
        pd.Series(predicted).astype("boolean"),
        predicted.astype(int),
    ):
        assert model.score(frame, labels) == 1.0
    assert model.score(frame, ~predicted) == 0.0


@pytest.mark.parametrize("features", ["age", b"bytes", 5, None])
def test_one_text_is_no_list_of_features(features):
    with pytest.raises(ConfigError) as caught:
        FederatedLogisticRegression().task(table="t", features=features, target="y")
    assert list(caught.value.mistakes) == ["features: must be a list of column names"]


def test_values_beyond_the_bounds_are_clipped(model):
    frame = made_frame(2, 1)
    far, edge = frame.assign(x=1e9), frame.assign(x=2.0)
    np.testing.assert_array_equal(model.predict_proba(far), model.predict_proba(edge))


def test_an_unfitted_model_and_unknown_parameters_are_refused():
    model = FederatedLogisticRegression()
    with pytest.raises(InvalidRequestError):
        model.predict(pd.DataFrame({"x": [1]}))
    with pytest.raises(ConfigError):
        model.set_params(alpha=1)
    with pytest.raises(ConfigError):
        FederatedLogisticRegression(learning_rate=float("nan")).fit(
            None, table="t", features=["x"], target="y"
        )
    with pytest.raises(ConfigError):
        FederatedLogisticRegression(epsilon=2.0, exact=True).fit(None, table="t", features=["x"], target="y")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"parameters": [1]},
        {"parameters": [1.5] * 5},
        {"params": {"alpha": 1}},
        {"classes": [1]},
    ],
    ids=str,
)
def test_a_file_that_is_no_model_is_refused(model, tmp_path, change):
    path = tmp_path / "m.json"
    model.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ConfigError):
        FederatedLogisticRegression.load(path)
    path.write_text("no json")
    with pytest.raises(ConfigError):
        FederatedLogisticRegression.load(path)


def test_an_outcome_becomes_a_model_without_fit(model):
    again = FederatedLogisticRegression.from_outcome(model.outcome_)
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.coef_, model.coef_)


@pytest.mark.parametrize(
    "module",
    [
        "federation.aggregation.service",
        "federation.training.running.coordinator",
        "federation.training.estimators",
    ],
)
def test_helpers_and_analyst_never_load_torch(module):
    code = (
        f"import sys, {module}; sys.exit(any(m.split('.')[0] in ('torch', 'crypten') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
