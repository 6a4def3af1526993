"""FedAvg whose sites keep a head of their own: the last layer, or the intercepts, fitted to a site's own patients.

Layer:       federation.training.strategies.own_heads, above fedavg. Pure integers.
Terms:       the *head* is the last parameters of a model (``Model.n_head``), the *body* all others. A site's *own model* is
             what its last local steps reached: the body, fine-tuned, and its own head.
Guarantees:  those of ``fedavg``: with an epsilon each local step has the site's own full noise, so that a kept head, which
             is made of noisy sums, costs nothing more. A head leaves its site in the sum of all sites alone, which is
             opened and whose mean is the public head; a site that starts anew begins with it.
             FedPer is this strategy: it keeps the last layer of a network at the site.
See instead: a whole model of the site's own (``ditto``), where a site finds its own model (``federation.training.own_models``).
Source:      Arivazhagan and others, Federated Learning with Personalization Layers, 2019; docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from federation.training.strategies.fedavg import MOVE, FedAvg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.training.optimizer import Descent
    from federation.training.strategies.base import ClippedSums, RunShape


class OwnHeads(FedAvg):
    """FedAvg whose sites keep the last layer, or the intercepts, for themselves."""

    name: ClassVar[str] = "own_heads"
    keeps_state: ClassVar[bool] = True

    def local_update(
        self, shape: RunShape, state: Descent, sums: ClippedSums, kept: Any
    ) -> tuple[Sequence[int], Any]:
        """Take the local steps from the public body and the own head; send the way from the public model."""
        begun = list(state.parameters)
        for begin, end in self.kept_ranges(shape) if kept is not None else ():
            begun[begin:end] = kept[begin:end]
        start = replace(state, parameters=tuple(begun))
        moves, size, seen = self.moved(shape, start, sums)
        own = tuple(before + move for before, move in zip(start.parameters, moves, strict=True))
        sent = [(after - before) // MOVE for after, before in zip(own, state.parameters, strict=True)]
        return [*sent, size, *seen[0][shape.size :][: int(shape.has_loss)]], own

    def kept_ranges(self, shape: RunShape) -> tuple[tuple[int, int], ...]:
        """Return where the parameters stand that each site keeps: the first of each range, and one past its last."""
        return ((shape.size - shape.n_head, shape.size),)

    def own_model(self, kept: Any) -> Sequence[int] | None:
        """Return the own model: the whole of what a site keeps."""
        own: Sequence[int] = kept
        return own

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        n_kept = sum(end - begin for begin, end in self.kept_ranges(shape))
        return f"{super().step_sentence(shape)}; each site keeps {n_kept} parameters of its own beside it"
