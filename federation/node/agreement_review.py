"""The check of a site's own data against an agreement that is to come, before its administrator approves it.

Layer:       federation.node.agreement_review, above site_process; beside the running node.
Guarantees:  a site whose view lacks a column, or whose file lacks a table, of the amended agreement is named so to its own
             administrator, and nothing is approved. Nothing is written, and nothing leaves the site.
See instead: the amendment (``federation.consortium.amending.agreement_amendments``), the same check at a start
             (``site_process``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.consortium.amending.agreement_amendments import amended_agreement, consequences
from federation.node.ledger.present_members import in_force
from federation.node.site_process import open_sources
from federation.requests.site_policy import check_tables
from privacy_accounting.ledger.changes.agreement_change import AgreementChange

if TYPE_CHECKING:
    from federation.consortium.amending.amendments import Amendment
    from federation.consortium.site_file import SiteConfig
    from privacy_accounting.ledger.state import ChainState


def review_agreement(config: SiteConfig, amendment: Amendment, state: ChainState) -> list[str]:
    """Check an amendment of the agreement against this site's data.

    Args:
        config: the site's configuration.
        amendment: any; others than of the agreement pass.
        state: this site's ledger, which the amendment fits.

    Returns:
        What the amendment changes, in words, and what this site's data give for it.

    Raises:
        AmendmentRejectedError: it takes something away, or makes a domain narrower.
        SchemaMismatchError: this site's data lack a column or a table of it, or hold other values.
        ConfigError: the site file does not give a table of it.
    """
    content = amendment.content
    if not isinstance(content, AgreementChange):
        return []
    now = in_force(config)
    after = amended_agreement(content, now.consortium, state.head + 1)
    lines = consequences(now.consortium, after)
    sources = open_sources(now.under(after), keep=False)
    try:
        check_tables(config.file.policy, sources, site=config.file.site)
        for name, source in sources.items():
            faults = source.report.row_faults(config.file.tables[name].most_misfits)
            lines += [f"data of {name}: {fault}" for fault in faults]
    finally:
        for source in sources.values():
            source.close()
    return [*lines, "checked: this site's data give every table and column of it"]
