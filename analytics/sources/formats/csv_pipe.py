"""Hands a CSV file to the database through a named pipe: as UTF-8, with one kind of line end.

Layer:       analytics.sources.formats beside csv_faults.
Guarantees:  the database never gets a path of the site's file, so that it can read nothing once the pipe is gone. No
             row is written to a disk. The file can be hashed on the way. A row with a delimiter too many at its end,
             which the database would pass over, is found.
See instead: what a fault is called (``csv_faults``).
Source:      ours; pipe(7).
"""

from __future__ import annotations

import codecs
import fcntl
import hashlib
import os
import re
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK: Final = 1 << 20
_SET_SIZE: Final = 1031  # F_SETPIPE_SZ of Linux; a smaller pipe is slower and nothing else
_BOM: Final = "\ufeff".encode()
_EMPTY_LINE: Final = re.compile(rb"(?<=\n)\n")
UTF8: Final = frozenset({"utf-8", "ascii"})


class CsvPipe:
    """One passage of a file; a thread of its own writes while the database reads."""

    def __init__(
        self, path: Path, *, pipe: Path, encoding: str, delimiter: str, quote: str, is_hashed: bool
    ) -> None:
        """Create the pipe and start to wait for its reader.

        Args:
            path: the file.
            pipe: where the pipe shall be.
            encoding: of the file.
            delimiter: between fields.
            quote: around fields; empty: none.
            is_hashed: whether its digest will be asked for.
        """
        os.mkfifo(pipe, 0o600)
        self._path, self._pipe, self._encoding = path, pipe, encoding
        self._delimiter, self._quote = delimiter.encode(), quote.encode()
        self._hash = hashlib.sha256() if is_hashed else None
        self._digest, self._last = "", b"\n"
        self.error: Exception | None = None
        self.is_complete = self._has_quotes = False
        self._n_suspects = self.n_underscores = 0
        self._thread = threading.Thread(target=self._run, name="csv-pipe", daemon=True)
        self._thread.start()

    @property
    def digest(self) -> str:
        """SHA-256 of the file as it was read, in hex; empty where it was not read to its end."""
        return self._digest

    def join(self) -> None:
        """Wait for the writer once the reader is done; a pipe that was never read is let go."""
        while self._thread.is_alive():
            os.close(os.open(self._pipe, os.O_RDONLY | os.O_NONBLOCK))  # a writer that waits gets its reader
            self._thread.join(0.01)

    def _run(self) -> None:
        try:
            with self._path.open("rb", 0) as source, self._pipe.open("wb", 0) as target:
                _enlarge(target.fileno())
                for block in self._normal(source.fileno()):
                    self._count(block)
                    _write(target.fileno(), block)
            if self._hash:
                self._digest, self._hash = self._hash.hexdigest(), None
            self.is_complete = True
        except BrokenPipeError:
            pass  # the reader has seen enough
        except (OSError, UnicodeError) as error:
            self.error = error

    def _normal(self, descriptor: int) -> Iterator[bytes]:
        """The file as UTF-8 without a byte-order mark, each line ending in LF as far as CR LF goes."""
        held = b""
        is_first = True
        for text in self._utf8(descriptor):
            block = held + text
            if is_first and block:
                block, is_first = block.removeprefix(_BOM), False
            held = block[-1:] if block.endswith(b"\r") else b""
            block = block[: len(block) - len(held)]
            yield block.replace(b"\r\n", b"\n") if b"\r" in block else block
        yield held

    def _utf8(self, descriptor: int) -> Iterator[bytes]:
        if codecs.lookup(self._encoding).name in UTF8:
            yield from self._blocks(descriptor)
            return
        decoder = codecs.getincrementaldecoder(self._encoding)()
        for block in self._blocks(descriptor):
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()

    def _blocks(self, descriptor: int) -> Iterator[bytes]:
        while block := os.read(descriptor, _BLOCK):
            if self._hash:
                self._hash.update(block)
            yield block

    def _count(self, block: bytes) -> None:
        """Lines that end in a delimiter; such a line may have one too many, which the database passes over."""
        if not block:
            return
        self._n_suspects += block.count(self._delimiter + b"\n")
        self._n_suspects += self._last == self._delimiter and block.startswith(b"\n")
        self.n_underscores += block.count(b"_")
        self._has_quotes = self._has_quotes or bool(self._quote and self._quote in block)
        self._last = block[-1:]

    def has_even_rows(self, width: int) -> bool | None:
        """Whether no row has a delimiter too many; None where quotation marks hide it from counting.

        Args:
            width: fields of a row; the database has refused each row that has fewer.
        """
        if not self.is_complete or not (self._n_suspects or self._last == self._delimiter):
            return True
        if self._has_quotes:
            return None
        n_delimiters = n_lines = 0
        last = b"\n"
        with self._path.open("rb", 0) as source:
            for block in self._normal(source.fileno()):
                if block:
                    n_delimiters += block.count(self._delimiter)
                    n_lines += block.count(b"\n") - len(_EMPTY_LINE.findall(last + block))
                    last = block[-1:]
        return n_delimiters == (n_lines + (last != b"\n")) * (width - 1)


def _enlarge(descriptor: int) -> None:
    try:
        fcntl.fcntl(descriptor, _SET_SIZE, _BLOCK)
    except (OSError, ValueError):
        return


def _write(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]
