"""Ordinary least squares by a formula of declared columns.

Layer:       analytics.statistics.regression above least_squares, formulas and contrasts.
Terms:       a number enters as it is, a true-or-false column as 0 and 1, a category by one term for each level but the
             first of its domain, named ``column=level``. There is always an intercept.
Guarantees:  over the rows that lack none of the columns. The normal equations are solved in exact integers, so no digit
             is lost; parameters and standard errors are then rounded to six digits. Standard errors are the classical
             ones, of one variance; p-values and intervals are those of Student's t with ``df_resid`` degrees of
             freedom, as ``statsmodels`` has them. A design that is singular, no more rows than parameters, an outcome
             without any spread or without any residual are closed by the same code as a small count: ``fit_closed``.
             Guards: module gram_rows, with the outcome as one of the columns.
Visible to:  the analyst: number, sums and sums of products of all terms and the outcome.
See instead: residuals, leverage and influence of single rows, which are never given; glm for other outcomes.
Source:      least_squares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, check_one_row_a_unit
from analytics.statistics.base import BOTH, PRIVATE, Answer
from analytics.statistics.contrasts import Contrast, Prediction, contrast
from analytics.statistics.distributions import f_tail, student_quantile, student_tail
from analytics.statistics.formulas import FORMULA, read_formula
from analytics.statistics.regression.least_squares import LeastSquaresFit
from analytics.statistics.released_ols import ReleasedOls

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Limits, Mode

NAME: Final = "ols"
SUMMARY: Final = "ordinary least squares by a formula of declared columns"
FIT_CLOSED: Final = "fit_closed"
_BITS: Final = 240
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
        if self.scale is None:
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
        }


@dataclass(frozen=True, kw_only=True)
class PrivateOls(ReleasedOls):
    """The fit from one release with noise."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = (FORMULA,)


@dataclass(frozen=True, kw_only=True)
class Ols(LeastSquaresFit):
    """The fit; of ``modelled`` the outcome is the last."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = PRIVATE
    parameters: ClassVar = (FORMULA,)

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self | PrivateOls:
        """See ``Statistic``."""
        if mode == "private":
            return PrivateOls.bind(table, arguments, mode, limits)
        check_one_row_a_unit(table, cls.name)
        outcome, covariates = read_formula(arguments.text("formula"), table, "formula")
        if not isinstance(outcome, NumericColumn):
            raise InvalidRequestError(
                parameter="formula", reason=f"{outcome.name} must be numeric: it is the outcome"
            )
        bound = cls(table=table, mode=mode, limits=limits, modelled=(*covariates, outcome))
        bound.check_size("formula")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "outcome": self.columns[-1],
            "covariates": list(self.columns[:-1]),
            "fewest_rows": super().describe()["fewest_rows"],
        }

    def closed_answer(self, reason: str) -> OlsAnswer:
        """See ``GramRows``; one code for all causes."""
        del reason
        return OlsAnswer(terms=self.terms[:-1], closed=FIT_CLOSED)

    def answer(self, gram: tuple[int, ...]) -> OlsAnswer:
        """See ``GramRows``."""
        fit = self.fitted(gram)
        if fit is None:
            return self.closed_answer(FIT_CLOSED)
        count = len(fit.params)
        explained = fit.ss_total - fit.ss_resid
        scale = fit.ss_resid / (fit.n - count)
        return OlsAnswer(
            terms=self.terms[:-1],
            params=tuple(float(f"{value:.{_DIGITS}g}") for value in fit.params),
            bse=tuple(float(f"{value:.{_DIGITS}g}") for value in fit.bse),
            nobs=fit.n,
            df_model=count - 1,
            df_resid=fit.n - count,
            scale=scale,
            rsquared=explained / fit.ss_total,
            fvalue=explained / (count - 1) / scale,
            covariance=tuple(tuple(float(f"{value:.{_DIGITS}g}") for value in row) for row in fit.covariance),
            vif=tuple(float(f"{value:.{_DIGITS}g}") for value in self.inflation(gram)),
        )
