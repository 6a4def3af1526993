"""Tukey's honestly significant differences: every two groups' means, with the level kept over all of them.

Layer:       analytics.statistics.location above group_moments and distributions.
Terms:       a *difference* is the first group's mean less the second's; its *range* is its absolute value over the root
             of half the variance within times ``1/n1 + 1/n2`` (Kramer's form for unequal sizes).
Guarantees:  exact: as ``scipy.stats.tukey_hsd``. Guards of exact answers and the release of private ones: module
             group_moments; one small group closes all. Private: p-values and the width of the intervals come from a
             parametric bootstrap over the mechanism of the largest range under equal means and one variance, seeded by the
             answer, so both hold sampling and noise.
Visible to:  the analyst: number, sum and squares of each group.
See instead: one test of all groups (anova).
Source:      Tukey 1949; Kramer 1956. Parametric bootstrap: group_samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, Answer
from analytics.statistics.comparisons.group_moments import GroupMoments
from analytics.statistics.comparisons.group_samples import (
    REPLICATES,
    Mechanism,
    Sample,
    pooled_null,
    squares_within,
)
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.distributions import studentized_range_quantile, studentized_range_tail
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"
MAX_GROUPS: Final = 30
_FEWEST_GROUPS: Final = 2
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class TukeyAnswer(Answer):
    """The differences, in the order of ``itertools.combinations`` of the groups.

    Attributes:
        pairs: the labels of each two groups.
        differences: of their means.
        pvalues: adjusted for all pairs.
        low: lower ends of the simultaneous intervals at 95 %.
        high: upper ends.
        noise_errors: standard error of the noise on each difference; 0 in exact mode.
        too_few: private: whether the noise leaves the size of a group open (below 4 of its standard deviations).
    """

    pairs: tuple[tuple[str, str], ...] = ()
    differences: tuple[float, ...] = ()
    pvalues: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    noise_errors: tuple[float, ...] = ()
    too_few: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """One row a pair."""
        import pandas as pd

        columns = {
            "difference": self.differences,
            "low": self.low,
            "high": self.high,
            "pvalue": self.pvalues,
            "noise_error": self.noise_errors,
        }
        frame = pd.DataFrame(columns, dtype="Float64")
        for place, name in enumerate(("first", "second")):
            frame.insert(place, name, [pair[place] for pair in self.pairs])
        return frame

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "pairs": [list(pair) for pair in self.pairs],
            "differences": list(self.differences),
            "pvalues": list(self.pvalues),
            "low": list(self.low),
            "high": list(self.high),
            "noise_errors": list(self.noise_errors),
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class TukeyHsd(GroupMoments):
    """All differences of two groups' means."""

    name: ClassVar[str] = "tukey_hsd"
    summary: ClassVar[str] = "Tukey's test of every two groups' means"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the groups to compare; all by default", default=None),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        bound = cls.bind_groups(table, arguments, mode, limits)
        if not _FEWEST_GROUPS <= len(bound.chosen) <= MAX_GROUPS:
            raise InvalidRequestError(parameter="groups", reason=f"must be 2 to {MAX_GROUPS} groups")
        return bound

    def closed_answer(self, reason: str) -> TukeyAnswer:
        """See ``GroupMoments``."""
        return TukeyAnswer(closed=reason)

    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> TukeyAnswer:
        """See ``GroupMoments``."""
        count, unit = len(self.chosen), float(self.unit)
        below = float(sample.n.sum()) - count
        differences, errors = _differences(sample)
        if not (below > 0 and (sample.n > 0).all() and (errors > 0).all()):
            return self.closed_answer(UNDEFINED)
        ranges = np.abs(differences) / errors
        noise = np.zeros(len(ranges))
        if mechanism is None:
            width = studentized_range_quantile(_LEVEL, count, below)
            pvalues = [studentized_range_tail(float(each), count, below) for each in ranges]
        else:
            largest = self._largest(sample, mechanism, opened)
            width = float(np.quantile(largest, _LEVEL))
            pvalues = [float(1 + np.count_nonzero(largest >= each)) / (1 + len(largest)) for each in ranges]
            first, second = _pairs(count)
            each = mechanism.error_of_means(sample)
            noise = np.hypot(each[first], each[second])
        labels = self.labels
        return TukeyAnswer(
            pairs=tuple(combinations(labels, 2)),
            differences=tuple((unit * differences).tolist()),
            pvalues=tuple(pvalues),
            low=tuple((unit * (differences - width * errors)).tolist()),
            high=tuple((unit * (differences + width * errors)).tolist()),
            noise_errors=tuple((unit * noise).tolist()),
            too_few=mechanism is not None and bool((sample.n < FEW * mechanism.count.sd).any()),
        )

    def _largest(self, sample: Sample, mechanism: Mechanism, opened: Ints) -> Floats:
        """The largest range of each release with equal means and one variance."""
        drawn = mechanism.redraw(pooled_null(sample), REPLICATES, simulation(opened))
        differences, errors = _differences(drawn)
        found: Floats = (np.abs(differences) / errors).max(axis=-1)
        return found


def _pairs(count: int) -> tuple[list[int], list[int]]:
    pairs = list(combinations(range(count), 2))
    return [first for first, _ in pairs], [second for _, second in pairs]


def _differences(sample: Sample) -> tuple[Floats, Floats]:
    """Of every two means, with what the range divides by; the pairs along the last axis."""
    n, count = sample.n, sample.n.shape[-1]
    first, second = _pairs(count)
    with np.errstate(divide="ignore", invalid="ignore"):
        within = (squares_within(sample) / (n.sum(axis=-1) - count))[..., np.newaxis]
        errors = np.sqrt(within / 2 * (1 / n[..., first] + 1 / n[..., second]))
    return sample.mean[..., first] - sample.mean[..., second], errors
