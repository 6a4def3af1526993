"""Kaplan-Meier curves on a grid of declared intervals, in groups.

Layer:       analytics.statistics.survival above life_tables.
Guarantees:  see life_tables.survival_cells for the guard and the release, life_tables.curves for the curves: a private curve
             falls and stays between 0 and 1. All that an answer gives follows from its opened numbers, without another
             charge. The limits of a private answer hold sampling and noise; ``interval(level, "noise")`` those of the noise
             alone, which cover the curve without noise.
See instead: medians between two edges of the grid, which are never given; restricted means (rmst), tests (log_rank), all
             of them from one release (survival_table).
Source:      Kaplan, Meier 1958; Greenwood 1926; see life_tables.curves and life_tables.group_table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from analytics.statistics.base import BOTH
from analytics.statistics.life_tables.curve_answer import KaplanMeierAnswer, kaplan_meier_of
from analytics.statistics.life_tables.survival_cells import SurvivalCells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.statistics.base import Ints
    from analytics.statistics.uncertainty.noise_law import NoiseLaw


@dataclass(frozen=True, kw_only=True)
class KaplanMeier(SurvivalCells):
    """The curves of ``duration`` until ``event``."""

    name: ClassVar[str] = "kaplan_meier"
    summary: ClassVar[str] = "Kaplan-Meier curves on a declared grid"
    promoted: ClassVar = BOTH

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> KaplanMeierAnswer:
        """See ``Statistic``."""
        return kaplan_meier_of(self.tables_of(opened, noise), self.labels)
