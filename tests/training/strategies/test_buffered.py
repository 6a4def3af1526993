"""Buffered asynchronous training: cohorts fixed before masks, a sum in one attempt at most, public weights. Attacks first."""

import threading
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_world import ANALYST, state_at, task_of

from federation.errors import (
    ConfigError,
    RequestRejectedError,
    SiteUnavailableError,
    UpdateRejectedError,
)
from federation.protocol.exchange import call
from federation.protocol.training_messages import Prepare, Ready, Start, UpdateSent
from federation.training import local_update, prepared_updates
from federation.training.optimizer import floats_of
from federation.training.prepared_updates import ORDERS_PER_ROUND, Prepared, PreparedUpdates
from federation.training.rounds.cohort_rules import buffer_mistakes
from federation.training.rounds.round_plan import plan_run
from federation.training.site_worker import TRAIN
from federation.training.strategies.buffered import WEIGHT
from federation.training.strategies.registry import STRATEGIES
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.noise import SystemSource

MADE = {
    "features": ("x", "k", "b"),
    "target": "y",
    "epsilon": 2,
    "rounds": 5,
    "expected_units": 200,
    "strategy": "buffered",
    "tick_s": "0.01",
}
A, B = ("east", "north", "south"), ("east", "north", "west")


def prepare(world, site, task, used=(), network=None):
    ask = Prepare(request=world.request(task), used_attempts=list(used))
    return call(network or world.network, site, TRAIN, ask, Ready, timeout_s=5)


def start(world, site, hand, used=()):
    message = Start(request=hand.request, entry=hand.entry, used_attempts=list(used))
    return call(world.network, site, TRAIN, message, UpdateSent, timeout_s=5)


def kept(world, site):
    return [run.prepared for run in world.trainers[site]._prepared._runs.values()]


# ---- P17: a sum is in one attempt at most


def test_p17_attack_the_difference_of_two_overlapping_cohorts_is_refused_its_second_sum(made):
    """East and north are in both cohorts: what they computed once is sent once, so no difference leaves south and west."""
    task = task_of(**MADE)
    first, second = made.attempt(task, cohort=A), made.attempt(task, attempt=1, cohort=B)
    for site in made.sites:
        prepare(made, site, task)
    for site in A:
        start(made, site, first)
    for site in ("east", "north"):
        with pytest.raises(SiteUnavailableError, match="no announced sum"):
            start(made, site, second)
        assert len(made.noted[site]) == 1
    start(made, "west", second)
    with pytest.raises(SiteUnavailableError):
        second.ask()
    first.ask()


def test_p17_every_prepared_sum_of_a_run_is_in_one_attempt(made, monkeypatch):
    taken = []
    original = PreparedUpdates.take

    def take(self, run, number):
        found = original(self, run, number)
        taken.append((found, number))
        return found

    monkeypatch.setattr(PreparedUpdates, "take", take)
    outcome = made.train(task_of(**MADE))
    assert len(outcome.history) == 5
    assert len(taken) == 15
    assert len({id(found) for found, _ in taken}) == 15
    assert all(found is not None for found, _ in taken)


def test_p17_two_sums_of_the_same_rows_differ_by_fresh_noise_of_both(made):
    task = task_of(**MADE)
    planned = made.plan(task).attempt(run="r", round_number=0, attempt=0, cohort=A)
    total = np.arange(made.plan(task).length) * 1000
    draws = [
        local_update.weighted_update(planned, total, 3, SystemSource())
        - local_update.weighted_update(planned, total, 3, SystemSource())
        for _ in range(100)
    ]
    assert np.var(draws) == pytest.approx(2 * planned.sigma2_local, rel=0.3)  # 500 values: five deviations


def test_p17_a_sum_that_was_taken_is_gone_even_if_its_attempt_is_not(made):
    """The note refuses the start: nothing was sent, and still the sum is in no later attempt."""
    task = task_of(**MADE)
    prepare(made, "east", task)
    made.trainers["east"]._note = lambda _: (_ for _ in ()).throw(LedgerRefusedError(reason="not signed"))
    with pytest.raises(LedgerRefusedError):
        start(made, "east", made.attempt(task, cohort=A))
    assert kept(made, "east") == [None]


# ---- P17: no sum below the smallest cohort


