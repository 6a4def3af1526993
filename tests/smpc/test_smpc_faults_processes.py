"""Sites and dealer as processes that are really killed and really stopped, at each exchange in turn."""

import signal
import time

import pytest

from smpc.simulator import DEALER, party_names
from tests.smpc.every_operation import OPERATIONS, n_exchanges
from tests.smpc.party import Parties

SILENCE_S = 2.5
LONG_S = 20.0
NAMED_S = 1.0  # a killed process, as soon as its connections close
TORCH = {
    name for name in OPERATIONS if name.startswith("products.")
}  # the same exchanges, seconds of loading


@pytest.fixture(scope="module")
def parties(tmp_path_factory):
    with Parties(tmp_path_factory.mktemp("parties"), party_names(3), DEALER, silence_s=SILENCE_S) as running:
        yield running


def named(parties, others, victim, since, limit_s, at):
    """Everybody else names the victim in time, and has begun no exchange after the one that failed."""
    for other in others:
        outcome = parties.running[other].hear()
        assert outcome.get("name") == victim, (other, outcome)
        assert outcome["error"] == "PartyLostError"
        assert outcome["at"] - since < limit_s
        if other != DEALER:
            assert outcome["exchanges"] <= at + 1


def kill(parties, operation, n, at):
    victim = party_names(n)[at % n]
    names = parties.begin(operation, n, deadline_s=LONG_S, held=victim, at=at)
    killed_at = parties.held(victim, signal.SIGKILL)
    others = [name for name in names if name != victim]
    named(parties, others, victim, killed_at, NAMED_S, at)
    parties.running[DEALER].hear()  # done with its part, or a loss as well
    parties.restart(victim)


def stop(parties, operation, n, at):
    victim = party_names(n)[at % n]
    names = parties.begin(operation, n, deadline_s=LONG_S, held=victim, at=at)
    stopped_at = parties.held(victim, signal.SIGSTOP)
    others = [name for name in names if name != victim]
    named(parties, others, victim, stopped_at, SILENCE_S + NAMED_S, at)
    parties.running[DEALER].hear()
    parties.running[victim].child.send_signal(signal.SIGCONT)
    # who is late at the opening finds the others' summands there: they were sent before anybody could know
    assert ("error" in parties.running[victim].hear()) or at == n_exchanges(operation, n) - 1


@pytest.mark.parametrize("strike", [kill, stop])
def test_a_site_that_is_killed_or_stopped_is_named_and_the_next_session_works(parties, strike):
    operation = "comparison.equals"
    for at in range(n_exchanges(operation, 3)):
        strike(parties, operation, 3, at)
    assert parties.run(operation, 3) == [[0, 0, 1, 0]] * 3


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("strike", [kill, stop])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("operation", sorted(set(OPERATIONS) - TORCH))
def test_every_operation_at_every_exchange(parties, strike, n, operation):
    for at in range(n_exchanges(operation, n)):
        strike(parties, operation, n, at)
    first, *others = parties.run(operation, n)
    assert all(other == first for other in others)


def test_a_dealer_killed_before_or_in_the_middle_of_its_part_is_named(parties):
    """Before it heard the list (0), and with the list before it answers (1)."""
    for at in (0, 1):
        parties.begin("comparison.equals", 3, deadline_s=LONG_S, held=DEALER, at=at)
        killed_at = parties.held(DEALER, signal.SIGKILL)
        named(parties, party_names(3), DEALER, killed_at, NAMED_S, 1)
        parties.restart(DEALER)
        assert parties.run("comparison.equals", 3) == [[0, 0, 1, 0]] * 3


def test_a_stopped_dealer_is_named_when_its_heartbeat_is_missed(parties):
    parties.begin("comparison.equals", 3, deadline_s=LONG_S, held=DEALER, at=1)
    stopped_at = parties.held(DEALER, signal.SIGSTOP)
    named(parties, party_names(3), DEALER, stopped_at, SILENCE_S + NAMED_S, 1)
    parties.running[DEALER].child.send_signal(signal.SIGCONT)
    parties.running[DEALER].hear()  # it may not notice that its answer goes nowhere
    assert parties.run("comparison.equals", 3) == [[0, 0, 1, 0]] * 3


@pytest.mark.parametrize("at", [2, 4])
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
