"""The report: one HTML page without scripts, links or fetched parts, readable on paper.

Layer:       privacy_accounting.report, above ``figures`` and ``charts``.
Guarantees:  what comes from the ledger is escaped; the page forbids itself to load anything (content security
             policy); a ledger that does not hold is reported up to its first bad entry, and says so on top.
See instead: comparing several sites' files (``audit.verify``).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jinja2

from privacy_accounting.audit.chain_reader import open_file
from privacy_accounting.audit.statement import GIVEN_EXACT
from privacy_accounting.report.charts import left_bar, spend_chart
from privacy_accounting.report.figures import report_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privacy_accounting.audit.selection import Selection
    from privacy_accounting.ledger.storage.store import Store
    from privacy_accounting.report.figures import ReportFigures, Words

_TEMPLATE: Final = "page.html.j2"


def report_html(
    store: Store,
    units: Mapping[str, str] | None = None,
    words: Mapping[str, Words] | None = None,
    selection: Selection | None = None,
) -> str:
    """Write the report of a ledger.

    Args:
        store: of one site, opened read-only.
        units: whose presence each population's epsilon hides, for people; the ledger does not know.
        words: what the requests asked, by their hashes; the ledger does not know.
        selection: which requests to list; totals and pictures are of all.

    Returns:
        A complete HTML document.

    Raises:
        LedgerRefusedError: no entry of the ledger holds.
    """
    return _render(report_figures(store, units, words, selection))


def _render(figures: ReportFigures) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["day"] = _day
    environment.filters["percent"] = _percent
    template = environment.get_template(_TEMPLATE)
    return template.render(f=figures, spend_chart=spend_chart, left_bar=left_bar, given_exact=GIVEN_EXACT)


def write_report(
    ledger: Path,
    out: Path,
    units: Mapping[str, str] | None = None,
    words: Mapping[str, Words] | None = None,
    selection: Selection | None = None,
) -> str:
    """Write the report of a ledger file; an older one is replaced at once, never half.

    Args:
        ledger: a site's file, or an export of one.
        out: the HTML file.
        units: as for ``report_html``.
        words: as for ``report_html``.
        selection: as for ``report_html``.

    Returns:
        Why the ledger does not hold; empty where it does. The page says so too.

    Raises:
        LedgerRefusedError: the file is no ledger, or none of its entries holds.
        OSError: the page cannot be written.
    """
    store = open_file(ledger)
    try:
        figures = report_figures(store, units, words, selection)
    finally:
        store.close()
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial.write_text(_render(figures), encoding="utf-8")
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
    if figures.first_bad is not None:
        return f"from entry {figures.first_bad} on, which is left out: {figures.reason}"
    return "; ".join(figures.findings)


def _day(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M") if time else "—"


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"
