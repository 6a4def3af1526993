"""The sigmoid as a few straight lines with short slopes, within a proven error bound.

Layer:       smpc.operations.numeric.sigmoid_approximation. Pure: no session.
Terms:       the tolerance is the largest distance from the sigmoid, on all real arguments.
Guarantees:  the lines are antisymmetric about (0, 1/2): exactly 1/2 at 0. Where the slopes' places cannot keep the
             tolerance, it is refused. 11 lines keep 0.004, 15 keep 0.002 (8 places).
Source:      tangents of a convex function, moved by half of the widest gap: textbook; slopes on a grid: ours.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.numeric.piecewise_linear import PiecewiseLinear

if TYPE_CHECKING:
    from collections.abc import Iterator

STEEPEST: Final = 0.25


def sigmoid_lines(tolerance: float, slope_bits: int, argument_bits: int) -> PiecewiseLinear:
    """Return lines for ``1 / (1 + e**-z)``.

    Args:
        tolerance: largest error; the units of the result add less than ``2**-argument_bits``.
        slope_bits: binary places of the slopes, at least 2.
        argument_bits: binary places of the argument z; the result has ``argument_bits + slope_bits``.

    Raises:
        RingRangeError: no such places, or slopes on so coarse a grid do not keep the tolerance.
    """
    if not 0 < tolerance < STEEPEST or slope_bits < 2 or argument_bits < 1:  # noqa: PLR2004  a quarter has two places
        raise RingRangeError(what="tolerance or places of a sigmoid's lines")
    # on the left the sigmoid is convex: tangents lie below it, so they are lifted by the tolerance
    left = [(slope, intercept + tolerance) for slope, intercept in _tangents(tolerance, slope_bits)]
    lines = [*left, (STEEPEST, 0.5), *((slope, 1 - intercept) for slope, intercept in reversed(left))]
    crossings = [(a[1] - b[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(lines)]
    return PiecewiseLinear(
        thresholds=np.array([round(math.ldexp(z, argument_bits)) for z in crossings], np.int64),
        slopes=np.array([round(math.ldexp(slope, slope_bits)) for slope, _ in lines], np.int64),
        intercepts=np.array(
            [round(math.ldexp(at_0, argument_bits + slope_bits)) for _, at_0 in lines], np.int64
        ),
    )


def _tangents(tolerance: float, slope_bits: int) -> Iterator[tuple[float, float]]:
    """Yield slopes and intercepts, ascending, until the line through the middle takes over."""
    slope, intercept = 0.0, 0.0  # the asymptote
    while True:
        yield slope, intercept
        if _gap((slope, intercept + tolerance), (STEEPEST, 0.5)) <= tolerance:
            return
        steps = range(int(math.ldexp(slope, slope_bits)) + 1, 1 << (slope_bits - 2))
        wider = [(own, _intercept(own)) for own in (math.ldexp(step, -slope_bits) for step in steps)]
        near = [line for line in wider if _gap((slope, intercept), line) <= 2 * tolerance]
        if not near:
            raise RingRangeError(what="tolerance of a sigmoid's lines")
        slope, intercept = near[-1]


def _intercept(slope: float) -> float:
    """Return where the sigmoid's tangent of a slope below 1/4, left of the middle, meets the axis of 0."""
    value = (1 - math.sqrt(1 - 4 * slope)) / 2
    return value - slope * math.log(value / (1 - value))


def _gap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return how far the sigmoid lies above the crossing of two lines."""
    z = (a[1] - b[1]) / (b[0] - a[0])
    return 1 / (1 + math.exp(-z)) - (a[0] * z + a[1])
