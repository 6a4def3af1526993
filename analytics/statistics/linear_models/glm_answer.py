"""The answer of a generalised linear model, with the names that ``statsmodels`` uses.

Layer:       analytics.statistics above base, distributions and contrasts; below regression.
Guarantees:  parameters and standard errors have six digits; tests and intervals follow from them, so that what is shown
             agrees with itself. Wald's tests are of the normal distribution, as in ``statsmodels.GLM``, also where the
             dispersion is estimated; the likelihood ratio of such a family is its deviances' difference over the scale.
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
from analytics.statistics.matrices.contrasts import Contrast, Prediction, contrast, mean_of
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

FIT_CLOSED: Final = "fit_closed"
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class GlmAnswer(Answer):
    """The fit.

    Attributes:
        terms: names of the parameters: the intercept, numeric and true-or-false columns, ``column=category``.
        params: for each unit of the column, in the unit of the link; six digits. Empty where it is closed.
        bse: standard errors, from the inverse of the information; six digits.
        n_steps: Newton steps that were taken.
        nobs: rows.
        n_events: rows with a true-or-false outcome, or the sum of counts.
        llf: log-likelihood.
        llnull: of a fit of the intercept alone.
        deviance: twice the log-likelihood's distance from a saturated fit, without the scale.
        null_deviance: of the intercept alone.
        pearson_chi2: sum of squared residuals over the variance function; None for a true-or-false outcome.
        scale: the dispersion; 1 where the family fixes it, else Pearson's over ``df_resid``.
        covariance: of the parameters; shape ``(terms, terms)``, six digits.
        family: of the outcome.
        link: from the mean to the linear predictor.
        ratio: what ``exp`` of a parameter is; empty where it is nothing.
        cov_type: of the standard errors: nonrobust, HC0 or HC1.
    """

    terms: tuple[str, ...]
    params: tuple[float, ...] = ()
    bse: tuple[float, ...] = ()
    n_steps: int = 0
    nobs: int = 0
    n_events: int = 0
    llf: float | None = None
    llnull: float | None = None
    deviance: float | None = None
    null_deviance: float | None = None
    pearson_chi2: float | None = None
    scale: float = 1.0
    covariance: tuple[tuple[float, ...], ...] = ()
    family: str = "binomial"
    link: str = "logit"
    ratio: str = "odds ratio"
    cov_type: str = "nonrobust"

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
    def dispersion(self) -> float | None:
        """Pearson's sum over ``df_resid``: above 1, counts vary more than a Poisson's; None for a true-or-false outcome."""
        if self.pearson_chi2 is None or not self.df_resid:
            return None
        return self.pearson_chi2 / self.df_resid

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
        if self.deviance is None or self.null_deviance is None:
            return None
        return max(0.0, (self.null_deviance - self.deviance) / self.scale)

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

    def t_test(self, weights: Mapping[str, float]) -> Contrast:
        """Wald's test and interval of a sum of parameters.

        Args:
            weights: of terms, such as ``{"ward=b": 1, "ward=c": -1}``.

        Raises:
            InvalidRequestError: no such term, or the fit is closed.
        """
        return contrast(self.terms, self.params, self.covariance, weights)

    def predict(self, at: Mapping[str, float], alpha: float = 1 - _LEVEL) -> Prediction:
        """The mean of the outcome, of exposure 1, where columns have given values; those that are left out are 0.

        Args:
            at: values of terms other than the intercept.
            alpha: 1 less the level of the interval.

        Raises:
            InvalidRequestError: no such term, or the fit is closed.
        """
        found = contrast(self.terms, self.params, self.covariance, {"intercept": 1.0, **at})
        ends = (found.estimate, *found.conf_int(alpha))
        mean, low, high = (mean_of(self.link, value) for value in ends)
        return Prediction(mean=mean, low=low, high=high)

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
        """The ratios of the parameters with their 95 % intervals, without the intercept; else the parameters."""
        rows = list(zip(self.terms, self.params, self.interval(), strict=True))[1:]
        shown = math.exp if self.ratio else float
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
            "family": self.family,
            "link": self.link,
            "cov_type": self.cov_type,
            "scale": self.scale,
            "pearson_chi2": self.pearson_chi2,
            "dispersion": self.dispersion,
            "covariance": [list(row) for row in self.covariance],
        }
