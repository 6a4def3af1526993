"""Reading a schema's dictionary; all mistakes are collected before one error is raised.

Layer:       analytics.schema between columns and tables.
Guarantees:  unknown keys, wrong types and missing keys are all reported with their path; nothing is guessed.
Source:      ours.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analytics.errors import Mistake, SchemaError
from analytics.schema.columns import (
    BooleanColumn,
    CategoricalColumn,
    Column,
    IdentifierColumn,
    NumericColumn,
)
from analytics.schema.numbers import exact_number
from analytics.schema.pictures import EXACT, GREY, Picture, windows_of

if TYPE_CHECKING:
    from fractions import Fraction

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
_NAME_RULE = "must be a letter or _ and up to 62 more letters, digits or _"
_MAX_COLUMNS = 1_000
_MAX_TABLES = 100

_TABLE_KEYS = frozenset(
    {"population", "privacy_unit", "max_rows_per_unit", "max_sites_per_unit", "rows_max"}
    | {"exact_dimensions", "columns", "unit_form", "pictures", "guessed", "link_form"}
)
_PICTURE_KEYS = frozenset({"size", "channels", "window", "spacing", "fit", "classes", "flatten"})
_MAX_PICTURES = 20
_UNIT_FORMS = ("text", "integer")
_LINK_STEPS = ("nfkc", "casefold", "no_blanks", "no_punctuation", "no_leading_zeros")
_GUESSABLE = ("privacy_unit", "unit_form", "max_rows_per_unit", "rows_max")
_FLAGS = frozenset({"type", "nullable", "guessed"})
_COLUMN_KEYS = {
    "numeric": _FLAGS | {"lower", "upper", "resolution", "unit", "bins", "expected_mean"},
    "categorical": _FLAGS | {"domain"},
    "boolean": _FLAGS,
    "identifier": frozenset({"type"}),
    "text": frozenset({"type"}),  # another word for identifier
}


class _Section:
    """One table of the schema file under reading, with its path and the list of mistakes."""

    def __init__(self, path: str, mapping: object, mistakes: list[Mistake]) -> None:
        self.path, self.mistakes = path, mistakes
        self.mapping: Mapping[str, object] = {}
        if isinstance(mapping, Mapping) and all(isinstance(key, str) for key in mapping):
            self.mapping = mapping
        else:
            self.report("", "must be a table of named values")

    def report(self, key: str, problem: str) -> None:
        path = ".".join(part for part in (self.path, key) if part)
        self.mistakes.append(Mistake(path=path or "schema", problem=problem))

    def allow(self, keys: frozenset[str]) -> None:
        for key in self.mapping:
            if key not in keys:
                near = difflib.get_close_matches(key, sorted(keys), n=1)
                self.report(key[:80], "is not a known key" + (f": did you mean {near[0]}?" if near else ""))

    def read(self, key: str, reader: Callable[[object], Any], default: object) -> Any:
        """The value under a key through its reader; the default where absent or reported as a mistake."""
        if key not in self.mapping:
            return default
        return self.require(key, reader, default)

    def require(self, key: str, reader: Callable[[object], Any], stand_in: object) -> Any:
        """As read, but absence is a mistake; the stand-in lets the rest still be checked."""
        if key not in self.mapping:
            self.report(key, "is missing")
            return stand_in
        try:
            return reader(self.mapping[key])
        except ValueError as error:
            self.report(key, str(error))
            return stand_in


def _refuse(message: str) -> ValueError:
    return ValueError(message)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _refuse("must be a whole number")
    number = exact_number(value)
    if number.denominator != 1:
        raise _refuse("must be a whole number")
    return int(number)


def _integers(value: object) -> tuple[int, ...]:
    return tuple(_integer(item) for item in _list(value))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise _refuse("must be true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > 200:  # noqa: PLR2004
        raise _refuse("must be a text of at most 200 printable characters")
    return value


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise _refuse(_NAME_RULE)
    return value


def _unit_form(value: object) -> str:
    if value not in _UNIT_FORMS:
        raise _refuse("must be text or integer")
    return str(value)


def _link_form(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or any(step not in _LINK_STEPS for step in value):
        raise _refuse(f"must be a list of steps, of {', '.join(_LINK_STEPS)}")
    return tuple(step for step in _LINK_STEPS if step in value)


def _guesses(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or any(name not in _GUESSABLE for name in value):
        raise _refuse(f"must be a list of keys that wait for a person, of {', '.join(_GUESSABLE)}")
    return tuple(name for name in _GUESSABLE if name in value)


def _list(value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _refuse("must be a list")
    return tuple(value)


def _names(value: object) -> tuple[str, ...]:
    return tuple(_name(item) for item in _list(value))


def _numbers(value: object) -> tuple[Fraction, ...]:
    return tuple(exact_number(item) for item in _list(value))


def read_tables(
    mapping: Mapping[str, object], mistakes: list[Mistake]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each table's name and the fields of its Table, as far as they could be read.

    Args:
        mapping: the whole schema.
        mistakes: grows by every mistake found.

    Yields:
        Name and keyword arguments; a stand-in takes the place of what could not be read, so that the rules
        over the whole table are still checked.
    """
    top = _Section("", mapping, mistakes)
    top.allow(frozenset({"tables"}))
    tables = _Section("tables", top.mapping.get("tables"), mistakes)
    if not 1 <= len(tables.mapping) <= _MAX_TABLES:
        tables.report("", f"must hold 1 to {_MAX_TABLES} tables")
        return
    if len({name.lower() for name in tables.mapping}) != len(tables.mapping):
        tables.report("", "two names differ only in upper and lower case")
    for name, body in tables.mapping.items():
        if not _NAME.fullmatch(name):
            tables.report(name[:80], _NAME_RULE)
            continue
        yield name, _read_table(name, _Section(f"tables.{name}", body, mistakes))


