"""Trained models with the habits of scikit-learn: classes, numbers, counts.

Layer:       federation.training.estimators, the topmost module of training. Runs on the analyst's machine; needs numpy
             and pandas.
Guarantees:  any model of the registry can be fitted (``estimator_of``).
See instead: ``fit``, ``save`` and ``load`` (``fitted_model``), pictures (``picture_estimators``), the session
             (``federation.client.session``).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from federation.errors import ConfigError
from federation.training.fitted_model import FederatedModel
from federation.training.models.registry import MODELS
from federation.training.optimizer import floats_of
from federation.training.scores import accuracy, determination, deviance_explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from federation.training.encodings.features import Encoding


class FederatedClassifier(FederatedModel):
    """A model of classes. After ``fit`` also ``classes_``.

    ``coef_`` has the shape ``(1, n)`` and ``intercept_`` ``(1,)`` for two classes, otherwise one row for each class.
    """

    def predict_proba(self, frame: pd.DataFrame | npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the probability of each class, shape ``(n, n_classes)``; errors as ``predict``."""
        chances: npt.NDArray[np.float64] = super().predict(frame)
        return np.stack([1.0 - chances, chances], axis=1) if chances.ndim == 1 else chances

    def predict(self, frame: pd.DataFrame | npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the likeliest class of each row; errors as ``FederatedModel``."""
        places = self.predict_proba(frame).argmax(axis=1)
        found: npt.NDArray[Any] = self.classes_[places]
        return found

    def score(self, frame: pd.DataFrame | npt.NDArray[Any], target: Sequence[Any]) -> float:
        """Return the accuracy on rows of the caller's own.

        Args:
            frame: as for ``predict``.
            target: the true class of each row, of ``classes_``.

        Raises:
            InvalidRequestError: as ``predict``, or a label is missing or none of ``classes_``.
        """
        return accuracy(self.predict(frame), target, self._fitted().outcome.classes)

    def _learned(
        self,
        encoding: Encoding,
        parameters: tuple[int, ...],
        history: Sequence[Mapping[str, Any]],
        epsilon: float | None,
    ) -> None:
        super()._learned(encoding, parameters, history, epsilon)
        if hasattr(self, "coef_"):
            self.coef_, self.intercept_ = np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_)
        self.classes_ = np.array(encoding.outcome.classes)


class FederatedRegressor(FederatedModel):
    """A model of a number. ``coef_`` has the shape ``(n,)``, ``intercept_`` is a number, both on the outcome's scale."""

    def score(self, frame: pd.DataFrame | npt.NDArray[Any], target: Sequence[Any]) -> float:
        """Return the coefficient of determination on rows of the caller's own.

        Args:
            frame: as for ``predict``.
            target: the true number of each row.

        Raises:
            InvalidRequestError: as ``predict``, or a number is missing or infinite, or all are equal.
        """
        return determination(self.predict(frame), target)


class FederatedPoissonRegression(FederatedRegressor):
    """The mean of a count, with a log link; ``score`` is the part of the deviance that is explained."""

    model_name = "poisson_regression"

    def score(self, frame: pd.DataFrame | npt.NDArray[Any], target: Sequence[Any]) -> float:
        """Return the part of the Poisson deviance that is explained; arguments and errors as ``FederatedRegressor``."""
        return deviance_explained(self.predict(frame), target)


class FederatedLogisticRegression(FederatedClassifier):
    """Logistic regression over all sites."""

    model_name = "logistic_regression"

    def decision_function(self, frame: pd.DataFrame | npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the log-odds of the positive class, shape ``(n,)``; errors as ``predict``."""
        encoding = self._fitted()
        scores: npt.NDArray[np.float64] = encoding.matrix(encoding.codes_of(frame)) @ floats_of(
            self._parameters
        )
        return scores


@cache
def estimator_of(name: str) -> type[FederatedModel]:
    """Return the class that fits a model of the registry: its own where there is one, else one made for it.

    Args:
        name: of the model, as tasks use it.

    Raises:
        ConfigError: there is no such model.
    """
    if name not in MODELS:
        raise ConfigError(mistakes=[f"model: must be one of {', '.join(MODELS)}"])
    for known in (FederatedLogisticRegression, FederatedPoissonRegression):
        if known.model_name == name:
            return known
    base: type[FederatedModel] = FederatedClassifier if MODELS[name].has_classes else FederatedRegressor
    if MODELS[name].takes_pictures:
        from federation.training.picture_estimators import base_of

        base = base_of(MODELS[name].outcome_kind)
    title = "Federated" + name.title().replace("_", "")
    return type(title, (base,), {"model_name": name, "__module__": __name__, "__doc__": base.__doc__})


def __getattr__(name: str) -> type[FederatedModel]:
    """Return the class of a registered model by its name, such as ``FederatedLinearRegression`` (PEP 562)."""
    for model in MODELS:
        if name == "Federated" + model.title().replace("_", ""):
            return estimator_of(model)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
