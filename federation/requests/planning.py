"""From a signed request to plan, price and ledger content. The client runs it to estimate; each site runs it to decide.

Layer:       federation.requests.planning. Pure; no row, no socket.
Terms:       a *planned* request is a request with its plan under this consortium.
Guarantees:  two members with equal configuration derive equal plans and equal content from equal bytes. A site uses
             only those fields of a request that its analyst has signed (P3).
See instead: a site's own policy (``federation.requests.site_policy``), the privacy filter
             (``privacy_accounting.budget``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from analytics.errors import InvalidRequestError
from analytics.mining.plan import MiningPlan, make_mining_plan
from analytics.mining.request import MiningRequest
from analytics.plans.plan import Plan, PlanContext, make_plan
from analytics.plans.question import bind
from federation.errors import RequestRejectedError
from federation.protocol.request import REQUEST_TAG, Request, request_hash
from federation.requests.trust import trust_model_of

if TYPE_CHECKING:
    from analytics.schema import Table
    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.events import Event

QUERY: Final = "query"
MINE: Final = "mine"
SUB_BUDGET_OF: Final = {QUERY: "query", MINE: "mining"}
MAX_SQL: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A request and its plan.

    Attributes:
        request: the request.
        data: its canonical bytes.
        plan: the plan that every site computes.
        table: its table in the schema.
        sub_budget: the filter that pays; also named by exact requests, which cost it nothing.
    """

    request: Request
    data: bytes
    plan: Plan | MiningPlan
    table: Table
    sub_budget: str

    @property
    def population(self) -> str:
        """The population whose budget pays."""
        return self.table.population

    @property
    def digest(self) -> str:
        """The request hash, hex."""
        return request_hash(self.data)

    @property
    def events(self) -> tuple[Event, ...]:
        """The released events; empty in exact mode."""
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
        PeerRejectedError: the bytes are not a request.
        InvalidRequestError: a public parameter is out of range.
        PlanRejectedError: the question cannot be answered.
        OverflowRiskError: a sum could leave the ring.
        ReleaseRefusedError: too few sites for exact answers.
        InvalidRequestError: also where no party can deal the material that the answer needs.
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
    if trust_model_of(plan, consortium).trust == "none":
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
            parameter="mode", reason="must be exact: private mining is not available yet"
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
    """Return the consortium's public parameters for a plan.

    Args:
        consortium: the agreement.
        population: the population that pays.
        sub_budget: the filter that pays.
        is_exact: exact plans have no delta; the consortium's stands in its place.

    Returns:
        The context; its delta is the sub-budget's (P4).

    Raises:
        InvalidRequestError: the population has no such sub-budget, so no private request on it is possible.
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
    """Check that the analyst named in a request has signed it.

    Args:
        data: the request's bytes.
        signature: 64 bytes.
        consortium: the analysts and their keys.
        site: the checking site, named in the error.

    Returns:
        The request.

    Raises:
        PeerRejectedError: the bytes are not a request.
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
        raise RequestRejectedError(site=site, reason="the analyst that it names has not signed it") from error
    return request
