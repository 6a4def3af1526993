"""A small convolutional network: the class of a whole picture.

Layer:       federation.training.models.torch.picture_classifier, above picture_module.
Source:      Springenberg and others, Striving for Simplicity, ICLR 2015: convolutions, then the mean over all pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from federation.training.encodings.features import BINARY, Feature
from federation.training.models.torch.picture_module import AUGMENT, PictureModule, Shape
from federation.training.models.torch.picture_parts import block, block_shapes
from federation.training.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch


class PictureClassifier(PictureModule):
    """``levels`` blocks, each at half the size of the one before, and the mean and the largest value of each channel."""

    name: ClassVar[str] = "picture_classifier"
    file_format: ClassVar[str] = "crossward/picture-classifier/1"
    options: ClassVar[Mapping[str, Option]] = {
        "width": Option(default=8, lowest=2, highest=64),
        "levels": Option(default=2, lowest=1, highest=4),
        **AUGMENT,
    }

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        if outcome.kind not in {"categorical", "boolean"} or len(outcome.classes) < BINARY:
            return "must be categorical or boolean"
        return None

    def loss(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """See ``PictureModule``: cross-entropy."""
        from torch import nn

        return nn.functional.cross_entropy(scores, target.long()[None])

    def shapes(self, n_channels: int, n_outputs: int, n_axes: int) -> Sequence[Shape]:
        """See ``PictureModule``."""
        widths = self._widths()
        blocks = [
            block_shapes(before, after, n_axes)
            for before, after in zip([n_channels, *widths], widths, strict=False)
        ]
        return [*(shape for each in blocks for shape in each), (n_outputs, 2 * widths[-1]), (n_outputs,)]

    def build(self, n_channels: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
        """See ``PictureModule``."""
        from torch import cat, nn

        widths = self._widths()
        pool = nn.functional.avg_pool2d if n_axes == 2 else nn.functional.avg_pool3d  # noqa: PLR2004

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.blocks = nn.ModuleList(
                    block(before, after, n_axes)
                    for before, after in zip([n_channels, *widths], widths, strict=False)
                )
                self.head = nn.Linear(2 * widths[-1], n_outputs)

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                found = inputs
                for place, part in enumerate(self.blocks):
                    found = part(found if place == 0 else pool(found, 2))
                flat = found.flatten(2)
                scores: torch.Tensor = self.head(cat([flat.mean(-1), flat.amax(-1)], dim=1))
                return scores

        return Net()

    def _widths(self) -> list[int]:
        return [int(self.chosen["width"]) << level for level in range(int(self.chosen["levels"]))]
