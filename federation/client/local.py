"""A whole consortium inside one process: sites and helpers as threads, for learning, testing and notebooks.

Layer:       federation.client.local, above session and node.
Guarantees:  the same code as between processes, except for the channel object. Ledgers live in memory and end with
             the session. The process owns all data: nothing is protected from the person who runs it.
See instead: real deployments (``federation.connect``).
"""

from __future__ import annotations

import secrets
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from analytics.sources import SourceSpec, open_frame, open_table
from analytics.sources.formats import ENDINGS, kind_of, named_source
from federation.client.session import Session
from federation.consortium.consortium_file import Consortium, consortium_from_dict
from federation.consortium.site_file import Policy
from federation.errors import ConfigError
from federation.identity.authority import in_memory_identity
from federation.network.in_memory import MemoryExchange
from federation.node.helpers.aggregation import HelperNode, aggregator_node, keyholder_node
from federation.node.helpers.dealer import DealerNode
from federation.node.site_node import SiteLedger, SiteNode
from federation.paillier.keys import PrivateKey, generate_private_key
from federation.paillier.validation import FLOOR_BITS
from federation.requests.site_policy import check_tables
from privacy_accounting.ledger.storage.store import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from analytics.sources import LocalTable
    from analytics.sources.spec import Preparation
    from federation.identity.certificates import Identity
    from federation.training.fitted_model import FederatedModel
    from privacy_accounting.ledger.storage.store import Store

ANALYST = "analyst"
HELPERS = ("dealer", "aggregator", "keyholder")
READY_S = 30.0
SITE_KEY_BYTES = 32
DEFAULT_BUDGET: Mapping[str, Any] = {
    "epsilon": "4",
    "delta": "0.000001",
    "query": {"share": "0.75"},
    "training": {"share": "0.25"},
}
# the person who runs this process owns all rows: training without noise is permitted, for the present sites
DEFAULT_POLICY: Mapping[str, Any] = {
    "exact": True,
    "minimum_cell": 10,
    "nested_supports": "guard",
    "exact_requests_per_analyst": 1000,
    "exact_training": "unguarded",
}
Rows = Any  # a pandas frame, a path, or a SourceSpec


class LocalSession(Session):
    """A session that also owns its sites.

    Attributes:
        nodes: the sites by name; meant for tests.
        assistants: dealer, aggregator, key holder.
    """

    def __init__(
        self,
        *,
        consortium: Consortium,
        identity: Identity,
        exchange: MemoryExchange,
        nodes: dict[str, SiteNode],
        assistants: Sequence[DealerNode | HelperNode],
        folder: tempfile.TemporaryDirectory[str],
    ) -> None:
        """Take running nodes."""
        super().__init__(
            consortium=consortium, identity=identity, network=exchange.network(ANALYST, "analyst")
        )
        self.nodes, self.assistants, self._folder = nodes, assistants, folder

    def own_model(self, site: str) -> FederatedModel | None:
        """Return the latest model that a site keeps for itself; here the caller owns all sites.

        Args:
            site: its name.
        """
        return self.nodes[site].own_model

    def close(self) -> None:
        """Close the session and stop every node; does nothing in a forked process, which has no nodes."""
        super().close()
        if not self._pool.is_of_this_process:
            return
        for node in self.nodes.values():
            node.close()
        for assistant in self.assistants:
            assistant.close()
        self._folder.cleanup()


