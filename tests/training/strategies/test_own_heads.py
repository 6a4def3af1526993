"""Heads that stay at the sites: the attacks on a kept state, floats as the oracle, and a site's own model as a file."""

import logging
import stat

import numpy as np
import pandas as pd
import pytest
from training_world import MADE_TABLES, SITES, added_up, auc, made_frame, task_of

import federation
from federation.training import local_update
from federation.training.estimators import FederatedLogisticRegression
from federation.training.local_update import site_update
from federation.training.own_models import OwnModels
from tests.training.strategies.test_fedavg import EXACT, PRIVATE, cases_at, first_attempt

NOISY, CLEAR = PRIVATE | {"strategy": "own_heads"}, EXACT | {"strategy": "own_heads"}


# ---- attacks


def test_a_kept_head_costs_what_fedavg_costs_and_each_step_has_the_full_noise(made):
    plan, average = made.plan(task_of(**NOISY)), made.plan(task_of(**PRIVATE))
    assert plan.event(4) == average.event(4)
    assert plan.length == average.length


def test_a_kept_head_is_made_of_noisy_sums(made, monkeypatch):
    """Two sites whose noisy sums agree keep the same head, whatever their rows."""
    monkeypatch.setattr(local_update, "clamped_sum", lambda plan, *_: np.arange(plan.sum_length) * 1000)
    monkeypatch.setattr(local_update, "discrete_gaussian", lambda _, size, __: np.arange(size) << 30)
    plan = made.plan(task_of(**NOISY))
    kept = [
        site_update(plan, first_attempt(made, plan), cases_at(made, plan, site), plan.start(), None)[1]
        for site in ("east", "west")
    ]
    assert kept[0] == kept[1]
    assert any(kept[0])


def test_a_head_of_its_own_is_what_a_site_adds_to_the_next_round_alone(made):
    """The body of a round starts at the public model: a site keeps no body."""
    plan = made.plan(task_of(**CLEAR))
    planned, own = first_attempt(made, plan), cases_at(made, plan, "east")
    _, kept = site_update(plan, planned, own, plan.start(), None)
    other_body = (*(value + (5 << 32) for value in kept[:-1]), kept[-1])
    first, second = (
        site_update(plan, planned, own, plan.start(), None, head)[0] for head in (kept, other_body)
    )
    assert first.tolist() == second.tolist()
    fresh = site_update(plan, planned, own, plan.start(), None)[0]
    assert first.tolist() != fresh.tolist()


# ---- accuracy


def plain_heads(parts, rounds, local_epochs, rate):
    """Local descents in floats; the last parameter of each site stays at the site."""
    width = parts[0].matrix.shape[1]
    theta, squares, heads = np.zeros(width), 0.0, [None] * len(parts)
    for _ in range(rounds):
        moves, sizes = [], []
        for place, part in enumerate(parts):
            own, seen = theta.copy(), squares
            own[-1] = theta[-1] if heads[place] is None else heads[place]
            for _ in range(local_epochs):
                total = (1 / (1 + np.exp(-part.matrix @ own)) - part.target) @ part.matrix
                seen += total @ total
                own = own - rate * total / np.sqrt(seen)
            heads[place] = own[-1]
            moves.append(own - theta)
            sizes.append(np.sqrt(seen - squares))
        theta, squares = theta + np.mean(moves, axis=0), squares + np.mean(sizes) ** 2
    return theta


def test_without_noise_it_is_the_plain_average_with_heads(heart):
    task = task_of(strategy="own_heads", epsilon=None, exact=True, expected_units=None, rounds=20)
    plan, state, matrix, target = added_up(heart, task)
    parts = [cases_at(heart, plan, site) for site in SITES]
    np.testing.assert_allclose(state.values(), plain_heads(parts, 20, 2, 4.0), atol=2e-3)
    assert auc(target, matrix @ state.values()) > 0.87


def test_four_hospitals_with_an_epsilon(heart):
    task = task_of(strategy="own_heads", expected_units=None, rounds=10)
    _, state, matrix, target = added_up(heart, task)
    assert auc(target, matrix @ state.values()) > 0.83


def shifted_frame(n, seed, shift):
    """The outcome has the same slope at every site, and another base rate."""
    frame = made_frame(n, seed)
    score = frame.x + np.cos(np.arange(n) * 78.233 + seed) + shift
    return frame.assign(y=pd.array(list(score > 0), "boolean"))


@pytest.mark.parametrize("name", ["logistic_regression", "perceptron_classifier"])
def test_where_base_rates_differ_a_sites_own_model_is_better_than_the_public_one(world_of, name):
    shifts = {"a": -1.5, "b": 0.0, "c": 1.5}
    frames = {site: shifted_frame(200, place, shift) for place, (site, shift) in enumerate(shifts.items())}
    world = world_of(frames)
    kept = {site: OwnModels() for site in shifts}
    for site, trainer in world.trainers.items():
        trainer._keep_own = kept[site].keep
    model = federation.training.estimators.estimator_of(name)(
        epsilon=None, exact=True, rounds=25, strategy="own_heads"
    )
    model.fit(world, table="patients", features=["x", "b"], target="y")
    public = [model.score(frame, frame.y) for frame in frames.values()]
    own = [kept[site].latest.score(frame, frame.y) for site, frame in frames.items()]
    assert np.mean(own) > np.mean(public) + 0.05


# ---- the site's own model


def test_a_sites_own_model_is_a_file_for_its_owner_and_no_failure_of_it_ends_a_run(made, tmp_path, caplog):
    plan = made.plan(task_of(**CLEAR))
    models = OwnModels(tmp_path / "own")
    models.keep(plan, "f" * 64, (1 << 32,) * 5)
    models.keep(plan, "f" * 64, (2 << 32,) * 5)
    (path,) = (tmp_path / "own").iterdir()
    assert path.name == "f" * 16 + ".json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700
    assert FederatedLogisticRegression.load(path).coef_.tolist() == [[2, 2, 2, 2]]
    (tmp_path / "file").write_text("no folder")
    with caplog.at_level(logging.WARNING):
        OwnModels(tmp_path / "file").keep(plan, "f" * 64, (1 << 32,) * 5)
    assert "was not written" in caplog.text
    assert repr(models) == "OwnModels()"


def test_a_local_session_hands_out_each_sites_own_model():
    schema = {"tables": {"patients": MADE_TABLES["patients"]}}
    frames = {site: shifted_frame(60, 1, shift) for site, shift in (("a", -1.5), ("b", 0), ("c", 1.5))}
    with federation.local(frames, schema=schema) as session:
        assert session.own_model("a") is None
        model = FederatedLogisticRegression(epsilon=None, exact=True, rounds=2, strategy="own_heads")
        model.fit(session, table="patients", features=["x"], target="y")
        heads = [session.own_model(site).intercept_[0] for site in "abc"]
    assert heads[0] < heads[1] < heads[2]
