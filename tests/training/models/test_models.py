"""Every model over three sites beside scikit-learn on the pooled rows, and inputs that no model takes."""

import numpy as np
import pandas as pd
import pytest
from scikit_worlds import scikit_world
from training_world import MADE_TABLES, added_up, made_frame, task_of

from analytics.errors import InvalidRequestError
from federation.errors import ConfigError
from federation.training.estimators import FederatedPoissonRegression, estimator_of
from federation.training.models.registry import MODELS

RATE = {"type": "numeric", "lower": 0, "upper": 400, "resolution": 1}
KIND = {"type": "categorical", "domain": [0, 1, 2]}


@pytest.fixture
def scikit(small_key, tmp_path):
    worlds = []

    def build(name, outcome):
        worlds.append(scikit_world(small_key, tmp_path, name, outcome))
        return worlds[-1]

    yield build
    for world, _, _ in worlds:
        world.close()


def fitted(scikit, name, outcome, model, **changes):
    world, names, _ = scikit(name, outcome)
    fields = {"epsilon": None, "exact": True, "expected_units": None, "rounds": 100}
    task = task_of(**(fields | {"table": "rows", "features": names, "target": "y", "model": model} | changes))
    plan, state, matrix, target = added_up(world, task)
    learn = pytest.importorskip("sklearn.linear_model", reason="a test dependency")
    return plan.model.predict(plan.encoding, state.values(), matrix), matrix[:, :-1], target, learn


def test_breast_cancer_is_within_one_percent_of_pooled(scikit):
    chances, rows, target, learn = fitted(
        scikit, "breast_cancer", {"type": "boolean"}, "logistic_regression", strategy="adam"
    )
    pooled = learn.LogisticRegression(max_iter=10_000).fit(rows, target).score(rows, target)
    assert np.mean((chances > 0.5) == target) > pooled - 0.01


def test_diabetes_is_within_one_percent_of_least_squares(scikit):
    found, rows, target, learn = fitted(scikit, "diabetes", RATE, "linear_regression")
    wanted = 200 + 200 * learn.LinearRegression().fit(rows, target).predict(rows)
    truth = 200 + 200 * target
    assert np.mean((found - truth) ** 2) < 1.01 * np.mean((wanted - truth) ** 2)


def test_diabetes_as_counts_is_within_one_percent_of_the_pooled_poisson_regression(scikit):
    found, rows, target, learn = fitted(scikit, "diabetes", RATE, "poisson_regression", strategy="adagrad")
    truth = 200 + 200 * target
    pooled = learn.PoissonRegressor(alpha=0, max_iter=10_000).fit(rows, truth)
    from federation.training.scores import deviance_explained

    assert deviance_explained(pooled.predict(rows), truth) == pytest.approx(pooled.score(rows, truth))
    assert deviance_explained(found, truth) > pooled.score(rows, truth) - 0.01


def test_wine_of_three_kinds_is_within_one_percent_of_pooled(scikit):
    chances, rows, target, learn = fitted(scikit, "wine", KIND, "multinomial_regression")
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    pooled = learn.LogisticRegression(max_iter=10_000).fit(rows, target).score(rows, target)
    assert np.mean(chances.argmax(axis=1) == target) > pooled - 0.01


@pytest.mark.parametrize("name", ["multinomial_regression", "poisson_regression"])
def test_the_gradient_is_the_slope_of_the_loss(name):
    """Differences of the losses, which share no code with the gradients but the scores."""
    from federation.training.encodings.features import Cases

    generator = np.random.default_rng(3)
    matrix = generator.uniform(-1, 1, (9, 4))
    n_classes = 3 if name == "multinomial_regression" else 1
    target = generator.integers(0, 3, 9).astype(float) if n_classes == 3 else generator.uniform(-1, 1, 9)
    cases = Cases(matrix=matrix, target=target, starts=np.array([0, 4, 5], np.intp))
    theta = generator.normal(size=4 * n_classes)
    found = MODELS[name].unit_vectors(cases, theta).gradients
    for place in range(len(theta)):
        ends = [theta.copy(), theta.copy()]
        ends[0][place] -= 1e-5
        ends[1][place] += 1e-5
        low, high = (MODELS[name].unit_vectors(cases, end).losses for end in ends)
        np.testing.assert_allclose(found[:, place], (high - low) / 2e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["multinomial_regression", "poisson_regression"])
def test_parameters_at_the_end_of_their_range_give_finite_numbers(name):
    from federation.training.encodings.features import Cases

    matrix = np.array([[1.0, 1.0], [-1.0, 1.0], [0.5, 1.0]])
    cases = Cases(matrix=matrix, target=np.array([0.0, 1.0, 1.0]), starts=np.arange(3))
    for size in (2.0**20, -(2.0**20)):
        theta = np.array([size, -size] * (2 if name == "multinomial_regression" else 1))
        found = MODELS[name].unit_vectors(cases, theta)
        assert np.isfinite(found.gradients).all()
        assert np.isfinite(found.losses).all()
        assert abs(found.gradients).max() <= MODELS[name].row_bound


