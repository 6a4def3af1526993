"""A table whose database failed answers no more questions, and says so before the charge.

Layer:       federation.node.in_service, below the desks.
Guarantees:  no row can make a scan fail; should a fault of ours or of the database let one, what it tells can be had
             once, not once a question: the site refuses every further question about that table until its
             administrator has looked and started the node again.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.errors import SiteUnavailableError

if TYPE_CHECKING:
    from analytics.sources import LocalTable


def check_in_service(source: LocalTable, *, site: str) -> None:
    """Refuse a question about a table that is out of service.

    Args:
        source: the table at this site.
        site: its name.

    Raises:
        SiteUnavailableError: a statement failed since the node was started.
    """
    if not source.is_in_service:
        reason = (
            f"its table {source.table.name} is out of service since its database failed; "
            "its administrator must look and start the node again"
        )
        raise SiteUnavailableError(site=site, reason=reason)
