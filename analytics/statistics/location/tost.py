"""Equivalence of two groups' means by two one-sided tests: whether their difference lies inside given margins.

Layer:       analytics.statistics.location above group_moments and distributions.
Terms:       the *difference* is the first group's mean less the second's. One test is against a difference of ``low`` or
             less, the other against one of ``upp`` or more; ``pvalue`` is the larger of both.
Guarantees:  exact: as ``statsmodels.stats.weightstats.ttost_ind``, Welch's degrees of freedom by default. Guards of exact
             answers and the release of private ones: module group_moments. Groups without any spread are undefined.
             Private: each p-value is a parametric bootstrap over the mechanism with the difference at its margin, seeded by
             the answer.
Visible to:  the analyst: number, sum and squares of both groups.
See instead: whether the means differ (t_test).
Source:      Schuirmann 1987; Welch 1947. Parametric bootstrap: group_samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.schema.numbers import format_decimal
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, Answer
from analytics.statistics.comparisons.group_moments import GroupMoments
from analytics.statistics.comparisons.group_samples import REPLICATES, Mechanism, Sample, error_of_difference
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.distributions import student_tail
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from fractions import Fraction

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"
_GROUPS: Final = 2


@dataclass(frozen=True, kw_only=True)
class TostAnswer(Answer):
    """The tests.

    Attributes:
        pvalue: the larger of both.
        lower_statistic: t against the lower margin.
        lower_pvalue: its p-value.
        upper_statistic: t against the upper margin.
        upper_pvalue: its p-value.
        df: degrees of freedom.
        labels: of both groups.
        n: rows of both groups; noisy in private mode, at least 2.
        means: of both groups.
        difference: of the means.
        sampling_error: standard error of sampling of the difference.
        noise_error: of the noise; 0 in exact mode.
        too_few: private: whether the noise leaves the size of a group open (below 4 of its standard deviations).
    """

    pvalue: float | None = None
    lower_statistic: float | None = None
    lower_pvalue: float | None = None
    upper_statistic: float | None = None
    upper_pvalue: float | None = None
    df: float | None = None
    labels: tuple[str, ...] = ()
    n: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    difference: float | None = None
    sampling_error: float | None = None
    noise_error: float = 0.0
    too_few: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """One row a margin."""
        import pandas as pd

        columns = {
            "statistic": [self.lower_statistic, self.upper_statistic],
            "pvalue": [self.lower_pvalue, self.upper_pvalue],
        }
        return pd.DataFrame(columns, index=["low", "upp"], dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "pvalue": self.pvalue,
            "lower_statistic": self.lower_statistic,
            "lower_pvalue": self.lower_pvalue,
            "upper_statistic": self.upper_statistic,
            "upper_pvalue": self.upper_pvalue,
            "df": self.df,
            "groups": list(self.labels),
            "n": list(self.n),
            "means": list(self.means),
            "difference": self.difference,
            "sampling_error": self.sampling_error,
            "noise_error": self.noise_error,
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class Tost(GroupMoments):
    """The tests.

    Attributes:
        low: lower margin of the difference, in the column's unit.
        upp: upper margin.
        equal_var: one variance for both groups.
    """

    name: ClassVar[str] = "tost"
    summary: ClassVar[str] = "equivalence of two groups' means by two one-sided t tests"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="low", meaning="lower margin of the difference"),
        Parameter(name="upp", meaning="upper margin of the difference"),
        Parameter(name="groups", meaning="the two groups to compare, where by has more", default=None),
        Parameter(name="equal_var", meaning="one variance for both groups", default=False),
    )
    low: Fraction
    upp: Fraction
    equal_var: bool

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        low, upp = arguments.number("low"), arguments.number("upp")
        if low >= upp:
            raise InvalidRequestError(parameter="upp", reason="must be above low")
        own = {"low": low, "upp": upp, "equal_var": arguments.flag("equal_var")}
        bound = cls.bind_groups(table, arguments, mode, limits, **own)
        if len(bound.chosen) != _GROUPS:
            reason = f"must name two groups of {bound.bys[0].name}, which has {len(bound.chosen)}"
            raise InvalidRequestError(parameter="groups", reason=reason)
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        margins = {"low": format_decimal(self.low), "upp": format_decimal(self.upp)}
        return super().describe() | margins | {"equal_var": self.equal_var}

    def closed_answer(self, reason: str) -> TostAnswer:
        """See ``GroupMoments``."""
        return TostAnswer(labels=self.labels, closed=reason)

    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> TostAnswer:
        """See ``GroupMoments``."""
        errors, degrees = error_of_difference(sample, equal_var=self.equal_var)
        error, df, unit = float(errors), float(degrees), float(self.unit)
        if not error > 0:  # NaN with fewer than two rows
            return self.closed_answer(UNDEFINED)
        difference = float(sample.mean[0] - sample.mean[1])
        margins = [float(each) / unit for each in (self.low, self.upp)]
        statistics = [(difference - margin) / error for margin in margins]
        if mechanism is None:
            pvalues = [student_tail(statistics[0], df), student_tail(-statistics[1], df)]
        else:
            pvalues = [
                self._bootstrap(each, margin, sign, sample, mechanism, opened)
                for each, margin, sign in zip(statistics, margins, (1, -1), strict=True)
            ]
        noise = 0.0 if mechanism is None else float(np.hypot(*mechanism.error_of_means(sample)))
        return TostAnswer(
            pvalue=max(pvalues),
            lower_statistic=statistics[0],
            lower_pvalue=pvalues[0],
            upper_statistic=statistics[1],
            upper_pvalue=pvalues[1],
            df=df,
            labels=self.labels,
            n=tuple(sample.n.tolist()),
            means=tuple(self.means(sample)),
            difference=unit * difference,
            sampling_error=unit * error,
            noise_error=unit * noise,
            too_few=mechanism is not None and bool((sample.n < FEW * mechanism.count.sd).any()),
        )

    def _bootstrap(
        self, statistic: float, margin: float, sign: int, sample: Sample, mechanism: Mechanism, opened: Ints
    ) -> float:
        """The share of releases with the difference at the margin that are at least as far inside."""
        weights = sample.n / sample.variance
        middle = float((weights * (sample.mean - np.array([margin, 0.0]))).sum() / weights.sum())
        null = Sample(n=sample.n, mean=np.array([middle + margin, middle]), variance=sample.variance)
        drawn = mechanism.redraw(null, REPLICATES, simulation(opened))
        error, _ = error_of_difference(drawn, equal_var=self.equal_var)
        found = (drawn.mean[:, 0] - drawn.mean[:, 1] - margin) / error
        return float(1 + np.count_nonzero(sign * found >= sign * statistic)) / (1 + REPLICATES)
