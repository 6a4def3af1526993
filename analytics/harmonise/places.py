"""Where something stands in a TOML file of a site: its line, and what a mistake there is called.

Layer:       analytics.harmonise.places, the lowest of harmonise.
Guarantees:  messages hold keys of the file and lines, and no cell.
Source:      ours.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError

_HEADER: Final = re.compile(r"^\s*\[\[?([^\[\]]+)\]\]?\s*(#.*)?$")
_KEY: Final = re.compile(r"""^\s*((?:[\w.-]+|"[^"]*"|'[^']*'|\s*\.\s*)+)\s*=""")


def mistakes_of(
    error: ValidationError, lines: Mapping[tuple[str, ...], int], model: type[BaseModel]
) -> list[str]:
    """Every mistake of a file with its place, in the order of the lines.

    Args:
        error: what the model found.
        lines: of the file, from ``lines_of``.
        model: of the whole file.
    """
    found: list[tuple[int, str]] = []
    for item in error.errors(include_url=False, include_input=False):
        path = tuple(str(part) for part in item["loc"] if part != "[key]")
        text = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            known = _keys(path[:-1], model)
            text = f"there is no key {path[-1]} here{near(path[-1], known)}"
        elif item["type"] == "missing":
            text = f"the key {path[-1]} is missing"
        found.append((line_of(path, lines), f"{where(path, lines)}: {text}"))
    return [text for _, text in sorted(found)]


def _keys(path: tuple[str, ...], model: type[BaseModel]) -> list[str]:
    """The keys that a place of the mapping may have."""
    kind: Any = model
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


def near(name: str, known: Sequence[str]) -> str:
    """The nearest known names, as the end of a sentence; empty where none is near."""
    alike = difflib.get_close_matches(name, known, n=2)
    return f"; nearest: {', '.join(alike)}" if alike else ""


def where(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> str:
    """A place of the file for messages: its line and its key."""
    line = line_of(path, lines)
    key = ".".join(path) or "file"
    return f"line {line}, {key}" if line else key


def line_of(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int:
    """The line of a key, or of the nearest place above it; 0 where there is none."""
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)


def lines_of(text: str) -> dict[tuple[str, ...], int]:
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
