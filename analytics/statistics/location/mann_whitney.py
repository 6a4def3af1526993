"""The test of Mann and Whitney: whether values of one group tend to be larger than those of another.

Layer:       analytics.statistics.location above rank_table.
Terms:       U counts, for the first group in the order of ``groups`` (false before true), the pairs in which its value
             lies in a later bin than the second's, and half of the pairs within one bin; ``auc`` is U over all pairs.
Guarantees:  p-value by the normal approximation with ties and continuity corrected, as
             ``scipy.stats.mannwhitneyu(method="asymptotic")`` over the bins' places; the interval of ``auc`` by DeLong's
             variance. Rows that all lie in one bin are undefined. Guards and the release: module rank_table. Private:
             the p-value is a parametric bootstrap over the mechanism under equal distributions, seeded by the answer;
             the interval holds sampling and noise, whose standard errors are reported apart.
             With ``reveal="statistic"`` the table stays hidden, and z, whose p-value this is, opens alone, rounded on shares
             (modules revealed and hidden_ranks). A table of up to 20 cells is guarded cell by cell; of a larger one each group
             needs the threshold, also without any one bin, since else z tells of few people off one bin.
Visible to:  the analyst: the table of groups and bins; or z and one bit.
Source:      Mann, Whitney 1947; DeLong, DeLong, Clarke-Pearson 1988. Noise: first order, ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.comparisons.rank_table import RankAnswer, RankTable, area, midranks
from analytics.statistics.hidden.hidden_ranks import z_bits, z_ratio
from analytics.statistics.hidden.hidden_ratios import check_width, rows_bits
from analytics.statistics.hidden.revealed import (
    DIGITS,
    REVEAL,
    SMALL_TABLE,
    Hidden,
    RevealedAnswer,
    is_hidden,
)
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.bounded import FEW
from smpc.operations.arithmetic import reshape, take
from smpc.operations.numeric.significant import Rounding
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"
ROUNDING: Final = Rounding(digits=DIGITS, places=4, decades=4, is_root=True)
_ALTERNATIVES: Final = ("two-sided", "less", "greater")
_GROUPS: Final = 2
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class MannWhitneyAnswer(RankAnswer):
    """The test; see ``RankAnswer``.

    Attributes:
        alternative: as asked.
        auc: the chance that a value of the first group is larger, half of the ties included.
        sampling_error: its standard error of sampling.
        noise_error: that of the noise; 0 in exact mode.
        too_few: private: whether the noise leaves the size of a group open (below 4 of its standard deviations).
    """

    alternative: str = "two-sided"
    auc: float | None = None
    sampling_error: float | None = None
    noise_error: float = 0.0
    too_few: bool = False

    def interval(self, level: float = _LEVEL) -> tuple[float | None, float | None]:
        """Of ``auc``, with sampling and noise, between 0 and 1."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if self.auc is None or self.sampling_error is None:
            return None, None
        width = NormalDist().inv_cdf((1 + level) / 2) * math.hypot(self.sampling_error, self.noise_error)
        return max(0.0, self.auc - width), min(1.0, self.auc + width)

    def values(self) -> dict[str, object]:
        """Its fields as plain data, with the interval at 95 %."""
        low, high = self.interval()
        return {
            **super().values(),
            "alternative": self.alternative,
            "auc": self.auc,
            "sampling_error": self.sampling_error,
            "noise_error": self.noise_error,
            "auc_low": low,
            "auc_high": high,
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class MannWhitney(RankTable):
    """The test of two groups.

    Attributes:
        alternative: what is tested against.
        reveal: whether z opens alone.
    """

    name: ClassVar[str] = "mann_whitney"
    summary: ClassVar[str] = "Mann-Whitney test of two groups over declared bins"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column with declared bins"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the two groups to compare, where by has more", default=None),
        Parameter(name="alternative", meaning="two-sided, less or greater", default="two-sided"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
        REVEAL,
    )
    alternative: str = "two-sided"
    reveal: bool = False

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        alternative = arguments.text("alternative")
        if alternative not in _ALTERNATIVES:
            reason = f"must be one of {', '.join(_ALTERNATIVES)}"
            raise InvalidRequestError(parameter="alternative", reason=reason)
        own = {"alternative": alternative, "reveal": is_hidden(arguments, mode)}
        bound = cls.bind_ranks(table, arguments, mode, limits, **own)
        if len(bound.chosen) != _GROUPS:
            reason = f"must name two groups of {bound.keys[0][1].name}, which has {len(bound.chosen)}"
            raise InvalidRequestError(parameter="groups", reason=reason)
        if bound.reveal:
            check_width(z_bits(rows_bits(limits)), "table")
        return bound

    @property
    def hidden(self) -> Hidden | None:
        """See ``CountStatistic``."""
        if not self.reveal:
            return None
        return Hidden(
            quantity="z",
            rule=ROUNDING,
            limits=self.limits,
            guards=self._guards,
            ratio=lambda session, figures: z_ratio(
                session, self._cells(figures), rows_bits(self.limits), self.alternative
            ),
        )

    def _cells(self, figures: Shared) -> Shared:
        return reshape(take(figures, self.places), (_GROUPS, len(self.bins)))

    def _guards(self, figures: Shared) -> Shared:
        """The cells of a small table; of a larger one each group, and each without any one bin."""
        cells = self._cells(figures).share
        if cells.size <= SMALL_TABLE:
            return Shared(share=cells.ravel().copy())
        people = cells.sum(axis=1)
        return Shared(share=np.concatenate([people, (people[:, np.newaxis] - cells).ravel()]))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found = super().describe() | {"alternative": self.alternative}
        return found if self.hidden is None else {**found, **self.hidden.describe()}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> RankAnswer | RevealedAnswer:  # type: ignore[override]
        """See ``Statistic``."""
        if self.hidden is None:
            return super().estimate(opened, noise)
        return self.hidden.answer(opened[0], self._tail)

    def _tail(self, z: float) -> float:
        """The p-value of a revealed z."""
        if self.alternative == "two-sided":
            return _normal_tail(abs(z), self.alternative)
        return _normal_tail(-z if self.alternative == "less" else z, self.alternative)

    def closed_answer(self, reason: str) -> MannWhitneyAnswer:
        """See ``RankTable``."""
        return MannWhitneyAnswer(
            statistic=None, labels=self.labels, bins=self.bins, alternative=self.alternative, closed=reason
        )

    def answer(self, table: Floats, law: NoiseLaw | None, opened: Ints) -> MannWhitneyAnswer:
        """See ``RankTable``."""
        known = np.maximum(table, self.least)
        distance = float(self._distance(known[np.newaxis])[0])
        if np.isnan(distance):
            return self.closed_answer(UNDEFINED)
        by_noise = None if law is None else noisy_pvalue(known, self._distance, law, opened)
        auc, gradient, sampling_error = area(known)
        noise_sd = 0.0 if law is None else law.sd
        least = FEW * noise_sd * math.sqrt(table.shape[1])
        return MannWhitneyAnswer(
            statistic=float(auc * known.sum(axis=1).prod()),
            pvalue=_normal_tail(distance, self.alternative) if by_noise is None else by_noise,
            labels=self.labels,
            bins=self.bins,
            table=tuple(map(tuple, table.tolist())),
            noise_sd=noise_sd,
            alternative=self.alternative,
            auc=auc,
            sampling_error=sampling_error,
            noise_error=noise_sd * math.sqrt(float((gradient**2).sum())),
            too_few=law is not None and bool((table.sum(axis=1) < least).any()),
        )

    def _distance(self, tables: Floats) -> Floats:
        """How far U is from its mean towards the alternative, in standard deviations; NaN where it has none."""
        known = np.maximum(tables, self.least)
        ranks, ties = midranks(known)
        n = known.sum(axis=2)
        total, pairs = n.sum(axis=1), n.prod(axis=1)
        first = (known[:, 0] * ranks).sum(axis=1) - n[:, 0] * (n[:, 0] + 1) / 2
        apart = first - pairs / 2
        if self.alternative == "two-sided":
            apart = np.abs(apart)
        elif self.alternative == "less":
            apart = -apart
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (apart - 0.5) / np.sqrt(pairs * (total + 1) / 12 * ties)
        return np.where((pairs > 0) & (ties > 0), found, np.nan)


def _normal_tail(distance: float, alternative: str) -> float:
    tail = math.erfc(distance / math.sqrt(2)) / 2
    return min(1.0, 2 * tail) if alternative == "two-sided" else tail
