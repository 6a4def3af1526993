"""Odds ratio and risk ratio of an exposure over strata, by Mantel and Haenszel, with the test of equal odds ratios.

Layer:       analytics.statistics.tables above figure_table and independence.
Terms:       a *stratum* is a group of ``by``; in each of them the second group of ``exposure`` is the exposed one and the
             second of ``outcome`` the one with the outcome.
Guarantees:  exact: as ``statsmodels.stats.contingency_tables.StratifiedTable``: pooled odds ratio with the standard error
             of Robins, Breslow and Greenland, test of no association (no continuity correction by default), and Breslow
             and Day's test of equal odds ratios, with Tarone's correction where asked. No 0.5 is added to any cell. All
             strata open, or nothing does. Private: one release; both p-values are parametric bootstraps over the mechanism,
             under no association in each stratum and under one odds ratio for all, seeded by the answer; the test
             statistics are uncorrected.
Visible to:  the analyst: the table.
See instead: one table (crosstab).
Source:      Mantel, Haenszel 1959; Robins, Breslow, Greenland 1986; Breslow, Day 1980; Tarone 1985; the pooled risk
             ratio's error by the delta method, as that of the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import UNDEFINED, FigureTable, TableAnswer, gridded, two_groups
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.delta_method import Complex, Figure, figure
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class MantelHaenszel(FigureTable):
    """Pooled ratios and tests; the table's axes are stratum, exposure and outcome.

    Attributes:
        correction: continuity correction of the test of no association; of exact answers alone.
        adjust: Tarone's correction of the test of equal odds ratios; likewise.
    """

    name: ClassVar[str] = "mantel_haenszel"
    summary: ClassVar[str] = "Mantel-Haenszel odds ratio over strata, with Breslow and Day's test"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="exposure", meaning="a column with two public groups; the second is the exposed one"),
        Parameter(name="outcome", meaning="another one; the second group has the outcome"),
        Parameter(name="by", meaning="a column with public groups: the strata"),
        Parameter(name="correction", meaning="continuity correction of the test", default=False),
        Parameter(name="adjust", meaning="Tarone's correction of Breslow and Day's test", default=False),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser strata", default=None),
    )
    correction: bool
    adjust: bool

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [("by", gridded(arguments, "by", table))]
        axes += [(name, two_groups(arguments, name, table)) for name in ("exposure", "outcome")]
        own = {name: arguments.flag(name) for name in ("correction", "adjust")}
        return cls.bind_axes(table, mode, limits, axes, None, **own)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"correction": self.correction, "adjust": self.adjust}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; ``statistic`` and ``pvalue`` are of no association."""
        sd = 0.0 if law is None else law.sd
        needs = _needs(cells.shape)
        odds = figure(_odds_ratio, cells, sd, kind="ratio", needs=needs)
        risk = figure(_risk_ratio, cells, sd, kind="ratio", needs=needs)
        if odds.value is not None:
            odds = replace(odds, sampling_error=_robins(np.maximum(cells, 0.0)))
        figures: dict[str, Figure] = {"odds_ratio": odds, "risk_ratio": risk}
        known = np.maximum(cells, self.least)[np.newaxis]
        null = float(_no_association(known, 0.5 if self.correction and law is None else 0.0)[0])
        equal = float(_breslow_day(known, adjust=self.adjust and law is None)[0])
        if math.isnan(null) or math.isnan(equal):
            return TableAnswer(figures=figures, dof=1, closed=UNDEFINED)
        pvalue, other = chi_square_tail(null, 1), chi_square_tail(equal, len(cells) - 1)
        if law is not None:
            pvalue = self._bootstrap(_no_association, _independent(known[0]), known[0], law, opened)
            other = self._bootstrap(_breslow_day, _expected(known)[0], known[0], law, opened)
        tests = {"breslow_day": equal, "breslow_day_pvalue": other}
        return TableAnswer(statistic=null, pvalue=pvalue, dof=1, tests=tests, figures=figures)

    def _bootstrap(
        self,
        measure: Callable[[Floats], Floats],
        expected: Floats,
        known: Floats,
        law: NoiseLaw,
        opened: Ints,
    ) -> float:
        """A p-value from tables with these chances and fresh noise."""

        def stacked(tables: Floats) -> Floats:
            found: Floats = measure(np.maximum(tables.reshape(-1, *known.shape), self.least))
            return found

        chances = (expected / expected.sum()).ravel()
        return noisy_pvalue(known.reshape(-1, 2), stacked, law, opened, chances)


