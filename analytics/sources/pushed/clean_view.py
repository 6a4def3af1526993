"""The clean table as one SELECT in the server's own words: nothing is written there, and no row leaves it.

Layer:       analytics.sources.pushed above words and servers.
Terms:       as ``analytics.sources.cleaning``: a column is first *staged*, one integer a cell with marks for what was wrong.
             Its *bare* expression is the shorter one that gives the same for a column without a mark.
Guarantees:  a cell means here what it means in the node's own database, or the table is refused when it is opened: what
             is written as text (numbers, words for yes and no or for "missing", dates) is for the view to type. Texts are
             compared by their bytes, whatever the server's collation. Identifiers are integers, UUIDs, or printable
             ASCII, so that each is its own normal form.
See instead: what each column is checked for (``checks``); cleaning in the node (``analytics.sources.cleaning``).
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from analytics.errors import SchemaMismatchError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.schema.numbers import format_decimal
from analytics.schema.tables import ROW
from analytics.sources.cells import INTEGERS
from analytics.sources.cleaning import ViewColumn, clean_columns, find_column, number_texts
from analytics.sources.spec import CellRules
from analytics.sources.units import MISSING_WORDS
from analytics.sql.terms.render import quoted
from analytics.statistics.blocks import invalid_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from analytics.schema import Table
    from analytics.schema.columns import Column
    from analytics.sources.cleaning import CleanColumn
    from analytics.sources.pushed.words import ServerWords
    from analytics.sources.servers.found import Found

KNOWN, REFUSED = quoted("#known"), quoted("#refused")
"""Marks of the identifier; no declared name can hold a number sign."""
_SMALL: Final = 2**30
_FLOATS: Final = frozenset({"FLOAT", "DOUBLE", "DECIMAL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedUnit:
    """The privacy unit's column.

    Attributes:
        name: in the schema.
        value: SQL of the identifier, in its normal form where ``refused`` is nowhere true.
        known: SQL of whether a row belongs to a unit.
        refused: SQL of whether the identifier is not its own normal form.
        is_text: whether it is a text.
    """

    name: str
    value: str
    known: str
    refused: str
    is_text: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedColumns:
    """How every column of a table is cleaned in the server.

    Attributes:
        relation: the table or view.
        words: the server's.
        columns: as the cleaning stage has them, ``staged`` in the server's words.
        bare: for each, the expression that gives the same where it has no mark.
        unit: None where every row is a unit of its own.
    """

    relation: Found
    words: ServerWords
    columns: tuple[CleanColumn, ...]
    bare: tuple[str, ...]
    unit: PushedUnit | None

    def staged(self) -> str:
        """A SELECT of all columns, staged, with the identifier and its marks."""
        chosen = [f"{column.staged} AS {quoted(column.name)}" for column in self.columns]
        if self.unit is not None:
            chosen += [
                f"{self.unit.value} AS {quoted(UNIT_COLUMN)}",
                f"{self.unit.known} AS {KNOWN}",
                f"{self.unit.refused} AS {REFUSED}",
            ]
        return f"SELECT {', '.join(chosen)} FROM {viewed_rows(self.relation, self.words)}"  # noqa: S608  names are quoted

    def clean(self, marked: Collection[str], *, is_known: bool) -> str:
        """A SELECT of the clean table, the identifier in the place of its number.

        Args:
            marked: names of columns that have a mark in some row.
            is_known: whether every row belongs to a unit.
        """
        chosen: list[str] = []
        inner: list[str] = []
        for column, bare in zip(self.columns, self.bare, strict=True):
            is_marked = column.name in marked
            inner.append(f"{column.staged if is_marked else bare} AS {quoted(column.name)}")
            chosen.append(f"{column.clean if is_marked else quoted(column.name)} AS {quoted(column.name)}")
            if is_marked:
                chosen.append(f"{column.invalid} AS {quoted(invalid_name(column.name))}")
        where = ""
        if self.unit is not None:
            inner.append(f"{self.unit.value} AS {quoted(UNIT_COLUMN)}")
            chosen.append(quoted(UNIT_COLUMN))
            where = "" if is_known else f" WHERE {self.unit.known}"
        rows = viewed_rows(self.relation, self.words)
        return f"SELECT {', '.join(chosen)} FROM (SELECT {', '.join(inner)} FROM {rows}{where}) AS staged"  # noqa: S608

    def clean_of_staged(self, marked: Collection[str]) -> list[str]:
        """What a SELECT over stored staged columns chooses for the clean table, without the identifier.

        Args:
            marked: as ``clean``.
        """
        chosen: list[str] = []
        for column in self.columns:
            is_marked = column.name in marked
            chosen.append(f"{column.clean if is_marked else column.plain} AS {quoted(column.name)}")
            if is_marked:
                chosen.append(f"{column.invalid} AS {quoted(invalid_name(column.name))}")
        return chosen


def viewed_rows(relation: Found, words: ServerWords) -> str:
    """What stands after FROM: the relation, its columns ``v0``, ``v1`` and so on.

    A view is computed before anything of ours, so that no row can make our statement fail.

    Args:
        relation: the table or view.
        words: the server's.
    """
    columns = ", ".join(f"v{place}" for place in range(len(relation.names)))
    fence = words.fence if relation.is_fenced else ""
    return f"(SELECT * FROM {relation.sql} AS found{fence}) AS viewed({columns})"  # noqa: S608


def check_cell_rules(rules: CellRules, source: str) -> None:
    """Refuse rules for texts: the server's columns have types.

    Args:
        rules: the site file's.
        source: what messages call the source.

    Raises:
        SchemaMismatchError: they are not the usual ones.
    """
    if replace(rules, most_misfits=CellRules().most_misfits) != CellRules():
        reason = (
            "decimal, missing, yes, no and dates are for texts, and are not used in the server: type the columns in a view "
            "there, or leave engine out"
        )
        raise SchemaMismatchError(source=source, reason=reason)


def push_columns(
    table: Table, relation: Found, rules: CellRules, source: str, words: ServerWords
) -> PushedColumns:
    """Say how a table's columns are cleaned in the server.

    Args:
        table: the schema's.
        relation: what the server has.
        rules: the site file's; only the usual ones, since the server's columns have types.
        source: what messages call the source.
        words: the server's.

    Raises:
        SchemaMismatchError: a column is missing, or of a type that only the node can clean.
    """
    check_cell_rules(rules, source)
    viewed = _viewed(relation)
    columns, bare = [], []
    for clean in clean_columns(table, viewed, rules, source):
        declared = table.columns[clean.name]
        found = find_column(clean.name, viewed, source)
        staged, short = _column(declared, found, clean, source, words)
        columns.append(replace(clean, staged=staged))
        bare.append(short)
    unit = None if table.privacy_unit == ROW else push_unit(table, relation, source, words)
    return PushedColumns(relation=relation, words=words, columns=tuple(columns), bare=tuple(bare), unit=unit)


def _viewed(relation: Found) -> list[ViewColumn]:
    return [
        ViewColumn(name=name, sql=f"v{place}", kind=kind or "BLOB")
        for place, (name, kind) in enumerate(zip(relation.names, relation.kinds, strict=True))
    ]


def _column(
    declared: Column, found: ViewColumn, clean: CleanColumn, source: str, words: ServerWords
) -> tuple[str, str]:
    """A column's staged and bare expressions."""
    if isinstance(declared, NumericColumn):
        if found.kind not in INTEGERS | _FLOATS:
            _refuse(source, declared.name, "is no number in the server: cast it in a view there")
        return _numeric(declared, found, words)
    if isinstance(declared, BooleanColumn):
        if found.kind == "BOOLEAN":
            return f"CAST({found.sql} AS INTEGER)", found.sql
        if found.kind not in INTEGERS:
            _refuse(
                source, declared.name, "is neither boolean nor integer in the server: cast it in a view there"
            )
        value = found.sql
        return (
            f"CASE WHEN {value} IN (0, 1) THEN {value} WHEN {value} IS NOT NULL THEN 2 END",
            f"({value} = 1)",
        )
    if isinstance(declared, CategoricalColumn) and found.kind not in _FLOATS:
        return _categorical(declared, found, source, words)
    _refuse(source, declared.name, "is a fraction in the server: cast it to text or integer in a view there")
    raise SchemaMismatchError(source=source, column=clean.name, reason="cannot be cleaned")


