"""The keys of a mapping, as a site's administrator writes them.

Layer:       analytics.harmonise.mapping, the lowest of harmonise. Pure.
Terms:       a *block* is one file of the site and what is done with its rows: ``[table]`` is the one that questions are
             asked of, ``[inputs.NAME]`` are others, which it may join.
Guarantees:  unknown keys are refused; nothing is guessed from rows.
See instead: reading a file (``reading``), what the keys do (docs/harmonising.md).
Source:      ours.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from analytics.schema.numbers import exact_number

_MOST_NAME = 200


def _number(value: object) -> Fraction:
    return exact_number(value)


def _name(value: str) -> str:
    if not value.strip() or len(value) > _MOST_NAME or '"' in value or "#" in value or "\0" in value:
        msg = f'must be a name of 1 to {_MOST_NAME} characters without " and #'
        raise ValueError(msg)
    return value


def _text(value: object) -> str:
    """A text, or a number as it is written."""
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        return str(value)
    msg = "must be a text"
    raise ValueError(msg)


Number = Annotated[Fraction, BeforeValidator(_number)]
Positive = Annotated[Number, Field(gt=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Name = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, BeforeValidator(_text)]
Kind = Literal["text", "number", "date", "boolean"]
Unmapped = Literal["missing", "keep", "refuse"]


class Model(BaseModel):
    """Base of all parts of a mapping: frozen, without unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=True
    )


class Range(Model):
    """What a number may be, and what becomes of one outside."""

    low: Number | None = None
    high: Number | None = None
    outside: Literal["missing", "clip", "flag", "drop", "refuse"] = "missing"
    flag: Name | None = Field(default=None, description="for flag: the name of the new column")
    basis: str = Field(
        default="", description="where the limits are from; written by crossward harmonise fit"
    )

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low is None and self.high is None:
            msg = "give low, high or both"
            raise ValueError(msg)
        if self.low is not None and self.high is not None and self.low > self.high:
            msg = "low is above high"
            raise ValueError(msg)
        if (self.outside == "flag") != (self.flag is not None):
            msg = 'flag = "NAME" belongs to outside = "flag"'
            raise ValueError(msg)
        return self


class MissingRule(Model):
    """What becomes of a missing value."""

    rule: Literal["drop", "flag", "constant", "refuse"]
    value: Text | bool | None = Field(
        default=None, description="for constant: a public constant, equal at every site"
    )
    flag: Name | None = Field(default=None, description="a new column: whether the value was missing")
    basis: str = Field(
        default="", description="where the constant is from; written by crossward harmonise fit"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.rule == "constant") != (self.value is not None):
            msg = 'value belongs to rule = "constant"'
            raise ValueError(msg)
        if self.rule == "flag" and self.flag is None:
            msg = 'rule = "flag" needs flag = "NAME"'
            raise ValueError(msg)
        if self.rule in {"drop", "refuse"} and self.flag is not None:
            msg = "flag belongs to the rules flag and constant"
            raise ValueError(msg)
        return self


class Scale(Model):
    """A number less its centre, over its scale; both public constants, equal at every site."""

    centre: Number
    scale: Positive
    basis: str = Field(default="", description="where the two are from; written by crossward harmonise fit")


