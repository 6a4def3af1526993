"""FedAvg whose local steps are Adam's: each parameter of a site has a step of its own.

Layer:       federation.training.strategies.local_adam, above fedavg.
Terms:       a site keeps its running means from round to round; they never leave it. A local step is one pass over all
             rows of a site. The learning rate falls in a straight line over the task's rounds, to the last one's
             ``1 / rounds``.
Guarantees:  those of ``fedavg``: with an epsilon each local step has the site's own full noise and is charged, so that the
             running means, which are made of noisy sums, cost nothing more. Floats are used at the site alone; what is
             sent and how the model moves are integers. A site that starts anew begins with means of 0.
Source:      Kingma and Ba, Adam, ICLR 2015; Reddi and others, ICLR 2021; docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from federation.training.optimizer import MODEL_BITS, within
from federation.training.options import Option
from federation.training.strategies.adaptive import rounded
from federation.training.strategies.fedavg import MOVE, FedAvg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.training.optimizer import Descent, UpdateRule
    from federation.training.strategies.base import ClippedSums, RunShape

_BETA1, _BETA2, _FLOOR = 0.9, 0.99, 1e-3
_ONE: Final = float(1 << MODEL_BITS)


@dataclass(frozen=True, slots=True)
class _Means:
    """A site's running means after some steps."""

    mean: npt.NDArray[np.float64]
    square: npt.NDArray[np.float64]
    n_steps: int


class LocalAdam(FedAvg):
    """Adam at the sites, and the mean of the moves."""

    name: ClassVar[str] = "local_adam"
    keeps_state: ClassVar[bool] = True
    learning_rate: ClassVar[Fraction | None] = Fraction(1, 50)
    options: ClassVar[Mapping[str, Option]] = {"local_epochs": Option(default=4, lowest=1, highest=20)}

    def mistakes(self, rule: UpdateRule) -> list[str]:
        """Refuse momentum and penalty: a step has neither."""
        found = super().mistakes(rule)
        return [*found, f"l2: {self.name} has none, so it has to be left out"] if rule.l2 else found

    def local_update(
        self, shape: RunShape, state: Descent, sums: ClippedSums, kept: Any
    ) -> tuple[Sequence[int], Any]:
        """Take the local steps; send move, no size and, where it is paid for, the loss before the first step."""
        zero = np.zeros(shape.size)
        means = kept if isinstance(kept, _Means) else _Means(zero, zero, 0)
        point, losses = state.parameters, []
        left = Fraction(max(1, shape.n_rounds - state.n_steps), shape.n_rounds)
        rate = float(shape.rule.learning_rate * left) * _ONE
        for _ in range(self.n_sums(shape.options)):
            total = np.array(sums.at(point), np.float64)
            losses.append(total[shape.size :].astype(np.int64).tolist())
            means = _after(means, total[: shape.size])
            move = np.rint(_step(means) * rate).astype(np.int64).tolist()
            point = tuple(within(theta - each) for theta, each in zip(point, move, strict=True))
        sent = [(after - before) // MOVE for after, before in zip(point, state.parameters, strict=True)]
        return [*sent, 0, *losses[0][: int(shape.has_loss)]], means

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Move each parameter by the mean of the moves."""
        n_sites = shape.n_sites
        moved = tuple(
            within(theta + rounded(move * MOVE, n_sites))
            for theta, move in zip(state.parameters, total[: shape.size], strict=True)
        )
        return replace(state, parameters=moved, n_steps=state.n_steps + 1)

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        return (
            f"each site takes {self.n_sums(shape.options)} steps of Adam from the model, each with its own full noise where "
            "there is an epsilon; the model moves by the mean of the moves"
        )


def _after(means: _Means, gradient: npt.NDArray[np.float64]) -> _Means:
    return _Means(
        mean=_BETA1 * means.mean + (1 - _BETA1) * gradient,
        square=_BETA2 * means.square + (1 - _BETA2) * gradient**2,
        n_steps=means.n_steps + 1,
    )


def _step(means: _Means) -> npt.NDArray[np.float64]:
    """A step at learning rate 1; the floor is a part of the root mean square over all parameters."""
    root = np.sqrt(means.square / (1 - _BETA2**means.n_steps))
    floor = _FLOOR * float(np.sqrt(np.mean(root**2)))
    mean = means.mean / (1 - _BETA1**means.n_steps)
    found: npt.NDArray[np.float64] = np.divide(
        mean, root + floor, out=np.zeros_like(mean), where=root + floor > 0
    )
    return found
