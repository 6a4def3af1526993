"""The answer of a mining run: frequent itemsets and rules.

Layer:       analytics.mining above rules; pandas is loaded only where a frame is asked for.
Guarantees:  ``itemsets`` and ``rules`` have mlxtend's column names; a closed itemset does not occur.
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, get_args

from analytics.errors import InvalidRequestError
from analytics.mining.rules import MEASURES, P_VALUES, adjusted_p_values
from analytics.statistics.profiles.group_comparisons import ADJUSTMENTS
from analytics.text_tables import as_html, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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


Keep = Literal["all", "closed", "maximal"]
_KNOWN: Final = {name.replace(" ", "_"): name for name in MEASURES}
_SHOWN: Final = ("support", "confidence", "lift")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MiningResult:
    """Itemsets and rules; printed, a table of the rules.

    Attributes:
        found: open itemsets, level by level.
        found_rules: rules that reach the smallest confidence, by falling lift.
        n_rows: rows of all sites; None where no itemset is open.
        is_complete: False where the run ended early because a level did not fit under the candidates' cap.
        shows: what is printed, and what ``frame`` is.
        cost: what was charged, with the rules that the answer was given under.
        receipt: the ledger's receipt.
        all_found: every open itemset, where ``found`` holds some of them.
    """

    found: tuple[FrequentItemset, ...]
    found_rules: tuple[NamedRule, ...]
    n_rows: int | None
    is_complete: bool
    shows: Literal["rules", "itemsets"] = "rules"
    cost: Mapping[str, object] = field(default_factory=dict)
    receipt: Mapping[str, object] = field(default_factory=dict)
    all_found: tuple[FrequentItemset, ...] = ()

    def __repr__(self) -> str:
        """Counts in one line."""
        return f"<MiningResult: {self._counts()}>"

    def __str__(self) -> str:
        """The rules, the strongest first, or the itemsets."""
        return as_text(self._heads(), self._shown(), [self._counts()])

    def _repr_html_(self) -> str:
        return as_html(self._heads(), self._shown(), [self._counts()])

    def _heads(self) -> tuple[str, ...]:
        return ("itemset", "support", "count") if self.shows == "itemsets" else ("if", "then", *_SHOWN)

    def _counts(self) -> str:
        rows = "a suppressed number of" if self.n_rows is None else self.n_rows
        return f"{len(self.found)} itemsets and {len(self.found_rules)} rules of {rows} rows; an exact disclosure"

    def _shown(self) -> list[list[object]]:
        if self.shows == "itemsets":
            return [[", ".join(entry.items), entry.support, entry.count] for entry in self.found]
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
        """The rules; of ``frequent_itemsets`` the itemsets."""
        return self.itemsets if self.shows == "itemsets" else self.rules

    def where(self, **limits: float) -> MiningResult:
        """Keep the rules within limits on their measures; nothing is asked or spent.

        Args:
            **limits: by measure, with underscores for blanks (``lift=1.2``, ``antecedent_support=0.1``): the least value;
                of ``p_value`` and ``p_adjusted`` the largest.

        Raises:
            InvalidRequestError: there is no such measure, or a limit is no number.
        """
        check_limits(limits)

        def keeps(rule: NamedRule) -> bool:
            return all(
                rule.measures[_KNOWN[name]] <= limit
                if name in P_VALUES
                else rule.measures[_KNOWN[name]] >= limit
                for name, limit in limits.items()
            )

        return replace(self, found_rules=tuple(rule for rule in self.found_rules if keeps(rule)))

    def adjusted(self, method: str) -> MiningResult:
        """Adjust the p-values for the number of tests by another method; nothing is asked or spent.

        Args:
            method: ``fdr_bh`` (what an answer comes with), ``fdr_by``, ``holm`` or ``bonferroni``.

        Raises:
            InvalidRequestError: there is no such method.
        """
        if method not in ADJUSTMENTS:
            raise InvalidRequestError(parameter="method", reason=f"must be one of {', '.join(ADJUSTMENTS)}")
        supports = {entry.items: entry.count for entry in self.all_found or self.found}
        values = adjusted_p_values(supports, self.n_rows or 1, method)
        rules = [
            replace(
                rule,
                measures={
                    **rule.measures,
                    "p_adjusted": values[frozenset((rule.antecedents, rule.consequents))],
                },
            )
            for rule in self.found_rules
        ]
        return replace(self, found_rules=tuple(rules))

    def closed(self) -> MiningResult:
        """Keep the itemsets without an open superset of the same support; rules stay.

        Under the guard these are all: a superset of the same support is withheld.
        """
        return self._kept(lambda entry, above: all(other.count < entry.count for other in above))

    def maximal(self) -> MiningResult:
        """Keep the itemsets without an open superset; rules stay."""
        return self._kept(lambda _entry, above: not above)

    def rare(self, max_support: float) -> MiningResult:
        """Keep the itemsets of at most a support: ask with a small ``min_support``; rules stay.

        Args:
            max_support: share of the rows.

        Raises:
            InvalidRequestError: it is not above 0 and at most 1.
        """
        check_choice("all", max_support)
        return self._kept(lambda entry, _above: entry.support <= max_support)

    def _kept(self, keeps: Callable[[FrequentItemset, list[FrequentItemset]], bool]) -> MiningResult:
        """Choose among the itemsets; ``all_found`` remembers all of them for p-values."""
        every = self.all_found or self.found
        above: dict[frozenset[str], list[FrequentItemset]] = {}
        for entry in every:
            for item in entry.items if len(entry.items) > 1 else ():
                above.setdefault(frozenset(entry.items) - {item}, []).append(entry)
        found = tuple(entry for entry in self.found if keeps(entry, above.get(frozenset(entry.items), [])))
        return replace(self, found=found, all_found=every)

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


def check_limits(limits: Mapping[str, object]) -> None:
    """Check limits on measures before anything is asked.

    Raises:
        InvalidRequestError: there is no such measure, or a limit is no number.
    """
    for name, limit in limits.items():
        if name not in _KNOWN:
            reason = f"is no measure of a rule: there are {', '.join(_KNOWN)}"
            raise InvalidRequestError(parameter=str(name)[:80], reason=reason)
        if isinstance(limit, bool) or not isinstance(limit, int | float) or math.isnan(limit):
            raise InvalidRequestError(parameter=name, reason="must be a number")


def check_choice(keep: object, max_support: object) -> None:
    """Check which itemsets are to be kept, before anything is asked.

    Raises:
        InvalidRequestError: there is no such choice.
    """
    if keep not in get_args(Keep):
        raise InvalidRequestError(parameter="keep", reason=f"must be one of {', '.join(get_args(Keep))}")
    is_number = isinstance(max_support, int | float) and not isinstance(max_support, bool)
    if max_support is not None and not (is_number and 0 < max_support <= 1):  # type: ignore[operator]
        raise InvalidRequestError(parameter="max_support", reason="must be above 0 and at most 1")


def chosen(result: MiningResult, keep: Keep, max_support: float | None) -> MiningResult:
    """The itemsets of an answer that are to be shown."""
    found = {"all": lambda: result, "closed": result.closed, "maximal": result.maximal}[keep]()
    if max_support is not None:
        found = found.rare(max_support)
    return replace(found, shows="itemsets")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
