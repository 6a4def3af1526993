"""The effect of an exposure at one site, with its variance, for sums over sites.

Layer:       analytics.statistics above value_guards; each site runs it on its own rows.
Terms:       effects are divided by the *reach* of their measure, so that they lie between -1 and 1; the *weight* is the
             inverse of the variance of that, as a part of the largest weight that is summed.
Guarantees:  a site is usable where each count behind its effect holds at least the threshold, its variance is above 0 and its
             weight at most the largest. A site that is not adds zeros, and one less to the number of usable sites.
Visible to:  the site itself.
See instead: what is made of the sums (tables.meta_analysis).
Source:      Woolf 1955 for odds ratios, Katz 1978 for risk ratios; Welch's variance of a difference of means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.schema import NumericColumn
from analytics.statistics.guards.value_guards import alone

if TYPE_CHECKING:
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints

ODDS_RATIO: Final = "odds_ratio"
RISK_RATIO: Final = "risk_ratio"
RISK_DIFFERENCE: Final = "risk_difference"
MEAN_DIFFERENCE: Final = "mean_difference"
MEASURES: Final = (ODDS_RATIO, RISK_RATIO, RISK_DIFFERENCE, MEAN_DIFFERENCE)
RATIOS: Final = (ODDS_RATIO, RISK_RATIO)
_LOG_REACH: Final = 16.0
# largest weights for each row; of means a standard deviation of a 64th of the range
_WEIGHT_A_ROW: Final = {ODDS_RATIO: 1 / 16, RISK_RATIO: 8, RISK_DIFFERENCE: 16, MEAN_DIFFERENCE: 1024}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure of an effect.

    Attributes:
        name: one of ``MEASURES``.
        outcome: a true-or-false column; of differences of means a number.
        rows_max: most rows of a site.
        threshold: fewest people behind each count.
    """

    name: str
    outcome: GroupColumn
    rows_max: int
    threshold: int

    @property
    def reach(self) -> float:
        """What effects are divided by: of logarithms 16, of means the column's range."""
        if self.name in RATIOS:
            return _LOG_REACH
        if isinstance(self.outcome, NumericColumn):
            return float(self.outcome.upper - self.outcome.lower)
        return 1.0

    @property
    def weight_bits(self) -> int:
        """The largest weight is this power of two."""
        scale = _LOG_REACH**2 if self.name in RATIOS else 1.0
        return max(1, math.ceil(math.log2(self.rows_max * _WEIGHT_A_ROW[self.name] * scale)))

    def effect(self, outcome: Ints, exposure: Ints) -> tuple[float, float] | None:
        """Effect and variance of a site's rows, both over the reach; None of a site that is not usable.

        Args:
            outcome: shape ``(n_rows,)``.
            exposure: 0 or 1, likewise.
        """
        groups = [outcome[exposure == value] for value in (1, 0)]
        found = self._means(groups) if self.name == MEAN_DIFFERENCE else self._chances(groups)
        if found is None or not found[1] > 2.0**-self.weight_bits:
            return None
        return found

    def _means(self, groups: list[Ints]) -> tuple[float, float] | None:
        counted = [each for group in groups for each in [np.ones(len(group)), *alone(self.outcome, group)]]
        if min(int(each.sum()) for each in counted) < max(self.threshold, 2):
            return None
        column = self.outcome
        unit = float(column.resolution) / self.reach if isinstance(column, NumericColumn) else 1.0
        first, second = (group * unit for group in groups)
        variance = first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)
        return float(first.mean() - second.mean()), float(variance)

    def _chances(self, groups: list[Ints]) -> tuple[float, float] | None:
        a, b, c, d = (int((group == value).sum()) for group in groups for value in (1, 0))
        if min(a, b, c, d) < max(self.threshold, 1):
            return None
        exposed, free = a + b, c + d
        if self.name == ODDS_RATIO:
            return math.log(a * d / (b * c)) / _LOG_REACH, (1 / a + 1 / b + 1 / c + 1 / d) / _LOG_REACH**2
        if self.name == RISK_RATIO:
            log = math.log(a * free / (c * exposed))
            return log / _LOG_REACH, (b / (a * exposed) + d / (c * free)) / _LOG_REACH**2
        return a / exposed - c / free, a * b / exposed**3 + c * d / free**3
