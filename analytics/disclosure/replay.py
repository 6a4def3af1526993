"""A statistic's run as the analyst follows it: the same steps, from what the sites sent.

Layer:       analytics.disclosure, below statistic_run and recombine.
Guarantees:  the analyst accepts an answer only where every site reports the same public openings, and every flag is 0
             or 1.
Visible to:  the analyst.
See instead: the sites' part (statistic_run); ``recombine`` is handed in.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import ReleaseRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analytics.plans.statistic_plan import StatisticPlan
    from analytics.statistics.base import Ints, Step
    from smpc.ring import RingArray

ELEMENT_BYTES: Final = 8
_NOTHING: Final = np.zeros(0, dtype=np.int64)


def replay(
    plan: StatisticPlan, answers: Sequence[bytes], *, recombine: Callable[[Sequence[RingArray]], RingArray]
) -> tuple[Ints, ...]:
    """Follow the steps with what the sites sent.

    Visible to: the analyst.

    Args:
        plan: what ran.
        answers: each site's bytes.
        recombine: adds up the sites' summands.

    Returns:
        What each step opened.

    Raises:
        ReleaseRefusedError: an answer is missing or of another length, the sites report different openings, or a
            flag is neither 0 nor 1; a site has left the protocol.
    """
    if len(answers) != plan.context.n_sites or any(len(answer) % ELEMENT_BYTES for answer in answers):
        raise _misfit()
    left = [np.frombuffer(answer, dtype="<i8").astype(np.int64) for answer in answers]
    statistic, found = plan.statistic, []
    state = statistic.start()
    while (step := statistic.step(state)) is not None:
        parts, left = [rest[: step.n_opened] for rest in left], [rest[step.n_opened :] for rest in left]
        if any(part.size != step.n_opened for part in parts):
            raise _misfit()
        is_public = step.to == "sites"
        if is_public and any(not np.array_equal(part, parts[0]) for part in parts):
            raise ReleaseRefusedError(rule="sites_agree", reason="the sites report different openings")
        opened = checked(step, parts[0] if is_public else recombine(parts))
        found.append(opened)
        state = statistic.advance(state, opened if is_public else _NOTHING)
    if any(rest.size for rest in left):
        raise _misfit()
    return tuple(found)


def checked(step: Step, opened: RingArray) -> Ints:
    """Refuse an opening of another length, or with a flag that is neither 0 nor 1.

    Raises:
        ReleaseRefusedError: a site has left the protocol.
    """
    flags = opened[step.n_values :]
    if opened.shape != (step.n_opened,) or not np.isin(flags, (0, 1)).all():
        raise _misfit()
    return opened


def _misfit() -> ReleaseRefusedError:
    return ReleaseRefusedError(rule="shares", reason="the sites' answers do not fit together")
