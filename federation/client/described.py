"""What a session says of itself: its consortium, its analyst, the public schema.

Layer:       federation.client.described, below session. Asks no site.
See instead: questions (``federation.client.session``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.text_tables import as_block
from federation.client.schema_view import SchemaView

if TYPE_CHECKING:
    from federation.consortium.consortium_file import Consortium


class Described:
    """The part of a session that needs the agreement alone.

    Attributes:
        consortium: the agreement.
        analyst: name of the analyst.
    """

    consortium: Consortium
    analyst: str

    @property
    def tables(self) -> SchemaView:
        """The tables by name: columns, bounds, domains; from the agreement, no site is asked."""
        return SchemaView(self.consortium.schema.tables)

    def __repr__(self) -> str:
        """Return consortium, sites, analyst and tables in one line."""
        sites, tables = ", ".join(self.consortium.names), ", ".join(self.consortium.schema.tables)
        name = self.consortium.file.name
        return f"<{type(self).__name__} of {name}: sites {sites}; analyst {self.analyst}; tables {tables}>"

    def _repr_html_(self) -> str:
        return as_block(repr(self)) + self.tables._repr_html_()
