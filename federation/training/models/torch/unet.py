"""A U-Net: segmentation by a network that looks at a picture in several sizes.

Layer:       federation.training.models.torch.unet, above picture_module.
Guarantees:  a size that does not divide by two at every level is filled at its ends and cut again.
Source:      Ronneberger and others, MICCAI 2015; in three axes Cicek and others, MICCAI 2016.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from federation.training.encodings.picture_features import MASK
from federation.training.models.torch.picture_losses import mask_loss
from federation.training.models.torch.picture_module import AUGMENT, PictureModule, Shape
from federation.training.models.torch.picture_parts import block, block_shapes, convolution, head_shapes
from federation.training.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch


class Segmenter(PictureModule):
    """A module that gives a score for each class at each pixel."""

    outcome_kind: ClassVar[str] = MASK
    loss_options: ClassVar[Mapping[str, Option]] = {
        "dice_percent": Option(default=50, lowest=0, highest=100),
        "focus": Option(default=0, lowest=0, highest=5),
    }

    def loss(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """See ``PictureModule``: Dice and cross-entropy, or the focal loss."""
        return mask_loss(
            scores, target, dice_part=int(self.chosen["dice_percent"]) / 100, focus=int(self.chosen["focus"])
        )


class UNet(Segmenter):
    """A U-Net with ``levels`` halvings and ``width`` channels at the full size, doubled at each level."""

    name: ClassVar[str] = "unet"
    file_format: ClassVar[str] = "crossward/unet/1"
    adaptive_rate: ClassVar[Fraction | None] = Fraction(1, 50)
    options: ClassVar[Mapping[str, Option]] = {
        "width": Option(default=8, lowest=2, highest=64),
        "levels": Option(default=2, lowest=1, highest=4),
        **Segmenter.loss_options,
        **AUGMENT,
    }

    def shapes(self, n_channels: int, n_outputs: int, n_axes: int) -> Sequence[Shape]:
        """See ``PictureModule``."""
        widths = self._widths()
        found: list[Shape] = []
        for before, after in zip([n_channels, *widths], widths, strict=False):
            found += [*block_shapes(before, after, n_axes), *block_shapes(after, after, n_axes)]
        for below, beside in zip(widths[:0:-1], widths[-2::-1], strict=True):
            found += [*block_shapes(below + beside, beside, n_axes), *block_shapes(beside, beside, n_axes)]
        return [*found, *head_shapes(widths[0], n_outputs, n_axes)]

    def build(self, n_channels: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
        """See ``PictureModule``."""
        from torch import cat, nn

        widths = self._widths()

        def twice(before: int, after: int) -> nn.Module:
            return nn.Sequential(block(before, after, n_axes), block(after, after, n_axes))

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.down = nn.ModuleList(
                    twice(before, after) for before, after in zip([n_channels, *widths], widths, strict=False)
                )
                self.up = nn.ModuleList(
                    twice(below + beside, beside)
                    for below, beside in zip(widths[:0:-1], widths[-2::-1], strict=True)
                )
                self.head = convolution(n_axes)(widths[0], n_outputs, 1)

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                whole = _filled_up(inputs, 1 << (len(widths) - 1))
                kept: list[torch.Tensor] = []
                found = whole
                for place, part in enumerate(self.down):
                    found = part(found if place == 0 else _halved(found))
                    kept.append(found)
                for part, beside in zip(self.up, kept[-2::-1], strict=True):
                    wide = nn.functional.interpolate(found, size=beside.shape[2:], mode="nearest")
                    found = part(cat([wide, beside], dim=1))
                scores: torch.Tensor = self.head(found)
                return scores[(slice(None), slice(None), *(slice(side) for side in inputs.shape[2:]))]

        return Net()

    def _widths(self) -> list[int]:
        return [int(self.chosen["width"]) << level for level in range(int(self.chosen["levels"]) + 1)]


def _halved(values: torch.Tensor) -> torch.Tensor:
    from torch import nn

    pool = nn.functional.max_pool2d if values.ndim == 4 else nn.functional.max_pool3d  # noqa: PLR2004
    found: torch.Tensor = pool(values, 2)
    return found


def _filled_up(values: torch.Tensor, step: int) -> torch.Tensor:
    """Repeat the last pixels of each axis until it divides by a number."""
    from torch import nn

    widths = [number for side in values.shape[:1:-1] for number in (0, -side % step)]
    return nn.functional.pad(values, widths, mode="replicate") if any(widths) else values
