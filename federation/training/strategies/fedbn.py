"""FedBN without batches: each site computes with its own shifts and normalisation; everything else is the public model's.

Layer:       federation.training.strategies.fedbn, above own_heads. Pure integers.
Terms:       the *norms* of a network (``Model.norms``) are the intercepts of its hidden layers, and the weights and intercepts of
             its normalising layers: what batch normalisation would fit to the inputs of a site.
Guarantees:  those of ``own_heads``: with an epsilon each local step has the site's own full noise, so that kept norms, which
             are made of noisy sums, cost nothing more; as every parameter they leave their site in the sum of all sites
             alone, whose mean the public model has. Statistics of a batch do not exist: they would make one person's
             gradient depend on others, so sites refuse batch normalisation itself.
See instead: sites that differ in their outcomes (``own_heads``).
Source:      Li and others, FedBN, ICLR 2021; docs/guarantees.md P13, form (b).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from federation.training.strategies.own_heads import OwnHeads

if TYPE_CHECKING:
    from federation.training.strategies.base import RunShape


class FedBN(OwnHeads):
    """FedAvg whose sites keep the intercepts of hidden layers and all normalisation for themselves."""

    name: ClassVar[str] = "fedbn"

    def model_mistakes(self, shape: RunShape) -> list[str]:
        """See ``Strategy``."""
        return [] if shape.norms else [f"strategy: {self.name} needs a model with hidden layers"]

    def kept_ranges(self, shape: RunShape) -> tuple[tuple[int, int], ...]:
        """Return where the norms stand."""
        return shape.norms
