"""The t test of two groups' means.

Layer:       analytics.statistics.location above group_moments and distributions.
Terms:       the *difference* is the first group's mean less the second's, in the order of ``groups``, which by default
             is that of the schema (false before true).
Guarantees:  Welch's test by default, Student's with ``equal_var``; p-value and interval of Student's distribution, as
             ``scipy.stats.ttest_ind``. Two groups without any spread, or one with fewer than two rows, are undefined, not
             0. Guards of exact answers and the release of private ones: module group_moments. Private: the p-value is a
             parametric bootstrap over the mechanism with equal means, seeded by the answer; the interval holds sampling
             and noise, whose standard errors are reported apart.
             With ``reveal="statistic"`` the figures stay hidden, and t opens alone, rounded on shares (module revealed);
             its degrees of freedom are then the fewest that the guard allows, and the p-value is the largest.
Visible to:  the analyst: number, sum and squares of both groups.
Source:      Student 1908; Welch 1947, degrees of freedom by Welch and Satterthwaite. Parametric bootstrap: group_moments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, Answer
from analytics.statistics.bounded import FEW
from analytics.statistics.distributions import student_quantile, student_tail
from analytics.statistics.group_moments import (
    REPLICATES,
    GroupMoments,
    Mechanism,
    Sample,
    error_of_difference,
)
from analytics.statistics.hidden_ratios import check_width, rows_bits, t_bits, t_ratio
from analytics.statistics.noise_law import simulation
from analytics.statistics.revealed import DIGITS, REVEAL, Hidden, RevealedAnswer, is_hidden
from smpc.operations.arithmetic import take
from smpc.operations.numeric.significant import Rounding

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"
ROUNDING: Final = Rounding(digits=DIGITS, places=4, decades=4, is_root=True)
_ALTERNATIVES: Final = ("two-sided", "less", "greater")
_GROUPS: Final = 2
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class TTestAnswer(Answer):
    """The test.

    Attributes:
        statistic: t; None where it is closed or undefined.
        pvalue: exact: of Student's distribution; private: of the bootstrap.
        df: degrees of freedom.
        alternative: as asked.
        labels: of both groups.
        n: rows of both groups; noisy in private mode, at least 2.
        means: of both groups.
        sds: standard deviations, over ``n - 1``.
        difference: of the means.
        sampling_error: standard error of sampling of the difference.
        noise_error: of the noise; 0 in exact mode.
        too_few: private: whether the noise leaves the size of a group open (below 4 of its standard deviations).
    """

    statistic: float | None
    pvalue: float | None = None
    df: float | None = None
    alternative: str = "two-sided"
    labels: tuple[str, ...] = ()
    n: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    sds: tuple[float, ...] = ()
    difference: float | None = None
    sampling_error: float | None = None
    noise_error: float = 0.0
    too_few: bool = False

    def confidence_interval(self, level: float = _LEVEL) -> tuple[float | None, float | None]:
        """Of the difference, with sampling and noise; one end is infinite where the alternative has one side."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if self.difference is None or self.sampling_error is None or self.df is None:
            return None, None
        error = math.hypot(self.sampling_error, self.noise_error)
        if self.alternative == "two-sided":
            width = student_quantile((1 + level) / 2, self.df) * error
            return self.difference - width, self.difference + width
        width = student_quantile(level, self.df) * error
        if self.alternative == "less":
            return -math.inf, self.difference + width
        return self.difference - width, math.inf

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group."""
        import pandas as pd

        columns = {"n": self.n, "mean": self.means, "sd": self.sds}
        return pd.DataFrame(columns, index=list(self.labels) if self.n else [], dtype="Float64")

    def picture(self) -> Estimates:
        """The difference of the means, with its interval of sampling and noise."""
        low, high = self.confidence_interval()
        return Estimates(
            labels=[" - ".join(self.labels)],
            values=[self.difference],
            low=[None if low is None or math.isinf(low) else low],
            high=[None if high is None or math.isinf(high) else high],
            x_name="difference of the means, 95 % interval",
            reference=0.0,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data, with the interval at 95 %."""
        low, high = self.confidence_interval()
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "df": self.df,
            "alternative": self.alternative,
            "groups": list(self.labels),
            "n": list(self.n),
            "means": list(self.means),
            "sds": list(self.sds),
            "difference": self.difference,
            "sampling_error": self.sampling_error,
            "noise_error": self.noise_error,
            "low": None if low == -math.inf else low,
            "high": None if high == math.inf else high,
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class TTest(GroupMoments):
    """The test of equal means of two groups.

    Attributes:
        equal_var: Student's test, with one variance for both.
        alternative: what is tested against.
        reveal: whether t opens alone.
    """

    name: ClassVar[str] = "t_test"
    summary: ClassVar[str] = "t test of two groups' means, Welch's or Student's"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a numeric column"),
        Parameter(name="by", meaning="a column with public groups"),
        Parameter(name="groups", meaning="the two groups to compare, where by has more", default=None),
        Parameter(name="equal_var", meaning="Student's test instead of Welch's", default=False),
        Parameter(name="alternative", meaning="two-sided, less or greater", default="two-sided"),
        REVEAL,
    )
    equal_var: bool = False
    alternative: str = "two-sided"
    reveal: bool = False

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        alternative = arguments.text("alternative")
        if alternative not in _ALTERNATIVES:
            raise InvalidRequestError(
                parameter="alternative", reason=f"must be one of {', '.join(_ALTERNATIVES)}"
            )
        own = {
            "equal_var": arguments.flag("equal_var"),
            "alternative": alternative,
            "reveal": is_hidden(arguments, mode),
        }
        bound = cls.bind_groups(table, arguments, mode, limits, **own)
        if len(bound.chosen) != _GROUPS:
            reason = f"must name two groups of {bound.by.name}, which has {len(bound.chosen)}"
            raise InvalidRequestError(parameter="groups", reason=reason)
        if bound.reveal:
            check_width(bound.product_bits, "column")
        return bound

    @property
    def hidden(self) -> Hidden | None:
        """See ``GroupMoments``."""
        if not self.reveal:
            return None
        count = self.n_figures
        return Hidden(
            quantity="t",
            rule=ROUNDING,
            limits=self.limits,
            guards=lambda figures: take(figures, range(count, figures.size)),
            ratio=lambda session, figures: t_ratio(
                session, take(figures, range(count)), self.product_bits, equal_var=self.equal_var
            ),
        )

    @property
    def product_bits(self) -> int:
        """Length of the largest integer of a hidden statistic."""
        return t_bits(rows_bits(self.limits), self.reach, equal_var=self.equal_var)

    def revealed_answer(self, hidden: Hidden, opened: Ints) -> RevealedAnswer:
        """See ``GroupMoments``; the p-value is the largest that the guard leaves, with the fewest degrees of freedom."""
        fewest = max(_GROUPS, self.limits.threshold)
        df = float(_GROUPS * fewest - _GROUPS if self.equal_var else fewest - 1)
        return hidden.answer(opened, lambda value: self._tail(value, df), df)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found = super().describe() | {"equal_var": self.equal_var, "alternative": self.alternative}
        return found if self.hidden is None else {**found, **self.hidden.describe()}

    def closed_answer(self, reason: str) -> TTestAnswer:
        """See ``GroupMoments``."""
        return TTestAnswer(statistic=None, labels=self.labels, alternative=self.alternative, closed=reason)

    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> TTestAnswer:
        """See ``GroupMoments``."""
        errors, degrees = error_of_difference(sample, equal_var=self.equal_var)
        error, df = float(errors), float(degrees)
        if not error > 0:  # NaN with fewer than two rows
            return self.closed_answer(UNDEFINED)
        unit = float(self.column.resolution)
        difference = float(sample.mean[0] - sample.mean[1])
        noise_error = 0.0 if mechanism is None else float(np.hypot(*mechanism.error_of_means(sample)))
        statistic = difference / error
        by_noise = None if mechanism is None else self._bootstrap(statistic, sample, mechanism, opened)
        return TTestAnswer(
            statistic=statistic,
            pvalue=self._tail(statistic, df) if by_noise is None else by_noise,
            df=df,
            alternative=self.alternative,
            labels=self.labels,
            n=tuple(sample.n.tolist()),
            means=tuple(self.means(sample)),
            sds=tuple((unit * np.sqrt(sample.variance)).tolist()),
            difference=unit * difference,
            sampling_error=unit * error,
            noise_error=unit * noise_error,
            too_few=mechanism is not None and bool((sample.n < FEW * mechanism.count.sd).any()),
        )

    def _tail(self, statistic: float, df: float) -> float:
        if self.alternative == "two-sided":
            return min(1.0, 2 * student_tail(abs(statistic), df))
        return student_tail(statistic if self.alternative == "greater" else -statistic, df)

    def _bootstrap(self, statistic: float, sample: Sample, mechanism: Mechanism, opened: Ints) -> float:
        """The share of releases with equal means, fresh rows and fresh noise that are at least as far out."""
        weights = sample.n / sample.variance
        equal = np.full(_GROUPS, float((weights * sample.mean).sum() / weights.sum()))
        null = Sample(n=sample.n, mean=equal, variance=sample.variance)
        drawn = mechanism.redraw(null, REPLICATES, simulation(opened))
        error, _ = error_of_difference(drawn, equal_var=self.equal_var)
        found = (drawn.mean[:, 0] - drawn.mean[:, 1]) / error
        if self.alternative == "two-sided":
            farther = np.abs(found) >= abs(statistic)
        else:
            farther = found >= statistic if self.alternative == "greater" else found <= statistic
        return float(1 + np.count_nonzero(farther)) / (1 + REPLICATES)
