"""An account and a site's refusals for a terminal and for spreadsheets.

Layer:       federation.audit, above account.
Guarantees:  text of analysts is shown literally: it can steer neither the terminal nor a spreadsheet.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crossward.base_error import CrosswardError
from federation.audit.account import AskedLine
from federation.audit.exact_pairs import SmallDifference, remark_of
from federation.display.terminal import grid, left_tables, plain
from federation.node.records.refusals import RefusedRequest
from federation.protocol.request import Request
from federation.requests.question_text import question_text
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from federation.audit.account import Account
    from federation.audit.exact_pairs import DifferenceReport
    from federation.node.records.refusals import RefusalReport

FORMULA = ("=", "+", "-", "@")
LEFT = frozenset(
    {
        "time (UTC)",
        "kind",
        "asked of",
        "analyst",
        "purpose",
        "question",
        "accuracy",
        "what else",
        "rule",
        "sender",
    }
)


def account_tables(account: Account) -> list[Table]:
    """Return the requests with their words, the use by analyst and population, and the rest of every sub-budget."""
    lines = grid(
        f"Ledger of {plain(account.owner)}",
        (
            "entry",
            "time (UTC)",
            "kind",
            "asked of",
            "analyst",
            "purpose",
            "question",
            "epsilon",
            "accuracy",
            "price",
            "left",
            "what else",
        ),
        [
            (
                _entries(line),
                _time(line.time),
                line.kind,
                " · ".join(filter(None, [line.population, line.sub_budget])),
                line.analyst,
                line.purpose,
                line.question or (f"({line.text})" if line.request else ""),
                line.epsilon,
                line.accuracy,
                line.price,
                line.left,
                "; ".join(_remarks(line)),
            )
            for line in account.lines
        ],
        left=LEFT,
    )
    return [lines, *left_tables(account.spenders, account.remaining)]


def notes(account: Account) -> list[str]:
    """Return what a reader must know beside the tables."""
    asked = [line for line in account.lines if line.request]
    found = []
    if not account.texts:
        found.append(
            "no request texts at hand: the ledger alone holds hashes. Give --texts; at the site they lie in state/requests.sqlite"
        )
    found += [
        f"CHANGED: the text of entry {_entries(line)} was {line.text.partition('; ')[2] or line.text}"
        for line in account.changed
    ]
    missing = sum(line.text == "missing" for line in asked)
    if account.texts and missing:
        found.append(f"of {missing} request(s) no text is in {', '.join(account.texts)}")
    return found


def spreadsheet(account: Account) -> tuple[list[str], list[list[object]]]:
    """Return the lines with all their fields."""
    names = [each.name for each in fields(AskedLine)]
    return names, [[_cell(getattr(line, name)) for name in names] for line in account.lines]


def difference_table(report: DifferenceReport) -> Table:
    """Return the small differences at one site."""
    return grid(
        f"Pairs of exact answers with few people of {plain(report.site)} between them; for this site's administrator alone",
        (
            "analyst",
            "entries",
            "people",
            "fewer than",
            "kind",
            "cell of the first",
            "cell of the second",
            "questions",
        ),
        [
            (
                each.analyst,
                f"{each.first}, {each.second}",
                each.people,
                each.threshold,
                each.kind,
                each.first_cell,
                each.second_cell,
                f"{each.first_question}  |  {each.second_question}",
            )
            for each in report.small
        ],
        left=LEFT | {"cell of the first", "cell of the second", "questions"},
    )


def difference_notes(report: DifferenceReport) -> list[str]:
    """Return how many pairs were compared, and what was not."""
    count = f"{report.pairs} pair(s) of exact answers compared, {len(report.small)} small difference(s)"
    found = [f"{count} at {report.site}, by its rows as they are now"]
    if report.not_compared:
        entries = ", ".join(map(str, report.not_compared))
        found.append(
            f"entry {entries}: not compared, or not in full: mining, fitted models, missing texts, another consortium file"
        )
    return found


def difference_spreadsheet(report: DifferenceReport) -> tuple[list[str], list[list[object]]]:
    """Return the small differences with all their fields."""
    names = [each.name for each in fields(SmallDifference)]
    return names, [[_cell(getattr(each, name)) for name in names] for each in report.small]


def refusal_table(report: RefusalReport) -> Table:
    """Return a site's refusals, oldest first."""
    return grid(
        "Refused requests; each cost nothing",
        ("first (UTC)", "last (UTC)", "times", "analyst", "sender", "purpose", "question", "epsilon", "rule"),
        [
            (
                _time(row.first),
                _time(row.last) if row.times > 1 else "",
                row.times if row.times > 1 else "",
                row.analyst,
                "" if row.sender == row.analyst else row.sender,
                *_words(row),
                row.rule,
            )
            for row in report.refusals
        ],
        left=LEFT | {"first (UTC)", "last (UTC)"},
    )


def refusal_notes(report: RefusalReport) -> list[str]:
    """Return what was not kept."""
    found = [
        f"{number} older refusal(s) of {name} were dropped" for name, number in sorted(report.dropped.items())
    ]
    if report.unsigned:
        found.append(
            f"{report.unsigned} refused request(s) were signed by no analyst of the consortium; they are only counted"
        )
    return found


def refusal_spreadsheet(report: RefusalReport) -> tuple[list[str], Iterator[list[object]]]:
    """Return the refusals with all their fields, the question in words."""
    names = [each.name for each in fields(RefusedRequest) if each.name != "request"]
    rows = (
        [_cell(cell) for cell in (*(getattr(row, name) for name in names), *_words(row))]
        for row in report.refusals
    )
    return [*names, "purpose", "question", "epsilon"], rows


def _words(row: RefusedRequest) -> tuple[str, str, str]:
    """Return purpose, question and epsilon of a refused request, as far as its text is kept."""
    if row.request is None:
        return "", "(too long to be kept)", ""
    try:
        request = Request.from_bytes(row.request)
    except CrosswardError:
        return "", "(not readable by this version)", ""
    epsilon = "exact" if request.epsilon is None else format_decimal(request.epsilon)
    return request.purpose, question_text(request), epsilon


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: analysts write purposes and questions."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _remarks(line: AskedLine) -> Iterator[str]:
    if line.attempts:
        yield f"{line.rounds} round(s), {line.attempts} attempt(s)"
    if line.remark:
        yield line.remark
    if line.differs_from:
        yield remark_of(line.differs_from)
    if line.question and "changed" in line.text:
        yield line.text.partition("; ")[2]


def _entries(line: AskedLine) -> str:
    return f"{line.number}" if line.last == line.number else f"{line.number} to {line.last}"


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S") if seconds else ""
