"""What was asked of a consortium, for its auditors and administrators: frames of statements and refusals.

Modules: ``kept_texts`` (texts out of files, compared with their hashes) · ``asked`` (a request in words) · ``account``
(the ledger's lines with their texts) · ``tables`` (the same for a terminal) · ``moments`` (dates of a selection) ·
``fetch`` (texts from the sites, for an auditor) · ``exact_pairs`` (exact answers that can be subtracted).

Layer:       federation.audit, above client.
See instead: whether a ledger is whole, and its prices (``privacy_accounting.audit``).
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from federation.audit.account import Account, account_of
from federation.audit.exact_pairs import remark_of
from federation.audit.kept_texts import load_texts, text_line, texts_beside
from federation.audit.moments import moment, moment_after
from federation.consortium.consortium_file import load_consortium
from federation.consortium.site_file import load_site
from federation.node.records.refusals import FILE, RefusalReport, read_refusals
from privacy_accounting.audit.selection import Selection
from privacy_accounting.audit.statement import statement as _statement

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from federation.audit.exact_pairs import DifferenceReport
    from federation.audit.fetch import Fetched
    from federation.consortium.consortium_file import Consortium

__all__ = [
    "Account",
    "RefusalReport",
    "copy_texts",
    "differences",
    "fetch_texts",
    "refusals",
    "report",
    "statement",
]


def statement(
    ledger: str | Path,
    *,
    texts: Sequence[str | Path] | None = None,
    consortium: str | Path | None = None,
    since: str | date | None = None,
    until: str | date | None = None,
    analyst: str | None = None,
    purpose: str | None = None,
    population: str | None = None,
) -> Account:
    """Return what a ledger says was asked: question, epsilon, accuracy and price of each request, and what is left.

    Visible to: who holds the ledger and the texts; both hold no data of a row.

    Args:
        ledger: a site's file, or an export of one.
        texts: files of request texts; default: the ``requests.sqlite`` beside the ledger, if there is one.
        consortium: the consortium file or its folder; with it each line says how accurate the answer was.
        since: a date such as ``2026-11-30``, or a date and a time (UTC); nothing before it is listed.
        until: as ``since``; nothing after that day, or after that time, is listed.
        analyst: only this one's requests.
        purpose: only requests for this one.
        population: only this one.

    Returns:
        The account; ``frame``, ``remaining_frame`` and ``spender_frame`` are tables of pandas.

    Raises:
        LedgerRefusedError: the ledger is none, or none of its entries holds.
        ConfigError: a file of texts, or the consortium file, cannot be read.
        InvalidRequestError: a date is not one.
    """
    wanted = _selection(since, until, analyst, purpose, population)
    path = Path(ledger)
    return account_of(
        _statement(path, population=population),
        load_texts(_texts_of(path, texts)),
        consortium=None if consortium is None else load_consortium(Path(consortium)),
        selection=wanted,
    )


def report(
    ledger: str | Path,
    out: str | Path,
    *,
    texts: Sequence[str | Path] | None = None,
    consortium: str | Path | None = None,
    since: str | date | None = None,
    until: str | date | None = None,
    analyst: str | None = None,
    purpose: str | None = None,
) -> str:
    """Write a ledger file as an HTML page; other arguments as ``statement``.

    Args:
        ledger: a site's file, or an export of one.
        out: the page.
        texts: files of request texts; default: the ``requests.sqlite`` beside the ledger, if there is one.
        consortium: the consortium file or its folder; with it the page says how accurate each answer was, and whether
            noise hides patients or rows.
        since: nothing before this date is listed.
        until: nothing after this date is listed.
        analyst: only this one's requests are listed.
        purpose: only requests for this one are listed.

    Returns:
        Why the ledger does not hold; empty where it does. The page says so too.

    Raises:
        LedgerRefusedError: the file is no ledger, or none of its entries holds.
        ConfigError: a file of texts, or the consortium file, cannot be read.
        InvalidRequestError: a date is not one.
        OSError: the page cannot be written.
    """
    from privacy_accounting.report import Words, write_report

    wanted = _selection(since, until, analyst, purpose, None)
    account = statement(ledger, texts=texts, consortium=consortium)
    words = {
        line.request: Words(
            question=line.question,
            epsilon=line.epsilon,
            accuracy=line.accuracy,
            text=line.text,
            note=remark_of(line.differs_from),
        )
        for line in account.lines
        if line.request and account.texts
    }
    units = {} if consortium is None else units_of(load_consortium(Path(consortium)))
    return write_report(Path(ledger), Path(out), units, words, wanted)


def units_of(consortium: Consortium) -> dict[str, str]:
    """Return the privacy unit of each population, in words."""
    units: dict[str, set[str]] = {}
    for table in consortium.schema.tables.values():
        unit = table.privacy_unit
        units.setdefault(table.population, set()).add(
            "one row" if unit == "row" else f"all rows of one {unit}"
        )
    return {population: " or ".join(sorted(named)) for population, named in units.items()}


def _selection(
    since: str | date | None,
    until: str | date | None,
    analyst: str | None,
    purpose: str | None,
    population: str | None,
) -> Selection:
    return Selection(
        since=None if since is None else moment(since, name="since"),
        until=None if until is None else moment_after(until, name="until"),
        analyst=analyst,
        purpose=purpose,
        population=population,
    )


def _texts_of(ledger: Path, texts: Sequence[str | Path] | None) -> list[Path]:
    return texts_beside(ledger) if texts is None else [Path(each) for each in texts]


def fetch_texts(consortium: str | Path, out: str | Path, *, identity: str | Path | None = None) -> Fetched:
    """Ask every site for its request texts and write them into one file for ``statement`` and ``report``.

    Visible to: an auditor of the consortium file gets the texts of all analysts, an analyst their own.

    Args:
        consortium: the consortium file or its folder.
        out: the file, one text a line (JSON).
        identity: certificate and key; default: the only one in ``analysts/`` beside the consortium file.

    Returns:
        How many texts each site gave, and which sites are missing or incomplete, with the reason.

    Raises:
        ConfigError: the files hold mistakes, or the identity is that of a node.
        InvalidRequestError: no identity is given, and there is not exactly one beside the file.
        OSError: the file cannot be written.
    """
    from federation.audit.fetch import fetch_texts as fetch
    from federation.client.connect import caller_of, network_of

    agreement, who = caller_of(consortium, identity)
    with closing(network_of(agreement, who)) as network, Path(out).open("w", encoding="utf-8") as stream:
        return fetch(
            network,
            agreement.names,
            lambda *text: print(text_line(*text), file=stream),
            timeout_s=float(agreement.file.deadline_s),
        )


def copy_texts(site: str | Path, out: str | Path) -> Fetched:
    """Write a site's own request texts into a file, on its own machine; its node may run.

    Args:
        site: the site's own file, or its folder.
        out: the file, one text a line (JSON).

    Raises:
        ConfigError: the site file holds mistakes, or the site keeps no texts yet.
        OSError: the file cannot be written.
    """
    from federation.audit.fetch import Fetched
    from federation.node.records.request_texts import FILE as TEXTS
    from federation.node.records.request_texts import read_texts

    config = load_site(Path(site))
    name, found = config.file.site, read_texts(config.state / TEXTS)
    lines = [text_line(name, digest, data) + "\n" for digest, data in found.items()]
    Path(out).write_text("".join(lines), encoding="utf-8")
    return Fetched(counts={name: len(lines)})


def differences(site: str | Path) -> DifferenceReport:
    """Return between which exact answers of one analyst few people of a site lie, for that site's administrator.

    Visible to: the site alone; the report holds counts of its rows.

    Args:
        site: the site's own file, or its folder.

    Returns:
        The pairs whose difference at this site has at least one person and fewer than the minimum cell allows; ``frame``
        is a table of pandas.

    Raises:
        ConfigError: the site file or the texts cannot be read.
        SchemaMismatchError: the site's rows do not match the schema.
        LedgerRefusedError: there is no ledger yet.
    """
    from federation.audit.exact_pairs import exact_requests, small_differences
    from federation.node.ledger.storage import read_ledger
    from federation.node.records.request_texts import FILE as TEXTS
    from federation.node.site_process import open_sources
    from privacy_accounting.audit.statement import statement_of

    config = load_site(Path(site))
    kept = load_texts([config.state / TEXTS])
    with closing(read_ledger(config)) as store:
        lines = statement_of(store).lines
    requests = exact_requests(lines, kept, config.consortium)
    tables = open_sources(config)
    try:
        return small_differences(
            config.file.site, requests, tables, limit_s=float(config.consortium.file.local_limit_s)
        )
    finally:
        for table in tables.values():
            table.close()


def refusals(site: str | Path) -> RefusalReport:
    """Return what a site has refused, for its administrator: who asked what, which rule refused it, and when.

    Args:
        site: the site's own file, its folder, or a copy of ``refusals.sqlite``.

    Returns:
        The refusals; ``frame`` is a table of pandas.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = Path(site)
    if path.is_dir() or path.suffix == ".toml":
        path = load_site(path).state / FILE
    return read_refusals(path)
