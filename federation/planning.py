"""From a signed request to what it becomes: plan, price, ledger content. Run by the client as a forecast, by sites in earnest.

Floor:    federation.planning. Pure; no row, no socket.
Terms:    a *planned* request is a request with the plan that follows from it under this consortium.
Promise:  two members with equal configuration derive equal plans and equal content from equal bytes; nothing of a
          request is believed but what stands in it and is signed by its analyst (P3).
Not here: a site's own policy (``federation.policy``), the book (``privacy_accounting.budget``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from analytics.errors import InvalidRequestError
from analytics.mining.plan import MiningPlan, make_mining_plan
from analytics.mining.request import MiningRequest
from analytics.plan import Plan, PlanContext, make_plan
from analytics.sql import bind
from federation.errors import RequestRejectedError
from federation.messages import REQUEST_TAG, Request, request_hash
from federation.secrecy import secrecy_of
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger import contents
from privacy_accounting.ledger.budgets import event_text
from privacy_accounting.ledger.pricing import Price, stated_price

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.schema import Table
    from federation.config import Consortium
    from privacy_accounting.budget import Book
    from privacy_accounting.events import Event

QUERY: Final = "query"
MINE: Final = "mine"
SUB_BUDGET_OF: Final = {QUERY: "query", MINE: "mining"}
MAX_SQL: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A request and what follows from it.

    Attributes:
        request: what is asked.
        data: its canonical bytes.
        plan: what every site computes.
        table: which of the schema's tables it is about.
        sub_budget: the filter that pays; also named by exact requests, which cost it nothing.
    """

    request: Request
    data: bytes
    plan: Plan | MiningPlan
    table: Table
    sub_budget: str

    @property
    def population(self) -> str:
        """Whose patients."""
        return self.table.population

    @property
    def digest(self) -> str:
        """The request hash, hex."""
        return request_hash(self.data)

    @property
    def events(self) -> tuple[Event, ...]:
        """What is released; empty in exact mode."""
        return self.plan.cost if isinstance(self.plan, Plan) else ()

    @property
    def is_exact(self) -> bool:
        """Whether it is a disclosure without epsilon."""
        return self.request.mode == "exact"


def plan_request(data: bytes, consortium: Consortium) -> Planned:
    """Derive the plan of a request.

    Args:
        data: the request's canonical bytes.
        consortium: this member's own copy of the agreement.

    Returns:
        The planned request.

    Raises:
        PeerRejectedError: the bytes are no request.
        InvalidRequestError: a public parameter is out of range.
        PlanRejectedError: the question cannot be asked.
        OverflowRiskError: a sum could leave the ring.
        ReleaseRefusedError: too few sites for exact answers.
        InvalidRequestError: also where nobody makes the material that the answer needs.
    """
    request = Request.from_bytes(data)
    if request.configuration != consortium.digest():
        raise InvalidRequestError(parameter="configuration", reason="is not the one of this consortium file")
    if request.mode not in {"private", "exact"}:
        raise InvalidRequestError(parameter="mode", reason="must be private or exact")
    if request.kind == QUERY:
        plan: Plan | MiningPlan = _query(request, consortium)
    elif request.kind == MINE:
        plan = _mining(request, consortium)
    else:
        raise InvalidRequestError(parameter="kind", reason="is not one that this version answers")
    if secrecy_of(plan, consortium).trust == "none":
        raise InvalidRequestError(
            parameter="mode", reason="needs a dealer or three computing sites, and the consortium has neither"
        )
    table = plan.query.table if isinstance(plan, Plan) else plan.table
    _check_purpose(request.purpose, table.population, consortium)
    return Planned(request=request, data=data, plan=plan, table=table, sub_budget=SUB_BUDGET_OF[request.kind])


def _query(request: Request, consortium: Consortium) -> Plan:
    if set(request.question) != {"sql"} or not isinstance(request.question["sql"], str):
        raise InvalidRequestError(parameter="question", reason="must hold the SQL text and nothing else")
    if len(request.question["sql"]) > MAX_SQL:
        raise InvalidRequestError(parameter="question", reason=f"is longer than {MAX_SQL} characters")
    query = bind(request.question["sql"], consortium.schema)
    is_exact = request.mode == "exact"
    return make_plan(
        query,
        mode="exact" if is_exact else "private",
        epsilon=request.epsilon,
        context=context_of(consortium, query.table.population, SUB_BUDGET_OF[QUERY], is_exact=is_exact),
    )


def _mining(request: Request, consortium: Consortium) -> MiningPlan:
    if request.mode != "exact" or request.epsilon is not None:
        raise InvalidRequestError(
            parameter="mode", reason="must be exact: private mining is not answered yet"
        )
    asked = MiningRequest.from_dict(request.question)
    table = consortium.schema.table(asked.table)
    if table is None:
        known = ", ".join(consortium.schema.tables)
        raise InvalidRequestError(
            parameter="table", reason=f"is not one of this consortium, which has {known}"
        )
    context = context_of(consortium, table.population, SUB_BUDGET_OF[MINE], is_exact=True)
    return make_mining_plan(asked, consortium.schema, context)


