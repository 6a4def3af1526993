"""Commands of the auditor: verify, recompute, statement, report, price. They read files alone, no site and no key.

Layer:       federation.cli.auditing.audit.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.auditing import audit_questions
from federation.cli.auditing.audit_questions import Ledger, given
from federation.cli.options import AsJson, print_json
from federation.cli.outcome import FAILED, UsageError
from federation.display.terminal import plain
from privacy_accounting.decimals import format_decimal, rounded_up
from privacy_accounting.errors import UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from privacy_accounting.audit.recompute import Opinion, RecomputeReport
    from privacy_accounting.audit.verify import FileReport, Receipt, VerifyReport
    from privacy_accounting.ledger.pricing import Price

app = typer.Typer(help="Check ledgers and show what was asked; needs files alone.", no_args_is_help=True)
app.command()(audit_questions.statement)
app.command()(audit_questions.report)
app.command()(audit_questions.texts)
app.command()(audit_questions.refusals)
app.command()(audit_questions.differences)
Agreement = Annotated[
    Path | None,
    typer.Option(
        "-c", "--consortium", help="The consortium file of this ledger, or its folder: names the keys."
    ),
]
NOT_COMPARED = (
    "not compared with a consortium file (-c): the keys are those that the files themselves name, "
    "so a ledger that is forged as a whole would pass"
)


@app.command()
def verify(
    ledgers: Annotated[list[Path], typer.Argument(help="Ledger files, one for each site.")],
    consortium: Agreement = None,
    receipts: Annotated[
        list[Path] | None,
        typer.Option("--receipt", help="An answer as query --json gave it, or its receipt; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check chain, signatures, runs and totals, and all files against each other and the consortium file."""
    from privacy_accounting.audit.verify import verify as check

    genesis = None
    if consortium is not None:
        from federation.consortium.consortium_file import load_consortium
        from federation.consortium.genesis import genesis_body

        genesis = genesis_body(load_consortium(consortium))
    report = check(
        [given(path) for path in ledgers],
        genesis=genesis,
        receipts=[_receipt(path) for path in receipts or []],
    )
    if as_json:
        print_json(report.to_dict())
    else:
        for line in _verify_lines(report):
            typer.echo(plain(line))
    if not report.ok:
        raise typer.Exit(FAILED)


