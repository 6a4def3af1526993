"""Segmentation by a few parameters: each pixel's class from its brightness and that of its surroundings.

Layer:       federation.training.models.torch.pixel_segmenter, above unet.
Terms:       the *views* of a picture are fixed: itself, and its mean over 3, 5, 9 and 17 pixels an axis, and the square of
             each. Scores are linear in them. With five views, one channel and two classes that is 22 parameters.
Cost:        of privacy: the noise of a private round falls on 22 numbers instead of tens of thousands.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from federation.training.models.torch.picture_module import AUGMENT, Shape
from federation.training.models.torch.picture_parts import convolution, head_shapes
from federation.training.models.torch.unet import Segmenter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    import torch

    from federation.training.options import Option

_REACHES: Final = (1, 3, 5, 9, 17)


class PixelSegmenter(Segmenter):
    """Linear scores of fixed views of a picture."""

    name: ClassVar[str] = "pixel_segmenter"
    file_format: ClassVar[str] = "crossward/pixel-segmenter/1"
    adaptive_rate: ClassVar[Fraction | None] = None
    options: ClassVar[Mapping[str, Option]] = {**Segmenter.loss_options, **AUGMENT}

    def shapes(self, n_channels: int, n_outputs: int, n_axes: int) -> Sequence[Shape]:
        """See ``PictureModule``."""
        return head_shapes(2 * len(_REACHES) * n_channels, n_outputs, n_axes)

    def build(self, n_channels: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
        """See ``PictureModule``."""
        from torch import cat, nn

        pool = nn.functional.avg_pool2d if n_axes == 2 else nn.functional.avg_pool3d  # noqa: PLR2004

        class Views(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.head = convolution(n_axes)(2 * len(_REACHES) * n_channels, n_outputs, 1)

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                views = [pool(_edged(inputs, reach // 2), reach, stride=1) for reach in _REACHES]
                centred = [4 * view - 1 for view in views]
                scores: torch.Tensor = self.head(cat([*centred, *(view**2 for view in centred)], dim=1))
                return scores

        return Views()


def _edged(values: torch.Tensor, width: int) -> torch.Tensor:
    """Repeat the outer pixels on every side."""
    from torch import nn

    return nn.functional.pad(values, [width] * (2 * (values.ndim - 2)), mode="replicate")
