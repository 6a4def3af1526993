"""``FederatedLogisticRegression``: a trained model with the habits of scikit-learn.

Layer:       federation.training.models.logistic_regression, the topmost module of training. Runs on the analyst's
             machine; needs numpy and pandas.
Terms:       ``coef_`` belongs to the encoded features (``feature_names_out_``): numbers scaled by their public bounds
             to [-1, 1], one column for each category but the first.
Guarantees:  a model is a function of public numbers: the opened sums and the schema. Saving writes JSON, and loading
             reads only that JSON.
See instead: the training (``coordinator``), the session (``federation.client.session``).
"""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, cast

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from federation.errors import ConfigError
from federation.training.features import Encoding, Feature
from federation.training.optimizer import MODEL_BITS
from federation.training.task import TrainingTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from federation.training.coordinator import Outcome, Progress

FORMAT: Final = "crossward/logistic-regression/1"
_MAX_FILE_BYTES: Final = 1 << 24
_FITTED: Final = ("coef_", "intercept_", "classes_", "n_iter_", "history_", "feature_names_out_")


class Trainer(Protocol):
    """The part of a session that ``fit`` needs."""

    def train(self, task: TrainingTask, *, on_progress: Callable[[Progress], None] | None = None) -> Outcome:
        """Have a task trained: ask all sites, charge round by round, return the outcome."""
        ...


