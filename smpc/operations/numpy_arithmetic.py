"""Sums and products of shares in numpy: for dry runs, for clients, and for sites that choose this engine.

Layer:       smpc.operations.numpy_arithmetic, below arithmetic.
Guarantees:  exact mod ``2**64``; the same material and frames as CrypTen's tensors take (``engine.arithmetic``).
Visible to:  the parties see operands minus uniform masks.
Source:      eprint 2011/535 (Beaver triples).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.dealer.requests import ProductKind, product
from smpc.dealer.requests import square as square_request
from smpc.operations.open_masked import open_differences
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.kernels import MatrixProduct
    from smpc.ring import RingArray
    from smpc.session import Session


class NumpyArithmetic:
    """The port ``session.ShareArithmetic`` in numpy."""

    name = "numpy"

    def add(self, a: RingArray, b: RingArray) -> RingArray:
        """Return ``a + b``."""
        return a + b

    def subtract(self, a: RingArray, b: RingArray) -> RingArray:
        """Return ``a - b``."""
        return a - b

    def negate(self, a: RingArray) -> RingArray:
        """Return ``-a``."""
        return -a

    def scale(self, a: RingArray, constant: RingArray) -> RingArray:
        """Return ``a * constant``."""
        return a * constant

    def total(self, a: RingArray, axis: int | None) -> RingArray:
        """Return the sum along an axis, or over everything as shape ``(1,)``."""
        return np.atleast_1d(a.sum(axis=axis, dtype=np.int64))

    def multiply(self, session: Session, a: Shared, b: Shared) -> Shared:
        """Return shares of the elementwise product; see ``operations.arithmetic``."""
        return _bilinear(session, ProductKind.MUL, a, b)

    def square(self, session: Session, a: Shared) -> Shared:
        """Return shares of ``a * a``; see ``operations.arithmetic``."""
        r, r_squared = session.supply.take(square_request(a.shape))
        (epsilon,) = open_differences(session, [(a.share, r)])
        r += r
        if session.is_first:
            r += epsilon
        r *= epsilon
        r += r_squared
        return Shared(share=r)

    def matmul(self, session: Session, a: Shared, b: Shared) -> Shared:
        """Return shares of the matrix product; see ``operations.arithmetic``."""
        return _bilinear(session, ProductKind.MATMUL, a, b)


NUMPY: Final = NumpyArithmetic()


def _bilinear(session: Session, kind: ProductKind, a: Shared, b: Shared) -> Shared:
    """Multiply by Beaver's trick: ``xy = c + (x - a) b + a (y - b) + (x - a)(y - b)``."""
    mask_a, mask_b, mask_ab = session.supply.take(product(kind, a.shape, b.shape))
    epsilon, delta = open_differences(session, [(a.share, mask_a), (b.share, mask_b)])
    if session.is_first:
        mask_b += delta
    if kind is ProductKind.MUL and a.shape == b.shape:  # in place: new memory costs more than the arithmetic
        mask_b *= epsilon
        delta *= mask_a
        mask_b += delta
        mask_b += mask_ab
        return Shared(share=mask_b)
    apply: MatrixProduct = np.multiply if kind is ProductKind.MUL else session.matmul
    return Shared(share=mask_ab + apply(epsilon, mask_b) + apply(mask_a, delta))
