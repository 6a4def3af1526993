"""Exchanges messages on channels without hanging: the result is a message, a named loss, or a named time-out.

Layer:       federation.protocol.exchange, above codec.
Guarantees:  a member that serves a channel answers every message, a failure with its wire name and an internal error
             without its text; the channel stays usable. Bytes that are not a message close it. A killed peer is named
             as soon as its channel closes, a frozen one when its heartbeat is overdue; no wait is longer than the
             given deadline.
See instead: the channels (``federation.network.channel``).
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, TypeVar

from federation.protocol.codec import Message, decode, encode, name_on_wire
from federation.protocol.error_codes import from_wire, is_ours, to_wire, traced
from federation.protocol.messages import Failed
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.network.channel import Channel, Network

LOG: Final = logging.getLogger(__name__)
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


def poll(channel: Channel, timeout_s: float) -> Message | None:
    """Wait a short time for one typed message; None if none came. Errors as ``receive``."""
    try:
        return decode(channel.receive(max(0.0, timeout_s)), peer=channel.peer)
    except TimeoutError:
        return None


def expect(channel: Channel, network: Network, kind: type[M], *, timeout_s: float | None) -> M:
    """Wait for a message of one kind; a ``Failed`` is raised as the error it carries.

    Raises:
        PeerRejectedError: the peer sent another kind of message.
    """
    return checked(receive(channel, network, timeout_s=timeout_s), kind, peer=channel.peer)


def checked(message: Message, kind: type[M], *, peer: str) -> M:
    """A message that must be of one kind; a ``Failed`` is raised as the error it carries.

    Raises:
        PeerRejectedError: it is of another kind.
    """
    if isinstance(message, Failed):
        raise from_wire(message.code, message.fields, site=peer)
    if not isinstance(message, kind):
        raise PeerRejectedError(
            reason=f"received {name_on_wire(type(message))}, expected {name_on_wire(kind)}", name=peer
        )
    return message


def call(
    network: Network, peer: str, purpose: str, message: Message, kind: type[M], *, timeout_s: float
) -> M:
    """Dial a peer, send one message, wait for the answer, close the channel.

    Raises:
        PartyLostError: the peer cannot be reached, was killed, or sent nothing in time.
        PeerRejectedError: the peer sent another kind of message.
    """
    channel = network.dial(peer, purpose, timeout_s)
    try:
        send(channel, message)
        return expect(channel, network, kind, timeout_s=timeout_s)
    finally:
        channel.close()


def serve(channel: Channel, network: Network, reply: Callable[[Message], Message | None]) -> None:
    """Answer message by message until the peer is gone, or sends bytes that are not a message; close the channel.

    Args:
        channel: the peer's channel.
        network: this member's network.
        reply: gives the answer, None for a message that has none; what it raises is sent to the peer.
    """
    try:
        while True:
            message = receive(channel, network, timeout_s=None)
            try:
                answer = reply(message)
            except Exception as error:  # noqa: BLE001
                answer = failure(error, member=network.name, peer=channel.peer)
            if answer is not None:
                send(channel, answer)
    except (PartyLostError, PeerRejectedError):
        pass
    finally:
        channel.close()


def failure(error: Exception, *, member: str, peer: str) -> Failed:
    """The message that carries an error; an internal one is logged here and crosses the wire without its text.

    Args:
        error: raised at this member.
        member: this member.
        peer: the member that gets the message, for the log.
    """
    if is_ours(error):
        LOG.info("%s refuses %s: %s", member, peer, error)
    else:
        LOG.error("%s: internal error: %s", member, traced(error))
    code, fields = to_wire(error, site=member)
    return Failed(code=code, fields=fields)
