"""Private generalised linear models: one release of sufficient figures by the covariates' groups, and a fit of that table.

Layer:       analytics.statistics.linear_models above counts, noisy_cells and group_design; regression.glm gives it its name.
Terms:       covariates are categories, true-or-false columns, and numbers by their declared bins; each has one parameter for
             each group but its first. Of a true-or-false outcome the figures of a combination of groups are its rows without
             and with the outcome; of a count they are the exposure (without one: rows) and the sum of the counts.
Guarantees:  the figures are sufficient for the fit, so nothing but the noise is lost against an exact fit of the same groups.
             One row is in one cell, so chances cost what one count costs; of counts, both figures are one release with a joint
             norm. P-values and intervals are a parametric bootstrap over sampling and mechanism, seeded by the answer. Where
             the noise hides the fit it has the code ``too_few``, which follows from the noisy table alone: separation, a
             singular design and no event give no other one. Rows without a known value are left out.
Visible to:  the analyst: the figures with noise.
See instead: exact fits, where numbers enter as they are (regression.glm); private ones of a number (released_ols).
Source:      see noisy_cells; why this construction: docs/adr/0032.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.schema import NumericColumn
from analytics.sql.query import Clause, Use
from analytics.sql.terms.expressions import ColumnIndex, Flag, Integer, TruthValue
from analytics.statistics.blocks import BlockSpec, JointNorm, Measure, all_known
from analytics.statistics.counts import CountStatistic
from analytics.statistics.group_models.group_design import group_design, group_terms, known_groups
from analytics.statistics.group_models.noisy_cells import NoisyCells
from analytics.statistics.group_models.released_glm_answer import TOO_FEW, ReleasedGlmAnswer
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import BoundQuery, GroupColumn
    from analytics.statistics.base import Ints, Step
    from analytics.statistics.linear_models.families import Family
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

REPLICATES: Final = 999
MAX_COMBINATIONS: Final = 200  # beyond, steps with noisy gradients err less: docs/adr/0032
MAX_PARAMETERS: Final = 20
_SCALE: Final = 64  # weights are whole numbers, and so lose at most this part of their precision
_FIGURES: Final = 2


@dataclass(frozen=True, kw_only=True)
class ReleasedGlm(CountStatistic):
    """The fit; the keys are the covariates, and of chances the outcome after them.

    Attributes:
        outcome: what is modelled.
        family: with its link.
    """

    outcome: GroupColumn
    family: Family

    def check_size(self) -> None:
        """Refuse what has no fit or is too large for one; whoever binds it calls this.

        Raises:
            InvalidRequestError: too many groups, or one group only.
            PlanRejectedError: a covariate without groups, or counts in other steps than 1.
        """
        if isinstance(self.outcome, NumericColumn) and self.outcome.resolution != 1:
            reason = f"{self.outcome.name} must be declared in steps of 1 for a private fit of counts"
            raise PlanRejectedError(position="formula", reason=reason)
        for column in self.covariates:
            if isinstance(column, NumericColumn) and not column.bins:
                reason = f"{column.name} has no bins in the schema"
                hint = "declare its bins: in a private fit a number enters by them"
                raise PlanRejectedError(position="formula", reason=reason, hint=hint)
            if len(known_groups(column)) <= 1:
                raise InvalidRequestError(
                    parameter="formula", reason=f"must not hold {column.name}, which has one group only"
                )
        count = math.prod(len(known_groups(column)) for column in self.covariates)
        if count > MAX_COMBINATIONS or len(self.terms) > MAX_PARAMETERS:
            reason = (
                f"must make at most {MAX_PARAMETERS} parameters and {MAX_COMBINATIONS} combinations of groups for a "
                f"private fit, not {len(self.terms)} and {count}"
            )
            raise InvalidRequestError(parameter="formula", reason=reason)

    @property
    def covariates(self) -> tuple[GroupColumn, ...]:
        """In the order asked."""
        return tuple(column for _, column in self.keys if column.name != self.outcome.name)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return ("intercept", *group_terms(self.covariates))

    @property
    def design(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Of each combination, the intercept first."""
        groups = group_design(self.covariates)
        return np.concatenate([np.ones((len(groups), 1)), groups], axis=1)

    @property
    def has_chances(self) -> bool:
        """Whether the figures are rows without and with the outcome."""
        return True

    @property
    def units(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """What a step of each figure is in the fit: an exposure is a part of its upper bound."""
        return np.ones(_FIGURES)

    @property
    def log_unit(self) -> float:
        """Logarithm of the exposure that is 1 in the fit."""
        return 0.0

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "outcome": self.outcome.name,
            "covariates": [column.name for column in self.covariates],
            "family": self.family.name,
            "link": self.family.link,
        }

    def figures_of(self, values: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The two figures of each combination, from what was opened; shape ``(2, combinations)``."""
        return values.reshape(-1, _FIGURES).T.astype(np.float64)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> ReleasedGlmAnswer:
        """See ``Statistic``."""
        (values,) = opened
        laws, units = (noise[0], noise[-1]), self.units
        weights = np.array([law.weight for law in laws], dtype=np.float64)
        cells = NoisyCells(
            figures=self.figures_of(values) * (units / weights)[:, np.newaxis],
            design=self.design,
            noise_sds=units * np.array([law.sd for law in laws]),
            family=self.family,
            has_chances=self.has_chances,
        )
        sizes = cells.figures.sum(axis=1)
        none = ReleasedGlmAnswer(
            terms=self.terms,
            closed=TOO_FEW,
            nobs=float(sizes.sum() if self.has_chances else sizes[0] * np.exp(self.log_unit)),
            n_events=float(sizes[1]),
            noise_sds=(float(cells.noise_sds[0] * np.exp(self.log_unit)), float(cells.noise_sds[1])),
            family=self.family.name,
            link=self.family.link,
            ratio=self.family.ratio,
        )
        fit = cells.fit()
        if fit is None:
            return none
        errors = np.sqrt(np.diag(fit.covariance))
        drawn = cells.replicates(fit, REPLICATES, simulation(values))
        params = fit.params - self.log_unit * np.eye(1, len(fit.params))[0]
        farther = (np.abs(drawn) >= np.abs(params / errors)).sum(axis=0)
        return replace(
            none,
            closed="",
            params=tuple(params.tolist()),
            bse=tuple(errors.tolist()),
            sampling_errors=tuple(np.sqrt(np.diag(fit.sampling)).tolist()),
            noise_errors=tuple(np.sqrt(np.diag(fit.noise)).tolist()),
            pvalues=tuple(((1 + farther) / (1 + len(drawn))).tolist()),
            covariance=tuple(tuple(row) for row in fit.covariance.tolist()),
            n_steps=fit.n_steps,
            distances=drawn,
        )


@dataclass(frozen=True, kw_only=True)
class ReleasedRates(ReleasedGlm):
    """The fit of counts; the keys are the covariates.

    Attributes:
        exposure: what the counts are over; None for rows.
    """

    exposure: NumericColumn | None = None

    @property
    def has_chances(self) -> bool:
        """Exposure and counts."""
        return False

    @property
    def units(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """See ``ReleasedGlm``."""
        return np.array([1.0 if self.exposure is None else 1 / self.exposure.grid_upper, 1.0])

    @property
    def log_unit(self) -> float:
        """See ``ReleasedGlm``."""
        return 0.0 if self.exposure is None else math.log(float(self.exposure.upper))

    @property
    def query(self) -> BoundQuery:
        """The groups, over rows with a known outcome and exposure."""
        read = [self.outcome, *([] if self.exposure is None else [self.exposure])]
        uses = [Use(column=each.name, clause=Clause.AGGREGATE, position="formula") for each in read]
        grouped = super().query
        return replace(
            grouped,
            outputs=(),
            where=all_known([_value(each) for each in read]),
            uses=(*grouped.uses, *uses),
        )

    @property
    def figures(self) -> tuple[BlockSpec, ...]:
        """Exposure or rows, then counts."""
        size = (
            BlockSpec(measure=Measure.ROWS)
            if self.exposure is None
            else BlockSpec(measure=Measure.SUM, argument=_value(self.exposure))
        )
        return size, BlockSpec(measure=Measure.SUM, argument=_value(self.outcome))

    @property
    def norm(self) -> JointNorm:
        """See ``Statistic``; the counts get four times the privacy of the sizes, whose noise counts for less."""
        size, counts = (block.bound for block in self.figures)
        scale = 2 * _SCALE * max(size, counts)
        weights = scale // (2 * size), scale // counts
        return JointNorm(weights=weights, square=(weights[0] * size) ** 2 + (weights[1] * counts) ** 2)

    @property
    def places(self) -> tuple[int, ...]:
        """Of both figures."""
        cells = super().places
        total = int(np.prod(self.shape))
        return (*cells, *(total + place for place in cells))

    def every_step(self) -> tuple[Step]:
        """One opening to the analyst."""
        (step,) = super().every_step()
        total = int(np.prod(self.shape))
        clamps = [self.limits.rows_max * block.bound for block in self.figures for _ in range(total)]
        return (replace(step, name="sums of groups", clamps=tuple(clamps)),)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found = super().describe()
        return found if self.exposure is None else {**found, "exposure": self.exposure.name}

    def figures_of(self, values: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """See ``ReleasedGlm``."""
        return values.reshape(_FIGURES, -1).astype(np.float64)


def _value(column: GroupColumn) -> Integer:
    """A column as an expression: of a number its steps."""
    if isinstance(column, NumericColumn):
        return ColumnIndex(name=column.name, lower=column.grid_lower, upper=column.grid_upper)
    return TruthValue(condition=Flag(name=column.name))
