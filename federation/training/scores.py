"""Figures of merit of predictions on rows of the caller's own.

Layer:       federation.training.scores. Pure numpy.
Guarantees:  a label or number that cannot be compared is refused by name, without its value.
See instead: figures over the sites' rows, which cost an epsilon (``evaluation``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.training.encodings.features import Floats


def accuracy(predicted: npt.NDArray[Any], labels: Sequence[Any], classes: Sequence[Any]) -> float:
    """Return the share of rows whose class is predicted.

    Args:
        predicted: shape ``(n,)``.
        labels: the true classes.
        classes: of the model.

    Raises:
        InvalidRequestError: another number of labels, none, or a label is missing or none of ``classes``.
    """
    labels = list(labels)
    _check_as_many(labels, predicted)
    if not all(_is_one_of(label, classes) for label in labels):
        reason = f"has labels that are none of the classes {', '.join(map(str, classes))}"
        raise InvalidRequestError(parameter="target", reason=reason)
    pairs = zip(predicted.tolist(), labels, strict=True)
    return float(np.mean([bool(found == true) for found, true in pairs]))


def determination(predicted: Floats, numbers: Sequence[Any]) -> float:
    """Return the coefficient of determination.

    Args:
        predicted: shape ``(n,)``.
        numbers: the true numbers.

    Raises:
        InvalidRequestError: another number of them, none, or one is missing or infinite, or all are equal.
    """
    truth = _numbers(predicted, numbers)
    return float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def deviance_explained(predicted: Floats, counts: Sequence[Any]) -> float:
    """Return the part of the Poisson deviance that the model explains (scikit-learn's D squared).

    Args:
        predicted: means, shape ``(n,)``, positive.
        counts: the true counts.

    Raises:
        InvalidRequestError: as ``determination``, or a count is negative.
    """
    truth = _numbers(predicted, counts)
    if (truth < 0).any():
        raise InvalidRequestError(parameter="target", reason="must hold counts, which are not negative")

    def deviance(means: Floats) -> float:
        positive = np.where(truth > 0, truth, 1.0)
        return float(np.sum(np.where(truth > 0, truth * np.log(positive / means), 0.0) - (truth - means)))

    return 1 - deviance(predicted) / deviance(np.full(len(truth), truth.mean()))


def _numbers(predicted: Floats, given: Sequence[Any]) -> Floats:
    numbers = list(given)
    _check_as_many(numbers, predicted)
    try:
        truth: Floats = np.asarray(numbers, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(parameter="target", reason="must hold numbers only") from error
    if not np.isfinite(truth).all() or (truth == truth[0]).all():
        raise InvalidRequestError(
            parameter="target", reason="must hold finite numbers that are not all equal"
        )
    return truth


def _check_as_many(labels: Sequence[Any], predicted: npt.NDArray[Any]) -> None:
    if len(labels) != len(predicted):
        reason = f"has {len(labels)} labels where the frame has {len(predicted)} rows"
        raise InvalidRequestError(parameter="target", reason=reason)
    if not labels:
        raise InvalidRequestError(parameter="frame", reason="has no rows")


def _is_one_of(label: object, classes: Sequence[object]) -> bool:
    """Whether a label is a class; missing labels (None, NaN, NA) equal nothing, or their comparison fails."""
    try:
        return any(bool(label == each) for each in classes)
    except (TypeError, ValueError):
        return False