class FederatedLogisticRegression:
    """Logistic regression over all sites under encrypted aggregation.

    Parameters are those of ``TrainingTask`` without table, features, target. After ``fit``: ``coef_`` of shape
    ``(1, n)``, ``intercept_`` of shape ``(1,)``, ``classes_``, ``n_iter_`` (opened rounds), ``history_`` (one
    dictionary a round), ``feature_names_out_``, ``epsilon_`` (spent; None in exact mode), ``outcome_``.
    """

    def __init__(  # noqa: PLR0913  (scikit-learn's habit: every parameter by keyword with its default)
        self,
        *,
        epsilon: float | None = 2.0,
        exact: bool = False,
        rounds: int = 40,
        learning_rate: float = 4.0,
        clip_norm: float = 1.0,
        l2: float = 0.0,
        momentum: float = 0.0,
        expected_units: int | None = None,
        report_loss: bool = False,
        purpose: str = "research",
    ) -> None:
        """Keep the parameters; they are checked by ``fit``. ``exact=True`` needs ``epsilon=None``."""
        self.epsilon, self.exact = epsilon, exact
        self.rounds, self.learning_rate, self.clip_norm = rounds, learning_rate, clip_norm
        self.l2, self.momentum, self.expected_units = l2, momentum, expected_units
        self.report_loss, self.purpose = report_loss, purpose

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        return tuple(name for name in inspect.signature(cls.__init__).parameters if name != "self")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; ``deep`` exists for scikit-learn."""
        del deep
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters.

        Raises:
            ConfigError: a parameter is unknown.
        """
        unknown = sorted(set(params) - set(self._names()))
        if unknown:
            raise ConfigError(mistakes=[f"{name}: is not a parameter of the model" for name in unknown])
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"FederatedLogisticRegression({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copies and other processes: all but ``outcome_``, which holds the plan of the run."""
        return {name: value for name, value in self.__dict__.items() if name != "outcome_"}

    def task(self, *, table: str, features: Sequence[str], target: str) -> TrainingTask:
        """Return the task that ``fit`` would train.

        Raises:
            ConfigError: with every mistake found.
        """
        return TrainingTask(
            table=table, features=cast("tuple[str, ...]", features), target=target, **self.get_params()
        )

    def fit(
        self,
        session: Trainer,
        *,
        table: str,
        features: Sequence[str],
        target: str,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Self:
        """Train over all sites.

        Cost: at most ``epsilon`` of the training budget, charged round by round.

        Args:
            session: an open session.
            table: of the schema.
            features: its columns.
            target: a column with two values.
            on_progress: called after each attempt.

        Returns:
            This object, fitted.

        Raises:
            ConfigError: with every mistake in parameters and columns.
            BudgetExceededError: the budget pays for less than one round.
        """
        task = self.task(table=table, features=features, target=target)
        return self._take(session.train(task, on_progress=on_progress))

    @classmethod
    def from_outcome(cls, outcome: Outcome) -> Self:
        """Make a fitted model from a run that was driven without ``fit``."""
        task = outcome.plan.task
        given: dict[str, Any] = {name: getattr(task, name) for name in cls._names()}
        for name, value in given.items():
            given[name] = float(value) if isinstance(value, Fraction) else value
        model = cls(**given)
        return model._take(outcome)

    def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return probabilities of both classes, shape ``(n, 2)``.

        Raises:
            InvalidRequestError: not fitted, or the frame lacks a column, has missing or unknown values.
        """
        score = self.decision_function(frame)
        small = np.exp(-np.abs(score))
        positive = np.where(score >= 0, 1.0, small) / (1.0 + small)
        return np.stack([1.0 - positive, positive], axis=1)

    def decision_function(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the log-odds of the positive class, shape ``(n,)``."""
        encoding = self._fitted()
        parameters = np.append(self.coef_[0], self.intercept_)
        scores: npt.NDArray[np.float64] = encoding.matrix(encoding.codes_of(frame)) @ parameters
        return scores

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the likelier class of each row."""
        is_positive = self.decision_function(frame) > 0
        return self.classes_[is_positive.astype(np.int64)]

    def score(self, frame: pd.DataFrame, target: Sequence[Any]) -> float:
        """Return the accuracy on a frame of the caller's own.

        Args:
            frame: as for ``predict``.
            target: the true class of each row, of ``classes_``.

        Raises:
            InvalidRequestError: as ``predict``, or a label is missing or none of ``classes_``.
        """
        predicted, labels = self.predict(frame), list(target)
        if len(labels) != len(predicted):
            reason = f"has {len(labels)} labels where the frame has {len(predicted)} rows"
            raise InvalidRequestError(parameter="target", reason=reason)
        if not labels:
            raise InvalidRequestError(parameter="frame", reason="has no rows")
        known = self.classes_.tolist()
        if not all(_is_one_of(label, known) for label in labels):
            classes = ", ".join(map(str, known))
            raise InvalidRequestError(
                parameter="target", reason=f"has labels that are none of the classes {classes}"
            )
        pairs = zip(predicted.tolist(), labels, strict=True)
        return float(np.mean([bool(found == true) for found, true in pairs]))

    def save(self, path: str | Path) -> None:
        """Write the model as JSON."""
        encoding = self._fitted()
        params = self.get_params()
        document = {
            "format": FORMAT,
            "params": params,
            "features": [feature.to_dict() for feature in encoding.features],
            "target": encoding.target,
            "classes": list(encoding.classes),
            "parameters": list(self._parameters),
            "history": self.history_,
            "epsilon": self.epsilon_,
        }
        Path(path).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model that ``save`` wrote.

        Raises:
            ConfigError: the file is not a saved model.
        """
        path = Path(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(mistakes=[f"cannot read {path.name}: {error.strerror}"]) from error
        try:
            document = json.loads(data) if len(data) <= _MAX_FILE_BYTES else None
            return cls._from_document(document)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ConfigError(mistakes=[f"{path.name} is not a saved model"]) from error

    @classmethod
    def _from_document(cls, document: Any) -> Self:
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            msg = "another format"
            raise ValueError(msg)
        negative, positive = document["classes"]
        encoding = Encoding(
            features=tuple(Feature.from_dict(fields) for fields in document["features"]),
            target=str(document["target"]),
            classes=(negative, positive),
        )
        parameters = tuple(document["parameters"])
        if len(parameters) != encoding.width or any(type(value) is not int for value in parameters):
            msg = "parameters do not fit the features"
            raise ValueError(msg)
        model = cls(**document["params"])
        model._learned(encoding, parameters, list(document["history"]), document["epsilon"])
        return model

    def _take(self, outcome: Outcome) -> Self:
        history = [asdict(step) | {"cohort": list(step.cohort)} for step in outcome.history]
        self._learned(outcome.plan.encoding, outcome.model.parameters, history, outcome.epsilon)
        self.outcome_ = outcome
        return self

    def _learned(
        self,
        encoding: Encoding,
        parameters: tuple[int, ...],
        history: Sequence[Mapping[str, Any]],
        epsilon: float | None,
    ) -> None:
        values = np.array(parameters, dtype=np.float64) / (1 << MODEL_BITS)
        self._encoding, self._parameters = encoding, parameters
        self.coef_, self.intercept_ = values[None, :-1], values[-1:]
        self.classes_ = np.array(encoding.classes)
        self.n_iter_, self.history_, self.epsilon_ = len(history), list(history), epsilon
        self.feature_names_out_ = encoding.labels[:-1]

    def _fitted(self) -> Encoding:
        if not all(hasattr(self, name) for name in _FITTED):
            raise InvalidRequestError(parameter="model", reason="is not fitted yet")
        return self._encoding


def _is_one_of(label: object, classes: Sequence[object]) -> bool:
    """Whether a label is a class; missing labels (None, NaN, NA) equal nothing, or their comparison fails."""
    try:
        return any(bool(label == each) for each in classes)
    except (TypeError, ValueError):
        return False
