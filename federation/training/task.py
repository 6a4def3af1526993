"""The training task of an analyst.

Layer:       federation.training.task. Pure but for ``load_task``, which reads one file.
Terms:       a round is one pass over all rows of all sites: full batch. ``epsilon`` is for the whole run.
Guarantees:  a task that exists is well-formed: all mistakes are reported at once, NaN and infinity are refused with
             the parameter's name, and its ``question`` has no float: numbers are decimal strings. Without noise the
             step rule is fixed and the rounds are capped: an analyst who chose learning rate, momentum, penalty or
             divisor would choose the points at which exact sums are opened, and could so count any half-space.
See instead: whether table, features and target exist (``round_plan``), the budget (the ledger).
Source:      docs/guarantees.md P13, P16.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from federation.consortium.file_format.file_kinds import TASK, expect_kind
from federation.consortium.file_format.file_types import Number
from federation.errors import ConfigError
from federation.training.models.registry import DEFAULT_MODEL, MODELS
from federation.training.optimizer import LARGEST_PARAMETER, MODEL_BITS
from federation.training.options import read_options, written
from federation.training.strategies.registry import DEFAULT_STRATEGY, STRATEGIES
from privacy_accounting.decimals import format_decimal
from privacy_accounting.errors import InvalidCostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.training.options import Option

KIND: Final = "train"
PAILLIER: Final = "paillier"
SHARES: Final = "shares"
MAX_ROUNDS: Final = 10_000
MAX_FEATURES: Final = 1_000
MAX_EXACT_ROUNDS: Final = 100
_LARGEST: Final = 10**9
_SMALLEST: Final = Fraction(1, 10**12)


def _bounded(value: Fraction) -> Fraction:
    if abs(value) > _LARGEST or (value != 0 and abs(value) < _SMALLEST):
        msg = "must be 0 or between 1e-12 and 1e9 in size"
        raise ValueError(msg)
    try:
        format_decimal(value)
    except InvalidCostError as error:
        msg = "must have a decimal expansion that ends"
        raise ValueError(msg) from error
    return value


def _listed(value: object) -> object:
    # a single text is not a list of its letters
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        msg = "must be a list of column names"
        raise ValueError(msg)  # noqa: TRY004  (pydantic collects ValueError alone)
    return tuple(value)


def _listed_numbers(value: object) -> object:
    if value is None:
        return None
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        msg = "must be a list of whole numbers"
        raise ValueError(msg)  # noqa: TRY004  (pydantic collects ValueError alone)
    return tuple(value)


def _plain_number(value: object) -> object:
    # a number of another library (numpy) counts as its value
    return value.item() if hasattr(value, "item") and not isinstance(value, int | float) else value


def _model(name: str) -> str:
    if name not in MODELS:
        msg = f"must be one of {', '.join(MODELS)}"
        raise ValueError(msg)
    return name


def _strategy(name: str) -> str:
    if name not in STRATEGIES:
        msg = f"must be one of {', '.join(STRATEGIES)}"
        raise ValueError(msg)
    return name


Exact = Annotated[Number, AfterValidator(_bounded)]
Amount = Annotated[Exact, Field(gt=0), BeforeValidator(_plain_number)]
Size = Annotated[Exact, Field(ge=0), BeforeValidator(_plain_number)]
Count = Annotated[int, Field(ge=1, strict=True)]


class TrainingTask(BaseModel):
    """One model to be trained over all sites.

    Attributes:
        table: of the consortium's schema.
        features: its columns, in the order of the model.
        target: the outcome's column. For a logistic regression a boolean column, or a categorical one with two values
            (the second is the positive class); for a multinomial one a categorical column, for a linear one a number, for
            a Poisson one a number whose lower bound is 0.
        model: the kind of model, by its name; docs/reference/task.md lists them.
        strategy: how a round moves the model, by its name; docs/reference/task.md lists them.
        epsilon: price of the whole run, lost attempts included; None only with ``exact``.
        exact: no noise, no clip: an exact disclosure of every round, where the sites' policies allow it. The step
            rule is fixed then: ``learning_rate``, ``l2``, ``momentum``, ``expected_units`` and all options that are not
            whole numbers keep their defaults.
        rounds: most attempts that are charged; without losses each is one step. At most 100 with ``exact``.
        learning_rate: of a step; see ``optimizer`` for its two rules. By default the strategy's own, else the model's.
        clip_norm: L2 bound on what one privacy unit adds to a site's gradient; not used with ``exact``.
        l2: strength of the penalty ``l2 / 2 |coef|^2`` on the mean loss; the intercept is free. Needs
            ``expected_units``, over which the mean is taken.
        momentum: part of the last step that is kept, from 0 up to but not 1.
        expected_units: public number by which each sum is divided. By default a sum is divided by the root of
            the squared norms of all sums so far, which needs no number of units.
        report_loss: one more number a round, the loss, paid from the same epsilon.
        purpose: as entered in the ledger.
        aggregation: how updates are added up: "paillier" by aggregator and key holder, "shares" by the sites among
            themselves, which needs no helper. The sums are the same integers.
        evaluate: parameters of a trained model, in units of ``2**-32``: its scores are counted by class, or its residuals
            added up, in one round, and nothing is trained; ``session.evaluate`` asks for it.
        options: parameters that this model or this strategy alone knows, all of them with their values; a task names
            them beside its other parameters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    table: str = Field(min_length=1, max_length=200)
    features: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        min_length=1, max_length=MAX_FEATURES
    )
    target: str = Field(min_length=1, max_length=200)
    model: Annotated[str, AfterValidator(_model)] = DEFAULT_MODEL
    strategy: Annotated[str, AfterValidator(_strategy)] = DEFAULT_STRATEGY
    epsilon: Amount | None = None
    exact: Annotated[bool, Field(strict=True)] = False
    rounds: Annotated[Count, Field(le=MAX_ROUNDS)] = 40
    learning_rate: Amount
    clip_norm: Amount = Fraction(1)
    l2: Size = Fraction(0)
    momentum: Annotated[Size, Field(lt=1)] = Fraction(0)
    expected_units: Annotated[Count, Field(le=_LARGEST)] | None = None
    report_loss: Annotated[bool, Field(strict=True)] = False
    purpose: str = Field(default="analysis", min_length=1, max_length=200)
    aggregation: Literal["paillier", "shares"] = PAILLIER
    evaluate: (
        Annotated[tuple[Annotated[int, Field(strict=True)], ...], BeforeValidator(_listed_numbers)] | None
    ) = None
    options: tuple[tuple[str, Any], ...] = ()

    def __init__(self, **fields: Any) -> None:
        """Check all fields together.

        Raises:
            ConfigError: with every mistake found.
        """
        names = set(type(self).model_fields) - {"options"}
        own = {name: value for name, value in fields.items() if name in names}
        others = {name: value for name, value in fields.items() if name not in names}
        model, strategy = fields.get("model", DEFAULT_MODEL), fields.get("strategy", DEFAULT_STRATEGY)
        options, mistakes = read_options(declared_options(model, strategy), others)
        if own.get("learning_rate") is None:
            own["learning_rate"] = default_rate(model, strategy)
        try:
            super().__init__(**own, options=options)
        except ValidationError as error:
            raise ConfigError(mistakes=[*_sentences(error), *mistakes]) from error
        if mistakes:
            raise ConfigError(mistakes=mistakes)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        mistakes = []
        if len(set(self.features)) != len(self.features):
            mistakes.append("features: names must differ")
        restores = MODELS[self.model].restores
        if restores and self.features != (self.target,):
            mistakes.append("target: this model gives its one feature back, so both are the same picture")
        if self.target in self.features and not restores:
            mistakes.append(f"target: {self.target} is one of the features")
        if self.exact == (self.epsilon is not None):
            mistakes.append("epsilon: give either an epsilon or exact = true")
        if self.evaluate is not None:
            mistakes += self._evaluation_mistakes()
        if self.exact:
            mistakes += self._exact_mistakes()
        elif self.l2 > 0 and self.expected_units is None:
            mistakes.append(
                "l2: needs expected_units, the public number of units over which the mean is taken"
            )
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    def _evaluation_mistakes(self) -> list[str]:
        """Find parameters that an evaluation has no use for, and an evaluation without noise.

        The analyst chooses the model whose scores are counted, and an exact count could be of any half-space (P16).
        """
        if self.exact:
            return ["evaluate: needs an epsilon"]
        fixed = {
            "rounds": self.rounds == 1,
            "strategy": self.strategy == DEFAULT_STRATEGY,
            "learning_rate": self.learning_rate == default_rate(self.model, self.strategy),
            "clip_norm": self.clip_norm == 1,
            "l2": self.l2 == 0,
            "momentum": self.momentum == 0,
            "expected_units": self.expected_units is None,
            "report_loss": not self.report_loss,
        }
        found = [
            f"{name}: is fixed in an evaluation and has to be left out"
            for name, kept in fixed.items()
            if not kept
        ]
        if self.evaluate and max(map(abs, self.evaluate)) > LARGEST_PARAMETER << MODEL_BITS:
            found.append("evaluate: no model has parameters of this size")
        return found

    def _exact_mistakes(self) -> list[str]:
        """Find parameters that would let an analyst choose the points at which exact sums are opened."""
        fixed = {
            "learning_rate": self.learning_rate == default_rate(self.model, self.strategy),
            "l2": self.l2 == 0,
            "momentum": self.momentum == 0,
            "expected_units": self.expected_units is None,
        }
        declared = declared_options(self.model, self.strategy)
        fixed |= {
            name: value == declared[name].default
            for name, value in self.options
            if not declared[name].is_whole
        }
        found = [
            f"{name}: is fixed without noise and has to be left out"
            for name, kept in fixed.items()
            if not kept
        ]
        if self.rounds > MAX_EXACT_ROUNDS:
            found.append(f"rounds: at most {MAX_EXACT_ROUNDS} without noise")
        return found

    @property
    def mode(self) -> str:
        """Return ``private`` or ``exact``, as in a request."""
        return "exact" if self.exact else "private"

    def question(self) -> dict[str, Any]:
        """Return the request's question: strings, integers, booleans and lists; epsilon and mode stand beside it.

        The default model, strategy and aggregation are not named, so that requests made before there were others
        keep their bytes.
        """
        chosen: dict[str, Any] = {name: written(value) for name, value in self.options}
        if self.model != DEFAULT_MODEL:
            chosen["model"] = self.model
        if self.strategy != DEFAULT_STRATEGY:
            chosen["strategy"] = self.strategy
        if self.aggregation != PAILLIER:
            chosen["aggregation"] = self.aggregation
        if self.evaluate is not None:
            chosen["evaluate"] = list(self.evaluate)
        return chosen | {
            "clip_norm": format_decimal(self.clip_norm),
            "expected_units": self.expected_units,
            "features": list(self.features),
            "l2": format_decimal(self.l2),
            "learning_rate": format_decimal(self.learning_rate),
            "momentum": format_decimal(self.momentum),
            "report_loss": self.report_loss,
            "rounds": self.rounds,
            "table": self.table,
            "target": self.target,
        }


