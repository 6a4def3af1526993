"""The privacy filter: what was spent of every sub-budget, what is in doubt, and whether one more charge fits.

Layer:       privacy_accounting.budget. Pure: integers only where it decides; one lock, no clock, no file.
Terms:       *spent* is in complete entries; *held* is signed but not yet complete or withdrawn, and counts as spent.
Guarantees:  admission is a handful of integer comparisons whatever the length of the history; a charge is admitted
             only if it fits the sub-budget, the purpose's cap and the analyst's cap; no cost is ever rounded down.
             The sub-budget spans all analysts, who may collude.
See instead: how a charge is priced (``rdp``), how it is agreed on (``ledger``).
Source:      filter at a fixed order: Feldman and Zrnic, arXiv 2008.11193, Theorem 4.3.
"""

from __future__ import annotations

import dataclasses
import decimal
import threading
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from privacy_accounting.budget.allowance import UNIT_BITS, PopulationBudget, SubBudget
from privacy_accounting.budget.totals import RemainingAllowance, Spend, SpendTotals, readable
from privacy_accounting.errors import BudgetExceededError, InvalidCostError, LedgerRefusedError
from privacy_accounting.events import Event, Gaussian, Relation
from privacy_accounting.rdp import INFINITE_UNITS, cost_units, standalone_epsilon

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

_EPSILON_DIGITS: Final = 4
__all__ = ["PrivacyFilter", "RemainingAllowance", "Spend", "readable"]


