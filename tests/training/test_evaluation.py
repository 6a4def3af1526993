"""Evaluation over all sites by a noisy histogram: the attacks, its price, and plain counting as the oracle."""

import numpy as np
import pandas as pd
import pytest
from training_world import MADE_TABLES, added_up, made_frame, task_of

import federation
from analytics.errors import InvalidRequestError
from federation.errors import ConfigError
from federation.training.estimators import FederatedLogisticRegression, estimator_of
from federation.training.evaluation import _METRICS, _slope, evaluated, evaluation_task
from federation.training.local_update import unit_vectors
from federation.training.rounds.round_plan import GRID
from federation.training.task import load_task
from federation.training.task import task_of as read_back
from tests.training.models.test_models import COUNTED

ALL = ["accuracy", "roc_auc", "brier", "sensitivity", "specificity", "calibration"]
ASKED = {"table": "patients", "target": "y", "epsilon": 2, "metrics": ALL, "purpose": "analysis"}


@pytest.fixture
def model(made):
    return FederatedLogisticRegression(epsilon=None, exact=True, rounds=10).fit(
        made, table="patients", features=["x", "k", "b"], target="y"
    )


def pooled(world):
    return pd.concat([made_frame(40 + 7 * place, place) for place in range(len(world.sites))])


def histogram(model, frame, truth):
    """Counted by hand."""
    counts = np.zeros((2, 20))
    for chance, ill in zip(model.predict_proba(frame)[:, 1], truth, strict=True):
        counts[int(ill), min(19, int(chance * 20))] += 1
    return counts


# ---- attacks


def test_p16_without_noise_no_model_of_the_analyst_is_counted(model):
    """The attack: the exact count of the rows on one side of any half-space."""
    with pytest.raises(ConfigError, match="evaluate: needs an epsilon"):
        task_of(features=("x",), target="y", evaluate=(1, 2), epsilon=None, exact=True, rounds=1)
    question = evaluation_task(model, **ASKED).question()
    with pytest.raises(ConfigError):
        read_back(question, mode="exact", epsilon=None, purpose="analysis")


def test_a_unit_with_many_rows_moves_the_histogram_by_one_at_most(world_of):
    tables = {"patients": MADE_TABLES["patients"] | {"privacy_unit": "who", "max_rows_per_unit": 5}}
    tables["patients"]["columns"] = MADE_TABLES["patients"]["columns"] | {"who": {"type": "identifier"}}
    frames = {name: made_frame(40, 3).assign(who=[f"p{place // 5}" for place in range(40)]) for name in "abc"}
    world = world_of(frames, tables=tables)
    task = task_of(features=("x",), target="y", evaluate=(1 << 32, 0), rounds=1, expected_units=None)
    plan = world.plan(task)
    cases = plan.encoding.cases(world.sources["a"]["patients"].complete_cases(["x", "y"]))
    assert len(cases.starts) < len(cases.target)
    vectors = unit_vectors(plan, cases, np.zeros(40)).astype(object)
    assert (vectors**2).sum(axis=1).max() <= GRID**2


def test_it_costs_one_sum_of_sensitivity_one_whatever_is_asked(made, model):
    one = made.plan(evaluation_task(model, **(ASKED | {"metrics": ["accuracy"]})))
    many = made.plan(evaluation_task(model, **ASKED))
    assert one.digest() == many.digest()
    event = many.event(4)
    assert (event.l2, event.count, event.dim) == (GRID, 1, 40)
    assert many.epsilon_spent([event]) == pytest.approx(2, rel=0.01)


# ---- oracles


def test_the_opened_histogram_is_the_counted_one_and_noise(made, model):
    frame = pooled(made)
    truth = frame.y.to_numpy(bool)
    found = evaluated(made.train(evaluation_task(model, **ASKED)), ALL)
    wanted = histogram(model, frame, truth)
    assert found.counts.shape == (2, 20)
    assert found.classes == (False, True)
    assert 1 < found.noise < 6
    assert 0.6 * found.noise < np.std(found.counts - wanted) < 1.5 * found.noise
    assert found.epsilon == pytest.approx(2, rel=0.01)
    assert abs(found.metrics["accuracy"] - model.score(frame, truth)) < 6 * found.noise_errors["accuracy"]
    assert found.roc()[0].tolist() == [0, 0]
    assert found.roc()[-1].tolist() == [1, 1]
    assert found.outcome.n_charged == 1


