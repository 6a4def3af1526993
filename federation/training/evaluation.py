"""Figures of a trained model over all sites' rows, from one noisy histogram of its scores or the sums of its residuals.

Layer:       federation.training.evaluation, above estimators. On the analyst's machine; pure numpy.
Terms:       a *cell* is a class and a bin (``models.score_histogram``), or a sum (``models.residual_sums``). The *noise
             error* of a figure is its standard deviation by the noise alone, to first order, from the public variance of a
             cell.
Guarantees:  figures are made of the opened histogram, so that any number of them costs nothing more. Figures lie in their
             public range; one that the noise leaves without a class is None.
Accuracy:    scores are known to a twentieth: equal bins count as half in the area under the curve, and a calibration is
             that of a bin's middle.
Source:      docs/guarantees.md P4, P13; Hanley and McNeil, Radiology 1982, for the area as a probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from analytics.errors import InvalidRequestError
from federation.errors import ConfigError
from federation.training.encodings.features import BINARY, Floats
from federation.training.figures.figure import Figure
from federation.training.figures.regression import regression_figures
from federation.training.models.registry import MODELS
from federation.training.models.residual_sums import scale_of_rows
from federation.training.models.score_histogram import N_BINS
from federation.training.rounds.round_plan import GRID
from federation.training.shown import metrics_html
from federation.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    from federation.training.encodings.features import Feature
    from federation.training.fitted_model import FederatedModel
    from federation.training.models.base import Model
    from federation.training.running.outcome import Outcome

_HALF: Final = N_BINS // 2
_GROUPS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """An evaluation that was paid for.

    Attributes:
        metrics: the figures that were asked for, by name; None where the noise leaves no class.
        noise_errors: standard deviation of each figure that is a number, by the noise, before it is cut to its range.
        counts: the noisy histogram, shape ``(n_classes, n_bins)``; of a model of a number the noisy sums, shape ``(14,)``
            or ``(15,)``.
        noise: standard deviation of one cell.
        classes: of the model, in the order of ``counts``; none for a model of a number.
        epsilon: spent.
        outcome: of the run.
    """

    metrics: dict[str, Any]
    noise_errors: dict[str, float]
    counts: Floats = field(repr=False)
    noise: float
    classes: tuple[Any, ...]
    epsilon: float | None
    outcome: Outcome = field(repr=False)

    def _repr_html_(self) -> str:
        return metrics_html(self.metrics, self.noise_errors, self.epsilon)

    def roc(self) -> Floats:
        """Return the points of the joint ROC curve, shape ``(21, 2)``: false and true positive rates.

        Raises:
            InvalidRequestError: the model has not two classes, or the noise leaves no class.
        """
        _check_binary("roc", len(self.classes))
        above = np.concatenate([np.zeros((BINARY, 1)), np.cumsum(self.counts[:, ::-1], axis=1)], axis=1)
        if (above[:, -1] <= 0).any():
            raise InvalidRequestError(parameter="epsilon", reason="leaves no rows of a class above the noise")
        points: Floats = np.clip(above / above[:, -1:], 0.0, 1.0).T
        return points


def default_metrics(model: FederatedModel) -> tuple[str, ...]:
    """Return the figures of an evaluation that names none."""
    return ("accuracy",) if MODELS[model.model_name].has_classes else ("rmse",)


def evaluation_task(
    model: FederatedModel,
    *,
    table: str,
    target: str,
    epsilon: float | str | Fraction,
    metrics: Sequence[str],
    purpose: str,
) -> TrainingTask:
    """Return the task of an evaluation.

    Args:
        model: fitted.
        table: of the schema.
        target: the column with the truth.
        epsilon: price.
        metrics: names of figures.
        purpose: as entered in the ledger.

    Raises:
        ConfigError: a figure does not exist or is not one of this model.
        InvalidRequestError: the model is not fitted.
    """
    names, parameters, options = model.evaluated()
    known = list(_figures(MODELS[model.model_name], model.outcome_feature))
    unknown = [name for name in metrics if name not in known]
    if unknown or not metrics:
        raise ConfigError(mistakes=[f"metrics: must be some of {', '.join(known)}"])
    return TrainingTask(
        table=table,
        features=names,
        target=target,
        model=model.model_name,
        epsilon=epsilon,
        rounds=1,
        evaluate=parameters,
        purpose=purpose,
        **options,
    )


def evaluated(outcome: Outcome, metrics: Sequence[str]) -> Evaluation:
    """Make the figures of an opened histogram, or of opened sums.

    Args:
        outcome: of an evaluation's run.
        metrics: names of figures.
    """
    plan = outcome.plan
    classes = plan.encoding.outcome.classes
    model = MODELS[plan.task.model]
    figures = _figures(model, plan.encoding.outcome)
    unit = 1 / GRID if classes else scale_of_rows(model) / GRID
    opened = np.array(outcome.model.parameters, np.float64) * unit
    counts = opened.reshape(len(classes), -1) if classes else opened
    planned = plan.attempt(run="noise", round_number=0, attempt=0, cohort=outcome.history[0].cohort)
    noise = math.sqrt(planned.sigma2_local * len(planned.manifest.cohort)) * unit
    found = {name: figures[name](counts) for name in metrics}
    errors = {
        name: noise * _slope(each.uncut, counts)
        for name, each in ((name, figures[name]) for name in metrics)
        if isinstance(each, Figure) and found[name] is not None
    }
    return Evaluation(
        metrics=found,
        noise_errors=errors,
        counts=counts,
        noise=noise,
        classes=classes,
        epsilon=outcome.epsilon,
        outcome=outcome,
    )


def _accuracy(counts: Floats) -> float | None:
    right = np.trace(counts) if counts.shape[1] != N_BINS or len(counts) != BINARY else (
        counts[0, :_HALF].sum() + counts[1, _HALF:].sum()
    )  # fmt: skip
    return _ratio(float(right), float(counts.sum()))


def _area(counts: Floats) -> float | None:
    negative, positive = counts
    below = np.cumsum(negative) - negative / 2
    both = negative.sum() * positive.sum()
    if min(negative.sum(), positive.sum()) <= 0:
        return None
    return _ratio(float(positive @ below), float(both))


def _brier(counts: Floats) -> float | None:
    middles = (np.arange(N_BINS) + 0.5) / N_BINS
    return _ratio(float(counts[0] @ middles**2 + counts[1] @ (1 - middles) ** 2), float(counts.sum()))


def _calibration(counts: Floats) -> list[dict[str, float | None]]:
    middles = (np.arange(N_BINS) + 0.5) / N_BINS
    rows: list[dict[str, float | None]] = []
    for group in np.array_split(np.arange(N_BINS), _GROUPS):
        both = counts[:, group].sum(axis=0)
        rows.append(
            {
                "predicted": _share(
                    float(np.maximum(both, 0) @ middles[group]), float(np.maximum(both, 0).sum())
                ),
                "observed": _share(float(counts[1, group].sum()), float(both.sum())),
                "rows": float(both.sum()),
            }
        )
    return rows


def _rate(row: int, *, above: bool) -> Callable[[Floats], float | None]:
    def of(counts: Floats) -> float | None:
        part = counts[row, _HALF:] if above else counts[row, :_HALF]
        return _ratio(float(part.sum()), float(counts[row].sum()))

    return of


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _share(part: float, whole: float) -> float | None:
    ratio = _ratio(part, whole)
    return None if ratio is None else min(1.0, max(0.0, ratio))


_METRICS: Final[Mapping[str, Callable[[Floats], Any]]] = {
    "accuracy": Figure(uncut=_accuracy),
    "roc_auc": Figure(uncut=_area),
    "brier": Figure(uncut=_brier),
    "sensitivity": Figure(uncut=_rate(1, above=True)),
    "specificity": Figure(uncut=_rate(0, above=False)),
    "calibration": _calibration,
}


def _figures(model: Model, outcome: Feature) -> dict[str, Callable[[Floats], Any]]:
    """Return the figures of a model by name, as functions of what is opened."""
    if not outcome.classes:
        return regression_figures(model, outcome)
    return dict(_METRICS) if len(outcome.classes) == BINARY else {"accuracy": _METRICS["accuracy"]}


def _slope(figure: Callable[[Floats], float | None], counts: Floats) -> float:
    """Return the norm of a figure's gradient by differences of one hundredth of a row."""
    squares = 0.0
    for place in np.ndindex(counts.shape):
        ends = []
        for move in (-0.01, 0.01):
            near = counts.copy()
            near[place] += move
            ends.append(figure(near))
        low, high = ends
        squares += 0.0 if low is None or high is None else ((high - low) / 0.02) ** 2
    return math.sqrt(squares)


def _check_binary(name: str, n_classes: int) -> None:
    if n_classes != BINARY:
        raise InvalidRequestError(parameter=name, reason="needs a model of two classes")
