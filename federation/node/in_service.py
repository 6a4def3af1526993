"""A table is out of service after a failure of its database: the site refuses questions about it before the charge.

Layer:       federation.node.in_service, below admission.
Guarantees:  no row can make a scan fail. If a fault of this project or of the database still lets one, the failure
             reveals at most one bit, and not one bit for each question: the site refuses every later question about
             the table until its administrator has checked it and restarted the node.
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
        site: the name of this site.

    Raises:
        SiteUnavailableError: a scan of the table has failed since the start of the node.
    """
    if not source.is_in_service:
        reason = (
            f"its table {source.table.name} is out of service since its database failed; "
            "the administrator of this site must check the table and restart the node"
        )
        raise SiteUnavailableError(site=site, reason=reason)
