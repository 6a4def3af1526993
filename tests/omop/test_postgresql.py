"""An OMOP database in a real PostgreSQL server, whose tables the node reads: the same research table as of a file."""

from dataclasses import replace

import pytest

from analytics.errors import SchemaMismatchError
from tests.omop.mapping_text import EVERYTHING
from tests.omop.omop_world import COLUMNS, drawn, in_duckdb, kind_of, research, spec_of
from tests.sources import servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def server():
    yield from servers.for_tests()


def test_the_tables_of_a_server(server, tmp_path):
    rows = drawn(6, n=15)
    for table, records in rows.items():
        names = COLUMNS[table].split()
        kinds = {"DOUBLE": "double precision", "VARCHAR": "text", "INTEGER": "integer", "DATE": "date"}
        server.run(
            f"CREATE TABLE research.{table} ({', '.join(f'{name} {kinds[kind_of(name)]}' for name in names)})"
        )
        with server.session() as session, session.cursor() as cursor:
            marks = ", ".join(["%s"] * len(names))
            cursor.executemany(f"INSERT INTO research.{table} VALUES ({marks})", records)
    file = spec_of(tmp_path, EVERYTHING, in_duckdb(tmp_path / "cdm.duckdb", rows), "person")
    there = server.spec("research.person", engine="", mapping=file.mapping)
    assert research(there) == research(file)
    server.run("DROP TABLE research.death")
    with pytest.raises(SchemaMismatchError, match="the schema research has no table or view death"):
        research(there)
    with pytest.raises(SchemaMismatchError, match="a mapping needs a table that the node reads"):
        replace(there, engine="postgresql")
