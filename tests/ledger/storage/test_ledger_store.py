"""One contract for all stores, then the guarantees of the file store or the server store alone."""

import sqlite3
import stat
import threading

import pytest

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.ledger.storage.store import Note, Table
from tests.ledger.ledger_world import World, a_charge


@pytest.fixture
def store(make_store):
    return make_store()


@pytest.fixture(scope="module")
def entries():
    world = World().found()
    for _ in range(3):
        world.agree(a_charge(world.budget))
    return world.entries()


def note(table=Table.ANSWERS, number=1, ballot=0, digest="aa", payload=b"x"):
    return Note(table=table, number=number, ballot=ballot, digest=digest, payload=payload)


class TestContract:
    def test_begins_empty(self, store):
        assert (store.owner, store.height(), store.entries()) == ("ankara", 0, [])
        assert all(store.notes(table) == [] for table in Table)

    def test_gives_entries_back_in_order(self, store, entries):
        store.append(entries[:1])
        store.append(entries[1:])
        datas = [entry.to_bytes() for entry in entries]
        assert store.height() == len(entries)
        assert store.entries() == datas
        assert store.entries(1, 2) == datas[1:3]
        assert store.entries(99) == []

    @pytest.mark.parametrize("wrong", [[1], [0, 2], [0, 0], [1, 0]])
    def test_refuses_a_gap_and_writes_nothing(self, store, entries, wrong):
        with pytest.raises(LedgerRefusedError):
            store.append([entries[index] for index in wrong], [note()])
        assert store.height() == 0
        assert store.notes(Table.ANSWERS) == []

    def test_an_entry_is_stored_once(self, store, entries):
        store.append(entries[:2])
        with pytest.raises(LedgerRefusedError):
            store.append(entries[1:2])
        assert store.height() == 2

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (note(), note(digest="bb", payload=b"y")),
            (note(Table.PROPOSALS), note(Table.PROPOSALS, digest="bb")),
            (note(Table.WITHDRAWALS), note(Table.WITHDRAWALS, payload=b"z")),
            (note(Table.STARTED), note(Table.STARTED, number=2, ballot=1)),
            (note(Table.OPENED), note(Table.OPENED, number=2, ballot=1)),
            (note(Table.FORKS), note(Table.FORKS, ballot=1)),
        ],
    )
    def test_p1_a_second_unique_note_is_refused_and_nothing_is_written(self, store, first, second):
        other = note(Table.RECEIVED, number=9)
        store.append((), [first])
        for batch in ([second], [other, second]):
            with pytest.raises(LedgerRefusedError):
                store.append((), batch)
        assert store.notes(first.table) == [first]
        assert store.notes(Table.RECEIVED) == []

    def test_notes_are_found_by_number_and_digest(self, store):
        all_notes = [note(number=n, digest=f"{n:02x}") for n in range(5)]
        store.append((), all_notes)
        assert store.notes(Table.ANSWERS) == all_notes
        assert store.notes(Table.ANSWERS, first=3) == all_notes[3:]
        assert store.notes(Table.ANSWERS, digest="02") == [all_notes[2]]
        assert store.notes(Table.ANSWERS, first=3, digest="02") == []

    def test_entries_and_notes_are_one_transaction(self, store, entries):
        store.append((), [note()])
        with pytest.raises(LedgerRefusedError):
            store.append(entries[:1], [note()])
        assert store.height() == 0

    def test_threads_may_race(self, store):
        won = []

        def record():
            try:
                store.append((), [note(Table.OPENED)])
            except LedgerRefusedError:
                return
            won.append(1)

        threads = [threading.Thread(target=record) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1


class TestFile:
    def test_is_readable_by_its_owner_alone(self, tmp_path, entries):
        store = SqliteStore(tmp_path / "l.db", owner="ankara")
        store.append(entries)
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        store.close()

    def test_is_synchronised_fully(self, tmp_path):
        store = SqliteStore(tmp_path / "l.db", owner="ankara")
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        store.close()

    @pytest.mark.parametrize("table", ["entries", "owner", *Table])
    def test_p1_no_table_can_be_changed(self, tmp_path, entries, table):
        store = SqliteStore(tmp_path / "l.db", owner="ankara")
        store.append(entries, [note(kind) for kind in Table])
        store.close()
        connection = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
        column = "name" if table == "owner" else "number"
        before = connection.execute(f"SELECT * FROM {table}").fetchall()
        attempts = [
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
            f"REPLACE INTO {table} SELECT * FROM {table} LIMIT 1",
            f"UPDATE OR REPLACE {table} SET {column} = {column}",
        ]
        for attempt in attempts:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(attempt)
        assert connection.execute(f"SELECT * FROM {table}").fetchall() == before
        connection.close()

    def test_survives_opening_again_and_belongs_to_one_site(self, tmp_path, entries):
        for _ in range(2):
            store = SqliteStore(tmp_path / "l.db", owner="ankara")
            if store.height() == 0:
                store.append(entries)
            assert store.height() == len(entries)
            store.close()
        with pytest.raises(LedgerRefusedError, match="ankara"):
            SqliteStore(tmp_path / "l.db", owner="basel")

    def test_refuses_what_is_no_ledger(self, tmp_path):
        (tmp_path / "garbage").write_bytes(b"no database" * 100)
        other = sqlite3.connect(tmp_path / "other.db")
        other.execute("CREATE TABLE t (x)")
        other.commit()
        other.close()
        for name in ("garbage", "other.db"):
            with pytest.raises(LedgerRefusedError):
                SqliteStore(tmp_path / name, owner="ankara")
            with pytest.raises(LedgerRefusedError):
                SqliteStore.read_only(tmp_path / name)
        with pytest.raises(LedgerRefusedError):
            SqliteStore.read_only(tmp_path / "absent.db")

    def test_an_auditor_reads_a_copy_and_cannot_write(self, tmp_path, entries):
        store = SqliteStore(tmp_path / "l.db", owner="ankara")
        store.append(entries, [note()])
        while_open = SqliteStore.read_only(tmp_path / "l.db")
        assert while_open.entries() == store.entries()
        while_open.close()
        store.close()
        (tmp_path / "l.db").chmod(0o400)
        copy = SqliteStore.read_only(tmp_path / "l.db")
        assert (copy.owner, copy.height(), copy.guards_missing()) == ("ankara", len(entries), [])
        with pytest.raises(LedgerRefusedError):
            copy.append((), [note(number=5)])
        copy.close()

    def test_a_ledger_has_one_writer_at_a_time_and_any_number_of_readers(self, tmp_path):
        store = SqliteStore(tmp_path / "l.db", owner="ankara")
        with pytest.raises(LedgerRefusedError, match="in use"):
            SqliteStore(tmp_path / "l.db", owner="ankara")
        SqliteStore.read_only(tmp_path / "l.db").close()
        store.close()
        SqliteStore(tmp_path / "l.db", owner="ankara").close()
        with pytest.raises(LedgerRefusedError):
            SqliteStore(tmp_path / "nowhere" / "l.db", owner="ankara")

    def test_missing_guards_are_named(self, tmp_path):
        SqliteStore(tmp_path / "l.db", owner="ankara").close()
        connection = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
        connection.execute("DROP TRIGGER started_no_delete")
        connection.execute("DROP TRIGGER entries_no_update")
        connection.execute("CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT 1; END")
        connection.close()
        store = SqliteStore.read_only(tmp_path / "l.db")
        assert store.guards_missing() == ["entries_no_update", "started_no_delete"]
        store.close()


class TestServer:
    @pytest.fixture
    def opened(self, postgres, new_schema):
        from privacy_accounting.ledger.storage.postgres import PostgresStore

        schema = new_schema()
        return lambda owner="ankara": PostgresStore(postgres, owner=owner, schema=schema), schema

    @pytest.mark.parametrize("table", ["entries", "owner", *Table])
    def test_p1_no_table_can_be_changed(self, opened, postgres, entries, table):
        import psycopg

        make, schema = opened
        store = make()
        store.append(entries, [note(kind) for kind in Table])
        column = "name" if table == "owner" else "number"
        with psycopg.connect(postgres, autocommit=True) as connection:
            before = connection.execute(f"SELECT * FROM {schema}.{table}").fetchall()
            for attempt in (
                f"UPDATE {schema}.{table} SET {column} = {column}",
                f"DELETE FROM {schema}.{table}",
                f"TRUNCATE {schema}.{table}",
            ):
                with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
                    connection.execute(attempt)
            assert connection.execute(f"SELECT * FROM {schema}.{table}").fetchall() == before
            with pytest.raises(psycopg.errors.RestrictViolation):
                connection.execute(f"INSERT INTO {schema}.entries VALUES (999, 'x', 'y')")
        assert store.guards_missing() == []
        store.close()

    def test_survives_opening_again_and_belongs_to_one_site(self, opened, entries):
        make, _ = opened
        store = make()
        store.append(entries)
        store.close()
        again = make()
        assert again.entries() == [entry.to_bytes() for entry in entries]
        again.close()
        with pytest.raises(LedgerRefusedError, match="ankara"):
            make("basel")

    def test_a_ledger_has_one_writer_at_a_time(self, opened, entries):
        make, _ = opened
        one = make()
        with pytest.raises(LedgerRefusedError, match="in use"):
            make()
        one.append(entries[:1])
        one.close()
        two = make()
        assert two.height() == 1
        two.close()

    def test_is_synchronised_whatever_the_server_says(self, opened, postgres):
        import psycopg

        make, _ = opened
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("ALTER ROLE ledger SET synchronous_commit = off")
        store = make()
        assert store._connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
        store.close()

    def test_missing_guards_are_named(self, opened, postgres):
        import psycopg

        make, schema = opened
        store = make()
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"ALTER TABLE {schema}.started DISABLE TRIGGER no_change")
            connection.execute(f"DROP TRIGGER no_gap ON {schema}.entries")
        assert store.guards_missing() == ["entries_no_gap", "started_no_change"]
        store.close()

    def test_an_invalid_ledger_address_is_refused_without_its_password(self, postgres):
        from privacy_accounting.ledger.storage.postgres import PostgresStore

        for schema in ("public", "Robert'); DROP TABLE entries", "", "a" * 99):
            with pytest.raises(LedgerRefusedError):
                PostgresStore(postgres, owner="ankara", schema=schema)
        with pytest.raises(LedgerRefusedError) as caught:
            PostgresStore("host=/nowhere password=s3cret user=x", owner="ankara", schema="ledger")
        assert "s3cret" not in str(caught.value)

    def test_after_the_connection_is_lost_nothing_is_written(self, opened, postgres, entries):
        import psycopg

        make, _ = opened
        store = make()
        store.append(entries[:1])
        pid = store._connection.info.backend_pid
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(LedgerRefusedError):
            store.append(entries[1:2])
        store.close()
        again = make()
        assert again.height() == 1
        again.close()
