"""The site's side of the consortium's ledger: start-up, proposals of other sites, and charges at the sequencer.

Layer:       federation.node.ledger.replication, above peers and admission.
Terms:       a *submission* is one request, or one amendment, on its way into the ledger.
Guarantees:  a site signs nothing before it has adopted the longest valid chain of all sites that it could reach;
             proposals go from the sequencer to the sites and never through a client; requests that wait at the same
             time are proposed together.
See instead: every decision about bytes (``privacy_accounting.ledger``), runs (``execution.query_run``).
Source:      docs/guarantees.md P2; docs/adr/0004-one-chain-with-a-sequencer.md.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from federation.errors import AmendmentRejectedError, SiteUnavailableError
from federation.node.ledger.catch_up import CatchUp
from federation.node.ledger.readiness import Readiness
from federation.node.ledger.snapshot_timer import SnapshotTimer
from federation.node.ledger.submissions import Submission, SubmissionQueue, complete, refusal_reason
from federation.requests.ledger_content import content_of
from privacy_accounting.errors import (
    AccountingError,
    LedgerForkedError,
    LedgerRefusedError,
)
from privacy_accounting.ledger.changes.members_change import MembersChange
from privacy_accounting.ledger.messages import Proposal, Signed, read_message
from privacy_accounting.ledger.replication.agreement import agree
from privacy_accounting.ledger.replication.entry_validation import bodies_of
from privacy_accounting.ledger.replication.sequencer import Draft, Sequencer
from privacy_accounting.ledger.replication.snapshots import EVERY, snapshot_draft

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from federation.consortium.amending.amendments import Amendment
    from federation.consortium.consortium_file import Consortium
    from federation.node.admission.queries import AdmittedRequest
    from federation.node.ledger.peers import PeerClients
    from federation.protocol.messages import Ask
    from privacy_accounting.ledger.entries import Body, Entry
    from privacy_accounting.ledger.replication.agreement import Agreement
    from privacy_accounting.ledger.replication.entry_validation import Admit
    from privacy_accounting.ledger.replication.replica import Replica

LOG: Final = logging.getLogger(__name__)
RETRY_S: Final = 0.1
JOIN_S: Final = 40.0
LACKING_S: Final = 1.0


class LedgerReplication:
    """One site's ledger on the network."""

    def __init__(
        self,
        *,
        consortium: Consortium,
        replica: Replica,
        cache_request: Callable[[Ask], None],
        admit: Admit,
        on_signed: Callable[[Body], None],
        peers: PeerClients,
        genesis: Body,
        snapshot_every: int = EVERY,
    ) -> None:
        """Create the replication of the site's ledger; ``start`` connects it to the other sites.

        Args:
            consortium: the agreement.
            replica: the site's ledger.
            cache_request: caches the signed requests sent with a proposal.
            admit: decides whether this site signs an entry.
            on_signed: called with each body that this site has signed or proposed, before it is complete.
            peers: the channels to the other sites.
            genesis: the first entry as this site derives it.
            snapshot_every: entries between two snapshots while this site is the sequencer.
        """
        self._consortium, self._replica, self._peers = consortium, replica, peers
        self._cache_request, self._admit, self._on_signed = cache_request, admit, on_signed
        self._genesis = genesis
        self._sequencer = Sequencer(replica)
        self._snapshots = SnapshotTimer(replica, every=snapshot_every)
        self._stopping = threading.Event()
        self._catch_up = CatchUp(replica, peers, self._stopping)
        self._readiness = Readiness(consortium, replica, self._catch_up)
        self._submissions = SubmissionQueue(replica.name)
        self._reached_all = False
        self._thread = threading.Thread(target=self._work, name=f"{replica.name}-ledger", daemon=True)

    # -- state ---------------------------------------------------------------------------------------------

    @property
    def is_sequencer(self) -> bool:
        """Whether this site is the current sequencer."""
        return self._replica.sequencer == self._replica.name

    @property
    def not_ready(self) -> str:
        """The reason why this site cannot serve requests yet; empty when it can."""
        return self._readiness.reason

    @property
    def needs_administrator(self) -> bool:
        """Whether this site serves no request before an administrator acts."""
        return self._readiness.needs_administrator

    def start(self) -> None:
        """Catch up and, at the sequencer, start to enter charges; in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; submissions under way fail. The network is closed already."""
        self._stopping.set()
        self._submissions.close("it is stopping")
        self._thread.join(JOIN_S)

    # -- what other sites send -----------------------------------------------------------------------------

    def take(self, data: bytes, requests: Sequence[Ask], *, source: str) -> bytes:
        """Handle a ledger message from another site.

        Args:
            data: a proposal, a withdrawal, or complete entries.
            requests: the signed requests that a proposal charges.
            source: the sending site.

        Returns:
            The answer to a proposal; empty for other messages.

        Raises:
            LedgerRefusedError: the message does not fit, or this site is not ready.
            LedgerForkedError: the ledger is forked.
        """
        if not self._catch_up.is_done.wait(float(self._consortium.file.deadline_s)):
            raise LedgerRefusedError(reason="this site has not read the other sites' ledgers yet")
        for ask in requests:
            self._cache_request(ask)
        message = read_message(data)
        if isinstance(message, Proposal):
            self._withdraw_overtaken(message, source)
        answer = self._replica.handle(message, self._admit, source=source)
        if isinstance(message, Proposal) and isinstance(answer, Signed):
            self._report_signed(message)
        return b"" if answer is None else answer.to_bytes()

    def _withdraw_overtaken(self, proposal: Proposal, source: str) -> None:
        """Withdraw this site's unfinished removal of a site once the sequencer proposes again, and notify all."""
        number = self._replica.head + 1
        if self.is_sequencer or not self._sequencer.has_proposed(number):
            return
        try:
            withdrawals = self._sequencer.give_way(proposal.number, self._catch_up.fetch())
        except AccountingError as error:
            LOG.warning("%s: an earlier proposal stays as it is: %s", self._replica.name, error)
            return
        if withdrawals and proposal.sender != self._replica.name:
            others = [site for site in self._catch_up.others if site != source]
            self._peers.broadcast(dict.fromkeys(others, withdrawals))

    def entries_from(self, number: int) -> list[bytes]:
        """Complete entries for a site that is behind."""
        return self._replica.entries_from(number)

    # -- charges -------------------------------------------------------------------------------------------

    def charge(self, known: AdmittedRequest) -> Entry:
        """Enter the charge of a request in the ledger. Only at the sequencer.

        Returns:
            The complete entry; its charge is spent.

        Raises:
            AccountingError, AnalyticsError, FederationError: the error of the first site that refused.
            SiteUnavailableError: a site did not answer; nothing was charged.
        """
        content = content_of(known.planned, known.ask.signature, self._replica.privacy_filter)
        return self.enter(Draft(cohort=self._consortium.names, content=content), known.ask)

    def enter(self, draft: Draft, ask: Ask) -> Entry:
        """Enter a draft in the ledger. Only at the sequencer; errors as ``charge``."""
        self._resolve_doubt()
        if not self.is_sequencer:
            raise LedgerRefusedError(reason=f"only the sequencer, {self._replica.sequencer}, enters charges")
        return self._submissions.enter(Submission(draft=draft, ask=ask))

    def enter_amendment(self, amendment: Amendment) -> Entry:
        """Enter an amendment that all administrators approved. Only at the site that signs it last.

        Returns:
            The complete entry; the amendment holds from now on.

        Raises:
            AmendmentRejectedError: it is out of date, of another consortium, or removes a site that answers.
            ApprovalMissingError: an administrator has not approved it; nothing was changed.
            LedgerRefusedError: another site signs it last, or the rules of the ledger forbid it.
            SiteUnavailableError: a site did not answer; nothing was changed.
        """
        reason = self.not_ready
        if reason and reason != self._readiness.left:  # an amendment does not wait for a restart of this node
            raise SiteUnavailableError(site=self._replica.name, reason=reason)
        self._resolve_doubt()
        state = self._replica.core.state
        amendment.check_fits(state)
        self._check_lost(amendment)
        self._check_connected(amendment)
        members, content = state.members(), amendment.content
        last = members.sequencer
        if isinstance(content, MembersChange):
            members = members.changed(content)
            last = members.sequencer if amendment.leaves_out == last else last
        if last != self._replica.name:
            raise LedgerRefusedError(reason=f"this amendment must be entered by {last}")
        return self._submissions.enter(
            Submission(draft=Draft(cohort=members.names, content=content), ask=None)
        )

    def _resolve_doubt(self) -> None:
        """Ask the other sites for the outcome of an open proposal, which may have made this site the sequencer.

        The site must ask: the previous sequencer proposes no more, and the present one may be this site itself.
        """
        if not self.is_sequencer and self._replica.in_doubt:
            self._catch_up.fetch_guarded()

    def _check_lost(self, amendment: Amendment) -> None:
        """Refuse to remove a running site: a running sequencer could still complete an entry, a fork."""
        lost = amendment.leaves_out
        if lost and self._peers.all_alive([lost]):
            raise AmendmentRejectedError(
                reason=f"{lost} still answers; only a lost site can be left out: stop its node first"
            )

    def _check_connected(self, amendment: Amendment) -> None:
        """Refuse while this node has no connection to the place of a new site: it must sign its own entry."""
        place, content = amendment.site, amendment.content
        if place is None or not isinstance(content, MembersChange):
            return
        if self._peers.awaited.get(content.name) != place:
            raise SiteUnavailableError(
                site=self._replica.name,
                reason=f"it does not connect to {content.name} yet: approve the amendment here, then restart this node",
            )

    def _work(self) -> None:
        try:
            self._open()
            self._snapshot_if_due()
            while submissions := self._submissions.take():
                self._agree_on(submissions)
                self._snapshot_if_due()
        finally:  # a submission never waits for a thread that has ended
            self._submissions.close("its ledger has stopped; see the log of that node")

    def _snapshot_if_due(self) -> None:
        """Propose a due snapshot to all sites, without other entries; a failure changes nothing else."""
        if not self.is_sequencer or not self._snapshots.is_due(charges_wait=len(self._submissions) > 0):
            return
        if not self._peers.all_alive(self._catch_up.others):
            return
        try:
            if not self._reached_all:
                self._recover()
            agreement = agree(
                self._sequencer, [snapshot_draft(self._replica)], self._admit, self._peers.broadcast
            )
        except AccountingError as error:
            LOG.warning("%s: no snapshot: %s", self._replica.name, error)
            self._snapshots.failed()
            return
        if not agreement.entries:
            LOG.warning("%s: no snapshot: %s", self._replica.name, self._refusal_of(agreement, 0))
            self._snapshots.failed()

    def _refusal_of(self, agreement: Agreement, place: int) -> Exception:
        return refusal_reason(
            agreement, place, sequencer=self._replica.name, others=len(self._catch_up.others)
        )

    def _agree_on(self, submissions: list[Submission]) -> None:
        requests = [submission.ask for submission in submissions if submission.ask is not None]
        try:
            if not self._reached_all:
                self._recover()
            agreement = agree(
                self._sequencer,
                [submission.draft for submission in submissions],
                self._admit,
                lambda messages: self._broadcast(messages, requests),
                lambda entries: complete(submissions, entries),
            )
        except AccountingError as error:
            for submission in submissions:
                submission.fail(error)
            return
        for place, submission in enumerate(submissions):
            if submission.entry is None:
                submission.fail(self._refusal_of(agreement, place))

    def _broadcast(
        self, messages: Mapping[str, Sequence[bytes]], requests: Sequence[Ask]
    ) -> dict[str, bytes]:
        """Send messages; a proposal counts as signed here, since the sequencer has checked it and signs last."""
        if self._sequencer.open is not None:
            self._report_signed(self._sequencer.open)
            return self._peers.broadcast(messages, requests)
        return self._peers.broadcast(messages)

    def _report_signed(self, proposal: Proposal) -> None:
        for _, body in bodies_of(proposal.bodies):
            if self._replica.name in body.cohort:
                self._on_signed(body)

    # -- start-up ------------------------------------------------------------------------------------------

    def _open(self) -> None:
        """Catch up; at the sequencer also recover, and propose the genesis entry once all sites answer."""
        self._catch_up.fetch_guarded()
        self._catch_up.is_done.set()
        while self._catch_up.lacks_entries and not self._stopping.wait(LACKING_S):
            self._catch_up.fetch_guarded()  # a site that has the entries may start later
        while not self._stopping.is_set() and self.is_sequencer:
            try:
                self._recover()
                if self._replica.head >= 0:
                    return
                if self._reached_all:
                    self._propose_genesis()
            except LedgerForkedError as error:
                LOG.critical("%s: %s; this site runs no requests", self._replica.name, error)
                return
            except AccountingError as error:
                LOG.warning("%s: the ledger cannot be opened yet: %s", self._replica.name, error)
            self._stopping.wait(RETRY_S)

    def _recover(self) -> None:
        heads = self._catch_up.fetch()
        with self._sequencer.turn:
            withdrawals = self._sequencer.recover(heads)
        self._reached_all = set(heads) >= set(self._catch_up.others)
        if withdrawals:
            self._peers.broadcast(dict.fromkeys(heads, withdrawals))

    def _propose_genesis(self) -> None:
        draft = Draft(cohort=self._genesis.cohort, content=self._genesis.content)
        agreement = agree(self._sequencer, [draft], self._admit, self._peers.broadcast)
        if not agreement.entries:
            raise LedgerRefusedError(reason=str(self._refusal_of(agreement, 0)))
