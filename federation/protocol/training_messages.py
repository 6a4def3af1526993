"""The words between sites, aggregator, key holder and analyst in a training run.

Layer:       federation.protocol.training_messages, above ``federation.protocol.messages``, whose ``Failed`` and
             ``Ack`` it shares.
Guarantees:  any bytes become one of these messages or raise ``PeerRejectedError``. No message holds a layout, a
             number of values or an exponent: all of that follows from the complete entry and the request. No message
             carries a model: everybody derives it from the opened sums.
See instead: what they are answered with (``service``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from federation.protocol.error_codes import from_wire, to_wire
from federation.protocol.messages import MESSAGE_BYTES, Ack, Failed, name_on_wire
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from federation.network.channel import Channel, Network

POLL_S: Final = 0.25
M = TypeVar("M")


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every message: strict. Each message states its name on the wire (``tag``) itself."""


class KeyAsk(_Message, frozen=True, tag="KeyAsk"):
    """Anybody to the key holder: the public key, please."""


class KeyAnswer(_Message, frozen=True, tag="KeyAnswer"):
    """The modulus, big end first; accepted only under the fingerprint that the consortium file pins."""

    modulus: bytes


class Start(_Message, frozen=True, tag="Start"):
    """Analyst to a site: take part in the attempt that this complete entry charges.

    ``used_attempts`` says, for each round before it, which attempt was opened: the site fetches those sums.
    """

    request: bytes
    entry: bytes
    used_attempts: list[int]


class UpdateSent(_Message, frozen=True, tag="Sent"):
    """Site to analyst: the aggregator has this site's update."""

    bytes_sent: int


class Update(_Message, frozen=True, tag="Update"):
    """Site to aggregator: one encrypted update, with the entry that makes its manifest."""

    request: bytes
    entry: bytes
    manifest: str
    key: str
    ciphertexts: bytes


class UpdateReceipt(_Message, frozen=True, tag="Taken"):
    """Aggregator to site: the update is in; these sites are missing."""

    missing: list[str]


class EncryptedSum(_Message, frozen=True, tag="Total"):
    """Aggregator to key holder: the encrypted sum of an attempt, to be opened once."""

    request: bytes
    entry: bytes
    manifest: str
    key: str
    ciphertexts: bytes


class SumAsk(_Message, frozen=True, tag="SumAsk"):
    """Analyst or site to key holder: the opened sum of an attempt; waits for it this long."""

    run: str
    round_number: int
    attempt: int
    wait_ms: int


class DecryptedSum(_Message, frozen=True, tag="Opened"):
    """Key holder to a receiver: the opened sum, little end first int64."""

    manifest: str
    values: bytes


Message = (
    KeyAsk
    | KeyAnswer
    | Start
    | UpdateSent
    | Update
    | UpdateReceipt
    | EncryptedSum
    | SumAsk
    | DecryptedSum
    | Failed
    | Ack
)


def encode(message: Message) -> bytes:
    """The message's bytes on a channel (MessagePack)."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, *, peer: str = "") -> Message:
    """Read one message.

    Raises:
        PeerRejectedError: it is none of this file's.
    """
    if len(data) > MESSAGE_BYTES:
        raise PeerRejectedError(reason="message too large", name=peer)
    try:
        message: Message = msgspec.msgpack.decode(data, type=Message, strict=True)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PeerRejectedError(reason="not a message of this protocol", name=peer) from error
    return message


def send(channel: Channel, message: Message) -> None:
    """Send one message."""
    channel.send(encode(message))


def send_failure(channel: Channel, error: BaseException, *, site: str) -> None:
    """Tell the other side what was refused; a channel that is gone hears nothing."""
    code, fields = to_wire(error, site=site)
    try:
        send(channel, Failed(code=code, fields=fields))
    except PartyLostError:
        return


def expect(channel: Channel, network: Network, kind: type[M], *, timeout_s: float) -> M:
    """Wait for a message of one kind; a ``Failed`` is raised as the error that it carries.

    Raises:
        PartyLostError: the peer is gone, frozen, or over the time.
        PeerRejectedError: it sent something else.
    """
    message = decode(_next(channel, network, timeout_s), peer=channel.peer)
    if isinstance(message, Failed):
        raise from_wire(message.code, message.fields, site=channel.peer)
    if not isinstance(message, kind):
        found = name_on_wire(type(message))
        raise PeerRejectedError(reason=f"{found} where {name_on_wire(kind)} was due", name=channel.peer)
    return message


def _next(channel: Channel, network: Network, timeout_s: float) -> bytes:
    ends_at = time.monotonic() + timeout_s
    while (left := min(POLL_S, ends_at - time.monotonic())) > 0:
        try:
            return channel.receive(left)
        except TimeoutError:
            if not network.is_alive(channel.peer):
                raise PartyLostError(name=channel.peer) from None
    raise PartyLostError(name=channel.peer)


def call(
    network: Network, peer: str, purpose: str, message: Message, kind: type[M], *, timeout_s: float
) -> M:
    """Dial, send, wait for the answer, hang up.

    Raises:
        PartyLostError: the peer cannot be reached, is gone, or is over the time.
    """
    channel = network.dial(peer, purpose, timeout_s)
    try:
        send(channel, message)
        return expect(channel, network, kind, timeout_s=timeout_s)
    finally:
        channel.close()
