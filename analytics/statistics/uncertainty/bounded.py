"""Bounded private answers: values stay in their public range, and cells with large noise are flagged.

Layer:       analytics.statistics above estimates and intervals, below the aggregates; pure, public arithmetic after
             the opening.
Terms:       a *public range* follows from the bounds of the argument and from the most rows that the sites may hold.
Guarantees:  one rule for means, variances and standard deviations. The noisy count that divides counts as at least 1,
             as 2 over n - 1. A value beyond its public range is moved to the nearer end. A cell that was moved, or
             that divides by a count below ``FEW`` standard deviations of its noise, is flagged. Counts and sums are
             moved and flagged alike. No private value is NA. Noisy answers and public numbers alone are used, so
             nothing is charged for it.
See instead: exact answers, whose undefined cells are NA (moments).
Source:      ours; ``intervals`` for what they cover. At a count of FEW deviations the interval of a mean, at 95 %,
             spans half of its public range. A variance is largest where half of the rows lie at each bound
             (Popoviciu).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.statistics.blocks import Measure
from analytics.statistics.uncertainty.intervals import Ends, NoisyMean

if TYPE_CHECKING:
    from analytics.statistics.uncertainty.estimates import Opened, Parts

FEW: Final = 4


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
    def has_two_values(self) -> bool:
        """Whether the argument has the values of a yes and a no, one step apart."""
        return self.upper - self.lower == 1

    @property
    def largest_variance(self) -> Fraction:
        """The largest mean squared deviation, in steps squared."""
        return Fraction((self.upper - self.lower) ** 2, 4)


def ends_of(
    public_range: tuple[Fraction | float, Fraction | float], value: Fraction | float
) -> tuple[Ends, Fraction | float]:
    """Move a value into its public range.

    Returns:
        The cell's ends, and the value as exactly as it came.
    """
    low, high = public_range
    inside = min(max(value, low), high)
    return Ends(value=float(inside), low=float(low), high=float(high)), inside


def divisible(figures: Parts, least: int) -> Parts:
    """The figures with a count that can divide: the true one is no smaller wherever the answer is defined."""
    count = figures[Measure.COUNT]
    return {**figures, Measure.COUNT: replace(count, value=max(count.value, Fraction(least)))}


def is_few(figures: Parts) -> bool:
    """Whether the count that divides is below ``FEW`` standard deviations of its noise."""
    count: Opened = figures[Measure.COUNT]
    return count.value < FEW * count.noise_sd


def noisy_mean(center: int, parts: Parts, span: Span) -> NoisyMean:
    """The mean around its center, in steps, and what the noise leaves open of it."""
    count, total = parts[Measure.COUNT], parts[Measure.SUM]
    lower, upper = span.lower - center, span.upper - center
    return NoisyMean(
        ratio=float(min(max(total.value / count.value, Fraction(lower)), Fraction(upper))),
        reach=float(max(abs(lower), abs(upper))),
        count=float(count.value),
        count_sd=count.noise_sd,
        total_sd=total.noise_sd,
    )


def number_of(value: Fraction | float | None) -> Fraction | float:
    """What is never None where the count divides; 0 satisfies the types."""
    return 0 if value is None else value
