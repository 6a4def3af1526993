"""FedProx: local steps that are pulled back to the public model, and the mean of the moves.

Layer:       federation.training.strategies.fedprox, above fedavg. Pure integers.
Guarantees:  those of ``fedavg``: the pull is made of public numbers, so that with an epsilon it costs nothing more.
             It is taken implicitly: after each step the move so far is divided by ``1 + rate mu``, which is stable for
             any ``mu``.
Source:      Li and others, Federated Optimization in Heterogeneous Networks, MLSys 2020: each site minimises its loss and
             ``mu / 2`` times the squared distance from the public model; docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from federation.training.options import Option
from federation.training.strategies.fedavg import FedAvg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.training.optimizer import Descent
    from federation.training.strategies.base import RunShape


class FedProx(FedAvg):
    """FedAvg whose local steps are pulled back to the public model."""

    name: ClassVar[str] = "fedprox"
    options: ClassVar[Mapping[str, Option]] = {
        **FedAvg.options,
        "mu": Option(default=Fraction(1, 10), lowest=Fraction(0), highest=Fraction(1000), is_whole=False),
    }

    def pulled(self, shape: RunShape, state: Descent, parameters: tuple[int, ...]) -> tuple[int, ...]:
        """Take the proximal step exactly: the move so far over ``1 + rate mu``."""
        part = 1 / (1 + shape.rule.learning_rate * shape.options["mu"])
        pairs = zip(state.parameters, parameters, strict=True)
        return tuple(begin + round((here - begin) * part) for begin, here in pairs)
