"""The ledger: search, pages, one entry with its verification.

Layer:       federation.dashboard.pages.
Guarantees:  a page is made from the last complete reading, of ``PER_PAGE`` lines; exact disclosures are marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from crossward.base_error import CrosswardError
from federation.audit.exact_pairs import remark_of
from federation.dashboard.rendering import form_of, page, state_of
from privacy_accounting.audit.statement import GIVEN_EXACT

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from federation.audit.account import AskedLine
    from federation.dashboard.ledger_view import Reading

PER_PAGE = 50
EXACT = "exact"


def routes() -> list[Route]:
    """Return the routes."""
    return [Route("/ledger", show), Route("/ledger/{number:int}", show_entry)]


def show(request: Request) -> Response:
    """The lines, the newest first."""
    ledger = state_of(request).ledger
    if ledger is None:
        return page(request, "no_ledger")
    reading = ledger.look()
    fields = form_of(request)
    wanted, kind = fields.text("search").lower(), fields.text("kind")
    found = _found(reading, wanted, kind)
    n_pages = max(1, -(-len(found) // PER_PAGE))
    text = fields.text("page", "1")
    number = min(max(1, int(text) if text.isdecimal() and len(text) < 10 else 1), n_pages)  # noqa: PLR2004 - digits
    lines = [] if reading.account is None else reading.account.lines
    return page(
        request,
        "ledger",
        file=ledger.path.name,
        reading=reading,
        is_reading=ledger.is_reading,
        lines=found[(number - 1) * PER_PAGE : number * PER_PAGE],
        n_found=len(found),
        number=number,
        n_pages=n_pages,
        search=fields.text("search"),
        kind=kind,
        kinds=sorted({line.kind for line in lines}),
        verdict=_verdict(reading),
        given_exact=GIVEN_EXACT if any(line.kind == EXACT for line in lines) else "",
    )


def _found(reading: Reading, wanted: str, kind: str) -> list[AskedLine]:
    if reading.account is None:
        return []
    pairs = zip(reading.account.lines, reading.searched, strict=True)
    return [line for line, text in pairs if wanted in text and kind in {"", line.kind}][::-1]


def show_entry(request: Request) -> Response:
    """One entry: what it says, who signed it, whether it holds."""
    ledger = state_of(request).ledger
    if ledger is None:
        return page(request, "no_ledger")
    number = int(request.path_params["number"])
    try:
        entry = ledger.entry(number)
    except CrosswardError:  # from its bytes; the verdict says why
        entry = None
    reading = ledger.look()
    lines = [] if reading.account is None else reading.account.lines
    line = next((each for each in lines if each.number <= number <= each.last), None)
    if entry is None and line is None:
        problem = "this ledger has no such entry that can be read"
        return page(request, "problem", status=404, title="No such entry", problem=problem, back="/ledger")
    return page(
        request,
        "entry",
        number=number,
        line=line,
        note="" if line is None else remark_of(line.differs_from),
        digest="" if entry is None else entry.hash.hex(),
        signers=() if entry is None else tuple(sorted(entry.signatures)),
        is_whole=_holds(reading, number),
        verdict=_verdict(reading),
    )


def _holds(reading: Reading, number: int) -> bool | None:
    """Whether the chain up to this entry and its signatures hold; None before it was read."""
    if reading.account is None or reading.report is None:
        return None
    (file,) = reading.report.files
    return file.begins <= number < file.begins + file.entries if file.begins else number < file.entries


def _verdict(reading: Reading) -> dict[str, Any]:
    """What ``crossward audit verify`` says of the file."""
    report = reading.report
    if report is None:
        return {"is_good": False, "text": reading.problem or "not read yet"}
    (file,) = report.files
    parts = [
        "whole" if report.ok else "NOT WHOLE; trust no figure until the change and its author are known",
        f"{file.entries} entries hold",
        "" if file.first_bad is None else f"from entry {file.first_bad} on it does not hold",
        file.reason,
        *file.findings,
        "the first entry matches the consortium file" if report.against_consortium else "",
    ]
    return {"is_good": report.ok, "text": "; ".join(filter(None, parts))}
