"""What a kind of request is: the interface between a signed request and everything that runs it.

Layer:       federation.requests.kinds.base, above protocol and consortium.
Terms:       a *kind* turns a request into *work*: its plan, bound to what every member must know of it. A *joint part*
             is what one site does on shares once its own rows are scanned.
Guarantees:  work is equal at every member that has equal configuration, and is made from public facts alone. Client,
             sites, policy, trust model and ledger read work through this interface; none asks which kind it is.
See instead: the kinds themselves (``query``, ``mining``), how a request becomes work (``requests.planning``).
Source:      ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.plans.populations import Population
    from analytics.schema import Table
    from analytics.sources import LocalTable
    from analytics.statistics.profiles.quality_answer import QualityAnswer
    from federation.consortium.consortium_file import Consortium
    from federation.protocol.request import Request
    from federation.requests.explanation import Explanation
    from federation.requests.trust import TrustModel
    from privacy_accounting.events import Event
    from privacy_accounting.noise import ByteSource
    from smpc.dealer.requests import Request as MaterialRequest
    from smpc.session import Session

Mode = Literal["private", "exact"]
JointPart = Callable[["Session", "ByteSource"], bytes]
A_co = TypeVar("A_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """What a site's policy decides by.

    Attributes:
        minimum_cell: fewest privacy units behind an opened figure, by the consortium's file.
        numbers: how many numbers the request opens at most.
        opens_nested_supports: whether it opens supports whose difference may be below the minimum cell.
        opens_site_results: whether it opens exact figures about one site alone.
        releases_quality: whether it is the release by which policies that require a quality decide.
        by_columns: the two sites whose columns are put together; empty for other work.
        linked: the two sites that learn which patients, or how many, they share; empty for other work.
    """

    minimum_cell: int
    numbers: int
    opens_nested_supports: bool = False
    opens_site_results: bool = False
    releases_quality: bool = False
    linked: tuple[str, ...] = ()
    by_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionNeeds:
    """What a site's session of this work takes; the same at every member.

    Attributes:
        requests: the material that a session fetches when it opens; empty where the joint part fetches its own, step
            by step, or needs none.
        memory_bytes: the most that the session holds at one site: material, frames, replies.
    """

    requests: Sequence[MaterialRequest]
    memory_bytes: int


class Work(Protocol[A_co]):
    """A planned request, with an answer of type ``A_co``."""

    @property
    def mode(self) -> Mode:
        """Private: the answer carries noise and is charged. Exact: it is entered as a disclosure."""
        ...

    @property
    def table(self) -> Table:
        """The table that every site scans."""
        ...

    @property
    def events(self) -> tuple[Event, ...]:
        """The released events that are charged; empty in exact mode."""
        ...

    @property
    def facts(self) -> PolicyFacts:
        """What a site's policy decides by."""
        ...

    @property
    def has_products(self) -> bool:
        """Whether the joint part compares or multiplies shares, so that it needs a dealer or three computing sites."""
        ...

    def digest(self) -> str:
        """SHA-256 of the plan's canonical form, in hexadecimal."""
        ...

    def session_needs(self) -> SessionNeeds:
        """What a site's session takes; a dry run of the joint part."""
        ...

    def seconds(self) -> int:
        """How long a run may take beyond the waiting time of any question (s), from public sizes."""
        ...

    def scan(self, table: LocalTable, limit_s: float) -> JointPart:
        """Read this site's own rows, and return its joint part.

        Raises:
            LocalTimeoutError: the scan took longer than ``limit_s`` (s).
            SourceLostError: the database was lost.
        """
        ...

    def without_scan(self) -> JointPart:
        """Return the joint part of a site whose scan was late or lost: of private work, zero and this site's noise.

        Raises:
            ReleaseRefusedError: exact work needs every site's rows.
        """
        ...

    def cost(self) -> Mapping[str, object]:
        """What a receipt says of the price."""
        ...

    def noise(self) -> Mapping[str, float]:
        """Return the standard deviation of the noise in what is opened, by name; empty in exact mode."""
        ...

    def quality_seen(self, values: bytes) -> QualityAnswer | None:
        """What a site sees of a release by which policies decide, from its own part of the answer; None of other work."""
        ...

    def populations(self) -> tuple[Population, ...]:
        """Return whom the figures of exact work count; empty where they are not of that form."""
        ...

    def alternatives(self, quoted: Mapping[str, Any] | None = None) -> list[dict[str, str]]:
        """Say what other noise would cost, by a site's quote or the budget as it was founded; empty where there is none."""
        ...

    def explain(self, trust: TrustModel) -> Explanation:
        """Explain plan, recipients and price, with the answer's trust model."""
        ...

    def finish(self, answers: Sequence[bytes], *, receipt: Mapping[str, object]) -> A_co:
        """Put the sites' answers together; the analyst's end alone.

        Raises:
            ReleaseRefusedError: the sites' answers do not fit together.
        """
        ...


class Kind(Protocol[A_co]):
    """One kind of request."""

    @property
    def name(self) -> str:
        """``Request.kind`` on the wire."""
        ...

    @property
    def sub_budget(self) -> str:
        """The sub-budget that pays, and whose delta a private plan takes."""
        ...

    @property
    def names_noise(self) -> bool:
        """Whether a private request of this kind may name its noise (``Request.mechanism``)."""
        ...

    def work(self, request: Request, consortium: Consortium) -> Work[A_co]:
        """Plan a request of this kind.

        Raises:
            InvalidRequestError: a public parameter is out of range.
            PlanRejectedError: the question cannot be answered.
            OverflowRiskError: a sum could leave the ring.
            ReleaseRefusedError: too few sites for exact answers.
        """
        ...


AnyKind = Kind[Any]
AnyWork = Work[Any]
