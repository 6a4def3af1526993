"""A number of cases over a known number, such as expected cases or person-time, with its exact Poisson interval.

Layer:       analytics.statistics above delta_method and distributions.
Source:      Garwood 1936.
"""

from __future__ import annotations

from dataclasses import dataclass

from analytics.errors import InvalidRequestError
from analytics.statistics.uncertainty.delta_method import Figure
from analytics.statistics.uncertainty.distributions import poisson_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PoissonRatio(Figure):
    """A number of cases over a known number.

    Attributes:
        cases: the number.
        expected: what it is divided by.
    """

    cases: float
    expected: float

    def interval(self, level: float = 0.95) -> tuple[float | None, float | None]:
        """Low and high, by the exact Poisson limits."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        low, high = poisson_interval(self.cases, level)
        return low / self.expected, high / self.expected
