"""Analysis of variance: one-way; of two grouping columns it hands over to two_way_anova.

Layer:       analytics.statistics.location above group_moments and distributions.
Terms:       *between* are the groups' means around the mean of all rows, *within* the rows around their group's mean.
Guarantees:  the classical F test of equal means with one variance, as ``scipy.stats.f_oneway``. Groups without any
             spread, a group without a row, or no more rows than groups are undefined, not 0. Guards of exact answers and
             the release of private ones: module group_moments; one small group closes the whole test, so groups that may
             be small are left out by ``groups``. Private: the p-value is a parametric bootstrap over the mechanism with
             equal means and one variance, seeded by the answer. With ``reveal="statistic"`` (one column) the figures stay
             hidden, and F opens alone, rounded on shares (module revealed); its degrees of freedom within are then unknown, and
             the p-value is the larger one of the fewest that the guard allows and of infinitely many.
Visible to:  the analyst: number, sum and squares of each group.
Source:      R. A. Fisher 1925. Parametric bootstrap: group_samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
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
from analytics.statistics.comparisons.two_way_anova import TwoWayMoments
from analytics.statistics.hidden.hidden_f import MOST_GROUPS, f_bits, f_ratio
from analytics.statistics.hidden.hidden_ratios import check_width, rows_bits
from analytics.statistics.hidden.revealed import DIGITS, REVEAL, Hidden, RevealedAnswer, is_hidden
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.distributions import chi_square_tail, f_tail
from analytics.statistics.uncertainty.noise_law import simulation
from smpc.operations.arithmetic import take
from smpc.operations.numeric.significant import Rounding

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode

Floats = npt.NDArray[np.float64]
NAME: Final = "anova"
SUMMARY: Final = "analysis of variance by one or two columns"
UNDEFINED: Final = "undefined"
ROUNDING: Final = Rounding(digits=DIGITS, places=4, decades=8)
_FEWEST_GROUPS: Final = 2
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class AnovaAnswer(Answer):
    """The test.

    Attributes:
        statistic: F; None where it is closed or undefined.
        pvalue: exact: of the F distribution; private: of the bootstrap.
        df_between: groups less one.
        df_within: rows less groups.
        ss_between: sum of squares between the groups.
        ss_within: within them.
        eta_squared: share of the first in both.
        labels: of the groups.
        n: rows of each group; noisy in private mode, at least 2.
        means: of each group.
        sds: standard deviations, over ``n - 1``.
        noise_errors: standard error of the noise on each mean; 0 in exact mode.
        too_few: private: whether the noise leaves the size of a group open (below 4 of its standard deviations).
    """

    statistic: float | None
    pvalue: float | None = None
    df_between: int = 0
    df_within: float | None = None
    ss_between: float | None = None
    ss_within: float | None = None
    eta_squared: float | None = None
    labels: tuple[str, ...] = ()
    n: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    sds: tuple[float, ...] = ()
    noise_errors: tuple[float, ...] = ()
    too_few: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group."""
        import pandas as pd

        columns = {"n": self.n, "mean": self.means, "sd": self.sds, "noise_error": self.noise_errors}
        return pd.DataFrame(columns, index=list(self.labels) if self.n else [], dtype="Float64")

    def picture(self) -> Estimates:
        """The groups' means with their 95 % intervals, of sampling and noise."""
        width = NormalDist().inv_cdf((1 + _LEVEL) / 2)
        rows = zip(self.n, self.means, self.sds, self.noise_errors, strict=True)
        ends = [(mean, width * math.hypot(sd / math.sqrt(n), error)) for n, mean, sd, error in rows]
        return Estimates(
            labels=self.labels,
            values=self.means,
            low=[mean - half for mean, half in ends],
            high=[mean + half for mean, half in ends],
            x_name="mean, 95 % interval",
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "df_between": self.df_between,
            "df_within": self.df_within,
            "ss_between": self.ss_between,
            "ss_within": self.ss_within,
            "eta_squared": self.eta_squared,
            "groups": list(self.labels),
            "n": list(self.n),
            "means": list(self.means),
            "sds": list(self.sds),
            "noise_errors": list(self.noise_errors),
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class TwoWayAnova(TwoWayMoments):
    """The tests of two columns and their interaction."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    parameters: ClassVar = ()


@dataclass(frozen=True, kw_only=True)
class Anova(GroupMoments):
    """The test of equal means of several groups."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column"),
        Parameter(name="by", meaning="a column with public groups, or a list of two"),
        Parameter(name="groups", meaning="the groups to compare; all by default", default=None),
        REVEAL,
    )
    reveal: bool = False

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self | TwoWayAnova:
        """See ``Statistic``."""
        reveal = is_hidden(arguments, mode)
        if len(arguments.one_or_more_texts("by")) > 1:
            if reveal:
                raise InvalidRequestError(
                    parameter="reveal", reason="must be table for two columns: one F opens alone"
                )
            return TwoWayAnova.bind(table, arguments, mode, limits)
        bound = cls.bind_groups(table, arguments, mode, limits, reveal=reveal)
        if len(bound.chosen) < _FEWEST_GROUPS:
            raise InvalidRequestError(parameter="groups", reason="must be at least two groups")
        if reveal:
            if len(bound.chosen) > MOST_GROUPS:
                reason = f"must be at most {MOST_GROUPS} groups where the statistic opens alone"
                raise InvalidRequestError(parameter="groups", reason=reason)
            check_width(bound.product_bits, "column")
        return bound

    @property
    def hidden(self) -> Hidden | None:
        """See ``GroupMoments``."""
        if not self.reveal:
            return None
        count = self.n_figures
        return Hidden(
            quantity="F",
            rule=ROUNDING,
            limits=self.limits,
            guards=lambda figures: take(figures, range(count, figures.size)),
            ratio=lambda session, figures: f_ratio(
                session, take(figures, range(count)), len(self.chosen), self.product_bits
            ),
        )

    @property
    def product_bits(self) -> int:
        """Length of the largest integer of a hidden statistic."""
        return f_bits(rows_bits(self.limits), self.reach, len(self.chosen))

    def revealed_answer(self, hidden: Hidden, opened: Ints) -> RevealedAnswer:
        """See ``GroupMoments``; ``df`` are the degrees of freedom between the groups."""
        groups, above = len(self.chosen), len(self.chosen) - 1
        fewest = groups * (max(_FEWEST_GROUPS, self.limits.threshold) - 1)

        def tail(value: float) -> float:
            return max(f_tail(value, above, fewest), chi_square_tail(above * value, above))

        return hidden.answer(opened, tail, float(above))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found = super().describe()
        return found if self.hidden is None else {**found, **self.hidden.describe()}

    def closed_answer(self, reason: str) -> AnovaAnswer:
        """See ``GroupMoments``."""
        return AnovaAnswer(statistic=None, labels=self.labels, df_between=len(self.chosen) - 1, closed=reason)

    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> AnovaAnswer:
        """See ``GroupMoments``."""
        between, within = _squares(sample)
        above, below = len(self.chosen) - 1, float(sample.n.sum()) - len(self.chosen)
        if not (float(within) > 0 and below > 0 and (sample.n > 0).all()):
            return self.closed_answer(UNDEFINED)
        statistic = float(between) / above / (float(within) / below)
        by_noise = None if mechanism is None else self._bootstrap(statistic, sample, mechanism, opened)
        unit = float(self.unit)
        errors = np.zeros(sample.n.size) if mechanism is None else mechanism.error_of_means(sample)
        return AnovaAnswer(
            statistic=statistic,
            pvalue=f_tail(statistic, above, below) if by_noise is None else by_noise,
            df_between=above,
            df_within=below,
            ss_between=unit**2 * float(between),
            ss_within=unit**2 * float(within),
            eta_squared=float(between / (between + within)),
            labels=self.labels,
            n=tuple(sample.n.tolist()),
            means=tuple(self.means(sample)),
            sds=tuple((unit * np.sqrt(sample.variance)).tolist()),
            noise_errors=tuple((unit * errors).tolist()),
            too_few=mechanism is not None and bool((sample.n < FEW * mechanism.count.sd).any()),
        )

    def _bootstrap(self, statistic: float, sample: Sample, mechanism: Mechanism, opened: Ints) -> float:
        """The share of releases with equal means and one variance that are at least as far out."""
        count = len(self.chosen)
        drawn = mechanism.redraw(pooled_null(sample), REPLICATES, simulation(opened))
        between, inside = _squares(drawn)
        found = between / (count - 1) / (inside / (drawn.n.sum(axis=-1) - count))
        return float(1 + np.count_nonzero(found >= statistic)) / (1 + REPLICATES)


def _squares(sample: Sample) -> tuple[Floats, Floats]:
    """Sums of squares between and within, in steps squared; the groups along the last axis."""
    n = sample.n
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (n * sample.mean).sum(axis=-1, keepdims=True) / n.sum(axis=-1, keepdims=True)
    return (n * (sample.mean - middle) ** 2).sum(axis=-1), squares_within(sample)
