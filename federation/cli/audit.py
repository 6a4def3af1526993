"""What an auditor types: verify, recompute, statement, report, price. Needs ledger files alone, no site and no key.

Floor:    federation.cli.audit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.options import AsJson, print_json
from federation.cli.outcome import FAILED, UsageError

app = typer.Typer(help="Check ledgers and price events; needs files alone.", no_args_is_help=True)
Ledger = Annotated[Path, typer.Argument(help="A site's ledger file.")]


@app.command()
def verify(
    ledgers: Annotated[list[Path], typer.Argument(help="Ledger files, one for each site.")],
    as_json: AsJson = False,
) -> None:
    """Check chain, signatures, runs and totals, and all files against each other."""
    from privacy_accounting.audit.verify import verify as check

    report = check(ledgers)
    if as_json:
        print_json(report.to_dict())
    else:
        for file in report.files:
            verdict = "whole" if file.ok else "NOT WHOLE"
            bad = "" if file.first_bad is None else f" from entry {file.first_bad} on"
            reason = "; ".join(filter(None, [file.reason, *file.findings]))
            typer.echo(
                f"{file.path}: {verdict}{bad}, {file.entries} entries of {file.owner or '?'} {reason}".rstrip()
            )
        for fork in report.forks:
            typer.echo(f"FORK at entry {fork.number}: {fork.site} holds another one than the others")
        for site, count in report.behind.items():
            typer.echo(f"{site} is {count} entries behind, which does no harm")
        for total in report.totals:
            typer.echo(
                f"{total.population}, {total.sub_budget}: {float(total.fraction_spent):.2%} spent, "
                f"{total.exact_disclosures} exact disclosures"
            )
    if not report.ok:
        raise typer.Exit(FAILED)


@app.command()
def recompute(ledger: Ledger, as_json: AsJson = False) -> None:
    """Price every charge again from its events."""
    from privacy_accounting.audit.recompute import recompute as again

    report = again(ledger)
    if as_json:
        print_json(report.to_dict())
    else:
        typer.echo(f"{report.charges} charges computed again, {len(report.wrong)} of them priced too low")
        for wrong in report.wrong:
            typer.echo(
                f"entry {wrong.number} states {wrong.stated.cost} units, its events cost {wrong.computed.cost}"
            )
    if report.wrong:
        raise typer.Exit(FAILED)


@app.command()
def statement(
    ledger: Ledger,
    population: Annotated[str | None, typer.Option("--population", help="Only this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell who asked what, when, for which purpose, at what price, and what is left."""
    from privacy_accounting.audit.statement import statement as tell

    report = tell(ledger, population=population)
    if as_json:
        print_json(report.to_dict())
        return
    from federation.show import console, statement_tables

    screen = console()
    for table in statement_tables(report):
        screen.print(table)


@app.command()
def report(
    ledger: Ledger,
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("report.html"),
) -> None:
    """Write the ledger as one HTML page for people: who asked what, what is spent, what is left."""
    from privacy_accounting.report import write_report

    try:
        write_report(ledger, out)
    except OSError as error:
        raise UsageError(reason=f"cannot write {out}: {error.strerror}") from error
    typer.echo(f"wrote {out}")


@app.command()
def price(
    events: Annotated[Path, typer.Argument(help="A JSON file with relation, delta and events.")],
    as_json: AsJson = False,
) -> None:
    """Say what events would cost; a calculator, nothing is spent."""
    from privacy_accounting.audit.price import price_document
    from privacy_accounting.decimals import rounded_up

    try:
        data = events.read_bytes()
    except OSError as error:
        raise UsageError(reason=f"cannot read {events}: {error.strerror}") from error
    report = price_document(data)
    if as_json:
        print_json(report.to_dict())
        return
    order = "the sum of pure epsilons" if report.order is None else f"order {float(report.order):g}"
    if report.epsilon == float("inf"):
        order = "no order gives a finite one"
    typer.echo(
        f"epsilon {rounded_up(report.epsilon, 10)} at delta {float(report.delta)!r}, {report.relation} ({order})"
    )
