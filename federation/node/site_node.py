"""One site: its tables, its ledger, its part in the network. The same code as a process and as a thread.

Layer:       federation.node.site_node, above request_handler.
Guarantees:  ``close`` ends every channel, mesh and thread of the site; a run in progress stays charged.
See instead: files, signals and logs around it (``site_process``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.consortium.amending.agreement_amendments import amended_agreement
from federation.consortium.amending.present_roles import check_role_change
from federation.consortium.amending.table_amendments import check_in_schema
from federation.consortium.genesis import genesis_body
from federation.consortium.limits import Limits
from federation.consortium.membership import restrict_to_members
from federation.errors import (
    FederationError,
    PolicyRefusedError,
    RequestRejectedError,
    SiteUnavailableError,
)
from federation.node.admission.concurrency import ConcurrencyLimit
from federation.node.admission.exact_limits import ExactLimit
from federation.node.admission.quality_gates import QualityGates
from federation.node.admission.queries import QueryAdmission
from federation.node.clock import installed_version, wall_clock
from federation.node.execution.background import BackgroundRunner
from federation.node.execution.dealer_channel import DealerChannels
from federation.node.execution.prepared_sessions import PreparedSessions
from federation.node.execution.query_run import QueryRunner
from federation.node.execution.site_links import give_links
from federation.node.ledger.peers import PeerClients
from federation.node.ledger.replication import LedgerReplication
from federation.node.preflight.service import PreflightService
from federation.node.preflight.source_checks import SourceChecks
from federation.node.query_service import QueryService
from federation.node.records.request_records import RequestRecords
from federation.node.request_handler import RequestHandler
from federation.node.request_services import RequestServices, TrainingService
from federation.node.request_state import RequestStates
from federation.node.training_node import TrainingNode
from federation.protocol.messages import Health
from federation.requests.planning import check_signature
from federation.requests.site_policy import at_least
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.role_change import RoleChange
from privacy_accounting.ledger.changes.table_version import TableVersion
from privacy_accounting.ledger.contents import Change, Charge, Exact
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.snapshots import EVERY
from privacy_accounting.ledger.storage.uncharged import BEGINNING
from smpc.dealer.pool import Pool
from smpc.engine.arithmetic import CRYPTEN, prepare_engine
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from analytics.sources import LocalTable
    from analytics.sources.spec import SourceSpec
    from federation.consortium.amending.administrator_approvals import Approvals
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.consortium_model import Member
    from federation.consortium.site_file import Policy
    from federation.identity.certificates import Identity
    from federation.network.channel import Network
    from federation.protocol.messages import Ask
    from federation.training.fitted_model import FederatedModel
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.parties.roles import Roles
    from privacy_accounting.ledger.storage.store import Store

REFUSALS: Final = (AccountingError, AnalyticsError, FederationError)
WAIT_S: Final = 0.02
CORRECTING: Final = "a correction of the agreement is signed here; begin with it, or withdraw the signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLedger:
    """A site's ledger and its settings.

    Attributes:
        store: the storage of the ledger.
        snapshot_every: entries between two snapshots while this site is the sequencer.
        consents: the amendments that its administrator approved; None: the site signs no amendment.
        records: folder of the request texts, the refusals and the site's own models; None: memory.
        next_key: the key that this site renews its own with, once all have approved it.
        awaited: sites that its administrator approved to be added or replaced, and that no entry has yet.
        signed_correction: while this file exists, the site signs nothing but the beginning of its ledger.
    """

    store: Store
    snapshot_every: int = EVERY
    consents: Approvals | None = None
    records: Path | None = None
    signed_correction: Path | None = None
    next_key: Ed25519PrivateKey | None = None
    awaited: Mapping[str, Member] = field(default_factory=dict)

    def replica(self, identity: Identity, clock: Callable[[], int], genesis: Body) -> Replica:
        """Open the ledger as this site.

        Args:
            identity: its certificate and key.
            clock: seconds since 1970.
            genesis: the body that the consortium file gives.

        Raises:
            LedgerRefusedError: the stored ledger is damaged or belongs to another consortium.
        """
        return Replica(
            self.store,
            identity.signing_key,
            clock,
            genesis=genesis,
            next_key=self.next_key,
            refusals=REFUSALS,
        )


class SiteNode:
    """A running site."""

    def __init__(  # noqa: PLR0913 - independent settings, by keyword
        self,
        *,
        consortium: Consortium,
        policy: Policy,
        identity: Identity,
        network: Network,
        ledger: SiteLedger,
        sources: Mapping[str, LocalTable],
        limits: Limits | None = None,
        clock: Callable[[], int] = wall_clock,
        engine: str = CRYPTEN.name,
        specs: Mapping[str, Callable[[], SourceSpec]] | None = None,
    ) -> None:
        """Put a site together; ``start`` lets it answer.

        Args:
            consortium: its own copy of the consortium file.
            policy: its own policy.
            identity: its certificate and key.
            network: its end of the network.
            ledger: its ledger.
            sources: its tables, by name.
            limits: the load it accepts at once; default: the defaults of a site file.
            clock: seconds since 1970.
            engine: the engine for arithmetic on shares: crypten or numpy.
            specs: by table, how its source is described now; for preflights. None: the tables have none.

        Raises:
            LedgerRefusedError: the stored ledger is damaged or belongs to another consortium.
            ConfigError: a budget has no finite cost.
        """
        self.name, self._founded, self.network = identity.name, consortium, network
        self._engine, genesis = prepare_engine(engine), genesis_body(consortium)
        self.replica = ledger.replica(identity, clock, genesis)
        consortium = replace(consortium, roles=self._roles)
        self._store, self._sources, self._clock = ledger.store, dict(sources), clock
        self._consents, self._signed_correction = ledger.consents, ledger.signed_correction
        limits, policy = limits or Limits(), at_least(consortium.file.floor, policy)
        self.consortium = _in_force(consortium, self.replica)
        self._records = self._records_of(ledger.records, limits)
        self._peers = self._peers_of(ledger.awaited)
        give_links(sources.values(), identity=identity, replica=self.replica, state=ledger.records)
        exact_limit = ExactLimit(self.replica)  # one for all kinds of requests: they share their caps
        gates = QualityGates(
            site=self.name, consortium=self.consortium, replica=self.replica, folder=ledger.records
        )
        self._admission = QueryAdmission(
            site=self.name,
            consortium=self.consortium,
            policy=policy,
            limits=limits,
            sources=sources,
            replica=self.replica,
            exact_limit=exact_limit,
            gates=gates,
        )
        self._training = TrainingNode.of(
            site=self.name,
            consortium=consortium,  # the helpers hold no ledger and plan with the sites of the consortium file
            policy=policy,
            sources=sources,
            replica=self.replica,
            network=network,
            exact_limit=exact_limit,
            gates=gates,
            records=ledger.records,
        )
        self._background = BackgroundRunner(self.name)
        # a prepared session waits for the local scan of its run, up to the limit of a scan
        patience_s = 2 * float(consortium.file.deadline_s) + float(consortium.file.local_limit_s)
        self._prepared_sessions = PreparedSessions(patience_s=patience_s, most_bytes=limits.session_bytes)
        self._services = self._services_of(limits)
        self.chain = self._chain(genesis, ledger.snapshot_every)
        preflight = self._preflight(sources, specs, ledger.records)
        self._request_handler = self._handler(policy, float(consortium.file.deadline_s), preflight)

    def _handler(self, policy: Policy, deadline_s: float, preflight: PreflightService) -> RequestHandler:
        return RequestHandler(
            network=self.network,
            services=self._services,
            chain=self.chain,
            replica=self.replica,
            deadline_s=deadline_s,
            exact_limit=policy.exact_requests_per_analyst,
            health=self.health,
            records=self._records,
            preflight=lambda ask, caller: preflight.answer(ask, caller=caller),
        )

    def _preflight(
        self,
        sources: Mapping[str, LocalTable],
        specs: Mapping[str, Callable[[], SourceSpec]] | None,
        folder: Path | None,
    ) -> PreflightService:
        return PreflightService(
            site=self.name,
            consortium=self.consortium,
            services=self._services,
            sources=sources,
            checks=SourceChecks(specs or {}),
            check_agreement=self._check_agreement,
            folder=folder,
            clock=self._clock,
        )

    def _peers_of(self, awaited: Mapping[str, Member]) -> PeerClients:
        others = sorted({*self.consortium.names, *awaited} - {self.name})
        return PeerClients(self.network, others, float(self.consortium.file.deadline_s), awaited=awaited)

    def _roles(self) -> Roles:
        """The members that are not sites, as this site's ledger has changed them up to now."""
        return self.replica.core.state.roles

    def _records_of(self, folder: Path | None, limits: Limits) -> RequestRecords:
        return RequestRecords.of(
            folder,
            consortium=self.consortium,
            site=self.name,
            limit_bytes=limits.request_text_bytes,
            clock=self._clock,
        )

    def _services_of(self, limits: Limits) -> RequestServices:
        queries = QueryService(
            admission=self._admission,
            runner=self._runner(limits),
            replica=self.replica,
            states=RequestStates(
                site=self.name, places=ConcurrencyLimit(site=self.name, limit=limits.sessions)
            ),
            background=self._background,
        )
        self.replica.core.observer = queries
        return RequestServices(queries, TrainingService(self._training.admission, site=self.name))

    def _runner(self, limits: Limits) -> QueryRunner:
        return QueryRunner(
            site=self.name,
            consortium=self.consortium,
            network=self.network,
            admission=self._admission,
            prepared_sessions=self._prepared_sessions,
            dealer_channels=DealerChannels(self.network, float(self.consortium.file.deadline_s)),
            pool=Pool(limits.pool_bytes),
            engine=self._engine,
        )

    def _chain(self, genesis: Body, snapshot_every: int) -> LedgerReplication:
        return LedgerReplication(
            consortium=self.consortium,
            replica=self.replica,
            cache_request=self._cache_request,
            admit=self._admit,
            on_signed=self._services.queries.signed,
            peers=self._peers,
            genesis=genesis,
            snapshot_every=snapshot_every,
        )

    def start(self) -> None:
        """Serve channels and join the ledger."""
        self.network.follow_roles(self._roles)
        self.network.serve("ledger", self._request_handler.ledger)
        self.network.serve("request", self._request_handler.requests)
        self._training.trainer.serve()
        self.chain.start()

    def _cache_request(self, ask: Ask) -> None:
        """Keep a request sent with a proposal; an invalid one is refused with its entry."""
        try:
            self._services.of(ask.request).cache(ask)
        except (*REFUSALS, PeerRejectedError):
            return

    def _admit(self, body: Body) -> None:
        """Decide on an entry before this site signs it; keep the text behind it, or the refusal."""
        content = body.content
        ask = self._services.ask_of(content.asked.request) if isinstance(content, Charge | Exact) else None
        try:
            if ask is not None:  # read before, perhaps when another key held
                check_signature(ask.request, ask.signature, self.consortium, site=self.name)
            self._decide(body)
            self._records.keep(body, ask)
        except REFUSALS as error:
            if ask is not None:
                self._records.refusals.record(ask, error)
            raise

    def _decide(self, body: Body) -> None:
        """Decide on an entry: questions, trainings, and amendments by approval."""
        content = body.content
        is_correcting = self._signed_correction is not None and self._signed_correction.exists()
        if is_correcting and not isinstance(content, BEGINNING):
            raise PolicyRefusedError(site=self.name, rule=CORRECTING)
        if isinstance(content, Change):
            if self._consents is None:
                raise PolicyRefusedError(site=self.name, rule="this site accepts no amendment")
            self._consents.check(body, self.replica.core.state, site=self.name)
            if isinstance(content, RoleChange):
                check_role_change(content, self._founded, self._roles())
            if isinstance(content, TableVersion):
                check_in_schema(content, self._founded)
            if isinstance(content, AgreementChange):
                amended_agreement(content, self._founded, body.number)
            return
        if isinstance(content, Charge | Exact):
            self._check_agreement()
        if isinstance(content, Charge | Exact) and content.asked.run:
            self._services.training.admission.admit(body)
        else:
            self._services.queries.admit(body)

    def _check_agreement(self) -> None:
        """Refuse to sign a charge that was planned before an entry changed the agreement."""
        state = self.replica.core.state
        if state.agreements.configuration(state.chain) != self.consortium.configuration():
            reason = f"entry {state.agreements.basis} changed the agreement; restart this node with it"
            raise RequestRejectedError(site=self.name, reason=reason)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until this site can charge requests.

        Raises:
            SiteUnavailableError: the site was not ready in time; the error says what is missing.
        """
        ends_at = time.monotonic() + timeout_s
        while reason := self.chain.not_ready:
            if time.monotonic() > ends_at:
                raise SiteUnavailableError(site=self.name, reason=reason)
            time.sleep(WAIT_S)

    @property
    def own_model(self) -> FederatedModel | None:
        """The latest model that this site keeps for its own people; None where it has none."""
        return self._training.own_models.latest

    def health(self) -> Health:
        """The state that the doctor command shows."""
        reason = self.chain.not_ready
        left_out = {*self._founded.names, *self._peers.awaited}.difference(self.replica.members)
        return Health(
            engine=self._engine,
            name=self.name,
            role="site",
            version=installed_version(),
            configuration=self.consortium.configuration(),
            clock_s=self._clock(),
            is_ready=not reason,
            reason=reason,
            ledger_number=self.replica.head,
            ledger_head=self.replica.head_hash.hex(),
            hears={name: heard for name, heard in self.network.hears().items() if name not in left_out},
        )

    def close(self) -> None:
        """Close all channels, meshes, threads, tables and the ledger."""
        self.network.close()
        self._background.close()
        self.chain.stop()
        self._prepared_sessions.close()
        self._peers.close()
        self._training.trainer.close()
        for source in self._sources.values():
            source.close()
        self._records.close()
        self._store.close()


def _in_force(consortium: Consortium, replica: Replica) -> Consortium:
    """The agreement among the present members, as recorded in this site's ledger.

    Raises:
        ConfigError: the remaining sites are no more than the number that may collude.
    """
    members = replica.members
    if replica.head < 0 or replica.name not in members:
        return consortium
    return restrict_to_members(consortium, members, sequencer=replica.sequencer)
