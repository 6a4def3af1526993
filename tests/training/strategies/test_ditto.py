"""Ditto: the price of two models, a model that stays at its site, and the paper's formulas in floats as the oracle."""

import numpy as np
import pytest
from training_world import SITES, added_up, auc, task_of

import federation
from federation.errors import ConfigError
from federation.training import local_update
from federation.training.local_update import site_update
from federation.training.own_models import OwnModels
from tests.training.strategies.test_fedavg import EXACT, PRIVATE, cases_at, first_attempt
from tests.training.strategies.test_own_heads import shifted_frame

NOISY, CLEAR = PRIVATE | {"strategy": "ditto"}, EXACT | {"strategy": "ditto"}


# ---- attacks


def test_the_steps_of_an_own_model_are_charged_as_those_of_the_public_one(made):
    """The attack: an own model of sums that are not paid for."""
    twice = made.plan(task_of(**(PRIVATE | {"local_epochs": 4})))
    plan = made.plan(task_of(**NOISY))
    assert plan.event(4) == twice.event(4)
    assert plan.length == twice.length


def test_an_own_model_is_made_of_noisy_sums(made, monkeypatch):
    """Two sites whose noisy sums agree have the same own model, whatever their rows."""
    monkeypatch.setattr(local_update, "clamped_sum", lambda plan, *_: np.arange(plan.sum_length) * 1000)
    monkeypatch.setattr(local_update, "discrete_gaussian", lambda _, size, __: np.arange(size) << 30)
    plan = made.plan(task_of(**NOISY))
    (_, one), (_, two) = (
        site_update(plan, first_attempt(made, plan), cases_at(made, plan, site), plan.start(), None)
        for site in ("east", "west")
    )
    assert one == two
    assert any(one[0])


def test_an_own_model_has_no_part_in_what_a_site_sends(made):
    """The public model is that of FedAvg to the last bit."""
    plan, average = made.plan(task_of(**CLEAR)), made.plan(task_of(**EXACT))
    planned, rows = first_attempt(made, plan), cases_at(made, plan, "east")
    sent, kept = site_update(plan, planned, rows, plan.start(), None)
    far = (tuple(value + (9 << 32) for value in kept[0]), kept[1])
    again, _ = site_update(plan, planned, rows, plan.start(), None, far)
    plain, _ = site_update(average, first_attempt(made, average), rows, average.start(), None)
    assert sent.tolist() == again.tolist() == plain.tolist()


# ---- accuracy


def plain_ditto(parts, rounds, steps, rate, mu):
    """FedAvg in floats, and for each site a model that is pulled to the public one after each of its steps."""

    def gradient(part, at):
        return (1 / (1 + np.exp(-part.matrix @ at)) - part.target) @ part.matrix

    width = parts[0].matrix.shape[1]
    w, squares = np.zeros(width), 0.0
    own = [(np.zeros(width), 0.0) for _ in parts]
    for _ in range(rounds):
        moves, sizes = [], []
        for place, part in enumerate(parts):
            y, seen = w.copy(), squares
            for _ in range(steps):
                total = gradient(part, y)
                seen += total @ total
                y = y - rate * total / np.sqrt(seen)
            moves.append(y - w)
            sizes.append(np.sqrt(seen - squares))
            v, seen = own[place]
            for _ in range(steps):
                total = gradient(part, v)
                seen += total @ total
                # v' = v - eta (grad + mu (v' - w)): the pull at the end of the step
                v = (v - rate * total / np.sqrt(seen) + rate * mu * w) / (1 + rate * mu)
            own[place] = (v, seen)
        w, squares = w + np.mean(moves, axis=0), squares + np.mean(sizes) ** 2
    return w, [v for v, _ in own]


def test_without_noise_both_models_are_the_papers(heart):
    task = task_of(strategy="ditto", epsilon=None, exact=True, expected_units=None, rounds=15)
    plan = heart.plan(task)
    parts = [cases_at(heart, plan, site) for site in SITES]
    planned, state, kept = first_attempt(heart, plan), plan.start(), dict.fromkeys(SITES)
    for _ in range(15):
        total = np.zeros(plan.length, np.int64)
        for site, part in zip(SITES, parts, strict=True):
            sent, kept[site] = site_update(plan, planned, part, state, None, kept[site])
            total += sent
        state = plan.next(state, total.tolist())
    public, own = plain_ditto(parts, 15, 2, 4.0, 0.1)
    np.testing.assert_allclose(state.values(), public, atol=2e-3)
    for site, oracle in zip(SITES, own, strict=True):
        found = np.array(plan.strategy.own_model(kept[site])) / 2**32
        np.testing.assert_allclose(found, oracle, atol=2e-3)


def test_a_strong_pull_makes_the_own_model_the_public_one(made):
    plan = made.plan(task_of(**(NOISY | {"mu": 1000})))
    state = plan.start()
    planned, rows = first_attempt(made, plan), cases_at(made, plan, "east")
    from privacy_accounting.noise import SystemSource

    _, (own, _) = site_update(plan, planned, rows, state, SystemSource())
    assert max(map(abs, own)) < 0.002 * 2**32


def test_four_hospitals_with_an_epsilon(heart):
    task = task_of(strategy="ditto", expected_units=None, rounds=10)
    _, state, matrix, target = added_up(heart, task)
    assert auc(target, matrix @ state.values()) > 0.8


def test_where_base_rates_differ_a_sites_own_model_is_better_than_the_public_one(world_of):
    shifts = {"a": -1.5, "b": 0.0, "c": 1.5}
    frames = {site: shifted_frame(200, place, shift) for place, (site, shift) in enumerate(shifts.items())}
    world = world_of(frames)
    kept = {site: OwnModels() for site in shifts}
    for site, trainer in world.trainers.items():
        trainer._keep_own = kept[site].keep
    model = federation.training.estimators.FederatedLogisticRegression(
        epsilon=None, exact=True, rounds=25, strategy="ditto"
    )
    model.fit(world, table="patients", features=["x", "b"], target="y")
    public = [model.score(frame, frame.y) for frame in frames.values()]
    own = [kept[site].latest.score(frame, frame.y) for site, frame in frames.items()]
    assert np.mean(own) > np.mean(public) + 0.05


def test_anything_else_is_refused(made):
    with pytest.raises(ConfigError, match="momentum: ditto has none"):
        made.plan(task_of(**(NOISY | {"momentum": "0.5"})))
    with pytest.raises(ConfigError, match="mu: is fixed without noise"):
        made.plan(task_of(**(CLEAR | {"mu": "0.5"})))
