"""Reciprocal, square root, exponential, logarithm and sigmoid of shared fixed-point numbers.

Layer:       smpc.operations.numeric.functions. Over ``approximation``, ``comparison``, ``fixed_point``,
             ``truncation``.
Terms:       a range is the public interval in which the argument lies; a unit is ``2**-fraction`` of the scale.
Guarantees:  inside the range the result is less than one unit away from the function of the shared argument;
             ``Piecewise.error`` says how much less. Outside it is wrong without a sign of it: bounds are enforced
             where the data come from, or by ``selection.clip``.
Visible to:  the parties see masked values and masked bits, all uniform; no party learns the piece.
Cost:        one opening of the argument, compared with as many thresholds as there are pieces, less one; one product,
             and a truncation where pieces are wide; ``DEGREE`` products and truncations. At 16 binary places 16 to 21
             rounds, mostly; 98 bytes an argument and peer for 11 pieces, 266 for 118, 593 for 190 of a wide range.
See instead: arguments without bounds (normalize by a public factor first); division of two secrets (a product with a
             reciprocal, off by as many units as the numerator is large).
Source:      pieces chosen by shared comparison bits, linear in public tables: ours.
"""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import (
    add,
    add_public,
    matmul_public,
    multiply,
    multiply_public,
    reshape,
    subtract,
)
from smpc.operations.comparison import at_least_each
from smpc.operations.numeric.approximation import DEGREE, Floats, Piecewise, fit, odd
from smpc.operations.truncation import truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from smpc.operations.numeric.fixed_point import FixedPoint
    from smpc.ring import RingArray
    from smpc.session import Session


class Function(StrEnum):
    """What can be evaluated."""

    RECIPROCAL = "reciprocal"
    SQUARE_ROOT = "square root"
    EXPONENTIAL = "exponential"
    LOGARITHM = "logarithm"
    SIGMOID = "sigmoid"


def reciprocal(session: Session, x: Shared, low: float, high: float, scale: FixedPoint) -> Shared:
    """Return shares of ``1 / x`` for ``0 < low <= x <= high``; off by less than one unit."""
    return evaluate(session, x, table(Function.RECIPROCAL, low, high, scale))


def signed_reciprocal(session: Session, x: Shared, low: float, high: float, scale: FixedPoint) -> Shared:
    """Return shares of ``1 / x`` for ``0 < low <= |x| <= high``; off by less than one unit.

    Cost: as many rounds as ``reciprocal``, twice as many pieces; no party learns the sign.

    Raises:
        RingRangeError: as ``table``, or the pieces of both signs are too many.
    """
    return evaluate(session, x, odd(table(Function.RECIPROCAL, low, high, scale)))


def square_root(session: Session, x: Shared, low: float, high: float, scale: FixedPoint) -> Shared:
    """Return shares of the square root for ``0 <= low <= x <= high``; off by less than one unit."""
    return evaluate(session, x, table(Function.SQUARE_ROOT, low, high, scale))


def exponential(session: Session, x: Shared, low: float, high: float, scale: FixedPoint) -> Shared:
    """Return shares of ``e**x`` for ``low <= x <= high``; off by less than one unit."""
    return evaluate(session, x, table(Function.EXPONENTIAL, low, high, scale))


def logarithm(session: Session, x: Shared, low: float, high: float, scale: FixedPoint) -> Shared:
    """Return shares of the natural logarithm for ``0 < low <= x <= high``; off by less than one unit."""
    return evaluate(session, x, table(Function.LOGARITHM, low, high, scale))


def sigmoid(session: Session, x: Shared, low: float, high: float, scale: FixedPoint) -> Shared:
    """Return shares of ``1 / (1 + e**-x)`` for ``low <= x <= high``; off by less than one unit."""
    return evaluate(session, x, table(Function.SIGMOID, low, high, scale))


@functools.lru_cache(maxsize=64)
def table(function: Function, low: float, high: float, scale: FixedPoint) -> Piecewise:
    """Return the pieces of a function on a range.

    Raises:
        RingRangeError: the function is not defined in the range, or does not fit the scale.
    """
    makers: dict[Function, Callable[[Floats], Floats]] = {
        Function.RECIPROCAL: np.reciprocal,
        Function.SQUARE_ROOT: np.sqrt,
        Function.EXPONENTIAL: _exponential,
        Function.LOGARITHM: np.log,
        Function.SIGMOID: _sigmoid,
    }
    lowest = {Function.RECIPROCAL: 1, Function.LOGARITHM: 1, Function.SQUARE_ROOT: 0}.get(function)
    if lowest is not None and not low * 2.0**scale.fraction >= lowest:
        raise RingRangeError(what="range of a function")
    return fit(makers[function], low, high, scale)


def _exponential(x: Floats) -> Floats:
    result: Floats = np.exp(np.minimum(x, 80.0))  # more fits no scale, and is refused
    return result


def _sigmoid(x: Floats) -> Floats:
    result: Floats = 0.5 + 0.5 * np.tanh(0.5 * x)
    return result


def evaluate(session: Session, x: Shared, pieces: Piecewise) -> Shared:
    """Return shares of a piecewise polynomial of ``x``.

    Visible to, Cost: see the module.

    Args:
        session: an open session.
        x: units of the pieces' scale, from ``pieces.first`` to ``pieces.last``.
        pieces: what to evaluate.
    """
    if x.size == 0:
        return x
    flat = reshape(x, (x.size,))
    target = max(pieces.working, int(pieces.half_bits.max()))
    factors = np.int64(1) << (target - pieces.half_bits)
    chosen = _choose(session, flat, pieces, np.vstack([pieces.middles, factors, pieces.coefficients.T]))
    t = _position(session, subtract(flat, chosen[0]), chosen[1], factors)
    t = truncate(session, t, target - pieces.working, target + 2, is_rounded=True)
    return reshape(_polynomial(session, t, chosen[2:], pieces), x.shape)


def _choose(session: Session, x: Shared, pieces: Piecewise, rows: RingArray) -> list[Shared]:
    """Return of each row the entry of the piece in which ``x`` lies: one comparison, the rest is linear."""
    width = (pieces.last - pieces.first).bit_length() + 1
    reached = at_least_each(session, x, pieces.starts[1:], width)
    picked = matmul_public(np.diff(rows, axis=1), reached)
    picked = add_public(session, picked, np.repeat(rows[:, :1], x.size, axis=1))
    return [Shared(share=row) for row in picked.share]


def _position(session: Session, distance: Shared, factor: Shared, factors: RingArray) -> Shared:
    if np.all(factors == factors[0]):
        return multiply_public(distance, int(factors[0]))
    return multiply(session, distance, factor)


def _polynomial(session: Session, t: Shared, coefficients: list[Shared], pieces: Piecewise) -> Shared:
    """Evaluate by Horner's rule; the last truncation leads back from working units."""
    working = pieces.working
    result = coefficients[DEGREE]
    for power in range(DEGREE - 1, 0, -1):
        raw = multiply(session, result, t)
        cut = truncate(session, raw, working, pieces.wide_bits, is_rounded=True)
        result = add(cut, coefficients[power])
    raw = add(multiply(session, result, t), multiply_public(coefficients[0], 1 << working))
    return truncate(session, raw, 2 * working - pieces.scale.fraction, pieces.wide_bits, is_rounded=True)
