"""A listener over real TLS refuses each invalid caller with its reason, and keeps serving."""

import logging
import os
import socket
import ssl
import struct
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation.identity.authority import Authority
from federation.identity.certificates import Identity, write_private
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connecting.endpoint import Endpoint
from smpc.transport.connecting.listener import Listener
from smpc.transport.connection import Connection
from smpc.transport.wire.frames import NO_SESSION, Header, Kind, encode_header
from smpc.transport.wire.peer_identity import Trust
from smpc.transport.wire.tls_contexts import client_context

CONFIGURATION = bytes(range(32))
HANDSHAKE_S = 0.6
LIMIT = 1000


@dataclass
class Place:
    folder: Path
    authority: Authority
    identities: dict[str, Identity]
    listener: Listener

    def trust(self) -> Trust:
        roster = {name: (one.role, one.fingerprint) for name, one in self.identities.items()}
        return Trust(ca_pem=self.authority.certificate_pem, roster=roster)

    def endpoint(self, name: str, **other: object) -> Endpoint:
        settings = {"identity_file": self.identities[name].path, "trust": self.trust()}
        settings |= {"configuration": CONFIGURATION, "handshake_s": HANDSHAKE_S}
        return Endpoint(name=name, **(settings | other))  # type: ignore[arg-type]

    def dial(self, endpoint: Endpoint, peer: str = "south", purpose: str = "request") -> Connection:
        return endpoint.dial(self.listener.address, peer, purpose, deadline_s=5.0)

    def check_answers(self) -> None:
        """The listener still serves a caller that fits."""
        connection = self.dial(self.endpoint("north"))
        connection.send_message(b"still there?")
        assert connection.receive_message(LIMIT, 5.0) == b"still there?"
        connection.close()


def issue(authority: Authority, folder: Path, name: str, role: str, file: str = "") -> Identity:
    path = folder / f"{file or name}.pem"
    write_private(path, authority.issue(name, role))
    return Identity.load(path)


def echo(connection: Connection) -> None:
    connection.send_message(connection.receive_message(LIMIT, 5.0))
    with_end = connection.receive_message(LIMIT, 5.0)
    connection.send_message(with_end)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    authority = Authority.create("trial")
    roles = {"north": "site", "south": "site", "ana": "analyst"}
    identities = {name: issue(authority, tmp_path, name, role) for name, role in roles.items()}
    made = Place(tmp_path, authority, identities, None)  # type: ignore[arg-type]
    handlers = {"request": echo, "data": echo}
    before = set(threading.enumerate())
    made.listener = Listener(made.endpoint("south"), ("127.0.0.1", 0), handlers)
    yield made
    address = made.listener.address
    made.listener.stop()
    assert set(threading.enumerate()) <= before
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(address, timeout=1.0)


def plain_client(place: Place, name: str, version: ssl.TLSVersion) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    context.check_hostname = False
    context.load_verify_locations(cadata=place.authority.certificate_pem.decode())
    context.load_cert_chain(place.identities[name].path)
    return context.wrap_socket(socket.create_connection(place.listener.address, timeout=5.0))


def is_cut_off(channel: socket.socket, within_s: float) -> bool:
    """Whether the other end closes, whatever it says before."""
    channel.settimeout(within_s)
    try:
        while channel.recv(1 << 12):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_two_ends_of_the_roster_meet_and_know_each_other(place: Place) -> None:
    connection = place.dial(place.endpoint("north"))
    assert (connection.peer.name, connection.peer.role) == ("south", "site")
    assert connection.peer.fingerprint == place.identities["south"].fingerprint
    connection.close()
    place.check_answers()


