"""What staged columns hold: counts of each mark for the administrator, and columns that are refused as a whole.

Layer:       analytics.sources above cleaning.
Guarantees:  it asks for counts and bounds alone, in SQL that every engine understands; a refusal names columns and holds
             no count.
Source:      ours; docs/guarantees.md P19.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from analytics.errors import SchemaMismatchError
from analytics.sources.reports.report import MOST_MISFITS, ColumnReport
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from fractions import Fraction

    from analytics.sources.cleaning import CleanColumn

_NO_NUMBERS = (
    "holds text, the schema declares numbers: list the source's words for a missing value (missing), its decimal sign "
    "(decimal), or make numbers in the site's view"
)
_ONE_SIDED = "has words for one of yes and no that are understood, and words that are not: declare the source's words (yes, no)"
_NOT_UNDERSTOOD = "{} in the domain: correct the domain in the schema, the source's words (missing, yes, no), or the site's view"


def count_marks(
    ask: Callable[[str], Sequence[Any]], columns: Sequence[CleanColumn], staged: str
) -> tuple[Counter[str], set[str]]:
    """How often each mark occurs, and the columns that have any: most have none, which their bounds show.

    Args:
        ask: runs a statement of one row.
        columns: the columns.
        staged: the relation that holds them, staged.
    """
    figures = ", ".join(
        f"count({name}), min({name}), max({name})" for name in (quoted(column.name) for column in columns)
    )
    row = ask(f"SELECT {figures} FROM {staged}") if columns else ()  # noqa: S608  names are quoted
    counts: Counter[str] = Counter()
    marked: set[str] = set()
    for place, column in enumerate(columns):
        known, low, high = row[3 * place : 3 * place + 3]
        counts[f"{column.name}#known"] = int(known)
        if known and not column.low <= low <= high <= column.high:
            marked.add(column.name)
    flags = dict(flag for column in columns if column.name in marked for flag in column.flags())
    if flags:
        counted = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in flags.values())
        row = ask(f"SELECT {counted} FROM {staged}")  # noqa: S608
        counts.update(dict(zip(flags, map(int, row), strict=True)))
    return counts, marked


def column_reports(
    columns: Sequence[CleanColumn], counts: Counter[str], source: str, read: int
) -> tuple[ColumnReport, ...]:
    """What was found in each column.

    Args:
        columns: the columns.
        counts: as ``count_marks`` gives them.
        source: the source's name, for messages.
        read: rows of the view.

    Raises:
        SchemaMismatchError: numbers are texts, or a boolean column has words for one of yes and no alone.
    """
    unreadable = [column.name for column in columns if counts[f"{column.name}#unreadable"]]
    _refuse_columns(unreadable, source, _NO_NUMBERS)
    one_sided = [
        column.name
        for column in columns
        if counts[f"{column.name}#outside_domain"]
        and sum(not counts[f"{column.name}#side{place}"] for place, _ in enumerate(column.sides)) == 1
    ]
    _refuse_columns(one_sided, source, _ONE_SIDED)
    return tuple(
        ColumnReport(
            name=column.name,
            rows=read,
            missing=read - counts[f"{column.name}#known"],
            not_finite=counts[f"{column.name}#not_finite"],
            clipped=counts[f"{column.name}#clipped"],
            outside_domain=counts[f"{column.name}#outside_domain"],
        )
        for column in columns
    )


def check_columns(found: tuple[ColumnReport, ...], most: Fraction, source: str) -> None:
    """Refuse columns of which no value, or too small a share, is understood.

    Args:
        found: the columns' reports.
        most: the largest share that may not be.
        source: the source's name, for messages.

    Raises:
        SchemaMismatchError: there is one.
    """
    none = [column.name for column in found if 0 < column.outside_domain == column.rows - column.missing]
    _refuse_columns(none, source, _NOT_UNDERSTOOD.format("none of its values is"))
    few = [column.name for column in found if column.outside_domain > most * (column.rows - column.missing)]
    share = "more than half" if most == MOST_MISFITS else f"more than {float(most):g}"
    _refuse_columns(few, source, _NOT_UNDERSTOOD.format(f"{share} of its values are not"))


def _refuse_columns(names: list[str], source: str, reason: str) -> None:
    if names:
        others = f"; so also for {', '.join(names[1:])}" if names[1:] else ""
        raise SchemaMismatchError(source=source, column=names[0], reason=reason + others)
