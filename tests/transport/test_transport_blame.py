"""A party that is late itself, or loses a connection without an abort message, blames no healthy party."""

import queue
import time

import pytest

from smpc.errors import PartyLostError
from smpc.transport.deadline import Patience
from smpc.transport.link import FaultAttribution
from smpc.transport.liveness import Liveness
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import DOUBT
from smpc.transport.wire.frames import FIRST_BYTES, Kind
from smpc.transport.wire.handshake import AbortCause, encode_abort
from tests.transport.intruder import PAIR, STEP
from tests.transport.tls_world import outcomes

NAMES = ("ada", "bob", "cyd")
ALL_PEERS = {"bob": 1, "cyd": 1}


class Overslept:
    """The queue of an inbox whose owner wakes up after its deadline, when all frames are there."""

    def __init__(self, inner, n_items):
        self.inner, self.n_items = inner, n_items
        self.put, self.empty, self.has_slept = inner.put, inner.empty, False

    def get(self, timeout=None):
        if timeout is None or self.has_slept:
            return self.inner.get(timeout=timeout)
        self.has_slept = True
        while self.inner.qsize() < self.n_items:
            time.sleep(0.001)
        raise queue.Empty


def test_a_party_that_resumes_late_reads_frames_received_meanwhile():
    meshes = memory_meshes(NAMES, timeout_s=0.0)
    inbox = meshes["ada"]._inbox
    inbox._queue = Overslept(inbox._queue, 2)
    for other in ("bob", "cyd"):
        meshes[other].exchange(STEP, {"ada": b"x"}, {})
    assert meshes["ada"].exchange(STEP, {}, ALL_PEERS) == {"bob": b"x", "cyd": b"x"}


def test_of_two_late_parties_the_one_that_reports_the_other_is_not_blamed():
    """Bob waits for cyd as well, and says so a moment after ada's deadline."""
    timeout_s = 2.0
    meshes = memory_meshes(NAMES, timeout_s=timeout_s)

    def bob():
        time.sleep((1 + DOUBT / 2) * timeout_s)
        meshes["bob"].close(PartyLostError(name="cyd"))

    found = outcomes({"ada": lambda: meshes["ada"].exchange(STEP, {}, ALL_PEERS), "bob": bob})
    assert found["ada"].name == "cyd"


def test_the_deadline_grows_with_several_late_parties_and_ends_with_one_check():
    for n_late, doubt_s in ((1, 5.0), (2, 0.0)):
        waits = Patience(0.0, doubt_s, lambda: None)
        assert waits.poll_ms(n_late) == 0
        with pytest.raises(TimeoutError):
            waits.poll_ms(n_late)
    waits = Patience(0.0, 60.0, lambda: None)
    assert waits.poll_ms(2) == 0
    assert waits.poll_ms(2) > 0


@pytest.fixture
def session(nodes):
    meshes = nodes.meshes(PAIR)
    yield meshes
    for mesh in meshes.values():
        mesh.close(PartyLostError(name="basel"))


@pytest.mark.parametrize("n_bytes", [1, 4 * FIRST_BYTES])
def test_an_abort_message_replaces_a_frame_that_was_not_begun(session, n_bytes):
    """The fault: a party with a frame in its queue left without a word, and whoever waited for that frame blamed it."""
    ankara = session["ankara"]._links["basel"].connection
    ankara.begin_send(STEP, bytes(n_bytes))
    ankara.say_last(Kind.ABORT, encode_abort(AbortCause.LOST, "basel"))
    with pytest.raises(PartyLostError) as caught:
        session["basel"].exchange(STEP, {}, {"ankara": n_bytes})
    assert caught.value.name == "basel"


class Broken:
    """A link of which nothing more comes; perhaps the peer has said whose fault it is."""

    def __init__(self, name, words=None):
        self.name, self.words = name, words

    def pump(self, *, can_read):
        assert can_read
        raise PartyLostError(name=self.name)

    def last_words(self):
        return self.words


def test_after_a_silent_disconnect_the_reports_of_others_decide():
    liveness = Liveness(NAMES)
    for name in NAMES:
        liveness.mark_alive(name)
    witness = FaultAttribution(liveness, NAMES)
    links = [Broken("ada"), Broken("bob", "cyd"), Broken("cyd")]
    with pytest.raises(PartyLostError) as caught:
        witness.pump(links[0], links=links)
    assert caught.value.name == "cyd"
    with pytest.raises(PartyLostError) as caught:
        witness.pump(links[0])
    assert caught.value.name == "ada"
