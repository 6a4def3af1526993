"""One run at one site: from the noted start to this site's share of the answer.

Layer:       federation.node.execution.query_run, above admission.
Guarantees:  the order is fixed: local scan; noise or guard on shares; this site's summand of the opening. The caller
             has noted the start durably, so that the charge is spent in any case. After the charge no data cause an
             error of a private run: a scan that takes too long, or whose database is lost, gives zero and noise (P1,
             P5, P19). No row can make a scan fail in another way; if one does, the run ends with an error and the
             table goes out of service, since a substitute value could depend on a row. Material is dealt ahead only
             after the site has reported its share.
See instead: what comes before the run (``query_service``), the charge (``ledger.replication``).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import LocalTimeoutError, SourceLostError
from federation.errors import SiteUnavailableError
from federation.protocol.messages import Deal, Share
from privacy_accounting.noise import SystemSource
from smpc.dealer.frames import answer_bytes
from smpc.dealer.pool import Prefetch
from smpc.engine.arithmetic import use_engine
from smpc.session import KeyOffer, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.consortium.consortium_file import Consortium
    from federation.network.channel import Network
    from federation.node.admission.queries import AdmittedRequest, QueryAdmission
    from federation.node.execution.dealer_channel import DealerChannels
    from federation.node.execution.prepared_sessions import PreparedSessions
    from federation.requests.kinds.base import JointPart
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
    admission: QueryAdmission
    prepared_sessions: PreparedSessions
    dealer_channels: DealerChannels
    pool: Pool
    engine: str

    def prepare(self, known: AdmittedRequest, session: bytes) -> None:
        """Start to open the session of a question that this site has signed: keys and material, no row (P1).

        Work that fetches its material step by step, from a dealer, is excluded: it requests the first after the
        local scan, and an idle dealer has left the session by then.
        """
        fetches_later = known.planned.work.has_products and not known.needs.requests
        if not (fetches_later and self.consortium.three_sites is None):
            self.prepared_sessions.prepare(
                session, lambda: self._opened(known, session), known.needs.memory_bytes
            )

    def discard(self, session: bytes) -> None:
        """Close a prepared session that will never run."""
        self.prepared_sessions.discard(session)

    def run(self, known: AdmittedRequest, session_id: bytes, report: Callable[[Share], None]) -> None:
        """Run a request whose entry is complete and whose start is noted.

        Args:
            known: the request.
            session_id: the session of this run.
            report: receives this site's share of the answer, before the session ends and material is dealt ahead.

        Raises:
            PartyLostError: another site was lost; the charge is spent.
        """
        joint = self._scanned(known)
        with self.prepared_sessions.take(session_id) or self._opened(known, session_id) as session:
            report(self._share(joint(session, SystemSource()), session.counters))
            if self.pool.is_on and known.needs.requests:
                session.deal_ahead()

    def check_dealer(self, known: AdmittedRequest, *, settle_s: float = SETTLE_S) -> None:
        """Check before the charge that the dealer is alive, if the question needs one.

        Args:
            known: the request.
            settle_s: how long to wait for its heartbeat (s).

        Raises:
            SiteUnavailableError: this site does not hear the heartbeat of the dealer.
        """
        dealer = self.consortium.file.dealer
        if dealer is None or not known.planned.work.has_products:
            return
        ends_at = time.monotonic() + settle_s
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
        names = self.consortium.names
        peers = [name for name in names if name != self.site]
        offer = KeyOffer(peers, self._ahead(requests) if has_dealer and requests else None)
        mesh = self.network.open_mesh(session_id, request_hash, names, dealer, offer.first)
        session = Session(
            mesh, session_id, sites, memory_bytes=self.admission.limits.session_bytes, offer=offer
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
