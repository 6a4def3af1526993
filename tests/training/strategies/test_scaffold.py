"""SCAFFOLD: what a site keeps and sends, its price, and the paper's formulas in floats as the oracle."""

import numpy as np
import pytest
from training_world import SITES, added_up, auc, task_of

from federation.errors import ConfigError
from federation.training import local_update
from federation.training.local_update import site_update
from federation.training.rounds.round_plan import GRID
from tests.training.strategies.test_fedavg import EXACT, PRIVATE, cases_at, first_attempt

NOISY, CLEAR = PRIVATE | {"strategy": "scaffold"}, EXACT | {"strategy": "scaffold"}


def opened(world, plan, n_rounds, kept):
    """Play rounds; return the public state after each, with what every site keeps."""
    planned, state, seen = first_attempt(world, plan), plan.start(), []
    for _ in range(n_rounds):
        total = np.zeros(plan.length, np.int64)
        for site in world.sites:
            sent, kept[site] = site_update(
                plan, planned, cases_at(world, plan, site), state, None, kept.get(site)
            )
            total += sent
        state = plan.next(state, total.tolist())
        seen.append((state, dict(kept)))
    return seen


# ---- attacks


def test_a_control_variate_costs_what_fedavg_costs(made):
    assert made.plan(task_of(**NOISY)).event(4) == made.plan(task_of(**PRIVATE)).event(4)


def test_a_control_variate_is_made_of_noisy_sums(made, monkeypatch):
    """Two sites whose noisy sums agree keep and send the same, whatever their rows."""
    monkeypatch.setattr(local_update, "clamped_sum", lambda plan, *_: np.arange(plan.sum_length) * 1000)
    monkeypatch.setattr(local_update, "discrete_gaussian", lambda _, size, __: np.arange(size) << 30)
    plan = made.plan(task_of(**NOISY))
    (one, kept), (two, other) = (
        site_update(plan, first_attempt(made, plan), cases_at(made, plan, site), plan.start(), None)
        for site in ("east", "west")
    )
    assert kept == other
    assert kept[1] == 1000 + (1 << 30)
    assert one.tolist() == two.tolist()


def test_a_control_variate_is_no_model_of_the_site(made):
    plan, found = made.plan(task_of(**CLEAR)), []
    for trainer in made.trainers.values():
        trainer._keep_own = lambda *parts: found.append(parts)
    assert len(made.driver(task_of(**CLEAR)).go().history) == 4
    assert found == []
    assert plan.strategy.own_model((1, 2)) is None


# ---- laws


def test_the_public_control_variate_is_the_sum_of_what_the_sites_keep(made):
    plan = made.plan(task_of(**CLEAR))
    for state, kept in opened(made, plan, 4, {}):
        assert state.velocity == tuple(map(sum, zip(*kept.values(), strict=True)))
    assert plan.length == 2 * plan.shape.size + 1


def test_a_site_that_starts_anew_takes_the_public_control_variate_for_its_own(made):
    plan = made.plan(task_of(**CLEAR))
    (_, _), (state, _) = opened(made, plan, 2, {})
    plain = made.plan(task_of(**EXACT))
    size, planned = plan.shape.size, first_attempt(made, plan)
    rows = cases_at(made, plan, "east")
    sent, _ = site_update(plan, planned, rows, state, None)
    average, _ = site_update(plain, first_attempt(made, plain), rows, state, None)
    assert np.abs(sent[: size + 1] - average[: size + 1]).max() <= 0


def test_the_range_of_an_update_holds_the_largest_change(made):
    plan = made.plan(task_of(**NOISY))
    sigma2 = first_attempt(made, plan).sigma2_local
    assert plan.strategy.half_range(plan.shape, sigma2) >= 2 * plan.clamp


# ---- accuracy


def plain_scaffold(parts, rounds, local_epochs, rate):
    """Algorithm 1 with option II in floats; each step is divided by the root of the squares so far."""
    width, n = parts[0].matrix.shape[1], len(parts)
    x, squares, c, own_c = np.zeros(width), 0.0, np.zeros(width), [np.zeros(width) for _ in parts]
    for _ in range(rounds):
        moves, sizes, changes = [], [], []
        for place, part in enumerate(parts):
            y, seen, gradients = x.copy(), squares, []
            for _ in range(local_epochs):
                gradients.append((1 / (1 + np.exp(-part.matrix @ y)) - part.target) @ part.matrix)
                corrected = gradients[-1] - own_c[place] + c
                seen += corrected @ corrected
                y = y - rate * corrected / np.sqrt(seen)
            # steps of one length: c_i - c + (x - y) / (K rate) is the mean of the gradients
            after = np.mean(gradients, axis=0)
            changes.append(after - own_c[place])
            own_c[place] = after
            moves.append(y - x)
            sizes.append(np.sqrt(seen - squares))
        x, c = x + np.mean(moves, axis=0), c + np.sum(changes, axis=0) / n
        squares += np.mean(sizes) ** 2
    return x


def test_without_noise_it_is_the_papers_algorithm_and_it_learns(heart):
    task = task_of(strategy="scaffold", epsilon=None, exact=True, expected_units=None, rounds=20)
    plan, state, matrix, target = added_up(heart, task)
    parts = [cases_at(heart, plan, site) for site in SITES]
    np.testing.assert_allclose(state.values(), plain_scaffold(parts, 20, 2, 4.0), atol=5e-3)
    assert auc(target, matrix @ state.values()) > 0.88


def test_the_kept_control_variate_is_option_two_of_the_paper(made):
    """With steps of one length: ``c_i - c + (x - y) / (K rate)``, from the move that the site sends."""
    fields = NOISY | {"expected_units": 200, "learning_rate": 1, "local_epochs": 3}
    plan = made.plan(task_of(**fields))
    from dataclasses import replace

    planned = replace(first_attempt(made, plan), sigma2_local=0)
    size, rows = plan.shape.size, cases_at(made, plan, "east")
    state = replace(plan.start(), velocity=(8 * GRID, -4 * GRID, 0, 4 * GRID, 12 * GRID))
    before = tuple(value * GRID for value in (1, 2, -3, 0, 1))
    sent, after = site_update(plan, planned, rows, state, None, before)
    rate = 1 / (200 // 4) / GRID  # of a step, in parameters a grid unit
    moves = sent[:size] / 2**20
    expected = np.array(before) - np.array(state.velocity) / 4 - moves / (3 * rate)
    np.testing.assert_allclose(after, expected, atol=3e-5 * GRID * 50)


def test_four_hospitals_with_an_epsilon(heart):
    task = task_of(strategy="scaffold", expected_units=None, rounds=10)
    _, state, matrix, target = added_up(heart, task)
    assert auc(target, matrix @ state.values()) > 0.75


def test_momentum_is_refused(made):
    with pytest.raises(ConfigError, match="momentum: scaffold has none"):
        made.plan(task_of(**(NOISY | {"momentum": "0.5"})))
