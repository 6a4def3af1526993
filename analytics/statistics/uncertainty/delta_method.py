"""Figures of a table of counts with their errors: of sampling and of noise, by the delta method.

Layer:       analytics.statistics above bounded; pure, public arithmetic after the opening.
Terms:       a *figure* is a function of the cells that stays the same where all cells are multiplied by one number. The
             *sums* that it needs are those that it divides by, or takes the logarithm of.
Guarantees:  gradients are exact to rounding (complex steps). A figure is None where a sum that it needs is not above 0,
             or with noise is below 4 standard deviations of its noise. Errors of sampling and of noise are reported apart
             and both are in the interval. The interval of a ratio is taken on its logarithm; that of a share is Wilson's,
             with the variance of the noise added. No 0.5 is added to any cell.
See instead: odds ratio, risk ratio and risk difference of one 2 x 2 table (table_measures).
Source:      delta method of multinomial counts: such a figure has the sampling variance ``sum g^2 n``, with g its gradient
             (Agresti 2002, 14.1.4). Complex steps: Squire, Trapp 1998. Wilson 1927; the noise's term is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.uncertainty.bounded import FEW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
Cells = npt.NDArray[np.bool_]
Kind = Literal["plain", "ratio", "share"]
LEVEL: Final = 0.95
_STEP: Final = 1e-30


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a table.

    Attributes:
        value: None where it is undefined, or where the noise leaves it open.
        sampling_error: standard error of sampling; of a ratio that of its logarithm.
        noise_error: standard error of the noise on the cells, on the same scale; 0 in exact mode.
        kind: how its interval is taken.
        n_rows: of a share, the rows that it is a share of.
        least: the least value that it can have.
        most: the largest.
    """

    value: float | None
    sampling_error: float | None = None
    noise_error: float | None = None
    kind: Kind = "plain"
    n_rows: float = 0.0
    least: float = -math.inf
    most: float = math.inf

    def interval(self, level: float = LEVEL) -> tuple[float | None, float | None]:
        """Low and high, of sampling and noise together.

        Raises:
            InvalidRequestError: the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if self.value is None or self.sampling_error is None or self.noise_error is None:
            return None, None
        width = NormalDist().inv_cdf((1 + level) / 2)
        if self.kind == "share":
            return self._wilson(width)
        each = width * math.hypot(self.sampling_error, self.noise_error)
        if self.kind == "ratio":
            return self.value * math.exp(-each), self.value * math.exp(each)
        return max(self.least, self.value - each), min(self.most, self.value + each)

    def _wilson(self, width: float) -> tuple[float, float]:
        """The shares p with ``(value - p)^2 <= width^2 (p (1 - p) / n + noise^2)``."""
        value, noise = self.value or 0.0, self.noise_error or 0.0
        square = width**2
        above, half = 1 + square / self.n_rows, value + square / (2 * self.n_rows)
        root = math.sqrt(max(half**2 - above * (value**2 - square * noise**2), 0.0))
        low, high = (half - root) / above, (half + root) / above
        return min(max(low, 0.0), 1.0), min(max(high, 0.0), 1.0)


def figure(
    function: Callable[[Complex], Complex],
    cells: Floats,
    noise_sd: float,
    *,
    kind: Kind = "plain",
    needs: Sequence[Cells] = (),
    least: float = -math.inf,
    most: float = math.inf,
) -> Figure:
    """A figure with its errors.

    Args:
        function: of a stack of tables, shape ``(n, *cells.shape)`` to ``(n,)``; analytic, without absolute values.
        cells: the table.
        noise_sd: standard deviation of the noise on each cell; 0 for none.
        kind: how its interval is taken; of a share the first of ``needs`` are the rows that it is a share of.
        needs: which cells make each sum that it needs, in the table's shape.
        least: the least value that it can have.
        most: the largest.
    """
    sums = [float(cells[each].sum()) for each in needs]
    limits = [FEW * noise_sd * math.sqrt(int(each.sum())) for each in needs]
    if any(not found > 0 or found < limit for found, limit in zip(sums, limits, strict=True)):
        return Figure(value=None, kind=kind)
    value, slopes = _gradient(function, cells)
    if not math.isfinite(value) or not np.isfinite(slopes).all() or (kind == "ratio" and value <= 0):
        return Figure(value=None, kind=kind)
    scale = 1 / value if kind == "ratio" else 1.0
    return Figure(
        value=min(max(value, least), most) if kind != "share" else value,
        sampling_error=scale * math.sqrt(float((slopes**2 * np.maximum(cells, 0.0)).sum())),
        noise_error=scale * noise_sd * math.sqrt(float((slopes**2).sum())),
        kind=kind,
        n_rows=sums[0] if kind == "share" else 0.0,
        least=least,
        most=most,
    )


def share(part: Cells, whole: Cells, cells: Floats, noise_sd: float) -> Figure:
    """The share of some cells in others that hold them."""

    def function(tables: Complex) -> Complex:
        found: Complex = tables[:, part].sum(axis=1) / tables[:, whole].sum(axis=1)
        return found

    return figure(function, cells, noise_sd, kind="share", needs=[whole])


def _gradient(function: Callable[[Complex], Complex], cells: Floats) -> tuple[float, Floats]:
    """The value and its gradient by the cells, of the cells' shape."""
    steps = np.eye(cells.size).reshape(cells.size, *cells.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = function(cells[np.newaxis] + 1j * _STEP * steps)
    return float(found[0].real), (found.imag / _STEP).reshape(cells.shape)
