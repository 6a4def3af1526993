"""A table of counts of two columns that two sites hold of the same patients, by products of shared bits.

Layer:       analytics.linkage above plan; wraps a statistic of counts over two columns.
Terms:       the *linked rows* are the common patients of a finished linkage, in the order that both sites share. A site brings a
             one-hot row a patient and zeros for all others up to ``rows_max``; the counts are the product of the two matrices.
Guarantees:  the whole table opens or nothing does: one flag, 1 where every cell, those of missing values of a nullable column
             among them, reaches the minimum cell. Each of the two sites knows a margin of the table, its own column's, so a
             table with one closed cell would give that cell away. A patient counts once: the threshold is the minimum cell.
Visible to:  the analyst: the open table and the flag. The sites: nothing beyond their linkage.
Cost:        2 rounds and those of one batch of comparisons; ``8 rows_max`` bytes a group of either column to each other site.
See instead: the linkage itself (``site_run``), the statistics (``analytics.statistics.counts``).
Source:      ours; docs/guarantees.md P8, P18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self, cast

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.statistics.base import EXACT, Statistic, Step
from analytics.statistics.counts import OPEN, OVER
from analytics.statistics.registry import STATISTICS
from smpc.operations.arithmetic import broadcast, concatenate, matmul, multiply, reshape, take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Answer, AnyStatistic, Ints, Limits, Mode
    from analytics.statistics.counts import CountStatistic
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

COLUMNS: Final = 2
MOST_BITS: Final = 1 << 25


@dataclass(frozen=True, kw_only=True)
class ByColumns(Statistic[int]):
    """A statistic of counts whose two columns are at two sites.

    Attributes:
        inner: the statistic over rows that hold both columns.
        sites: where the first and the second column are.
    """

    name: ClassVar[str] = "by_columns"
    summary: ClassVar[str] = "a table of two columns of the same patients at two sites"
    modes: ClassVar = EXACT
    parameters: ClassVar = ()
    inner: CountStatistic
    sites: tuple[str, str]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """Refuse: it is made by ``over_two_sites``."""
        del table, arguments, mode, limits
        raise InvalidRequestError(parameter="statistic", reason="is asked through a linkage")

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Both columns."""
        return tuple(column.name for _, column in self.inner.keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """Both columns, each read at its own site."""
        return self.dimensions

    @property
    def groups(self) -> tuple[int, int]:
        """Groups of each column, the missing values of a nullable one among them."""
        first, second = self.inner.shape
        return first, second

    @property
    def n_bits(self) -> int:
        """Integers that every site brings."""
        return self.limits.rows_max * sum(self.groups)

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
        return (
            Step(
                name="cells",
                to="analyst",
                clamps=(1,) * self.n_bits,
                local=lambda bits: bits,
                joint=self._joint,
                n_values=len(self.inner.places),
                n_flags=1,
                has_products=True,
            ),
        )

    def describe(self) -> dict[str, object]:
        """Those of the statistic, and where the columns are."""
        places = dict(zip(self.dimensions, self.sites, strict=True))
        return {"statistic": self.inner.name, **self.inner.describe(), "at": places}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> Answer:
        """As the statistic itself, from an open or closed table."""
        (values,) = opened
        return self.inner.estimate((self.inner.whole_table(values),), noise)

    def _joint(self, session: Session, bits: Shared) -> Shared:
        rows, (first, second) = self.limits.rows_max, self.groups
        one = reshape(take(bits, slice(0, rows * first)), (first, rows))
        other = reshape(take(bits, slice(rows * first, None)), (rows, second))
        cells = reshape(matmul(session, one, other), (first * second,))
        reached = self.limits.reached(session, cells)
        flag = all_of(session, *(take(reached, [place]) for place in range(cells.size)))
        opened = take(cells, self.inner.places)
        return concatenate([multiply(session, opened, broadcast(flag, opened.shape)), flag])


def table_of_two(inner: AnyStatistic) -> CountStatistic:
    """Check that a bound statistic is a table of two columns that can open as a whole.

    Raises:
        InvalidRequestError: it is not.
    """
    if inner.is_whole_table:
        table = cast("CountStatistic", inner)
        if len(table.keys) == COLUMNS and table.hidden is None:
            return table
    known = ", ".join(sorted(name for name, kind in STATISTICS.items() if kind.is_whole_table))
    reason = f"must be a table of two columns, without reveal, to be asked by columns: {known}"
    raise InvalidRequestError(parameter="statistic", reason=reason)


def over_two_sites(inner: CountStatistic, sites: tuple[str, str], limits: Limits) -> ByColumns:
    """Take a statistic's two columns from two sites.

    Args:
        inner: the statistic, bound.
        sites: where its first and its second column are.
        limits: of the linked rows: a patient is one row.

    Raises:
        InvalidRequestError: it is too large.
    """
    found = ByColumns(table=inner.table, mode="exact", limits=limits, inner=inner, sites=sites)
    if found.n_bits > MOST_BITS:
        reason = f"has more than {MOST_BITS} bits of linked rows: lower rows_max, or ask for fewer groups"
        raise InvalidRequestError(parameter="table", reason=reason)
    return found


def bits_at_site(plan: ByColumns, site: str, places: Ints, groups: Ints) -> Ints:
    """Write a site's one-hot rows.

    Args:
        plan: the statistic.
        site: this site.
        places: of each of its rows the place among the linked rows, -1 for those that are not linked.
        groups: of each of its rows the group of its column, -1 for none.

    Returns:
        Shape ``(plan.n_bits,)``: the first column's groups, one row of bits each; then of each linked row the second's.
    """
    rows, (first, second) = plan.limits.rows_max, plan.groups
    bits = np.zeros(plan.n_bits, dtype=np.int64)
    is_known = (places >= 0) & (places < rows) & (groups >= 0)
    place, group = places[is_known], groups[is_known]
    if site == plan.sites[0]:
        bits[group * rows + place] = 1
    elif site == plan.sites[1]:
        bits[rows * first + place * second + group] = 1
    return bits
