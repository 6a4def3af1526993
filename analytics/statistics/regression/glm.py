"""Generalised linear models by Newton's method: rows stay at their sites, sums of gradients and Hessians open to all.

Layer:       analytics.statistics.regression above linear_models, families and formulas.
Terms:       as in newton_fit. The *exposure* of a count is a declared column whose logarithm is added to the odds; an *offset*
             is a declared column that is added as it is.
Guarantees:  those of newton_fit. All rows are at least the threshold times the parameters and 3 times sites per unit times
             the numbers that can open. Exposure and offset are guarded as covariates are, since a value that few people have
             is a condition on these. Of an outcome that is a number, every two windows of its values are tested
             (value_guards), because log-likelihood, deviance and Pearson's sum are sums of functions of it; so are those of an
             exposure. A fit of counts
             or of gamma whose opened sums are so large that a site's could have been clipped is closed. Parameters and
             standard errors have six digits.
             Robust errors have the expected information on both sides of the squared scores; HC1 is HC0 times n over n less
             the parameters. Private: see private_glm.
Visible to:  exact: all sites and the analyst: the bit; gradient, Hessian, log-likelihood and the family's other sums of each
             step. Number of rows and of events follow from the first step. Of ``gaussian`` the analyst alone: see ols.
See instead: private models by gradients with noise (``federation.training``). Numeric data that lie at
             few points far apart can still tell how many rows lie elsewhere, as sums of squares in SQL
             (``plans.cell_guards``).
Source:      Nelder and Wedderburn 1972; docs/guarantees.md P16, P21.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import BOTH, EXACT, PRIVATE
from analytics.statistics.group_models.glm_arguments import columns_of, exposure_of
from analytics.statistics.group_models.private_glm import bind_private
from analytics.statistics.group_models.released_glm import ReleasedGlm, ReleasedRates
from analytics.statistics.guards.fit_guard import FitGuard
from analytics.statistics.guards.relation_guard import design_of
from analytics.statistics.linear_models.families import UNIT, Family, Measures, family_of
from analytics.statistics.linear_models.gaussian import GaussianFit
from analytics.statistics.linear_models.glm_answer import FIT_CLOSED, GlmAnswer
from analytics.statistics.linear_models.newton_fit import MAX_STEPS, NewtonFit, rounded
from analytics.statistics.linear_models.ols_answer import NONROBUST
from analytics.statistics.linear_models.released_ols import ReleasedOls
from analytics.statistics.linear_models.robust_ols import ROBUST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import AnyStatistic, Ints, Limits, Mode
    from analytics.statistics.group_models.glm_arguments import Exposure
    from analytics.statistics.linear_models.newton_fit import FitState, Fitted, Floats
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

NAME: Final = "glm"
SUMMARY: Final = (
    "generalised linear models: logistic, probit, cloglog, poisson, gamma and gaussian regression"
)
_FIRST: Final = 1  # of the rows' columns: unit, outcome, covariates, exposure
_BLOCK: Final = 8192


@dataclass(frozen=True, kw_only=True)
class GaussianGlm(GaussianFit):
    """The fit of a number by least squares."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = EXACT
    parameters: ClassVar = ()

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """See ``Statistic``."""
        return Glm.bind(table, arguments, mode, limits)


@dataclass(frozen=True, kw_only=True)
class PrivateGaussianGlm(ReleasedOls):
    """The private fit of a number by least squares: that of ols."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = ()

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {**super().describe(), "family": "gaussian"}


@dataclass(frozen=True, kw_only=True)
class PrivateChances(ReleasedGlm):
    """The private fit of a true-or-false outcome."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = ()

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """See ``Statistic``."""
        return Glm.bind(table, arguments, mode, limits)


