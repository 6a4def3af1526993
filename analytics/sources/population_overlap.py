"""How many people of one site lie between two exact answers, for that site's administrator alone.

Layer:       analytics.sources, above local_table.
Guarantees:  counts are of this site's rows and leave this module for its administrator only: an administrator sees the
             rows anyway. Of a joint difference below the threshold every site's part is below it, so a joint difference
             is found at every site where it has a person.
Source:      ours; docs/accounting.md, "Exact answers that can be subtracted".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from analytics.plans.local_query import UNIT_COLUMN
from analytics.plans.populations import unequal_cells
from analytics.sql.terms.render import DIALECTS, quoted, render_integer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.plans.populations import Population
    from analytics.sources.local_table import LocalTable
    from analytics.sql.terms.render import Dialect

Kind = Literal["difference", "part"]
MOST_COUNTED: Final = 1_000
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallPart:
    """Two cells that few people of this site tell apart, or a small part of one cell that the other cuts out.

    Attributes:
        kind: difference: in whom the two cells differ; part: whom both cells share, where one of them has more.
        first: the cell of the earlier answer.
        second: the cell of the later answer.
        people: privacy units of this site, at least 1 and below the threshold.
    """

    kind: Kind
    first: int
    second: int
    people: int


def small_parts(
    table: LocalTable, first: Population, second: Population, *, threshold: int, limit_s: float | None = None
) -> tuple[list[SmallPart], bool]:
    """Count at one site in whom the cells of two answers differ.

    Visible to: the site alone.

    Args:
        table: the site's rows.
        first: a population of the earlier answer.
        second: a population of the later answer.
        threshold: what counts as few (privacy units).
        limit_s: seconds after which a scan is stopped.

    Returns:
        The parts with at least one person and fewer than the threshold, the smallest first; and whether all were counted.

    Raises:
        LocalTimeoutError, SourceLostError, SourceFailedError: as ``LocalTable``.
    """
    source = _cells(first, second, DIALECTS[table.engine.dialect])
    ones, others, rows = table.local_words(
        f"SELECT one, other, CAST(COUNT(*) AS BIGINT) AS n FROM ({source}) AS cells GROUP BY one, other",  # noqa: S608 - as in _cells
        limit_s,
    )
    sizes = Counter(
        {(int(one), int(other)): int(count) for one, other, count in zip(ones, others, rows, strict=True)}
    )
    most_rows = 1 if table.table.units_are_rows else table.table.max_rows_per_unit
    unequal = unequal_cells(first, second)
    candidates = _candidates(sizes, unequal, most=(threshold - 1) * most_rows)
    counted = candidates[:MOST_COUNTED]
    people = (
        [rows for *_, rows in counted]
        if table.table.units_are_rows
        else _units(table, source, counted, limit_s)
    )
    found = [
        SmallPart(kind=kind, first=one, second=other, people=count)
        for (kind, one, other, _), count in zip(counted, people, strict=True)
        if 0 < count < threshold
    ]
    return sorted(found, key=lambda part: part.people), len(counted) == len(candidates)


def _cells(first: Population, second: Population, to: Dialect) -> str:
    """Every row's two cells, -1 where it does not count, and its unit."""
    one, other = (render_integer(each.local_cell, to) for each in (first, second))
    unit = "" if first.table.units_are_rows else f", {quoted(UNIT_COLUMN)} AS unit"
    cells = ", ".join(
        f"CAST(COALESCE({text}, -1) AS BIGINT) AS {name}" for text, name in ((one, "one"), (other, "other"))
    )
    return f"SELECT {cells}{unit} FROM {quoted(first.table.name)}"  # noqa: S608 - integers and names of the schema


def _candidates(
    sizes: Counter[tuple[int, int]], unequal: frozenset[tuple[int, int]] | None, *, most: int
) -> list[tuple[Kind, int, int, int]]:
    """Pairs of cells that share rows, with at least one row and at most ``most`` between or in them; the fewest first.

    A part that both cells share follows from the larger one and its other parts, so it counts where the schema allows
    one of the cells to be larger, though it may not be at this site.
    """
    ones: Counter[int] = Counter()
    others: Counter[int] = Counter()
    for (one, other), count in sizes.items():
        ones[one] += count
        others[other] += count
    found: list[tuple[Kind, int, int, int]] = []
    for (one, other), shared in sizes.items():
        if one < 0 or other < 0:
            continue
        apart = ones[one] + others[other] - 2 * shared
        if 0 < apart <= most:
            found.append(("difference", one, other, apart))
        if shared <= most and (unequal is None or (one, other) in unequal):
            found.append(("part", one, other, shared))
    return sorted(found, key=lambda each: each[3])


def _units(
    table: LocalTable, source: str, parts: Sequence[tuple[Kind, int, int, int]], limit_s: float | None
) -> list[int]:
    """Privacy units that have a row in each part."""
    counts: list[int] = []
    for begin in range(0, len(parts), _AT_ONCE):
        columns = [
            f"CAST(COUNT(DISTINCT unit) FILTER (WHERE {_is_in(*part[:3])}) AS BIGINT) AS p{number}"
            for number, part in enumerate(parts[begin : begin + _AT_ONCE])
        ]
        statement = f"SELECT {', '.join(columns)} FROM ({source}) AS cells"  # noqa: S608 - integers and names of the schema
        found = table.local_words(statement, limit_s)
        counts += [int(count) for (count,) in found]
    return counts


def _is_in(kind: Kind, one: int, other: int) -> str:
    first, second = f"one = {one}", f"other = {other}"
    return f"({first}) <> ({second})" if kind == "difference" else f"{first} AND {second}"
