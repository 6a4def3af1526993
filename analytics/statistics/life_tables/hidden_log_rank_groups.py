"""The log-rank statistic of three to five groups on shares, from a table that no party sees.

Layer:       analytics.statistics.life_tables above hidden_log_rank and hidden_sums.
Terms:       at each time of a stratum's grid d events of n people at risk, of whom a share p is in a group. U of a group adds
             up its events less ``d p``; the *link* of two groups adds up ``d p q (n - d) / (n - 1)``. A *tree* is a set of
             links that joins all groups without a circle; a *pair of trees* lacks one of its links, and so parts the groups in
             two. The *weight* of such a set is the product of its links.
Guarantees:  the statistic is ``U @ pinv(V) @ U``, as for two groups ``U**2 / V``: with the links as the entries of -V off
             its diagonal it is the sum over pairs of trees of weight times the squared U of either part, over the sum of the
             weights of all trees. All terms are positive, so nothing cancels: it is within 1e-6 before rounding where each
             group has a thousandth of those at risk. A set of groups whose links with all others add up to less than ``2**-10``
             closes it. Rounds and bytes follow from the grid and the number of groups alone.
Visible to:  the parties see masked values and masked bits, all uniform.
Cost:        97 rounds for three groups, 118 for four, 148 for five.
See instead: two groups (hidden_log_rank).
Source:      Mantel 1966, with several groups as Peto, Peto 1972; all-minors matrix tree theorem: Chaiken 1982.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.statistics.hidden.hidden_sums import beside, product_of, two_sums
from analytics.statistics.hidden.revealed import HiddenRatio
from analytics.statistics.life_tables.hidden_log_rank import SUM_BITS
from smpc.operations import arithmetic
from smpc.operations.arithmetic import (
    add_public,
    concatenate,
    matmul,
    matmul_public,
    multiply_public,
    reshape,
    subtract,
    subtract_from_public,
    take,
    total,
)
from smpc.operations.numeric import normalized
from smpc.operations.numeric.normalized import Normalized
from smpc.operations.numeric.quotients import QUOTIENT_BITS, quotients
from smpc.operations.truncation import truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from smpc.session import Session

MOST_GROUPS: Final = 5
_NARROW: Final = 31  # binary places of factors whose product has to fit
_CUT: Final = QUOTIENT_BITS - _NARROW
Link = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupSums:
    """Sums over all times, in units of ``2**-38``.

    Attributes:
        scores: U of all groups but the last, shape ``(k - 1,)``; that of the last is minus their sum.
        links: of each two groups, in the order of ``links_of``.
    """

    scores: Shared
    links: Shared


def links_of(n_groups: int) -> list[Link]:
    """All pairs of groups."""
    return list(combinations(range(n_groups), 2))


def scores_and_links(session: Session, table: Shared, bits: int) -> GroupSums:
    """Return shares of the sums.

    Visible to: no party.
    Cost: 32 rounds; some 250 bytes a peer for each group and time of the grid.

    Args:
        session: of all sites.
        table: censorings and events at each time, shape ``(k, n_strata, n_times, 2)``; people are compared within their
            stratum alone.
        bits: all groups together are fewer people than ``2**bits``.
    """
    n_groups = table.shape[0]
    flat = (n_groups, -1)
    events = reshape(Shared(share=table.share[..., 1]), flat)
    leaving = table.share.sum(axis=3)
    at_risk = reshape(Shared(share=np.cumsum(leaving[..., ::-1], axis=2)[..., ::-1]), flat)
    d, n = total(events, axis=0), total(at_risk, axis=0)
    above = concatenate([take(at_risk, range(n_groups - 1)), reshape(add_public(session, d, -1), (1, -1))])
    found = quotients(session, above, n, (0,) * (n_groups - 1) + (1,), bits)
    shares, tied = take(found, range(n_groups - 1)), take(found, [n_groups - 1])
    last = subtract_from_public(session, 1 << QUOTIENT_BITS, reshape(total(shares, axis=0), (1, -1)))
    staying = subtract_from_public(session, 1 << QUOTIENT_BITS, tied)
    narrow = truncate(session, concatenate([shares, last, staying]), _CUT, QUOTIENT_BITS + 2, is_rounded=True)
    ends = links_of(n_groups)
    products = arithmetic.multiply(
        session, take(narrow, [one for one, _ in ends]), take(narrow, [other for _, other in ends])
    )
    both = truncate(session, products, _NARROW, 2 * _NARROW + 1, is_rounded=True)
    left = Shared(share=np.broadcast_to(narrow.share[n_groups], both.shape).copy())
    weighed = truncate(
        session,
        arithmetic.multiply(session, both, left),
        2 * _NARROW - QUOTIENT_BITS,
        2 * _NARROW + 1,
        is_rounded=True,
    )
    columns = Shared(share=np.concatenate([shares.share, weighed.share]).T.copy())
    sums = reshape(matmul(session, reshape(d, (1, -1)), columns), (-1,))
    observed = multiply_public(total(take(events, range(n_groups - 1)), axis=1), 1 << QUOTIENT_BITS)
    return GroupSums(
        scores=subtract(observed, take(sums, range(n_groups - 1))),
        links=take(sums, range(n_groups - 1, sums.size)),
    )


def cuts(sums: GroupSums, n_groups: int) -> Shared:
    """Of each set of groups without the last one, the sum of its links with all others; 0 rounds."""
    rows = [
        [int((one in part) != (other in part)) for one, other in links_of(n_groups)]
        for part in _parts(n_groups)
    ]
    return matmul_public(np.array(rows, dtype=np.int64), sums.links)


def groups_ratio(session: Session, sums: GroupSums, n_groups: int) -> HiddenRatio:
    """Return the statistic from the sums: see the module.

    Visible to: no party.
    """
    parts = _parts(n_groups)
    rows = np.array([[int(group in part) for group in range(n_groups - 1)] for part in parts], dtype=np.int64)
    numbers, _ = normalized.normalize(
        session, concatenate([matmul_public(rows, sums.scores), sums.links]), SUM_BITS
    )
    scores, links = numbers.at(range(len(parts))), numbers.at(range(len(parts), len(parts) + sums.links.size))
    squared = normalized.multiply(session, scores, scores)
    trees, pairs = list(_forests(n_groups, n_groups - 1)), list(_forests(n_groups, n_groups - 2))
    places = {link: place for place, link in enumerate(links_of(n_groups))}
    split = [parts.index(_part_without_last(pair, n_groups)) for pair in pairs]
    factors = [links.at([places[each[step]] for each in (*pairs, *trees)]) for step in range(n_groups - 2)]
    last = beside(squared.at(split), links.at([places[tree[-1]] for tree in trees]))
    found = two_sums(session, product_of(session, [*factors, last]), len(pairs))
    # the scores are squared, the links are not: one factor of their unit is left
    return HiddenRatio(
        numerator=Normalized(
            mantissa=take(found.mantissa, [0]),
            exponent=add_public(session, take(found.exponent, [0]), -QUOTIENT_BITS),
            low=found.low,
        ),
        denominator=found.at([1]),
    )


def _parts(n_groups: int) -> list[frozenset[int]]:
    """All sets of groups without the last one, but the empty one."""
    others = range(n_groups - 1)
    return [frozenset(part) for size in range(1, n_groups) for part in combinations(others, size)]


def _forests(n_groups: int, n_links: int) -> Iterable[tuple[Link, ...]]:
    """All sets of so many links without a circle."""
    for links in combinations(links_of(n_groups), n_links):
        if len(set(_roots(links, n_groups))) == n_groups - n_links:
            yield links


def _roots(links: Sequence[Link], n_groups: int) -> list[int]:
    """Of each group one group that stands for all that it is linked with."""
    roots = list(range(n_groups))
    for one, other in links:
        joined, kept = roots[one], roots[other]
        roots = [kept if root == joined else root for root in roots]
    return roots


def _part_without_last(links: Sequence[Link], n_groups: int) -> frozenset[int]:
    roots = _roots(links, n_groups)
    return frozenset(group for group, root in enumerate(roots) if root != roots[-1])
