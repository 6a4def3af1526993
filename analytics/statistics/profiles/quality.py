"""Completeness and validity of columns over all sites together, without a figure of any one site.

Layer:       analytics.statistics.profiles above base and cell_states.
Terms:       a cell is *missing* (no value), *invalid* (a value outside the column's domain or bounds, or no finite number) or
             *valid*. ``completeness`` is the share of the rows that have a value, ``validity`` the share of the values that are
             valid. What a site's mapping or view has made missing counts as missing.
Guarantees:  private: all counts are one release; a row adds to the number of rows and to one count of each column, so its
             squared norm is one more than the columns. Intervals of shares hold the share without noise at least as often as
             their level says. Exact: the counts of a column open on shares where rows, missing and known cells, each against the
             other columns' cells before it, all reach the threshold; zero is a small number, so a column without a missing cell
             stays closed. Invalid cells open besides where they and the valid ones do too. A closed column says which of its
             two parts is closed and not why. With ``for_sites`` the noisy counts open to every site too, whose policies
             decide by them; there is no exact form of that.
Visible to:  the analyst: the counts of all sites together; in exact mode one bit for the rows and two for each column. Every
             site: with ``for_sites`` the same noisy counts.
See instead: one site's own checks (``analytics.quality``).
Source:      ours; docs/guarantees.md P5, P8. Fieller 1954 for the interval of a ratio of two noisy numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema import IdentifierColumn
from analytics.sql.query import BoundQuery, Clause, Use
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit, column_of
from analytics.statistics.base import BOTH, MINIMUM_CELL, Statistic, Step
from analytics.statistics.blocks import BlockSpec, JointNorm, Measure, invalid_name
from analytics.statistics.guards.cell_states import (
    INVALID_CELL,
    MISSING_STATE,
    apart_counts,
    own_counts,
    state_of,
)
from analytics.statistics.profiles.quality_answer import ColumnQuality, QualityAnswer
from smpc.operations.arithmetic import concatenate, matmul_public, multiply, take
from smpc.operations.comparison import at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

OPEN: Final = 0  # the state before the opening
OVER: Final = 1
MAX_PRIVATE: Final = 60
MAX_EXACT: Final = 20  # each column is held against each other one, on shares
_PER_COLUMN: Final = 2


@dataclass(frozen=True, kw_only=True)
class Quality(Statistic[int]):
    """Counts of missing and invalid cells.

    Attributes:
        judged: the columns.
        for_sites: whether all sites see the figures too.
    """

    name: ClassVar[str] = "quality"
    summary: ClassVar[str] = "completeness and validity of columns over all sites"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    keeps_missing: ClassVar[bool] = True
    parameters: ClassVar = (
        Parameter(name="columns", meaning="a list of columns; all of the table by default", default=None),
        Parameter(
            name="for_sites",
            meaning="whether the figures open to every site too, so that policies that require a quality decide by them",
            default=False,
        ),
    )
    judged: tuple[GroupColumn, ...]
    for_sites: bool = False

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        every = tuple(
            name for name, column in table.columns.items() if not isinstance(column, IdentifierColumn)
        )
        names = arguments.texts("columns") if arguments.is_given("columns") else every
        most = MAX_PRIVATE if mode == "private" else MAX_EXACT
        if len(names) > most:
            reason = f"must be at most {most} columns: ask for fewer at once"
            raise InvalidRequestError(parameter="columns", reason=reason)
        judged = tuple(column_of(name, table, "columns") for name in names)
        if len({column.name for column in judged}) < len(judged):
            raise InvalidRequestError(parameter="columns", reason="must be different columns")
        for_sites = arguments.flag("for_sites")
        if mode == "exact":
            check_one_row_a_unit(table, cls.name)
            if for_sites:
                reason = "needs an epsilon: sites decide by figures with noise, since each could subtract its own rows"
                raise InvalidRequestError(parameter="for_sites", reason=reason)
        return cls(table=table, mode=mode, limits=limits, judged=judged, for_sites=for_sites)

    @property
    def decides_policies(self) -> bool:
        """Where every site sees its figures."""
        return self.for_sites

    # -- private -------------------------------------------------------------------------------------------

    @property
    def query(self) -> BoundQuery | None:
        """All rows in one group; in exact mode a site reads rows instead."""
        if self.mode == "exact":
            return None
        return BoundQuery(
            text=self.name,
            table=self.table,
            outputs=(),
            where=None,
            groups=(),
            order=(),
            limit=None,
            uses=tuple(
                Use(column=column.name, clause=Clause.AGGREGATE, position="columns") for column in self.judged
            ),
            exact_objections=(),
        )

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Rows; of each column its missing and its invalid cells."""
        found = [BlockSpec(measure=Measure.ROWS)]
        for column in self.judged:
            state = state_of(column)
            found += [
                BlockSpec(measure=Measure.CELL, argument=state, cell=cell)
                for cell in (MISSING_STATE, INVALID_CELL)
            ]
        return tuple(found)

    @property
    def norm(self) -> JointNorm | None:
        """A row is one row, and one missing or invalid cell of each column at most."""
        count = len(self.judged)
        return JointNorm(weights=(1,) * (1 + _PER_COLUMN * count), square=1 + count)

    # -- both modes ----------------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """In exact mode each column and, beside it, whether its value was invalid."""
        if self.mode == "private":
            return ()
        return tuple(name for column in self.judged for name in (column.name, invalid_name(column.name)))

    @property
    def dimensions(self) -> tuple[str, ...]:
        """None: as for COUNT of a column, nothing is grouped by its values."""
        return ()

    @property
    def is_guarded(self) -> bool:
        """Whether the opening depends on the guard."""
        return self.mode == "exact" and self.limits.threshold > 0

    def start(self) -> int:
        """Before the opening."""
        return OPEN

    def step(self, state: int) -> Step | None:
        """The one step."""
        return None if state == OVER else self.every_step()[0]

    def advance(self, state: int, opened: Ints) -> int:
        """Over."""
        del state, opened
        return OVER

    def every_step(self) -> tuple[Step]:
        """One opening: to the analyst, or with ``for_sites`` to all sites and the analyst."""
        n_values = 1 + _PER_COLUMN * len(self.judged)
        tested = len(self._owners()) if self.is_guarded else 0
        step = Step(
            name="missing and invalid cells",
            to="sites" if self.for_sites else "analyst",
            clamps=(self.limits.rows_max,) * (n_values + tested),
            local=self.count_rows,
            joint=self._joint,
            n_values=n_values,
            n_flags=n_values if self.is_guarded else 0,
            has_products=self.is_guarded,
        )
        return (step,)

    def _joint(self, session: Session, figures: Shared) -> Shared:
        """Each value where its flag is 1, then the flags: rows, and of each column missing and invalid cells."""
        if not self.is_guarded:
            return figures
        n_values = 1 + _PER_COLUMN * len(self.judged)
        owners = np.array(self._owners(), dtype=np.int64)
        reached = self.limits.reached(session, take(figures, range(n_values, n_values + owners.size)))
        # what closes the rows closes all; what closes a column's missing cells closes its invalid ones
        behind = [{0, flag, flag - (flag > 0 and flag % _PER_COLUMN == 0)} for flag in range(n_values)]
        lines = np.array([[owner in own for owner in owners] for own in behind], dtype=np.int64)
        needed = lines.sum(axis=1)
        bits = int(needed.max()).bit_length() + 2
        flags = at_least(session, matmul_public(lines, reached), needed, bits)
        return concatenate([multiply(session, take(figures, range(n_values)), flags), flags])

    # -- one site's rows -----------------------------------------------------------------------------------

    def count_rows(self, rows: Ints) -> Ints:
        """This site's counts, then what is tested.

        Args:
            rows: shape ``(n, 1 + len(columns))``, as ``LocalTable.every_row`` gives them.
        """
        if self.mode == "private":
            return rows
        cells = own_counts(rows[:, 1::2], rows[:, 2::2])
        values = [len(rows), *(count for each in cells for count in each.opened)]
        tested: list[int] = []
        if self.is_guarded:
            tested.append(len(rows))
            for place, each in enumerate(cells):
                tested += each.tested
                for before in cells[:place]:
                    tested += apart_counts(before, each)
        return np.array(values + tested, dtype=np.int64)

    def _owners(self) -> list[int]:
        """The flag that each tested count belongs to: 0 for the rows, then of each column missing and invalid cells."""
        empty = np.zeros((0, len(self.judged)), dtype=np.int64)
        cells = own_counts(empty, empty)
        found = [0]
        for place, each in enumerate(cells):
            first = 1 + _PER_COLUMN * place
            found += [first + owner for owner in each.owners]
            for _ in range(place):
                found += [first + owner for owner in each.apart_owners]
        return found

    # -- what was opened -----------------------------------------------------------------------------------

    def describe(self) -> dict[str, object]:
        """The columns, and that sites see the figures where they do."""
        described: dict[str, object] = {"columns": [column.name for column in self.judged]}
        return described | ({"for_sites": True} if self.for_sites else {})

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> QualityAnswer:
        """See ``Statistic``."""
        (values,) = opened
        n_values = 1 + _PER_COLUMN * len(self.judged)
        weight, sd = (noise[0].weight, noise[0].sd) if noise else (1, 0.0)
        flags = values[n_values:] if self.is_guarded else np.ones(n_values, dtype=np.int64)
        shown: list[float | None] = [
            float(value) / weight if flag else None
            for value, flag in zip(values[:n_values], flags, strict=True)
        ]
        rows = shown[0]
        found = {
            column.name: ColumnQuality(
                rows=rows, missing=shown[1 + 2 * place], invalid=shown[2 + 2 * place], sd=sd
            )
            for place, column in enumerate(self.judged)
        }
        is_closed = all(each.missing is None for each in found.values())
        return QualityAnswer(columns=found, n_rows=rows, closed=MINIMUM_CELL if is_closed else "")
