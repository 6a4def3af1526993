"""Sheets of Excel workbooks.

Layer:       analytics.sources.formats above cell_objects and excel_cells.
Terms:       a *workbook* is a file of Excel since 2007; its first row that is not empty holds the names of columns.
Guarantees:  the sheet is named wherever there is more than one. A cell typed as text is its text, ``007`` stays ``007``; a
             cell that Excel shows as a date is that date. An error is the text that it shows, ``#DIV/0!``, and so either
             a declared word for "missing" or a fault. A formula that was stored without its value, and a number of more
             digits than Excel keeps, refuse the file by the cell's name.
Source:      ours; ECMA-376, part 1, 18.3.1.4; python-calamine. Measured with python-calamine 0.9.1, and the reason for
             ``excel_cells``: an error and a formula without its value are both handed on as an empty text.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading
from analytics.sources.formats.cell_objects import load_texts
from analytics.sources.formats.excel_cells import CellFault, cell_name, errors_of
from analytics.sources.formats.tables import loaded_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb

    from analytics.sources.formats.base import FileSpec, Relation

_FIRST_INEXACT: Final = 2**53


class ExcelFormat:
    """One sheet of a workbook; see ``SourceFormat``."""

    kind = "excel"
    endings = (".xlsx", ".xlsm")
    schemes = ()
    takes_folder = False

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        return "a sheet's name has no blank at its ends" if relation != relation.strip() else ""

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``."""
        return (path,)

    @contextmanager
    def open(
        self,
        connection: duckdb.DuckDBPyConnection,
        spec: FileSpec,
        workplace: Path,
        *,
        is_hashed: bool = False,
        numbers: frozenset[str] = frozenset(),
    ) -> Iterator[Relation]:
        """As ``SourceFormat``; the rows are copied into the database's memory."""
        del workplace, is_hashed, numbers
        names, rows = _sheet(spec)
        load_texts(connection, names, rows, spec.name)
        with loaded_table(connection, names) as relation:
            yield relation

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: the sheet's first row that is not empty; every cell is read as a text."""
        del connection
        with _workbook(spec) as book:
            name = _chosen(spec, book.sheet_names)
            rows = book.get_sheet_by_name(name).iter_rows()
            first = next((row for row in rows if any(cell != "" for cell in row)), None)
        if first is None:
            raise SchemaMismatchError(source=spec.name, reason=f"the sheet {name} is empty")
        names = _names(first)
        return Heading(names=tuple(names), types=("VARCHAR",) * len(names))


@contextmanager
def _workbook(spec: FileSpec) -> Iterator[Any]:
    """An open workbook; what its reader raises names the kind of the fault alone."""
    try:
        import python_calamine as calamine
    except ImportError:
        reason = "a workbook needs an extra of the installation: pip install 'crossward[excel]'"
        raise SchemaMismatchError(source=spec.name, reason=reason) from None
    try:
        with calamine.CalamineWorkbook.from_path(spec.path) as book:
            yield book
    except calamine.CalamineError as error:
        reason = f"this cannot be read as excel ({type(error).__name__})"
        raise SchemaMismatchError(source=spec.name, reason=reason) from None


def _sheet(spec: FileSpec) -> tuple[list[str], Iterator[list[object]]]:
    """The names of a sheet's columns, and its rows below them."""
    with _workbook(spec) as book:
        name = _chosen(spec, book.sheet_names)
        grid = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    try:
        errors = errors_of(spec.path, name)
    except CellFault as fault:
        raise SchemaMismatchError(source=spec.name, reason=str(fault)) from None
    first = next((number for number, row in enumerate(grid) if any(cell != "" for cell in row)), None)
    if first is None:
        raise SchemaMismatchError(source=spec.name, reason=f"the sheet {name} is empty")
    names = _names(grid[first])
    return names, _rows(grid, first + 1, len(names), errors, spec.name)


def _names(header: Sequence[object]) -> list[str]:
    """Names of the columns, as far as the header row has any cell; one without a name is called after its place."""
    width = max(place for place, cell in enumerate(header, start=1) if cell != "")
    return [str(cell).strip() or f"column_{place}" for place, cell in enumerate(header[:width], start=1)]


def _chosen(spec: FileSpec, sheets: Sequence[str]) -> str:
    if spec.relation in sheets:
        return spec.relation
    if not spec.relation and len(sheets) == 1:
        return sheets[0]
    wrong = (
        f"there is no sheet {spec.relation}" if spec.relation else "the workbook has several sheets: name one"
    )
    raise SchemaMismatchError(source=spec.name, reason=f"{wrong} (table = ...): {', '.join(sheets)}")


def _rows(
    grid: Sequence[Sequence[object]],
    first: int,
    width: int,
    errors: Mapping[tuple[int, int], str],
    source: str,
) -> Iterator[list[object]]:
    for number, row in enumerate(grid[first:], start=first):
        cells = [errors.get((number, place), cell) for place, cell in enumerate(row)]
        for place, cell in enumerate(cells):
            fault = ""
            if isinstance(cell, float) and abs(cell) >= _FIRST_INEXACT:
                fault = "holds a number of more digits than Excel keeps: type it as text at its origin"
            elif place >= width and cell != "":
                fault = "stands in a column without a name in the header row: name it, or empty it"
            if fault:
                reason = f"cell {cell_name(number, place)} {fault}"
                raise SchemaMismatchError(source=source, reason=reason)
        if any(cell != "" for cell in cells):
            yield [None if cell == "" else cell for cell in cells[:width]]
