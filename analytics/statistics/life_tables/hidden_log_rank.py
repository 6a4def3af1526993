"""The log-rank statistic of two groups on shares, from a table that no party sees.

Layer:       analytics.statistics.life_tables above revealed.
Terms:       at each time of a stratum's grid d events of n people at risk, d1 of n1 in the first group; U adds up
             ``d1 - d n1 / n`` and V ``d p (1 - p) (n - d) / (n - 1)`` with ``p = n1 / n``. The statistic is ``U**2 / V``.
Guarantees:  before rounding it is within 1e-6 of the statistic, relative above 1 and absolute below, where each group has
             a thousandth of those at risk; of smaller groups V is less precise, by ``2**-31 / p``. A V below ``2**-10``
             counts as none, and the statistic is closed. Rounds and bytes follow from the grid alone.
Visible to:  the parties see masked values and masked bits, all uniform.
Source:      Mantel 1966; hypergeometric variance of ties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.statistics.hidden.revealed import HiddenRatio
from smpc.operations.arithmetic import (
    add_public,
    concatenate,
    matmul,
    multiply,
    multiply_public,
    reshape,
    square,
    stack,
    subtract,
    subtract_from_public,
    take,
    total,
)
from smpc.operations.numeric import normalized
from smpc.operations.numeric.quotients import QUOTIENT_BITS, quotients
from smpc.operations.truncation import truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session

GROUPS: Final = 2
SUM_BITS: Final = 61
LEAST_VARIANCE: Final = 1 << (QUOTIENT_BITS - 10)
_NARROW: Final = 31  # binary places of factors whose product has to fit
_CUT: Final = QUOTIENT_BITS - _NARROW


def score_and_variance(session: Session, table: Shared, bits: int) -> Shared:
    """Return shares of U and V in units of ``2**-38``, shape ``(2,)``.

    Visible to: no party.
    Cost: 32 rounds; some 490 bytes a peer for each time of the grid.

    Args:
        session: of all sites.
        table: censorings and events at each time, shape ``(2, n_strata, n_times, 2)``; people are compared within
            their stratum alone.
        bits: all groups together are fewer people than ``2**bits``.
    """
    flat = (GROUPS, -1)
    events = reshape(Shared(share=table.share[..., 1]), flat)
    leaving = table.share.sum(axis=3)
    at_risk = reshape(Shared(share=np.cumsum(leaving[..., ::-1], axis=2)[..., ::-1]), flat)
    d, n, first = total(events, axis=0), total(at_risk, axis=0), reshape(take(at_risk, [0]), (-1,))
    share, tied = _parts(session, first, d, n, bits)
    narrow = truncate(
        session,
        stack([share, subtract_from_public(session, 1 << QUOTIENT_BITS, tied)]),
        _CUT,
        QUOTIENT_BITS + 2,
        is_rounded=True,
    )
    p, staying = (reshape(take(narrow, [place]), (-1,)) for place in (0, 1))
    both = subtract(multiply_public(p, 1 << _NARROW), square(session, p))  # p (1 - p)
    spread = truncate(session, both, _NARROW, 2 * _NARROW + 1, is_rounded=True)
    each = truncate(
        session, multiply(session, spread, staying), 2 * _NARROW - QUOTIENT_BITS, 2 * _NARROW, is_rounded=True
    )
    sums = reshape(
        matmul(session, reshape(d, (1, -1)), Shared(share=stack([share, each]).share.T.copy())), (2,)
    )
    observed = multiply_public(total(take(events, [0])), 1 << QUOTIENT_BITS)
    return concatenate([subtract(observed, take(sums, [0])), take(sums, [1])])


def _parts(session: Session, first: Shared, d: Shared, n: Shared, bits: int) -> tuple[Shared, Shared]:
    """Return ``n1 / n`` and ``(d - 1) / (n - 1)``; the second means nothing where there is no event."""
    found = quotients(session, stack([first, add_public(session, d, -1)]), n, (0, 1), bits)
    return reshape(take(found, [0]), (-1,)), reshape(take(found, [1]), (-1,))


def log_rank_ratio(session: Session, sums: Shared) -> HiddenRatio:
    """Return the statistic from U and V.

    Visible to: no party.
    Cost: 14 rounds.
    """
    numbers, _ = normalized.normalize(session, sums, SUM_BITS)
    score = numbers.at([0])
    squared = normalized.multiply(session, score, score)
    exponent = add_public(session, squared.exponent, -QUOTIENT_BITS)
    return HiddenRatio(
        numerator=normalized.Normalized(mantissa=squared.mantissa, exponent=exponent, low=squared.low),
        denominator=numbers.at([1]),
    )


def group_totals(table: Shared) -> Shared:
    """Return people of each group, then events of each group, shape ``(2 * groups,)``; 0 rounds."""
    pairs = reshape(table, (table.shape[0], -1, 2)).share.sum(axis=1)
    return Shared(share=np.concatenate([pairs.sum(axis=1), pairs[:, 1]]))
