"""Supports from three noisy releases: the weighted mean of all that count one itemset, with its noise.

Layer:       analytics.mining.private, pure; the analyst's public arithmetic on opened numbers.
Terms:       a basis of k items gives a subset of j as a sum of 2^(k-j) cells; a pair and an item are counted themselves too, and
             the empty itemset is the number of baskets.
Guarantees:  the noises of the releases, and of cells, are independent, so that weights by the inverse of the variance
             give the least one. With noise 0 each estimate is the exact count.
Shapes:      cells of a basis, ``(2**k,)``, bit j of a place says whether its item j holds.
Source:      PrivBasis, section 4.3; inverse variances, Cochran 1937.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from analytics.mining.candidates import Itemset
    from analytics.mining.private.plan import PrivateMiningPlan
    from analytics.mining.private.run import Choice

_LEAST = 1e-18
_COUNTED = (1, 2)  # items of an itemset that is counted beside the bases


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A count with noise.

    Attributes:
        count: unbiased, of baskets.
        sd: of its noise.
    """

    count: float
    sd: float


def estimates(plan: PrivateMiningPlan, choice: Choice, cells: Sequence[int]) -> dict[Itemset, Estimate]:
    """Estimate every itemset that a release counts; the empty one is the number of baskets.

    Args:
        plan: what ran.
        choice: what was opened.
        cells: the opened cells of all bases.
    """
    n_sites = plan.context.n_sites
    found: defaultdict[Itemset, list[Estimate]] = defaultdict(list)

    def add(number: int, counts: Mapping[Itemset, float], changed: int) -> None:
        weight, sd = plan.noises[number].weight(changed), plan.noises[number].sd(n_sites, changed)
        for itemset, count in counts.items():
            found[itemset].append(Estimate(count=count / weight, sd=sd))

    add(0, {(n,): value for n, value in enumerate(choice.first[:-1])} | {(): choice.first[-1]}, plan.held + 1)
    if choice.pairs:
        pairs = dict(zip(choice.pairs, choice.second, strict=True))
        add(1, pairs, plan.pair_counts(len(choice.items)))
    start = 0
    for basis in choice.bases:
        size = 1 << len(basis)
        weight, sd = (
            f(len(choice.bases)) for f in (plan.noises[2].weight, lambda w: plan.noises[2].sd(n_sites, w))
        )
        sums = superset_sums(np.array(cells[start : start + size], dtype=np.float64) / weight)
        start += size
        for length in range(len(basis) + 1):
            for places in combinations(range(len(basis)), length):
                itemset = tuple(basis[place] for place in places)
                count = float(sums[sum(1 << place for place in places)])
                found[itemset].append(Estimate(count=count, sd=sd * math.sqrt(size >> length)))
    if plan.is_truncated:  # cells are of whole baskets; counts of items and pairs lack what was cut
        found |= {
            itemset: parts[1:] for itemset, parts in found.items() if len(itemset) in _COUNTED and parts[1:]
        }
    return {itemset: _mean(parts) for itemset, parts in found.items()}


def superset_sums(cells: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each combination of items the sum of the cells in which they hold."""
    found = cells.copy()
    step = 1
    while step < found.size:
        halves = found.reshape(-1, 2, step)
        halves[:, 0, :] += halves[:, 1, :]
        step *= 2
    return found


def _mean(parts: Sequence[Estimate]) -> Estimate:
    weights = [1 / max(part.sd**2, _LEAST) for part in parts]
    total = math.fsum(weights)
    count = math.fsum(weight * part.count for weight, part in zip(weights, parts, strict=True)) / total
    return Estimate(count=count, sd=math.sqrt(1 / total) if any(part.sd for part in parts) else 0.0)
