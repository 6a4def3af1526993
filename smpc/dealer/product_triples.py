"""Material for products of arrays, of matrices, and of one matrix with many others.

Layer:       smpc.dealer.product_triples. Pure.
Guarantees:  bound parts are the exact products of the free ones mod ``2**64``.
See instead: bits (``correlations``).
Source:      eprint 2011/535 (triples); a matrix masked once for many products: ours, after the same paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.dealer.correlation_parts import Recipe, ring_part, totals
from smpc.dealer.requests import ProductKind
from smpc.kernels import matmul

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smpc.dealer.correlation_parts import Material
    from smpc.ring import RingArray


def product_recipe(parameters: tuple[int, ...]) -> Recipe:
    """Return the recipe of a triple: two operands and their product."""
    kind, n_left = ProductKind(parameters[0]), parameters[1]
    left, rest = parameters[2 : 2 + n_left], parameters[2 + n_left :]
    right = rest[1:]
    if len(left) != n_left or len(right) != rest[0]:
        raise ValueError
    maps: dict[ProductKind, Callable[[RingArray, RingArray], RingArray]] = {
        ProductKind.MUL: np.multiply,
        ProductKind.MATMUL: matmul,
        ProductKind.AND: np.bitwise_and,
    }
    is_exclusive = kind is ProductKind.AND
    shape = _matmul_shape(left, right) if kind is ProductKind.MATMUL else np.broadcast_shapes(left, right)
    free = (ring_part(left, is_exclusive=is_exclusive), ring_part(right, is_exclusive=is_exclusive))
    bound = (ring_part(shape, is_exclusive=is_exclusive),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        a, b = totals(free, free_shares)
        return (maps[kind](a, b),)

    return Recipe(free=free, bound=bound, solve=solve)


def _matmul_shape(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    if left[-1] != right[-2]:
        raise ValueError
    return (*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1])


def square_recipe(shape: tuple[int, ...]) -> Recipe:
    """Return the recipe of numbers and their squares."""
    free = (ring_part(shape),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (r,) = totals(free, free_shares)
        return (r * r,)

    return Recipe(free=free, bound=free, solve=solve)


def gram_recipe(shape: tuple[int, ...]) -> Recipe:
    """Return the recipe of matrices and their Gram matrices."""
    free = (ring_part(shape),)
    bound = (ring_part((*shape[:-2], shape[-1], shape[-1])),)
    if len(shape) < 2:  # noqa: PLR2004  a matrix has two axes
        raise ValueError

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (r,) = totals(free, free_shares)
        return (matmul(r.swapaxes(-1, -2), r),)

    return Recipe(free=free, bound=bound, solve=solve)


def fixed_matrix_recipe(parameters: tuple[int, ...]) -> Recipe:
    """Return the recipe of one matrix, right operands of it and of its transpose, and all those products."""
    n_rows, n_columns, width, n_forward, n_backward = parameters
    if not n_forward + n_backward:
        raise ValueError
    free = (
        ring_part((n_rows, n_columns)),
        ring_part((n_forward, n_columns, width)),
        ring_part((n_backward, n_rows, width)),
    )
    bound = (ring_part((n_forward, n_rows, width)), ring_part((n_backward, n_columns, width)))

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        matrix, right, left = totals(free, free_shares)
        return (matmul(matrix, right), matmul(matrix.T, left))

    return Recipe(free=free, bound=bound, solve=solve)
