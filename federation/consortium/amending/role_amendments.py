"""Amendments that change who may ask: an analyst or auditor added or removed, the key of a member renewed.

Layer:       federation.consortium.amending.role_amendments, below amendments. Pure.
See instead: the amendment and its approval (``federation.consortium.amending.amendments``), the rules
             (``federation.consortium.amending.present_roles``, ``privacy_accounting.ledger.parties.roles``).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from federation.errors import AmendmentRejectedError
from privacy_accounting.decimals import format_decimal
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.changes.role_change import ANALYST, RoleChange
from privacy_accounting.ledger.parties.roles import founding_analysts

if TYPE_CHECKING:
    from privacy_accounting.ledger.state import ChainState


def role_text(change: RoleChange) -> str:
    """Describe a change, for the administrator who approves it."""
    if change.change == "add":
        may = (
            f"may ask, up to {format_decimal(change.cap)} of each sub-budget"
            if change.role == ANALYST
            else "may read the ledger and the texts of all requests, and ask nothing"
        )
        return f"add {change.role} {change.name} with the key {change.key[:16]}, who {may}"
    if change.change == "remove":
        never = "; neither the name nor the key is given again"
        return f"remove {change.role} {change.name}, whose requests are refused from then on{never}"
    return f"renew the key of {change.role} {change.name}: {change.key[:16]} from then on"


def role_now(change: RoleChange, state: ChainState) -> str:
    """Describe the present value in a site's ledger of what a change alters."""
    standing = state.roles.standings.get(change.name)
    if change.change == "rekey":
        given = standing is not None and standing.key
        return f"now: {standing.key[:16]}" if standing and given else "now: the key of the consortium file"
    named = founding_analysts(state.genesis) if change.role == ANALYST else frozenset()
    added = {
        name for name, each in state.roles.standings.items() if each.role == change.role and not each.removed
    }
    gone = {name for name, each in state.roles.standings.items() if each.removed}
    names = ", ".join(sorted((named | added) - gone))
    if change.role != ANALYST:
        return f"now: {change.role}s of the consortium file" + (
            f" and {', '.join(sorted(added))}" if added else ""
        )
    return f"now: analysts {names}{_spent(change, state)}"


def _spent(change: RoleChange, state: ChainState) -> str:
    """Say what an analyst who is removed has spent: it stays spent."""
    if change.change != "remove":
        return ""
    parts = []
    for population, budget in sorted(state.privacy_filter.populations.items()):
        for name, part in sorted(budget.sub_budgets.items()):
            units = state.privacy_filter.by_analyst(population, name).get(change.name, 0)
            if units:
                parts.append(f"{float(Fraction(units, part.allowance)):.2%} of {name} of {population}")
    return f"; {change.name} has spent {', '.join(parts)}, which stays spent" if parts else ""


def check_role(state: ChainState, change: RoleChange) -> RoleChange:
    """Return a change that the ledger would take at its present end.

    Args:
        state: a site's ledger.
        change: the change.

    Raises:
        AmendmentRejectedError: the rules of the ledger forbid it.
    """
    try:
        sites = [members for _, members in state.succession.spans]
        state.roles.check(change, sites=sites, founding=founding_analysts(state.genesis))
    except LedgerRefusedError as error:
        raise AmendmentRejectedError(reason=error.reason) from error
    return change
