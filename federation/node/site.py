"""One site: its tables, its ledger, its place in the network. The same whether it is a process or a thread.

Floor:    federation.node.site, above counter.
Promise:  ``close`` ends every line, mesh and thread of the site; a run under way is spent.
Not here: files, signals and logs around it (``serve``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import (
    FederationError,
    PolicyRefusedError,
    RequestRejectedError,
    SiteUnavailableError,
)
from federation.genesis import genesis_body
from federation.limits import Limits
from federation.membership import among
from federation.messages import Health, kind_of
from federation.node.counter import TRAIN, Counter
from federation.node.desk import Desk
from federation.node.ledger.chain import Chain
from federation.node.ledger.couriers import Couriers
from federation.node.session.afterwards import Afterwards
from federation.node.session.dealer_line import DealerLines
from federation.node.session.meetings import Meetings
from federation.node.session.runs import Runner
from federation.node.slots import Slots
from federation.node.training_room import TrainingRoom
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.contents import Change, Charge, Exact
from privacy_accounting.ledger.replica import Replica
from privacy_accounting.ledger.snapshots import EVERY
from smpc.dealer.pool import Pool
from smpc.engine.arithmetic import CRYPTEN, prepare_engine
from smpc.errors import PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analytics.sources import Source
    from federation.config import Consortium
    from federation.identity import Identity
    from federation.messages import Ask
    from federation.motions import Consents
    from federation.network import Network
    from federation.site_file import Policy
    from privacy_accounting.ledger.entries import Body
    from privacy_accounting.ledger.store import Store

REFUSALS: Final = (AccountingError, AnalyticsError, FederationError)
WAIT_S: Final = 0.02


def wall_clock() -> int:
    """Seconds since 1970."""
    return int(time.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLedger:
    """A site's ledger and how its node treats it.

    Attributes:
        store: where it is kept.
        snapshot_every: entries between two snapshots while this site orders.
        consents: what its administrator agreed to; None: to no change of the agreement at all.
    """

    store: Store
    snapshot_every: int = EVERY
    consents: Consents | None = None


class SiteNode:
    """A running site."""

    def __init__(  # noqa: PLR0913 - every one a setting of its own, by keyword
        self,
        *,
        consortium: Consortium,
        policy: Policy,
        identity: Identity,
        network: Network,
        ledger: SiteLedger,
        sources: Mapping[str, Source],
        limits: Limits | None = None,
        clock: Callable[[], int] = wall_clock,
        engine: str = CRYPTEN.name,
    ) -> None:
        """Put a site together; ``start`` lets it answer.

        Args:
            consortium: its own copy of the agreement, as it was founded.
            policy: its own rules.
            identity: its certificate and key.
            network: its end of the network.
            ledger: its ledger.
            sources: its tables, by name.
            limits: what it takes on at once; default: as in a site file that says nothing.
            clock: seconds since 1970.
            engine: what adds and multiplies shares: crypten or numpy.

        Raises:
            LedgerRefusedError: the stored ledger is broken or another consortium's.
            ConfigError: a budget cannot be priced.
        """
        self.name, self._founded, self.network = identity.name, consortium, network
        self._engine = engine
        prepare_engine(engine)
        genesis = genesis_body(consortium)
        self.replica = Replica(ledger.store, identity.signing_key, clock, genesis=genesis, refusals=REFUSALS)
        self._store, self._sources, self._clock = ledger.store, dict(sources), clock
        self._consents = ledger.consents
        limits = limits or Limits()
        self.consortium = _in_force(consortium, self.replica)
        others = [name for name in self.consortium.names if name != self.name]
        self._couriers = Couriers(network, others, float(self.consortium.file.deadline_s))
        self._desk = Desk(
            site=self.name,
            consortium=self.consortium,
            policy=policy,
            limits=limits,
            sources=sources,
            replica=self.replica,
        )
        self._training = TrainingRoom.of(
            site=self.name,
            consortium=consortium,  # the helpers, which hold no chain, plan with the sites of the founding
            policy=policy,
            sources=sources,
            replica=self.replica,
            network=network,
        )
        self._afterwards = Afterwards(self.name)
        # a session is there until its run has scanned, for as long as that may take, and come to it
        patience_s = 2 * float(consortium.file.deadline_s) + float(consortium.file.local_limit_s)
        self._meetings = Meetings(patience_s=patience_s, most_bytes=limits.session_bytes)
        runner = self._runner(limits)
        self.chain = self._chain(runner, genesis, ledger.snapshot_every)
        self._counter = Counter(
            network=network,
            desk=self._desk,
            training=None if self._training is None else self._training.desk,
            chain=self.chain,
            runner=runner,
            replica=self.replica,
            slots=Slots(site=self.name, limit=limits.sessions),
            health=self.health,
        )

    def _runner(self, limits: Limits) -> Runner:
        return Runner(
            site=self.name,
            consortium=self.consortium,
            network=self.network,
            replica=self.replica,
            desk=self._desk,
            meetings=self._meetings,
            dealer_lines=DealerLines(self.network, float(self.consortium.file.deadline_s)),
            pool=Pool(limits.pool_bytes),
            afterwards=self._afterwards,
            engine=self._engine,
        )

    def _chain(self, runner: Runner, genesis: Body, snapshot_every: int) -> Chain:
        return Chain(
            consortium=self.consortium,
            replica=self.replica,
            remember=self._remember,
            admit=self._admit,
            signed=runner.expect,
            couriers=self._couriers,
            genesis=genesis,
            snapshot_every=snapshot_every,
        )

    def start(self) -> None:
        """Answer lines and join the ledger."""
        self.network.serve("ledger", self._counter.ledger)
        self.network.serve("request", self._counter.requests)
        if self._training is not None:
            self._training.trainer.serve()
        self.chain.start()

    def _remember(self, ask: Ask) -> None:
        """Take a request that came beside a proposal; one that cannot be understood is left out."""
        try:
            if kind_of(ask) == TRAIN and self._training is not None:
                self._training.desk.learn(ask)
            else:
                self._desk.remember(ask)
        except (*REFUSALS, PeerRejectedError):
            return

    def _admit(self, body: Body) -> None:
        """Decide on an entry before it is signed: questions at one desk, trainings at the other, changes by consent."""
        content = body.content
        if isinstance(content, Change):
            if self._consents is None:
                raise PolicyRefusedError(site=self.name, rule="the agreement is not changed here")
            self._consents.check(body, self.replica.core.state, site=self.name)
            return
        if isinstance(content, Charge | Exact) and content.asked.run:
            if self._training is None:
                raise RequestRejectedError(
                    site=self.name, reason="the consortium has no aggregator and key holder"
                )
            self._training.desk.admit(body)
        else:
            self._desk.admit(body)

    def wait_ready(self, timeout_s: float) -> None:
        """Wait until requests can be charged here.

        Raises:
            SiteUnavailableError: not in time; says what is missing.
        """
        ends_at = time.monotonic() + timeout_s
        while reason := self.chain.not_ready:
            if time.monotonic() > ends_at:
                raise SiteUnavailableError(site=self.name, reason=reason)
            time.sleep(WAIT_S)

    def health(self) -> Health:
        """What doctor is told."""
        reason = self.chain.not_ready
        left_out = set(self._founded.names).difference(self.replica.members)
        return Health(
            engine=self._engine,
            name=self.name,
            role="site",
            version=installed_version(),
            configuration=self.consortium.digest(),
            clock_s=self._clock(),
            is_ready=not reason,
            reason=reason,
            ledger_number=self.replica.head,
            ledger_head=self.replica.head_hash.hex(),
            hears={name: heard for name, heard in self.network.hears().items() if name not in left_out},
        )

    def close(self) -> None:
        """Leave: lines, meshes, threads, tables, ledger."""
        self.network.close()
        self._afterwards.close()
        self.chain.stop()
        self._meetings.close()
        self._couriers.close()
        for source in self._sources.values():
            source.close()
        self._store.close()


def _in_force(consortium: Consortium, replica: Replica) -> Consortium:
    """The agreement among the sites that are members by this site's ledger.

    Raises:
        ConfigError: no more sites are left than may collude.
    """
    members = replica.members
    if replica.head < 0 or replica.name not in members:
        return consortium
    return among(consortium, members, sequencer=replica.sequencer)


def installed_version() -> str:
    """The project's version as installed."""
    try:
        return version("crossward")
    except PackageNotFoundError:
        return "unknown"
