"""Networks in numpy and of torch: slopes, each other as the oracle, what no module may do, and who never loads torch."""

import json
import subprocess
import sys

import numpy as np
import pytest
from training_world import MADE_TABLES, SITES, added_up, auc, made_frame, task_of

from analytics.errors import InvalidRequestError
from federation.errors import ConfigError
from federation.training.encodings.features import Cases, Encoding, Feature
from federation.training.estimators import estimator_of
from federation.training.models.perceptron import PerceptronClassifier, PerceptronRegressor
from federation.training.models.registry import MODELS
from federation.training.models.torch.module import TorchClassifier

FEATURES = tuple(Feature(name=name, kind="boolean") for name in "abcd")
KIND = Feature(name="y", kind="categorical", domain=("p", "q", "r"))
RATE = Feature(name="y", kind="numeric", lower=0, upper=4, resolution=1)


def cases_of(n_rows, target):
    matrix = np.random.default_rng(5).uniform(-1, 1, (n_rows, 5))
    matrix[:, -1] = 1.0
    return Cases(matrix=matrix, target=target, starts=np.array([0, 2, 3], np.intp))


@pytest.mark.parametrize("hidden", [(3,), (4, 2)])
@pytest.mark.parametrize("kind", [PerceptronClassifier, PerceptronRegressor])
def test_the_gradient_is_the_slope_of_the_loss(hidden, kind):
    generator = np.random.default_rng(3)
    model, is_class = kind(hidden), kind is PerceptronClassifier
    encoding = Encoding(features=FEATURES, outcome=KIND if is_class else RATE)
    target = generator.integers(0, 3, 7).astype(float) if is_class else generator.uniform(-1, 1, 7)
    cases, theta = cases_of(7, target), generator.normal(size=model.size(encoding))
    found = model.unit_vectors(cases, theta).gradients
    for place in range(len(theta)):
        ends = [theta.copy(), theta.copy()]
        ends[0][place] -= 1e-6
        ends[1][place] += 1e-6
        low, high = (model.unit_vectors(cases, end).losses for end in ends)
        np.testing.assert_allclose(found[:, place], (high - low) / 2e-6, atol=1e-5)


class TorchPerceptron(TorchClassifier):
    """One hidden layer of rectified units."""

    name, file_format = "torch_perceptron", "test/torch-perceptron/1"

    def shapes(self, n_inputs, n_outputs):
        return [(3, n_inputs), (3,), (n_outputs, 3), (n_outputs,)]

    def build(self, n_inputs, n_outputs):
        from torch import nn

        return nn.Sequential(nn.Linear(n_inputs, 3), nn.ReLU(), nn.Linear(3, n_outputs))


def as_torch(theta):
    """Parameters of the numpy network in the order of torch, or gradients."""
    first, second = (
        theta[..., :15].reshape(*theta.shape[:-1], 5, 3),
        theta[..., 15:].reshape(*theta.shape[:-1], 4, 3),
    )
    parts = []
    for layer in (first, second):
        weights, intercepts = layer[..., :-1, :], layer[..., -1, :]
        parts += [np.swapaxes(weights, -1, -2).reshape(*theta.shape[:-1], -1), intercepts]
    return np.concatenate(parts, axis=-1)


def test_numpy_and_torch_give_the_same_gradients_losses_and_chances():
    """The two share no code: one adds up by hand, the other differentiates."""
    generator = np.random.default_rng(11)
    encoding = Encoding(features=FEATURES, outcome=KIND)
    cases = cases_of(7, generator.integers(0, 3, 7).astype(float))
    theta = generator.normal(size=27)
    plain, torch = PerceptronClassifier((3,)), TorchPerceptron()
    assert plain.size(encoding) == torch.size(encoding) == 27
    ours, theirs = plain.unit_vectors(cases, theta), torch.unit_vectors(cases, as_torch(theta))
    np.testing.assert_allclose(as_torch(ours.gradients), theirs.gradients, atol=1e-9)
    np.testing.assert_allclose(ours.losses, theirs.losses, atol=1e-9)
    chances = [
        model.predict(encoding, values, cases.matrix)
        for model, values in ((plain, theta), (torch, as_torch(theta)))
    ]
    np.testing.assert_allclose(*chances, atol=1e-12)


