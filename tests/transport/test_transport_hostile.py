"""A hostile member in a session: every frame but the expected one ends the session in time, with a name."""

import threading
import time

import pytest

from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.deadline import Deadline
from smpc.transport.mesh import Step
from smpc.transport.wire.frames import NO_SESSION, Header, Kind, encode_header, session_tag
from smpc.transport.wire.handshake import AbortCause, decode_abort, encode_abort
from tests.transport.intruder import PAIR, STEP
from tests.transport.tls_world import (
    REQUEST,
    fresh_id,
)


@pytest.fixture
def victim(pair, intruder, request):
    """Basel in a session with the intruder, waiting for 8 bytes of it; the outcome comes with ``join``."""
    deadline_s = getattr(request, "param", 6.0)
    session_id, result = fresh_id(), {}

    def wait():
        mesh = None
        try:
            mesh = pair.plane("basel").open_mesh(session_id, REQUEST, PAIR, deadline_s=deadline_s)
            result["heard"] = mesh.exchange(STEP, {}, {"ankara": 8})
        except (PartyLostError, PeerRejectedError) as error:
            result["error"] = error
            if mesh is not None:
                mesh.close(error)

    thread = threading.Thread(target=wait)
    thread.start()
    intruder.lease(session_id)
    assert intruder.hear()[0] == Kind.LEASED
    intruder.tag = session_tag(session_id)

    def join():
        thread.join(10.0)
        assert not thread.is_alive()
        return result

    yield join
    thread.join(10.0)


def operation(tag, *, kind=STEP, sequence=1, length=8):
    return encode_header(Header(kind=kind, tag=tag, sequence=sequence, length=length))


def test_the_right_frame_is_taken(intruder, victim):
    """The other tests of this kind change one thing in it."""
    intruder.raw(operation(intruder.tag, sequence=0) + b"12345678")
    assert victim() == {"heard": {"ankara": b"12345678"}}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": Step.GATHER},
        {"sequence": 1},
        {"length": 7},
        {"length": 1 << 40},
        {"tag": NO_SESSION},
        {"kind": Kind.MESSAGE},
        {"kind": Kind.LEASED, "length": 0},
        {"kind": Kind.END, "length": 8},
        {"kind": Kind.ABORT, "length": 65},
    ],
)
def test_any_other_frame_is_rejected_by_name(intruder, victim, change):
    intruder.raw(operation(**({"tag": intruder.tag, "sequence": 0} | change)))
    error = victim()["error"]
    assert isinstance(error, PeerRejectedError)
    assert error.name == "ankara"
    kind, payload = intruder.hear()
    assert kind == Kind.ABORT
    assert decode_abort(payload) == (AbortCause.REJECTED, "ankara")


@pytest.mark.parametrize(
    "payload", [b"", b"\x00ankara", b"\x01", b"\x01ANKARA", b"\x04basel", b"\x01absent", b"\xff" * 64]
)
def test_malformed_aborts_are_rejected(intruder, victim, payload):
    intruder.connection.send_frame(Kind.ABORT, payload, Deadline(1.0))
    error = victim()["error"]
    assert isinstance(error, PeerRejectedError)
    assert error.name == "ankara"


def test_an_abort_names_its_culprit(intruder, victim):
    intruder.connection.send_frame(Kind.ABORT, encode_abort(AbortCause.LOST, "basel"), Deadline(1.0))
    assert victim()["error"].name == "basel"


def test_garbage_is_rejected(intruder, victim):
    intruder.raw(bytes(64))
    assert isinstance(victim()["error"], PeerRejectedError)


@pytest.mark.parametrize("n_bytes", [0, 5, 32, 36])
@pytest.mark.parametrize("victim", [1.0], indirect=True)
def test_a_peer_that_stops_in_a_frame_is_lost_at_the_deadline(intruder, victim, n_bytes):
    if n_bytes:
        intruder.raw((operation(intruder.tag, sequence=0) + b"12345678")[:n_bytes])
    begin = time.monotonic()
    error = victim()["error"]
    assert (type(error), error.name) == (PartyLostError, "ankara")
    assert time.monotonic() - begin < 4.0


@pytest.mark.parametrize("victim", [1.0], indirect=True)
def test_a_peer_that_trickles_bytes_is_lost_at_the_deadline(intruder, victim):
    begin, data = time.monotonic(), operation(intruder.tag, sequence=0) + b"12345678"
    for place in range(len(data)):
        try:
            intruder.raw(data[place : place + 1])
        except OSError:
            break
        time.sleep(0.05)
    error = victim()["error"]
    assert (type(error), error.name) == (PartyLostError, "ankara")
    assert time.monotonic() - begin < 5.0


def test_a_connection_that_breaks_is_the_peer_lost(intruder, victim):
    begin = time.monotonic()
    intruder.connection.close()
    error = victim()["error"]
    assert (type(error), error.name) == (PartyLostError, "ankara")
    assert time.monotonic() - begin < 4.0


def test_an_abort_is_heard_from_a_party_that_reads_nothing(pair, intruder):
    """The peer leaves while a large payload is on its way to it."""
    session_id, result = fresh_id(), {}

    def send():
        mesh = pair.plane("basel").open_mesh(session_id, REQUEST, PAIR, deadline_s=5.0)
        try:
            mesh.exchange(STEP, {"ankara": bytes(30_000_000)}, {})
        except PartyLostError as error:
            result["error"] = error
            mesh.close(error)

    thread = threading.Thread(target=send)
    thread.start()
    intruder.lease(session_id)
    assert intruder.hear()[0] == Kind.LEASED
    time.sleep(0.1)
    intruder.connection.send_frame(Kind.ABORT, encode_abort(AbortCause.LOST, "basel"), Deadline(1.0))
    thread.join(3.0)
    assert result["error"].name == "basel"
