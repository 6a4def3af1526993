"""Opened figures, and the estimates that are made from them.

Layer:       analytics.statistics, below every statistic; pure data.
See instead: the formulas (moments, tables), the noise's intervals (intervals).
Source:      ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.statistics.uncertainty.intervals import Interval
    from analytics.statistics.uncertainty.noise_law import NoiseLaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One opened figure without its weight.

    Attributes:
        value: in integer steps, a fraction where a weight divided noise.
        noise_sd: standard deviation of the noise on it; 0 in exact mode.
        law: of the noise where its tails are heavier than a Gaussian's; else None.
    """

    value: Fraction
    noise_sd: float
    law: NoiseLaw | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One cell.

    Attributes:
        value: None is NA.
        standard_error: of the noise; None for NA.
        is_too_few: the noise is as large as the figure; see ``bounded``.
        interval: of a private cell; None for an exact one, which has no noise.
    """

    value: Fraction | float | None
    standard_error: float | None
    is_too_few: bool = False
    interval: Interval | None = None


NA: Final = Estimate(value=None, standard_error=None)
Parts = Mapping[str, Opened]  # by the name that an aggregate gives to each of its blocks
