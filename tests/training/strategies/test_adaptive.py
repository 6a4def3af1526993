"""Adagrad, Adam and Yogi on opened sums: the price of plain descent, the same bits everywhere, and floats as the oracle."""

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_world import added_up, auc, task_of

from federation.errors import ConfigError
from federation.training.optimizer import LARGEST_PARAMETER, MODEL_BITS
from federation.training.strategies.adaptive import rounded
from federation.training.strategies.registry import STRATEGIES

NAMES = ["adagrad", "adam", "yogi"]
MADE = {"features": ("x", "k", "b"), "target": "y", "expected_units": None, "rounds": 4}


def plain(name, gradients_at, width, rounds, rate, *, tau=0.1, beta1=0.9, beta2=0.99):
    """The papers' formulas in floats, with the floor that the module states."""
    theta, mean, square = np.zeros(width), np.zeros(width), np.zeros(width)
    for step in range(1, rounds + 1):
        gradient = gradients_at(theta)
        if name == "adagrad":
            mean, square, first, second = gradient, square + gradient**2, 1.0, 1.0
        else:
            mean = beta1 * mean + (1 - beta1) * gradient
            if name == "adam":
                square = beta2 * square + (1 - beta2) * gradient**2
            else:
                square = square - (1 - beta2) * np.sign(square - gradient**2) * gradient**2
            first, second = 1 - beta1**step, 1 - beta2**step
        root = np.sqrt(square / second)
        theta = theta - rate * mean / first / (root + tau * np.sqrt(np.mean(square / second)))
    return theta


@pytest.mark.parametrize("name", NAMES)
def test_without_noise_it_is_the_paper_in_floats_and_it_learns(heart, name):
    task = task_of(strategy=name, epsilon=None, exact=True, expected_units=None)
    plan, state, matrix, target = added_up(heart, task)

    def gradients_at(theta):
        return (1 / (1 + np.exp(-matrix @ theta)) - target) @ matrix

    wanted = plain(name, gradients_at, plan.encoding.width, task.rounds, float(task.learning_rate))
    np.testing.assert_allclose(state.values(), wanted, atol=2e-3)
    assert auc(target, matrix @ state.values()) > 0.875


@pytest.mark.parametrize("name", NAMES)
def test_it_costs_what_plain_descent_costs_and_sends_the_same_sum(made, name):
    plain_plan = made.plan(task_of(**MADE, epsilon=2))
    plan = made.plan(task_of(**MADE, epsilon=2, strategy=name))
    assert plan.event(4) == plain_plan.event(4)
    assert plan.length == plain_plan.length
    assert STRATEGIES[name].keeps_state is False


@pytest.mark.parametrize("name", NAMES)
def test_four_hospitals_with_an_epsilon(heart, name):
    """Each of three draws lay above 0.84; the noise alone gives 0.5."""
    task = task_of(strategy=name, expected_units=None, rounds=20)
    _, state, matrix, target = added_up(heart, task)
    assert auc(target, matrix @ state.values()) > 0.8


def moved(made, name, sums, **changes):
    plan = made.plan(task_of(**(MADE | {"epsilon": 2, "strategy": name} | changes)))
    state = plan.start()
    for total in sums:
        state = plan.next(state, total)
    return state


SUMS = [[(7 * i * j + 3 * i - 11) * 10_007 for i in range(1, 6)] for j in range(-4, 5)]
BITS = {
    "adagrad": "f1694b3b6a78ec4a",
    "adam": "fe3e79a473398a17",
    "yogi": "9606518c0fea8576",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_sums_give_the_same_bits_on_every_machine(made, name):
    state = moved(made, name, SUMS)
    said = hashlib.sha256(repr(state.parameters).encode()).hexdigest()[:16]
    assert said == BITS[name]


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    sums=st.lists(st.lists(st.integers(-(2**62), 2**62), min_size=5, max_size=5), max_size=6),
)
def test_any_opened_sum_moves_the_model_within_its_range(name, sums):
    """Zero, one-sided and huge sums, as noise may give them."""
    from fractions import Fraction

    from federation.training.optimizer import Descent, UpdateRule
    from federation.training.strategies.base import RunShape

    rule = UpdateRule(
        width=5, step=Fraction(1, 2**20), divisor=None, learning_rate=Fraction(10**9), l2=Fraction(0),
        momentum=Fraction(0),
    )  # fmt: skip
    strategy = STRATEGIES[name]
    options = {key: option.default for key, option in strategy.options.items()}
    shape = RunShape(size=5, has_loss=False, rule=rule, n_sites=3, clamp=2**30, options=options)
    state = Descent.start(rule)
    for total in sums:
        state = strategy.next(shape, state, total)
        assert max(map(abs, state.parameters)) <= LARGEST_PARAMETER << MODEL_BITS
        assert min(state.squares_each) >= 0


def test_the_penalty_pulls_all_but_the_intercept(made):
    fields = {"l2": "0.5", "expected_units": 100}
    first = moved(made, "adagrad", SUMS[:1], **fields)
    after = moved(made, "adagrad", [SUMS[0], [0] * 5], **fields)
    assert after.parameters[-1] == first.parameters[-1]
    for early, late in zip(first.parameters[:-1], after.parameters[:-1], strict=True):
        assert abs(late) < abs(early)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"momentum": "0.5"}, "momentum: adam has none"),
        ({"beta1": 1}, "beta1: must be a number from 0 to 0.999"),
        ({"tau": 0}, "tau: must be a number"),
        ({"beta2": float("nan")}, "beta2"),
        ({"epsilon": None, "exact": True, "tau": "0.2"}, "tau: is fixed without noise"),
        ({"epsilon": None, "exact": True, "learning_rate": "0.2"}, "learning_rate: is fixed"),
    ],
    ids=str,
)
def test_anything_else_is_refused_in_plain_words(made, changes, says):
    with pytest.raises(ConfigError) as caught:
        made.plan(task_of(**(MADE | {"epsilon": 2, "strategy": "adam"} | changes)))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12))
def test_law_integers_round_as_fractions_do(numerator, denominator):
    assert rounded(numerator, denominator) == round(Fraction(numerator, denominator))
    assert rounded(numerator * 2 + denominator, 2 * denominator) == round(
        Fraction(numerator * 2 + denominator, 2 * denominator)
    )
