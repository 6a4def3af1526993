"""FedProx: FedAvg's price and noise, a proximal step, and floats as the oracle."""

import numpy as np
import pytest
from training_world import SITES, added_up, auc, task_of

from federation.errors import ConfigError
from tests.training.strategies.test_fedavg import EXACT, PRIVATE, cases_at


def plain_proximal(parts, rounds, local_epochs, rate, mu):
    """Local descents in floats; after each step the move so far is divided by 1 + rate mu."""
    theta, squares = np.zeros(parts[0].matrix.shape[1]), 0.0
    for _ in range(rounds):
        moves, sizes = [], []
        for part in parts:
            own, seen = theta.copy(), squares
            for _ in range(local_epochs):
                total = (1 / (1 + np.exp(-part.matrix @ own)) - part.target) @ part.matrix
                seen += total @ total
                own = theta + (own - rate * total / np.sqrt(seen) - theta) / (1 + rate * mu)
            moves.append(own - theta)
            sizes.append(np.sqrt(seen - squares))
        theta, squares = theta + np.mean(moves, axis=0), squares + np.mean(sizes) ** 2
    return theta


def test_without_noise_it_is_the_plain_proximal_average_and_it_learns(heart):
    task = task_of(
        strategy="fedprox", epsilon=None, exact=True, expected_units=None, rounds=20, local_epochs=3
    )
    plan, state, matrix, target = added_up(heart, task)
    parts = [cases_at(heart, plan, site) for site in SITES]
    np.testing.assert_allclose(state.values(), plain_proximal(parts, 20, 3, 4.0, 0.1), atol=1e-3)
    assert auc(target, matrix @ state.values()) > 0.87


def test_it_is_priced_as_fedavg_is(made):
    fields = PRIVATE | {"local_epochs": 3}
    prox, average = (made.plan(task_of(**(fields | {"strategy": name}))) for name in ("fedprox", "fedavg"))
    assert prox.event(4) == average.event(4)


def test_without_a_pull_it_is_fedavg_to_the_last_bit(made):
    plan = made.plan(task_of(**(PRIVATE | {"strategy": "fedprox", "mu": 0})))
    moved = tuple(value + 12345 for value in plan.start().parameters)
    assert plan.strategy.pulled(plan.shape, plan.start(), moved) == moved


def test_a_strong_pull_keeps_the_local_steps_near_the_public_model(made):
    far, near = (
        made.plan(task_of(**(PRIVATE | {"strategy": "fedprox", "mu": mu}))) for mu in ("0.01", "1000")
    )
    moved = (1 << 32,) * 5
    assert far.strategy.pulled(far.shape, far.start(), moved)[0] > 0.9 * 2**32
    assert 0 < near.strategy.pulled(near.shape, near.start(), moved)[0] < 0.001 * 2**32


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (PRIVATE | {"mu": -1}, "mu: must be a number from 0 to 1000"),
        (PRIVATE | {"momentum": "0.5"}, "momentum: fedprox has none"),
        (EXACT | {"mu": "0.5"}, "mu: is fixed without noise"),
    ],
    ids=str,
)
def test_anything_else_is_refused_in_plain_words(made, fields, says):
    with pytest.raises(ConfigError) as caught:
        made.plan(task_of(**(fields | {"strategy": "fedprox"})))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes
