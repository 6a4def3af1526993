"""q-FedAvg: FedAvg in which a site with a larger loss weighs more, so that accuracy is more even among the sites.

Layer:       federation.training.strategies.q_fair, above fedavg. The site's weight in floats, the public model in integers.
Terms:       a site's *loss* F is its summed loss at the public model over the first such sum of the run: a mean loss in
             units of that of the first model, which needs no number of rows. With a rate r a site sends its moves times
             ``F^q`` and its *share* ``F^q + q F^(q-1) |move|^2 / r``; the model moves by the sum of the one over the sum of
             the other. With q = 0 this is FedAvg.
Guarantees:  a weight is made of a loss that is paid for: a task has to have ``report_loss``, whose clipped number has the
             noise of its sum. Each local step has the site's own full noise and is charged, so that weighted moves cost
             nothing more. What a site keeps is that first noisy loss; a site that starts anew measures against its next.
             A loss is taken between 1/64 and 4, where noise alone would make a weight.
Source:      Li and others, Fair Resource Allocation in Federated Learning, ICLR 2020, algorithm 2, divided by L = 1 / r;
             docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Final

from federation.training.optimizer import MODEL_BITS, Descent, within
from federation.training.options import Option
from federation.training.strategies.fedavg import MOVE, MOVE_BITS, FedAvg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.training.strategies.base import ClippedSums, RunShape

_LEAST_LOSS: Final = 1 / 64
_LARGEST_LOSS: Final = 4.0


class QFair(FedAvg):
    """FedAvg in which a site with a larger loss weighs more; needs ``report_loss``."""

    name: ClassVar[str] = "q_fair"
    keeps_state: ClassVar[bool] = True
    needs_loss: ClassVar[bool] = True
    extra_numbers: ClassVar[int] = 2
    options: ClassVar[Mapping[str, Option]] = {
        **FedAvg.options,
        "q": Option(default=Fraction(1), lowest=Fraction(0), highest=Fraction(4), is_whole=False),
    }

    def local_update(
        self, shape: RunShape, state: Descent, sums: ClippedSums, kept: Any
    ) -> tuple[Sequence[int], Any]:
        """Take the local steps; send the weighted move, the size, the share and the loss; keep the first loss."""
        moves, size, seen = self.moved(shape, state, sums)
        loss = seen[0][shape.size]
        first = loss if kept is None else kept
        weight, share = weights(
            loss / first if first > 0 else 1.0,
            q=float(shape.options["q"]),
            rate=float(shape.rule.learning_rate),
            square=sum((move / (1 << MODEL_BITS)) ** 2 for move in moves),
        )
        unit = Fraction(weight) / MOVE
        return [*(round(move * unit) for move in moves), size, round(share * (1 << MOVE_BITS)), loss], first

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Move by the sum of the weighted moves over the sum of the shares."""
        size, shares = max(0, total[shape.size]) // shape.n_sites, total[shape.size + 1]
        moved = state.parameters
        if shares > 0:
            pairs = zip(state.parameters, total[: shape.size], strict=True)
            moved = tuple(
                within(theta + round(Fraction(move << MODEL_BITS, shares))) for theta, move in pairs
            )
        return replace(
            state, parameters=moved, squares=state.squares + size * size, n_steps=state.n_steps + 1
        )

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        return f"{super().step_sentence(shape)}, weighted by each site's loss to the power {float(shape.options['q']):g}"


def weights(loss: float, *, q: float, rate: float, square: float) -> tuple[float, float]:
    """Return the weight of a site's move, and its share of the divisor.

    Args:
        loss: F, in units of the first model's; taken between 1/64 and 4.
        q: of the task.
        rate: of a local step.
        square: squared norm of the move.
    """
    held = min(_LARGEST_LOSS, max(_LEAST_LOSS, loss))
    weight = held**q
    return weight, weight + q * held ** (q - 1) * square / rate
