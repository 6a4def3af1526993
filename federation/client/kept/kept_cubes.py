"""Released cubes in the analyst's own store: which releases make a cube, and what a paid one adds to them.

Layer:       federation.client.kept.kept_cubes, above kept_answers; below cubes. Asks no site but for a table's version.
Guarantees:  as ``kept_answers``: a release is used only where its blocks have the identity that this consortium, these
             sites, this schema and this version give them; a store that cannot be trusted refuses before a charge.
See instead: identities and the arithmetic (``analytics.results.cube_reuse``), the file (``answer_store``).
Source:      docs/guarantees.md P23.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from analytics.results.cube_reuse import (
    combine_cubes,
    cube_identities,
    cube_observations,
    fit_combined,
    is_accurate_enough,
)
from federation.client.kept.answer_store import Release
from federation.errors import ConfigError, FederationError
from federation.node.clock import installed_version
from smpc.errors import PartyLostError, PeerRejectedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.results.cube_answers import FittedCube
    from analytics.results.reuse import Combined, Observation
    from analytics.statistics.causal.released_marginals import CubeAnswer
    from federation.client.kept.answer_store import AnswerStore
    from federation.client.kept.kept_answers import KeptAnswers
    from federation.consortium.consortium_file import Consortium
    from federation.requests.kinds.statistic import StatisticWork
    from federation.requests.planning import AnyPlanned

KIND: Final = "released cube"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCube:
    """A cube and what it is made from.

    Attributes:
        fitted: the cube.
        origin: its releases, for receipts.
        numbers: of their ledger entries.
        not_kept: why a cube that was paid for is not in the store; empty where it is.
    """

    fitted: FittedCube
    origin: dict[str, object]
    numbers: tuple[int, ...]
    not_kept: str = ""


def plan_of(planned: AnyPlanned) -> StatisticPlan:
    """The plan of a cube's request."""
    return cast("StatisticWork", planned.work).plan


def identities_of(plan: StatisticPlan, consortium: Consortium) -> tuple[str, ...]:
    """The identity of each block under an agreement, among its present members, for this version of the program."""
    facts = {
        "configuration": consortium.configuration(),
        "cohort": {name: member.public_key for name, member in consortium.file.sites.items()},
        "version": installed_version(),
    }
    return cube_identities(plan, facts)


def kept_cube(
    kept: KeptAnswers, plan: StatisticPlan, consortium: Consortium, *, fresh: bool
) -> KeptCube | None:
    """Make a cube from the store.

    Args:
        kept: the analyst's store, and the sites' word on the table's version.
        plan: of the cube, at the epsilon that is asked for.
        consortium: the agreement among the present members.
        fresh: only check that the store can be used.

    Returns:
        The cube; None where it has to be paid for.

    Raises:
        ConfigError: the store was altered or cannot be read.
    """
    releases, identities = kept.store.releases(), identities_of(plan, consortium)
    if fresh or not _observed(releases, identities)[0]:
        return None
    observed = _observed(releases, identities, since=kept.declared(plan.table.name))
    if not observed[0]:
        return None
    combined = combine_cubes(observed)
    if not is_accurate_enough(plan, combined):
        return None
    return KeptCube(
        fitted=fit_combined(plan, combined),
        origin=_origin(releases, combined, is_free=True),
        numbers=combined[0].numbers,
    )


def paid_cube(
    kept: KeptAnswers,
    planned: AnyPlanned,
    answer: CubeAnswer,
    consortium: Consortium,
    *,
    fresh: bool,
) -> KeptCube:
    """Keep a cube that was paid for, and combine it with earlier releases of it.

    Args:
        kept: as for ``kept_cube``.
        planned: the request.
        answer: what was released, with its receipt.
        consortium: the agreement among the present members.
        fresh: make the cube from this release alone.
    """
    plan, number = plan_of(planned), int(str(answer.receipt["number"]))
    new, identities = cube_observations(answer, number), identities_of(plan, consortium)
    release = Release(
        number=number,
        entry_hash=str(answer.receipt["entry_hash"]),
        time=int(str(answer.receipt["time"])),
        epsilon=str(answer.cost["epsilon"]),
        about={
            "configuration": consortium.configuration(),
            "version": installed_version(),
            "table": plan.table.name,
            "kind": KIND,
            "question": json.dumps(plan.statistic.describe(), sort_keys=True),
        },
        blocks=dict(zip(identities, new, strict=True)),
    )
    not_kept = ""
    try:
        earlier = kept.store.releases()
        kept.store.add(release)
    except ConfigError as error:
        earlier, not_kept = [], "; ".join(error.mistakes)
    observed = [[one] for one in new]
    if not fresh and _observed(earlier, identities)[0]:
        try:
            since = kept.declared(plan.table.name)
        except (FederationError, PartyLostError, PeerRejectedError) as error:  # what is paid for is not lost
            not_kept = not_kept or f"it was not combined with earlier ones: {error}"
        else:
            old = _observed(earlier, identities, since=since)
            observed = [[*before, one] for before, one in zip(old, new, strict=True)]
    combined = combine_cubes(observed)
    return KeptCube(
        fitted=fit_combined(plan, combined),
        origin=_origin([*earlier, release], combined, is_free=False),
        numbers=combined[0].numbers,
        not_kept=not_kept,
    )


def released_cubes(store: AnswerStore) -> list[tuple[Release, Mapping[str, Any]]]:
    """Every cube in the store with its arguments, the oldest first.

    Raises:
        ConfigError: the store was altered or cannot be read.
    """
    return [
        (each, json.loads(each.about["question"]))
        for each in store.releases()
        if each.about.get("kind") == KIND
    ]


def _observed(
    releases: Sequence[Release], identities: Sequence[str], *, since: int = 0
) -> list[list[Observation]]:
    """Of each block every release after an entry that holds all blocks; a ledger entry counts once."""
    whole = {
        each.entry_hash: each
        for each in releases
        if set(identities) <= each.blocks.keys() and each.number >= since
    }
    return [[each.blocks[identity] for each in whole.values()] for identity in identities]


def _origin(releases: Sequence[Release], combined: Sequence[Combined], *, is_free: bool) -> dict[str, object]:
    used = set(combined[0].numbers)
    return {
        "free": is_free,
        "releases": [
            {"number": each.number, "entry_hash": each.entry_hash, "time": each.time, "epsilon": each.epsilon}
            for each in releases
            if each.number in used and each.about.get("kind") == KIND
        ],
        "left_out": list(combined[0].left_out),
    }
