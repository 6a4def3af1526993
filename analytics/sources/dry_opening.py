"""Opens a site's source without its rows: what can be wrong with it that no row decides.

Layer:       analytics.sources above local_table.
Terms:       a *dry opening* takes the steps of an opening in their order (source, mapping, view, columns, clean table), over
             the source's columns and no row.
Guarantees:  no row is read, so the faults are the same whatever rows a source holds; each is a code of
             ``schema.data_faults`` with a column of the schema or none. What stands in ``reason`` is for the site's
             administrator: it can hold names of the site's own files and columns. A program that wrote a typed source may have
             taken a column's type from its rows, so ``public_faults`` are those that the columns' names alone decide.
See instead: the opening with its rows, and what they are refused for (``local_table``, ``ingest``).
Source:      ours; docs/guarantees.md P19.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import duckdb

from analytics.errors import AnalyticsError, SchemaMismatchError
from analytics.schema import CategoricalColumn
from analytics.schema.data_faults import (
    CODES,
    COLUMN_MISSING,
    COLUMN_TYPE,
    LEVEL_MISSING,
    LEVEL_UNKNOWN,
    MAPPING,
    SOURCE,
    STATEMENT,
    UNCHECKED,
    VIEW,
)
from analytics.sources.cells import view_functions
from analytics.sources.cleaning import ViewColumn, clean_column, has_column, number_texts
from analytics.sources.engines.duckdb_engine import DuckDBEngine
from analytics.sources.formats import FORMATS
from analytics.sources.formats.base import HasHeading, Heading
from analytics.sources.ingest import MIN_KEY_BYTES, ingest
from analytics.sources.loading import connect, shut
from analytics.sources.local_table import LocalTable
from analytics.sources.preparation.mapped import resolutions_of
from analytics.sources.preparation.run import prepared
from analytics.sources.projection import source_names, source_query, wanted_names
from analytics.sources.site_views.view_comparisons import check_comparisons
from analytics.sources.site_views.views import view_types
from analytics.sources.spec import DEFAULT_VIEW
from analytics.sources.steps.step import MAIN
from analytics.sources.units import unit_column

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.schema import Table
    from analytics.sources.formats.base import Relation
    from analytics.sources.spec import CellRules, SourceSpec

_OF_NAMES: Final = ("there is no ", "it is not valid SQL", "must be one SELECT", "two columns have this name")
_NO_COLUMN: Final = re.compile(r": there is no column (.+) \(first at \d+:\d+\)\Z")
_MOST_MISSING: Final = 50
_UNTYPED: Final = '"NULL"'  # fits every expression, so that it hides no other column
_NO_KEY: Final = bytes(MIN_KEY_BYTES)  # it would choose rows, and there are none


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningFault:
    """One fault of a source that no row decides.

    Attributes:
        code: of ``analytics.schema.data_faults``.
        column: a column of the schema's table, or empty.
        reason: in the words of the opening itself, for the site's administrator alone.
    """

    code: str
    column: str = ""
    reason: str = ""


def _nothing(_: LocalTable) -> None:
    """No run is to come."""


class _Stop(Exception):  # noqa: N818  no error: what was found so far is the answer
    """No later step can be taken."""


def opening_faults(
    spec: SourceSpec, table: Table, *, scan: Callable[[LocalTable], object] = _nothing
) -> tuple[OpeningFault, ...]:
    """Open a source without its rows.

    Visible to: codes and columns of the schema may leave the site; reasons stay with its administrator.

    Args:
        spec: the site's source.
        table: the schema's table.
        scan: what the coming run does with the table; called with an empty one.

    Returns:
        All faults that were found, in the order of the steps; empty where there is none.
    """
    return _faults(spec, table, scan, is_blind=False)


def public_faults(
    spec: SourceSpec, table: Table, *, scan: Callable[[LocalTable], object] = _nothing
) -> tuple[OpeningFault, ...]:
    """The faults of a dry opening that may leave the site; arguments as ``opening_faults``.

    Returns:
        Where every column is read as text, all of them; else those that hold whatever the columns' types are.
    """
    if not spec.engine and not _is_typed(spec):
        return opening_faults(spec, table, scan=scan)
    return tuple(
        fault for fault in _faults(spec, table, _nothing, is_blind=True) if _is_of_names(fault, spec)
    )


def _is_of_names(fault: OpeningFault, spec: SourceSpec) -> bool:
    """Whether a fault that was found with every column as text holds for any types."""
    if spec.engine and spec.view != DEFAULT_VIEW:
        return fault.code in {SOURCE, UNCHECKED}  # the server reads the view with the types that it has
    if fault.code == VIEW:
        return any(text in fault.reason for text in _OF_NAMES)
    return fault.code not in {COLUMN_TYPE, STATEMENT} and "cannot be computed" not in fault.reason


def _is_typed(spec: SourceSpec) -> bool:
    """Whether a column of the source, or of another file of its mapping, has a type of its own."""
    connection, found = connect(1), list[OpeningFault]()
    try:
        relations = [_heading(connection, each, found) for each in (spec, *spec.inputs().values())]
    except (_Stop, SchemaMismatchError):
        return False  # the fault is one of the source as a whole
    finally:
        connection.close()
    return any(kind != "VARCHAR" for relation in relations for kind in relation.types)


def _faults(
    spec: SourceSpec, table: Table, scan: Callable[[LocalTable], object], *, is_blind: bool
) -> tuple[OpeningFault, ...]:
    found: list[OpeningFault] = []
    try:
        if spec.engine == "postgresql":
            _check_pushed(spec, table, found)
        elif spec.engine:
            raise _stop(found, UNCHECKED, SchemaMismatchError(source=spec.name, reason=CODES[UNCHECKED]))
        else:
            _check_read(spec, table, found, scan, is_blind=is_blind)
    except _Stop:
        pass
    return tuple(found)


def _stop(found: list[OpeningFault], code: str, error: BaseException) -> _Stop:
    reason = str(error) if isinstance(error, AnalyticsError) else type(error).__name__
    found.append(OpeningFault(code=code, reason=reason))
    return _Stop()


def _check_read(
    spec: SourceSpec,
    table: Table,
    found: list[OpeningFault],
    scan: Callable[[LocalTable], object],
    *,
    is_blind: bool,
) -> None:
    connection = connect(1)
    with ExitStack() as stack:
        stack.callback(connection.close)
        relation = _heading(connection, spec, found, is_blind=is_blind)
        try:
            others = spec.inputs()
        except SchemaMismatchError as error:
            raise _stop(found, MAPPING, error) from None
        inputs = {}
        for block, each in others.items():
            with suppress(_Stop):  # the faults of all files are found
                inputs[block] = (
                    _heading(connection, each, found, is_blind=is_blind),
                    each.cells,
                    each.name,
                )
        if len(inputs) < len(others):
            raise _Stop
        shut(connection)
        rules = spec.cells
        if spec.mapping is not None:
            blocks = {**inputs, MAIN: (relation, rules, spec.name)}
            try:
                spec.mapping.check_unit(table.privacy_unit)
                relation = prepared(
                    connection, spec.mapping, blocks, resolutions=resolutions_of(table)
                ).relation
            except (AnalyticsError, duckdb.Error) as error:
                raise _stop(found, MAPPING, error) from None
            rules = replace(rules, missing=())  # they were looked for in the file's cells
        _check_levels(table, spec, found)
        _check_columns(table, _viewed(connection, relation, spec, table, rules, found), rules, spec, found)
        try:
            report = ingest(
                connection,
                relation,
                table=table,
                view=spec.view,
                rules=rules,
                source=spec.name,
                site_key=_NO_KEY,
            )
        except (AnalyticsError, duckdb.Error) as error:
            raise _stop(found, VIEW, error) from None
        empty = LocalTable(engine=DuckDBEngine(connection, source=spec.name), table=table, report=report)
        try:
            scan(empty)
        except AnalyticsError as error:
            raise _stop(found, STATEMENT, error) from None


def _heading(
    connection: duckdb.DuckDBPyConnection,
    spec: SourceSpec,
    found: list[OpeningFault],
    *,
    is_blind: bool = False,
) -> Relation:
    """The source's columns, without a row; blind: each as text."""
    kind = FORMATS[spec.kind]
    try:
        spec.check_file()
        heading = kind.heading(connection, spec) if isinstance(kind, HasHeading) else None
    except SchemaMismatchError as error:
        raise _stop(found, SOURCE, error) from None
    except OSError as error:
        reason = SchemaMismatchError(source=spec.name, reason=f"it cannot be read: {error.strerror}")
        raise _stop(found, SOURCE, reason) from None
    if heading is None:
        reason = SchemaMismatchError(source=spec.name, reason=CODES[UNCHECKED])
        raise _stop(found, UNCHECKED, reason)
    return (replace(heading, types=("VARCHAR",) * len(heading.names)) if is_blind else heading).relation()


