"""The aggregator keeps ciphertexts of attempts in progress, and none of finished or abandoned ones."""

import itertools

import pytest
from training_world import task_of

from federation.aggregation.secure_sum import ABANDONED_S
from federation.errors import UpdateRejectedError
from federation.protocol.training_messages import UpdateReceipt

MADE = {"features": ("x", "k", "b"), "target": "y", "epsilon": 2, "rounds": 5, "expected_units": 200}
FRESH = itertools.count(1)


def kept(made):
    """Ciphertexts that the aggregator holds, of all runs."""
    return sum(len(collection.totals) for collection in made.aggregator._sums._collections.values())


def test_the_ciphertexts_of_a_sum_that_the_key_holder_has_are_dropped(made):
    for _ in range(3):
        hand = made.attempt(task_of(**MADE), nonce=next(FRESH))
        hand.all_in(range(len(made.sites)))
        assert kept(made) == 0
        assert hand.ask() == [sum(range(len(made.sites)))] * hand.layout.length


def test_a_finished_attempt_answers_equal_bytes_again_and_refuses_others(made, monkeypatch):
    hand = made.attempt(task_of(**MADE))
    updates = {site: hand.update() for site in made.sites}
    for site, update in updates.items():
        hand.post(site, update)
    monkeypatch.setattr(made.aggregator, "_forward", lambda *_: pytest.fail("sent twice"))
    for site, update in updates.items():
        assert hand.post(site, update) == UpdateReceipt(missing=[])
        with pytest.raises(UpdateRejectedError):
            hand.send(site, 2)
    assert kept(made) == 0


def test_an_abandoned_attempt_is_dropped_and_stays_spent(made):
    now = [0.0]
    made.aggregator._sums._clock = lambda: now[0]
    left = made.attempt(task_of(**MADE), nonce=next(FRESH))
    left.send(made.sites[0])
    other = made.attempt(task_of(**MADE), nonce=next(FRESH))
    now[0] = ABANDONED_S - 1
    other.send(made.sites[0])
    assert kept(made) == 2 * left.layout.count
    now[0] = ABANDONED_S + 1
    other.send(made.sites[1])
    assert kept(made) == other.layout.count
    with pytest.raises(UpdateRejectedError):
        left.send(made.sites[1])
    again = made.attempt(task_of(**MADE), round_number=0, attempt=1, nonce=next(FRESH))
    again.all_in(range(len(made.sites)))
    assert again.ask() == [sum(range(len(made.sites)))] * again.layout.length
