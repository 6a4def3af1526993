"""Products and sums of several positive numbers on shares, for statistics that open alone.

Layer:       analytics.statistics above smpc's normalized numbers; below hidden ratios.
Guarantees:  terms are positive, so nothing cancels: the relative error is below ``2**-22`` for up to 128 terms of up to eight
             factors. Rounds follow from the numbers of terms and factors alone.
Visible to:  the parties see masked values, all uniform.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smpc.operations.arithmetic import add, add_public, concatenate
from smpc.operations.numeric import normalized
from smpc.operations.numeric.normalized import MANTISSA_BITS, NOTHING, Normalized
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smpc.session import Session


def product_of(session: Session, factors: Sequence[Normalized]) -> Normalized:
    """The products, one by one, with mantissas of full length.

    Visible to: no party.
    Cost: 5 rounds for each factor but the first, and 9.
    """
    found, *others = factors
    for each in others:
        found = normalized.multiply(session, found, each)
    return _whole(session, found)


def two_sums(session: Session, x: Normalized, first: int) -> Normalized:
    """The sum of the first numbers, and that of the others; two by two, so that both take the same rounds.

    Visible to: no party.
    Cost: 8 rounds for each halving of the longer one, and 9.
    """
    others = x.mantissa.size - first
    half = 1 << (max(first, others) - 1).bit_length()
    x = beside(
        _padded(session, x.at(range(first)), half),
        _padded(session, x.at(range(first, first + others)), half),
    )
    while half > 1:
        half //= 2
        upper = [place + start for start in (0, 2 * half) for place in range(half)]
        x = normalized.sum_of(session, x.at(upper), x.at([place + half for place in upper]))
    return _whole(session, x)


def _padded(session: Session, x: Normalized, size: int) -> Normalized:
    """The numbers, and zeros up to a size."""
    nothing = Shared(share=np.zeros(size - x.mantissa.size, dtype=np.int64))
    zeros = Normalized(mantissa=nothing, exponent=add_public(session, nothing, NOTHING), low=x.low)
    return beside(x, zeros)


def beside(one: Normalized, other: Normalized) -> Normalized:
    """Both vectors in one."""
    return Normalized(
        mantissa=concatenate([one.mantissa, other.mantissa]),
        exponent=concatenate([one.exponent, other.exponent]),
        low=min(one.low, other.low),
    )


def _whole(session: Session, x: Normalized) -> Normalized:
    """The same numbers with mantissas of full length."""
    found, _ = normalized.normalize(session, x.mantissa, MANTISSA_BITS + 1)
    return Normalized(mantissa=found.mantissa, exponent=add(found.exponent, x.exponent), low=found.low)
