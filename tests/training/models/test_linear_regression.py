"""Linear regression: gradients, the clip, least squares on pooled rows as the oracle, and real data with an epsilon."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from training_world import TrainingTask, added_up, made_frame, task_of

from analytics.errors import InvalidRequestError
from federation.errors import ConfigError
from federation.training.encodings.features import Cases
from federation.training.estimators import FederatedLinearRegression, estimator_of
from federation.training.local_update import clamped_sum
from federation.training.models.linear_regression import LinearRegression
from federation.training.models.registry import MODELS
from federation.training.options import Option
from federation.training.rounds.round_plan import GRID
from federation.training.task import task_of as read_back

FEATURES = ["age", "sex", "cp", "trestbps", "exang", "oldpeak"]
MADE = {"features": ("k", "b", "y"), "target": "x", "model": "linear_regression", "expected_units": None}


def heart_task(**changes):
    fields = {"table": "patients", "features": FEATURES, "target": "thalach", "model": "linear_regression"}
    return TrainingTask(**(fields | changes))


def test_gradients_are_the_finite_differences_of_half_the_squared_difference():
    draw = np.random.default_rng(3)
    matrix, target = draw.uniform(-1, 1, (12, 4)), draw.uniform(-1, 1, 12)
    starts, theta = np.array([0, 1, 5, 9]), draw.normal(size=4)
    found = MODELS["linear_regression"].unit_vectors(
        Cases(matrix=matrix, target=target, starts=starts), theta
    )

    def losses(point):
        return np.add.reduceat((matrix @ point - target) ** 2 / 2, starts)

    np.testing.assert_allclose(found.losses, losses(theta), rtol=1e-12)
    for place in range(4):
        shift = 1e-6 * (np.arange(4) == place)
        rise = (losses(theta + shift) - losses(theta - shift)) / 2e-6
        np.testing.assert_allclose(found.gradients[:, place], rise, atol=1e-7)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(1, 6), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.integers(-200, 200)
        ),
        max_size=20,
    ),
    gone=st.integers(1, 6),
    theta=st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5),
)
def test_law_one_unit_moves_the_sum_by_at_most_the_declared_norm(made, rows, gone, theta):
    plan = made.plan(task_of(**MADE))
    table, point = np.array(sorted(rows), np.int64).reshape(-1, 5), np.array(theta)
    whole = clamped_sum(plan, plan.encoding.cases(table), point)
    less = clamped_sum(plan, plan.encoding.cases(table[table[:, 0] != gone]), point)
    assert sum(int(value) ** 2 for value in whole - less) <= plan.l2_unit**2


def test_without_noise_it_is_descent_to_least_squares_on_the_pooled_rows(heart):
    """The oracles share no code: plain descent in floats, and numpy's least squares, from whose error it is within 1 %."""
    task = heart_task(exact=True, rounds=100)
    _, state, matrix, target = added_up(heart, task)
    theta, squares = np.zeros(matrix.shape[1]), 0.0
    for _ in range(task.rounds):
        total = (matrix @ theta - target) @ matrix
        squares += total @ total
        theta = theta - 0.5 * total / np.sqrt(squares)
    np.testing.assert_allclose(state.values(), theta, atol=100 * 0.5 * len(target) / 100 / GRID)
    closed = np.linalg.lstsq(matrix, target, rcond=None)[0]
    error, least = (np.sqrt(np.mean((matrix @ found - target) ** 2)) for found in (state.values(), closed))
    assert least <= error < 1.01 * least


@pytest.mark.parametrize("epsilon", [1, 2])
def test_four_hospitals_predict_the_heart_rate_with_an_epsilon(heart, epsilon):
    """The outcome's deviation is 25.8 a minute and least squares leave 22.0; draws lay between 22.5 and 24.5."""
    _, state, matrix, target = added_up(heart, heart_task(epsilon=epsilon, rounds=20))
    assert 100 * np.sqrt(np.mean((matrix @ state.values() - target) ** 2)) < 25.2


@pytest.mark.parametrize("target", ["disease", "cp"])
def test_an_outcome_that_is_no_number_is_refused_before_the_charge(heart, target):
    with pytest.raises(ConfigError, match=f"target: {target} must be numeric"):
        heart.plan(heart_task(features=["age"], target=target, epsilon=1))


