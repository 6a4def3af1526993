"""Reads a saved model of any kind: its file says which.

Layer:       federation.training.model_file, above estimators.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from federation.errors import ConfigError
from federation.training.estimators import estimator_of
from federation.training.fitted_model import MAX_FILE_BYTES
from federation.training.models.registry import MODELS

if TYPE_CHECKING:
    from federation.training.fitted_model import FederatedModel


def load_model(path: str | Path) -> FederatedModel:
    """Read a model that ``save`` wrote.

    Args:
        path: the JSON file.

    Raises:
        ConfigError: the file cannot be read, or is not a saved model.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        document = json.loads(data) if len(data) <= MAX_FILE_BYTES else None
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot read {path.name}: {error.strerror}"]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(mistakes=[f"{path.name} is not a saved model"]) from error
    said = document.get("format") if isinstance(document, dict) else None
    for name, model in MODELS.items():
        if model.file_format == said:
            return estimator_of(name).load(path)
    raise ConfigError(mistakes=[f"{path.name} is not a saved model"])