def test_a_socket_reset_before_its_handshake_is_closed(place: Place) -> None:
    context = client_context(place.trust(), place.identities["north"].path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        channel = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        accepted.close()  # a reset: the peer's address is gone
    number = channel.fileno()
    with pytest.raises(OSError), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        context.wrap_socket(channel, do_handshake_on_connect=False)
    assert not said
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_certificate_of_another_authority_is_refused_at_both_ends(place: Place) -> None:
    other = Authority.create("other")
    stranger = issue(other, place.folder, "north", "site", "stranger")
    with pytest.raises((PeerRejectedError, PartyLostError)):
        place.dial(place.endpoint("north", identity_file=stranger.path))
    distrusting = Trust(ca_pem=other.certificate_pem, roster=place.trust().roster)
    with pytest.raises(PeerRejectedError, match="certificate refused"):
        place.dial(place.endpoint("north", trust=distrusting))
    place.check_answers()


def test_a_second_certificate_of_the_same_name_is_refused(place: Place) -> None:
    second = issue(place.authority, place.folder, "north", "site", "second")
    with pytest.raises(PeerRejectedError, match="identity not in the roster"):
        place.dial(place.endpoint("north", identity_file=second.path))
    place.check_answers()


def test_another_role_than_the_rosters_is_refused(place: Place) -> None:
    promoted = issue(place.authority, place.folder, "ana", "dealer", "promoted")
    with pytest.raises(PeerRejectedError, match="identity not in the roster"):
        place.dial(place.endpoint("ana", identity_file=promoted.path))
    place.check_answers()


def test_a_member_that_the_roster_does_not_name_is_refused(place: Place) -> None:
    west = issue(place.authority, place.folder, "west", "site")
    trust = place.trust()
    with pytest.raises(PeerRejectedError, match="identity not in the roster"):
        place.dial(Endpoint(name="west", identity_file=west.path, trust=trust, configuration=CONFIGURATION))  # type: ignore[arg-type]
    place.check_answers()


def test_the_dialing_end_refuses_any_other_peer(place: Place) -> None:
    with pytest.raises(PeerRejectedError, match="certificate is that of south") as caught:
        place.dial(place.endpoint("north"), peer="ana")
    assert caught.value.name == "ana"
    place.check_answers()


def test_a_name_that_is_not_the_certificates_is_refused(place: Place) -> None:
    liar = place.endpoint("north")
    liar.name = "ana"
    with pytest.raises(PeerRejectedError, match="name differs"):
        place.dial(liar)
    place.check_answers()


def test_another_configuration_is_refused(place: Place) -> None:
    with pytest.raises(PeerRejectedError, match="configuration differs"):
        place.dial(place.endpoint("north", configuration=bytes(32)))
    place.check_answers()


@pytest.mark.parametrize(("caller", "purpose"), [("north", "ledger"), ("ana", "data"), ("north", "control")])
def test_a_purpose_not_served_to_the_caller_is_refused(place: Place, caller: str, purpose: str) -> None:
    with pytest.raises(PeerRejectedError, match="purpose not served"):
        place.dial(place.endpoint(caller), purpose=purpose)
    place.check_answers()


def test_tls_1_2_is_refused(place: Place) -> None:
    with pytest.raises(ssl.SSLError):
        plain_client(place, "north", ssl.TLSVersion.TLSv1_2)
    place.check_answers()


@pytest.mark.parametrize(
    "words", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"\x16\x03\x01\xff\xff" + b"A" * 600]
)
def test_plaintext_garbage_is_cut_off(place: Place, words: bytes) -> None:
    with socket.create_connection(place.listener.address, timeout=5.0) as channel:
        channel.sendall(words)
        assert is_cut_off(channel, 5.0)
    place.check_answers()


def test_a_silent_caller_is_disconnected_and_delays_no_other(place: Place) -> None:
    seconds: list[float] = []
    while (
        min(seconds, default=HANDSHAKE_S) >= HANDSHAKE_S and len(seconds) < 5
    ):  # a busy machine is late now and then
        silent = [socket.create_connection(place.listener.address, timeout=5.0) for _ in range(5)]
        begun = time.monotonic()
        place.check_answers()
        seconds.append(time.monotonic() - begun)
        for channel in silent:
            assert is_cut_off(channel, HANDSHAKE_S + 3.0)
            channel.close()
    assert min(seconds) < HANDSHAKE_S


def test_silence_after_the_handshake_is_cut_off(place: Place) -> None:
    with plain_client(place, "north", ssl.TLSVersion.TLSv1_3) as channel:
        assert is_cut_off(channel, HANDSHAKE_S + 3.0)
    place.check_answers()


@pytest.mark.parametrize("length", [257, 1 << 40])
def test_an_oversized_greeting_is_refused_as_malformed(place: Place, length: int) -> None:
    with plain_client(place, "north", ssl.TLSVersion.TLSv1_3) as channel:
        channel.sendall(encode_header(Header(kind=Kind.HELLO, tag=NO_SESSION, sequence=0, length=length)))
        channel.settimeout(5.0)
        answer = channel.recv(64)
        assert struct.unpack("<H", answer[6:8])[0] == Kind.REFUSAL
        assert answer[32:] == b"\x08"
    place.check_answers()


def test_an_oversized_message_ends_its_connection_and_no_other(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    other = place.dial(place.endpoint("north"))
    with caplog.at_level(logging.INFO):
        connection = place.dial(place.endpoint("north"))
        connection.send_message(b"secret" * LIMIT)
        with pytest.raises(PartyLostError):
            connection.receive_message(LIMIT, 5.0)
        connection.close()
    other.send_message(b"I am well")
    assert other.receive_message(LIMIT, 5.0) == b"I am well"
    other.close()
    assert "secret" not in caplog.text
    place.check_answers()


def test_an_unreachable_address_is_a_lost_party(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        free = reserved.getsockname()[:2]
    with pytest.raises(PartyLostError, match="south"):
        place.endpoint("north").dial(free, "south", "request", deadline_s=2.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        begun = time.monotonic()
        with pytest.raises(PartyLostError, match="south"):
            place.endpoint("north").dial(mute.getsockname()[:2], "south", "request", deadline_s=0.4)
        assert 0.3 < time.monotonic() - begun < 5.0
