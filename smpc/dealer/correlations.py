"""What material is made of, how a party expands its share, how the dealer corrects the first party's.

Floor:    smpc.dealer.correlations. Pure: keystreams come in as arguments.
Terms:    a *free* part is uniform: every party draws its share from its own keystream. A *bound* part is a
          function of the free ones: all parties but the first draw, and the first gets the difference from
          the dealer, the correction.
Promise:  material of any n - 1 parties is uniform; the dealer sends corrections to the first party and
          nothing to the others.
Not here: who asks when (``supply``), who answers (``service``).
Source:   eprint 2011/535 (triples); eprint 2020/338 (bits and masks shared in two ways); products of a mask's
          bits within groups of four: ours, the first level of the comparison tree then costs no message.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from smpc.dealer.requests import Correlation, ProductKind, Request
from smpc.errors import PeerRejectedError
from smpc.ring import RING_BITS, RingArray, plane_bits, plane_bytes, reduce_bits
from smpc.sharing import MOST_PARTIES

if TYPE_CHECKING:
    from smpc.randomness import Keystream

GROUP_BITS: Final = 4
_MOST_VARIABLES: Final = 8
Material: TypeAlias = npt.NDArray[Any]  # int64, uint16 or uint8, as its part says
# shares of the free parts, one list per party -> the secrets of the bound parts
Solve = Callable[[Sequence[Sequence[Material]]], Sequence[Material]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One array of a piece of material.

    Attributes:
        dtype: ``<i8``, ``<u2`` or ``u1``.
        shape: its shape.
        is_exclusive: shared by XOR instead of by sum.
    """

    dtype: str
    shape: tuple[int, ...]
    is_exclusive: bool

    @property
    def n_bytes(self) -> int:
        """Length of one share (bytes)."""
        return np.dtype(self.dtype).itemsize * math.prod(self.shape)

    def draw(self, stream: Keystream) -> Material:
        """Take a uniform share from a keystream."""
        return stream.draw_bytes(self.n_bytes).view(self.dtype).reshape(self.shape)

    def read(self, data: bytes | memoryview) -> Material:
        """Give a copy of bytes this part's type and shape."""
        return np.frombuffer(data, dtype=self.dtype).reshape(self.shape).copy()

    def combine(self, shares: Sequence[Material]) -> Material:
        """Put shares together."""
        operation = np.bitwise_xor if self.is_exclusive else np.add
        total: Material = operation.reduce(np.stack(shares), axis=0, dtype=self.dtype)
        return total

    def remove(self, secret: Material, others: Sequence[Material]) -> Material:
        """Return the share that makes ``others`` add up to ``secret``."""
        result: Material = (
            secret ^ self.combine(others) if self.is_exclusive else secret - self.combine(others)
        )
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one piece of material is made."""

    free: tuple[Part, ...]
    bound: tuple[Part, ...]
    solve: Solve

    @property
    def correction_bytes(self) -> int:
        """What the dealer sends to the first party (bytes)."""
        return sum(part.n_bytes for part in self.bound)

    @property
    def share_bytes(self) -> int:
        """What one party holds (bytes)."""
        return sum(part.n_bytes for part in self.free + self.bound)


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
        PeerRejectedError: its parameters make no sense.
    """
    makers: dict[Correlation, Callable[[tuple[int, ...]], Recipe]] = {
        Correlation.PRODUCT: _product,
        Correlation.SQUARE: _square,
        Correlation.MASK: _mask,
        Correlation.BIT_PRODUCTS: _bit_products,
        Correlation.BIT: _ring_bits,
        Correlation.WRAPS: _wraps,
        Correlation.TRUNCATION: _truncation,
        Correlation.GRAM: _gram,
        Correlation.SHUFFLE: _shuffle,
    }
    try:
        return makers[request.kind](request.parameters)
    except (ValueError, IndexError) as error:
        raise PeerRejectedError(reason="request parameters make no sense") from error


def _ring_part(shape: tuple[int, ...], *, is_exclusive: bool = False) -> Part:
    return Part(dtype="<i8", shape=shape, is_exclusive=is_exclusive)


