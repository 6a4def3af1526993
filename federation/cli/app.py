"""All commands, and the one place where errors become exit codes.

Floor:    federation.cli.app, the top of the room.
"""

from __future__ import annotations

import logging
import sys

import typer

from federation.cli import analyst, audit, demo, ledger, mine, operate, train
from federation.cli.outcome import FAILED, OURS, exit_code, sentence

app = typer.Typer(
    name="crossward",
    help="Joint analysis over many hospitals without any of them showing a row to another.",
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


def run(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    try:
        app(arguments)
    except OURS as error:
        _end(error)
    except KeyboardInterrupt:
        sys.stderr.write("crossward: stopped\n")
        sys.exit(FAILED)
    except Exception as error:
        logging.getLogger(__name__).debug("a fault of our own", exc_info=error)
        sys.stderr.write(
            f"crossward: a fault of its own: {type(error).__name__}. Please report how to make it happen\n"
        )
        sys.exit(FAILED)


def _end(error: Exception) -> None:
    sys.stderr.write(f"crossward: {sentence(error)}\n")
    sys.exit(exit_code(error))
