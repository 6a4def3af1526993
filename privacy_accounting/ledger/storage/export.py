"""Export of a ledger as JSON lines, and import: for long-term archives and for other tools.

Layer:       privacy_accounting.ledger, above ``store``.
Terms:       the first line is a header; then one line an entry, then one line a note; the last line has the number of
             those before it and their hash; a line is canonical JSON.
Guarantees:  entries keep their bytes and signatures, so that the export verifies as the file did; importing an export
             gives an equal ledger; a line that is not exactly as written, changed, missing or added is refused.
             Format 1, which had no last line, is still read: in it only entries prove themselves, proposals do not.
See instead: whether what is written is right (``audit.verify``).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical_json import Fields, decode, encode
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.storage.store import MemoryStore, Note, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from privacy_accounting.ledger.storage.store import Store

FORMAT: Final = 2
OLDEST_FORMAT: Final = 1
_CHUNK: Final = 500
_MAX_LINE: Final = 64 * 1024 * 1024
_PREFIX: Final = 9
_HASH_BYTES: Final = 32


def export_lines(store: Store) -> Iterator[bytes]:
    """Write a ledger, line by line, each with its newline.

    Args:
        store: any store that begins at entry 0.

    Raises:
        LedgerRefusedError: older entries are archived; export the archive.
    """
    if store.first() > 0:
        raise LedgerRefusedError(reason=f"entries before {store.first()} are archived; export the archive")
    hashed, count = hashlib.sha256(), 0
    for line in _lines(store):
        hashed.update(line)
        count += 1
        yield line
    yield _line({"end": count, "sha256": hashed.hexdigest()})


def _lines(store: Store) -> Iterator[bytes]:
    """Everything but the last line."""
    yield _line({"format": FORMAT, "owner": store.owner})
    number = 0
    while chunk := store.entries(number, _CHUNK):
        number += len(chunk)
        for data in chunk:
            yield _line({"entry": data.decode("ascii")})
    for table in Table:
        for note in store.notes(table):
            yield _line(
                {
                    "table": str(note.table),
                    "number": note.number,
                    "ballot": note.ballot,
                    "digest": note.digest,
                    "payload": note.payload.hex(),
                }
            )


def import_lines(lines: Iterable[bytes]) -> MemoryStore:
    """Read an export into memory, for an audit or to write it into another store.

    Raises:
        LedgerRefusedError: a line is not as ``export_lines`` writes it; its number is named.
    """
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        try:
            reader.take(line)
        except LedgerRefusedError as error:
            raise LedgerRefusedError(reason=f"line {number}: {error.reason}") from error
    return reader.done()


class _Reader:
    """What was read of an export so far."""

    def __init__(self) -> None:
        self._store: MemoryStore | None = None
        self._format = FORMAT
        self._hashed, self._count = hashlib.sha256(), 0
        self._is_ended = False

    def take(self, line: bytes) -> None:
        """Read one more line."""
        if self._is_ended:
            raise LedgerRefusedError(reason="follows the last line")
        if self._store is None:
            self._format, self._store = _header(line)
        elif line.startswith(b'{"end":'):
            self._end(line)
        else:
            _take(self._store, line)
        self._hashed.update(line)
        self._count += 1

    def _end(self, line: bytes) -> None:
        fields = _fields(line)
        count, hashed = fields.integer("end"), fields.hexadecimal("sha256", _HASH_BYTES)
        fields.done()
        if (count, hashed) != (self._count, self._hashed.hexdigest()):
            raise LedgerRefusedError(reason="the lines before it were changed")
        self._is_ended = True

    def done(self) -> MemoryStore:
        """Give the ledger, if it is whole."""
        if self._store is None:
            raise LedgerRefusedError(reason="the export is empty")
        if not self._is_ended and self._format > OLDEST_FORMAT:
            raise LedgerRefusedError(reason="the export is cut off: its last line is missing")
        return self._store


def _line(value: dict[str, object]) -> bytes:
    return encode(value) + b"\n"


def _fields(line: bytes) -> Fields:
    if not line.endswith(b"\n"):
        raise LedgerRefusedError(reason="the line is cut off")
    return Fields(decode(line[:-1], limit=_MAX_LINE), "line")


def _header(line: bytes) -> tuple[int, MemoryStore]:
    fields = _fields(line)
    version = fields.integer("format", low=OLDEST_FORMAT, high=FORMAT)
    owner = fields.text("owner")
    fields.done()
    return version, MemoryStore(owner=owner)


def _take(store: MemoryStore, line: bytes) -> None:
    fields = _fields(line)
    if b'{"entry":' in line[:_PREFIX]:
        data = fields.text("entry", most=_MAX_LINE)
        fields.done()
        store.append([Entry.from_bytes(data.encode("ascii", "replace"))])
        return
    table = fields.text("table")
    if table not in {str(known) for known in Table}:
        raise LedgerRefusedError(reason="unknown table")
    note = Note(
        table=Table(table),
        number=fields.integer("number"),
        ballot=fields.integer("ballot"),
        digest=fields.text("digest"),
        payload=_payload(fields.text("payload", most=_MAX_LINE, empty=True)),
    )
    fields.done()
    store.append((), [note])


def _payload(text: str) -> bytes:
    try:
        payload = bytes.fromhex(text)
    except ValueError as error:
        raise LedgerRefusedError(reason="the payload is not hexadecimal") from error
    if payload.hex() != text:
        raise LedgerRefusedError(reason="the payload is not in its canonical spelling")
    return payload
