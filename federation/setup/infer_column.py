"""Infers one column of a schema: its kind, its domain or widened bounds.

Layer:       federation.setup.infer_column. Reads a sealed DuckDB database with the table ``source``.
Guarantees:  bounds are round numbers, at least half as far again from 0 as any value. Text with many different values
             (names, identifiers, notes) is left out, so that none of it enters a shared file.
See instead: tables and files (``infer_schema``).
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

import tomlkit

from analytics.schema.columns import MAX_GRID, MAX_TEXT
from analytics.sources.cells import DATES, NUMBERS, base_type, text_literal, text_number
from analytics.sources.units import normal_text
from analytics.sql.terms.render import quoted
from federation.setup.few_numbers import CODES_ADVICE, number_evidence
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.sources import CellRules

UNIT_NAMES = frozenset(
    {
        *("patient_id", "person_id", "subject_id", "patient", "subject", "person", "mrn", "pid", "pat_id"),
        *("patient_no", "patient_nr", "patient_number", "patientid", "patientnr", "pat_nr", "patnr"),
        *("patienten_id", "patienten_nr", "patientennummer", "patientennr"),
    }
)
UNIT_ADVICE = "write the column's name as privacy_unit and select it in the view"
MISSING_WORDS = ("NA", "N/A", "n/a", "#N/A", "NULL", "null", "\\N", "?", ".", "-", "--")
DATE_FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y")
MAX_CODES = 10
MAX_WORDS = 30
ROWS_PER_VALUE = 10
MAX_PLACES = 3
WIDER = Fraction(3, 2)
_DATA_NAME = re.compile(r"[+-]?\d+([.,]\d+)?|\d{4}-\d\d-\d\d.*|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_LED_BY_ZERO = "^[+-]?0[0-9]"


class Rows(Protocol):
    """The result of a statement."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return one row."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows."""


class Connection(Protocol):
    """A database that runs statements; DuckDB itself stays in ``analytics.sources``."""

    def execute(self, query: str, /) -> Rows:
        """Run one statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """The inferred schema of one column.

    Attributes:
        source: its name in the file.
        name: its name in the schema.
        body: its keys in the schema; empty where it is left out or is the privacy unit.
        remark: for the person who reads the file: why it is left out, or what was taken for what.
        is_unit: whether it identifies the privacy unit of a row.
        rows_per_unit: for the privacy unit, the rows of one unit that count.
        unit_form: for the privacy unit, the form in which identifiers are compared.
    """

    source: str
    name: str
    body: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    is_unit: bool = False
    rows_per_unit: int = 1
    unit_form: str = "text"

    @property
    def is_kept(self) -> bool:
        """Whether the view selects it."""
        return bool(self.body) or self.is_unit

    @property
    def quoted(self) -> str:
        """Its name in the file, quoted for SQL."""
        return quoted(self.source)

    def line(self) -> str:
        """Its line of the schema."""
        label = tomlkit.item(self.source).as_string()
        if not self.body:
            return f"# {label} {'is the privacy unit' if self.is_unit else 'is left out: ' + self.remark}"
        keys = ", ".join(f"{key} = {_toml(value)}" for key, value in self.body.items())
        notes = [] if plain_name(self.source) == self.name else [f"{label} in the file"]
        notes += [self.remark] if self.remark else []
        return f"{self.name} = {{ {keys} }}" + (f"  # {'; '.join(notes)}" if notes else "")


def guess_columns(connection: Connection, cells: CellRules) -> tuple[int, list[Guess]]:
    """Infer every column of the table ``source``.

    Visible to: the site alone.

    Args:
        connection: a sealed database.
        cells: how its texts are written.

    Returns:
        The number of rows, and an inferred column for each column of the file, in its order.
    """
    types = column_types(connection)
    n_rows = int(_row(connection, "count(*)")[0])
    unit = next((name for name in types if plain_name(name) in UNIT_NAMES), None)
    return n_rows, [
        _guess_unit(connection, name, kind)
        if name == unit
        else _guess(connection, name, kind, name_of(name, place), cells)
        for place, (name, kind) in enumerate(types.items(), start=1)
    ]


def column_types(connection: Connection) -> dict[str, str]:
    """Return the columns of ``source`` and their types without parameters, in the file's order."""
    described = connection.execute("DESCRIBE source").fetchall()
    return {str(row[0]): base_type(str(row[1])) for row in described}


def missing_words(connection: Connection, cells: CellRules) -> tuple[str, ...]:
    """Return the usual words for "missing" that stand among the numbers of a column.

    Args:
        connection: a sealed database with the table ``source``.
        cells: how its texts are written.
    """
    found: set[str] = set()
    for name, kind in column_types(connection).items():
        if kind != "VARCHAR":
            continue
        text = f"trim({quoted(name)})"
        words = ", ".join(map(text_literal, MISSING_WORDS))
        known = f"FROM source WHERE {text} <> ''"
        number = text_number(text, cells)
        row = connection.execute(
            f"SELECT count({number}), count(*) FILTER (WHERE {number} IS NULL AND {text} NOT IN ({words})) {known}"
        ).fetchone() or (0, 1)
        if row[0] and not row[1]:
            listed = connection.execute(f"SELECT DISTINCT {text} {known} AND {text} IN ({words})")
            found |= {str(word) for (word,) in listed.fetchall()}
    return tuple(word for word in MISSING_WORDS if word in found)


