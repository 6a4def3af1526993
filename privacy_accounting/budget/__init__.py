"""Budgets: what a population allows, and the book of what was spent of it.

Floor:    privacy_accounting.budget, above ``rdp``, below ``ledger``. Pure: integers, no clock, no file.
Modules:  ``allowance`` (sub-budgets, their order and allowance) · ``book`` (spent, held, left; admission).
"""

from privacy_accounting.budget.allowance import PopulationBudget, SubBudget, allowance_units, plan_sub_budget
from privacy_accounting.budget.book import Book, Spend

__all__ = ["Book", "PopulationBudget", "Spend", "SubBudget", "allowance_units", "plan_sub_budget"]