class PrivacyFilter:
    """Folded state of a chain: spent units per population and sub-budget, by purpose and by analyst."""

    def __init__(self, *, relation: Relation) -> None:
        """Create a filter without any charge.

        Args:
            relation: neighboring relation of the consortium; every charge is priced under it.
        """
        self.relation = relation
        self._lock = threading.RLock()
        self._budgets: dict[str, PopulationBudget] = {}
        self._tallies: dict[tuple[str, str], SpendTotals] = {}
        self._held: dict[Hashable, tuple[Spend, ...]] = {}
        self._held_tallies: dict[tuple[str, str], SpendTotals] = {}
        self._exact: Counter[tuple[str, str]] = Counter()
        self._exact_numbers: Counter[str] = Counter()

    # -- what is allowed -----------------------------------------------------------------------------------

    @property
    def populations(self) -> Mapping[str, PopulationBudget]:
        """Budgets by population, as the chain has them now."""
        return dict(self._budgets)

    def check_budget(self, population: str, budget: PopulationBudget) -> None:
        """Check that a budget may follow the one that holds.

        Raises:
            LedgerRefusedError: a sub-budget would vanish, or change its order without being priced anew.
        """
        old = self._budgets.get(population)
        for name, part in old.sub_budgets.items() if old else ():
            new = budget.sub_budgets.get(name)
            if new is None or new.order != part.order:
                raise LedgerRefusedError(
                    reason=f"budget of {population}: {name} is removed or changes its order"
                )

    def set_budget(self, population: str, budget: PopulationBudget) -> None:
        """Write or raise a population's budget; what was spent stays spent.

        Raises:
            LedgerRefusedError: it may not follow the one that holds.
        """
        with self._lock:
            self.check_budget(population, budget)
            self._budgets[population] = budget

    def sub_budget(self, population: str, sub_budget: str) -> SubBudget:
        """Find a sub-budget.

        Raises:
            LedgerRefusedError: the chain has no such population or sub-budget.
        """
        budget = self._budgets.get(population)
        if budget is None or sub_budget not in budget.sub_budgets:
            raise LedgerRefusedError(
                reason=f"the ledger has no sub-budget {sub_budget} for population {population}"
            )
        return budget.sub_budgets[sub_budget]

    # -- admission -----------------------------------------------------------------------------------------

    def limits(
        self,
        population: str,
        sub_budget: str,
        *,
        purpose: str | None = None,
        analyst: str | None = None,
        also: Iterable[Spend] = (),
    ) -> list[RemainingAllowance]:
        """List every limit on a charge: the sub-budget first, then the purpose's and the analyst's cap.

        Args:
            population: whose patients.
            sub_budget: which filter.
            purpose: adds this purpose's cap.
            analyst: adds this analyst's cap.
            also: charges to count as spent too (earlier ones of the same proposal).
        """
        with self._lock:
            part = self.sub_budget(population, sub_budget)
            budget = self._budgets[population]
            key = (population, sub_budget)
            tallies = [t for t in (self._tallies.get(key), self._held_tallies.get(key)) if t is not None]
            extra = SpendTotals()
            for spend in also:
                if (spend.population, spend.sub_budget) == key:
                    extra.add(spend, 1)
            tallies.append(extra)
            whole = sum(tally.units for tally in tallies)
            result = [RemainingAllowance(scope=sub_budget, allowance=part.allowance, spent=whole)]
            if purpose is not None:
                cap, gone = (
                    budget.purpose_cap(purpose, part.allowance),
                    sum(t.purposes[purpose] for t in tallies),
                )
                result.append(
                    RemainingAllowance(scope=f"{sub_budget}, purpose {purpose}", allowance=cap, spent=gone)
                )
            if analyst is not None:
                cap, gone = (
                    budget.analyst_cap(analyst, part.allowance),
                    sum(t.analysts[analyst] for t in tallies),
                )
                result.append(
                    RemainingAllowance(scope=f"{sub_budget}, analyst {analyst}", allowance=cap, spent=gone)
                )
            return result

    def check(self, spend: Spend, *, also: Iterable[Spend] = ()) -> None:
        """Admit a charge or refuse it; changes nothing, so a refusal costs nothing and blocks no other request.

        Args:
            spend: the charge.
            also: charges to count as spent too.

        Raises:
            InvalidCostError: the cost is not a positive integer below ``2**62``.
            BudgetExceededError: a limit would be passed; carries what is left of the tightest.
            LedgerRefusedError: the chain has no such sub-budget.
        """
        if type(spend.units) is not int or not 0 < spend.units < INFINITE_UNITS:
            raise InvalidCostError(what="cost", reason="must be a positive, finite, whole number of units")
        also = tuple(also)
        limits = self.limits(
            spend.population, spend.sub_budget, purpose=spend.purpose, analyst=spend.analyst, also=also
        )
        self._check_own_delta(spend, also)
        tightest = min(limits, key=lambda limit: limit.remaining)
        if not spend.units <= tightest.remaining:
            raise BudgetExceededError(
                requested=spend.units,
                spent=tightest.spent,
                remaining=tightest.remaining,
                population=spend.population,
                sub_budget=tightest.scope,
                largest_epsilon=self.largest_epsilon(
                    spend.population, spend.sub_budget, purpose=spend.purpose, analyst=spend.analyst
                ),
            )

    def _check_own_delta(self, spend: Spend, also: Iterable[Spend]) -> None:
        """Thresholds spend a delta of their own, which the plan of the sub-budget must have set aside."""
        wanted = spend.own_delta
        if wanted == 0:
            return
        key = (spend.population, spend.sub_budget)
        with self._lock:
            tallies = [t for t in (self._tallies.get(key), self._held_tallies.get(key)) if t is not None]
            gone = sum((tally.own_delta for tally in tallies), Fraction(0))
        gone += sum((o.own_delta for o in also if (o.population, o.sub_budget) == key), Fraction(0))
        if not gone + wanted <= self.sub_budget(*key).reserved_delta:
            raise LedgerRefusedError(
                reason=f"the plan of {spend.sub_budget} sets no delta aside for this threshold"
            )

    def remaining(
        self, population: str, sub_budget: str, *, purpose: str | None = None, analyst: str | None = None
    ) -> int:
        """Give the units that a charge may still cost, the tightest limit deciding."""
        limits = self.limits(population, sub_budget, purpose=purpose, analyst=analyst)
        return min(limit.remaining for limit in limits)

    # -- what was spent ------------------------------------------------------------------------------------

    def add(self, spend: Spend) -> None:
        """Count a complete charge; never refuses, because what is complete is spent."""
        with self._lock:
            self._tallies.setdefault((spend.population, spend.sub_budget), SpendTotals()).add(spend, 1)

    def give_back(self, spend: Spend) -> None:
        """Undo a charge that all its sites cancelled."""
        with self._lock:
            self._tallies[spend.population, spend.sub_budget].add(spend, -1)

    def hold(self, key: Hashable, spends: Iterable[Spend]) -> None:
        """Count charges as spent while they are in doubt."""
        with self._lock:
            self.release(key)
            self._held[key] = tuple(spends)
            for spend in self._held[key]:
                self._held_tallies.setdefault((spend.population, spend.sub_budget), SpendTotals()).add(
                    spend, 1
                )

    def release(self, key: Hashable) -> None:
        """Stop counting charges as in doubt; they were completed or withdrawn."""
        with self._lock:
            for spend in self._held.pop(key, ()):
                self._held_tallies[spend.population, spend.sub_budget].add(spend, -1)

    def spent(self, population: str, sub_budget: str) -> int:
        """Give the units spent or in doubt."""
        return self.limits(population, sub_budget)[0].spent

    def fraction_spent(self, population: str, sub_budget: str) -> Fraction:
        """Give spent / B, the figure that the filter decides by."""
        limit = self.limits(population, sub_budget)[0]
        return Fraction(limit.spent, limit.allowance)

    def by_purpose(self, population: str, sub_budget: str) -> dict[str, int]:
        """Units of complete charges per purpose."""
        tally = self._tallies.get((population, sub_budget), SpendTotals())
        return {name: units for name, units in tally.purposes.items() if units}

    def by_analyst(self, population: str, sub_budget: str) -> dict[str, int]:
        """Units of complete charges per analyst."""
        tally = self._tallies.get((population, sub_budget), SpendTotals())
        return {name: units for name, units in tally.analysts.items() if units}

    def events(self, population: str, sub_budget: str) -> list[Event]:
        """List what complete charges released, equal events merged by their count."""
        merged: Counter[Event] = Counter()
        with self._lock:
            for _, _, event, number in self._tallies.get((population, sub_budget), SpendTotals()).released():
                merged[event] += number
        return [_times(event, number) for event, number in merged.items()]

    def epsilon_spent(self, population: str, sub_budget: str) -> float:
        """Give the epsilon of all complete charges together, at the sub-budget's delta.

        It is a figure for people, valid if the workload was not adaptive; the filter does not use it.
        """
        events = self.events(population, sub_budget)
        if not events:
            return 0.0
        delta = self.sub_budget(population, sub_budget).delta
        return float(standalone_epsilon(events, delta, self.relation).epsilon)

    def largest_epsilon(
        self, population: str, sub_budget: str, *, purpose: str | None = None, analyst: str | None = None
    ) -> str | None:
        """Give the epsilon of the largest single Gaussian release that still fits, rounded down, or None."""
        part = self.sub_budget(population, sub_budget)
        left = self.remaining(population, sub_budget, purpose=purpose, analyst=analyst)
        # A Gaussian of noise multiplier z costs order / (2 z^2); one unit is kept for rounding.
        rho = Fraction(max(0, left - 1), 2**UNIT_BITS) / part.order
        if rho <= 0:
            return None
        context = decimal.Context(prec=_EPSILON_DIGITS + 8, rounding=decimal.ROUND_UP)
        square = context.divide(decimal.Decimal(rho.denominator), decimal.Decimal(2 * rho.numerator))
        release = Gaussian(noise_multiplier=Fraction(context.sqrt(square)), count=1)
        value = decimal.Decimal(float(standalone_epsilon([release], part.delta, self.relation).epsilon))
        shown = decimal.Context(prec=_EPSILON_DIGITS, rounding=decimal.ROUND_DOWN).plus(value)
        return f"{shown:f}" if shown > 0 else None

    # -- another order -------------------------------------------------------------------------------------

    def repriced(
        self, population: str, sub_budget: str, order: Fraction
    ) -> tuple[dict[str, int], dict[str, int]]:
        """Price all that was ever released of a sub-budget at another order.

        Args:
            population: whose patients.
            sub_budget: which filter.
            order: the Rényi order to price at.

        Returns:
            Units by purpose and units by analyst.
        """
        purposes: Counter[str] = Counter()
        analysts: Counter[str] = Counter()
        with self._lock:
            released = list(self._tallies.get((population, sub_budget), SpendTotals()).released())
        for purpose, analyst, event, number in released:
            units = number * cost_units([event], order, self.relation)
            purposes[purpose] += units
            analysts[analyst] += units
        return dict(purposes), dict(analysts)

    def moved_budget(
        self, population: str, sub_budget: str, order: Fraction, allowance: int
    ) -> PopulationBudget:
        """Give a population's budget with one sub-budget at another order.

        Raises:
            LedgerRefusedError: there is no such sub-budget.
            InvalidCostError: the allowance is more than (epsilon, delta) permits at the order.
        """
        moved = dataclasses.replace(self.sub_budget(population, sub_budget), order=order, allowance=allowance)
        budget = self._budgets[population]
        return dataclasses.replace(budget, sub_budgets={**budget.sub_budgets, sub_budget: moved})

    def move_order(
        self,
        population: str,
        sub_budget: str,
        budget: PopulationBudget,
        *,
        purposes: Mapping[str, int],
        analysts: Mapping[str, int],
    ) -> None:
        """Count a sub-budget at another order from here on.

        Args:
            population: whose patients.
            sub_budget: which filter.
            budget: what ``moved_budget`` gave.
            purposes: units spent at the new order, by purpose.
            analysts: units spent at the new order, by analyst; the same total.
        """
        with self._lock:
            self._budgets[population] = budget
            tally = self._tallies.setdefault((population, sub_budget), SpendTotals())
            tally.units = sum(purposes.values())
            tally.purposes, tally.analysts = Counter(purposes), Counter(analysts)

    def totals(self) -> dict[str, dict[str, dict[str, object]]]:
        """Give what complete entries spent, by population and sub-budget, and who had exact disclosures."""
        with self._lock:
            result: dict[str, dict[str, dict[str, object]]] = {}
            for (population, name), tally in self._tallies.items():
                result.setdefault(population, {})[name] = tally.pinned()
            for population in {where for (where, _), number in self._exact.items() if number}:
                exact = {who: n for (where, who), n in self._exact.items() if where == population and n}
                numbers = self._exact_numbers[population]
                result.setdefault(population, {})[""] = {"exact": exact} | (
                    {"numbers": numbers} if numbers else {}
                )
            return result

    # -- checkpoints ---------------------------------------------------------------------------------------

    @property
    def tallies(self) -> Mapping[tuple[str, str], SpendTotals]:
        """Running totals of complete charges, by population and sub-budget."""
        return dict(self._tallies)

    @property
    def exact_counts(self) -> Mapping[tuple[str, str], int]:
        """Exact disclosures by population and analyst."""
        return {key: number for key, number in self._exact.items() if number}

    @property
    def exact_numbers(self) -> Mapping[str, int]:
        """Numbers that exact disclosures opened, by population."""
        return {population: numbers for population, numbers in self._exact_numbers.items() if numbers}

    def restore(
        self,
        tallies: Mapping[tuple[str, str], SpendTotals],
        exact: Mapping[tuple[str, str], int],
        exact_numbers: Mapping[str, int],
    ) -> None:
        """Take over totals that were folded before."""
        with self._lock:
            self._tallies, self._exact = dict(tallies), Counter(exact)
            self._exact_numbers = Counter(exact_numbers)

    # -- exact disclosures ---------------------------------------------------------------------------------

    def add_exact(self, population: str, analyst: str, number: int = 1, *, numbers: int = 0) -> None:
        """Count a disclosure without epsilon and the numbers that it opens, both negative when it was cancelled."""
        with self._lock:
            self._exact[population, analyst] += number
            self._exact_numbers[population] += numbers

    def exact_disclosures(self, population: str, analyst: str | None = None) -> int:
        """Count exact disclosures about a population, of one analyst or of all."""
        return sum(
            number
            for (where, who), number in self._exact.copy().items()
            if where == population and analyst in {None, who}
        )


def _times(event: Event, number: int) -> Event:
    """Multiply the count of an event."""
    return dataclasses.replace(event, count=event.count * number)
