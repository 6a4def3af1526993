"""Sites and dealer as processes, killed or stopped by real signals at an exchange.

In every run at some exchanges of one operation; at each exchange of every operation in ``make slow-processes``.
"""

import functools
import signal
import time

import numpy as np
import pytest

from smpc.simulator import DEALER, FaultKind, party_names
from tests.smpc.every_operation import OPERATIONS, n_exchanges
from tests.smpc.fault_walk import finds_all, same, stops, struck, undisturbed
from tests.smpc.joint import THREE_OF_FOUR
from tests.smpc.pace import deadline_s
from tests.smpc.party import Parties

SILENCE_S = 2.5
LONG_S = 20.0
NAMED_S = 1.0  # at least: a killed process, as soon as its connections close
TORCH = {
    name for name in OPERATIONS if name.startswith("products.")
}  # the same exchanges, seconds of loading
WAITING = dict.fromkeys(party_names(3), 1)  # for the dealer's answer
OF_SITES = (  # a hand-over alone, openings of ring elements, of masked words and planes, a shuffle, many of all
    "inputs.contribute",
    "arithmetic.multiply",
    "comparison.equals",
    "sorting.shuffle",
    "sorting.sort",
)


@pytest.fixture(scope="module")
def parties(tmp_path_factory):
    with Parties(tmp_path_factory.mktemp("parties"), party_names(4), DEALER, silence_s=SILENCE_S) as running:
        yield running


@functools.lru_cache(maxsize=None, typed=True)
def in_memory(operation, n):
    return undisturbed(operation, n)


def named(parties, others, victim, since, limit_s, ends):
    """Everybody else names the victim in so many seconds and little more, and begins no exchange after the failed one."""
    for other in others:
        outcome = parties.running[other].hear()
        assert outcome.get("name") == victim, (other, outcome)
        assert outcome["error"] == "PartyLostError"
        took_s = outcome["at"] - since
        assert took_s < limit_s + NAMED_S or took_s < limit_s + deadline_s(NAMED_S, at_once=4)
        if other != DEALER:
            assert outcome["exchanges"] <= ends[other] + 1


def strike_at(parties, operation, fault, n, number, limit_s):
    """Hold a site at an exchange, kill or stop it there, and hear the others name it."""
    ends = stops(fault, in_memory(operation, n))
    names = parties.begin(operation, n, deadline_s=LONG_S, held=fault.party, at=fault.at_round)
    since = parties.held(fault.party, number)
    named(parties, [name for name in names if name != fault.party], fault.party, since, limit_s, ends)
    if DEALER in parties.members(n):
        parties.running[DEALER].hear()  # done with its part, or a loss as well


def kill(parties, operation, n, at, turn=0):
    fault = struck(n, at, FaultKind.KILL, turn)
    strike_at(parties, operation, fault, n, signal.SIGKILL, 0)
    parties.restart(fault.party)


def stop(parties, operation, n, at, turn=0):
    fault = struck(n, at, FaultKind.FREEZE, turn)
    strike_at(parties, operation, fault, n, signal.SIGSTOP, SILENCE_S)
    parties.running[fault.party].child.send_signal(signal.SIGCONT)
    outcome = parties.running[fault.party].hear()
    # who is late at the opening finds the others' summands there: they were sent before anybody could know
    assert "error" in outcome or finds_all(fault, in_memory(operation, n)), outcome
    if "result" in outcome:
        same(operation, outcome["result"], in_memory(operation, n).results[fault.party])


def walk(parties, strike, operation, n, turn=0, at_most=None):
    """Strike at each exchange, or at so many of them evenly over the operation."""
    n_all = n_exchanges(operation, n)
    for at in range(n_all) if at_most is None else np.linspace(0, n_all - 1, at_most).astype(int).tolist():
        strike(parties, operation, n, at, turn)
    whole = in_memory(operation, n)
    for name, result in zip(whole.names, parties.run(operation, n), strict=True):
        same(operation, result, whole.results[name])


@pytest.mark.parametrize("strike", [kill, pytest.param(stop, marks=pytest.mark.slow)])
def test_a_site_that_is_killed_or_stopped_is_named_and_the_next_session_works(parties, strike):
    walk(parties, strike, "comparison.equals", 3, at_most=2)
    assert parties.run("comparison.equals", 3) == [[0, 0, 1, 0]] * 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("strike", [kill, stop])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - TORCH))
def test_every_operation_at_every_exchange(parties, strike, n, operation):
    walk(parties, strike, operation, n)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("strike", [kill, stop])
@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("operation", OF_SITES)
def test_any_site_lost_without_a_dealer_at_any_exchange(parties, strike, turn, operation):
    walk(parties, strike, operation, THREE_OF_FOUR, turn)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("strike", [kill, stop])
@pytest.mark.parametrize("operation", ["crypten.mul", "communicator.gather", "communicator.broadcast"])
def test_cryptens_calls_at_every_exchange(parties, strike, operation):
    walk(parties, strike, operation, 3)


def test_a_dealer_killed_before_or_in_the_middle_of_its_part_is_named(parties):
    """Before it heard the list (0), and with the list before it answers (1)."""
    for at in (0, 1):
        parties.begin("comparison.equals", 3, deadline_s=LONG_S, held=DEALER, at=at)
        killed_at = parties.held(DEALER, signal.SIGKILL)
        named(parties, party_names(3), DEALER, killed_at, 0, WAITING)
        parties.restart(DEALER)
        assert parties.run("comparison.equals", 3) == [[0, 0, 1, 0]] * 3


def test_a_stopped_dealer_is_named_when_its_heartbeat_is_missed(parties):
    parties.begin("comparison.equals", 3, deadline_s=LONG_S, held=DEALER, at=1)
    stopped_at = parties.held(DEALER, signal.SIGSTOP)
    named(parties, party_names(3), DEALER, stopped_at, SILENCE_S, WAITING)
    parties.running[DEALER].child.send_signal(signal.SIGCONT)
    parties.running[DEALER].hear()  # it may not notice that its answer goes nowhere
    assert parties.run("comparison.equals", 3) == [[0, 0, 1, 0]] * 3


@pytest.mark.parametrize("at", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_dealer_killed_after_it_has_delivered_is_not_missed(parties, at):
    """A site is held at a later exchange while the dealer dies; the session needs it no more."""
    parties.begin("comparison.equals", 3, deadline_s=LONG_S, held="bob", at=at)
    assert parties.running[DEALER].hear() == {"batches": 1}
    assert parties.running["bob"].hear() == {"held": True}
    parties.running[DEALER].child.kill()
    time.sleep(0.3)  # the others wait for bob, and hear of the dealer's end meanwhile
    parties.running["bob"].child.send_signal(signal.SIGCONT)
    assert [parties.running[name].hear().get("result") for name in party_names(3)] == [[0, 0, 1, 0]] * 3
    parties.restart(DEALER)
    assert parties.run("comparison.equals", 3) == [[0, 0, 1, 0]] * 3
