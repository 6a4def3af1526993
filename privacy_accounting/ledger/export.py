"""A ledger as JSON lines, and back: for archives that outlive a file format, and for other tools.

Floor:    privacy_accounting.ledger, above ``store``.
Terms:    the first line is a header; then one line an entry, then one line a note; a line is canonical JSON.
Promise:  entries keep their bytes and signatures, so that the export verifies as the file did; importing an
          export gives an equal ledger; a line that is not exactly as written is refused with its number.
Not here: whether what is written is right (``audit.verify``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.canonical import Fields, decode, encode
from privacy_accounting.ledger.entries import Entry
from privacy_accounting.ledger.store import MemoryStore, Note, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from privacy_accounting.ledger.store import Store

FORMAT: Final = 1
_CHUNK: Final = 500
_MAX_LINE: Final = 64 * 1024 * 1024
_PREFIX: Final = 9


def export_lines(store: Store) -> Iterator[bytes]:
    """Write a ledger, line by line, each with its newline.

    Args:
        store: any store that begins at entry 0.

    Raises:
        LedgerRefusedError: older entries are archived; export the archive.
    """
    if store.first() > 0:
        raise LedgerRefusedError(reason=f"entries before {store.first()} are archived; export the archive")
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
    store: MemoryStore | None = None
    for number, line in enumerate(lines):
        try:
            if store is None:
                store = _header(line)
            else:
                _take(store, line)
        except LedgerRefusedError as error:
            raise LedgerRefusedError(reason=f"line {number + 1}: {error.reason}") from error
    if store is None:
        raise LedgerRefusedError(reason="the export is empty")
    return store


def _line(value: dict[str, object]) -> bytes:
    return encode(value) + b"\n"


def _fields(line: bytes) -> Fields:
    if not line.endswith(b"\n"):
        raise LedgerRefusedError(reason="the line is cut off")
    return Fields(decode(line[:-1], limit=_MAX_LINE), "line")


def _header(line: bytes) -> MemoryStore:
    fields = _fields(line)
    fields.integer("format", low=FORMAT, high=FORMAT)
    owner = fields.text("owner")
    fields.done()
    return MemoryStore(owner=owner)


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
