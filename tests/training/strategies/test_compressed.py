"""Compressed moves: what is public, what is rounded and how, that noise comes before, and bytes beside accuracy."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scikit_worlds import scikit_world
from training_world import added_up, task_of

from federation.errors import ConfigError
from federation.paillier.packing import Layout
from federation.training import local_update
from federation.training.local_update import site_update
from federation.training.optimizer import Descent, UpdateRule
from federation.training.strategies.base import RunShape
from federation.training.strategies.compressed import Compressed, mask_of
from tests.training.strategies.test_fedavg import EXACT, PRIVATE, cases_at, first_attempt

SIZE = 40
NOISY, CLEAR = PRIVATE | {"strategy": "compressed"}, EXACT | {"strategy": "compressed"}


def shape_of(*, is_private=False, n_sites=3, **options):
    rule = UpdateRule(
        width=SIZE, step=Fraction(1, 2**20), divisor=None, learning_rate=Fraction(1), l2=Fraction(0),
        momentum=Fraction(0),
    )  # fmt: skip
    values = {"local_epochs": 1, "bits": 6, "keep": Fraction(1, 2)} | options
    return RunShape(
        size=SIZE,
        has_loss=False,
        rule=rule,
        n_sites=n_sites,
        clamp=2**40,
        options=values,
        is_private=is_private,
    )


class Sums:
    """Sums that are given."""

    def __init__(self, *totals):
        self.totals = list(totals)

    def at(self, _):
        return self.totals.pop(0)


def state_of(shape, **changes):
    return replace(Descent.start(shape.rule), **changes)


# ---- attacks


@pytest.mark.parametrize("local_epochs", [1, 3])
def test_a_mask_and_a_rounding_save_no_epsilon(made, local_epochs):
    """The attack: a price below that of the local steps, since fewer numbers leave the site."""
    fields = NOISY | {"local_epochs": local_epochs}
    small, whole = (made.plan(task_of(**(fields | {"keep": keep}))) for keep in ("0.1", 1))
    average = made.plan(task_of(**(PRIVATE | {"local_epochs": local_epochs})))
    assert small.event(4) == whole.event(4) == average.event(4)


def test_the_noise_comes_before_the_rounding(made, monkeypatch):
    """Two data sets whose noisy sums agree send the same integers: rounding sees nothing else."""
    plan = made.plan(task_of(**NOISY))
    planned, drawn = first_attempt(made, plan), []

    def noise(sigma2, size, _):
        drawn.append(sigma2)
        return np.arange(size) * math.isqrt(sigma2)

    monkeypatch.setattr(local_update, "discrete_gaussian", noise)
    own = cases_at(made, plan, "east")
    clear = local_update.clamped_sum
    first = site_update(plan, planned, own, plan.start(), None)[0]
    sums = [clear(plan, own, np.zeros(5))] * 2
    assert drawn == [planned.sigma2_local] * 2
    monkeypatch.setattr(local_update, "clamped_sum", lambda *_: sums[0].copy())
    other = [
        site_update(plan, planned, cases_at(made, plan, site), plan.start(), None)[0]
        for site in ("east", "west")
    ]
    assert other[0].tolist() == other[1].tolist()
    assert len(first) == plan.length


def test_p16_mask_and_rounding_do_not_follow_from_the_request():
    """The attack: a request whose nonce is chosen for its mask steers the points of exact sums."""
    one, two = shape_of(n_sites=3), shape_of(n_sites=4, local_epochs=2)
    assert [mask_of(one, step) for step in range(5)] == [mask_of(two, step) for step in range(5)]


def test_nothing_is_kept_from_round_to_round(made):
    plan = made.plan(task_of(**CLEAR))
    _, kept = site_update(plan, first_attempt(made, plan), cases_at(made, plan, "east"), plan.start(), None)
    assert kept is None
    assert vars(Compressed()) == {}


# ---- what is sent


def test_masks_have_one_size_and_reach_every_parameter():
    shape = shape_of(keep=Fraction(1, 4))
    masks = [mask_of(shape, step) for step in range(40)]
    assert {len(mask) for mask in masks} == {10}
    assert {place for mask in masks for place in mask} == set(range(SIZE))
    assert masks[0] == sorted(set(masks[0])) != masks[1]


@settings(max_examples=60, deadline=None)
@given(
    total=st.lists(st.integers(-(2**50), 2**50), min_size=SIZE, max_size=SIZE),
    bits=st.integers(2, 16),
    private=st.booleans(),
    spread=st.integers(1, 1 << 40),
)
def test_law_each_level_is_beside_the_move_and_the_size_is_whole(total, bits, private, spread):
    shape = shape_of(bits=bits, is_private=private)
    state, strategy = state_of(shape, move_range=spread, n_steps=3), Compressed()
    sent, _ = strategy.local_update(shape, state, Sums(total), None)
    moves, size, _ = strategy.moved(shape, state, Sums(total))
    levels = (1 << bits - 1) - 1
    assert len(sent) == strategy.length(shape)
    assert max(map(abs, sent)) <= strategy.half_range(shape, 10**9) == levels
    for place, level in zip(mask_of(shape, 3), sent, strict=False):
        exact = max(-levels, min(levels, Fraction(moves[place] * levels, spread)))
        assert abs(level - exact) < 1
        assert not private or abs(level) <= abs(exact)
    digits = sent[len(mask_of(shape, 3)) :]
    assert sum(digit * (levels + 1) ** place for place, digit in enumerate(digits)) == size
    outside = set(range(SIZE)) - set(mask_of(shape, 3))
    assert all(moves[place] == 0 for place in outside)


def test_without_noise_rounding_is_right_in_the_mean():
    shape = shape_of(keep=Fraction(1), bits=3)
    state, strategy = state_of(shape, move_range=1 << 32), Compressed()
    levels, exact = np.zeros(SIZE), None
    for seed in range(300):
        total = [1000 + place * 37 for place in range(SIZE - 1)] + [10**6 + seed]
        sent, _ = strategy.local_update(shape, state, Sums(total), None)
        moves, _, _ = strategy.moved(shape, state, Sums(total))
        exact = np.array(moves) * 3 / 2**32
        levels += sent[:SIZE]
    assert np.abs(levels / 300 - exact).max() < 5 * 0.5 / math.sqrt(300)


def test_the_opened_levels_move_the_model_by_the_mean_of_the_moves():
    shape = shape_of(bits=16, keep=Fraction(1))
    state, strategy = state_of(shape), Compressed()
    totals = [[(site + 2) * 1000 * (place - 20) for place in range(SIZE)] for site in range(3)]
    sent = [strategy.local_update(shape, state, Sums(total), None)[0] for total in totals]
    moves = [strategy.moved(shape, state, Sums(total))[0] for total in totals]
    after = strategy.next(shape, state, np.sum(sent, axis=0).tolist())
    level = Fraction(4 << 32, 6 * (2**15 - 1))
    np.testing.assert_allclose(after.parameters, np.mean(moves, axis=0), atol=float(level) + 1)
    assert after.move_range == 4 * max(map(abs, after.parameters))
    sizes = [strategy.moved(shape, state, Sums(total))[1] for total in totals]
    assert after.squares == (sum(sizes) // 3) ** 2


def test_over_the_wire_it_is_the_sum_in_the_clear(made):
    task = task_of(**CLEAR)
    outcome = made.train(task)
    _, state, _, _ = added_up(made, task)
    assert outcome.model.parameters == state.parameters
    assert outcome.model.parameters != outcome.plan.start().parameters


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (NOISY | {"report_loss": True}, "report_loss: compressed sends no loss"),
        (NOISY | {"momentum": "0.5"}, "momentum: compressed has none"),
        (NOISY | {"bits": 1}, "bits: must be a whole number from 2 to 16"),
        (NOISY | {"keep": 0}, "keep: must be a number"),
        (CLEAR | {"keep": "0.2"}, "keep: is fixed without noise"),
    ],
    ids=str,
)
def test_anything_else_is_refused_in_plain_words(made, fields, says):
    with pytest.raises(ConfigError) as caught:
        made.plan(task_of(**fields))
    assert any(mistake.startswith(says) for mistake in caught.value.mistakes), caught.value.mistakes


# ---- bytes and accuracy


def ciphertexts(plan, sites):
    layout = plan.attempt(run="r", round_number=0, attempt=0, cohort=sites).manifest.layout
    return Layout(
        key_bits=3072, length=layout.length, contributors=len(sites), half_range=layout.half_range
    ).count


@pytest.mark.slow
def test_digits_take_a_ninth_of_the_bytes_within_one_percent_of_the_accuracy(small_key, tmp_path):
    """1,797 pictures of ten digits over three sites; both runs are deterministic."""
    digit = {"type": "categorical", "domain": list(range(10))}
    world, names, _ = scikit_world(small_key, tmp_path, "digits", digit)
    found = {}
    for strategy in ("fedavg", "compressed"):
        task = task_of(
            table="rows", features=names, target="y", model="multinomial_regression", strategy=strategy,
            epsilon=None, exact=True, expected_units=None, rounds=40,
        )  # fmt: skip
        plan, state, matrix, target = added_up(world, task)
        chances = plan.model.predict(plan.encoding, state.values(), matrix)
        found[strategy] = (np.mean(chances.argmax(axis=1) == target), ciphertexts(plan, world.sites))
    world.close()
    (whole, many), (short, few) = found["fedavg"], found["compressed"]
    assert many >= 8 * few
    assert short > whole - 0.01


def test_a_large_network_takes_an_eighth_of_the_bytes_at_most(made):
    fields = EXACT | {"model": "perceptron_classifier", "hidden": 200, "hidden_2": 200}
    counts = [
        ciphertexts(made.plan(task_of(**(fields | {"strategy": name}))), made.sites)
        for name in ("fedavg", "compressed")
    ]
    assert counts[0] >= 8 * counts[1]
