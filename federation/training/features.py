"""Features of a table as numbers between -1 and 1, from the schema's public facts.

Layer:       federation.training.features. Pure numpy.
Terms:       a numeric column's value x becomes ``(2 x - lower - upper) / (upper - lower)``; a boolean 0 or 1; a
             categorical one 0 or 1 for each value of its domain but the first, which is the reference. The intercept,
             always 1, is the last column.
Shapes:      codes int64 ``(n, n_features)``, as the clean table holds them; matrix float64 ``(n, width)``.
Guarantees:  every entry of the matrix lies in [-1, 1], whatever the rows. Nothing is learned from data (no mean, no
             deviation, no list of seen values).
Source:      PRIVACY P13, P20.
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
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    import pandas as pd

INTERCEPT: Final = "intercept"
_BINARY: Final = 2


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

    def columns(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
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
    """Features and target of one model.

    Attributes:
        features: in the task's order.
        target: the target's column.
        classes: its two values, the positive one last.
    """

    features: tuple[Feature, ...]
    target: str
    classes: tuple[str | int | bool, str | int | bool]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the matrix's columns, the intercept last."""
        return (*(label for feature in self.features for label in feature.labels), INTERCEPT)

    @property
    def width(self) -> int:
        """Number of parameters."""
        return len(self.labels)

    def matrix(self, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Encode rows.

        Args:
            codes: clean values, shape ``(n, n_features)``.

        Returns:
            Shape ``(n, width)``, entries in [-1, 1].
        """
        parts = [feature.columns(codes[:, place]) for place, feature in enumerate(self.features)]
        return np.concatenate([*parts, np.ones((len(codes), 1))], axis=1)

    def codes_of(self, frame: pd.DataFrame) -> npt.NDArray[np.int64]:
        """Clean a frame as a site cleans its table: clip to the bounds, round to the grid.

        Raises:
            InvalidRequestError: a column or a value is missing, or does not match the schema.
        """
        parts = [_codes(feature, frame) for feature in self.features]
        return np.stack(parts, axis=1) if parts else np.zeros((len(frame), 0), np.int64)


def encode_table(table: Table, features: Sequence[str], target: str) -> tuple[Encoding | None, list[str]]:
    """Derive the encoding of a table's columns.

    Args:
        table: of the schema.
        features: column names.
        target: column name.

    Returns:
        The encoding, or None, and every mistake.
    """
    found = [f"table: {table.open_guess}"] if table.open_guess else []
    encoded = [_feature(table, name, found) for name in features]
    classes = _classes(table, target, found)
    if found or classes is None:
        return None, found
    kept = tuple(feature for feature in encoded if feature is not None)
    name = _column(table, target, "target", found)
    return Encoding(features=kept, target=name.name if name else target, classes=classes), found


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


def _feature(table: Table, name: str, found: list[str]) -> Feature | None:
    column = _column(table, name, "features", found)
    if isinstance(column, NumericColumn):
        lower, upper = column.grid_lower, column.grid_upper
        return Feature(
            name=column.name, kind="numeric", lower=lower, upper=upper, resolution=column.resolution
        )
    if isinstance(column, BooleanColumn):
        return Feature(name=column.name, kind="boolean")
    if isinstance(column, CategoricalColumn):
        if len(column.domain) < _BINARY:
            found.append(f"features: {name} has one value only, so a model can learn nothing from it")
        return Feature(name=column.name, kind="categorical", domain=column.domain)
    return None


def _classes(table: Table, name: str, found: list[str]) -> tuple[str | int | bool, str | int | bool] | None:
    column = _column(table, name, "target", found)
    if isinstance(column, BooleanColumn):
        return (False, True)
    if isinstance(column, CategoricalColumn) and len(column.domain) == _BINARY:
        return (column.domain[0], column.domain[1])
    if isinstance(column, CategoricalColumn) and len(column.domain) < _BINARY:
        found.append(f"target: {name} is constant: its domain has one value")
    elif column is not None:
        found.append(f"target: {name} must be boolean or have a domain of two values")
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
