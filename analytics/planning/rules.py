"""What each mode refuses, with the place in the text.

Floor:    analytics.planning above context.
Promise:  exact answers aggregate one declared column, and filter and group by the declared exact dimensions
          only; private answers never touch a guessed column; no answer is planned over a table whose privacy
          unit, its form, its rows or the table's size were guessed and no person has checked them.
Source:   ours; PRIVACY "exact answers are narrow", "guessed bounds are not public".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import PlanRejectedError, ReleaseRefusedError
from analytics.sql.query import BoundQuery, Clause

if TYPE_CHECKING:
    from analytics.planning.context import PlanContext
    from analytics.schema import Table

_MIN_SITES = 3
_MIN_HONEST = 2


def check_table(table: Table) -> None:
    """Refuse any answer from a table with guessed keys: noise and the minimum cell both count its units.

    Args:
        table: the table that a request names.

    Raises:
        PlanRejectedError: with the line of the schema that a person must delete after a look at it.
    """
    if table.open_guess:
        raise PlanRejectedError(position="", reason=table.open_guess)


def check_private(query: BoundQuery) -> None:
    """Refuse a private question over guessed columns.

    Args:
        query: the bound question.

    Raises:
        PlanRejectedError: with the place of the first use of one.
    """
    for use in query.uses:
        if query.table.columns[use.column].guessed:
            raise PlanRejectedError(
                position=use.position,
                reason=f"the declaration of {use.column} was guessed from data and is not public",
                hint="a person must check it and remove guessed = true",
            )


def check_exact(query: BoundQuery, context: PlanContext) -> None:
    """Refuse an exact question that is wider than exact answers may be.

    Args:
        query: the bound question.
        context: the consortium's parameters.

    Raises:
        PlanRejectedError: a form or a column that exact mode does not allow.
        ReleaseRefusedError: too few sites for an exact answer to hide one.
    """
    check_exact_sites(context)
    for objection in query.exact_objections:
        reason = f"an exact answer holds no {objection.reason.removeprefix('a ').removeprefix('an ')}"
        raise PlanRejectedError(position=objection.position, reason=reason, hint="ask with epsilon")
    for use in query.uses:
        if use.clause is not Clause.AGGREGATE and use.column not in query.table.exact_dimensions:
            allowed = ", ".join(query.table.exact_dimensions) or "none"
            raise PlanRejectedError(
                position=use.position,
                reason=f"{use.column} may not stand in {use.clause.value} of an exact answer",
                hint=f"exact dimensions: {allowed}",
            )


def check_exact_sites(context: PlanContext) -> None:
    """Refuse exact answers of any kind where too few sites could hide one.

    Args:
        context: the consortium's parameters.

    Raises:
        ReleaseRefusedError: fewer than three sites, or than two beyond the colluding ones.
    """
    if context.n_sites < _MIN_SITES or context.honest < _MIN_HONEST:
        raise ReleaseRefusedError(
            rule="exact_sites",
            reason=f"exact answers need {_MIN_SITES} sites, {_MIN_HONEST} of them beyond the colluding ones",
        )
