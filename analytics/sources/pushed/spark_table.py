"""A table that stays in its Spark cluster: cleaned and kept there once, then asked for aggregates.

Layer:       analytics.sources.pushed above checks.
Guarantees:  the table is read once, by one job, when it is opened; its staged columns are kept by the executors of the
             session (a local checkpoint) and checked there, then the clean ones, with a number in the place of each
             identifier. All later statements see these rows alone: a table that changes is seen anew when the node is
             started again, never within a run, and no row can make a statement fail. What is kept is integers and truth
             values; it goes with the session.
See instead: the table's SELECT (``clean_view``), its statements (``engines.spark_engine``).
Source:      ours; docs/guarantees.md P5, P6, P19; Spark 4's manual, ``DataFrame.localCheckpoint``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.sources.engines.spark_engine import SparkEngine
from analytics.sources.pushed.checks import STAGED, check_rows
from analytics.sources.pushed.clean_view import KNOWN, push_columns
from analytics.sources.pushed.words import SPARK_WORDS
from analytics.sources.servers.spark_faults import view_fault
from analytics.sources.servers.spark_relation import find_relation
from analytics.sources.servers.spark_session import close, connect, keep
from analytics.sources.spec import DEFAULT_VIEW
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.sources.pushed.clean_view import PushedColumns
    from analytics.sources.reports.report import IngestReport
    from analytics.sources.spec import SourceSpec

_UNIT: Final = quoted(UNIT_COLUMN)
_OF, _NUMBER = quoted("#of"), quoted("#number")


def push_spark(spec: SourceSpec, table: Table) -> tuple[SparkEngine, IngestReport]:
    """Open a table where it is.

    Visible to: the site alone.

    Args:
        spec: the site's source, with its cluster.
        table: the schema's table.

    Returns:
        The engine, and what was found, for the site's administrator.

    Raises:
        SchemaMismatchError: the cluster is not reached, or the table is not as it should be.
    """
    access, source = spec.server, spec.name
    if access is None:
        raise SchemaMismatchError(source=source, reason="engine needs the address of a server")
    own_view = "" if spec.view == DEFAULT_VIEW else spec.view
    session = connect(access, source)
    try:
        relation = find_relation(session, spec.relation, own_view, source)
        columns = push_columns(table, relation, spec.cells, source, SPARK_WORDS)
        try:
            report, kept = _kept(session, columns, table, spec)
        except SchemaMismatchError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, its text stays here
            raise SchemaMismatchError(source=source, reason=view_fault(own_view, error)) from None
        engine = SparkEngine(session, source=source, kept=kept)
    except BaseException:
        close(session)
        raise
    return engine, report


def _kept(
    session: Any, columns: PushedColumns, table: Table, spec: SourceSpec
) -> tuple[IngestReport, object]:
    """Keep the staged rows, check them, and keep the clean ones in their place."""
    staged = keep(session, columns.staged())
    staged.createOrReplaceTempView(STAGED)

    def ask(statement: str) -> tuple[Any, ...]:
        found = session.sql(statement).toArrow()
        return tuple(column[0].as_py() for column in found.columns)

    report, marked = check_rows(ask, columns, table, spec)
    chosen = columns.clean_of_staged(marked)
    statement = f"SELECT {', '.join(chosen)} FROM {STAGED}"  # noqa: S608  names are quoted
    if columns.unit is not None:
        units = f"SELECT DISTINCT {_UNIT} AS {_OF} FROM {STAGED} WHERE {KNOWN}"  # noqa: S608
        numbers = f"SELECT {_OF}, row_number() OVER (ORDER BY CAST({_OF} AS STRING)) AS {_NUMBER} FROM ({units}) AS units"  # noqa: S608
        chosen.append(f"CAST({_NUMBER} AS BIGINT) AS {_UNIT}")
        rows = f"{STAGED} JOIN ({numbers}) AS numbers ON {_UNIT} = {_OF}"
        statement = f"SELECT {', '.join(chosen)} FROM {rows} WHERE {KNOWN}"  # noqa: S608
    clean = keep(session, statement)
    session.catalog.dropTempView(STAGED)
    clean.createOrReplaceTempView(table.name)
    return report, clean
