"""What the rows of a table that stays in its server must be, asked once of the state that questions will see.

Layer:       analytics.sources.pushed above clean_view.
Guarantees:  it asks for counts and bounds alone; a refusal names columns and holds no count. Where more is needed than
             comparing and clipping (a choice among the rows of one person, a normal form of identifiers) the table is
             refused, and the node reads it.
Source:      ours; docs/guarantees.md P5, P6, P19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.plans.local_query import UNIT_COLUMN
from analytics.sources.pushed.clean_view import KNOWN, REFUSED
from analytics.sources.reports.findings import check_columns, column_reports, count_marks
from analytics.sources.reports.report import IngestReport
from analytics.sql.terms.render import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.schema import Table
    from analytics.sources.pushed.clean_view import PushedColumns, PushedUnit
    from analytics.sources.spec import SourceSpec

    Ask = Callable[[str], tuple[Any, ...]]

STAGED: Final = "staged"
"""The name under which statements find the staged rows."""
_UNIT: Final = quoted(UNIT_COLUMN)
_CROWDED: Final = (
    "one identifier has more rows than max_rows_per_unit: which of them stay is chosen by a keyed hash, in the node alone: "
    "keep fewer in a view there, or leave engine out"
)
_NO_FORM: Final = (
    "holds blanks at the ends, or letters beyond printable ASCII: bring it to one form in a view there, or leave engine "
    "out"
)


def check_rows(
    ask: Ask, columns: PushedColumns, table: Table, spec: SourceSpec
) -> tuple[IngestReport, set[str]]:
    """Check the rows; what was found, and the columns with marks.

    Visible to: the site alone.

    Args:
        ask: runs a statement of one row over ``STAGED``.
        columns: how they are staged.
        table: the schema's table.
        spec: the site's source.

    Raises:
        SchemaMismatchError: the table is not as it should be.
    """
    (read,) = ask("SELECT count(*) FROM staged")
    without, near = 0, 0
    if columns.unit is not None:
        without, near = _check_unit(ask, columns.unit, columns.words.folded, table, spec.name, read)
    counts, marked = count_marks(ask, columns.columns, STAGED)
    found = column_reports(columns.columns, counts, spec.name, read)
    check_columns(found, spec.cells.most_misfits, spec.name)
    kept = read - without
    report = IngestReport(
        source=spec.name,
        table=table.name,
        rows_read=read,
        rows_without_unit=without,
        rows_over_cap=0,
        rows_kept=kept,
        near_duplicates=near,
        exact_allowed=kept <= table.rows_max,
        columns=found,
    )
    return report, marked


def _check_unit(
    ask: Ask, unit: PushedUnit, folded_form: Callable[[str], str], table: Table, source: str, read: int
) -> tuple[int, int]:
    """Refuse identifiers that are not their own normal form and units of too many rows; rows without one, near duplicates."""
    without, refused = ask(
        f"SELECT count(*) FILTER (WHERE NOT {KNOWN}), count(*) FILTER (WHERE {KNOWN} AND {REFUSED}) FROM staged"  # noqa: S608  constants
    )
    if refused:
        reason = _NO_FORM
        raise SchemaMismatchError(source=source, column=unit.name, reason=reason)
    if read and without == read:
        raise SchemaMismatchError(source=source, column=unit.name, reason="no row has a privacy unit")
    units = f"SELECT {_UNIT} AS unit, count(*) AS n FROM staged WHERE {KNOWN} GROUP BY 1"  # noqa: S608
    if not unit.is_text:
        (most,) = ask(f"SELECT coalesce(max(n), 0) FROM ({units}) AS units")  # noqa: S608
        near = 0
    else:
        folded = f"SELECT count(*) AS n FROM ({units}) AS units GROUP BY {folded_form('unit')}"  # noqa: S608
        (most, near) = ask(
            f"SELECT (SELECT coalesce(max(n), 0) FROM ({units}) AS units), "  # noqa: S608
            f"(SELECT coalesce(sum(n), 0) FROM ({folded}) AS folded WHERE n > 1)"
        )
    if most > table.max_rows_per_unit:
        raise SchemaMismatchError(source=source, column=unit.name, reason=_CROWDED)
    return int(without), int(near)
