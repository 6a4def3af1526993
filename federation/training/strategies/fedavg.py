"""FedAvg: each site takes some steps of its own from the public model, and the model moves by the mean of their moves.

Layer:       federation.training.strategies.fedavg. Pure integers.
Terms:       a *local step* is one pass over all rows of a site. A site sends its move in units of ``2**-20``, and the
             *size* of its steps: the root of the squared norms of their sums, in grid units.
Guarantees:  with epsilon every local step has the site's own full noise and is charged, so that move and size cost
             nothing more. Every site has the weight 1, whatever its rows. Where the task names no ``expected_units``
             a local step is divided by the root of the squared mean sizes of all rounds so far and of the site's own
             steps in this round: public numbers and sums that are paid for. A site keeps nothing from round to round.
             The mean is taken over all sites of the consortium, a public number: after a loss the moves are smaller.
See instead: the one noisy sum that all sites share, at a fraction of the noise (``sum_gradient``).
Source:      McMahan and others, Communication-Efficient Learning, AISTATS 2017; docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Final

from federation.training.optimizer import MODEL_BITS, Descent, within
from federation.training.options import Option
from federation.training.strategies.base import PrivateForm, RunShape, Strategy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.training.optimizer import UpdateRule
    from federation.training.options import Value
    from federation.training.strategies.base import ClippedSums

MOVE_BITS: Final = 20
LARGEST_MOVE: Final = 1 << 10
MOVE: Final = 1 << (MODEL_BITS - MOVE_BITS)


class FedAvg(Strategy):
    """Local full-batch descent, and the mean of the moves."""

    name: ClassVar[str] = "fedavg"
    private_form: ClassVar[PrivateForm | None] = PrivateForm.LOCAL_STEPS
    extra_numbers: ClassVar[int] = 1
    options: ClassVar[Mapping[str, Option]] = {"local_epochs": Option(default=2, lowest=1, highest=10)}

    def mistakes(self, rule: UpdateRule) -> list[str]:
        """Refuse momentum: a site would have to keep it from round to round."""
        return [f"momentum: {self.name} has none, so it has to be left out"] if rule.momentum else []

    def n_sums(self, options: Mapping[str, Value]) -> int:
        """Return the number of local steps in a round."""
        return int(options["local_epochs"])

    def half_range(self, shape: RunShape, sigma2: int) -> int:
        """Return H: a parameter moves by at most 1024 in a round, and a loss has the range of a sum."""
        return max(LARGEST_MOVE << MOVE_BITS, self.sum_range(shape, sigma2))

    def sum_range(self, shape: RunShape, sigma2: int) -> int:
        """Return the bound on each coordinate of one noisy sum."""
        return super().half_range(shape, sigma2)

    def local_update(
        self, shape: RunShape, state: Descent, sums: ClippedSums, kept: Any
    ) -> tuple[Sequence[int], Any]:
        """Take the local steps; send move, size and, where it is paid for, the loss before the first step."""
        moves, size, seen = self.moved(shape, state, sums)
        losses = seen[0][shape.size :]
        return [*(move // MOVE for move in moves), size, *losses[: int(shape.has_loss)]], kept

    def moved(
        self, shape: RunShape, state: Descent, sums: ClippedSums, correction: Sequence[int] | None = None
    ) -> tuple[list[int], int, list[list[int]]]:
        """Take the local steps.

        Args:
            shape: of the run.
            state: where they start.
            sums: this site's.
            correction: what each step adds to its sum, grid units; None for nothing.

        Returns:
            The move of each parameter in units of ``2**-32``, the size of the steps, and the sums that were asked for.
        """
        local = replace(Descent.start(local_rule(shape), state.parameters), squares=state.squares)
        seen: list[list[int]] = []
        for _ in range(int(shape.options["local_epochs"])):
            total = sums.at(local.parameters)
            seen.append(total)
            if correction is not None:
                total = [value + more for value, more in zip(total, correction, strict=False)]
            local = local.stepped(total)
            local = replace(local, parameters=self.pulled(shape, state, local.parameters))
        pairs = zip(local.parameters, state.parameters, strict=True)
        moves = [after - before for after, before in pairs]
        return moves, math.isqrt(local.squares - state.squares), seen

    def pulled(self, shape: RunShape, state: Descent, parameters: tuple[int, ...]) -> tuple[int, ...]:
        """Return the parameters after what else a local step does; here nothing."""
        del shape, state
        return parameters

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Move each parameter by the mean of the moves."""
        pairs = zip(state.parameters, total[: shape.size], strict=True)
        moved = (within(theta + round(Fraction(move * MOVE, shape.n_sites))) for theta, move in pairs)
        size = max(0, total[shape.size]) // shape.n_sites
        return replace(
            state, parameters=tuple(moved), squares=state.squares + size * size, n_steps=state.n_steps + 1
        )

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        return (
            f"each site takes {shape.options['local_epochs']} steps of its own from the model, each with its own full noise "
            "where there is an epsilon; the model moves by the mean of the moves"
        )


def local_rule(shape: RunShape) -> UpdateRule:
    """Return the rule of a step over one site's rows: a public divisor is that of all sites, over their number."""
    divisor = shape.rule.divisor
    return replace(shape.rule, divisor=None if divisor is None else max(1, divisor // shape.n_sites))
