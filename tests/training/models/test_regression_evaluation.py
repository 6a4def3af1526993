"""Evaluation of models of a number by sums of residuals: the attacks, its price, and plain figures as the oracle."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_world import added_up, made_frame, task_of

import federation
from federation.errors import ConfigError
from federation.training.encodings.features import Encoding, Feature
from federation.training.estimators import estimator_of
from federation.training.evaluation import _slope, default_metrics, evaluated, evaluation_task
from federation.training.figures.regression import regression_figures
from federation.training.local_update import unit_vectors
from federation.training.models.registry import MODELS
from federation.training.models.residual_sums import ResidualSums, scale_of_rows
from federation.training.rounds.round_plan import GRID
from federation.training.task import task_of as read_back
from tests.training.models.test_models import COUNTED

ALL = ["rmse", "mae", "r2", "bias", "calibration"]
ASKED = {"table": "patients", "target": "x", "epsilon": 4, "metrics": ALL, "purpose": "analysis"}
RATE = Feature(name="rate", kind="numeric", lower=0, upper=8, resolution=1)
REGRESSORS = ["linear_regression", "poisson_regression"]


def frames():
    found = {}
    for place, name in enumerate("abcd"):
        frame = made_frame(60 + place, place)
        generator = np.random.default_rng(place)
        found[name] = frame.assign(n=generator.poisson(np.exp(0.5 + 0.5 * frame.b.to_numpy())).clip(0, 6))
    return found


@pytest.fixture
def world(world_of):
    return world_of(frames(), tables=COUNTED)


def sums_of(name, encoding, truth, predicted, lower, upper):
    """Counted by hand from rows on the outcome's own scale."""
    width = upper - lower
    said = np.clip(predicted, lower, upper)
    half = (truth - said) / width
    place = np.minimum(4, ((said - lower) / width * 5).astype(int))
    found = []
    for group in range(5):
        found += [(place == group).sum(), half[place == group].sum()]
    scaled = 2 * (truth - lower) / width - 1
    found += [(half**2).sum(), np.abs(half).sum(), scaled.sum(), (scaled**2).sum()]
    if MODELS[name].has_deviance:
        logs = np.log(np.where(truth > 0, truth, 1) / np.maximum(said, 1e-6 * upper))
        found.append(np.clip((np.where(truth > 0, truth * logs, 0) - truth + said) / upper, 0, 1).sum())
    return np.array(found)


# ---- attacks


@settings(max_examples=60)
@given(
    name=st.sampled_from(REGRESSORS),
    weight=st.integers(-(1 << 60), 1 << 60),
    intercept=st.integers(-(1 << 60), 1 << 60),
    feature=st.floats(-1, 1),
    true=st.integers(0, 8),
)
def test_no_row_moves_the_sums_by_more_than_one(name, weight, intercept, feature, true):
    encoding = Encoding(features=(Feature(name="x", kind="boolean"),), outcome=RATE)
    sums = ResidualSums(MODELS[name], encoding, (weight, intercept))
    row = np.array([[feature, 1.0]])
    said = MODELS[name].predict(encoding, np.array([weight, intercept]) / 2.0**32, row)[0]
    vector = np.array(sums._row(said, true / 4 - 1))
    assert np.isfinite(vector).all()
    assert (vector**2).sum() <= 1 + 1e-12


@pytest.mark.parametrize("said", [float("nan"), float("inf"), -float("inf")])
def test_a_prediction_that_is_no_number_counts_as_a_bound_or_the_middle(said):
    encoding = Encoding(features=(Feature(name="x", kind="boolean"),), outcome=RATE)
    row = ResidualSums(MODELS["poisson_regression"], encoding, (0, 0))._row(said, 0.5)
    assert np.isfinite(row).all()


def test_the_sums_of_a_unit_are_clipped_and_priced_as_one_round(world):
    task = task_of(
        features=("b",), target="x", model="linear_regression", evaluate=(1 << 32, 5), rounds=1,
        expected_units=None,
    )  # fmt: skip
    plan = world.plan(task)
    cases = plan.encoding.cases(world.sources["a"]["patients"].complete_cases(["b", "x"]))
    vectors = unit_vectors(plan, cases, np.zeros(14)).astype(object)
    assert vectors.shape == (len(cases.starts), 14)
    assert (vectors**2).sum(axis=1).max() <= GRID**2
    event = plan.event(4)
    assert (event.l2, event.count, event.dim) == (GRID, 1, 14)
    # alone, in another order: the same bits
    other = plan.model.unit_vectors(
        type(cases)(matrix=cases.matrix[:1], target=cases.target[:1], starts=cases.starts[:1]), np.zeros(14)
    )
    assert (other.gradients[0] == plan.model.unit_vectors(cases, np.zeros(14)).gradients[0]).all()


def test_p16_no_regressor_is_evaluated_without_noise(world):
    with pytest.raises(ConfigError, match="evaluate: needs an epsilon"):
        task_of(
            features=("b",), target="x", model="linear_regression", evaluate=(1, 2), epsilon=None, exact=True,
            rounds=1,
        )  # fmt: skip


# ---- oracles


