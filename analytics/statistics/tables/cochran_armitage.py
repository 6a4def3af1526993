"""The test for trend of Cochran and Armitage: whether the share of an outcome rises over ordered groups.

Layer:       analytics.statistics.tables above figure_table and independence.
Terms:       the *scores* are one number for each group; 0, 1, 2, ... by default. The *slope* is that of the share by the
             score, fitted by weighted least squares.
Guarantees:  exact: ``z`` with the variance over n, so that ``statistic`` is its square (R's ``prop.trend.test``);
             ``statsmodels.stats.contingency_tables.Table.test_ordinal_association`` divides by n - 1 instead. The whole
             table opens, or nothing does. Private: noisy counts below one half count as one half; the p-value is a
             parametric bootstrap over the mechanism under equal shares, seeded by the answer.
Visible to:  the analyst: the table.
See instead: groups without an order (chi_square).
Source:      Cochran 1954; Armitage 1955; bootstrap: independence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import (
    UNDEFINED,
    FigureTable,
    TableAnswer,
    alternative_of,
    gridded,
    two_groups,
)
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.delta_method import Complex, figure
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CochranArmitage(FigureTable):
    """The test; rows of the table are the ordered groups, columns those of the outcome.

    Attributes:
        scores: of the groups, in their order.
        alternative: what is tested against.
    """

    name: ClassVar[str] = "cochran_armitage"
    summary: ClassVar[str] = "Cochran-Armitage test for trend of an outcome over ordered groups"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="outcome", meaning="a column with two public groups; the second one is counted"),
        Parameter(name="by", meaning="a column with ordered public groups"),
        Parameter(name="scores", meaning="a number for each group; 0, 1, 2, ... by default", default=None),
        Parameter(name="alternative", meaning="two-sided, less or greater", default="two-sided"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )
    scores: tuple[Fraction, ...]
    alternative: str

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [("by", gridded(arguments, "by", table)), ("outcome", two_groups(arguments, "outcome", table))]
        own = {"scores": arguments.numbers("scores"), "alternative": alternative_of(arguments)}
        bound = cls.bind_axes(table, mode, limits, axes, None, **own)
        n_rows = bound.table_shape[0]
        if bound.scores and (len(bound.scores) != n_rows or len(set(bound.scores)) == 1):
            reason = f"must be {n_rows} numbers, not all of them equal"
            raise InvalidRequestError(parameter="scores", reason=reason)
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        own = {"scores": [str(each) for each in self.scores], "alternative": self.alternative}
        return super().describe() | own

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``."""
        known = np.maximum(cells, self.least)
        distance = float(self._z(known[np.newaxis])[0])
        if math.isnan(distance):
            return TableAnswer(dof=1, closed=UNDEFINED)
        slope = figure(
            self._slope,
            cells,
            0.0 if law is None else law.sd,
            needs=[np.ones(cells.shape, dtype=np.bool_), *self._rows(cells.shape)],
        )
        pvalue = _tail(distance, self.alternative)
        if law is not None:
            pvalue = noisy_pvalue(known, self._measure, law, opened)
        tests = {"z": distance}
        return TableAnswer(statistic=distance**2, pvalue=pvalue, dof=1, tests=tests, figures={"slope": slope})

    @property
    def _points(self) -> Floats:
        if self.scores:
            return np.array([float(each) for each in self.scores])
        return np.arange(self.table_shape[0], dtype=np.float64)

    @staticmethod
    def _rows(shape: tuple[int, ...]) -> list[npt.NDArray[np.bool_]]:
        return [
            np.arange(shape[0])[:, np.newaxis] == row + np.zeros(shape, dtype=int) for row in range(shape[0])
        ]

    def _z(self, tables: Floats) -> Floats:
        """Of each table; NaN without a spread of scores or of outcomes."""
        sizes, cases = tables.sum(axis=2), tables[:, :, 1].sum(axis=1)
        total = sizes.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            risk = cases / total
            middle = (sizes * self._points).sum(axis=1) / total
            apart = self._points - middle[:, np.newaxis]
            spread = (sizes * apart**2).sum(axis=1)
            found: Floats = (tables[:, :, 1] * apart).sum(axis=1) / np.sqrt(risk * (1 - risk) * spread)
        return np.where(np.isfinite(found), found, np.nan)

    def _measure(self, tables: Floats) -> Floats:
        found = self._z(np.maximum(tables, self.least))
        if self.alternative == "two-sided":
            return np.abs(found)
        return found if self.alternative == "greater" else -found

    def _slope(self, tables: Complex) -> Complex:
        sizes = tables.sum(axis=2)
        middle = (sizes * self._points).sum(axis=1) / sizes.sum(axis=1)
        apart = self._points - middle[:, np.newaxis]
        found: Complex = (tables[:, :, 1] * apart).sum(axis=1) / (sizes * apart**2).sum(axis=1)
        return found


def _tail(distance: float, alternative: str) -> float:
    if alternative == "two-sided":
        return chi_square_tail(distance**2, 1)
    return math.erfc((distance if alternative == "greater" else -distance) / math.sqrt(2)) / 2
