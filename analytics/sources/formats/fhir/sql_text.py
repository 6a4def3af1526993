"""Pieces of SQL over collections: a collection is a list of JSON values, empty where there is none, and never NULL.

Layer:       analytics.sources.formats.fhir.sql_text, beside types.
Guarantees:  what stands in the files is never a part of a statement; names and texts of a ViewDefinition are quoted.
Source:      ours; DuckDB's manual, "Lambda Functions" and "JSON Processing Functions".
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

from analytics.sources.formats.fhir.types import DATA_TYPES, suffix_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_LAMBDAS: Final = 7
TOO_DEEP: Final = f"forEach and where() within one another: {MOST_LAMBDAS} at most"
NONE: Final = "[]::JSON[]"
NUMBERS: Final = "('BIGINT', 'UBIGINT', 'DOUBLE')"
WHOLE_NUMBERS: Final = "('BIGINT', 'UBIGINT')"
_SUFFIXES: Final = ", ".join(f"'{suffix_of(name)}'" for name in sorted(DATA_TYPES))
_REFUSAL = re.compile(r"#fhir (\w+) (\d+)")


class Names:
    """Names of the lambdas' variables, each used once, and the places that refusals are told by."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = count()
        self.depth = 0
        self.places: list[str] = []
        self.place = ""

    @contextmanager
    def deeper(self) -> Iterator[bool]:
        """A lambda around what follows; false where there are too many: each doubles the time to plan the statement."""
        self.depth += 1
        try:
            yield self.depth <= MOST_LAMBDAS
        finally:
            self.depth -= 1

    def new(self) -> str:
        """A name that no other variable has."""
        return f"v{next(self._numbers)}"

    def let(self, value: str, body: Callable[[str], str]) -> str:
        """SQL that computes a value once and uses it under a name.

        The database reads the body of a lambda twice, so what stands in lambdas within lambdas costs it twice the time for
        each of them: everything long belongs into ``value``.

        Args:
            value: SQL.
            body: given the name, the SQL that uses it.
        """
        name = self.new()
        return f"(list_transform([{value}], lambda {name}: {body(name)})[1])"

    def refusal(self, what: str, known: str) -> str:
        """SQL that stops the statement at a row; its text holds the present place's number and nothing of the row.

        Args:
            what: a key of ``ndjson_file.REFUSALS``.
            known: a value that is never NULL where this is reached; without one, planning would compute the error.
        """
        if not self.places or self.places[-1] != self.place:
            self.places.append(self.place)
        return f"error(CASE WHEN {known} IS NULL THEN '' ELSE '#fhir {what} {len(self.places) - 1}' END)"


def refusal_of(text: str) -> tuple[str, int] | None:
    """What and where a statement refused, from the error's text; None where it failed for another reason."""
    found = _REFUSAL.search(text)
    return None if found is None else (found[1], int(found[2]))


def text_sql(text: str) -> str:
    """A text's literal."""
    return "'" + text.replace("'", "''") + "'"


def json_text(item: str) -> str:
    """The text of a JSON value that is no object and no array."""
    return f"json_extract_string({item}, '$')"


def elements(names: Names, item: str, name: str) -> str:
    """An element of one JSON object: its values without nulls; a choice of types under any of its names.

    Args:
        names: for variables.
        item: a JSON value; anything but an object has no element.
        name: letters, digits and underscores.
    """
    own, each = names.new(), names.new()
    path = f"'$.{name}'"
    is_choice = f"starts_with({own}, '{name}') AND substr({own}, {len(name) + 1}) IN ({_SUFFIXES})"
    kept = f"list_filter(json_keys({item}), lambda {own}: {is_choice} AND json_type({item}, '$.' || {own}) <> 'NULL')"
    choice = f"list_transform({kept}, lambda {each}: json_extract({item}, '$.' || {each}))"
    return _valued(names, item, path, choice)


def field(names: Names, item: str, name: str) -> str:
    """As ``elements``, under its very name."""
    return _valued(names, item, f"'$.{name}'", NONE)


def _valued(names: Names, item: str, path: str, absent: str) -> str:
    value, kind = names.new(), f"json_type({item}, {path})"
    return (
        f"(CASE WHEN {kind} IS NULL THEN {absent} WHEN {kind} = 'NULL' THEN {NONE} WHEN {kind} = 'ARRAY' THEN "
        f"list_filter(json_extract({item}, {path[:-1]}[*]'), lambda {value}: json_type({value}) <> 'NULL') "
        f"ELSE [json_extract({item}, {path})] END)"
    )
