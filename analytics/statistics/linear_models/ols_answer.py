"""The answer of least squares, with the names that ``statsmodels`` uses.

Layer:       analytics.statistics.linear_models above base, distributions, contrasts and least_squares.
Guarantees:  parameters and standard errors have six digits; p-values and intervals are those of Student's t with ``df_resid``
             degrees of freedom, and follow from what is shown.
Visible to:  the analyst.
Source:      least_squares.
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
from analytics.statistics.matrices.contrasts import Contrast, Prediction, contrast
from analytics.statistics.uncertainty.distributions import f_tail, student_quantile, student_tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from analytics.statistics.linear_models.least_squares import Effect, LeastSquares

Floats = npt.NDArray[np.float64]
FIT_CLOSED: Final = "fit_closed"
NONROBUST: Final = "nonrobust"
_LEVEL: Final = 0.95
_DIGITS: Final = 6


@dataclass(frozen=True, kw_only=True)
class OlsAnswer(Answer):
    """The fit, with the names that ``statsmodels`` uses.

    Attributes:
        terms: the intercept, then those of the formula.
        params: for each unit of the column; six digits. Empty where it is closed.
        bse: standard errors; six digits.
        nobs: rows.
        df_model: parameters less the intercept.
        df_resid: rows less parameters.
        scale: variance of the residuals, over ``df_resid``.
        rsquared: share of the outcome's variance.
        fvalue: of the test that all parameters but the intercept are 0.
        covariance: of the parameters; shape ``(terms, terms)``, six digits.
        vif: variance inflation factor of each term but the intercept: how many times the variance of its parameter is
            that beside terms that do not go along with it.
        cov_type: of the standard errors: nonrobust, HC0 or HC1.
        weights: the column of analytic weights; empty where each row counts once. Then there is no log-likelihood: it
            would need the sum of the weights' logarithms.
        effects: what each column adds to a fit of all others, for ``anova``; empty beside weights and robust errors.
    """

    terms: tuple[str, ...]
    params: tuple[float, ...] = ()
    bse: tuple[float, ...] = ()
    nobs: int = 0
    df_model: int = 0
    df_resid: int = 0
    scale: float | None = None
    rsquared: float | None = None
    fvalue: float | None = None
    covariance: tuple[tuple[float, ...], ...] = ()
    vif: tuple[float, ...] = ()
    cov_type: str = NONROBUST
    weights: str = ""
    effects: tuple[Effect, ...] = ()

    @property
    def anova(self) -> pd.DataFrame:
        """Analysis of variance or covariance by columns, of type II: as ``statsmodels`` ``anova_lm(typ=2)``."""
        import pandas as pd

        rows: list[list[float | None]] = []
        for each in self.effects if self.scale is not None else ():
            ratio = each.sum_sq / each.df / (self.scale or 1.0)
            rows.append([each.sum_sq, float(each.df), ratio, f_tail(ratio, each.df, self.df_resid)])
        if rows:
            rows.append([(self.scale or 0.0) * self.df_resid, float(self.df_resid), None, None])
        names = [each.name for each in self.effects] + ["Residual"] * bool(rows)
        return pd.DataFrame(rows, index=names, columns=["sum_sq", "df", "F", "PR(>F)"]).astype("Float64")

    @property
    def rsquared_adj(self) -> float | None:
        """The share of variance, adjusted for the number of parameters."""
        if self.rsquared is None:
            return None
        return 1 - (1 - self.rsquared) * (self.nobs - 1) / self.df_resid

    @property
    def f_pvalue(self) -> float | None:
        """The upper tail of F."""
        return None if self.fvalue is None else f_tail(self.fvalue, self.df_model, self.df_resid)

    @property
    def llf(self) -> float | None:
        """The log-likelihood of normal residuals."""
        if self.scale is None or self.weights:
            return None
        return -self.nobs / 2 * (math.log(2 * math.pi * self.scale * self.df_resid / self.nobs) + 1)

    @property
    def aic(self) -> float | None:
        """Akaike's criterion, over the parameters without the variance."""
        return None if self.llf is None else 2 * (self.df_model + 1) - 2 * self.llf

    @property
    def bic(self) -> float | None:
        """Schwarz's criterion, likewise."""
        return None if self.llf is None else math.log(self.nobs) * (self.df_model + 1) - 2 * self.llf

    @property
    def tvalues(self) -> tuple[float, ...]:
        """Parameters over their standard errors."""
        return tuple(value / error for value, error in zip(self.params, self.bse, strict=True))

    @property
    def pvalues(self) -> tuple[float, ...]:
        """Of the tests that a parameter is 0, with two sides."""
        return tuple(min(1.0, 2 * student_tail(abs(value), self.df_resid)) for value in self.tvalues)

    def conf_int(self, alpha: float = 1 - _LEVEL) -> tuple[tuple[float, float], ...]:
        """Confidence interval of each parameter at ``1 - alpha``."""
        if not 0 < alpha < 1:
            raise InvalidRequestError(parameter="alpha", reason="must be a number above 0 and below 1")
        if not self.params:
            return ()
        width = student_quantile(1 - alpha / 2, self.df_resid)
        pairs = zip(self.params, self.bse, strict=True)
        return tuple((value - width * error, value + width * error) for value, error in pairs)

    def t_test(self, weights: Mapping[str, float]) -> Contrast:
        """Student's test and interval of a sum of parameters.

        Args:
            weights: of terms, such as ``{"ward=b": 1, "ward=c": -1}``.

        Raises:
            InvalidRequestError: no such term, or the fit is closed.
        """
        return contrast(self.terms, self.params, self.covariance, weights, self.df_resid)

    def predict(self, at: Mapping[str, float], alpha: float = 1 - _LEVEL) -> Prediction:
        """The mean of the outcome where columns have given values; those that are left out are 0.

        Args:
            at: values of terms other than the intercept.
            alpha: 1 less the level of the interval.

        Raises:
            InvalidRequestError: no such term, or the fit is closed.
        """
        found = self.t_test({"intercept": 1.0, **at})
        low, high = found.conf_int(alpha)
        return Prediction(mean=found.estimate, low=low, high=high)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter."""
        import pandas as pd

        low, high = zip(*self.conf_int(), strict=True) if self.params else ((), ())
        columns = {
            "coef": self.params,
            "std err": self.bse,
            "t": self.tvalues,
            "P>|t|": self.pvalues,
            "low": low,
            "high": high,
        }
        return pd.DataFrame(columns, index=list(self.terms) if self.params else [], dtype="Float64")

    def summary(self) -> str:
        """The fit as text."""
        if self.closed:
            return repr(self)
        from analytics.text_tables import as_text

        names, rows = self.cells()
        single = {name: value for name, value in self.values().items() if not isinstance(value, list)}
        return as_text(names, rows, [f"{name}: {value}" for name, value in single.items()])

    def picture(self) -> Estimates:
        """The parameters with their 95 % intervals, without the intercept."""
        rows = list(zip(self.terms, self.params, self.conf_int(), strict=True))[1:]
        return Estimates(
            labels=[term for term, _, _ in rows],
            values=[value for _, value, _ in rows],
            low=[low for _, _, (low, _) in rows],
            high=[high for _, _, (_, high) in rows],
            x_name="change of the outcome, 95 % interval",
            reference=0.0,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "terms": list(self.terms),
            "params": list(self.params),
            "bse": list(self.bse),
            "tvalues": list(self.tvalues),
            "pvalues": list(self.pvalues),
            "conf_int": [list(pair) for pair in self.conf_int()],
            "nobs": self.nobs,
            "df_model": self.df_model,
            "df_resid": self.df_resid,
            "scale": self.scale,
            "rsquared": self.rsquared,
            "rsquared_adj": self.rsquared_adj,
            "fvalue": self.fvalue,
            "f_pvalue": self.f_pvalue,
            "llf": self.llf,
            "aic": self.aic,
            "bic": self.bic,
            "covariance": [list(row) for row in self.covariance],
            "vif": list(self.vif),
            "cov_type": self.cov_type,
            "weights": self.weights,
            "effects": [{"name": each.name, "sum_sq": each.sum_sq, "df": each.df} for each in self.effects],
        }


def answer_of(terms: Sequence[str], fit: LeastSquares, vif: Sequence[float]) -> OlsAnswer:
    """The answer of a fit.

    Args:
        terms: names of the parameters.
        fit: before anything is rounded.
        vif: variance inflation factors.
    """
    count = len(fit.params)
    explained = fit.ss_total - fit.ss_resid
    scale = fit.ss_resid / (fit.n - count)
    return OlsAnswer(
        terms=tuple(terms),
        params=_rounded(fit.params),
        bse=_rounded(fit.bse),
        nobs=fit.n,
        df_model=count - 1,
        df_resid=fit.n - count,
        scale=scale,
        rsquared=explained / fit.ss_total,
        fvalue=explained / (count - 1) / scale,
        covariance=tuple(map(_rounded, fit.covariance)),
        vif=_rounded(vif),
        effects=fit.effects,
    )


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(f"{value:.{_DIGITS}g}") for value in values)
