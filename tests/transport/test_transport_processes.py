"""Real processes that are killed and frozen in the middle of exchanges."""

import signal
import time

import pytest

from tests.smpc.pace import is_within
from tests.transport.party import Process, write_roster
from tests.transport.tls_world import PARTIES, fresh_id

SILENCE_S = 2.5


@pytest.fixture
def parties(world):
    write_roster(world)
    running = {name: Process(world, name, silence_s=SILENCE_S) for name in PARTIES}
    try:
        addresses = {name: party.hear()["address"] for name, party in running.items()}
        for party in running.values():
            party.tell(**addresses)
        yield running
    finally:
        for party in running.values():
            party.end()


def begin(parties, names=PARTIES, *, rounds=-1, n_bytes=1000, deadline_s=10.0):
    session_id = fresh_id().hex()
    for name in names:
        parties[name].tell(id=session_id, names=names, rounds=rounds, bytes=n_bytes, deadline_s=deadline_s)
    if rounds < 0:
        assert all(parties[name].hear() == {"running": True} for name in names)


def check_the_rest_goes_on(parties):
    begin(parties, ("ankara", "cairo"), rounds=5)
    for name in ("ankara", "cairo"):
        assert len(parties[name].hear()["times"]) == 5


@pytest.mark.parametrize("n_bytes", [8, 3_000_000])
def test_a_killed_party_is_named_by_all_within_a_second(parties, n_bytes):
    begin(parties, n_bytes=n_bytes)
    killed_at = time.monotonic()
    parties["basel"].child.kill()
    for name in ("ankara", "cairo"):
        outcome = parties[name].hear()
        assert (outcome["error"], outcome["name"]) == ("PartyLostError", "basel")
        assert is_within(outcome["at"] - killed_at, 1.0)
    check_the_rest_goes_on(parties)


def test_a_frozen_party_is_named_when_its_heartbeat_is_missed(parties):
    begin(parties)
    frozen_at = time.monotonic()
    parties["basel"].child.send_signal(signal.SIGSTOP)
    for name in ("ankara", "cairo"):
        outcome = parties[name].hear()
        assert (outcome["error"], outcome["name"]) == ("PartyLostError", "basel")
        assert outcome["at"] - frozen_at > SILENCE_S / 2
        assert is_within(outcome["at"] - frozen_at, SILENCE_S + 1.0)
    check_the_rest_goes_on(parties)
    parties["basel"].child.send_signal(signal.SIGCONT)
    assert parties["basel"].hear()["error"] in {"PartyLostError", "PeerRejectedError"}
    begin(parties, rounds=3)
    assert all(len(parties[name].hear()["times"]) == 3 for name in PARTIES)


def test_a_frozen_party_is_named_at_the_deadline_of_the_exchange(parties):
    begin(parties, deadline_s=1.0)
    frozen_at = time.monotonic()
    parties["basel"].child.send_signal(signal.SIGSTOP)
    for name in ("ankara", "cairo"):
        outcome = parties[name].hear()
        assert outcome["name"] == "basel"
        assert is_within(outcome["at"] - frozen_at, SILENCE_S)


@pytest.mark.slow  # of an idle machine
def test_a_small_round_takes_well_under_a_millisecond_between_processes(parties):
    begin(parties, ("ankara", "basel"), rounds=2000, n_bytes=8)
    times = parties["ankara"].hear()["times"]
    parties["basel"].hear()
    # A party may find the next frame there already, so single rounds mean little: blocks of 100, the quietest one.
    assert min(sum(times[place : place + 100]) for place in range(0, 2000, 100)) / 100 < 0.001