@pytest.mark.parametrize("cohort", [("east", "north"), ("east",), ("east", "north", "south", "west")])
def test_p17_a_cohort_of_another_size_than_the_buffer_is_refused(made, cohort):
    with pytest.raises(ConfigError, match="exactly 3 sites"):
        made.attempt(task_of(**MADE), cohort=cohort)


def test_p17_every_party_refuses_a_signed_entry_for_another_cohort(made):
    task = task_of(**MADE)
    prepare(made, "east", task)
    good = made.attempt(task, cohort=A)
    plan = made.plan(task)
    wide = replace(good.planned.manifest, cohort=made.sites, layout=replace(good.layout, contributors=4))
    body = made.body(task, good.request, replace(good.planned, manifest=wide))
    assert plan.buffer == 3
    good.entry = made.sign(body)
    with pytest.raises(RequestRejectedError, match="exactly 3 sites"):
        start(made, "east", good)
    for party in ("aggregator", "keyholder"):
        with pytest.raises(RequestRejectedError, match="exactly 3 sites"):
            made.agreement(party)(good.request, good.entry)


@pytest.mark.parametrize(
    ("changes", "terms", "says"),
    [
        ({}, {"colluding": 2}, "at least 2 more updates"),
        ({"buffer": 4}, {}, "need at least 5 sites"),
        ({"epsilon": None, "exact": True, "expected_units": None, "tick_s": 1}, {}, "need an epsilon"),
        ({"report_loss": True}, {}, "report_loss"),
    ],
)
def test_p17_what_a_buffer_cannot_do_is_refused_before_any_charge(made, changes, terms, says):
    with pytest.raises(ConfigError, match=says):
        plan_run(
            task_of(**(MADE | changes)),
            made.consortium.schema,
            replace(made.terms("patients"), **terms),
        )


def test_p17_three_sites_have_no_buffer(made):
    terms = replace(made.terms("patients"), sites=A)
    with pytest.raises(ConfigError, match="need at least 4 sites, and there are 3"):
        plan_run(task_of(**MADE), made.consortium.schema, terms)
    assert buffer_mistakes(4, colluding=1, exact=False, buffer=3) == []
    assert buffer_mistakes(3, colluding=2, exact=True, buffer=None) == []


def test_a_buffer_of_two_or_a_tick_of_nothing_is_refused():
    for bad in ({"buffer": 2}, {"tick_s": 0}, {"tick_s": -1}, {"buffer": "3"}, {"tick_s": float("nan")}):
        with pytest.raises(ConfigError):
            task_of(**(MADE | bad))


# ---- P14: replays, changed cohorts, late answers


def test_p14_a_repeated_start_gets_the_same_bytes_and_computes_nothing(made, monkeypatch):
    task = task_of(**MADE)
    hand = made.attempt(task, cohort=A)
    prepare(made, "east", task)
    sent = []
    monkeypatch.setattr(made.trainers["east"], "_deliver", lambda _, update: sent.append(update.ciphertexts))
    for _ in range(3):
        start(made, "east", hand)
        prepare(made, "east", task)  # a new sum does not get into the old attempt
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert len(made.noted["east"]) == 1


def test_p17_a_cohort_that_is_changed_after_the_masks_gets_no_update(made):
    """A second complete entry for the same attempt, with west in place of south."""
    task = task_of(**MADE)
    prepare(made, "east", task)
    start(made, "east", made.attempt(task, cohort=A))
    prepare(made, "east", task)
    other = made.attempt(task, cohort=B)
    with pytest.raises(SiteUnavailableError, match="no announced sum"):
        start(made, "east", other)
    assert len(made.noted["east"]) == 1


def test_p14_a_site_that_answers_late_opens_nothing_of_an_attempt_that_is_over(made):
    """South hears of the first attempt after the second was opened: aggregator and key holder refuse it, for ever."""
    task = task_of(**MADE)
    first, second = made.attempt(task, cohort=A), made.attempt(task, attempt=1, cohort=B)
    for site in made.sites:
        prepare(made, site, task)
    for site in ("east", "north"):
        start(made, site, first)
        prepare(made, site, task)
    for site in B:
        start(made, site, second)
    opened = second.ask()
    with pytest.raises(UpdateRejectedError, match="attempt 0 is old"):
        start(made, "south", first)
    with pytest.raises(UpdateRejectedError, match="answered before, or a later one was"):
        first.total()
    assert second.ask() == opened


