"""Extent of an expression, known without any row: bounds, width, depth and size.

Layer:       analytics.sql beside text, below expressions; pure arithmetic.
Terms:       the *width* of an expression is the largest absolute value of it or of any part, conditions included; its
             *depth* how many parts lie inside one another; its *size* how many parts it has.
Guarantees:  an expression beyond one of the three limits is refused when it is made, so before any charge: no machine
             integer needs more than 100 bits, and neither a later walk over the expression nor the local database's
             parser can run out of depth.
Source:      ours; interval arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Span = tuple[int, int]
TRUTH: Final[Span] = (0, 1)
MAX_BITS: Final = 100
MAX_DEPTH: Final = 200  # a third of what DuckDB's parser allows, and of Python's stack
MAX_SIZE: Final = 20_000  # a comparison with the longest domain fits


class ExpressionLimitError(Exception):
    """An expression is beyond a limit; the binder adds the place."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class TooWideError(ExpressionLimitError):
    """An integer on the way could need more than 100 bits."""

    def __init__(self) -> None:
        super().__init__(f"this needs integers of more than {MAX_BITS} bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """What planning knows of one expression.

    Attributes:
        lower: its smallest value.
        upper: its largest value.
        widest: largest absolute value of it or of any part.
        depth: parts inside one another.
        size: parts.
        computes: whether any part adds or multiplies; all else cannot leave its bounds on any engine.
    """

    lower: int
    upper: int
    widest: int
    depth: int
    size: int
    computes: bool


def extent_of(span: Span, parts: Sequence[Extent], *, computes: bool) -> Extent:
    """The extent of an expression made of parts.

    Args:
        span: its own bounds.
        parts: the extents of its parts.
        computes: whether it adds or multiplies itself.

    Returns:
        The extent.

    Raises:
        ExpressionLimitError: beyond a limit.
    """
    found = Extent(
        lower=span[0],
        upper=span[1],
        widest=max(abs(span[0]), abs(span[1]), *(part.widest for part in parts)),
        depth=1 + max((part.depth for part in parts), default=0),
        size=1 + sum(part.size for part in parts),
        computes=computes or any(part.computes for part in parts),
    )
    if found.widest >= 2**MAX_BITS:
        raise TooWideError
    if found.depth > MAX_DEPTH:
        raise ExpressionLimitError(f"this is computed in more than {MAX_DEPTH} steps inside one another")
    if found.size > MAX_SIZE:
        raise ExpressionLimitError(f"this has more than {MAX_SIZE} parts once its domains are looked up")
    return found


def sum_of(left: Extent, right: Extent) -> Span:
    """Bounds of a sum."""
    return left.lower + right.lower, left.upper + right.upper


def product_of(left: Extent, right: Extent) -> Span:
    """Bounds of a product."""
    corners = [a * b for a in (left.lower, left.upper) for b in (right.lower, right.upper)]
    return min(corners), max(corners)


def list_of(codes: Sequence[int]) -> Extent:
    """The extent of a list of constants."""
    largest = max(map(abs, codes), default=0)
    return Extent(lower=0, upper=0, widest=largest, depth=0, size=len(codes), computes=False)


def hull(choices: Iterable[Extent]) -> Span:
    """Bounds of one of several values; there is at least one."""
    listed = list(choices)
    return min(choice.lower for choice in listed), max(choice.upper for choice in listed)
