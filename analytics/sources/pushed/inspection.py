"""Rows of a table that stays in its server, for checks that are aggregates: one snapshot, and nothing kept after it.

Layer:       analytics.sources.pushed above words and servers.
Guarantees:  statements see one state of a PostgreSQL table; of Spark, what the cluster reads with each. No row leaves the
             server. A statement that fails leaves the next ones as they were.
See instead: the same for rows that the node reads (``analytics.sources.inspection``).
Source:      ours.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.errors import SchemaMismatchError
from analytics.sources.pushed.words import POSTGRESQL_WORDS, SPARK_WORDS
from analytics.sources.servers import access as postgresql
from analytics.sources.servers import relation as postgresql_relation
from analytics.sources.spec import DEFAULT_VIEW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from analytics.sources.pushed.words import ServerWords
    from analytics.sources.servers.found import Found
    from analytics.sources.spec import SourceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRows:
    """A table or view of a server, open.

    Attributes:
        relation: the table, or the site's view of it.
        words: the server's.
        ask: runs a statement of one row.
    """

    relation: Found
    words: ServerWords
    ask: Callable[[str], Sequence[Any]]


@contextmanager
def inspected_in_server(spec: SourceSpec) -> Iterator[ServerRows]:
    """Open a source whose table stays in its server.

    Visible to: the site alone.

    Args:
        spec: the site's source, with its server and engine.

    Raises:
        SchemaMismatchError: the server is not reached, or the table or view is not there.
    """
    access, source = spec.server, spec.name
    if access is None:
        raise SchemaMismatchError(source=source, reason="engine needs the address of a server")
    own_view = "" if spec.view == DEFAULT_VIEW else spec.view
    opened = _in_spark if spec.engine == "spark" else _in_postgresql
    with opened(spec, own_view) as rows:
        yield rows


@contextmanager
def _in_postgresql(spec: SourceSpec, own_view: str) -> Iterator[ServerRows]:
    keeper = postgresql.connect(spec.server, spec.name)  # type: ignore[arg-type]  # checked by the caller
    try:
        keeper.execute(postgresql.READ_ONLY)
        relation = postgresql_relation.find_relation(keeper, spec.relation, own_view, spec.name)

        def ask(statement: str) -> Sequence[Any]:
            with keeper.transaction():  # a fault ends a savepoint and not the snapshot
                return keeper.execute(statement).fetchone() or ()

        yield ServerRows(relation=relation, words=POSTGRESQL_WORDS, ask=ask)
    finally:
        keeper.close()


@contextmanager
def _in_spark(spec: SourceSpec, own_view: str) -> Iterator[ServerRows]:
    from analytics.sources.servers import spark_session
    from analytics.sources.servers.spark_relation import find_relation

    session = spark_session.connect(spec.server, spec.name)  # type: ignore[arg-type]  # checked by the caller
    try:
        relation = find_relation(session, spec.relation, own_view, spec.name)

        def ask(statement: str) -> Sequence[Any]:
            found = session.sql(statement).toArrow()
            return tuple(column[0].as_py() for column in found.columns)

        yield ServerRows(relation=relation, words=SPARK_WORDS, ask=ask)
    finally:
        spark_session.close(session)
