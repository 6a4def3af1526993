"""Write docs/reference: the pages that follow from the code. ``--check`` says whether they are up to date.

One function for each page; what people have to add is in tools/reference_texts.toml: what to do about each error, and
keys of files that have no description in the code. A missing text is an error, so that the pages stay complete.
"""

from __future__ import annotations

import inspect
import re
import sys
import typing
from typing import TYPE_CHECKING, Any

import typer
from pydantic import BaseModel

from tools.reference_parts import (
    ROOT,
    TEXTS,
    attributes,
    default_of,
    first_line,
    kind_of,
    page,
    table,
    text_for,
)

if TYPE_CHECKING:
    import types
    from collections.abc import Iterator

FOLDER = ROOT / "docs" / "reference"


def main() -> int:
    """Write the pages, or compare them; 1 where one differs."""
    stale = 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = FOLDER / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale += 1
        if "--check" in sys.argv:
            print(f"{path.relative_to(ROOT)} is not what the code says: run make reference")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if stale and "--check" in sys.argv else 0


def pages() -> dict[str, str]:
    """Return every generated page by its file name."""
    return {
        "files.md": files_page(),
        "schema.md": schema_page(),
        "task.md": task_page(),
        "cli.md": cli_page(),
        "python.md": python_page(),
        "errors.md": errors_page(),
        "statistics.md": statistics_page(),
    }


# -- files ---------------------------------------------------------------------------------------------------------


