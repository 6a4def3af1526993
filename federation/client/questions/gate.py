"""A gate before a question or a training: it goes on only where released figures show that the data are good enough.

Layer:       federation.client.questions.gate, below table and session.
Guarantees:  the decision is made from a release of ``quality`` that is charged, or exact and guarded, before what it gates;
             nothing else of the data enters it, so the gate tells no more than its release. It fails closed: noise that leaves
             it open, a closed figure and a failed release all refuse, and what was to be asked is neither sent nor charged.
See instead: the requirement (``analytics.statistics.profiles.requirements``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from analytics.statistics.profiles.requirements import read_requirements
from federation.errors import RequirementNotMetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analytics.statistics.profiles.quality_answer import QualityAnswer
    from analytics.statistics.profiles.requirements import Requirement


def columns_of(requirements: Sequence[Requirement]) -> list[str]:
    """The columns that a release must hold, each once."""
    return list({each.column.lower(): each.column for each in requirements}.values())


def checked(
    require: object, release: Callable[[list[str]], object], earlier: QualityAnswer | None = None
) -> QualityAnswer:
    """Release what requirements need, and refuse where it does not show them.

    Args:
        require: a requirement, or several.
        release: asks for ``quality`` of columns.
        earlier: an answer that was released before; nothing is asked then.

    Returns:
        The answer.

    Raises:
        InvalidRequestError: a requirement has another form.
        RequirementNotMetError: it does not show one of them.
    """
    requirements = read_requirements(require)
    answer = cast("QualityAnswer", release(columns_of(requirements))) if earlier is None else earlier
    missed = [each for each in requirements if not each.is_met_by(answer)]
    if missed:
        raise RequirementNotMetError(
            requirement="; ".join(map(str, missed)),
            found="; ".join(_found(each, answer) for each in missed),
        )
    return answer


def _found(requirement: Requirement, answer: QualityAnswer) -> str:
    low = requirement.low_end(answer)
    if low is None:
        return f"{requirement.share}({requirement.column}) is closed or undefined"
    return f"{requirement.share}({requirement.column}) can be as low as {low:.4g}"
