"""Enhancement: a network that takes noise out of a picture.

Layer:       federation.training.models.torch.denoiser, above picture_module.
Terms:       a site's pictures are the clean ones; the network is shown each with Gaussian noise of ``sigma_permille``
             thousandths of the window (98 is 25 of 255), cut to the window.
Guarantees:  the noise of a picture follows from the picture and the public parameters, so it is another one each round.
Source:      Zhang and others, Beyond a Gaussian Denoiser, IEEE Transactions on Image Processing 26, 3142, 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from federation.training.models.torch.picture_losses import picture_loss
from federation.training.models.torch.picture_module import AUGMENT, PictureModule, Shape, turned
from federation.training.models.torch.picture_parts import block, block_shapes, convolution
from federation.training.options import Option
from federation.training.picture_features import PICTURE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch


class Denoiser(PictureModule):
    """``depth`` blocks of ``width`` channels whose output is the noise to be taken away."""

    name: ClassVar[str] = "denoiser"
    file_format: ClassVar[str] = "crossward/denoiser/1"
    has_classes: ClassVar[bool] = False
    restores: ClassVar[bool] = True
    outcome_kind: ClassVar[str] = PICTURE
    options: ClassVar[Mapping[str, Option]] = {
        "width": Option(default=16, lowest=2, highest=64),
        "depth": Option(default=4, lowest=1, highest=12),
        "sigma_permille": Option(default=98, lowest=1, highest=500),
        "ssim_percent": Option(default=0, lowest=0, highest=100),
        **AUGMENT,
    }

    def shown(
        self, picture: torch.Tensor, target: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the picture with noise, and the clean one."""
        import torch

        clean, _ = turned(picture, target, generator) if self.chosen["augment"] else (picture, target)
        noise = torch.randn(clean.shape, generator=generator) * (int(self.chosen["sigma_permille"]) / 1000)
        return (clean + noise).clamp(0, 1), clean

    def loss(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """See ``PictureModule``: squared difference, or a part structural similarity; 100 is a difference of the window."""
        return 100 * picture_loss(scores, target[None], ssim_part=int(self.chosen["ssim_percent"]) / 100)

    def given(self, scores: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return the picture, cut to the window."""
        del inputs
        return scores.clamp(0, 1)

    def shapes(self, n_channels: int, n_outputs: int, n_axes: int) -> Sequence[Shape]:
        """See ``PictureModule``."""
        width = int(self.chosen["width"])
        blocks = [
            block_shapes(n_channels if place == 0 else width, width, n_axes)
            for place in range(int(self.chosen["depth"]))
        ]
        return [
            *(shape for each in blocks for shape in each),
            (n_outputs, width, *(3,) * n_axes),
            (n_outputs,),
        ]

    def build(self, n_channels: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
        """See ``PictureModule``."""
        from torch import nn

        width, depth = int(self.chosen["width"]), int(self.chosen["depth"])

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.blocks = nn.Sequential(
                    *(block(n_channels if place == 0 else width, width, n_axes) for place in range(depth))
                )
                self.head = convolution(n_axes)(width, n_outputs, 3, padding=1)

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                found: torch.Tensor = inputs - self.head(self.blocks(inputs))
                return found

        return Net()
