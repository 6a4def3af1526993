"""The answer of private mining: noisy itemsets and rules, with intervals.

Layer:       analytics.mining.private above analytics.mining.result.
Terms:       intervals hold for the noise alone: the rows are the population. Those of supports and confidences hold at 95 %
             for an itemset or rule that is fixed beforehand: a ratio lies between the quotients of its parts' ends, whatever
             their correlation. That of a lift takes 1.25 % for each of its four counts.
Guarantees:  no measure that would need the noise in its law, such as a p-value, is given.
Source:      ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import InvalidRequestError
from analytics.mining.result import FrequentItemset, MiningResult, check_limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from analytics.mining.private.estimates import Estimate

Interval = tuple[float, float]
Z: Final = 1.959963984540054  # 97.5 % of the standard normal distribution
Z_FOUR: Final = 2.4977054744123723  # 1 - 0.05 / 8
PRIVATE_MEASURES: Final = (
    "antecedent support", "consequent support", "support", "support_low", "support_high", "confidence",
    "confidence_low", "confidence_high", "lift", "lift_low", "lift_high", "leverage", "conviction",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyItemset(FrequentItemset):
    """One itemset with noise.

    Attributes:
        count: rounded to whole baskets.
        support: of the noisy number of baskets, not rounded.
        sd: standard deviation of the noise in the count.
        interval: of the support, at 95 %.
    """

    sd: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PrivateMiningResult(MiningResult):
    """Noisy itemsets and rules; ``closed`` and ``adjusted`` have no private form.

    ``is_complete`` is False where bases were cut to fit: some itemsets of three and more items were then not counted.
    """

    @property
    def _noisy(self) -> list[NoisyItemset]:
        return [entry for entry in self.found if isinstance(entry, NoisyItemset)]

    def _counts(self) -> str:
        return (
            f"{len(self.found)} itemsets and {len(self.found_rules)} rules of about {self.n_rows} rows; "
            f"epsilon {self.cost.get('epsilon')}"
        )

    @property
    def itemsets(self) -> pd.DataFrame:
        """Frame with support, itemsets, count, the noise's standard deviation (rows) and the interval of the support."""
        frame = super(PrivateMiningResult, self).itemsets
        frame["count_sd"] = [entry.sd for entry in self._noisy]
        frame["support_low"] = [entry.interval[0] for entry in self._noisy]
        frame["support_high"] = [entry.interval[1] for entry in self._noisy]
        return frame

    @property
    def rules(self) -> pd.DataFrame:
        """Frame with the columns antecedents and consequents (frozensets) and one for each of ``PRIVATE_MEASURES``."""
        import pandas as pd

        columns: dict[str, Any] = {
            "antecedents": pd.Series(
                [frozenset(rule.antecedents) for rule in self.found_rules], dtype="object"
            ),
            "consequents": pd.Series(
                [frozenset(rule.consequents) for rule in self.found_rules], dtype="object"
            ),
        }
        for name in PRIVATE_MEASURES:
            values = [rule.measures[name] for rule in self.found_rules]
            columns[name] = pd.Series(values, dtype="float64")
        return pd.DataFrame(columns)

    def where(self, **limits: float) -> PrivateMiningResult:
        """Keep the rules whose measures reach limits; free. Errors as ``MiningResult.where``, also for a p-value.

        Raises:
            InvalidRequestError: the measure has no private form.
        """
        check_limits(limits)
        check_private(limits)
        kept = [
            rule
            for rule in self.found_rules
            if all(
                rule.measures[name.replace("_", " ") if name in _SPACED else name] >= least
                for name, least in limits.items()
            )
        ]
        return replace(self, found_rules=tuple(kept))

    def adjusted(self, method: str) -> MiningResult:
        """Refuse: there are no p-values.

        Raises:
            InvalidRequestError: always.
        """
        del method
        raise InvalidRequestError(parameter="method", reason="has no meaning: private rules have no p-values")

    def closed(self) -> MiningResult:
        """Refuse: whether two supports are equal is hidden.

        Raises:
            InvalidRequestError: always.
        """
        raise InvalidRequestError(parameter="keep", reason="must be all or maximal for private itemsets")

    def spreadsheet(self) -> tuple[list[str], list[list[object]]]:
        """The rules for ``--csv``; an infinite value is None."""
        rows: list[list[object]] = [
            [
                "; ".join(rule.antecedents),
                "; ".join(rule.consequents),
                *(_finite(rule.measures[name]) for name in PRIVATE_MEASURES),
            ]
            for rule in self.found_rules
        ]
        return ["antecedents", "consequents", *PRIVATE_MEASURES], rows

    def to_dict(self) -> dict[str, object]:
        """The answer for ``--json``."""
        shape = super(PrivateMiningResult, self).to_dict()
        shape["itemsets"] = [
            {
                "itemsets": list(entry.items),
                "support": entry.support,
                "count": entry.count,
                "count_sd": entry.sd,
                "support_interval": list(entry.interval),
            }
            for entry in self._noisy
        ]
        return shape


_SPACED: Final = frozenset({"antecedent_support", "consequent_support"})
_LIMITED: Final = frozenset({*_SPACED, *PRIVATE_MEASURES})


def check_private(limits: Mapping[str, float]) -> None:
    """Refuse limits on measures that have no private form, before anything is asked.

    Raises:
        InvalidRequestError: there is one.
    """
    for name in limits:
        if name not in _LIMITED:
            raise InvalidRequestError(parameter=name, reason="has no private form")


def ratio_interval(above: Estimate, below: Estimate, largest: float = 1.0) -> Interval:
    """Interval of a ratio of two counts at 95 %, whatever the correlation of their noises."""
    low = max(0.0, above.count - Z * above.sd) / max(1.0, below.count + Z * below.sd)
    least = below.count - Z * below.sd
    high = math.inf if least <= 0 else max(0.0, above.count + Z * above.sd) / least
    return min(low, largest), min(high, largest)


def lift_interval(together: Estimate, first: Estimate, second: Estimate, rows: Estimate) -> Interval:
    """Interval of a lift at 95 %, from one of each count at 98.75 %."""
    low = [max(0.0, one.count - Z_FOUR * one.sd) for one in (together, rows, first, second)]
    high = [max(0.0, one.count + Z_FOUR * one.sd) for one in (together, rows, first, second)]
    least = low[0] * low[1] / (high[2] * high[3]) if high[2] * high[3] else 0.0
    most = high[0] * high[1] / (low[2] * low[3]) if low[2] * low[3] else math.inf
    return least, most


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
