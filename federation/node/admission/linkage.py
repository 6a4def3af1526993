"""What a site checks before it signs a linkage, besides its policy: that the table can be linked, once.

Layer:       federation.node.admission.linkage, below queries.
Guarantees:  a refusal holds no data and costs nothing; the counts behind it are the administrator's (``IngestReport``).
Source:      docs/guarantees.md P18, P19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.sources.kept_links import BEGUN
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
        PolicyRefusedError: this site is one of the two, and cannot link the table, or did before.
    """
    if site not in facts.linked:
        return
    (peer,) = (name for name in facts.linked if name != site)
    fault = source.link_fault()
    if not fault and not is_installed():
        fault = "this site's installation lacks crossward[linkage]"
    if not fault and source.links is not None:
        linkage = source.links.linkage(source.table.name, peer)
        fault = BEGUN if source.links.has_begun(linkage) else ""
    if fault:
        raise PolicyRefusedError(site=site, rule=f"linkage of {source.table.name}: {fault}")
