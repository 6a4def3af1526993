"""Archiving a PostgreSQL ledger, as of a file: whole copy first, compacted ledger beside it, one atomic exchange."""

import pytest

from privacy_accounting.audit.verify import verify
from privacy_accounting.errors import EntriesArchivedError, LedgerRefusedError
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.storage.export import export_lines
from privacy_accounting.ledger.storage.store import Table
from tests.ledger.ledger_world import NAMES, World, an_exact, key_of
from tests.ledger.storage.test_ledger_checkpoint import a_history, close, snapshot

psycopg = pytest.importorskip("psycopg")

from privacy_accounting.ledger.storage.compaction import copy_into_file  # noqa: E402
from privacy_accounting.ledger.storage.postgres import PostgresStore  # noqa: E402
from privacy_accounting.ledger.storage.postgres_archive import archive_schema  # noqa: E402


class Servers:
    """Three sites whose ledgers are schemas of one server."""

    def __init__(self, conninfo, new_schema):
        self.conninfo = conninfo
        self.schemas = {name: new_schema() for name in NAMES}
        self.world = World(stores=self.open).found()
        self.kept = a_history(self.world)

    def open(self, name):
        return PostgresStore(self.conninfo, owner=name, schema=self.schemas[name])

    def archive(self, into, *, name="ankara", older_than=None):
        return archive_schema(
            self.conninfo,
            owner=name,
            schema=self.schemas[name],
            into=into,
            older_than=self.world.now if older_than is None else older_than,
        )

    def reopen(self):
        for name in NAMES:
            site = self.world.sites[name]
            site.store = type(site.store)(self.open(name))
            site.boot()
        self.world.sequencer = type(self.world.sequencer)(self.world.head.replica)
        self.world.sequencer.recover(self.world.heads())

    def schemas_of_the_server(self):
        with psycopg.connect(self.conninfo) as connection:
            rows = connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'ledger%'"
            ).fetchall()
        return {name for (name,) in rows}


@pytest.fixture
def servers(postgres, new_schema):
    made = Servers(postgres, new_schema)
    yield made
    close(made.world)


def test_an_archive_verifies_and_the_remaining_ledger_goes_on(servers, tmp_path):
    world, before = servers.world, servers.schemas_of_the_server()
    digest = world.head.replica.core.state.digest()
    rows = {table: world.head.store.inner.notes(table) for table in Table}
    datas = world.head.store.inner.entries()
    close(world)
    assert servers.archive(tmp_path / "old.sqlite") == 9
    assert servers.schemas_of_the_server() == before  # nothing half-done stays
    assert (tmp_path / "old.sqlite").stat().st_mode & 0o777 == 0o400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old.sqlite"]
    old = verify([tmp_path / "old.sqlite"])
    assert old.ok, old
    assert old.files[0].entries == len(datas)

    store = servers.open("ankara")
    assert (store.first(), store.height()) == (9, len(datas))
    assert store.entries() == datas[9:]
    assert store.guards_missing() == []
    for table in (Table.CHECKPOINTS, Table.STARTED, Table.OPENED, Table.FORKS):
        assert store.notes(table) == rows[table]
    replica = Replica(store, key_of("ankara"), world.clock, genesis=world.genesis)
    assert replica.core.state.digest() == digest
    with pytest.raises(LedgerRefusedError):
        replica.start(servers.kept[0])
    with pytest.raises(EntriesArchivedError) as caught:
        replica.entries_from(3)
    assert (caught.value.site, caught.value.number, caught.value.first) == ("ankara", 3, 9)
    with pytest.raises(LedgerRefusedError, match="archived"):
        list(export_lines(store))
    store.close()

    servers.reopen()
    assert world.agree(an_exact()).entries
    snapshot(world)
    close(world)
    assert servers.archive(tmp_path / "older.sqlite") == 12
    report = verify([tmp_path / "old.sqlite", tmp_path / "older.sqlite"])
    assert report.ok, report
    assert [each.begins for each in report.files] == [0, 9]


def test_the_guards_of_a_compacted_ledger_still_refuse(servers, tmp_path):
    close(servers.world)
    servers.archive(tmp_path / "old.sqlite")
    schema = servers.schemas["ankara"]
    with psycopg.connect(servers.conninfo, autocommit=True) as connection:
        for attempt in (
            f"UPDATE {schema}.base SET number = 0",
            f"DELETE FROM {schema}.started",
            f"TRUNCATE {schema}.entries",
            f"INSERT INTO {schema}.entries VALUES (99, 'x', 'y')",
            f"INSERT INTO {schema}.entries VALUES (3, 'x', 'y')",
        ):
            with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
                connection.execute(attempt)
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(f"INSERT INTO {schema}.base VALUES (1)")