def files_page() -> str:
    """Return the keys of the consortium file, the site file and a helper's file."""
    from federation.consortium.consortium_model import ConsortiumFile
    from federation.consortium.helper_file import HelperFile
    from federation.consortium.site_file import SiteFile

    parts: list[list[str] | str] = [
        TEXTS["introductions"]["files"],
    ]
    for title, model, place in (
        ("consortium.toml: the agreement, equal at every member", ConsortiumFile, "consortium"),
        ("site.toml: one site's own file; it stays at the site", SiteFile, "site"),
        ("dealer.toml, aggregator.toml, keyholder.toml: a helper's file", HelperFile, "helper"),
    ):
        parts.append(f"## {title}")
        for each in _models(model):
            if each is not model:
                parts.append(f"### {each.__name__}")
            parts += [first_line(each), _keys(each, place)]
    return page("Files of a consortium", *parts)


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Give a model and those inside it, each once."""
    waiting, seen = [model], set()
    while waiting:
        now = waiting.pop(0)
        if now in seen:
            continue
        seen.add(now)
        yield now
        for field in now.model_fields.values():
            waiting += _inside(field.annotation)


def _inside(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _inside(part)]


def _keys(model: type[BaseModel], place: str) -> list[str]:
    said = attributes(model)
    rows = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        owner = next(each for each in reversed(model.__mro__) if name in getattr(each, "__annotations__", {}))
        meaning = field.description or said.get(name) or text_for(place, f"{owner.__name__}.{key}")
        rows.append([f"`{key}`", kind_of(field.annotation), default_of(field), meaning])
    return table(["key", "value", "default", "meaning"], rows)


# -- schema --------------------------------------------------------------------------------------------------------


def schema_page() -> str:
    """Return the keys of ``[tables.NAME]`` and of its columns."""
    from analytics.schema import BooleanColumn, CategoricalColumn, IdentifierColumn, NumericColumn, Table
    from analytics.schema.reading import _COLUMN_KEYS, _TABLE_KEYS

    keys = attributes(Table)
    required = {"privacy_unit", "rows_max", "columns", "lower", "upper", "resolution", "domain", "type"}
    defaults = {"population": "the table's name", "max_rows_per_unit": "1", "max_sites_per_unit": "all sites"}
    parts: list[list[str] | str] = [
        TEXTS["introductions"]["schema"],
        "## [tables.NAME]",
        table(
            ["key", "default", "meaning"],
            [[f"`{key}`", _needed(key, required, defaults), keys[key]] for key in keys if key in _TABLE_KEYS],
        ),
    ]
    for kind, column in (
        ("numeric", NumericColumn),
        ("categorical", CategoricalColumn),
        ("boolean", BooleanColumn),
        ("identifier", IdentifierColumn),
    ):
        said = attributes(column)
        allowed = _COLUMN_KEYS[kind]
        rows = [["`type`", "required", f'`"{kind}"`']]
        rows += [[f"`{key}`", _needed(key, required, {}), said[key]] for key in said if key in allowed]
        parts += [
            f"## A column of type {kind}",
            first_line(column),
            table(["key", "default", "meaning"], rows),
        ]
    return page("The schema", *parts)


def _needed(key: str, required: set[str], defaults: dict[str, str]) -> str:
    return "required" if key in required else defaults.get(key, "left out")


# -- task ----------------------------------------------------------------------------------------------------------


def task_page() -> str:
    """Return the keys of a training task."""
    from federation.training.models.registry import MODELS
    from federation.training.strategies.registry import STRATEGIES
    from federation.training.task import TrainingTask

    said = attributes(TrainingTask)
    rows = []
    for name, field in TrainingTask.model_fields.items():
        if name not in {"options", "evaluate"}:
            default = "the strategy's or the model's own" if name == "learning_rate" else default_of(field)
            rows.append([f"`{name}`", kind_of(field.annotation), default, said[name]])
    options = [
        [f"`{key}`", f"{kind} `{name}`", str(option.default), f"{option.lowest} to {option.highest}"]
        for kind, registry in (("model", MODELS), ("strategy", STRATEGIES))
        for name, each in registry.items()
        for key, option in each.options.items()
    ]
    parts: list[list[str] | str] = [
        TEXTS["introductions"]["task"],
        '```toml\ntable = "patients"\nfeatures = ["age", "sex"]\ntarget = "ill"\nepsilon = 1\nrounds = 20\n```',
        table(["key", "value", "default", "meaning"], rows),
        f"## Models\n\n{_names(MODELS)}",
        f"## Strategies\n\n{_names(STRATEGIES)}",
    ]
    if options:
        parts += ["## Options of one model or strategy", table(["key", "of", "default", "range"], options)]
    return page("The task file of a training", *parts)


def _names(registry: dict[str, Any]) -> str:
    return "\n".join(f"* `{name}`: {first_line(type(each))}" for name, each in registry.items())


# -- command line --------------------------------------------------------------------------------------------------


def cli_page() -> str:
    """Return every command with its arguments, options and examples."""
    from federation.cli.app import app
    from federation.cli.examples import EXAMPLES

    parts: list[list[str] | str] = [
        TEXTS["introductions"]["cli"],
        "## Exit codes",
        table(["code", "meaning"], [[code, text] for code, text in TEXTS["exit_codes"].items()]),
        "With `--json` an error is a JSON document on standard error, see [json.md](json.md); without, a sentence.",
    ]
    for name, command in _walk(typer.main.get_command(app)):
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
        words = " ".join(
            f"[{each.name.upper()}]" if not each.required else each.name.upper() for each in arguments
        )
        rows = [[f"`{each.name.upper()}`", _needed_option(each), each.help or ""] for each in arguments]
        rows += [
            [", ".join(f"`{opt}`" for opt in each.opts), _needed_option(each), each.help or ""]
            for each in options
        ]
        example = "\n".join(EXAMPLES[name])
        parts += [f"## crossward {name} {words}".rstrip(), (command.help or "").strip()]
        parts += [table(["argument or option", "default", "meaning"], rows)] if rows else []
        parts += [f"```sh\n{example}\n```"]
    return page("The command line", *parts)


def _walk(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _walk(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _needed_option(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    return "left out" if default is None or default is False or default == [] else f"`{default}`"


# -- Python --------------------------------------------------------------------------------------------------------


def python_page() -> str:
    """Return every public name with its signature and docstring."""
    import crossward

    parts: list[list[str] | str] = [
        TEXTS["introductions"]["python"],
    ]
    for name in dir(crossward):
        found = getattr(crossward, name)
        if name == "__version__":
            parts += ["## crossward.__version__", "The installed version, a text."]
        elif inspect.ismodule(found):
            parts += _module(name, found)
        else:
            parts += _object(f"crossward.{name}", found, "##")
    return page("The Python API", *parts)


def _module(name: str, found: types.ModuleType) -> list[list[str] | str]:
    parts: list[list[str] | str] = [f"## crossward.{name}", first_line(found)]
    if name == "errors":
        return [*parts, "See [errors.md](errors.md)."]
    for each in dir(found):
        if each in found.__all__ or each.startswith("Federated"):
            parts += _object(f"crossward.{name}.{each}", getattr(found, each), "###")
    return parts


def _object(name: str, found: Any, mark: str) -> list[list[str] | str]:
    """Return one function, or one class with its public methods and properties."""
    heading = f"{mark} {name}"
    if not inspect.isclass(found):
        return [heading, f"```text\n{name}{_signature(found)}\n```", _doc(found)]
    parts: list[list[str] | str] = [heading, _doc(found)]
    for member in sorted(dir(found)):
        value = inspect.getattr_static(found, member)
        if member.startswith("_") or not (
            inspect.isroutine(value) or isinstance(value, property | classmethod)
        ):
            continue
        if _owner(found, member).split(".")[0] not in {
            "federation",
            "analytics",
            "crossward",
            "privacy_accounting",
        }:
            continue
        call = "" if isinstance(value, property) else _signature(getattr(found, member))
        parts += [f"{mark}# {found.__name__}.{member}", f"```text\n{member}{call}\n```", _doc(value)]
    return parts


def _owner(found: type, member: str) -> str:
    return next(each.__module__ for each in found.__mro__ if member in vars(each))


def _signature(found: Any) -> str:
    try:
        text = str(inspect.signature(found)).replace("'", "")
    except ValueError:
        return "(...)"
    text = re.sub(
        r"\b(?:federation|analytics|privacy_accounting|crossward|pathlib|fractions)(?:\.\w+)*\.(\w+)",
        r"\1",
        text,
    )
    return re.sub(r"\((?:self|cls)(?:, )?", "(", text)


def _doc(found: Any) -> str:
    """Return a docstring as text that keeps its lines."""
    doc = inspect.getdoc(found) or ""
    first, _, rest = doc.partition("\n\n")
    shown = first.replace("``", "`").replace("\n", " ")
    return f"{shown}\n\n```text\n{rest.rstrip()}\n```" if rest.strip() else shown


# -- statistics ----------------------------------------------------------------------------------------------------


def statistics_page() -> str:
    """Return the register, then every statistic of the registry with its parameters."""
    from analytics.statistics.arguments import REQUIRED
    from analytics.statistics.other_names import PART_OF
    from analytics.statistics.register import register
    from analytics.statistics.registry import STATISTICS

    entries = register()
    parts: list[list[str] | str] = [
        TEXTS["introductions"]["statistics"],
        "## Register",
        TEXTS["introductions"]["register"],
        table(
            ["statistic", "exact", "private"],
            [[f"`{entry.name}`", str(entry.exact), str(entry.private)] for entry in entries],
        ),
        "## Under another name",
        TEXTS["introductions"]["part_of"],
        table(["asked for", "given by"], [[f"`{name}`", place] for name, place in PART_OF.items()]),
    ]
    for name in (entry.name for entry in entries if entry.name in STATISTICS):
        each = STATISTICS[name]
        rows = [
            [f"`{one.name}`", "required" if one.default is REQUIRED else f"`{one.default}`", one.meaning]
            for one in each.parameters
        ]
        parts += [
            f"## {name}",
            f"{each.summary}. Modes: {' and '.join(sorted(each.modes, reverse=True))}.",
            table(["parameter", "default", "meaning"], rows),
            _doc(inspect.getmodule(each)),
        ]
    return page("Statistics by name", *parts)


# -- errors --------------------------------------------------------------------------------------------------------


def errors_page() -> str:
    """Return every error with its exit code, its cause and what to do."""
    from crossward import errors
    from federation.cli.outcome import UsageError, exit_code
    from federation.protocol.error_codes import _CROSSING, InternalFaultError

    wire = {kind: (code, fields) for code, (kind, fields) in _CROSSING.items()}
    wire[InternalFaultError] = (InternalFaultError.wire_name, ("site",))
    roots = {
        kind for kind in vars(errors).values() if inspect.isclass(kind) and kind.__name__ in TEXTS["roots"]
    }
    rows = []
    for name in [*errors.__all__, "UsageError"]:
        kind = UsageError if name == "UsageError" else getattr(errors, name)
        if kind in roots:
            continue
        code, fields = wire.get(kind, (name, ()))
        bare = kind.__new__(kind)
        rows.append(
            [
                f"`{name}`" + (f" (code `{code}`)" if code != name else ""),
                str(exit_code(bare)),
                first_line(kind),
                text_for("errors", name),
                ", ".join(f"`{field}`" for field in fields) or "none",
            ]
        )
    return page(
        "Errors",
        TEXTS["introductions"]["errors"] + ", ".join(f"`{name}`" for name in TEXTS["roots"]) + ".",
        table(["error", "exit", "cause", "what to do", "fields in JSON"], rows),
    )


if __name__ == "__main__":
    sys.exit(main())
