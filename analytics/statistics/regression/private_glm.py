"""Private glm: chances and counts from one release by groups, numbers as ols.

Layer:       analytics.statistics.regression above linear_models.released_glm and released_ols.
Guarantees:  every check of the arguments is made here, before a charge.
See instead: exact fits (glm), the release and the fit (linear_models.released_glm).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, check_one_row_a_unit
from analytics.statistics.base import PRIVATE
from analytics.statistics.linear_models.families import family_of
from analytics.statistics.linear_models.ols_answer import NONROBUST
from analytics.statistics.linear_models.released_glm import ReleasedGlm, ReleasedRates
from analytics.statistics.regression.glm_arguments import columns_of, exposure_of
from analytics.statistics.released_ols import ReleasedOls

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import AnyStatistic, Limits, Mode

NAME: Final = "glm"
SUMMARY: Final = (
    "generalised linear models: logistic, probit, cloglog, poisson, gamma and gaussian regression"
)


@dataclass(frozen=True, kw_only=True)
class PrivateGaussianGlm(ReleasedOls):
    """The fit of a number by least squares: that of ols."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = ()

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {**super().describe(), "family": "gaussian"}


@dataclass(frozen=True, kw_only=True)
class PrivateChances(ReleasedGlm):
    """The fit of a true-or-false outcome."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = ()

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """See ``Statistic``."""
        del mode
        return bind_private(table, arguments, limits)


@dataclass(frozen=True, kw_only=True)
class PrivateRates(ReleasedRates):
    """The fit of counts."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = ()

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """See ``Statistic``."""
        del mode
        return bind_private(table, arguments, limits)


def bind_private(
    table: Table, arguments: Arguments, limits: Limits
) -> PrivateChances | PrivateRates | PrivateGaussianGlm:
    """Bind a private fit.

    Raises:
        InvalidRequestError: an argument that one release does not hold, or too many groups.
        PlanRejectedError: a column cannot be used for it.
    """
    check_one_row_a_unit(table, NAME)
    _check(arguments)
    outcome, covariates = columns_of(table, arguments)
    link = arguments.text("link") if arguments.is_given("link") else None
    if arguments.text("family") == "gaussian":
        return _gaussian(table, arguments, limits, (*covariates, outcome))
    family = family_of(arguments.text("family"), link)
    family.check(outcome)
    exposure = exposure_of(table, arguments, family, {column.name for column in (outcome, *covariates)})
    if exposure is None and not isinstance(outcome, NumericColumn):
        keys = tuple(("formula", column) for column in (*covariates, outcome))
        chances = PrivateChances(
            table=table, mode="private", limits=limits, outcome=outcome, family=family, keys=keys
        )
        chances.check_size()
        return chances
    rates = PrivateRates(
        table=table,
        mode="private",
        limits=limits,
        outcome=outcome,
        family=family,
        keys=tuple(("formula", column) for column in covariates),
        exposure=None if exposure is None else exposure.column,
    )
    rates.check_size()
    return rates


def _gaussian(
    table: Table, arguments: Arguments, limits: Limits, modelled: tuple[GroupColumn, ...]
) -> PrivateGaussianGlm:
    if arguments.is_given("exposure"):
        raise InvalidRequestError(parameter="exposure", reason="has no meaning for gaussian")
    if arguments.is_given("link") and arguments.text("link") != "identity":
        raise InvalidRequestError(parameter="link", reason="must be identity for gaussian")
    outcome = modelled[-1]
    if not isinstance(outcome, NumericColumn):
        raise InvalidRequestError(parameter="formula", reason=f"{outcome.name} must be numeric for gaussian")
    bound = PrivateGaussianGlm(table=table, mode="private", limits=limits, modelled=modelled)
    bound.check_size("formula")
    return bound


def _check(arguments: Arguments) -> None:
    """Refuse what the one release does not hold."""
    if arguments.text("family") == "gamma":
        reason = (
            "must be binomial, poisson or gaussian for a private fit: the dispersion of gamma needs further sums of "
            "each group"
        )
        raise InvalidRequestError(parameter="family", reason=reason)
    if arguments.text("cov_type") != NONROBUST:
        reason = "must be nonrobust: the one release of a private fit does not hold squares of scores"
        raise InvalidRequestError(parameter="cov_type", reason=reason)
    for name, why in (
        ("offset", "its exponential differs within a group: give an exposure"),
        ("max_steps", "it is one release, whose steps are free"),
    ):
        if arguments.is_given(name):
            raise InvalidRequestError(parameter=name, reason=f"has no meaning for a private fit: {why}")
