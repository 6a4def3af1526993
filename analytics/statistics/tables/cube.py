"""A cube: counts and sums over several dimensions, released once with several marginals; private alone.

Layer:       analytics.statistics.tables above released_marginals.
Guarantees:  every check of the arguments is made when it is bound: dimensions with public groups, none twice, known
             measures, and at most so many cells.
See instead: the release itself (``analytics.statistics.causal.released_marginals``), questions to it
             (``analytics.results.cube_answers``).
Source:      ours; docs/guarantees.md P6.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.cubes.marginals import MOST_DIMENSIONS
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit, column_of
from analytics.statistics.base import PRIVATE
from analytics.statistics.causal.released_marginals import COUNT_ALL, ReleasedMarginals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.statistics.base import Limits, Mode

MAX_CELLS: Final = 100_000
MAX_MEASURES: Final = 20
_MEASURE: Final = re.compile(r"\s*([A-Za-z_]+)\s*\(\s*([^()]+?)\s*\)\s*")
_SUMS: Final = frozenset({"COUNT", "SUM", "AVG"})
_SQUARES: Final = frozenset({
    "VARIANCE", "VAR_SAMP", "VAR_POP", "STDDEV", "STDDEV_SAMP", "STDDEV_POP", "VARIANCE_POP",
})  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cube(ReleasedMarginals):
    """A cube over dimensions."""

    name: ClassVar[str] = "cube"
    summary: ClassVar[str] = "one release of counts and sums over several dimensions, for many questions"
    modes: ClassVar = PRIVATE
    promoted: ClassVar = PRIVATE
    no_exact: ClassVar[str] = "must be private for a cube: without noise, ask each table with session.sql"
    parameters: ClassVar = (
        Parameter(name="dimensions", meaning="a list of columns with public groups"),
        Parameter(
            name="measures",
            meaning="a list of COUNT(*), SUM(column), AVG(column), STDDEV(column) and the like",
            default=(COUNT_ALL,),
        ),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        names, order = arguments.texts("dimensions"), list(table.columns)
        if len(names) > MOST_DIMENSIONS:
            reason = f"must be at most {MOST_DIMENSIONS}: ask for two cubes"
            raise InvalidRequestError(parameter="dimensions", reason=reason)
        axes = [
            Arguments({"dimensions": name}, cls.parameters[:1], cls.name).group_column("dimensions", table)
            for name in names
        ]
        if len({column.name for column in axes}) < len(axes):
            raise InvalidRequestError(parameter="dimensions", reason="must be different columns")
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            axes=tuple(sorted(axes, key=lambda column: order.index(column.name))),
            measured=_measured(arguments.texts("measures"), table),
        )
        if prod(bound.shape) > MAX_CELLS or bound.n_figures > MAX_CELLS:
            count = max(prod(bound.shape), bound.n_figures if prod(bound.shape) <= MAX_CELLS else 0)
            reason = f"make a cube of {count} cells with its marginals and measures, of at most {MAX_CELLS}"
            raise InvalidRequestError(parameter="dimensions", reason=reason)
        return bound


def _measured(texts: Sequence[str], table: Table) -> tuple[tuple[NumericColumn, bool], ...]:
    """Read the measures.

    Raises:
        InvalidRequestError: one is not of the form FUNCTION(column), or the function is unknown.
        PlanRejectedError: a column is unknown, or not numeric.
    """
    found: dict[str, bool] = {}
    if len(texts) > MAX_MEASURES:
        raise InvalidRequestError(parameter="measures", reason=f"must be at most {MAX_MEASURES}")
    for text in texts:
        matched = _MEASURE.fullmatch(text)
        function = "" if matched is None else matched[1].upper()
        if matched is None or function not in _SUMS | _SQUARES:
            reason = (
                f"cannot hold {text[:80]!r}: use COUNT(*), COUNT, SUM, AVG, VARIANCE or STDDEV of a column"
            )
            raise InvalidRequestError(parameter="measures", reason=reason)
        if matched[2] == "*" and function == "COUNT":
            continue
        column = column_of(matched[2], table, "measures")
        if not isinstance(column, NumericColumn):
            raise PlanRejectedError(position="measures", reason=f"{column.name} must be numeric")
        found[column.name] = found.get(column.name, False) or function in _SQUARES
    return tuple(
        (column, found[name])
        for name, column in table.columns.items()
        if name in found and isinstance(column, NumericColumn)
    )
