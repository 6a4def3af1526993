"""Messages of the control plane: small and typed, between the analyst's client and the nodes, and between nodes.

Layer:       federation.protocol.messages. Pure: no socket, no clock.
Guarantees:  every message states its name on the wire. The bytes of a request are canonical: they are sent as they
             were hashed and signed.
See instead: the bytes of a message (``codec``), a training's messages (``training_messages``), the form of a
             request's fields (``request_form``), the ledger's own bytes (``privacy_accounting.ledger``), frames of
             shares (``smpc.transport``).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

MAX_ROUND = 2**31 - 1
MAX_NUMBER = 2**62
MAX_SITES = 64
MAX_HASH = 64
MAX_REQUESTS = 1_000
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}\Z")]


class WireMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every message: strict. Each message states its name on the wire (``tag``) itself."""


class Ask(WireMessage, frozen=True, tag="Ask"):
    """Analyst to site: a signed request. Sending it costs nothing.

    ``patience_ms``: the longest wait for a free place at the site (ms).
    """

    request: bytes
    signature: bytes
    patience_ms: int = 0


class Accepted(WireMessage, frozen=True, tag="Accepted"):
    """Site to analyst: the training may begin, or a place is reserved for the request; the current sequencer."""

    sequencer: str


class Failed(WireMessage, frozen=True, tag="Failed"):
    """Both directions: an error, as its code and public fields."""

    code: str
    fields: dict[str, str | int | float | list[str] | None]


class Withdraw(WireMessage, frozen=True, tag="Withdraw"):
    """Analyst to site: this channel waits no more for its last request."""


class AttemptRequest(WireMessage, frozen=True, tag="Attempt"):
    """Analyst to the sequencer: charge one attempt of a training for this cohort."""

    ask: Ask
    round_number: Annotated[int, Meta(ge=0, le=MAX_ROUND)]
    attempt: Annotated[int, Meta(ge=0, le=MAX_ROUND)]
    cohort: Annotated[list[Name], Meta(min_length=1, max_length=MAX_SITES)]


class ApplyAmendment(WireMessage, frozen=True, tag="Enter"):
    """Analyst to the site that signs last: enter this amendment; a site signs it if its administrator approved it."""

    motion: bytes


class Charged(WireMessage, frozen=True, tag="Charged"):
    """Sequencer to analyst: the complete ledger entry; its charge is spent from now on.

    Also analyst to site, without an answer: the same entry for a site that has not answered yet. The signatures prove
    an entry, whoever delivers it. A client never carries a proposal.
    """

    entry: bytes


class RunRequest(WireMessage, frozen=True, tag="Run"):
    """Analyst to every site at once: have this request charged, and answer it once it is.

    ``sequencer``: the site that the analyst takes for the sequencer. That site proposes the charge, and answers with
    the complete entry before its share. Every other site answers with its share alone.
    """

    ask: Ask
    sequencer: Name


class Share(WireMessage, frozen=True, tag="Share"):
    """Site to analyst: this site's blinded share of the answer (little-endian int64), and its engine.

    ``cost``: of an exact answer, the analyst's earlier exact requests and this site's limit (``exact_before``,
    ``exact_limit``); else empty.
    """

    values: bytes
    rounds: int
    bytes_sent: int
    engine: str
    cost: dict[str, str] = {}


class BudgetAsk(WireMessage, frozen=True, tag="BudgetAsk"):
    """Any member to a site: the spent and the remaining budget of each sub-budget."""


class BudgetAnswer(WireMessage, frozen=True, tag="BudgetAnswer"):
    """Site to member: the budget rows, the sequencer and the member sites, from this site's copy of the ledger.

    ``declared`` gives for each table whose version was declared the number of the last entry that did so.
    """

    rows: list[dict[str, str | int | None]]
    number: int
    head: str
    sequencer: str
    members: list[str]
    declared: dict[str, int] = {}


class ChangesAsk(WireMessage, frozen=True, tag="ChangesAsk"):
    """Any member to a site: the entries that changed the members and the agreement."""


class ChangesAnswer(WireMessage, frozen=True, tag="ChangesAnswer"):
    """Site to member: the bytes of a members file, empty without such an entry; the signatures prove each entry."""

    data: bytes


class QuoteAsk(WireMessage, frozen=True, tag="QuoteAsk"):
    """Analyst to the sequencer: quote these requests one after the other. Nothing is spent or stored."""

    requests: Annotated[list[bytes], Meta(max_length=MAX_REQUESTS)]


class QuoteAnswer(WireMessage, frozen=True, tag="QuoteAnswer"):
    """Sequencer to analyst: for each request its cost, the remaining budget, and the reason of a refusal, if any."""

    rows: list[dict[str, str | bool]]


class PreflightAsk(WireMessage, frozen=True, tag="PreflightAsk"):
    """Analyst to a site: what would refuse this request here, or any request about the tables where it is empty?

    ``request``: canonical bytes without the analyst's signature, so that no site can have it charged.
    """

    request: bytes = b""


class PreflightAnswer(WireMessage, frozen=True, tag="PreflightAnswer"):
    """Site to analyst: every reason for which it would refuse the request, and the faults of its data; no row decides any.

    ``faults``: each has ``table``, ``code`` and ``column``, which are of the agreed schema; ``column`` may be empty.
    """

    refusals: list[Failed]
    faults: list[dict[str, str]]


class TextsAsk(WireMessage, frozen=True, tag="TextsAsk"):
    """Auditor to a site: the request texts behind this place, 0 at first. An analyst gets their own alone."""

    after: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


class TextsAnswer(WireMessage, frozen=True, tag="TextsAnswer"):
    """Site to auditor: some texts, each under the request hash under which the site keeps it; the next place, if any.

    The receiver compares each text with its hash.
    """

    texts: dict[str, bytes]
    next_after: int | None


class HealthAsk(WireMessage, frozen=True, tag="HealthAsk"):
    """The doctor command to a node: report your state."""


class Health(WireMessage, frozen=True, tag="Health"):
    """Node to the doctor command: version, clock, readiness, heard nodes, engine for shares."""

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


class LedgerPost(WireMessage, frozen=True, tag="LedgerPost"):
    """Site to site: a ledger message, with the signed requests that a proposal's entries charge."""

    data: bytes
    requests: list[Ask]


class LedgerReply(WireMessage, frozen=True, tag="LedgerReply"):
    """Site to site: the answer to a proposal; empty for every other ledger message."""

    reply: bytes


class LedgerSince(WireMessage, frozen=True, tag="LedgerSince"):
    """Site to site: send the entries from this number on."""

    number: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


class LedgerEntries(WireMessage, frozen=True, tag="LedgerEntries"):
    """Site to site: some of the requested entries, empty at the end, and the sender's last entry number."""

    entries: list[bytes]
    head: int


class Ack(WireMessage, frozen=True, tag="Done"):
    """Both directions: the last message was accepted."""


class Deal(WireMessage, frozen=True, tag="Deal"):
    """The first site to the dealer: join this session."""

    session_id: Annotated[bytes, Meta(max_length=MAX_HASH)]
    request_hash: Annotated[bytes, Meta(max_length=MAX_HASH)]
    parties: Annotated[list[Name], Meta(min_length=1, max_length=MAX_SITES)]