def local(  # noqa: PLR0913 - every one a setting of its own, by keyword, with a default
    tables: Mapping[str, Any],
    *,
    schema: Mapping[str, Any],
    budget: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] | None = None,
    view: str = "SELECT * FROM source",
    harmonise: Mapping[str, Any] | None = None,
    colluding: int = 1,
    relation: str = "add_or_remove_one",
    delta: str = "0.000001",
    deadline_s: float = 30.0,
    three_sites: Sequence[str] | None = None,
    stores: Mapping[str, Store] | None = None,
    engine: str = "crypten",
) -> LocalSession:
    """Start a consortium in this process.

    Args:
        tables: for each site a pandas frame, a path (text or ``Path``; its ending says whether it is CSV, Parquet or
            DuckDB, ``FILE.duckdb#TABLE`` for the last), or a ``SourceSpec``; or a mapping of table names to them where
            the schema has several tables.
        schema: ``{"tables": {...}}``; its keys are in docs/reference/schema.md.
        budget: a population's budget, or a mapping of populations to budgets; default epsilon 4 at delta 1e-6, three quarters of
            it for queries, a quarter for training.
        policy: of every site; default: exact answers with a minimum cell of 10, and training without noise.
        view: one SELECT over ``source`` that makes the schema's columns.
        harmonise: for each site that has one, the path of its mapping, which runs before the view; or a mapping of table
            names to paths.
        colluding: sites that may pool what they know.
        relation: neighboring relation.
        delta: the consortium's, a decimal string.
        deadline_s: seconds after which a silent party counts as lost.
        three_sites: these compute without a dealer: the first two evaluate, the third deals; default: a dealer.
        stores: where each site keeps its ledger; default: memory.
        engine: adds and multiplies shares at every site: crypten or numpy.

    Returns:
        An open session; close it, or use it in a ``with`` statement.

    Raises:
        ConfigError: with every mistake; or a site's table is beyond rows_max where exact answers are allowed.
        SchemaMismatchError: a site's rows do not match the schema.
        MappingError: a site's mapping has mistakes.

    Warns:
        UserWarning: most values of a column, or most rows, do not fit the schema; or identifiers differ by spelling alone.
    """
    rules = {**DEFAULT_POLICY, "exact_training_members": sorted(tables), **(policy or {})}
    identities = {name: in_memory_identity(name, "site") for name in tables}
    analyst = in_memory_identity(ANALYST, "analyst")
    helpers = {role: in_memory_identity(role, role) for role in _roles(three_sites)}
    consortium = _consortium(
        schema=schema,
        identities=identities,
        analyst=analyst,
        helpers=helpers,
        settings={
            "colluding": colluding,
            "relation": relation,
            "delta": delta,
            "minimum_cell": rules["minimum_cell"],
            "deadline_s": str(deadline_s),
            **_computation(three_sites),
        },
        budget=budget or DEFAULT_BUDGET,
    )
    sources = _sources_of_all(consortium, tables, view, own := Policy.model_validate(rules), harmonise or {})
    exchange, folder = MemoryExchange(timeout_s=deadline_s), tempfile.TemporaryDirectory(prefix="crossward-")
    assistants = _assistants(consortium, exchange, Path(folder.name))
    nodes = {
        name: SiteNode(
            consortium=consortium,
            policy=own,
            identity=identities[name],
            network=exchange.network(name, "site"),
            ledger=SiteLedger(store=(stores or {}).get(name) or MemoryStore(owner=name)),
            sources=sources[name],
            engine=engine,
            specs=_specs(consortium, name, tables[name], view, (harmonise or {}).get(name)),
        )
        for name in tables
    }
    parts: dict[str, Any] = {"exchange": exchange, "nodes": nodes, "assistants": assistants, "folder": folder}
    return _started(LocalSession(consortium=consortium, identity=analyst, **parts))


def _roles(three_sites: Sequence[str] | None) -> Sequence[str]:
    """Return the helpers in use."""
    return HELPERS if three_sites is None else [role for role in HELPERS if role != "dealer"]


def _computation(three_sites: Sequence[str] | None) -> dict[str, Any]:
    """Return the agreement's ``[computation]`` part; empty where all sites compute with a dealer."""
    return {} if three_sites is None else {"computation": {"mode": "three-sites", "sites": list(three_sites)}}


def _started(session: LocalSession) -> LocalSession:
    """Start every node and wait until sites can charge questions; close the session where that fails."""
    try:
        for assistant in session.assistants:
            assistant.start()
        for node in session.nodes.values():
            node.start()
        for node in session.nodes.values():
            node.wait_ready(READY_S)
    except BaseException:
        session.close()
        raise
    return session


def _consortium(
    *,
    schema: Mapping[str, Any],
    identities: Mapping[str, Identity],
    analyst: Identity,
    helpers: Mapping[str, Identity],
    settings: Mapping[str, Any],
    budget: Mapping[str, Any],
) -> Consortium:
    if not isinstance(schema.get("tables"), Mapping):
        raise ConfigError(mistakes=["schema: must have the shape {'tables': {name: {...}}}"])
    populations = {
        table.get("population", name)
        for name, table in schema["tables"].items()
        if isinstance(table, Mapping)
    }
    budgets = dict(budget) if set(budget) == populations else dict.fromkeys(sorted(populations), budget)
    document = {
        "version": 1,
        "name": "local",
        "authority": "memory",
        "sequencer": min(identities, default=""),
        "sites": {
            name: _member(identity, place) for place, (name, identity) in enumerate(identities.items())
        },
        "analysts": {analyst.name: {"fingerprint": analyst.fingerprint, "public_key": analyst.public_hex}},
        "budgets": budgets,
        "tables": schema["tables"],
        **settings,
    }
    for place, (role, helper) in enumerate(helpers.items(), start=len(identities)):
        document[role] = {"name": helper.name, **_member(helper, place)}
    document["keyholder"]["paillier_modulus"] = f"{_key().public.n:x}"
    return consortium_from_dict(document, authority_pem=b"", place="local")


@lru_cache(maxsize=1)
def _key() -> PrivateKey:
    """One key for all consortia of this process: the person who runs them owns all data anyway."""
    return generate_private_key(bits=FLOOR_BITS)


