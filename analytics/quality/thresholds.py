"""The thresholds of a site's quality checks, as its administrator writes them; whole-file check.

Layer:       analytics.quality.thresholds, above check.
Guarantees:  unknown keys are refused with the keys that exist; every mistake is reported at once. Without a file the schema's
             own declarations are the checks, and ``Thresholds()`` are the shares.
Source:      ours.
"""

from __future__ import annotations

import datetime as dt  # noqa: TC003  pydantic reads the annotations
import tomllib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from analytics.errors import QualityFileError
from analytics.harmonise.made import nearest
from analytics.quality.check import CHECK_TYPES
from analytics.schema.numbers import exact_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.schema import Schema


def _number(value: object) -> Fraction:
    return exact_number(value)


def _check_name(value: object) -> object:
    if value not in CHECK_TYPES:
        msg = (
            f"there is no check {value}{nearest(str(value), CHECK_TYPES)}; there are {', '.join(CHECK_TYPES)}"
        )
        raise ValueError(msg)
    return value


Number = Annotated[Fraction, BeforeValidator(_number)]
Share = Annotated[Number, Field(ge=0, le=1)]
CheckName = Annotated[str, BeforeValidator(_check_name)]


class Model(BaseModel):
    """Base of all parts of the file: frozen, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Shares(Model):
    """Largest shares of violating rows.

    Attributes:
        missing: of rows without a value, in columns that may be missing.
        required: likewise in columns that the schema declares as always known.
        unreadable: of values that are no number, date or word for yes and no.
        outside_domain: of values outside the declared domain.
        outside_range: of values below or above the range, each side for itself.
        placeholder: of values that look like a word for "missing".
        duplicates: of rows beyond ``max_rows_per_unit`` or without an identifier.
        dates: of dates in the future, or before the earliest plausible one.
        rules: of rows that break a rule between columns.
    """

    missing: Share = Fraction(2, 5)
    required: Share = Fraction(0)
    unreadable: Share = Fraction(0)
    outside_domain: Share = Fraction(0)
    outside_range: Share = Fraction(0)
    placeholder: Share = Fraction(0)
    duplicates: Share = Fraction(0)
    dates: Share = Fraction(0)
    rules: Share = Fraction(0)


class ColumnRules(Model):
    """What holds for one column instead of the defaults.

    Attributes:
        missing: as in ``Shares``, for this column, whether or not it may be missing.
        unreadable: likewise.
        outside_domain: likewise.
        outside_range: likewise.
        placeholder: likewise.
        low: smallest plausible value; default: the schema's lower bound.
        high: largest plausible value.
        not_applicable: checks that do not apply here, each with the reason.
    """

    missing: Share | None = None
    unreadable: Share | None = None
    outside_domain: Share | None = None
    outside_range: Share | None = None
    placeholder: Share | None = None
    low: Number | None = None
    high: Number | None = None
    not_applicable: dict[CheckName, Annotated[str, Field(min_length=1)]] = {}

    @model_validator(mode="after")
    def _range(self) -> ColumnRules:
        if self.low is not None and self.high is not None and self.low >= self.high:
            msg = "low must be below high"
            raise ValueError(msg)
        return self


class DateRules(Model):
    """A column of dates, of the schema or only of the site's view.

    Attributes:
        earliest: the first plausible day.
        after: another column of dates, which must not be later.
        most: largest share of violating rows.
        newest_within_days: the newest date may be at most so many days old.
    """

    earliest: dt.date | None = None
    after: str | None = None
    most: Share | None = None
    newest_within_days: Annotated[int, Field(gt=0, strict=True)] | None = None


class Rule(Model):
    """A rule between columns.

    Attributes:
        expression: what must hold in each row, in the language of derived columns; a row where it is missing is left out.
        most: largest share of rows that break it.
        dimension: how it counts in the score card.
        repair: what to do, in words or as a step of the mapping.
    """

    expression: Annotated[str, Field(min_length=1)]
    most: Share | None = None
    dimension: Literal["completeness", "validity", "consistency", "timeliness"] = "consistency"
    repair: str = ""


class TableRules(Model):
    """The rules of one table; each part may be left out."""

    columns: dict[str, ColumnRules] = {}
    dates: dict[str, DateRules] = {}
    rules: dict[str, Rule] = {}


class Thresholds(Model):
    """The whole file."""

    version: Literal[1] = 1
    shares: Shares = Shares()
    tables: dict[str, TableRules] = {}

    def of(self, table: str) -> TableRules:
        """The rules of a table; empty where the file has none."""
        return self.tables.get(table, TableRules())


def read_thresholds(path: Path | str, schema: Schema) -> Thresholds:
    """Read a file of thresholds and hold it against the schema.

    Args:
        path: the TOML file.
        schema: the consortium's.

    Returns:
        The thresholds.

    Raises:
        QualityFileError: with every mistake.
    """
    path = Path(path)
    try:
        document = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise QualityFileError(source=path.name, mistakes=[f"it cannot be read: {error.strerror}"]) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise QualityFileError(source=path.name, mistakes=[f"it is not TOML: {error}"]) from None
    if "version" not in document:
        document = {"version": None} | document
    try:
        found = Thresholds.model_validate(document)
    except ValidationError as error:
        raise QualityFileError(source=path.name, mistakes=list(_mistakes(error))) from None
    if mistakes := list(_unknown_names(found, schema)):
        raise QualityFileError(source=path.name, mistakes=mistakes)
    return found


def _mistakes(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in item["loc"] if part != "[key]"]
        text = item["msg"].removeprefix("Value error, ")
        if path == ["version"]:
            text = "must be there, and be 1"
        elif item["type"] == "extra_forbidden":
            known = _keys(path[:-1])
            text = f"there is no such key{nearest(path[-1], known)}; there are {', '.join(known)}"
        yield f"{'.'.join(path) or 'file'}: {text}"


def _keys(path: list[str]) -> list[str]:
    """The keys that a place of the file may have."""
    kinds: dict[str, Any] = {"columns": ColumnRules, "dates": DateRules, "rules": Rule}
    match path:
        case []:
            kind: Any = Thresholds
        case ["shares"]:
            kind = Shares
        case ["tables", _]:
            kind = TableRules
        case _:
            kind = kinds[path[2]]
    return list(kind.model_fields)


def _unknown_names(found: Thresholds, schema: Schema) -> Iterator[str]:
    for name, rules in found.tables.items():
        table = schema.tables.get(name)
        if table is None:
            yield f"tables.{name}: there is no such table{nearest(name, schema.tables)}; there are {', '.join(schema.tables)}"
            continue
        for column in rules.columns:
            if column not in table.columns or column == table.privacy_unit:
                known = [each for each in table.columns if each != table.privacy_unit]
                yield (
                    f"tables.{name}.columns.{column}: the schema declares no such column{nearest(column, known)}; "
                    f"there are {', '.join(known)}"
                )