def _needs(shape: tuple[int, ...]) -> list[npt.NDArray[np.bool_]]:
    """Both diagonals over all strata, and each stratum."""
    strata, row, column = np.indices(shape)
    return [row == column, row != column, *(strata == place for place in range(shape[0]))]


def _odds_ratio(tables: Complex) -> Complex:
    sizes = tables.sum(axis=(2, 3))
    same = (tables[:, :, 0, 0] * tables[:, :, 1, 1] / sizes).sum(axis=1)
    other = (tables[:, :, 0, 1] * tables[:, :, 1, 0] / sizes).sum(axis=1)
    found: Complex = same / other
    return found


def _risk_ratio(tables: Complex) -> Complex:
    sizes, rows = tables.sum(axis=(2, 3)), tables.sum(axis=3)
    exposed = (tables[:, :, 1, 1] * rows[:, :, 0] / sizes).sum(axis=1)
    others = (tables[:, :, 0, 1] * rows[:, :, 1] / sizes).sum(axis=1)
    found: Complex = exposed / others
    return found


def _robins(cells: Floats) -> float:
    """Standard error of the logarithm of the pooled odds ratio."""
    sizes = cells.sum(axis=(1, 2))
    same, other = cells[:, 0, 0] * cells[:, 1, 1] / sizes, cells[:, 0, 1] * cells[:, 1, 0] / sizes
    along = (cells[:, 0, 0] + cells[:, 1, 1]) / sizes
    across = (cells[:, 0, 1] + cells[:, 1, 0]) / sizes
    first, second = same.sum(), other.sum()
    parts = (
        (along * same).sum() / (2 * first**2),
        (along * other + across * same).sum() / (2 * first * second),
        (across * other).sum() / (2 * second**2),
    )
    return math.sqrt(float(sum(parts)))


def _no_association(tables: Floats, correction: float = 0.0) -> Floats:
    """The statistic of each stack's table of strata; NaN where no stratum can vary."""
    sizes, rows, columns = tables.sum(axis=(2, 3)), tables.sum(axis=3), tables.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.nan_to_num(rows[:, :, 1] * columns[:, :, 1] / sizes)
        variance = np.nan_to_num(rows.prod(axis=2) * columns.prod(axis=2) / (sizes**2 * (sizes - 1)))
        apart = np.abs((tables[:, :, 1, 1] - expected).sum(axis=1))
        found: Floats = np.maximum(apart - correction, 0.0) ** 2 / variance.sum(axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _expected(tables: Floats) -> Floats:
    """Each stratum's cells with its own margins and the pooled odds ratio of all; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _odds_ratio(tables.astype(np.complex128)).real[:, np.newaxis]
        rows, columns = tables.sum(axis=3), tables.sum(axis=2)
        first, outcome, other = rows[:, :, 0], columns[:, :, 0], rows[:, :, 1]
        # (1 - r) x^2 + (other - outcome + r (first + outcome)) x - r first outcome = 0; the root without cancellation
        middle = other - outcome + ratio * (first + outcome)
        root = np.sqrt(np.maximum(middle**2 + 4 * (1 - ratio) * ratio * first * outcome, 0.0))
        cell = 2 * ratio * first * outcome / (middle + root)
    rest = [first - cell, outcome - cell, other - outcome + cell]
    return np.stack([np.stack([cell, rest[0]], axis=-1), np.stack(rest[1:], axis=-1)], axis=-2)


def _breslow_day(tables: Floats, *, adjust: bool = False) -> Floats:
    """The statistic of equal odds ratios of each stack's table of strata; NaN where it has none."""
    expected = _expected(tables)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = 1 / (1 / expected).sum(axis=(2, 3))
        apart = tables[:, :, 0, 0] - expected[:, :, 0, 0]
        found: Floats = (apart**2 / variance).sum(axis=1)
        if adjust:
            found = found - apart.sum(axis=1) ** 2 / variance.sum(axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def _independent(cells: Floats) -> Floats:
    """Each stratum's cells without an association."""
    sizes = cells.sum(axis=(1, 2), keepdims=True)
    found: Floats = cells.sum(axis=2, keepdims=True) * cells.sum(axis=1, keepdims=True) / sizes
    return found
