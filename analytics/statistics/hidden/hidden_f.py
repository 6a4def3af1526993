"""F of several groups' means on shares, from numbers, sums and sums of squares that stay hidden.

Layer:       analytics.statistics above hidden_sums and hidden_ratios.
Terms:       n, s and q are number, sum and sum of squares of a group; N is the number of all rows.
Guarantees:  F is ``(N - k) / ((k - 1) N)`` times the sum over pairs of ``(s n' - s' n)**2`` times the other groups' numbers, over
             the sum over groups of ``n q - s**2`` times the other groups' numbers. All factors are integers and no term is
             negative, so before rounding the relative error is below ``2**-22``. A group without a row, or no spread within any
             group, makes the denominator 0.
Visible to:  the parties see masked values and masked bits, all uniform.
See instead: two groups (hidden_ratios.t_ratio).
Source:      R. A. Fisher 1925, over a common denominator.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from analytics.statistics.hidden.hidden_sums import beside, product_of, two_sums
from analytics.statistics.hidden.revealed import HiddenRatio
from smpc.operations.arithmetic import (
    add_public,
    concatenate,
    multiply,
    multiply_public,
    subtract,
    take,
    total,
)
from smpc.operations.numeric import normalized

if TYPE_CHECKING:
    from smpc.session import Session
    from smpc.sharing import Shared

MOST_GROUPS: Final = 8


def f_ratio(session: Session, figures: Shared, n_groups: int, bits: int) -> HiddenRatio:
    """Return F.

    Args:
        session: of all sites.
        figures: numbers, then sums, then sums of squares, shape ``(3 * n_groups,)``.
        n_groups: 2 to 8.
        bits: of every product of two of them, see ``f_bits``.
    """
    groups = range(n_groups)
    n, s, q = (take(figures, range(part * n_groups, (part + 1) * n_groups)) for part in range(3))
    pairs = list(combinations(groups, 2))
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = multiply(
        session,
        concatenate([take(s, one), take(s, other), n, s]),
        concatenate([take(n, other), take(n, one), q, s]),
    )
    count = len(pairs)
    apart = subtract(take(found, range(count)), take(found, range(count, 2 * count)))
    ends = 2 * count + n_groups
    within = subtract(take(found, range(2 * count, ends)), take(found, range(ends, ends + n_groups)))
    everyone = total(n)
    rest = concatenate([add_public(session, everyone, -n_groups), multiply_public(everyone, n_groups - 1)])
    numbers, _ = normalized.normalize(session, concatenate([apart, within, n, rest]), bits)
    distances, spreads = numbers.at(range(count)), numbers.at(range(count, count + n_groups))
    sizes = numbers.at(range(count + n_groups, count + 2 * n_groups))
    # of a pair its distance twice and the other groups; of a group its spread and the other groups
    others = [[each for each in groups if each not in pair] for pair in pairs]
    rows = [[each for each in groups if each != group] for group in groups]
    factors = [beside(distances, spreads), beside(distances, sizes.at([row[0] for row in rows]))]
    factors += [
        sizes.at([*(each[place] for each in others), *(row[place + 1] for row in rows)])
        for place in range(n_groups - 2)
    ]
    sums = two_sums(session, product_of(session, factors), count)
    scaled = normalized.multiply(session, sums, numbers.at([count + 2 * n_groups, count + 2 * n_groups + 1]))
    return HiddenRatio(numerator=scaled.at([0]), denominator=scaled.at([1]))


def f_bits(bits: int, reach: int, n_groups: int) -> int:
    """Length of the largest integer in ``f_ratio``, of so many rows and so large absolute values."""
    return max(2 * bits + 2 * reach.bit_length() + 1, bits + n_groups.bit_length())
