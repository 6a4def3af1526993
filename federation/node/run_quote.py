"""The cost of a whole training, and whether the budget pays for it.

Layer:       federation.node.run_quote, beside budget_report. Reads a privacy filter, changes nothing.
Guarantees:  depends only on the cost of one attempt and on the number of rounds: all attempts of a run cost the same,
             and a run never charges more attempts than it has rounds.
See instead: the refusal (``admission.training``), quotes of single questions (``budget_report``).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from privacy_accounting.budget.privacy_filter import readable

if TYPE_CHECKING:
    from privacy_accounting.budget.privacy_filter import PrivacyFilter
    from privacy_accounting.budget.totals import Spend


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunQuote:
    """The cost of all rounds of a training, and the budget left before it.

    Attributes:
        scope: name of the tightest limit.
        units: Rényi cost of all rounds at the sub-budget's order, in units of ``2**-40``.
        spent: units spent in the tightest limit.
        remaining: units left in the tightest limit.
        rounds_that_fit: the number of its rounds that the remaining budget pays for.
        largest_epsilon: the largest epsilon of a whole training that fits, as a decimal string; None without one.
    """

    scope: str
    units: int
    spent: int
    remaining: int
    rounds_that_fit: int
    largest_epsilon: str | None

    @property
    def fits(self) -> bool:
        """Whether the budget pays for all rounds."""
        return self.units <= self.remaining

    def to_dict(self) -> dict[str, str | bool]:
        """Everything as text, costs as decimals."""
        return {
            "scope": self.scope,
            "cost": readable(self.units),
            "spent": readable(self.spent),
            "remaining": readable(self.remaining),
            "fits": self.fits,
            "rounds_that_fit": str(self.rounds_that_fit),
            "largest_epsilon": self.largest_epsilon or "",
        }


def run_quote(privacy_filter: PrivacyFilter, spend: Spend, *, rounds: int) -> RunQuote:
    """Quote a run.

    Args:
        privacy_filter: the privacy filter in its present state.
        spend: the charge of one attempt.
        rounds: the number of rounds of the run.

    Raises:
        LedgerRefusedError: the privacy filter has no such sub-budget.
    """
    limits = privacy_filter.limits(
        spend.population, spend.sub_budget, purpose=spend.purpose, analyst=spend.analyst
    )
    tightest = min(limits, key=lambda limit: limit.remaining)
    fits = max(0, tightest.remaining // spend.units)
    return RunQuote(
        scope=tightest.scope,
        units=rounds * spend.units,
        spent=tightest.spent,
        remaining=tightest.remaining,
        rounds_that_fit=min(rounds, fits),
        largest_epsilon=privacy_filter.largest_epsilon(
            spend.population, spend.sub_budget, purpose=spend.purpose, analyst=spend.analyst
        ),
    )
