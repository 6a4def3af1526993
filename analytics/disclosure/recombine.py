"""The recipient's half of every release: put the sites' summands together.

Layer:       analytics.disclosure beside release; no session, no dealer, no noise.
Guarantees:  an answer opens only where every site has sent a summand of the planned length and all fit together.
Visible to:  the analyst.
See instead: the site's half (release), turning integers into an answer (results.assemble).
Source:      docs/guarantees.md P9.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from analytics.disclosure.replay import replay
from analytics.errors import ReleaseRefusedError
from analytics.linkage.answer import finish_linkage
from analytics.mining.finish import finish_mining
from smpc.operations.reveal import recombine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.linkage.plan import LinkPlan
    from analytics.linkage.result import LinkResult
    from analytics.mining.plan import MiningPlan
    from analytics.mining.private.plan import PrivateMiningPlan
    from analytics.mining.private.result import PrivateMiningResult
    from analytics.mining.result import MiningResult
    from analytics.plans.plan import Plan
    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.statistics.base import Answer


def recombine_answer(plan: Plan, shares: Sequence[bytes]) -> list[int | None]:
    """The recipient's half: put the sites' summands together.

    Visible to: the analyst.

    Args:
        plan: what ran.
        shares: every site's answer share.

    Returns:
        The opened integers in the order of ``plan.opened``; None where the guard kept a figure closed.

    Raises:
        ReleaseRefusedError: a share is missing, of another length, or a flag is neither 0 nor 1.
    """
    if len(shares) != plan.context.n_sites or any(len(share) != plan.answer_bytes for share in shares):
        raise ReleaseRefusedError(
            rule="shares", reason="the answer needs one share of the planned length from each site"
        )
    total = recombine([np.frombuffer(share, dtype="<i8").astype(np.int64) for share in shares])
    n_opened = len(plan.opened)
    values = [int(value) for value in total[:n_opened]]
    if not plan.guards:
        return list(values)
    flags = [int(flag) for flag in total[n_opened:]]
    if any(flag not in {0, 1} for flag in flags):
        raise ReleaseRefusedError(rule="shares", reason="the sites' shares do not fit together")
    return [value if flag else None for value, flag in zip(values, flags, strict=True)]


def recombine_mined(
    plan: MiningPlan, answers: Sequence[bytes], *, cost: Mapping[str, object], receipt: Mapping[str, object]
) -> MiningResult:
    """The recipient's half of a mining run.

    Visible to: the analyst.

    Raises:
        ReleaseRefusedError: the sites' answers differ or do not fit together.
    """
    return finish_mining(plan, answers, recombine=recombine, cost=cost, receipt=receipt)


def recombine_privately_mined(
    plan: PrivateMiningPlan,
    answers: Sequence[bytes],
    *,
    cost: Mapping[str, object],
    receipt: Mapping[str, object],
) -> PrivateMiningResult:
    """The recipient's half of a private mining run.

    Visible to: the analyst.

    Raises:
        ReleaseRefusedError: the sites' answers differ or do not fit together.
    """
    from analytics.mining.private.finish import finish_private

    return finish_private(plan, answers, recombine=recombine, cost=cost, receipt=receipt)


def recombine_linked(
    plan: LinkPlan,
    answers: Mapping[str, bytes],
    *,
    cost: Mapping[str, object],
    receipt: Mapping[str, object],
) -> LinkResult:
    """The recipient's half of a linkage.

    Visible to: the analyst.

    Raises:
        ReleaseRefusedError: the two sites say different things, or another site says something.
    """
    return finish_linkage(plan, answers, cost=cost, receipt=receipt)


def recombine_statistic(
    plan: StatisticPlan,
    answers: Sequence[bytes],
    *,
    cost: Mapping[str, object],
    receipt: Mapping[str, object],
) -> Answer:
    """The recipient's half of a statistic: put the sites' answers together, and estimate.

    Visible to: the analyst.

    Raises:
        ReleaseRefusedError: the sites' answers differ or do not fit together.
    """
    opened = replay(plan, answers, recombine=recombine)
    return replace(plan.statistic.estimate(opened, plan.noise), cost=cost, receipt=receipt)
