"""Budgets: the allowance of a population, and the privacy filter that counts what was spent of it.

Layer:       privacy_accounting.budget, above ``rdp``, below ``ledger``. Pure: integers, no clock, no file.
Modules:     ``allowance`` (sub-budgets, their order and allowance) · ``totals`` (running totals) · ``privacy_filter``
             (spent, held, left; admission) · ``quote`` (prices before a request) · ``parallel`` (disjoint groups of
             patients).
"""

from privacy_accounting.budget.allowance import PopulationBudget, SubBudget, allowance_units, plan_sub_budget
from privacy_accounting.budget.parallel import Partition, parallel_events
from privacy_accounting.budget.privacy_filter import PrivacyFilter
from privacy_accounting.budget.quote import Quote, quote, quote_batch
from privacy_accounting.budget.totals import Spend

__all__ = [
    "Partition",
    "PopulationBudget",
    "PrivacyFilter",
    "Quote",
    "Spend",
    "SubBudget",
    "allowance_units",
    "parallel_events",
    "plan_sub_budget",
    "quote",
    "quote_batch",
]
