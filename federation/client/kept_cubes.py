"""Released cubes in the analyst's own store: which releases make a cube, and what a paid one adds to them.

Layer:       federation.client.kept_cubes, above kept_answers; below cubes. Asks no site.
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
from federation.client.answer_store import Release
from federation.errors import ConfigError
from federation.node.clock import installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.results.cube_answers import FittedCube
    from analytics.results.reuse import Combined, Observation
    from analytics.statistics.released_marginals import CubeAnswer
    from federation.client.answer_store import AnswerStore
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
    """

    fitted: FittedCube
    origin: dict[str, object]


def plan_of(planned: AnyPlanned) -> StatisticPlan:
    """The plan of a cube's request."""
    return cast("StatisticWork", planned.work).plan


def identities_of(plan: StatisticPlan, consortium: Consortium) -> tuple[str, ...]:
    """The identity of each block under an agreement, among its present members, for this version of the program."""
    facts = {
        "configuration": consortium.digest(),
        "cohort": {name: member.public_key for name, member in consortium.file.sites.items()},
        "version": installed_version(),
    }
    return cube_identities(plan, facts)


def kept_cube(
    store: AnswerStore, plan: StatisticPlan, consortium: Consortium, *, fresh: bool
) -> KeptCube | None:
    """Make a cube from the store.

    Args:
        store: the analyst's.
        plan: of the cube, at the epsilon that is asked for.
        consortium: the agreement among the present members.
        fresh: only check that the store can be used.

    Returns:
        The cube; None where it has to be paid for.

    Raises:
        ConfigError: the store was altered or cannot be read.
    """
    releases = store.releases()
    if fresh:
        return None
    observed = _observed(releases, identities_of(plan, consortium))
    if not observed[0]:
        return None
    combined = combine_cubes(observed)
    if not is_accurate_enough(plan, combined):
        return None
    return KeptCube(fitted=fit_combined(plan, combined), origin=_origin(releases, combined, is_free=True))


def paid_cube(
    store: AnswerStore,
    planned: AnyPlanned,
    answer: CubeAnswer,
    consortium: Consortium,
    *,
    fresh: bool,
) -> KeptCube:
    """Keep a cube that was paid for, and combine it with earlier releases of it.

    Args:
        store: the analyst's.
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
            "configuration": consortium.digest(),
            "version": installed_version(),
            "table": plan.table.name,
            "kind": KIND,
            "question": json.dumps(plan.statistic.describe(), sort_keys=True),
        },
        blocks=dict(zip(identities, new, strict=True)),
    )
    not_kept = {}
    try:
        earlier = store.releases()
        store.add(release)
    except ConfigError as error:
        earlier, not_kept = [], {"not_kept": "; ".join(error.mistakes)}
    observed = [[one] for one in new]
    if not fresh:
        observed = [[*old, one] for old, one in zip(_observed(earlier, identities), new, strict=True)]
    combined = combine_cubes(observed)
    origin = _origin([*earlier, release], combined, is_free=False)
    return KeptCube(fitted=fit_combined(plan, combined), origin={**origin, **not_kept})


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


def _observed(releases: Sequence[Release], identities: Sequence[str]) -> list[list[Observation]]:
    """Of each block every release that holds all blocks; a ledger entry counts once."""
    whole = {each.entry_hash: each for each in releases if set(identities) <= each.blocks.keys()}
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
