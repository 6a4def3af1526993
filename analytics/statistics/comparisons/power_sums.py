"""Sums of the first four powers of a column: their blocks, their guard, and the shape that they tell.

Layer:       analytics.statistics above blocks, value_guards and noise_law, below the statistics that are made from them.
Terms:       values are in steps around the middle of their bounds; the *sums* are number, then those of the powers 1 to 4.
             *Skewness* and excess *kurtosis* are those of moments over n (``biased``), or corrected for n (G1 and G2).
Guarantees:  exact: what four powers tell, beyond number and bounds, is guarded by the people strictly between the bounds and
             outside each two windows, and of up to seven values by each value. Private: noisy variances lie between a
             twelfth of a squared step and the largest that the bounds allow, so that no private answer is undefined.
Source:      ours; docs/guarantees.md P5, P8. A polynomial of degree 4 that is never negative on a grid is 0 at the two ends of
             at most two neighbouring pairs, or at one pair and both bounds; what it adds up to is of the others. G1 and G2:
             Joanes, Gill 1998; SAS, pandas and DuckDB have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.sql.terms.expressions import ColumnIndex, Integer, Literal, Product, Sum
from analytics.statistics.blocks import BlockSpec, Measure
from analytics.statistics.guards.value_windows import has_few_values, windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import NumericColumn
    from analytics.statistics.base import Ints

Floats = npt.NDArray[np.float64]
POWERS: Final = (1, 2, 3, 4)
_LEAST_VARIANCE: Final = 1 / 12
_FEWEST: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the sums tell; arrays of one shape.

    Attributes:
        n: rows.
        mean: in steps around the middle.
        variance: over n, in steps squared.
        skewness: of moments over n; NaN without any spread.
        kurtosis: likewise, less 3.
    """

    n: Floats
    mean: Floats
    variance: Floats
    skewness: Floats
    kurtosis: Floats

    @property
    def jarque_bera(self) -> Floats:
        """The statistic of Jarque and Bera."""
        return self.n / 6 * (self.skewness**2 + self.kurtosis**2 / 4)


def center_of(column: NumericColumn) -> int:
    """The middle of a column's bounds, in steps."""
    return (column.grid_lower + column.grid_upper) // 2


def reach_of(column: NumericColumn) -> int:
    """The largest distance of a value from the middle, at least 1."""
    center = center_of(column)
    return max(1, column.grid_upper - center, center - column.grid_lower)


def offsets_of(column: NumericColumn) -> tuple[int, ...]:
    """What is subtracted from each power in private mode: half of the largest even power, which halves what a row changes."""
    reach = reach_of(column)
    return 0, reach**2 // 2, 0, reach**4 // 2


def power_blocks(column: NumericColumn, powers: Sequence[int] = POWERS) -> tuple[BlockSpec, ...]:
    """The blocks of a private release of some powers."""
    center, offsets = center_of(column), offsets_of(column)
    value = ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
    moved: Integer = Sum(left=value, right=Literal(value=-center)) if center else value
    square = Product(left=moved, right=moved)
    each = {
        1: BlockSpec(measure=Measure.SUM, argument=value, center=center),
        2: BlockSpec(measure=Measure.SQUARES, argument=value, center=center, offset=offsets[1]),
        3: BlockSpec(measure=Measure.SUM, argument=Product(left=square, right=moved)),
        4: BlockSpec(measure=Measure.SQUARES, argument=square, offset=offsets[3]),
    }
    return tuple(each[power] for power in powers)


def power_sums(column: NumericColumn, values: Ints, powers: Sequence[int] = POWERS) -> list[int]:
    """A site's sums of powers of the values on the column's grid, exact."""
    moved = values - center_of(column)
    if reach_of(column) ** max(powers) >= 1 << 62:  # such columns are refused before a charge
        moved = moved.astype(object)
    return [int((moved**power).sum()) for power in powers]