def test_figures_without_noise_are_those_of_the_scores(made, model):
    frame = pooled(made)
    truth, scores = frame.y.to_numpy(bool), model.predict_proba(frame)[:, 1]
    counts = histogram(model, frame, truth)
    pairs = scores[truth][:, None] - scores[~truth][None, :]
    wanted = {
        "accuracy": ((scores > 0.5) == truth).mean(),
        "roc_auc": (pairs > 0).mean() + (pairs == 0).mean() / 2,
        "brier": ((scores - truth) ** 2).mean(),
        "sensitivity": (scores[truth] > 0.5).mean(),
        "specificity": (scores[~truth] <= 0.5).mean(),
    }
    for name, value in wanted.items():
        assert _METRICS[name](counts) == pytest.approx(value, abs=0.02), name
    rows = _METRICS["calibration"](counts)
    assert sum(row["rows"] for row in rows) == len(frame)
    for place, row in enumerate(rows):
        inside = (scores >= place / 5) & (scores < (place + 1) / 5)
        assert row["observed"] == pytest.approx(truth[inside].mean())
        assert row["predicted"] == pytest.approx(scores[inside].mean(), abs=0.03)


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "brier", "sensitivity"])
def test_the_noise_error_is_the_spread_of_a_figure_under_noise(name):
    generator = np.random.default_rng(2)
    counts = np.array([np.linspace(60, 2, 20), np.linspace(1, 50, 20)])
    drawn = [_METRICS[name](counts + generator.normal(0, 3, counts.shape)) for _ in range(3000)]
    assert 3 * _slope(_METRICS[name].uncut, counts) == pytest.approx(np.std(drawn), rel=0.1)


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "brier", "sensitivity", "specificity"])
def test_a_figure_that_noise_moved_to_the_end_of_its_range_has_an_error(name):
    """With counts below 0 a figure lies beyond 0 or 1; cut, it would seem certain."""
    counts = np.array([[20.0] * 10 + [-4.0] * 10, [-4.0] * 10 + [20.0] * 10])
    figure = _METRICS[name]
    assert figure(counts) in {0.0, 1.0}
    assert figure.uncut(counts) != figure(counts)
    assert _slope(figure.uncut, counts) > 0.0005
    assert _slope(figure, counts) == 0


def test_noise_that_leaves_no_class_gives_none():
    empty = np.full((2, 20), -1.0)
    for name in ALL[:-1]:
        assert _METRICS[name](empty) is None
    assert all(row["observed"] is None for row in _METRICS["calibration"](empty))


def test_several_classes_have_an_accuracy(world_of):
    world = world_of(
        {name: made_frame(60, place).assign(n=1) for place, name in enumerate("abc")}, tables=COUNTED
    )
    model = estimator_of("multinomial_regression")(epsilon=None, exact=True, rounds=3)
    model.fit(world, table="patients", features=["x", "b"], target="k")
    asked = ASKED | {"target": "k", "metrics": ["accuracy"]}
    found = evaluated(world.train(evaluation_task(model, **asked)), ["accuracy"])
    frame = pd.concat([made_frame(60, place) for place in range(3)])
    wanted = np.zeros((3, 3))
    for true, said in zip(frame.k, model.predict(frame), strict=True):
        wanted["abc".index(true), "abc".index(said)] += 1
    assert np.abs(found.counts - wanted).max() < 6 * found.noise
    assert abs(found.metrics["accuracy"] - np.trace(wanted) / 180) < 6 * found.noise_errors["accuracy"]
    with pytest.raises(InvalidRequestError, match="two classes"):
        found.roc()
    with pytest.raises(ConfigError, match="metrics: must be some of accuracy"):
        evaluation_task(model, **(asked | {"metrics": ["roc_auc"]}))


