"""The part of a session that links patients.

Layer:       federation.client.linking, below session.
See instead: who learns what (``analytics.linkage.plan``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from federation.client.questions.named_statistic import PURPOSE, NamedStatistic
from federation.requests.kinds.registry import by_columns_kind, link_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from fractions import Fraction

    from analytics.linkage.request import LinkRequest
    from analytics.linkage.result import LinkResult
    from analytics.statistics.base import Answer
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

    def statistic_by_columns(
        self, name: str, *arguments: object, table: str, at: Mapping[str, str], **options: object
    ) -> Answer:
        """Compute a table of two columns of the same patients at two sites that have linked them; exact.

        Visible to: the analyst sees the whole table where each cell reaches the minimum cell, and nothing otherwise.
        Cost: one exact disclosure, which ``policy.exact_vertical`` of both sites permits.

        Args:
            name: ``crosstab`` or ``chi_square``.
            *arguments: the statistic's own, in its order.
            table: of the schema.
            at: for each of the two columns the site that holds it.
            **options: as for ``statistic``.

        Raises:
            InvalidRequestError, PlanRejectedError: it cannot be computed.
            PolicyRefusedError: a site does not permit it, or the two have not linked the table; nothing was spent.
        """
        return self._answered(lambda: self._planned_by_columns(name, arguments, table, at, options))

    def explain_by_columns(
        self, name: str, *arguments: object, table: str, at: Mapping[str, str], **options: object
    ) -> Explanation:
        """Return plan and recipients of such a table; nothing is spent."""
        return self._explained(self._planned_by_columns(name, arguments, table, at, options))

    def _planned_by_columns(
        self,
        name: str,
        arguments: tuple[object, ...],
        table: str,
        at: Mapping[str, str],
        options: Mapping[str, object],
    ) -> Planned[Answer]:
        asked = NamedStatistic.of(name, table, arguments, options)
        question = {**asked.question, "at": {str(column): str(site) for column, site in at.items()}}
        return self._plan(by_columns_kind(), question, epsilon=asked.epsilon, purpose=asked.purpose)

    def _planned_link(self, request: LinkRequest, purpose: str) -> Planned[LinkResult]:
        return self._plan(link_kind(), request.to_dict(), epsilon=None, purpose=purpose)
