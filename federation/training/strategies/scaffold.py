"""SCAFFOLD: local steps that are corrected by the difference between all sites' gradients and the site's own.

Layer:       federation.training.strategies.scaffold, above fedavg. Pure integers.
Terms:       a site's *control variate* is the mean of its own sums in its last round, grid units; the *public* one is the
             mean over the sites. Their difference corrects each local step.
Guarantees:  with an epsilon each local step has the site's own full noise and is charged, so that the control variate,
             which a site keeps and whose change it sends, is made of noisy sums and costs nothing more. The public one
             follows from opened sums, in the state that every party derives. A control variate never leaves its site;
             what is opened is the sum of the changes. A site that starts anew takes the public one for its own, so that
             its first steps are those of FedAvg.
Source:      Karimireddy and others, SCAFFOLD, ICML 2020, option II with a global step of 1: ``c_i' = c_i - c + (x - y_i)
             / (K rate)`` is the mean of the gradients at the local steps; docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Final

from federation.training.strategies.fedavg import MOVE, FedAvg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.training.optimizer import Descent
    from federation.training.strategies.base import ClippedSums, RunShape

_CHANGE: Final = 2  # a control variate has the range of a sum, and its change twice that


class Scaffold(FedAvg):
    """FedAvg whose local steps are corrected by the gradients of all sites."""

    name: ClassVar[str] = "scaffold"
    keeps_state: ClassVar[bool] = True

    def length(self, shape: RunShape) -> int:
        """Return the number of integers in an update: moves, the size, changes of the control variate, the loss."""
        return super().length(shape) + shape.size

    def half_range(self, shape: RunShape, sigma2: int) -> int:
        """Return H: that of FedAvg, or the largest change of a control variate."""
        return max(super().half_range(shape, sigma2), _CHANGE * self.sum_range(shape, sigma2))

    def local_update(
        self, shape: RunShape, state: Descent, sums: ClippedSums, kept: Any
    ) -> tuple[Sequence[int], Any]:
        """Take the corrected steps; send move, size and the change of the control variate; keep the new one."""
        public = public_variate(shape, state)
        own: Sequence[int] = public if kept is None else kept
        correction = [all_sites - site for all_sites, site in zip(public, own, strict=True)]
        moves, size, seen = self.moved(shape, state, sums, correction)
        means = tuple(
            round(Fraction(sum(values), len(seen)))
            for values in zip(*(total[: shape.size] for total in seen), strict=True)
        )
        changes = [after - before for after, before in zip(means, own, strict=True)]
        losses = seen[0][shape.size :][: int(shape.has_loss)]
        return [*(move // MOVE for move in moves), size, *changes, *losses], means

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Move by the mean of the moves, and add up the changes of the control variates."""
        changes = total[shape.size + 1 : 2 * shape.size + 1]
        added = tuple(value + change for value, change in zip(state.velocity, changes, strict=True))
        return replace(super().next(shape, state, total), velocity=added)

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        return f"{super().step_sentence(shape)}; each step is corrected by the gradients of all sites, kept in a control variate"


def public_variate(shape: RunShape, state: Descent) -> list[int]:
    """Return the mean of the sites' control variates, grid units; the state holds their sum."""
    return [round(Fraction(value, shape.n_sites)) for value in state.velocity]
