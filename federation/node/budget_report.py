"""The budget as rows (spent and remaining, per population, sub-budget, purpose and analyst), and quotes.

Layer:       federation.node.budget_report. Reads the privacy filter of one replica, changes nothing.
Guarantees:  ``fraction_spent`` is the figure by which the filter decides; ``epsilon_spent`` is for information (P4).
             A quote is free, is computed from the request's own bytes, and counts the earlier quotes of its batch as
             spent.
See instead: statements over time (``privacy_accounting.audit``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.errors import RequestRejectedError
from federation.requests.ledger_content import content_of
from federation.requests.planning import plan_request
from privacy_accounting.budget import quote_batch
from privacy_accounting.budget.privacy_filter import readable
from privacy_accounting.decimals import format_decimal, rounded_up
from privacy_accounting.ledger.contents import Charge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.budget import Quote
    from privacy_accounting.budget.privacy_filter import PrivacyFilter
    from privacy_accounting.ledger.replication.replica import Replica

Row = dict[str, str | int | None]
ALL = ""
MOST_QUOTES: Final = 64
SIGNATURE_BYTES: Final = 64


def budget_rows(replica: Replica, *, asker: str, exact_limit: int) -> list[Row]:
    """The budget rows of a site's replica; empty before the first entry.

    Args:
        replica: the replica of this site.
        asker: the requesting analyst; empty for other members.
        exact_limit: the exact requests that this site allows an analyst.

    Returns:
        For every sub-budget one total row, then one row for each purpose and each analyst with charges.
    """
    if replica.head < 0:
        return []
    privacy_filter = replica.privacy_filter
    rows: list[Row] = []
    for population, budget in sorted(privacy_filter.populations.items()):
        for name in sorted(budget.sub_budgets):
            exact = {
                "exact_by_asker": privacy_filter.exact_disclosures(population, asker) if asker else None,
                "exact_limit": exact_limit,
                "exact_limit_at": replica.name,
            }
            rows.append(_row(privacy_filter, population, name) | exact)
            rows += [
                _row(privacy_filter, population, name, purpose=p)
                for p in sorted(privacy_filter.by_purpose(population, name))
            ]
            rows += [
                _row(privacy_filter, population, name, analyst=a)
                for a in sorted(privacy_filter.by_analyst(population, name))
            ]
    return rows


def quote_rows(
    requests: Sequence[bytes], consortium: Consortium, replica: Replica, *, analyst: str
) -> list[dict[str, str | bool]]:
    """Quote private requests one after the other: the cost of each, and the budget left after it.

    Args:
        requests: canonical bytes, unsigned.
        consortium: the agreement among the members.
        replica: the replica of this site.
        analyst: the requesting analyst, who can only quote requests made in their own name.

    Raises:
        RequestRejectedError: a request of another analyst, an exact request (it costs no epsilon), or too many.
        AnalyticsError: a question is not allowed.
    """
    if len(requests) > MOST_QUOTES:
        raise RequestRejectedError(site=replica.name, reason=f"at most {MOST_QUOTES} quotes at once")
    spends = []
    for data in requests:
        planned = plan_request(data, consortium)
        if planned.request.analyst != analyst:
            raise RequestRejectedError(
                site=replica.name, reason="an analyst can only quote requests made in their own name"
            )
        content = content_of(planned, bytes(SIGNATURE_BYTES), replica.privacy_filter)
        if not isinstance(content, Charge):
            raise RequestRejectedError(site=replica.name, reason="an exact answer costs no epsilon")
        spends.append(content.spend)
    return [_quoted(quote) for quote in quote_batch(replica.privacy_filter, spends)]


def _quoted(quote: Quote) -> dict[str, str | bool]:
    return {name: value if isinstance(value, bool) else str(value) for name, value in quote.to_dict().items()}


def _row(
    privacy_filter: PrivacyFilter, population: str, name: str, *, purpose: str = ALL, analyst: str = ALL
) -> Row:
    part = privacy_filter.sub_budget(population, name)
    limits = privacy_filter.limits(population, name, purpose=purpose or None, analyst=analyst or None)
    tightest = limits[-1]
    is_whole = not purpose and not analyst
    return {
        "population": population,
        "sub_budget": name,
        "purpose": purpose,
        "analyst": analyst,
        "epsilon": format_decimal(part.epsilon),
        "delta": format_decimal(part.delta),
        "relation": str(privacy_filter.relation),
        "order": format_decimal(part.order),
        "spent": readable(tightest.spent),
        "allowance": readable(tightest.allowance),
        "fraction_spent": f"{tightest.spent / tightest.allowance:.6f}" if tightest.allowance else "1",
        "epsilon_spent": rounded_up(privacy_filter.epsilon_spent(population, name)) if is_whole else None,
        "largest_epsilon_that_fits": privacy_filter.largest_epsilon(
            population, name, purpose=purpose or None, analyst=analyst or None
        ),
        "entries": sum(event.count for event in privacy_filter.events(population, name))
        if is_whole
        else None,
        "exact_disclosures": privacy_filter.exact_disclosures(population, analyst or None),
    }
