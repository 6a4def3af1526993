"""The proposal that declares another version of a table: table-version.

Layer:       federation.cli.amending.amend_tables, above amendments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.amending.amendments import Out, SiteFile, write_amendment
from federation.cli.reporting import reported

if TYPE_CHECKING:
    from federation.consortium.amending.amendments import Amendment
    from privacy_accounting.ledger.state import ChainState


@reported("ledger propose table-version")
def table_version(
    site: SiteFile,
    out: Out,
    table: Annotated[str, typer.Option("--table", help="The table whose rows change.")],
    version: Annotated[
        int, typer.Option("--version", help="Above the present one; a table begins with 1.", min=2)
    ],
) -> None:
    """Declare another version of a table; answers that were released before are not used again."""
    from federation.consortium.amending.amendments import declare_table
    from federation.consortium.amending.table_amendments import check_in_schema
    from federation.consortium.site_file import load_site
    from privacy_accounting.ledger.changes.table_version import TableVersion

    content = TableVersion(table=table, version=version)
    agreement = load_site(site).consortium

    def make(state: ChainState) -> Amendment:
        check_in_schema(content, agreement)
        return declare_table(state, content)

    write_amendment(site, out, make)
