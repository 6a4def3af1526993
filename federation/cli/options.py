"""Options that several commands share: the consortium file, the identity, numbers.

Layer:       federation.cli.options.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.cli import completion
from federation.cli.outcome import FAILED, UsageError
from privacy_accounting.decimals import parse_decimal
from privacy_accounting.errors import InvalidCostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from fractions import Fraction

    from federation.client.session import Session
    from federation.consortium.consortium_file import Consortium

ConsortiumFile = Annotated[
    Path,
    typer.Option(
        "-c", "--consortium", help="The consortium file, or its folder.", envvar="CROSSWARD_CONSORTIUM"
    ),
]
IdentityFile = Annotated[
    Path | None,
    typer.Option(
        "--identity", help="Your certificate and key; default: the only one in analysts/ beside the file."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines; errors too.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")]
Explain = Annotated[
    bool,
    typer.Option("--explain", help="Show the plan and its cost, without a price at several; spend nothing."),
]
Purpose = Annotated[str, typer.Option("--purpose", help="The purpose, as entered in the ledger.")]
Epsilon = Annotated[str | None, typer.Option("--epsilon", help="Private: what the answer may cost.")]
NamedNoise = Annotated[
    str | None,
    typer.Option(
        "--mechanism",
        help="The noise: gaussian (the default), auto (the least at the same charge), or laplace (less, for a larger charge).",
    ),
]
Exact = Annotated[
    bool, typer.Option("--exact", help="No noise; allowed only where every site's policy permits it.")
]
Within = Annotated[
    str | None,
    typer.Option(
        "--within",
        help="Private: noise moves no figure by more than this; the least epsilon is looked for, or the least charge"
        " with --mechanism auto.",
    ),
]
Confidence = Annotated[
    str | None,
    typer.Option("--confidence", help="How often at least that holds for a figure; 0.95 if left out."),
]
ExpectedUnits = Annotated[
    str | None,
    typer.Option(
        "--expected-units", help="For means: so many privacy units with a value each group has at least."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Pay for --within without being asked at a terminal.")]
Fresh = Annotated[
    bool,
    typer.Option(
        "--fresh", help="Pay for a new release, also where your own earlier ones answer the question."
    ),
]
Sampling = Annotated[
    bool,
    typer.Option(
        "--sampling",
        help="Show what the patients being a sample leaves open, too, beside and with the noise.",
    ),
]
TableName = Annotated[
    str | None,
    typer.Option(
        "--table",
        help="A table of the schema; needed where there are several.",
        autocompletion=completion.tables,
    ),
]
QuestionFile = Annotated[
    Path | None, typer.Option("-f", "--file", help="Read the question from this file; - for standard input.")
]
PURPOSE = "analysis"


def open_session(consortium: Path, identity: Path | None) -> Session:
    """Open a session as the analyst whose identity is given or found."""
    from federation.client.connect import connect

    return connect(consortium, identity=identity)


def only_table(agreement: Consortium, name: str | None) -> str:
    """Return the table that is meant: the one that is named, or the only one of the schema.

    Raises:
        UsageError: none is named, and the schema has several.
    """
    tables = list(agreement.schema.tables)
    if name is None and len(tables) > 1:
        raise UsageError(reason=f"say which table: --table with one of {', '.join(tables)}")
    return tables[0] if name is None else name


def read_questions(given: Sequence[str], file: Path | None, *, name: str = "SQL") -> list[str]:
    """Return the questions of a command: its arguments, or the text of a file; ``-`` is standard input.

    Args:
        given: the arguments.
        file: of ``--file``; a file holds one question.
        name: of the argument, for the error.

    Raises:
        UsageError: both or neither are given, or the file cannot be read as text.
    """
    if bool(given) == (file is not None):
        raise UsageError(
            reason=f"give {name} as an argument, or --file FILE (- for standard input), not both"
        )
    if file is None:
        return [sys.stdin.read() if text == "-" else text for text in given]
    try:
        return [sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")]
    except OSError as error:
        raise UsageError(reason=f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(reason=f"cannot read {file}: it is not UTF-8 text") from error


def read_view(text: str, *, path: str | None = None) -> str:
    """Read the file of --view.

    Args:
        text: the option, for the error.
        path: the file; default: ``text``.

    Raises:
        UsageError: it cannot be read as text.
    """
    try:
        return Path(text if path is None else path).read_text("utf-8")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(reason=f"--view {text}: cannot be read: {reason}") from None


def one_output(*, as_json: bool, as_csv: bool) -> None:
    """Refuse two forms of output at once.

    Raises:
        UsageError: both are wanted.
    """
    if as_json and as_csv:
        raise UsageError(reason="give --json or --csv, not both")


def print_csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table as CSV on standard output: a header row, UTF-8, an empty cell where there is no value."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)


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
