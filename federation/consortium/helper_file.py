"""The file of a helper: its copy of the agreement and its certificate.

Layer:       federation.consortium.helper_file, beside folders.
Guarantees:  unknown keys are refused, all mistakes are reported at once.
See instead: the agreement and the sites' files (``federation.consortium.consortium_file``).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.consortium.file_format.file_kinds import HELPER, expect_kind, mistake_text
from federation.consortium.file_format.file_types import Address  # noqa: TC001  pydantic reads it at run time
from federation.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# The {name}: it sees no data.
version = 1
consortium = "{consortium}"    # its own copy of the agreement, a path beside this file
identity = "{identity}"                # certificate and key in one PEM, mode 0600
"""


class HelperFile(BaseModel):
    """The file's keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    consortium: str = Field(min_length=1, description="the agreement, a path beside this file")
    identity: str = Field(min_length=1, description="certificate and key, a path beside this file")
    listen: Address | None = Field(
        default=None, description="where to bind, if not at the agreement's address"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperPaths:
    """A helper's file with its paths resolved."""

    consortium: Path
    identity: Path
    listen: str | None


def load_helper(path: Path) -> HelperPaths:
    """Read the file of a dealer, an aggregator or a key holder.

    Args:
        path: the TOML file.

    Returns:
        The paths of its agreement and its identity.

    Raises:
        ConfigError: with every mistake found.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        expect_kind(document, HELPER, path.name)
        file = HelperFile.model_validate(document)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot read {path}: {error.strerror}"]) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        mistakes = [
            f"{path.name}: {'.'.join(map(str, item['loc']))}: {mistake_text(item['type'], item['msg'])}"
            for item in found
        ]
        raise ConfigError(mistakes=mistakes) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(mistakes=[f"{path.name} is not TOML"]) from error
    return HelperPaths(
        consortium=path.parent / file.consortium, identity=path.parent / file.identity, listen=file.listen
    )
