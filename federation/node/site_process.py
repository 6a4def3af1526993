"""A node as a process: opens its files, its ledger and its network, and runs until a stop is requested.

Layer:       federation.node.site_process, the top of ``federation.node``.
Guarantees:  ``ready`` is called once the node answers and its ledger is open; when the functions return, no thread,
             socket or lock of the node is left.
See instead: signals, forks and logs (``federation.processes``).
"""

from __future__ import annotations

import logging
import resource
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from analytics.errors import SchemaMismatchError
from analytics.sources import open_table
from analytics.sources.formats import ENDINGS
from federation.consortium.amending.administrator_approvals import Approvals
from federation.consortium.consortium_file import load_consortium
from federation.consortium.site_file import FILE_NAME, load_site
from federation.errors import ConfigError, SiteUnavailableError
from federation.identity.certificates import Identity
from federation.identity.next_identity import exchange_identity
from federation.network.delay import distance_s
from federation.network.tls import TlsNetwork, bind_address
from federation.node.helpers.aggregation import HelperNode, aggregator_node, keyholder_node
from federation.node.helpers.dealer import DealerNode
from federation.node.ledger.correction import keep_copy, put_aside
from federation.node.ledger.present_members import (
    in_force,
    present_members,
    publish_members,
    take_renewed,
)
from federation.node.ledger.storage import is_in_postgres, ledger_file, open_ledger
from federation.node.ledger.summary import read_state
from federation.node.site_key import site_key
from federation.node.site_node import SiteLedger, SiteNode
from federation.paillier.key_files import PRIVATE_KEY_FILE, load_private_key
from federation.requests.site_policy import check_tables

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from analytics.sources import LocalTable
    from analytics.sources.spec import SourceSpec
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.site_file import SiteConfig

SITE_KEY = "site.key"
MOST_FILES = 1 << 14
POLL_S = 0.05
DAY_S = 86_400.0
LOOK_S = 1.0
HEARD_S = (
    2.0  # nodes that start together hear each other sooner; a node that starts alone becomes ready anyway
)
ADMINISTRATOR_S = 10.0  # within this time the start of another site may still make this site ready
LOG = logging.getLogger(__name__)
COPIES = "tables"


def serve_site(path: Path, stop: threading.Event, ready: Callable[[], None]) -> None:
    """Run one site until a stop is requested.

    Args:
        path: the site file.
        stop: set by the caller to end the site.
        ready: called once, when the site can take part.

    Raises:
        ConfigError: the files hold mistakes; the error lists all of them.
        SchemaMismatchError: the data of the site do not match the schema.
        LedgerRefusedError: the ledger belongs to another consortium, is damaged, in use, or cannot be reached.
    """
    config = load_site(path)
    _check_role(config, Identity.load(config.identity))
    config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = in_force(config)
    sources = open_sources(config)
    check_tables(config.file.policy, sources, site=config.file.site)
    path = path if path.is_file() else path / FILE_NAME
    _correct(config)
    keep_copy(config, path)
    store = open_ledger(config)
    try:
        state = read_state(store) if store.height() else None
        present = present_members(state, Approvals(config.consents))
        identity, next_key = take_renewed(config, present.keys)
        consortium = config.among(present.changes)
        awaited = {name: site for name, site in present.awaited.items() if name != config.file.site}
        network = _network(consortium.with_sites(awaited), identity, config.file.listen)
    except BaseException:
        store.close()
        raise
    node = SiteNode(
        consortium=consortium,
        policy=config.file.policy,
        identity=identity,
        network=network,
        ledger=SiteLedger(
            store=store,
            snapshot_every=config.file.ledger.snapshot_every,
            consents=Approvals(config.consents),
            records=config.state,
            signed_correction=config.signed_correction,
            next_key=next_key,
            awaited=awaited,
        ),
        sources=sources,
        limits=config.file.limits,
        engine=config.file.computation.engine,
        specs={name: partial(source_of, config, name) for name in sources},
    )
    try:
        publish_members(config, path, node.replica.core.state)
        node.start()
        _until_ready(node, stop)
        _until_heard(network, stop)
        if not stop.is_set():
            ready()
        _watch(identity, stop, look=lambda: _publish(config, path, node))
    finally:
        node.close()


def _check_role(config: SiteConfig, identity: Identity) -> None:
    if (identity.name, identity.role) != (config.file.site, "site"):
        raise ConfigError(mistakes=[f"site.toml: the identity is that of {identity.role} {identity.name}"])


def _correct(config: SiteConfig) -> None:
    """Put the ledger of an earlier agreement aside before the first charge; say what changed."""
    corrected = put_aside(config)
    if corrected is None:
        return
    step, kept = corrected
    LOG.warning(
        "the consortium file was corrected before the first charge; the earlier ledger is kept: %s", kept
    )
    for line in step.changes:
        LOG.warning("corrected: %s", line)


def serve_helper(
    role: str,
    consortium_path: Path,
    identity_path: Path,
    stop: threading.Event,
    ready: Callable[[], None],
    listen: str | None = None,
) -> None:
    """Run the dealer, the aggregator or the key holder until a stop is requested.

    The key holder's private key is stored beside its identity only.

    Raises:
        ConfigError: the files hold mistakes, or no helper has this role.
        KeyMismatchError: the consortium file pins another key.
    """
    consortium = load_consortium(consortium_path)
    identity, _ = exchange_identity(identity_path, consortium.roles().keys)
    if role not in HELPERS:
        raise ConfigError(mistakes=[f"no helper has the role {role}"])
    if identity.role != role:
        raise ConfigError(
            mistakes=[f"{identity_path.name}: the identity is that of {identity.role} {identity.name}"]
        )
    network = _network(consortium, identity, listen)
    try:
        node = HELPERS[role](consortium, network, identity_path.parent)
    except BaseException:
        network.close()
        raise
    try:
        node.start()
        _until_heard(network, stop)
        ready()
        _watch(identity, stop)
    finally:
        node.close()


