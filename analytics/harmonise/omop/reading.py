"""Reads an OMOP mapping with its concept sets and cohorts, and reports all mistakes at once, each with its line.

Layer:       analytics.harmonise.omop.reading, above compiling.
Guarantees:  a mapping that was read has only known keys, units that can be converted, and cohort definitions whose parts are
             supported; only the site's tables and vocabulary can still be wrong. The digest covers the file, every file that
             it names, and the tables of units, analytes and the CDM.
Source:      ours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from analytics.errors import MappingError, SchemaMismatchError
from analytics.harmonise.made import RuleError
from analytics.harmonise.omop.cdm import PERSON, VOCABULARY, block_of, text_table
from analytics.harmonise.omop.circe import read_cohort
from analytics.harmonise.omop.compiling import compile_steps, reads_of
from analytics.harmonise.omop.concept_sets import items_of, vocabulary_condition
from analytics.harmonise.omop.keys import CODED, VALUES, OmopFile
from analytics.harmonise.omop.server_rows import used_rows
from analytics.harmonise.omop.value_columns import check_units
from analytics.harmonise.places import line_of, mistakes_of, near, where
from analytics.schema.tables import ROW
from analytics.sources.spec import CellRules
from analytics.sources.steps.step import MAIN, BlockRead
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction
    from pathlib import Path

    from analytics.harmonise.omop.circe import Cohort
    from analytics.harmonise.omop.concept_sets import Item
    from analytics.sources.spec import SourceSpec
    from analytics.sources.steps.step import Steps

    Lines = Mapping[tuple[str, ...], int]

_DATA: Final = ("analytes.csv", "units.csv", "omop_cdm_5_4.csv")
_DATABASES: Final = ("duckdb", "sqlite", "postgresql")
_FILES: Final = ("csv", "parquet")
VERSION: Final = 1  # of the statements: a typed copy made by another version is not used


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OmopMapped:
    """An OMOP mapping that was read and checked; a ``Preparation`` of a source whose table is person.

    Attributes:
        file: the mapping.
        name: the file's name, for messages.
        digest: SHA-256 of all that it depends on besides rows.
        sets: the lines of its concept sets.
        cohorts: its cohorts.
        places: where the mapping asks for each table.
    """

    file: OmopFile
    name: str
    digest: str
    sets: Mapping[str, Sequence[Item]]
    cohorts: Mapping[str, Cohort]
    places: Mapping[str, str]

    def __repr__(self) -> str:
        return f"OmopMapped(name={self.name!r}, digest={self.digest[:16]!r})"

    @property
    def codes(self) -> Mapping[str, tuple[tuple[str, str], ...]]:
        """As ``Preparation``: concept sets are resolved in the site's own vocabulary."""
        return {}

    def inputs_of(self, source: SourceSpec | None) -> Mapping[str, SourceSpec]:
        """As ``Preparation``: the other tables of the database, or the files beside that of the persons."""
        if source is None:
            raise SchemaMismatchError(source=self.name, reason="an OMOP mapping needs tables, and no frame")
        tables = [table for table in self._columns() if table != PERSON]
        return {table: self._beside(source, table) for table in tables}

    def _beside(self, source: SourceSpec, table: str) -> SourceSpec:
        columns = self._columns()[table]
        if source.kind in _DATABASES:
            self._check_person(source.relation.rpartition(".")[2], source)
            relation = self._relation(source, table)
            label = (
                f"{source.label or (source.path.name if source.server is None else '')}#{relation}".lstrip(
                    "#"
                )
            )
            return replace(
                source,
                relation=relation,
                columns=columns,
                condition=self._used_in_server(source, table) if source.kind == "postgresql" else "",
                label=label,
                mapping=None,
                view=source.view,
            )
        if source.kind not in _FILES:
            reason = f"an OMOP mapping needs one of {', '.join((*_DATABASES, *_FILES))}"
            raise SchemaMismatchError(source=source.name, reason=reason)
        self._check_person(source.path.stem if source.path.suffix else source.path.name, source)
        folder = (
            source.path.parent / (self.file.vocabulary or "") if table in VOCABULARY else source.path.parent
        )
        stem = table.upper() if source.path.stem.isupper() else table
        return replace(source, path=folder / f"{stem}{source.path.suffix}", mapping=None)

    def _relation(self, source: SourceSpec, table: str) -> str:
        """A table of the source's database, perhaps with its schema."""
        schema, dot, person = source.relation.rpartition(".")
        if table in VOCABULARY and self.file.vocabulary is not None:
            schema, dot = self.file.vocabulary, "."
        return f"{schema}{dot}{table.upper() if person.isupper() else table}"

    def _used_in_server(self, source: SourceSpec, table: str) -> str:
        def relation(name: str) -> str:
            schema, _, own = self._relation(source, name).rpartition(".")
            return f"{quoted(schema or 'public')}.{quoted(own)}"

        return used_rows(table, self.file, self.sets, self.cohorts, relation)

    def _check_person(self, given: str, source: SourceSpec) -> None:
        if given.lower() != PERSON:
            reason = f"the source of an OMOP mapping is the table {PERSON}, not {given or 'a whole database'}"
            raise SchemaMismatchError(source=source.name, reason=reason)

    def _items(self) -> list[Item]:
        """The lines of all concept sets, those of cohorts too."""
        of_cohorts = (items for cohort in self.cohorts.values() for items in cohort.items.values())
        return [item for items in (*self.sets.values(), *of_cohorts) for item in items]

    def _columns(self) -> dict[str, tuple[str, ...]]:
        return reads_of(self.file, self.sets, self.cohorts)

    def reads(self) -> Mapping[str, BlockRead]:
        """As ``Preparation``."""
        return {
            block_of(table): BlockRead(
                table=text_table(table),
                columns={column: f"{self.places.get(table, self.name)} ({table})" for column in columns},
                condition=vocabulary_condition(table, self._items()),
            )
            for table, columns in self._columns().items()
        }

    def compile(
        self,
        columns: Mapping[str, Sequence[str]],
        cells: Mapping[str, CellRules],
        resolutions: Mapping[str, Fraction],
    ) -> Steps:
        """As ``Preparation``."""
        del columns  # the CDM says what they are
        try:
            return compile_steps(
                self.file, self.sets, self.cohorts, self._columns(), cells[MAIN], resolutions
            )
        except RuleError as error:
            raise SchemaMismatchError(source=self.name, reason=str(error)) from None

    def levels(self) -> Mapping[str, frozenset[str]]:
        """As ``Preparation``: the words of columns of concepts."""
        found = {}
        for name, own in self.file.columns.items():
            meanings = own.meanings() if own.take in CODED and own.unmapped != "keep" else None
            if meanings is not None:
                filled = self.file.missing.get(name)
                more = set() if filled is None or filled.value is None else {str(filled.value)}
                found[name] = frozenset({*meanings.values(), *more})
        return found

    def check_unit(self, unit: str) -> None:
        """As ``Preparation``: there is one row a person."""
        if unit not in {self.file.person, ROW}:
            reason = f"the schema's privacy unit {unit} must be the person, {self.file.person}, or the row"
            raise SchemaMismatchError(source=self.name, reason=reason)


