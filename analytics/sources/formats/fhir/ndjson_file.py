"""FHIR resources in NDJSON files, one a line, or in a folder of them as a bulk export writes it.

Layer:       analytics.sources.formats.fhir.ndjson_file, above definition and formats.tables.
Terms:       a *folder* gives the files directly in it that are called ``TYPE.ndjson``, or begin with the type and one of
             ``. - _``, in the order of their names: TYPE is the ViewDefinition's resource.
Guarantees:  no type is found out from the rows: every element is read by its name from the text of a line, so that one that
             stands in no file is missing, and no fault. A line that is no resource refuses the source. No reason holds
             anything of a line but its number and its file's name.
Source:      ours; FHIR Bulk Data Access, "Bulk Data Output File Organization".
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import duckdb

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading
from analytics.sources.formats.fhir.rows import RESOURCE
from analytics.sources.formats.fhir.sql_text import Names, refusal_of, text_sql
from analytics.sources.formats.tables import LOADED, loaded_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from analytics.sources.formats.base import FileSpec, Relation, ResourceView

ENDING: Final = ".ndjson"
_EXPANDED: Final = re.compile(r"[*?\[\]{}]")  # the database's reader would take them for other files' names
_NO_RESOURCE: Final = "each line holds one JSON object in UTF-8 with its resourceType, and no Bundle"
REFUSALS: Final = {
    "choice": "ofType() is for an element with a choice of types, and this one has a value of its own: leave ofType() out",
    "date": "a value that is compared as a date or time is none",
    "flag": "a condition is no boolean, or has several values",
    "join": "join() is for texts, and a value is none",
    "line": f"a line is no resource: {_NO_RESOURCE}",
    "many": "several values where one is wanted: use first(), join(), where() or forEach",
    "reference": "a reference is absolute or malformed, so that it is not known whether its resource is in this export",
    "structure": "compares a structure: compare its elements",
    "type": "a value is not of the column's type, or is a structure",
    "unlike": "orders values of unlike types",
}


class FhirFormat:
    """NDJSON of FHIR R4, or a folder of such files; see ``SourceFormat``."""

    kind = "fhir"
    endings = (ENDING,)
    schemes = ()
    takes_folder = True

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        return "relation is for databases: leave it out" if relation else ""

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``: of a folder all NDJSON files directly in it, of whatever resource."""
        if not path.is_dir():
            return (path,)
        found = (file for file in path.iterdir() if file.is_file() and file.suffix.lower() == ENDING)
        return tuple(sorted(file for file in found if not file.name.startswith((".", "_"))))

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
        """As ``SourceFormat``; the view's rows are copied into the database's memory, its resources pass by."""
        del workplace, is_hashed, numbers
        view, files = self._found(spec)
        try:
            statement = f"CREATE TEMP TABLE {LOADED} AS {_selected(view)}"
            connection.execute(statement, [[str(file) for file in files]])
        except (duckdb.Error, ValueError) as error:
            raise SchemaMismatchError(source=spec.name, reason=_reason(view, error, files)) from None
        with loaded_table(connection, view.names) as relation:
            yield relation

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: from the ViewDefinition."""
        del connection
        view, _ = self._found(spec)
        return Heading(names=view.names, types=view.types)

    def _found(self, spec: FileSpec) -> tuple[ResourceView, tuple[Path, ...]]:
        view = spec.view_definition
        if view is None:
            reason = "FHIR resources need view_definition, which says what the columns are"
            raise SchemaMismatchError(source=spec.name, reason=reason)
        files = self.files(spec.path)
        if spec.path.is_dir():
            named = re.compile(rf"{view.resource}[.\-_]", re.ASCII)
            files = tuple(file for file in files if named.match(file.name))
        if any(_EXPANDED.search(file.name) for file in files):
            reason = "the names of files may not hold any of * ? [ ] { }"
            raise SchemaMismatchError(source=spec.name, reason=reason)
        if not files:
            reason = f"the folder holds no {view.resource}{ENDING} and no {view.resource}.*{ENDING}"
            raise SchemaMismatchError(source=spec.name, reason=reason)
        return view, files


def _selected(view: ResourceView) -> str:
    cells = ", ".join(
        f"CAST(cells[{place}] AS {kind}) AS c{place - 1}" for place, kind in enumerate(view.types, start=1)
    )
    names = Names()
    kind = f"json_extract_string({RESOURCE}, '$.resourceType')"
    is_line = f"COALESCE(json_type({RESOURCE}, '$.resourceType') = 'VARCHAR' AND {kind} <> 'Bundle', FALSE)"
    is_wanted = f"CASE WHEN {is_line} THEN {kind} = {text_sql(view.resource)} ELSE {names.refusal('line', RESOURCE)} END"
    # one expression: of two conditions the database may compute the second for lines that the first leaves out
    condition = f"CASE WHEN {is_wanted} THEN {view.condition} ELSE FALSE END"
    kept = f"SELECT {RESOURCE} FROM read_ndjson_objects(?) WHERE {condition}"  # noqa: S608  literals are quoted
    return f"SELECT {cells} FROM (SELECT unnest({view.rows}) AS cells FROM ({kept}))"  # noqa: S608


def _reason(view: ResourceView, error: BaseException, files: Sequence[Path]) -> str:
    """What is wrong, without anything that the database quotes."""
    refused = refusal_of(str(error))
    if (
        refused is not None
        and refused[0] in REFUSALS
        and refused[0] != "line"
        and refused[1] < len(view.places)
    ):
        return f"{view.name}, {view.places[refused[1]]}: {REFUSALS[refused[0]]}"
    found = _first_no_resource(files)
    if found is not None:
        return f"line {found[1]} of {found[0].name} is no resource: {_NO_RESOURCE}"
    return f"this cannot be read as FHIR resources, one a line ({type(error).__name__})"


def _first_no_resource(files: Sequence[Path]) -> tuple[Path, int] | None:
    """The first line that is no resource; the database's own numbers of lines are not those of the file."""
    for file in files:
        with file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip() and not _is_resource(line):
                    return file, number
    return None


def _is_resource(line: bytes) -> bool:
    try:
        found = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    kind = found.get("resourceType") if isinstance(found, dict) else None
    return isinstance(kind, str) and kind != "Bundle"
