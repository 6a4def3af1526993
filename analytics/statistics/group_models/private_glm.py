"""Private glm: chances and counts from one release by groups, numbers as ols.

Layer:       analytics.statistics.linear_models above released_glm, glm_arguments and released_ols.
Guarantees:  every check of the arguments is made here, before a charge.
See instead: exact fits (regression.glm), the release and the fit (released_glm).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.group_models.glm_arguments import columns_of, exposure_of
from analytics.statistics.linear_models.families import family_of
from analytics.statistics.linear_models.ols_answer import NONROBUST

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Limits
    from analytics.statistics.group_models.released_glm import ReleasedGlm, ReleasedRates
    from analytics.statistics.linear_models.released_ols import ReleasedOls


def bind_private(
    table: Table,
    arguments: Arguments,
    limits: Limits,
    *,
    chances: type[ReleasedGlm],
    rates: type[ReleasedRates],
    numbers: type[ReleasedOls],
) -> ReleasedGlm | ReleasedOls:
    """Bind a private fit.

    Args:
        table: the table.
        arguments: of glm.
        limits: public numbers.
        chances: the class for a true-or-false outcome.
        rates: for counts.
        numbers: for other numbers.

    Raises:
        InvalidRequestError: an argument that one release does not hold, or too many groups.
        PlanRejectedError: a column cannot be used for it.
    """
    _check(arguments)
    outcome, covariates = columns_of(table, arguments)
    link = arguments.text("link") if arguments.is_given("link") else None
    if arguments.text("family") == "gaussian":
        return _gaussian(table, arguments, limits, (*covariates, outcome), numbers)
    family = family_of(arguments.text("family"), link)
    family.check(outcome)
    exposure = exposure_of(table, arguments, family, {column.name for column in (outcome, *covariates)})
    if exposure is None and not isinstance(outcome, NumericColumn):
        keys = tuple(("formula", column) for column in (*covariates, outcome))
        found = chances(table=table, mode="private", limits=limits, outcome=outcome, family=family, keys=keys)
        found.check_size()
        return found
    counted = rates(
        table=table,
        mode="private",
        limits=limits,
        outcome=outcome,
        family=family,
        keys=tuple(("formula", column) for column in covariates),
        exposure=None if exposure is None else exposure.column,
    )
    counted.check_size()
    return counted


def _gaussian(
    table: Table,
    arguments: Arguments,
    limits: Limits,
    modelled: tuple[GroupColumn, ...],
    numbers: type[ReleasedOls],
) -> ReleasedOls:
    if arguments.is_given("exposure"):
        raise InvalidRequestError(parameter="exposure", reason="has no meaning for gaussian")
    if arguments.is_given("link") and arguments.text("link") != "identity":
        raise InvalidRequestError(parameter="link", reason="must be identity for gaussian")
    outcome = modelled[-1]
    if not isinstance(outcome, NumericColumn):
        raise InvalidRequestError(parameter="formula", reason=f"{outcome.name} must be numeric for gaussian")
    bound = numbers(table=table, mode="private", limits=limits, modelled=modelled)
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
