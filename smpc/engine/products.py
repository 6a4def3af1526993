"""Products of shares computed by CrypTen, with the signatures of ``operations.arithmetic``.

Layer:       smpc.engine.products.
Terms:       interchangeable: same material, same frames, so a dry run of the one prices the other, and parties of one
             session may even differ in which they use.
Guarantees:  exact mod ``2**64``. For small arrays CrypTen's calls cost more than they save; torch's kernel for large
             matrices can be had without them (``engine.kernels``; decision record 12).
Visible to:  the parties see operands minus uniform masks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smpc.engine.tensors import from_crypten, to_arithmetic

if TYPE_CHECKING:
    from smpc.session import Session
    from smpc.sharing import Shared


def multiply(session: Session, a: Shared, b: Shared) -> Shared:
    """Return shares of the elementwise product of two arrays of one shape; see ``operations.arithmetic``."""
    with session.activated():
        return from_crypten(to_arithmetic(a).mul(to_arithmetic(b)))


def square(session: Session, a: Shared) -> Shared:
    """Return shares of ``a * a``; see ``operations.arithmetic``."""
    with session.activated():
        return from_crypten(to_arithmetic(a).square())


def matmul(session: Session, a: Shared, b: Shared) -> Shared:
    """Return shares of the matrix product; see ``operations.arithmetic``."""
    with session.activated():
        return from_crypten(to_arithmetic(a).matmul(to_arithmetic(b)))
