"""Exact Bernoulli draws: probability p may be irrational, computed from uniform bytes and integers alone.

Terms:       a uniform U in [0, 1) is known by its leading bits; p is known by integer bounds ``low <= p 2**32 <=
             high``. Nearly always these decide whether U < p; when they do not, p is taken as an exact fraction and U
             gets more bits, as many as needed. So the bounds cost speed, never exactness.
Guarantees:  no floating point; each coin's probability is exact.
See instead: distributions (``laplace``, ``gaussian``).
Source:      Canonne, Kamath, Steinke 2004.00010, Algorithm 1 (coins of probability exp(-f)).
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from privacy_accounting.noise.source import ByteSource

WORD_BITS: Final = 32
_DRAW_BITS: Final = 62
_MORE_BITS: Final = 64


def words(count: int, source: ByteSource) -> NDArray[np.int64]:
    """Draw uniform 32-bit words, shape ``(count,)``, 0 .. 2**32 - 1."""
    return np.frombuffer(source.bytes(4 * count), dtype="<u4").astype(np.int64)


def _more(bits: int, source: ByteSource) -> int:
    return int.from_bytes(source.bytes(bits // 8), "little")


def bernoulli(probability: Fraction, source: ByteSource) -> bool:
    """Toss one coin of rational probability, 64 bits at a time until U and p differ."""
    numerator, denominator = probability.numerator, probability.denominator
    while True:
        threshold, numerator = divmod(numerator << _MORE_BITS, denominator)
        drawn = _more(_MORE_BITS, source)
        if drawn != threshold:
            return drawn < threshold
        if numerator == 0:
            return False


def bernoulli_exp(exponent: Fraction, source: ByteSource) -> bool:
    """Toss one coin of probability ``exp(-exponent)``, exponent >= 0 (Algorithm 1)."""
    whole, rest = divmod(exponent, 1)
    if any(not _bernoulli_exp_unit(Fraction(1), source) for _ in range(whole)):
        return False
    return _bernoulli_exp_unit(rest, source)


def _bernoulli_exp_unit(exponent: Fraction, source: ByteSource) -> bool:
    k = 1
    while bernoulli(exponent / k, source):
        k += 1
    return k % 2 == 1


def bernoulli_exps(
    low: NDArray[np.int64], high: NDArray[np.int64], exact: Callable[[int], Fraction], source: ByteSource
) -> NDArray[np.bool_]:
    """Toss coins of probability ``exp(-f)``, 0 <= f <= 1 (Algorithm 1, all coins abreast).

    Args:
        low: at most ``f 2**32``, shape ``(n,)``.
        high: at least ``f 2**32``, shape ``(n,)``.
        exact: the exact f of a position.
        source: uniform bytes.

    Returns:
        Shape ``(n,)``.
    """
    result = np.empty(len(low), dtype=np.bool_)
    active, k = np.arange(len(low)), 1
    while len(active):
        drawn = words(len(active), source)
        # U lies in [drawn, drawn + 1) / 2**32; the question is whether U k < f
        goes_on = (drawn + 1) * k <= low
        for place in np.flatnonzero(~goes_on & (drawn * k < high)):
            probability = exact(int(active[place])) / k
            goes_on[place] = settle(int(drawn[place]), probability, source)
        result[active[~goes_on]] = k % 2 == 1
        active, low, high, k = active[goes_on], low[goes_on], high[goes_on], k + 1
    return result


def settle(drawn: int, probability: Fraction, source: ByteSource) -> bool:
    """Say whether U < p, given the first 32 bits of U."""
    rest = probability * 2**WORD_BITS - drawn
    return rest >= 1 or (rest > 0 and bernoulli(rest, source))


def geometrics(count: int, source: ByteSource) -> NDArray[np.int64]:
    """Draw how often a coin of probability 1/e says yes before it says no, shape ``(count,)``.

    Inverts ``P(V >= v) = exp(-v)``: one 62-bit uniform is compared with integer parts of ``exp(-v) 2**62``;
    one that equals such a part gets more bits.
    """
    drawn = np.frombuffer(source.bytes(8 * count), dtype="<u8") >> np.uint64(64 - _DRAW_BITS)
    drawn = drawn.astype(np.int64)
    rising = _rising_parts()
    # U < exp(-v) for sure where drawn < part(v), not where drawn > part(v)
    found = len(rising) - np.searchsorted(rising, drawn, side="right")
    for place in np.flatnonzero(rising[np.minimum(len(rising) - 1 - found, len(rising) - 1)] == drawn):
        found[place] = _settle_geometric(int(drawn[place]), source)
    return found.astype(np.int64)


def _settle_geometric(drawn: int, source: ByteSource) -> int:
    bits = _DRAW_BITS
    while True:
        drawn, bits = (drawn << _MORE_BITS) | _more(_MORE_BITS, source), bits + _MORE_BITS
        v = 1
        while drawn < integer_part(v, bits):
            v += 1
        if drawn > integer_part(v, bits):
            return v - 1


@lru_cache(maxsize=1)
def _rising_parts() -> NDArray[np.int64]:
    parts: list[int] = []
    while not parts or parts[-1] > 0:
        parts.append(integer_part(len(parts) + 1, _DRAW_BITS))
    table = np.array(parts[::-1], dtype=np.int64)
    table.setflags(write=False)
    return table


def integer_part(v: int, bits: int) -> int:
    """Compute the integer part of ``exp(-v) 2**bits`` for v >= 1.

    Partial sums of ``1/e = 1 - 1 + 1/2! - 1/3! + ...`` lie above and below in turn; terms are added until
    both sides have the same integer part.
    """
    terms = 60
    while True:
        below, above = _inverse_e(terms + 1), _inverse_e(terms)
        low: int = (below.numerator**v << bits) // below.denominator**v
        high = (above.numerator**v << bits) // above.denominator**v
        if low == high:
            return low
        terms += 60


def _inverse_e(terms: int) -> Fraction:
    """Sum ``(-1)**k / k!`` for k = 0 .. terms: above 1/e for even ``terms``, below for odd."""
    numerator, factorial = 1, 1
    for k in range(1, terms + 1):
        numerator, factorial = numerator * k + (-1) ** k, factorial * k
    return Fraction(numerator, factorial)
