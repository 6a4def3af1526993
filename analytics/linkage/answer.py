"""What a linkage opens to the analyst: the number of common patients under the guard.

Layer:       analytics.linkage above result. Pure: bytes and integers.
Guarantees:  every number below the minimum cell, zero among them, has the same bytes (P8). Both sites must say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.errors import ReleaseRefusedError
from analytics.linkage.result import LinkResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.linkage.plan import LinkPlan

ANSWER_BYTES: Final = 8
CLOSED: Final = bytes(ANSWER_BYTES)


def linked_answer(count: int | None, minimum_cell: int) -> bytes:
    """Write a site's answer.

    Args:
        count: the number of common patients; None at a site that takes no part.
        minimum_cell: fewest that are opened, at least 1.
    """
    if count is None:
        return b""
    return count.to_bytes(ANSWER_BYTES, "little") if count >= max(1, minimum_cell) else CLOSED


def finish_linkage(
    plan: LinkPlan,
    answers: Mapping[str, bytes],
    *,
    cost: Mapping[str, object],
    receipt: Mapping[str, object],
) -> LinkResult:
    """Read the sites' answers.

    Args:
        plan: what ran.
        answers: by site.
        cost: for the result.
        receipt: likewise.

    Raises:
        ReleaseRefusedError: the answers do not fit together.
    """
    own = {answers.get(site, b"") for site in plan.request.sites}
    others = b"".join(answer for site, answer in answers.items() if site not in plan.request.sites)
    found = next(iter(own))
    count = int.from_bytes(found, "little")
    is_right = len(own) == 1 and len(found) == ANSWER_BYTES and not others
    if not is_right or 0 < count < plan.context.minimum_cell or count > plan.size:
        raise ReleaseRefusedError(rule="linkage", reason="the answers of the two sites do not fit together")
    return LinkResult(
        table=plan.table.name,
        sites=plan.request.sites,
        learns=plan.request.learns,
        count=count or None,
        minimum_cell=plan.context.minimum_cell,
        cost=cost,
        receipt=receipt,
    )