def read_omop(path: Path, content: bytes, document: dict[str, Any], lines: Lines) -> OmopMapped:
    """Read an OMOP mapping and the files that it names.

    Args:
        path: the TOML file.
        content: its bytes.
        document: the same, parsed.
        lines: where its keys stand.

    Returns:
        The mapping, checked as far as it can be without the site's tables.

    Raises:
        MappingError: with every mistake.
    """
    try:
        file = OmopFile.model_validate(document)
    except ValidationError as error:
        raise MappingError(source=path.name, mistakes=mistakes_of(error, lines, OmopFile)) from None
    mistakes: list[str] = []
    digest = hashlib.sha256(f"omop mapping {VERSION}".encode())
    _add(digest, content)
    for name in _DATA:
        _add(digest, resources.files("analytics.harmonise").joinpath(f"data/{name}").read_bytes())
    sets = _sets(file, path, digest, lines, mistakes)
    cohorts = _cohorts(file, path, digest, lines, mistakes)
    _check_columns(file, lines, mistakes)
    if not mistakes:
        try:
            compile_steps(file, sets, cohorts, reads_of(file, sets, cohorts), CellRules(), {})
        except RuleError as error:
            mistakes.append(str(error))
    if mistakes:
        raise MappingError(source=path.name, mistakes=mistakes)
    return OmopMapped(
        file=file,
        name=path.name,
        digest=digest.hexdigest(),
        sets=sets,
        cohorts=cohorts,
        places=_places(file, path.name, lines),
    )


def _add(digest: hashlib._Hash, content: bytes) -> None:
    digest.update(len(content).to_bytes(8, "big") + content)


def _sets(
    file: OmopFile, path: Path, digest: hashlib._Hash, lines: Lines, mistakes: list[str]
) -> dict[str, tuple[Item, ...]]:
    found = {}
    for name, own in file.sets.items():
        try:
            found[name] = items_of(own, _content(path, own.file, digest))
        except ValueError as error:
            mistakes.append(f"{where(('sets', name), lines)}: {error}")
    return found


def _cohorts(
    file: OmopFile, path: Path, digest: hashlib._Hash, lines: Lines, mistakes: list[str]
) -> dict[str, Cohort]:
    found = {}
    for name, own in file.cohorts.items():
        try:
            found[name] = read_cohort(_content(path, own.file, digest) or b"")
        except ValueError as error:
            mistakes.append(f"{where(('cohorts', name), lines)}: {error}")
    return found


def _content(path: Path, name: str | None, digest: hashlib._Hash) -> bytes | None:
    if name is None:
        return None
    try:
        content = (path.parent / name).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror}") from None
    _add(digest, content)
    return content


def _check_columns(file: OmopFile, lines: Lines, mistakes: list[str]) -> None:
    """Names of sets and cohorts, and units, of every column."""
    named: list[tuple[tuple[str, ...], str | None, list[str]]] = []
    index = file.index
    named += [
        (("index", "set"), index.set, [*file.sets]),
        (("index", "cohort"), index.cohort, [*file.cohorts]),
    ]
    for name, own in file.columns.items():
        named.append((("columns", name, "set"), own.set, [*file.sets]))
        named.append((("columns", name, "cohort"), own.cohort, [*file.cohorts]))
    for place, given, known in named:
        if given is not None and given not in known:
            mistakes.append(f"{where(place, lines)}: there is no {given}{near(given, known)}")
    for name, own in file.columns.items():
        if own.take in VALUES:
            mistakes += [f"{where(('columns', name), lines)}: {text}" for text in check_units(own)]
            if own.range is not None and own.range.outside not in {"missing", "refuse"}:
                text = "of a value, outside is missing or refuse: it holds for each value before the figure"
                mistakes.append(f"{where(('columns', name, 'range'), lines)}: {text}")


def _places(file: OmopFile, name: str, lines: Lines) -> dict[str, str]:
    """Where the mapping asks for each table: its first column that does."""
    found: dict[str, str] = {}
    for column, own in file.columns.items():
        line = line_of(("columns", column), lines)
        found.setdefault(own.table, f"{name}, line {line}" if line else name)
    return found