def _viewed(
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    spec: SourceSpec,
    table: Table,
    rules: CellRules,
    found: list[OpeningFault],
) -> list[ViewColumn]:
    """The columns of the site's view; all columns that it asks for in vain are named."""
    missing: list[str] = []
    while True:
        try:
            viewed = _view_columns(connection, relation, spec, table, rules)
        except (AnalyticsError, duckdb.Error) as error:
            named = _NO_COLUMN.search(str(error))
            if named is None or named[1] in missing or len(missing) == _MOST_MISSING:
                if missing and isinstance(error, duckdb.Error):
                    raise _Stop from None  # what was found so far can be the cause
                raise _stop(found, VIEW, error) from None
            found.append(OpeningFault(code=VIEW, reason=str(error)))
            missing.append(named[1])
            names, types = (*relation.names, named[1]), (*relation.types, _UNTYPED)
            relation = Heading(names=names, types=types).relation()
            continue
        if missing:
            raise _Stop
        return viewed


def _view_columns(
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    spec: SourceSpec,
    table: Table,
    rules: CellRules,
) -> list[ViewColumn]:
    names = source_names(relation.names, wanted_names(table.columns, spec.view), spec.name)
    for statement in view_functions(rules):
        connection.execute(statement)
    types = view_types(connection, spec.view, source_query(relation, names, rules, is_empty=True), spec.name)
    check_comparisons(spec.view, dict(zip(names, relation.types, strict=True)), spec.name)
    return [
        ViewColumn(name=name, sql=f"v{place}", kind=kind) for place, (name, kind) in enumerate(types.items())
    ]


