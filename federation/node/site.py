"""One site: its tables, its ledger, its place in the network. The same whether it is a process or a thread.

Floor:    federation.node.site, above counter.
Promise:  ``close`` ends every line, mesh and thread of the site; a run under way is spent.
Not here: files, signals and logs around it (``serve``).
"""

from __future__ import annotations

import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from analytics.errors import AnalyticsError
from federation.errors import FederationError, SiteUnavailableError
from federation.genesis import genesis_body
from federation.messages import Health
from federation.node.chain import Chain
from federation.node.counter import Counter
from federation.node.couriers import Couriers
from federation.node.desk import Desk
from federation.node.runs import Runner
from privacy_accounting.errors import AccountingError
from privacy_accounting.ledger.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from analytics.sources import Source
    from federation.config import Consortium, Policy
    from federation.identity import Identity
    from federation.network import Network
    from privacy_accounting.ledger.store import Store

REFUSALS: Final = (AccountingError, AnalyticsError, FederationError)
WAIT_S: Final = 0.02


def wall_clock() -> int:
    """Seconds since 1970."""
    return int(time.time())


class SiteNode:
    """A running site."""

    def __init__(
        self,
        *,
        consortium: Consortium,
        policy: Policy,
        identity: Identity,
        network: Network,
        store: Store,
        sources: Mapping[str, Source],
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        """Put a site together; ``start`` lets it answer.

        Args:
            consortium: its own copy of the agreement.
            policy: its own rules.
            identity: its certificate and key.
            network: its end of the network.
            store: its ledger.
            sources: its tables, by name.
            clock: seconds since 1970.

        Raises:
            LedgerRefusedError: the stored ledger is broken or another consortium's.
            ConfigError: a budget cannot be priced.
        """
        self.name, self.consortium, self.network = identity.name, consortium, network
        genesis = genesis_body(consortium)
        self.replica = Replica(store, identity.signing_key, clock, genesis=genesis, refusals=REFUSALS)
        self._store, self._sources, self._clock = store, dict(sources), clock
        others = [name for name in consortium.names if name != self.name]
        self._couriers = Couriers(network, others, float(consortium.file.deadline_s))
        self._desk = Desk(
            site=self.name, consortium=consortium, policy=policy, sources=sources, replica=self.replica
        )
        self.chain = Chain(
            consortium=consortium,
            replica=self.replica,
            desk=self._desk,
            couriers=self._couriers,
            genesis=genesis,
        )
        runner = Runner(
            site=self.name, consortium=consortium, network=network, replica=self.replica, desk=self._desk
        )
        self._counter = Counter(
            network=network,
            desk=self._desk,
            chain=self.chain,
            runner=runner,
            replica=self.replica,
            health=self.health,
        )

    def start(self) -> None:
        """Answer lines and join the ledger."""
        self.network.serve("ledger", self._counter.ledger)
        self.network.serve("request", self._counter.requests)
        self.chain.start()

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
        return Health(
            name=self.name,
            role="site",
            version=installed_version(),
            configuration=self.consortium.digest(),
            clock_s=self._clock(),
            is_ready=not reason,
            reason=reason,
            ledger_number=self.replica.head,
            ledger_head=self.replica.head_hash.hex(),
            hears=self.network.hears(),
        )

    def close(self) -> None:
        """Leave: lines, meshes, threads, tables, ledger."""
        self.network.close()
        self.chain.stop()
        self._couriers.close()
        for source in self._sources.values():
            source.close()
        self._store.close()


def installed_version() -> str:
    """The project's version as installed."""
    try:
        return version("crossward")
    except PackageNotFoundError:
        return "unknown"
