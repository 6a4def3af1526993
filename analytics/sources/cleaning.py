"""From the view's columns to typed columns on their public grids.

Layer:       analytics.sources above cells.
Terms:       a clean numeric column holds grid indices between its bounds, a category its position in the domain. A
             *staged* column is the same in one integer a cell, with values beside the range for what was wrong: one
             pass reads, cleans and marks.
Guarantees:  a value on the grid keeps its index exactly (the error of two double operations is below 1e-3 steps for
             indices up to 2^40); one off the grid goes to a nearest one. NULL stays NULL and never becomes a bound.
             What a cell means depends on the schema, the source's rules and the cell, not on other rows.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.errors import SchemaMismatchError
from analytics.schema import BooleanColumn, CategoricalColumn, Column, NumericColumn, Table
from analytics.schema.numbers import format_decimal
from analytics.sources.cells import (
    DATES,
    FLOATS,
    NUMBERS,
    base_type,
    cell_text,
    text_date,
    text_literal,
    text_number,
)
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.sources.spec import CellRules

RULES_VERSION: Final = 2  # of this module and cells: a typed copy made by other rules is not used
_KINDS = ("unreadable", "not_finite", "clipped", "outside_domain")
_TIMES = ("DATE", "TIME", "INTERVAL")
_WHOLE = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewColumn:
    """One column of the site's view.

    Attributes:
        name: its name there.
        sql: what the cleaning statement calls it.
        kind: DuckDB's type.
    """

    name: str
    sql: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanColumn:
    """SQL texts that clean one column of the view.

    Attributes:
        name: the column's name in the schema.
        staged: from the view's cell to the staged integer.
        low: smallest staged integer without a mark.
        high: the largest one.
        plain: from the staged integer without a mark to the typed value.
        clean: from any staged integer to the typed value.
        unreadable: of the staged integer: a text is no number at all.
        not_finite: NaN or an infinity.
        clipped: outside the bounds.
        outside_domain: outside the domain.
        sides: for a boolean, true and false.
    """

    name: str
    staged: str
    low: int
    high: int
    plain: str
    clean: str
    unreadable: str = "FALSE"
    not_finite: str = "FALSE"
    clipped: str = "FALSE"
    outside_domain: str = "FALSE"
    sides: tuple[str, ...] = ()

    @property
    def invalid(self) -> str:
        """SQL of the staged integer: whether the cell holds a value that the schema does not allow; never NULL."""
        return f"COALESCE({quoted(self.name)} NOT BETWEEN {self.low} AND {self.high}, FALSE)"

    def flags(self) -> Iterator[tuple[str, str]]:
        """Names and conditions on the staged column, in a fixed order."""
        for kind in _KINDS:
            yield f"{self.name}#{kind}", getattr(self, kind)
        for place, side in enumerate(self.sides):
            yield f"{self.name}#side{place}", side


def clean_columns(
    table: Table, view: Sequence[ViewColumn], rules: CellRules, source: str
) -> list[CleanColumn]:
    """Say how each declared column is cleaned.

    Args:
        table: the table.
        view: the view's columns.
        rules: how the source's texts are written.
        source: the file's name, for messages.

    Returns:
        One per declared column but the privacy unit.

    Raises:
        SchemaMismatchError: columns are missing or of a type that cannot be what the schema says; it names all of them.
    """
    found: list[CleanColumn] = []
    faults: list[SchemaMismatchError] = []
    for name, column in table.columns.items():
        if name == table.privacy_unit:
            continue
        try:
            found.append(clean_column(column, view, rules, source))
        except SchemaMismatchError as fault:
            faults.append(fault)
    if faults:
        raise all_faults(faults)
    return found


def clean_column(column: Column, view: Sequence[ViewColumn], rules: CellRules, source: str) -> CleanColumn:
    """Say how one declared column is cleaned; arguments and errors as ``clean_columns``."""
    return _clean(column, find_column(column.name, view, source), rules, source)


def all_faults(faults: Sequence[SchemaMismatchError]) -> SchemaMismatchError:
    """One error that names the columns of several, the first in its field.

    Args:
        faults: of one source; at least one.
    """
    first, *others = faults
    reason = "; ".join([first.reason, *(f"column {other.column}: {other.reason}" for other in others)])
    return SchemaMismatchError(source=first.source, column=first.column, reason=reason)


def of_all_sources(faults: Sequence[SchemaMismatchError]) -> SchemaMismatchError:
    """One error that names the sources of several, the first in its field.

    Args:
        faults: of different sources; at least one.
    """
    first, *others = faults
    if not others:
        return first
    reason = "; ".join([first.reason, *(str(other) for other in others)])
    return SchemaMismatchError(source=first.source, column=first.column, reason=reason)


def has_column(name: str, view: Sequence[ViewColumn]) -> bool:
    """Whether a view has a column that ``find_column`` would take, or several."""
    return any(column.name.lower() == name.lower() for column in view)


def find_column(name: str, view: Sequence[ViewColumn], source: str) -> ViewColumn:
    """The view's column of exactly this name, or else the one that differs in upper and lower case alone.

    Args:
        name: in the schema.
        view: the view's columns.
        source: the file's name, for messages.

    Raises:
        SchemaMismatchError: there is none, or more than one.
    """
    exact = [column for column in view if column.name == name]
    alike = exact or [column for column in view if column.name.lower() == name.lower()]
    if not alike:
        raise SchemaMismatchError(source=source, column=name, reason="is missing from the site's view")
    if len(alike) > 1:
        reason = "two columns have this name: rename one in the site's view"
        raise SchemaMismatchError(source=source, column=name, reason=reason)
    return alike[0]


def _refuse(source: str, column: str, reason: str) -> None:
    raise SchemaMismatchError(source=source, column=column, reason=reason)


def _clean(column: Column, found: ViewColumn, rules: CellRules, source: str) -> CleanColumn:
    base = base_type(found.kind)
    if base.startswith(_TIMES) and not (base in DATES and isinstance(column, CategoricalColumn)):
        cast = f"CAST({found.name} AS VARCHAR) AS {column.name}"
        reason = f"was read as a date or time: write {cast} in the site's view, or a number"
        _refuse(source, column.name, reason)
    if isinstance(column, NumericColumn):
        if base not in NUMBERS | {"VARCHAR"}:
            _refuse(source, column.name, "is not a number as the schema says")
        return _numeric(column, found, rules)
    if base not in NUMBERS | DATES | {"VARCHAR", "BOOLEAN", "UUID"}:
        _refuse(source, column.name, "is neither text, number nor boolean")
    if isinstance(column, BooleanColumn):
        return _boolean(column, found, rules)
    if isinstance(column, CategoricalColumn):
        return _categorical(column, found, rules)
    raise SchemaMismatchError(source=source, column=column.name, reason="cannot be cleaned")


def _is_missing(found: ViewColumn) -> str:
    """SQL of a cell without a value: NULL, blank, and NaN in a column of numbers.

    It does not use ``trim``: DuckDB computes an expression that stands twice for every row, also where both places are in
    branches that few rows reach, and the other place is the second try of a text.
    """
    if base_type(found.kind) == "VARCHAR":
        return f"({found.sql} IS NULL OR ltrim({_raw_text(found)}) = '')"
    if base_type(found.kind) in FLOATS:
        return f"({found.sql} IS NULL OR isnan({found.sql}))"
    return f"{found.sql} IS NULL"


def _raw_text(found: ViewColumn) -> str:
    return found.sql if found.kind == "VARCHAR" else f"CAST({found.sql} AS VARCHAR)"


def _numeric(column: NumericColumn, found: ViewColumn, rules: CellRules) -> CleanColumn:
    """Staged: the grid index; beside the bounds: below, above, not finite, no number."""
    if base_type(found.kind) == "VARCHAR":
        trimmed = text_number(cell_text(found.sql, found.kind), rules)
        number = f"COALESCE({text_number(_raw_text(found), rules)}, {trimmed})"
        staged = _staged_number(column, number)
        staged += f" WHEN {_is_missing(found)} THEN NULL ELSE {column.grid_upper + 3} END"
    else:
        staged = f"{_staged_number(column, f'CAST({found.sql} AS DOUBLE)')} END"
    low, high, name = column.grid_lower, column.grid_upper, quoted(column.name)
    return CleanColumn(
        name=column.name,
        staged=staged,
        low=low,
        high=high,
        plain=name,
        clean=f"CASE WHEN {name} <= {high + 1} THEN greatest(least({name}, {high}), {low}) END",
        unreadable=f"{name} = {high + 3}",
        not_finite=f"{name} = {high + 2}",
        clipped=f"{name} IN ({low - 1}, {high + 1})",
    )


def _staged_number(column: NumericColumn, value: str) -> str:
    """The branches of a CASE for a cell that is a number, without its ELSE and END."""
    lower, upper = _double(format_decimal(column.lower)), _double(format_decimal(column.upper))
    low, high, steps = column.grid_lower, column.grid_upper, column.resolution
    grid = value
    if steps.denominator != 1:
        grid += f" * {_double(str(steps.denominator))}"
    if steps.numerator != 1:
        grid += f" / {_double(str(steps.numerator))}"
    return (
        f"CASE WHEN {value} BETWEEN {lower} AND {upper} THEN CAST({grid} AS BIGINT) "  # to the nearest
        f"WHEN isfinite({value}) THEN CASE WHEN {value} < {lower} THEN {low - 1} ELSE {high + 1} END "
        f"WHEN {value} IS NOT NULL THEN {high + 2}"
    )


def _boolean(column: BooleanColumn, found: ViewColumn, rules: CellRules) -> CleanColumn:
    """Staged: 0 and 1; 2 for anything else."""
    base, raw = base_type(found.kind), found.sql
    if base == "BOOLEAN":
        value = f"CAST({raw} AS INTEGER)"
    elif base == "VARCHAR":
        yes, no = ([*dict.fromkeys(word.lower() for word in words)] for words in (rules.yes, rules.no))
        words = [*map(str, yes), *map(str, no)]
        tries = (_raw_text(found), f"lower({cell_text(raw, found.kind)})")
        codes = [f"CAST({_code(text, words)} < {len(yes)} AS INTEGER)" for text in tries]
        value = f"COALESCE({', '.join(codes)})"
    else:
        value = f"CASE WHEN {raw} = 1 THEN 1 WHEN {raw} = 0 THEN 0 END"
    name = quoted(column.name)
    return CleanColumn(
        name=column.name,
        staged=_or_outside(value, 2, _is_missing(found), "UTINYINT"),
        low=0,
        high=1,
        plain=f"{name} = 1",
        clean=f"CASE {name} WHEN 1 THEN TRUE WHEN 0 THEN FALSE END",
        outside_domain=f"{name} = 2",
        sides=(f"{name} = 1", f"{name} = 0"),
    )


def _categorical(column: CategoricalColumn, found: ViewColumn, rules: CellRules) -> CleanColumn:
    """Staged: the position in the domain; its length for anything else."""
    base, raw = base_type(found.kind), found.sql
    is_text = base == "VARCHAR"
    text = cell_text(raw, found.kind)
    members = [str(item) for item in column.domain]
    tries = [_code(_raw_text(found), members)] if is_text else []
    tries.append(_code(text, members))
    if base in NUMBERS or isinstance(column.domain[0], int):
        number = text_number(text, rules) if is_text else f"TRY_CAST({raw} AS DOUBLE)"
        tries.append(_code(cell_text(number, "DOUBLE"), number_texts(members)))
    elif is_text and rules.dates:
        tries.append(_code(f"CAST({text_date(_raw_text(found), rules)} AS VARCHAR)", members))
    n, name = len(members), quoted(column.name)
    return CleanColumn(
        name=column.name,
        staged=_or_outside(f"COALESCE({', '.join(tries)})", n, _is_missing(found), "USMALLINT"),
        low=0,
        high=n - 1,
        plain=f"CAST({name} AS BIGINT)",
        clean=f"CASE WHEN {name} < {n} THEN CAST({name} AS BIGINT) END",
        outside_domain=f"{name} = {n}",
    )


def _or_outside(value: str, outside: int, is_missing: str, kind: str) -> str:
    """The value; where there is none, NULL for a missing cell and a mark for any other."""
    mark = f"CASE WHEN {is_missing} THEN NULL ELSE {outside} END"
    return f"CAST(COALESCE({value}, {mark}) AS {kind})"


def _code(text: str, members: Sequence[str]) -> str:
    """SQL of a text's position among the members; NULL where it is none of them."""
    return f"CAST(enum_code(TRY_CAST({text} AS ENUM({', '.join(map(text_literal, members))}))) AS INTEGER)"


def number_texts(members: Sequence[str]) -> list[str]:
    """The shortest text of each member that is a number, at its place; a text that no number has at the others."""
    found: list[str] = []
    for place, member in enumerate(members):
        text = _shortest(member)
        found.append(text if text and text not in found else f"#{place}")
    return found


def _shortest(member: str) -> str:
    try:
        number = float(member)
    except ValueError:
        return ""
    is_whole = abs(number) < _WHOLE and number == int(number)
    return str(int(number)) if is_whole else repr(number)


def _double(decimal: str) -> str:
    return f"CAST('{decimal}' AS DOUBLE)"
