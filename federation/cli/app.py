"""All commands, and the one place where errors become exit codes.

Layer:       federation.cli.app, the topmost module of this package.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from typing import Annotated

import typer

from federation.cli import analyst, audit, demo, found, ledger, mine, operate, train
from federation.cli.outcome import FAILED, OURS, STOPPED, exit_code, sentence, stopped, without_permission

app = typer.Typer(
    name="crossward",
    help="Joint analysis over many sites; no site shows a row to another site or to the analyst.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    analyst.query,
    analyst.budget,
    analyst.quote,
    mine.mine,
    train.train,
    operate.init,
    found.found,
    found.invite,
    found.join,
    found.admit,
    found.sign,
    found.begin,
    operate.up,
    operate.down,
    operate.doctor,
    demo.demo,
):
    app.command()(command)
app.add_typer(operate.site, name="site")
app.add_typer(operate.dealer, name="dealer")
app.add_typer(operate.aggregator, name="aggregator")
app.add_typer(operate.keyholder, name="keyholder")
app.add_typer(audit.app, name="audit")
app.add_typer(ledger.app, name="ledger")


class _Switches:
    """Settings of this run."""

    is_debugging = False


@app.callback()
def main(
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Print where crossward failed when the fault is its own; for a report."),
    ] = False,
) -> None:
    """Joint analysis over many sites; no site shows a row to another site or to the analyst."""
    _Switches.is_debugging = debug


def run(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    if importlib.util.find_spec("fcntl") is None:
        sys.stderr.write("crossward: this system is not supported; Crossward runs on Linux\n")
        sys.exit(FAILED)
    try:
        app(arguments)
    except OURS as error:
        _end(error)
    except SystemExit as end:
        interrupt = _interrupt(end)
        if interrupt is None:
            raise
        sys.stderr.write(f"crossward: {stopped(interrupt)}\n")
        sys.exit(STOPPED)
    except OSError as error:
        _trace(error)
        sys.stderr.write(f"crossward: {without_permission(error)}\n")
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001 - the last place
        _trace(error)
        how = "" if _Switches.is_debugging else "; crossward --debug shows where"
        sys.stderr.write(
            f"crossward: a fault of its own: {type(error).__name__}. Please report how to make it happen{how}\n"
        )
        sys.exit(FAILED)


def _interrupt(end: BaseException) -> KeyboardInterrupt | None:
    """Find the Ctrl-C behind an exit; typer turns it into an exit code silently."""
    error: BaseException | None = end
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def _trace(error: Exception) -> None:
    if _Switches.is_debugging:
        sys.stderr.writelines(traceback.format_exception(error))


def _end(error: Exception) -> None:
    sys.stderr.write(f"crossward: {sentence(error)}\n")
    sys.exit(exit_code(error))
