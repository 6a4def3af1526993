"""An analyst with many parallel channels neither delays other analysts nor runs one charge twice."""

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from hospitals import BY_SEX, NAMES, in_threads
from visits import SEQUENCER, entry_of, runs_held, share_of, to_all, withdraw

from federation.consortium.limits import Limits
from federation.errors import RequestRejectedError, SiteBusyError, SiteUnavailableError
from federation.node.admission import queries as admission
from federation.node.admission.concurrency import ConcurrencyLimit
from federation.node.execution.prepared_sessions import PreparedSessions
from federation.protocol.messages import Charged, Share
from federation.protocol.request import request_hash
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.entries import Entry
from tests.federation.failures.test_federation_attacks import COUNT, ran, request_of, signed

N_QUESTIONS = 10
SOON_S = 20.0  # below the deadline of 30 s, which every site would have waited


@pytest.fixture(scope="module")
def world():
    with in_threads() as opened:
        yield opened


def far_ahead(data):
    """An entry as of much later, with signatures that are about another one."""
    entry = Entry.from_bytes(data)
    body = dataclasses.replace(entry.body, number=entry.body.number + 1000)
    return Entry(data=body.to_bytes(), body=body, signatures=entry.signatures).to_bytes()


def test_an_entry_that_a_site_never_signed_is_not_waited_for(world):
    """The attack: sixteen lines present an invented entry, and keep every place in use until the deadline, for nothing."""
    _, data, _ = ran(world)
    ask = signed(world, request_of(world).to_bytes())
    begin = time.monotonic()
    for name in NAMES[1:]:
        with pytest.raises(LedgerRefusedError), world._pool.question([name]) as lines:
            to_all(lines, ask, names=[name])
            lines.ask_one(name, Charged(entry=far_ahead(data)), Share, timeout_s=60)
    assert time.monotonic() - begin < SOON_S


def test_a_charged_query_runs_however_many_others_are_asked(world, monkeypatch):
    """The attack: make a site forget a request between its proposal and its run, so that it is spent for nothing."""
    monkeypatch.setattr(admission, "CACHED", 3)
    with world._pool.question(NAMES) as lines, runs_held(world) as go:
        to_all(lines, signed(world, request_of(world).to_bytes()))
        entry_of(lines)
        for _ in range(4):
            other = signed(world, request_of(world).to_bytes())
            with world._pool.question(NAMES[1:]) as others:
                to_all(others, other, names=NAMES[1:])
                for name in NAMES[1:]:
                    withdraw(others, name)
        go.set()
        assert all(share_of(lines, name) for name in NAMES)


@pytest.mark.parametrize(
    "changes", [{}, {"mode": "exact", "question": {"sql": BY_SEX}}], ids=["private", "exact"]
)
def test_one_of_many_channels_racing_for_the_answer_gets_it(world, changes):
    ask = signed(world, request_of(world, **changes).to_bytes())
    n_lines = 6
    gate = threading.Barrier(n_lines * len(NAMES))

    def race(name):
        with world._pool.question([name]) as own:
            gate.wait(20)
            try:
                to_all(own, ask, names=[name])
                if name == SEQUENCER:
                    entry_of(own, timeout_s=30)
                return share_of(own, name)
            except (LedgerRefusedError, RequestRejectedError) as error:
                assert "entered before" in str(error) or "another channel" in str(error)  # noqa: PT017
                return None

    with ThreadPoolExecutor(n_lines * len(NAMES)) as pool:
        found = {name: [pool.submit(race, name) for _ in range(n_lines)] for name in NAMES}
        shares = {
            name: [share for each in futures if (share := each.result()) is not None]
            for name, futures in found.items()
        }
    assert {name: len(own) for name, own in shares.items()} == dict.fromkeys(NAMES, 1)


# -- places ------------------------------------------------------------------------------------------------------


def test_one_analyst_cannot_keep_all_reservations_by_idle_requests():
    slots = ConcurrencyLimit(site="anna", limit=4, clock=lambda: 0.0)
    kept = [slots.reserve("mallory") for _ in range(4)]
    first = slots.reserve("alice")
    second = slots.reserve("bob")
    assert [slot.is_reserved for slot in kept] == [False, False, True, True]
    assert first.is_reserved
    assert second.is_reserved
    with pytest.raises(SiteUnavailableError):
        slots.reserve("mallory")  # the analyst with the most takes no other's
    third = slots.reserve("carol")
    assert third.is_reserved
    with pytest.raises(SiteUnavailableError):
        slots.reserve("dora")  # each has one: none gives way
    with pytest.raises(SiteUnavailableError):
        slots.reserve("alice")


def test_what_runs_keeps_its_place_whoever_asks():
    slots = ConcurrencyLimit(site="anna", limit=2, clock=lambda: 0.0)
    first, second = slots.reserve("mallory"), slots.reserve("mallory")
    with first.running(), second.running(), pytest.raises(SiteUnavailableError):
        slots.reserve("alice")
    assert slots.reserve("alice").is_reserved


def test_reservations_are_counted_for_each_analyst():
    slots = ConcurrencyLimit(site="anna", limit=3, clock=lambda: 0.0)
    running, waiting, other = slots.reserve("mallory"), slots.reserve("mallory"), slots.reserve("bob")
    with running.running():
        assert slots.reserve("alice").is_reserved
        assert not waiting.is_reserved
        assert other.is_reserved
        with pytest.raises(SiteUnavailableError):
            slots.reserve("carol")  # mallory holds one, and that one runs


def test_an_analyst_holding_all_reservations_does_not_block_another(private_world):
    slots = private_world.nodes["hungary"]._services.queries._states.places
    taken = [slots.reserve("mallory") for _ in range(Limits().sessions)]
    assert private_world.sql(COUNT, epsilon=0.01, fresh=True).rows
    for slot in taken:
        slot.release()


