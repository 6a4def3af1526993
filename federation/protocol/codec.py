"""The bytes of every message on a channel: one codec for queries, the ledger, training and the helpers.

Layer:       federation.protocol.codec, above messages and training_messages. Pure.
Guarantees:  any bytes become one known message or raise ``PeerRejectedError``; unknown names and fields, wrong types
             and oversized messages are refused.
See instead: sending and waiting (``exchange``), frames of shares (``smpc.transport``).
"""

from __future__ import annotations

import msgspec

from federation.network.channel import MESSAGE_BYTES
from federation.protocol import messages as control
from federation.protocol import training_messages as training
from smpc.errors import PeerRejectedError

Message = (
    control.Ask
    | control.Accepted
    | control.Failed
    | control.AttemptRequest
    | control.ApplyAmendment
    | control.Withdraw
    | control.Charged
    | control.RunRequest
    | control.Share
    | control.BudgetAsk
    | control.BudgetAnswer
    | control.ChangesAsk
    | control.ChangesAnswer
    | control.QuoteAsk
    | control.QuoteAnswer
    | control.PreflightAsk
    | control.PreflightAnswer
    | control.TextsAsk
    | control.TextsAnswer
    | control.HealthAsk
    | control.Health
    | control.LedgerPost
    | control.LedgerReply
    | control.LedgerSince
    | control.LedgerEntries
    | control.Ack
    | control.Deal
    | training.KeyAsk
    | training.KeyAnswer
    | training.Start
    | training.UpdateSent
    | training.Prepare
    | training.Ready
    | training.MaskKeyAsk
    | training.MaskKey
    | training.Update
    | training.UpdateReceipt
    | training.EncryptedSum
    | training.SumAsk
    | training.DecryptedSum
)


def name_on_wire(kind: type[object]) -> str:
    """The wire name of a message class."""
    return str(kind.__struct_config__.tag) if issubclass(kind, msgspec.Struct) else "no message"


def encode(message: Message) -> bytes:
    """The bytes of a message on a channel (MessagePack)."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, *, peer: str = "") -> Message:
    """Read one message.

    Args:
        data: the bytes received on a channel.
        peer: the sender, for the error.

    Returns:
        One of the messages that members exchange; each receiver refuses those that are not for it.

    Raises:
        PeerRejectedError: the bytes are not such a message.
    """
    if len(data) > MESSAGE_BYTES:
        raise PeerRejectedError(reason="message too large", name=peer)
    try:
        message: Message = msgspec.msgpack.decode(data, type=Message, strict=True)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PeerRejectedError(reason="not a message of this protocol", name=peer) from error
    return message
