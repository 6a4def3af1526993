"""The checks of a table: from its schema, the site's thresholds and the view's columns.

Layer:       analytics.quality.deriving, above prepared_rows and repairs.
Guarantees:  every declared column has every check that its type can have; one that does not apply says why.
Source:      names as in ``check``. Plausible ranges are the schema's bounds unless the thresholds narrow them.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import TYPE_CHECKING, Final, cast

from analytics.harmonise.expressions import derived_sql
from analytics.harmonise.made import RuleError, number_sql
from analytics.quality import repairs
from analytics.quality.check import CHECK_TYPES, Check, Dimension
from analytics.quality.prepared_rows import REFUSED, UNIT, date_of, has_value, other_number, staged, typed
from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.schema.numbers import format_decimal
from analytics.schema.tables import ROW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.quality.prepared_rows import PreparedRows
    from analytics.quality.thresholds import ColumnRules, DateRules, Rule, Shares, TableRules
    from analytics.schema.columns import Column

PLACEHOLDERS: Final = (0, -1, 9, -9, 99, -99, 999, -999, 9999, -9999)
FEWEST: Final = 3  # equal values that are a word rather than a measurement
APART_STEPS: Final = 10
APART_SHARE: Final = Fraction(1, 10)


def derive_checks(rows: PreparedRows, rules: TableRules, shares: Shares, today: dt.date) -> Iterator[Check]:
    """Make the checks of a table that count rows; those of identifiers are in ``identifier_checks``.

    Args:
        rows: how the table is read.
        rules: of the table.
        shares: largest shares of violating rows.
        today: the day after which a date lies in the future.
    """
    for name, column in rows.table.columns.items():
        if name == rows.table.privacy_unit:
            continue
        own = rules.columns.get(name)
        for check in _column_checks(rows, name, column, own, shares):
            yield _as_ruled(check, own)
    for name in dict.fromkeys((*rows.dates, *rules.dates)):
        yield from _date_checks(rows, name, rules.dates.get(name), shares, today)
    for name, rule in rules.rules.items():
        yield _rule_check(rows, name, rule, shares)


def _as_ruled(check: Check, own: ColumnRules | None) -> Check:
    """A check that the administrator has declared not applicable says so in their words."""
    reason = own.not_applicable.get(check.type.name) if own else None
    if not reason:
        return check
    return Check(type=check.type, column=check.column, what=check.what, reason=reason)


def _column_checks(
    rows: PreparedRows, name: str, column: Column, own: ColumnRules | None, shares: Shares
) -> Iterator[Check]:
    if name in rows.faults:
        yield from _faulty(rows, name)
        return
    yield Check(type=CHECK_TYPES["cdmField"], column=name, what="the column is missing", violated="FALSE")
    yield _missing(name, column, own, shares)
    if isinstance(column, NumericColumn):
        yield _unreadable(rows, name, own, shares)
        yield from _range(rows, name, own, shares)
        yield from _placeholders(rows, name, own, shares)
    elif isinstance(column, BooleanColumn | CategoricalColumn):
        clean = rows.columns[name]
        most = _most(own.outside_domain if own else None, shares.outside_domain)
        yield Check(
            type=CHECK_TYPES["fkDomain"],
            column=name,
            what="a value outside the declared domain",
            violated=clean.outside_domain.replace(f'"{name}"', staged(name)),
            among=f"{staged(name)} IS NOT NULL",
            most=most,
            repair=repairs.words(column),
        )


def _faulty(rows: PreparedRows, name: str) -> Iterator[Check]:
    """A column that ingest refuses: one failed check, and the others do not apply."""
    is_missing = name in rows.missing
    kind = CHECK_TYPES["cdmField" if is_missing else "cdmDatatype"]
    yield Check(
        type=kind,
        column=name,
        what="the column is missing" if is_missing else f"the column {rows.faults[name]}",
        violated="TRUE",
        repair=repairs.absent(name) if is_missing else repairs.cast(rows.table.columns[name]),
    )
    reason = "the view has no such column" if is_missing else "the column has another type"
    yield Check(type=CHECK_TYPES["measureValueCompleteness"], column=name, what="no value", reason=reason)


def _most(own: Fraction | None, default: Fraction) -> Fraction:
    return default if own is None else own


def _missing(name: str, column: Column, own: ColumnRules | None, shares: Shares) -> Check:
    is_nullable = getattr(column, "nullable", False)
    kind = "measureValueCompleteness" if is_nullable else "isRequired"
    return Check(
        type=CHECK_TYPES[kind],
        column=name,
        what="no value",
        violated=f"{staged(name)} IS NULL",
        most=_most(own.missing if own else None, shares.missing if is_nullable else shares.required),
        repair=repairs.missing(name, is_nullable=is_nullable),
    )


def _unreadable(rows: PreparedRows, name: str, own: ColumnRules | None, shares: Shares) -> Check:
    clean = rows.columns[name]
    violated = f"{clean.unreadable} OR {clean.not_finite}".replace(f'"{name}"', staged(name))
    return Check(
        type=CHECK_TYPES["cdmDatatype"],
        column=name,
        what="a cell that is no number",
        violated=f"({violated})",
        among=f"{staged(name)} IS NOT NULL",
        most=_most(own.unreadable if own else None, shares.unreadable),
        repair=repairs.number(name),
    )


def _range(rows: PreparedRows, name: str, own: ColumnRules | None, shares: Shares) -> Iterator[Check]:
    column = cast("NumericColumn", rows.table.columns[name])
    low = _most(own.low if own else None, column.lower)
    high = _most(own.high if own else None, column.upper)
    most = _most(own.outside_range if own else None, shares.outside_range)
    for kind, sign, edge, side in (
        ("plausibleValueLow", "<", low, "below"),
        ("plausibleValueHigh", ">", high, "above"),
    ):
        yield Check(
            type=CHECK_TYPES[kind],
            column=name,
            what=f"a value {side} {format_decimal(edge)}",
            violated=f"{typed(name)} {sign} {number_sql(edge, rows.double)}",
            among=rows.is_finite(typed(name)),
            most=most,
            repair=repairs.value_range(name, low, high),
        )


def _placeholders(rows: PreparedRows, name: str, own: ColumnRules | None, shares: Shares) -> Iterator[Check]:
    """Words for "missing" that are numbers within the bounds: several equal values, far from all others."""
    column = cast("NumericColumn", rows.table.columns[name])
    low = max(column.lower, _most(own.low if own else None, column.lower))
    high = min(column.upper, _most(own.high if own else None, column.upper))
    inside = [code for code in PLACEHOLDERS if low <= code <= high]
    if not inside:
        reason = f"none of {', '.join(map(str, PLACEHOLDERS[:3]))} and their like lies within the range"
        yield Check(
            type=CHECK_TYPES["placeholderValue"], column=name, what="a word for missing", reason=reason
        )
        return
    most = _most(own.placeholder if own else None, shares.placeholder)
    for code in inside:
        yield Check(
            type=CHECK_TYPES["placeholderValue"],
            column=name,
            what=f"the value {code}, far from all others",
            violated=f"{typed(name)} = {code}",
            among=rows.is_finite(typed(name)),
            most=most,
            repair=repairs.word_for_missing(name, code),
        )


def isolation(check: Check) -> tuple[str, ...]:
    """Aggregates that say how far a suspected word for "missing" is from the other values, and their ends.

    Args:
        check: of type ``placeholderValue``.
    """
    value = typed(check.column)
    others = f"FILTER (WHERE {check.among} AND NOT ({check.violated}))"
    code = check.violated.rpartition("= ")[2]
    return f"min(abs({value} - ({code}))) {others}", f"max({value}) {others}", f"min({value}) {others}"


def is_isolated(
    column: NumericColumn, count: int, nearest: float | None, highest: float | None, lowest: float | None
) -> bool:
    """Whether equal values are a word for "missing".

    Args:
        column: the column.
        count: how many there are.
        nearest: the distance of the nearest other value; None where there is none.
        highest: the largest other value.
        lowest: the smallest other value.
    """
    if count < FEWEST:
        return False
    if nearest is None or highest is None or lowest is None:  # it is the only value
        return column.upper - column.lower >= APART_STEPS * column.resolution
    span = highest - lowest
    return nearest >= APART_STEPS * float(column.resolution) and nearest >= float(APART_SHARE) * span


def _date_checks(
    rows: PreparedRows, name: str, own: DateRules | None, shares: Shares, today: dt.date
) -> Iterator[Check]:
    kinds = ("cdmDatatype", "plausibleTemporalAfter")
    if name not in rows.dates:
        reason = "the view has no such column of dates: dates in texts need formats (dates in the site file)"
        yield from (
            Check(type=CHECK_TYPES[kind], column=name, what="a date", reason=reason, is_error=True)
            for kind in kinds
        )
        return
    date, most = date_of(name), _most(own.most if own else None, shares.dates)
    yield Check(
        type=CHECK_TYPES["cdmDatatype"],
        column=name,
        what="a cell that is no date",
        violated=f"{date} IS NULL",
        among=has_value(name),
        most=shares.unreadable,
        repair=repairs.dates(name),
    )
    first = f" OR {date} < DATE '{own.earliest.isoformat()}'" if own and own.earliest else ""
    yield Check(
        type=CHECK_TYPES["plausibleTemporalAfter"],
        column=name,
        what="a date in the future" + (f" or before {own.earliest}" if own and own.earliest else ""),
        violated=f"({date} > DATE '{today.isoformat()}'{first})",
        among=f"{date} IS NOT NULL",
        most=most,
        repair=repairs.until(name, today, own.earliest if own else None),
    )
    if own and own.newest_within_days:
        yield Check(
            type=CHECK_TYPES["newestRecord"],
            column=name,
            what=f"no date of the last {own.newest_within_days} days",
            violated=f"max({date}) < DATE '{_days_before(today, own.newest_within_days)}'",
            among=f"{date} IS NOT NULL",
            repair=f"# {name}: load the records that are newer than those of the source",
        )
    if own and own.after:
        yield _order(rows, name, own.after, most)


def _days_before(today: dt.date, days: int) -> str:
    return (dt.date.min if days >= today.toordinal() else today - dt.timedelta(days=days)).isoformat()


def _order(rows: PreparedRows, name: str, first: str, most: Fraction) -> Check:
    kind = CHECK_TYPES["plausibleStartBeforeEnd"]
    what = f"a date before {first}"
    if first not in rows.dates:
        reason = f"the view has no column of dates {first}"
        return Check(type=kind, column=name, what=what, reason=reason, is_error=True)
    return Check(
        type=kind,
        column=name,
        what=what,
        violated=f"{date_of(name)} < {date_of(first)}",
        among=f"{date_of(name)} IS NOT NULL AND {date_of(first)} IS NOT NULL",
        most=most,
        repair=repairs.in_order(name, first),
    )


def _rule_check(rows: PreparedRows, name: str, rule: Rule, shares: Shares) -> Check:
    kind = CHECK_TYPES["crossColumnRule"]
    own = type(kind)(
        name=kind.name,
        category=kind.category,
        subcategory=kind.subcategory,
        dimension=Dimension(rule.dimension),
    )
    what = f"a row that breaks {rule.expression}"
    try:
        sql, found = derived_sql(rule.expression, rows.kinds, f"rules.{name}")
    except RuleError as error:
        return Check(type=own, column=name, what=what, reason=str(error), is_error=True)
    if found != "boolean":
        reason = f"rules.{name}: it is a {found}, and must be true or false"
        return Check(type=own, column=name, what=what, reason=reason, is_error=True)
    return Check(
        type=own,
        column=name,
        what=what,
        violated=f"NOT {sql}",
        among=f"{sql} IS NOT NULL",
        most=_most(rule.most, shares.rules),
        repair=rule.repair or f"# correct the columns of the rule {name} in the source, or derive them anew",
    )


def identifier_checks(rows: PreparedRows, shares: Shares) -> tuple[Check, ...]:
    """The checks of the privacy unit: rows without one, rows whose one cannot be used, rows beyond the limit, spellings.

    Args:
        rows: how the table is read.
        shares: largest shares of violating rows.
    """
    table = rows.table
    unit = table.privacy_unit
    meanings = (
        "a row without an identifier",
        "an identifier that cannot be used",
        "a row beyond max_rows_per_unit",
        "an identifier spelt otherwise",
    )
    kinds = [
        CHECK_TYPES[name] for name in ("isRequired", "cdmDatatype", "isPrimaryKey", "identifierSpelling")
    ]
    if unit == ROW or rows.unit is None:
        reason = "every row is a privacy unit of its own" if unit == ROW else rows.faults[unit]
        column = "" if unit == ROW else unit
        return tuple(
            Check(type=kind, column=column, what=what, reason=reason, is_error=unit != ROW)
            for kind, what in zip(kinds, meanings, strict=True)
        )
    fixes = (
        f"# {unit}: rows without one are left out; correct them in the source",
        f"# {unit}: {rows.unit.reason or 'give texts or integers'}",
        repairs.duplicates(unit, table.max_rows_per_unit),
        repairs.spelling(unit),
    )
    return tuple(
        Check(
            type=kind,
            column=unit,
            what=what,
            violated=REFUSED if kind.name == "cdmDatatype" else f"{UNIT} IS NULL",
            among=f"{UNIT} IS NOT NULL" if kind.name == "cdmDatatype" else "",
            most=shares.duplicates,
            repair=fix,
        )
        for kind, what, fix in zip(kinds, meanings, fixes, strict=True)
    )


def decimal_sign(rows: PreparedRows, check: Check) -> str:
    """SQL of an unreadable cell that the other decimal sign explains; FALSE where the column holds no texts."""
    if check.type.name != "cdmDatatype" or check.column not in rows.texts:
        return "FALSE"
    return f"{check.violated} AND {other_number(check.column)} IS NOT NULL"
