"""A linkage as it runs: who learns what, and what it takes; the same at every member.

Layer:       analytics.linkage above request. Pure.
Guarantees:  only tables that declare a form for linkage are linked, at three sites or more; the set that a site sends has
             ``rows_max`` elements, however many patients it has.
Source:      ours; docs/guarantees.md P8, P18.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.plans.mode_rules import check_exact_sites, check_table
from smpc.set_intersection.protocol import bytes_of, exchanges_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.linkage.request import LinkRequest
    from analytics.plans.context import PlanContext
    from analytics.schema import Table

LARGEST: Final = 20_000_000
BYTES_A_ROW: Final = 400  # elements, results, digests and their sorted copies
ROWS_A_SECOND: Final = 2_000  # with one worker process on a busy machine; a waiting time, not a promise


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """One planned linkage.

    Attributes:
        request: table, sites, what they learn.
        table: the schema's table.
        context: the consortium's parameters.
    """

    request: LinkRequest
    table: Table
    context: PlanContext

    @property
    def size(self) -> int:
        """Elements in the set of either site, padding among them."""
        return self.table.rows_max

    @property
    def memory_bytes(self) -> int:
        """What a run holds at one of the two sites at most (bytes)."""
        return BYTES_A_ROW * self.size

    @property
    def seconds(self) -> int:
        """How long a run may take beyond any other question (s)."""
        return self.size // ROWS_A_SECOND

    def peer_of(self, site: str) -> str | None:
        """The other of the two sites; None for a site that is neither."""
        first, second = self.request.sites
        return {first: second, second: first}.get(site)

    def digest(self) -> str:
        """SHA-256 of the plan's canonical form, hex."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(b"crossward/link-plan/1\n" + text.encode()).hexdigest()

    def to_dict(self) -> dict[str, object]:
        """Canonical form."""
        return {
            "request": self.request.to_dict(),
            "table": self.table.to_dict(),
            "n_sites": self.context.n_sites,
            "colluding": self.context.colluding,
            "minimum_cell": self.context.minimum_cell,
            "opened_to": self.opened_to(),
        }

    def opened_to(self) -> dict[str, str]:
        """What is opened to whom."""
        first, second = self.request.sites
        what = (
            "which of its own patients the other has"
            if self.request.learns == "rows"
            else "how many they share"
        )
        return {
            first: what,
            second: what,
            "analyst": f"how many they share, if at least {max(1, self.context.minimum_cell)}",
        }

    def cost(self) -> dict[str, object]:
        """What a receipt says of the price."""
        first, second = self.request.sites
        return {
            "mode": "exact",
            "disclosure": f"linkage of {self.table.name} between {first} and {second}",
            "opened_to": self.opened_to(),
            "linkage_key": f"{self.table.privacy_unit} in the form {list(self.table.link_form or ())}",
        }

    def exchanges(self) -> int:
        """Exchanges between the two sites."""
        return exchanges_of(self.size)

    def bytes_sent(self) -> int:
        """Payload that either site sends to the other (bytes)."""
        return bytes_of(self.size)


def make_link_plan(
    request: LinkRequest, table: Table, context: PlanContext, sites: Sequence[str]
) -> LinkPlan:
    """Plan a linkage.

    Args:
        request: what is asked.
        table: the schema's table.
        context: its parameters.
        sites: the names of all members.

    Raises:
        InvalidRequestError: there is no such site, or the table cannot be linked.
        PlanRejectedError: keys of the table were guessed.
        ReleaseRefusedError: too few sites for exact answers.
    """
    if table.link_form is None:
        reason = f"{table.name} declares no form for linkage (link_form in the schema), so its patients are not linked"
        raise InvalidRequestError(parameter="table", reason=reason)
    unknown = [site for site in request.sites if site not in sites]
    if unknown:
        raise InvalidRequestError(
            parameter="sites", reason=f"must be members of this consortium, which are {', '.join(sites)}"
        )
    if table.rows_max > LARGEST:
        reason = f"{table.name} has rows_max above {LARGEST}, the largest table that is linked"
        raise InvalidRequestError(parameter="table", reason=reason)
    check_table(table)
    check_exact_sites(context)
    return LinkPlan(request=request, table=table, context=context)
