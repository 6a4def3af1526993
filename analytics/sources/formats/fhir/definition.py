"""A ViewDefinition that was read, checked whole and compiled.

Layer:       analytics.sources.formats.fhir.definition, above rows and shape.
Guarantees:  every mistake of a file is named at once, by its place in it.
Source:      SQL on FHIR v2, "StructureDefinition-ViewDefinition".
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ValidationError

from analytics.errors import SchemaMismatchError
from analytics.sources.formats.fhir.path import Literal
from analytics.sources.formats.fhir.rows import RowCompiler
from analytics.sources.formats.fhir.shape import ViewShape
from analytics.sources.formats.fhir.types import NUMBER, PRIMITIVES

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_BYTES: Final = 1 << 20
_MESSAGES: Final = {
    "extra_forbidden": "there is no such key",
    "missing": "this is missing",
    "string_pattern_mismatch": "this is no name of the kind that is wanted here",
    "string_type": "this is no text",
    "list_type": "this is no list",
    "bool_type": "this is neither true nor false",
    "model_type": "this is no object",
    "too_short": "this is empty",
    "string_too_short": "this is empty",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewDefinition:
    """How resources become rows.

    Attributes:
        name: its file's name, for messages.
        resource: the type of the resources that it reads.
        names: of its columns.
        types: the database's type of each column.
        condition: SQL of whether a resource belongs to the view.
        rows: SQL of a resource's rows.
        places: where each expression stands, by the number that a refusal names.
        digest: SHA-256 of the file, in hex.
    """

    name: str
    resource: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    condition: str
    rows: str
    places: tuple[str, ...]
    digest: str

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a ViewDefinition.

        Args:
            path: its JSON file.

        Raises:
            SchemaMismatchError: it cannot be read, or with every mistake found.
        """
        path = Path(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SchemaMismatchError(
                source=path.name, reason=f"it cannot be read: {error.strerror}"
            ) from None
        return cls.of(content, path.name)

    @classmethod
    def of(cls, content: bytes, name: str) -> Self:
        """Check and compile a ViewDefinition.

        Args:
            content: JSON in UTF-8.
            name: what messages call it.

        Raises:
            SchemaMismatchError: with every mistake found.
        """
        shape = _shape(content, name)
        constants = {constant.name: _literal(*constant.value) for constant in shape.constant}
        compiler = RowCompiler(shape.resource, constants)
        condition = compiler.condition(shape.where)
        rows, columns = compiler.rows(shape.select)
        if compiler.mistakes:
            raise _refused(name, compiler.mistakes)
        return cls(
            name=name,
            resource=shape.resource,
            names=tuple(column for column, _ in columns),
            types=tuple(kind for _, kind in columns),
            condition=condition,
            rows=rows,
            places=tuple(compiler.names.places),
            digest=hashlib.sha256(content).hexdigest(),
        )


def _refused(name: str, mistakes: Iterable[str]) -> SchemaMismatchError:
    found = list(mistakes)
    count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    return SchemaMismatchError(source=name, reason=f"{count} in the ViewDefinition: {'; '.join(found)}")


def _shape(content: bytes, name: str) -> ViewShape:
    if len(content) > _MOST_BYTES:
        raise _refused(name, [f"a file has at most {_MOST_BYTES} bytes"])
    try:
        document = json.loads(
            content.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, _JsonError | json.JSONDecodeError) else type(error).__name__
        raise _refused(name, [f"it is not JSON: {reason}"]) from None
    try:
        return ViewShape.model_validate(document)
    except (ValidationError, RecursionError) as error:
        found = error.errors() if isinstance(error, ValidationError) else []
        raise _refused(name, [_mistake(each) for each in found] or ["it is too deep"]) from None


class _JsonError(ValueError):
    pass


def _constant(text: str) -> object:
    msg = f"{text} is no number"
    raise _JsonError(msg)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        msg = f"the key {twice} stands twice in an object"
        raise _JsonError(msg)
    return found


def _mistake(error: Any) -> str:
    place = ""
    for part in error["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}"
    text = _MESSAGES.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{place.lstrip('.')}: {text}".removeprefix(": ")


def _literal(data_type: str, value: Any) -> Literal:
    if isinstance(value, bool):
        return Literal(0, PRIMITIVES["boolean"], str(value).lower())
    if isinstance(value, int | Decimal):
        return Literal(0, NUMBER, format(value, "f") if isinstance(value, Decimal) else str(value))
    return Literal(0, PRIMITIVES[data_type], value)
