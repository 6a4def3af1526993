"""Quotes: what requests would cost and what would remain, free of charge, for one request or a batch.

Layer:       privacy_accounting.budget, above ``privacy_filter``. Pure; changes nothing.
Guarantees:  a quote holds for the privacy filter as it stands and says whether the request would be admitted now,
             with the earlier requests of the same batch counted as spent; a request that would be refused does not
             use up what the later ones need.
See instead: building events from a question (the caller), refusing (``PrivacyFilter.check``).
Source:      docs/guarantees.md P4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from privacy_accounting.budget.totals import Spend, readable
from privacy_accounting.decimals import rounded_up
from privacy_accounting.errors import BudgetExceededError, LedgerRefusedError
from privacy_accounting.rdp import standalone_epsilon

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from privacy_accounting.budget.privacy_filter import PrivacyFilter

_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price of one request, and what it would leave.

    Attributes:
        population: whose patients.
        sub_budget: which filter would pay.
        units: Rényi cost at the filter's order, in units of ``2**-40``.
        spent: units gone before it, in the tightest limit.
        remaining: units left before it, in the tightest limit.
        left: units that would remain; ``remaining`` where it would be refused.
        scope: name of the tightest limit.
        epsilon: of the request alone, at the sub-budget's delta, minimum over orders.
        delta: of the sub-budget.
        refusal: why it would be refused; empty if it would be admitted.
    """

    population: str
    sub_budget: str
    units: int
    spent: int
    remaining: int
    left: int
    scope: str
    epsilon: float
    delta: Fraction
    refusal: str = ""

    @property
    def fits(self) -> bool:
        """Whether it would be admitted."""
        return not self.refusal

    def to_dict(self) -> dict[str, object]:
        """Give everything as JSON values, costs as decimals."""
        return {
            "population": self.population,
            "sub_budget": self.sub_budget,
            "cost": readable(self.units),
            "spent": readable(self.spent),
            "remaining": readable(self.remaining),
            "left": readable(self.left),
            "scope": self.scope,
            "epsilon": rounded_up(self.epsilon),
            "delta": f"{float(self.delta):.{_DIGITS}g}",
            "fits": self.fits,
            "refusal": self.refusal,
        }


def quote(privacy_filter: PrivacyFilter, spend: Spend, *, also: Sequence[Spend] = ()) -> Quote:
    """Say what one request would cost and leave; nothing is spent.

    Args:
        privacy_filter: as it stands.
        spend: the request, priced.
        also: requests to count as spent too.

    Returns:
        The quote.

    Raises:
        LedgerRefusedError: the ledger has no such sub-budget.
        InvalidCostError: the cost is no positive, finite, whole number of units.
    """
    part = privacy_filter.sub_budget(spend.population, spend.sub_budget)
    limits = privacy_filter.limits(
        spend.population, spend.sub_budget, purpose=spend.purpose, analyst=spend.analyst, also=also
    )
    tightest, refusal = min(limits, key=lambda limit: limit.remaining), ""
    try:
        privacy_filter.check(spend, also=also)
    except BudgetExceededError as error:  # the quote's own figures say how much
        fits = error.largest_epsilon
        refusal = f"more than is left; {'nothing' if fits is None else f'epsilon {fits}'} still fits"
    except LedgerRefusedError as error:
        refusal = str(error)
    return Quote(
        population=spend.population,
        sub_budget=spend.sub_budget,
        units=spend.units,
        spent=tightest.spent,
        remaining=tightest.remaining,
        left=tightest.remaining if refusal else tightest.remaining - spend.units,
        scope=tightest.scope,
        epsilon=standalone_epsilon(spend.events, part.delta, privacy_filter.relation).epsilon,
        delta=part.delta,
        refusal=refusal,
    )


def quote_batch(privacy_filter: PrivacyFilter, spends: Sequence[Spend]) -> tuple[Quote, ...]:
    """Say what requests would cost one after the other; arguments and errors as ``quote``."""
    quotes, counted = list[Quote](), list[Spend]()
    for spend in spends:
        quotes.append(quote(privacy_filter, spend, also=counted))
        if quotes[-1].fits:
            counted.append(spend)
    return tuple(quotes)
