"""The control plane's words: small typed messages between the analyst's client and the nodes, and between nodes.

Floor:    federation.messages. Pure: no socket, no clock.
Promise:  any bytes become one of these messages or raise ``PeerRejectedError``; unknown fields, wrong types and
          oversized messages are refused. A request's bytes are canonical: what is hashed and signed is what was sent.
Not here: the ledger's own bytes (``privacy_accounting.ledger``), frames of shares (``smpc.transport``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import msgspec

from privacy_accounting.decimals import format_decimal, parse_decimal
from privacy_accounting.errors import InvalidCostError
from smpc.errors import PeerRejectedError

REQUEST_TAG = b"crossward/request/1\n"
MESSAGE_BYTES = 1 << 22


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True, kw_only=True):
    """Base of every message: tagged with its name, strict."""


class Ask(_Message):
    """Analyst to site: a signed request. Nothing is spent by asking."""

    request: bytes
    signature: bytes


class Accepted(_Message):
    """Site to analyst: this site would take part; what it would cost by its own reckoning."""

    plan: str
    cost: dict[str, str]


class Failed(_Message):
    """Either way: an error by its code and public fields."""

    code: str
    fields: dict[str, str | int | None | list[str]]


class Go(_Message):
    """Analyst to the sequencer: every site accepted, have it charged and run."""


class Withdraw(_Message):
    """Analyst to site: forget the request just asked."""


class Charged(_Message):
    """Site to analyst: the complete ledger entry under which the run goes on."""

    entry: bytes


class Share(_Message):
    """Site to analyst: this site's blinded share of the answer, little end first int64."""

    values: bytes
    rounds: int
    bytes_sent: int


class BudgetAsk(_Message):
    """Anybody of the consortium to a site: what is spent and what remains, per sub-budget."""


class BudgetAnswer(_Message):
    """The rows of the budget, from this site's replica."""

    rows: list[dict[str, str | int | None]]
    number: int
    head: str


class HealthAsk(_Message):
    """What doctor asks a node."""


class Health(_Message):
    """What a node tells doctor: versions, clock, readiness, whom it hears."""

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


class LedgerPropose(_Message):
    """Sequencer to site: a stored proposal, with the signed requests that its entries charge."""

    proposal: bytes
    requests: list[Ask]


class LedgerReply(_Message):
    """Site to sequencer: its stored signature or refusal."""

    reply: bytes


class LedgerWithdrawn(_Message):
    """Sequencer to site: a signed withdrawal."""

    withdrawal: bytes


class LedgerComplete(_Message):
    """Sequencer to site: the committed proposal with all signatures."""

    complete: bytes


class LedgerSince(_Message):
    """Site to site: the entries from this number on, please."""

    number: int


class LedgerEntries(_Message):
    """Some of the entries asked for; empty when there are no more."""

    entries: list[bytes]


class Done(_Message):
    """The last message was taken."""


class Deal(_Message):
    """First party to the dealer: join this session."""

    session_id: bytes
    request_hash: bytes
    parties: list[str]


Message = (
    Ask
    | Accepted
    | Failed
    | Go
    | Withdraw
    | Charged
    | Share
    | BudgetAsk
    | BudgetAnswer
    | HealthAsk
    | Health
    | LedgerPropose
    | LedgerReply
    | LedgerWithdrawn
    | LedgerComplete
    | LedgerSince
    | LedgerEntries
    | Done
    | Deal
)


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
        return msgspec.msgpack.decode(data, type=Message, strict=True)  # type: ignore[arg-type, return-value]
    except (msgspec.DecodeError, RecursionError) as error:
        raise PeerRejectedError(reason="not a message of this protocol", name=peer) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an analyst asks, in the form that is hashed, signed and charged.

    ``question`` holds the kind's own parameters (for a query: ``sql``); numbers in it are decimal strings or ints.
    """

    kind: str
    mode: str
    epsilon: Fraction | None
    analyst: str
    purpose: str
    nonce: str
    configuration: str
    question: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Canonical JSON, ASCII, sorted keys."""
        body = {
            "version": 1,
            "kind": self.kind,
            "mode": self.mode,
            "epsilon": None if self.epsilon is None else format_decimal(self.epsilon),
            "analyst": self.analyst,
            "purpose": self.purpose,
            "nonce": self.nonce,
            "configuration": self.configuration,
            "question": self.question,
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    def digest(self) -> str:
        """SHA-256 under the request tag, hex: the request hash of the ledger."""
        return request_hash(self.to_bytes())

    @staticmethod
    def from_bytes(data: bytes) -> Request:
        """Read canonical bytes back; anything that would not encode to the same bytes is refused.

        Raises:
            PeerRejectedError: not a request of version 1.
        """
        try:
            body = json.loads(data)
            if not isinstance(body, dict) or body.pop("version", None) != 1:
                raise PeerRejectedError(reason="a request of another version")
            epsilon = body.pop("epsilon")
            request = Request(epsilon=None if epsilon is None else parse_decimal(epsilon), **body)
            is_same = request.to_bytes() == data
        except (ValueError, TypeError, KeyError, RecursionError, InvalidCostError) as error:
            raise PeerRejectedError(reason="not a request") from error
        if not is_same or not all(isinstance(v, str) for v in (request.kind, request.mode, request.analyst, request.purpose)):
            raise PeerRejectedError(reason="a request that is not in canonical form")
        return request


def request_hash(data: bytes) -> str:
    """SHA-256 of a request's bytes under its tag, hex."""
    return hashlib.sha256(REQUEST_TAG + data).hexdigest()