def test_p14_an_attempt_below_the_last_one_gets_no_sum(made):
    task = task_of(**MADE)
    first, second = made.attempt(task, cohort=A), made.attempt(task, attempt=1, cohort=A)
    prepare(made, "east", task)
    start(made, "east", second)
    prepare(made, "east", task)
    with pytest.raises(SiteUnavailableError, match="no announced sum"):
        start(made, "east", first)
    assert len(made.noted["east"]) == 1


def test_a_start_without_a_prepared_sum_or_of_another_history_sends_nothing(made):
    task = task_of(**MADE)
    with pytest.raises(SiteUnavailableError, match="no announced sum"):
        start(made, "east", made.attempt(task, cohort=A))
    made.trainers["east"]._prepared.put(
        made.attempt(task, cohort=A).manifest.attempt.run, 0, Prepared(used=(1,), total=np.zeros(5, int))
    )
    with pytest.raises(SiteUnavailableError, match="no announced sum"):
        start(made, "east", made.attempt(task, round_number=1, cohort=A), used=(0,))
    assert made.noted["east"] == []


# ---- before the charge


def test_p17_only_the_analyst_of_an_accepted_request_has_a_sum_prepared(made):
    task, trainer = task_of(**MADE), made.trainers["east"]
    trainer._source_of = None  # no row is read
    with pytest.raises(RequestRejectedError, match="not accepted"):
        prepare(made, "east", task, network=made.networks["south"])
    trainer._accepted = lambda _: False
    with pytest.raises(RequestRejectedError, match="not accepted"):
        prepare(made, "east", task)
    trainer._accepted = lambda _: True
    plain = task_of(**{name: value for name, value in MADE.items() if name not in {"strategy", "tick_s"}})
    with pytest.raises(RequestRejectedError, match="prepares nothing"):
        prepare(made, "east", plain)
    assert kept(made, "east") == []


def test_p17_a_run_has_a_limited_number_of_orders(made):
    task = task_of(**(MADE | {"rounds": 1}))
    for _ in range(ORDERS_PER_ROUND):
        prepare(made, "east", task)
    with pytest.raises(RequestRejectedError, match="all its orders"):
        prepare(made, "east", task)


def test_p17_a_later_order_takes_the_place_of_an_earlier_one_whichever_ends_first():
    updates = PreparedUpdates()
    older = Prepared(used=(), total=np.zeros(2, int))
    newer = Prepared(used=(0,), total=np.zeros(2, int))
    first, second = updates.order("r", rounds=5), updates.order("r", rounds=5)
    updates.put("r", second, newer)
    updates.put("r", first, older)
    assert updates.take("r", (1, 0)) is newer
    updates.put("r", second, newer)
    updates.order("r", rounds=5)
    assert updates.take("r", (2, 0)) is None


@pytest.mark.parametrize(
    ("needed_s", "told_s"), [(0, 2), (0.001, 2), (1.999, 2), (2.5, 4), (3.999, 4), (9, 10)]
)
def test_p17_ready_is_told_at_a_tick_after_the_order_whatever_the_rows_need(monkeypatch, needed_s, told_s):
    now = [100.0 + needed_s]

    class Clock:
        @staticmethod
        def monotonic():
            return now[0]

    updates = PreparedUpdates()
    monkeypatch.setattr(prepared_updates, "time", Clock)
    monkeypatch.setattr(
        updates._closed, "wait", lambda left: now.__setitem__(0, now[0] + max(left, 1e-6)) and False
    )
    updates.wait_for_tick(100.0, Fraction(2))
    assert now[0] == pytest.approx(100 + told_s)


def test_the_answer_says_nothing_but_that_there_is_a_sum():
    assert Ready.__struct_fields__ == ()


def test_p19_a_prepared_sum_is_not_shown(made):
    prepare(made, "east", task_of(**MADE))
    assert repr(kept(made, "east")) == "[Prepared(after 0 rounds)]"


def test_a_trainer_that_ends_forgets_its_sums_and_waits_no_longer(made):
    task = task_of(**(MADE | {"tick_s": 600}))
    asked = threading.Thread(
        target=lambda: made.trainers["east"].prepare(
            Prepare(request=made.request(task), used_attempts=[]), sender=ANALYST
        )
    )
    asked.start()
    while not kept(made, "east"):
        time.sleep(0.001)
    made.trainers["east"].close()
    asked.join(10)
    assert not asked.is_alive()


