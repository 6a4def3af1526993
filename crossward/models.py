"""Models over all sites, with the habits of scikit-learn: ``fit``, ``predict``, ``score``, ``save``, ``load``.

Every model of the registry has a class here, such as ``FederatedLogisticRegression``.

Layer:       crossward.models, above ``federation.training``. Loads numpy.
See instead: task files and the parameters that all models share (``federation.training.task``).
"""

from typing import Any

from federation.training import estimators
from federation.training.estimators import FederatedLogisticRegression, estimator_of
from federation.training.fitted_model import FederatedModel
from federation.training.models.registry import MODELS

__all__ = ["FederatedLogisticRegression", "FederatedModel", "estimator_of"]


def __dir__() -> list[str]:
    """List the classes of all registered models too."""
    return sorted({*__all__, *(estimator_of(name).__name__ for name in MODELS)})


def __getattr__(name: str) -> Any:
    """Return the class of a registered model (PEP 562)."""
    if name.startswith("Federated"):
        return getattr(estimators, name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
