"""Shifts and normalisation that stay at the sites: the attacks on a kept state, and sites whose inputs are shifted."""

import numpy as np
import pandas as pd
import pytest
from training_world import made_frame, task_of

from federation.errors import ConfigError
from federation.training import local_update
from federation.training.estimators import estimator_of
from federation.training.local_update import site_update
from federation.training.own_models import OwnModels
from federation.training.strategies import fedbn
from tests.training.strategies.test_fedavg import PRIVATE, cases_at, first_attempt

NOISY = PRIVATE | {"strategy": "fedbn", "model": "perceptron_classifier", "hidden": 4}


# ---- attacks


def test_kept_norms_are_made_of_noisy_sums_and_cost_what_fedavg_costs(made, monkeypatch):
    plan, average = made.plan(task_of(**NOISY)), made.plan(task_of(**NOISY | {"strategy": "fedavg"}))
    assert plan.event(4) == average.event(4)
    assert plan.length == average.length
    monkeypatch.setattr(local_update, "clamped_sum", lambda plan, *_: np.arange(plan.sum_length) * 1000)
    monkeypatch.setattr(local_update, "discrete_gaussian", lambda _, size, __: np.arange(size) << 30)
    kept = [
        site_update(plan, first_attempt(made, plan), cases_at(made, plan, site), plan.start(), None)[1]
        for site in ("east", "west")
    ]
    assert kept[0] == kept[1]


def test_a_site_keeps_its_norms_and_nothing_else(made):
    plan = made.plan(task_of(**NOISY | {"epsilon": None, "exact": True, "expected_units": None}))
    planned, own = first_attempt(made, plan), cases_at(made, plan, "east")
    ((begin, end),) = plan.shape.norms
    assert end - begin == 4
    assert end + plan.shape.n_head == plan.shape.size
    _, kept = site_update(plan, planned, own, plan.start(), None)

    def sent_with(changed):
        other = [value + (5 << 32) * (place in changed) for place, value in enumerate(kept)]
        return site_update(plan, planned, own, plan.start(), None, tuple(other))[0].tolist()

    norms = range(begin, end)
    assert sent_with(set(range(plan.shape.size)) - set(norms)) == sent_with(())
    assert sent_with({begin}) != sent_with(())


def test_kept_norms_are_in_the_sum_that_all_sites_send_so_no_more_is_promised(made):
    """What a site keeps moves what it sends at the same place: the public model has the mean of the norms."""
    plan = made.plan(task_of(**NOISY | {"epsilon": None, "exact": True, "expected_units": None}))
    planned, own = first_attempt(made, plan), cases_at(made, plan, "east")
    ((begin, _),) = plan.shape.norms
    sent, kept = site_update(plan, planned, own, plan.start(), None)
    moved = tuple(value + (5 << 32) * (place == begin) for place, value in enumerate(kept))
    again, _ = site_update(plan, planned, own, plan.start(), None, moved)
    assert again[begin] - sent[begin] > 4 << 20
    assert "in the sum of all sites" in " ".join(fedbn.__doc__.split())


def test_a_model_without_hidden_layers_is_refused_before_any_charge(made):
    with pytest.raises(ConfigError, match="strategy: fedbn needs a model with hidden layers"):
        made.plan(task_of(**PRIVATE | {"strategy": "fedbn"}))


def test_normalisation_of_a_torch_module_is_found_by_its_shapes(made):
    named = {name: value for name, value in NOISY.items() if name != "hidden"}
    plan = made.plan(task_of(**named | {"model": "residual_network"}))
    shapes = list(plan.model._shapes(plan.encoding))
    flat = sum(shape[0] for shape in shapes[:-2] if len(shape) == 1)
    assert sum(end - begin for begin, end in plan.shape.norms) == flat > 0


# ---- accuracy


def shifted_frame(n, seed, shift):
    """The outcome is one function of what was measured; each site's instrument adds a number of its own."""
    frame = made_frame(n, seed)
    generator = np.random.default_rng(seed)
    true = generator.uniform(-1, 1, n)
    frame["y"] = pd.array(list(np.abs(true) > 0.5), "boolean")
    return frame.assign(x=np.round(true + shift, 2))


@pytest.mark.slow
def test_where_inputs_are_shifted_a_sites_own_model_is_better_than_that_of_fedavg(world_of):
    shifts = {"a": -1.0, "b": 0.0, "c": 1.0}
    frames = {site: shifted_frame(150, place, shift) for place, (site, shift) in enumerate(shifts.items())}
    found = {}
    for strategy in ("fedavg", "fedbn"):
        world = world_of(frames)
        kept = {site: OwnModels() for site in shifts}
        for site, trainer in world.trainers.items():
            trainer._keep_own = kept[site].keep
        model = estimator_of("perceptron_classifier")(
            epsilon=None, exact=True, rounds=40, strategy=strategy, hidden=8, local_epochs=4
        )
        model.fit(world, table="patients", features=["x"], target="y")
        own = {site: model if strategy == "fedavg" else kept[site].latest for site in shifts}
        found[strategy] = np.mean([own[site].score(frames[site], frames[site].y) for site in shifts])
    assert found["fedbn"] > found["fedavg"] + 0.03, found