def _numeric(column: NumericColumn, found: ViewColumn, words: ServerWords) -> tuple[str, str]:
    low, high, steps, value = column.grid_lower, column.grid_upper, column.resolution, found.sql
    number = f"CAST({value} AS {words.double})"
    grid = number
    if steps.denominator != 1:
        grid += f" * CAST({steps.denominator} AS {words.double})"
    if steps.numerator != 1:
        grid += f" / CAST({steps.numerator} AS {words.double})"
    is_whole = found.kind in INTEGERS
    kind = "INTEGER" if max(-low, high) < _SMALL else "BIGINT"
    bare = f"CAST({value if is_whole and steps == 1 else words.rounded(f'({grid})')} AS {kind})"
    lower, upper = (
        f"CAST({format_decimal(each)} AS {words.double})" for each in (column.lower, column.upper)
    )
    not_finite = "" if is_whole else f"WHEN {words.not_finite(number)} THEN {high + 2} "
    staged = (
        f"CASE WHEN {number} BETWEEN {lower} AND {upper} THEN {bare} {not_finite}"
        f"WHEN {number} < {lower} THEN {low - 1} WHEN {number} > {upper} THEN {high + 1} END"
    )
    return f"CAST({staged} AS BIGINT)", bare


def _categorical(
    column: CategoricalColumn, found: ViewColumn, source: str, words: ServerWords
) -> tuple[str, str]:
    members = [str(item) for item in column.domain]
    value = found.sql
    if found.kind in INTEGERS or found.kind == "BOOLEAN":
        text = f"CAST({value} AS {words.text})"
        codes = [_code(text, members, words)]
        if found.kind in INTEGERS:
            codes.append(_code(text, number_texts(members), words))
        is_missing = f"{value} IS NULL"
    elif found.kind in {"DATE", "TIMESTAMP"}:
        day = f"CAST(CAST({value} AS DATE) AS {words.text})"
        is_day = f"CAST({value} AS DATE) = {value}"
        codes = [
            _code(f"CASE WHEN {is_day} THEN {day} ELSE CAST({value} AS {words.text}) END", members, words)
        ]
        is_missing = f"{value} IS NULL"
    else:
        text = f"CAST({value} AS {words.text})"
        codes = [_code(text, members, words)]
        codes.append(_code(f"btrim({text}, ' ')", members, words))
        is_missing = f"COALESCE(btrim({text}, ' '), '') = ''"
        if any(isinstance(item, int) for item in column.domain):
            _refuse(
                source,
                column.name,
                "is a text in the server, and integers in the domain: cast it in a view there",
            )
    bare = codes[0] if len(codes) == 1 else f"COALESCE({', '.join(codes)})"
    n = len(members)
    staged = f"COALESCE({bare}, CASE WHEN {is_missing} THEN NULL ELSE {n} END)"
    return f"CAST({staged} AS BIGINT)", bare


