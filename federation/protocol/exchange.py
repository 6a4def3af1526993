"""Waits on channels without hanging: the result is a message, a named loss, or a named time-out.

Layer:       federation.protocol.exchange.
Guarantees:  a killed peer is named as soon as its channel closes, a frozen one when its heartbeat is overdue; no
             wait is longer than the given deadline.
See instead: the channels (``federation.network.channel``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from federation.protocol.error_codes import from_wire
from federation.protocol.messages import Failed, Message, decode, encode, name_on_wire
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from federation.network.channel import Channel, Network

POLL_S = 0.25
M = TypeVar("M")


def send(channel: Channel, message: Message) -> None:
    """Send one typed message."""
    channel.send(encode(message))


def receive(channel: Channel, network: Network, *, timeout_s: float | None) -> Message:
    """Wait for one typed message.

    Args:
        channel: the channel to read.
        network: its heartbeats show whether the peer is alive.
        timeout_s: the longest wait (s); None waits as long as the peer is alive.

    Returns:
        The message, ``Failed`` included.

    Raises:
        PartyLostError: the peer was killed, is frozen, or sent nothing in time.
        PeerRejectedError: the peer sent bytes that are not a message.
    """
    ends_at = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left = POLL_S if ends_at is None else min(POLL_S, ends_at - time.monotonic())
        if left <= 0:
            raise PartyLostError(name=channel.peer)
        try:
            return decode(channel.receive(left), peer=channel.peer)
        except TimeoutError:
            if not network.is_alive(channel.peer):
                raise PartyLostError(name=channel.peer) from None


def expect(channel: Channel, network: Network, kind: type[M], *, timeout_s: float | None) -> M:
    """Wait for a message of one kind; a ``Failed`` is raised as the error it carries.

    Raises:
        PeerRejectedError: the peer sent another kind of message.
    """
    message = receive(channel, network, timeout_s=timeout_s)
    if isinstance(message, Failed):
        raise from_wire(message.code, message.fields, site=channel.peer)
    if not isinstance(message, kind):
        raise PeerRejectedError(
            reason=f"received {name_on_wire(type(message))}, expected {name_on_wire(kind)}", name=channel.peer
        )
    return message
