"""The part of a session that releases cubes and finds released ones.

Layer:       federation.client.questions.cubes, above cube; below session.
See instead: questions to a cube (``federation.client.questions.cube``), the statistic (``analytics.statistics.tables.cube``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from analytics.errors import InvalidRequestError
from analytics.results.assemble import plan_cost
from analytics.statistics.causal.released_marginals import COUNT_ALL
from federation.client.arguments import check_fresh
from federation.client.kept.kept_cubes import kept_cube, paid_cube, plan_of, released_cubes
from federation.client.questions.cube import ReleasedCube
from federation.client.questions.named_statistic import PURPOSE, NamedStatistic
from federation.requests.kinds.registry import statistic_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from analytics.statistics.base import Answer
    from analytics.statistics.causal.released_marginals import CubeAnswer
    from federation.client.kept.kept_answers import KeptAnswers
    from federation.client.kept.kept_cubes import KeptCube
    from federation.consortium.consortium_file import Consortium
    from federation.requests.explanation import Explanation
    from federation.requests.kinds.base import Kind
    from federation.requests.planning import AnyPlanned, Planned

T = TypeVar("T")
_STATISTIC: Final = "cube"


class Cubes:
    """Cubes of a session; the session sets the attributes."""

    consortium: Consortium
    analyst: str
    _kept: KeptAnswers

    def _among_members(self, ask: Callable[[], T]) -> T:
        raise NotImplementedError

    def _ask(self, planned: AnyPlanned) -> tuple[list[bytes], dict[str, Any]]:
        raise NotImplementedError

    def _plan(
        self,
        kind: Kind[Answer],
        question: dict[str, Any],
        *,
        epsilon: Fraction | None,
        purpose: str,
        mechanism: str | None = None,
    ) -> Planned[Answer]:
        raise NotImplementedError

    def _explained(self, planned: AnyPlanned) -> Explanation:
        raise NotImplementedError

    def cube(
        self,
        table: str,
        *,
        dimensions: Sequence[str],
        epsilon: object,
        measures: Sequence[str] = (COUNT_ALL,),
        nonnegative: bool = False,
        fresh: bool = False,
        purpose: str = PURPOSE,
    ) -> ReleasedCube:
        """Release a cube, or take it from the analyst's own store; questions to it then cost nothing.

        A cube that was released to this analyst, with at most the noise that ``epsilon`` would leave, is made from the
        store; its receipt then says so (``from_store``).

        Visible to: the analyst alone sees the figures.
        Cost: ``epsilon`` of the population's query budget; nothing from the store.

        Args:
            table: of the schema.
            dimensions: columns with public groups: categories, true or false, numbers with declared bins.
            epsilon: a number above 0.
            measures: ``COUNT(*)``, which every cube has, ``SUM(column)``, ``AVG(column)``, ``STDDEV(column)`` and the like.
            nonnegative: its ``sql`` answers counts from one table without negative cells, unless told otherwise; what is
                released and charged is the same.
            fresh: pay for a release of the rows as they are now, and make the cube from it alone.
            purpose: written to the ledger.

        Raises:
            InvalidRequestError, PlanRejectedError: it cannot be released; nothing was spent.
            ConfigError: the analyst's store was altered; nothing was spent.
            PolicyRefusedError, BudgetExceededError, SiteUnavailableError, PartyLostError: as ``sql``.
        """
        check_fresh(fresh=fresh, exact=False)
        options = {"dimensions": dimensions, "measures": measures, "epsilon": epsilon, "purpose": purpose}
        asked = NamedStatistic.of(_STATISTIC, table, (), options)

        def ask() -> tuple[AnyPlanned, KeptCube | tuple[list[bytes], dict[str, Any]]]:
            planned = self._plan(statistic_kind(), **asked.request)
            found = kept_cube(self._kept, plan_of(planned), self.consortium, fresh=fresh)
            return planned, found or self._ask(planned)

        planned, found = self._among_members(ask)
        if not isinstance(found, tuple):
            return self._from_store(planned, found, nonnegative=nonnegative)
        shares, receipt = found
        answer = cast("CubeAnswer", planned.work.finish(shares, receipt=receipt))
        kept = paid_cube(self._kept, planned, answer, self.consortium, fresh=fresh)
        return ReleasedCube(
            kept.fitted,
            analyst=self.analyst,
            origin=kept.origin,
            numbers=kept.numbers,
            cost=answer.cost,
            receipt={**answer.receipt, "from_store": kept.origin}
            | ({"not_kept": kept.not_kept} if kept.not_kept else {}),
            nonnegative=nonnegative,
        )

    def explain_cube(
        self,
        table: str,
        *,
        dimensions: Sequence[str],
        epsilon: object,
        measures: Sequence[str] = (COUNT_ALL,),
        purpose: str = PURPOSE,
    ) -> Explanation:
        """Return plan, recipients and price of a cube; nothing is spent. Arguments as ``cube``."""
        options = {"dimensions": dimensions, "measures": measures, "epsilon": epsilon, "purpose": purpose}
        asked = NamedStatistic.of(_STATISTIC, table, (), options)
        return self._explained(self._plan(statistic_kind(), **asked.request))

    def cubes(self) -> list[dict[str, Any]]:
        """Return every cube in the analyst's own store: ledger entry, time, epsilon, table, dimensions, measures; free.

        ``usable`` says whether it is a cube of this consortium, schema and version.

        Raises:
            ConfigError: the store was altered or cannot be read.
        """
        return [
            {
                "number": release.number,
                "time": release.time,
                "epsilon": release.epsilon,
                "table": release.about["table"],
                **asked,
                "usable": self._usable(release.about["table"], asked, release.epsilon) is not None,
            }
            for release, asked in released_cubes(self._kept.store)
        ]

    def released_cube(self, number: int | None = None) -> ReleasedCube:
        """Return a cube from the analyst's own store; free.

        Args:
            number: of the ledger entry that paid for it; without it, the newest that can be used.

        Raises:
            InvalidRequestError: there is none, or the consortium, its schema or the version has changed since.
            ConfigError: the store was altered or cannot be read.
        """
        every = released_cubes(self._kept.store)
        chosen = [each for each in every if number is None or each[0].number == number]
        for release, asked in reversed(chosen):
            found = self._usable(release.about["table"], asked, release.epsilon)
            if found is not None:
                return found
        if not chosen:
            known = ", ".join(str(release.number) for release, _ in every) or "none"
            reason = f"is not in your store, which holds {known}; session.cube, or crossward cube release, makes one"
            raise InvalidRequestError(parameter="number", reason=reason)
        reason = "was released under another schema, consortium or version: release it again"
        raise InvalidRequestError(parameter="number", reason=reason)

    def _usable(self, table: str, asked: Mapping[str, Any], epsilon: str) -> ReleasedCube | None:
        """Return a kept cube; None where the schema does not give it any more, or gives it another identity."""
        from crossward.base_error import CrosswardError

        try:
            named = NamedStatistic.of(_STATISTIC, table, (), {**asked, "epsilon": epsilon})
            planned = self._plan(statistic_kind(), **named.request)
        except CrosswardError:
            return None
        found = kept_cube(self._kept, plan_of(planned), self.consortium, fresh=False)
        return None if found is None else self._from_store(planned, found)

    def _from_store(self, planned: AnyPlanned, found: KeptCube, *, nonnegative: bool = False) -> ReleasedCube:
        counts = plan_of(planned).counts
        shown = {} if counts is None else plan_cost(counts)
        cost = {name: value for name, value in shown.items() if name != "events"} | {"epsilon": "0"}
        receipt = {
            "analyst": self.analyst,
            "purpose": planned.request.purpose,
            "from_store": found.origin,
        }
        return ReleasedCube(
            found.fitted,
            analyst=self.analyst,
            origin=found.origin,
            numbers=found.numbers,
            cost=cost,
            receipt=receipt,
            nonnegative=nonnegative,
        )
