"""Parts of the reference pages: Markdown tables, attributes of docstrings, types and defaults in words.

Used by tools/reference.py.
"""

from __future__ import annotations

import inspect
import re
import sys
import tomllib
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
TEXTS: dict[str, dict[str, str]] = tomllib.loads((ROOT / "tools" / "reference_texts.toml").read_text("utf-8"))
NOTE = "<!-- written by tools/reference.py; change the code or tools/reference_texts.toml, then run make reference -->"


def table(names: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    return [*lines, *(f"| {' | '.join(cell_of(cell) for cell in row)} |" for row in rows)]


def page(title: str, *parts: list[str] | str) -> str:
    """Return a page."""
    lines = [f"# {title}", "", NOTE, ""]
    for part in parts:
        lines += [*([part] if isinstance(part, str) else part), ""]
    return "\n".join(lines).rstrip() + "\n"


def attributes(described: object) -> dict[str, str]:
    """Return the ``Attributes:`` of a docstring."""
    return section_of(inspect.getdoc(described) or "", "Attributes")


def text_for(kind: str, name: str) -> str:
    """Return a text that people wrote.

    Raises:
        SystemExit: there is none.
    """
    if name not in TEXTS.get(kind, {}):
        sys.exit(f"tools/reference_texts.toml: [{kind}] lacks {name}")
    return TEXTS[kind][name]


def section_of(doc: str, title: str) -> dict[str, str]:
    """Return the names and texts below a heading of a docstring."""
    found: dict[str, str] = {}
    match = re.search(rf"^{title}:\n((?:    .*\n|\n)+)", doc + "\n", re.MULTILINE)
    current = ""
    for line in match[1].splitlines() if match else []:
        named = re.match(r"    (\w[\w*, ]*): (.*)", line)
        if named:
            current = named[1]
            found[current] = named[2]
        elif current and line.strip():
            found[current] += " " + line.strip()
    return {name.lstrip("*"): text for names, text in found.items() for name in names.split(", ")}


def cell_of(text: str) -> str:
    """Return a text as a cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").replace("``", "`").split())


def kind_of(annotation: Any) -> str:
    """Return a type in words."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    words = {
        "Fraction": "number",
        "int": "whole number",
        "str": "text",
        "bool": "true or false",
        "Decimal": "number",
    }
    if origin is typing.Annotated:
        return kind_of(inside[0])
    if origin is typing.Literal:
        return " or ".join(f"`{toml_of(value)}`" for value in inside)
    if origin in {types.UnionType, typing.Union}:
        return " or ".join(kind_of(part) for part in inside if part is not type(None))
    if origin in {list, tuple}:
        return f"list of {kind_of(inside[0])}"
    if origin is dict:
        return f"table: {kind_of(inside[0])} to {kind_of(inside[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    name = getattr(annotation, "__name__", str(annotation))
    return words.get(name, "text" if "Secret" in name else "anything" if name == "Any" else name)


def toml_of(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_of(each) for each in value)}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def default_of(field: Any) -> str:
    """Return the default of a field in words."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined or value in ({}, (), []):
        return "left out"
    if isinstance(value, BaseModel):
        return "its defaults"
    if type(value).__name__ == "Fraction":
        value = int(value) if value.denominator == 1 else float(value)
    return f"`{value}`" if isinstance(value, list) else f"`{toml_of(value)}`"


def first_line(described: object) -> str:
    """Return the first paragraph of a docstring."""
    return (inspect.getdoc(described) or "").split("\n\n")[0].replace("``", "`").replace("\n", " ")
