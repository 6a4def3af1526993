"""Release of results: the site's half, the only file of a site that opens shares.

Layer:       analytics, above site_noise and minimum_cell; the only importer of ``smpc.operations.reveal``.
Terms:       an *answer share* is one site's summand of the answer, after a fresh share of zero.
Guarantees:  a site sends exactly what the plan opens, to the recipient that the plan names, the analyst alone:
             clamped integers with noise (private), or guarded sums (exact). Order: the caller has charged and noted
             the start; this file clamps and adds noise or guards, then shares, then opens.
See instead: the recipient's half (recombine), charging (federation.node), turning integers into an answer (results.assemble).
Source:      docs/guarantees.md P1, P9 and P10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.disclosure.minimum_cell import open_or_closed
from analytics.disclosure.site_noise import check_bounds, noisy_contribution
from analytics.disclosure.statistic_run import run_at_site, run_cost
from analytics.errors import ReleaseRefusedError
from analytics.linkage.answer import linked_answer
from analytics.linkage.site_run import link_at_site
from analytics.mining.private.run import mine_privately
from analytics.mining.site_run import mine_at_site
from smpc.cost import Cost, dry_run
from smpc.operations.arithmetic import concatenate, take
from smpc.operations.inputs import contribute
from smpc.operations.reveal import blinded_share, reveal_to_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from analytics.linkage.plan import LinkPlan
    from analytics.mining.bitmaps import Bitmaps
    from analytics.mining.plan import MiningPlan
    from analytics.mining.private.plan import PrivateMiningPlan
    from analytics.plans.plan import Plan
    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.sources.links.kept_links import SiteLinks
    from privacy_accounting.noise import ByteSource
    from smpc.session import Session
    from smpc.sharing import Shared


def joint_stage(session: Session, figures: npt.NDArray[np.int64], plan: Plan) -> Shared:
    """Everything between the sites' own integers and the opening.

    Visible to: no party.

    Args:
        session: of all sites.
        figures: this site's integers, shape ``(n_figures,)``; with noise in a private plan.
        plan: what runs.

    Returns:
        What will be opened: the figures, then with a guard their flags.
    """
    total = contribute(session, figures)
    if not plan.guards:
        return take(total, plan.opened)
    return concatenate(open_or_closed(session, total, plan))


def open_total(session: Session, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Add up what all sites bring, and open the sum to all of them: one round of a training.

    Visible to: all sites see the sum; what a site sends is uniform to any coalition that lacks another site's.
    Cost: 1 round; ``8 * values.size`` bytes to every other site.

    Args:
        session: of the attempt's cohort; its charge is complete, its start noted.
        values: clamped integers, with noise where the plan has it, int64, shape ``(n,)``.

    Returns:
        The sum modulo 2^64, shape ``(n,)``; the caller checks it.
    """
    return reveal_to_all(session, contribute(session, values))


def joint_cost(plan: Plan) -> Cost:
    """What the joint stage of a plan takes: material, rounds, bytes. The same at every member."""
    nothing = np.zeros(plan.n_figures, dtype=np.int64)
    return dry_run(
        lambda session: joint_stage(session, nothing, plan),
        plan.context.n_sites,
        has_three_sites=plan.context.has_three_sites and plan.has_products,
    )


def send_answer(
    session: Session, plan: Plan, figures: npt.NDArray[np.int64] | None, source: ByteSource
) -> bytes:
    """A site's half: noise or guard, shares, and this site's summand of the opening.

    Visible to: the returned bytes are uniform to any party that lacks another site's summand.

    Args:
        session: of all sites; its material is fetched, its charge complete, its start noted.
        plan: what this site derived itself.
        figures: this site's clamped integers; None where a private scan did not end in time.
        source: uniform bytes for the noise.

    Returns:
        The answer share for the analyst, little end first, ``plan.answer_bytes`` bytes.

    Raises:
        ReleaseRefusedError: an exact plan without figures, or figures beyond the plan's bounds.
    """
    if plan.mode == "private":
        figures = noisy_contribution(plan, figures, source)
    elif figures is None:
        raise ReleaseRefusedError(rule="figures", reason="an exact answer needs every site's figures")
    else:
        check_bounds(plan, figures)
    share = blinded_share(session, joint_stage(session, figures, plan))
    return share.astype("<i8", copy=False).tobytes()


