"""Codes for what a site's data lack of the schema, as far as no row decides it.

Layer:       analytics.schema.data_faults, beside the schema's columns. Pure.
Guarantees:  a code and its words name nothing of a site's own.
See instead: what finds them (``analytics.sources.dry_opening``).
Source:      ours.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE: Final = "source"
MAPPING: Final = "mapping"
VIEW: Final = "view"
COLUMN_MISSING: Final = "column-missing"
COLUMN_TYPE: Final = "column-type"
STATEMENT: Final = "statement"
LEVEL_UNKNOWN: Final = "level-unknown"
LEVEL_MISSING: Final = "level-missing"
UNCHECKED: Final = "unchecked"
CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        SOURCE: "the source is missing, cannot be opened, or is not of its kind",
        MAPPING: "the site's mapping does not fit its source",
        VIEW: "the site's view cannot be computed over its source",
        COLUMN_MISSING: "the site's data do not give this column",
        COLUMN_TYPE: "the site's data give this column with a type that cannot be what the schema says",
        STATEMENT: "the site's database does not take the statement of this request",
        LEVEL_UNKNOWN: "the site's mapping gives this column a level that the schema does not have: such values count as missing",
        LEVEL_MISSING: "the site's mapping gives no value one of the levels that the schema has for this column",
        UNCHECKED: "the columns of this source cannot be told without its rows",
    }
)
"""What each code says in general words."""
REMARKS: Final = frozenset({LEVEL_UNKNOWN, LEVEL_MISSING, UNCHECKED})
"""Codes with which a run is answered all the same."""
