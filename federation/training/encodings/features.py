"""Features and outcome of a table as numbers between -1 and 1, from the schema's public facts.

Layer:       federation.training.encodings.features. Pure numpy.
Terms:       a numeric column's value x becomes ``(2 x - lower - upper) / (upper - lower)``; a boolean 0 or 1; a
             categorical one 0 or 1 for each value of its domain but the first, which is the reference. The intercept,
             always 1, is the last column. A numeric outcome is encoded like a feature; a class is its place.
Shapes:      codes int64 ``(n, n_features)``, as the clean table holds them; matrix float64 ``(n, width)``.
Guarantees:  every entry of the matrix lies in [-1, 1], whatever the rows. Nothing is learned from data (no mean, no
             deviation, no list of seen values).
Source:      docs/guarantees.md P13, P20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.schema import BooleanColumn, CategoricalColumn, Column, NumericColumn, Table
from analytics.schema.numbers import exact_number
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from fractions import Fraction

    import pandas as pd

Floats = npt.NDArray[np.float64]
INTERCEPT: Final = "intercept"
NUMERIC: Final = "numeric"
BINARY: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column as the model sees it.

    Attributes:
        name: of the column.
        kind: ``numeric``, ``boolean`` or ``categorical``.
        lower: grid index of the lower bound (numeric).
        upper: grid index of the upper bound (numeric).
        resolution: the grid's step (numeric).
        domain: the public values, the reference first (categorical).
    """

    name: str
    kind: str
    lower: int = 0
    upper: int = 0
    resolution: Fraction | None = None
    domain: tuple[str | int, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of its columns in the matrix."""
        if self.kind == "categorical":
            return tuple(f"{self.name}={value}" for value in self.domain[1:])
        return (self.name,)

    @property
    def classes(self) -> tuple[str | int | bool, ...]:
        """The values of a boolean or categorical column, in the order of their codes; empty for a number."""
        return (False, True) if self.kind == "boolean" else self.domain

    @property
    def scale(self) -> tuple[object, ...]:
        """The public facts by which it is encoded; its name is not one of them."""
        return (self.classes, self.lower, self.upper, self.resolution)

    @property
    def domain_names(self) -> tuple[str, ...]:
        """The values of a categorical column, or the classes of a mask, as texts."""
        return tuple(map(str, self.domain))

    @property
    def is_constant(self) -> bool:
        """Whether its public facts allow one value only."""
        return self.kind == "categorical" and len(self.domain) < BINARY

    def columns(self, codes: npt.NDArray[np.int64]) -> Floats:
        """Its columns of the matrix, shape ``(n, len(labels))``."""
        if self.kind == "categorical":
            return np.equal(codes[:, None], np.arange(1, len(self.domain))).astype(np.float64)
        if self.kind == "boolean":
            return codes.astype(np.float64)[:, None]
        middle = (2 * codes - self.lower - self.upper).astype(np.float64)
        return middle[:, None] / (self.upper - self.lower)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        step = None if self.resolution is None else format_decimal(self.resolution)
        return {
            "name": self.name,
            "kind": self.kind,
            "lower": self.lower,
            "upper": self.upper,
            "resolution": step,
            "domain": list(self.domain),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Feature:
        """Read plain data."""
        step = fields["resolution"]
        return cls(
            name=str(fields["name"]),
            kind=str(fields["kind"]),
            lower=int(fields["lower"]),
            upper=int(fields["upper"]),
            resolution=None if step is None else exact_number(step),
            domain=tuple(fields["domain"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """Features and outcome of one model.

    Attributes:
        features: in the task's order.
        outcome: the target's column, encoded like a feature.
    """

    features: tuple[Feature, ...]
    outcome: Feature

    @property
    def target(self) -> str:
        """Name of the target's column."""
        return self.outcome.name

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the matrix's columns, the intercept last."""
        return (*(label for feature in self.features for label in feature.labels), INTERCEPT)

    @property
    def width(self) -> int:
        """Number of parameters."""
        return len(self.labels)

    def matrix(self, codes: npt.NDArray[np.int64]) -> Floats:
        """Encode rows.

        Args:
            codes: clean values, shape ``(n, n_features)``.

        Returns:
            Shape ``(n, width)``, entries in [-1, 1].
        """
        parts = [feature.columns(codes[:, place]) for place, feature in enumerate(self.features)]
        return np.concatenate([*parts, np.ones((len(codes), 1))], axis=1)

    def cases(self, rows: npt.NDArray[np.int64]) -> Cases:
        """Encode rows as ``LocalTable.complete_cases`` gives them, unit first and target last.

        A class is the number of its place, from 0.
        """
        _, starts = np.unique(rows[:, 0], return_index=True)
        codes = rows[:, -1]
        target = codes.astype(np.float64) if self.outcome.classes else self.outcome.columns(codes)[:, 0]
        return Cases(matrix=self.matrix(rows[:, 1:-1]), target=target, starts=starts)

    def codes_of(self, frame: pd.DataFrame | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Clean a frame as a site cleans its table: clip to the bounds, round to the grid.

        Args:
            frame: columns by name; or an array of the features in their order, shape ``(n, n_features)``.

        Raises:
            InvalidRequestError: a column or a value is missing, or does not match the schema.
        """
        frame = self._named(frame)
        parts = [_codes(feature, frame) for feature in self.features]
        return np.stack(parts, axis=1) if parts else np.zeros((len(frame), 0), np.int64)

    def _named(self, rows: pd.DataFrame | npt.NDArray[Any]) -> pd.DataFrame:
        """Return an array or a list of rows as a frame; a frame as it is."""
        import pandas as pd

        if isinstance(rows, pd.DataFrame):
            return rows
        array = np.asarray(rows)
        if array.shape != (len(array) if array.ndim else 0, len(self.features)):
            reason = f"must be a frame, or an array of {len(self.features)} columns, one for each feature"
            raise InvalidRequestError(parameter="frame", reason=reason)
        return pd.DataFrame(array, columns=[feature.name for feature in self.features])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Rows that have all features and the outcome, encoded; ``repr`` shows nothing of them.

    Attributes:
        matrix: shape ``(n, width)``.
        target: the outcome, shape ``(n,)``: a number in [-1, 1], or the place of its class.
        starts: index of each unit's first row, rising.
    """

    matrix: Floats
    target: Floats
    starts: npt.NDArray[np.intp]

    def __repr__(self) -> str:
        return "Cases()"


def encode_table(
    table: Table,
    features: Sequence[str],
    target: str,
    mistake_of: Callable[[Feature], str | None] = lambda _: None,
) -> tuple[Encoding | None, list[str]]:
    """Derive the encoding of a table's columns.

    Args:
        table: of the schema.
        features: column names.
        target: column name.
        mistake_of: says why a model cannot learn an outcome; None where it can.

    Returns:
        The encoding, or None, and every mistake.
    """
    found = [f"table: {table.open_guess}"] if table.open_guess else []
    encoded = [_encoded(table, name, "features", found) for name in features]
    found += [
        f"features: {feature.name} has one value only, so a model can learn nothing from it"
        for feature in encoded
        if feature is not None and feature.is_constant
    ]
    outcome = _encoded(table, target, "target", found)
    if outcome is not None and (mistake := mistake_of(outcome)) is not None:
        found.append(f"target: {outcome.name} {mistake}")
    if found or outcome is None:
        return None, found
    return Encoding(features=tuple(filter(None, encoded)), outcome=outcome), found


def _column(table: Table, name: str, place: str, found: list[str]) -> Column | None:
    column = table.column(name)
    if column is None:
        found.append(f"{place}: {name} is not a column of {table.name}")
        return None
    if column.name == table.privacy_unit:
        found.append(f"{place}: {name} identifies the privacy unit of a row and cannot be learned from")
        return None
    if column.guessed:
        found.append(f"{place}: {name} is marked guessed: a person has to confirm its bounds first")
        return None
    return column


def _encoded(table: Table, name: str, place: str, found: list[str]) -> Feature | None:
    column = _column(table, name, place, found)
    if isinstance(column, NumericColumn):
        lower, upper = column.grid_lower, column.grid_upper
        return Feature(name=column.name, kind=NUMERIC, lower=lower, upper=upper, resolution=column.resolution)
    if isinstance(column, BooleanColumn):
        return Feature(name=column.name, kind="boolean")
    if isinstance(column, CategoricalColumn):
        return Feature(name=column.name, kind="categorical", domain=column.domain)
    return None


def _codes(feature: Feature, frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    import pandas as pd

    if feature.name not in frame.columns:
        raise InvalidRequestError(parameter="frame", reason=f"has no column {feature.name}")
    column = frame[feature.name]
    if bool(column.isna().any()):
        reason = f"has missing values in {feature.name}: drop or fill those rows first"
        raise InvalidRequestError(parameter="frame", reason=reason)
    if feature.kind == "categorical":
        places = pd.Index(list(feature.domain)).get_indexer(pd.Index(list(column)))
        return _known(feature, places.astype(np.int64))
    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)
    if feature.kind == "boolean":
        return _known(feature, np.where(numbers == 1, 1, np.where(numbers == 0, 0, -1)).astype(np.int64))
    step = float(feature.resolution or 1)
    scaled = np.clip(np.nan_to_num(numbers, nan=np.inf) / step, feature.lower, feature.upper)
    return _known(
        feature,
        np.where(np.isnan(numbers), feature.lower - 1, np.rint(scaled)).astype(np.int64),
        feature.lower,
    )


def _known(feature: Feature, codes: npt.NDArray[np.int64], least: int = 0) -> npt.NDArray[np.int64]:
    if (codes < least).any():
        raise InvalidRequestError(
            parameter="frame", reason=f"has values in {feature.name} that the schema does not know"
        )
    return codes
