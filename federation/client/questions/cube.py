"""A released cube in the analyst's hands: questions to it ask no site and cost nothing.

Layer:       federation.client.questions.cube, above kept_cubes; below cubes.
Guarantees:  asks no site, writes no ledger entry, spends nothing. Every answer's receipt names the releases behind it.
See instead: how one is released (``federation.client.questions.cubes``), the arithmetic (``analytics.results.cube_answers``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analytics.results.assemble import plan_cost
from analytics.text_tables import as_html

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.results.cube_answers import FittedCube
    from analytics.results.result import Result
    from analytics.statistics.tables.chi_square_answer import ChiSquareAnswer


class ReleasedCube:
    """A cube.

    Attributes:
        cost: what ``session.cube`` cost; epsilon 0 where it was in the analyst's store.
        receipt: of the release; ``from_store`` names every release that the cube is made from.
        is_nonnegative: whether ``sql`` answers counts from the nonnegative table where it is not told.
    """

    def __init__(
        self,
        fitted: FittedCube,
        *,
        analyst: str,
        origin: Mapping[str, object],
        numbers: Sequence[int],
        cost: Mapping[str, object],
        receipt: Mapping[str, object],
        nonnegative: bool = False,
    ) -> None:
        """Take what ``session.cube`` made."""
        self.is_nonnegative = nonnegative
        self._fitted, self._analyst, self._origin, self._numbers = fitted, analyst, origin, tuple(numbers)
        self.cost, self.receipt = dict(cost), dict(receipt)

    @property
    def table(self) -> str:
        """Name of its table."""
        return self._fitted.cube.table.name

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Its dimensions, in the schema's order."""
        return tuple(column.name for column in self._fitted.cube.axes)

    @property
    def measures(self) -> tuple[str, ...]:
        """What it adds up."""
        return self._fitted.cube.measures

    @property
    def marginals(self) -> tuple[tuple[str, ...], ...]:
        """The dimensions of each released marginal, the whole table first."""
        return tuple(tuple(self.dimensions[key] for key in each.keys) for each in self._fitted.cube.sets)

    @property
    def origin(self) -> dict[str, object]:
        """The releases that it is made from, and whether it was free."""
        return dict(self._origin)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The ledger entries that paid for it."""
        return self._numbers

    def to_dict(self) -> dict[str, object]:
        """Return what it holds and what it cost as plain data; figures come from ``sql``."""
        return {
            "table": self.table,
            "dimensions": list(self.dimensions),
            "measures": list(self.measures),
            "marginals": [list(each) for each in self.marginals],
            "cost": self.cost,
            "receipt": self.receipt,
        }

    def __repr__(self) -> str:
        """Table, dimensions, measures and price in one line."""
        return (
            f"<{type(self).__name__} of {self.table}: {', '.join(self.dimensions)}; "
            f"{', '.join(self.measures)}; {len(self.marginals)} marginals; epsilon {self.cost['epsilon']}>"
        )

    def _repr_html_(self) -> str:
        rows = [[", ".join(each) or "all"] for each in self.marginals]
        return as_html(["marginals, each with its measures"], rows, [repr(self)])

    def sql(self, text: str, *, nonnegative: bool | None = None) -> Result:
        """Answer a question from the cube.

        Visible to: the analyst alone; no site is asked.
        Cost: none.

        Args:
            text: one SELECT over the cube's table: its measures, GROUP BY and WHERE over its dimensions; of a column in
                bins, WHERE takes the bins' edges.
            nonnegative: counts alone: all from one table without negative cells. They are biased and have no standard
                error; their intervals cover. Default: as ``session.cube`` was told.

        Returns:
            As ``session.sql``. Totals equal the sums of their groups, up to the rounding of counts.

        Raises:
            PlanRejectedError: the cube does not hold what it asks for, or ``nonnegative`` is asked of other figures.
        """
        is_nonnegative = self.is_nonnegative if nonnegative is None else nonnegative
        return self._fitted.answer(
            text, cost=self._free(), receipt=self._receipt(), nonnegative=is_nonnegative
        )

    def chi_square(self, a: str, b: str) -> ChiSquareAnswer:
        """Test the independence of two dimensions, as ``chi_square`` in private mode.

        Visible to: the analyst alone; no site is asked.
        Cost: none.

        Raises:
            InvalidRequestError: not two different dimensions of the cube.
        """
        return replace(self._fitted.chi_square(a, b), cost=self._free(), receipt=self._receipt())

    def _free(self) -> dict[str, object]:
        counts = self._fitted.plan.counts
        shown = {} if counts is None else plan_cost(counts)
        return {name: value for name, value in shown.items() if name != "events"} | {"epsilon": "0"}

    def _receipt(self) -> dict[str, object]:
        return {"analyst": self._analyst, "from_store": {**self._origin, "free": True}}
