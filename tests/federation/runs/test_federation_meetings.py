"""Prepared sessions: opened while the charge is signed, with keys and material only, used once, and never kept for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hospitals import BY_SEX, NAMES, in_threads
from visits import entry_of, runs_held, share_of, to_all

from analytics.mining import bitmaps
from federation.errors import PolicyRefusedError
from federation.network.in_memory import MemoryExchange
from federation.node.execution.prepared_sessions import PreparedSessions
from privacy_accounting.errors import BudgetExceededError
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.mesh import Step
from tests.federation.failures.test_federation_attacks import COUNT, request_of, signed

ID = bytes(range(32))


class FakeMesh:
    def __init__(self):
        self.errors = []

    def close(self, error=None):
        self.errors.append(error)


class FakeSession:
    def __init__(self):
        self.mesh = FakeMesh()


@pytest.fixture
def meetings():
    found = PreparedSessions(patience_s=30)
    yield found
    found.close()


def until(condition):
    ends_at = time.monotonic() + 10
    while not condition() and time.monotonic() < ends_at:
        time.sleep(0.005)
    assert condition()


def test_what_was_not_expected_is_not_there(meetings):
    assert meetings.take(ID) is None


def test_an_expected_session_is_attended_once(meetings):
    opened = FakeSession()
    meetings.prepare(ID, lambda: opened)
    assert meetings.take(ID) is opened
    assert meetings.take(ID) is None
    assert opened.mesh.errors == []


def test_a_session_is_opened_once_however_often_it_is_expected(meetings):
    calls = []

    def opening():
        calls.append(1)
        return FakeSession()

    for _ in range(5):
        meetings.prepare(ID, opening)
    meetings.take(ID)
    assert calls == [1]


def test_the_run_waits_until_the_session_is_open(meetings):
    gate = threading.Event()

    def slow():
        gate.wait(10)
        return FakeSession()

    meetings.prepare(ID, slow)
    threading.Timer(0.1, gate.set).start()
    assert meetings.take(ID) is not None
    assert gate.is_set()


def test_an_error_of_preparation_is_raised_when_the_run_takes_the_session(meetings):
    def lost():
        raise PartyLostError(name="hungary")

    meetings.prepare(ID, lost)
    with pytest.raises(PartyLostError, match="hungary"):
        meetings.take(ID)


def test_an_unused_prepared_session_is_closed():
    meetings = PreparedSessions(patience_s=0.05)
    opened = FakeSession()
    meetings.prepare(ID, lambda: opened)
    until(lambda: opened.mesh.errors)
    assert isinstance(opened.mesh.errors[0], PeerRejectedError)
    assert meetings.take(ID) is None
    meetings.close()


def test_a_withdrawn_session_is_closed_soon():
    prepared = PreparedSessions(patience_s=60, void_s=0.05)
    opened = FakeSession()
    prepared.prepare(ID, lambda: opened)
    prepared.discard(ID)
    until(lambda: opened.mesh.errors)
    assert prepared.take(ID) is None
    prepared.close()


def test_a_session_of_an_entry_proposed_again_in_the_same_bytes_stays_open():
    prepared = PreparedSessions(patience_s=60, void_s=0.2)
    opened, calls = FakeSession(), []

    def opening():
        calls.append(1)
        return opened

    prepared.prepare(ID, opening)
    prepared.discard(ID)
    prepared.prepare(ID, opening)
    time.sleep(0.4)
    assert prepared.take(ID) is opened
    assert calls == [1]
    assert opened.mesh.errors == []
    prepared.close()


def test_too_many_at_once_are_left_to_their_runs():
    meetings = PreparedSessions(patience_s=30, most=2)
    for number in range(5):
        meetings.prepare(bytes([number]) * 32, FakeSession)
    assert [meetings.take(bytes([number]) * 32) is None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    meetings.close()


def test_closing_leaves_no_thread_and_no_waiting_connection():
    meetings = PreparedSessions(patience_s=60)
    opened = FakeSession()
    meetings.prepare(ID, lambda: opened)
    until(lambda: len(meetings) == 1)
    meetings.close()
    assert opened.mesh.errors
    assert not [thread for thread in threading.enumerate() if thread.name == "prepared-session"]
    meetings.prepare(ID, FakeSession)
    assert meetings.take(ID) is None


def test_a_session_is_opened_once_in_memory_as_over_tls():
    exchange = MemoryExchange()
    nodes = {name: exchange.network(name, "site") for name in ("anna", "ben", "carl")}
    with ThreadPoolExecutor(9) as pool:
        tries = [
            pool.submit(node.open_mesh, ID, bytes(32), tuple(nodes), None)
            for node in nodes.values()
            for _ in range(3)
        ]
    errors = [found.exception() for found in tries]
    assert sum(error is None for error in errors) == 3
    assert all(isinstance(error, PeerRejectedError) for error in errors if error is not None)


# -- in a consortium ---------------------------------------------------------------------------------------------


def waiting(session):
    return [len(session.nodes[name]._prepared_sessions) for name in NAMES]


@pytest.mark.parametrize(
    "kind", [{}, {"mode": "exact", "question": {"sql": BY_SEX}}], ids=["private", "guarded"]
)
def test_before_the_run_only_keys_and_request_lists_are_sent(private_world, kind):
    session, sent = private_world, []
    for name in NAMES:
        network = session.nodes[name].network
        real = network.open_mesh

        def watched(*arguments, real=real, **named):
            mesh = real(*arguments, **named)
            exchange = mesh.exchange

            def noted(step, outgoing, expected):
                sent.append(Step(step))
                return exchange(step, outgoing, expected)

            mesh.exchange = noted
            return mesh

        network.open_mesh = watched
    data = request_of(session, **kind).to_bytes()
    with session._pool.question(session.consortium.names) as lines, runs_held(session) as go:
        to_all(lines, signed(session, data))
        entry_of(lines)
        until(lambda: waiting(session) == [1] * len(NAMES))
        until(lambda: len(sent) >= len(NAMES))
        time.sleep(0.2)
        assert set(sent) <= {Step.KEYS, Step.MATERIAL}
        before = len(sent)
        go.set()
        assert all(share_of(lines, name) for name in NAMES)
    assert waiting(session) == [0] * len(NAMES)
    if kind:
        assert set(sent[before:]) - {Step.KEYS, Step.MATERIAL}
    else:
        assert sent[before:] == []  # the answer goes to the analyst alone


def test_a_session_of_a_withdrawn_proposal_is_closed_and_disturbs_no_other(private_world):
    """One site refuses; the others have signed, and opened the session as far as they can."""
    session = private_world
    admission = session.nodes["va_long_beach"]._admission
    agreed, admission.policy = admission.policy, admission.policy.model_copy(update={"analysts": ["bob"]})
    discarded = []
    for name in NAMES:
        prepared = session.nodes[name]._prepared_sessions
        prepared.discard = lambda found, real=prepared.discard: (discarded.append(found), real(found))
    with pytest.raises(PolicyRefusedError):
        session.sql(COUNT, epsilon=0.1)
    admission.policy = agreed
    until(lambda: len([found for found in discarded if found]) == len(NAMES) - 1)
    assert session.sql(COUNT, epsilon=0.1).rows


def test_a_refused_request_is_expected_nowhere(private_world):
    session = private_world
    with pytest.raises(PolicyRefusedError):
        session.sql(COUNT, epsilon=1000)
    with pytest.raises(BudgetExceededError):
        for _ in range(100):
            session.sql(COUNT, epsilon=29)
    assert waiting(session) == [0] * len(NAMES)


def test_a_session_of_a_replaced_charge_serves_no_other(private_world):
    """Two questions in one proposal, of which one site refuses the first: the second is entered anew, in a session of its own."""
    session, used, sent = private_world, {}, {}
    session.sql(COUNT, epsilon=0.01)  # the sequencer has read the others' ledgers, and waits for work
    hungary, cleveland = session.nodes["hungary"], session.nodes["cleveland"]
    judge = hungary.chain._admit

    def strict(body):
        if body.content.asked.purpose == "unwanted":
            raise PolicyRefusedError(site="hungary", rule="policy.purposes: unwanted")
        judge(body)

    hungary.chain._admit = strict
    for name in NAMES:
        network, real = session.nodes[name].network, session.nodes[name].network.open_mesh

        def watched(session_id, *more, real=real, name=name):
            mesh = real(session_id, *more)
            exchange = mesh.exchange

            def noted(step, outgoing, expected):
                sent.setdefault((name, session_id), []).append(Step(step))
                return exchange(step, outgoing, expected)

            mesh.exchange = noted
            return mesh

        network.open_mesh = watched
        meetings, attend = session.nodes[name]._prepared_sessions, session.nodes[name]._prepared_sessions.take

        def attended(session_id, attend=attend, name=name):
            used.setdefault(name, []).append(session_id)
            return attend(session_id)

        meetings.take = attended

    exact = {"mode": "exact", "question": {"sql": BY_SEX}}
    asks = [
        signed(session, request_of(session, purpose=purpose, **exact).to_bytes())
        for purpose in ("unwanted", "wanted")
    ]
    held_up, agree_on = threading.Event(), cleveland.chain._agree_on
    cleveland.chain._agree_on = lambda submissions: (held_up.set(), agree_on(submissions))
    outcomes, waiting = {}, cleveland.chain._submissions
    with session._pool.question(NAMES) as first:
        with cleveland.chain._sequencer.turn:
            # the sequencer is held up by a question before these two, which therefore wait together
            to_all(first, signed(session, request_of(session).to_bytes()))
            assert held_up.wait(10)

            def ask_for(place):
                with session._pool.question(NAMES) as lines:
                    to_all(lines, asks[place])
                    try:
                        entry_of(lines)
                        outcomes[place] = [share_of(lines, name) for name in NAMES]
                    except PolicyRefusedError as error:
                        outcomes[place] = error
                        lines.release(NAMES[1:], 5)

            threads = [threading.Thread(target=ask_for, args=(place,)) for place in (0, 1)]
            for place, thread in enumerate(threads):
                thread.start()
                until(lambda place=place: len(waiting) == place + 1)
        entry_of(first)
        assert all(share_of(first, name) for name in NAMES)
    for thread in threads:
        thread.join(40)
    assert isinstance(outcomes[0], PolicyRefusedError)
    assert len(outcomes[1]) == len(NAMES)
    (ran_in,) = {sessions[-1] for sessions in used.values()}
    opened = {session_id for _, session_id in sent}
    stale = opened - {ran_in}
    assert len(stale) >= 3  # the question before, and both charges of the first proposal
    for (name, session_id), steps in sent.items():
        if session_id in stale:
            assert set(steps) <= {Step.KEYS, Step.MATERIAL}, name
        else:
            assert {Step.OPEN_MASKED, Step.OPEN_RING} <= set(steps)


def test_closing_does_not_wait_for_sessions_that_wait_for_a_site():
    """What was refused at one site leaves the others waiting for it; between processes their sockets are closed, here not less."""
    with in_threads() as session:
        admission = session.nodes["hungary"]._admission
        admission.policy = admission.policy.model_copy(update={"analysts": ["bob"]})
        with pytest.raises(PolicyRefusedError):
            session.sql(COUNT, epsilon=0.1)
        assert waiting(session) == [1, 0, 1, 1]
        begin = time.monotonic()
    assert time.monotonic() - begin < 10


@pytest.mark.slow
def test_a_scan_longer_than_the_deadline_finds_its_session_still_there(monkeypatch):
    """All sites scan up to the deadline: the waiting session and the idle dealer both last that long."""
    scan_s = 9.0  # more than twice the deadline
    with in_threads(deadline_s=4.0) as session:
        for node in session.nodes.values():
            real = node._sources["patients"].local_figures
            monkeypatch.setattr(
                node._sources["patients"],
                "local_figures",
                lambda *more, real=real: (time.sleep(scan_s), real(*more))[1],
            )
        real_bitmaps = bitmaps.local_bitmaps
        monkeypatch.setattr(
            bitmaps, "local_bitmaps", lambda *more: (time.sleep(scan_s), real_bitmaps(*more))[1]
        )
        items = ["sex=M", "disease", "exang"]
        with ThreadPoolExecutor(2) as pool:
            rows = pool.submit(lambda: session.sql(BY_SEX, exact=True).rows)
            mined = pool.submit(
                lambda: session.table("patients").frequent_itemsets(
                    items, min_support=0.2, max_len=2, exact=True
                )
            )
            assert rows.result()[0][1] == 194
            assert len(mined.result().itemsets) == 6
