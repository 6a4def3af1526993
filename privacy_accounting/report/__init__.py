"""The ledger as one self-contained page for people.

Layer:       privacy_accounting.report, above ``audit``. Needs jinja2.
Modules:     ``figures`` (what the page says, from the entries alone) · ``charts`` (pictures as inline SVG) · ``page``
             (report_html, write_report) · ``page.html.j2`` (the template)
"""

from privacy_accounting.report.figures import Words
from privacy_accounting.report.page import report_html, write_report

__all__ = ["Words", "report_html", "write_report"]