COUNTED = {
    "patients": MADE_TABLES["patients"]
    | {
        "columns": MADE_TABLES["patients"]["columns"]
        | {"n": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1}}
    }
}


@pytest.fixture
def counted(world_of):
    frames = {
        name: made_frame(60, place).assign(n=lambda f: np.rint(np.exp(1 + 0.5 * f.x)).clip(0, 10))
        for place, name in enumerate("abc")
    }
    return world_of(frames, tables=COUNTED), frames["a"]


def test_a_multinomial_model_has_the_habits_of_scikit_learn(counted, tmp_path):
    world, frame = counted
    model = estimator_of("multinomial_regression")(epsilon=None, exact=True, rounds=5)
    model.fit(world, table="patients", features=["x", "b", "y"], target="k")
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert model.coef_.shape == (3, 3)
    assert model.intercept_.shape == (3,)
    assert set(model.summary()) == {"a", "b", "c"}
    chances = model.predict_proba(frame)
    assert chances.shape == (60, 3)
    assert (model.predict(frame) == model.classes_[chances.argmax(axis=1)]).all()
    assert model.score(frame, model.predict(frame)) == 1
    with pytest.raises(InvalidRequestError, match="none of the classes a, b, c"):
        model.score(frame, ["d"] * 60)
    model.save(str(tmp_path / "m.json"))
    again = estimator_of("multinomial_regression").load(str(tmp_path / "m.json"))
    np.testing.assert_array_equal(again.predict_proba(frame), chances)


def test_a_poisson_model_has_the_habits_of_scikit_learn(counted, tmp_path):
    world, frame = counted
    model = FederatedPoissonRegression(epsilon=None, exact=True, rounds=40)
    model.fit(world, table="patients", features=["x"], target="n")
    assert model.coef_[0] / 2 == pytest.approx(0.5, abs=0.1)
    assert model.intercept_ == pytest.approx(1, abs=0.1)
    assert model.score(frame, frame.n) > 0.8
    for counts in ([-1.0] * 30 + [1.0] * 30, ["a"] * 60, [1.0] * 60):
        with pytest.raises(InvalidRequestError):
            model.score(frame, counts)
    model.save(tmp_path / "m.json")
    again = FederatedPoissonRegression.load(tmp_path / "m.json")
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


def test_rows_may_be_an_array_in_the_order_of_the_features(counted):
    world, frame = counted
    model = estimator_of("linear_regression")(epsilon=None, exact=True, rounds=3)
    model.fit(world, table="patients", features=["x", "b"], target="n")
    wanted = model.predict(frame)
    rows = frame[["x", "b"]].to_numpy(object)
    np.testing.assert_array_equal(model.predict(rows), wanted)
    np.testing.assert_array_equal(model.predict(rows.tolist()), wanted)
    for wrong in (rows[:, :1], rows[0], np.zeros((2, 2, 2)), 5):
        with pytest.raises(InvalidRequestError, match="array of 2 columns"):
            model.predict(wrong)
    with pytest.raises(InvalidRequestError, match="missing values in x"):
        model.predict(np.array([[np.nan, 1]]))


def test_a_model_is_cloned_by_scikit_learn():
    base = pytest.importorskip("sklearn.base", reason="a test dependency")
    for name in MODELS:
        model = estimator_of(name)(epsilon=1.0, rounds=3, learning_rate=None)
        again = base.clone(model)
        assert again.get_params() == model.get_params()
        assert again is not model


@pytest.mark.parametrize(
    ("model", "target", "says"),
    [
        ("poisson_regression", "x", "must be numeric with the lower bound 0"),
        ("poisson_regression", "k", "must be numeric with the lower bound 0"),
        ("multinomial_regression", "x", "must be categorical or boolean"),
        ("multinomial_regression", "zz", "is not a column"),
        ("logistic_regression", "k", "must be boolean or have a domain of two values"),
    ],
)
def test_an_outcome_that_a_model_cannot_learn_is_refused_before_the_charge(made, model, target, says):
    with pytest.raises(ConfigError, match=says):
        made.plan(task_of(features=("b",), target=target, model=model))


def test_one_class_no_rows_and_a_missing_target_give_zero_and_noise_and_never_an_error(world_of):
    frames = {
        "a": made_frame(9, 1).assign(k="b"),
        "b": made_frame(9, 1).iloc[:0],
        "c": made_frame(9, 1).assign(k=pd.array([None] * 9, "string")),
    }
    world = world_of(frames)
    task = task_of(features=("x",), target="k", model="multinomial_regression", epsilon=2, rounds=3)
    _, state, matrix, _ = added_up(world, task)
    assert len(matrix) == 9
    assert len(state.parameters) == 6
