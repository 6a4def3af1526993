"""The plan of a training, as a page shows it before anything is charged.

Layer:       federation.dashboard.training_plan, above display.
Guarantees:  planned and quoted by the session; nothing is spent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossward.base_error import CrosswardError
from federation.display.error_text import sentence
from federation.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.client.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What a training would cost.

    Attributes:
        task: what is trained.
        values: the same as keys of a task file.
        facts: names and values.
        can_run: whether the budget pays for it.
        refusal: why it does not; empty where it does.
        notices: what a reader must know.
    """

    task: TrainingTask
    values: dict[str, Any] = field(repr=False)
    facts: tuple[tuple[str, str], ...]
    can_run: bool
    refusal: str = ""
    notices: tuple[str, ...] = ()

    @property
    def action(self) -> str:
        """The words of the button that starts it."""
        if self.task.exact:
            return f"Train, and use up to {self.task.rounds} exact disclosures"
        return f"Train, and spend up to epsilon {self.values['epsilon']}"


def plan_of(session: Session, values: dict[str, Any]) -> TrainingPlan:
    """Plan a training.

    Args:
        session: of the analyst.
        values: keys of a task file.

    Raises:
        ConfigError, InvalidRequestError: it cannot be planned.
    """
    task = TrainingTask(**values)
    shape = session.plan_training(task).to_dict()
    refusal = _refusal(session, task)
    return TrainingPlan(
        task=task,
        values=values,
        facts=tuple(_facts(task, shape)),
        can_run=not refusal,
        refusal=refusal,
        notices=tuple(str(shape[name]) for name in ("notice", "warning") if name in shape),
    )


def _refusal(session: Session, task: TrainingTask) -> str:
    """Why the budget does not pay for all rounds; empty where it does."""
    try:
        quoted = session.quote_training(task)
    except CrosswardError as error:
        return f"whether the budget pays could not be asked: {sentence(error)}"
    if quoted is None or quoted["fits"]:
        return ""
    largest = quoted["largest_epsilon"] or "nothing"
    return f"of {task.rounds} rounds {quoted['rounds_that_fit']} are paid for; largest epsilon that fits: {largest}"


def _facts(task: TrainingTask, shape: Mapping[str, Any]) -> list[tuple[str, str]]:
    epsilon, first = shape["epsilon"], shape["epsilon_one_round"]
    facts = [
        ("Model", f"{shape['model']}, {shape['strategy']}"),
        ("Parameters", f"{shape['n_parameters']}"),
        ("Rounds", f"{task.rounds}"),
        ("Price", f"epsilon {epsilon:.4g} for all rounds" if epsilon is not None else "exact disclosures"),
        ("One round", "" if first is None else f"epsilon {first:.4g}"),
        ("Bytes from each site", f"{shape['bytes_per_site']:,}"),
        ("Seen by", ", ".join(shape["receivers"])),
    ]
    return [(name, value) for name, value in facts if value]
