"""The proposal that adds columns, tables and wider domains to the agreement, or changes its minimum cell: change-agreement.

Layer:       federation.cli.amending.amend_agreement, above amendments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.amending.amendments import Out, SiteFile, write_amendment
from federation.cli.reporting import reported

TermsFile = Annotated[
    Path,
    typer.Option("--terms", help="TOML in the form of the consortium file, with only what is new or wider."),
]


@reported("ledger propose change-agreement")
def change_agreement(site: SiteFile, out: Out, terms: TermsFile) -> None:
    """Add columns, tables, categories, bins or wider bounds, or change the minimum cell or policy floor."""
    from federation.consortium.agreement_terms import terms_of_document
    from federation.consortium.amending.amendments import amend_agreement
    from federation.consortium.file_format.file_reading import read_toml
    from federation.consortium.site_file import load_site
    from federation.node.ledger.present_members import in_force
    from privacy_accounting.ledger.changes.agreement_change import AgreementChange

    now = in_force(load_site(site)).consortium
    found = terms_of_document(read_toml(terms), now.schema, now.file.minimum_cell, now.file.floor)
    content = AgreementChange(before=now.configuration(), terms=found.to_text())
    write_amendment(site, out, lambda state: amend_agreement(state, content))
