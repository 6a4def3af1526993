"""What a whole training would cost, and whether the budget pays for it.

Layer:       federation.node.run_quote, beside accounts. Reads a book, changes nothing.
Guarantees:  made of the price of one attempt and the number of rounds alone: all attempts of a run cost the same, and
             a run never charges more attempts than it has rounds.
See instead: the refusal (``training_desk``), quotes of single questions (``accounts``).
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
    """The price of all rounds of a training, and what is left before it.

    Attributes:
        scope: name of the tightest limit.
        units: Rényi cost of all rounds at the sub-budget's order, in units of ``2**-40``.
        spent: units gone in the tightest limit.
        remaining: units left in the tightest limit.
        rounds_that_fit: how many of its rounds are paid for by what is left.
        largest_epsilon: of a whole training that still fits, as a decimal string; None when none does.
    """

    scope: str
    units: int
    spent: int
    remaining: int
    rounds_that_fit: int
    largest_epsilon: str | None

    @property
    def fits(self) -> bool:
        """Whether all rounds are paid for."""
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


def run_quote(book: PrivacyFilter, spend: Spend, *, rounds: int) -> RunQuote:
    """Price a run.

    Args:
        book: as it stands.
        spend: one attempt, priced.
        rounds: of the run.

    Raises:
        LedgerRefusedError: the book has no such sub-budget.
    """
    limits = book.limits(spend.population, spend.sub_budget, purpose=spend.purpose, analyst=spend.analyst)
    tightest = min(limits, key=lambda limit: limit.remaining)
    fits = max(0, tightest.remaining // spend.units)
    return RunQuote(
        scope=tightest.scope,
        units=rounds * spend.units,
        spent=tightest.spent,
        remaining=tightest.remaining,
        rounds_that_fit=min(rounds, fits),
        largest_epsilon=book.largest_epsilon(
            spend.population, spend.sub_budget, purpose=spend.purpose, analyst=spend.analyst
        ),
    )
