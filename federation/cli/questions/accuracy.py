"""Questions by accuracy on the command line: their options, and the price before it is paid.

Layer:       federation.cli.questions.accuracy, beside options.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from federation.cli.outcome import DONE
from federation.display.accuracy import price_line
from federation.display.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Mapping


def accuracy_terms(
    within: str | None, confidence: str | None, expected_units: str | None
) -> dict[str, str | None]:
    """Return the options of an accuracy as the session takes them, which checks them."""
    return {"within": within, "confidence": confidence, "expected_units": expected_units}


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agree_to(row: Mapping[str, Any], *, fresh: bool, without_question: bool) -> None:
    """Show epsilon and charge on standard error; at a terminal, ask whether to pay.

    Args:
        row: the quote.
        fresh: a release is paid for also where the store has one.
        without_question: of ``--yes``.

    Raises:
        typer.Exit: the person does not want to pay; nothing was spent.
    """
    if (row["from_store"] and not fresh) or not row["fits"]:
        return  # free, or about to be refused with what can be reached
    typer.echo(f"crossward: {plain(price_line(row))}", err=True)
    if without_question or not is_terminal():
        return
    if not typer.confirm("Pay it?", err=True):
        typer.echo("crossward: nothing was spent", err=True)
        raise typer.Exit(DONE)