def _check_levels(table: Table, spec: SourceSpec, found: list[OpeningFault]) -> None:
    """Compare the levels that a mapping can give with the domains of the schema; a view of its own may change them."""
    given = spec.mapping.levels() if spec.mapping is not None and spec.view == DEFAULT_VIEW else {}
    for name, texts in given.items():
        column = table.columns.get(name)
        if not isinstance(column, CategoricalColumn):
            continue
        members = [str(item) for item in column.domain]
        place = {text: number for number, text in enumerate(members)}
        if isinstance(column.domain[0], int):
            place |= {text: number for number, text in enumerate(number_texts(members))}
        reached = {place[text] for text in texts if text in place}
        unknown = ", ".join(sorted(text for text in texts if text not in place))
        lacking = ", ".join(member for number, member in enumerate(members) if number not in reached)
        for code, listed, what in (
            (
                LEVEL_UNKNOWN,
                unknown,
                "the mapping gives what is not in the schema's domain, and counts as missing",
            ),
            (LEVEL_MISSING, lacking, "no word or code of the mapping gives"),
        ):
            if listed:
                fault = SchemaMismatchError(source=spec.name, column=name, reason=f"{what}: {listed}")
                found.append(OpeningFault(code=code, column=name, reason=str(fault)))


def _check_columns(
    table: Table, viewed: list[ViewColumn], rules: CellRules, spec: SourceSpec, found: list[OpeningFault]
) -> None:
    """Find every column of the schema that is missing or of another type.

    Raises:
        _Stop: there is one.
    """
    before = len(found)
    for name, column in table.columns.items():
        try:
            if name == table.privacy_unit:
                unit_column(table, viewed, spec.name)
            else:
                clean_column(column, viewed, rules, spec.name)
        except SchemaMismatchError as error:
            code = COLUMN_TYPE if has_column(name, viewed) else COLUMN_MISSING
            found.append(OpeningFault(code=code, column=name, reason=str(error)))
    if len(found) > before:
        raise _Stop


def _check_pushed(spec: SourceSpec, table: Table, found: list[OpeningFault]) -> None:
    """A table that stays in its server: its columns by the server's catalogue."""
    from analytics.sources.pushed.clean_view import push_columns
    from analytics.sources.pushed.words import POSTGRESQL_WORDS
    from analytics.sources.servers.access import READ_ONLY
    from analytics.sources.servers.access import connect as reach
    from analytics.sources.servers.relation import find_relation

    if spec.server is None:
        raise _stop(found, SOURCE, SchemaMismatchError(source=spec.name, reason="engine needs a server"))
    own_view = "" if spec.view == DEFAULT_VIEW else spec.view
    with ExitStack() as stack:
        try:
            session = reach(spec.server, spec.name)
            stack.callback(session.close)
            session.execute(READ_ONLY)
            relation = find_relation(session, spec.relation, "", spec.name)
        except SchemaMismatchError as error:
            raise _stop(found, SOURCE, error) from None
        if own_view:
            try:
                relation = find_relation(session, spec.relation, own_view, spec.name)
            except SchemaMismatchError as error:
                raise _stop(found, VIEW, error) from None
    viewed = [ViewColumn(name=name, sql="", kind="") for name in relation.names]
    missing = [name for name in table.columns if not has_column(name, viewed)]
    reason = "the table or view in the server has no such column"
    for name in missing:
        text = str(SchemaMismatchError(source=spec.name, column=name, reason=reason))
        found.append(OpeningFault(code=COLUMN_MISSING, column=name, reason=text))
    if not missing:
        try:
            push_columns(table, relation, spec.cells, spec.name, POSTGRESQL_WORDS)
        except SchemaMismatchError as error:
            found.append(OpeningFault(code=COLUMN_TYPE, column=error.column, reason=str(error)))