def test_in_use_too_young_or_there_already_changes_nothing(servers, tmp_path):
    with pytest.raises(LedgerRefusedError, match="in use"):
        servers.archive(tmp_path / "old.sqlite")
    close(servers.world)
    with pytest.raises(LedgerRefusedError, match="old enough"):
        servers.archive(tmp_path / "old.sqlite", older_than=1_600_000_000)
    assert not (tmp_path / "old.sqlite").exists()
    (tmp_path / "there.sqlite").write_bytes(b"precious")
    with pytest.raises(LedgerRefusedError, match="exists"):
        servers.archive(tmp_path / "there.sqlite")
    assert (tmp_path / "there.sqlite").read_bytes() == b"precious"
    store = servers.open("ankara")
    assert store.first() == 0
    store.close()


def test_an_archive_that_was_interrupted_before_the_exchange_is_made_again(servers, tmp_path, monkeypatch):
    close(servers.world)

    def power_cut(self, schema):
        raise KeyboardInterrupt

    monkeypatch.setattr(PostgresStore, "give_way_to", power_cut)
    with pytest.raises(KeyboardInterrupt):
        servers.archive(tmp_path / "one.sqlite")
    monkeypatch.undo()
    store = servers.open("ankara")
    assert store.first() == 0  # the live ledger is whole
    store.close()
    assert servers.archive(tmp_path / "two.sqlite") == 9
    assert verify([tmp_path / "one.sqlite", tmp_path / "two.sqlite"]).ok
    assert not any(name.endswith(("_compacting", "_old")) for name in servers.schemas_of_the_server())


def test_a_reader_beside_the_writer_sees_one_unchanging_ledger(servers):
    reader = PostgresStore.read_only(servers.conninfo, schema=servers.schemas["ankara"])
    height, answers = reader.height(), reader.notes(Table.PROPOSALS)
    assert servers.world.agree(an_exact()).entries
    assert (reader.owner, reader.height(), reader.notes(Table.PROPOSALS)) == ("ankara", height, answers)
    assert servers.world.head.store.height() == height + 1
    with pytest.raises(LedgerRefusedError):
        reader.append(servers.world.entries()[-1:])
    reader.close()


def test_a_schema_of_the_format_before_is_read_and_written_as_it_is(postgres, new_schema, tmp_path):
    """Made by hand as that format was: no base table, a guard that names its schema."""
    schema = new_schema()
    made = PostgresStore(postgres, owner="ankara", schema=schema)
    made.close()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP TABLE {schema}.base")
        connection.execute(f"DROP TRIGGER no_change ON {schema}.owner")
        connection.execute(f"UPDATE {schema}.owner SET format = 2")
        connection.execute(
            f"CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON {schema}.owner "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse()"
        )
        connection.execute(
            f"CREATE OR REPLACE FUNCTION {schema}.no_gap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NEW.number <> (SELECT COALESCE(MAX(number) + 1, 0) FROM {schema}.entries) THEN "
            "RAISE EXCEPTION 'append-only' USING ERRCODE = 'restrict_violation'; END IF; RETURN NEW; END $$"
        )
    world = World().found()
    a_history(world)
    store = PostgresStore(postgres, owner="ankara", schema=schema)
    store.append(world.entries())
    for table in Table:
        store.append((), world.head.store.inner.notes(table))
    assert (store.first(), store.height(), store.guards_missing()) == (0, len(world.entries()), [])
    store.close()
    assert (
        archive_schema(
            postgres, owner="ankara", schema=schema, into=tmp_path / "old.sqlite", older_than=world.now
        )
        == 9
    )
    store = PostgresStore(postgres, owner="ankara", schema=schema)
    assert store.first() == 9
    store.close()


def test_a_copy_has_every_row_and_is_written_once(make_store, tmp_path):
    world = World().found()
    a_history(world)
    store = make_store()
    store.append(world.entries())
    for table in Table:
        store.append((), world.head.store.inner.notes(table))
    copy_into_file(store, tmp_path / "copy.sqlite")
    report = verify([tmp_path / "copy.sqlite"])
    assert report.ok, report
    assert report.files[0].entries == store.height()
    with pytest.raises(LedgerRefusedError, match="exists"):
        copy_into_file(store, tmp_path / "copy.sqlite")
