"""Deliveries over one TLS connection each: the founder listens, members call.

Layer:       federation.network.direct, beside tls; uses its transport without its roster.
Guarantees:  a member says nothing before the certificate at the other end has the fingerprint of its invitation. The
             founder reads at most ``HEAD_BYTES`` and ``FILE_BYTES`` of a caller, each within ``STEP_S``; few callers are
             served at once, and each address only so often.
See instead: what the messages say (``federation.consortium.admission.deliveries``), connections of members (``tls``).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from federation.consortium.admission.approvals import MAX_BYTES
from federation.consortium.admission.deliveries import FILE_BYTES, HEAD_BYTES, NONCE_BYTES
from federation.errors import ConfigError
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.transport.connecting.listener import Listener
from smpc.transport.connecting.pinned import CallRate, PinnedEndpoint, dial_pinned
from smpc.transport.deadline import Deadline

if TYPE_CHECKING:
    from pathlib import Path

    from smpc.transport.connecting.endpoint import Address
    from smpc.transport.connection import Connection

STEP_S: Final = 10.0
MOST_AT_ONCE: Final = 32
MOST_OF_ONE_ADDRESS: Final = 8
_PURPOSE: Final = "founding"
_ROLES: Final = {_PURPOSE: frozenset[str]()}
Take = Callable[[bytes, bytes, bytes], tuple[bytes, bytes]]
Compose = Callable[[bytes], tuple[bytes, bytes]]


def listen_for_deliveries(
    address: Address, identity_file: Path, take: Take, *, name: str, rate: CallRate | None = None
) -> Listener:
    """Take deliveries until ``stop``.

    Args:
        address: host and port to bind.
        identity_file: certificate and key, PEM.
        take: called with the number drawn, the head and the file; returns the reply's head and file. For any thread.
        name: in log lines.
        rate: how often one address may call.

    Raises:
        ConfigError: the address cannot be bound.
    """

    def handle(connection: Connection) -> None:
        nonce = os.urandom(NONCE_BYTES)
        try:
            connection.send_message(nonce, STEP_S)
            head = connection.receive_message(HEAD_BYTES, STEP_S)
            file = connection.receive_message(FILE_BYTES, STEP_S)
        except TimeoutError as error:
            raise PeerRejectedError(reason="no whole delivery in time", name=connection.peer.name) from error
        for message in take(nonce, head, file):
            connection.send_message(message, STEP_S)
        connection.drain(Deadline(STEP_S))  # the caller closes first: it has read all then

    endpoint = PinnedEndpoint(name=name, identity_file=identity_file, purpose=_PURPOSE, rate=rate)
    try:
        return Listener(
            endpoint,
            address,
            {_PURPOSE: handle},
            callers=_ROLES,
            max_unidentified=MOST_AT_ONCE,
            most_per_peer=MOST_OF_ONE_ADDRESS,
        )
    except OSError as error:
        raise ConfigError(
            mistakes=[f"{name} cannot listen at {address[0]}:{address[1]}: {error.strerror}"]
        ) from error


def deliver(address: Address, certificate: str, compose: Compose) -> tuple[bytes, bytes]:
    """Make one delivery.

    Args:
        address: host and port of the founder.
        certificate: fingerprint that the invitation names, hex.
        compose: called with the number that the founder has drawn; returns head and file.

    Returns:
        The reply's head and file.

    Raises:
        PartyLostError: nothing answers there, or the connection breaks off.
        PeerRejectedError: another certificate is shown there; nothing was sent.
    """
    connection = dial_pinned(address, certificate, name="the founder", deadline_s=STEP_S)
    try:
        nonce = connection.receive_message(NONCE_BYTES, STEP_S)
        for message in compose(nonce):
            connection.send_message(message, STEP_S)
        head = connection.receive_message(HEAD_BYTES, STEP_S)
        return head, connection.receive_message(MAX_BYTES + 1, STEP_S)
    except TimeoutError as error:
        raise PartyLostError(name="the founder") from error
    finally:
        connection.close()
