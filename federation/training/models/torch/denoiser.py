"""Enhancement: a network that takes noise out of a picture.

Layer:       federation.training.models.torch.denoiser, above picture_module.
Terms:       a site's pictures are the clean ones; the network is shown each with Gaussian noise of ``sigma_permille``
             thousandths of the window (98 is 25 of 255), cut to the window.
             A prediction is the mean over all turns and mirrors of the picture, where the network was trained with them.
Guarantees:  no normalisation: brightness is what the network has to keep.
             The noise of a picture follows from the picture and the public parameters, so it is another one each round.
Source:      Zhang and others, Beyond a Gaussian Denoiser, IEEE Transactions on Image Processing 26, 3142, 2017.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from federation.training.encodings.picture_features import PICTURE
from federation.training.models.torch.picture_losses import picture_loss
from federation.training.models.torch.picture_module import AUGMENT, PictureModule, Shape, turned
from federation.training.models.torch.picture_parts import convolution
from federation.training.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

_KERNEL: Final = 3


class Denoiser(PictureModule):
    """``depth`` convolutions of ``width`` channels whose output is the noise to be taken away."""

    name: ClassVar[str] = "denoiser"
    file_format: ClassVar[str] = "crossward/denoiser/1"
    has_classes: ClassVar[bool] = False
    restores: ClassVar[bool] = True
    averages_turns: ClassVar[bool] = True
    outcome_kind: ClassVar[str] = PICTURE
    adaptive_rate: ClassVar[Fraction | None] = Fraction(1, 200)
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
        inputs = [n_channels] + [width] * int(self.chosen["depth"])
        outputs = [width] * int(self.chosen["depth"]) + [n_outputs]
        return [
            shape
            for before, after in zip(inputs, outputs, strict=True)
            for shape in ((after, before, *(_KERNEL,) * n_axes), (after,))
        ]

    def build(self, n_channels: int, n_outputs: int, n_axes: int) -> torch.nn.Module:
        """See ``PictureModule``."""
        from torch import nn

        shapes = self.shapes(n_channels, n_outputs, n_axes)[::2]

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.ModuleList(
                    convolution(n_axes)(before, after, _KERNEL, padding=1, padding_mode="replicate")
                    for after, before, *_ in shapes
                )

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                found = inputs
                for layer in self.layers[:-1]:
                    found = nn.functional.relu(layer(found))
                noise: torch.Tensor = self.layers[-1](found)
                return inputs - noise

        return Net()
