"""One clipped sum of gradients a round: each site sends its sum at the public model, and the total is one step.

Layer:       federation.training.strategies.sum_gradient. Pure integers.
Guarantees:  the noise of a round is shared by the sites that do not collude, so it is the cheapest form.
Source:      docs/guarantees.md P13, form (a).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from federation.training.strategies.base import PrivateForm, RunShape, Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.training.optimizer import Descent


class SumGradient(Strategy):
    """Full-batch descent on the opened sums."""

    name: ClassVar[str] = "sum_gradient"
    private_form: ClassVar[PrivateForm | None] = PrivateForm.ONE_SUM

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Take one step along the opened sum."""
        del shape
        return state.stepped(total)