def places(world):
    return [node._services.queries._states.places for node in world.nodes.values()]


def wait_for(condition):
    ends_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_more_queries_than_reservations_are_all_answered(world, caplog):
    """The fault: of 2,113 questions 878 were refused, because all places were in use."""
    for slots in places(world):
        slots._limit = 2
    try:
        with ThreadPoolExecutor(N_QUESTIONS) as pool:
            answers = list(pool.map(lambda _: world.sql(BY_SEX, exact=True).rows[0][1], range(N_QUESTIONS)))
    finally:
        for slots in places(world):
            slots._limit = Limits().sessions
    assert answers == [194] * N_QUESTIONS
    assert "2 questions are in progress here" in caplog.text
    assert "waiting for a reservation, 60 s at most" in caplog.text
    assert not any(slots._waiting for slots in places(world))


def test_a_query_proposed_beside_a_refused_one_is_answered(world, monkeypatch):
    """The fault: the withdrawal closed a session that the next proposal, of the same entry, used again."""
    asks = [
        signed(world, request_of(world, mode="exact", question={"sql": BY_SEX}).to_bytes()) for _ in range(3)
    ]
    refused = request_hash(asks[2].request)
    ran(world)  # the ledger of the sequencer is open
    chain = world.nodes[SEQUENCER].chain
    states = world.nodes["hungary"]._services.queries._states
    admit, tried = states.admit, []

    def busy(known, **details):
        tried.append(known.planned.digest)
        if known.planned.digest == refused:
            raise SiteBusyError(site="hungary", reason="no place")
        return admit(known, **details)

    monkeypatch.setattr(states, "admit", busy)
    now = chain._replica.core.clock()
    monkeypatch.setattr(chain._replica.core, "clock", lambda: now)
    with ExitStack() as stack:
        lines = [stack.enter_context(world._pool.question(NAMES)) for _ in asks]
        with chain._sequencer.turn:
            to_all(lines[0], asks[0])
            # what was taken before this test is done: wait for the first of these
            wait_for(lambda: any(not each.done.is_set() for each in chain._submissions._taken))
            for own, ask in zip(lines[1:], asks[1:], strict=True):
                n_waiting = len(chain._submissions)
                to_all(own, ask)
                wait_for(lambda n=n_waiting: len(chain._submissions) == n + 1)
        for own in lines[:2]:
            entry_of(own)
            assert all(share_of(own, name) for name in NAMES)
        with pytest.raises(SiteBusyError):
            entry_of(lines[2])
        for name in set(NAMES) - {SEQUENCER}:  # they still wait; another test uses these channels
            withdraw(lines[2], name)
    assert refused in tried
    assert len(tried) == 4  # one alone, two together, the one that was not refused once more


def test_a_waiting_query_holds_no_reservation_at_other_sites(world):
    """Two clients that wait for each other's places would wait for ever."""
    first, *others = places(world)
    taken = [first.reserve("other") for _ in range(Limits().sessions)]
    runs = [slot.running() for slot in taken]
    for run in runs:
        run.__enter__()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(lambda: world.sql(BY_SEX, exact=True).rows[0][1])
        wait_for(lambda: first._waiting)
        wait_for(lambda: not any(slots._reserved for slots in others))
        for run in runs:
            run.__exit__(None, None, None)
        assert answer.result(30) == 194


def test_a_query_without_reservation_is_refused_with_the_limit(world, monkeypatch):
    monkeypatch.setattr(world._queue, "patience_s", 0.4)
    slots = world.nodes["hungary"]._services.queries._states.places
    taken = [slots.reserve("analyst") for _ in range(Limits().sessions)]
    with pytest.raises(
        SiteUnavailableError, match=r"hungary.*limits.sessions; the site had no capacity within 0.4 s"
    ):
        world.sql(BY_SEX, exact=True)
    for slot in taken:
        slot.release()
    assert not any(each._reserved for each in places(world))


# -- sessions that wait for their run ----------------------------------------------------------------------------


class Held:
    """Looks like a session that holds material."""

    def __init__(self):
        self.mesh = self

    def close(self, error=None):
        self.error = error


def test_sessions_that_wait_for_their_run_hold_no_more_than_one_session_may():
    """The attack: have questions charged one after the other, each with much material, and run none of them."""
    meetings = PreparedSessions(patience_s=30, most_bytes=1000)
    calls = []

    def opening(number):
        return lambda: calls.append(number) or Held()

    for number, n_bytes in enumerate([600, 600, 400, 1, 0]):
        meetings.prepare(bytes([number]) * 32, opening(number), n_bytes)
    found = [meetings.take(bytes([number]) * 32) is not None for number in range(5)]
    assert found == [True, False, True, False, True]
    assert sorted(calls) == [0, 2, 4]
    meetings.prepare(b"\7" * 32, opening(7), 1000)  # what was attended is held no more
    assert meetings.take(b"\7" * 32) is not None
    meetings.close()


def test_a_node_without_memory_prepares_no_session_and_still_answers(world):
    node = world.nodes["hungary"]
    before, node._prepared_sessions._most_bytes = node._prepared_sessions._most_bytes, 1
    try:
        opened = []
        real, node._prepared_sessions._hold = (
            node._prepared_sessions._hold,
            lambda *_: opened.append(1),
        )
        try:
            assert world.sql(BY_SEX, exact=True).rows[0][1] == 194
        finally:
            node._prepared_sessions._hold = real
        assert opened == []
    finally:
        node._prepared_sessions._most_bytes = before
    assert node._prepared_sessions._most_bytes == node._admission.limits.session_bytes
