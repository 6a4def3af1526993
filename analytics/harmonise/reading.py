"""Reads a site's mapping and the code files that it names, and reports all mistakes at once, each with its line.

Layer:       analytics.harmonise.reading, above compiling.
Guarantees:  a mapping that was read has only known keys, units that can be converted, code maps with one target a code, and
             rules that fit the columns; nothing but names of columns of the site's file can still be wrong. The digest
             covers the file, every code file and the tables of units and analytes.
Source:      ours.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from analytics.errors import MappingError, SchemaMismatchError
from analytics.harmonise.code_files import LEVELS, Pairs, read_hierarchy, read_map
from analytics.harmonise.compiling import (
    DEFAULT_HIERARCHY,
    blocks_of,
    codes_table,
    compile_steps,
    level_table,
    reads_of,
)
from analytics.harmonise.levels import levels_of
from analytics.harmonise.made import RuleError
from analytics.harmonise.mapping import MappingFile
from analytics.harmonise.places import line_of, lines_of, mistakes_of, near, where
from analytics.harmonise.unit_keys import check_unit_keys
from analytics.sources.formats import ENDINGS, kind_of
from analytics.sources.formats.fhir import ViewDefinition
from analytics.sources.spec import CellRules, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from analytics.harmonise.omop.reading import OmopMapped
    from analytics.sources.steps.step import BlockRead, Steps

_DATA: Final = ("analytes.csv", "units.csv", "icd10cm_categories.csv")
VERSION: Final = (
    1  # of the statements that a mapping compiles to: a typed copy made by another version is not used
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Mapped:
    """A mapping that was read and checked; a ``Preparation`` of a source.

    Attributes:
        file: the mapping.
        name: the file's name, for messages.
        digest: SHA-256 of all that it depends on besides rows.
        inputs: the site's other files, by block.
        codes: pairs by the name of their table.
        places: where the mapping names each column, by ``block.column``.
    """

    file: MappingFile
    name: str
    digest: str
    inputs: Mapping[str, SourceSpec]
    codes: Mapping[str, Pairs]
    places: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Mapped(name={self.name!r}, digest={self.digest[:16]!r})"

    def inputs_of(self, source: SourceSpec | None) -> Mapping[str, SourceSpec]:
        """As ``Preparation``."""
        del source  # its files are beside the mapping, whatever the source is
        return self.inputs

    def reads(self) -> Mapping[str, BlockRead]:
        """As ``Preparation``."""
        return reads_of(self.file, self.places)

    def compile(
        self,
        columns: Mapping[str, Sequence[str]],
        cells: Mapping[str, CellRules],
        resolutions: Mapping[str, Fraction],
    ) -> Steps:
        """As ``Preparation``."""
        try:
            return compile_steps(self.file, columns, cells, resolutions)
        except RuleError as error:
            raise SchemaMismatchError(source=self.name, reason=str(error)) from None

    def levels(self) -> Mapping[str, frozenset[str]]:
        """As ``Preparation``."""
        return levels_of(self.file, self.codes)

    def check_unit(self, unit: str) -> None:
        """As ``Preparation``."""
        try:
            check_unit_keys(self.file, unit)
        except RuleError as error:
            raise SchemaMismatchError(source=self.name, reason=str(error)) from None


def read_mapping(path: Path | str) -> Mapped | OmopMapped:
    """Read a mapping and its code files.

    Args:
        path: the TOML file.

    Returns:
        The mapping, checked as far as it can be without the site's rows.

    Raises:
        MappingError: with every mistake.
    """
    path = Path(path)
    content = _bytes(path, path.name)
    try:
        text = content.decode("utf-8")
        document = tomllib.loads(text, parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MappingError(source=path.name, mistakes=[f"it is not TOML: {error}"]) from None
    lines = lines_of(text)
    if document.get("kind") == "omop":
        from analytics.harmonise.omop.reading import read_omop

        return read_omop(path, content, document, lines)
    try:
        file = MappingFile.model_validate(document)
    except ValidationError as error:
        raise MappingError(source=path.name, mistakes=mistakes_of(error, lines, MappingFile)) from None
    mistakes: list[str] = []
    digest = hashlib.sha256(f"mapping {VERSION}".encode())
    _add(digest, content)
    for name in _DATA:
        _add(digest, resources.files("analytics.harmonise").joinpath(f"data/{name}").read_bytes())
    codes = _codes(file, path, mistakes, digest)
    inputs = _inputs(file, path, mistakes, digest)
    _check_names(file, lines, mistakes)
    if not mistakes:
        _check_rules(file, mistakes)
    if mistakes:
        raise MappingError(source=path.name, mistakes=mistakes)
    return Mapped(
        file=file,
        name=path.name,
        digest=digest.hexdigest(),
        inputs=inputs,
        codes=codes,
        places=_places(file, path.name, lines),
    )


def _bytes(path: Path, source: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MappingError(source=source, mistakes=[f"cannot read {path.name}: {error.strerror}"]) from None


def _add(digest: hashlib._Hash, content: bytes) -> None:
    digest.update(len(content).to_bytes(8, "big") + content)


def _codes(file: MappingFile, path: Path, mistakes: list[str], digest: hashlib._Hash) -> dict[str, Pairs]:
    found: dict[str, Pairs] = {}
    for name, own in file.codes.items():
        content = None
        if own.file is not None:
            content = _bytes(path.parent / own.file, path.name)
            _add(digest, content)
        found[codes_table(name)] = read_map(own, content, own.file or f"codes.{name}", mistakes)
    used = {
        rule.hierarchy or DEFAULT_HIERARCHY
        for block in (file.table, *file.inputs.values())
        for rule in block.columns.values()
        if rule.level is not None
    }
    for name in sorted(used):
        own_file = file.hierarchies.get(name)
        content = None
        if own_file is not None:
            content = _bytes(path.parent / own_file.file, path.name)
            _add(digest, content)
        elif name != DEFAULT_HIERARCHY:
            continue  # reported with the names
        delimiter = own_file.delimiter if own_file is not None else ","
        label = own_file.file if own_file is not None else name
        levels = read_hierarchy(content, delimiter, label, mistakes)
        found |= {level_table(name, level): levels[level] for level in LEVELS}
    return found


def _inputs(
    file: MappingFile, path: Path, mistakes: list[str], digest: hashlib._Hash
) -> dict[str, SourceSpec]:
    found = {}
    for name, own in file.inputs.items():
        place = path.parent / own.file
        kind = kind_of(place, is_fhir=own.view_definition is not None)
        if kind is None:
            mistakes.append(f"inputs.{name}.file: {place.name} is none of {', '.join(ENDINGS)}")
            continue
        given: dict[str, Any] = {
            key: value
            for key in ("delimiter", "quote", "encoding")
            if (value := getattr(own, key)) is not None
        }
        try:
            if own.view_definition is not None:
                view = ViewDefinition.read(path.parent / own.view_definition)
                _add(digest, view.digest.encode())
                given["view_definition"] = view
            found[name] = SourceSpec(kind=kind, path=place, relation=own.relation, **given)
        except SchemaMismatchError as error:
            file_name = "" if error.source == place.name else f"{error.source}: "
            mistakes.append(f"inputs.{name}: {file_name}{error.reason}")
    return found


def _check_names(file: MappingFile, lines: Mapping[tuple[str, ...], int], mistakes: list[str]) -> None:
    """Names of code maps, hierarchies and blocks that do not exist."""
    blocks = {("table",): file.table} | {("inputs", name): own for name, own in file.inputs.items()}
    for path, block in blocks.items():
        for name, rule in block.columns.items():
            for key, given, known in (
                ("codes", rule.codes, list(file.codes)),
                ("hierarchy", rule.hierarchy, [*file.hierarchies, DEFAULT_HIERARCHY]),
            ):
                if given is not None and given not in known:
                    place = (*path, "columns", name, key)
                    mistakes.append(f"{where(place, lines)}: there is no {given}{near(given, known)}")
    try:
        blocks_of(file)
    except RuleError as error:
        mistakes.append(str(error))


def _check_rules(file: MappingFile, mistakes: list[str]) -> None:
    """Compile once without rows, where the mapping alone says which columns there are."""
    try:
        reads = reads_of(file, {})
        if any(read.keeps_rest for read in reads.values()):
            return
        compile_steps(
            file,
            {name: tuple(read.columns) for name, read in reads.items()},
            dict.fromkeys(reads, CellRules()),
            {},
        )
    except RuleError as error:
        mistakes.append(str(error))


def _places(file: MappingFile, name: str, lines: Mapping[tuple[str, ...], int]) -> dict[str, str]:
    found = {}
    blocks = {"table": ("table",)} | {own: ("inputs", own) for own in file.inputs}
    for block, path in blocks.items():
        columns = file.table.columns if block == "table" else file.inputs[block].columns
        for column in columns:
            line = line_of((*path, "columns", column), lines)
            found[f"{block}.{column}"] = f"{name}, line {line}" if line else name
    return found