def context_of(consortium: Consortium, population: str, sub_budget: str, *, is_exact: bool) -> PlanContext:
    """The consortium's public parameters for a plan.

    Args:
        consortium: the agreement.
        population: whose patients.
        sub_budget: the filter that pays.
        is_exact: exact plans have no delta; the consortium's stands in its place.

    Returns:
        The context; its delta is the sub-budget's (P4).

    Raises:
        InvalidRequestError: the population has no such sub-budget, so nothing private can be asked of it.
    """
    file = consortium.file
    part = file.budgets[population].parts.get(sub_budget)
    if part is None and not is_exact:
        raise InvalidRequestError(
            parameter="epsilon", reason=f"cannot be spent: population {population} has no {sub_budget} budget"
        )
    return PlanContext(
        n_sites=len(consortium.names),
        colluding=file.colluding,
        relation=file.relation,
        delta=file.delta if part is None else consortium.delta_of(population) * part.share,
        minimum_cell=file.minimum_cell,
        has_three_sites=consortium.three_sites is not None,
    )


def _check_purpose(purpose: str, population: str, consortium: Consortium) -> None:
    allowed = consortium.file.budgets[population].purposes
    if allowed and purpose not in allowed:
        raise InvalidRequestError(parameter="purpose", reason=f"must be one of {', '.join(sorted(allowed))}")


def check_signature(data: bytes, signature: bytes, consortium: Consortium, *, site: str) -> Request:
    """Check that a request was signed by the analyst that it names.

    Args:
        data: the request's bytes.
        signature: 64 bytes.
        consortium: which analysts there are, and their keys.
        site: who checks, named in the error.

    Returns:
        The request.

    Raises:
        PeerRejectedError: the bytes are no request.
        RequestRejectedError: unknown analyst, or not the analyst's signature.
    """
    request = Request.from_bytes(data)
    analyst = consortium.file.analysts.get(request.analyst)
    if analyst is None:
        raise RequestRejectedError(site=site, reason="its analyst is not a member of the consortium")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(analyst.public_key)).verify(
            signature, REQUEST_TAG + data
        )
    except InvalidSignature as error:
        raise RequestRejectedError(
            site=site, reason="it is not signed by the analyst that it names"
        ) from error
    return request


def asked_of(planned: Planned, signature: bytes) -> contents.Request:
    """The part of a ledger entry that says who asked for what."""
    request = planned.request
    return contents.Request(
        population=planned.population,
        analyst=request.analyst,
        purpose=request.purpose,
        request=planned.digest,
        nonce=request.nonce,
        request_signature=signature.hex(),
    )


def price_of(planned: Planned, book: Book) -> tuple[Price, Fraction]:
    """What a private request costs at its sub-budget's order, as a proposer writes it down.

    Returns:
        The price and the order.

    Raises:
        LedgerRefusedError: the ledger has no such sub-budget.
        InvalidCostError: no finite cost at this order.
    """
    order = book.sub_budget(planned.population, planned.sub_budget).order
    return stated_price(planned.events, order, book.relation), order


def content_of(planned: Planned, signature: bytes, book: Book) -> contents.Charge | contents.Exact:
    """What is entered in the ledger for a request.

    Args:
        planned: the request.
        signature: the analyst's.
        book: gives the sub-budget's order.

    Returns:
        A charge, or an exact disclosure to the analyst.

    Raises:
        LedgerRefusedError: the ledger has no such sub-budget.
        InvalidCostError: no finite cost at this order.
    """
    asked = asked_of(planned, signature)
    if planned.is_exact:
        receivers = (planned.request.analyst,)
        return contents.Exact(asked=asked, receivers=receivers, numbers=planned.plan.most_opened)
    price, order = price_of(planned, book)
    return contents.Charge(
        asked=asked,
        sub_budget=planned.sub_budget,
        events=tuple(event_text(event) for event in planned.events),
        order=order,
        cost=price.cost,
        cost_all_but_one=price.cost_all_but_one,
        pure_epsilon=price.pure_epsilon,
    )


def check_content(
    stated: contents.Charge | contents.Exact, planned: Planned, signature: bytes, book: Book, *, site: str
) -> None:
    """Check that an entry says what this site derives from the same request, and costs no more.

    That it costs no less is the ledger's own check (``ledger.judge``).

    Raises:
        RequestRejectedError: it differs.
    """
    try:
        own = content_of(planned, signature, book)
    except AccountingError as error:
        raise RequestRejectedError(site=site, reason=f"it cannot be priced here: {error}") from error
    check_stated(stated, own, site=site)


def check_stated(
    stated: contents.Charge | contents.Exact, own: contents.Charge | contents.Exact, *, site: str
) -> None:
    """Check that an entry says what this site would have written, up to what two mathematics libraries differ by.

    Raises:
        RequestRejectedError: it differs, or is dearer.
    """
    if isinstance(own, contents.Charge) and isinstance(stated, contents.Charge):
        is_dear = any(
            getattr(stated, name) > getattr(own, name) + getattr(own, name) // 10**9 + 2
            for name in ("cost", "cost_all_but_one", "pure_epsilon")
        )
        same = (stated.asked, stated.sub_budget, stated.events, stated.order) == (
            own.asked,
            own.sub_budget,
            own.events,
            own.order,
        )
        if same and not is_dear:
            return
        reason = (
            "the charge is dearer than its plan" if same else "the charge is not what the request asks for"
        )
        raise RequestRejectedError(site=site, reason=reason)
    if stated != own:
        raise RequestRejectedError(site=site, reason="the entry is not what the request asks for")
