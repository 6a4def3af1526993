"""The answer of a mining run: frequent itemsets and rules.

Layer:       analytics.mining above rules; pandas is loaded only where a frame is asked for.
Guarantees:  ``itemsets`` and ``rules`` have mlxtend's column names; a closed itemset does not occur.
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from analytics.mining.rules import MEASURES
from analytics.text_tables import as_html, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequentItemset:
    """One open itemset.

    Attributes:
        items: canonical names, in the plan's order.
        count: rows in which all of them hold.
        support: the same as a share of all rows.
    """

    items: Names
    count: int
    support: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRule:
    """One rule over names.

    Attributes:
        antecedents: what is given.
        consequents: what goes with it.
        measures: by mlxtend's column names; conviction may be infinite.
    """

    antecedents: Names
    consequents: Names
    measures: Mapping[str, float]


_SHOWN: Final = ("support", "confidence", "lift")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MiningResult:
    """Itemsets and rules; printed, a table of the rules.

    Attributes:
        found: open itemsets, level by level.
        found_rules: rules that reach the smallest confidence, by falling lift.
        n_rows: rows of all sites; None where no itemset is open.
        is_complete: False where the run ended early because a level did not fit under the candidates' cap.
        cost: what was charged, with the rules that the answer was given under.
        receipt: the ledger's receipt.
    """

    found: tuple[FrequentItemset, ...]
    found_rules: tuple[NamedRule, ...]
    n_rows: int | None
    is_complete: bool
    cost: Mapping[str, object] = field(default_factory=dict)
    receipt: Mapping[str, object] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Counts in one line."""
        return f"<MiningResult: {self._counts()}>"

    def __str__(self) -> str:
        """The rules, the strongest first."""
        return as_text(("if", "then", *_SHOWN), self._shown(), [self._counts()])

    def _repr_html_(self) -> str:
        return as_html(("if", "then", *_SHOWN), self._shown(), [self._counts()])

    def _counts(self) -> str:
        rows = "a suppressed number of" if self.n_rows is None else self.n_rows
        return f"{len(self.found)} itemsets and {len(self.found_rules)} rules of {rows} rows; an exact disclosure"

    def _shown(self) -> list[list[object]]:
        return [
            [
                ", ".join(rule.antecedents),
                ", ".join(rule.consequents),
                *(rule.measures[name] for name in _SHOWN),
            ]
            for rule in self.found_rules
        ]

    @property
    def itemsets(self) -> pd.DataFrame:
        """Frame with the columns support (share), itemsets (frozenset) and count."""
        import pandas as pd

        return pd.DataFrame(
            {
                "support": pd.Series([entry.support for entry in self.found], dtype="float64"),
                "itemsets": pd.Series([frozenset(entry.items) for entry in self.found], dtype="object"),
                "count": pd.Series([entry.count for entry in self.found], dtype="int64"),
            }
        )

    @property
    def rules(self) -> pd.DataFrame:
        """Frame with the columns antecedents and consequents (frozensets) and one for each measure."""
        import pandas as pd

        sides = {
            "antecedents": [frozenset(rule.antecedents) for rule in self.found_rules],
            "consequents": [frozenset(rule.consequents) for rule in self.found_rules],
        }
        columns = {name: pd.Series(values, dtype="object") for name, values in sides.items()}
        for name in MEASURES:
            values = [rule.measures[name] for rule in self.found_rules]
            columns[name] = pd.Series(values, dtype="float64")
        return pd.DataFrame(columns)

    @property
    def frame(self) -> pd.DataFrame:
        """The rules."""
        return self.rules

    def spreadsheet(self) -> tuple[list[str], list[list[object]]]:
        """The rules for ``--csv``: items of a side are joined by semicolons; an infinite conviction is None."""
        rows: list[list[object]] = [
            [
                "; ".join(rule.antecedents),
                "; ".join(rule.consequents),
                *(_finite(rule.measures[name]) for name in MEASURES),
            ]
            for rule in self.found_rules
        ]
        return ["antecedents", "consequents", *MEASURES], rows

    def to_dict(self) -> dict[str, object]:
        """The answer for ``--json``; an infinite conviction is null, since JSON has no infinity."""
        return {
            "n_rows": self.n_rows,
            "is_complete": self.is_complete,
            "itemsets": [
                {"itemsets": list(entry.items), "support": entry.support, "count": entry.count}
                for entry in self.found
            ],
            "rules": [
                {"antecedents": list(rule.antecedents), "consequents": list(rule.consequents)}
                | {name: _finite(value) for name, value in rule.measures.items()}
                for rule in self.found_rules
            ],
            "cost": dict(self.cost),
            "receipt": dict(self.receipt),
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
