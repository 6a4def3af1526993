"""The mean of a column whose rows have weights of another column, such as weights of a survey.

Layer:       analytics.statistics.association above gram_rows, gram_release and delta_method.
Terms:       rows that lack one of the two columns count nowhere. The *effective number* of rows is the square of the sum of
             weights over the sum of their squares.
Guarantees:  the sum of weight times value over the sum of weights, as ``numpy.average``; from exact integers, rounded once.
             Declared bounds keep weights above 0 (a weight is no condition), of private answers at least 0. The sampling error
             is Kish's: the standard deviation of the column over the root of the effective number, which holds where weights
             and values do not go together. Guards of exact answers: module gram_rows, over both columns; and no person has more
             than a part of one over the threshold of the sum of weights (leverage_guard). Private: the release of
             ``correlation``; the interval holds sampling and noise. Where the sum of weights is within four standard deviations
             of its noise, the mean is flagged ``too_few``.
Visible to:  the analyst: number, sums and sums of products of both columns.
See instead: means without weights (``AVG``, describe); fits with weights (ols).
Source:      Kish 1965, 11.7; delta method for the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import BOTH, PRIVATE, Answer
from analytics.statistics.guards.leverage_guard import LeverageGuard
from analytics.statistics.matrices.gram_release import GramRelease
from analytics.statistics.matrices.gram_rows import GramRows, middle_of
from analytics.statistics.matrices.integer_solve import symmetric
from analytics.statistics.uncertainty.bounded import FEW

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import NumericColumn, Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.matrices.noisy_gram import NoisyGram

NAME: Final = "weighted_mean"
SUMMARY: Final = "mean of a column with weights of another one"
PARAMETERS: Final = (
    Parameter(name="column", meaning="a numeric column"),
    Parameter(name="weights", meaning="another one whose lower bound is above 0, or private at least 0"),
)
UNDEFINED: Final = "undefined"
_LEVEL: Final = 0.95
_LEAST_STEPS: Final = 1 / 12


@dataclass(frozen=True, kw_only=True)
class WeightedMeanAnswer(Answer):
    """The mean.

    Attributes:
        value: in the column's unit; None where it is closed or undefined.
        n: rows; noisy in private mode.
        sum_weights: in the weights' unit.
        effective_n: the effective number of rows.
        sampling_error: of the mean, by Kish.
        noise_error: of the mean, of the noise; 0 in exact mode.
        too_few: private: whether the noise hides the sum of weights.
    """

    value: float | None = None
    n: float = 0.0
    sum_weights: float | None = None
    effective_n: float | None = None
    sampling_error: float | None = None
    noise_error: float | None = None
    too_few: bool = False

    def interval(self, level: float = _LEVEL) -> tuple[float | None, float | None]:
        """Low and high, of sampling and noise together.

        Raises:
            InvalidRequestError: the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if self.value is None or self.sampling_error is None or self.noise_error is None:
            return None, None
        half = NormalDist().inv_cdf((1 + level) / 2) * math.hypot(self.sampling_error, self.noise_error)
        return self.value - half, self.value + half

    @property
    def frame(self) -> pd.DataFrame:
        """One row: the mean with its interval at 95 %."""
        import pandas as pd

        return pd.DataFrame([self._figures()], dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data, with the interval at 95 %."""
        return {**self._figures(), "too_few": self.too_few}

    def _figures(self) -> dict[str, object]:
        low, high = self.interval()
        return {
            "value": self.value,
            "low": low,
            "high": high,
            "n": self.n,
            "sum_weights": self.sum_weights,
            "effective_n": self.effective_n,
            "sampling_error": self.sampling_error,
            "noise_error": self.noise_error,
        }


@dataclass(frozen=True, kw_only=True)
class PrivateWeightedMean(GramRelease):
    """The mean from one release with noise."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = PARAMETERS
    pair: tuple[NumericColumn, NumericColumn]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        pair = _read(arguments, table)
        return cls(table=table, mode=mode, limits=limits, modelled=pair, pair=pair)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return _described(self.pair)

    def answer(self, gram: NoisyGram, opened: Ints) -> WeightedMeanAnswer:
        """See ``GramRelease``; values and weights in steps, values around the middle."""
        del opened
        value, weight = self.design
        reach, far, middle = float(value.reach), float(weight.reach), float(weight.center)
        # of the scaled matrix: what gives the sums of weights, and of weights times values
        of_weights, of_both = np.zeros((3, 3)), np.zeros((3, 3))
        of_weights[0, 0], of_weights[0, 2] = middle, far
        of_both[0, 1], of_both[1, 2] = middle * reach, far * reach
        spread = _noise(gram, of_weights)
        total = max(float((of_weights * gram.matrix).sum()), spread, _LEAST_STEPS)
        column, weights = self.pair
        low, high = column.grid_lower - value.center, column.grid_upper - value.center
        mean = float(np.clip((of_both * gram.matrix).sum() / total, low, high))
        noise = _noise(gram, of_both - mean * of_weights) / total
        squares = middle**2 * gram.n + 2 * middle * far * gram.matrix[0, 2] + far**2 * gram.matrix[2, 2]
        effective = float(np.clip(total**2 / max(squares, _LEAST_STEPS), 1.0, gram.n))
        scaled = gram.matrix[1, 1] - gram.matrix[0, 1] ** 2 / gram.n
        variance = float(np.clip(reach**2 * scaled / (gram.n - 1), _LEAST_STEPS, reach**2))
        unit = float(column.resolution)
        return WeightedMeanAnswer(
            value=unit * (mean + value.center),
            n=gram.n,
            sum_weights=float(weights.resolution) * total,
            effective_n=effective,
            sampling_error=unit * math.sqrt(variance / effective),
            noise_error=unit * noise,
            too_few=bool(total < FEW * spread),
        )


@dataclass(frozen=True, kw_only=True)
class WeightedMean(GramRows):
    """The mean from exact sums."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = PARAMETERS
    pair: tuple[NumericColumn, NumericColumn]

    @classmethod
    def bind(
        cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits
    ) -> Self | PrivateWeightedMean:
        """See ``Statistic``."""
        if mode == "private":
            return PrivateWeightedMean.bind(table, arguments, mode, limits)
        pair = _read(arguments, table)
        if pair[1].lower <= 0:
            reason = f"{pair[1].name} must have a lower bound above 0: a weight is no condition"
            raise PlanRejectedError(position="weights", reason=reason)
        bound = cls(table=table, mode=mode, limits=limits, modelled=pair, pair=pair)
        bound.check_size("weights")
        return bound

    @property
    def leverages(self) -> LeverageGuard:
        """See ``GramRows``; of the weights alone, whose roots are one column."""
        return LeverageGuard(n_columns=1, limits=self.limits)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return _described(self.pair) | {"fewest_rows": super().describe()["fewest_rows"]}

    def _figures(self, rows: Ints) -> Ints:
        """See ``GramRows``; then the guard's sums of weights."""
        found = super()._figures(rows)
        if not self.is_guarded:
            return found
        roots = np.sqrt(rows[:, 2] / self.pair[1].grid_upper)
        return np.concatenate([found, self.leverages.figures(roots[:, np.newaxis])])

    def closed_answer(self, reason: str) -> WeightedMeanAnswer:
        """See ``GramRows``."""
        return WeightedMeanAnswer(closed=reason)

    def answer(self, gram: tuple[int, ...]) -> WeightedMeanAnswer:
        """See ``GramRows``."""
        (n, total, weights), (_, squares, both), (_, _, of_weights) = symmetric(gram, 3)
        column, other = self.pair
        middle = middle_of(other)
        sum_weights = weights + middle * n
        if n <= 1:
            return self.closed_answer(UNDEFINED)
        sum_squares = of_weights + 2 * middle * weights + middle**2 * n
        mean = Fraction(both + middle * total, sum_weights) + middle_of(column)
        variance = Fraction(n * squares - total**2, n * (n - 1))
        effective = Fraction(sum_weights**2, sum_squares)
        return WeightedMeanAnswer(
            value=float(column.resolution * mean),
            n=float(n),
            sum_weights=float(other.resolution * sum_weights),
            effective_n=float(effective),
            sampling_error=float(column.resolution) * math.sqrt(variance / effective),
            noise_error=0.0,
        )


def _noise(gram: NoisyGram, form: np.ndarray) -> float:
    """The standard deviation of the noise on a linear form of the matrix."""
    return float(np.sqrt(((gram.sds * np.tensordot(gram.basis, form, axes=2)) ** 2).sum()))


def _read(arguments: Arguments, table: Table) -> tuple[NumericColumn, NumericColumn]:
    """Value and weight.

    Raises:
        InvalidRequestError: they are one column.
        PlanRejectedError: no such column, no number, weights that may be negative, or several rows of a unit.
    """
    check_one_row_a_unit(table, NAME)
    column, weights = (arguments.number_column(name, table) for name in ("column", "weights"))
    if column.name == weights.name:
        raise InvalidRequestError(parameter="weights", reason="must be another column")
    if weights.lower < 0 or weights.upper <= 0:
        reason = f"{weights.name} must have a lower bound of at least 0, and an upper one above it"
        raise PlanRejectedError(position="weights", reason=reason)
    return column, weights


def _described(pair: tuple[NumericColumn, NumericColumn]) -> dict[str, object]:
    return dict(zip(("column", "weights"), (each.name for each in pair), strict=True))