@pytest.mark.parametrize(
    ("name", "target", "options"),
    [
        ("linear_regression", "x", {}),
        ("poisson_regression", "n", {}),
        ("perceptron_regressor", "x", {"hidden": 4}),
    ],
)
def test_the_opened_sums_are_the_counted_ones_and_noise(world, name, target, options):
    fields = {"features": ("b", "k"), "target": target, "model": name, "expected_units": None, **options}
    plan, state, _, _ = added_up(world, task_of(**fields, epsilon=None, exact=True, rounds=5))
    model = estimator_of(name).from_parameters(plan, state.parameters)
    metrics = [*ALL, *(["mean_deviance"] if target == "n" else [])]
    task = evaluation_task(model, **(ASKED | {"target": target, "metrics": metrics}))
    assert read_back(task.question(), mode="private", epsilon=task.epsilon, purpose=task.purpose) == task
    found = evaluated(world.train(task), metrics)
    pooled = pd.concat(frames().values())
    outcome = plan.encoding.outcome
    lower, upper = (float(end * outcome.resolution) for end in (outcome.lower, outcome.upper))
    truth = np.clip(
        np.rint(pooled[target].to_numpy(float) / float(outcome.resolution)) * float(outcome.resolution),
        lower,
        upper,
    )
    wanted = sums_of(name, plan.encoding, truth, model.predict(pooled), lower, upper)
    assert found.classes == ()
    assert found.counts.shape == wanted.shape
    assert np.abs(found.counts - wanted).max() < 5 * found.noise
    assert 0.4 * found.noise < np.std(found.counts - wanted) < 1.7 * found.noise
    assert found.epsilon == pytest.approx(4, rel=0.01)
    assert set(found.noise_errors) <= set(metrics) - {"calibration"}
    assert found.outcome.n_charged == 1


@pytest.mark.parametrize("name", REGRESSORS)
def test_figures_without_noise_are_those_of_the_rows(name):
    generator = np.random.default_rng(5)
    said = generator.uniform(0.6, 7.5, 4000)
    truth = np.clip(generator.poisson(said), 0, 8).astype(float)
    encoding = Encoding(features=(), outcome=RATE)
    sums = sums_of(name, encoding, truth, said, 0, 8)
    # and they are what the rows of the model add up to
    rows = ResidualSums(MODELS[name], encoding, ())
    added = sum(np.array(rows._row(each, true / 4 - 1)) for each, true in zip(said, truth, strict=True))
    assert added * scale_of_rows(MODELS[name]) == pytest.approx(sums)
    figures = regression_figures(MODELS[name], RATE)
    error = truth - said
    wanted = {
        "rmse": np.sqrt((error**2).mean()),
        "mae": np.abs(error).mean(),
        "r2": 1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum(),
        "bias": error.mean(),
    }
    if name == "poisson_regression":
        logs = np.where(truth > 0, truth * np.log(np.where(truth > 0, truth, 1) / said), 0)
        wanted["mean_deviance"] = 2 * np.minimum(logs - error, 8).mean()
    assert {each: figures[each](sums) for each in wanted} == pytest.approx(wanted)
    assert set(figures) == {*wanted, "calibration"}
    for place, row in enumerate(figures["calibration"](sums)):
        inside = (said >= place * 1.6) & (said < (place + 1) * 1.6)
        assert row["predicted"] == pytest.approx(1.6 * place + 0.8)
        assert row["bias"] == pytest.approx(error[inside].mean())
        assert row["rows"] == inside.sum()


@pytest.mark.parametrize("name", ["rmse", "mae", "r2", "bias"])
def test_the_noise_error_is_the_spread_of_a_figure_under_noise(name):
    generator = np.random.default_rng(2)
    said = generator.uniform(0.5, 7.5, 3000)
    truth = np.clip(generator.poisson(said), 0, 8).astype(float)
    sums = sums_of("linear_regression", None, truth, said, 0, 8)
    figure = regression_figures(MODELS["linear_regression"], RATE)[name]
    drawn = [figure(sums + generator.normal(0, 3, sums.shape)) for _ in range(3000)]
    assert 3 * _slope(figure.uncut, sums) == pytest.approx(np.std(drawn), rel=0.1)


@pytest.mark.parametrize("name", ["rmse", "mae", "r2"])
def test_a_figure_that_noise_moved_to_the_end_of_its_range_has_an_error(name):
    sums = np.zeros(14)
    sums[0:10:2], sums[10:] = 20.0, (-2.0, -1.0, 0.0, 60.0)
    figure = regression_figures(MODELS["linear_regression"], RATE)[name]
    assert figure(sums) in {0.0, 1.0}
    assert _slope(figure.uncut, sums) > 0
    assert _slope(figure, sums) == 0


def test_noise_that_leaves_no_rows_gives_none():
    figures = regression_figures(MODELS["poisson_regression"], RATE)
    for name in (*ALL[:-1], "mean_deviance"):
        assert figures[name](np.full(15, -1.0)) is None
    assert all(row["bias"] is None for row in figures["calibration"](np.full(15, -1.0)))


def test_a_session_evaluates_a_regressor_by_rmse_and_refuses_other_bounds():
    tables = frames()
    with federation.local(tables, schema={"tables": COUNTED}) as session:
        model = estimator_of("linear_regression")(epsilon=None, exact=True, rounds=5)
        model.fit(session, table="patients", features=["b", "k"], target="x")
        found = session.evaluate(model, table="patients", target="x", epsilon=1)
        assert set(found.metrics) == {"rmse"} == set(default_metrics(model))
        assert found.epsilon == pytest.approx(1, rel=0.01)
        with pytest.raises(ConfigError, match="metrics: must be some of rmse, mae, r2, bias, calibration"):
            session.evaluate(model, table="patients", target="x", epsilon=1, metrics=["roc_auc"])
        with pytest.raises(ConfigError, match="other bounds or domains"):
            session.evaluate(model, table="patients", target="n", epsilon=1)
