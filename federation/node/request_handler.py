"""Handles the channels of analysts, auditors and other sites: one thread per channel, one message at a time.

Layer:       federation.node.request_handler, above request_services.
Guarantees:  a request is charged and answered in one visit: the site that proposes its charge answers with the entry
             and then with its share, every other site with its share. Every failure is answered with an error, and the
             channel stays usable. An unexpected error is logged at the site and crosses the wire without its text.
See instead: the states of a request (``request_state``), the decision (``admission``), the charge
             (``ledger.replication``), the run (``execution.query_run``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.consortium.amending.amendments import Amendment
from federation.consortium.members_file import write_members
from federation.errors import RequestRejectedError, SiteUnavailableError
from federation.node.budget_report import budget_rows
from federation.node.ledger.late_entry import accept_entry
from federation.protocol.codec import name_on_wire
from federation.protocol.exchange import poll, send, serve
from federation.protocol.messages import (
    Accepted,
    Ack,
    ApplyAmendment,
    Ask,
    AttemptRequest,
    BudgetAnswer,
    BudgetAsk,
    ChangesAnswer,
    ChangesAsk,
    Charged,
    Health,
    HealthAsk,
    LedgerEntries,
    LedgerPost,
    LedgerReply,
    LedgerSince,
    PreflightAsk,
    QuoteAnswer,
    QuoteAsk,
    RunRequest,
    TextsAnswer,
    TextsAsk,
    Withdraw,
)
from federation.protocol.request import request_hash
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.replication.entry_of_request import entry_of
from privacy_accounting.ledger.replication.sequencer import Draft
from smpc.errors import PartyLostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.network.channel import Channel, Network
    from federation.node.ledger.replication import LedgerReplication
    from federation.node.query_service import QueryService
    from federation.node.records.request_records import RequestRecords
    from federation.node.request_services import RequestServices
    from federation.node.request_state import OpenRequest
    from federation.protocol.codec import Message
    from federation.protocol.messages import PreflightAnswer
    from privacy_accounting.ledger.replication.replica import Replica

ANALYST: Final = "analyst"
AUDITOR: Final = "auditor"
SITE: Final = "site"
TICK_S: Final = 0.05


class RequestHandler:
    """Serves channels: ``requests`` for analysts and auditors, ``ledger`` for other sites."""

    def __init__(  # noqa: PLR0913 - independent parts, by keyword
        self,
        *,
        network: Network,
        services: RequestServices,
        chain: LedgerReplication,
        replica: Replica,
        deadline_s: float,
        exact_limit: int,
        health: Callable[[], Health],
        records: RequestRecords,
        preflight: Callable[[PreflightAsk, str], PreflightAnswer],
    ) -> None:
        """Create the handler; it serves once registered with the network.

        Args:
            network: the site's.
            services: what serves each kind of request.
            chain: the site's ledger on the network.
            replica: the site's ledger.
            deadline_s: longest wait for earlier entries of a batch (s).
            exact_limit: exact requests that this site allows one analyst.
            health: the state that the doctor command shows.
            records: the kept texts and refusals.
            preflight: answers the preflight of an analyst.
        """
        self._network, self._services, self._chain = network, services, chain
        self._replica, self._deadline_s, self._exact_limit = replica, deadline_s, exact_limit
        self._health, self._records, self.site = health, records, replica.name
        self._preflight = preflight

    def requests(self, channel: Channel) -> None:
        """Serve one channel of an analyst, an auditor or a node."""
        state = _ChannelState(self._services.queries)
        try:
            serve(channel, self._network, lambda message: self._request(message, channel, state))
        finally:
            state.leave()

    def ledger(self, channel: Channel) -> None:
        """Serve one ledger channel of another site."""
        serve(channel, self._network, lambda message: self._ledger(message, channel))

    def _request(self, message: Message, channel: Channel, state: _ChannelState) -> Message | None:
        self._check_member(channel)
        if isinstance(message, HealthAsk):
            return self._health()
        if isinstance(message, BudgetAsk):
            return self._budget(channel)
        if isinstance(message, ChangesAsk):
            entries = self._replica.core.state.member_entries
            return ChangesAnswer(data=write_members(entries) if entries else b"")
        if isinstance(message, TextsAsk):
            return self._texts(message, channel)
        if channel.role != ANALYST:
            if isinstance(
                message, Withdraw
            ):  # nothing is kept of a refused request; its sender waits for this answer
                return Ack()
            raise RequestRejectedError(site=self.site, reason="only an analyst can send this message")
        return self._analyst(message, channel, state)

    def _check_member(self, channel: Channel) -> None:
        """Refuse a channel that was opened before its member was removed, or its key renewed."""
        roles = self._replica.core.state.roles
        removed, key = roles.removed(channel.peer), roles.key_of(channel.peer)
        if removed:
            raise RequestRejectedError(
                site=self.site,
                reason=f"{channel.role} {channel.peer} was removed by entry {removed} of the ledger",
            )
        if key and channel.key not in {"", key}:
            raise RequestRejectedError(
                site=self.site, reason=f"the key of {channel.peer} was renewed: connect with the new one"
            )

    def _analyst(self, message: Message, channel: Channel, state: _ChannelState) -> Message | None:
        if isinstance(message, RunRequest):
            return self._run(message, channel, state)
        if isinstance(message, Charged):
            return None  # an answer and the analyst's copy of the entry have crossed
        if isinstance(message, Ask):
            return self._accept(message, channel, state)
        if isinstance(message, QuoteAsk):
            return self._quotes(message, channel)
        if isinstance(message, PreflightAsk):
            return self._preflight(message, channel.peer)
        if isinstance(message, AttemptRequest):
            return self._charge_attempt(message, channel)
        if isinstance(message, ApplyAmendment):
            return Charged(entry=self._chain.enter_amendment(Amendment.from_bytes(message.motion)).to_bytes())
        if isinstance(message, Withdraw):
            state.leave()
            return Ack()
        raise self._unexpected(message)

    def _budget(self, channel: Channel) -> BudgetAnswer:
        asker = channel.peer if channel.role == ANALYST else ""
        return BudgetAnswer(
            rows=budget_rows(self._replica, asker=asker, exact_limit=self._exact_limit),
            number=self._replica.head,
            head=self._replica.head_hash.hex(),
            sequencer=self._replica.sequencer,
            members=list(self._replica.members),
            declared={table: at for table, (_, at) in self._replica.core.state.tables.items()},
        )

    def _texts(self, message: TextsAsk, channel: Channel) -> TextsAnswer:
        """Texts of all analysts for an auditor, whom the consortium file names; of an analyst, their own."""
        if channel.role not in {ANALYST, AUDITOR}:
            raise RequestRejectedError(site=self.site, reason="only an auditor can read the request texts")
        analyst = None if channel.role == AUDITOR else channel.peer
        page = self._records.texts.page(message.after, analyst=analyst)
        return TextsAnswer(texts=page.texts, next_after=page.next_after)

    def _quotes(self, message: QuoteAsk, channel: Channel) -> QuoteAnswer:
        if not message.requests:
            return QuoteAnswer(rows=[])
        service = self._services.of(message.requests[0])
        return QuoteAnswer(rows=service.quote(message.requests, caller=channel.peer))

    def _check_ready(self) -> None:
        reason = self._chain.not_ready
        if reason:
            raise SiteUnavailableError(site=self.site, reason=reason)

    def _accept(self, ask: Ask, channel: Channel, state: _ChannelState) -> Accepted:
        """Check a training, or reserve a place for another request."""
        self._check_ready()
        state.leave()
        with self._records.refusals.noting(ask, channel.peer):
            state.request = self._services.of(ask.request).accept(
                ask,
                caller=channel.peer,
                patience_s=ask.patience_ms / 1000,
                has_left=lambda: channel.has_left,
            )
        return Accepted(sequencer=self._replica.sequencer)

    def _charge_attempt(self, message: AttemptRequest, channel: Channel) -> Charged:
        """At the sequencer: enter the charge of one attempt of a training for its cohort."""
        with self._records.refusals.noting(message.ask, channel.peer):
            return self._charged_attempt(message, channel)

    def _charged_attempt(self, message: AttemptRequest, channel: Channel) -> Charged:
        admission = self._services.training.admission
        if self._chain.needs_administrator:  # as after a change of members or of the agreement
            reason = f"the training is broken off, for {self._chain.not_ready}"
            raise RequestRejectedError(site=self.site, reason=reason)
        known = admission.learn(message.ask)
        if known.request.analyst != channel.peer:
            raise RequestRejectedError(
                site=self.site, reason="the request names an analyst other than its sender"
            )
        content = admission.content_of(
            known, round_number=message.round_number, attempt=message.attempt, cohort=message.cohort
        )
        known_entry = entry_of(self._replica, content.asked.once)
        if known_entry is not None:  # the analyst's program ended before the entry reached it
            return Charged(entry=known_entry)
        draft = Draft(cohort=tuple(message.cohort), content=content)
        return Charged(entry=self._chain.enter(draft, message.ask).to_bytes())

    def _run(self, message: RunRequest, channel: Channel, state: _ChannelState) -> Message:
        """Have a request charged, if this site is the one to propose it, and answer it."""
        self._check_ready()
        state.keep_only(request_hash(message.ask.request))
        if state.request is None:
            with self._records.refusals.noting(message.ask, channel.peer):
                service = self._services.of(message.ask.request)
                state.request = service.open(message.ask, caller=channel.peer)
        try:
            if message.sequencer == self.site:
                with self._records.refusals.noting(message.ask, channel.peer):
                    entry = self._charge(state.request)
                send(channel, Charged(entry=entry.to_bytes()))
            return self._answer(state.request, channel)
        finally:
            state.leave()

    def _charge(self, request: OpenRequest) -> Entry:
        try:
            return self._chain.charge(request.known)
        except BaseException:
            self._services.queries.refused(request)
            raise

    def _answer(self, request: OpenRequest, channel: Channel) -> Message:
        """Wait for the answer of a request, and meanwhile for its withdrawal or for its entry from the analyst."""
        while True:
            share = self._services.queries.deliver(request, TICK_S)
            if share is not None:
                return share
            if not self._network.is_alive(channel.peer):
                raise PartyLostError(name=channel.peer)
            message = poll(channel, 0.0)
            if isinstance(message, Withdraw):
                return Ack()
            if isinstance(message, Charged):
                entry, deadline_s = Entry.from_bytes(message.entry), float(self._deadline_s)
                accept_entry(self._replica, entry, source=channel.peer, deadline_s=deadline_s)
            elif message is not None:
                raise self._unexpected(message)

    def _unexpected(self, message: Message) -> RequestRejectedError:
        return RequestRejectedError(
            site=self.site, reason=f"a {name_on_wire(type(message))} message is not expected here"
        )

    def _ledger(self, message: Message, channel: Channel) -> Message:
        if isinstance(message, LedgerSince):
            entries = self._chain.entries_from(max(0, message.number))
            return LedgerEntries(entries=entries, head=self._replica.head)
        if not isinstance(message, LedgerPost) or channel.role != SITE:
            raise self._unexpected(message)
        return LedgerReply(reply=self._chain.take(message.data, message.requests, source=channel.peer))


class _ChannelState:
    """The request for which one channel waits, or has reserved a place."""

    def __init__(self, queries: QueryService) -> None:
        self._queries = queries
        self.request: OpenRequest | None = None

    def keep_only(self, digest: str) -> None:
        """Leave the last request unless it is this one."""
        if self.request is not None and self.request.digest != digest:
            self.leave()

    def leave(self) -> None:
        """Wait for the last request no more."""
        request, self.request = self.request, None
        if request is not None:
            self._queries.leave(request)
