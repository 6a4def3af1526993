"""The parties' request list to the dealer: correlations by kind and size, in one byte form.

Layer:       smpc.dealer.requests. Pure.
Terms:       a correlation is random material whose parts obey a public relation, such as ``c = a * b``.
Guarantees:  ``decode_requests(encode_requests(x)) == x``; other bytes raise ``PeerRejectedError``; a list says
             nothing about data.
See instead: what the material is (``correlations``).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LARGEST: Final = (1 << 32) - 1
_MOST_PARAMETERS: Final = 64
_HEAD: Final = struct.Struct("<BB")


class Correlation(IntEnum):
    """Kinds of material. Numbers are part of the wire format and only grow."""

    PRODUCT = 1
    SQUARE = 2
    MASK = 3
    BIT_PRODUCTS = 4
    BIT = 5
    WRAPS = 6
    TRUNCATION = 7
    GRAM = 8
    SHUFFLE = 9
    FIXED_MATRIX = 10
    THRESHOLD_BITS = 11
    WORD_TRUNCATION = 12


class ProductKind(IntEnum):
    """Bilinear maps that a product triple can be for."""

    MUL = 1
    MATMUL = 2
    AND = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One piece of material.

    Attributes:
        kind: which correlation.
        parameters: sizes and structure, each in ``[0, 2**32)``, at most 64 of them.
    """

    kind: Correlation
    parameters: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse values that the wire format cannot hold."""
        if len(self.parameters) > _MOST_PARAMETERS or not all(0 <= p <= _LARGEST for p in self.parameters):
            raise PeerRejectedError(reason="request parameter out of range")


def product(kind: ProductKind, left: Sequence[int], right: Sequence[int]) -> Request:
    """Ask for ``a``, ``b`` uniform of the two shapes and ``c = kind(a, b)``."""
    return Request(
        kind=Correlation.PRODUCT,
        parameters=(int(kind), len(left), *map(int, left), len(right), *map(int, right)),
    )


def square(shape: Sequence[int]) -> Request:
    """Ask for ``r`` uniform and ``r * r``."""
    return Request(kind=Correlation.SQUARE, parameters=tuple(map(int, shape)))


def mask(count: int, bits: int) -> Request:
    """Ask for a uniform summand ``r`` and, XOR-shared, the products of its bits within groups of four."""
    return Request(kind=Correlation.MASK, parameters=(count, bits))


def bit_products(targets: Sequence[int], n_bytes: int) -> Request:
    """Ask for uniform planes of bits and the products of them that multiplying each target's variables takes.

    Args:
        targets: sets of variables as bit masks.
        n_bytes: length of each plane (bytes).
    """
    return Request(kind=Correlation.BIT_PRODUCTS, parameters=(n_bytes, *targets))


def ring_bits(count: int) -> Request:
    """Ask for uniform bits, shared by XOR and additively."""
    return Request(kind=Correlation.BIT, parameters=(count,))


def wraps(shape: Sequence[int]) -> Request:
    """Ask for ``r`` uniform and the number of times that its shares' running sum leaves the signed range."""
    return Request(kind=Correlation.WRAPS, parameters=tuple(map(int, shape)))


def truncation(count: int, bits: int, shift: int) -> Request:
    """Ask for a uniform summand ``r``; of its lowest ``bits`` bits the part above ``shift`` and the highest bit.

    Both are shared by sum; of the ``shift`` lowest bits come, XOR-shared, the products within groups of four.
    """
    return Request(kind=Correlation.TRUNCATION, parameters=(count, bits, shift))


def word_truncation(count: int, shift: int) -> Request:
    """Ask for a uniform summand ``r`` and of the whole word the part above ``shift``, shared by sum.

    Of all 64 bits come, XOR-shared, the products within groups of four.
    """
    return Request(kind=Correlation.WORD_TRUNCATION, parameters=(count, shift))


def gram(shape: Sequence[int]) -> Request:
    """Ask for matrices ``r`` uniform, of shape ``(*S, n, d)``, and their transposes times themselves."""
    return Request(kind=Correlation.GRAM, parameters=tuple(map(int, shape)))


def shuffle(rank: int, shape: Sequence[int]) -> Request:
    """Ask for words of ``rank`` alone whose order is a permutation, rows ``r``, and ``r`` in that order."""
    return Request(kind=Correlation.SHUFFLE, parameters=(rank, *map(int, shape)))


def fixed_matrix(shape: Sequence[int], width: int, n_forward: int, n_backward: int) -> Request:
    """Ask for a uniform matrix ``a`` of ``shape``, operands, and its products with them, all from one ``a``.

    Args:
        shape: rows and columns of ``a``.
        width: columns of each operand.
        n_forward: how many ``a @ b`` with ``b`` uniform.
        n_backward: how many ``a.T @ c`` with ``c`` uniform.
    """
    n_rows, n_columns = shape
    parameters = (int(n_rows), int(n_columns), width, n_forward, n_backward)
    return Request(kind=Correlation.FIXED_MATRIX, parameters=parameters)


def threshold_bits(count: int, bits: int, n_thresholds: int) -> Request:
    """Ask for a ``mask`` of ``count`` numbers and, for each of ``n_thresholds``, uniform bits ``s`` and ``s * r``.

    The bits are shared by XOR, and by sum; their products with the mask by sum.
    """
    return Request(kind=Correlation.THRESHOLD_BITS, parameters=(count, bits, n_thresholds))


def encode_requests(requests: Iterable[Request]) -> bytes:
    """Write a list: of each request kind and number of parameters (a byte each), parameters (4 each)."""
    return b"".join(
        _HEAD.pack(request.kind, len(request.parameters))
        + struct.pack(f"<{len(request.parameters)}I", *request.parameters)
        for request in requests
    )


def decode_requests(data: bytes) -> tuple[Request, ...]:
    """Read a list strictly.

    Raises:
        PeerRejectedError: not bytes that ``encode_requests`` writes.
    """
    requests = []
    position = 0
    while position < len(data):
        if position + _HEAD.size > len(data):
            raise PeerRejectedError(reason="request list cut short")
        kind, count = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        if kind not in set(Correlation) or position + 4 * count > len(data):
            raise PeerRejectedError(reason="malformed request")
        parameters = struct.unpack_from(f"<{count}I", data, position)
        requests.append(Request(kind=Correlation(kind), parameters=parameters))
        position += 4 * count
    return tuple(requests)
