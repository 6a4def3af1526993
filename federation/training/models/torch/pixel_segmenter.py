"""Segmentation by a few parameters: each pixel's class from its brightness and its contrast to its surroundings.

Layer:       federation.training.models.torch.pixel_segmenter, above unet.
Terms:       the *views* of a picture are fixed: itself, its mean over each of some surroundings (3 to 33 pixels an axis), and its
             contrast to each of these means. Scores are linear in them. With three surroundings, one channel and two
             classes that is 16 parameters.
Cost:        of privacy: the noise of a private round falls on 16 numbers instead of tens of thousands.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from federation.training.models.torch.picture_module import AUGMENT, Shape
from federation.training.models.torch.picture_parts import convolution, head_shapes
from federation.training.models.torch.unet import Segmenter
from federation.training.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    import torch

_REACHES: Final = (33, 3, 17)
_STEEP, _DARK = 3.0, 0.05


class PixelSegmenter(Segmenter):
    """Linear scores of fixed views of a picture."""

    name: ClassVar[str] = "pixel_segmenter"
    file_format: ClassVar[str] = "crossward/pixel-segmenter/1"
    adaptive_rate: ClassVar[Fraction | None] = None
    options: ClassVar[Mapping[str, Option]] = {
        "surroundings": Option(default=3, lowest=1, highest=len(_REACHES)),
        **Segmenter.loss_options,
        **AUGMENT,
    }

    def shapes(self, n_channels: int, n_outputs: int, n_axes: int) -> Sequence[Shape]:
        """See ``PictureModule``."""
        return head_shapes(self._n_views() * n_channels, n_outputs, n_axes)

    def build(self, n_channels: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
        """See ``PictureModule``."""
        from torch import cat, nn

        pool = nn.functional.avg_pool2d if n_axes == 2 else nn.functional.avg_pool3d  # noqa: PLR2004

        n_views, reaches = self._n_views(), _REACHES[: int(self.chosen["surroundings"])]

        class Views(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.head = convolution(n_axes)(n_views * n_channels, n_outputs, 1)

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                means = [pool(_edged(inputs, reach // 2), reach, stride=1) for reach in reaches]
                contrasts = [(_STEEP * (inputs - mean) / (mean.abs() + _DARK)).tanh() for mean in means]
                bright = [4 * each - 1 for each in (inputs, *means)]
                scores: torch.Tensor = self.head(cat([*bright, *contrasts], dim=1))
                return scores

        return Views()

    def _n_views(self) -> int:
        return 1 + 2 * int(self.chosen["surroundings"])


def _edged(values: torch.Tensor, width: int) -> torch.Tensor:
    """Repeat the outer pixels on every side."""
    from torch import nn

    return nn.functional.pad(values, [width] * (2 * (values.ndim - 2)), mode="replicate")
