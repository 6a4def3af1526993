"""The source that a site's own file declares: where the rows are, and how their texts are written.

Layer:       analytics.sources above formats.
Source:      ours.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.formats import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

_GLOB = re.compile(r"[*?\[\]{}]")
_MOST_WORD = 200
DEFAULT_VIEW: Final = "SELECT * FROM source"
YES: Final = ("true", "t", "yes", "y", "1", "1.0")
NO: Final = ("false", "f", "no", "n", "0", "0.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRules:
    """How the texts of a source are written; equal for every kind of source.

    Attributes:
        decimal: the sign between whole and broken part of a number, ``.`` or ``,``; the other one is then no part of a
            number.
        missing: cells that mean "no value", letter by letter, without blanks at the ends; an empty cell always does.
        yes: words of a boolean column for true, in upper or lower case.
        no: words for false.
        dates: how dates are written, as ``strptime`` formats (``%d.%m.%Y``); the first that fits holds.
        most_misfits: largest share of a column's values that may not be understood; beyond it the source is refused.
    """

    decimal: str = "."
    missing: tuple[str, ...] = ()
    yes: tuple[str, ...] = YES
    no: tuple[str, ...] = NO
    dates: tuple[str, ...] = ()
    most_misfits: Fraction = Fraction(1, 2)

    def mistakes(self) -> list[str]:
        """What is wrong with the rules, in sentences."""
        found = []
        if self.decimal not in {".", ","}:
            found.append("decimal must be . or ,")
        found += [
            f"{key}: words of 1 to {_MOST_WORD} characters without blanks at the ends"
            for key in ("missing", "yes", "no", "dates")
            if any(not word or word != word.strip() or len(word) > _MOST_WORD for word in getattr(self, key))
        ]
        if not self.yes or not self.no:
            found.append("yes and no need a word each")
        if {word.lower() for word in self.yes} & {word.lower() for word in self.no}:
            found.append("a word stands in yes and in no")
        if any("%" not in text for text in self.dates):
            found.append('dates: formats such as "%d.%m.%Y"')
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """Where a site's rows are and how its administrator looks at them.

    Attributes:
        kind: one of ``formats.FORMATS``: csv (with a header row), parquet (a file, or a folder of files), duckdb and sqlite
            (database files, opened read-only), excel (a workbook).
        path: the file, or for parquet a folder.
        view: one SELECT over ``source``, the site administrator's own SQL; it makes the schema's columns.
        relation: for duckdb and sqlite the table or view in the file, for duckdb perhaps with its schema before it; for excel
            the sheet, which may be left out where there is only one.
        delimiter: for csv, between fields.
        quote: for csv, around fields that hold a delimiter; empty: none.
        encoding: for csv, a name that Python knows, such as utf-8, cp1252 or utf-16.
        cells: how texts are written.
    """

    kind: str
    path: Path
    view: str = DEFAULT_VIEW
    relation: str = ""
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    cells: CellRules = field(default_factory=CellRules)

    def __post_init__(self) -> None:
        for reason in self._mistakes():
            raise SchemaMismatchError(source=self.name, reason=reason)

    def _mistakes(self) -> list[str]:
        if self.kind not in FORMATS:
            return [f"the kind must be {', '.join(FORMATS)}"]
        found = [reason] if (reason := FORMATS[self.kind].mistake(self.relation)) else []
        if len(self.delimiter) != 1 or self.delimiter in "\r\n\0" or not self.delimiter.isascii():
            found.append("the delimiter must be one ASCII character")
        if (
            len(self.quote) > 1
            or self.quote in {"\r", "\n", "\0", self.delimiter}
            or not self.quote.isascii()
        ):
            found.append("the quote must be one ASCII character, or none")
        if not is_encoding(self.encoding):
            found.append("the encoding must be a name that Python knows, such as utf-8, cp1252 or utf-16")
        return found + self.cells.mistakes()

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.path.name

    def check_file(self) -> None:
        """Refuse a path that is no plain file, and no folder of a kind that may be one.

        Raises:
            SchemaMismatchError: missing, not a file, or with characters that the reader would expand.
        """
        if _GLOB.search(str(self.path)):
            raise SchemaMismatchError(source=self.name, reason="the path may not hold any of * ? [ ] { }")
        if not self.path.is_file() and not (FORMATS[self.kind].takes_folder and self.path.is_dir()):
            raise SchemaMismatchError(source=self.name, reason="there is no such file")


def is_encoding(name: str) -> bool:
    """Whether Python knows a text encoding of this name."""
    try:
        return codecs.lookup(name)._is_text_encoding  # noqa: SLF001  the only place that says so
    except LookupError:
        return False
