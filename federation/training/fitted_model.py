"""A model over all sites with the habits of scikit-learn: ``fit``, ``predict``, ``save``.

Layer:       federation.training.fitted_model, below estimators. Runs on the analyst's machine; needs numpy
             and pandas.
Terms:       ``coef_`` belongs to the encoded features (``feature_names_out_``): numbers scaled by their public bounds
             to [-1, 1], one column for each category but the first.
Guarantees:  a model is a function of public numbers: the opened sums and the schema. Saving writes JSON, and loading
             reads only that JSON.
See instead: the training (``coordinator``), the models' numbers (``models``), classes and figures of each
             (``estimators``, ``picture_estimators``).
"""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, Self, cast

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from federation.errors import ConfigError
from federation.training.encodings.picture_features import encoding_of, pictures_to_dict
from federation.training.models.registry import MODELS
from federation.training.optimizer import floats_of
from federation.training.options import read_options
from federation.training.shown import model_html
from federation.training.strategies.registry import DEFAULT_STRATEGY
from federation.training.task import PAILLIER, TrainingTask, declared_options, default_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from federation.training.encodings.features import Encoding, Feature
    from federation.training.models.base import Model
    from federation.training.rounds.round_plan import RunPlan
    from federation.training.running.outcome import Outcome, Progress

MAX_FILE_BYTES: Final = 1 << 24
_FITTED: Final = ("n_iter_", "history_", "feature_names_out_")


class Trainer(Protocol):
    """The part of a session that ``fit`` needs."""

    def train(self, task: TrainingTask, *, on_progress: Callable[[Progress], None] | None = None) -> Outcome:
        """Have a task trained: ask all sites, charge round by round, return the outcome."""
        ...


