"""All commands, and the one place where errors become exit codes.

Layer:       federation.cli.app, the topmost module of this package.
Guarantees:  with ``--json`` an error is one JSON document on standard error, with the exit code of the same sentence.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from federation.cli import dashboard, demo, evaluate, harmonise, ledger, operate, schema, train
from federation.cli.auditing import audit
from federation.cli.examples import add_examples
from federation.cli.founding import enrol, found, renew
from federation.cli.linking import link
from federation.cli.outcome import (
    DONE,
    FAILED,
    OURS,
    STOPPED,
    USAGE,
    error_document,
    exit_code,
    sentence,
    stopped,
    without_permission,
)
from federation.cli.questions import analyst, count, cube, mine, preflight, quality, stats
from federation.display.error_text import NO_CONSORTIUM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class _StoppedError(BaseException):
    """Ctrl-C, before typer turns it into a bare exit code."""

    def __init__(self, interrupt: KeyboardInterrupt) -> None:
        self.interrupt = interrupt
        super().__init__()


class _Commands(TyperGroup):
    """The group of all commands."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; let Ctrl-C through with its notes on what was charged."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise _StoppedError(interrupt) from interrupt


app = typer.Typer(
    name="crossward",
    cls=_Commands,
    help="Joint analysis over many sites; no site shows a row to another site or to the analyst.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
PANELS: Final[Mapping[str, tuple[Callable[..., None], ...]]] = {
    "Ask questions": (
        analyst.query,
        count.count,
        stats.stats,
        mine.mine,
        link.link,
        train.train,
        evaluate.evaluate,
    ),
    "Before and after a question": (
        schema.schema,
        analyst.quote,
        preflight.preflight,
        analyst.budget,
        quality.quality,
        operate.doctor,
        dashboard.dashboard,
    ),
    "Try it, and rehearse on one machine": (demo.demo, operate.init, operate.up, operate.down),
    "Found a consortium over several machines": (
        found.found,
        found.invite,
        found.join,
        found.collect,
        found.admit,
        found.sign,
        found.begin,
        enrol.enrol,
        renew.renew,
        renew.certify,
    ),
}
for panel, members in PANELS.items():
    for command in members:
        app.command(rich_help_panel=panel)(command)
app.add_typer(cube.app, name="cube", rich_help_panel="Ask questions")
app.add_typer(harmonise.app, name="harmonise", rich_help_panel="Before and after a question")
app.add_typer(operate.site, name="site", rich_help_panel="Run a node, keep its ledger, audit")
app.add_typer(operate.dealer, name="dealer", rich_help_panel="Run a node, keep its ledger, audit")
app.add_typer(operate.aggregator, name="aggregator", rich_help_panel="Run a node, keep its ledger, audit")
app.add_typer(operate.keyholder, name="keyholder", rich_help_panel="Run a node, keep its ledger, audit")
app.add_typer(audit.app, name="audit", rich_help_panel="Run a node, keep its ledger, audit")
app.add_typer(ledger.app, name="ledger", rich_help_panel="Run a node, keep its ledger, audit")
add_examples(app)


class _Switches:
    """Settings of this run."""

    is_debugging = False
    as_json = False


def _show_version(wanted: bool) -> None:
    if wanted:
        from federation.node.clock import installed_version

        typer.echo(f"crossward {installed_version()}")
        raise typer.Exit(DONE)


@app.callback()
def main(
    debug: Annotated[
        bool,
        typer.Option("--debug", help="Print where crossward failed when the fault is its own; for a report."),
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Joint analysis over many sites; no site shows a row to another site or to the analyst."""
    del version
    _Switches.is_debugging = debug


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _write_any_letter()
    _Switches.as_json = "--json" in given[: given.index("--")] if "--" in given else "--json" in given
    if importlib.util.find_spec("fcntl") is None:
        _end("UnsupportedSystem", "this system is not supported; Crossward runs on Linux", FAILED)
    try:
        code = app(arguments, standalone_mode=False)
    except OURS as error:
        _end_with(error)
    except _StoppedError as stop:
        _end("Stopped", stopped(stop.interrupt), STOPPED)
    except OSError as error:
        _trace(error)
        _end("OSError", without_permission(error), FAILED)
    except Exception as error:  # noqa: BLE001 - the last place
        if hasattr(error, "format_message"):  # the command line itself is wrong
            _end_usage(error)
        _trace(error)
        how = "" if _Switches.is_debugging else "; crossward --debug shows where"
        text = f"a fault of its own: {type(error).__name__}. Please report how to make it happen{how}"
        _end("InternalFault", text, FAILED)
    sys.exit(code if isinstance(code, int) else DONE)


def _write_any_letter() -> None:
    """Let both streams escape what their encoding lacks: an answer that is paid for must not be lost to one letter."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _trace(error: Exception) -> None:
    if _Switches.is_debugging:
        sys.stderr.writelines(traceback.format_exception(error))


def _end_with(error: Exception) -> NoReturn:
    _trace(error)
    if _Switches.as_json:
        _end_json(error_document(error))
    sys.stderr.write(f"crossward: {sentence(error)}\n")
    sys.exit(exit_code(error))


def _end(code: str, text: str, number: int) -> NoReturn:
    if _Switches.as_json:
        _end_json({"code": code, "message": text, "exit_code": number, "fields": {}})
    sys.stderr.write(f"crossward: {text}\n")
    sys.exit(number)


def _end_usage(error: Any) -> NoReturn:
    """End with what is wrong with the command line, as typer says it."""
    if _Switches.as_json:
        _end_json(
            {
                "code": "UsageError",
                "message": error.format_message(),
                "exit_code": error.exit_code,
                "fields": {},
            }
        )
    from typer.rich_utils import rich_format_error

    rich_format_error(error)
    if "--consortium" in str(error.format_message()):
        sys.stderr.write(f"crossward: {NO_CONSORTIUM}\n")
    sys.exit(getattr(error, "exit_code", USAGE))


def _end_json(document: dict[str, Any]) -> NoReturn:
    sys.stderr.write(json.dumps({"error": document}, indent=1, sort_keys=True, default=str) + "\n")
    sys.exit(document["exit_code"])
