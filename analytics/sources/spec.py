"""The source that a site's own file declares: where the rows are, and how their texts are written.

Layer:       analytics.sources above formats.
Source:      ours.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from analytics.errors import SchemaMismatchError
from analytics.sources.formats import FORMATS, server_kind_of, server_state
from analytics.sources.formats.contents import digest_of
from analytics.sources.formats.fhir import FhirFormat, ViewDefinition
from analytics.sources.formats.sqlalchemy_table import SQLAlchemyFormat
from analytics.sources.servers.access import ServerAccess  # noqa: TC001  the API's page reads it

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.sources.steps.step import BlockRead, Steps

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


class Preparation(Protocol):
    """A mapping that was read and checked."""

    @property
    def digest(self) -> str:
        """SHA-256 of all that it depends on besides the rows, in hex."""
        ...

    def inputs_of(self, source: SourceSpec | None) -> Mapping[str, SourceSpec]:
        """The site's other files, or other tables of its database, by block.

        Args:
            source: the source that has this mapping; None for a frame.

        Raises:
            SchemaMismatchError: the mapping does not fit this kind of source.
        """
        ...

    @property
    def codes(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """Pairs of source and target, by the name of the table that holds them."""
        ...

    def reads(self) -> Mapping[str, BlockRead]:
        """What is read of each block's file."""
        ...

    def levels(self) -> Mapping[str, frozenset[str]]:
        """The texts that each column can hold, where words or codes of the mapping decide every value of it."""
        ...

    def check_unit(self, unit: str) -> None:
        """Refuse rules whose result for one person can depend on another person's rows.

        Args:
            unit: the schema's privacy unit.

        Raises:
            SchemaMismatchError: names the rule.
        """
        ...

    def compile(
        self,
        columns: Mapping[str, Sequence[str]],
        cells: Mapping[str, CellRules],
        resolutions: Mapping[str, Fraction],
    ) -> Steps:
        """Compile the steps.

        Args:
            columns: names of the columns of each block's step 0.
            cells: how the texts of each block's file are written.
            resolutions: of the schema's numeric columns; empty while there is no schema.

        Raises:
            SchemaMismatchError: a rule does not fit the columns.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """Where a site's rows are and how its administrator looks at them.

    Attributes:
        kind: one of ``formats.FORMATS``: csv (with a header row), parquet (a file, or a folder of files), duckdb and sqlite
            (database files, opened read-only), excel (a workbook), spss, stata and sas, fhir (resources in NDJSON, a file or a
            folder), postgresql (a server), spark (a cluster), sqlalchemy (any database that
            SQLAlchemy reaches).
        path: the file, or for parquet and fhir a folder.
        view: one SELECT over ``source``, the site administrator's own SQL; it makes the schema's columns.
        server: where a server is, for kinds that have one; else None, and ``path`` is the file.
        engine: the database that holds the clean table: empty for the node's own, or the kind of the server, where the table
            then stays.
        columns: for a table in a database, those that are read, in any case of letters; empty: all.
        condition: for a table in a PostgreSQL server, which rows its mapping can use, in SQL; where the server cannot compute it
            all rows are read. Empty: all.
        label: what messages call the source; empty: the file's name, or the table's in a server.
        relation: for duckdb and sqlite the table or view in the file, for duckdb perhaps with its schema before it; for excel
            the sheet, which may be left out where there is only one; for servers the table or view, for spark
            perhaps ``parquet:`` and a path on the cluster.
        delimiter: for csv, between fields.
        quote: for csv, around fields that hold a delimiter; empty: none.
        encoding: for csv, a name that Python knows, such as utf-8, cp1252 or utf-16.
        view_definition: for fhir, what its columns are.
        cells: how texts are written.
        pictures: the folder below which the files of a table with pictures lie; None: the folder of the file.
        mapping: the site's harmonising, which runs before the view; None: the view reads the file itself.
    """

    kind: str
    path: Path = Path()
    server: ServerAccess | None = None
    engine: str = ""
    view: str = DEFAULT_VIEW
    relation: str = ""
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    view_definition: ViewDefinition | None = None
    cells: CellRules = field(default_factory=CellRules)
    mapping: Preparation | None = None
    columns: tuple[str, ...] = ()
    condition: str = ""
    label: str = ""
    pictures: Path | None = None

    def __post_init__(self) -> None:
        if self.view.strip() == DEFAULT_VIEW:  # a file ends its line, and an administrator may indent it
            object.__setattr__(self, "view", DEFAULT_VIEW)
        for reason in self._mistakes():
            raise SchemaMismatchError(source=self.name, reason=reason)

    def _mistakes(self) -> list[str]:
        if self.kind not in FORMATS:
            return [f"the kind must be {', '.join(FORMATS)}"]
        found = [reason] if (reason := FORMATS[self.kind].mistake(self.relation)) else []
        if (self.server is not None) != bool(FORMATS[self.kind].schemes):
            found.append("the address of a server and its kind go together")
        found += self.server.mistakes() if self.server else []
        if self.server and not found and server_kind_of(self.server.url) != self.kind:
            found.append("the address of a server and its kind go together")
        if (self.view_definition is not None) != (self.kind == FhirFormat.kind):
            found.append("FHIR resources (.ndjson) and a view_definition go together")
        found += self._engine_mistakes()
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

    def _engine_mistakes(self) -> list[str]:
        found = []
        if self.engine and (self.engine != self.kind or self.server is None):
            found.append("engine must be the kind of the source's server, or be left out")
        if self.engine == SQLAlchemyFormat.kind:
            found.append("a table reached through SQLAlchemy cannot stay in its server: leave engine out")
        if self.engine and self.mapping is not None:
            found.append(
                "a mapping needs a table that the node reads: leave engine out, or map in the server's view"
            )
        return found

    @property
    def name(self) -> str:
        """The file's name, or the table's in a server, for messages."""
        return self.label or (self.path.name if self.server is None else self.relation)

    @property
    def picture_folder(self) -> Path:
        """Where the files of pictures lie."""
        return self.path.parent if self.pictures is None else self.pictures

    def inputs(self) -> Mapping[str, SourceSpec]:
        """What the mapping reads besides this source, by block; empty where there is no mapping.

        Raises:
            SchemaMismatchError: the mapping does not fit this kind of source.
        """
        return {} if self.mapping is None else self.mapping.inputs_of(self)

    def digest(self) -> str:
        """What the source's present state is called; perhaps empty.

        Returns:
            A digest of its files, a server's declared version, or a digest of a Spark table's rows.

        Raises:
            OSError: a file cannot be read.
            SchemaMismatchError: the server is not reached.
        """
        if self.server is not None:
            return f"version {self.server.version}" if self.server.version else server_state(self)
        return digest_of(FORMATS[self.kind].files(self.path))

    def check_file(self) -> None:
        """Refuse a path that is no plain file, and no folder of a kind that may be one.

        Raises:
            SchemaMismatchError: missing, not a file, or with characters that the reader would expand.
        """
        if self.server is not None:
            return
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