def _read_table(name: str, section: _Section) -> dict[str, Any]:
    section.allow(_TABLE_KEYS)
    unit = section.require("privacy_unit", _name, "")
    columns = _read_columns(section)
    if unit not in {"", "row"} and unit not in columns:
        columns = {unit: IdentifierColumn(name=unit), **columns}
    fields = {
        "name": name,
        "population": section.read("population", _name, name),
        "privacy_unit": unit or "row",
        "max_rows_per_unit": section.read("max_rows_per_unit", _integer, 1),
        "max_sites_per_unit": section.read("max_sites_per_unit", _integer, None),
        "rows_max": section.require("rows_max", _integer, 1),
        "exact_dimensions": section.read("exact_dimensions", _names, ()),
        "columns": columns,
        "unit_form": section.read("unit_form", _unit_form, "text"),
        "pictures": _read_pictures(section),
        "guessed": section.read("guessed", _guesses, ()),
        "link_form": section.read("link_form", _link_form, None),
    }
    return fields if unit else fields | {"max_rows_per_unit": 1}


def _read_pictures(table: _Section) -> dict[str, Picture]:
    section = _Section(f"{table.path}.pictures", table.mapping.get("pictures", {}), table.mistakes)
    if len(section.mapping) > _MAX_PICTURES:
        section.report("", f"at most {_MAX_PICTURES} pictures")
        return {}
    pictures: dict[str, Picture] = {}
    for name, body in section.mapping.items():
        if not _NAME.fullmatch(name):
            section.report(name[:80], _NAME_RULE)
            continue
        picture = _read_picture(name, _Section(f"{section.path}.{name}", body, section.mistakes))
        if picture is not None:
            pictures[name] = picture
    return pictures


def _read_picture(name: str, section: _Section) -> Picture | None:
    section.allow(_PICTURE_KEYS)
    before = len(section.mistakes)
    fields: dict[str, Any] = {
        "name": name,
        "size": section.require("size", _integers, ()),
        "channels": section.read("channels", _texts, GREY),
        "windows": section.read("window", windows_of, ()),
        "spacing": section.read("spacing", _numbers, ()),
        "fit": section.read("fit", _text, EXACT),
        "classes": section.read("classes", _texts, ()),
        "flatten": section.read("flatten", _boolean, default=False),
    }
    if len(section.mistakes) != before:
        return None
    try:
        return Picture(**fields)
    except SchemaError as error:
        for found in error.mistakes:
            section.report(found.path, found.problem)
        return None


def read_picture(name: str, fields: object) -> Picture:
    """Read one picture, as ``Picture.to_dict`` writes it.

    Raises:
        ValueError: it is none.
    """
    mistakes: list[Mistake] = []
    picture = _read_picture(name, _Section(name, fields, mistakes))
    if picture is None:
        raise ValueError("; ".join(map(str, mistakes)))
    return picture


def _read_columns(table: _Section) -> dict[str, Column]:
    section = _Section(f"{table.path}.columns", table.mapping.get("columns"), table.mistakes)
    if len(section.mapping) > _MAX_COLUMNS:
        section.report("", f"at most {_MAX_COLUMNS} columns")
        return {}
    columns: dict[str, Column] = {}
    for name, body in section.mapping.items():
        if not _NAME.fullmatch(name):
            section.report(name[:80], _NAME_RULE)
            continue
        column = _read_column(name, _Section(f"{section.path}.{name}", body, section.mistakes))
        columns[name] = column or BooleanColumn(name=name)
    return columns


def _read_column(name: str, section: _Section) -> Column | None:
    kind = section.mapping.get("type")
    if not isinstance(kind, str) or kind not in _COLUMN_KEYS:
        section.report("type", "must be numeric, categorical, boolean or identifier")
        return None
    section.allow(_COLUMN_KEYS[kind])
    before = len(section.mistakes)
    try:
        column = _construct(kind, name, section)
    except SchemaError as error:
        for found in error.mistakes:
            section.report(found.path, found.problem)
        return None
    return column if len(section.mistakes) == before else None


def _construct(kind: str, name: str, section: _Section) -> Column | None:
    if kind in {"identifier", "text"}:
        return IdentifierColumn(name=name)
    before = len(section.mistakes)
    fields: dict[str, Any] = {
        "name": name,
        "nullable": section.read("nullable", _boolean, default=False),
        "guessed": section.read("guessed", _boolean, default=False),
    }
    if kind == "numeric":
        fields |= {key: section.require(key, exact_number, None) for key in ("lower", "upper", "resolution")}
        fields |= {"unit": section.read("unit", _text, ""), "bins": section.read("bins", _numbers, ())}
        fields["expected_mean"] = section.read("expected_mean", exact_number, None)
    elif kind == "categorical":
        fields["domain"] = section.require("domain", _list, None)
    if len(section.mistakes) != before:
        return None
    if kind == "numeric":
        return NumericColumn(**fields)
    return CategoricalColumn(**fields) if kind == "categorical" else BooleanColumn(**fields)
