"""The models by the names that tasks use. A new model is one file and one line here.

Layer:       federation.training.models.registry, the topmost module of models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.training.models.linear_regression import LinearRegression
from federation.training.models.logistic_regression import LogisticRegression
from federation.training.models.multinomial_regression import MultinomialRegression
from federation.training.models.perceptron import PerceptronClassifier, PerceptronRegressor
from federation.training.models.poisson_regression import PoissonRegression
from federation.training.models.torch.denoiser import Denoiser
from federation.training.models.torch.picture_classifier import PictureClassifier
from federation.training.models.torch.pixel_segmenter import PixelSegmenter
from federation.training.models.torch.residual_network import ResidualNetwork
from federation.training.models.torch.unet import UNet
from federation.training.models.trees.boosted_trees import BoostedTrees, BoostedTreesRegressor

if TYPE_CHECKING:
    from federation.training.models.base import Model

DEFAULT_MODEL: Final = LogisticRegression.name
MODELS: Final[dict[str, Model]] = {
    model.name: model
    for model in (
        LogisticRegression(),
        LinearRegression(),
        MultinomialRegression(),
        PoissonRegression(),
        PerceptronClassifier(),
        PerceptronRegressor(),
        ResidualNetwork(),
        BoostedTrees(),
        BoostedTreesRegressor(),
        PictureClassifier(),
        PixelSegmenter(),
        UNet(),
        Denoiser(),
    )
}
