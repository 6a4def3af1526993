"""Public ranges: the values that a figure can have, from public numbers.

Layer:       analytics.statistics; pure.
Terms:       a *public range* follows from the bounds of the argument and from the most rows that the sites may hold.
Guarantees:  the answer without noise lies in it, whatever the rows are.
Source:      a variance is largest where half of the rows lie at each bound (Popoviciu); over ``n - 1`` it is ``n / (n
             - 1)`` times that, at most twice, at two rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from analytics.sql.query import Aggregate

if TYPE_CHECKING:
    from analytics.statistics.output_column import PlanColumn

SAMPLE = frozenset({Aggregate.VARIANCE_SAMPLE, Aggregate.DEVIATION_SAMPLE})
ROOTS = frozenset({Aggregate.DEVIATION_SAMPLE, Aggregate.DEVIATION_POPULATION})
SQUARED = ROOTS | {Aggregate.VARIANCE_SAMPLE, Aggregate.VARIANCE_POPULATION}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is public of a figure's argument.

    Attributes:
        lower: smallest value, in steps of its grid; 0 for a count.
        upper: largest value, in steps; 0 for a count.
        n_rows: most rows that all sites together may hold.
    """

    lower: int
    upper: int
    n_rows: int

    @property
    def largest_variance(self) -> Fraction:
        """The largest mean squared deviation, in steps squared."""
        return Fraction((self.upper - self.lower) ** 2, 4)


def public_range(column: PlanColumn, span: Span) -> tuple[Fraction | float, Fraction | float]:
    """The least and the largest value that an aggregate can have.

    Args:
        column: an aggregate column of the plan.
        span: of its argument.

    Returns:
        Both ends, in the units of the answer; whole numbers and fractions but for the root in a standard deviation.
    """
    unit = column.unit
    if column.aggregate is Aggregate.MEAN:
        return unit * span.lower, unit * span.upper
    if column.aggregate is Aggregate.SUM:
        return unit * min(0, span.lower) * span.n_rows, unit * max(0, span.upper) * span.n_rows
    if column.aggregate in SQUARED:
        most = unit**2 * span.largest_variance * (2 if column.aggregate in SAMPLE else 1)
        return Fraction(0), math.sqrt(most) if column.aggregate in ROOTS else most
    return Fraction(0), Fraction(span.n_rows)
