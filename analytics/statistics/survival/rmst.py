"""Restricted mean survival times on a declared grid, in groups, and their contrasts.

Layer:       analytics.statistics.survival above life_tables.
Terms:       the restricted mean is the mean time up to an edge of the grid, tau: the area under the curve. Between two
             edges a curve is taken as straight, so events are spread evenly over their interval; ``earliest`` and ``latest``
             are the means with all of them at its start or at its end.
Guarantees:  it opens what kaplan_meier opens, under the same guard and noise, and follows from that; see
             life_tables.mean_answer.
See instead: curves (kaplan_meier), tests of whole curves (log_rank).
Source:      Royston, Parmar 2013; Uno et al. 2014 for difference and ratio; variance of the estimate by Greenwood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.life_tables.mean_answer import RmstAnswer, rmst_of
from analytics.statistics.life_tables.survival_cells import TIME_AND_EVENT, SurvivalCells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw


@dataclass(frozen=True, kw_only=True)
class Rmst(SurvivalCells):
    """The means.

    Attributes:
        tau: up to which edge; None: the last up to which every group is open.
    """

    name: ClassVar[str] = "rmst"
    summary: ClassVar[str] = "restricted mean survival times on a declared grid, with contrasts"
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        *TIME_AND_EVENT,
        Parameter(
            name="tau",
            meaning="an edge of the grid; by default the last up to which every group is open",
            default=None,
        ),
    )
    tau: float | None = None

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        bound = cls(table=table, mode=mode, limits=limits, keys=cls.keys_of(table, arguments))
        if not arguments.is_given("tau"):
            return bound
        found = arguments.one_or_more_numbers("tau")
        if len(found) != 1 or found[0] not in bound.edges[1:]:
            raise InvalidRequestError(parameter="tau", reason="must be one edge of the grid, above its first")
        return cls(table=table, mode=mode, limits=limits, keys=bound.keys, tau=float(found[0]))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {**super().describe(), "tau": "" if self.tau is None else repr(self.tau)}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> RmstAnswer:
        """See ``Statistic``."""
        return rmst_of(self.tables_of(opened, noise), self.tau)
