"""Association rules and their measures, from opened supports.

Layer:       analytics.mining, pure: public arithmetic at the analyst's end.
Terms:       for a rule A -> C over N rows: confidence ``n(AC) / n(A)``, lift ``n(AC) N / (n(A) n(C))``, leverage
             ``s(AC) - s(A) s(C)``, conviction ``(1 - s(C)) / (1 - confidence)``, infinite at confidence 1.
Accuracy: exact fractions, rounded to binary64 once at the end; a rule is kept by an exact comparison.
Guarantees:  every subset of an open itemset is open, so that every rule has its supports.
Source:      R. Agrawal, T. Imielinski, A. Swami, SIGMOD 1993 (confidence); dynamic itemset counting, SIGMOD 1997
             (lift, conviction); G. Piatetsky-Shapiro 1991 (leverage). Column names as in mlxtend.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from analytics.mining.candidates import Itemset

MEASURES = (
    "antecedent support",
    "consequent support",
    "support",
    "confidence",
    "lift",
    "leverage",
    "conviction",
)


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
    found = [
        (Fraction(together * n_rows, supports[antecedent] * supports[consequent]), together, rule)
        for rule, together in _rules(supports, n_rows, min_confidence)
        for antecedent, consequent in [(rule.antecedent, rule.consequent)]
    ]
    found.sort(key=lambda entry: (-entry[0], -entry[1], entry[2].antecedent, entry[2].consequent))
    return tuple(rule for _, _, rule in found)


def _rules(
    supports: Mapping[Itemset, int], n_rows: int, min_confidence: Fraction
) -> Iterator[tuple[AssociationRule, int]]:
    for itemset, together in supports.items():
        for size in range(1, len(itemset)):
            for antecedent in combinations(itemset, size):
                if together < min_confidence * supports[antecedent]:
                    continue
                consequent = tuple(item for item in itemset if item not in antecedent)
                measures = measures_of(together, supports[antecedent], supports[consequent], n_rows)
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
        In the order of ``MEASURES``.
    """
    support = Fraction(together, n_rows)
    left, right = Fraction(antecedent, n_rows), Fraction(consequent, n_rows)
    confidence = Fraction(together, antecedent)
    conviction = math.inf if confidence == 1 else float((1 - right) / (1 - confidence))
    return (
        float(left),
        float(right),
        float(support),
        float(confidence),
        float(confidence / right),
        float(support - left * right),
        conviction,
    )
