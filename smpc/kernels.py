"""Matrix products of ring elements in numpy; the loop is chosen by shape.

Layer:       smpc.kernels. Pure.
Shapes:      ``(*S, m, k)`` and ``(*S, k, n)`` -> ``(*S, m, n)`` int64, leading axes broadcast.
Guarantees:  exact mod ``2**64`` for all ring elements, whatever the choice; the choice depends on shapes alone.
             Milliseconds on one thread (AVX-512), the chosen way in brackets; the last two columns are not ours:

          ====================  =======  =======  =======  =======  =======
          shape                 direct   rows     dots     float64  torch
          ====================  =======  =======  =======  =======  =======
          500 x 500 x 500       71       40       [27]     48       5.0
          200 x 200 x 200       3.6      2.5      [1.7]    2.0      0.35
          50 x 50 x 50          0.052    0.046    [0.035]  0.073    0.011
          16 x 16 x 16          [0.003]  0.004    0.004    0.028    0.003
          20 x 10,000 x 20      2.8      2.1      [0.98]   2.8      0.72
          10,000 x 20 x 20      1.8      2.1      [1.5]    4.4      0.53
          2,000 x 3 x 2,000     7.5      [5.4]    14       57       1.7
          1 x 1,000 x 1,000     0.65     [0.32]   1.0      4.5      0.61
          1,000 x 30 x 1        0.014    0.011    [0.011]  0.11     0.034
          ====================  =======  =======  =======  =======  =======

          ``make bench-kernels`` prints the present ones. Three limbs of 22 bits for float64 BLAS gain
          nothing on one thread, and stall where parties share cores. A party that has torch may use its kernel
          (``engine.kernels``).
See instead: sharing and masks (``operations``).
Source:      ours; decision record 12.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from smpc.ring import RingArray

MatrixProduct: TypeAlias = Callable[["RingArray", "RingArray"], "RingArray"]
_FEW_PRODUCTS: Final = 4096
_SHORT_SUM: Final = 8


class Kernel(StrEnum):
    """The ways: numpy's operator; row times scalar, summed up; row times row of the transpose."""

    DIRECT = "direct"
    ROWS = "rows"
    DOTS = "dots"


def chosen(m: int, k: int, n: int) -> Kernel:
    """Return the way for matrices ``(m, k)`` and ``(k, n)``."""
    if m * k * n <= _FEW_PRODUCTS:
        return Kernel.DIRECT
    return Kernel.ROWS if k <= _SHORT_SUM or m == 1 else Kernel.DOTS


def matmul(a: RingArray, b: RingArray) -> RingArray:
    """Return the matrix product mod ``2**64``; two axes or more each."""
    return multiply_by(chosen(a.shape[-2], a.shape[-1], b.shape[-1]), a, b)


def multiply_by(kernel: Kernel, a: RingArray, b: RingArray) -> RingArray:
    """Return the matrix product mod ``2**64`` in one of the ways."""
    result: RingArray
    if kernel is Kernel.DIRECT:
        result = np.matmul(a, b)
    elif kernel is Kernel.ROWS:
        result = np.einsum("...ik,...kj->...ij", a, b)
    else:  # both operands are read along the summed axis, so it must be the contiguous one
        columns = np.ascontiguousarray(b.swapaxes(-1, -2))
        result = np.einsum("...ik,...jk->...ij", np.ascontiguousarray(a), columns)
    return result
