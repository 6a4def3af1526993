"""One party's share of discrete Laplace noise: the difference of two Pólya variables, exact.

Terms:       ``shares`` parties together draw one discrete Laplace variable of scale b: mass ``tanh(1/(2 b)) exp(-|x| /
             b)``. Each draws the difference of two Pólya variables of shape ``1 / shares`` and ``p = exp(-1/b)``: mass
             ``Gamma(k + 1/shares) / (k! Gamma(1/shares)) (1 - p)**(1/shares) p**k`` at k >= 0.
Guarantees:  exact distribution from integers; no floating point, no seed. Every urn is drawn from equally often, but
             where a value is one of the largest in 160,000.
See instead: which scale pays for what (``calibration``), what it is worth when parties collude (``rdp.shared_laplace``).
Source:      a geometric variable splits into ``shares`` independent Pólya variables: given its value G, one part is
             beta-binomial, which is how many of G draws from an urn are of the first colour when the urn begins with
             ``1/shares`` balls of it among 1 and each ball drawn goes back with another of its colour (Johnson, Kotz,
             Kemp, *Univariate Discrete Distributions*, 5.1 and 6.2). So each coin's probability is rational.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.decimals import as_fraction
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.noise.bernoulli import WORD_BITS, bernoulli, settle, words
from privacy_accounting.noise.laplace import candidates, checked_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from privacy_accounting.noise.source import ByteSource

LARGEST_SCALE: Final = 2**12
FINEST_SCALE: Final = 2**16
LARGEST_SHARES: Final = 2**10
_LARGEST_TOGETHER: Final = 2**20  # beyond, with probability exp(-256), a value is thinned alone
_SCALES: Final = 12
_FEW: Final = 32
_SURPLUS: Final = 32
_BATCH: Final = 1 << 17


def laplace_share(scale: int | Fraction, shares: int, size: int, source: ByteSource) -> NDArray[np.int64]:
    """Draw one party's share of independent discrete Laplace variables.

    Cost: ``8 scale (12 + log(size))`` random bytes a value, 1 to 20 million words of four a second. Time follows from public
    numbers, but for values that are rare.

    Args:
        scale: b of the sum of all shares, above 0, at most ``2**12``, a multiple of ``2**-16``.
        shares: parties whose draws add up to one variable, 1 to ``2**10``.
        size: how many, at least 0.
        source: uniform bytes.

    Returns:
        int64, shape ``(size,)``; fresh at every call.

    Raises:
        InvalidCostError: a parameter is out of range.
    """
    b = checked_scale(scale)
    if type(shares) is not int or not 1 <= shares <= LARGEST_SHARES:
        raise InvalidCostError(what="shares", reason=f"must be an integer from 1 to {LARGEST_SHARES}")
    count = checked_size(size)
    found = [
        polya(b, shares, min(_BATCH, count - start), source)
        - polya(b, shares, min(_BATCH, count - start), source)
        for start in range(0, count, _BATCH)
    ]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def checked_scale(scale: object) -> Fraction:
    """Return a scale that can be drawn.

    Raises:
        InvalidCostError: it is not above 0 and at most ``2**12``, or no multiple of ``2**-16``.
    """
    b = as_fraction(scale, what="scale")
    if not 0 < b <= LARGEST_SCALE or FINEST_SCALE % b.denominator:
        raise InvalidCostError(what="scale", reason="must be above 0, at most 2^12 and a multiple of 2^-16")
    return b


def polya(b: Fraction, shares: int, size: int, source: ByteSource) -> NDArray[np.int64]:
    """Draw Pólya variables of shape ``1 / shares`` and ``p = exp(-1/b)``; parameters as ``laplace_share`` checks them."""
    return _thinned(_geometric(b, size, source), shares, _steps(b, size), source)


def _steps(b: Fraction, size: int) -> int:
    """Draws from every urn, whatever its value: one value of so many exceeds it with probability ``exp(-12)``."""
    return math.ceil(b * (10 * _SCALES + 7 * size.bit_length()) / 10)  # log(2) is below 0.7


def _geometric(b: Fraction, size: int, source: ByteSource) -> NDArray[np.int64]:
    """Draw from ``P(G >= k) = exp(-k / b)``: magnitudes of scale ``numerator``, divided by the denominator."""
    found: list[NDArray[np.int64]] = []
    missing = size
    while missing > 0:
        draws = candidates(b.numerator, 3 * missing + _SURPLUS, source)
        found.append((draws.magnitude // b.denominator)[:missing])
        missing -= len(found[-1])
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def _thinned(whole: NDArray[np.int64], shares: int, steps: int, source: ByteSource) -> NDArray[np.int64]:
    """Keep of each value the part that one of ``shares`` urns gets.

    Args:
        whole: values, at least 0, shape ``(n,)``.
        shares: urns.
        steps: draws from every urn, those of smaller values thrown away: time and bytes do not follow the values.
        source: uniform bytes.
    """
    if shares == 1:
        return whole
    kept = np.zeros(len(whole), dtype=np.int64)
    for place in np.flatnonzero(whole > _LARGEST_TOGETHER):
        kept[place] = _one_thinned(int(whole[place]), shares, source)
    together = whole <= _LARGEST_TOGETHER
    limit = np.where(together, whole, 0)
    if len(whole) <= _FEW:
        part = np.array([_part_of_one(int(value), shares, steps, source) for value in limit], dtype=np.int64)
    else:
        part = np.zeros(len(whole), dtype=np.int64)
        for drawn in range(steps):
            part += _coins(1 + shares * part, shares * (drawn + 1), source) & (limit > drawn)
    active, drawn = np.flatnonzero(limit > steps), steps
    while len(active):
        part[active] += _coins(1 + shares * part[active], shares * (drawn + 1), source)
        drawn += 1
        active = active[limit[active] > drawn]
    return np.where(together, part, kept)


def _part_of_one(limit: int, shares: int, steps: int, source: ByteSource) -> int:
    """The common steps of one urn; Python's integers are faster than arrays of a few."""
    part = 0
    for drawn, word in enumerate(words(steps, source).tolist()):
        numerator, denominator = 1 + shares * part, shares * (drawn + 1)
        low, rest = divmod(numerator << WORD_BITS, denominator)
        hit = word < low
        if word == low and rest:
            hit = settle(word, Fraction(numerator, denominator), source)
        part += hit & (limit > drawn)
    return part


def _coins(numerators: NDArray[np.int64], denominator: int, source: ByteSource) -> NDArray[np.bool_]:
    """Toss coins of probability ``numerator / denominator``, at most 1."""
    drawn = words(len(numerators), source)
    low = (numerators << WORD_BITS) // denominator
    result: NDArray[np.bool_] = drawn < low
    for place in np.flatnonzero(drawn == low):
        result[place] = settle(int(drawn[place]), Fraction(int(numerators[place]), denominator), source)
    return result


def _one_thinned(whole: int, shares: int, source: ByteSource) -> int:
    kept = 0
    for drawn in range(whole):
        kept += bernoulli(Fraction(1 + shares * kept, shares * (drawn + 1)), source)
    return kept
