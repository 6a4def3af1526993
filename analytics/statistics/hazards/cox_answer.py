"""The answer of a Cox regression.

Layer:       analytics.statistics.hazards above base.
See instead: the fit (survival.cox).
Source:      columns as in the summaries of lifelines.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import Answer
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    import pandas as pd

FIT_CLOSED: Final = "fit_closed"
TOO_FEW: Final = "too_few"
_LEVEL: Final = 0.95
_CURVES: Final = ("hazard", "cumulative_hazard", "survival")


@dataclass(frozen=True, slots=True)
class Proportionality:
    """Score tests that a parameter does not change with time; small p-values speak against proportional hazards.

    Attributes:
        statistics: of each term, a chi-square with one degree of freedom.
        statistic: of all terms together, with as many.
        pvalues: of each term.
        pvalue: of all together.
    """

    statistics: tuple[float, ...]
    statistic: float
    pvalues: tuple[float, ...]
    pvalue: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The hazard where numbers are in the middle of their bounds, categories the first, flags false.

    Attributes:
        name: of the stratum; empty where there are none.
        edges: of the grid, one more than intervals.
        hazard: of each interval; NaN where the guard closed it, or too few are at risk for the noise.
        errors: of a private cumulative hazard: of sampling and noise.
        noise_errors: their part of the noise.
    """

    name: str
    edges: tuple[float, ...]
    hazard: tuple[float, ...]
    errors: tuple[float, ...] = ()
    noise_errors: tuple[float, ...] = ()

    @property
    def cumulative_hazard(self) -> tuple[float, ...]:
        """After each interval."""
        return tuple(accumulate(self.hazard))

    @property
    def survival(self) -> tuple[float, ...]:
        """The exponential of minus the cumulative hazard, after each interval."""
        return tuple(math.exp(-value) for value in self.cumulative_hazard)

    def interval(self, level: float = _LEVEL, part: str = "both") -> tuple[tuple[float, float], ...]:
        """Limits of the survival after each interval; of a private answer.

        Args:
            level: between 0 and 1.
            part: ``both`` covers the curve of the population, ``noise`` the one without noise.
        """
        width = NormalDist().inv_cdf((1 + level) / 2)
        errors = self.noise_errors if part == "noise" else self.errors
        pairs = zip(self.cumulative_hazard, errors, strict=False)
        return tuple(
            (math.exp(-value - width * error), min(1.0, math.exp(-value + width * error)))
            for value, error in pairs
        )

    def to_dict(self) -> dict[str, object]:
        """As plain data, None where it is closed."""
        columns = {
            "hazard": self.hazard,
            "cumulative_hazard": self.cumulative_hazard,
            "survival": self.survival,
        }
        if self.errors:
            columns |= {"errors": self.errors, "noise_errors": self.noise_errors}
        plain = {
            name: [None if math.isnan(value) else value for value in values]
            for name, values in columns.items()
        }
        return {"name": self.name, "edges": list(self.edges), **plain}


