"""A site's ledger in one SQLite file.

Layer:       privacy_accounting.ledger, above ``store``.
Guarantees:  write-ahead log with full synchronisation: what was appended survives the loss of power. Triggers refuse
             to update, delete or replace a row of any table. The file is readable by its owner alone, and has one
             writer at a time. An auditor opens a copy read-only and needs no key.
See instead: what the rows mean (``replica``), checking a file that may have been altered (``audit.verify``).
Source:      sqlite.org/wal.html, sqlite.org/pragma.html (synchronous), sqlite.org/lang_conflict.html (REPLACE fires
             no delete triggers, hence the one before insert).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.storage.store import (
    MEND,
    UNIQUE,
    Note,
    Store,
    Table,
    already_recorded,
    check_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from privacy_accounting.ledger.entries import Entry

FORMAT: Final = 2
"""Of new files. Format 1 has no checkpoints and no base; such files are read and written as they are."""
OLDEST_FORMAT: Final = 1
APPLICATION_ID: Final = 0x43574C47
_BUSY_MS: Final = 5_000


def _trigger(table: str, event: str, name: str, when: str = "") -> str:
    return (
        f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} {when} "
        "BEGIN SELECT RAISE(ABORT, 'append-only'); END;"
    )


def _guards(table: str, key: Sequence[str]) -> list[str]:
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    taken = f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names of our own tables
    return [
        _trigger(table, "UPDATE", "no_update"),
        _trigger(table, "DELETE", "no_delete"),
        _trigger(table, "INSERT", "no_replace", taken),
    ]


def _next_number(version: int) -> str:
    base = "(SELECT number FROM base), " if version > OLDEST_FORMAT else ""
    return f"SELECT COALESCE(MAX(number) + 1, {base}0) FROM entries"  # noqa: S608 - names of our own


def schema(version: int = FORMAT) -> list[str]:
    """Give the statements that make an empty ledger of a format, in order."""
    base = [] if version == OLDEST_FORMAT else _base_schema()
    tables = {t: key for t, key in UNIQUE.items() if version > OLDEST_FORMAT or t is not Table.CHECKPOINTS}
    next_number = _next_number(version)
    if version == OLDEST_FORMAT:
        next_number = "SELECT COALESCE(MAX(number), -1) + 1 FROM entries"
    statements = [
        *base,
        "CREATE TABLE owner (name TEXT NOT NULL);",
        _trigger("owner", "UPDATE", "no_update"),
        _trigger("owner", "DELETE", "no_delete"),
        _trigger("owner", "INSERT", "no_second", "WHEN (SELECT COUNT(*) FROM owner) > 0"),
        "CREATE TABLE entries (number INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, data BLOB NOT NULL);",
        *_guards("entries", ["number"]),
        _trigger(
            "entries",
            "INSERT",
            "no_gap",
            f"WHEN NEW.number <> ({next_number})",
        ),
    ]
    for table, key in tables.items():
        columns = (
            "number INTEGER NOT NULL, ballot INTEGER NOT NULL, digest TEXT NOT NULL, payload BLOB NOT NULL"
        )
        statements.append(
            f"CREATE TABLE {table} "
            f"(id INTEGER PRIMARY KEY AUTOINCREMENT, {columns}, UNIQUE ({', '.join(key)}));"
        )
        statements.extend(_guards(table, key))
        if "number" not in key:
            statements.append(f"CREATE INDEX {table}_number ON {table} (number);")
    return statements


def _base_schema() -> list[str]:
    """A single number, written when the file is made: the first entry held, once older ones are archived."""
    return [
        "CREATE TABLE base (number INTEGER NOT NULL);",
        _trigger("base", "UPDATE", "no_update"),
        _trigger("base", "DELETE", "no_delete"),
        _trigger("base", "INSERT", "no_second", "WHEN (SELECT COUNT(*) FROM base) > 0"),
    ]


class SqliteStore(Store):
    """The port on one file; one connection, one lock."""

    def __init__(self, path: Path, *, owner: str, writable: bool = True, base: int = 0) -> None:
        """Open or create a ledger file.

        Args:
            path: of the file; created with mode 0600 where there is none.
            owner: name of the site; must be the one that the file was created for, or empty to read only.
            writable: False opens an existing file without writing; see ``read_only``.
            base: number of the first entry of a file that is made here; older ones are in an archive.

        Raises:
            LedgerRefusedError: the file is not a ledger, another site's, or of a later format.
        """
        self._lock = threading.Lock()
        self._owner, self._base, self._format = owner, base, FORMAT
        self._mend = f": {MEND}" if writable else ""
        self._let_go = _release(self, exclusively(path)) if writable else _nothing
        try:
            self._connection = _connect_to_write(path) if writable else _connect_read_only(path)
        except (OSError, sqlite3.Error, LedgerRefusedError) as error:
            self._let_go()
            raise LedgerRefusedError(reason=str(error)) from error
        try:
            if writable:
                self._prepare()
            else:
                # one unchanging view for as long as the store is open, also beside a writer
                self._connection.execute("BEGIN")
            self._check_format()
            self._check_owner()
        except sqlite3.Error as error:
            self.close()
            mend = (
                self._mend if type(error) is sqlite3.DatabaseError else ""
            )  # not where it is locked, or full
            reason = f"{path.name} is not a ledger, is damaged, or cannot be opened ({error}){mend}"
            raise LedgerRefusedError(reason=reason) from error
        except LedgerRefusedError:
            self.close()
            raise

    @classmethod
    def read_only(cls, path: Path) -> SqliteStore:
        """Open a copy as an auditor does: nothing is written, no key is needed.

        Raises:
            LedgerRefusedError: the file cannot be read or is no ledger.
        """
        return cls(path, owner="", writable=False)

    def _prepare(self) -> None:
        run = self._connection.execute
        run(f"PRAGMA busy_timeout = {_BUSY_MS}")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA trusted_schema = OFF")
        with self._transaction():
            empty = run("SELECT COUNT(*) FROM sqlite_master").fetchone()[0] == 0
            if empty:
                for statement in schema():
                    run(statement)
                run(f"PRAGMA application_id = {APPLICATION_ID}")
                run(f"PRAGMA user_version = {FORMAT}")
                run("INSERT INTO owner (name) VALUES (?)", (self._owner,))
                run("INSERT INTO base (number) VALUES (?)", (self._base,))

    def _check_owner(self) -> None:
        (name,) = self._connection.execute("SELECT name FROM owner").fetchone() or ("",)
        if not isinstance(name, str) or not name:
            raise LedgerRefusedError(reason="the file does not say whose ledger it is")
        if self._owner not in {"", name}:
            raise LedgerRefusedError(reason=f"the file is the ledger of {name}, not of {self._owner}")
        self._owner = name

    def _check_format(self) -> None:
        application = self._connection.execute("PRAGMA application_id").fetchone()[0]
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID or not OLDEST_FORMAT <= version <= FORMAT:
            raise LedgerRefusedError(reason=f"the file is not a ledger of format {OLDEST_FORMAT} to {FORMAT}")
        self._format, self._base = version, 0
        if version > OLDEST_FORMAT:
            (self._base,) = self._connection.execute("SELECT number FROM base").fetchone() or (0,)
        if not isinstance(self._base, int) or self._base < 0:
            raise LedgerRefusedError(reason="the file does not say with which entry it begins")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Run one transaction; anything raised inside rolls all of it back."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @property
    def owner(self) -> str:
        """Name of the site whose ledger it is."""
        return self._owner

    def height(self) -> int:
        """Count the complete entries."""
        with self._lock:
            (count,) = self._connection.execute(_next_number(self._format)).fetchone()
        return int(count)

    def first(self) -> int:
        """Give the number of the first entry held."""
        return self._base

    def entries(self, first: int = 0, limit: int | None = None) -> list[bytes]:
        """Give complete entries in order."""
        query = "SELECT data FROM entries WHERE number >= ? ORDER BY number LIMIT ?"
        rows = self._rows(query, (first, -1 if limit is None else limit))
        return [_blob(data) for (data,) in rows]

    def append(self, entries: Sequence[Entry], notes: Sequence[Note] = ()) -> None:
        """Add complete entries and notes in one durable transaction."""
        with self._lock:
            try:
                self._write(entries, notes)
            except sqlite3.IntegrityError as error:
                raise already_recorded() from error
            except sqlite3.Error as error:
                raise LedgerRefusedError(reason=f"the ledger file cannot be written: {error}") from error

    def _write(self, entries: Sequence[Entry], notes: Sequence[Note]) -> None:
        run = self._connection.execute
        with self._transaction():
            (height,) = run(_next_number(self._format)).fetchone()
            check_numbers(entries, height)
            for entry in entries:
                row = (entry.body.number, entry.hash.hex(), entry.to_bytes())
                run("INSERT INTO entries (number, hash, data) VALUES (?, ?, ?)", row)
            for note in notes:
                if note.table is Table.CHECKPOINTS and self._format == OLDEST_FORMAT:
                    continue
                run(
                    f"INSERT INTO {note.table} (number, ballot, digest, payload) VALUES (?, ?, ?, ?)",  # noqa: S608
                    (note.number, note.ballot, note.digest, note.payload),
                )

    def notes(self, table: Table, *, first: int = 0, digest: str = "") -> list[Note]:
        """Give notes in the order in which they were written."""
        if table is Table.CHECKPOINTS and self._format == OLDEST_FORMAT:
            return []
        query = f"SELECT number, ballot, digest, payload FROM {table} WHERE number >= ?"  # noqa: S608 - an enum
        values: tuple[int | str, ...] = (first,)
        if digest:
            query, values = query + " AND digest = ?", (first, digest)
        rows = self._rows(query + " ORDER BY id", values)
        return [
            Note(table=table, number=number, ballot=ballot, digest=name, payload=_blob(payload))
            for number, ballot, name, payload in rows
        ]

    def guards_missing(self) -> list[str]:
        """List the append-only triggers that the file lacks or that were rewritten; an auditor asks."""
        rows = self._rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        found = {name: sql for name, sql in rows}  # noqa: C416 - says what it is
        wanted = {s.split()[2]: s.rstrip(";") for s in schema(self._format) if s.startswith("CREATE TRIGGER")}
        return sorted(name for name, sql in wanted.items() if found.get(name) != sql)

    def index(self) -> dict[int, str]:
        """Give the body hash under which each entry is filed; an auditor compares it with the entry."""
        return dict(self._rows("SELECT number, hash FROM entries ORDER BY number"))

    def _rows(self, query: str, values: tuple[int | str, ...] = ()) -> list[tuple[Any, ...]]:
        """Read; a file from others may lack what it should have."""
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise LedgerRefusedError(
                    reason=f"the ledger file cannot be read: {error}{self._mend}"
                ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
            self._let_go()


def _blob(value: object) -> bytes:
    """Refuse a value of another type than was written: files come from others too."""
    if not isinstance(value, bytes):
        raise LedgerRefusedError(reason="the file holds a row of another type than was written")
    return value


def exclusively(path: Path) -> int:
    """Keep every other writer out until the descriptor is closed or the process ends.

    Two nodes on one file would each remember only their own signatures and together sign twice under one number.

    Returns:
        A descriptor to close.

    Raises:
        LedgerRefusedError: another process, or another store of this one, writes this ledger.
    """
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerRefusedError(reason="the ledger's folder cannot be written") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LedgerRefusedError(reason="the ledger is in use by another writer") from error
    return descriptor


def _release(store: SqliteStore, held: int) -> Callable[[], object]:
    """Let the lock go when the store is closed, or forgotten; a second call does nothing."""
    return weakref.finalize(store, os.close, held)


def _nothing() -> None:
    """Let nothing go."""


def _connect_to_write(path: Path) -> sqlite3.Connection:
    """Open or create a file that only its owner may read."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.close(descriptor)
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a file without writing: beside a running node through its log, else as an immutable file."""
    if not path.is_file():
        raise LedgerRefusedError(reason=f"there is no ledger file {path.name}")
    # A read-only connection would create a log and its index beside a file that has none; immutable does not.
    mode = "?mode=ro" if Path(f"{path}-wal").exists() else "?mode=ro&immutable=1"
    connection = None
    try:
        connection = sqlite3.connect(
            path.resolve().as_uri() + mode, uri=True, isolation_level=None, check_same_thread=False
        )
        connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise LedgerRefusedError(reason=f"{path.name} cannot be read as a ledger") from error
    return connection