def _receipt(path: Path) -> Receipt:
    """Read the receipt out of an answer, or one that stands alone."""
    from privacy_accounting.audit.verify import Receipt

    try:
        found = json.loads(path.read_bytes())
        found = found.get("receipt", found)
        number, entry_hash = found["number"], found["entry_hash"]
    except OSError as error:
        raise UsageError(reason=f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(reason=f"{path} holds no receipt with number and entry_hash") from error
    if type(number) is not int or not isinstance(entry_hash, str):
        raise UsageError(reason=f"{path} holds no receipt with number and entry_hash")
    return Receipt(number=number, entry_hash=entry_hash)


def _verify_lines(report: VerifyReport) -> Iterator[str]:
    for file in report.files:
        yield from _file_lines(file)
    for fork in report.forks:
        yield f"FORK at entry {fork.number}: {fork.site} holds a different entry than the other sites"
    for number in report.unmet:
        yield f"RECEIPT not found: no file given holds entry {number} as the receipt names it"
    for site, count in report.behind.items():
        yield f"{site} is {count} entries behind, which does no harm"
    for site, count in report.repeated.items():
        yield f"{count} of the files belong to {site}: they count as one site's statement"
    for site in report.absent:
        yield f"no file of {site} was given: the audit cannot see a fork in it"
    for total in report.totals:
        yield (
            f"{total.population}, {total.sub_budget}: {float(total.fraction_spent):.2%} spent, "
            f"{total.exact_disclosures} exact disclosures"
        )
    yield ("the first entry matches the consortium file" if report.against_consortium else NOT_COMPARED)
    yield _verdict(report)


def _file_lines(file: FileReport) -> Iterator[str]:
    verdict = "whole" if file.ok else "NOT WHOLE"
    bad = "" if file.first_bad is None else f" from entry {file.first_bad} on"
    owner = f" of {file.owner}" if file.owner else ""
    reason = "; ".join(filter(None, [file.reason, *file.findings]))
    yield f"{file.path}: {verdict}{bad}, {file.entries} entries{owner}{': ' if reason else ''}{reason}"
    if file.begins:
        yield (
            f"  begins at entry {file.begins}: the entries before it are in the archive; totals, used requests and "
            "members are those that all members signed in its snapshot"
        )
    if file.forgotten:
        yield (
            f"  {file.forgotten} of its signatures are missing in its own journal: "
            "the site was restored from a backup, or journal rows were removed"
        )


def _verdict(report: VerifyReport) -> str:
    if not report.ok:
        return "verdict: NOT WHOLE; trust no figure until the change and its author are known"
    entries = max((file.entries for file in report.files), default=0)
    sites = sorted({file.owner for file in report.files})
    return f"verdict: whole, {entries} entries, the same at {', '.join(sites)}; prices: crossward audit recompute"


@app.command()
def recompute(ledger: Ledger, as_json: AsJson = False) -> None:
    """Price every charge again from its events; compare with dp-accounting where it is installed."""
    from privacy_accounting.audit.external_accountants import is_installed
    from privacy_accounting.audit.recompute import recompute as again

    report = again(given(ledger))
    if as_json:
        print_json(report.to_dict())
    else:
        for line in _recompute_lines(report, asked=is_installed()):
            typer.echo(plain(line))
    if not report.ok:
        raise typer.Exit(FAILED)


def _recompute_lines(report: RecomputeReport, *, asked: bool) -> Iterator[str]:
    yield f"{report.charges} charges computed again, {len(report.wrong)} of them priced too low"
    if report.first_bad is not None:
        yield f"NOT WHOLE from entry {report.first_bad} on; those entries are left out: {report.reason}"
    for wrong in report.wrong:
        yield (
            f"entry {wrong.number} states {_prices(wrong.stated)}; its events cost {_prices(wrong.computed)} "
            "(Rényi cost at t, with all but one colluding, pure epsilon)"
        )
    if not asked:
        yield "no second opinion: dp-accounting is not installed here"
    for opinion in report.opinions:
        yield _opinion_line(opinion)


def _prices(price: Price) -> str:
    """Return costs as decimals, with enough digits that a difference of one unit shows."""
    costs = (price.cost, price.cost_all_but_one, price.pure_epsilon)
    return ", ".join(format_decimal(Fraction(cost, UNIT)) for cost in costs)


def _opinion_line(opinion: Opinion) -> str:
    found = {"by Rényi orders": opinion.rdp, "by loss distributions": opinion.pld}
    said = [f"{rounded_up(epsilon)} {how}" for how, epsilon in found.items() if epsilon is not None]
    return (
        f"{opinion.population}, {opinion.sub_budget}: epsilon {rounded_up(opinion.own)} at delta "
        f"{opinion.delta}, {opinion.relation}, {opinion.colluding} colluding; dp-accounting says "
        f"{' and '.join(said) if said else 'nothing: it does not know these mechanisms'}"
    )


@app.command()
def price(
    events: Annotated[Path, typer.Argument(help="A JSON file with relation, delta and events.")],
    as_json: AsJson = False,
) -> None:
    """Price a list of events; a calculator, nothing is spent."""
    from privacy_accounting.audit.price import price_document

    try:
        data = events.read_bytes()
    except OSError as error:
        raise UsageError(reason=f"cannot read {events}: {error.strerror}") from error
    report = price_document(data)
    if as_json:
        print_json(report.to_dict())
        return
    order = (
        "the exact profile, or the sum of pure epsilons"
        if report.order is None
        else f"order {float(report.order):g}"
    )
    if report.epsilon == float("inf"):
        order = "no order gives a finite one"
    typer.echo(
        f"epsilon {rounded_up(report.epsilon, 10)} at delta {float(report.delta)!r}, {report.relation} ({order})"
    )
