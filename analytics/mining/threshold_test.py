"""One level on shares: test which candidates reach the threshold.

Layer:       analytics.mining above plan; works on shares only, so no party sees a value.
Terms:       the *threshold* is ``max(a N, b m)`` for the smallest support ``a / b``, N rows and at least m rows
             behind an opened support; a candidate is frequent where ``b count >= threshold``. A *parent* is a subset
             of one item less; the empty itemset is the parent of single items, its support is N.
Guarantees:  N, the threshold, counts and the comparisons' bits stay in shares. Under the guard a candidate's one bit
             says "frequent, and at least m below every parent"; which of the two failed stays in shares too. All
             parents of a candidate are open, and supports only fall towards larger itemsets, so that no two nested
             supports that open are nearer than m.
See instead: opening the bits (release, handed to site_run), local counts (bitmaps). The guard is on pairs: sums of
             three and more open supports, such as ``n(A) - n(AB) - n(AC) + n(ABC)``, may still be small.
Source:      ours; docs/guarantees.md P9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smpc.operations.arithmetic import (
    add_public,
    broadcast,
    concatenate,
    multiply_public,
    reshape,
    stack,
    subtract,
    take,
)
from smpc.operations.comparison import at_least
from smpc.operations.selection import all_of, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.mining.plan import MiningPlan
    from smpc.session import Session
    from smpc.sharing import Shared


def shared_threshold(session: Session, plan: MiningPlan, n_rows: Shared) -> Shared:
    """Find the threshold that ``b count`` must reach.

    Visible to: no party.
    Cost: one comparison and one product.

    Args:
        session: of all sites, with a dealer or three that compute.
        plan: what runs.
        n_rows: rows of all sites, shape ``(1,)``.

    Returns:
        ``max(a N, b m)``, shape ``(1,)``.
    """
    share_of_rows = multiply_public(n_rows, plan.min_support.numerator)
    least = plan.min_support.denominator * plan.floor_count
    is_larger = at_least(session, share_of_rows, least, plan.comparison_bits)
    # a constant as shares: N - N + least keeps one shape for the choice
    fixed = add_public(session, subtract(n_rows, n_rows), least)
    return select(session, is_larger, share_of_rows, fixed)


def level_bits(
    session: Session, plan: MiningPlan, *, counts: Shared, threshold: Shared, parents: Sequence[Shared]
) -> Shared:
    """Test one level's candidates.

    Visible to: no party.
    Cost: one batch of comparisons, ``1 + level`` a candidate under the guard and 1 otherwise; under the
        guard the AND of each candidate's bits; see ``smpc.cost``.

    Args:
        session: of all sites, with a dealer or three that compute.
        plan: what runs.
        counts: rows of all sites in which each candidate holds, shape ``(n_candidates,)``.
        threshold: what ``shared_threshold`` gave.
        parents: under the guard, for each place of an item the supports of the candidates without it.

    Returns:
        One shared bit a candidate.
    """
    scaled = multiply_public(counts, plan.min_support.denominator)
    margins = [subtract(scaled, broadcast(threshold, counts.shape))]
    if plan.minimum_difference:
        margins += [
            add_public(session, subtract(parent, counts), -plan.minimum_difference) for parent in parents
        ]
    bits = at_least(session, stack(margins), 0, plan.comparison_bits)
    rows = [reshape(take(bits, [number]), counts.shape) for number in range(len(margins))]
    return all_of(session, *rows)


class Supports:
    """The supports, in shares, of what is open so far; the empty itemset's is the number of rows."""

    def __init__(self, n_rows: Shared) -> None:
        """Begin with the empty itemset."""
        self._shares = n_rows
        self._places: dict[tuple[int, ...], int] = {(): 0}

    def add(self, itemsets: Sequence[tuple[int, ...]], counts: Shared) -> None:
        """Note the open itemsets of a level with their counts."""
        for itemset in itemsets:
            self._places[itemset] = len(self._places)
        self._shares = concatenate([self._shares, counts])

    def of(self, itemsets: Sequence[tuple[int, ...]]) -> Shared:
        """The supports of open itemsets, in the order asked."""
        return take(self._shares, [self._places[itemset] for itemset in itemsets])

    def all(self) -> Shared:
        """All of them, the number of rows first, then in the order in which they were opened."""
        return self._shares
