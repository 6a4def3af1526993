"""Commands that show what was asked: statement, report and refusals. They read files alone, no site and no key.

Layer:       federation.cli.auditing.audit_questions, below audit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.options import AsCsv, AsJson, check_writable, one_output, print_csv, print_json
from federation.cli.outcome import FAILED, UsageError
from federation.cli.reporting import note, reported, say
from federation.display.terminal import console, plain

Ledger = Annotated[Path, typer.Argument(help="A site's ledger file.")]
Texts = Annotated[
    list[Path] | None,
    typer.Option(
        "--texts",
        help="Request texts: requests.sqlite of a site, or of audit texts; repeatable. Default: the file beside the ledger.",
    ),
]
WithAgreement = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--consortium",
        help="The consortium file; it says how accurate each answer was, and whom noise hides.",
    ),
]
Since = Annotated[str | None, typer.Option("--since", help="Nothing before this date (UTC).")]
Until = Annotated[str | None, typer.Option("--until", help="Nothing after this date (UTC).")]
OfAnalyst = Annotated[str | None, typer.Option("--analyst", help="Only this analyst's requests.")]
ForPurpose = Annotated[str | None, typer.Option("--purpose", help="Only requests for this purpose.")]
OfPopulation = Annotated[str | None, typer.Option("--population", help="Only this one.")]


def given(path: Path) -> Path:
    """Return the path of a ledger file.

    Raises:
        UsageError: there is no such file, or it cannot be read; the audit reports on no ledger then.
    """
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise UsageError(reason=f"cannot read {path}: {error.strerror}") from error


def statement(  # noqa: PLR0913, PLR0917 - every one an option of its own
    ledger: Ledger,
    texts: Texts = None,
    consortium: WithAgreement = None,
    population: OfPopulation = None,
    analyst: OfAnalyst = None,
    purpose: ForPurpose = None,
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show each request: question, epsilon, accuracy, price, analyst, time, purpose; and what is left."""
    from federation import audit
    from federation.audit.tables import account_tables, notes, spreadsheet

    one_output(as_json=as_json, as_csv=as_csv)
    account = audit.statement(
        given(ledger),
        texts=None if texts is None else list(texts),
        consortium=consortium,
        since=since,
        until=until,
        analyst=analyst,
        purpose=purpose,
        population=population,
    )
    if as_json:
        print_json(account.to_dict())
    elif as_csv:
        print_csv(*spreadsheet(account))
    else:
        screen = console()
        for table in account_tables(account):
            screen.print(table)
        for note in notes(account):
            typer.echo(plain(note))
    if account.first_bad is not None and not as_json:
        broken = f"NOT WHOLE from entry {account.first_bad} on; those entries are left out: {account.reason}"
        typer.echo(plain(broken), err=as_csv)
    if account.first_bad is not None or account.changed:
        raise typer.Exit(FAILED)


@reported("audit report")
def report(
    ledger: Ledger,
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("report.html"),
    texts: Texts = None,
    consortium: WithAgreement = None,
    analyst: OfAnalyst = None,
    purpose: ForPurpose = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write the ledger as an HTML page: each request with its question, the spent and the remaining budget."""
    from federation import audit

    check_writable(out)
    try:
        broken = audit.report(
            given(ledger),
            out,
            texts=None if texts is None else list(texts),
            consortium=consortium,
            since=since,
            until=until,
            analyst=analyst,
            purpose=purpose,
        )
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
    note(files=out, broken=broken or "")
    say(f"wrote {out}")
    if broken:
        say(plain(f"NOT WHOLE: {broken}"))
        raise typer.Exit(FAILED)


@reported("audit texts")
def texts(
    out: Annotated[Path, typer.Option("--out", help="The file to write, one text a line (JSON).")],
    site: Annotated[
        Path | None, typer.Argument(help="A site file: copy that site's own texts, on its machine.")
    ] = None,
    consortium: Annotated[
        Path | None,
        typer.Option("-c", "--consortium", help="The consortium file: ask every site, as an auditor."),
    ] = None,
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity", help="The auditor's certificate and key; default: the only one in analysts/."
        ),
    ] = None,
) -> None:
    """Write the texts of all requests into a file for audit statement and report; an analyst gets their own."""
    from federation import audit

    if (site is None) == (consortium is None):
        raise UsageError(reason="give a site file, or -c with the consortium file, not both")
    check_writable(out)
    try:
        fetched = (
            audit.copy_texts(site, out)
            if consortium is None and site is not None
            else audit.fetch_texts(consortium or Path(), out, identity=identity)
        )
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
    note(
        files=out,
        counts=dict(fetched.counts),
        failed={name: plain(why) for name, why in fetched.failed.items()},
    )
    for name, count in fetched.counts.items():
        say(plain(f"{name}: {count} request text(s)"))
    say(f"wrote {out}")
    for name, reason in fetched.failed.items():
        say(plain(f"INCOMPLETE: the texts of {name}: {reason}"))
    if fetched.failed:
        raise typer.Exit(FAILED)


def refusals(
    site: Annotated[Path, typer.Argument(help="The site file, or a copy of refusals.sqlite.")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the requests that a site has refused: who asked what, which rule, when; for its administrator."""
    from federation import audit
    from federation.audit.tables import refusal_notes, refusal_spreadsheet, refusal_table

    one_output(as_json=as_json, as_csv=as_csv)
    report = audit.refusals(site)
    if as_json:
        print_json(report.to_dict())
    elif as_csv:
        print_csv(*refusal_spreadsheet(report))
    else:
        console().print(refusal_table(report))
        for note in refusal_notes(report):
            typer.echo(plain(note))


def differences(
    site: Annotated[Path, typer.Argument(help="The site file; on the site's own machine.")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show exact answers of one analyst between which few people of this site lie; for this site alone."""
    from federation import audit
    from federation.audit.tables import difference_notes, difference_spreadsheet, difference_table

    one_output(as_json=as_json, as_csv=as_csv)
    report = audit.differences(site)
    if as_json:
        print_json(report.to_dict())
    elif as_csv:
        print_csv(*difference_spreadsheet(report))
    else:
        if report.small:
            console().print(difference_table(report))
        for note in difference_notes(report):
            typer.echo(plain(note))
    if report.small:
        raise typer.Exit(FAILED)