class ColumnRule(Model):
    """One column: from the file's cell to a value of the consortium's schema."""

    source: Name | None = Field(
        default=None, alias="from", description="the file's column; default: the same name"
    )
    type: Kind = "text"
    missing: tuple[Text, ...] = Field(default=(), description="cells that mean no value, besides empty ones")
    words: dict[str, Text] | None = Field(default=None, description="the file's words and what each means")
    codes: str | None = Field(default=None, description="the name of a code map")
    level: Literal["category", "block", "chapter"] | None = Field(
        default=None, description="roll a code up in a hierarchy"
    )
    hierarchy: str | None = Field(default=None, description="the name of a hierarchy; default: ICD-10-CM")
    unmapped: Unmapped = Field(default="missing", description="a word or code without a target")
    unread: Literal["missing", "refuse"] = Field(
        default="refuse", description="a text that is no number, date or word for yes and no"
    )
    decimal: Literal[".", ","] | None = Field(default=None, description="default: the file's")
    formats: tuple[str, ...] = Field(default=(), description="of dates; default: the file's")
    yes: tuple[Text, ...] = ()
    no: tuple[Text, ...] = ()
    unit: str | None = Field(default=None, description="the file's unit, UCUM")
    unit_from: Name | None = Field(default=None, description="the file's column that holds each row's unit")
    units: tuple[str, ...] = Field(
        default=(), description="for unit_from: the UCUM units that are understood"
    )
    unit_words: dict[str, str] = Field(default_factory=dict, description="local spellings of units, in UCUM")
    unknown_unit: Literal["missing", "refuse"] = "missing"
    to_unit: str | None = Field(default=None, description="the schema's unit, UCUM")
    analyte: str | None = Field(default=None, description="needed between mass and amount")
    digits: Annotated[int, Field(ge=0, le=9, strict=True)] | None = Field(
        default=None, description="decimals after a conversion; default: the schema's resolution"
    )
    range: Range | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for reason in self._mistakes():
            raise ValueError(reason)
        return self

    def _mistakes(self) -> list[str]:
        has_unit = self.unit is not None or self.unit_from is not None
        is_number = self.type == "number"
        per_row = self.unit_from is not None
        rules = (
            (self.words is not None and self.codes is not None, "words and codes: give one of them"),
            (has_unit != (self.to_unit is not None), "unit (or unit_from) and to_unit belong together"),
            (self.unit is not None and per_row, "unit and unit_from: give one of them"),
            (per_row and not (self.units or self.unit_words), "unit_from needs units or unit_words"),
            (not per_row and bool(self.units or self.unit_words), "units and unit_words belong to unit_from"),
            (has_unit and not is_number, 'a unit needs type = "number"'),
            (self.analyte is not None and not has_unit, "analyte belongs to a unit"),
            (self.digits is not None and not has_unit, "digits belongs to a unit"),
            (self.range is not None and not is_number, 'range needs type = "number"'),
            (self.hierarchy is not None and self.level is None, "hierarchy needs level"),
            (bool(self.formats) and self.type != "date", 'formats needs type = "date"'),
            (any("%" not in each for each in self.formats), 'formats: such as "%d.%m.%Y"'),
            (bool(self.yes or self.no) and self.type != "boolean", 'yes and no need type = "boolean"'),
            (bool(self.yes) != bool(self.no), "yes and no need a word each"),
            (self.decimal is not None and not is_number, 'decimal needs type = "number"'),
        )
        return [reason for is_wrong, reason in rules if is_wrong]


class Derived(Model):
    """A column made of others."""

    expression: str = Field(min_length=1, max_length=2_000)
    range: Range | None = None


class Duplicates(Model):
    """Which one of the rows with one key stays."""

    key: Annotated[tuple[Name, ...], Field(min_length=1)]
    keep: Literal["newest", "oldest", "most_complete", "identical"]
    by: Name | None = Field(default=None, description="for newest and oldest: a column of dates or numbers")

    @model_validator(mode="after")
    def _has_order(self) -> Self:
        if (self.keep in {"newest", "oldest"}) != (self.by is not None):
            msg = "by belongs to keep newest and oldest"
            raise ValueError(msg)
        return self


class Join(Model):
    """Columns of another block, by a key that is unique there."""

    on: Annotated[dict[Name, Name], Field(min_length=1, description="this block's column and the other's")]
    columns: tuple[Name, ...] = Field(default=(), description="default: all but the key")
    unmatched: Literal["missing", "drop", "refuse"] = "missing"


class RolledUp(Model):
    """One figure over the rows of a key."""

    take: Literal["first", "last", "min", "max", "mean", "count", "any"]
    of: Name | None = Field(default=None, description="the column; count without one counts rows")

    @model_validator(mode="after")
    def _has_column(self) -> Self:
        if self.of is None and self.take != "count":
            msg = "of is missing"
            raise ValueError(msg)
        return self


