"""Least squares with standard errors that hold where the residuals' variance differs by row: HC0 and HC1.

Layer:       analytics.statistics.linear_models above least_squares and ols_answer.
Terms:       the *meat* is the sum of squared residuals times products of the scaled design, whose columns lie between -1
             and 1; the residuals are parts of the outcome's largest distance from its middle.
Guarantees:  two steps, both open to all sites. The sums of products open behind the guards of gram_rows, whose fewest rows
             count the meat's numbers too; the parameters follow from them in exact integers, the same at every site, and
             the meat is summed at them. No request chooses a point. A fit that is closed opens no meat. No single residual
             opens. HC2 and HC3 need each row's leverage, which would be a further pass on shares: they are refused.
Visible to:  all sites and the analyst: sums of products of terms and outcome, the meat.
Source:      Eicker 1967, Huber 1967, White 1980; MacKinnon and White 1985 for HC1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from analytics.schema import NumericColumn
from analytics.statistics.base import Step
from analytics.statistics.linear_models.least_squares import LeastSquaresFit
from analytics.statistics.linear_models.ols_answer import FIT_CLOSED, OlsAnswer, answer_of
from analytics.statistics.matrices.integer_solve import solve_exactly, symmetric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.statistics.base import Ints
    from analytics.statistics.linear_models.ols_answer import Floats
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

ROBUST: Final = ("HC0", "HC1")
_POINT_BITS: Final = 60
_MOST_BITS: Final = 40
_RING_BITS: Final = 61


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustState:
    """What is public between two steps.

    Attributes:
        phase: ``sums`` or ``meat`` comes next; ``over`` is the end.
        point: the parameters of the design, in ``2^-60`` of the outcome's steps around its middle.
    """

    phase: str
    point: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RobustFit(LeastSquaresFit):
    """The fit; of ``modelled`` the outcome is the last.

    Attributes:
        cov_type: HC0 or HC1.
    """

    cov_type: str
    promoted: ClassVar = frozenset()

    @property
    def n_meat(self) -> int:
        """The upper half of the meat."""
        return self.n_parameters * (self.n_parameters - 1) // 2

    @property
    def fewest_rows(self) -> int:
        """See ``GramRows``; the meat's numbers count as well."""
        by_numbers = 3 * self.limits.sites_per_unit * (self.n_sums + self.n_meat)
        return max(self.limits.threshold * self.n_parameters, by_numbers)

    @property
    def bits(self) -> int:
        """Binary places of the meat: all squared residuals together are at most the rows."""
        rows = self.limits.n_sites * self.limits.rows_max
        return min(_MOST_BITS, _RING_BITS - (self.limits.n_sites * rows).bit_length())

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "outcome": self.columns[-1],
            "covariates": list(self.columns[:-1]),
            "cov_type": self.cov_type,
            "bits": self.bits,
            "fewest_rows": super().describe()["fewest_rows"],
        }

    def start(self) -> RobustState:  # type: ignore[override]
        """Before the sums."""
        return RobustState(phase="sums")

    def step(self, state: RobustState) -> Step | None:  # type: ignore[override]
        """The sums, then the meat."""
        if state.phase == "sums":
            return self._sums_step()
        return self._meat_step(state.point) if state.phase == "meat" else None

    def every_step(self) -> tuple[Step, ...]:  # type: ignore[override]
        """Both."""
        return self._sums_step(), self._meat_step((0,) * (self.n_parameters - 1))

    def advance(self, state: RobustState, opened: Ints) -> RobustState:  # type: ignore[override]
        """See ``Statistic``: integers alone."""
        point = None if state.phase == "meat" else self._point(opened)
        return RobustState(phase="over") if point is None else RobustState(phase="meat", point=point)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> OlsAnswer:
        """See ``Statistic``."""
        del noise
        if len(opened) == 1:
            return self.closed_answer(FIT_CLOSED)
        gram = tuple(int(value) for value in opened[0][: self.n_sums])
        fit = self.fitted(gram)
        if fit is None:
            return self.closed_answer(FIT_CLOSED)
        found = answer_of(
            self.terms[:-1], replace(fit, covariance=self.sandwich(gram, opened[1])), self.inflation(gram)
        )
        return replace(found, cov_type=self.cov_type, fvalue=_wald(found.params, found.covariance))

    def closed_answer(self, reason: str) -> OlsAnswer:
        """See ``GramRows``; one code for all causes."""
        del reason
        return OlsAnswer(terms=self.terms[:-1], closed=FIT_CLOSED)

    def answer(self, gram: tuple[int, ...]) -> OlsAnswer:
        """Of the sums alone there is none."""
        del gram
        return self.closed_answer(FIT_CLOSED)

    def sandwich(self, gram: tuple[int, ...], meat: Ints) -> tuple[tuple[float, ...], ...]:
        """Covariance of the parameters in the columns' own units, from what both steps opened."""
        count = self.n_parameters - 1
        reaches = np.array([1.0, *self.reaches[:-1]])
        whole = np.array(symmetric(gram, self.n_parameters), dtype=np.float64)
        bread = np.linalg.inv(whole[:count, :count] / np.outer(reaches, reaches))
        half = [int(value) for value in meat]
        middle = np.array(symmetric(half, count), dtype=np.float64) * 2.0**-self.bits
        factor = whole[0, 0] / (whole[0, 0] - count) if self.cov_type == "HC1" else 1.0
        units = np.array([[float(value) for value in row] for row in self.units()]) / reaches
        spread = factor * (self._outcome_unit * self.reaches[-1]) ** 2
        found = spread * units @ bread @ middle @ bread @ units.T
        return tuple(tuple(row) for row in found.tolist())

    @property
    def _outcome_unit(self) -> float:
        outcome = self.modelled[-1]
        return float(outcome.resolution) if isinstance(outcome, NumericColumn) else 1.0

    def _point(self, opened: Ints) -> tuple[int, ...] | None:
        """The parameters of the design; None where there is no fit or the guard closed it."""
        gram = tuple(int(value) for value in opened[: self.n_sums])
        if (self.is_guarded and not opened[-1]) or self.fitted(gram) is None:
            return None
        matrix, count = symmetric(gram, self.n_parameters), self.n_parameters - 1
        half = tuple(matrix[row][column] for row in range(count) for column in range(row, count))
        return solve_exactly(half, [row[-1] for row in matrix[:-1]], _POINT_BITS)

    def _sums_step(self) -> Step:
        (step,) = super().every_step()
        return replace(step, to="sites")

    def _meat_step(self, point: tuple[int, ...]) -> Step:
        most = (self.limits.n_sites * self.limits.rows_max) << self.bits
        return Step(
            name="sums of squared residuals and products",
            to="sites",
            clamps=(most,) * self.n_meat,
            local=lambda rows: self._meat(rows, point),
            joint=lambda _session, sums: sums,
            n_values=self.n_meat,
        )

    def _meat(self, rows: Ints, point: tuple[int, ...]) -> Ints:
        """One site's meat; within the clamps however floats round."""
        matrix = self.design_rows(rows).astype(np.float64)
        params = np.array(point, dtype=np.float64) * 2.0**-_POINT_BITS
        left = (matrix[:, -1] - matrix[:, :-1] @ params) / self.reaches[-1]
        scaled = matrix[:, :-1] / np.array([1, *self.reaches[:-1]])
        weighted = scaled * left[:, np.newaxis]
        sums = (weighted.T @ weighted)[np.triu_indices(self.n_parameters - 1)]
        most = float(self.limits.n_sites * self.limits.rows_max)
        found: Ints = np.rint(np.clip(sums, -most, most) * 2.0**self.bits).astype(np.int64)
        return found


def _wald(params: Sequence[float], covariance: Sequence[Sequence[float]]) -> float:
    """F of the test that all parameters but the intercept are 0."""
    found: Floats = np.array(params[1:])
    spread: Floats = np.array(covariance)[1:, 1:]
    return float(found @ np.linalg.solve(spread, found) / len(found))
