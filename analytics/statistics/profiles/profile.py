"""Profiles: cells and moments of many columns at once, in one release, for all rows or for each group of a column.

Layer:       analytics.statistics above column_cells and base; below the statistics that are profiles.
Terms:       an *arm* is a group of the column that the rows are divided by, or all rows. Of each arm a profile opens the
             number of rows, the counts of each column's cells, and of numbers the sum and the squares around the middle
             of the range.
Guarantees:  exact: a column opens as a whole, in all arms, or not at all, on shares; no party learns which condition
             failed. It opens where in each arm all rows, each of its cells, missing values among them, and what its
             moments tell reach the threshold; and where each of its cells, against each cell of the columns that stand
             before it, differs from it and from what is not in it by as many people: the counts of one answer are then
             apart. Zero is a small number. Rows that lack a value which the schema declares as always known, or the
             arm, are left out. Private: rows, cells and moments are one release; the cells of a column are one part of
             it, since a row lies in one of them.
See instead: three columns that part the people between them can still tell of a few, as in every exact answer; the
             figures' meaning (profile_estimates).
Source:      ours; docs/guarantees.md P5, P8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.sql.grouping import labels_of
from analytics.sql.query import BoundQuery, Clause, GroupKey, Use
from analytics.statistics.arguments import check_one_row_a_unit, column_of
from analytics.statistics.base import Statistic, Step
from analytics.statistics.blocks import MISSING, BlockSpec, Measure
from analytics.statistics.comparisons.power_sums import POWERS, far_counts, power_sums
from analytics.statistics.guards.column_cells import ColumnCells, Words, ones, packed
from analytics.statistics.profiles.profile_estimates import summary
from smpc.operations.arithmetic import concatenate, matmul_public, multiply, take
from smpc.operations.comparison import at_least

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints
    from analytics.statistics.profiles.profile_estimates import ColumnSummary
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

OPEN: Final = 0  # the state before the opening
OVER: Final = 1
MAX_TESTED: Final = 60_000
MAX_VALUES: Final = 5_000
MAX_COLUMNS: Final = 60
_RING_BITS: Final = 62


@dataclass(frozen=True, kw_only=True)
class Profile(Statistic[int]):
    """Cells and moments of columns, by arms.

    Attributes:
        profiled: the columns.
        by: the column whose groups are the arms; None for one arm of all rows.
        has_shape: whether sums of third and fourth powers open too; of exact answers alone.
    """

    keeps_missing = True
    profiled: tuple[ColumnCells, ...]
    by: GroupColumn | None = None
    has_shape: bool = False

    def __post_init__(self) -> None:
        check_one_row_a_unit(self.table, self.name)

    def check_size(self) -> None:
        """Refuse a profile that is too large for one answer.

        Raises:
            InvalidRequestError: too many numbers or guarded counts.
            OverflowRiskError: a sum of squares could leave the ring.
        """
        (step,) = self.every_step()
        if step.n_values > MAX_VALUES or len(step.clamps) > MAX_TESTED + MAX_VALUES:
            reason = f"makes more than {MAX_VALUES} numbers or {MAX_TESTED} guarded counts: ask for fewer columns at once"
            raise InvalidRequestError(parameter="columns", reason=reason)
        largest = self.limits.n_sites * max(step.clamps)
        if largest >= 2**_RING_BITS:
            raise OverflowRiskError(
                figure="a sum of squares", bits=largest.bit_length(), limit_bits=_RING_BITS
            )

    @property
    def arms(self) -> tuple[str, ...]:
        """What the arms are called; one without a name for all rows."""
        if self.by is None:
            return ("",)
        return tuple(str(label) for label in labels_of(self.by) if label is not None)

    # -- private -------------------------------------------------------------------------------------------------

    @property
    def query(self) -> BoundQuery | None:
        """The groups of a private release; in exact mode a site reads rows instead."""
        if self.mode == "exact":
            return None
        by = () if self.by is None else (GroupKey(column=self.by, labels=labels_of(self.by)),)
        uses = [
            Use(column=each.column.name, clause=Clause.AGGREGATE, position="columns")
            for each in self.profiled
        ]
        uses += [Use(column=key.column.name, clause=Clause.GROUP_BY, position="groupby") for key in by]
        return BoundQuery(
            text=self.name,
            table=self.table,
            outputs=(),
            where=None,
            groups=by,
            order=(),
            limit=None,
            uses=tuple(uses),
            exact_objections=(),
        )

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Rows; of each column its cells, and of numbers sum and squares."""
        found = [BlockSpec(measure=Measure.ROWS)]
        for each in self.profiled:
            argument = each.argument
            found += [BlockSpec(measure=Measure.CELL, argument=argument, cell=cell) for cell in each.cells]
            if each.numeric is not None:
                found += [
                    BlockSpec(measure=Measure.SUM, argument=argument, center=each.center),
                    BlockSpec(
                        measure=Measure.SQUARES,
                        argument=argument,
                        center=each.center,
                        offset=self.square_offset(each),
                    ),
                ]
        return tuple(found)

    def square_offset(self, each: ColumnCells) -> int:
        """What is subtracted from each square: half of the largest, which halves what a row can change; exact: nothing."""
        return each.reach**2 // 2 if self.mode == "private" else 0

    # -- both modes ----------------------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """In exact mode those that a site reads: the profiled ones, then the arms'."""
        if self.mode == "private":
            return ()
        names = tuple(each.column.name for each in self.profiled)
        return names if self.by is None else (*names, self.by.name)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The columns whose cells open, and the arms': the moments of a number are opened as in SQL."""
        names = [each.column.name for each in self.profiled if each.numeric is None or each.is_binned]
        return tuple(names) if self.by is None else (*names, self.by.name)

    @property
    def values_of(self) -> tuple[int, ...]:
        """How many figures of one arm each column has, in order; all rows stand before them."""
        moments = 4 if self.has_shape else 2
        return tuple(len(each.cells) + moments * (each.numeric is not None) for each in self.profiled)

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
        """One opening to the analyst."""
        rows_max, n_values = self.limits.rows_max, len(self.arms) * (1 + sum(self.values_of))
        if self.mode == "private":
            n_groups = 1 if self.by is None else len(labels_of(self.by))
            clamps = tuple(rows_max * block.bound for block in self.figures for _ in range(n_groups))
        else:
            clamps = (
                *self._value_clamps() * len(self.arms),
                *[rows_max] * (len(self._owners()) * self.is_guarded),
            )
        step = Step(
            name="cells and moments",
            to="analyst",
            clamps=clamps,
            local=self.count_rows,
            joint=self._joint,
            n_values=n_values,
            n_flags=1 + len(self.profiled) if self.is_guarded else 0,
            has_products=self.is_guarded,
        )
        return (step,)

    def _value_clamps(self) -> tuple[int, ...]:
        rows_max, found = self.limits.rows_max, [self.limits.rows_max]
        for each in self.profiled:
            found += [rows_max] * len(each.cells)
            if each.numeric is not None:
                powers = POWERS if self.has_shape else POWERS[:2]
                found += [rows_max * each.reach**power for power in powers]
        return tuple(found)

    def _joint(self, session: Session, figures: Shared) -> Shared:
        """What opens, arm by arm: see the module."""
        n_values = len(self.arms) * (1 + sum(self.values_of))
        if self.mode == "private":
            return take(figures, self.private_places())
        values = take(figures, range(n_values))
        if not self.is_guarded:
            return values
        owners = np.array(self._owners(), dtype=np.int64)
        tested = take(figures, range(n_values, n_values + owners.size))
        reached = self.limits.reached(session, tested)
        # a test of all rows stands behind every column
        lines = (owners == np.arange(1 + len(self.profiled))[:, np.newaxis]) | (owners == 0)
        needed = lines.sum(axis=1)
        opened = at_least(
            session,
            matmul_public(lines.astype(np.int64), reached),
            needed,
            int(needed.max()).bit_length() + 2,
        )
        one_arm = [0, *(1 + place for place, count in enumerate(self.values_of) for _ in range(count))]
        return concatenate([multiply(session, values, take(opened, one_arm * len(self.arms))), opened])

    def private_places(self) -> list[int]:
        """The figures of the named arms, arm by arm, among those of a private release; those of no arm stay in shares."""
        n_groups = 1 if self.by is None else len(labels_of(self.by))
        count = len(self.figures)
        return [block * n_groups + arm for arm in range(len(self.arms)) for block in range(count)]

    # -- one site's rows -----------------------------------------------------------------------------------------

    def count_rows(self, rows: Ints) -> Ints:
        """This site's figures, then what is tested, arm by arm.

        Args:
            rows: shape ``(n, 1 + len(columns))``, as ``LocalTable.every_row`` gives them.
        """
        read = [each.column for each in self.profiled] + ([] if self.by is None else [self.by])
        kept = np.ones(len(rows), dtype=np.bool_)
        for place, column in enumerate(read, start=1):
            if not column.nullable or column is self.by:
                kept &= rows[:, place] != MISSING
        columns = np.ascontiguousarray(rows[kept, 1:].T)
        in_arm = [np.ones(columns.shape[1], dtype=np.bool_)]
        if self.by is not None:
            cells = ColumnCells(column=self.by)
            in_arm = list(cells.members(columns[-1], cells.known))
        values, tested = [], []
        for each in in_arm:
            arm = columns if len(in_arm) == 1 else columns[:, each]
            sets = [
                packed(one.members(known, one.tested)) for one, known in zip(self.profiled, arm, strict=False)
            ]
            values += self._values(arm, sets)
            tested += self._tested(arm, sets) if self.is_guarded else []
        return np.array(values + tested, dtype=np.int64)

    def _values(self, columns: Ints, sets: Sequence[Words]) -> list[int]:
        """All rows, then of each column its cells, which stand first among its sets, and of numbers sum and squares."""
        found = [columns.shape[1]]
        for each, values, own in zip(self.profiled, columns, sets, strict=False):
            found += ones(own[: len(each.cells)])
            if each.numeric is not None:
                centered = values[values != MISSING] - each.center
                found += [int(centered.sum()), int(centered @ centered)]
                if self.has_shape:
                    found += power_sums(each.numeric, values[values != MISSING], POWERS[2:])
        return found

    def _tested(self, columns: Ints, sets: Sequence[Words]) -> list[int]:
        found = [columns.shape[1]]
        for each, values, own in zip(self.profiled, columns, sets, strict=False):
            found += ones(own)
            found += self._behind_moments(each, values)
        return found + self._apart(columns.shape[1], sets)

    def _behind_moments(self, each: ColumnCells, values: Ints) -> list[int]:
        found = each.behind_moments(values)
        if self.has_shape and each.numeric is not None:
            inside = [(first + 1, last - 1) for first, last in each.known]
            found += far_counts(each.numeric, values[values != MISSING], inside).tolist()
        return found

    def _apart(self, n_rows: int, sets: Sequence[Words]) -> list[int]:
        """Of each two cells of two columns, in how many people they differ, and in how many they agree."""
        cells = [own[each.apart_places] for each, own in zip(self.profiled, sets, strict=True)]
        found: list[int] = []
        for place, first in enumerate(cells):
            after = np.concatenate(cells[place + 1 :]) if place + 1 < len(cells) else first[:0]
            differ = np.array([ones(one ^ after) for one in first], dtype=np.int64).reshape(
                len(first), len(after)
            )
            start = 0
            for second in cells[place + 1 :]:
                each = differ[:, start : start + len(second)].ravel().tolist()
                found += [*each, *(n_rows - one for one in each)]
                start += len(second)
        return found

    def _owners(self) -> list[int]:
        """The column that each tested count can close, from 1 on; 0 for all of them."""
        arm = [0]
        nothing = np.zeros(0, dtype=np.int64)
        for place, each in enumerate(self.profiled, start=1):
            arm += [place] * (len(each.tested) + len(self._behind_moments(each, nothing)))
        for first, second in combinations(range(len(self.profiled)), 2):
            arm += [second + 1] * (2 * len(self.profiled[first].apart) * len(self.profiled[second].apart))
        return arm * len(self.arms)

    # -- what was opened -----------------------------------------------------------------------------------------

    def summaries(
        self, values: Ints, noise: Sequence[NoiseLaw], *, with_sum: bool = False
    ) -> list[tuple[float | None, dict[str, ColumnSummary]]]:
        """Of each arm the number of rows, and the summaries of the open columns.

        Args:
            values: what was opened.
            noise: the law of each block of ``figures`` in private mode.
            with_sum: whether all arms together come last.
        """
        per_arm, n_arms = 1 + sum(self.values_of), len(self.arms)
        flags = values[n_arms * per_arm :] if self.is_guarded else [1] * (1 + len(self.profiled))
        weights = [law.weight for law in noise] or [1] * per_arm
        sds = [law.sd for law in noise] or [0.0] * per_arm
        arms = [
            [Fraction(int(value), weight) for value, weight in zip(arm, weights, strict=True)]
            for arm in values[: n_arms * per_arm].reshape(n_arms, per_arm)
        ]
        found = [self._summaries(arm, sds, [bool(flag) for flag in flags]) for arm in arms]
        if with_sum:
            together = [sum(each, Fraction(0)) for each in zip(*arms, strict=True)]
            wider = [math.sqrt(n_arms) * sd for sd in sds]
            found.append(self._summaries(together, wider, [bool(flag) for flag in flags]))
        return found

    def _summaries(
        self, opened: Sequence[Fraction], sds: Sequence[float], is_open: Sequence[bool]
    ) -> tuple[float | None, dict[str, ColumnSummary]]:
        most, start = self.limits.n_sites * self.limits.rows_max, 1
        found = {}
        for place, (each, count) in enumerate(zip(self.profiled, self.values_of, strict=True), start=1):
            if is_open[place]:
                found[each.column.name] = summary(
                    each,
                    opened[start : start + count],
                    sds[start : start + count],
                    offset=self.square_offset(each),
                    n_rows=most,
                    least=self.limits.threshold,
                )
            start += count
        return (float(opened[0]) if is_open[0] else None), found

    def describe(self) -> dict[str, object]:
        """Columns and arms."""
        named: dict[str, object] = {"columns": [each.column.name for each in self.profiled]}
        return named if self.by is None else {**named, "groupby": self.by.name}


def profiled_columns(columns: Sequence[GroupColumn]) -> tuple[ColumnCells, ...]:
    """The columns with their cells."""
    return tuple(ColumnCells(column=column) for column in columns)


def columns_of(arguments: Arguments, table: Table) -> tuple[GroupColumn, ...]:
    """The columns that ``columns`` names.

    Raises:
        InvalidRequestError: no list of different names, or too many.
        PlanRejectedError: no such column, or the privacy unit.
    """
    names = arguments.texts("columns")
    if len(names) > MAX_COLUMNS:
        raise InvalidRequestError(parameter="columns", reason=f"must be at most {MAX_COLUMNS} columns")
    found = tuple(column_of(name, table, "columns") for name in names)
    if len({column.name for column in found}) < len(found):
        raise InvalidRequestError(parameter="columns", reason="must be different columns")
    return found
