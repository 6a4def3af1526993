"""SQL of the rows that a ViewDefinition makes of one resource.

Layer:       analytics.sources.formats.fhir.rows, above compile_path and shape.
Terms:       a *row* is a list of texts, one a column; the rows of a select are a list of rows.
Guarantees:  the rows of one resource depend on that resource alone, and the statement streams over the files: what is held
             at once is a batch of resources and their rows. All expressions are checked; every mistake is found.
Source:      SQL on FHIR v2, "Functional Model".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from analytics.sources.formats.fhir import temporal
from analytics.sources.formats.fhir.compile_path import Compiler
from analytics.sources.formats.fhir.parser import parsed
from analytics.sources.formats.fhir.sql_text import NUMBERS, TOO_DEEP, WHOLE_NUMBERS, Names, json_text
from analytics.sources.formats.fhir.tokens import PathError
from analytics.sources.formats.fhir.types import FLAG, NUMBER, PRIMITIVES, TEXT, WHOLE, column_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analytics.sources.formats.fhir.path import Literal, Path
    from analytics.sources.formats.fhir.shape import Select, ViewColumn, Where

RESOURCE: Final = "json"
_MOST_COLUMNS: Final = 1_000
_MOST_SELECTS: Final = 12
_NO_ROW: Final = "[]::VARCHAR[][]"
_FORMS: Final = {
    "date": temporal.DATE_FORM,
    "dateTime": temporal.DATE_TIME_FORM,
    "instant": temporal.INSTANT_FORM,
    "time": temporal.TIME_FORM,
}


@dataclass(slots=True)
class RowCompiler:
    """Compiles the selects and conditions of one ViewDefinition.

    Attributes:
        resource: its resource type.
        constants: by name.
        names: for variables and refusals.
        mistakes: what was found wrong, each with its place.
    """

    resource: str
    constants: Mapping[str, Literal]
    names: Names = field(default_factory=Names)
    mistakes: list[str] = field(default_factory=list)

    def condition(self, wheres: Sequence[Where]) -> str:
        """SQL of whether a resource fulfils all conditions; each is computed, so that a refusal depends on no order."""
        found = []
        for number, where in enumerate(wheres):
            self._at(f"where[{number}].path")
            compiled = partial(self._flag, where.path)
            found.append(f"COALESCE({self._tried(compiled, RESOURCE, is_root=True)}, FALSE)")
        return self.names.let(
            f"[TRUE, {', '.join(found)}]", lambda v: f"len(list_filter({v}, lambda x: NOT x)) = 0"
        )

    def rows(self, selects: Sequence[Select]) -> tuple[str, list[tuple[str, str]]]:
        """SQL of a resource's rows, and names and types of their columns."""
        sql, columns = self._crossed("select", selects, RESOURCE, is_root=True, depth=0)
        names = [name.lower() for name, _ in columns]
        self.mistakes += sorted(
            {f"select: two columns are called {name}" for name in names if names.count(name) > 1}
        )
        if len(columns) > _MOST_COLUMNS:
            self.mistakes.append(f"select: {_MOST_COLUMNS} columns at most")
        return sql, columns

    def _at(self, place: str) -> None:
        self.names.place = place

    def _parsed(self, text: str) -> Path:
        return parsed(text, self.constants)

    def _flag(self, text: str, compiler: Compiler) -> str:
        return compiler.flag(self._parsed(text))

    def _tried(self, compiled: Callable[[Compiler], str], item: str, *, is_root: bool) -> str:
        """The SQL of an expression; a mistake is kept, and NULL stands for it."""
        try:
            return compiled(Compiler(self.names, self.resource, item, is_root=is_root))
        except PathError as error:
            self.mistakes.append(f"{self.names.place}: {error}")
        except RecursionError:
            self.mistakes.append(f"{self.names.place}: this is too long")
        return "NULL"

    def _crossed(
        self, place: str, selects: Sequence[Select], item: str, *, is_root: bool, depth: int
    ) -> tuple[str, list[tuple[str, str]]]:
        """Every row of one select beside every row of the others."""
        parts = [
            self._select(f"{place}[{number}]", each, item, is_root=is_root, depth=depth + 1)
            for number, each in enumerate(selects)
        ]
        return self._product([sql for sql, _ in parts]), [
            column for _, columns in parts for column in columns
        ]

    def _product(self, parts: Sequence[str]) -> str:
        found = parts[0]
        for part in parts[1:]:
            place = self.names.new()
            found = self.names.let(f"{{'a': {found}, 'b': {part}}}", partial(_beside, place))
        return found

    def _select(
        self, place: str, select: Select, item: str, *, is_root: bool, depth: int
    ) -> tuple[str, list[tuple[str, str]]]:
        if depth > _MOST_SELECTS:
            self.mistakes.append(f"{place}: selects within selects: {_MOST_SELECTS} at most")
            return _NO_ROW, []
        path = select.forEach or select.forEachOrNull
        if path is None:
            return self._body(place, select, item, is_root=is_root, depth=depth)
        key = "forEach" if select.forEach else "forEachOrNull"
        self._at(f"{place}.{key}")
        foci = self._tried(lambda compiler: compiler.items(self._parsed(path)).sql, item, is_root=is_root)
        each = self.names.new()
        with self.names.deeper() as fits:
            if not fits:
                self.mistakes.append(f"{place}: {TOO_DEEP}")
                return _NO_ROW, []
            body, columns = self._body(place, select, each, is_root=False, depth=depth)
        if select.forEachOrNull:
            empty = f"[[{', '.join(['NULL::VARCHAR'] * len(columns))}]]"
            body = f"CASE WHEN {each} IS NULL THEN {empty} ELSE {body} END"
            foci = self.names.let(foci, lambda v: f"CASE WHEN len({v}) = 0 THEN [NULL::JSON] ELSE {v} END")
        return f"flatten(list_transform({foci}, lambda {each}: {body}))", columns

    def _body(
        self, place: str, select: Select, item: str, *, is_root: bool, depth: int
    ) -> tuple[str, list[tuple[str, str]]]:
        parts: list[str] = []
        columns: list[tuple[str, str]] = []
        if select.column:
            cells = [
                self._cell(f"{place}.column[{number}]", column, item, is_root=is_root)
                for number, column in enumerate(select.column)
            ]
            parts.append(f"[[{', '.join(cell for cell, _ in cells)}]]")
            columns += [
                (column.name, column_type(kind))
                for column, (_, kind) in zip(select.column, cells, strict=True)
            ]
        if select.select:
            sql, found = self._crossed(f"{place}.select", select.select, item, is_root=is_root, depth=depth)
            parts.append(sql)
            columns += found
        if select.unionAll:
            sql, found = self._union(f"{place}.unionAll", select.unionAll, item, is_root=is_root, depth=depth)
            parts.append(sql)
            columns += found
        return self._product(parts), columns

    def _union(
        self, place: str, selects: Sequence[Select], item: str, *, is_root: bool, depth: int
    ) -> tuple[str, list[tuple[str, str]]]:
        parts = [
            self._select(f"{place}[{number}]", each, item, is_root=is_root, depth=depth + 1)
            for number, each in enumerate(selects)
        ]
        columns = parts[0][1]
        for number, (_, found) in enumerate(parts):
            if found != columns:
                self.mistakes.append(
                    f"{place}[{number}]: other columns than those of {place}[0], or in another order"
                )
        found_rows = parts[0][0]
        for sql, _ in parts[1:]:
            found_rows = f"list_concat({found_rows}, {sql})"
        return found_rows, columns

    def _cell(self, place: str, column: ViewColumn, item: str, *, is_root: bool) -> tuple[str, str]:
        """The cell's text, and its type: where none is declared, that of a condition."""
        self._at(f"{place} ({column.name})")
        kinds = [column.data_type]

        def compiled(compiler: Compiler) -> str:
            items = compiler.items(self._parsed(column.path))
            wanted = PRIMITIVES.get(column.data_type, NUMBER)
            if column.data_type and items.known and wanted not in {items.known, TEXT}:
                raise PathError(0, f"this is a {items.known}, and the type {column.data_type}")
            kinds.append(column.data_type or ("boolean" if items.known == FLAG else ""))
            return self.names.let(items.sql, lambda v: self._text(v, kinds[-1]))

        return f"CAST({self._tried(compiled, item, is_root=is_root)} AS VARCHAR)", kinds[-1]

    def _text(self, items: str, data_type: str) -> str:
        """The cell's text; a value that is not of the declared type refuses the source."""
        value, names = f"{items}[1]", self.names
        kind, text = f"json_type({value})", json_text(value)
        is_misfit = f"{kind} IN ('OBJECT', 'ARRAY')"
        if data_type == "boolean":
            is_misfit = f"{kind} <> 'BOOLEAN'"
        elif data_type in {*WHOLE, "integer64"}:
            is_misfit = f"{kind} NOT IN {WHOLE_NUMBERS} OR TRY_CAST({text} AS BIGINT) IS NULL"
        elif data_type == "decimal":
            is_misfit = (
                f"{kind} NOT IN {NUMBERS} OR NOT COALESCE(isfinite(TRY_CAST({text} AS DOUBLE)), FALSE)"
            )
        elif data_type in _FORMS:
            is_misfit = f"{kind} <> 'VARCHAR' OR NOT {temporal.has_form(text, _FORMS[data_type])}"
        return (
            f"CASE WHEN len({items}) = 0 THEN NULL WHEN len({items}) > 1 THEN {names.refusal('many', items)} "
            f"WHEN {is_misfit} THEN {names.refusal('type', items)} ELSE {text} END"
        )


def _beside(place: str, both: str) -> str:
    """Every row of one list beside every row of another, by the number of the pair."""
    a, b = f"{both}['a']", f"{both}['b']"
    pair = f"list_concat({a}[{place} // len({b}) + 1], {b}[{place} % len({b}) + 1])"
    return f"list_transform(range(len({a}) * len({b})), lambda {place}: {pair})"
