"""One run at one site: from a complete ledger entry to this site's share of the answer.

Floor:    federation.node.runs, above chain.
Promise:  in this order: the entry is complete and was signed by this site in this life; its start is noted, durably and
          once for ever; local scan; noise or guard on shares; this site's summand of the opening. Whatever happens
          after the note, the charge is spent. After the charge data never cause an error of a private run: a scan
          that fails or takes too long gives zero and noise (P1, P5, P19). Material is dealt ahead only when this
          site's share has been told.
Not here: the charge (``chain``), the analyst's line (``counter``).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import LocalTimeoutError, SourceFailedError
from analytics.mining.bitmaps import local_bitmaps
from analytics.mining.plan import MiningPlan
from analytics.release import joint_cost, needs_dealer, send_answer, send_mined
from federation.errors import RequestRejectedError, SiteUnavailableError
from federation.lines import expect, send
from federation.messages import Deal, Done, Share
from privacy_accounting.ledger.contents import Charge, Exact
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.messages import Complete
from privacy_accounting.noise import SystemSource
from smpc.dealer.frames import answer_bytes
from smpc.dealer.pool import Ahead
from smpc.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from analytics.plan import Plan
    from federation.config import Consortium
    from federation.network import Network
    from federation.node.afterwards import Afterwards
    from federation.node.desk import Desk, Known
    from privacy_accounting.ledger.replica import Replica
    from smpc.dealer.pool import Pool
    from smpc.transport.mesh import Mesh

LOG: Final = logging.getLogger(__name__)
DIAL_S: Final = 5.0
SETTLE_S: Final = 1.0  # a node that has just started hears the others in less
POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """What a site needs to run what was charged."""

    site: str
    consortium: Consortium
    network: Network
    replica: Replica
    desk: Desk
    pool: Pool
    afterwards: Afterwards

    def run(self, entry_data: bytes, *, digest: str, source: str) -> Share:
        """Run one complete entry.

        Args:
            entry_data: the entry's bytes, with all signatures; whoever carries them.
            digest: hash of the request that the caller's line is about.
            source: who carried the entry.

        Returns:
            This site's share of the answer.

        Raises:
            LedgerRefusedError: the entry is not complete, not this site's to run, or was run before.
            RequestRejectedError: it is about another request.
            PartyLostError: another site was lost; the charge is spent.
        """
        entry = Entry.from_bytes(entry_data)
        content = entry.body.content
        if not isinstance(content, Charge | Exact) or content.asked.request != digest:
            raise RequestRejectedError(site=self.site, reason="the entry is about another request")
        known = self.desk.known(digest)
        if known is None:
            raise RequestRejectedError(site=self.site, reason="it was not asked here")
        if entry.body.number > self.replica.head:
            self.replica.completed(Complete(entries=(entry_data,)).to_bytes(), source=source)
        session_id = self.replica.start(entry)
        if isinstance(known.planned.plan, MiningPlan):
            return self._mine(known, session_id, known.planned.plan)
        return self._answer(known, session_id, known.planned.plan)

    def check_dealer(self, known: Known) -> None:
        """Find out before the charge that the dealer, which a question needs, is not there.

        Raises:
            SiteUnavailableError: its heartbeat is not heard.
        """
        plan, dealer = known.planned.plan, self.consortium.file.dealer
        if dealer is None or not (isinstance(plan, MiningPlan) or needs_dealer(plan)):
            return
        ends_at = time.monotonic() + SETTLE_S
        while not self.network.is_alive(dealer.name):
            if time.monotonic() > ends_at:
                raise SiteUnavailableError(site=dealer.name, reason="the dealer is not heard")
            time.sleep(POLL_S)

    def _answer(self, known: Known, session_id: bytes, plan: Plan) -> Share:
        """Answer a question: the local scan, then noise or guard, then this site's summand."""
        figures = self._local(known, plan)
        requests = joint_cost(plan).requests if needs_dealer(plan) else None

        def joint(session: Session) -> bytes:
            if requests is not None:
                session.prefetch(requests)
            return send_answer(session, plan, figures, SystemSource())

        if not requests:
            return self._joint(known, session_id, joint, needs_help=requests is not None)
        n_bytes = answer_bytes(requests, self.consortium.names.index(self.site))
        ahead = Ahead(self.pool, requests, n_bytes)
        if not self.pool.is_on:
            return self._joint(known, session_id, joint, needs_help=True, ahead=ahead)

        def work(tell: Callable[[Share], None]) -> None:
            self._joint(known, session_id, joint, needs_help=True, ahead=ahead, tell=tell)

        return self.afterwards.call(work)

    def _mine(self, known: Known, session_id: bytes, plan: MiningPlan) -> Share:
        """Mine: the local bitmaps, then level by level."""
        source, limit_s = self.desk.source(known.planned), float(self.consortium.file.local_limit_s)
        bitmaps = local_bitmaps(plan, source, limit_s)
        return self._joint(
            known, session_id, lambda session: send_mined(session, plan, bitmaps), needs_help=True
        )

    def _local(self, known: Known, plan: Plan) -> npt.NDArray[np.int64] | None:
        """The site's own scan; None where a private one did not give its figures."""
        limit_s = float(self.consortium.file.local_limit_s)
        try:
            return self.desk.source(known.planned).local_figures(plan, limit_s)
        except (LocalTimeoutError, SourceFailedError) as error:
            if plan.mode == "exact":
                raise
            LOG.error(  # noqa: TRY400 - the kind of the failure alone: a trace could quote data
                "%s: the local stage gave nothing (%s); zero and noise go in its place",
                self.site,
                type(error).__name__,
            )
            return None

    def _joint(
        self,
        known: Known,
        session_id: bytes,
        joint: Callable[[Session], bytes],
        *,
        needs_help: bool,
        ahead: Ahead | None = None,
        tell: Callable[[Share], None] | None = None,
    ) -> Share:
        """Open the session with all sites and run this site's part of it.

        Args:
            known: the question.
            session_id: of this run.
            joint: this site's part.
            needs_help: whether the dealer takes part.
            ahead: what the session has to do with the pool.
            tell: hears this site's share before anything is dealt ahead.
        """
        request_hash = bytes.fromhex(known.planned.digest)
        dealer = self._call_dealer(session_id, request_hash) if needs_help else None
        mesh = self.network.open_mesh(session_id, request_hash, self.consortium.names, dealer)
        limit = self.desk.limits.session_bytes
        with Session(mesh, session_id, memory_bytes=limit, ahead=ahead) as session:
            share = _share(joint(session), mesh)
            if tell is not None:
                tell(share)
                session.deal_ahead()
        return share

    def _call_dealer(self, session_id: bytes, request_hash: bytes) -> str:
        """The dealer's name; the first site asks it to join the session."""
        dealer = self.consortium.file.dealer
        if dealer is None:
            raise SiteUnavailableError(
                site=self.site, reason="the consortium has no dealer for guarded answers"
            )
        if self.site == self.consortium.names[0]:
            line = self.network.dial(dealer.name, "request", DIAL_S)
            try:
                parties = list(self.consortium.names)
                send(line, Deal(session_id=session_id, request_hash=request_hash, parties=parties))
                expect(line, self.network, Done, timeout_s=float(self.consortium.file.deadline_s))
            finally:
                line.close()
        return dealer.name


def _share(values: bytes, mesh: Mesh) -> Share:
    """This site's part of the answer, and what it took so far."""
    counters = mesh.counters
    return Share(
        values=values, rounds=counters.rounds, bytes_sent=max(counters.bytes_sent.values(), default=0)
    )
