"""Header and faults of a CSV file: names of columns, the line's number of a fault, never a row's text.

Layer:       analytics.sources.formats above base.
Guarantees:  the file is read as a whole only after the database refused it, or where its counts do not add up; no
             message holds a part of a row.
See instead: reading rows (``csv_file``).
Source:      ours; RFC 4180.
"""

from __future__ import annotations

import codecs
import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_TYPED: Final = {";": "semicolon", "\t": "tab", "|": "'|'"}  # as a shell takes it
_EMPTY_BYTES = 4_096
_BLOCK = 1 << 16
_LONGEST_FIELD = 1 << 21  # of the database's reader
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLANKS = " \t\r\n\ufeff"


def is_empty(path: Path) -> bool:
    """Whether a file holds nothing but blanks."""
    with path.open("rb") as stream:
        start = stream.read(_EMPTY_BYTES)
        rest = stream.read(1)
    return not rest and not start.decode("utf-8", errors="replace").strip(_BLANKS)


def delimiter_name(delimiter: str) -> str:
    """A delimiter and its name, for messages and settings."""
    shown = "\\t" if delimiter == "\t" else delimiter
    option = f"--format delimiter={_TYPED.get(delimiter, shown)}"
    return f'{DELIMITERS.get(delimiter, "character")} (delimiter = "{shown}"; on the command line {option})'


def header_of(path: Path, delimiter: str, quote: str, encoding: str) -> tuple[list[str], str]:
    """Read a file's header row.

    Args:
        path: the file; not empty.
        delimiter: between its fields.
        quote: around fields; empty: none.
        encoding: of the file.

    Returns:
        The names, and what is wrong: the first line is blank, or is one field that holds another usual delimiter.
    """
    try:
        with _rows(path, delimiter, quote, encoding) as rows:
            names: list[str] = next(rows, [])
    except (UnicodeError, csv.Error):
        return [], _fault_at(path, delimiter, quote, encoding)
    return _checked(names, delimiter)


def first_line_names(
    stream: BinaryIO, delimiter: str, quote: str, encoding: str
) -> tuple[list[str], str] | None:
    """Read the names in a file's first line, of which alone the answer depends; nothing behind it is decoded.

    Args:
        stream: the file, at its start.
        delimiter: between its fields.
        quote: around fields; empty: none.
        encoding: of the file.

    Returns:
        As ``header_of``; None where a quoted name goes on in the second line.
    """
    how: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    try:
        line = _first_line(stream, encoding)
        names = next(csv.reader([line], delimiter=delimiter, strict=True, **how), [])
    except (UnicodeError, csv.Error) as error:
        if str(error) == "unexpected end of data":
            return None
        return [], "this cannot be read as csv: its first line is not a header row in the declared encoding"
    return _checked(names, delimiter)


def _first_line(stream: BinaryIO, encoding: str) -> str:
    """The text before the first line end, byte by byte, since decoders look ahead into rows."""
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    decoder = codecs.getincrementaldecoder("utf-8-sig" if is_utf8 else encoding)()
    text: list[str] = []
    while byte := stream.read(1):
        letters = decoder.decode(byte)
        if letters in {"\n", "\r"}:
            break
        text.append(letters)
        if len(text) > _LONGEST_FIELD:
            raise csv.Error("field larger than a header's")
    return "".join(text)


def _checked(names: list[str], delimiter: str) -> tuple[list[str], str]:
    """The names of a header row, and what is wrong with them as a whole."""
    if not names:
        return [], "this cannot be read as csv: line 1 is blank, a header row is expected"
    others = [other for other in DELIMITERS if other != delimiter and other in names[0]]
    if len(names) == 1 and others:
        most = max(others, key=names[0].count)
        return [], (
            f"the header row has no {DELIMITERS.get(delimiter, 'delimiter')}: its delimiter seems to be the "
            f"{delimiter_name(most)}"
        )
    return names, ""


def _fault_at(path: Path, delimiter: str, quote: str, encoding: str) -> str:
    found = read_strictly(path, delimiter, quote, encoding)
    return f"this cannot be read as csv: {found or 'its first line is not a header row'}"


def read_strictly(path: Path, delimiter: str, quote: str, encoding: str) -> str:
    """Find the first fault of a file: wrong encoding, a quote that does not end, a row of another length.

    Args:
        path: the file.
        delimiter: between its fields.
        quote: around fields; empty: none.
        encoding: of the file.

    Returns:
        The fault with its line; empty where there is none.
    """
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    if is_utf8 and _starts_as_utf16(path):
        return "the file is UTF-16, not UTF-8"
    number = 0
    try:
        with _rows(path, delimiter, quote, encoding) as rows:
            width = len(next(rows, []))
            number = rows.line_num
            if not width:
                return "line 1 is blank, a header row is expected"
            for row in rows:
                number = rows.line_num
                if row and len(row) != width:
                    return f"line {number} has {len(row)} fields, the header has {width}"
    except UnicodeError:
        return (
            f"the file is not {encoding.upper()}: line {_undecodable(path, encoding)}; declare its encoding, such as "
            'encoding = "cp1252" (on the command line --format encoding=cp1252)'
        )
    except csv.Error as error:
        if "field larger" in str(error):
            return f"line {number + 1} has a field of more than {_LONGEST_FIELD} characters"
        return f"line {number + 1} has a quotation mark where none may be, or one that does not end"
    return ""


@contextmanager
def _rows(path: Path, delimiter: str, quote: str, encoding: str) -> Iterator[Any]:
    how: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with _opened(path, encoding) as stream:
            yield csv.reader(stream, delimiter=delimiter, strict=True, **how)
    finally:
        csv.field_size_limit(before)


def _opened(path: Path, encoding: str) -> TextIO:
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    return path.open(encoding="utf-8-sig" if is_utf8 else encoding, newline="")


def _starts_as_utf16(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) in _UTF16


def _undecodable(path: Path, encoding: str) -> int:
    """Number of the line at which a file can no longer be decoded."""
    decoder = codecs.getincrementaldecoder(encoding)()
    n_ends = 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            for place in range(len(block)):
                try:
                    n_ends += decoder.decode(block[place : place + 1]).count("\n")
                except UnicodeError:
                    return n_ends + 1
    return n_ends + 1
