"""What a site checks before it signs a linkage, besides its policy: that the table can be linked, once.

Layer:       federation.node.admission.linkage, below queries.
Guarantees:  a refusal holds no data and costs nothing; the counts behind it are the administrator's (``IngestReport``).
Source:      docs/guarantees.md P18, P19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.sources.links.kept_links import BEGUN
from federation.errors import PolicyRefusedError
from smpc.set_intersection.group import is_installed

if TYPE_CHECKING:
    from analytics.sources import LocalTable
    from federation.requests.kinds.base import PolicyFacts


def check_linkable(facts: PolicyFacts, source: LocalTable, *, site: str) -> None:
    """Refuse a linkage that this site cannot run.

    Args:
        facts: of the work that this site derived.
        source: its table.
        site: its name.

    Raises:
        PolicyRefusedError: this site is one of the two, and cannot link the table, or did before; or, of a statistic by
            columns, it has no linkage with the other one.
    """
    pair = facts.linked or facts.by_columns
    if site not in pair:
        return
    (peer,) = (name for name in pair if name != site)
    fault = source.link_fault()
    if facts.by_columns:
        fault = fault or _unlinked(source, peer)
        if fault:
            raise PolicyRefusedError(site=site, rule=f"columns of {source.table.name}: {fault}")
        return
    if not fault and not is_installed():
        fault = "this site's installation lacks crossward[linkage]"
    if not fault and source.links is not None:
        linkage = source.links.linkage(source.table.name, peer)
        fault = BEGUN if source.links.has_begun(linkage) else ""
    if fault:
        raise PolicyRefusedError(site=site, rule=f"linkage of {source.table.name}: {fault}")


def _unlinked(source: LocalTable, peer: str) -> str:
    if source.links is None:
        return "the site keeps no linkages"
    link = source.links.kept(source.links.linkage(source.table.name, peer))
    is_usable = link is not None and link.learns == "rows"
    return "" if is_usable else f"link its patients with {peer} first, so that both learn which they are"