def _product(parameters: tuple[int, ...]) -> Recipe:
    kind, n_left = ProductKind(parameters[0]), parameters[1]
    left, rest = parameters[2 : 2 + n_left], parameters[2 + n_left :]
    right = rest[1:]
    if len(left) != n_left or len(right) != rest[0]:
        raise ValueError
    maps: dict[ProductKind, Callable[[RingArray, RingArray], RingArray]] = {
        ProductKind.MUL: np.multiply,
        ProductKind.MATMUL: np.matmul,
        ProductKind.AND: np.bitwise_and,
    }
    is_exclusive = kind is ProductKind.AND
    shape = _matmul_shape(left, right) if kind is ProductKind.MATMUL else np.broadcast_shapes(left, right)
    free = (_ring_part(left, is_exclusive=is_exclusive), _ring_part(right, is_exclusive=is_exclusive))
    bound = (_ring_part(shape, is_exclusive=is_exclusive),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        a, b = _totals(free, free_shares)
        return (maps[kind](a, b),)

    return Recipe(free=free, bound=bound, solve=solve)


def _matmul_shape(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    if left[-1] != right[-2]:
        raise ValueError
    return (*np.broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1])


def _totals(parts: Sequence[Part], free_shares: Sequence[Sequence[Material]]) -> list[Material]:
    """Put the free parts' shares together."""
    return [part.combine([shares[i] for shares in free_shares]) for i, part in enumerate(parts)]


def _square(shape: tuple[int, ...]) -> Recipe:
    free = (_ring_part(shape),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (r,) = _totals(free, free_shares)
        return (r * r,)

    return Recipe(free=free, bound=free, solve=solve)


def _mask(parameters: tuple[int, ...]) -> Recipe:
    count, bits = parameters
    if not 1 <= bits <= RING_BITS:
        raise ValueError
    n_groups = -(-bits // GROUP_BITS)
    free = (_ring_part((count,)),)
    bound = (Part(dtype="<u2", shape=(n_groups, count), is_exclusive=True),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (total,) = _totals(free, free_shares)
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
    free = (_ring_part((count,)),)
    low = Part(dtype="<u2", shape=(-(-shift // GROUP_BITS), count), is_exclusive=True)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (total,) = _totals(free, free_shares)
        r = total.astype(np.int64, copy=False)
        words = reduce_bits(r, bits).view(np.uint64)
        high = (words >> np.uint64(shift)).view(np.int64)
        highest = (words >> np.uint64(bits - 1)).view(np.int64)
        return (high, highest, _group_products(r, shift))

    return Recipe(free=free, bound=(*free, *free, low), solve=solve)


def _gram(shape: tuple[int, ...]) -> Recipe:
    free = (_ring_part(shape),)
    bound = (_ring_part((*shape[:-2], shape[-1], shape[-1])),)
    if len(shape) < 2:  # noqa: PLR2004  a matrix has two axes
        raise ValueError

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (r,) = _totals(free, free_shares)
        return (r.swapaxes(-1, -2) @ r,)

    return Recipe(free=free, bound=bound, solve=solve)


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
        (planes,) = _totals(free, free_shares)
        secrets = np.empty((len(products), n_bytes), dtype=np.uint8)
        for i, subset in enumerate(products):
            secrets[i] = np.bitwise_and.reduce(planes[[v for v in range(n_free) if subset >> v & 1]], axis=0)
        return (secrets,)

    return Recipe(free=free, bound=bound, solve=solve)


def _ring_bits(parameters: tuple[int, ...]) -> Recipe:
    (count,) = parameters
    free = (Part(dtype="u1", shape=(plane_bytes(count),), is_exclusive=True),)
    bound = (_ring_part((count,)),)

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        (plane,) = _totals(free, free_shares)
        return (plane_bits(plane.astype(np.uint8, copy=False), count).astype(np.int64),)

    return Recipe(free=free, bound=bound, solve=solve)


def _wraps(shape: tuple[int, ...]) -> Recipe:
    part = _ring_part(shape)

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
    free = (_ring_part(shape[:1]), _ring_part(shape))

    def solve(free_shares: Sequence[Sequence[Material]]) -> Sequence[Material]:
        if rank >= len(free_shares):
            raise PeerRejectedError(reason="request parameters make no sense")
        _, rows = _totals(free, free_shares)
        return (rows[permutation_of(free_shares[rank][0])],)

    return Recipe(free=free, bound=free[1:], solve=solve)
