"""Amendments that declare another version of a table, whose rows have changed.

Layer:       federation.consortium.amending.table_amendments, below amendments. Pure.
See instead: the entry (``privacy_accounting.ledger.changes.table_version``), released answers
             (``federation.client.kept.kept_answers``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.errors import AmendmentRejectedError
from privacy_accounting.ledger.changes.table_version import FIRST, TableVersion

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium
    from privacy_accounting.ledger.state import ChainState


def table_text(content: TableVersion) -> str:
    """Describe a declaration, for the administrator who approves it."""
    return (
        f"declare version {content.version} of table {content.table}: answers released before are not used again, and "
        "every node is restarted with the new rows"
    )


def table_now(content: TableVersion, state: ChainState) -> str:
    """Describe the present version in a site's ledger."""
    return f"now: version {present_version(state, content.table)}"


def present_version(state: ChainState, table: str) -> int:
    """Give the declared version of a table."""
    return state.tables.get(table, (FIRST, 0))[0]


def check_table(state: ChainState, content: TableVersion) -> TableVersion:
    """Return a declaration that the ledger would take at its present end.

    Raises:
        AmendmentRejectedError: the version is not above the present one.
    """
    now = present_version(state, content.table)
    if content.version <= now:
        raise AmendmentRejectedError(
            reason=f"table {content.table} has version {now} already; versions rise, so declare {now + 1} or more"
        )
    return content


def check_in_schema(content: TableVersion, consortium: Consortium) -> None:
    """Check that the schema has the table.

    Raises:
        AmendmentRejectedError: it has not.
    """
    if content.table not in consortium.schema.tables:
        known = ", ".join(sorted(consortium.schema.tables))
        raise AmendmentRejectedError(reason=f"there is no table {content.table}; the schema has {known}")