def default_rate(model: object, strategy: object) -> Fraction:
    """Return the learning rate of a task that names none: the strategy's own, else the model's."""
    own = STRATEGIES[strategy].learning_rate if isinstance(strategy, str) and strategy in STRATEGIES else None
    known = MODELS[model] if isinstance(model, str) and model in MODELS else MODELS[DEFAULT_MODEL]
    if own is None:
        return known.learning_rate
    return known.adaptive_rate or own


def declared_options(model: object, strategy: object) -> dict[str, Option]:
    """Return the options of a model and a strategy; none for a name that does not exist."""
    declared: dict[str, Option] = {}
    if isinstance(model, str) and model in MODELS:
        declared.update(MODELS[model].options)
    if isinstance(strategy, str) and strategy in STRATEGIES:
        declared.update(STRATEGIES[strategy].options)
    return declared


def task_of(
    question: Mapping[str, Any], *, mode: str, epsilon: Fraction | None, purpose: str
) -> TrainingTask:
    """Read a task from a request.

    Args:
        question: the request's ``question``.
        mode: the request's mode.
        epsilon: the request's epsilon.
        purpose: the request's purpose.

    Raises:
        ConfigError: the question is not what ``TrainingTask.question`` writes.
    """
    fields = dict(question)
    if mode not in {"private", "exact"} or {"epsilon", "exact", "purpose"} & set(fields):
        raise ConfigError(mistakes=["question: not a training task"])
    task = TrainingTask(**fields, epsilon=epsilon, exact=mode == "exact", purpose=purpose)
    if task.question() != dict(question):
        raise ConfigError(mistakes=["question: not in canonical form"])
    return task


def load_task(path: str | Path, *, purpose: str | None = None) -> TrainingTask:
    """Read a task file.

    Args:
        path: TOML; its keys are the fields of ``TrainingTask``.
        purpose: stands for the file's own.

    Raises:
        ConfigError: the file cannot be read, or with every mistake found in it.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            document = tomllib.load(stream, parse_float=Decimal)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot read {path.name}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(mistakes=[f"{path.name} is not TOML: {error}"]) from error
    expect_kind(document, TASK, path.name)
    if "evaluate" in document:
        raise ConfigError(mistakes=["evaluate: is no key of a task file; session.evaluate asks for it"])
    return TrainingTask(**document if purpose is None else document | {"purpose": purpose})


def _sentences(error: ValidationError) -> list[str]:
    found = []
    for item in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in item["loc"])
        text = "must be given" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
        found += [f"{where}: {text}"] if where else text.split("; ")
    return found
