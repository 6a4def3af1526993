"""The clean table of an unchanged file, kept between two starts of a site.

Layer:       analytics.sources above report.
Guarantees:  a copy is used only where the bytes of all the source's files, the source's settings, the schema's table, the
             site's key, the cleaning rules, the mapping and the database's version are those that made it, and where its
             own bytes are the written ones; else the source is read anew. Files have mode 0600 in a folder of mode 0700
             and are put in place whole. A view whose result can change with time or chance has no copy, nor has a mapping
             that reads further files; tables of one database are one file.
See instead: reading the source (``loading``, ``ingest``).
Source:      ours.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

import duckdb

from analytics.sources.cleaning import RULES_VERSION
from analytics.sources.formats.contents import digest_of
from analytics.sources.reports.report import ColumnReport, IngestReport
from analytics.sources.spec import DEFAULT_VIEW
from analytics.sources.steps.step import StepReport
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.schema import Table
    from analytics.sources.spec import SourceSpec

_WORD = re.compile(r"\w+")
_CALL = re.compile(r"(\w+)\"?\s*\(")
_TIMES: Final = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "tablesample"}
    | {"now", "today", "yesterday", "tomorrow"}
)
_VOLATILE = (
    "SELECT lower(function_name) FROM duckdb_functions() WHERE stability IS NOT NULL "
    "GROUP BY ALL HAVING bool_and(stability <> 'CONSISTENT')"
)


class TypedCopy:
    """The copy of one table of one site."""

    def __init__(self, folder: Path, spec: SourceSpec, table: Table, site_key: bytes) -> None:
        """Say what would be copied; reads nothing.

        Args:
            folder: made if need be; the site's own.
            spec: the source.
            table: the schema's table.
            site_key: the site's secret; a copy made with another one is not used.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._spec, self._table, self._site_key = spec, table, site_key
        self._rows, self._about = folder / f"{table.name}.parquet", folder / f"{table.name}.json"

    def load(self, connection: duckdb.DuckDBPyConnection) -> IngestReport | None:
        """Load the clean table where the copy is that of the present source.

        Visible to: the site alone.

        Args:
            connection: an empty database that is not yet shut.

        Returns:
            The report of the time when the source was read; None where there is no such copy.
        """
        try:
            about = json.loads(self._about.read_text("utf-8"))
            if about["settings"] != self._settings() or about["source"] != self._spec.digest():
                return None
            if about["rows"] != digest_of((self._rows,)):
                return None
            report = _report(about["report"])
            target = quoted(self._table.name)
            connection.execute(
                f"CREATE TABLE memory.main.{target} AS SELECT * FROM read_parquet(?)",  # noqa: S608
                [str(self._rows)],
            )
        except (OSError, ValueError, KeyError, TypeError, duckdb.Error):
            return None
        return report

    def save(
        self, connection: duckdb.DuckDBPyConnection, written: Path, report: IngestReport, digest: str
    ) -> None:
        """Keep the clean table; where that fails, there is no copy, and the site starts all the same.

        Args:
            connection: with the clean table; may write ``written``.
            written: a file on the folder's disk that does not exist yet.
            report: what was found in the source.
            digest: SHA-256 of the source as it was read; where it is empty, nothing is kept.
        """
        self._forget()
        if not digest or self._changes_by_itself(connection):
            return
        own = (self._spec.path, self._spec.server)
        if any((each.path, each.server) != own for each in self._spec.inputs().values()):
            return  # the bytes of one file do not decide the table
        try:
            os.close(os.open(written, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            target = quoted(self._table.name)
            connection.execute(f"COPY {target} TO '{_escaped(written)}' (FORMAT parquet, USE_TMP_FILE false)")
            about = {
                "settings": self._settings(),
                "source": digest,
                "rows": digest_of((written,)),
                "report": asdict(report),
            }
            beside = written.with_suffix(".json")
            descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(about, stream)
            written.replace(self._rows)
            beside.replace(self._about)
        except (OSError, duckdb.Error):
            self._forget()

    def _forget(self) -> None:
        for path in (self._about, self._rows):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _settings(self) -> str:
        """What a copy depends on besides the source's bytes."""
        spec: dict[str, Any] = asdict(replace(self._spec, mapping=None))
        del spec["path"], spec["mapping"]
        shape = {
            "rules": RULES_VERSION,
            "database": duckdb.__version__,
            "spec": spec | {"name": self._spec.name},
            "mapping": self._spec.mapping.digest if self._spec.mapping is not None else "",
            "table": self._table.to_dict() | {"name": self._table.name},
        }
        text = json.dumps(shape, sort_keys=True, default=str)
        return hmac.new(self._site_key, text.encode(), hashlib.sha256).hexdigest()

    def _changes_by_itself(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Whether a word of the view names the clock, chance, or a function that depends on them."""
        if self._spec.view == DEFAULT_VIEW:
            return False
        volatile = {"age", *(str(name) for (name,) in connection.execute(_VOLATILE).fetchall())}
        words, calls = (
            {word.lower() for word in pattern.findall(self._spec.view)} for pattern in (_WORD, _CALL)
        )
        return bool(words & _TIMES or calls & volatile)


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")


def _report(shape: dict[str, Any]) -> IngestReport:
    columns = tuple(ColumnReport(**column) for column in shape["columns"])
    steps = tuple(StepReport(**step) for step in shape["steps"])
    return IngestReport(
        **{**shape, "columns": columns, "steps": steps, "pictures": tuple(shape.get("pictures", ()))}
    )
