"""Which rows of a table a cohort definition can use, from its own statements: those that it joins with a concept set.

Layer:       analytics.harmonise.omop.codeset_joins, below circe.
Guarantees:  a table is named only where every SELECT that reads it takes the table's rows through an inner join with the
             definition's concept sets, on equality of one of the table's columns with a set's concept: no other row can
             change a result. Whatever is written otherwise makes the whole table used.
Source:      ours; OHDSI, circe-be: the form of its criteria.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlglot import exp


def joined_columns(selects: Iterable[exp.Expr], schema: str, codesets: str) -> Mapping[str, frozenset[str]]:
    """The columns of each table that are held against concept sets.

    Args:
        selects: the SELECTs that read the CDM, without that of the concept sets themselves.
        schema: what stands for the CDM's schema in them.
        codesets: the table of the concept sets.

    Returns:
        By table, lower case, the columns; an empty set where some SELECT may use any row of it.
    """
    from sqlglot import exp

    found: dict[str, set[str]] = {}
    whole: set[str] = set()
    for select in selects:
        for table in select.find_all(exp.Table):
            if table.db != schema:
                continue
            name = table.name.lower()
            columns = _columns(table, codesets)
            if not columns:
                whole.add(name)
            found.setdefault(name, set()).update(columns)
    return {name: frozenset() if name in whole else frozenset(own) for name, own in found.items()}


def _columns(table: exp.Table, codesets: str) -> set[str]:
    """The columns of a table that an inner join beside it holds against the concept sets; none where there is no such join."""
    from sqlglot import exp

    select = table.find_ancestor(exp.Select)
    first = None if select is None else select.args.get("from_")
    if select is None or first is None:
        return set()
    joins = select.args.get("joins") or []
    if any(join.side or join.kind not in {"", "INNER"} for join in joins):
        return set()  # an outer join may keep a row that has no partner
    if table is not first.this and all(table is not join.this for join in joins):
        return set()
    found: set[str] = set()
    for join in joins:
        if isinstance(join.this, exp.Table) and not join.this.db and join.this.name.lower() == codesets:
            found |= _equal(join.args.get("on"), table.alias_or_name, join.this.alias_or_name)
    return found


def _equal(on: exp.Expr | None, table: str, sets: str) -> set[str]:
    """Columns of a table that the parts of an AND hold equal to the concept of a set."""
    from sqlglot import exp

    on = on.unnest() if on is not None else None
    if on is None:
        return set()
    found = set()
    for part in on.flatten() if isinstance(on, exp.And) else (on,):
        part = part.unnest()  # noqa: PLW2901
        if not isinstance(part, exp.EQ):
            continue
        for one, other in ((part.this, part.expression), (part.expression, part.this)):
            are_columns = isinstance(one, exp.Column) and isinstance(other, exp.Column)
            if (
                are_columns
                and one.table.lower() == table.lower()
                and (other.table.lower(), other.name.lower()) == (sets.lower(), "concept_id")
            ):
                found.add(one.name.lower())
    return found
