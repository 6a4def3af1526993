"""A site's ledger in a PostgreSQL schema of its own.

Layer:       privacy_accounting.ledger, above ``store``. Needs the extra ``postgres``.
Guarantees:  as the SQLite store's: one call is one transaction, durable at the server when it returns
             (``synchronous_commit`` is set on for this session, whatever the server's default); triggers refuse to
             update, delete or truncate a row of any table; a ledger has one writer at a time.
See instead: what the rows mean (``replica``), backups of the server, moving old entries away (``postgres_archive``).
Source:      postgresql.org/docs: LOCK, CREATE TRIGGER, synchronous_commit.
"""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any, Final, LiteralString

import psycopg
from psycopg import errors, sql

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.store import (
    UNIQUE,
    Note,
    Store,
    Table,
    already_recorded,
    check_numbers,
    kept_names,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privacy_accounting.ledger.entries import Entry

FORMAT: Final = 3
"""Of new schemas. Format 2 has no base; such schemas are read and written as they are."""
OLDEST_FORMAT: Final = 2
_STEM: Final = 38  # of a name that is kept: what follows it must fit too
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,54}", re.ASCII)
_GUARD: Final = """
CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'append-only' USING ERRCODE = 'restrict_violation'; END $$
"""
_GAP: Final = """
CREATE FUNCTION {schema}.no_gap() RETURNS trigger LANGUAGE plpgsql AS
$$ DECLARE following bigint;
BEGIN
  EXECUTE format('SELECT COALESCE(MAX(number) + 1, (SELECT number FROM %I.base)) FROM %I.entries',
                 TG_TABLE_SCHEMA, TG_TABLE_SCHEMA) INTO following;
  IF NEW.number <> following THEN
    RAISE EXCEPTION 'append-only' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$
"""
_LOCK_S: Final = 2.0
_TABLES: Final = ("owner", "base", "entries", *UNIQUE)