def send_mined(session: Session, plan: MiningPlan, bitmaps: Bitmaps) -> bytes:
    """A site's half of a mining run: one bit a candidate opened to all sites, supports blinded for the analyst.

    Visible to: all sites see the bits; the returned summand is uniform to any party that lacks another site's.

    Args:
        session: of all sites, with a dealer or three that compute; its charge is complete, its start noted.
        plan: what this site derived itself.
        bitmaps: this site's rows.

    Returns:
        The site's answer for the analyst.

    Raises:
        ReleaseRefusedError: the sites' shares of a level do not fit together.
    """
    return mine_at_site(
        session,
        plan,
        bitmaps,
        open_to_all=lambda shared: reveal_to_all(session, shared),
        blind=lambda shared: blinded_share(session, shared),
    ).to_bytes()


def send_privately_mined(
    session: Session, plan: PrivateMiningPlan, bitmaps: Bitmaps | None, source: ByteSource
) -> bytes:
    """A site's half of a private mining run: noisy counts opened to all sites, noisy cells blinded for the analyst.

    Visible to: all sites see noisy counts; the returned summand is uniform to any party that lacks another site's.

    Args:
        session: of all sites; its charge is complete, its start noted.
        plan: what this site derived itself.
        bitmaps: this site's baskets; None where its scan did not end in time.
        source: uniform bytes for noise and truncation.

    Raises:
        ReleaseRefusedError: the sites' shares do not fit together.
    """
    return mine_privately(
        session,
        plan,
        bitmaps,
        source,
        open_to_all=lambda shared: reveal_to_all(session, shared),
        blind=lambda shared: blinded_share(session, shared),
    )


def send_linked(session: Session, plan: LinkPlan, links: SiteLinks | None, digests: Sequence[bytes]) -> bytes:
    """A site's half of a linkage: what it learnt stays here; the analyst gets the number of common patients, or closed.

    Visible to: the other of the two sites sees what the plan says; the analyst sees the returned bytes.

    Args:
        session: of all sites; its charge is complete, its start noted.
        plan: what this site derived itself.
        links: this site's linkages.
        digests: of its patients, in the form for linkage.

    Returns:
        The number where it is at least the minimum cell; the same bytes for every smaller one; empty at any other site.

    Raises:
        ReleaseRefusedError: this linkage was begun before.
    """
    count = link_at_site(session, plan, links, digests)
    return linked_answer(count, plan.context.minimum_cell)


def send_statistic(
    session: Session, plan: StatisticPlan, scanned: npt.NDArray[np.int64] | None, source: ByteSource
) -> bytes:
    """A site's half of a statistic: every step, with openings to sites and to the analyst as the plan names them.

    Visible to: all sites see what steps open to sites; the summands in the returned bytes are uniform to any party
    that lacks another site's.

    Args:
        session: of all sites; its material is fetched, its charge complete, its start noted.
        plan: what this site derived itself.
        scanned: what this site read; None where a private scan did not end in time.
        source: uniform bytes for the noise.

    Raises:
        ReleaseRefusedError: integers beyond the plan's bounds, or shares that do not fit together.
    """
    return run_at_site(
        session,
        plan,
        scanned,
        source,
        open_to_all=lambda shared: reveal_to_all(session, shared),
        blind=lambda shared: blinded_share(session, shared),
    )


def statistic_cost(plan: StatisticPlan) -> Cost:
    """What a run of a statistic takes at most: material, rounds, bytes, memory. The same at every member."""
    return run_cost(plan, reveal_to_all)
