"""Drift between sites: how far the sites' distributions of one column are apart, without a distribution of any site.

Layer:       analytics.statistics.tables above column_cells and hidden_ratios' operations.
Terms:       each site has the shares p of its known values in the column's public groups. The *index* is the population stability
             index ``sum (p - q) ln(p / q)`` of two sites, averaged over all pairs of sites; *ks* the largest distance between two
             sites' cumulated shares at an edge of the groups, to two decimals.
Guarantees:  exact mode alone. Each site adds its shares, their logarithms and products; the index follows from the sums over
             sites on shares. For ks each site says at each edge which hundredths it reaches; the largest and the smallest of
             the sites follow from how many do, on shares. What opens is the index, rounded on shares to three significant
             digits, ks, and one bit: whether each group of each site holds at least the threshold. With ``above`` one bit
             opens in the place of both figures; it counts as a number, and ``above`` has no more digits than the index. Which
             site is too small, or stands apart, stays on shares.
Visible to:  the analyst: the figures, or the bit, and whether they are closed.
See instead: the pooled distribution (``profiles.describe``); distributions of single sites, which do not exist here.
Source:      Lewis 1994 for the index; Smirnov 1939; docs/guarantees.md P8, P22. With n sites ``sum over pairs of sum (p - q)(ln
             p - ln q) = n sum p ln p - (sum p)(sum ln p)``, sums over sites, added over groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import EXACT, MINIMUM_CELL, Answer, Statistic, Step
from analytics.statistics.guards.column_cells import ColumnCells
from smpc.operations.arithmetic import (
    add_public,
    concatenate,
    multiply,
    multiply_public,
    reshape,
    subtract,
    take,
    total,
)
from smpc.operations.comparison import at_least
from smpc.operations.numeric.normalized import normalize
from smpc.operations.numeric.significant import Rounding, round_ratio
from smpc.operations.selection import all_of, keep_at_least, maximum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    import pandas as pd

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

OPEN: Final = 0  # the state before the opening
OVER: Final = 1
MAX_GROUPS: Final = 20
LEVELS: Final = 100  # of a cumulated share
INDEX: Final = Rounding(digits=3, places=4, decades=2)
_WIDE: Final = 61
_SUM_BITS: Final = 60
_FEWEST_BITS: Final = 16


@dataclass(frozen=True, kw_only=True)
class SiteDriftAnswer(Answer):
    """How far the sites are apart.

    Attributes:
        n_sites: sites that are compared.
        psi: the index, averaged over pairs of sites; None where it is closed, or a bit alone was asked for.
        ks: the largest distance of two sites; likewise.
        is_above: whether the index reaches what was asked; None where it is closed, or figures were asked for.
    """

    n_sites: int
    psi: float | None = None
    ks: float | None = None
    is_above: bool | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """One row."""
        import pandas as pd

        kinds = {"psi": "Float64", "ks": "Float64", "is_above": "boolean"}
        values = self.values()
        return pd.DataFrame({name: pd.Series([values[name]], dtype=kind) for name, kind in kinds.items()})

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {"n_sites": self.n_sites, "psi": self.psi, "ks": self.ks, "is_above": self.is_above}


@dataclass(frozen=True, kw_only=True)
class SiteDrift(Statistic[int]):
    """The distance of the sites' distributions.

    Attributes:
        column: which is compared.
        above: open only whether the index reaches this; None: the figures.
    """

    name: ClassVar[str] = "site_drift"
    summary: ClassVar[str] = (
        "how far the sites' distributions of a column are apart (PSI, KS), not which site"
    )
    modes: ClassVar = EXACT
    promoted: ClassVar = EXACT
    no_private: ClassVar[str] = (
        "must be exact: a site's noise alone would have to hide its people, which the pooled noise is not made for; "
        "quality compares no sites and has a private form"
    )
    parameters: ClassVar = (
        Parameter(name="column", meaning="a column with public groups"),
        Parameter(
            name="above",
            meaning="a number: open only whether the index reaches it, not the index",
            default=None,
        ),
    )
    column: GroupColumn
    above: Fraction | None

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        column = arguments.group_column("column", table)
        above = arguments.number("above") if arguments.is_given("above") else None
        if above is not None and above * 10**INDEX.places not in INDEX.values:  # noqa: PD011  no frame
            # finer ones would find the index digit by digit beyond its rounding
            reason = f"must be above 0 and at most {10**INDEX.decades}, of {INDEX.digits} digits and {INDEX.places} decimals"
            raise InvalidRequestError(parameter="above", reason=reason)
        bound = cls(table=table, mode=mode, limits=limits, column=column, above=above)
        if not 2 <= bound.n_groups <= MAX_GROUPS:  # noqa: PLR2004  one group is no distribution
            reason = f"must have 2 to {MAX_GROUPS} groups, not {bound.n_groups}"
            raise InvalidRequestError(parameter="column", reason=reason)
        if bound.bits < _FEWEST_BITS:
            raise OverflowRiskError(figure="a share of a site", bits=_FEWEST_BITS, limit_bits=bound.bits)
        return bound

    @property
    def n_groups(self) -> int:
        """Groups of known values."""
        return len(self._cells.known)

    @property
    def bits(self) -> int:
        """Binary places of a share and of its logarithm."""
        n_sites, log = self.limits.n_sites, math.ceil(self._most_log)
        return (_SUM_BITS - 2 * n_sites.bit_length() - log.bit_length() - 1) // 2

    @property
    def _most_log(self) -> float:
        return math.log(max(self.limits.rows_max, 2))

    @property
    def _cells(self) -> ColumnCells:
        return ColumnCells(column=self.column)

    @property
    def columns(self) -> tuple[str, ...]:
        """The column."""
        return (self.column.name,)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "column": self.column.name,
            "above": None if self.above is None else str(self.above),
            "bits": self.bits,
            "levels": LEVELS,
        }

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
        one, log = (1 << self.bits) + 1, math.ceil(self._most_log * (1 << self.bits))
        clamps = [1, (one + self.n_groups) * log, *[one] * self.n_groups, *[log] * self.n_groups]
        if self.above is None:
            clamps += [1] * ((self.n_groups - 1) * LEVELS)
        step = Step(
            name="distance of sites" if self.above is None else "whether sites are apart",
            to="analyst",
            clamps=tuple(clamps),
            local=self.site_terms,
            joint=self._joint,
            n_values=2 if self.above is None else 1,
            n_flags=1,
            has_products=True,
        )
        return (step,)

    # -- one site's rows -----------------------------------------------------------------------------------

    def site_terms(self, rows: Ints) -> Ints:
        """Whether this site is usable, and its terms of the sums.

        Args:
            rows: shape ``(n, 2)``, as ``LocalTable.complete_cases`` gives them.
        """
        counts = self._cells.members(rows[:, 1], self._cells.known).sum(axis=1)
        (step,) = self.every_step()
        if counts.min() < max(self.limits.threshold, 1):
            return np.zeros(len(step.clamps), dtype=np.int64)
        shares = counts / counts.sum()
        p = np.rint(shares * 2.0**self.bits).astype(np.int64)
        log = np.rint(np.log(shares) * 2.0**self.bits).astype(np.int64)
        terms = [[1], [int(p @ log)], p, log]
        if self.above is None:
            # half a hundredth up in whole numbers: floating point could not decide a half alike at all sites
            reached = (2 * LEVELS * counts.cumsum()[:-1] + counts.sum()) // (2 * counts.sum())
            terms.append((reached[:, np.newaxis] >= np.arange(1, LEVELS + 1)).ravel())
        return np.concatenate(terms).astype(np.int64)

    # -- on shares -----------------------------------------------------------------------------------------

    def _joint(self, session: Session, sums: Shared) -> Shared:
        n_sites, groups = self.limits.n_sites, self.n_groups
        usable = at_least(session, take(sums, [0]), np.array([n_sites]), n_sites.bit_length() + 1)
        p, log = take(sums, range(2, 2 + groups)), take(sums, range(2 + groups, 2 + 2 * groups))
        products = total(reshape(multiply(session, p, log), (groups, 1)), axis=0)
        apart = subtract(multiply_public(take(sums, [1]), n_sites), products)
        if self.above is not None:
            least = math.ceil(self.above * self._unit)
            above = at_least(session, apart, np.array([least]), _WIDE + 1)
            return concatenate([all_of(session, usable, above), usable])
        apart = keep_at_least(session, apart, 0, _WIDE + 1)
        unit = add_public(session, subtract(apart, apart), self._unit)
        numbers, _ = normalize(session, concatenate([apart, unit]), _WIDE)
        index = round_ratio(session, numbers.at([0]), numbers.at([1]), INDEX)
        ks = self._largest_distance(session, take(sums, slice(2 + 2 * groups, None)))
        return concatenate([multiply(session, index, usable), multiply(session, ks, usable), usable])

    @property
    def _unit(self) -> int:
        """What the sum over pairs is divided by: their number, in the unit of a product."""
        n_sites = self.limits.n_sites
        return (n_sites * (n_sites - 1) // 2) << (2 * self.bits)

    def _largest_distance(self, session: Session, reached: Shared) -> Shared:
        """Of each edge the hundredths that some site reaches and not every site does; the most of all edges."""
        n_sites, edges = self.limits.n_sites, self.n_groups - 1
        size = edges * LEVELS
        both = np.concatenate([np.full(size, 1), np.full(size, n_sites)]).astype(np.int64)
        bits = at_least(session, concatenate([reached, reached]), both, n_sites.bit_length() + 1)
        some, every = take(bits, range(size)), take(bits, range(size, 2 * size))
        distances = total(reshape(subtract(some, every), (edges, LEVELS)), axis=1)
        return reshape(maximum(session, distances, LEVELS.bit_length() + 1), (1,))

    # -- what was opened -----------------------------------------------------------------------------------

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> SiteDriftAnswer:
        """See ``Statistic``."""
        del noise
        (values,) = opened
        n_sites = self.limits.n_sites
        if not int(values[-1]):
            return SiteDriftAnswer(n_sites=n_sites, closed=MINIMUM_CELL)
        if self.above is not None:
            return SiteDriftAnswer(n_sites=n_sites, is_above=bool(values[0]))
        return SiteDriftAnswer(
            n_sites=n_sites, psi=int(values[0]) / 10**INDEX.places, ks=int(values[1]) / LEVELS
        )
