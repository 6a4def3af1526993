"""The receipt of an answer: its ledger entry, and everything that its epsilon depends on.

Layer:       federation.requests.receipt. Pure.
Guarantees:  a receipt shows epsilon only with delta, relation, privacy unit, sites a unit, t and n - 1, and with the
             price at the sub-budget's order (P4). It also holds the trust model of the answer (P12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privacy_accounting.budget.privacy_filter import readable
from privacy_accounting.decimals import format_decimal
from privacy_accounting.ledger.contents import Charge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.requests.planning import AnyPlanned
    from federation.requests.trust import TrustModel
    from privacy_accounting.ledger.entries import Entry

GIVEN_EXACT = "epsilon holds given the exact disclosures of this population"


def make_receipt(
    planned: AnyPlanned,
    entry: Entry,
    *,
    secrecy: TrustModel,
    rounds: int,
    bytes_sent: int,
    engines: Mapping[str, str],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Write a receipt.

    Args:
        planned: the request.
        entry: the complete ledger entry.
        secrecy: see ``trust_model_of``.
        rounds: exchanges among the sites.
        bytes_sent: payload that one site sent to another (bytes).
        engines: the engine that computed on shares at each site, as the sites report it.
        seconds: how long charging and running took, as the analyst saw it.

    Returns:
        Plain data, ready for JSON.
    """
    content = entry.body.content
    receipt: dict[str, Any] = {
        "number": entry.body.number,
        "entry_hash": entry.hash.hex(),
        "time": entry.body.time,
        "request_hash": planned.digest,
        "kind": entry.body.kind,
        "signed_by": sorted(entry.signatures),
        "analyst": planned.request.analyst,
        "purpose": planned.request.purpose,
        "secrecy": secrecy.to_dict(),
        "rounds": rounds,
        "bytes_sent_per_site": bytes_sent,
        "engines": dict(engines),
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
    }
    if isinstance(content, Charge):
        receipt |= {
            "sub_budget": content.sub_budget,
            "order": format_decimal(content.order),
            "charged": readable(content.cost),
            "charged_if_all_but_one_collude": readable(content.cost_all_but_one),
        }
    return receipt


def exact_requests(costs: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the analyst's used exact requests, this one included, at the site with the fewest left; empty for a private answer.

    Args:
        costs: by site what its share says of the cost.

    Returns:
        ``{"exact_requests": {"used": ..., "of": ..., "site": ...}}``, or an empty dictionary.
    """
    found = []
    for site, cost in costs.items():
        before, limit = cost.get("exact_before", ""), cost.get("exact_limit", "")
        if before.isdecimal() and limit.isdecimal():
            found.append((int(limit) - int(before), site, int(before) + 1, int(limit)))
    if not found:
        return {}
    _, site, used, allowed = min(found)
    return {"exact_requests": {"used": used, "of": allowed, "site": site}}