@pytest.mark.parametrize("strategy", ["sum_gradient", "adam"])
def test_a_network_learns_four_hospitals_with_and_without_noise(heart, strategy):
    fields = {"model": "perceptron_classifier", "strategy": strategy, "expected_units": None, "hidden": 8}
    for changes, least in (
        ({"epsilon": None, "exact": True, "rounds": 40}, 0.88),
        ({"epsilon": 4, "rounds": 20}, 0.8),
    ):
        plan, state, matrix, target = added_up(heart, task_of(**(fields | changes)))
        chances = plan.model.predict(plan.encoding, state.values(), matrix)
        assert auc(target, chances[:, 1]) > least


def test_a_network_of_torch_learns_over_the_wire_and_is_read_back(world_of, tmp_path):
    world = world_of({name: made_frame(20, place) for place, name in enumerate("abc")})
    model = estimator_of("residual_network")(epsilon=None, exact=True, rounds=6, strategy="adam", width=4)
    model.fit(world, table="patients", features=["x", "k", "b"], target="y")
    frame = made_frame(20, 0)
    assert model.score(frame, frame.y) > 0.8
    assert model.summary() == {"parameters": 78}
    model.save(tmp_path / "m.json")
    again = estimator_of("residual_network").load(tmp_path / "m.json")
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    path = tmp_path / "m.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"parameters": [0] * 5}))
    with pytest.raises(ConfigError):
        estimator_of("residual_network").load(path)


@pytest.mark.parametrize("name", ["perceptron_classifier", "residual_network"])
def test_p16_the_first_parameters_are_public_numbers_that_no_request_chooses(made, name):
    fields = {"features": ("x", "k"), "target": "y", "model": name}
    exact = made.plan(task_of(**fields, epsilon=None, exact=True, expected_units=None)).start()
    noisy = made.plan(task_of(**fields, epsilon=2, rounds=3, learning_rate=1, purpose="other")).start()
    assert exact.parameters == noisy.parameters
    assert len(set(exact.parameters)) > 10
    assert max(map(abs, exact.parameters)) < 3 * 2**32


def test_the_sensitivity_of_a_network_is_the_clip(heart):
    from federation.training.local_update import unit_vectors

    plan = heart.plan(task_of(model="perceptron_classifier", hidden=8))
    names = [*(feature.name for feature in plan.encoding.features), plan.encoding.target]
    cases = plan.encoding.cases(heart.sources[SITES[0]]["patients"].complete_cases(names))
    theta = np.random.default_rng(1).normal(size=plan.model.size(plan.encoding)) * 2.0**15
    vectors = unit_vectors(plan, cases, theta)
    assert vectors.any()
    assert (vectors.astype(object) ** 2).sum(axis=1).max() <= plan.l2_unit**2


# ---- what no module may do


def refused_module(make):
    class Refused(TorchPerceptron):
        name = "refused"

        def build(self, n_inputs, n_outputs):
            return make(n_inputs, n_outputs)

    return Refused()


def with_part(part):
    def make(n_inputs, n_outputs):
        from torch import nn

        return nn.Sequential(nn.Linear(n_inputs, 3), part(nn), nn.Linear(3, n_outputs))

    return make


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (lambda nn: nn.BatchNorm1d(3, affine=False), "batch normalisation"),
        (lambda nn: nn.BatchNorm1d(3, affine=False, track_running_stats=False), "batch normalisation"),
        (lambda nn: nn.Dropout(0.5), "draws random numbers"),
        (lambda nn: nn.InstanceNorm1d(3, track_running_stats=True), "keeps numbers"),
        (lambda nn: nn.LayerNorm(3), "other parameters than its shapes say"),
    ],
    ids=["batch", "batch without statistics", "dropout", "instance", "layer"],
)
def test_a_module_that_no_training_may_have_is_refused(part, says):
    encoding = Encoding(features=FEATURES, outcome=KIND)
    with pytest.raises(InvalidRequestError, match=says):
        refused_module(with_part(part)).check_site(encoding)


def test_a_site_without_torch_says_so(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InvalidRequestError, match="needs torch"):
        MODELS["residual_network"].check_site(Encoding(features=FEATURES, outcome=KIND))


