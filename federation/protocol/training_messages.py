"""Messages between sites, aggregator, key holder and analyst in a training run.

Layer:       federation.protocol.training_messages, above ``federation.protocol.messages``, whose ``Failed`` and
             ``Ack`` it shares.
Guarantees:  any bytes become one of these messages or raise ``PeerRejectedError``. No message holds a layout, a
             number of values or an exponent: all of these follow from the complete entry and the request. No message
             carries a model: every party derives it from the opened sums.
See instead: the answers to them (``federation.aggregation.service``).
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
    """Any member to the key holder: send the public key."""


class KeyAnswer(_Message, frozen=True, tag="KeyAnswer"):
    """The modulus, big-endian; accepted only with the fingerprint that the consortium file pins."""

    modulus: bytes


class Start(_Message, frozen=True, tag="Start"):
    """Analyst to a site: take part in the attempt that this complete entry charges.

    ``used_attempts``: the opened attempt of each earlier round; the site fetches these sums.
    """

    request: bytes
    entry: bytes
    used_attempts: list[int]


class UpdateSent(_Message, frozen=True, tag="Sent"):
    """Site to analyst: the aggregator has received this site's update."""

    bytes_sent: int


class Update(_Message, frozen=True, tag="Update"):
    """Site to aggregator: one encrypted update, with the entry that defines its manifest."""

    request: bytes
    entry: bytes
    manifest: str
    key: str
    ciphertexts: bytes


class UpdateReceipt(_Message, frozen=True, tag="Taken"):
    """Aggregator to site: the update was accepted; the updates of these sites are missing."""

    missing: list[str]


class EncryptedSum(_Message, frozen=True, tag="Total"):
    """Aggregator to key holder: the encrypted sum of an attempt, to be decrypted once."""

    request: bytes
    entry: bytes
    manifest: str
    key: str
    ciphertexts: bytes


class SumAsk(_Message, frozen=True, tag="SumAsk"):
    """Analyst or site to key holder: send the decrypted sum of an attempt, waiting at most ``wait_ms`` (ms)."""

    run: str
    round_number: int
    attempt: int
    wait_ms: int


class DecryptedSum(_Message, frozen=True, tag="Opened"):
    """Key holder to analyst or site: the decrypted sum (little-endian int64)."""

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
    """The bytes of a message on a channel (MessagePack)."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, *, peer: str = "") -> Message:
    """Read one message.

    Raises:
        PeerRejectedError: the bytes are not a message of this module.
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
    """Send an error to the peer; ignored when the channel is closed."""
    code, fields = to_wire(error, site=site)
    try:
        send(channel, Failed(code=code, fields=fields))
    except PartyLostError:
        return


def expect(channel: Channel, network: Network, kind: type[M], *, timeout_s: float) -> M:
    """Wait for a message of one kind; a ``Failed`` is raised as the error that it carries.

    Raises:
        PartyLostError: the peer was killed, is frozen, or sent nothing in time.
        PeerRejectedError: the peer sent another kind of message.
    """
    message = decode(_next(channel, network, timeout_s), peer=channel.peer)
    if isinstance(message, Failed):
        raise from_wire(message.code, message.fields, site=channel.peer)
    if not isinstance(message, kind):
        found = name_on_wire(type(message))
        raise PeerRejectedError(reason=f"received {found}, expected {name_on_wire(kind)}", name=channel.peer)
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
    """Dial a peer, send one message, wait for the answer, close the channel.

    Raises:
        PartyLostError: the peer cannot be reached, was killed, or sent nothing in time.
    """
    channel = network.dial(peer, purpose, timeout_s)
    try:
        send(channel, message)
        return expect(channel, network, kind, timeout_s=timeout_s)
    finally:
        channel.close()