@dataclass(frozen=True, kw_only=True)
class CoxAnswer(Answer):
    """The fit.

    Attributes:
        terms: names of the parameters: numeric and true-or-false columns, ``column=category``.
        params: log hazard ratios for each unit of the column; six digits. Empty where it is closed.
        standard_errors: from the inverse of the observed information; six digits.
        n_steps: Newton steps that were taken.
        covariance: of the parameters, row by row; six digits.
        score_statistic: of the score test that all parameters are 0.
        proportional: the test of proportional hazards, where it was asked for.
        baselines: of each stratum, where they were asked for.
    """

    terms: tuple[str, ...]
    params: tuple[float, ...] = ()
    standard_errors: tuple[float, ...] = ()
    n_steps: int = 0
    covariance: tuple[tuple[float, ...], ...] = ()
    score_statistic: float | None = None
    proportional: Proportionality | None = None
    baselines: tuple[Baseline, ...] = ()

    @property
    def hazard_ratios(self) -> tuple[float, ...]:
        """For each unit of the column."""
        return tuple(math.exp(value) for value in self.params)

    @property
    def pvalues(self) -> tuple[float, ...]:
        """Of Wald's test that a parameter is 0."""
        pairs = zip(self.params, self.standard_errors, strict=True)
        return tuple(math.erfc(abs(value / error) / math.sqrt(2)) for value, error in pairs)

    @property
    def zvalues(self) -> tuple[float, ...]:
        """Parameters over their standard errors."""
        return tuple(value / error for value, error in zip(self.params, self.standard_errors, strict=True))

    @property
    def score_pvalue(self) -> float | None:
        """Of the score test; of one group against another it is the log-rank test but for ties."""
        found = self.score_statistic
        return None if found is None else chi_square_tail(max(found, 0.0), len(self.params))

    @property
    def wald_statistic(self) -> float | None:
        """Of Wald's test that all parameters are 0."""
        if not self.params:
            return None
        params = np.array(self.params)
        return float(params @ np.linalg.solve(np.array(self.covariance), params))

    @property
    def wald_pvalue(self) -> float | None:
        """Of Wald's test that all parameters are 0."""
        found = self.wald_statistic
        return None if found is None else chi_square_tail(max(found, 0.0), len(self.params))

    def interval(self, level: float = _LEVEL) -> tuple[tuple[float, float], ...]:
        """Wald's confidence interval of each parameter.

        Args:
            level: between 0 and 1.

        Raises:
            InvalidRequestError: the level is out of range.
        """
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        width = NormalDist().inv_cdf((1 + level) / 2)
        pairs = zip(self.params, self.standard_errors, strict=True)
        return tuple((value - width * error, value + width * error) for value, error in pairs)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter: ``coef``, ``exp(coef)``, ``se(coef)``, ``low``, ``high``, ``pvalue``; NA where it is closed."""
        import pandas as pd

        low, high = zip(*self.interval(), strict=True) if self.params else ((), ())
        columns = {
            "coef": self.params,
            "exp(coef)": self.hazard_ratios,
            "se(coef)": self.standard_errors,
            "low": low,
            "high": high,
            "pvalue": self.pvalues,
        }
        found = {name: list(values) or [None] * len(self.terms) for name, values in columns.items()}
        return pd.DataFrame(found, index=list(self.terms), dtype="Float64")

    @property
    def baseline(self) -> pd.DataFrame:
        """One row for each stratum and interval: its ends, hazard, cumulative hazard, survival and, if private, limits."""
        import pandas as pd

        columns: dict[str, list[object]] = {
            name: [] for name in ("stratum", "start", "end", *_CURVES, "low", "high")
        }
        for each in self.baselines:
            columns["stratum"] += [each.name] * len(each.hazard)
            columns["start"] += each.edges[:-1]
            columns["end"] += each.edges[1:]
            for name in _CURVES:
                columns[name] += getattr(each, name)
            limits = each.interval() or ((None, None),) * len(each.hazard)
            columns["low"] += [low for low, _ in limits]
            columns["high"] += [high for _, high in limits]
        found = pd.DataFrame(columns)
        return found.astype(dict.fromkeys(found.columns, "Float64") | {"stratum": "string"})

    def summary(self) -> str:
        """The fit as text."""
        if self.closed:
            return repr(self)
        from analytics.text_tables import as_text

        names, rows = self.cells()
        return as_text(names, rows, self.lines())

    def picture(self) -> Estimates:
        """Hazard ratios with their 95 % intervals."""
        ends = self.interval()
        return Estimates(
            labels=list(self.terms),
            values=list(self.hazard_ratios),
            low=[math.exp(low) for low, _ in ends],
            high=[math.exp(high) for _, high in ends],
            x_name="hazard ratio, 95 % interval",
            reference=1.0,
            is_ratio=True,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "terms": list(self.terms),
            "params": list(self.params),
            "hazard_ratios": list(self.hazard_ratios),
            "standard_errors": list(self.standard_errors),
            "pvalues": list(self.pvalues),
            "n_steps": self.n_steps,
            "covariance": [list(row) for row in self.covariance],
            "score_statistic": self.score_statistic,
            "score_pvalue": self.score_pvalue,
            "wald_statistic": self.wald_statistic,
            "wald_pvalue": self.wald_pvalue,
            "proportional": None if self.proportional is None else asdict(self.proportional),
            "baselines": [each.to_dict() for each in self.baselines],
        }


@dataclass(frozen=True, kw_only=True)
class NoisyCoxAnswer(CoxAnswer):
    """A fit of a released table; standard errors, p-values and intervals hold sampling and noise.

    Attributes:
        noise_errors: of the parameters, by the noise alone.
        concordance: Harrell's index within strata; None where the noise hides the fit.
        concordance_noise: its error by the noise alone.
        noise_sd: of each cell of the table.
    """

    noise_errors: tuple[float, ...] = ()
    concordance: float | None = None
    concordance_noise: float | None = None
    noise_sd: float = 0.0

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        own = {
            "noise_errors": list(self.noise_errors),
            "concordance": self.concordance,
            "concordance_noise": self.concordance_noise,
            "noise_sd": self.noise_sd,
        }
        exact = super().values()
        return {name: value for name, value in exact.items() if not name.startswith("score_")} | own
