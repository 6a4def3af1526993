"""One opened sum, kept as it is: what an evaluation needs.

Layer:       federation.training.strategies.collected. Pure integers.
Guarantees:  those of ``sum_gradient``: one clipped sum, whose noise all sites share. No task can name it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from federation.training.strategies.base import PrivateForm, RunShape, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.training.optimizer import Descent


class Collected(Strategy):
    """The sum takes the place of the parameters."""

    name: ClassVar[str] = "collected"
    private_form: ClassVar[PrivateForm | None] = PrivateForm.ONE_SUM

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Keep the opened sum, in grid units."""
        return replace(state, parameters=tuple(total[: shape.size]), n_steps=state.n_steps + 1)

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        del shape
        return "the opened histogram is the answer"
