"""How a release's privacy is divided over its blocks, so that what was asked has the least error.

Layer:       analytics.plans above statistics.blocks, below noise_calibration.
Terms:       a *portion* is one block, or the count, sum and squares of one argument together. Its *share* is its part of
             ``1 / z^2``: a portion of L2 sensitivity l has noise of variance ``l^2 z^2 / share``. ``R`` is the largest
             absolute value of an argument around its center; ``m`` the distance of a mean from the center that the
             division is made for.
Guarantees:  from the question and the schema alone, in integers and fractions, so that every site finds the same;
             shares sum to 1.
Source:      ours. The error of a mean has variance ``(s_S^2 + m^2 s_n^2) / n^2``, least at shares ``m : R`` for count and
             sum (Lagrange). m is the center for a sum, R where the count is asked for too. For a mean alone it is R / 3,
             shares 1/4 and 3/4: the variance is then 4/3 of the least one both for a mean at the center and for one at
             a bound, and less between; any other division has more at one of the two. Where the schema says what the
             mean is expected to be, m is its distance from the center, at least R / 6, since means lie somewhat
             beside what was expected.
             The number of rows plays no part: to first order the errors of a count, a mean and a variance, each relative
             to what it is over n rows, all fall with 1 / n, so that one division is best at every n.
             Moments of one row are ``(1, d, d^2 - q)``; with weights ``(R^2, R d, 2 (d^2 - q))`` all three have noise of
             one variance, and the squared norm of a row is largest at d = 0 or at ``|d| = R``, since it is convex in
             ``d^2``. Both are equal at ``q = 5/8 R^2``: ``2.5625 R^4``, where three separate blocks have ``3 R^4``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Self

from analytics.sql.terms.expressions import Integer, bounds
from analytics.statistics.blocks import BlockSpec, Measure, disjoint_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.statistics.blocks import JointNorm

_MEAN_ALONE = Fraction(1, 3)
_NEAREST = Fraction(1, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """A part of a release that is calibrated as one.

    Attributes:
        places: of its blocks.
        share: its part of the whole, above 0.
        weights: of blocks that have noise of one variance after them; empty for a single block.
        square: largest squared L2 norm of one row's weighted integers; 0 for a single block.
        is_disjoint: whether one row adds to one of its blocks at most.
    """

    places: tuple[int, ...]
    share: Fraction
    weights: tuple[int, ...] = ()
    square: int = 0
    is_disjoint: bool = False

    @classmethod
    def whole(cls, norm: JointNorm) -> Self:
        """A release whose blocks are all calibrated as one."""
        return cls(
            places=tuple(range(len(norm.weights))),
            share=Fraction(1),
            weights=norm.weights,
            square=norm.square,
        )


def by_runs(figures: Sequence[BlockSpec]) -> tuple[Portion, ...]:
    """Give every block the same share; counts of cells of one column, of which a row has one, are one portion together."""
    lengths = disjoint_runs(figures)
    share, start = Fraction(1, len(lengths)), 0
    portions: list[Portion] = []
    for length in lengths:
        places = tuple(range(start, start + length))
        start += length
        portions.append(
            Portion(places=places, share=share)
            if length == 1
            else Portion(places=places, share=share, weights=(1,) * length, square=1, is_disjoint=True)
        )
    return tuple(portions)


def split(
    figures: Sequence[BlockSpec], needs: Mapping[int, Fraction | None], counts: Mapping[Integer, int]
) -> tuple[Portion, ...]:
    """Divide a release.

    Args:
        figures: the blocks.
        needs: of each block that counts what a sum is divided by or centered with, the m that asked for most; None
            where the count is asked for itself.
        counts: the place of the count that belongs to an argument's sums.

    Returns:
        The portions, in the order of their first blocks.
    """
    each, taken = Fraction(1, len(figures)), set[int]()
    portions: list[Portion] = []
    for place, block in enumerate(figures):
        if place in taken or block.measure is not Measure.SQUARES or block.argument is None:
            continue
        total = _place_of(figures, Measure.SUM, block)
        places = tuple(
            other
            for other in (counts.get(block.argument), total, place)
            if other is not None and other not in taken
        )
        taken |= set(places)
        portions.append(_moments(figures, places, each))
    for place, block in enumerate(figures):
        count = None if block.argument is None else counts.get(block.argument)
        if place in taken or block.measure is not Measure.SUM or count is None or count in taken:
            continue
        taken |= {count, place}
        distance = needs.get(count, None)
        part = Fraction(1, 2) if distance is None else _part(distance, block.bound)
        portions.append(Portion(places=(count,), share=2 * each * part))
        portions.append(Portion(places=(place,), share=2 * each * (1 - part)))
    portions += [Portion(places=(place,), share=each) for place in range(len(figures)) if place not in taken]
    return tuple(sorted(portions, key=lambda portion: portion.places[0]))


def design_distance(
    argument: Integer, center: int, *, is_total: bool, expected: Fraction | None = None
) -> Fraction:
    """The m that a column's division is made for, in steps.

    Args:
        argument: what is aggregated.
        center: what is subtracted from it.
        is_total: whether it is a sum: then m is the center.
        expected: what a mean is expected to be, in steps; None where nothing is expected: then m is a third of R.
    """
    if is_total:
        return Fraction(abs(center))
    reach = reach_of(argument, center)
    return _MEAN_ALONE * reach if expected is None else max(abs(expected - center), _NEAREST * reach)


def reach_of(argument: Integer, center: int) -> int:
    """R: the largest absolute value around a center, at least 1."""
    lower, upper = bounds(argument)
    return max(1, upper - center, center - lower)


def _part(distance: Fraction, reach: int) -> Fraction:
    distance = min(distance, Fraction(reach))
    return distance / (distance + reach) if distance > 0 else Fraction(1, 1 + reach)


def _place_of(figures: Sequence[BlockSpec], measure: Measure, like: BlockSpec) -> int | None:
    return next(
        (
            place
            for place, block in enumerate(figures)
            if block.measure is measure and block.argument == like.argument and block.center == like.center
        ),
        None,
    )


def _moments(figures: Sequence[BlockSpec], places: tuple[int, ...], each: Fraction) -> Portion:
    """Weights that give all blocks noise of one variance, and the norm of one row under them."""
    squares = figures[places[-1]]
    reach, (lower, upper) = 1, (0, 0)
    if squares.argument is not None:
        lower, upper = (edge - squares.center for edge in bounds(squares.argument))
        reach = reach_of(squares.argument, squares.center)
    halves = 1 + reach % 2  # whole weights
    by_measure = {Measure.SQUARES: halves, Measure.SUM: halves * reach // 2}
    weights = tuple(by_measure.get(figures[place].measure, halves * reach**2 // 2) for place in places)
    nearest = 0 if lower <= 0 <= upper else min(abs(lower), abs(upper))

    def norm(distance: int) -> int:
        values = {Measure.SUM: distance, Measure.SQUARES: distance**2 - squares.offset}
        pairs = zip(places, weights, strict=True)
        return sum((weight * values.get(figures[place].measure, 1)) ** 2 for place, weight in pairs)

    square = max(norm(distance) for distance in (lower, upper, nearest))
    return Portion(places=places, share=len(places) * each, weights=weights, square=max(1, square))


def norm_above(square: int) -> int:
    """The smallest integer whose square is at least this."""
    return math.isqrt(square - 1) + 1
