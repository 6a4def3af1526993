"""Write docs/reference/json-schemas: a JSON Schema (2020-12) for what each command prints with ``--json``.

The types are in tools/json_shapes.toml, the meanings in docs/reference/json.md; a field that one of them lacks is an error.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from typing import Any

from tools.reference_parts import ROOT

PAGE = ROOT / "docs" / "reference" / "json.md"
FOLDER = ROOT / "docs" / "reference" / "json-schemas"
SHAPES = ROOT / "tools" / "json_shapes.toml"
ACTIONS = "actions"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SIMPLE = {
    "text": {"type": "string"},
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "any": {},
}


def shapes() -> dict[str, dict[str, Any]]:
    """Return the sections of the file of types."""
    return tomllib.loads(SHAPES.read_text("utf-8"))


def meanings() -> dict[str, dict[str, str]]:
    """Return the meaning of each field by the section of the page."""
    sections = re.findall(
        r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return {
        name: dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|$", text, re.MULTILINE)) for name, text in sections
    }


def kind_of(text: str) -> dict[str, Any]:
    """Return the schema of one type.

    Args:
        text: as the head of the file of types says.
    """
    if text.endswith("?"):
        inner = kind_of(text[:-1])
        return {"anyOf": [inner, {"type": "null"}]}
    if text.startswith("["):
        return {"type": "array", "items": kind_of(text[1:-1])}
    if text.startswith("{"):
        return {"type": "object", "additionalProperties": kind_of(text[1:-1])}
    if text.startswith("#"):
        return {"$ref": f"#/$defs/{text[1:]}"}
    return dict(SIMPLE[text])


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each section that is a whole document, by its name."""
    every, said = shapes(), meanings()
    whole = {"errors", ACTIONS, *every["commands"].values()}
    return {name: _document(name, every, said) for name in sorted(whole)}


def section_of(words: list[str], options: set[str]) -> str:
    """Return the section of a command's output.

    Args:
        words: the words of the command.
        options: those that it was given.
    """
    commands = shapes()["commands"]
    name = " ".join(words)
    special = [f"{name} {option}" for option in ("--explain", "--site", "--list") if option in options]
    return next((commands[each] for each in special if each in commands), commands.get(name, ACTIONS))


def _document(name: str, every: dict[str, dict[str, Any]], said: dict[str, dict[str, str]]) -> dict[str, Any]:
    shape = every[name]
    own = _object(name, shape, said.get(name, {}))
    form = shape.get("_form")
    if form == "list":
        own = {"type": "array", "items": own}
    elif form == "mapping":
        own = {"type": "object", "additionalProperties": {"type": "object"} if shape.get("_open") else own}
    needed = _referred(shape, every)
    definitions = {each: _object(each, every[each], _said_of(each, said)) for each in sorted(needed)}
    return {"$schema": DIALECT, "title": name, **own} | ({"$defs": definitions} if definitions else {})


def _said_of(name: str, said: dict[str, dict[str, str]]) -> dict[str, str]:
    if name == "error":
        return {field.removeprefix("error."): text for field, text in said["errors"].items()}
    return said["preflight"] if name == "finding" else said.get(name, {})


def _object(name: str, shape: dict[str, Any], said: dict[str, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for key, kind in shape.items():
        field = key.removesuffix("?")
        if key.startswith("_"):
            continue
        described = {"description": said[field]} if field in said else {}
        if not described and (name in meanings() and name != "errors"):
            sys.exit(f"docs/reference/json.md, section {name}, lacks the field {field}")
        properties[field] = kind_of(kind) | described
    return {
        "type": "object",
        "properties": properties,
        "required": [key for key in shape if not key.startswith("_") and not key.endswith("?")],
        "additionalProperties": shape.get("_form") == "open",
    }


def _referred(shape: dict[str, Any], every: dict[str, dict[str, Any]]) -> set[str]:
    found = {name for kind in shape.values() if isinstance(kind, str) for name in re.findall(r"#(\w+)", kind)}
    return found.union(*(_referred(every[name], every) for name in found))


def files() -> dict[str, str]:
    """Return the text of each file by its name."""
    return {
        f"{name.replace(' --', '-').replace(' ', '-')}.json": json.dumps(schema, indent=1) + "\n"
        for name, schema in schemas().items()
    }


def main() -> int:
    """Write the files, or compare them; 1 where one differs."""
    wanted, stale = files(), 0
    FOLDER.mkdir(exist_ok=True)
    there = {path.name for path in FOLDER.glob("*.json")}
    for name in sorted(there | set(wanted)):
        path, text = FOLDER / name, wanted.get(name)
        if text is not None and path.exists() and path.read_text("utf-8") == text:
            continue
        stale += 1
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)} is not what the code says: run make reference")
        elif text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
