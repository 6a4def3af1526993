"""The grid of Rényi orders.

Guarantees:  contains dp-accounting 0.6.0's 156 default orders, so that no minimum over this grid is above a minimum
             over theirs; orders near 1 serve large epsilon, orders up to ``2**20`` small queries, which would
             otherwise look 13 to 50 times more expensive. The grid may grow; an order that a budget was fixed at
             stays priceable anyway.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LARGEST_EXPONENT: Final = 20


def _grid() -> tuple[Fraction, ...]:
    near_one = {Fraction(numerator, 1000) for numerator in (1005, 1010, 1020, 1035, 1050, 1075)}
    tenths = {Fraction(numerator, 10) for numerator in range(11, 110)}
    octaves = {Fraction(part * 2**power) for power in range(3, 17) for part in range(8, 16)}
    integers = {Fraction(number) for number in range(11, 64)} | {Fraction(2**_LARGEST_EXPONENT)}
    return tuple(sorted(near_one | tenths | integers | octaves))


ORDERS: Final[tuple[Fraction, ...]] = _grid()


@lru_cache(maxsize=1)
def order_floats() -> NDArray[np.float64]:
    """Give the grid as float64, ascending, read-only."""
    return frozen(np.array([float(order) for order in ORDERS]))


@lru_cache(maxsize=1)
def order_positions() -> dict[Fraction, int]:
    """Give the position of each order in the grid."""
    return {order: position for position, order in enumerate(ORDERS)}


def frozen(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make an array read-only, since caches return the same one to every caller."""
    values.setflags(write=False)
    return values
