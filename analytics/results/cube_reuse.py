"""Released cubes used again: the identity of a cube's blocks, and several releases of it combined.

Layer:       analytics.results above reuse and cube_answers; pure, public arithmetic on noisy releases.
Guarantees:  an identity is the hash of all that fixes a block's true values but the rows: compiled statement, dimensions,
             measures, marginal, bounds, the table's schema, and the facts of the consortium. Releases between which the rows
             have changed, as far as noise lets that be seen in any block, are not combined: the newest alone is used.
Source:      docs/guarantees.md P23.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from analytics.results.cube_answers import FittedCube, fit_cube
from analytics.results.reuse import Combined, Observation, combine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.statistics.causal.released_marginals import CubeAnswer

_ROUNDING: Final = 1 + 1e-9


def cube_identities(plan: StatisticPlan, facts: Mapping[str, object]) -> tuple[str, ...]:
    """The identity of each block of a cube.

    Args:
        plan: of the cube.
        facts: what else must be equal: configuration, cohort, version; plain data.

    Returns:
        SHA-256 in hexadecimal, in the order of the blocks.
    """
    counts = plan.counts
    if counts is None:
        return ()
    common = {
        "format": 1,
        "kind": "marginals",
        "facts": dict(facts),
        "schema": plan.table.to_dict(),
        "arguments": plan.statistic.describe(),
        "groups": [[key.column.name, list(key.labels)] for key in counts.groups],
        "sets": [[list(each.keys), each.weight] for each in counts.query.grouping_sets],
        "local_sql": counts.local_sql,
        "n_sites": plan.context.n_sites,
        "relation": plan.context.relation,
        "sites_per_unit": plan.table.sites_per_unit(plan.context.n_sites),
    }
    return tuple(
        _digest(
            common
            | {"block": number, "measure": block.measure.value, "bound": block.bound, "clamp": block.clamp}
        )
        for number, block in enumerate(counts.blocks)
    )


def _digest(fields: Mapping[str, object]) -> str:
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def cube_observations(answer: CubeAnswer, number: int) -> tuple[Observation, ...]:
    """What a release of a cube opened, block by block; ``number`` is that of its ledger entry."""
    return tuple(
        Observation(number=number, law=law, values=values)
        for law, values in zip(answer.laws, answer.released, strict=True)
    )


def combine_cubes(observed: Sequence[Sequence[Observation]]) -> tuple[Combined, ...]:
    """Combine the releases of each block, all blocks from the same releases.

    Args:
        observed: of each block every release, each of them in all blocks.
    """
    found = tuple(combine(each) for each in observed)
    if any(each.left_out for each in found):
        newest = max(each.number for each in observed[0])
        earlier = tuple(sorted({each.number for each in observed[0]} - {newest}))
        alone = (combine([one for one in each if one.number == newest]) for each in observed)
        return tuple(Combined(figures=each.figures, numbers=each.numbers, left_out=earlier) for each in alone)
    return found


def is_accurate_enough(plan: StatisticPlan, combined: Sequence[Combined]) -> bool:
    """Whether the noise on every block is at most what the plan would add."""
    return all(each.noise_sd <= law.sd * _ROUNDING for each, law in zip(combined, plan.noise, strict=True))


def fit_combined(plan: StatisticPlan, combined: Sequence[Combined]) -> FittedCube:
    """The cube that the releases say together."""
    return fit_cube(
        plan, [([float(figure.value) for figure in each.figures], each.noise_sd) for each in combined]
    )
