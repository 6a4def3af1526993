"""Measures of a table of counts: association, Fisher's test, odds ratio, risk ratio and risk difference.

Layer:       analytics.statistics, above distributions; pure, public arithmetic after the opening.
Terms:       a 2 x 2 table has the exposure in its rows and the outcome in its columns; the second row is the exposed
             one and the second column the one with the outcome, as false stands before true.
Guarantees:  odds ratio ``ad / bc`` of the sample, not the conditional one, with the logarithm's normal interval
             (Woolf); risk ratio of the second row to the first, with the logarithm's normal interval (Katz); risk
             difference likewise, with Wald's interval. No 0.5 is added to any cell: with a cell of 0 a ratio and its
             interval are None. Cramer's V and phi are not corrected for bias and use no Yates' correction; phi has a
             sign. Fisher's p-value has two sides and sums the tables that are at most as likely, as in scipy. With
             noise, cells below 4 of its standard deviations leave all of them None, and the errors of sampling and of
             noise are reported apart; both are in the interval.
Source:      Woolf 1955; Katz et al. 1978; Cramer 1946; Fisher 1934. Delta method: a measure that depends on ratios
             within rows or columns alone has the sampling variance ``sum g^2 n``, with g its gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.statistics.tables.independence import pearson
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[np.float64]
TWO_BY_TWO: Final = (2, 2)
_TIES: Final = 1 + 1e-7
_LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One measure of a 2 x 2 table.

    Attributes:
        value: None where it is undefined, or where the noise leaves it open.
        sampling_error: standard error of sampling; of a ratio that of its logarithm.
        noise_error: standard error of the noise on the cells, on the same scale; 0 in exact mode.
        is_ratio: whether its interval is taken on the logarithm.
    """

    value: float | None
    sampling_error: float | None = None
    noise_error: float | None = None
    is_ratio: bool = True

    def interval(self, level: float = _LEVEL) -> tuple[float | None, float | None]:
        """Low and high, of sampling and noise together."""
        if self.value is None or self.sampling_error is None or self.noise_error is None:
            return None, None
        width = NormalDist().inv_cdf((1 + level) / 2) * math.hypot(self.sampling_error, self.noise_error)
        if self.is_ratio:
            return self.value * math.exp(-width), self.value * math.exp(width)
        return self.value - width, self.value + width


def association(table: Floats) -> dict[str, float | None]:
    """What a two-way table without noise says about the association of its columns.

    Args:
        table: whole counts, shape ``(rows, columns)``.

    Returns:
        ``chi2`` (2 x 2 with Yates' correction), ``chi2_pvalue`` and ``cramers_v``; of 2 x 2 also ``phi`` and
        ``fisher_pvalue``. None where a row or a column is empty, or is the only one.
    """
    least, dof = min(table.shape) - 1, (table.shape[0] - 1) * (table.shape[1] - 1)
    plain, tested = _pearson(table), _pearson(table, 0.5 if dof == 1 else 0.0)
    is_defined = plain is not None and tested is not None and dof > 0
    found: dict[str, float | None] = {
        "chi2": tested if is_defined else None,
        "chi2_pvalue": chi_square_tail(tested, dof) if is_defined and tested is not None else None,
        "cramers_v": math.sqrt(plain / (float(table.sum()) * least))
        if is_defined and plain is not None
        else None,
    }
    if table.shape == TWO_BY_TWO:
        found |= {"phi": _phi(table), "fisher_pvalue": fisher(table)}
    return found


def _pearson(table: Floats, correction: float = 0.0) -> float | None:
    found = float(pearson(table[np.newaxis], correction)[0])
    return None if math.isnan(found) else found


def _phi(table: Floats) -> float | None:
    (a, b), (c, d) = table.tolist()
    sizes = (a + b) * (c + d) * (a + c) * (b + d)
    return None if sizes <= 0 else (a * d - b * c) / math.sqrt(sizes)


def fisher(table: Floats, alternative: str = "two-sided") -> float:
    """Fisher's exact test of a 2 x 2 table of whole counts.

    Args:
        table: the counts.
        alternative: two-sided; less or greater for an odds ratio below or above 1.
    """
    (a, b), (c, d) = (tuple(map(int, row)) for row in table.tolist())
    low, high = max(0, a - d), min(a + b, a + c)
    # the chance of the next table over that of the one before it
    before = np.arange(low, high, dtype=np.float64)
    steps = np.log((a + b - before) * (a + c - before) / ((before + 1) * (d - a + before + 1)))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    chances = np.exp(logs - logs.max())
    own = chances[a - low]
    if alternative != "two-sided":
        farther = chances[: a - low + 1] if alternative == "less" else chances[a - low :]
        return min(1.0, float(farther.sum() / chances.sum()))
    return min(1.0, float(chances[chances <= own * _TIES].sum() / chances.sum()))


def odds_ratio(table: Floats, noise_sd: float = 0.0) -> Measure:
    """The odds of the outcome in the second row over those in the first."""

    def gradient(cells: Floats) -> Floats:
        found: Floats = np.array([[1.0, -1.0], [-1.0, 1.0]]) / cells
        return found

    return _measure(
        table, noise_sd, gradient, lambda cells: _ratio(cells.prod(where=_SAME), cells.prod(where=~_SAME))
    )


def risk_ratio(table: Floats, noise_sd: float = 0.0) -> Measure:
    """The risk of the outcome in the second row over that in the first."""

    def gradient(cells: Floats) -> Floats:
        sizes = cells.sum(axis=1)
        by_outcome = cells[:, 0] / (cells[:, 1] * sizes)
        found: Floats = np.stack([-1 / sizes, by_outcome], axis=1) * [[-1.0], [1.0]]
        return found

    return _measure(table, noise_sd, gradient, lambda cells: _ratio(*(cells[:, 1] / cells.sum(axis=1))[::-1]))


def risk_difference(table: Floats, noise_sd: float = 0.0) -> Measure:
    """The risk of the outcome in the second row less that in the first."""

    def gradient(cells: Floats) -> Floats:
        squares = cells.sum(axis=1) ** 2
        found: Floats = np.stack([-cells[:, 1] / squares, cells[:, 0] / squares], axis=1) * [[-1.0], [1.0]]
        return found

    def value(cells: Floats) -> float:
        risks = cells[:, 1] / cells.sum(axis=1)
        return float(risks[1] - risks[0])

    return _measure(table, noise_sd, gradient, value, is_ratio=False)


_SAME: Final = np.array([[True, False], [False, True]])


def _ratio(above: float, below: float) -> float:
    return float(above / below)


def _measure(
    table: Floats,
    noise_sd: float,
    gradient: Callable[[Floats], Floats],
    value: Callable[[Floats], float],
    *,
    is_ratio: bool = True,
) -> Measure:
    """A measure by its value and gradient, where the cells allow it."""
    is_open = (table > 0).all() if is_ratio else (table >= 0).all() and (table.sum(axis=1) > 0).all()
    if not is_open or (table < FEW * noise_sd).any():
        return Measure(value=None, is_ratio=is_ratio)
    slopes = gradient(table)
    return Measure(
        value=value(table),
        sampling_error=math.sqrt(float((slopes**2 * table).sum())),
        noise_error=noise_sd * math.sqrt(float((slopes**2).sum())),
        is_ratio=is_ratio,
    )
