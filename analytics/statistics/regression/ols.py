"""Ordinary least squares by a formula of declared columns.

Layer:       analytics.statistics.regression above linear_models and formulas.
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

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import BOTH, PRIVATE
from analytics.statistics.linear_models.least_squares import LeastSquaresFit
from analytics.statistics.linear_models.ols_answer import FIT_CLOSED, NONROBUST, OlsAnswer, answer_of
from analytics.statistics.linear_models.released_ols import ReleasedOls
from analytics.statistics.linear_models.robust_ols import ROBUST, RobustFit
from analytics.statistics.linear_models.weighted_ols import WeightedFit
from analytics.statistics.matrices.formulas import FORMULA, read_formula

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import AnyStatistic, Limits, Mode

NAME: Final = "ols"
SUMMARY: Final = "ordinary least squares by a formula of declared columns"
COV_TYPE: Final = Parameter(
    name="cov_type", meaning="of the standard errors: nonrobust, or exact also HC0 or HC1", default=NONROBUST
)
WEIGHTS: Final = Parameter(
    name="weights",
    meaning="exact: a numeric column of analytic weights, which the variance of a row's outcome is inverse to",
    default=None,
)


@dataclass(frozen=True, kw_only=True)
class PrivateOls(ReleasedOls):
    """The fit from one release with noise."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = (FORMULA, COV_TYPE, WEIGHTS)


@dataclass(frozen=True, kw_only=True)
class RobustOls(RobustFit):
    """The fit with robust standard errors."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    parameters: ClassVar = (FORMULA, COV_TYPE, WEIGHTS)

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """See ``Statistic``."""
        return Ols.bind(table, arguments, mode, limits)


@dataclass(frozen=True, kw_only=True)
class WeightedOls(WeightedFit):
    """The fit of weighted rows."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    parameters: ClassVar = (FORMULA, COV_TYPE, WEIGHTS)

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """See ``Statistic``."""
        return Ols.bind(table, arguments, mode, limits)


@dataclass(frozen=True, kw_only=True)
class Ols(LeastSquaresFit):
    """The fit; of ``modelled`` the outcome is the last."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (FORMULA, COV_TYPE, WEIGHTS)

    @classmethod
    def bind(
        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits
    ) -> Self | PrivateOls | RobustOls | WeightedOls:
        """See ``Statistic``."""
        cov_type = _cov_type(arguments, mode)
        if mode == "private":
            return PrivateOls.bind(table, arguments, mode, limits)
        check_one_row_a_unit(table, cls.name)
        outcome, covariates = read_formula(arguments.text("formula"), table, "formula")
        if not isinstance(outcome, NumericColumn):
            raise InvalidRequestError(
                parameter="formula", reason=f"{outcome.name} must be numeric: it is the outcome"
            )
        modelled = (*covariates, outcome)
        if arguments.is_given("weights"):
            weights = arguments.number_column("weights", table)
            return WeightedOls.of(table, limits, modelled, weights)
        if cov_type != NONROBUST:
            robust = RobustOls(table=table, mode=mode, limits=limits, modelled=modelled, cov_type=cov_type)
            robust.check_size("formula")
            return robust
        bound = cls(table=table, mode=mode, limits=limits, modelled=modelled)
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
        return answer_of(self.terms[:-1], fit, self.inflation(gram))


def _cov_type(arguments: Arguments, mode: Mode) -> str:
    """The kind of standard errors.

    Raises:
        InvalidRequestError: another one, or one that does not go with the mode or with weights.
    """
    found = arguments.text("cov_type")
    if mode == "private" and (found != NONROBUST or arguments.is_given("weights")):
        name = "cov_type" if found != NONROBUST else "weights"
        raise InvalidRequestError(
            parameter=name,
            reason="needs an exact answer: the one release of a private fit does not hold its sums",
        )
    if found in {"HC2", "HC3"}:
        raise InvalidRequestError(
            parameter="cov_type",
            reason=f"must be nonrobust, HC0 or HC1: {found} needs the leverage of every row",
        )
    if found == "cluster":
        raise InvalidRequestError(
            parameter="cov_type",
            reason="must be nonrobust, HC0 or HC1: sums of residuals of a cluster have no guard yet",
        )
    if found not in {NONROBUST, *ROBUST}:
        raise InvalidRequestError(parameter="cov_type", reason="must be nonrobust, HC0 or HC1")
    if found != NONROBUST and arguments.is_given("weights"):
        raise InvalidRequestError(parameter="cov_type", reason="must be nonrobust beside weights")
    return found
