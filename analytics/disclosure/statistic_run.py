"""A statistic's run: the steps at one site.

Layer:       analytics.disclosure above site_noise, below release.
Guarantees:  at every step in this order: this site's integers, clamps checked, noise (private), shares, the joint part,
             one opening. What is opened to sites is the same at each, so all go on alike; the analyst accepts an answer
             only where every site reports the same public openings, and every flag is 0 or 1.
Visible to:  sites: what steps open to sites, which the plan names. Analyst: that, and what steps open to the analyst.
See instead: opening itself: ``open_to_all``, ``blind`` and ``recombine`` are handed in by ``release``.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.disclosure.replay import checked
from analytics.disclosure.site_noise import check_bounds_of, noisy_contribution
from analytics.errors import ReleaseRefusedError
from smpc.cost import Cost, dry_run
from smpc.operations.inputs import contribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.statistics.base import Ints, Step
    from privacy_accounting.noise import ByteSource
    from smpc.ring import RingArray
    from smpc.session import Session
    from smpc.sharing import Shared

ELEMENT_BYTES: Final = 8
_NOTHING: Final = np.zeros(0, dtype=np.int64)


def run_at_site(
    session: Session,
    plan: StatisticPlan,
    scanned: Ints | None,
    source: ByteSource,
    *,
    open_to_all: Callable[[Shared], RingArray],
    blind: Callable[[Shared], RingArray],
) -> bytes:
    """Run every step at one site.

    Args:
        session: of all sites; its charge is complete, its start noted, its material fetched.
        plan: what this site derived itself.
        scanned: what this site read; None where a private scan did not end in time.
        source: uniform bytes for the noise.
        open_to_all: opens a shared array to every site.
        blind: this site's summand of an opening, with a fresh share of zero.

    Returns:
        What this site sends to the analyst: of each step what was opened to all, or this site's summand.

    Raises:
        ReleaseRefusedError: integers beyond the plan's bounds, or a flag that is neither 0 nor 1.
    """
    statistic, parts = plan.statistic, []
    state = statistic.start()
    while (step := statistic.step(state)) is not None:
        own = _own(session.rank, plan, step, scanned, source)
        shared = step.joint(session, contribute(session, own))
        if step.to == "sites":
            opened = checked(step, open_to_all(shared))
            parts.append(opened)
            state = statistic.advance(state, opened)
        else:
            parts.append(blind(shared))
            state = statistic.advance(state, _NOTHING)
    return b"".join(part.astype("<i8", copy=False).tobytes() for part in parts)


def run_cost(plan: StatisticPlan, open_to_all: Callable[[Session, Shared], object]) -> Cost:
    """What a run takes at most: material, rounds, bytes, memory. The same at every member."""

    def joint(session: Session) -> None:
        for step in plan.statistic.every_step():
            zeros = np.zeros(len(step.clamps), dtype=np.int64)
            shared = step.joint(session, contribute(session, zeros))
            if step.to == "sites":
                open_to_all(session, shared)

    has_three_sites = plan.context.has_three_sites and plan.has_products
    return dry_run(joint, plan.context.n_sites, has_three_sites=has_three_sites)


def _own(rank: int, plan: StatisticPlan, step: Step, scanned: Ints | None, source: ByteSource) -> Ints:
    """This site's integers of a step, with its noise in private mode."""
    if plan.mode == "private":
        if plan.counts is None:
            raise ReleaseRefusedError(rule="noise", reason="this statistic has no noise")
        return noisy_contribution(plan.counts, scanned, source)
    if scanned is None:
        raise ReleaseRefusedError(rule="figures", reason="an exact answer needs every site's figures")
    own = step.placed(step.local(scanned), rank)
    check_bounds_of(step.clamps, own)
    return own
