"""From a signed request to plan, price and ledger content. The client runs it to estimate; each site runs it to decide.

Layer:       federation.requests.planning. Pure; no row, no socket.
Terms:       a *planned* request is a request with its work, which holds its plan under this consortium.
Guarantees:  two members with equal configuration derive equal plans and equal content from equal bytes. A site uses
             only those fields of a request that its analyst has signed (P3).
See instead: a site's own policy (``federation.requests.site_policy``), the privacy filter
             (``privacy_accounting.budget``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from analytics.errors import InvalidRequestError
from federation.consortium.amending.present_roles import last_key_of_analyst
from federation.consortium.membership import other_agreement
from federation.errors import RequestRejectedError
from federation.protocol.request import REQUEST_TAG, Request, request_hash
from federation.requests.kinds.registry import KINDS
from federation.requests.trust import trust_model_of

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from federation.requests.kinds.base import Kind, Work

A = TypeVar("A")
NO_PLAN: Final = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Planned(Generic[A]):
    """A request and its work.

    Attributes:
        request: the request.
        data: its canonical bytes.
        work: what every site derives from it.
        sub_budget: the filter that pays; also named by exact requests, which cost it nothing.
    """

    request: Request
    data: bytes
    work: Work[A]
    sub_budget: str

    @property
    def population(self) -> str:
        """The population whose budget pays."""
        return self.work.table.population

    @cached_property
    def digest(self) -> str:
        """The request hash, hex."""
        return request_hash(self.data)

    @property
    def is_exact(self) -> bool:
        """Whether it is a disclosure without epsilon."""
        return self.request.mode == "exact"


AnyPlanned = Planned[Any]


def plan_request(data: bytes, consortium: Consortium) -> AnyPlanned:
    """Derive the work of a request of any kind.

    Args:
        data: the request's canonical bytes.
        consortium: this member's own copy of the agreement.

    Returns:
        The planned request.

    Raises:
        InvalidRequestError: also where this version does not answer the request's kind; further errors as
            ``plan_as``.
    """
    kind = KINDS.get(Request.from_bytes(data).kind)
    if kind is None:
        raise InvalidRequestError(parameter="kind", reason="is not one that this version answers")
    return plan_as(kind(), data, consortium)


def plan_as(kind: Kind[A], data: bytes, consortium: Consortium) -> Planned[A]:
    """Derive the work of a request of one kind.

    Args:
        kind: the kind that the request must have.
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
    work = _work_of(kind, request, consortium)
    return Planned(request=request, data=data, work=work, sub_budget=kind.sub_budget)


def new_request(kind: Kind[A], request: Request, consortium: Consortium) -> Planned[A]:
    """Plan a request that its analyst has not signed yet, and write the digest of its plan into it.

    Args:
        kind: the kind of the request.
        request: the request; its ``plan`` is replaced.
        consortium: the analyst's copy of the agreement.

    Returns:
        The planned request, ready to be signed.

    Raises:
        The errors of ``plan_as``.
    """
    checked = Request.from_bytes(replace(request, plan=NO_PLAN).to_bytes())
    work = _work_of(kind, checked, consortium)
    complete = replace(checked, plan=work.digest())
    return Planned(request=complete, data=complete.to_bytes(), work=work, sub_budget=kind.sub_budget)


def _work_of(kind: Kind[A], request: Request, consortium: Consortium) -> Work[A]:
    if request.configuration != consortium.configuration():
        raise InvalidRequestError(parameter="configuration", reason=other_agreement(consortium))
    if request.mode not in {"private", "exact"}:
        raise InvalidRequestError(parameter="mode", reason="must be private or exact")
    if request.kind != kind.name:
        raise InvalidRequestError(parameter="kind", reason=f"must be {kind.name}")
    if request.mechanism is not None and not kind.names_noise:
        raise InvalidRequestError(
            parameter="mechanism", reason=f"cannot be named for a request of {kind.name}"
        )
    work = kind.work(request, consortium)
    if trust_model_of(consortium, has_products=work.has_products).trust == "none":
        raise InvalidRequestError(
            parameter="mode", reason="needs a dealer or three computing sites, and the consortium has neither"
        )
    _check_purpose(request.purpose, work.table.population, consortium)
    return work


def _check_purpose(purpose: str, population: str, consortium: Consortium) -> None:
    allowed = consortium.file.budgets[population].purposes
    if allowed and purpose not in allowed:
        raise InvalidRequestError(parameter="purpose", reason=f"must be one of {', '.join(sorted(allowed))}")


def check_signature(data: bytes, signature: bytes, consortium: Consortium, *, site: str) -> Request:
    """Check that the analyst named in a request has signed it with the present key, and is a member now.

    Args:
        data: the request's bytes.
        signature: 64 bytes.
        consortium: the analysts and their keys.
        site: the checking site, named in the error.

    Returns:
        The request.

    Raises:
        PeerRejectedError: the bytes are not a request.
        RequestRejectedError: unknown or removed analyst, or not the analyst's signature.
    """
    request = check_author(data, signature, consortium, site=site)
    removed = consortium.roles().removed(request.analyst)
    if removed:
        raise RequestRejectedError(
            site=site, reason=f"analyst {request.analyst} was removed by entry {removed} of the ledger"
        )
    return request


def check_author(data: bytes, signature: bytes, consortium: Consortium, *, site: str) -> Request:
    """Check that a present or former analyst has signed a request; arguments and errors as ``check_signature``."""
    request = Request.from_bytes(data)
    key = last_key_of_analyst(consortium, request.analyst)
    if not key:
        raise RequestRejectedError(site=site, reason="its analyst is not a member of the consortium")
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, REQUEST_TAG + data)
    except InvalidSignature as error:
        raise RequestRejectedError(site=site, reason="the analyst that it names has not signed it") from error
    return request