class Window(Model):
    """Rows whose date lies before an index date, by at most so many days."""

    date: Name
    before: Name = Field(description="the column of the index date")
    days: Annotated[int, Field(ge=1, strict=True)] | None = None
    on_the_day: bool = Field(default=False, description="whether a row of the index day itself counts")


class RollUp(Model):
    """One row a key."""

    by: Annotated[tuple[Name, ...], Field(min_length=1)]
    order: Name | None = Field(default=None, description="for first and last: a column of dates or numbers")
    window: Window | None = None
    columns: Annotated[dict[Name, RolledUp], Field(min_length=1)]

    @model_validator(mode="after")
    def _has_order(self) -> Self:
        if self.order is None and any(each.take in {"first", "last"} for each in self.columns.values()):
            msg = "first and last need order"
            raise ValueError(msg)
        return self


def as_derived(value: object) -> object:
    """A text alone is the expression."""
    if not isinstance(value, dict):
        return value
    return {name: {"expression": own} if isinstance(own, str) else own for name, own in value.items()}


class Block(Model):
    """One file, and what is done with its rows, in this order."""

    other_columns: Literal["leave_out", "keep"] = "leave_out"
    columns: dict[Name, ColumnRule] = Field(default_factory=dict)
    duplicates: Duplicates | None = None
    join: dict[str, Join] = Field(default_factory=dict)
    derive: Annotated[dict[Name, Derived], BeforeValidator(as_derived)] = Field(default_factory=dict)
    rollup: RollUp | None = None
    missing: dict[Name, MissingRule] = Field(default_factory=dict)
    scale: dict[Name, Scale] = Field(default_factory=dict)
    most_lost: Share = Field(
        default=Fraction(1, 2),
        description="largest share of the rows that steps may lose; beyond it: refused",
    )

    @model_validator(mode="after")
    def _has_columns(self) -> Self:
        if not self.columns and self.other_columns == "leave_out":
            msg = 'give columns, or other_columns = "keep"'
            raise ValueError(msg)
        return self


class MainBlock(Block):
    """The file of the table itself."""

    person: Name | None = Field(
        default=None,
        description="the column that says whose row it is, where the schema's privacy unit is the row",
    )


class Input(Block):
    """Another file of the site."""

    file: str = Field(min_length=1, description="a path beside the mapping")
    relation: str = Field(default="", description="for a DuckDB file: the table in it")
    delimiter: str | None = None
    quote: str | None = None
    encoding: str | None = None
    view_definition: str | None = Field(
        default=None, description="for FHIR resources: a ViewDefinition, a path beside the mapping"
    )


class CodeMap(Model):
    """A code map: a CSV file, or pairs."""

    file: str | None = Field(default=None, description="CSV with a header row, a path beside the mapping")
    source: str = "source"
    target: str = "target"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    pairs: dict[str, Text] | None = None
    form: Literal["exact", "code"] = Field(
        default="exact", description="code: without dots and blanks, in upper case"
    )

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        if (self.file is None) == (self.pairs is None):
            msg = "give file or pairs"
            raise ValueError(msg)
        return self


class Hierarchy(Model):
    """A hierarchy of codes: a CSV file with the columns code (three characters), block and chapter."""

    file: str
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","


class MappingFile(Model):
    """A whole mapping."""

    version: Literal[1]
    table: MainBlock
    inputs: dict[Name, Input] = Field(default_factory=dict)
    codes: dict[Name, CodeMap] = Field(default_factory=dict)
    hierarchies: dict[Name, Hierarchy] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _is_a_mapping(cls, document: Any) -> Any:
        if isinstance(document, dict) and "table" in document.get("inputs", {}):
            msg = "inputs: table is the name of the block that questions are asked of"
            raise ValueError(msg)
        return document
