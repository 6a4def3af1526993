"""Multinomial logistic regression: the chances of an outcome's categories, by Newton steps over opened sums.

Layer:       analytics.statistics.regression above linear_models and glm_answer.
Terms:       the *levels* are the outcome's categories but the first of its domain, which is the reference; each has its own
             parameters of all terms, named ``level:term``. Each is the log odds of the level against the reference.
Guarantees:  those of newton_fit. Every category of the outcome, and every category beside every level of a covariate, holds at
             least the threshold of people; the outcome's categories are columns of the relations that are tested.
Visible to:  all sites and the analyst: the bit; gradient, Hessian and log-likelihood of each step. Number of rows and of each
             category follow from the first step.
See instead: two categories: glm.
Source:      McFadden 1974; names as in ``statsmodels.MNLogit``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.pictures import Estimates
from analytics.schema import CategoricalColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.guards.fit_guard import FitGuard
from analytics.statistics.guards.relation_guard import design_of
from analytics.statistics.linear_models.glm_answer import FIT_CLOSED, GlmAnswer
from analytics.statistics.linear_models.newton_fit import (
    MAX_STEPS,
    NewtonFit,
    design_units,
    rounded,
    terms_of,
)
from analytics.statistics.matrices.formulas import FORMULA, read_formula

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.linear_models.newton_fit import Floats
    from analytics.statistics.matrices.contrasts import Prediction
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

_UNIT: Final = 64  # of a log-likelihood
_FIRST: Final = 1  # of the rows' columns: unit, outcome, covariates


@dataclass(frozen=True, kw_only=True)
class MnLogitAnswer(GlmAnswer):
    """The fit; ``params`` and the like hold the first level's terms, then the next one's.

    Attributes:
        levels: the outcome's categories but the reference.
        reference: the first category of its domain.
    """

    levels: tuple[str, ...]
    reference: str

    @property
    def df_model(self) -> int:
        """Parameters less the levels' intercepts."""
        return len(self.terms) - len(self.levels)

    def chances(self, at: Mapping[str, float]) -> dict[str, float]:
        """The chance of each category where columns have given values; those that are left out are 0.

        Args:
            at: values of terms, without the name of a level.

        Raises:
            InvalidRequestError: no such term, or the fit is closed.
        """
        odds = [0.0]
        for level in self.levels:
            weights = {f"{level}:{term}": float(value) for term, value in {"intercept": 1.0, **at}.items()}
            odds.append(self.t_test(weights).estimate)
        largest = max(odds)
        parts = [math.exp(value - largest) for value in odds]
        return {
            level: part / sum(parts)
            for level, part in zip((self.reference, *self.levels), parts, strict=True)
        }

    def predict(self, at: Mapping[str, float], alpha: float = 0.05) -> Prediction:
        """There is no one mean: see ``chances``.

        Raises:
            InvalidRequestError: always.
        """
        del at, alpha
        raise InvalidRequestError(
            parameter="predict", reason="has several categories here: chances(at) gives each"
        )

    def picture(self) -> Estimates:
        """Odds ratios against the reference with their 95 % intervals, without the intercepts."""
        rows = [
            (term, value, ends)
            for term, value, ends in zip(self.terms, self.params, self.interval(), strict=True)
            if not term.endswith(":intercept")
        ]
        return Estimates(
            labels=[term for term, _, _ in rows],
            values=[math.exp(value) for _, value, _ in rows],
            low=[math.exp(low) for _, _, (low, _) in rows],
            high=[math.exp(high) for _, _, (_, high) in rows],
            x_name=f"odds ratio against {self.reference}, 95 % interval",
            reference=1.0,
            is_ratio=True,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {**super().values(), "levels": list(self.levels), "reference": self.reference}


@dataclass(frozen=True, kw_only=True)
class MnLogit(NewtonFit):
    """The fit of a category on covariates."""

    name: ClassVar[str] = "mnlogit"
    summary: ClassVar[str] = "multinomial logistic regression by Newton steps over opened sums"
    no_private: ClassVar[str] = (
        "must be exact: each Newton step opens gradients and a Hessian; "
        "FederatedLogisticRegression fits one category against the others with noise"
    )
    parameters: ClassVar = (
        FORMULA,
        Parameter(name="max_steps", meaning="most Newton steps", default=8),
    )
    outcome: CategoricalColumn

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        outcome, covariates = read_formula(arguments.text("formula"), table, "formula")
        if not isinstance(outcome, CategoricalColumn):
            reason = f"{outcome.name} must be declared with categories: it is the outcome"
            raise PlanRejectedError(position="formula", reason=reason)
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            outcome=outcome,
            covariates=covariates,
            max_steps=arguments.whole("max_steps", low=2, high=MAX_STEPS),
        )
        bound.check_size()
        return bound

    @property
    def levels(self) -> tuple[str, ...]:
        """The outcome's categories but the reference."""
        return tuple(str(value) for value in self.outcome.domain[1:])

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(f"{level}:{term}" for level in self.levels for term in self.design_terms)

    @property
    def n_parameters(self) -> int:
        """Those of all levels."""
        n_terms = 1 + sum(len(terms_of(column)) for column in self.covariates)
        return (len(self.outcome.domain) - 1) * n_terms

    @property
    def n_extras(self) -> int:
        """The log-likelihood."""
        return 1

    @property
    def reach(self) -> int:
        """Chances are at most 1."""
        return 1

    @property
    def precision(self) -> int:
        """See ``NewtonFit``."""
        return 10**7

    @property
    def guard(self) -> FitGuard:
        """Of outcome and covariates."""
        return FitGuard(
            covariates=self.covariates,
            limits=self.limits,
            n_parameters=self.n_parameters,
            most_opened=self.most_opened,
            first=_FIRST,
            outcome=self.outcome,
        )

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "outcome": self.outcome.name,
            "covariates": [column.name for column in self.covariates],
            "max_steps": self.max_steps,
            "bits": self.bits,
            "fewest_rows": self.guard.fewest_rows if self.limits.threshold else 0,
        }

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> MnLogitAnswer:
        """See ``Statistic``."""
        del noise
        found = self.fit(opened)
        none = MnLogitAnswer(
            terms=self.terms,
            n_steps=self.end(opened).n_steps,
            closed=FIT_CLOSED,
            family="multinomial",
            levels=self.levels,
            reference=str(self.outcome.domain[0]),
        )
        if found is None:
            return none
        steps = self.sums_of(opened)
        counts = self._counts(steps[0])
        nobs = sum(counts)
        llf = _UNIT * float(steps[-1][-1])
        llnull = sum(count * math.log(count / nobs) for count in counts if count)
        return replace(
            none,
            closed="",
            params=rounded(found.params),
            bse=rounded(found.bse),
            nobs=nobs,
            llf=llf,
            llnull=llnull,
            deviance=-2 * llf,
            null_deviance=-2 * llnull,
            covariance=tuple(map(rounded, found.covariance)),
        )

    def _counts(self, first: Floats) -> list[int]:
        """Rows of each category, from the sums at 0, where each has the same chance."""
        n_terms, chance = len(self.design_terms), 1 / len(self.outcome.domain)
        nobs = round(first[self.n_parameters] / (chance * (1 - chance)))
        counts = [round(first[place * n_terms] + nobs * chance) for place in range(len(self.levels))]
        return [nobs - sum(counts), *counts]

    def units(self) -> Floats:
        """See ``NewtonFit``: the same for each level."""
        found: Floats = np.asarray(
            np.kron(np.eye(len(self.levels)), design_units(self.covariates)), dtype=np.float64
        )
        return found

    def row_sums(self, rows: Ints, point: Floats) -> Floats:
        """See ``NewtonFit``."""
        design = design_of(self.covariates, rows[:, 2:])
        n_levels, n_terms = len(self.levels), design.shape[1]
        odds = np.column_stack([np.zeros(len(rows)), design @ point.reshape(n_levels, n_terms).T])
        odds -= odds.max(axis=1, keepdims=True)
        total = np.log(np.exp(odds).sum(axis=1))
        chances = np.exp(odds - total[:, np.newaxis])[:, 1:]
        seen = rows[:, 1, np.newaxis] == np.arange(1, n_levels + 1)
        gradient = ((seen - chances).T @ design).reshape(-1)
        hessian = np.zeros((self.n_parameters, self.n_parameters))
        for i in range(n_levels):
            for j in range(i, n_levels):
                weight = chances[:, i] * ((i == j) - chances[:, j])
                block = (design * weight[:, np.newaxis]).T @ design
                hessian[i * n_terms : (i + 1) * n_terms, j * n_terms : (j + 1) * n_terms] = block
        likely = odds[np.arange(len(rows)), rows[:, 1]] - total
        return np.concatenate([gradient, hessian[np.triu_indices(self.n_parameters)], [likely.sum() / _UNIT]])
