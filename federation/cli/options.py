"""What several commands share: where the agreement is, who asks, how numbers are read.

Layer:       federation.cli.options.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.cli.outcome import FAILED, UsageError
from federation.errors import ConfigError
from privacy_accounting.decimals import parse_decimal
from privacy_accounting.errors import InvalidCostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from federation.client.session import Session

ConsortiumFile = Annotated[
    Path, typer.Option("-c", "--consortium", help="The consortium file.", envvar="CROSSWARD_CONSORTIUM")
]
IdentityFile = Annotated[
    Path | None,
    typer.Option(
        "--identity", help="Your certificate and key; default: the only one in analysts/ beside the file."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def open_session(consortium: Path, identity: Path | None) -> Session:
    """A session as the analyst whose identity is named or found."""
    from federation.client.connect import connect

    return connect(consortium, identity=identity or only_identity(consortium))


def only_identity(consortium: Path) -> Path:
    """The one identity in ``analysts/`` beside the consortium file.

    Raises:
        ConfigError: there is no such consortium file.
        UsageError: there is none, or more than one.
    """
    if not consortium.is_file():
        raise ConfigError(mistakes=[f"cannot read {consortium}: there is no such file"])
    found = sorted((consortium.resolve().parent / "analysts").glob("*.pem"))
    if len(found) != 1:
        raise UsageError(
            reason=f"there are {len(found)} identities in analysts/ beside {consortium.name}: name one with --identity"
        )
    return found[0]


def positive_decimal(text: str, *, name: str) -> Fraction:
    """A strict decimal above 0: no space, no exponent, no NaN.

    Raises:
        UsageError: it is not one.
    """
    try:
        value = parse_decimal(text, what=name)
    except InvalidCostError as error:
        raise UsageError(reason=f"--{name} must be a plain decimal such as 0.5, not {text[:40]!r}") from error
    if value <= 0:
        raise UsageError(reason=f"--{name} must be above 0")
    return value


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")


def check_writable(path: Path) -> None:
    """Open an output before anything is charged, or done that takes long; a file that was not there is not left there.

    Args:
        path: of the file that will be written.

    Raises:
        UsageError: it could not be written.
    """
    try:
        was_there = path.exists()
        with path.open("ab"):
            pass
        if not was_there:
            path.unlink()
    except OSError as error:
        raise UsageError(reason=f"cannot write {path}: {error.strerror}") from error


@contextmanager
def never_lost(answer: Any) -> Iterator[None]:
    """Show an answer that is paid for; where standard output takes no more, show it on standard error.

    Args:
        answer: has ``to_dict``.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        sys.stderr.write(
            f"crossward: standard output: {error.strerror}; the answer is paid for, so here it is\n"
        )
        sys.stderr.write(json.dumps(answer.to_dict(), sort_keys=True, default=str) + "\n")
        sys.stdout = io.StringIO()  # nothing more is tried at the end of the process
        raise typer.Exit(FAILED) from error
