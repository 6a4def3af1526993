"""The analyst's end of private mining: compare what the sites report, follow it, estimate, make rules.

Layer:       analytics.mining.private, the highest beside explain.
Guarantees:  an answer is made only where every site reports the same opened counts. Itemsets whose estimate reaches the
             smallest support are kept; all else is arithmetic on opened numbers, which spends nothing.
Visible to:  the analyst alone.
See instead: adding up the summands (``recombine`` is handed in by ``analytics.disclosure.recombine``).
Source:      ours.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from analytics.errors import ReleaseRefusedError
from analytics.mining.private.estimates import Estimate, estimates
from analytics.mining.private.result import (
    NoisyItemset,
    PrivateMiningResult,
    lift_interval,
    ratio_interval,
)
from analytics.mining.private.run import Choice, choose, n_cells
from analytics.mining.result import NamedRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from analytics.mining.candidates import Itemset
    from analytics.mining.private.plan import PrivateMiningPlan
    from smpc.ring import RingArray

Estimates = dict[tuple[int, ...], Estimate]
_LEAST_COUNT = 1.0


def finish_private(
    plan: PrivateMiningPlan,
    answers: Sequence[bytes],
    *,
    recombine: Callable[[Sequence[RingArray]], RingArray],
    cost: Mapping[str, object] | None = None,
    receipt: Mapping[str, object] | None = None,
) -> PrivateMiningResult:
    """Make the answer from what the sites sent.

    Args:
        plan: what ran.
        answers: each site's bytes.
        recombine: adds up the sites' summands.
        cost: what was charged; default: what the plan says.
        receipt: the ledger's receipt.

    Raises:
        ReleaseRefusedError: an answer is missing or no answer, or the sites report different counts.
    """
    choice, cells = read_answers(plan, answers, recombine)
    found = estimates(plan, choice, cells)
    rows = found.pop(())
    kept = [
        itemset
        for itemset, estimate in sorted(found.items(), key=lambda one: (len(one[0]), one[0]))
        if _is_frequent(plan, estimate, rows) and len(itemset) <= (plan.base.max_len or len(itemset))
        and set(itemset) <= set(choice.items)
    ]  # fmt: skip
    return PrivateMiningResult(
        found=tuple(_itemset(plan, itemset, found[itemset], rows) for itemset in kept),
        found_rules=tuple(_rules(plan, kept, found, rows)),
        n_rows=max(0, round(rows.count)),
        is_complete=choice.is_whole,
        cost=dict(plan.cost() if cost is None else cost),
        receipt=dict(receipt or {}),
    )


def read_answers(
    plan: PrivateMiningPlan,
    answers: Sequence[bytes],
    recombine: Callable[[Sequence[RingArray]], RingArray],
) -> tuple[Choice, list[int]]:
    """What was opened: the choice, and the cells of its bases.

    Raises:
        ReleaseRefusedError: as ``finish_private``.
    """
    if len(answers) != plan.context.n_sites or any(len(data) % 8 for data in answers):
        raise _refused()
    read = [np.frombuffer(data, dtype="<i8").astype(np.int64) for data in answers]
    start = len(plan.base.items) + 1
    if read[0].size < start:
        raise _refused()

    def second(n_pairs: int) -> npt.NDArray[np.int64]:
        if read[0].size < start + n_pairs:
            raise _refused()
        return read[0][start : start + n_pairs]

    choice = choose(plan, [*map(int, read[0][:start])], second)
    start += len(choice.pairs)
    if any(one.size != start + n_cells(choice.bases) for one in read):
        raise _refused()
    if any(not np.array_equal(one[:start], read[0][:start]) for one in read):
        raise ReleaseRefusedError(rule="sites_agree", reason="the sites report different counts")
    cells = recombine([one[start:] for one in read]) if choice.bases else np.zeros(0, dtype=np.int64)
    return choice, [*map(int, cells)]


def _is_frequent(plan: PrivateMiningPlan, estimate: Estimate, rows: Estimate) -> bool:
    return estimate.count >= max(_LEAST_COUNT, float(plan.base.min_support) * rows.count)


def _names(plan: PrivateMiningPlan, itemset: Itemset) -> tuple[str, ...]:
    return tuple(plan.base.items[number].name for number in itemset)


def _itemset(plan: PrivateMiningPlan, itemset: Itemset, estimate: Estimate, rows: Estimate) -> NoisyItemset:
    return NoisyItemset(
        items=_names(plan, itemset),
        count=round(estimate.count),
        support=_share(estimate, rows),
        sd=estimate.sd,
        interval=ratio_interval(estimate, rows),
    )


def _share(above: Estimate, below: Estimate) -> float:
    return min(1.0, max(0.0, above.count) / max(_LEAST_COUNT, below.count))


def _rules(
    plan: PrivateMiningPlan, kept: Sequence[Itemset], found: Estimates, rows: Estimate
) -> list[NamedRule]:
    rules = [
        rule
        for itemset in kept
        for left, right in _sides(itemset)
        if left in found and right in found
        if (rule := _rule(plan, (left, right, itemset), found, rows)) is not None
    ]
    return sorted(rules, key=lambda rule: (-rule.measures["lift"], rule.antecedents, rule.consequents))


def _sides(itemset: Itemset) -> Iterator[tuple[Itemset, Itemset]]:
    for size in range(1, len(itemset)):
        for left in combinations(itemset, size):
            yield left, tuple(item for item in itemset if item not in left)


def _rule(
    plan: PrivateMiningPlan, sides: tuple[Itemset, Itemset, Itemset], found: Estimates, rows: Estimate
) -> NamedRule | None:
    left, right, both = (found[side] for side in sides)
    confidence, support, base = _share(both, left), _share(both, rows), _share(right, rows)
    if confidence < plan.base.min_confidence or not base:
        return None
    confidences, supports = ratio_interval(both, left), ratio_interval(both, rows)
    lifts = lift_interval(both, left, right, rows)
    return NamedRule(
        antecedents=_names(plan, sides[0]),
        consequents=_names(plan, sides[1]),
        measures={
            "antecedent support": _share(left, rows), "consequent support": base, "support": support,
            "support_low": supports[0], "support_high": supports[1], "confidence": confidence,
            "confidence_low": confidences[0], "confidence_high": confidences[1], "lift": confidence / base,
            "lift_low": lifts[0], "lift_high": lifts[1], "leverage": support - _share(left, rows) * base,
            "conviction": math.inf if confidence >= 1 else (1 - base) / (1 - confidence),
        },
    )  # fmt: skip


def _refused() -> ReleaseRefusedError:
    return ReleaseRefusedError(rule="shares", reason="a site's answer does not belong to this plan")
