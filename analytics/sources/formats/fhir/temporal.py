"""Comparing dates and times of unlike precision, in SQL.

Layer:       analytics.sources.formats.fhir.temporal, above sql_text.
Guarantees:  a partial date is never completed: 1980-05 and 1980-05-06 are neither equal nor unequal, which is NULL, and
             1980 is before 1981-02. Of two values one of which alone has a time zone, or a date beside a time, nothing is
             known but what their dates decide as they were written.
Source:      FHIRPath (Normative Release), "Date/Time Equality", "Comparison"; FHIR R4, "Primitive Types".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.sources.formats.fhir.sql_text import text_sql

if TYPE_CHECKING:
    from analytics.sources.formats.fhir.sql_text import Names

_ZONE: Final = r"(Z|[+-]\d{2}:\d{2})$"
DATE_FORM: Final = r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"
_CLOCK: Final = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,20})?"
DATE_TIME_FORM: Final = (
    rf"\d{{4}}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T{_CLOCK}(Z|[+-]([01]\d|2[0-3]):[0-5]\d))?)?)?"
)
INSTANT_FORM: Final = (
    rf"\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T{_CLOCK}(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
)
TIME_FORM: Final = _CLOCK
_LOOSE_CLOCK: Final = r"([01]\d|2[0-3]):[0-5]\d(:([0-5]\d|60)(\.\d{1,20})?)?"
_ANY_FORM: Final = (
    rf"\d{{4}}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T{_LOOSE_CLOCK}(Z|[+-]([01]\d|2[0-3]):[0-5]\d)?)?)?)?"
    rf"|{_LOOSE_CLOCK}"
)
_WIDTH: Final = 44  # of a time with all its digits: equal instants have equal texts


def has_form(text: str, form: str) -> str:
    """SQL: whether a text has one of the forms of this module, from its beginning to its end."""
    return f"regexp_full_match({text}, {text_sql(form)})"


def is_temporal(text: str) -> str:
    """SQL: whether a text has the form of a date, a dateTime or a time."""
    return has_form(text, _ANY_FORM)


def compared(names: Names, left: str, sign: str, right: str) -> str:
    """SQL that compares two texts as dates or times.

    Args:
        names: for variables and refusals.
        left: SQL of a text that is not NULL.
        sign: ``=``, ``<``, ``<=``, ``>`` or ``>=``.
        right: as ``left``.

    Returns:
        A boolean, NULL where the common precision does not decide.
    """
    parts = ", ".join(
        f"'{side}': {text}, '{side}zone': regexp_extract({text}, '{_ZONE}'), '{side}local': {_local(text)}, "
        f"'{side}minute': {_minute(text)}, '{side}second': {_second(text)}"
        for side, text in (("a", left), ("b", right))
    )
    return names.let(f"{{{parts}}}", lambda both: _decided(names, both, sign))


def _decided(names: Names, both: str, sign: str) -> str:
    a, b = f"{both}['a']", f"{both}['b']"
    zoned_a, zoned_b = f"{both}['azone'] <> ''", f"{both}['bzone'] <> ''"
    is_open = f"({zoned_a}) <> ({zoned_b}) AND length({a}) > 10 AND length({b}) > 10 AND {a}[5] = '-' AND {b}[5] = '-'"
    return (
        f"CASE WHEN NOT {is_temporal(a)} OR NOT {is_temporal(b)} THEN {names.refusal('date', a)} "
        f"WHEN {zoned_a} AND {zoned_b} THEN {_instants(names, both, sign)} WHEN {is_open} THEN NULL "
        f"ELSE {_by_prefix(both, sign)} END"
    )


def _instants(names: Names, both: str, sign: str) -> str:
    """Two values with zones: by their minutes in UTC, then by seconds as they are written, with all digits."""
    x, y, s, t = (f"{both}['{key}']" for key in ("aminute", "bminute", "asecond", "bsecond"))
    order, x_known = "FALSE" if sign == "=" else f"{x} {sign[0]} {y}", f"{both}['a']"
    have_seconds = f"({both}['a'][17] = ':') = ({both}['b'][17] = ':')"
    return (
        f"CASE WHEN {x} IS NULL OR {y} IS NULL THEN {names.refusal('date', x_known)} "
        f"WHEN {x} <> {y} THEN {order} WHEN {have_seconds} THEN {s} {sign} {t} END"
    )


def _minute(text: str) -> str:
    zone = f"replace(regexp_extract({text}, '{_ZONE}'), 'Z', '+00:00')"
    return f"epoch_ms(TRY_CAST(left({text}, 16) || ':00' || {zone} AS TIMESTAMPTZ))"


def _second(text: str) -> str:
    own = f"regexp_extract({text}, 'T[0-9]+:[0-9]+:?([0-9.]*)', 1)"
    return f"rpad(CASE WHEN contains({own}, '.') THEN {own} ELSE {own} || '.' END, {_WIDTH}, '0')"


def _local(text: str) -> str:
    """The value as written, without its zone; a time as if of a day; seconds with all digits."""
    plain = f"regexp_replace({text}, '{_ZONE}', '')"
    dated = f"CASE WHEN {text}[3] = ':' THEN '0000-00-00T' || {plain} ELSE {plain} END"
    return (
        f"CASE WHEN length({dated}) < 19 THEN {dated} WHEN contains({text}, '.') THEN rpad({dated}, {_WIDTH}, '0') "
        f"ELSE rpad({dated} || '.', {_WIDTH}, '0') END"
    )


def _by_prefix(both: str, sign: str) -> str:
    """As far as both are known, texts of dates stand in the order of time."""
    a, b = f"{both}['alocal']", f"{both}['blocal']"
    shorter = f"least(length({a}), length({b}))"
    x, y = f"left({a}, {shorter})", f"left({b}, {shorter})"
    order = "FALSE" if sign == "=" else f"{x} {sign[0]} {y}"
    equal = "TRUE" if "=" in sign else "FALSE"
    return (
        f"CASE WHEN (left({a}, 4) = '0000') <> (left({b}, 4) = '0000') THEN NULL WHEN {x} <> {y} THEN {order} "
        f"WHEN length({a}) = length({b}) THEN {equal} END"
    )
