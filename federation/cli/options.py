"""Options that several commands share: the consortium file, the identity, numbers.

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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def open_session(consortium: Path, identity: Path | None) -> Session:
    """Open a session as the analyst whose identity is given or found."""
    from federation.client.connect import connect

    return connect(consortium, identity=identity or only_identity(consortium))


def only_identity(consortium: Path) -> Path:
    """Find the one identity in ``analysts/`` beside the consortium file.

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
    """Read a strict decimal above 0: no space, no exponent, no NaN.

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
    """Print one JSON document on standard output."""
    sys.stdout.write(json.dumps(value, indent=1, sort_keys=True, default=str) + "\n")


def check_writable(path: Path) -> None:
    """Check that an output file can be written, before a charge or a long step; leave no new file behind.

    Args:
        path: the file that the command will write.

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
    """Show an answer that is paid for; use standard error where standard output fails.

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
        sys.stdout = io.StringIO()  # so that the end of the process flushes nothing
        raise typer.Exit(FAILED) from error
