"""Piecewise polynomials with public coefficients, fitted so that their error has a bound in units.

Layer:       smpc.operations.numeric.approximation. Pure: no session; under ``functions``.
Terms:       a piece is ``2**k`` units of the argument wide; within it the argument is t in [-1, 1], from the piece's
             middle in half widths. Working units have ``GUARD`` more binary places than the scale's.
Shapes:      coefficients ``(n_pieces, DEGREE + 1)``, lowest power first.
Guarantees:  a piece is halved until its error, all roundings of the joint evaluation included, is under one unit;
             what would take more than ``MOST_PIECES``, or products wider than 63 bits, is refused.
See instead: evaluation on shares (``functions``).
Source:      Chebyshev interpolation, textbook; the halving and the sum of errors: ours.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from smpc.errors import RingRangeError
from smpc.ring import RING_BITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from smpc.operations.numeric.fixed_point import FixedPoint
    from smpc.ring import RingArray

DEGREE: Final = 3
WIDEST: Final = RING_BITS - 1  # one bit is left for sums of products
GUARD: Final = 4
MOST_PIECES: Final = 512
_SAMPLES: Final = 65
_SMALLEST: Final = 2  # binary logarithm of the narrowest piece's width
_ALLOWED: Final = 0.98  # of a unit; the rest is for maxima between the samples
Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piecewise:
    """A function on a range, ready to be evaluated on shares.

    Attributes:
        scale: of argument and result.
        first: lowest argument (units).
        last: highest argument (units).
        starts: first argument of each piece (units), ascending.
        middles: argument at which each piece's polynomial has t = 0 (units).
        half_bits: binary logarithm of each piece's half width (units).
        coefficients: in working units.
        error: bound of the result's error (units), below 1.
        wide_bits: width of the products of the evaluation.
    """

    scale: FixedPoint
    first: int
    last: int
    starts: RingArray = field(repr=False)
    middles: RingArray = field(repr=False)
    half_bits: RingArray = field(repr=False)
    coefficients: RingArray = field(repr=False)
    error: float
    wide_bits: int

    @property
    def working(self) -> int:
        """Binary places of the evaluation."""
        return self.scale.fraction + GUARD


def fit(function: Callable[[Floats], Floats], low: float, high: float, scale: FixedPoint) -> Piecewise:
    """Fit a function on ``[low, high]``.

    Args:
        function: smooth from ``low`` on, also above ``high``.
        low: public lower bound of the argument.
        high: public upper bound.
        scale: of argument and result.

    Raises:
        RingRangeError: no such range in the scale, or too many pieces or too wide products for it.
    """
    if not -(2.0**scale.integer) < low < high < 2.0**scale.integer:
        raise RingRangeError(what="range of a function")
    first, last = (int(np.rint(np.ldexp(bound, scale.fraction))) for bound in (low, high))
    waiting = [(first, max(_SMALLEST, (last - first).bit_length()))]
    pieces: list[tuple[int, int, RingArray, float]] = []
    while waiting:
        start, width_bits = waiting.pop()
        if start > last:
            continue
        coefficients, error = _piece(function, start, width_bits, last, scale)
        if error <= _ALLOWED or width_bits == _SMALLEST:
            pieces.append((start, width_bits - 1, coefficients, error))
        else:
            waiting += [(start + (1 << (width_bits - 1)), width_bits - 1), (start, width_bits - 1)]
        if len(pieces) + len(waiting) > MOST_PIECES:
            raise RingRangeError(what="pieces of a function")
    return _joined(pieces, first, last, scale)


def _joined(
    pieces: list[tuple[int, int, RingArray, float]], first: int, last: int, scale: FixedPoint
) -> Piecewise:
    coefficients = np.stack([piece[2] for piece in pieces])
    error = max(piece[3] for piece in pieces)
    working = scale.fraction + GUARD
    # sums of up to DEGREE + 1 terms, each rounding less than a working unit, and half of what is cut at the end
    most = int(np.abs(coefficients).sum(axis=1).max()) + DEGREE + 1
    wide_bits = ((most << working) + (1 << (working + GUARD))).bit_length() + 1
    if wide_bits > WIDEST or max(piece[1] for piece in pieces) + 2 > WIDEST or error > _ALLOWED:
        raise RingRangeError(what="products of a function")
    starts = np.array([piece[0] for piece in pieces], dtype=np.int64)
    half_bits = np.array([piece[1] for piece in pieces], dtype=np.int64)
    return Piecewise(
        scale=scale,
        first=first,
        last=last,
        starts=starts,
        middles=starts + (np.int64(1) << half_bits),
        half_bits=half_bits,
        coefficients=coefficients,
        error=error,
        wide_bits=wide_bits,
    )


def odd(pieces: Piecewise) -> Piecewise:
    """Return the odd continuation of a function of positive arguments, ``f(-x) = -f(x)``, to negative ones.

    Between ``-pieces.first`` and ``pieces.first`` it says nothing of use.

    Raises:
        RingRangeError: arguments that are not positive, or twice as many pieces as there may be.
    """
    if pieces.first <= 0 or 2 * pieces.starts.size > MOST_PIECES:
        raise RingRangeError(what="pieces of a function")
    widths = np.int64(2) << pieces.half_bits
    # at -x a piece has -t, so its polynomial's even powers change their sign with the whole
    signs = np.array([-1 if power % 2 == 0 else 1 for power in range(DEGREE + 1)])
    return dataclasses.replace(
        pieces,
        first=-pieces.last,
        starts=np.concatenate([(1 - pieces.starts - widths)[::-1], pieces.starts]),
        middles=np.concatenate([-pieces.middles[::-1], pieces.middles]),
        half_bits=np.concatenate([pieces.half_bits[::-1], pieces.half_bits]),
        coefficients=np.concatenate([(pieces.coefficients * signs)[::-1], pieces.coefficients]),
    )


def _piece(
    function: Callable[[Floats], Floats], start: int, width_bits: int, last: int, scale: FixedPoint
) -> tuple[RingArray, float]:
    """Return one piece's coefficients and the bound of its error (units)."""
    half_bits, working = width_bits - 1, scale.fraction + GUARD
    middle, half = start + (1 << half_bits), 1 << half_bits

    def at(t: Floats) -> Floats:
        return function(np.ldexp(middle + t * half, -scale.fraction))

    nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    if width_bits == _SMALLEST:  # as many arguments as coefficients: exact at all of them
        nodes = np.arange(-1.0, 1.0, 0.5)
    fitted = np.linalg.solve(np.vander(nodes, increasing=True), at(nodes))
    scaled = np.ldexp(fitted, working)
    if not np.all(np.abs(scaled) < 2.0 ** (WIDEST - DEGREE)):
        return np.zeros(DEGREE + 1, dtype=np.int64), np.inf
    coefficients = np.rint(scaled).astype(np.int64)
    samples = np.unique(np.rint(np.linspace(start, min(start + 2 * half - 1, last), _SAMPLES)))
    t = (samples - middle) / half
    values = np.ldexp(np.vander(t, DEGREE + 1, increasing=True) @ coefficients.astype(np.float64), -working)
    missed = np.ldexp(np.max(np.abs(values - at(t))), scale.fraction)
    slope = float(np.abs(coefficients[1:] * np.arange(1, DEGREE + 1)).sum()) if half_bits > working else 0.0
    # roundings: the argument where it is finer than a working unit, every step but the last, the last
    rounded = np.ldexp(np.ldexp(slope, -working) + DEGREE - 1, -GUARD - 1) + 0.5
    return coefficients, float(missed + rounded)
