"""The control plane's words: small typed messages between the analyst's client and the nodes, and between nodes.

Layer:       federation.protocol.messages. Pure: no socket, no clock.
Guarantees:  any bytes become one of these messages or raise ``PeerRejectedError``; unknown fields, wrong types and
             oversized messages are refused. A request's bytes are canonical: what is hashed and signed is what was
             sent.
See instead: the form of a request's fields (``request_form``), the ledger's own bytes
             (``privacy_accounting.ledger``), frames of shares (``smpc.transport``).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from federation.protocol.request import Request
from smpc.errors import PeerRejectedError

MESSAGE_BYTES = 1 << 22
MAX_ROUND = 2**31 - 1
MAX_NUMBER = 2**62
MAX_SITES = 64
MAX_HASH = 64
MAX_REQUESTS = 1_000
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}\Z")]


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every message: strict. Each message states its name on the wire (``tag``) itself."""


class Ask(_Message, frozen=True, tag="Ask"):
    """Analyst to site: a signed request. Nothing is spent by asking.

    ``patience_ms`` says how long it waits for a place there when all are in use.
    """

    request: bytes
    signature: bytes
    patience_ms: int = 0


class Accepted(_Message, frozen=True, tag="Accepted"):
    """Site to analyst: this site would take part; what it would cost by its own reckoning, and who orders the ledger."""

    plan: str
    cost: dict[str, str]
    sequencer: str


class Failed(_Message, frozen=True, tag="Failed"):
    """Either way: an error by its code and public fields."""

    code: str
    fields: dict[str, str | int | float | list[str] | None]


class ChargeRequest(_Message, frozen=True, tag="Go"):
    """Analyst to the sequencer: every site accepted, have it charged."""


class Withdraw(_Message, frozen=True, tag="Withdraw"):
    """Analyst to site: forget the request just asked."""


class AttemptRequest(_Message, frozen=True, tag="Attempt"):
    """Analyst to the sequencer: have one attempt of a training charged, for this cohort."""

    ask: Ask
    round_number: Annotated[int, Meta(ge=0, le=MAX_ROUND)]
    attempt: Annotated[int, Meta(ge=0, le=MAX_ROUND)]
    cohort: Annotated[list[Name], Meta(min_length=1, max_length=MAX_SITES)]


class ApplyAmendment(_Message, frozen=True, tag="Enter"):
    """Analyst to the site that signs last: have this motion entered; every site signs it if its administrator agreed."""

    motion: bytes


class Charged(_Message, frozen=True, tag="Charged"):
    """Sequencer to analyst: the complete ledger entry; what it charges is spent from here on."""

    entry: bytes


class RunRequest(_Message, frozen=True, tag="Run"):
    """Analyst to site: run what was asked, under this complete entry.

    An entry proves itself by its signatures, so it does not matter who carries it; proposals never pass through here.
    """

    entry: bytes


class Share(_Message, frozen=True, tag="Share"):
    """Site to analyst: this site's blinded share of the answer, little end first int64, and what computed it."""

    values: bytes
    rounds: int
    bytes_sent: int
    engine: str


class BudgetAsk(_Message, frozen=True, tag="BudgetAsk"):
    """Anybody of the consortium to a site: what is spent and what remains, per sub-budget."""


class BudgetAnswer(_Message, frozen=True, tag="BudgetAnswer"):
    """The rows of the budget, from this site's replica; who orders the ledger and which sites are members, by it."""

    rows: list[dict[str, str | int | None]]
    number: int
    head: str
    sequencer: str
    members: list[str]


class QuoteAsk(_Message, frozen=True, tag="QuoteAsk"):
    """Analyst to the sequencer: what would these requests cost, one after the other? Nothing is spent or kept."""

    requests: Annotated[list[bytes], Meta(max_length=MAX_REQUESTS)]


class QuoteAnswer(_Message, frozen=True, tag="QuoteAnswer"):
    """Sequencer to analyst: of each request its price, what would be left, and why it would be refused, if it would."""

    rows: list[dict[str, str | bool]]


class HealthAsk(_Message, frozen=True, tag="HealthAsk"):
    """What doctor asks a node."""


class Health(_Message, frozen=True, tag="Health"):
    """What a node tells doctor: versions, clock, readiness, whom it hears, what computes on shares."""

    name: str
    role: str
    version: str
    configuration: str
    clock_s: int
    is_ready: bool
    reason: str
    ledger_number: int
    ledger_head: str
    hears: dict[str, bool]
    engine: str


class LedgerPost(_Message, frozen=True, tag="LedgerPost"):
    """Site to site: a message of the ledger, with the signed requests that a proposal's entries charge."""

    data: bytes
    requests: list[Ask]


class LedgerReply(_Message, frozen=True, tag="LedgerReply"):
    """Site to site: the answer to a proposal, empty for everything else."""

    reply: bytes


class LedgerSince(_Message, frozen=True, tag="LedgerSince"):
    """Site to site: the entries from this number on, please."""

    number: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


class LedgerEntries(_Message, frozen=True, tag="LedgerEntries"):
    """Some of the entries asked for, empty when there are no more, and the number of the sender's last one."""

    entries: list[bytes]
    head: int


class Ack(_Message, frozen=True, tag="Done"):
    """The last message was taken."""


class Deal(_Message, frozen=True, tag="Deal"):
    """First party to the dealer: join this session."""

    session_id: Annotated[bytes, Meta(max_length=MAX_HASH)]
    request_hash: Annotated[bytes, Meta(max_length=MAX_HASH)]
    parties: Annotated[list[Name], Meta(min_length=1, max_length=MAX_SITES)]


Message = (
    Ask
    | Accepted
    | Failed
    | ChargeRequest
    | AttemptRequest
    | ApplyAmendment
    | Withdraw
    | Charged
    | RunRequest
    | Share
    | BudgetAsk
    | BudgetAnswer
    | QuoteAsk
    | QuoteAnswer
    | HealthAsk
    | Health
    | LedgerPost
    | LedgerReply
    | LedgerSince
    | LedgerEntries
    | Ack
    | Deal
)


def name_on_wire(kind: type[object]) -> str:
    """The name that a class of messages states for the wire."""
    return str(kind.__struct_config__.tag) if issubclass(kind, msgspec.Struct) else "no message"


def encode(message: Message) -> bytes:
    """The message's bytes on a line (MessagePack)."""
    return msgspec.msgpack.encode(message)


def decode(data: bytes, *, peer: str = "") -> Message:
    """Read one message.

    Args:
        data: what came over a line.
        peer: who sent it, for the error.

    Returns:
        One of the messages of this file.

    Raises:
        PeerRejectedError: it is none of them.
    """
    if len(data) > MESSAGE_BYTES:
        raise PeerRejectedError(reason="message too large", name=peer)
    try:
        message: Message = msgspec.msgpack.decode(data, type=Message, strict=True)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PeerRejectedError(reason="not a message of this protocol", name=peer) from error
    return message


def kind_of(ask: Ask) -> str:
    """The kind of a signed request, from its own bytes.

    Raises:
        PeerRejectedError: they are no request.
    """
    return Request.from_bytes(ask.request).kind
