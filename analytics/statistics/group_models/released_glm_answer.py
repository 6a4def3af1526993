"""The answer of a generalised linear model that was fitted to a released table.

Layer:       analytics.statistics.linear_models above base and pictures.
Guarantees:  standard errors hold sampling and noise, which are reported apart too. P-values and intervals are those of the
             bootstrap's t over sampling and mechanism, so no classical p-value is given for a table with noise.
Visible to:  the analyst.
See instead: exact fits (glm_answer), the fit (noisy_cells).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import Answer

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
TOO_FEW: Final = "too_few"
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class ReleasedGlmAnswer(Answer):
    """The fit.

    Attributes:
        terms: the intercept, then ``column=group``, or the column where it is true or false.
        params: in the unit of the link. Empty where the noise hides the fit (``too_few``).
        bse: standard errors, of sampling and noise together.
        sampling_errors: of sampling alone.
        noise_errors: of the noise alone, first order.
        pvalues: of the tests that a parameter is 0, with two sides.
        covariance: of the parameters, by sampling and noise.
        n_steps: steps of the fit.
        nobs: rows, noisy; of a fit with an exposure its sum.
        n_events: rows with a true-or-false outcome, or the sum of counts, noisy.
        noise_sds: standard deviations of the noise on the two figures of each combination of groups.
        family: of the outcome.
        link: from the mean to the linear predictor.
        ratio: what ``exp`` of a parameter is; empty where it is nothing.
        distances: of the replicates, for intervals; shape ``(replicates, terms)``.
    """

    terms: tuple[str, ...]
    params: tuple[float, ...] = ()
    bse: tuple[float, ...] = ()
    sampling_errors: tuple[float, ...] = ()
    noise_errors: tuple[float, ...] = ()
    pvalues: tuple[float, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    n_steps: int = 0
    nobs: float
    n_events: float
    noise_sds: tuple[float, ...]
    family: str
    link: str
    ratio: str
    distances: Floats = field(default_factory=lambda: np.zeros((0, 0)), compare=False)

    @property
    def standard_errors(self) -> tuple[float, ...]:
        """Another name of ``bse``."""
        return self.bse

    def interval(self, level: float = _LEVEL) -> tuple[tuple[float, float], ...]:
        """Interval of each parameter, with sampling and noise; without an end where the replicates have none."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if not self.params:
            return ()
        ordered = np.sort(np.abs(self.distances), axis=0)
        place = min(len(ordered) - 1, math.ceil(level * (len(ordered) + 1)) - 1)
        rows = zip(self.params, self.bse, ordered[place], strict=True)
        return tuple(
            (value - float(width) * error, value + float(width) * error) for value, error, width in rows
        )

    def conf_int(self, alpha: float = 1 - _LEVEL) -> tuple[tuple[float, float], ...]:
        """Interval of each parameter at ``1 - alpha``, with sampling and noise."""
        if not 0 < alpha < 1:
            raise InvalidRequestError(parameter="alpha", reason="must be a number above 0 and below 1")
        return self.interval(1 - alpha)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter; NA where the noise hides the fit."""
        import pandas as pd

        low, high = zip(*self.interval(), strict=True) if self.params else ((), ())
        columns = {
            "coef": self.params,
            "std err": self.bse,
            "sampling": self.sampling_errors,
            "noise": self.noise_errors,
            "P": self.pvalues,
            "low": low,
            "high": high,
        }
        found = {name: list(values) or [None] * len(self.terms) for name, values in columns.items()}
        return pd.DataFrame(found, index=list(self.terms), dtype="Float64")

    def summary(self) -> str:
        """The fit as text."""
        if self.closed:
            return repr(self)
        from analytics.text_tables import as_text

        names, rows = self.cells()
        return as_text(names, rows, self.lines())

    def picture(self) -> Estimates:
        """The ratios of the parameters with their 95 % intervals, without the intercept; else the parameters."""
        rows = list(zip(self.terms, self.params, self.interval(), strict=True))[1:] if self.params else []
        shown = _exp if self.ratio else float
        return Estimates(
            labels=[term for term, _, _ in rows],
            values=[shown(value) for _, value, _ in rows],
            low=[shown(low) for _, _, (low, _) in rows],
            high=[shown(high) for _, _, (_, high) in rows],
            x_name=f"{self.ratio or 'parameter'}, 95 % interval",
            reference=shown(0.0),
            is_ratio=bool(self.ratio),
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "terms": list(self.terms),
            "params": list(self.params),
            "bse": list(self.bse),
            "sampling_errors": list(self.sampling_errors),
            "noise_errors": list(self.noise_errors),
            "pvalues": list(self.pvalues),
            "conf_int": [[_or_none(low), _or_none(high)] for low, high in self.interval()],
            "covariance": [list(row) for row in self.covariance],
            "n_steps": self.n_steps,
            "nobs": self.nobs,
            "n_events": self.n_events,
            "noise_sds": list(self.noise_sds),
            "family": self.family,
            "link": self.link,
        }


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
