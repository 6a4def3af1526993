"""The statistic of Mann and Whitney on shares, from a table of two groups and bins that no party sees.

Layer:       analytics.statistics above revealed and hidden_ratios.
Terms:       of a and b people of the two groups in a bin, t together, and of n and m people, N together: D adds up
             ``a (2 b' - b) - n m``, with b' the second group's people up to this bin; it is twice U's distance from its mean. The
             statistic is z, ``D`` nearer to 0 by the correction for continuity, over the deviation of ``2 U``, whose square is
             ``n m (N**3 - sum of t**3) / (3 N (N - 1))``.
Guarantees:  before rounding the square of z is within ``2**-25``, relative, whatever the cells: both sides are integers.
             Rounds and bytes follow from the number of bins alone. Where all people lie in one bin the denominator is 0.
Visible to:  the parties see masked values and masked bits, all uniform.
Source:      Mann, Whitney 1947; ties: Kruskal, Wallis 1952.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.statistics.hidden.revealed import HiddenRatio
from smpc.operations.arithmetic import (
    add_public,
    concatenate,
    multiply,
    multiply_public,
    reshape,
    square,
    subtract,
    take,
    total,
)
from smpc.operations.numeric import normalized
from smpc.operations.numeric.normalized import normalize
from smpc.operations.selection import keep_at_least
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session

TOWARDS: Final = {"greater": -1, "less": 1}  # the correction of D where one side is tested


def z_bits(bits: int) -> int:
    """Length of the largest integer of ``z_ratio``.

    Args:
        bits: all people together are fewer than ``2**bits``.
    """
    return max(3 * bits, 2 * bits + 3)


def z_ratio(session: Session, cells: Shared, bits: int, alternative: str) -> HiddenRatio:
    """The square of z with its sign.

    Args:
        session: of all sites.
        cells: people of the two groups in each bin, shape ``(2, n_bins)``.
        bits: all people together are fewer than ``2**bits``.
        alternative: two-sided, less or greater: which way D is corrected.
    """
    first, second = cells.share
    sizes = Shared(share=np.concatenate([first + second, [cells.share.sum()]]))  # of bins, of all
    groups = Shared(share=cells.share.sum(axis=1))
    n, m = take(groups, [0]), take(groups, [1])
    everyone = take(sizes, [sizes.size - 1])
    passed = Shared(share=2 * np.cumsum(second) - second)
    count = first.size
    products = multiply(
        session,
        concatenate([Shared(share=first.copy()), n, everyone]),
        concatenate([passed, m, add_public(session, everyone, -1)]),
    )
    pairs, ordered = take(products, [count]), take(products, [count + 1])
    apart = subtract(total(take(products, range(count))), pairs)
    cubes = multiply(session, square(session, sizes), sizes)
    spread = subtract(take(cubes, [count]), total(take(cubes, range(count))))
    numbers, signs = normalize(
        session,
        concatenate(
            [_corrected(session, apart, bits, alternative), multiply_public(ordered, 3), pairs, spread]
        ),
        z_bits(bits),
    )
    both = normalized.multiply(session, numbers.at([0, 2]), numbers.at([0, 3]))
    return HiddenRatio(
        numerator=normalized.multiply(session, both.at([0]), numbers.at([1])),
        denominator=both.at([1]),
        sign=take(signs, [0]),
    )


def _corrected(session: Session, apart: Shared, bits: int, alternative: str) -> Shared:
    """D by the correction for continuity, which is 1 as D is twice a distance of ranks."""
    if alternative in TOWARDS:
        return add_public(session, apart, TOWARDS[alternative])
    sides = concatenate([add_public(session, apart, -1), add_public(session, multiply_public(apart, -1), -1)])
    kept = keep_at_least(session, sides, 1, 2 * bits + 3)
    return reshape(subtract(take(kept, [0]), take(kept, [1])), (1,))
