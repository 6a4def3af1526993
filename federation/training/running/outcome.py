"""What a run tells while it goes on, and what it gives at its end.

Layer:       federation.training.running.outcome, above run_state, below coordinator. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from federation.training.rounds.round_plan import NOTICE_EXACT
from federation.training.running.run_state import Ending
from federation.training.shown import run_html

if TYPE_CHECKING:
    from federation.training.optimizer import Descent
    from federation.training.rounds.round_plan import RunPlan
    from federation.training.running.run_state import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress after each attempt.

    Attributes:
        round_number: rounds opened so far.
        rounds: most attempts of the run.
        n_charged: attempts charged so far.
        cohort: the remaining sites.
        lost: sites that this attempt lost; empty for an opened attempt.
        loss: the loss, where the task pays for it.
        epsilon: spent by the run so far, at the sub-budget's delta; None in exact mode.
        bytes_sent: of updates, by all sites together, so far.
        left_s: seconds until the end, at the pace so far.
    """

    round_number: int
    rounds: int
    n_charged: int
    cohort: tuple[str, ...]
    lost: tuple[str, ...]
    loss: float | None
    epsilon: float | None
    bytes_sent: int
    left_s: float

    def text(self) -> str:
        """Return it in one line, without the time that is left."""
        loss = "" if self.loss is None else f"  loss {self.loss:.4f}"
        epsilon = "" if self.epsilon is None else f"  epsilon {self.epsilon:.4f}"
        lost = f"  lost {', '.join(self.lost)}" if self.lost else ""
        return f"round {self.round_number} of {self.rounds}{loss}{epsilon}  {self.bytes_sent} bytes{lost}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a run that ended.

    Attributes:
        plan: of the run.
        model: after the last opened round.
        history: opened rounds.
        ending: why it ended.
        failure: what failed, in a sentence; empty where nothing did.
        n_charged: attempts charged, lost ones included.
        epsilon: spent, at the sub-budget's delta; None in exact mode.
        entries: the ledger entries charged, as bytes, in order.
        bytes_sent: of updates, by all sites together.
        seconds: from the first charge to the end.
    """

    plan: RunPlan = field(repr=False)
    model: Descent = field(repr=False)
    history: tuple[Step, ...] = field(repr=False)
    ending: Ending
    n_charged: int
    epsilon: float | None
    entries: tuple[bytes, ...] = field(repr=False)
    bytes_sent: int
    seconds: float
    failure: str = ""

    def _repr_html_(self) -> str:
        price = "without noise" if self.epsilon is None else f"epsilon {self.epsilon:.4g}"
        rounds = f"{len(self.history)} of {self.plan.task.rounds} rounds"
        first = f"{self.ending}: {rounds}, {price}, {self.bytes_sent} bytes"
        return run_html([first, self.failure, self.notice])

    @property
    def is_whole(self) -> bool:
        """Whether all its rounds were run; otherwise it was cut short."""
        return self.ending is Ending.ROUNDS

    @property
    def notice(self) -> str:
        """The warning to all users of the model; empty for a run with noise."""
        return NOTICE_EXACT if self.plan.task.exact else ""
