"""Association rules and their measures, from opened supports.

Layer:       analytics.mining, pure: public arithmetic at the analyst's end.
Terms:       for a rule A -> C over N rows: confidence ``n(AC) / n(A)``, lift ``n(AC) N / (n(A) n(C))``, leverage
             ``s(AC) - s(A) s(C)``, conviction ``(1 - s(C)) / (1 - confidence)``, infinite at confidence 1; Zhang's
             measure is the leverage divided by ``max(s(AC) (1 - s(A)), s(A) (s(C) - s(AC)))``, 0 where this is 0; Jaccard
             ``n(AC) / (n(A) + n(C) - n(AC))``; certainty ``(confidence - s(C)) / (1 - s(C))``, 0 where s(C) is 1;
             Kulczynski the mean of both confidences; representativity is 1, since a missing value holds no item. The
             chi-square of A and C has one degree of freedom and no correction.
Accuracy: exact fractions, rounded to binary64 once at the end; a rule is kept by an exact comparison.
Guarantees:  every subset of an open itemset is open, so that every rule has its supports. P-values are adjusted for
             every pair of sides that the open itemsets give, whatever rules are kept afterwards; which itemsets are open
             was itself chosen by the data.
Source:      R. Agrawal, T. Imielinski, A. Swami, SIGMOD 1993 (confidence); dynamic itemset counting, SIGMOD 1997
             (lift, conviction); G. Piatetsky-Shapiro 1991 (leverage). Column names as in mlxtend 0.25.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from analytics.statistics.profiles.group_comparisons import adjusted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Itemset = tuple[Any, ...]  # of item numbers, or of names
DEFAULT_ADJUSTMENT: Final = "fdr_bh"
MEASURES = (
    "antecedent support",
    "consequent support",
    "support",
    "confidence",
    "lift",
    "representativity",
    "leverage",
    "conviction",
    "zhangs_metric",
    "jaccard",
    "certainty",
    "kulczynski",
    "chi_square",
    "p_value",
    "p_adjusted",
)
P_VALUES = ("p_value", "p_adjusted")
Sides = frozenset[Itemset]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationRule:
    """One rule over item numbers.

    Attributes:
        antecedent: what is given.
        consequent: what goes with it; no item of the antecedent.
        measures: in the order of ``MEASURES``.
    """

    antecedent: Itemset
    consequent: Itemset
    measures: tuple[float, ...]


def find_rules(
    supports: Mapping[Itemset, int], n_rows: int, min_confidence: Fraction
) -> tuple[AssociationRule, ...]:
    """Find the rules that reach a confidence.

    Args:
        supports: rows of each open itemset; with an itemset all its subsets but the empty one.
        n_rows: rows in all, above 0 where there are supports.
        min_confidence: above 0 and at most 1.

    Returns:
        Rules by falling lift, then falling support, then items.
    """
    adjusted = adjusted_p_values(supports, n_rows)
    found = [
        (Fraction(together * n_rows, supports[antecedent] * supports[consequent]), together, rule)
        for rule, together in _rules(supports, n_rows, min_confidence, adjusted)
        for antecedent, consequent in [(rule.antecedent, rule.consequent)]
    ]
    found.sort(key=lambda entry: (-entry[0], -entry[1], entry[2].antecedent, entry[2].consequent))
    return tuple(rule for _, _, rule in found)


def _rules(
    supports: Mapping[Itemset, int], n_rows: int, min_confidence: Fraction, adjusted: Mapping[Sides, float]
) -> Iterator[tuple[AssociationRule, int]]:
    for itemset, together in supports.items():
        for size in range(1, len(itemset)):
            for antecedent in combinations(itemset, size):
                if together < min_confidence * supports[antecedent]:
                    continue
                consequent = tuple(item for item in itemset if item not in antecedent)
                measures = measures_of(together, supports[antecedent], supports[consequent], n_rows)
                measures += (adjusted[frozenset((antecedent, consequent))],)
                yield (
                    AssociationRule(antecedent=antecedent, consequent=consequent, measures=measures),
                    together,
                )


def measures_of(together: int, antecedent: int, consequent: int, n_rows: int) -> tuple[float, ...]:
    """The measures of one rule from its counts.

    Args:
        together: rows with both sides.
        antecedent: rows with the left side, above 0.
        consequent: rows with the right side, above 0.
        n_rows: rows in all.

    Returns:
        In the order of ``MEASURES``, without the last one, which depends on the other rules.
    """
    support = Fraction(together, n_rows)
    left, right = Fraction(antecedent, n_rows), Fraction(consequent, n_rows)
    confidence = Fraction(together, antecedent)
    conviction = math.inf if confidence == 1 else float((1 - right) / (1 - confidence))
    leverage = support - left * right
    largest = max(support * (1 - left), left * (right - support))
    chi_square = chi_square_of(together, antecedent, consequent, n_rows)
    return (
        float(left),
        float(right),
        float(support),
        float(confidence),
        float(confidence / right),
        1.0,
        float(leverage),
        conviction,
        float(leverage / largest) if largest else 0.0,
        float(support / (left + right - support)),
        float((confidence - right) / (1 - right)) if right != 1 else 0.0,
        float((confidence + support / right) / 2),
        float(chi_square),
        p_value_of(chi_square),
    )


def chi_square_of(together: int, antecedent: int, consequent: int, n_rows: int) -> Fraction:
    """The chi-square of two sides without correction; 0 where one of them holds everywhere or nowhere."""
    margins = antecedent * (n_rows - antecedent) * consequent * (n_rows - consequent)
    if not margins:
        return Fraction(0)
    return Fraction(n_rows * (n_rows * together - antecedent * consequent) ** 2, margins)


def p_value_of(chi_square: Fraction) -> float:
    """The upper tail with one degree of freedom."""
    return math.erfc(math.sqrt(chi_square / 2))


def adjusted_p_values(
    supports: Mapping[Itemset, int], n_rows: int, method: str = DEFAULT_ADJUSTMENT
) -> dict[Sides, float]:
    """Adjust the p-values of all pairs of sides that open itemsets give.

    Args:
        supports: rows of each open itemset; with an itemset all its subsets but the empty one.
        n_rows: rows in all.
        method: one of ``analytics.statistics.profiles.group_comparisons.ADJUSTMENTS``.

    Returns:
        By the pair of sides, whichever is given.
    """
    tests: dict[Sides, float] = {}
    for itemset, together in supports.items():
        for size in range(1, len(itemset) // 2 + 1):
            for one in combinations(itemset, size):
                other = tuple(item for item in itemset if item not in one)
                sides = frozenset((one, other))
                if sides not in tests:
                    chi_square = chi_square_of(together, supports[one], supports[other], n_rows)
                    tests[sides] = p_value_of(chi_square)
    return dict(zip(tests, adjusted([*tests.values()], method), strict=True)) if tests else {}
