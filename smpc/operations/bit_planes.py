"""Bits shared by XOR, eight elements a byte: products of several bits in one round, and conversion to the ring.

Layer:       smpc.operations.bit_planes.
Terms:       a plane holds one bit of each element (``ring.pack_plane``); a factor is a plane, numbered by its row.
Shapes:      ``(n_factors, n_bytes)`` uint8.
Guarantees:  a product of up to eight factors costs one round and one sent bit per factor, however many products they
             enter.
Visible to:  the parties see each bit XOR a uniform one.
Source:      eprint 2018/403 section 3 (products of many inputs opened at once); eprint 2020/338 (bits shared in two
             ways).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.dealer.correlations import proper_products
from smpc.dealer.requests import bit_products, ring_bits
from smpc.operations.open_masked import open_planes
from smpc.ring import ByteArray, RingArray, pack_plane, plane_bits
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.session import Session

FULL_ARITY: Final = 4
ROOT_ARITY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Product:
    """Products wanted of some factors.

    Attributes:
        targets: each a set of factors as a bit mask.
        factors: this party's XOR summands, shape ``(n_factors, n_bytes)``; the last one is in some target.
    """

    targets: tuple[int, ...]
    factors: ByteArray = field(repr=False)


def multiply_planes(session: Session, products: Sequence[Product]) -> list[ByteArray]:
    """Multiply bits, everything in one round.

    Visible to: every party the factors XOR uniform bits.
    Cost: 1 round; as many bytes a peer as all factors have; one ``BIT_PRODUCTS`` per product.

    Returns:
        Per product, XOR summands of its targets, shape ``(n_targets, n_bytes)``.
    """
    material = [
        session.supply.take(bit_products(product.targets, product.factors.shape[1])) for product in products
    ]
    opened = open_planes(
        session, [(product.factors, free) for product, (free, _) in zip(products, material, strict=True)]
    )
    return [
        _combine(product.targets, public, free, bound, is_first=session.is_first)
        for product, public, (free, bound) in zip(products, opened, material, strict=True)
    ]


def _combine(
    targets: Sequence[int], public: ByteArray, free: ByteArray, bound: ByteArray, *, is_first: bool
) -> ByteArray:
    """Expand ``prod (e_v ^ a_v)`` over each target, ``e`` public and every product of the ``a`` shared."""
    places = {subset: i for i, subset in enumerate(proper_products(targets))}
    one = np.full(public.shape[1], 255 if is_first else 0, dtype=np.uint8)
    result = np.empty((len(targets), public.shape[1]), dtype=np.uint8)
    for row, target in enumerate(targets):
        variables = [v for v in range(public.shape[0]) if target >> v & 1]
        terms = [_mask_product(subset, one, free, bound, places) for subset in _subsets(variables)]
        # variable i is the i-th binary digit of a subset's place, so the last one splits the list in halves
        for variable in reversed(variables):
            half = len(terms) // 2
            terms = [(public[variable] & terms[i]) ^ terms[half + i] for i in range(half)]
        result[row] = terms[0]
    return result


def _subsets(variables: Sequence[int]) -> list[int]:
    return [
        sum(1 << variable for i, variable in enumerate(variables) if place >> i & 1)
        for place in range(1 << len(variables))
    ]


def _mask_product(
    subset: int, one: ByteArray, free: ByteArray, bound: ByteArray, places: dict[int, int]
) -> ByteArray:
    if subset == 0:
        return one
    if subset & (subset - 1) == 0:
        row: ByteArray = free[subset.bit_length() - 1]
        return row
    row = bound[places[subset]]
    return row  # noqa: RET504  numpy's indexing is untyped


def chunks(n: int) -> list[range]:
    """Cut ``n`` neighbors into even groups for one level of a tree: one of up to five, else of up to four."""
    n_groups = 1 if n <= ROOT_ARITY else -(-n // FULL_ARITY)
    bounds = [n * i // n_groups for i in range(n_groups + 1)]
    return [range(bounds[i], bounds[i + 1]) for i in range(n_groups)]


def all_planes(session: Session, planes: ByteArray) -> ByteArray:
    """Return the AND of all rows.

    Visible to: every party bits XOR uniform ones.
    Cost: no round for one row, 1 for up to five, 2 for up to twenty; a bit per factor.
    """
    while len(planes) > 1:
        groups = chunks(len(planes))
        parts: list[Product] = []
        for arity in sorted({len(group) for group in groups}):
            alike = [planes[group.start : group.stop] for group in groups if len(group) == arity]
            factors = np.stack(alike, axis=1).reshape(arity, -1)
            parts.append(Product(targets=((1 << arity) - 1,), factors=factors))
        width = planes.shape[1]
        planes = np.concatenate([result.reshape(-1, width) for result in multiply_planes(session, parts)])
    result: ByteArray = planes[0]
    return result


def to_ring(session: Session, plane: ByteArray, count: int) -> Shared:
    """Turn a plane of XOR-shared bits into shares of 0 and 1 in the ring.

    Visible to: every party the bits XOR uniform ones.
    Cost: 1 round; ``plane_bytes(count)`` bytes a peer; one ``BIT`` of ``count``.

    Returns:
        Shares of shape ``(count,)``.
    """
    exclusive, additive = session.supply.take(ring_bits(count))
    (public,) = open_planes(session, [(plane, exclusive)])
    flips = plane_bits(public, count).astype(np.int64)
    share: RingArray = additive * (1 - 2 * flips)
    return Shared(share=share + flips if session.is_first else share)


def from_ring(bits: Shared) -> ByteArray:
    """Turn shares of 0 and 1 in the ring into XOR summands of the same bits, without a message.

    The lowest bit of a sum is the XOR of the summands' lowest bits.
    """
    return pack_plane((bits.share.reshape(-1) & 1).astype(np.uint8))
