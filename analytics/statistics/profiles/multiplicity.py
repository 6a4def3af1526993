"""P-values of several tests, adjusted for their number: a function of p-values, without data and without a charge.

Layer:       analytics.statistics above group_comparisons; pure.
Guarantees:  as ``statsmodels.stats.multitest.multipletests``: Bonferroni and Holm keep the chance of any false rejection,
             ``fdr_bh`` (Benjamini, Hochberg) the expected share of false ones for independent or positively dependent tests,
             ``fdr_by`` (Benjamini, Yekutieli) for any. Private p-values are as valid here as exact ones.
See instead: adjusted p-values of a baseline table (table_one).
Source:      Holm 1979; Benjamini and Hochberg 1995; Benjamini and Yekutieli 2001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analytics.errors import InvalidRequestError
from analytics.statistics.profiles.group_comparisons import ADJUSTMENTS, adjusted

if TYPE_CHECKING:
    from collections.abc import Sequence


class Adjusted(NamedTuple):
    """The tests after the adjustment, in the order of the p-values.

    Attributes:
        reject: whether each is rejected at the level.
        pvalues: adjusted.
    """

    reject: list[bool]
    pvalues: list[float]


def multipletests(pvals: Sequence[float], alpha: float = 0.05, method: str = "holm") -> Adjusted:
    """Adjust p-values for their number.

    Args:
        pvals: each from 0 to 1; none is an empty answer.
        alpha: the level, above 0 and below 1.
        method: bonferroni, holm, fdr_bh or fdr_by.

    Raises:
        InvalidRequestError: a p-value, the level or the method is not such.
    """
    if method not in ADJUSTMENTS:
        raise InvalidRequestError(parameter="method", reason=f"must be one of {', '.join(ADJUSTMENTS)}")
    if not 0 < alpha < 1:
        raise InvalidRequestError(parameter="alpha", reason="must be above 0 and below 1")
    if not all(map(_is_chance, pvals)):
        raise InvalidRequestError(parameter="pvals", reason="must be numbers from 0 to 1")
    found = adjusted(pvals, method) if len(pvals) else []
    return Adjusted(reject=[each <= alpha for each in found], pvalues=found)


def _is_chance(value: object) -> bool:
    return isinstance(value, float | int) and 0 <= value <= 1
