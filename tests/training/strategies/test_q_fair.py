"""q-FedAvg: weights from losses that are paid for, what is sent, and the paper's formulas in floats as the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_world import SITES, added_up, auc, task_of

from federation.errors import ConfigError
from federation.training import local_update
from federation.training.local_update import site_update
from federation.training.strategies.q_fair import weights
from tests.training.strategies.test_fedavg import EXACT, PRIVATE, cases_at, first_attempt

NOISY = PRIVATE | {"strategy": "q_fair", "report_loss": True}
CLEAR = EXACT | {"strategy": "q_fair", "report_loss": True}


# ---- attacks


def test_a_weight_from_a_loss_that_is_not_paid_for_is_refused_before_the_charge(made):
    for fields in (NOISY, CLEAR):
        with pytest.raises(ConfigError, match="report_loss: q_fair weighs by losses that are paid for"):
            made.plan(task_of(**(fields | {"report_loss": False})))


def test_a_round_costs_what_fedavg_with_the_loss_costs(made):
    average = made.plan(task_of(**(PRIVATE | {"report_loss": True})))
    assert made.plan(task_of(**NOISY)).event(4) == average.event(4)


def test_weight_and_kept_loss_are_made_of_noisy_sums(made, monkeypatch):
    """Two sites whose noisy sums agree send and keep the same, whatever their rows and their number."""
    monkeypatch.setattr(local_update, "clamped_sum", lambda plan, *_: np.arange(plan.sum_length) * 1000)
    monkeypatch.setattr(local_update, "discrete_gaussian", lambda _, size, __: np.arange(size) << 20)
    plan = made.plan(task_of(**NOISY))
    (one, kept), (two, other) = (
        site_update(plan, first_attempt(made, plan), cases_at(made, plan, site), plan.start(), None, 1 << 24)
        for site in ("east", "west")
    )
    assert one.tolist() == two.tolist()
    assert kept == other == 1 << 24


@pytest.mark.parametrize("first", [0, -5, 1, 1 << 60])
def test_a_loss_that_is_noise_alone_gives_a_bounded_weight(made, first):
    plan = made.plan(task_of(**(NOISY | {"q": 4})))
    planned, rows = first_attempt(made, plan), cases_at(made, plan, "east")
    from privacy_accounting.noise import SystemSource

    sent, _ = site_update(plan, planned, rows, plan.start(), SystemSource(), first)
    assert np.abs(sent).max() <= planned.manifest.layout.half_range
    state = plan.next(plan.start(), (4 * sent).tolist())
    assert np.isfinite(state.values()).all()


# ---- laws


@given(loss=st.floats(-10, 10), q=st.floats(0, 4), rate=st.floats(0.01, 100), square=st.floats(0, 1000))
def test_law_a_share_is_at_least_the_weight_so_no_model_moves_further_than_its_sites(loss, q, rate, square):
    weight, share = weights(loss, q=q, rate=rate, square=square)
    assert 0 < weight <= share
    assert weight <= 256


def test_with_q_0_it_is_fedavg(made):
    fair, plain = (
        made.plan(task_of(**(NOISY | {"q": 0}))),
        made.plan(task_of(**(PRIVATE | {"report_loss": True}))),
    )
    from dataclasses import replace

    states = []
    for plan in (fair, plain):
        planned, total = replace(first_attempt(made, plan), sigma2_local=0), 0
        for site in made.sites:
            total = total + site_update(plan, planned, cases_at(made, plan, site), plan.start(), None)[0]
        states.append(plan.next(plan.start(), total.tolist()))
    np.testing.assert_allclose(states[0].values(), states[1].values(), atol=1e-5)
    assert states[0].squares == states[1].squares


# ---- accuracy


def plain_fair(parts, rounds, local_epochs, rate, q):
    """Algorithm 2 in floats with L = 1 / rate: each site's loss in units of that of the first model."""
    w, squares, firsts = np.zeros(parts[0].matrix.shape[1]), 0.0, [None] * len(parts)
    smooth = 1 / rate
    for _ in range(rounds):
        deltas, shares, sizes = [], [], []
        for place, part in enumerate(parts):
            own, seen = w.copy(), squares
            scores = part.matrix @ w
            loss = np.sum(np.logaddexp(0, scores) - part.target * scores)
            firsts[place] = loss if firsts[place] is None else firsts[place]
            f = loss / firsts[place]
            for _ in range(local_epochs):
                total = (1 / (1 + np.exp(-part.matrix @ own)) - part.target) @ part.matrix
                seen += total @ total
                own = own - rate * total / np.sqrt(seen)
            step = smooth * (w - own)
            deltas.append(f**q * step)
            shares.append(q * f ** (q - 1) * step @ step + smooth * f**q)
            sizes.append(np.sqrt(seen - squares))
        w = w - np.sum(deltas, axis=0) / np.sum(shares)
        squares += np.mean(sizes) ** 2
    return w


def test_without_noise_it_is_the_papers_algorithm_and_it_learns(heart):
    task = task_of(
        strategy="q_fair", epsilon=None, exact=True, expected_units=None, rounds=20, report_loss=True
    )
    plan = heart.plan(task)
    parts = [cases_at(heart, plan, site) for site in SITES]
    planned, state, kept = first_attempt(heart, plan), plan.start(), dict.fromkeys(SITES)
    for _ in range(20):
        total = np.zeros(plan.length, np.int64)
        for site, part in zip(SITES, parts, strict=True):
            sent, kept[site] = site_update(plan, planned, part, state, None, kept[site])
            total += sent
        state = plan.next(state, total.tolist())
    np.testing.assert_allclose(state.values(), plain_fair(parts, 20, 2, 4.0, 1.0), atol=2e-3)
    matrix, target = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("matrix", "target")
    )
    assert auc(target, matrix @ state.values()) > 0.87


def test_four_hospitals_with_an_epsilon(heart):
    task = task_of(strategy="q_fair", expected_units=None, rounds=10, report_loss=True)
    _, state, matrix, target = added_up(heart, task)
    assert auc(target, matrix @ state.values()) > 0.8


def test_it_is_trained_over_the_wire_and_the_loss_is_the_last_number(made):
    outcome = made.driver(task_of(**CLEAR)).go()
    assert outcome.history[-1].loss < outcome.history[0].loss
    with pytest.raises(ConfigError, match="q: is fixed without noise"):
        task_of(**(CLEAR | {"q": 2}))
