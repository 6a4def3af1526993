"""The answer of a t test, and the tails of its alternatives.

Layer:       analytics.statistics, below the t tests.
Guarantees:  the interval holds sampling and noise.
Source:      Student 1908.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import Answer
from analytics.statistics.uncertainty.distributions import student_quantile, student_tail

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"
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
        labels: of both groups; of one sample its column; of pairs both columns and their difference, or that alone.
        n: rows of each; noisy in private mode, at least 2.
        means: of each.
        sds: standard deviations, over ``n - 1``.
        difference: of the means; of one sample its mean less ``popmean``.
        sampling_error: standard error of sampling of the difference.
        noise_error: of the noise; 0 in exact mode.
        popmean: of one sample, the mean that it was tested against.
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
    popmean: float | None = None
    too_few: bool = False

    def confidence_interval(self, level: float = _LEVEL) -> tuple[float | None, float | None]:
        """Of the difference, of one sample of its mean, with sampling and noise; infinite where the alternative has no end."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if self.difference is None or self.sampling_error is None or self.df is None:
            return None, None
        error = math.hypot(self.sampling_error, self.noise_error)
        middle = self.difference + (self.popmean or 0.0)
        if self.alternative == "two-sided":
            width = student_quantile((1 + level) / 2, self.df) * error
            return middle - width, middle + width
        width = student_quantile(level, self.df) * error
        if self.alternative == "less":
            return -math.inf, middle + width
        return middle - width, math.inf

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group."""
        import pandas as pd

        columns = {"n": self.n, "mean": self.means, "sd": self.sds}
        return pd.DataFrame(columns, index=list(self.labels) if self.n else [], dtype="Float64")

    def picture(self) -> Estimates:
        """The difference of the means, of one sample its mean, with its interval of sampling and noise."""
        low, high = self.confidence_interval()
        is_pair = len(self.labels) == _GROUPS
        return Estimates(
            labels=[" - ".join(self.labels) if is_pair else self.labels[-1]],
            values=[self.difference if self.popmean is None else self.means[0]],
            low=[None if low is None or math.isinf(low) else low],
            high=[None if high is None or math.isinf(high) else high],
            x_name=f"{'difference of the means' if self.popmean is None else 'mean'}, 95 % interval",
            reference=self.popmean or 0.0,
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
            **({} if self.popmean is None else {"popmean": self.popmean}),
        }


def tail(statistic: float, df: float, alternative: str) -> float:
    """P-value of Student's distribution."""
    if alternative == "two-sided":
        return min(1.0, 2 * student_tail(abs(statistic), df))
    return student_tail(statistic if alternative == "greater" else -statistic, df)


def share_farther(drawn: Floats, statistic: float, alternative: str) -> float:
    """P-value of a simulation: the share of draws that are at least as far out, the statistic among them."""
    if alternative == "two-sided":
        farther = np.abs(drawn) >= abs(statistic)
    else:
        farther = drawn >= statistic if alternative == "greater" else drawn <= statistic
    return float(1 + np.count_nonzero(farther)) / (1 + len(drawn))
