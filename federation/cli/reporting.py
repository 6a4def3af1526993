"""What the commands that do something print: sentences for people, or with ``--json`` one document in their place.

Layer:       federation.cli.reporting, above options.
Guarantees:  with ``--json`` standard output holds one document, also where the command fails after its first step: its
             sentences are in ``messages``, and the error is on standard error as always.
See instead: commands that answer (``federation.cli.questions``) print their answer's own document.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

import typer

from federation.cli.options import AsJson, print_json

if TYPE_CHECKING:
    from collections.abc import Callable


class _Document:
    """The document of the command that runs; one process runs one command."""

    def __init__(self, command: str) -> None:
        self.values: dict[str, Any] = {"command": command, "messages": [], "files": []}
        self.is_printed = False

    def print(self) -> None:
        if not self.is_printed:
            self.is_printed = True
            print_json(self.values)
            sys.stdout.flush()


_running: list[_Document] = []


def reported(command: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the option ``--json``.

    Args:
        command: its words, as in ``ledger approve``; the document's ``command``.

    Returns:
        A decorator for functions that print by ``say`` and ``note`` alone.
    """

    def with_option(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)

        @functools.wraps(function)
        def run(*arguments: Any, as_json: bool = False, **options: Any) -> None:
            if not as_json:
                function(*arguments, **options)
                return
            document = _Document(command)
            _running.append(document)
            try:
                function(*arguments, **options)
            finally:
                _running.remove(document)
                if document.values["messages"] or sys.exc_info()[0] is None:
                    document.print()

        option = inspect.Parameter(
            "as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=AsJson
        )
        shown = signature.replace(parameters=[*signature.parameters.values(), option])
        vars(run)["__signature__"] = shown
        run.__annotations__ = {each.name: each.annotation for each in shown.parameters.values()} | {
            "return": None
        }
        return run

    return with_option


def is_document() -> bool:
    """Whether the running command prints a document, so that nothing else may be on standard output."""
    return bool(_running)


def say(text: str) -> None:
    """Print a sentence, or put it into the document; after the document is printed, on standard error."""
    if not _running:
        typer.echo(text)
    elif _running[-1].is_printed:
        typer.echo(text, err=True)
    else:
        _running[-1].values["messages"].append(text)


def note(*, files: object = None, **values: object) -> None:
    """Put values into the document; without ``--json`` nothing happens.

    Args:
        files: one file that was written, for the list ``files``.
        **values: the command's own fields.
    """
    if _running:
        _running[-1].values |= values
        if files is not None:
            _running[-1].values["files"].append(str(files))


def print_now() -> None:
    """Print the document before the command ends: for one that goes on until it is stopped."""
    if _running:
        _running[-1].print()
