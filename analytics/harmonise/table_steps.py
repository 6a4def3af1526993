"""Steps over more than one row: joins of the site's own tables, and one row a key.

Layer:       analytics.harmonise.table_steps, above made.
Guarantees:  a join adds columns and no rows: the other table's key is unique, or the source is refused. First and last
             values do not depend on the file's order: equal dates are decided by the value.
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.harmonise.made import Kinds, Made, RuleError, check_column, check_new
from analytics.sources.steps.step import Rule
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.harmonise.mapping import Join, RolledUp, RollUp, Window


def joined(table: str, columns: Kinds, name: str, own: Join, other: tuple[str, Mapping[str, str]]) -> Made:
    """Columns of another block's last table.

    Args:
        table: the table before.
        columns: its columns.
        name: the other block's.
        own: the rule.
        other: the other block's last table, and its columns.
    """
    place = f"join.{name}"
    right, theirs = other
    for mine, key in own.on.items():
        kind = check_column(mine, columns, place)
        if check_column(key, theirs, place) != kind:
            raise RuleError(f"{place}: {mine} and {key} are of different kinds")
    taken = own.columns or tuple(column for column in theirs if column not in own.on.values())
    kinds = dict(columns)
    for column in taken:
        kind = check_column(column, theirs, place)
        check_new(column, kinds, place)
        kinds[column] = kind
    keys = ", ".join(quoted(key) for key in own.on.values())
    is_equal = " AND ".join(f"b.{quoted(key)} = a.{quoted(mine)}" for mine, key in own.on.items())
    has_match = f"EXISTS (SELECT 1 FROM {quoted(right)} AS b WHERE {is_equal})"  # noqa: S608
    refusal = 'complete the file, or write unmatched = "missing"' if own.unmatched == "refuse" else ""
    several = f"SELECT {keys} FROM {quoted(right)} WHERE {_known(own)} GROUP BY {keys} HAVING count(*) > 1"  # noqa: S608
    rules = (
        Rule(
            name=f"{place}: keys with several rows in {name}",
            query=f"SELECT count(*) FROM ({several}) AS k",  # noqa: S608
            refusal="a join would multiply rows: give it a rollup, or duplicates",
        ),
        Rule(
            name=f"{place}: rows without a match",
            query=f"SELECT count(*) FROM {quoted(table)} AS a WHERE NOT {has_match}",  # noqa: S608
            refusal=refusal,
        ),
    )
    chosen = [f"a.{quoted(column)}" for column in columns] + [f"b.{quoted(column)}" for column in taken]
    kind_of_join = "JOIN" if own.unmatched == "drop" else "LEFT JOIN"
    return Made(
        what=f"join with {name}",
        sql=f"SELECT {', '.join(chosen)} FROM {quoted(table)} AS a {kind_of_join} {quoted(right)} AS b ON {is_equal}",  # noqa: S608
        columns=kinds,
        rules=rules,
        loses_rows=own.unmatched == "drop",
    )


def _known(own: Join) -> str:
    return " AND ".join(f"{quoted(key)} IS NOT NULL" for key in own.on.values())


def rolled_up(table: str, columns: Kinds, own: RollUp) -> Made:
    """One row a key: figures over its rows, perhaps only of those in a window before an index date."""
    for name in own.by:
        check_column(name, columns, "rollup")
    if own.order is not None:
        check_column(own.order, columns, "rollup", ("date", "number"))
    kinds = {name: columns[name] for name in own.by}
    has_key = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in own.by)
    rules = [Rule(name="rollup: rows without a key", condition=f"NOT ({has_key})")]
    where = [has_key]
    if own.window is not None:
        is_inside = _window(own.window, columns)
        where.append(is_inside)
        rules.append(Rule(name="rollup: rows outside the window", condition=f"({is_inside}) IS NOT TRUE"))
    figures, ranks = [], []
    for place, (name, figure) in enumerate(own.columns.items()):
        check_new(name, kinds, "rollup")
        kinds[name] = _kind(name, figure, columns)
        if figure.take in {"first", "last"}:
            ranks.append(_rank(figure, own, place))
        figures.append(f"{_figure(figure, place, own.order)} AS {quoted(name)}")
    keys = ", ".join(map(quoted, own.by))
    inner = f"SELECT *{''.join(ranks)} FROM {quoted(table)} WHERE {' AND '.join(where)}"  # noqa: S608
    return Made(
        what="rollup",
        sql=f"SELECT {', '.join([keys, *figures])} FROM ({inner}) AS ranked GROUP BY {keys}",  # noqa: S608
        columns=kinds,
        rules=tuple(rules),
    )


def _window(own: Window, columns: Kinds) -> str:
    for name in (own.date, own.before):
        check_column(name, columns, "rollup.window", ("date",))
    days = f"date_diff('day', {quoted(own.date)}, {quoted(own.before)})"
    least = 0 if own.on_the_day else 1
    return f"{days} >= {least}" + (f" AND {days} <= {own.days}" if own.days is not None else "")


def _kind(name: str, figure: RolledUp, columns: Kinds) -> str:
    place = f"rollup.columns.{name}"
    if figure.of is None:
        return "number"
    kind = check_column(figure.of, columns, place)
    allowed = {"mean": ("number",), "any": ("boolean",), "min": ("number", "date"), "max": ("number", "date")}
    if figure.take in allowed:
        check_column(figure.of, columns, place, allowed[figure.take])
    return "number" if figure.take == "count" else kind


def _rank(figure: RolledUp, own: RollUp, place: int) -> str:
    """The row's place among those of its key that have a value."""
    keys = ", ".join(map(quoted, own.by))
    text, order = quoted(figure.of or ""), quoted(own.order or "")
    side = "ASC" if figure.take == "first" else "DESC"
    known = f"CASE WHEN {text} IS NULL OR {order} IS NULL THEN 1 ELSE 0 END"
    return f', row_number() OVER (PARTITION BY {keys} ORDER BY {known}, {order} {side}, {text} {side}) AS "#{place}"'


def _figure(figure: RolledUp, place: int, order: str | None) -> str:
    text = quoted(figure.of or "")
    if figure.take in {"first", "last"}:
        return f'max(CASE WHEN "#{place}" = 1 AND {quoted(order or "")} IS NOT NULL THEN {text} END)'
    if figure.take == "count":
        return f"CAST(count({text if figure.of is not None else '*'}) AS DOUBLE)"
    if figure.take == "any":
        return f"max(CASE WHEN {text} THEN 1 WHEN NOT {text} THEN 0 END) = 1"
    if figure.take == "mean":
        return f"avg({text} ORDER BY {text})"  # DuckDB's: the order makes equal rows give equal bits
    return f"{figure.take}({text})"
