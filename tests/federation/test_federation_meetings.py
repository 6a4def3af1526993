"""Sessions opened while their charge is being signed: keys and material only, each attended once, none kept for ever."""

import threading
import time

import pytest
from hospitals import BY_SEX, NAMES
from test_federation_attacks import COUNT, request_of, signed

from federation.errors import PolicyRefusedError
from federation.messages import Accepted, Charged, Go, Run, Share
from federation.node.session.meetings import Meetings
from privacy_accounting.errors import BudgetExceededError
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.mesh import Step

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
    found = Meetings(patience_s=30)
    yield found
    found.close()


def until(condition):
    ends_at = time.monotonic() + 10
    while not condition() and time.monotonic() < ends_at:
        time.sleep(0.005)
    assert condition()


def test_what_was_not_expected_is_not_there(meetings):
    assert meetings.attend(ID) is None


def test_an_expected_session_is_attended_once(meetings):
    opened = FakeSession()
    meetings.expect(ID, lambda: opened)
    assert meetings.attend(ID) is opened
    assert meetings.attend(ID) is None
    assert opened.mesh.errors == []


def test_a_session_is_opened_once_however_often_it_is_expected(meetings):
    calls = []

    def opening():
        calls.append(1)
        return FakeSession()

    for _ in range(5):
        meetings.expect(ID, opening)
    meetings.attend(ID)
    assert calls == [1]


def test_the_run_waits_until_the_session_is_open(meetings):
    gate = threading.Event()

    def slow():
        gate.wait(10)
        return FakeSession()

    meetings.expect(ID, slow)
    threading.Timer(0.1, gate.set).start()
    assert meetings.attend(ID) is not None
    assert gate.is_set()


def test_what_went_wrong_is_raised_where_the_run_attends(meetings):
    def lost():
        raise PartyLostError(name="hungary")

    meetings.expect(ID, lost)
    with pytest.raises(PartyLostError, match="hungary"):
        meetings.attend(ID)


def test_a_session_that_nobody_runs_is_closed_by_name():
    meetings = Meetings(patience_s=0.05)
    opened = FakeSession()
    meetings.expect(ID, lambda: opened)
    until(lambda: opened.mesh.errors)
    assert isinstance(opened.mesh.errors[0], PeerRejectedError)
    assert meetings.attend(ID) is None
    meetings.close()


def test_too_many_at_once_are_left_to_their_runs():
    meetings = Meetings(patience_s=30, most=2)
    for number in range(5):
        meetings.expect(bytes([number]) * 32, FakeSession)
    assert [meetings.attend(bytes([number]) * 32) is None for number in range(5)] == [
        False,
        False,
        True,
        True,
        True,
    ]
    meetings.close()


def test_closing_leaves_no_thread_and_closes_what_waits():
    meetings = Meetings(patience_s=60)
    opened = FakeSession()
    meetings.expect(ID, lambda: opened)
    until(lambda: len(meetings) == 1)
    meetings.close()
    assert opened.mesh.errors
    assert not [thread for thread in threading.enumerate() if thread.name == "meeting"]
    meetings.expect(ID, FakeSession)
    assert meetings.attend(ID) is None


# -- in a consortium ---------------------------------------------------------------------------------------------


def waiting(session):
    return [len(session.nodes[name]._meetings) for name in NAMES]


def charged(session, lines, ask):
    lines.ask_all(ask, Accepted, timeout_s=10)
    return lines.ask_one(session.consortium.file.sequencer, Go(), Charged, timeout_s=20)


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
    with session._pool.question(session.consortium.names) as lines:
        answer = charged(session, lines, signed(session, data))
        until(lambda: waiting(session) == [1] * len(NAMES))
        until(lambda: len(sent) >= len(NAMES))
        time.sleep(0.2)
        assert set(sent) <= {Step.KEYS, Step.MATERIAL}
        before = len(sent)
        lines.ask_all(Run(entry=answer.entry), Share, timeout_s=30)
    assert waiting(session) == [0] * len(NAMES)
    if kind:
        assert set(sent[before:]) - {Step.KEYS, Step.MATERIAL}
    else:
        assert sent[before:] == []  # the answer goes to the analyst alone


def test_a_charge_that_is_never_run_disturbs_no_other(private_world):
    session = private_world
    with session._pool.question(session.consortium.names) as lines:
        charged(session, lines, signed(session, request_of(session).to_bytes()))
    until(lambda: waiting(session) == [1] * len(NAMES))
    assert session.sql(COUNT, epsilon=0.1).rows
    assert waiting(session) == [1] * len(NAMES)


def test_a_refused_request_is_expected_nowhere(private_world):
    session = private_world
    with pytest.raises(PolicyRefusedError):
        session.sql(COUNT, epsilon=1000)
    with pytest.raises(BudgetExceededError):
        for _ in range(100):
            session.sql(COUNT, epsilon=29)
    assert waiting(session) == [0] * len(NAMES)
