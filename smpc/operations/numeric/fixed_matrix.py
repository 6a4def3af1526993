"""A shared matrix that is masked once and multiplied many times, from either side.

Layer:       smpc.operations.numeric.fixed_matrix.
Terms:       forward is ``x @ w``, backward is ``x.T @ r``; the operands are new at each product, the matrix is not.
Guarantees:  exact mod ``2**64``; the masked matrix is opened in one round with the first product's operand, and never
             again. Every operand has a fresh mask of its own.
Visible to:  all parties ``x - a`` once, ``a`` uniform, and each operand minus a fresh uniform mask.
Cost:        a round a product; ``8 * operand.size`` bytes a peer each, and ``8 * x.size`` once. One ``FIXED_MATRIX``,
             taken before the first product.
See instead: truncation (``truncation``).
Source:      eprint 2011/535 (triples); one mask of an operand in several products: ours, with a correlation that
             holds all of them, so that the dealer's material can still be used only once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smpc.dealer.requests import fixed_matrix
from smpc.errors import MaterialError, RingRangeError
from smpc.operations.open_masked import open_differences
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smpc.dealer.correlation_parts import Material
    from smpc.ring import RingArray
    from smpc.session import Session


class FixedMatrix:
    """One party's hold on a matrix and on the material for a given number of products."""

    def __init__(
        self, session: Session, x: Shared, *, n_forward: int, n_backward: int, width: int = 1
    ) -> None:
        """Take the material of all products; nothing is sent between the parties yet.

        Args:
            session: an open session.
            x: shape ``(n, d)``.
            n_forward: how many products ``x @ w`` there will be.
            n_backward: how many products ``x.T @ r``.
            width: columns of every operand.

        Raises:
            RingRangeError: not a matrix, or no product at all; before anything is asked.
        """
        if len(x.shape) != 2 or min(n_forward, n_backward) < 0 or n_forward + n_backward == 0 or width < 1:  # noqa: PLR2004  a matrix has two axes
            raise RingRangeError(what="shape or products of a fixed matrix")
        mask, right, left, forward, backward = session.supply.take(
            fixed_matrix(x.shape, width, n_forward, n_backward)
        )
        self._session, self._x, self._mask, self._width = session, x.share, mask, width
        self._forward = zip(right, forward, strict=True)
        self._backward = zip(left, backward, strict=True)
        self._opened: RingArray | None = None

    def __repr__(self) -> str:
        """Show the shape only."""
        return f"FixedMatrix{self._x.shape}"

    def times(self, w: Shared) -> Shared:
        """Return shares of ``x @ w``, ``w`` of shape ``(d, width)``.

        Raises:
            RingRangeError: another shape.
            MaterialError: as many forward products as were announced are done; both before anything is sent.
        """
        return self._product(w, (self._x.shape[1], self._width), self._forward, is_forward=True)

    def transposed_times(self, r: Shared) -> Shared:
        """Return shares of ``x.T @ r``, ``r`` of shape ``(n, width)``; errors as ``times``."""
        return self._product(r, (self._x.shape[0], self._width), self._backward, is_forward=False)

    def _product(
        self,
        operand: Shared,
        shape: tuple[int, ...],
        material: Iterator[tuple[Material, Material]],
        *,
        is_forward: bool,
    ) -> Shared:
        if operand.shape != shape:
            raise RingRangeError(what="operand of a fixed matrix")
        piece = next(material, None)
        if piece is None:
            raise MaterialError(what="another product of this fixed matrix")
        mask, masks_product = piece
        opened, delta = self._open(operand.share, mask)
        product = self._session.matmul
        # x y = (e + a)(d + b) = e y + a d + a b
        left, right = (opened, self._mask) if is_forward else (opened.T, self._mask.T)
        return Shared(share=masks_product + product(left, operand.share) + product(right, delta))

    def _open(self, value: RingArray, mask: Material) -> tuple[RingArray, RingArray]:
        """Return the masked matrix, opened on the way the first time, and the masked operand."""
        if self._opened is None:
            self._opened, delta = open_differences(self._session, [(self._x, self._mask), (value, mask)])
        else:
            (delta,) = open_differences(self._session, [(value, mask)])
        return self._opened, delta