# ---- public weights, priced at the largest


@given(st.integers(0, 10_000))
def test_law_a_weight_is_a_whole_number_that_falls_with_the_staleness(staleness):
    strategy = STRATEGIES["buffered"]
    weight, later = strategy.weight(staleness), strategy.weight(staleness + 1)
    assert 1 <= later <= weight <= strategy.largest_weight == WEIGHT
    assert weight == max(1, int(np.floor(16 / np.sqrt(1 + staleness) + 1e-12)))


def test_p17_the_noise_is_that_of_the_largest_weight_and_of_k_contributors(made):
    plan = made.plan(task_of(**MADE))
    planned = plan.attempt(run="r", round_number=4, attempt=0, cohort=B)
    event = planned.event
    assert (event.parties, event.colluding, event.count) == (3, 1, 1)
    assert event.l2 == plan.table.sites_per_unit(3) * WEIGHT * plan.l2_unit
    assert planned.sigma2_local == event.sigma2_local
    assert planned.manifest.layout.half_range >= WEIGHT * plan.clamp
    assert plan.epsilon_spent([event] * 5) <= 2


def test_p13_one_unit_moves_a_weighted_sum_within_the_priced_sensitivity(made):
    plan = made.plan(task_of(**MADE))
    *_, parts = made.pooled(plan)
    cases = parts[0]
    for theta in (np.zeros(5), np.array([3.0, -2.0, 1.0, 0.5, -1.0])):
        point = floats_of(state_at(plan, theta).parameters)
        whole = local_update.clamped_sum(plan, cases, point)
        fewer = replace(cases, matrix=cases.matrix[1:], target=cases.target[1:], starts=cases.starts[1:] - 1)
        moved = (whole - local_update.clamped_sum(plan, fewer, point)) * WEIGHT
        assert int((moved * moved).sum()) <= (WEIGHT * plan.l2_unit) ** 2


def test_p17_a_weight_follows_from_the_attempts_number_and_not_from_data(made, monkeypatch):
    monkeypatch.setattr(local_update, "discrete_gaussian", lambda _, n, __: np.zeros(n, np.int64))
    trainer, task = made.trainers["east"], task_of(**MADE)
    weights = []
    for rounds, weight in ((0, 16), (1, 11), (2, 9), (3, 8)):
        prepare(made, "east", task)
        (prepared,) = kept(made, "east")
        values = []
        trainer._encrypted.update = lambda given, *_, seen=values: seen.append(given)
        trainer._deliver = lambda *_: None
        hand = made.attempt(task, round_number=rounds, cohort=A)
        with pytest.raises(Exception):  # noqa: B017 - the exchanged encryption gives no update
            start(made, "east", hand, used=(0,) * rounds)
        weights.append(weight)
        assert (values[0] == weight * prepared.total).all()
    assert weights == [STRATEGIES["buffered"].weight(s) for s in range(4)]


def test_a_sum_without_noise_never_leaves(made):
    planned = made.plan(task_of(**MADE)).attempt(run="r", round_number=0, attempt=0, cohort=A)
    with pytest.raises(UpdateRejectedError, match="with noise only"):
        local_update.weighted_update(replace(planned, event=None), np.zeros(5, int), 1, SystemSource())


def test_the_step_is_that_of_plain_descent_in_finer_units(made):
    """A buffer of K fresh sums over a divisor of K of n sites: the oracle steps in floats."""
    plan = made.plan(task_of(**MADE))
    *_, parts = made.pooled(plan)
    point = floats_of(plan.start().parameters)
    sums = [local_update.clamped_sum(plan, cases, point) for cases in parts[:3]]
    state = plan.next(plan.start(), (WEIGHT * sum(sums)).tolist())
    matrix = np.vstack([cases.matrix for cases in parts[:3]])
    target = np.concatenate([cases.target for cases in parts[:3]])
    rows = (0.5 - target)[:, None] * matrix
    rows /= np.maximum(1, np.linalg.norm(rows, axis=1))[:, None]
    expected = -float(plan.task.learning_rate) * rows.sum(axis=0) / 150
    assert state.values() == pytest.approx(expected, abs=1e-4)