def test_a_refused_module_is_refused_by_the_sites_before_the_charge(monkeypatch):
    import federation

    part = with_part(lambda nn: nn.BatchNorm1d(3, affine=False))
    monkeypatch.setitem(MODELS, "refused", refused_module(part))
    schema = {"tables": {"patients": MADE_TABLES["patients"]}}
    with federation.local({name: made_frame(20, 1) for name in ("a", "b", "c")}, schema=schema) as session:
        model = estimator_of("refused")(epsilon=0.5, rounds=2)
        with pytest.raises(InvalidRequestError, match="batch normalisation"):
            model.fit(session, table="patients", features=["x"], target="y")
        spent = session.budget()
        assert (spent[spent.sub_budget == "training"].fraction_spent.astype(float) == 0).all()
    estimator_of.cache_clear()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden": 0}, "hidden: must be a whole number from 1 to 256"),
        ({"hidden_2": 257}, "hidden_2: must be"),
        ({"width": 4}, "width: is not a parameter"),
        ({"target": "x"}, "target: x must be categorical or boolean"),
    ],
    ids=str,
)
def test_anything_else_is_refused_in_plain_words(made, changes, says):
    fields = {"features": ("b",), "target": "y", "model": "perceptron_classifier"}
    with pytest.raises(ConfigError) as caught:
        made.plan(task_of(**(fields | changes)))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes


def test_a_model_that_is_too_large_is_refused_before_the_charge(made, monkeypatch):
    from federation.training.rounds import round_plan

    monkeypatch.setattr(round_plan, "MAX_PARAMETERS", 50)
    with pytest.raises(ConfigError, match="model: has 66 parameters, and at most 50"):
        made.plan(task_of(features=("b",), target="y", model="perceptron_classifier"))


def test_planning_a_network_of_torch_loads_no_torch():
    """Clients, dealer, aggregator and key holder plan; only a site that computes, and predict, need it."""
    code = f"""
import sys
sys.path[:0] = {[str(path) for path in sys.path if path.endswith("training")]!r}
from training_world import MADE_TABLES, a_consortium, task_of
import federation.client.session, federation.node.helpers.dealer, federation.aggregation.service, federation.training.estimators
from federation.training.rounds.entry_check import Terms
from federation.training.rounds.round_plan import plan_run
from privacy_accounting.events import Relation
from fractions import Fraction
found = a_consortium(MADE_TABLES, ("a", "b", "c"))
terms = Terms(sites=("a", "b", "c"), colluding=1, relation=Relation("add_or_remove_one"), delta=Fraction(1, 10**6),
              key_bits=512, key_fingerprint="k")
task = task_of(features=("x", "k"), target="y", model="residual_network")
plan = plan_run(task, found.schema, terms)
plan.next(plan.start(), [1] * plan.length)
sys.exit(any(m.split(".")[0] in ("torch", "crypten") for m in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# models of pictures: tests/images/test_picture_training.py
OF_COLUMNS = sorted(name for name, model in MODELS.items() if not model.takes_pictures)


@pytest.mark.parametrize("name", OF_COLUMNS)
def test_parameters_at_the_end_of_their_range_give_finite_numbers_that_fit_their_slots(name):
    """After the charge data never cause an error, wherever the parameters are."""
    outcome = next(
        each
        for each in (KIND, RATE, Feature(name="y", kind="boolean"))
        if MODELS[name].outcome_mistake(each) is None
    )
    encoding = Encoding(features=FEATURES, outcome=outcome)
    generator = np.random.default_rng(2)
    size = MODELS[name].size(encoding)
    cases = cases_of(7, generator.integers(0, 2, 7).astype(float))
    for theta in (
        np.full(size, 2.0**20),
        np.full(size, -(2.0**20)),
        generator.choice([-1, 1], size) * 2.0**20,
    ):
        found = MODELS[name].unit_vectors(cases, theta)
        assert np.isfinite(found.gradients).all()
        assert abs(found.gradients).max() <= 4 * MODELS[name].row_bound  # a unit has at most four rows
        assert np.isfinite(found.losses).all()
        assert np.isfinite(MODELS[name].predict(encoding, theta, cases.matrix)).all()


@pytest.mark.parametrize("name", OF_COLUMNS)
def test_a_row_by_itself_is_predicted_with_the_same_bits_wherever_it_lies(name):
    """An evaluation puts each row into a bin by its prediction."""
    outcome = next(
        each
        for each in (KIND, RATE, Feature(name="y", kind="boolean"))
        if MODELS[name].outcome_mistake(each) is None
    )
    encoding = Encoding(features=FEATURES, outcome=outcome)
    theta = np.random.default_rng(4).normal(size=MODELS[name].size(encoding))
    row = np.array([0.3, -0.7, 0.11, 0.99, 1.0])
    found = set()
    for offset in range(8):
        buffer = np.zeros(64)
        buffer[offset : offset + 5] = row
        found.add(MODELS[name].predict(encoding, theta, buffer[offset : offset + 5][None, :]).tobytes())
    assert len(found) == 1
