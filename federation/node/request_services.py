"""What serves a request of each kind at a site: looked up by the kind's name on the wire.

Layer:       federation.node.request_services, above query_service and admission.
Guarantees:  a new kind whose work runs on shares needs nothing here: the registry of kinds names it. Trainings are
             accepted once and charged attempt by attempt.
See instead: channels (``request_handler``), the kinds (``federation.requests.kinds``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from analytics.errors import InvalidRequestError
from federation.errors import RequestRejectedError
from federation.node.admission.checked_request import CheckedRequest
from federation.protocol.request import Request
from federation.requests.kinds.registry import KINDS
from federation.training.task import KIND as TRAINING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from federation.node.admission.training import TrainingAdmission
    from federation.node.query_service import QueryService
    from federation.node.request_state import OpenRequest
    from federation.protocol.messages import Ask


class RequestService(Protocol):
    """Serves the requests of some kinds."""

    def accept(
        self, ask: Ask, *, caller: str, patience_s: float, has_left: Callable[[], bool]
    ) -> OpenRequest | None:
        """Take a request before its charge; the request under way, None where nothing is kept for it."""
        ...

    def open(self, ask: Ask, *, caller: str) -> OpenRequest:
        """Take a request that is to be charged and run at once."""
        ...

    def cache(self, ask: Ask) -> None:
        """Keep a request sent with a proposal until this site decides on its entry."""
        ...

    def quote(self, requests: Sequence[bytes], *, caller: str) -> list[dict[str, str | bool]]:
        """Quote requests of an analyst."""
        ...

    def check_unsigned(self, request: bytes, *, caller: str) -> CheckedRequest:
        """Say why this site would refuse a request of an analyst."""
        ...


class TrainingService:
    """Trainings of one site; without an aggregator and a key holder only those that add up by shares."""

    def __init__(self, admission: TrainingAdmission, *, site: str) -> None:
        """Take the admission of this site."""
        self.admission, self._site = admission, site

    def accept(self, ask: Ask, *, caller: str, patience_s: float, has_left: Callable[[], bool]) -> None:
        """Check the whole run; a training takes no place."""
        del patience_s, has_left
        self.admission.check(ask, caller=caller)

    def open(self, ask: Ask, *, caller: str) -> OpenRequest:
        """Refuse: a training is charged attempt by attempt."""
        del ask, caller
        raise RequestRejectedError(
            site=self._site, reason="a training is charged attempt by attempt, not in one visit"
        )

    def cache(self, ask: Ask) -> None:
        """Plan a training sent with a proposal."""
        self.admission.learn(ask)

    def ask_of(self, digest: str) -> Ask | None:
        """The signed bytes of a training that this site has received."""
        return self.admission.ask_of(digest)

    def quote(self, requests: Sequence[bytes], *, caller: str) -> list[dict[str, str | bool]]:
        """Quote one whole training."""
        if len(requests) != 1:
            raise InvalidRequestError(parameter="requests", reason="a training is quoted alone")
        return [self.admission.quote(requests[0], caller=caller).to_dict()]

    def check_unsigned(self, request: bytes, *, caller: str) -> CheckedRequest:
        """See ``TrainingAdmission.check_unsigned``."""
        try:
            return self.admission.check_unsigned(request, caller=caller)
        except RequestRejectedError as error:
            return CheckedRequest(refusals=(error,))


class RequestServices:
    """The services of one site by kind; a kind that no service knows is refused where it is planned."""

    def __init__(self, queries: QueryService, training: TrainingService) -> None:
        """Take both services."""
        self.queries, self.training = queries, training
        self._by_kind: Mapping[str, RequestService] = {
            **dict.fromkeys(KINDS, queries),
            TRAINING: training,
        }

    def ask_of(self, digest: str) -> Ask | None:
        """The signed bytes of a request that this site has received; None for one that it has not."""
        return self.queries.ask_of(digest) or self.training.ask_of(digest)

    def of(self, request: bytes) -> RequestService:
        """The service for a request's bytes.

        Raises:
            PeerRejectedError: the bytes are not a request.
        """
        return self._by_kind.get(Request.from_bytes(request).kind, self.queries)
