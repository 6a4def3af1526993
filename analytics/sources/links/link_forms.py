"""Identifiers in the form in which two sites compare them: normalised as the schema declares, then hashed.

Layer:       analytics.sources beside units.
Terms:       the *form for linkage* is the unit's normal form (``units``) after the steps of ``link_form``: ``nfkc`` (Unicode
             compatibility characters), ``casefold``, ``no_blanks`` (no blank and no invisible character),
             ``no_punctuation`` (letters and digits alone), ``no_leading_zeros``, in this order.
Guarantees:  equal at two sites with equal schemas. The clean table holds a digest of it, never the identifier. An identifier of
             which nothing is left is linked to no one.
See instead: hashing under a key of the pair, and the group (``smpc.set_intersection``): the digest here has no key, since it must
             be equal at two sites, and never leaves the site.
Source:      ours; Unicode UAX 15.
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING, Final

from analytics.plans.local_query import UNIT_COLUMN
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from analytics.schema import Table

LINK_COLUMN: Final = "#link"
DIGEST_BYTES: Final = 32
_TAG: Final = b"crossward/link/1\n"
_DIGESTS: Final = "link_digests"
_CHUNK: Final = 100_000


def link_form(identifier: str, steps: Sequence[str]) -> str:
    """Bring an identifier to the form in which sites compare it.

    Args:
        identifier: the unit's normal form.
        steps: of ``Table.link_form``.
    """
    text = unicodedata.normalize("NFKC", identifier) if "nfkc" in steps else identifier
    if "casefold" in steps:
        text = text.casefold()
        text = unicodedata.normalize("NFKC", text) if "nfkc" in steps else text  # folding can undo it
    if "no_punctuation" in steps:
        text = "".join(sign for sign in text if sign.isalnum())
    elif "no_blanks" in steps:
        text = "".join(sign for sign in text if unicodedata.category(sign)[0] not in "ZC")
    if "no_leading_zeros" in steps:
        text = text.lstrip("0") or text[:1]
    return text


def link_digest(identifier: str, steps: Sequence[str]) -> str | None:
    """SHA-256 of the form for linkage, hex; None where nothing is left of the identifier."""
    text = link_form(identifier, steps)
    return hashlib.sha256(_TAG + text.encode("utf-8", "surrogatepass")).hexdigest() if text else None


def with_link_digests(
    connection: duckdb.DuckDBPyConnection, staged: str, steps: Sequence[str] | None
) -> None:
    """Add a column of digests to a staged table, where the schema declares a form for linkage.

    Visible to: the site alone.

    Args:
        connection: the site's database.
        staged: its table with the units' normal forms.
        steps: of ``Table.link_form``.
    """
    if steps is None:
        return
    unit, column = quoted(UNIT_COLUMN), quoted(LINK_COLUMN)
    units = connection.execute(f"SELECT DISTINCT {unit} FROM {staged} WHERE {unit} IS NOT NULL").fetchall()  # noqa: S608
    connection.execute(f"CREATE TEMP TABLE {_DIGESTS} (unit VARCHAR, digest VARCHAR)")
    for start in range(0, len(units), _CHUNK):
        texts = [text for (text,) in units[start : start + _CHUNK]]
        both = [texts, [link_digest(text, steps) for text in texts]]
        connection.execute(f"INSERT INTO {_DIGESTS} SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])", both)
    connection.execute(f"ALTER TABLE {staged} ADD COLUMN {column} VARCHAR")
    connection.execute(
        f"UPDATE {staged} SET {column} = digest FROM {_DIGESTS} WHERE {staged}.{unit} = {_DIGESTS}.unit"  # noqa: S608
    )
    connection.execute(f"DROP TABLE {_DIGESTS}")


def link_duplicates(connection: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Count the units that share their form for linkage with another one, for the administrator.

    Visible to: the site alone.

    Args:
        connection: the site's database.
        table: its clean table; 0 where that declares no form for linkage.
    """
    if table.link_form is None:
        return 0
    unit, column = quoted(UNIT_COLUMN), quoted(LINK_COLUMN)
    shared = (
        f"SELECT count(DISTINCT {unit}) AS n FROM {quoted(table.name)} WHERE {column} IS NOT NULL "  # noqa: S608
        f"GROUP BY {column} HAVING count(DISTINCT {unit}) > 1"
    )
    found = connection.execute(f"SELECT coalesce(sum(n), 0) FROM ({shared})").fetchall()  # noqa: S608
    return int(found[0][0])
