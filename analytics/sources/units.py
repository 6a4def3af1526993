"""The privacy unit's normal form, so that one person's spellings are one unit.

Layer:       analytics.sources above cleaning.
Terms:       *text*: Unicode NFC, without blanks and invisible characters at both ends. *integer*: the number that the
             text writes, so that ``007``, ``7``, ``+7`` and ``7.0`` are one unit.
Guarantees:  a row whose identifier is missing, blank, not a number (NaN) or a word for "missing" belongs to no unit
             and is left out: such rows belong to many people, and a row that is left out says nothing of any person.
             An identifier that the source can have merged with another one (single precision, a fraction, a float of
             2^53 or more) or that is not an integer where the schema says so refuses the source. The normal form is
             its own normal form.
See instead: which rows of a unit stay (``ingest``).
Source:      ours; docs/guarantees.md P20. Unicode: UAX 15 (NFC is closed under substrings).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.sources.cells import FLOATS, INTEGERS, base_type
from analytics.sources.cleaning import find_column
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from analytics.schema import Table
    from analytics.sources.cleaning import ViewColumn

MISSING_WORDS = (
    *("", "nan", "na", "n/a", "#n/a", "<na>", "nat", "null", "none", "nil", "missing", "unknown"),
    *("?", ".", "-", "--", "\\n", "inf", "-inf", "+inf", "infinity", "-infinity"),
)
_BLANK = r"[\p{Z}\p{Cc}\p{Cf}\x{034F}\x{115F}\x{1160}\x{2800}\x{3164}\x{FFA0}]"
_INTEGER = r"^[+-]?[0-9]+(\.0*)?$"
_ZERO = r"^[+-]?0+(\.0*)?$"
_PARTS = r"^\+?(-?)0*([0-9]+?)(\.0*)?$"
_FRACTION = r"\.[0-9]*[1-9]"
_FIRST_INEXACT = 2**53
_FOLDED = "folded"
_CHUNK = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitColumn:
    """SQL texts that bring the privacy unit's column of the view to its normal form.

    Attributes:
        name: the column's name in the schema.
        normal: the normal form, VARCHAR; NULL where a row belongs to no unit.
        refused: true where the source cannot be used.
        reason: why not.
        is_text: whether two normal forms can be spellings of one identifier all the same.
    """

    name: str
    normal: str
    refused: str
    reason: str
    is_text: bool = False


def unit_column(table: Table, view: Sequence[ViewColumn], source: str) -> UnitColumn:
    """Return the SQL that brings a table's identifiers to their normal form.

    Args:
        table: the table; its privacy unit is a column.
        view: the view's columns.
        source: the file's name, for messages.

    Returns:
        The SQL.

    Raises:
        SchemaMismatchError: the column is missing, or of a type that cannot tell units apart.
    """
    name = table.privacy_unit
    found = find_column(name, view, source)
    base = base_type(found.kind)
    reasons = {
        "FLOAT": "single-precision numbers cannot hold identifiers: give texts or integers",
        "BLOB": "cannot tell units apart: bytes are neither text nor number",
    }
    if base in reasons or base not in INTEGERS | FLOATS | {"VARCHAR", "UUID", "DECIMAL"}:
        reason = reasons.get(base, "cannot tell units apart: its type is neither text nor number")
        raise SchemaMismatchError(source=source, column=name, reason=reason)
    raw = found.sql
    if base in FLOATS | {"DECIMAL"}:
        normal, refused = _decimal(raw) if base == "DECIMAL" else _double(raw)
        reason = "fractions and numbers of 2^53 or more in floating point cannot be identifiers: two can have become one"
        return UnitColumn(
            name=name, normal=normal, refused=refused, reason=f"{reason}: give texts or integers"
        )
    text = normal_text(raw)
    if base in INTEGERS:
        return UnitColumn(name=name, normal=text, refused="FALSE", reason="")
    is_normal = _is_plain_integer(raw) if found.kind == "VARCHAR" else "FALSE"
    if table.unit_form == "text":
        normal = f"CASE WHEN {is_normal} THEN {raw} ELSE {text} END" if found.kind == "VARCHAR" else text
        return UnitColumn(name=name, normal=normal, refused="FALSE", reason="", is_text=base == "VARCHAR")
    refused = (
        f"CASE WHEN {is_normal} THEN FALSE ELSE COALESCE(NOT regexp_matches({text}, '{_INTEGER}'), FALSE) END"
    )
    reason = 'holds identifiers that are not integers, which unit_form = "integer" demands'
    normal = f"CASE WHEN {is_normal} THEN CAST({raw} AS VARCHAR) ELSE {_whole(text)} END"
    return UnitColumn(name=name, normal=normal, refused=refused, reason=reason)


def _is_plain_integer(raw: str) -> str:
    """SQL of whether a text is exactly what an integer prints as: then it is its own normal form, as text and as integer.

    It is a short cut past the regular expressions, for most rows of most files.
    """
    return f"COALESCE(CAST(TRY_CAST({raw} AS BIGINT) AS VARCHAR) = {raw}, FALSE)"


def normal_text(raw: str) -> str:
    """SQL of the text form of an SQL expression.

    Args:
        raw: the expression; any type that has a text.

    Returns:
        SQL of type VARCHAR, NULL where the text means that there is none.
    """
    bare = f"regexp_replace(nfc_normalize(CAST({raw} AS VARCHAR)), '^{_BLANK}+|{_BLANK}+$', '', 'g')"
    words = ", ".join(f"'{word}'" for word in MISSING_WORDS)
    return f"CASE WHEN lower({bare}) NOT IN ({words}) THEN {bare} END"


def near_duplicates(connection: duckdb.DuckDBPyConnection, staged: str) -> int:
    """Count units whose identifiers differ from another unit's as typing errors do, for the administrator.

    Case, leading zeros, blanks anywhere, compatibility characters (NFKC) and a ``.0`` at the end are looked over.

    Visible to: the site alone.

    Args:
        connection: the site's database.
        staged: its table with the normal forms.

    Returns:
        Units that share what is left with another one.
    """
    unit = quoted(UNIT_COLUMN)
    units = f"SELECT DISTINCT {unit} AS unit FROM {staged} WHERE {unit} IS NOT NULL"  # noqa: S608
    others = connection.execute(f"{units} AND regexp_matches({unit}, '[^ -~]')").fetchall()
    connection.execute(f"CREATE TEMP TABLE {_FOLDED} (unit VARCHAR, letters VARCHAR)")
    for start in range(0, len(others), _CHUNK):
        texts = [text for (text,) in others[start : start + _CHUNK]]
        both = [texts, [_folded(text) for text in texts]]
        connection.execute(f"INSERT INTO {_FOLDED} SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])", both)
    letters = "replace(COALESCE(letters, lower(unit)), ' ', '')"
    whole = r"CASE WHEN contains(letters, '.0') THEN regexp_replace(letters, '\.0+$', '') ELSE letters END"
    read = f"SELECT {letters} AS letters FROM ({units}) LEFT JOIN {_FOLDED} USING (unit)"  # noqa: S608
    shared = f"SELECT count(*) AS n FROM ({read}) GROUP BY ltrim({whole}, '0') HAVING count(*) > 1"  # noqa: S608
    row = connection.execute(f"SELECT coalesce(sum(n), 0) FROM ({shared})").fetchone()  # noqa: S608
    connection.execute(f"DROP TABLE {_FOLDED}")
    return int(row[0]) if row else 0


def _folded(text: str) -> str:
    kept = unicodedata.normalize("NFKC", text).casefold()
    if kept.isalnum():
        return kept
    return "".join(sign for sign in kept if unicodedata.category(sign)[0] not in "ZC")


def _whole(text: str) -> str:
    """The integer that a text writes, as a text without leading zeros; any text but an integer's is refused."""
    return f"CASE WHEN regexp_matches({text}, '{_ZERO}') THEN '0' ELSE regexp_replace({text}, '{_PARTS}', '\\1\\2') END"


def _double(raw: str) -> tuple[str, str]:
    number = f"CASE WHEN NOT isnan({raw}) THEN {raw} END"
    inexact = f"({number} <> floor({number}) OR abs({number}) >= {_FIRST_INEXACT})"
    return f"CAST(TRY_CAST({number} AS BIGINT) AS VARCHAR)", f"COALESCE({inexact}, FALSE)"


def _decimal(raw: str) -> tuple[str, str]:
    text = f"CAST({raw} AS VARCHAR)"
    return _whole(text), f"COALESCE(regexp_matches({text}, '{_FRACTION}'), FALSE)"
