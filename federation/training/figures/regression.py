"""Figures of a trained model of a number, from the opened sums of its residuals.

Layer:       federation.training.figures.regression, above training.models. Pure.
Shapes:      sums float64 ``(14,)``, with a deviance ``(15,)``, as ``models.residual_sums`` orders them, not divided.
Guarantees:  functions of opened numbers: any number of figures costs nothing more. A figure lies in its public range; one
             that the noise leaves without rows or without spread is None.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from federation.training.figures.figure import Figure
from federation.training.models.linear_regression import scale_of
from federation.training.models.residual_sums import N_GROUPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.training.encodings.features import Feature, Floats
    from federation.training.models.base import Model

_SQUARES: Final = 2 * N_GROUPS
_SIZES: Final = _SQUARES + 1
_OUTCOMES: Final = _SQUARES + 2
_OUTCOME_SQUARES: Final = _SQUARES + 3
_DEVIANCE: Final = _SQUARES + 4


def regression_figures(model: Model, outcome: Feature) -> dict[str, Callable[[Floats], Any]]:
    """Return the figures of a model by name, as functions of the opened sums.

    Args:
        model: with an outcome that is a number.
        outcome: with its public bounds.
    """
    middle, half = scale_of(outcome)
    width, lower = 2 * float(half), float(middle - half)
    found: dict[str, Callable[[Floats], Any]] = {
        "rmse": Figure(uncut=partial(_rmse, width), high=width),
        "mae": Figure(uncut=partial(_mae, width), high=width),
        "r2": Figure(uncut=_determination, low=-math.inf),
        "bias": Figure(uncut=partial(_bias, width), low=-width, high=width),
        "calibration": partial(_calibration, width, lower),
    }
    if model.has_deviance:
        upper = float(middle + half)
        found["mean_deviance"] = Figure(uncut=partial(_mean_deviance, upper), high=2 * upper)
    return found


def _rows(sums: Floats) -> float:
    return float(sums[0:_SQUARES:2].sum())


def _mean(part: float, rows: float) -> float | None:
    return part / rows if rows > 0 else None


def _rmse(width: float, sums: Floats) -> float | None:
    """Return the root; of a mean square below 0, which only noise makes, less than 0."""
    mean = _mean(float(sums[_SQUARES]), _rows(sums))
    return None if mean is None else width * math.copysign(math.sqrt(abs(mean)), mean)


def _mae(width: float, sums: Floats) -> float | None:
    mean = _mean(float(sums[_SIZES]), _rows(sums))
    return None if mean is None else width * mean


def _bias(width: float, sums: Floats) -> float | None:
    mean = _mean(float(sums[1:_SQUARES:2].sum()), _rows(sums))
    return None if mean is None else width * mean


def _determination(sums: Floats) -> float | None:
    """Return the coefficient of determination; a residual is half a difference, hence the 4."""
    rows = _rows(sums)
    if rows <= 0:
        return None
    spread = float(sums[_OUTCOME_SQUARES]) - float(sums[_OUTCOMES]) ** 2 / rows
    return 1.0 - 4.0 * float(sums[_SQUARES]) / spread if spread > 0 else None


def _calibration(width: float, lower: float, sums: Floats) -> list[dict[str, float | None]]:
    """Return for each fifth of the range of predictions its middle, the mean of outcome minus prediction, and the rows."""
    found: list[dict[str, float | None]] = []
    for group in range(N_GROUPS):
        rows = float(sums[2 * group])
        mean = _mean(float(sums[2 * group + 1]), rows)
        found.append(
            {
                "predicted": lower + width * (group + 0.5) / N_GROUPS,
                "bias": None if mean is None else width * min(1.0, max(-1.0, mean)),
                "rows": rows,
            }
        )
    return found


def _mean_deviance(upper: float, sums: Floats) -> float | None:
    mean = _mean(float(sums[_DEVIANCE]), _rows(sums))
    return None if mean is None else 2 * upper * mean
