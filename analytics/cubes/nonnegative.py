"""The nonnegative table that fits a cube's noisy marginals best.

Layer:       analytics.cubes above effects.
Terms:       the *fit* is the best table whatever its signs (``effects``); its noise has one variance for each effect.
Shapes:      tables have the shape of all dimensions' groups; an axis before those counts tables.
Guarantees:  every cell is at least 0, so that all totals are sums of nonnegative groups. The grand total is that of the fit,
             or 0 where that is negative: otherwise the zeros of a sparse table would raise it. Among such tables, the one
             of the least weighted squared distance from the released marginals, up to ``TOLERANCE`` of the noise. Where the
             fit is nonnegative, it is the fit. Else it is biased: cells that are truly 0 come out too large on average,
             others too small.
Source:      ours. Distance: that of least squares, diagonal in the effects. Method: alternating directions (Boyd and others,
             2011, section 5.2), whose linear step is exact here, since it scales each effect by itself.
"""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.cubes.marginals import Axes, subsets

if TYPE_CHECKING:
    from analytics.cubes.effects import FittedTable

Floats = npt.NDArray[np.float64]
TOLERANCE: Final = 1e-4
MOST_STEPS: Final = 2_000
_RELAXED: Final = 1.6


def nonnegative_table(fitted: FittedTable) -> Floats:
    """Find the nonnegative table of a fit; over all dimensions, at least 0 everywhere."""
    return nearest_nonnegative(fitted, fitted.table(tuple(range(len(fitted.shape)))))


def nearest_nonnegative(fitted: FittedTable, start: Floats) -> Floats:
    """Find the nonnegative tables that are nearest to some tables.

    Args:
        fitted: gives the variances that distance is measured with.
        start: a table, or a stack of them.

    Returns:
        In the shape of ``start``, at least 0 everywhere.
    """
    shape = fitted.shape
    whole = tuple(range(len(shape)))
    if (start >= 0).all():
        return start
    cells = tuple(range(-len(shape), 0))
    start = start + np.maximum(0, -start.sum(axis=cells, keepdims=True)) / prod(shape)
    # precision of each effect in the space of tables, in units of that of a cell
    precisions = {
        effect: prod(shape[axis] for axis in whole if axis not in effect) / fitted.variances[effect]
        for effect in subsets(whole)
    }
    least, most = min(precisions.values()), max(precisions.values())
    penalty = sqrt(least * most)
    # the effect of no dimension is the grand total, which stays
    parts = {effect: each / (each + penalty) if effect else 1.0 for effect, each in precisions.items()}
    shrink, rest = (
        _Scaling(shape, parts),
        _Scaling(shape, {effect: 1 - each for effect, each in parts.items()}),
    )
    fixed, close = shrink(start), TOLERANCE * sqrt(1 / most)
    table, dual = np.maximum(start, 0), np.zeros_like(start)
    for _ in range(MOST_STEPS):
        free = fixed + rest(table - dual)
        mixed = _RELAXED * free + (1 - _RELAXED) * table
        following = np.maximum(mixed + dual, 0)
        dual += mixed - following
        moved = max(float(np.abs(following - table).max()), float(np.abs(following - free).max()))
        table = following
        if moved <= close:
            break
    return table


class _Scaling:
    """Scales each effect of a table by a factor of its own.

    An effect is a signed sum of means over axes, so that scaling all effects weights the means over each set of axes.
    """

    def __init__(self, shape: tuple[int, ...], factors: dict[Axes, float]) -> None:
        self._first = len(shape)
        self._weights = {
            kept: sum(
                (-1) ** (len(effect) - len(kept)) * factor
                for effect, factor in factors.items()
                if set(kept) <= set(effect)
            )
            for kept in factors
        }

    def __call__(self, table: Floats) -> Floats:
        """Scale a table."""
        means: dict[Axes, Floats] = {tuple(range(self._first)): table}
        found = np.zeros_like(table)
        for kept in sorted(self._weights, key=len, reverse=True):
            if kept not in means:
                axis = next(each for each in range(self._first) if each not in kept)
                means[kept] = means[tuple(sorted((*kept, axis)))].mean(axis=axis - self._first, keepdims=True)
            found += self._weights[kept] * means[kept]
        return found