def _assistants(
    consortium: Consortium, exchange: MemoryExchange, folder: Path
) -> list[DealerNode | HelperNode]:
    """Start the dealer, where there is one, the aggregator and the key holder."""
    aggregator, keyholder = (exchange.network(role, role) for role in ("aggregator", "keyholder"))
    assistants: list[DealerNode | HelperNode] = [
        aggregator_node(consortium, aggregator),
        keyholder_node(consortium, keyholder, private=_key(), folder=folder),
    ]
    if consortium.file.dealer is not None:
        dealer = exchange.network("dealer", "dealer")
        assistants.insert(0, DealerNode(consortium=consortium, network=dealer))
    return assistants


def _member(identity: Identity, place: int) -> dict[str, str]:
    return {
        "address": f"memory:{place + 1}",
        "fingerprint": identity.fingerprint,
        "public_key": identity.public_hex,
    }


def _sources_of_all(
    consortium: Consortium,
    tables: Mapping[str, Rows],
    view: str,
    policy: Policy,
    harmonise: Mapping[str, Any],
) -> dict[str, dict[str, LocalTable]]:
    """Open every site's tables before any node starts; close them again where one is refused."""
    if unknown := sorted(set(harmonise) - set(tables)):
        raise ConfigError(mistakes=[f"harmonise: there is no site {', '.join(unknown)}"])
    opened: dict[str, dict[str, LocalTable]] = {}
    try:
        for site, given in tables.items():
            opened[site] = _sources(consortium, site, given, view, harmonise.get(site))
            check_tables(policy, opened[site], site=site)
    except BaseException:
        for sources in opened.values():
            for source in sources.values():
                source.close()
        raise
    return opened


def _sources(
    consortium: Consortium, site: str, given: Rows, view: str, harmonise: Any
) -> dict[str, LocalTable]:
    """Open a site's tables; its secret key exists as long as they are open."""
    tables = consortium.schema.tables
    by_table = _by_table(consortium, site, given)
    mappings = _mappings(site, by_table, harmonise)
    specs = _specs(consortium, site, given, view, harmonise)
    key = secrets.token_bytes(SITE_KEY_BYTES)
    opened: dict[str, LocalTable] = {}
    for name, rows in by_table.items():
        own = mappings.get(name)
        if name in specs:
            opened[name] = open_table(specs[name](), tables[name], site_key=key)
        else:
            frame = cast("pd.DataFrame", rows)
            opened[name] = open_frame(frame, tables[name], site_key=key, view=view, name=site, mapping=own)
        for fault in opened[name].report.faults():
            warnings.warn(f"site {site}, table {name}: {fault}", stacklevel=4)
    return opened


def _by_table(consortium: Consortium, site: str, given: Rows) -> Mapping[str, Rows]:
    """What is given for each table of a site."""
    tables = consortium.schema.tables
    by_table = given if isinstance(given, Mapping) else dict.fromkeys(tables, given)
    if set(by_table) != set(tables):
        raise ConfigError(mistakes=[f"{site}: give the tables {', '.join(tables)}"])
    return by_table


def _specs(
    consortium: Consortium, site: str, given: Rows, view: str, harmonise: Any
) -> dict[str, Callable[[], SourceSpec]]:
    """How the source of each table of a site is described; those of frames have none."""
    by_table = _by_table(consortium, site, given)

    def spec_of(name: str, rows: SourceSpec | Path | str) -> SourceSpec:
        spec = rows if isinstance(rows, SourceSpec) else _spec_of(site, rows, view)
        own = _mappings(site, by_table, harmonise).get(name)
        return spec if own is None else replace(spec, mapping=own)

    return {
        name: partial(spec_of, name, rows)
        for name, rows in by_table.items()
        if isinstance(rows, SourceSpec | Path | str)
    }


def _mappings(site: str, tables: Mapping[str, Rows], harmonise: Any) -> dict[str, Preparation]:
    """Read a site's mappings, by table."""
    if harmonise is None:
        return {}
    from analytics.harmonise.reading import read_mapping

    by_table = harmonise if isinstance(harmonise, Mapping) else dict.fromkeys(tables, harmonise)
    if not set(by_table) <= set(tables):
        raise ConfigError(mistakes=[f"{site}: harmonise names tables of {', '.join(tables)}"])
    return {name: read_mapping(path) for name, path in by_table.items()}


def _spec_of(site: str, path: Path | str, view: str) -> SourceSpec:
    """Return the source of a file's rows, by its ending, as on the command line."""
    file, relation = named_source(str(path))
    kind = kind_of(file)
    if kind is None:
        raise ConfigError(mistakes=[f"{site}: {file.name} is none of {', '.join(ENDINGS)}"])
    return SourceSpec(kind=kind, path=file, view=view, relation=relation)
