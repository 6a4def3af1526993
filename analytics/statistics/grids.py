"""Coarser grids of a numeric column, made of edges that its schema declares.

Layer:       analytics.statistics above arguments.
Guarantees:  no edge comes from a request alone, so that no request separates people of one declared bin.
Source:      ours; docs/guarantees.md P8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import InvalidRequestError, PlanRejectedError

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.schema import NumericColumn
    from analytics.statistics.arguments import Arguments


def coarser(arguments: Arguments, column: NumericColumn, position: str, most: int) -> tuple[Fraction, ...]:
    """Edges of the intervals: those of the argument ``grid`` and both ends, or all declared ones.

    Args:
        arguments: with ``grid``.
        column: whose bins they come from.
        position: the argument that names the column.
        most: intervals.

    Raises:
        PlanRejectedError: the column has no bins.
        InvalidRequestError: an edge is none of the declared ones, they do not rise, or there are too many.
    """
    if not column.bins:
        raise PlanRejectedError(
            position=position,
            reason=f"{column.name} has no bins in the schema",
            hint="declare its bins: only they can be groups",
        )
    asked = arguments.numbers("grid")
    if list(asked) != sorted(set(asked)):
        raise InvalidRequestError(parameter="grid", reason="must rise from edge to edge")
    if not set(asked) <= set(column.bins):
        raise InvalidRequestError(parameter="grid", reason="must hold edges of the declared bins alone")
    edges = tuple(sorted({column.bins[0], *asked, column.bins[-1]})) if asked else column.bins
    if len(edges) > most + 1:
        reason = f"must be given: at most {most} intervals, {column.name} has {len(edges) - 1} bins"
        raise InvalidRequestError(parameter="grid", reason=reason)
    return edges
