"""Reads a site's mapping and the code files that it names, and reports all mistakes at once, each with its line.

Layer:       analytics.harmonise.reading, above compiling.
Guarantees:  a mapping that was read has only known keys, units that can be converted, code maps with one target a code, and
             rules that fit the columns; nothing but names of columns of the site's file can still be wrong. The digest
             covers the file, every code file and the tables of units and analytes.
Source:      ours.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

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
from analytics.harmonise.unit_keys import check_unit_keys
from analytics.sources.formats import ENDINGS, kind_of
from analytics.sources.formats.fhir import ViewDefinition
from analytics.sources.spec import CellRules, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from analytics.sources.steps.step import BlockRead, Steps

_HEADER: Final = re.compile(r"^\s*\[\[?([^\[\]]+)\]\]?\s*(#.*)?$")
_KEY: Final = re.compile(r"""^\s*((?:[\w.-]+|"[^"]*"|'[^']*'|\s*\.\s*)+)\s*=""")
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


def read_mapping(path: Path | str) -> Mapped:
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
    lines = _lines(text)
    try:
        file = MappingFile.model_validate(document)
    except ValidationError as error:
        raise MappingError(source=path.name, mistakes=_mistakes(error, lines)) from None
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
            where = "" if error.source == place.name else f"{error.source}: "
            mistakes.append(f"inputs.{name}: {where}{error.reason}")
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
                    mistakes.append(f"{_where(place, lines)}: there is no {given}{_near(given, known)}")
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
            line = _line((*path, "columns", column), lines)
            found[f"{block}.{column}"] = f"{name}, line {line}" if line else name
    return found


def _mistakes(error: ValidationError, lines: Mapping[tuple[str, ...], int]) -> list[str]:
    found: list[tuple[int, str]] = []
    for item in error.errors(include_url=False, include_input=False):
        path = tuple(str(part) for part in item["loc"] if part != "[key]")
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            known = _keys(path[:-1])
            text = f"there is no key {path[-1]} here{_near(path[-1], known)}"
        elif item["type"] == "missing":
            text = f"the key {path[-1]} is missing"
        found.append((_line(path, lines), f"{_where(path, lines)}: {text}"))
    return [text for _, text in sorted(found)]


def _keys(path: tuple[str, ...]) -> list[str]:
    """The keys that a place of the mapping may have."""
    kind: Any = MappingFile
    for part in path:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(part)
            kind = field.annotation if field is not None else None
        else:
            kind = _inner(kind)
        kind = _model(kind) or kind
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return []
    return [field.alias or name for name, field in kind.model_fields.items()]


def _inner(kind: Any) -> Any:
    """The type of a mapping's values."""
    arguments = getattr(kind, "__args__", ())
    return arguments[-1] if arguments else None


def _model(kind: Any) -> Any:
    """The model in an optional type."""
    models = [
        each
        for each in getattr(kind, "__args__", ())
        if isinstance(each, type) and issubclass(each, BaseModel)
    ]
    is_optional = type(None) in getattr(kind, "__args__", ())
    return models[0] if is_optional and models else None


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2)
    return f"; nearest: {', '.join(near)}" if near else ""


def _where(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> str:
    line = _line(path, lines)
    key = ".".join(path) or "file"
    return f"line {line}, {key}" if line else key


def _line(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int:
    """The line of a key, or of the nearest place above it; 0 where there is none."""
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """The first line of every key that stands at a line's start."""
    found: dict[tuple[str, ...], int] = {}
    header: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if match := _HEADER.match(line):
            header = _path(match[1])
            found.setdefault(header, number)
        elif match := _KEY.match(line):
            path = _path(match[1])
            found.setdefault((*header, *path), number)
    return found


def _path(text: str) -> tuple[str, ...]:
    """The parts of a dotted key."""
    try:
        document: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    parts = []
    while isinstance(document, dict) and document:
        part, document = next(iter(document.items()))
        parts.append(part)
    return tuple(parts)