def data_in_header(connection: Connection) -> bool:
    """Return whether the names of the columns look like a row of data.

    Args:
        connection: a sealed database with the table ``source``.

    Returns:
        True where a name is a number or a date, or occurs as a value of its own column.
    """
    for name, kind in column_types(connection).items():
        if _DATA_NAME.fullmatch(name):
            return True
        if kind == "VARCHAR":
            found = _row(connection, f"count(*) FILTER (WHERE trim({quoted(name)}) = {text_literal(name)})")
            if found[0]:
                return True
    return False


def plain_name(text: str) -> str:
    """Return a name for SQL and configuration files: lower case, a-z, 0-9 and _; empty where nothing is left."""
    spelled = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(sign for sign in spelled if not unicodedata.combining(sign))
    joined = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")
    return (joined if not joined or joined[0].isalpha() else f"c_{joined}")[:60]


def name_of(source: str, place: int) -> str:
    """Return a column's name in the schema: its own in plain letters, or ``column_`` and its place.

    Args:
        source: its name in the file, in any script.
        place: from 1.
    """
    name = plain_name(source)
    n_lost = sum(sign.isalpha() for sign in unicodedata.normalize("NFKD", source.casefold()))
    n_kept = sum(sign.isalpha() for sign in name)
    is_readable = name and name != "row" and 2 * n_kept >= n_lost
    return name if is_readable else f"column_{place}"


def round_up(value: Fraction | int) -> Fraction:
    """Return the next of 1, 2, 5, 10, 20, 50 ... (and their tenths) that is not below a number above 0."""
    power = Fraction(10) ** (math.floor(math.log10(value)) - 1)
    while True:
        for step in (1, 2, 5):
            if step * power >= value:
                return step * power
        power *= 10


def _guess(connection: Connection, source: str, kind: str, name: str, cells: CellRules) -> Guess:
    column = quoted(source)
    if kind == "BOOLEAN":
        missing = int(_row(connection, f"count(*) - count({column})")[0])
        return Guess(source=source, name=name, body=_flags({"type": "boolean"}, is_nullable=missing > 0))
    if kind == "VARCHAR":
        return _guess_text(connection, source, name, cells)
    if kind in NUMBERS:
        value = f"CAST({column} AS DOUBLE)"
        return _guess_number(connection, source, name, f"CASE WHEN isfinite({value}) THEN {value} END")
    if kind in DATES:
        return Guess(source=source, name=name, remark=_date_remark(column, name))
    return Guess(
        source=source, name=name, remark=f"type {kind.lower()}; make a number or a category in the view"
    )


def _date_remark(date: str, name: str) -> str:
    return (
        f"its values are dates; make a number or a category in the view, such as year({date}) AS {name}_year"
    )


def _guess_unit(connection: Connection, source: str, kind: str) -> Guess:
    unit = normal_text(quoted(source))
    inner = f"(SELECT count(*) AS n FROM source WHERE {unit} IS NOT NULL GROUP BY {unit})"  # noqa: S608
    row = connection.execute(f"SELECT coalesce(max(n), 1) FROM {inner}").fetchone()  # noqa: S608
    most = int(row[0]) if row else 1
    per_unit = 1 if most == 1 else int(round_up(most))
    others = _row(
        connection, f"count(*) FILTER (WHERE NOT regexp_full_match({unit}, '[+-]?[0-9]+')), count({unit})"
    )
    is_whole = kind in NUMBERS or (others[1] and not others[0])
    return Guess(
        source=source,
        name=plain_name(source),
        is_unit=True,
        rows_per_unit=per_unit,
        unit_form="integer" if is_whole else "text",
    )


def _guess_text(connection: Connection, source: str, name: str, cells: CellRules) -> Guess:
    value = f"nullif(trim(CAST({quoted(source)} AS VARCHAR)), '')"
    number, comma = text_number(value, cells), text_number(value, replace(cells, decimal=","))
    known, different, missing, numbers, commas, led = _row(
        connection,
        f"count({value}), count(DISTINCT {value}), count(*) - count({value}), count({number}), count({comma}), "
        f"count(*) FILTER (WHERE regexp_matches({value}, '{_LED_BY_ZERO}'))",
    )
    if not known:
        return Guess(source=source, name=name, remark="no value in this file")
    if numbers == known and not led:
        finite = f"CASE WHEN isfinite({number}) THEN {number} END"
        return _guess_number(connection, source, name, finite)
    if different > MAX_WORDS or known < ROWS_PER_VALUE * different:
        remark = "free text or too many different values for a public domain"
        if led and numbers == known:
            remark = f"numbers that begin with 0 are read as identifiers; if they name persons: {UNIT_ADVICE}"
        elif commas == known and not numbers:
            remark = 'numbers with a decimal comma: declare decimal = ","'
        elif written := _date_formats(connection, value, known):
            listed = " or ".join(f'dates = ["{text}"]' for text in written)
            declared = "" if set(written) & {*cells.dates, "%Y-%m-%d"} else f"; declare {listed}"
            remark = _date_remark(f"as_date({quoted(source)})", name) + declared
        return Guess(source=source, name=name, remark=remark)
    words = [str(row[0]) for row in _distinct(connection, value)]
    if _are_truths(words, cells):
        return Guess(source=source, name=name, body=_flags({"type": "boolean"}, is_nullable=missing > 0))
    if any(not word.isprintable() or len(word) > MAX_TEXT for word in words):
        return Guess(source=source, name=name, remark="values that are no plain words")
    body = _flags({"type": "categorical", "domain": words}, is_nullable=missing > 0)
    return Guess(source=source, name=name, body=body)