class FederatedModel:
    """A model over all sites under encrypted aggregation.

    Parameters are those of ``TrainingTask`` without table, features, target and model; options of the model and the
    strategy stand beside them. After ``fit``: ``coef_`` and ``intercept_`` (not of networks), ``n_parameters_``,
    ``n_iter_`` (opened rounds), ``history_`` (one dictionary a round), ``feature_names_out_``, ``epsilon_`` (spent; None
    in exact mode), ``outcome_``.
    """

    model_name: ClassVar[str]

    def __init__(  # noqa: PLR0913  (scikit-learn's habit: every parameter by keyword with its default)
        self,
        *,
        epsilon: float | str | Fraction | None = 2.0,
        exact: bool = False,
        rounds: int = 40,
        learning_rate: float | None = None,
        clip_norm: float = 1.0,
        l2: float = 0.0,
        momentum: float = 0.0,
        expected_units: int | None = None,
        report_loss: bool = False,
        purpose: str = "analysis",
        strategy: str = DEFAULT_STRATEGY,
        aggregation: Literal["paillier", "shares"] = PAILLIER,
        **options: Any,
    ) -> None:
        """Keep the parameters; ``fit`` checks them. ``exact=True`` needs ``epsilon=None``, ``aggregation="shares"`` no helper."""
        self.epsilon, self.exact = epsilon, exact
        self.rounds, self.clip_norm = rounds, clip_norm
        self.learning_rate = learning_rate
        self.l2, self.momentum, self.expected_units = l2, momentum, expected_units
        self.report_loss, self.purpose = report_loss, purpose
        self.strategy, self.aggregation, self.options = strategy, aggregation, options

    @classmethod
    def _names(cls) -> tuple[str, ...]:
        parameters = inspect.signature(FederatedModel.__init__).parameters.values()
        return tuple(each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; ``deep`` exists for scikit-learn."""
        del deep
        return {name: getattr(self, name) for name in self._names()} | self.options

    def set_params(self, **params: Any) -> Self:
        """Change parameters.

        Raises:
            ConfigError: a parameter is unknown.
        """
        names = set(self._names())
        options = declared_options(self.model_name, params.get("strategy", self.strategy))
        unknown = sorted(set(params) - names - set(options))
        if unknown:
            raise ConfigError(mistakes=[f"{name}: is not a parameter of the model" for name in unknown])
        for name, value in params.items():
            if name in names:
                setattr(self, name, value)
        self.options |= {name: value for name, value in params.items() if name not in names}
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    def _repr_html_(self) -> str:
        return model_html(repr(self), self.summary() if hasattr(self, "n_iter_") else None)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copies and other processes: all but ``outcome_``, which holds the plan of the run."""
        return {name: value for name, value in self.__dict__.items() if name != "outcome_"}

    def task(self, *, table: str, features: Sequence[str], target: str) -> TrainingTask:
        """Return the task that ``fit`` would train.

        Raises:
            ConfigError: with every mistake found.
        """
        return TrainingTask(
            table=table,
            features=cast("tuple[str, ...]", features),
            target=target,
            model=self.model_name,
            **self.get_params(),
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
            target: the outcome's column.
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
        model = cls(**cls._params_of(outcome.plan.task))
        return model._take(outcome)

    @classmethod
    def from_parameters(cls, plan: RunPlan, parameters: tuple[int, ...]) -> Self:
        """Make a fitted model of a plan from parameters in units of ``2**-32``; it has no history and no price."""
        model = cls(**cls._params_of(plan.task))
        model._learned(plan.encoding, parameters, [], None)
        return model

    @classmethod
    def _params_of(cls, task: TrainingTask) -> dict[str, Any]:
        """Return a task's parameters as those of a model."""
        given: dict[str, Any] = {name: getattr(task, name) for name in cls._names()} | dict(task.options)
        for name, value in given.items():
            given[name] = float(value) if isinstance(value, Fraction) else value
        if task.learning_rate == default_rate(task.model, task.strategy):
            given["learning_rate"] = None
        return given

    def predict(self, frame: pd.DataFrame | npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the model's prediction for each row, shape ``(n,)``.

        Args:
            frame: the features' columns by name; or an array of them in the order of ``fit``, shape ``(n, n_features)``.

        Raises:
            InvalidRequestError: not fitted, or the frame lacks a column, has missing or unknown values.
        """
        encoding = self._fitted()
        return self._model().predict(
            encoding, floats_of(self._parameters), encoding.matrix(encoding.codes_of(frame))
        )

    def summary(self) -> dict[str, Any]:
        """Return coefficients by feature, and the intercept; for each of several classes; of a network its size."""
        encoding = self._fitted()
        if not hasattr(self, "coef_"):
            return {"parameters": self.n_parameters_}
        rows = [
            {"coef": dict(zip(self.feature_names_out_, weights, strict=True)), "intercept": intercept}
            for weights, intercept in zip(
                np.atleast_2d(self.coef_).tolist(), np.ravel(self.intercept_).tolist(), strict=True
            )
        ]
        if len(rows) == 1:
            return rows[0]
        return {str(name): row for name, row in zip(encoding.outcome.classes, rows, strict=True)}

    def save(self, path: str | Path) -> None:
        """Write the model as JSON."""
        encoding = self._fitted()
        params = self.get_params()
        if self.strategy == DEFAULT_STRATEGY:
            del params["strategy"]  # files from before there were other strategies have none
        if self.aggregation == PAILLIER:
            del params["aggregation"]  # likewise
        document = {
            "format": self._model().file_format,
            "params": params,
            "features": [feature.to_dict() for feature in encoding.features],
            **pictures_to_dict(encoding),
            **self._model().outcome_to_dict(encoding.outcome),
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
            document = json.loads(data) if len(data) <= MAX_FILE_BYTES else None
            return cls._from_document(document)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ConfigError(mistakes=[f"{path.name} is not a saved model"]) from error

    @classmethod
    def _from_document(cls, document: Any) -> Self:
        if not isinstance(document, dict) or document.get("format") != MODELS[cls.model_name].file_format:
            msg = "another format"
            raise ValueError(msg)
        encoding = encoding_of(document, MODELS[cls.model_name].outcome_from_dict(document))
        model = cls(**document["params"])
        if not set(model.options) <= set(declared_options(cls.model_name, model.strategy)):
            msg = "unknown parameters"
            raise ValueError(msg)
        parameters = tuple(document["parameters"])
        n_parameters = model._model().size(encoding)
        if len(parameters) != n_parameters or any(type(value) is not int for value in parameters):
            msg = "parameters do not fit the features"
            raise ValueError(msg)
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
        self._encoding, self._parameters = encoding, parameters
        self.n_parameters_ = len(parameters)
        weights = self._model().coefficients(encoding, floats_of(parameters))
        if weights is not None:
            self.coef_, self.intercept_ = weights
        self.n_iter_, self.history_, self.epsilon_ = len(history), list(history), epsilon
        self.feature_names_out_ = encoding.labels[:-1]

    coef_: npt.NDArray[np.float64]
    intercept_: float | npt.NDArray[np.float64]

    def evaluated(self) -> tuple[tuple[str, ...], tuple[int, ...], dict[str, Any]]:
        """Return what an evaluation names: features, parameters in units of ``2**-32``, and the model's own options.

        Raises:
            InvalidRequestError: not fitted.
        """
        encoding = self._fitted()
        own = {name: value for name, value in self.options.items() if name in MODELS[self.model_name].options}
        return tuple(feature.name for feature in encoding.features), self._parameters, own

    @property
    def outcome_feature(self) -> Feature:
        """The outcome's column as the model was fitted on it; errors as ``predict``."""
        return self._fitted().outcome

    def check_encoding(self, encoding: Encoding) -> None:
        """Check that a table's columns are those that the model was fitted on.

        Raises:
            ConfigError: names, bounds, domains or the outcome's classes or bounds differ.
        """
        own = self._fitted()
        if own.features != encoding.features or own.outcome.scale != encoding.outcome.scale:
            raise ConfigError(mistakes=["model: was fitted on columns with other bounds or domains"])

    def _model(self) -> Model:
        options, _ = read_options(declared_options(self.model_name, self.strategy), self.options)
        return MODELS[self.model_name].configured(dict(options))

    def _fitted(self) -> Encoding:
        if not all(hasattr(self, name) for name in _FITTED):
            raise InvalidRequestError(parameter="model", reason="is not fitted yet")
        return self._encoding