def test_a_network_is_evaluated_too(made):
    fields = {"features": ("x", "b"), "target": "y", "model": "perceptron_classifier", "expected_units": None}
    plan, state, _, _ = added_up(made, task_of(**fields, epsilon=None, exact=True, rounds=10))
    task = task_of(**fields, epsilon=4, rounds=1, evaluate=state.parameters)
    found = evaluated(made.train(task), ["accuracy"])
    assert found.metrics["accuracy"] > 0.6
    assert read_back(task.question(), mode="private", epsilon=task.epsilon, purpose=task.purpose) == task
    assert plan.task.evaluate is None


def test_boosted_trees_are_evaluated_too(made):
    fields = {"features": ("x", "b"), "target": "y", "model": "boosted_trees", "expected_units": None}
    fields |= {"trees": 3, "depth": 1}
    _, state, _, _ = added_up(made, task_of(**fields, epsilon=None, exact=True, rounds=3))
    task = task_of(**fields, epsilon=4, rounds=1, evaluate=state.parameters)
    assert evaluated(made.train(task), ["accuracy"]).metrics["accuracy"] > 0.6
    made_up = task_of(**fields, epsilon=4, rounds=1, evaluate=[(1 << 51) - place for place in range(16)])
    assert 0 <= evaluated(made.train(made_up), ["accuracy"]).metrics["accuracy"] <= 1


# ---- refusals before the charge


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metrics": []}, "metrics: must be some of"),
        ({"metrics": ["f1"]}, "metrics: must be some of"),
        ({"epsilon": None}, "epsilon: give either"),
        ({"epsilon": 0}, "epsilon"),
        ({"target": "x"}, "target: x is one of the features"),
    ],
    ids=str,
)
def test_what_cannot_be_evaluated_is_refused_in_plain_words(model, changes, says):
    with pytest.raises(ConfigError) as caught:
        evaluation_task(model, **(ASKED | changes))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"evaluate": (1,)}, "evaluate: does not fit"),
        ({"evaluate": ()}, "evaluate: does not fit"),
        ({"evaluate": (1 << 60, 0)}, "evaluate: no model has"),
        ({"evaluate": (0.5, 1)}, "evaluate"),
        ({"evaluate": "12"}, "evaluate: must be a list"),
        ({"rounds": 2}, "rounds: is fixed in an evaluation"),
        ({"strategy": "adam"}, "strategy: is fixed in an evaluation"),
        ({"clip_norm": 2}, "clip_norm: is fixed in an evaluation"),
        (
            {"model": "linear_regression", "target": "x", "features": ("b",), "evaluate": (1,)},
            "evaluate: does not fit",
        ),
    ],
    ids=str,
)
def test_a_request_that_is_no_evaluation_is_refused(made, changes, says):
    fields = {"features": ("x",), "target": "y", "evaluate": (1, 2), "rounds": 1, "expected_units": None}
    with pytest.raises(ConfigError) as caught:
        made.plan(task_of(**(fields | changes)))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes


def test_only_fitted_models_are_evaluated(made, tmp_path):
    with pytest.raises(InvalidRequestError, match="not fitted"):
        evaluation_task(FederatedLogisticRegression(), **ASKED)
    path = tmp_path / "task.toml"
    path.write_text(
        'table = "t"\nfeatures = ["x"]\ntarget = "y"\nepsilon = 1\nrounds = 1\nevaluate = [1, 2]\n'
    )
    with pytest.raises(ConfigError, match="evaluate: is no key of a task file"):
        load_task(path)


def test_a_session_evaluates_and_charges_once():
    schema = {"tables": {"patients": MADE_TABLES["patients"]}}
    frames = {name: made_frame(60, place) for place, name in enumerate("abc")}
    with federation.local(frames, schema=schema) as session:
        model = FederatedLogisticRegression(epsilon=None, exact=True, rounds=2)
        model.fit(session, table="patients", features=["x"], target="y")
        found = session.evaluate(model, table="patients", target="y", metrics=["roc_auc"], epsilon=0.8)
        assert found.metrics["roc_auc"] > 0.6
        assert found.epsilon == pytest.approx(0.8, rel=0.01)
        model._encoding = type(model._encoding)(
            features=(type(model._encoding.features[0])(name="x", kind="boolean"),),
            outcome=model._encoding.outcome,
        )
        with pytest.raises(ConfigError, match="other bounds or domains"):
            session.evaluate(model, table="patients", target="y", epsilon=0.1)
