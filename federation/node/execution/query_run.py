"""One run at one site: from a complete ledger entry to this site's share of the answer.

Layer:       federation.node.execution.query_run, above ledger.replication.
Guarantees:  the order is fixed: the entry is complete and this site has signed it since its last start; the start is
             noted, durably and once; local scan; noise or guard on shares; this site's summand of the opening. After
             the note the charge is spent in any case. After the charge no data cause an error of a private run: a
             scan that takes too long, or whose database is lost, gives zero and noise (P1, P5, P19). No row can make
             a scan fail in another way; if one does, the run ends with an error and the table goes out of service,
             since a substitute value could depend on a row. Material is dealt ahead only after the site has reported
             its share.
See instead: the charge (``ledger.replication``), the analyst's channel (``request_handler``).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import LocalTimeoutError, SourceLostError
from federation.errors import RequestRejectedError, SiteUnavailableError
from federation.node.ledger.late_entry import accept_entry
from federation.protocol.messages import Deal, Share
from privacy_accounting.ledger.contents import Charge, Exact
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.session_id import session_id_of_entry
from privacy_accounting.noise import SystemSource
from smpc.dealer.frames import answer_bytes
from smpc.dealer.pool import Prefetch
from smpc.engine.arithmetic import use_engine
from smpc.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.consortium.consortium_file import Consortium
    from federation.network.channel import Network
    from federation.node.admission.queries import AdmittedRequest, QueryAdmission
    from federation.node.execution.background import BackgroundRunner
    from federation.node.execution.dealer_channel import DealerChannels
    from federation.node.execution.prepared_sessions import PreparedSessions
    from federation.requests.kinds.base import JointPart
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.replication.replica import Replica
    from smpc.dealer.pool import Pool
    from smpc.dealer.requests import Request
    from smpc.transport.mesh import Counters

LOG: Final = logging.getLogger(__name__)
SETTLE_S: Final = 1.0  # a node that has just started hears the others sooner
POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryRunner:
    """Runs charged requests at one site."""

    site: str
    consortium: Consortium
    network: Network
    replica: Replica
    admission: QueryAdmission
    prepared_sessions: PreparedSessions
    dealer_channels: DealerChannels
    pool: Pool
    background: BackgroundRunner
    engine: str

    def prepare(self, body: Body) -> None:
        """Start to open the session of a question that this site has signed: keys and material, no row (P1).

        Work that fetches its material step by step, from a dealer, is excluded: it requests the first after the
        local scan, and an idle dealer has left the session by then.
        """
        content = body.content
        if not isinstance(content, Charge | Exact) or content.asked.run:
            return
        known = self.admission.known(content.asked.request)
        if known is None:
            return
        fetches_later = known.planned.work.has_products and not known.needs.requests
        if not (fetches_later and self.consortium.three_sites is None):
            session = session_id_of_entry(body)
            self.prepared_sessions.prepare(
                session, lambda: self._opened(known, session), known.needs.memory_bytes
            )

    def run(self, entry_data: bytes, *, known: AdmittedRequest, source: str) -> Share:
        """Run one complete entry.

        Args:
            entry_data: the entry's bytes, with all signatures.
            known: the open request of the caller's channel.
            source: the member that delivered the entry.

        Returns:
            This site's share of the answer.

        Raises:
            LedgerRefusedError: the entry is incomplete, not to be run by this site, or was run before.
            RequestRejectedError: the entry belongs to another request.
            PartyLostError: another site was lost; the charge is spent.
        """
        entry = Entry.from_bytes(entry_data)
        content = entry.body.content
        if not isinstance(content, Charge | Exact) or content.asked.request != known.planned.digest:
            raise RequestRejectedError(site=self.site, reason="the entry belongs to another request")
        accept_entry(self.replica, entry, source=source, deadline_s=float(self.consortium.file.deadline_s))
        session = self.replica.start(entry)
        joint = self._scanned(known)
        if not (self.pool.is_on and known.needs.requests):
            return self._joint(known, session, joint)

        def work(report: Callable[[Share], None]) -> None:
            self._joint(known, session, joint, report)

        return self.background.call(work)

    def check_dealer(self, known: AdmittedRequest) -> None:
        """Check before the charge that the dealer is alive, if the question needs one.

        Raises:
            SiteUnavailableError: this site does not hear the heartbeat of the dealer.
        """
        dealer = self.consortium.file.dealer
        if dealer is None or not known.planned.work.has_products:
            return
        ends_at = time.monotonic() + SETTLE_S
        while not self.network.is_alive(dealer.name):
            if time.monotonic() > ends_at:
                raise SiteUnavailableError(site=dealer.name, reason="no heartbeat from the dealer")
            time.sleep(POLL_S)

    def _scanned(self, known: AdmittedRequest) -> JointPart:
        """This site's joint part after its scan; of private work also after a scan that was late or lost (P19)."""
        work, limit_s = known.planned.work, float(self.consortium.file.local_limit_s)
        try:
            return work.scan(self.admission.source(known.planned), limit_s)
        except (LocalTimeoutError, SourceLostError) as error:
            if work.mode == "exact":
                raise
            LOG.error(  # noqa: TRY400 - only the type of the failure: a trace could quote data
                "%s: the local scan failed (%s); the site sends zero plus noise instead",
                self.site,
                type(error).__name__,
            )
            return work.without_scan()

    def _joint(
        self,
        known: AdmittedRequest,
        session_id: bytes,
        joint: JointPart,
        report: Callable[[Share], None] | None = None,
    ) -> Share:
        """Run this site's part in the session of all sites, usually a prepared one.

        Args:
            known: the question.
            session_id: the session of this run.
            joint: this site's part.
            report: receives this site's share before material is dealt ahead.
        """
        with self.prepared_sessions.take(session_id) or self._opened(known, session_id) as session:
            share = self._share(joint(session, SystemSource()), session.counters)
            if report is not None:
                report(share)
                session.deal_ahead()
        return share

    def _share(self, values: bytes, counters: Counters) -> Share:
        """This site's share of the answer, and the cost of the session so far."""
        bytes_sent = max(counters.bytes_sent.values(), default=0)
        return Share(values=values, rounds=counters.rounds, bytes_sent=bytes_sent, engine=self.engine)

    def _opened(self, known: AdmittedRequest, session_id: bytes) -> Session:
        """Open a session as far as possible without data: channels, keys, the material of a question.

        A plan without comparisons and products runs among all sites, even when three computing sites are configured:
        the secrecy of a sum then needs no helper.
        """
        request_hash = bytes.fromhex(known.planned.digest)
        has_material, requests = known.planned.work.has_products, known.needs.requests
        sites = self.consortium.three_sites if has_material else None
        has_dealer = has_material and sites is None
        dealer = self._call_dealer(session_id, request_hash) if has_dealer else None
        mesh = self.network.open_mesh(session_id, request_hash, self.consortium.names, dealer)
        session = Session(
            mesh,
            session_id,
            sites,
            memory_bytes=self.admission.limits.session_bytes,
            ahead=self._ahead(requests) if has_dealer and requests else None,
        )
        use_engine(session, self.engine)
        try:
            session.open()
            session.prefetch(requests)
        except BaseException as error:
            mesh.close(error)
            raise
        return session

    def _ahead(self, requests: Sequence[Request]) -> Prefetch:
        """The part of the pool that serves a session with these requests."""
        return Prefetch(self.pool, requests, answer_bytes(requests, self.consortium.names.index(self.site)))

    def _call_dealer(self, session_id: bytes, request_hash: bytes) -> str:
        """The name of the dealer; the first site asks it to join the session."""
        dealer = self.consortium.file.dealer
        if dealer is None:
            raise SiteUnavailableError(
                site=self.site, reason="the consortium has no dealer, which this answer needs"
            )
        if self.site == self.consortium.names[0]:
            parties = list(self.consortium.names)
            deal = Deal(session_id=session_id, request_hash=request_hash, parties=parties)
            self.dealer_channels.call(dealer.name, deal)
        return dealer.name
