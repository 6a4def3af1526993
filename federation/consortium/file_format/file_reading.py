"""Reading of the files that people write: TOML, checked against a model, with every mistake and its place.

Layer:       federation.consortium.file_format.file_reading, below consortium_file.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from federation.consortium.file_format.file_kinds import mistake_text
from federation.consortium.file_format.file_types import Model
from federation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

M = TypeVar("M", bound=Model)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; numbers with a point come as decimals.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream, parse_float=Decimal)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot read {path}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(mistakes=[f"{path.name} is not TOML: {error}"]) from error


def validated(model: type[M], document: Mapping[str, Any], place: str, mistakes: list[str]) -> M | None:
    """Check a document against a model; add every mistake to the list, with its place."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            where = ".".join(str(part) for part in item["loc"]) or "file"
            mistakes.append(f"{place}: {where}: {mistake_text(item['type'], item['msg'])}")
    return None