def far_counts(column: NumericColumn, values: Ints, inner: Sequence[tuple[int, int]] = ()) -> Ints:
    """The guard's counts: see the module; their number follows from the declaration alone.

    Args:
        column: whose bounds they follow from.
        values: on its grid.
        inner: where the counts of bins open too, the first and the last value strictly inside each bin: a polynomial that is
            moved in each bin by a number of its own can be 0 at both ends of every bin, and at two pairs elsewhere.
    """
    lower, upper = column.grid_lower, column.grid_upper
    if has_few_values(lower, upper):
        return np.bincount(values - lower, minlength=upper - lower + 1).astype(np.int64)
    every = windows(lower, upper)
    spans = inner or [(lower + 1, upper - 1)]
    inside = values[np.any([(values >= first) & (values <= last) for first, last in spans], axis=0)]
    starts = [first for first, _ in every]
    pieces = np.bincount(
        np.searchsorted(np.array(starts[1:]), inside, side="right"), minlength=len(starts) + 1
    )
    # the last window's second piece has no window of its own
    last_start = starts[-1] + (starts[1] - starts[0] if len(starts) > 1 else 1)
    beyond = int(np.count_nonzero(inside >= last_start))
    pieces[len(starts) - 1] -= beyond
    pieces[len(starts)] = beyond
    held = np.zeros((len(every), len(pieces)), dtype=bool)
    for place in range(len(every)):
        held[place, place : place + 2] = True
    first, second = np.triu_indices(len(every))
    found: Ints = inside.size - (held[first] | held[second]) @ pieces
    return found


def exact_shape(n: int, sums: Sequence[int]) -> Shape | None:
    """By integers, rounded once; None without rows or without spread."""
    if n == 0:
        return None
    mean = Fraction(sums[0], n)
    raw = [Fraction(1), *(Fraction(each, n) for each in sums)]
    second = raw[2] - mean**2
    if second <= 0:
        return None
    third = raw[3] - 3 * mean * raw[2] + 2 * mean**3
    fourth = raw[4] - 4 * mean * raw[3] + 6 * mean**2 * raw[2] - 3 * mean**4
    skewness = float(third) / float(second) ** 1.5
    kurtosis = float(fourth / second**2 - 3)
    figures = (float(n), float(mean), float(second), skewness, kurtosis)
    return Shape(
        **dict(zip(("n", "mean", "variance", "skewness", "kurtosis"), map(np.array, figures), strict=True))
    )


def noisy_shape(n: Floats, sums: Floats, reach: int) -> Shape:
    """What noisy figures say, moved into what is possible.

    Args:
        n: any shape.
        sums: without their offsets; shape ``(*n.shape, 4)``.
        reach: the largest absolute value.
    """
    size = np.maximum(n, _FEWEST)
    raw = sums / size[..., np.newaxis]
    mean = np.clip(raw[..., 0], -reach, reach)
    second = np.clip(raw[..., 1] - mean**2, _LEAST_VARIANCE, reach**2)
    third = raw[..., 2] - 3 * mean * raw[..., 1] + 2 * mean**3
    fourth = raw[..., 3] - 4 * mean * raw[..., 2] + 6 * mean**2 * raw[..., 1] - 3 * mean**4
    # of n values, no skewness is beyond the root of n, and no kurtosis beyond n or below its skewness squared less 2
    skewness = np.clip(third / second**1.5, -np.sqrt(size), np.sqrt(size))
    kurtosis = np.clip(fourth / second**2 - 3, skewness**2 - 2, size)
    return Shape(n=size, mean=mean, variance=second, skewness=skewness, kurtosis=np.maximum(kurtosis, -2.0))


def corrected(shape: Shape) -> tuple[Floats, Floats]:
    """G1 and G2; NaN below 3 and 4 rows."""
    n = shape.n
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(n > 2, shape.skewness * np.sqrt(n * (n - 1)) / (n - 2), np.nan)  # noqa: PLR2004
        second = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * shape.kurtosis + 6)
        return first, np.where(n > 3, second, np.nan)  # noqa: PLR2004
