"""The ledger content of a request, and the check of an entry against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.errors import RequestRejectedError
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger import contents
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.ledger.pricing import Price, stated_price

if TYPE_CHECKING:
    from fractions import Fraction

    from federation.requests.planning import AnyPlanned
    from privacy_accounting.budget import PrivacyFilter


def asked_of(planned: AnyPlanned, signature: bytes) -> contents.Request:
    """Return the part of a ledger entry that names analyst, request and purpose."""
    request = planned.request
    return contents.Request(
        population=planned.population,
        analyst=request.analyst,
        purpose=request.purpose,
        request=planned.digest,
        nonce=request.nonce,
        request_signature=signature.hex(),
    )


def price_of(planned: AnyPlanned, privacy_filter: PrivacyFilter) -> tuple[Price, Fraction]:
    """Return the price of a private request at its sub-budget's order, as a proposer enters it.

    Returns:
        The price and the order.

    Raises:
        LedgerRefusedError: the ledger has no such sub-budget.
        InvalidCostError: no finite cost at this order.
    """
    order = privacy_filter.sub_budget(planned.population, planned.sub_budget).order
    return stated_price(planned.work.events, order, privacy_filter.relation), order


def content_of(
    planned: AnyPlanned, signature: bytes, privacy_filter: PrivacyFilter
) -> contents.Charge | contents.Exact:
    """Return the ledger content of a request.

    Args:
        planned: the request.
        signature: the analyst's.
        privacy_filter: the privacy filter, for the sub-budget's order.

    Returns:
        A charge, or an exact disclosure to the analyst and, of a linkage, to the two sites.

    Raises:
        LedgerRefusedError: the ledger has no such sub-budget.
        InvalidCostError: no finite cost at this order.
    """
    asked = asked_of(planned, signature)
    if planned.is_exact:
        receivers = tuple(sorted({planned.request.analyst, *planned.work.facts.linked}))
        return contents.Exact(asked=asked, receivers=receivers, numbers=planned.work.facts.numbers)
    price, order = price_of(planned, privacy_filter)
    return contents.Charge(
        asked=asked,
        sub_budget=planned.sub_budget,
        events=tuple(event_text(event) for event in planned.work.events),
        order=order,
        cost=price.cost,
        cost_all_but_one=price.cost_all_but_one,
        pure_epsilon=price.pure_epsilon,
    )


def check_content(
    stated: contents.Charge | contents.Exact,
    planned: AnyPlanned,
    signature: bytes,
    privacy_filter: PrivacyFilter,
    *,
    site: str,
) -> None:
    """Check that an entry holds what this site derives from the request, and costs no more.

    The ledger itself checks that it costs no less (``privacy_accounting.ledger.replication.entry_validation``).

    Raises:
        RequestRejectedError: it differs.
    """
    try:
        own = content_of(planned, signature, privacy_filter)
    except AccountingError as error:
        raise RequestRejectedError(site=site, reason=f"it cannot be priced here: {error}") from error
    check_stated(stated, own, site=site)


def check_stated(
    stated: contents.Charge | contents.Exact, own: contents.Charge | contents.Exact, *, site: str
) -> None:
    """Check an entry against this site's own content, up to the difference between two mathematics libraries.

    Raises:
        RequestRejectedError: it differs, or costs more.
    """
    if isinstance(own, contents.Charge) and isinstance(stated, contents.Charge):
        costs_more = any(
            getattr(stated, name) > getattr(own, name) + getattr(own, name) // 10**9 + 2
            for name in ("cost", "cost_all_but_one", "pure_epsilon")
        )
        same = (stated.asked, stated.sub_budget, stated.events, stated.order) == (
            own.asked,
            own.sub_budget,
            own.events,
            own.order,
        )
        if same and not costs_more:
            return
        reason = (
            "the charge costs more than the plan allows"
            if same
            else "the charge is not what the request asks for"
        )
        raise RequestRejectedError(site=site, reason=reason)
    if stated != own:
        raise RequestRejectedError(site=site, reason="the entry is not what the request asks for")
