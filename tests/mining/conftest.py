"""Small worlds for the miner: sites as frames, whole runs over memory meshes, and an apriori that shares no code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import pandas as pd
import pytest

from analytics.mining.bitmaps import local_bitmaps
from analytics.mining.finish import finish_mining
from analytics.mining.plan import MiningPlan, make_mining_plan
from analytics.mining.request import MiningRequest
from analytics.mining.result import MiningResult
from analytics.mining.site_run import mine_at_site
from analytics.plans.context import PlanContext
from analytics.schema import Schema
from analytics.sources import LocalTable, open_frame
from smpc.operations.reveal import blinded_share, recombine, reveal_to_all
from smpc.simulator import SimulatedRun, party_names, simulate

LETTERS = "abcdefgh"


def schema_of(names: Sequence[str] = LETTERS, **changes: Any) -> Schema:
    table: dict[str, Any] = {
        "privacy_unit": "row",
        "max_sites_per_unit": 1,
        "rows_max": 10_000,
        "exact_dimensions": [*names],
        "columns": {name: {"type": "boolean", "nullable": True} for name in names},
    }
    kept = {key: value for key, value in (table | changes).items() if value is not None}
    return Schema.from_dict({"tables": {"baskets": kept}})


def context_of(n_sites: int = 3, **changes: Any) -> PlanContext:
    fields: dict[str, Any] = {
        "n_sites": n_sites,
        "colluding": 1,
        "relation": "add_or_remove_one",
        "delta": Fraction(1, 10**6),
        "minimum_cell": 0,
    }
    return PlanContext(**(fields | changes))


def request_of(items: Sequence[str] = LETTERS, **changes: Any) -> MiningRequest:
    fields: dict[str, Any] = {
        "table": "baskets",
        "items": tuple(items),
        "min_support": Fraction(1, 5),
        "min_confidence": Fraction(1, 2),
        "nested_supports": "allow",
    }
    return MiningRequest(**(fields | changes))


def frame_of(baskets: Sequence[str], names: Sequence[str] = LETTERS) -> pd.DataFrame:
    """One row a basket, a text of the letters that hold; a capital letter is a missing value."""
    columns = {
        name: [None if name.upper() in basket else name in basket for basket in baskets] for name in names
    }
    return pd.DataFrame({name: pd.array(values, dtype="boolean") for name, values in columns.items()})


@dataclass(frozen=True)
class Ran:
    """What became of a whole run."""

    plan: MiningPlan
    run: SimulatedRun[bytes]
    openings: dict[str, list[list[int]]]
    blinded: dict[str, list[int]]

    @property
    def answers(self) -> list[bytes]:
        return self.run.values()

    @property
    def result(self) -> MiningResult:
        return finish_mining(self.plan, self.answers, recombine=recombine)

    @property
    def supports(self) -> dict[frozenset[str], int]:
        return {frozenset(entry.items): entry.count for entry in self.result.found}


def run_plan(plan: MiningPlan, sources: Sequence[LocalTable], **options: Any) -> Ran:
    names = party_names(len(sources))
    bitmaps = dict(zip(names, [local_bitmaps(plan, source) for source in sources], strict=True))
    openings: dict[str, list[list[int]]] = {name: [] for name in names}
    blinded: dict[str, list[int]] = {name: [] for name in names}

    def joint(session):
        name = session.names[session.rank]

        def open_to_all(shared):
            values = reveal_to_all(session, shared)
            openings[name].append([int(value) for value in values])
            return values

        def blind(shared):
            blinded[name].append(shared.size)
            return blinded_share(session, shared)

        return mine_at_site(session, plan, bitmaps[name], open_to_all=open_to_all, blind=blind).to_bytes()

    return Ran(plan, simulate(joint, len(sources), prefetch=False, **options), openings, blinded)


def mine(
    sites: Sequence[Sequence[str]],
    *,
    table: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    **request: Any,
) -> Ran:
    """Mine baskets that lie at several sites."""
    schema = schema_of(**(table or {}))
    plan = make_mining_plan(request_of(**request), schema, context_of(len(sites), **(context or {})))
    sources = [
        open_frame(frame_of(baskets), schema.tables["baskets"], site_key=b"k" * 32) for baskets in sites
    ]
    try:
        return run_plan(plan, sources, **(run or {}))
    finally:
        for source in sources:
            source.close()


def plain_apriori(
    baskets: Sequence[str], min_support: Fraction, *, least: int = 1, max_len: int | None = None
) -> dict[frozenset[str], int]:
    """Count every subset of every basket; no join, no prune."""
    counts: dict[frozenset[str], int] = {}
    for basket in baskets:
        held = sorted(set(basket) & set(LETTERS))
        for size in range(1, (max_len or len(held)) + 1):
            for subset in combinations(held, size):
                counts[frozenset(subset)] = counts.get(frozenset(subset), 0) + 1
    n = len(baskets)
    return {s: c for s, c in counts.items() if Fraction(c, n) >= min_support and c >= least}


@pytest.fixture(scope="session")
def miner() -> Callable[..., Ran]:
    return mine


@pytest.fixture(scope="session")
def run_of() -> Callable[..., Ran]:
    return run_plan


@pytest.fixture(scope="session")
def apriori() -> Callable[..., dict[frozenset[str], int]]:
    return plain_apriori


@pytest.fixture(scope="session")
def plan_of() -> Callable[..., MiningPlan]:
    def make(
        *,
        table: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        n_sites: int = 3,
        **request: Any,
    ) -> MiningPlan:
        return make_mining_plan(
            request_of(**request), schema_of(**(table or {})), context_of(n_sites, **(context or {}))
        )

    return make


@pytest.fixture(scope="session")
def change() -> Callable[..., Any]:
    return replace
