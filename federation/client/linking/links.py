"""The part of a session that links patients.

Layer:       federation.client.linking, below session.
See instead: who learns what (``analytics.linkage.plan``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from federation.client.named_statistic import PURPOSE
from federation.requests.kinds.registry import link_kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from analytics.linkage.request import LinkRequest
    from analytics.linkage.result import LinkResult
    from federation.requests.explanation import Explanation
    from federation.requests.kinds.base import Kind
    from federation.requests.planning import AnyPlanned, Planned

A = TypeVar("A")


class Links:
    """Linkages of a session, which plans and asks."""

    def _plan(
        self,
        kind: Kind[A],
        question: dict[str, Any],
        *,
        epsilon: Fraction | None,
        purpose: str,
        mechanism: str | None = None,
    ) -> Planned[A]:
        raise NotImplementedError

    def _answered(self, plan: Callable[[], Planned[A]]) -> A:
        raise NotImplementedError

    def _explained(self, planned: AnyPlanned) -> Explanation:
        raise NotImplementedError

    def link(self, request: LinkRequest, *, purpose: str = PURPOSE) -> LinkResult:
        """Have two sites find which patients they share; an exact disclosure to both, once for a table's version.

        Visible to: each of the two sites learns what the request says; the analyst learns the number of common patients where
        it reaches the minimum cell; other sites learn the entry alone.

        Args:
            request: table, the two sites, what they learn.
            purpose: written to the ledger.

        Returns:
            The number, or that it is closed, with cost and receipt.

        Raises:
            InvalidRequestError: the table declares no form for linkage, or a site is no member.
            PolicyRefusedError: a site does not name the other in its policy, linked before, or cannot link; nothing was spent.
            SiteUnavailableError, PartyLostError: as ``sql``.
        """
        return self._answered(lambda: self._planned_link(request, purpose))

    def explain_link(self, request: LinkRequest, *, purpose: str = PURPOSE) -> Explanation:
        """Return who learns what in a linkage, and what it takes; nothing is spent."""
        return self._explained(self._planned_link(request, purpose))

    def _planned_link(self, request: LinkRequest, purpose: str) -> Planned[LinkResult]:
        return self._plan(link_kind(), request.to_dict(), epsilon=None, purpose=purpose)
