"""Kinds of correlated randomness: how a party expands its share, and how the dealer corrects the first party's.

Layer:       smpc.dealer.correlations. Above ``correlation_parts`` and ``matrices``. Pure: keystreams come in as
             arguments.
Guarantees:  material of any n - 1 parties is uniform; the dealer sends corrections to the first party and nothing to
             the others.
See instead: who asks when (``supply``), who answers (``service``).
Source:      eprint 2011/535 (triples); eprint 2020/338 (bits and masks shared in two ways); products of a mask's bits
             within groups of four: ours, the first level of the comparison tree then costs no message.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from smpc.dealer.correlation_parts import Material, Part, Recipe, ring_part, totals
from smpc.dealer.product_triples import fixed_matrix_recipe, gram_recipe, product_recipe, square_recipe
from smpc.dealer.requests import Correlation, Request
from smpc.errors import PeerRejectedError
from smpc.ring import RING_BITS, RingArray, plane_bits, plane_bytes, reduce_bits
from smpc.sharing import MOST_PARTIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smpc.randomness import Keystream

GROUP_BITS: Final = 4
_MOST_VARIABLES: Final = 8


def expand(
    request: Request, stream: Keystream, correction: bytes | memoryview | None
) -> tuple[Material, ...]:
    """Make one party's share of a piece of material: free parts, then bound parts.

    Args:
        request: which material.
        stream: the party's keystream, shared with the dealer.
        correction: the dealer's correction for the first party; None for the others.
    """
    recipe = recipe_of(request)
    free = [part.draw(stream) for part in recipe.free]
    if correction is None:
        return (*free, *(part.draw(stream) for part in recipe.bound))
    bound, position = [], 0
    for part in recipe.bound:
        bound.append(part.read(correction[position : position + part.n_bytes]))
        position += part.n_bytes
    return (*free, *bound)


def deal(request: Request, streams: Sequence[Keystream]) -> bytes:
    """Make the first party's correction. Run by the dealer, with every party's keystream in rank order."""
    recipe = recipe_of(request)
    # each party's own stream is consumed in the order of ``expand``
    free_shares = [[part.draw(stream) for part in recipe.free] for stream in streams]
    bound_shares = [[part.draw(stream) for part in recipe.bound] for stream in streams[1:]]
    with np.errstate(over="ignore"):  # arrays without axes warn where others wrap
        secrets = recipe.solve(free_shares)
        corrections = [
            part.remove(secret, [shares[i] for shares in bound_shares])
            for i, (part, secret) in enumerate(zip(recipe.bound, secrets, strict=True))
        ]
    return b"".join(correction.tobytes() for correction in corrections)


@functools.lru_cache(maxsize=256)
def recipe_of(request: Request) -> Recipe:
    """Return the recipe of a request.

    Raises:
        PeerRejectedError: its parameters are invalid.
    """
    makers: dict[Correlation, Callable[[tuple[int, ...]], Recipe]] = {
        Correlation.PRODUCT: product_recipe,
        Correlation.SQUARE: square_recipe,
        Correlation.MASK: _mask,
        Correlation.BIT_PRODUCTS: _bit_products,
        Correlation.BIT: _ring_bits,
        Correlation.WRAPS: _wraps,
        Correlation.TRUNCATION: _truncation,
        Correlation.GRAM: gram_recipe,
        Correlation.SHUFFLE: _shuffle,
        Correlation.FIXED_MATRIX: fixed_matrix_recipe,
        Correlation.THRESHOLD_BITS: _threshold_bits,
        Correlation.WORD_TRUNCATION: _word_truncation,
    }
    try:
        return makers[request.kind](request.parameters)
    except (ValueError, IndexError) as error:
        raise PeerRejectedError(reason="request parameters are invalid") from error


def _mask(parameters: tuple[int, ...]) -> Recipe:
    count, bits = parameters
    if not 1 <= bits <= RING_BITS:
        raise ValueError
    n_groups = -(-bits // GROUP_BITS)
    free = (ring_part((count,)),)
    bound = (Part(dtype="<u2", shape=(n_groups, count), is_exclusive=True),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (total,) = totals(free, free_shares)
        return (_group_products(total.astype(np.int64, copy=False), bits),)

    return Recipe(free=free, bound=bound, solve=solve)


def _group_products(values: RingArray, bits: int) -> npt.NDArray[np.uint16]:
    """Return the products of the lowest ``bits`` bits within groups of four, lowest group first."""
    words = reduce_bits(values, bits).view(np.uint64)
    products = np.empty((-(-bits // GROUP_BITS), values.size), dtype=np.uint16)
    for group in range(len(products)):
        products[group] = subset_table()[(words >> np.uint64(GROUP_BITS * group)) & np.uint64(15)]
    return products


def _truncation(parameters: tuple[int, ...]) -> Recipe:
    count, bits, shift = parameters
    if not 1 <= shift < bits <= RING_BITS:
        raise ValueError
    free = (ring_part((count,)),)
    low = Part(dtype="<u2", shape=(-(-shift // GROUP_BITS), count), is_exclusive=True)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (total,) = totals(free, free_shares)
        r = total.astype(np.int64, copy=False)
        words = reduce_bits(r, bits).view(np.uint64)
        high = (words >> np.uint64(shift)).view(np.int64)
        highest = (words >> np.uint64(bits - 1)).view(np.int64)
        return (high, highest, _group_products(r, shift))

    return Recipe(free=free, bound=(*free, *free, low), solve=solve)


def _word_truncation(parameters: tuple[int, ...]) -> Recipe:
    count, shift = parameters
    if not 1 <= shift < RING_BITS:
        raise ValueError
    whole = _mask((count, RING_BITS))

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (r,) = totals(whole.free, free_shares)
        high = (r.view(np.uint64) >> np.uint64(shift)).view(np.int64)
        return (high, *whole.solve(free_shares))

    return Recipe(free=whole.free, bound=(*whole.free, *whole.bound), solve=solve)


@functools.cache
def subset_table() -> npt.NDArray[np.uint16]:
    """For each four bits, a word whose bit S says whether the set S is all 1 in them; shape ``(16,)``."""
    words = [sum(1 << subset for subset in range(16) if subset & value == subset) for value in range(16)]
    table = np.array(words, dtype=np.uint16)
    table.flags.writeable = False
    return table


def proper_products(targets: Sequence[int]) -> tuple[int, ...]:
    """Return the sets of two or more variables that lie within a target, smallest number first."""
    subsets = {
        subset
        for target in targets
        for subset in range(1, target + 1)
        if subset & target == subset and subset & (subset - 1)
    }
    return tuple(sorted(subsets))


def n_variables(targets: Sequence[int]) -> int:
    """Return how many variables the targets speak of."""
    return max(targets).bit_length()


def _bit_products(parameters: tuple[int, ...]) -> Recipe:
    n_bytes, targets = parameters[0], parameters[1:]
    if not targets or min(targets) < 1 or n_variables(targets) > _MOST_VARIABLES:
        raise ValueError
    n_free, products = n_variables(targets), proper_products(targets)
    free = (Part(dtype="u1", shape=(n_free, n_bytes), is_exclusive=True),)
    bound = (Part(dtype="u1", shape=(len(products), n_bytes), is_exclusive=True),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (planes,) = totals(free, free_shares)
        secrets = np.empty((len(products), n_bytes), dtype=np.uint8)
        for i, subset in enumerate(products):
            secrets[i] = np.bitwise_and.reduce(planes[[v for v in range(n_free) if subset >> v & 1]], axis=0)
        return (secrets,)

    return Recipe(free=free, bound=bound, solve=solve)


def _ring_bits(parameters: tuple[int, ...]) -> Recipe:
    (count,) = parameters
    free = (Part(dtype="u1", shape=(plane_bytes(count),), is_exclusive=True),)
    bound = (ring_part((count,)),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (plane,) = totals(free, free_shares)
        return (plane_bits(plane.astype(np.uint8, copy=False), count).astype(np.int64),)

    return Recipe(free=free, bound=bound, solve=solve)


def _threshold_bits(parameters: tuple[int, ...]) -> Recipe:
    count, bits, n_thresholds = parameters
    mask = _mask((count, bits))
    plane = Part(dtype="u1", shape=(plane_bytes(n_thresholds * count),), is_exclusive=True)
    free = (*mask.free, plane)
    each = ring_part((n_thresholds, count))

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        r, planes = totals(free, free_shares)
        ones = plane_bits(planes, n_thresholds * count).astype(np.int64).reshape(n_thresholds, count)
        return (*mask.solve([shares[:1] for shares in free_shares]), ones, ones * r)

    return Recipe(free=free, bound=(*mask.bound, each, each), solve=solve)


def _wraps(shape: tuple[int, ...]) -> Recipe:
    part = ring_part(shape)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        total = np.zeros(shape, dtype=np.int64)
        running = free_shares[0][0]
        for shares in free_shares[1:]:
            following = running + shares[0]
            total += (running > 0) & (shares[0] > 0) & (following < 0)
            total -= (running < 0) & (shares[0] < 0) & (following > 0)
            running = following
        return (total,)

    return Recipe(free=(part,), bound=(part,), solve=solve)


def permutation_of(words: RingArray) -> npt.NDArray[np.intp]:
    """Return the order of uniform words; equal ones, which hardly come, stay in place."""
    return np.argsort(words, kind="stable")


def _shuffle(parameters: tuple[int, ...]) -> Recipe:
    rank, shape = parameters[0], parameters[1:]
    if not shape or rank >= MOST_PARTIES:
        raise ValueError
    free = (ring_part(shape[:1]), ring_part(shape))

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        if rank >= len(free_shares):
            raise PeerRejectedError(reason="request parameters are invalid")
        _, rows = totals(free, free_shares)
        return (rows[permutation_of(free_shares[rank][0])],)

    return Recipe(free=free, bound=free[1:], solve=solve)
