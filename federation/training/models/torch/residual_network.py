"""A residual network for tables: blocks that add to their input what two layers make of it.

Layer:       federation.training.models.torch.residual_network, above module.
Terms:       ``width`` is the number of units of every layer, ``blocks`` the number of blocks.
Source:      Gorishniy and others, Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021, with layer
             normalisation in place of batch normalisation, which no private training may have (docs/guarantees.md P13).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from federation.training.models.torch.module import Shape, TorchClassifier
from federation.training.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch


class ResidualNetwork(TorchClassifier):
    """A network with residual blocks that gives the chance of each class; needs torch at the sites."""

    name: ClassVar[str] = "residual_network"
    file_format: ClassVar[str] = "crossward/residual-network/1"
    options: ClassVar[Mapping[str, Option]] = {
        "width": Option(default=16, lowest=1, highest=128),
        "blocks": Option(default=1, lowest=1, highest=4),
    }

    def shapes(self, n_inputs: int, n_outputs: int) -> Sequence[Shape]:
        """See ``TorchClassifier``."""
        width = int(self.values["width"])
        block: list[Shape] = [(width,), (width,), (width, width), (width,), (width, width), (width,)]
        return [
            (width, n_inputs),
            (width,),
            *block * int(self.values["blocks"]),
            (n_outputs, width),
            (n_outputs,),
        ]

    def build(self, n_inputs: int, n_outputs: int) -> torch.nn.Module:
        """See ``TorchClassifier``."""
        from torch import nn, zeros

        class Block(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                # the scale of the normalisation is what is learned beyond 1, so that it may start at 0
                self.scale = nn.Parameter(zeros(width))
                self.shift = nn.Parameter(zeros(width))
                self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                normed = nn.functional.layer_norm(inputs, inputs.shape[-1:]) * (1 + self.scale) + self.shift
                found: torch.Tensor = inputs + self.second(nn.functional.gelu(self.first(normed)))
                return found

        width = int(self.values["width"])
        blocks = [Block(width) for _ in range(int(self.values["blocks"]))]
        return nn.Sequential(nn.Linear(n_inputs, width), *blocks, nn.GELU(), nn.Linear(width, n_outputs))