def _watch(
    identity: Identity,
    stop: threading.Event,
    every_s: float = DAY_S,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Wait until a stop is requested; once a day, log a certificate that ends soon; every second, look."""
    due = time.monotonic()
    while True:
        if time.monotonic() >= due:
            due += every_s
            soon = identity.ends_soon(datetime.now(UTC))
            if soon:
                LOG.warning("%s: renew it before; docs/several-machines.md says how", soon)
        look()
        if stop.wait(min(every_s, LOOK_S)):
            look()
            return


def _publish(config: SiteConfig, path: Path, node: SiteNode) -> None:
    """Write what came while the node ran for those who hold no ledger; the node goes on where that fails."""
    try:
        publish_members(config, path, node.replica.core.state)
    except ConfigError as error:
        LOG.error("%s", error)  # noqa: TRY400 - the file and the cause are in the text


def _network(consortium: Consortium, identity: Identity, listen: str | None) -> TlsNetwork:
    _take_files()
    return TlsNetwork(
        consortium=consortium, identity=identity, listen=bind_address(listen), delay_s=distance_s()
    )


def _take_files() -> None:
    """Raise the limit of open sockets of this process, for the connections of all members at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _dealer(consortium: Consortium, network: TlsNetwork, _: Path) -> DealerNode:
    return DealerNode(consortium=consortium, network=network)


def _aggregator(consortium: Consortium, network: TlsNetwork, _: Path) -> HelperNode:
    return aggregator_node(consortium, network)


def _keyholder(consortium: Consortium, network: TlsNetwork, folder: Path) -> HelperNode:
    private = load_private_key(folder / PRIVATE_KEY_FILE)
    return keyholder_node(consortium, network, private=private, folder=folder)


HELPERS: Final[Mapping[str, Callable[[Consortium, TlsNetwork, Path], DealerNode | HelperNode]]] = {
    "dealer": _dealer,
    "aggregator": _aggregator,
    "keyholder": _keyholder,
}


def open_sources(config: SiteConfig, *, keep: bool = True) -> dict[str, LocalTable]:
    """Read a site's tables; the findings are for its administrator only (P19).

    Args:
        config: the site's configuration.
        keep: keep a copy of the clean tables, where the site file does not forbid it.

    Raises:
        SchemaMismatchError: tables do not match the schema; it names all of them.
        ConfigError: a source has an unknown file type, or a mapping has mistakes.
    """
    found: dict[str, LocalTable] = {}
    faults: list[SchemaMismatchError] = []
    for name in config.file.tables:
        if name not in config.consortium.schema.tables:
            continue  # an amendment has yet to bring it
        try:
            found[name] = open_source(config, name, keep=keep)
        except SchemaMismatchError as error:
            faults.append(error)
    if faults:
        for source in found.values():
            source.close()
        first, *others = faults
        reason = "; ".join([first.reason, *map(str, others)])
        raise SchemaMismatchError(source=first.source, column=first.column, reason=reason)
    return found


def open_source(config: SiteConfig, name: str, *, keep: bool = True) -> LocalTable:
    """Read one of a site's tables; arguments and errors as ``open_sources``."""
    table = config.file.tables[name]
    is_first_start = not is_in_postgres(config) and not ledger_file(config).exists()
    return open_table(
        source_of(config, name),
        config.consortium.schema.tables[name],
        site_key=site_key(config.state / SITE_KEY, is_first_start=is_first_start),
        threads=1,
        copies=config.state / COPIES if keep and table.keep_copy else None,
    )


def source_of(config: SiteConfig, name: str) -> SourceSpec:
    """Describe the source of one of a site's tables.

    Args:
        config: the site's configuration.
        name: the table's.

    Raises:
        ConfigError: it has an unknown file type, or its mapping has mistakes.
    """
    table = config.file.tables[name]
    spec = table.spec(config.folder)
    if spec is None:
        named = Path(table.source).name
        raise ConfigError(mistakes=[f"tables.{name}.source: {named} is none of {', '.join(ENDINGS)}"])
    return spec


def _until_ready(node: SiteNode, stop: threading.Event) -> None:
    """Wait until the site can charge requests; a site that needs its administrator starts anyway and says so."""
    ends_at = None
    while not stop.is_set():
        try:
            node.wait_ready(POLL_S)
        except SiteUnavailableError as error:
            if not node.chain.needs_administrator:
                ends_at = None
            elif ends_at is None:
                ends_at = time.monotonic() + ADMINISTRATOR_S
            elif time.monotonic() > ends_at:
                LOG.error("%s", error)  # noqa: TRY400 - the log needs the missing thing, not the stack
                return
        else:
            return


def _until_heard(network: TlsNetwork, stop: threading.Event) -> None:
    """Wait briefly for the heartbeats of the other nodes, so that a first request finds all of them alive."""
    ends_at = time.monotonic() + HEARD_S
    while not (stop.is_set() or all(network.hears().values()) or time.monotonic() > ends_at):
        stop.wait(POLL_S)