@dataclass(frozen=True, kw_only=True)
class PrivateRates(ReleasedRates):
    """The private fit of counts."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = PRIVATE
    parameters: ClassVar = ()

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """See ``Statistic``."""
        return Glm.bind(table, arguments, mode, limits)


@dataclass(frozen=True, kw_only=True)
class Glm(NewtonFit):
    """The fit of an outcome on covariates.

    Attributes:
        family: with its link.
        exposure: added to the odds.
    """

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    promoted: ClassVar = PRIVATE
    parameters: ClassVar = (
        Parameter(
            name="formula",
            meaning="as outcome ~ column + column, of declared columns alone; or outcome and covariates",
            default=None,
        ),
        Parameter(name="family", meaning="binomial, poisson, gamma or gaussian", default="binomial"),
        Parameter(
            name="link",
            meaning="of binomial logit, probit or cloglog; of poisson and gamma log; of gaussian identity",
            default=None,
        ),
        Parameter(
            name="exposure",
            meaning="of poisson: a column, such as person-years, whose logarithm is added",
            default=None,
        ),
        Parameter(name="offset", meaning="of poisson: a column that is added as it is", default=None),
        Parameter(name="max_steps", meaning="most Newton steps; by default 8 to 15, by family", default=None),
        Parameter(
            name="cov_type",
            meaning="of the standard errors: nonrobust, HC0 or HC1; of gaussian nonrobust, see ols",
            default=NONROBUST,
        ),
        Parameter(name="outcome", meaning="in place of a formula: the outcome", default=None),
        Parameter(name="covariates", meaning="in place of a formula: a list of columns", default=None),
    )
    family: Family
    exposure: Exposure | None
    cov_type: str

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> AnyStatistic:
        """See ``Statistic``."""
        if mode == "private":
            check_one_row_a_unit(table, cls.name)
            return bind_private(
                table,
                arguments,
                limits,
                chances=PrivateChances,
                rates=PrivateRates,
                numbers=PrivateGaussianGlm,
            )
        check_one_row_a_unit(table, cls.name)
        outcome, covariates = columns_of(table, arguments)
        link = arguments.text("link") if arguments.is_given("link") else None
        if arguments.text("family") == "gaussian":
            for name in ("exposure", "offset", "max_steps"):
                if arguments.is_given(name):
                    raise InvalidRequestError(parameter=name, reason="has no meaning for gaussian")
            if arguments.text("cov_type") != NONROBUST:
                raise InvalidRequestError(
                    parameter="cov_type", reason="must be nonrobust for gaussian: see ols"
                )
            if link not in {None, "identity"}:
                raise InvalidRequestError(parameter="link", reason="must be identity for gaussian")
            return GaussianGlm.of(table, mode, limits, (*covariates, outcome))
        cov_type = arguments.text("cov_type")
        if cov_type not in {NONROBUST, *ROBUST}:
            raise InvalidRequestError(parameter="cov_type", reason="must be nonrobust, HC0 or HC1")
        family = family_of(arguments.text("family"), link)
        family.check(outcome)
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            outcome=outcome,
            covariates=covariates,
            family=family,
            cov_type=cov_type,
            exposure=exposure_of(
                table, arguments, family, {column.name for column in (outcome, *covariates)}
            ),
            max_steps=arguments.whole("max_steps", low=2, high=MAX_STEPS)
            if arguments.is_given("max_steps")
            else family.steps,
        )
        bound.check_size()
        return bound

    @property
    def guarded_columns(self) -> tuple[GroupColumn, ...]:
        """The covariates, and the exposure as one of them."""
        return self.covariates if self.exposure is None else (*self.covariates, self.exposure.column)

    @property
    def columns(self) -> tuple[str, ...]:
        """The outcome, the covariates, the exposure."""
        return (self.outcome.name, *(column.name for column in self.guarded_columns))

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return self.design_terms

    @property
    def n_parameters(self) -> int:
        """Columns of the design."""
        return len(self.terms)

    @property
    def n_extras(self) -> int:
        """Those of the family."""
        return self.family.n_extras

    @property
    def reach(self) -> int:
        """That of the family."""
        return self.family.reach(self.outcome, self.limits)

    @property
    def meat_reach(self) -> int:
        """That of the family, where errors are robust."""
        return 0 if self.cov_type == NONROBUST else self.family.meat_reach(self.outcome, self.limits)

    @property
    def precision(self) -> int:
        """That of the family."""
        return self.family.precision

    @property
    def guard(self) -> FitGuard:
        """Of outcome, covariates and exposure."""
        return FitGuard(
            covariates=self.guarded_columns,
            limits=self.limits,
            n_parameters=self.n_parameters,
            most_opened=self.most_opened,
            first=_FIRST,
            outcome=self.outcome if isinstance(self.outcome, NumericColumn) else None,
            off_two=frozenset() if self.exposure is None else frozenset({self.exposure.column.name}),
            row_weights=None if self.exposure is None else self._exposed,
        )

    @property
    def fewest_rows(self) -> int:
        """Rows that all sites together must have."""
        return self.guard.fewest_rows

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        exposure = (
            {}
            if self.exposure is None
            else {"offset" if self.exposure.is_log else "exposure": self.exposure.column.name}
        )
        return {
            "outcome": self.outcome.name,
            "covariates": [column.name for column in self.covariates],
            "family": self.family.name,
            "link": self.family.link,
            **exposure,
            **(
                {} if self.cov_type == NONROBUST else {"cov_type": self.cov_type, "meat_bits": self.meat_bits}
            ),
            "max_steps": self.max_steps,
            "bits": self.bits,
            "fewest_rows": self.fewest_rows if self.limits.threshold else 0,
        }

    def next_point(self, state: FitState, sums: tuple[int, ...]) -> tuple[int, ...] | None:
        """See ``NewtonFit``; of a log link the first is the fit of the intercept alone."""
        if state.n_steps == 0:
            try:
                intercept = self.family.start(sums, self.n_parameters)
            except ValueError:
                return None
            if intercept is not None:
                return (intercept, *state.point[1:])
        return super().next_point(state, sums)

    def can_end(self, state: FitState, sums: tuple[int, ...]) -> bool:
        """See ``NewtonFit``: no site's sums can have been clipped; a log link has left the intercept alone."""
        if self.family.is_bounded:
            return True
        most = (self.limits.rows_max * self.reach) << self.bits
        return state.n_steps > 0 and 2 * max(map(abs, sums)) < most

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> GlmAnswer:
        """See ``Statistic``."""
        del noise
        found, family = self.fit(opened), self.family
        none = GlmAnswer(
            terms=self.terms,
            n_steps=self.end(opened).n_steps,
            closed=FIT_CLOSED,
            family=family.name,
            link=family.link,
            ratio=family.ratio,
            cov_type=self.cov_type,
        )
        if found is None:
            return none
        measures = family.measures(self.sums_of(opened), self.n_parameters, self.outcome)
        covariance = self._factor(measures) * found.covariance
        return replace(
            none,
            closed="",
            params=rounded(found.params),
            bse=rounded(np.sqrt(np.maximum(np.diag(covariance), 0))),
            nobs=measures.nobs,
            n_events=measures.n_events,
            llf=measures.llf,
            llnull=measures.llnull,
            deviance=measures.deviance,
            null_deviance=measures.null_deviance,
            pearson_chi2=measures.pearson_chi2,
            scale=measures.scale,
            covariance=tuple(map(rounded, covariance)),
        )

    def _factor(self, measures: Measures) -> float:
        """What the covariance of a dispersion of 1 is multiplied by."""
        if self.cov_type == NONROBUST:
            return measures.scale
        return measures.nobs / (measures.nobs - self.n_parameters) if self.cov_type == "HC1" else 1.0

    def fit(self, opened: Sequence[Ints]) -> Fitted | None:
        """See ``NewtonFit``; the intercept without the largest exposure and the outcome's scale."""
        found, meat = super().fit(opened), self.end(opened).meat
        most = (self.limits.rows_max * self.meat_reach) << self.meat_bits
        if found is None or (meat and not self.family.is_bounded and 2 * max(map(abs, meat)) >= most):
            return None
        shift = self.family.log_scale(self.outcome) - (0 if self.exposure is None else self.exposure.largest)
        moved = found.params + shift * np.eye(1, self.n_parameters)[0]
        return replace(found, params=moved)

    def row_meat(self, rows: Ints, point: Floats) -> Floats:
        """See ``NewtonFit``."""
        design, score, _, _ = self._rows(rows, point)
        scored = design * score[:, np.newaxis]
        found: Floats = (scored.T @ scored)[np.triu_indices(self.n_parameters)]
        return found

    def _rows(self, rows: Ints, point: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Design, score, weight and extras of rows."""
        design = design_of(self.covariates, rows[:, 2 : 2 + len(self.covariates)])
        exposure = np.zeros(len(rows)) if self.exposure is None else self.exposure.log(rows[:, -1])
        y = self.family.values(self.outcome, rows[:, 1])
        return design, *self.family.row_figures(design @ point, y, exposure)

    def row_sums(self, rows: Ints, point: Floats) -> Floats:
        """See ``NewtonFit``; by blocks that a core's cache holds."""
        upper = np.triu_indices(self.n_parameters)
        found = np.zeros(self.n_sums)
        for start in range(0, len(rows), _BLOCK):
            design, score, weight, extras = self._rows(rows[start : start + _BLOCK], point)
            curvature = (design * weight[:, np.newaxis]).T @ design
            found += np.concatenate([design.T @ score, curvature[upper], extras.sum(axis=1) / UNIT])
        return found

    def _exposed(self, rows: Ints) -> Floats:
        """The exposure of rows, as a part of the largest."""
        exposure = np.zeros(len(rows)) if self.exposure is None else self.exposure.log(rows[:, -1])
        return np.exp(exposure)
