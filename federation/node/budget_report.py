"""The budget as rows: what is spent and what still fits, per population, sub-budget, purpose and analyst; and quotes.

Layer:       federation.node.budget_report. Reads the book of one replica, changes nothing.
Guarantees:  ``fraction_spent`` is what the filter decides by; ``epsilon_spent`` is a figure for people (P4). A quote
             is free, is made of the request's own bytes, and counts the ones before it in its batch as spent.
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
    """The rows of a site's replica; empty before the first entry.

    Args:
        replica: of the site that is asked.
        asker: the analyst who asks; empty for others.
        exact_limit: exact requests that this site allows an analyst.

    Returns:
        For every sub-budget a row over everything, then one for each purpose and each analyst that has spent.
    """
    if replica.head < 0:
        return []
    book = replica.book
    rows: list[Row] = []
    for population, budget in sorted(book.populations.items()):
        for name in sorted(budget.sub_budgets):
            exact = {
                "exact_by_asker": book.exact_disclosures(population, asker) if asker else None,
                "exact_limit": exact_limit,
                "exact_limit_at": replica.name,
            }
            rows.append(_row(book, population, name) | exact)
            rows += [
                _row(book, population, name, purpose=p) for p in sorted(book.by_purpose(population, name))
            ]
            rows += [
                _row(book, population, name, analyst=a) for a in sorted(book.by_analyst(population, name))
            ]
    return rows


def quote_rows(
    requests: Sequence[bytes], consortium: Consortium, replica: Replica, *, analyst: str
) -> list[dict[str, str | bool]]:
    """What private requests would cost one after the other, and what would be left.

    Args:
        requests: canonical bytes, unsigned.
        consortium: the agreement among the members.
        replica: of the site that is asked.
        analyst: who asks; only the own requests are quoted.

    Raises:
        RequestRejectedError: another analyst's, an exact one, which costs no epsilon, or too many.
        AnalyticsError: a question cannot be asked.
    """
    if len(requests) > MOST_QUOTES:
        raise RequestRejectedError(site=replica.name, reason=f"at most {MOST_QUOTES} quotes at once")
    spends = []
    for data in requests:
        planned = plan_request(data, consortium)
        if planned.request.analyst != analyst:
            raise RequestRejectedError(site=replica.name, reason="only the own requests are quoted")
        content = content_of(planned, bytes(SIGNATURE_BYTES), replica.book)
        if not isinstance(content, Charge):
            raise RequestRejectedError(site=replica.name, reason="an exact answer costs no epsilon")
        spends.append(content.spend)
    return [_quoted(quote) for quote in quote_batch(replica.book, spends)]


def _quoted(quote: Quote) -> dict[str, str | bool]:
    return {name: value if isinstance(value, bool) else str(value) for name, value in quote.to_dict().items()}


def _row(book: PrivacyFilter, population: str, name: str, *, purpose: str = ALL, analyst: str = ALL) -> Row:
    part = book.sub_budget(population, name)
    limits = book.limits(population, name, purpose=purpose or None, analyst=analyst or None)
    tightest = limits[-1]
    is_whole = not purpose and not analyst
    return {
        "population": population,
        "sub_budget": name,
        "purpose": purpose,
        "analyst": analyst,
        "epsilon": format_decimal(part.epsilon),
        "delta": format_decimal(part.delta),
        "relation": str(book.relation),
        "order": format_decimal(part.order),
        "spent": readable(tightest.spent),
        "allowance": readable(tightest.allowance),
        "fraction_spent": f"{tightest.spent / tightest.allowance:.6f}" if tightest.allowance else "1",
        "epsilon_spent": rounded_up(book.epsilon_spent(population, name)) if is_whole else None,
        "largest_epsilon_that_fits": book.largest_epsilon(
            population, name, purpose=purpose or None, analyst=analyst or None
        ),
        "entries": sum(event.count for event in book.events(population, name)) if is_whole else None,
        "exact_disclosures": book.exact_disclosures(population, analyst or None),
    }
