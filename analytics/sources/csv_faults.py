"""Faults of a CSV file that the database refused: the line's number, never its text.

Layer:       analytics.sources beside loading.
Guarantees:  the file is read only after the database refused it, or where it seems empty; no message holds a part of
             it.
See instead: reading rows (``loading``).
Source:      ours; RFC 4180.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_EMPTY_BYTES = 4_096
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLANKS = " \t\r\n\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvReading:
    """A file as a strict reader finds it.

    Attributes:
        fault: what is wrong with it, with the line; empty where nothing is.
        n_rows: rows without the header and without blank lines.
        has_mixed_ends: whether some lines end in CR LF and others in LF alone.
    """

    fault: str
    n_rows: int = 0
    has_mixed_ends: bool = False


def is_empty(path: Path) -> bool:
    """Whether a file holds nothing but blanks."""
    with path.open("rb") as stream:
        start = stream.read(_EMPTY_BYTES)
        rest = stream.read(1)
    return not rest and not start.decode("utf-8", errors="replace").strip(_BLANKS)


def read_strictly(path: Path, delimiter: str) -> CsvReading:
    """Find the first fault of a file: no UTF-8, a quote that does not end, a row of another length than the header.

    Args:
        path: the file.
        delimiter: between its fields.

    Returns:
        What was found.
    """
    with path.open("rb") as stream:
        if stream.read(2) in _UTF16:
            return CsvReading(fault="the file is UTF-16, not UTF-8")
    ends: set[str] = set()
    width = n_rows = 0
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = _lines(stream, ends)
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        number = 0
        try:
            for row in rows:
                if not width and not row:
                    return CsvReading(fault="line 1 is blank, a header row is expected")
                number = rows.line_num
                width = width or len(row)
                if row and len(row) != width:
                    return CsvReading(fault=f"line {number} has {len(row)} fields, the header has {width}")
                n_rows += bool(row)
        except UnicodeDecodeError:
            return CsvReading(fault=f"the file is not UTF-8: line {_undecodable(path)}")
        except csv.Error:
            return CsvReading(
                fault=f"line {number + 1} has a quotation mark where none may be, or one that does not end"
            )
    return CsvReading(fault="", n_rows=max(0, n_rows - 1), has_mixed_ends=len(ends) > 1)


def _undecodable(path: Path) -> int:
    """Number of the first line that is not UTF-8."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0


def _lines(stream: Iterator[str], ends: set[str]) -> Iterator[str]:
    """The stream's lines; collects how they end."""
    for line in stream:
        ends.add("\r\n" if line.endswith("\r\n") else line[-1:] if line.endswith(("\r", "\n")) else "")
        ends.discard("")
        yield line
