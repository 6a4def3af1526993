"""Ditto: FedAvg, and beside it a whole model of each site's own that is pulled to the public one.

Layer:       federation.training.strategies.ditto, above fedavg. Pure integers.
Terms:       a site's *own model* takes as many steps a round as the public one; each minimises the site's loss and
             ``mu / 2`` times the squared distance from the public model.
Guarantees:  the own model stays at its site and has no part in what the site sends: the public model is that of FedAvg to
             the last bit. With an epsilon the own steps have the site's own full noise and are charged as the public ones
             are, so that a round costs two rounds of FedAvg: whatever becomes of an own model costs nothing more. Its
             steps are taken implicitly, as in ``fedprox``. A site that starts anew begins with the public model.
See instead: heads of the site's own, at half the price (``own_heads``); where a site finds its model (``own_models``).
Source:      Li and others, Ditto: Fair and Robust Federated Learning Through Personalization, ICML 2021, algorithm 1;
             docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from federation.training.optimizer import Descent
from federation.training.options import Option
from federation.training.strategies.fedavg import FedAvg, local_rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.training.options import Value
    from federation.training.strategies.base import ClippedSums, RunShape


class Ditto(FedAvg):
    """FedAvg, and a whole model of each site's own that is pulled to the public one."""

    name: ClassVar[str] = "ditto"
    keeps_state: ClassVar[bool] = True
    options: ClassVar[Mapping[str, Option]] = {
        **FedAvg.options,
        "mu": Option(default=Fraction(1, 10), lowest=Fraction(0), highest=Fraction(1000), is_whole=False),
    }

    def n_sums(self, options: Mapping[str, Value]) -> int:
        """Return the number of steps in a round: of the public model and of the own one."""
        return 2 * super().n_sums(options)

    def local_update(
        self, shape: RunShape, state: Descent, sums: ClippedSums, kept: Any
    ) -> tuple[Sequence[int], Any]:
        """Send what FedAvg sends; then step with the own model, whose parameters and squares stay at the site."""
        sent, _ = super().local_update(shape, state, sums, None)
        parameters, squares = (state.parameters, state.squares) if kept is None else kept
        own = replace(Descent.start(local_rule(shape), parameters), squares=squares)
        part = 1 / (1 + shape.rule.learning_rate * shape.options["mu"])
        for _ in range(super().n_sums(shape.options)):
            own = own.stepped(sums.at(own.parameters))
            pairs = zip(state.parameters, own.parameters, strict=True)
            pulled = tuple(public + round((here - public) * part) for public, here in pairs)
            own = replace(own, parameters=pulled)
        return sent, (own.parameters, own.squares)

    def own_model(self, kept: Any) -> Sequence[int] | None:
        """Return the parameters of the own model."""
        own: Sequence[int] = kept[0]
        return own

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        return f"{super().step_sentence(shape)}; as many more steps go to a model of each site's own, which stays there"
