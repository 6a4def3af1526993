"""Counts: rows, rows with a value, privacy units.

Layer:       analytics.statistics.moments above aggregate; pure, public arithmetic after the opening.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from analytics.statistics.aggregate import Aggregate, Range, Shift, count_part, rows_part, units_part
from analytics.statistics.uncertainty.estimates import Estimate
from analytics.statistics.uncertainty.noise_tails import beyond
from analytics.statistics.uncertainty.sampling import PoissonSampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.schema import Table
    from analytics.sql.terms.expressions import Integer
    from analytics.statistics.aggregate import PlanColumn
    from analytics.statistics.aims import Aim
    from analytics.statistics.blocks import BlockSpec
    from analytics.statistics.uncertainty.bounded import Span
    from analytics.statistics.uncertainty.estimates import Parts
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from analytics.statistics.uncertainty.sampling import Sampled, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class _Count(Aggregate):
    """What all counts have in common."""

    is_whole: ClassVar[bool] = True
    adds_values: ClassVar[bool] = False

    def estimate(self, column: PlanColumn, figures: Parts) -> Estimate:
        """The count itself."""
        del column
        only = next(iter(figures.values()))
        return Estimate(value=only.value, standard_error=only.noise_sd)

    def public_range(self, column: PlanColumn, span: Span) -> Range:
        """From nothing to all rows."""
        del column
        return Fraction(0), Fraction(span.n_rows)

    def miss(self, column: PlanColumn, noise: Mapping[str, NoiseLaw], span: Span, aim: Aim) -> float:
        """The noise itself."""
        del column, span
        (law,) = noise.values()
        return beyond(law, aim.within)

    def no_sampling(self, span: Span, *, has_spread: bool) -> str:
        """Always defined: the number that came is one of a Poisson variable."""
        del span, has_spread
        return ""

    def sampling(self, span: Span, cell: Sampled) -> Sampling | None:
        """Of a Poisson variable."""
        del span
        return PoissonSampling(ends=cell.ends, noise=cell.noise)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRows(_Count):
    """``COUNT(*)``."""

    def blocks(
        self, argument: Integer | None, shift: Shift | None, table: Table
    ) -> tuple[tuple[str, BlockSpec], ...]:
        """All rows."""
        del argument, shift, table
        return (rows_part(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountValues(_Count):
    """``COUNT(x)``: rows in which x is known."""

    def blocks(
        self, argument: Integer | None, shift: Shift | None, table: Table
    ) -> tuple[tuple[str, BlockSpec], ...]:
        """The rows in which the argument is known."""
        del shift, table
        return (rows_part() if argument is None else count_part(argument),)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountUnits(_Count):
    """``COUNT(DISTINCT unit)``: privacy units, added up over sites."""

    counts_units: ClassVar[bool] = True

    def blocks(
        self, argument: Integer | None, shift: Shift | None, table: Table
    ) -> tuple[tuple[str, BlockSpec], ...]:
        """The units of all rows."""
        del argument, shift
        return (units_part(table),)
