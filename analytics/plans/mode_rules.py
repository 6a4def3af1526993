"""Rules of the private and the exact mode: what each refuses, with the place in the text.

Layer:       analytics.plans above context.
Guarantees:  exact answers aggregate one declared column that their own filter and groups do not narrow; they filter
             and group by categories and declared bins of the exact dimensions only, and do not open units beside
             rows; private answers never touch a guessed column; no answer is planned over a table whose privacy unit,
             its form, its rows or the table's size were guessed and no person has checked them.
Source:      ours; docs/guarantees.md P8, P20.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import PlanRejectedError, ReleaseRefusedError
from analytics.schema import NumericColumn
from analytics.sql.query import AggregateOutput, BoundQuery, Clause, KeyOutput, Use
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.blocks import Measure, column_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.plans.context import PlanContext
    from analytics.schema import Table
    from analytics.statistics.blocks import BlockSpec

_MIN_SITES = 3
_MIN_HONEST = 2


def check_table(table: Table) -> None:
    """Refuse any answer from a table with guessed keys: noise and the minimum cell both count its units.

    Args:
        table: the table that a request names.

    Raises:
        PlanRejectedError: with the line of the schema that a person must delete after a look at it.
    """
    if table.open_guess:
        raise PlanRejectedError(position="", reason=table.open_guess)


def check_private(query: BoundQuery) -> None:
    """Refuse a private question over guessed columns.

    Args:
        query: the bound question.

    Raises:
        PlanRejectedError: with the place of the first use of one.
    """
    for use in query.uses:
        if query.table.columns[use.column].guessed:
            raise PlanRejectedError(
                position=use.position,
                reason=f"the declaration of {use.column} was guessed from data and is not public",
                hint="a person must check it and remove guessed = true",
            )


def check_exact(query: BoundQuery, context: PlanContext) -> None:
    """Refuse an exact question that is wider than exact answers may be.

    Args:
        query: the bound question.
        context: the consortium's parameters.

    Raises:
        PlanRejectedError: a form or a column that exact mode does not allow.
        ReleaseRefusedError: too few sites for an exact answer to hide one.
    """
    check_exact_sites(context)
    for objection in query.exact_objections:
        reason = f"an exact answer holds no {objection.reason.removeprefix('a ').removeprefix('an ')}"
        raise PlanRejectedError(position=objection.position, reason=reason, hint=objection.hint)
    for use in query.uses:
        _check_dimension(query, use)
    _check_narrowed(query)
    _check_rows_beside_units(query)


def check_opened_blocks(blocks: Sequence[BlockSpec]) -> None:
    """Refuse sums of anything but one declared column: only of them the guards know which counts a sum would tell.

    Questions are refused by their form before; this stands for aggregates that make expressions of their own.

    Args:
        blocks: the blocks that an exact answer would open.

    Raises:
        PlanRejectedError: one adds up an expression.
    """
    for block in blocks:
        adds = block.measure in {Measure.SUM, Measure.SQUARES}
        if adds and (block.argument is None or column_name(block.argument) is None):
            raise PlanRejectedError(
                position="", reason="an exact answer sums one declared column", hint="ask with epsilon"
            )


def _check_dimension(query: BoundQuery, use: Use) -> None:
    """Refuse a filter or group by anything but the public cells of the exact dimensions."""
    if use.clause is Clause.AGGREGATE:
        return
    reason = f"{use.column} may not stand in {use.clause.value} of an exact answer"
    if use.column not in query.table.exact_dimensions:
        allowed = ", ".join(query.table.exact_dimensions) or "none"
        raise PlanRejectedError(position=use.position, reason=reason, hint=f"exact dimensions: {allowed}")
    column = query.table.columns[use.column]
    if isinstance(column, NumericColumn) and not column.bins:
        hint = "declare its bins in the schema, or ask with epsilon"
        raise PlanRejectedError(position=use.position, reason=f"{reason} without declared bins", hint=hint)


def check_dimensions(table: Table, columns: Sequence[str]) -> None:
    """Refuse rows of columns that are not exact dimensions: a model over them tells what groups by them would.

    Args:
        table: the table.
        columns: declared names.

    Raises:
        PlanRejectedError: with the first column that is none.
    """
    for name in columns:
        if name not in table.exact_dimensions:
            allowed = ", ".join(table.exact_dimensions) or "none"
            raise PlanRejectedError(
                position="",
                reason=f"{name} may not stand in a model of an exact answer",
                hint=f"exact dimensions: {allowed}",
            )


def _check_narrowed(query: BoundQuery) -> None:
    """Refuse sums and moments of a column whose values the question's own WHERE or GROUP BY narrows."""
    narrowed = {use.column for use in query.uses if use.clause is not Clause.AGGREGATE}
    for output in query.outputs:
        if isinstance(output, KeyOutput) or output.argument is None:
            continue
        if not AGGREGATES[output.aggregate].adds_values:
            continue
        name = column_name(output.argument.expression)
        if name in narrowed:
            raise PlanRejectedError(
                position=output.position,
                reason=f"an exact answer sums no column that its own WHERE or GROUP BY narrows: {name}",
                hint=f"leave {name} out of one of them, count instead, or ask with epsilon",
            )


def _check_rows_beside_units(query: BoundQuery) -> None:
    """Refuse to open units and rows together: their difference says who has several rows."""
    outputs = [output for output in query.outputs if isinstance(output, AggregateOutput)]
    units = [output for output in outputs if AGGREGATES[output.aggregate].counts_units]
    if units and not query.table.units_are_rows and len(units) < len(outputs):
        raise PlanRejectedError(
            position=units[0].position,
            reason="an exact answer counts privacy units beside nothing else, since a unit may have several rows",
            hint="ask for COUNT(DISTINCT ...) alone, or leave it out",
        )


def check_exact_sites(context: PlanContext) -> None:
    """Refuse exact answers of any kind where too few sites could hide one.

    Args:
        context: the consortium's parameters.

    Raises:
        ReleaseRefusedError: fewer than three sites, or than two beyond the colluding ones.
    """
    if context.n_sites < _MIN_SITES or context.honest < _MIN_HONEST:
        raise ReleaseRefusedError(
            rule="exact_sites",
            reason=f"exact answers need {_MIN_SITES} sites, {_MIN_HONEST} of them beyond the colluding ones",
        )
