"""Measures of a pair from a private release of the four cells of its table, each with noise of one law.

Layer:       analytics.statistics.pairs, pure: public arithmetic after the opening.
Guarantees:  a pair of which a cell is below 4 standard deviations of its noise has no measures. Errors of sampling and of
             noise are both in every interval and p-value.
Source:      delta method on the logarithm: ``delta_method``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.statistics.pairs.signal_measures import NOTHING, Interval
from analytics.statistics.uncertainty.delta_method import Figure, figure

if TYPE_CHECKING:
    from collections.abc import Callable

Complex = npt.NDArray[np.complex128]
_HALF: Final = 0.5
_EACH: Final = tuple(np.eye(4, dtype=np.bool_))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyPair:
    """The measures of one pair.

    Attributes:
        cells: both, the first alone, the second alone, neither; with noise.
        odds_ratio: with its interval.
        reporting_ratio: with its interval.
        information_component: with its interval, in bits.
        p_value: of the logarithm of the odds ratio, with its noise.
    """

    cells: tuple[float, float, float, float]
    odds_ratio: Interval = NOTHING
    reporting_ratio: Interval = NOTHING
    information_component: Interval = NOTHING
    p_value: float | None = None


def noisy_pair(cells: tuple[float, float, float, float], noise_sd: float) -> NoisyPair:
    """The measures of one pair.

    Args:
        cells: both, the first alone, the second alone, neither.
        noise_sd: standard deviation of the noise on each.
    """
    table = np.array(cells, dtype=np.float64)

    def made(function: Callable[[Complex], Complex]) -> Figure:
        return figure(function, table, noise_sd, kind="ratio", needs=_EACH)

    odds = made(_odds)
    if odds.value is None or odds.sampling_error is None or odds.noise_error is None:
        return NoisyPair(cells=cells)
    error = math.hypot(odds.sampling_error, odds.noise_error)
    bits = (None if value is None else math.log2(value) for value in _ends(made(_excess)))
    middle, low, high = bits
    return NoisyPair(
        cells=cells,
        odds_ratio=_ends(odds),
        reporting_ratio=_ends(made(_ratio)),
        information_component=(middle, low, high),
        p_value=math.erfc(abs(math.log(odds.value)) / error / math.sqrt(2)),
    )


def _odds(tables: Complex) -> Complex:
    a, b, c, d = tables.T
    found: Complex = a * d / (b * c)
    return found


def _ratio(tables: Complex) -> Complex:
    a, b, c, d = tables.T
    found: Complex = a * (c + d) / (c * (a + b))
    return found


def _excess(tables: Complex) -> Complex:
    """Observed to expected; one half is added to both, which the sampling error leaves out."""
    a, b, c, d = tables.T
    found: Complex = (a + _HALF) / ((a + b) * (a + c) / (a + b + c + d) + _HALF)
    return found


def _ends(found: Figure) -> Interval:
    return found.value, *found.interval()
