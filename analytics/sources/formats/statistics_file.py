"""Files of SPSS, Stata and SAS: codes, and what they are labelled as beside them.

Layer:       analytics.sources.formats above cell_objects.
Terms:       a column with labelled values is two columns: its codes under its own name, and the labels' texts under
             ``NAME_label``.
Guarantees:  codes are never replaced by labels. Where one label stands for two codes, the column has no labels, since they
             would make the codes one. Values that the file declares as missing are missing, whatever their code. A date
             is a date. Rows are read in bounded batches.
Source:      ours; pyreadstat.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.base import Heading
from analytics.sources.formats.cell_objects import load_texts
from analytics.sources.formats.tables import loaded_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import duckdb

    from analytics.sources.formats.base import FileSpec, Relation

    Read = Callable[..., tuple[Mapping[str, list[object]], Any]]

_BATCH_ROWS: Final = 50_000
LABEL: Final = "_label"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticsFormat:
    """A file of one program; see ``SourceFormat``.

    Attributes:
        kind: the program.
        readers: pyreadstat's function for each ending.
    """

    kind: str
    readers: Mapping[str, str]
    schemes: tuple[str, ...] = ()
    takes_folder: bool = False

    @property
    def endings(self) -> tuple[str, ...]:
        """As ``SourceFormat``."""
        return tuple(self.readers)

    def mistake(self, relation: str) -> str:
        """As ``SourceFormat``."""
        return "relation is for databases: leave it out" if relation else ""

    def files(self, path: Path) -> tuple[Path, ...]:
        """As ``SourceFormat``."""
        return (path,)

    @contextmanager
    def open(
        self,
        connection: duckdb.DuckDBPyConnection,
        spec: FileSpec,
        workplace: Path,
        *,
        is_hashed: bool = False,
        numbers: frozenset[str] = frozenset(),
    ) -> Iterator[Relation]:
        """As ``SourceFormat``; the rows are copied into the database's memory."""
        del workplace, is_hashed, numbers
        with self._reader(spec) as read:
            names = _load(connection, read, spec)
        with loaded_table(connection, names) as relation:
            yield relation

    def heading(self, connection: duckdb.DuckDBPyConnection, spec: FileSpec) -> Heading | None:
        """As ``HasHeading``: from the file's dictionary; every cell is read as a text."""
        del connection
        with self._reader(spec) as read:
            _, about = read(str(spec.path), metadataonly=True, output_format="dict")
            names = _names(about, _labels(about), spec)
        return Heading(names=tuple(names), types=("VARCHAR",) * len(names))

    @contextmanager
    def _reader(self, spec: FileSpec) -> Iterator[Read]:
        """The function that reads a file; what it raises names the kind of the fault alone."""
        try:
            import pyreadstat
        except ImportError:
            reason = (
                f"a file of {self.kind} needs an extra of the installation: pip install 'crossward[readstat]'"
            )
            raise SchemaMismatchError(source=spec.name, reason=reason) from None
        name = self.readers.get(spec.path.suffix.lower()) or next(iter(self.readers.values()))
        faults = (
            pyreadstat.ReadstatError,
            pyreadstat.PyreadstatError,
            UnicodeError,
            ValueError,
            OverflowError,
        )
        try:
            yield getattr(pyreadstat, name)
        except SchemaMismatchError:
            raise
        except faults as error:
            reason = f"this cannot be read as {self.kind} ({type(error).__name__})"
            raise SchemaMismatchError(source=spec.name, reason=reason) from None


SPSS: Final = StatisticsFormat(kind="spss", readers={".sav": "read_sav", ".zsav": "read_sav"})
STATA: Final = StatisticsFormat(kind="stata", readers={".dta": "read_dta"})
SAS: Final = StatisticsFormat(kind="sas", readers={".sas7bdat": "read_sas7bdat", ".xpt": "read_xport"})


def _load(connection: duckdb.DuckDBPyConnection, read: Read, spec: FileSpec) -> list[str]:
    first, about = _batch(read, spec, 0)
    labels, own = _labels(about), list(about.column_names)
    names = _names(about, labels, spec)
    labelled = [name for name in own if name in labels]

    def rows() -> Iterator[list[object]]:
        columns, start = first, 0
        while n_rows := len(columns[own[0]]):
            added = [[labels[name].get(code) for code in columns[name]] for name in labelled]
            yield from map(list, zip(*(columns[name] for name in own), *added, strict=True))
            if n_rows < _BATCH_ROWS:
                return
            start += n_rows
            columns, _ = _batch(read, spec, start)

    load_texts(connection, names, rows(), spec.name)
    return names


def _labels(about: Any) -> dict[str, Mapping[object, str]]:
    return {name: texts for name, texts in about.variable_value_labels.items() if _is_plain(texts)}


def _names(about: Any, labels: Mapping[str, object], spec: FileSpec) -> list[str]:
    """Names of the columns, those of labels last."""
    own = list(about.column_names)
    if not own:
        raise SchemaMismatchError(source=spec.name, reason="the file has no column")
    return [*own, *(f"{name}{LABEL}" for name in own if name in labels)]


def _batch(read: Read, spec: FileSpec, start: int) -> tuple[Mapping[str, list[object]], Any]:
    return read(str(spec.path), row_offset=start, row_limit=_BATCH_ROWS, output_format="dict")


def _is_plain(texts: Mapping[object, str]) -> bool:
    """Whether each label stands for one code."""
    return len(set(texts.values())) == len(texts)
