"""Parts that networks over pictures are made of, each with the shapes of its parameters.

Layer:       federation.training.models.torch.picture_parts. Imports torch inside functions only.
Terms:       a *block* is a convolution over three pixels an axis, a normalisation over groups of one picture's channels,
             and a rectifier.
Source:      Wu and He, Group Normalization, ECCV 2018.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

Shape = tuple[int, ...]
_KERNEL: Final = 3
_GROUP: Final = 4


def block_shapes(n_inputs: int, n_outputs: int, n_axes: int) -> list[Shape]:
    """Return the shapes of a block's parameters."""
    return [(n_outputs,), (n_outputs,), (n_outputs, n_inputs, *(_KERNEL,) * n_axes), (n_outputs,)]


def head_shapes(n_inputs: int, n_outputs: int, n_axes: int) -> list[Shape]:
    """Return the shapes of a last layer over single pixels."""
    return [(n_outputs, n_inputs, *(1,) * n_axes), (n_outputs,)]


def convolution(n_axes: int) -> Any:
    """Return the class of a convolution over two or three axes."""
    from torch import nn

    return nn.Conv2d if n_axes == 2 else nn.Conv3d  # noqa: PLR2004


def block(n_inputs: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
    """Return a block; its scale is what is learned beyond 1, so that it may start at 0."""
    from torch import nn, zeros

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.shift = nn.Parameter(zeros(n_outputs)), nn.Parameter(zeros(n_outputs))
            self.convolution = convolution(n_axes)(n_inputs, n_outputs, _KERNEL, padding=1)
            self.groups = n_outputs // _GROUP if n_outputs % _GROUP == 0 else 1

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = nn.functional.group_norm(
                self.convolution(inputs), self.groups, 1 + self.scale, self.shift
            )
            return nn.functional.relu(found)

    return Block()
