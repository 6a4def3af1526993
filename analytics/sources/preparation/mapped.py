"""Ingest of a source with or without a mapping, and the other files that a mapping reads.

Layer:       analytics.sources.preparation.mapped, above run and ingest.
Guarantees:  the mapping's steps run in the shut database, before the view; their tables end with them.
See instead: the pass after them (``analytics.sources.ingest``).
Source:      ours.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.schema import NumericColumn
from analytics.sources.cleaning import of_all_sources
from analytics.sources.ingest import ingest
from analytics.sources.loading import connect, opened, shut, workplace_in
from analytics.sources.preparation.run import RESULT, Prepared, prepared
from analytics.sources.steps.step import MAIN
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction
    from pathlib import Path

    import duckdb

    from analytics.schema import Table
    from analytics.sources.formats.base import Relation
    from analytics.sources.reports.report import IngestReport
    from analytics.sources.spec import CellRules, Preparation, SourceSpec

    Opened = tuple[Relation, CellRules, str]


@contextmanager
def inputs_opened(
    connection: duckdb.DuckDBPyConnection, inputs: Mapping[str, SourceSpec], workplace: Path
) -> Iterator[dict[str, Opened]]:
    """Open the other files of a mapping.

    Args:
        connection: an open database that is not yet shut.
        inputs: by block, from ``SourceSpec.inputs``.
        workplace: an empty folder for this alone.

    Yields:
        For each block its relation, how its texts are written, and its name for messages.

    Raises:
        SchemaMismatchError: files are missing, cannot be read, or are not of their kind; it names all of them.
    """
    with ExitStack() as stack:
        found: dict[str, Opened] = {}
        faults: list[SchemaMismatchError] = []
        for place, (block, spec) in enumerate(inputs.items()):
            folder = workplace / f"input_{place}"
            folder.mkdir(mode=0o700)
            try:
                relation = stack.enter_context(opened(connection, spec, workplace=folder))
            except SchemaMismatchError as fault:
                faults.append(fault)
                continue
            found[block] = (relation, spec.cells, spec.name)
        if faults:
            raise of_all_sources(faults)
        yield found


def resolutions_of(table: Table) -> dict[str, Fraction]:
    """The resolution of each numeric column, to which conversions round."""
    return {
        name: column.resolution for name, column in table.columns.items() if isinstance(column, NumericColumn)
    }


def ingest_mapped(  # noqa: PLR0913  as ingest, with the mapping and its files
    connection: duckdb.DuckDBPyConnection,
    relation: Relation,
    *,
    table: Table,
    view: str,
    rules: CellRules,
    source: str,
    site_key: bytes,
    mapping: Preparation | None = None,
    others: Mapping[str, Opened] | None = None,
) -> IngestReport:
    """Run the mapping, where there is one, and build the clean table.

    Visible to: the site alone.

    Args:
        connection: a shut database.
        relation: the open source.
        table: the schema's table.
        view: the administrator's SELECT over ``source``, which is the mapping's result where there is one.
        rules: how the source's texts are written.
        source: the file's name, for messages.
        site_key: as for ``ingest``.
        mapping: the steps before the view.
        others: the mapping's other files, open.

    Returns:
        What was found, with what each step did.

    Raises:
        SchemaMismatchError: as ``prepared`` and ``ingest``.
    """
    if mapping is None:
        return ingest(
            connection, relation, table=table, view=view, rules=rules, source=source, site_key=site_key
        )
    mapping.check_unit(table.privacy_unit)
    blocks = {**(others or {}), MAIN: (relation, rules, source)}
    done = prepared(connection, mapping, blocks, resolutions=resolutions_of(table))
    report = ingest(
        connection,
        done.relation,
        table=table,
        view=view,
        rules=replace(rules, missing=()),  # they were looked for in the file's cells
        source=source,
        site_key=site_key,
    )
    connection.execute(f"DROP TABLE {quoted(RESULT)}")
    return replace(report, steps=done.steps)


def check_mapping(spec: SourceSpec, resolutions: Mapping[str, Fraction]) -> Prepared | None:
    """Run a source's mapping for its administrator's eyes: no refusal stops it, and no clean table is made.

    Visible to: the site alone.

    Args:
        spec: the source.
        resolutions: of the schema's numeric columns.

    Returns:
        What each step did; None where the source has no mapping.

    Raises:
        SchemaMismatchError: a file cannot be read, or a rule does not fit its columns.
    """
    if spec.mapping is None:
        return None
    connection = connect(1)
    try:
        with (
            workplace_in(None) as workplace,
            opened(connection, spec, workplace=workplace) as relation,
            inputs_opened(connection, spec.inputs(), workplace) as others,
        ):
            shut(connection, [*relation.paths, *(path for each in others.values() for path in each[0].paths)])
            blocks = {**others, MAIN: (relation, spec.cells, spec.name)}
            return prepared(connection, spec.mapping, blocks, resolutions=resolutions, refuses=False)
    finally:
        connection.close()