class PostgresStore(Store):
    """The port on one schema of a PostgreSQL server; one connection, one lock."""

    def __init__(
        self, conninfo: str, *, owner: str, schema: str, writable: bool = True, base: int = 0
    ) -> None:
        """Open or create a ledger.

        Args:
            conninfo: how to reach the server (libpq); it may hold a password and is never shown.
            owner: name of the site; must be the one that the schema was made for, or empty to read only.
            schema: lower-case name; made where there is none.
            writable: False opens an existing schema without writing; see ``read_only``.
            base: number of the first entry of a schema that is made here; older ones are in an archive.

        Raises:
            LedgerRefusedError: the server cannot be reached, or the schema is no ledger or another site's.
        """
        if not _NAME.fullmatch(schema):
            raise LedgerRefusedError(reason="the schema's name is not a plain lower-case name")
        self._lock = threading.Lock()
        self._owner, self._base, self._format = owner, base, FORMAT
        self._name, self._schema = schema, sql.Identifier(schema)
        try:
            self._connection = psycopg.connect(conninfo, autocommit=True)
        except psycopg.Error:
            # the driver's own text can quote the connection string, so it is no cause either
            raise LedgerRefusedError(reason="the ledger's server cannot be reached") from None
        try:
            if writable:
                self._connection.execute("SET synchronous_commit = on")
                self._keep_others_out(schema)
                self._prepare(schema)
            else:
                # one unchanging view for as long as the store is open, also beside a writer
                self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                self._require(schema)
            self._check_owner()
        except psycopg.Error as error:
            self._connection.close()
            raise LedgerRefusedError(reason="the schema is no ledger, or cannot be opened") from error
        except LedgerRefusedError:
            self._connection.close()
            raise

    @classmethod
    def read_only(cls, conninfo: str, *, schema: str) -> PostgresStore:
        """Open a ledger to read it as it stands now, also beside the node that writes it.

        Raises:
            LedgerRefusedError: the server cannot be reached, or the schema is no ledger.
        """
        return cls(conninfo, owner="", schema=schema, writable=False)

    def _sql(self, text: str, **names: str) -> sql.Composed:
        identifiers = {key: sql.Identifier(value) for key, value in names.items()}
        return sql.SQL(text).format(schema=self._schema, **identifiers)

    def _keep_others_out(self, schema: str) -> None:
        """One writer at a time, until the connection ends: two nodes on one ledger would sign twice.

        The server notices a moment later than we do that a killed node is gone, hence the second look.
        """
        query, name = "SELECT pg_try_advisory_lock(hashtext(%s))", (f"crossward {schema}",)
        ends_at = time.monotonic() + _LOCK_S
        while (row := self._connection.execute(query, name).fetchone()) is None or not row[0]:
            if time.monotonic() > ends_at:
                raise LedgerRefusedError(reason="the ledger is in use by another writer")
            time.sleep(_LOCK_S / 20)

    def _is_there(self, schema: str) -> bool:
        query = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
        return self._connection.execute(query, (schema,)).fetchone() is not None

    def _require(self, schema: str) -> None:
        if not self._is_there(schema):
            raise LedgerRefusedError(
                reason=f"there is no schema {schema} yet; the node makes it at its first start"
            )

    def _prepare(self, schema: str) -> None:
        with self._connection.transaction():
            if not self._is_there(schema):
                self._create()

    def _create(self) -> None:
        run = self._connection.execute
        run(self._sql("CREATE SCHEMA {schema}"))
        run(self._sql(_GUARD))
        run(self._sql(_GAP))
        run(self._sql("CREATE TABLE {schema}.owner (name text NOT NULL, format integer NOT NULL)"))
        run(self._sql("CREATE UNIQUE INDEX ON {schema}.owner ((true))"))
        run(self._sql("CREATE TABLE {schema}.base (number bigint NOT NULL)"))
        run(self._sql("CREATE UNIQUE INDEX ON {schema}.base ((true))"))
        run(
            self._sql(
                "CREATE TABLE {schema}.entries (number bigint PRIMARY KEY, hash text NOT NULL UNIQUE, data bytea NOT NULL)"
            )
        )
        run(
            self._sql(
                "CREATE TRIGGER no_gap BEFORE INSERT ON {schema}.entries FOR EACH ROW EXECUTE FUNCTION {schema}.no_gap()"
            )
        )
        for table, key in UNIQUE.items():
            columns = sql.SQL(", ").join(sql.Identifier(name) for name in key)
            text = (
                "CREATE TABLE {schema}.{table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
                "number bigint NOT NULL, ballot bigint NOT NULL, digest text NOT NULL, payload bytea NOT NULL, "
                "UNIQUE ({columns}))"
            )
            run(sql.SQL(text).format(schema=self._schema, table=sql.Identifier(table), columns=columns))
            run(self._sql("CREATE INDEX ON {schema}.{table} (number)", table=table))
        for guarded in _TABLES:
            self._guard(guarded)
        run(self._sql("INSERT INTO {schema}.owner VALUES (%s, %s)"), (self._owner, FORMAT))
        run(self._sql("INSERT INTO {schema}.base VALUES (%s)"), (self._base,))

    def _guard(self, table: str) -> None:
        for scope in ("UPDATE OR DELETE", "TRUNCATE"):
            name = "no_change" if scope.startswith("UPDATE") else "no_truncate"
            text = (
                f"CREATE TRIGGER {name} BEFORE {scope} ON {{schema}}.{{table}} "
                "FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse()"
            )
            self._connection.execute(self._sql(text, table=table))

    def _check_owner(self) -> None:
        row = self._connection.execute(self._sql("SELECT name, format FROM {schema}.owner")).fetchone()
        name, version = row or ("", 0)
        if not OLDEST_FORMAT <= version <= FORMAT:
            raise LedgerRefusedError(
                reason=f"the schema is not a ledger of format {OLDEST_FORMAT} to {FORMAT}"
            )
        if self._owner not in {"", name}:
            raise LedgerRefusedError(reason=f"the schema is the ledger of {name}, not of {self._owner}")
        self._owner, self._format, self._base = name, version, 0
        if version > OLDEST_FORMAT:
            base = self._connection.execute(self._sql("SELECT number FROM {schema}.base")).fetchone()
            self._base = int(base[0]) if base else 0

    @property
    def owner(self) -> str:
        """Name of the site whose ledger it is."""
        return self._owner

    @property
    def is_open(self) -> bool:
        """Whether the connection stands, as far as is known; with it goes the lock that keeps others out."""
        return not self._connection.closed

    def _rows(
        self, query: sql.Composed | LiteralString, values: Sequence[object] = ()
    ) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except psycopg.Error as error:
                raise LedgerRefusedError(reason="the ledger's server cannot be read") from error

    def height(self) -> int:
        """Count the complete entries."""
        query = self._sql("SELECT COALESCE(MAX(number) + 1, %s) FROM {schema}.entries")
        ((height,),) = self._rows(query, (self._base,))
        return int(height)

    def first(self) -> int:
        """Give the number of the first entry held."""
        return self._base

    def entries(self, first: int = 0, limit: int | None = None) -> list[bytes]:
        """Give complete entries in order."""
        query = self._sql("SELECT data FROM {schema}.entries WHERE number >= %s ORDER BY number LIMIT %s")
        return [bytes(data) for (data,) in self._rows(query, (first, limit))]

    def append(self, entries: Sequence[Entry], notes: Sequence[Note] = ()) -> None:
        """Add complete entries and notes in one durable transaction."""
        with self._lock:
            try:
                with self._connection.transaction():
                    self._write(entries, notes)
            except (errors.UniqueViolation, errors.RestrictViolation) as error:
                raise already_recorded() from error
            except psycopg.Error as error:
                raise LedgerRefusedError(reason="the ledger's server did not take the write") from error

    def _write(self, entries: Sequence[Entry], notes: Sequence[Note]) -> None:
        cursor = self._connection.cursor()
        cursor.execute(self._sql("LOCK TABLE {schema}.entries IN EXCLUSIVE MODE"))
        query = self._sql("SELECT COALESCE(MAX(number) + 1, %s) FROM {schema}.entries")
        row = cursor.execute(query, (self._base,)).fetchone()
        check_numbers(entries, int(row[0]) if row else self._base)
        if entries:
            cursor.executemany(
                self._sql("INSERT INTO {schema}.entries (number, hash, data) VALUES (%s, %s, %s)"),
                [(entry.body.number, entry.hash.hex(), entry.to_bytes()) for entry in entries],
            )
        text = "INSERT INTO {schema}.{table} (number, ballot, digest, payload) VALUES (%s, %s, %s, %s)"
        for note in notes:
            cursor.execute(
                self._sql(text, table=note.table), (note.number, note.ballot, note.digest, note.payload)
            )

    def notes(self, table: Table, *, first: int = 0, digest: str = "") -> list[Note]:
        """Give notes in the order in which they were written."""
        text = (
            "SELECT number, ballot, digest, payload FROM {schema}.{table} "
            "WHERE number >= %s AND (%s = '' OR digest = %s) ORDER BY id"
        )
        rows = self._rows(self._sql(text, table=table), (first, digest, digest))
        return [
            Note(table=table, number=number, ballot=ballot, digest=name, payload=bytes(payload))
            for number, ballot, name, payload in rows
        ]

    def guards_missing(self) -> list[str]:
        """List tables whose append-only triggers are missing or disabled; an auditor asks."""
        found = self._rows(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND t.tgenabled = 'O'",
            (self._name,),
        )
        tables = [table for table in _TABLES if table != "base" or self._format > OLDEST_FORMAT]
        wanted = {(table, name) for table in tables for name in ("no_change", "no_truncate")}
        missing = wanted | {("entries", "no_gap")}
        return sorted(f"{table}_{name}" for table, name in missing - {(str(t), str(n)) for t, n in found})

    def give_way_to(self, schema: str) -> None:
        """Let another schema take this one's place, and drop this one, in one transaction; then close.

        Args:
            schema: of the same server, whole; its name is free afterwards.

        Raises:
            LedgerRefusedError: the server refuses; nothing was changed.
        """
        old = f"{self._name}_old"
        with self._lock:
            try:
                with self._connection.transaction():
                    run = self._connection.execute
                    run(self._sql("ALTER SCHEMA {schema} RENAME TO {old}", old=old))
                    run(self._sql("ALTER SCHEMA {fresh} RENAME TO {schema}", fresh=schema))
                    run(self._sql("DROP SCHEMA {old} CASCADE", old=old))
            except psycopg.Error as error:
                raise LedgerRefusedError(reason="the ledger's server did not exchange the schemas") from error
            finally:
                self._connection.close()

    def put_aside(self, chain: str) -> str:
        """Give this ledger another name on the server, where it is kept; then close.

        Args:
            chain: of this ledger, hexadecimal; its beginning stands in the new name.

        Returns:
            The new name of the schema.

        Raises:
            LedgerRefusedError: the server refuses; nothing was changed.
        """
        with self._lock:
            try:
                kept = next(
                    name for name in kept_names(self._name[:_STEM], chain) if not self._is_there(name)
                )
                self._connection.execute(self._sql("ALTER SCHEMA {schema} RENAME TO {kept}", kept=kept))
            except psycopg.Error as error:
                raise LedgerRefusedError(reason="the ledger's server did not rename the schema") from error
            finally:
                self._connection.close()
        return kept

    def forget(self, schema: str) -> None:
        """Drop a schema that an interrupted archive left behind; there may be none."""
        with self._lock:
            try:
                self._connection.execute(self._sql("DROP SCHEMA IF EXISTS {name} CASCADE", name=schema))
            except psycopg.Error as error:
                raise LedgerRefusedError(reason=f"the ledger's server does not drop {schema}") from error

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()