def test_rows_far_from_the_model_stay_within_the_planned_sum(made):
    """Parameters may reach 2^20; without a clip a row counts as 64, so that no sum leaves its slot."""
    plan = made.plan(task_of(**(MADE | {"epsilon": None, "exact": True})))
    rows = np.array([[unit, 0, 0, 0, 200] for unit in range(1, 31)], np.int64)
    total = clamped_sum(plan, plan.encoding.cases(rows), np.full(5, -(2.0**20)))
    assert total[-1] == -30 * 64 * GRID
    assert abs(total).max() <= plan.clamp


def test_a_run_over_the_wire_gives_a_model_on_the_outcomes_scale(made, tmp_path):
    model = FederatedLinearRegression(epsilon=None, exact=True, rounds=5)
    model.fit(made, table="patients", features=["k", "b", "y"], target="x")
    frame = made_frame(60, 1)
    predicted = model.predict(frame)
    encoded = model._encoding.matrix(model._encoding.codes_of(frame))
    np.testing.assert_allclose(predicted, encoded[:, :-1] @ model.coef_ + model.intercept_)
    assert np.corrcoef(predicted, frame.x)[0, 1] > 0.5
    truth = frame.x.to_numpy()
    spread = ((truth - truth.mean()) ** 2).sum()
    assert model.score(frame, truth) == pytest.approx(1 - ((truth - predicted) ** 2).sum() / spread)
    model.save(tmp_path / "m.json")
    again = FederatedLinearRegression.load(tmp_path / "m.json")
    np.testing.assert_array_equal(again.predict(frame), predicted)
    with pytest.raises(ConfigError):
        estimator_of("logistic_regression").load(tmp_path / "m.json")
    for numbers in (["a"] * 60, [float("nan")] * 60, [1.0] * 60, [1.0]):
        with pytest.raises(InvalidRequestError):
            model.score(frame, numbers)


def test_a_request_names_its_model_and_reads_back():
    task = heart_task(epsilon=1)
    question = task.question()
    assert question["model"] == "linear_regression"
    assert question["learning_rate"] == "0.5"
    assert read_back(question, mode="private", epsilon=task.epsilon, purpose=task.purpose) == task
    with pytest.raises(ConfigError, match="learning_rate: is fixed"):
        heart_task(exact=True, learning_rate=4)
    with pytest.raises(ConfigError, match="model: must be one of"):
        heart_task(model="perceptron", epsilon=1)


class Huber(LinearRegression):
    """Half the squared difference up to a cutoff, and a straight line beyond: a model with an option of its own."""

    name, file_format = "huber", "test/huber/1"
    options = {"cutoff": Option(default=1, lowest=Fraction(1, 100), highest=64, is_whole=False)}  # noqa: RUF012
    cutoff = 1.0

    def configured(self, options):
        found = Huber()
        found.cutoff = float(options["cutoff"])
        return found

    def residuals(self, scores, targets):
        differences = np.clip(scores - targets, -self.cutoff, self.cutoff)
        return differences, np.abs(differences)


def test_a_model_has_options_of_its_own(made, monkeypatch, tmp_path):
    monkeypatch.setitem(MODELS, "huber", Huber())
    fields = MADE | {"model": "huber", "epsilon": 2}
    plan = made.plan(task_of(**(fields | {"cutoff": "0.25"})))
    assert plan.task.question()["cutoff"] == "0.25"
    assert plan.model.residuals(np.array([1.0]), np.array([0.0]))[0].tolist() == [0.25]
    assert made.plan(task_of(**fields)).model.cutoff == 1
    for task in (plan.task, task_of(**fields)):
        assert read_back(task.question(), mode="private", epsilon=task.epsilon, purpose=task.purpose) == task
    for bad in (0, 65, "a", float("nan"), True, Fraction(1, 3)):
        with pytest.raises(ConfigError, match="cutoff"):
            task_of(**(fields | {"cutoff": bad}))
    model = estimator_of("huber")(rounds=2, cutoff=0.5)
    model.fit(made, table="patients", features=["k"], target="x").save(tmp_path / "m.json")
    assert estimator_of("huber").load(tmp_path / "m.json")._model().cutoff == 0.5
    estimator_of.cache_clear()
