"""Local steps of Adam: FedAvg's price and noise, means that stay at a site, and floats as the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_world import SITES, added_up, auc, task_of

from federation.errors import ConfigError
from federation.training import local_update
from federation.training.local_update import site_update
from federation.training.optimizer import Descent, UpdateRule
from federation.training.rounds.round_plan import GRID
from federation.training.strategies.base import RunShape
from federation.training.strategies.registry import STRATEGIES
from tests.training.strategies.test_fedavg import EXACT, PRIVATE, cases_at, first_attempt

NOISY, CLEAR = PRIVATE | {"strategy": "local_adam"}, EXACT | {"strategy": "local_adam"}
RATE, BETA1, BETA2 = 0.02, 0.9, 0.99


class PlainAdam:
    """Adam in floats as its paper has it; the floor is a thousandth of the root mean square of all roots."""

    def __init__(self, size):
        self.mean, self.square, self.n = np.zeros(size), np.zeros(size), 0

    def move(self, gradient):
        self.n += 1
        self.mean = BETA1 * self.mean + (1 - BETA1) * gradient
        self.square = BETA2 * self.square + (1 - BETA2) * gradient * gradient
        root = np.sqrt(self.square / (1 - BETA2**self.n))
        under = root + 1e-3 * np.sqrt((root * root).mean())
        return np.where(under > 0, self.mean / (1 - BETA1**self.n) / np.where(under > 0, under, 1), 0)


def shape_of(size, n_sites, local_epochs):
    rule = UpdateRule(
        width=size,
        step=1,
        divisor=None,
        learning_rate=STRATEGIES["local_adam"].learning_rate,
        l2=0,
        momentum=0,
    )
    return RunShape(
        size=size, has_loss=True, rule=rule, n_sites=n_sites, clamp=1 << 50,
        options={"local_epochs": local_epochs}, n_rounds=4,
    )  # fmt: skip


class Bowl:
    """Sums of a site whose loss is a bowl around a point."""

    def __init__(self, centre):
        self.centre, self.asked = centre, 0

    def at(self, parameters):
        self.asked += 1
        found = np.rint((np.array(parameters) / 2**32 - self.centre) * GRID)
        return [*found.astype(int).tolist(), self.asked]


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_law_a_site_sends_what_floats_compute(size, local_epochs, n_rounds, seed):
    """And no more than that: after the moves there are a 0 and the loss before the first step."""
    made = np.random.default_rng(seed)
    centre, start = made.normal(size=size), made.normal(size=size)
    strategy, shape = STRATEGIES["local_adam"], shape_of(size, 2, local_epochs)
    state = Descent.start(shape.rule, tuple(int(value * 2**32) for value in start))
    oracle, kept = PlainAdam(size), None
    for number in range(n_rounds):
        sums = Bowl(centre)
        sent, kept = strategy.local_update(shape, state, sums, kept)
        own = np.array(state.parameters) / 2**32
        for _ in range(local_epochs):
            own = own - RATE * (1 - number / 4) * oracle.move((own - centre) * GRID)
        found = np.array(sent[:size]) / 2**20
        np.testing.assert_allclose(found, own - np.array(state.parameters) / 2**32, atol=3e-6)
        assert sent[size:] == [0, 1]
        assert sums.asked == local_epochs
        state = strategy.next(shape, state, [2 * value for value in sent])
        np.testing.assert_allclose(np.array(state.parameters) / 2**32, own, atol=3e-6)


def test_a_parameter_without_gradient_stays():
    strategy, shape = STRATEGIES["local_adam"], shape_of(3, 2, 2)
    state = Descent.start(shape.rule, (7 << 32, 0, 5))
    sent, _ = strategy.local_update(shape, state, Bowl(np.array(state.parameters) / 2**32), None)
    assert sent[:3] == [0, 0, 0]


def plain_average(parts, rounds, local_epochs):
    theta = np.zeros(parts[0].matrix.shape[1])
    oracles = [PlainAdam(len(theta)) for _ in parts]
    for number in range(rounds):
        moves = []
        for part, oracle in zip(parts, oracles, strict=True):
            own = theta.copy()
            for _ in range(local_epochs):
                total = (1 / (1 + np.exp(-part.matrix @ own)) - part.target) @ part.matrix
                own = own - RATE * (1 - number / rounds) * oracle.move(total)
            moves.append(own - theta)
        theta = theta + np.mean(moves, axis=0)
    return theta


def test_without_noise_it_is_the_plain_average_and_it_learns(heart):
    task = task_of(strategy="local_adam", epsilon=None, exact=True, expected_units=None, rounds=20)
    plan, state, matrix, target = added_up(heart, task)
    parts = [cases_at(heart, plan, site) for site in SITES]
    np.testing.assert_allclose(state.values(), plain_average(parts, 20, 4), atol=1e-3)
    assert auc(target, matrix @ state.values()) > 0.86


def test_its_price_is_that_of_its_local_steps(made):
    """The attack: steps with the site's own means, at the price of one shared sum."""
    fields = NOISY | {"local_epochs": 3}
    own, average = (made.plan(task_of(**(fields | {"strategy": name}))) for name in ("local_adam", "fedavg"))
    assert own.event(4) == average.event(4)
    assert own.length == average.length


def test_means_that_a_site_keeps_are_made_of_noisy_sums(made, monkeypatch):
    """Two sites whose noisy sums agree keep and send the same, whatever their rows."""
    monkeypatch.setattr(local_update, "clamped_sum", lambda plan, *_: np.arange(plan.sum_length) * 1000)
    monkeypatch.setattr(local_update, "discrete_gaussian", lambda _, size, __: np.arange(size) << 30)
    plan = made.plan(task_of(**NOISY))
    one, two = (
        site_update(plan, first_attempt(made, plan), cases_at(made, plan, site), plan.start(), None)
        for site in ("east", "west")
    )
    assert one[0].tolist() == two[0].tolist()
    assert (one[1].mean == two[1].mean).all()
    assert one[1].mean.any()


def test_running_means_are_no_model_of_a_site_and_never_sent(made):
    plan = made.plan(task_of(**CLEAR))
    assert plan.strategy.keeps_state
    assert plan.strategy.own_model(None) is None
    update, kept = site_update(
        plan, first_attempt(made, plan), cases_at(made, plan, "east"), plan.start(), None
    )
    assert len(update) == plan.shape.size + 1
    assert kept.n_steps == 4
    foreign = site_update(
        plan, first_attempt(made, plan), cases_at(made, plan, "east"), plan.start(), None, (1, 2)
    )
    assert foreign[0].tolist() == update.tolist()  # what another strategy kept is not read


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (NOISY | {"momentum": "0.5"}, "momentum: local_adam has none"),
        (NOISY | {"l2": "0.5", "expected_units": 9}, "l2: local_adam has none"),
        (NOISY | {"local_epochs": 21}, "local_epochs: must be a whole number from 1 to 20"),
        (CLEAR | {"learning_rate": "0.5"}, "learning_rate: is fixed"),
    ],
    ids=str,
)
def test_anything_else_is_refused_in_plain_words(made, fields, says):
    with pytest.raises(ConfigError) as caught:
        made.plan(task_of(**fields))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes


def test_a_private_run_learns(heart):
    task = task_of(strategy="local_adam", expected_units=None, rounds=10, local_epochs=1, learning_rate="0.1")
    _, state, matrix, target = added_up(heart, task)
    assert auc(target, matrix @ state.values()) > 0.7
