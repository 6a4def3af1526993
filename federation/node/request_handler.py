"""Handles the channels of analysts, auditors and other sites: one thread per channel, one message at a time.

Layer:       federation.node.request_handler, above execution.
Guarantees:  on one channel a request is sent, then charged, then run, in that order; the site answers every failure
             with an error, and the channel stays usable. An unexpected error is logged at the site and crosses the
             wire without its text.
See instead: the decision about a request (``admission``), the charge (``ledger.replication``), the run
             (``execution.query_run``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.consortium.amendments import Amendment
from federation.errors import RequestRejectedError, SiteBusyError, SiteUnavailableError
from federation.node.budget_report import budget_rows, quote_rows
from federation.protocol.codec import name_on_wire
from federation.protocol.exchange import serve
from federation.protocol.messages import (
    Accepted,
    Ack,
    ApplyAmendment,
    Ask,
    AttemptRequest,
    BudgetAnswer,
    BudgetAsk,
    Charged,
    ChargeRequest,
    Health,
    HealthAsk,
    LedgerEntries,
    LedgerPost,
    LedgerReply,
    LedgerSince,
    QuoteAnswer,
    QuoteAsk,
    RunRequest,
    Withdraw,
    kind_of,
)
from federation.protocol.request import Request
from privacy_accounting.ledger.replication.sequencer import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.network.channel import Channel, Network
    from federation.node.admission.concurrency import ConcurrencyLimit, Reservation
    from federation.node.admission.queries import AdmittedRequest, QueryAdmission
    from federation.node.admission.training import TrainingAdmission
    from federation.node.execution.query_run import QueryRunner
    from federation.node.ledger.replication import LedgerReplication
    from federation.protocol.codec import Message
    from privacy_accounting.ledger.replication.replica import Replica

ANALYST: Final = "analyst"
TRAIN: Final = "train"
SITE: Final = "site"


class RequestHandler:
    """Serves channels: ``requests`` for analysts and auditors, ``ledger`` for other sites."""

    def __init__(
        self,
        *,
        network: Network,
        admission: QueryAdmission,
        training: TrainingAdmission | None,
        chain: LedgerReplication,
        runner: QueryRunner,
        replica: Replica,
        slots: ConcurrencyLimit,
        health: Callable[[], Health],
    ) -> None:
        """Create the handler; it serves once registered with the network."""
        self._network, self._admission, self._chain, self._runner = network, admission, chain, runner
        self._training = training
        self._replica, self._slots, self._health = replica, slots, health
        self.site = replica.name

    def requests(self, channel: Channel) -> None:
        """Serve one channel of an analyst, an auditor or a node."""
        state = _ChannelState()
        try:
            serve(channel, self._network, lambda message: self._request(message, channel, state))
        finally:
            state.reset()

    def ledger(self, channel: Channel) -> None:
        """Serve one ledger channel of another site."""
        serve(channel, self._network, lambda message: self._ledger(message, channel))

    def _request(self, message: Message, channel: Channel, state: _ChannelState) -> Message:
        if isinstance(message, HealthAsk):
            return self._health()
        if isinstance(message, BudgetAsk):
            return self._budget(channel)
        if channel.role != ANALYST:
            raise RequestRejectedError(site=self.site, reason="only an analyst can send this message")
        if isinstance(message, Ask):
            return self._check_request(message, channel, state)
        if isinstance(message, QuoteAsk):
            return self._quotes(message, channel)
        if isinstance(message, AttemptRequest):
            return self._charge_attempt(message, channel)
        if isinstance(message, ApplyAmendment):
            return Charged(entry=self._chain.enter_amendment(Amendment.from_bytes(message.motion)).to_bytes())
        if isinstance(message, Withdraw):
            state.reset()
            return Ack()
        return self._charge_or_run(message, channel, state)

    def _budget(self, channel: Channel) -> BudgetAnswer:
        limit = self._admission.policy.exact_requests_per_analyst
        asker = channel.peer if channel.role == ANALYST else ""
        return BudgetAnswer(
            rows=budget_rows(self._replica, asker=asker, exact_limit=limit),
            number=self._replica.head,
            head=self._replica.head_hash.hex(),
            sequencer=self._replica.sequencer,
            members=list(self._replica.members),
        )

    def _quotes(self, message: QuoteAsk, channel: Channel) -> QuoteAnswer:
        if len(message.requests) == 1 and Request.from_bytes(message.requests[0]).kind == TRAIN:
            quoted = self._training_admission().quote(message.requests[0], caller=channel.peer)
            return QuoteAnswer(rows=[quoted.to_dict()])
        rows = quote_rows(message.requests, self._admission.consortium, self._replica, analyst=channel.peer)
        return QuoteAnswer(rows=rows)

    def _check_request(self, ask: Ask, channel: Channel, state: _ChannelState) -> Accepted:
        reason = self._chain.not_ready
        if reason:
            raise SiteUnavailableError(site=self.site, reason=reason)
        if kind_of(ask) == TRAIN:
            return self._check_training(ask, channel)
        state.reset()
        state.slot = self._slots.reserve(
            channel.peer, patience_s=ask.patience_ms / 1000, has_left=lambda: channel.has_left
        )
        try:
            state.known = self._admission.check(ask, caller=channel.peer)
            self._runner.check_dealer(state.known)
        except BaseException:
            state.reset()
            raise
        planned = state.known.planned
        cost = {"mode": planned.request.mode, **self._admission.exact_use(planned)}
        return Accepted(plan=planned.work.digest(), cost=cost, sequencer=self._replica.sequencer)

    def _check_training(self, ask: Ask, channel: Channel) -> Accepted:
        known = self._training_admission().check(ask, caller=channel.peer)
        first = known.plan.attempt(run=known.digest, round_number=0, attempt=0, cohort=known.plan.terms.sites)
        cost = {"mode": known.request.mode}
        return Accepted(plan=first.manifest.digest(), cost=cost, sequencer=self._replica.sequencer)

    def _charge_attempt(self, message: AttemptRequest, channel: Channel) -> Charged:
        """At the sequencer: enter the charge of one attempt of a training for its cohort."""
        admission = self._training_admission()
        known = admission.learn(message.ask)
        if known.request.analyst != channel.peer:
            raise RequestRejectedError(
                site=self.site, reason="the request names an analyst other than its sender"
            )
        content = admission.content_of(
            known, round_number=message.round_number, attempt=message.attempt, cohort=message.cohort
        )
        draft = Draft(cohort=tuple(message.cohort), content=content)
        return Charged(entry=self._chain.enter(draft, message.ask).to_bytes())

    def _training_admission(self) -> TrainingAdmission:
        if self._training is None:
            raise RequestRejectedError(
                site=self.site, reason="the consortium has no aggregator and key holder"
            )
        return self._training

    def _charge_or_run(self, message: Message, channel: Channel, state: _ChannelState) -> Message:
        known, slot = state.known, state.slot
        if known is None or slot is None:
            raise RequestRejectedError(
                site=self.site, reason="this channel has no open request; send the request first"
            )
        if isinstance(message, ChargeRequest):
            if not slot.is_reserved:
                raise SiteBusyError(site=self.site, reason="the reservation expired; send the request again")
            return Charged(entry=self._chain.charge(known).to_bytes())
        if isinstance(message, RunRequest):
            state.known = state.slot = None
            with slot.running():
                return self._runner.run(message.entry, known=known, source=channel.peer)
        raise RequestRejectedError(
            site=self.site, reason=f"a {name_on_wire(type(message))} message is not expected here"
        )

    def _ledger(self, message: Message, channel: Channel) -> Message:
        if isinstance(message, LedgerSince):
            entries = self._chain.entries_from(max(0, message.number))
            return LedgerEntries(entries=entries, head=self._replica.head)
        if not isinstance(message, LedgerPost) or channel.role != SITE:
            raise RequestRejectedError(
                site=self.site, reason=f"a {name_on_wire(type(message))} message is not expected here"
            )
        return LedgerReply(reply=self._chain.take(message.data, message.requests, source=channel.peer))


class _ChannelState:
    """The last request of one channel, and its reservation."""

    def __init__(self) -> None:
        self.known: AdmittedRequest | None = None
        self.slot: Reservation | None = None

    def reset(self) -> None:
        """Drop the request and release its reservation."""
        if self.slot is not None:
            self.slot.release()
        self.known = self.slot = None
