"""Private Cox regression: one release of events and censorings by covariates and interval, and a fit of that table.

Layer:       analytics.statistics.hazards above counts; survival.cox gives it its name.
Terms:       covariates are categories, true-or-false columns, and numbers by their declared bins; each has one parameter
             for each group but its first. The table has a cell for each stratum, combination of groups, interval and
             event.
Guarantees:  one row is in one cell, so the table costs what one count costs. What follows from it is free: parameters,
             the test of proportional hazards, baseline hazards, concordance. Errors hold sampling and noise. Where the noise
             hides the fit it has the code ``too_few``, which follows from the noisy table alone. Rows without a
             known value are left out.
Visible to:  the analyst: the cells with noise.
See instead: the fit (noisy_cox), exact fits on numbers as they are (survival.cox).
Source:      see noisy_cox.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from analytics.errors import InvalidRequestError
from analytics.schema import NumericColumn
from analytics.statistics.counts import CountStatistic
from analytics.statistics.grids import coarser
from analytics.statistics.group_models.group_design import group_design, group_terms
from analytics.statistics.hazards.cox_answer import TOO_FEW, Baseline, NoisyCoxAnswer, Proportionality
from analytics.statistics.hazards.cox_design import names_of, stratum_of
from analytics.statistics.hazards.noisy_cox import CoxTable
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.arguments import Arguments
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.hazards.noisy_cox import TableFit
    from analytics.statistics.life_tables.curves import Floats
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

TIES: Final = ("efron", "breslow")
MAX_INTERVALS: Final = 60
MAX_COMBINATIONS: Final = 200  # of groups and strata
MAX_PARAMETERS: Final = 12


@dataclass(frozen=True, kw_only=True)
class ReleasedCox(CountStatistic):
    """The fit; the keys are the stratum, if any, the covariates, time and event.

    Attributes:
        has_strata: whether the first key is the stratum.
        has_efron: Efron's ties; else Breslow's.
    """

    has_strata: bool
    has_efron: bool

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        time = arguments.number_column("duration", table)
        event = arguments.flag_column("event", table)
        names = arguments.texts("covariates")
        if {time.name, event.name} & set(names):
            raise InvalidRequestError(parameter="covariates", reason="must not hold duration or event")
        covariates = tuple(arguments.group_columns("covariates", table))
        strata = stratum_of(arguments, table, {time.name, event.name, *names})
        ties = arguments.text("ties") if arguments.is_given("ties") else TIES[0]
        if ties not in TIES:
            raise InvalidRequestError(parameter="ties", reason=f"must be one of {', '.join(TIES)}")
        time = replace(time, bins=coarser(arguments, time, "duration", MAX_INTERVALS))
        keys = (
            *((("strata", strata),) if strata is not None else ()),
            *(("covariates", each) for each in covariates),
        )
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            keys=(*keys, ("duration", time), ("event", event)),
            has_strata=strata is not None,
            has_efron=ties == TIES[0],
        )
        bound._check_size()
        return bound

    def _check_size(self) -> None:
        if any(len(names_of(column)) < 2 for _, column in self._covariates):  # noqa: PLR2004  groups
            raise InvalidRequestError(parameter="covariates", reason="a column has one group only")
        count = self.n_strata * len(self.design)
        if count > MAX_COMBINATIONS or len(self.terms) > MAX_PARAMETERS:
            reason = (
                f"must make at most {MAX_PARAMETERS} parameters and {MAX_COMBINATIONS} combinations of groups and "
                f"strata for a private fit, not {len(self.terms)} and {count}"
            )
            raise InvalidRequestError(parameter="covariates", reason=reason)

    @property
    def _covariates(self) -> tuple[tuple[str, GroupColumn], ...]:
        return self.keys[self.has_strata : -2]

    @property
    def n_strata(self) -> int:
        """1 where none were asked for."""
        return len(names_of(self.keys[0][1])) if self.has_strata else 1

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return group_terms([column for _, column in self._covariates])

    @property
    def design(self) -> Floats:
        """Of each combination of groups, the last covariate fastest; shape ``(combinations, parameters)``."""
        return group_design([column for _, column in self._covariates])

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        time = self.keys[-2][1]
        edges = time.bins if isinstance(time, NumericColumn) else ()
        return {
            "duration": time.name,
            "event": self.keys[-1][1].name,
            "covariates": [column.name for _, column in self._covariates],
            "strata": self.keys[0][1].name if self.has_strata else None,
            "grid": [str(edge) for edge in edges],
            "ties": TIES[0] if self.has_efron else TIES[1],
        }

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> NoisyCoxAnswer:
        """See ``Statistic``."""
        (values,), (law,) = opened, noise
        design = self.design
        table = CoxTable(
            cells=(values / law.weight).reshape(self.n_strata, len(design), -1, 2),
            design=design,
            noise_sd=law.sd,
            has_efron=self.has_efron,
        )
        fit = table.fit()
        if fit is None:
            return NoisyCoxAnswer(terms=self.terms, closed=TOO_FEW, noise_sd=law.sd)
        concordance, spread = table.concordance(fit)
        covariance = fit.sampling + fit.noise
        return NoisyCoxAnswer(
            terms=self.terms,
            params=tuple(fit.params.tolist()),
            standard_errors=tuple(np.sqrt(np.diag(covariance)).tolist()),
            noise_errors=tuple(np.sqrt(np.diag(fit.noise)).tolist()),
            covariance=tuple(tuple(row) for row in covariance.tolist()),
            n_steps=fit.n_steps,
            proportional=_proportionality(table, fit),
            baselines=self._baselines(table, fit),
            concordance=concordance,
            concordance_noise=spread,
            noise_sd=law.sd,
        )

    def _baselines(self, table: CoxTable, fit: TableFit) -> tuple[Baseline, ...]:
        time = self.keys[-2][1]
        edges = tuple(float(edge) for edge in time.bins) if isinstance(time, NumericColumn) else ()
        sums, errors, noise = (np.where(fit.used, each, np.nan) for each in table.baseline(fit))
        # a cumulative hazard rises from 0
        risen = np.maximum.accumulate(np.maximum(sums, 0.0), axis=-1)
        names = names_of(self.keys[0][1]) if self.has_strata else ("",)
        return tuple(
            Baseline(
                name=name,
                edges=edges,
                hazard=tuple(np.diff(risen[place], prepend=0.0).tolist()),
                errors=tuple(errors[place].tolist()),
                noise_errors=tuple(noise[place].tolist()),
            )
            for place, name in enumerate(names)
        )


def _proportionality(table: CoxTable, fit: TableFit) -> Proportionality:
    score, covariance = table.later(fit)
    variances = np.diag(covariance)
    squares = np.divide(score**2, variances, out=np.zeros_like(score), where=variances > 0)
    each = tuple(float(value) for value in squares)
    whole = max(0.0, float(score @ np.linalg.pinv(covariance, hermitian=True) @ score))
    count = len(score)
    pvalues = tuple(chi_square_tail(value, 1) for value in each)
    return Proportionality(each, whole, pvalues, chi_square_tail(whole, count))
