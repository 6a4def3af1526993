"""The answer of a logistic regression, with the names that ``statsmodels`` uses.

Layer:       analytics.statistics above base and distributions; below regression.glm.
Guarantees:  parameters and standard errors have six digits; tests and intervals follow from them, so that what is shown
             agrees with itself. Wald's tests are of the normal distribution, as in ``statsmodels.GLM``.
Visible to:  the analyst.
Source:      Wald 1943; Wilks 1938 for the likelihood ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import Answer
from analytics.statistics.distributions import chi_square_tail

if TYPE_CHECKING:
    import pandas as pd

FIT_CLOSED: Final = "fit_closed"
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class GlmAnswer(Answer):
    """The fit.

    Attributes:
        terms: names of the parameters: the intercept, numeric and true-or-false columns, ``column=category``.
        params: log odds ratios for each unit of the column; six digits. Empty where it is closed.
        bse: standard errors, from the inverse of the observed information; six digits.
        n_steps: Newton steps that were taken.
        nobs: rows.
        n_events: rows with the outcome.
        llf: log-likelihood.
    """

    terms: tuple[str, ...]
    params: tuple[float, ...] = ()
    bse: tuple[float, ...] = ()
    n_steps: int = 0
    nobs: int = 0
    n_events: int = 0
    llf: float | None = None

    @property
    def standard_errors(self) -> tuple[float, ...]:
        """Another name of ``bse``."""
        return self.bse

    @property
    def tvalues(self) -> tuple[float, ...]:
        """Parameters over their standard errors; of a normal distribution, whatever the name."""
        return tuple(value / error for value, error in zip(self.params, self.bse, strict=True))

    @property
    def pvalues(self) -> tuple[float, ...]:
        """Of Wald's test that a parameter is 0."""
        return tuple(math.erfc(abs(value) / math.sqrt(2)) for value in self.tvalues)

    @property
    def df_model(self) -> int:
        """Parameters less the intercept."""
        return len(self.terms) - 1

    @property
    def df_resid(self) -> int | None:
        """Rows less parameters; None where it is closed."""
        return self.nobs - len(self.params) if self.params else None

    @property
    def llnull(self) -> float | None:
        """Log-likelihood of a fit of the intercept alone."""
        if self.llf is None:
            return None
        counts = (self.n_events, self.nobs - self.n_events)
        return sum(count * math.log(count / self.nobs) for count in counts if count)

    @property
    def deviance(self) -> float | None:
        """Minus twice the log-likelihood: a saturated fit of single outcomes has 0."""
        return None if self.llf is None else -2 * self.llf

    @property
    def null_deviance(self) -> float | None:
        """The deviance of the intercept alone."""
        return None if self.llnull is None else -2 * self.llnull

    @property
    def aic(self) -> float | None:
        """Akaike's criterion."""
        return None if self.llf is None else 2 * len(self.params) - 2 * self.llf

    @property
    def bic(self) -> float | None:
        """Schwarz's criterion, from the log-likelihood (``bic_llf`` of ``statsmodels.GLM``)."""
        return None if self.llf is None else math.log(self.nobs) * len(self.params) - 2 * self.llf

    @property
    def llr(self) -> float | None:
        """The likelihood ratio's statistic against the intercept alone."""
        if self.llf is None or self.llnull is None:
            return None
        return max(0.0, 2 * (self.llf - self.llnull))

    @property
    def llr_pvalue(self) -> float | None:
        """Its p-value, of a chi-square with ``df_model`` degrees of freedom."""
        return None if self.llr is None else chi_square_tail(self.llr, self.df_model)

    @property
    def prsquared(self) -> float | None:
        """McFadden's pseudo R squared; None where all outcomes are alike."""
        if self.llf is None or not self.llnull:
            return None
        return 1 - self.llf / self.llnull

    def interval(self, level: float = _LEVEL) -> tuple[tuple[float, float], ...]:
        """Wald's confidence interval of each parameter."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        width = NormalDist().inv_cdf((1 + level) / 2)
        pairs = zip(self.params, self.bse, strict=True)
        return tuple((value - width * error, value + width * error) for value, error in pairs)

    def conf_int(self, alpha: float = 1 - _LEVEL) -> tuple[tuple[float, float], ...]:
        """Wald's confidence interval of each parameter at ``1 - alpha``."""
        if not 0 < alpha < 1:
            raise InvalidRequestError(parameter="alpha", reason="must be a number above 0 and below 1")
        return self.interval(1 - alpha)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter."""
        import pandas as pd

        low, high = zip(*self.interval(), strict=True) if self.params else ((), ())
        columns = {
            "coef": self.params,
            "standard_error": self.bse,
            "pvalue": self.pvalues,
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
        """Odds ratios with their 95 % intervals, without the intercept."""
        rows = list(zip(self.terms, self.params, self.interval(), strict=True))[1:]
        return Estimates(
            labels=[term for term, _, _ in rows],
            values=[math.exp(value) for _, value, _ in rows],
            low=[math.exp(low) for _, _, (low, _) in rows],
            high=[math.exp(high) for _, _, (_, high) in rows],
            x_name="odds ratio, 95 % interval",
            reference=1.0,
            is_ratio=True,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "terms": list(self.terms),
            "params": list(self.params),
            "bse": list(self.bse),
            "standard_errors": list(self.bse),
            "tvalues": list(self.tvalues),
            "pvalues": list(self.pvalues),
            "n_steps": self.n_steps,
            "nobs": self.nobs,
            "n_events": self.n_events,
            "df_model": self.df_model,
            "df_resid": self.df_resid,
            "llf": self.llf,
            "llnull": self.llnull,
            "deviance": self.deviance,
            "null_deviance": self.null_deviance,
            "aic": self.aic,
            "bic": self.bic,
            "llr": self.llr,
            "llr_pvalue": self.llr_pvalue,
            "prsquared": self.prsquared,
        }
