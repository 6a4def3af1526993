"""Comparisons of groups from counts, means and deviations without noise: tests, standardised differences, multiplicity.

Layer:       analytics.statistics above distributions and independence; pure, public arithmetic after the opening.
Guarantees:  a test or difference that is not defined is None, never 0 or infinite.
See instead: tests that are asked for by themselves, with their own guards and private forms (location, tables).
Source:      B. L. Welch 1947; R. A. Fisher 1925; K. Pearson 1900; Kruskal and Wallis 1952, ties corrected; standardised
             differences of means over the root of the mean variance, of shares by Mahalanobis' distance without the first
             category (Yang and Dalton, SAS Global Forum 2012); Holm 1979; Benjamini and Hochberg 1995; Benjamini and
             Yekutieli 2001.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.statistics.tables.independence import pearson
from analytics.statistics.uncertainty.distributions import chi_square_tail, f_tail, student_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = npt.NDArray[np.float64]
ADJUSTMENTS: Final = ("bonferroni", "holm", "fdr_bh", "fdr_by")
_TWO: Final = 2


def means_test(sizes: Floats, means: Floats, deviations: Floats) -> float | None:
    """P-value of Welch's t test of two groups, of the analysis of variance of more; shapes ``(n_groups,)``."""
    if (sizes < _TWO).any():
        return None
    variances = deviations**2
    if len(sizes) == _TWO:
        errors = variances / sizes
        total = float(errors.sum())
        if total <= 0:
            return None
        degrees = total**2 / float((errors**2 / (sizes - 1)).sum())
        return min(1.0, 2 * student_tail(abs(float(means[1] - means[0])) / math.sqrt(total), degrees))
    within = float(((sizes - 1) * variances).sum())
    if within <= 0:
        return None
    center = float((sizes * means).sum() / sizes.sum())
    between = float((sizes * (means - center) ** 2).sum())
    above, below = len(sizes) - 1, float(sizes.sum()) - len(sizes)
    return f_tail(between / above / (within / below), above, below)


def counts_test(table: Floats) -> float | None:
    """P-value of Pearson's test of independence, with Yates' correction of 2 x 2; shape ``(n_groups, n_categories)``."""
    dof = (table.shape[0] - 1) * (table.shape[1] - 1)
    if dof <= 0:
        return None
    found = float(pearson(table[np.newaxis], 0.5 if dof == 1 else 0.0)[0])
    return None if math.isnan(found) else chi_square_tail(found, dof)


def ranks_test(table: Floats) -> float | None:
    """P-value of Kruskal and Wallis' test over bins, rows of one bin being tied; shape ``(n_groups, n_bins)``."""
    ties, sizes = table.sum(axis=0), table.sum(axis=1)
    n = float(ties.sum())
    if (sizes <= 0).any() or n < _TWO:
        return None
    ranks = np.cumsum(ties) - (ties - 1) / 2
    left = 1 - float((ties**3 - ties).sum()) / (n**3 - n)
    if left <= 0:
        return None
    sums = table @ ranks
    statistic = (12 / (n * (n + 1)) * float((sums**2 / sizes).sum()) - 3 * (n + 1)) / left
    return chi_square_tail(max(statistic, 0.0), len(sizes) - 1)


def means_difference(means: Sequence[float], deviations: Sequence[float]) -> float | None:
    """The second group's mean less the first's, over the root of the mean of both variances."""
    scale = (deviations[0] ** 2 + deviations[1] ** 2) / 2
    return None if scale <= 0 else (means[1] - means[0]) / math.sqrt(scale)


def shares_difference(first: Floats, second: Floats) -> float | None:
    """Mahalanobis' distance of two groups' shares, without the first category; counts, shape ``(n_categories,)``."""
    if min(float(first.sum()), float(second.sum())) <= 0 or len(first) < _TWO:
        return None
    shares = [(each / each.sum())[1:] for each in (first, second)]
    spread = sum(np.diag(each) - np.outer(each, each) for each in shares) / 2
    difference = shares[1] - shares[0]
    if np.linalg.matrix_rank(spread) < len(difference):
        return None
    return math.sqrt(float(difference @ np.linalg.solve(spread, difference)))


def adjusted(pvalues: Sequence[float], method: str) -> list[float]:
    """P-values adjusted for their number.

    Args:
        pvalues: in any order.
        method: one of ``ADJUSTMENTS``: Bonferroni, Holm, Benjamini and Hochberg, Benjamini and Yekutieli.
    """
    values = np.array(pvalues, dtype=np.float64)
    count, order = len(values), np.argsort(values, kind="stable")
    if method == "bonferroni":
        return [float(each) for each in np.minimum(values * count, 1.0)]
    ranks, found = np.arange(count), np.empty(count)
    if method == "holm":
        found[order] = np.maximum.accumulate(values[order] * (count - ranks))
    else:
        steps = values[order] * count / (ranks + 1)
        if method == "fdr_by":
            steps = steps * (1 / (ranks + 1)).sum()
        found[order] = np.minimum.accumulate(steps[::-1])[::-1]
    return [float(each) for each in np.minimum(found, 1.0)]
