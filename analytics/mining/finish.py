"""The analyst's end of a mining run: compare the sites' bits, follow them, make itemsets and rules.

Layer:       analytics.mining, the highest beside explain.
Guarantees:  an answer is made only where every site reports the same bits, the shares fit together, and the supports
             obey what the bits say: at least the threshold, no larger than a subset's. Data never cause an error:
             nothing frequent is an empty answer.
Visible to:  the analyst alone: bits, open supports, the number of rows.
See instead: adding up the summands (``recombine`` is handed in by ``analytics.disclosure.recombine``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.errors import ReleaseRefusedError
from analytics.mining.answer import SiteAnswer, n_opened, refused_answer
from analytics.mining.candidates import parents, reduced
from analytics.mining.cubes import cell_counts, pattern_of, subset_places
from analytics.mining.result import FrequentItemset, MiningResult, NamedRule
from analytics.mining.rules import MEASURES, find_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analytics.mining.candidates import Itemset, LevelIterator
    from analytics.mining.plan import MiningPlan
    from smpc.ring import RingArray


def finish_mining(
    plan: MiningPlan,
    answers: Sequence[bytes],
    *,
    recombine: Callable[[Sequence[RingArray]], RingArray],
    cost: Mapping[str, object] | None = None,
    receipt: Mapping[str, object] | None = None,
) -> MiningResult:
    """Make the answer from what the sites sent.

    Args:
        plan: what ran.
        answers: each site's bytes.
        recombine: adds up the sites' summands.
        cost: what was charged; default: what the plan says.
        receipt: the ledger's receipt.

    Returns:
        Itemsets and rules.

    Raises:
        ReleaseRefusedError: an answer is missing or no answer, the sites saw different bits, or the
            supports do not fit the bits; a site has left the protocol.
    """
    if len(answers) != plan.context.n_sites:
        raise ReleaseRefusedError(rule="shares", reason="the answer of a site is missing")
    read = [SiteAnswer.from_bytes(data, plan) for data in answers]
    trail = read[0].trail
    if any(answer.trail != trail for answer in read):
        raise ReleaseRefusedError(rule="sites_agree", reason="the sites report different bits")
    walk = plan.walk()
    for bits in trail:
        walk.advance(bits)
    values = (
        [int(value) for value in recombine([answer.summand for answer in read])] if n_opened(walk) else []
    )
    supports, n_rows = _supports(plan, walk, values)
    return _result(plan, walk, supports, n_rows, cost=cost, receipt=receipt)


def _supports(
    plan: MiningPlan, walk: LevelIterator, values: Sequence[int]
) -> tuple[dict[Itemset, int], int | None]:
    """Name the opened integers, and refuse those that contradict the bits."""
    if len(values) != n_opened(walk):
        raise refused_answer()
    if not values:
        return {}, None
    n_rows = values[0]
    supports: dict[Itemset, int] = dict(zip(walk.frequent, values[1:], strict=True))
    known = {(): n_rows} | supports
    scale, share = plan.min_support.denominator, plan.min_support.numerator
    least = max(share * n_rows, scale * plan.floor_count)
    places = {itemset: place for place, itemset in enumerate(known)}
    column = np.array([*known.values()], dtype=np.int64)
    for itemset, count in supports.items():
        nearest = min(known[parent] for parent in parents(itemset, plan.ancestors))
        if (
            scale * count < least
            or count > nearest
            or _smallest_cell(plan, itemset, places, column) < plan.minimum_difference
        ):
            raise ReleaseRefusedError(rule="shares", reason="the supports do not fit the bits")
    if n_rows > plan.n_rows_max:
        raise ReleaseRefusedError(rule="shares", reason="the supports do not fit the bits")
    return supports, n_rows


def _smallest_cell(
    plan: MiningPlan, itemset: Itemset, places: Mapping[Itemset, int], column: RingArray
) -> int:
    """The fewest rows of its cube's cells without its own; under no guard the least that passes."""
    if not plan.is_guarded:
        return 0
    pattern = pattern_of(itemset, plan.ancestors)
    return int(cell_counts(column[subset_places([itemset], pattern, places)], pattern).min())


def _result(
    plan: MiningPlan,
    walk: LevelIterator,
    supports: Mapping[Itemset, int],
    n_rows: int | None,
    *,
    cost: Mapping[str, object] | None,
    receipt: Mapping[str, object] | None,
) -> MiningResult:
    def names(itemset: Itemset) -> tuple[str, ...]:
        return tuple(plan.items[number].name for number in itemset)

    rows = n_rows or 1  # without rows there are no supports either
    supports = {reduced(itemset, plan.ancestors): count for itemset, count in supports.items()}
    rules = find_rules(supports, rows, plan.min_confidence)
    return MiningResult(
        found=tuple(
            FrequentItemset(items=names(itemset), count=count, support=count / rows)
            for itemset, count in supports.items()
        ),
        found_rules=tuple(
            NamedRule(
                antecedents=names(rule.antecedent),
                consequents=names(rule.consequent),
                measures=dict(zip(MEASURES, rule.measures, strict=True)),
            )
            for rule in rules
        ),
        n_rows=n_rows,
        is_complete=not walk.is_capped,
        cost=dict(plan.cost() if cost is None else cost),
        receipt=dict(receipt or {}),
    )
