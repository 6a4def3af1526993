"""Steps that look at rows of one table: ranges, duplicates, missing values, scales.

Layer:       analytics.harmonise.row_steps, above made.
Guarantees:  which of the rows with one key stays does not depend on the file's order: equal ranks are decided by the rows'
             content. Constants are those of the mapping, equal at every site; no step computes one from rows.
See instead: where constants over all sites come from (``constants``).
Source:      ours.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from analytics.harmonise.made import Kinds, Made, RuleError, check_column, check_new, number_sql
from analytics.sources.cells import text_literal
from analytics.sources.steps.step import Rule
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.harmonise.mapping import Duplicates, MissingRule, Range, Scale

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_RANK: Final = '"#rank"'


def in_ranges(table: str, columns: Kinds, ranges: Mapping[str, Range]) -> Made:
    """Numbers outside their ranges: missing, at the nearest limit, flagged, dropped with their rows, or refused."""
    chosen = {name: quoted(name) for name in columns}
    kinds, rules, kept = dict(columns), [], []
    for name, own in ranges.items():
        place = f"range of {name}"
        check_column(name, columns, place, ("number",))
        text = quoted(name)
        sides = [f"{text} < {number_sql(own.low)}"] if own.low is not None else []
        sides += [f"{text} > {number_sql(own.high)}"] if own.high is not None else []
        is_outside = f"({' OR '.join(sides)})"
        refusal = "correct the rows, or choose another rule for outside" if own.outside == "refuse" else ""
        becomes = {
            "missing": "now missing",
            "clip": "now at the limit",
            "flag": "flagged",
            "drop": "rows left out",
        }
        what = f"column {name}: values outside the range, {becomes.get(own.outside, 'refused')}"
        rules.append(Rule(name=what, condition=is_outside, refusal=refusal))
        if own.outside == "missing":
            chosen[name] = f"CASE WHEN {is_outside} THEN NULL ELSE {text} END"
        elif own.outside == "clip":
            low = f"WHEN {sides[0]} THEN {number_sql(own.low)} " if own.low is not None else ""
            high = f"WHEN {sides[-1]} THEN {number_sql(own.high)} " if own.high is not None else ""
            chosen[name] = f"CASE {low}{high}ELSE {text} END"
        elif own.flag is not None:
            check_new(own.flag, kinds, place)
            kinds[own.flag], chosen[own.flag] = "boolean", is_outside
        elif own.outside == "drop":
            kept.append(f"{is_outside} IS NOT TRUE")
    return Made(
        what="ranges",
        sql=_select(chosen, table, kept),
        columns=kinds,
        rules=tuple(rules),
        loses_rows=bool(kept),
    )


def _select(chosen: Mapping[str, str], table: str, kept: list[str] | None = None) -> str:
    columns = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in chosen.items())
    where = f" WHERE {' AND '.join(kept)}" if kept else ""
    return f"SELECT {columns} FROM {quoted(table)}{where}"  # noqa: S608  quoted names, the mapping's own rules


def without_duplicates(table: str, columns: Kinds, own: Duplicates) -> Made:
    """One row a key; rows without a key are no duplicates of each other, and all stay."""
    for name in own.key:
        check_column(name, columns, "duplicates")
    key = ", ".join(map(quoted, own.key))
    has_key = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in own.key)
    content = [f"CAST({quoted(name)} AS VARCHAR)" for name in columns]
    every = ", ".join(map(quoted, columns))
    rules: tuple[Rule, ...] = ()
    if own.keep == "identical":
        first = ", ".join(content)
        distinct = f"SELECT DISTINCT {every} FROM {quoted(table)} WHERE {has_key}"  # noqa: S608
        rules = (
            Rule(
                name=f"duplicates: keys ({', '.join(own.key)}) whose rows differ",
                query=f"SELECT count(*) FROM (SELECT {key} FROM ({distinct}) AS d GROUP BY {key} HAVING count(*) > 1) AS k",  # noqa: S608
                refusal='say which row stays: keep = "newest", "oldest" or "most_complete"',
            ),
        )
    elif own.keep == "most_complete":
        known = " + ".join(f"CASE WHEN {quoted(name)} IS NULL THEN 0 ELSE 1 END" for name in columns)
        first = f"{known} DESC, {', '.join(content)}"
    else:
        check_column(own.by or "", columns, "duplicates", ("date", "number"))
        first = f"{quoted(own.by or '')} {'DESC' if own.keep == 'newest' else 'ASC'} NULLS LAST, {', '.join(content)}"
    ranked = (
        f"SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {first}) AS {_RANK} FROM {quoted(table)}"  # noqa: S608
    )
    return Made(
        what="duplicates",
        sql=f"SELECT {every} FROM ({ranked}) AS ranked WHERE {_RANK} = 1 OR NOT ({has_key})",  # noqa: S608
        columns=columns,
        rules=rules,
    )


def without_missing(table: str, columns: Kinds, rules: Mapping[str, MissingRule]) -> Made:
    """Missing values: rows dropped, flagged, a constant in their place, or refused."""
    chosen = {name: quoted(name) for name in columns}
    kinds, counts, kept = dict(columns), [], []
    for name, own in rules.items():
        place = f"missing.{name}"
        kind = check_column(name, columns, place)
        is_missing = f"{quoted(name)} IS NULL"
        becomes = {"drop": "rows left out", "flag": "flagged", "constant": "now the constant"}
        refusal = "give them values, or choose another rule" if own.rule == "refuse" else ""
        what = f"column {name}: missing, {becomes.get(own.rule, 'refused')}"
        counts.append(Rule(name=what, condition=is_missing, refusal=refusal))
        if own.rule == "drop":
            kept.append(f"{quoted(name)} IS NOT NULL")
        if own.value is not None:
            chosen[name] = f"COALESCE({quoted(name)}, {_constant(own.value, kind, place)})"
        if own.flag is not None:
            check_new(own.flag, kinds, place)
            kinds[own.flag], chosen[own.flag] = "boolean", is_missing
    return Made(
        what="missing values",
        sql=_select(chosen, table, kept),
        columns=kinds,
        rules=tuple(counts),
        loses_rows=bool(kept),
    )


def _constant(value: str | bool, kind: str, place: str) -> str:
    if kind == "boolean" and isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str) and kind in {"text", "other"}:
        return text_literal(value)
    if isinstance(value, str) and kind == "date" and _DATE.fullmatch(value):
        return f"TRY_CAST({text_literal(value)} AS DATE)"
    if isinstance(value, str) and kind == "number":
        try:
            return number_sql(Fraction(value))
        except (ValueError, ZeroDivisionError):
            pass
    raise RuleError(f"{place}: the constant is of another kind than the column, {kind}")


def scaled(table: str, columns: Kinds, scales: Mapping[str, Scale]) -> Made:
    """Numbers less their centre, over their scale."""
    chosen = {name: quoted(name) for name in columns}
    rules = []
    for name, own in scales.items():
        check_column(name, columns, f"scale.{name}", ("number",))
        chosen[name] = f"({quoted(name)} - {number_sql(own.centre)}) / {number_sql(own.scale)}"
        rules.append(Rule(name=f"column {name}: standardised", condition=f"{quoted(name)} IS NOT NULL"))
    return Made(what="scales", sql=_select(chosen, table), columns=columns, rules=tuple(rules))
