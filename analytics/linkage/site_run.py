"""One site's part of a linkage.

Layer:       analytics.linkage above plan.
Guarantees:  the durable mark comes before the first element; what is learnt is kept at the site, and only the number of common
             patients goes on, to the guard.
See instead: the protocol (``smpc.set_intersection``), the guard and what the analyst gets (``analytics.disclosure.release``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import ReleaseRefusedError
from analytics.sources.links.kept_links import KeptLink
from smpc.set_intersection.protocol import SetIntersection
from smpc.set_intersection.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.linkage.plan import LinkPlan
    from analytics.sources import LocalTable
    from analytics.sources.links.kept_links import SiteLinks
    from smpc.session import Session


def digests_at_site(plan: LinkPlan, table: LocalTable, limit_s: float) -> list[bytes]:
    """Read the digests of this site's patients; none at a site that takes no part.

    Visible to: the site alone.

    Args:
        plan: what this site derived itself.
        table: its rows.
        limit_s: longest time for the scan (s).

    Raises:
        LocalTimeoutError, SourceLostError, SourceFailedError: as ``LocalTable``.
    """
    if table.links is None or plan.peer_of(table.links.owner) is None:
        return []
    return table.link_digests(limit_s)


def link_at_site(
    session: Session, plan: LinkPlan, links: SiteLinks | None, digests: Sequence[bytes]
) -> int | None:
    """Intersect with the other site, and keep what was learnt.

    Args:
        session: of all sites; its charge is complete, its start noted.
        plan: what this site derived itself.
        links: this site's linkages.
        digests: of its patients.

    Returns:
        How many patients both have; None at a site that takes no part.

    Raises:
        ReleaseRefusedError: it was begun before, or this site has more patients than were declared.
        PeerRejectedError, PartyLostError: as ``SetIntersection``.
    """
    peer = plan.peer_of(session.names[session.rank])
    if peer is None:
        return None
    if links is None or len(digests) > plan.size:
        raise ReleaseRefusedError(rule="linkage", reason="this site cannot link the table")
    linkage = links.linkage(plan.table.name, peer)
    links.begin(linkage)
    with Workers() as workers:
        found = SetIntersection(
            session,
            peer,
            size=plan.size,
            learns=plan.request.learns,
            signer=links.identity,
            workers=workers,
        ).run(b"".join(digests))
    rows = [] if found.rows is None else found.rows.tolist()
    link = KeptLink.of(
        [digests[row] for row in rows],
        session=session.session_id.hex(),
        learns=plan.request.learns,
        commitment=found.commitment,
        signature=found.signature,
    )
    links.keep(linkage, link)
    return found.count
