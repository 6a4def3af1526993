"""Least squares as a generalised linear model: the fit of ols with the names of one.

Layer:       analytics.statistics.linear_models above least_squares.
Guarantees:  those of ols: one opening, to the analyst alone. Deviances are sums of squares, the scale is the residuals'
             variance; tests are of the normal distribution, as in ``statsmodels.GLM``.
Source:      see ols.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.linear_models.glm_answer import FIT_CLOSED, GlmAnswer
from analytics.statistics.linear_models.least_squares import LeastSquaresFit
from analytics.statistics.linear_models.newton_fit import rounded

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Limits, Mode


@dataclass(frozen=True, kw_only=True)
class GaussianFit(LeastSquaresFit):
    """The fit; of ``modelled`` the outcome is the last."""

    @classmethod
    def of(cls, table: Table, mode: Mode, limits: Limits, modelled: tuple[GroupColumn, ...]) -> Self:
        """Bind to columns that were read.

        Raises:
            InvalidRequestError: the outcome is no number, or there are too many columns.
        """
        if not isinstance(modelled[-1], NumericColumn):
            reason = f"{modelled[-1].name} must be numeric for gaussian"
            raise InvalidRequestError(parameter="formula", reason=reason)
        bound = cls(table=table, mode=mode, limits=limits, modelled=modelled)
        bound.check_size("formula")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "outcome": self.columns[-1],
            "covariates": list(self.columns[:-1]),
            "family": "gaussian",
            "fewest_rows": super().describe()["fewest_rows"],
        }

    def closed_answer(self, reason: str) -> GlmAnswer:
        """See ``GramRows``."""
        del reason
        return GlmAnswer(
            terms=self.terms[:-1], closed=FIT_CLOSED, family="gaussian", link="identity", ratio=""
        )

    def answer(self, gram: tuple[int, ...]) -> GlmAnswer:
        """See ``GramRows``."""
        fit = self.fitted(gram)
        if fit is None:
            return self.closed_answer(FIT_CLOSED)

        def likelihood(squares: float) -> float:
            return -fit.n / 2 * (math.log(2 * math.pi * squares / fit.n) + 1)

        return GlmAnswer(
            terms=self.terms[:-1],
            params=rounded(np.array(fit.params)),
            bse=rounded(np.array(fit.bse)),
            nobs=fit.n,
            llf=likelihood(fit.ss_resid),
            llnull=likelihood(fit.ss_total),
            deviance=fit.ss_resid,
            null_deviance=fit.ss_total,
            pearson_chi2=fit.ss_resid,
            scale=fit.ss_resid / (fit.n - len(fit.params)),
            covariance=tuple(rounded(np.array(row)) for row in fit.covariance),
            family="gaussian",
            link="identity",
            ratio="",
        )
