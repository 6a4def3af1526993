"""Least squares of weighted rows: analytic weights, to which the variance of a row's outcome is inverse.

Layer:       analytics.statistics.linear_models above least_squares and ols_answer.
Terms:       the *weight* is a declared numeric column above 0, in steps of its resolution.
Guarantees:  all of least_squares, with each product times the weight; the number of rows opens beside the weighted sums. The
             weight is guarded as one more column of the model: its values, pairs of its bounds with every other column's
             levels, its combinations, and relations of second degree. No linear relation of the weighted rows has more than a
             part of one over the threshold of its weighted sum of squares in one person (leverage_guard), so no person has
             more than that part of a level's weight. A weight is no condition: it cannot be 0.
Visible to:  the analyst: number of rows; weighted number, sums and sums of products of all terms and the outcome.
See instead: frequency weights, which stand for several people by one row: a privacy unit has one row here.
Source:      Aitken 1936; ``statsmodels.WLS``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.statistics.guards.leverage_guard import LeverageGuard
from analytics.statistics.linear_models.least_squares import LeastSquares, LeastSquaresFit
from analytics.statistics.linear_models.ols_answer import FIT_CLOSED, OlsAnswer, answer_of

if TYPE_CHECKING:
    from analytics.schema import NumericColumn, Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Step


@dataclass(frozen=True, kw_only=True)
class WeightedFit(LeastSquaresFit):
    """The fit; of ``modelled`` the outcome is the last.

    Attributes:
        weights: the weight.
    """

    weights: NumericColumn
    promoted: ClassVar = frozenset()

    @classmethod
    def of(
        cls, table: Table, limits: Limits, modelled: tuple[GroupColumn, ...], weights: NumericColumn
    ) -> Self:
        """Bind to columns that were read.

        Raises:
            InvalidRequestError: the weight can be 0, or is in the formula.
        """
        if weights.lower <= 0:
            reason = f"{weights.name} must be declared with a lower bound above 0: a weight is no condition"
            raise InvalidRequestError(parameter="weights", reason=reason)
        if weights.name in {column.name for column in modelled}:
            raise InvalidRequestError(
                parameter="weights", reason="must be another column than those of the formula"
            )
        bound = cls(table=table, mode="exact", limits=limits, modelled=modelled, weights=weights)
        bound.check_size("formula")
        return bound

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the model, then the weight."""
        return (*super().columns, self.weights.name)

    @property
    def guarded(self) -> tuple[GroupColumn, ...]:
        """See ``GramRows``."""
        return (*self.modelled, self.weights)

    @property
    def leverages(self) -> LeverageGuard:
        """See ``GramRows``; of the weighted rows."""
        return LeverageGuard(n_columns=self.n_parameters, limits=self.limits)

    @property
    def n_sums(self) -> int:
        """The upper half of the Gram matrix, and the number of rows."""
        return super().n_sums + 1

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "outcome": self.modelled[-1].name,
            "covariates": [column.name for column in self.modelled[:-1]],
            "weights": self.weights.name,
            "fewest_rows": super().describe()["fewest_rows"],
        }

    def every_step(self) -> tuple[Step]:
        """See ``GramRows``."""
        (step,) = super().every_step()
        count = self.n_sums - 1
        sums = [each * self.weights.grid_upper for each in step.clamps[:count]]
        return (replace(step, clamps=(*sums, self.limits.rows_max, *step.clamps[count:])),)

    def closed_answer(self, reason: str) -> OlsAnswer:
        """See ``GramRows``; one code for all causes."""
        del reason
        return OlsAnswer(terms=self.terms[:-1], closed=FIT_CLOSED, weights=self.weights.name)

    def answer(self, gram: tuple[int, ...]) -> OlsAnswer:
        """See ``GramRows``."""
        fit = self.weighted(gram)
        if fit is None:
            return self.closed_answer(FIT_CLOSED)
        return replace(answer_of(self.terms[:-1], fit, self.inflation(gram[:-1])), weights=self.weights.name)

    def weighted(self, gram: tuple[int, ...]) -> LeastSquares | None:
        """The fit before it is rounded; None where it is closed."""
        n, count = gram[-1], self.n_parameters - 1
        fit = self.fitted(gram[:-1])
        if fit is None or n <= count:
            return None
        # the fit took the sum of weights for the number of rows
        unit = float(self.weights.resolution)
        factor = (fit.n - count) / (n - count)
        return replace(
            fit,
            n=n,
            covariance=tuple(tuple(factor * value for value in row) for row in fit.covariance),
            ss_resid=unit * fit.ss_resid,
            ss_total=unit * fit.ss_total,
            effects=(),
        )

    def _figures(self, rows: Ints) -> Ints:
        """One site's sums, the rows, then the guard's figures."""
        matrix, weights = self.design_rows(rows), rows[:, 1 + len(self.modelled)]
        weighted = matrix * weights[:, np.newaxis]
        sums = (weighted.T @ matrix)[np.triu_indices(self.n_parameters)]
        found = [sums, [len(rows)]]
        if self.is_guarded:
            scaled = matrix / np.array([1, *self.reaches])
            parts = np.sqrt(weights / self.weights.grid_upper)[:, np.newaxis]
            found += [self._tested(rows), self.leverages.figures(scaled * parts)]
        return np.concatenate([np.asarray(each, dtype=np.int64) for each in found])