def _code(text: str, members: Sequence[str], words: ServerWords) -> str:
    """SQL of a text's position among the members; NULL where it is none of them."""
    cases = " ".join(f"WHEN {words.literal(member)} THEN {place}" for place, member in enumerate(members))
    return f"CASE {text} {words.by_bytes} {cases} END"


def push_unit(table: Table, relation: Found, source: str, words: ServerWords) -> PushedUnit:
    """Say how the identifiers of a table are read in the server.

    Args:
        table: the schema's; its privacy unit is a column.
        relation: what the server has.
        source: what messages call the source.
        words: the server's.

    Raises:
        SchemaMismatchError: the column is missing, or of a type that only the node can clean.
    """
    name = table.privacy_unit
    found = find_column(name, _viewed(relation), source)
    value = found.sql
    if found.kind in INTEGERS:
        return PushedUnit(
            name=name, value=value, known=f"{value} IS NOT NULL", refused="FALSE", is_text=False
        )
    if table.unit_form != "text" or found.kind not in {"VARCHAR", "UUID"}:
        kinds = "an integer" if table.unit_form != "text" else "an integer, a UUID or a text"
        _refuse(source, name, f"must be {kinds} in the server: cast it in a view there")
    text = f"CAST({value} AS {words.text}) {words.by_bytes}"
    missing = ", ".join(map(words.literal, MISSING_WORDS))
    return PushedUnit(
        name=name,
        value=f"({text})",
        known=f"COALESCE(lower(btrim({text})) NOT IN ({missing}), FALSE)",
        refused=f"COALESCE({words.unprintable(text)}, FALSE)",
        is_text=True,
    )


def _refuse(source: str, column: str, reason: str) -> None:
    raise SchemaMismatchError(source=source, column=column, reason=reason)
