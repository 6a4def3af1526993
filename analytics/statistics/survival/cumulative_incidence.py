"""Cumulative incidence of competing causes on a grid of declared intervals, in groups.

Layer:       analytics.statistics.survival above life_tables.
Guarantees:  guard and release as of survival curves, see life_tables.survival_cells: in exact mode the events of each cause reach
             the threshold in every open interval. What an answer gives follows from its opened numbers.
See instead: the curve of no event (kaplan_meier). Where one cause counts alone and the others are censored: that is another
             question, whose curve is above the incidence.
Source:      Aalen, Johansen 1978; see life_tables.incidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import CategoricalColumn
from analytics.statistics.arguments import Arguments, Parameter, column_of
from analytics.statistics.base import BOTH, MINIMUM_CELL
from analytics.statistics.life_tables.incidence import incidences_of
from analytics.statistics.life_tables.incidence_answer import CumulativeIncidenceAnswer
from analytics.statistics.life_tables.survival_cells import SurvivalCells, gridded_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw


@dataclass(frozen=True, kw_only=True)
class CumulativeIncidence(SurvivalCells):
    """The incidence of each cause; the keys are the group, if any, the time and the cause.

    Attributes:
        censored: position of the category that says that no event was seen.
    """

    name: ClassVar[str] = "cumulative_incidence"
    summary: ClassVar[str] = "cumulative incidence of competing causes on a declared grid"
    promoted: ClassVar = BOTH
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(name="duration", meaning="a numeric column with declared bins: the time"),
        Parameter(
            name="cause", meaning="a column of categories: the cause of the event, or that none was seen"
        ),
        Parameter(name="censored", meaning="the category that says that no event was seen"),
        Parameter(name="by", meaning="a column with public groups", default=None),
        Parameter(
            name="grid", meaning="edges of the declared bins that make coarser intervals", default=None
        ),
    )
    censored: int

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        time = gridded_time(arguments, table)
        cause = column_of(arguments.text("cause"), table, "cause")
        if not isinstance(cause, CategoricalColumn):
            raise PlanRejectedError(position="cause", reason=f"{cause.name} must have categories")
        labels, asked = [str(value) for value in cause.domain], arguments.text("censored")
        if asked not in labels:
            reason = f"is no category of {cause.name}, which has {', '.join(labels[:20])}"
            raise InvalidRequestError(parameter="censored", reason=reason)
        if len(labels) < 2:  # noqa: PLR2004  one cause and none
            raise PlanRejectedError(position="cause", reason="a column has one category only")
        by = arguments.group_column("by", table) if arguments.is_given("by") else None
        if by is not None and by.name in {time.name, cause.name}:
            raise InvalidRequestError(parameter="by", reason="must be another column than duration and cause")
        keys = (*(() if by is None else (("by", by),)), ("duration", time), ("cause", cause))
        return cls(table=table, mode=mode, limits=limits, keys=keys, censored=labels.index(asked))

    @property
    def causes(self) -> tuple[str, ...]:
        """Names of the causes, in the order of the column's categories."""
        labels = [str(label) for label in self.groups[-1].labels if label is not None]
        return tuple(label for place, label in enumerate(labels) if place != self.censored)

    @property
    def n_causes(self) -> int:
        """See ``SurvivalCells``."""
        return len(self.causes)

    @property
    def places(self) -> tuple[int, ...]:
        """The cells of each group and interval: the censorings, then the events of each cause."""
        cells = np.arange(int(np.prod(self.shape))).reshape(-1, *self.shape[-2:])
        order = [self.censored, *(each for each in range(self.n_causes + 1) if each != self.censored)]
        return tuple(int(cell) for cell in cells[: len(self.names), : self.n_intervals, order].ravel())

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {**super().describe(), "censored": str(self.groups[-1].labels[self.censored])}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> CumulativeIncidenceAnswer:
        """See ``Statistic``."""
        events, _, at_risk = self.figures_of(opened, noise)
        sd = noise[0].sd if noise else 0.0
        found = tuple(incidences_of(events[:, place], at_risk[place], sd) for place in range(len(self.names)))
        return CumulativeIncidenceAnswer(
            groups=self.names,
            causes=self.causes,
            edges=tuple(float(edge) for edge in self.edges),
            events=events,
            at_risk=at_risk,
            incidences=found,
            closed=MINIMUM_CELL if np.isnan(at_risk).all() else "",
        )