def _are_truths(words: Sequence[str], cells: CellRules) -> bool:
    """Whether there are two words, one of which the source reads as true and the other as false."""
    yes, no = ({word.lower() for word in known} for known in (cells.yes, cells.no))
    found = {word.lower() for word in words}
    return len(found & yes) == len(found & no) == 1 and found <= yes | no


def _date_formats(connection: Connection, value: str, known: int) -> list[str]:
    """Return the usual formats in which all values are dates."""
    counts = ", ".join(f"count(try_strptime({value}, {text_literal(text)}))" for text in DATE_FORMATS)
    found = _row(connection, counts)
    return [text for text, n in zip(DATE_FORMATS, found, strict=True) if n == known]


def _guess_number(connection: Connection, source: str, name: str, value: str) -> Guess:
    known, different, missing, low, high = _row(
        connection,
        f"count({value}), count(DISTINCT {value}), count(*) - count({value}), min({value}), max({value})",
    )
    if not known:
        return Guess(source=source, name=name, remark="no value in this file")
    places, remark = _places(connection, value), ""
    if different <= MAX_CODES and places == 0:
        codes = [int(row[0]) for row in _distinct(connection, value)]
        if set(codes) <= {0, 1}:
            return Guess(source=source, name=name, body=_flags({"type": "boolean"}, is_nullable=missing > 0))
        if known >= ROWS_PER_VALUE * different and all(abs(code) <= MAX_GRID for code in codes):
            evidence = number_evidence(source, codes)
            if not evidence:
                body = _flags({"type": "categorical", "domain": codes}, is_nullable=missing > 0)
                return Guess(source=source, name=name, body=body, remark=CODES_ADVICE)
            remark = (
                f"few whole numbers, taken for a measurement by {evidence}; if they are codes: categorical"
            )
    body = _bounds(Fraction(low), Fraction(high), places)
    if not body:
        return Guess(
            source=source, name=name, remark="its range is too wide for a grid; scale it in the view"
        )
    return Guess(source=source, name=name, body=_flags(body, is_nullable=missing > 0), remark=remark)


def _bounds(low: Fraction, high: Fraction, places: int | None) -> dict[str, Any]:
    """Return widened round bounds and a resolution; empty where no grid holds them."""
    lower = -round_up(-low * WIDER) if low < 0 else Fraction(0)
    upper = round_up(high * WIDER) if high > 0 else Fraction(0)
    if places is None:
        step = Fraction(10) ** (math.floor(math.log10(max(-lower, upper))) - MAX_PLACES)
    else:
        step = Fraction(1, 10**places)
    lower, upper = math.floor(lower / step) * step, math.ceil(upper / step) * step
    if max(-lower, upper) / step > MAX_GRID:
        return {}
    return {"type": "numeric", "lower": lower, "upper": upper, "resolution": step}


def _places(connection: Connection, value: str) -> int | None:
    """Return the decimal places of all values, None for more than three."""
    off = ", ".join(
        f"count(*) FILTER (WHERE abs(v * {10**d} - round(v * {10**d})) > 1e-6)" for d in range(MAX_PLACES + 1)
    )
    row = connection.execute(f"SELECT {off} FROM (SELECT {value} AS v FROM source)").fetchone() or ()  # noqa: S608
    return next((place for place, count in enumerate(row) if not count), None)


def _row(connection: Connection, figures: str) -> tuple[Any, ...]:
    return connection.execute(f"SELECT {figures} FROM source").fetchone() or ()  # noqa: S608


def _distinct(connection: Connection, value: str) -> Sequence[tuple[Any, ...]]:
    text = f"SELECT DISTINCT {value} AS v FROM source WHERE {value} IS NOT NULL ORDER BY v"  # noqa: S608
    return connection.execute(text).fetchall()


def _flags(body: dict[str, Any], *, is_nullable: bool) -> dict[str, Any]:
    nullable = {"nullable": True} if is_nullable else {}
    return body | nullable | {"guessed": True}


def _toml(value: Any) -> str:
    if isinstance(value, Fraction):
        return format_decimal(value)
    return str(tomlkit.item(value).as_string())
