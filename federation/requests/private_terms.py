"""The price of a private release as a stand-alone epsilon, at ``t`` and at ``n - 1`` colluding sites (P4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privacy_accounting.decimals import rounded_up
from privacy_accounting.events import Relation
from privacy_accounting.ledger.pricing import all_but_one
from privacy_accounting.rdp import standalone_epsilon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privacy_accounting.events import Event


def private_terms(events: Sequence[Event], *, delta: Any, relation: str, n_sites: int) -> dict[str, str]:
    """Price a release at ``t`` and at ``n - 1`` colluding sites as a stand-alone epsilon, with this accountant."""
    known = Relation(relation)
    at_t = standalone_epsilon(events, delta, known).epsilon
    worst = standalone_epsilon([all_but_one(event) for event in events], delta, known).epsilon
    return {
        "epsilon_at_t": rounded_up(at_t),
        "epsilon_if_all_but_one_collude": rounded_up(worst),
        "all_but_one": str(n_sites - 1),
    }
