"""A linkage in words: who learns what, and what it takes; from public facts alone.

Layer:       analytics.linkage above plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.linkage.plan import LinkPlan


def explain_link(plan: LinkPlan) -> dict[str, object]:
    """Explain a plan as a dictionary."""
    return {
        "question": "linkage",
        "mode": "exact",
        **plan.request.to_dict(),
        "key": plan.table.privacy_unit,
        "link_form": list(plan.table.link_form or ()),
        "size": plan.size,
        "opened_to": plan.opened_to(),
        "exchanges": plan.exchanges(),
        "bytes_per_party": plan.bytes_sent(),
        "cost": plan.cost(),
    }


def explain_link_text(plan: LinkPlan) -> str:
    """Explain a plan in plain text, for a terminal."""
    first, second = plan.request.sites
    steps = ", ".join(plan.table.link_form or ()) or "as it is"
    return "\n".join(
        [
            f"linkage of table {plan.table.name} between {first} and {second} by {plan.table.privacy_unit} ({steps})",
            "",
            f"each of the two sends {plan.size} blinded elements, whatever the number of its patients",
            *(f"opened to {who}: {what}" for who, what in plan.opened_to().items()),
            "the other sites of the consortium take no part and learn nothing of it but its ledger entry",
            f"{plan.exchanges()} exchanges, {plan.bytes_sent()} bytes to the other site",
            "once for this pair, table and declared version of the table; a failed run counts",
            "a partner that sends identifiers of its own choosing learns which of them the other has",
            "exact disclosure without epsilon",
        ]
    )
