"""Losses of pictures: cross-entropy and Dice of masks, absolute difference and structural similarity of pictures.

Layer:       federation.training.models.torch.picture_losses. Imports torch inside functions only.
Shapes:      scores ``(1, n_classes, *size)``, a mask ``size``; pictures ``(1, channels, *size)``.
Source:      Milletari and others, V-Net, 2016 (Dice); Lin and others, Focal Loss, 2017; Wang and others, IEEE Transactions
             on Image Processing 13, 600, 2004 (structural similarity).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

_SMALL: Final = 1e-6
_WINDOW: Final = 7
_C1, _C2 = 0.01**2, 0.03**2


def mask_loss(scores: torch.Tensor, mask: torch.Tensor, *, dice_part: float, focus: float) -> torch.Tensor:
    """Return the loss of one mask: a part Dice, the rest cross-entropy.

    Args:
        scores: of each class at each pixel.
        mask: numbers of classes.
        dice_part: from 0 to 1; a mask without any class beside the background has no Dice, and cross-entropy alone.
        focus: exponent of the focal loss; 0 is cross-entropy.
    """
    from torch import nn

    target = mask.long()[None]
    pixels = nn.functional.cross_entropy(scores, target, reduction="none")
    if focus:
        pixels = (1 - (-pixels).exp()).clamp(min=_SMALL) ** focus * pixels
    found = pixels.mean()
    if dice_part == 0 or not bool((mask > 0).any()):
        return found
    chances = scores.softmax(dim=1)[0, 1:]
    truth = nn.functional.one_hot(target[0], scores.shape[1]).movedim(-1, 0)[1:].to(chances.dtype)
    axes = tuple(range(1, chances.ndim))
    both, each = (chances * truth).sum(axes), (chances + truth).sum(axes)
    is_there = truth.sum(axes) > 0
    dice = (2 * both / (each + _SMALL))[is_there].mean()
    return (1 - dice_part) * found + dice_part * (1 - dice)


def picture_loss(made: torch.Tensor, wanted: torch.Tensor, *, ssim_part: float) -> torch.Tensor:
    """Return the loss of one picture that was made: a part structural similarity, the rest squared difference.

    Args:
        made: in about [0, 1].
        wanted: in [0, 1].
        ssim_part: from 0 to 1.
    """
    found = ((made - wanted) ** 2).mean()
    if ssim_part == 0:
        return found
    return (1 - ssim_part) * found + ssim_part * (1 - similarity(made, wanted))


def similarity(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the structural similarity of two pictures with values in [0, 1], over windows of 7 pixels."""
    from torch import nn

    pool = nn.functional.avg_pool2d if made.ndim == 4 else nn.functional.avg_pool3d  # noqa: PLR2004

    def mean(values: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = pool(values, min(_WINDOW, *values.shape[2:]), stride=1)
        return found

    first, second = mean(made), mean(wanted)
    variances = mean(made**2) - first**2 + mean(wanted**2) - second**2
    together = mean(made * wanted) - first * second
    top = (2 * first * second + _C1) * (2 * together + _C2)
    return (top / ((first**2 + second**2 + _C1) * (variances + _C2))).mean()
