"""Logistic regression by Newton's method: rows stay at their sites, sums of gradients and Hessians open to all of them.

Layer:       analytics.statistics.regression above base.
Terms:       covariates become columns of the *design* between -1 and 1: the intercept, a numeric column between its
             declared bounds, one column for each category but the first. A site's *sums* are gradient and Hessian of the
             log-likelihood over its complete rows, as integers of ``2^-bits``, then the log-likelihood in 64 of them; the
             *point* is the parameters, as integers of ``2^-40``. An *atom* is a set of rows that a covariate tells
             apart.
Guarantees:  exact mode alone. The first step opens one bit to all sites: whether each atom, each atom and outcome, and
             each two atoms of two covariates hold at least the threshold, and all rows at least the threshold times the
             parameters and 3 times sites per unit times the numbers that can open. Where the combinations of all
             covariates' values, or of those with few values, are no more than these numbers, the Hessians' weights could
             tell how many rows have each: then every combination is tested as well. The bit is also 0 where a relation of
             first or second degree of covariates and outcome holds for all but few people (relation_guard). Where the bit is 0
             nothing else opens, for whichever cause. The start is zero and the next point follows from opened integers by exact
             arithmetic, so it is the same at every site; no request chooses a point. A fit that is singular, leaves the
             range or has not converged at the cap is closed by the same code.
Visible to:  all sites and the analyst: the bit; gradient, Hessian and log-likelihood of each step. Number of rows and of
             outcomes follow from the first step.
See instead: private models, whose gradients carry noise (``federation.training``). Numeric data that lie at few points
             far apart can still tell how many rows lie elsewhere, as sums of squares in SQL (``plans.cell_guards``).
Source:      Newton's method for a binomial likelihood with its canonical link; docs/guarantees.md
             P16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit, column_of
from analytics.statistics.base import EXACT, Statistic, Step
from analytics.statistics.glm_answer import FIT_CLOSED, GlmAnswer
from analytics.statistics.integer_solve import inverse, solve_exactly
from analytics.statistics.relation_guard import Places, design_of, spanning_counts
from analytics.statistics.value_guards import Sets, alone, atoms, value_span
from analytics.statistics.value_windows import has_few_values
from smpc.operations.arithmetic import take
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.noise_law import NoiseLaw
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
POINT_BITS: Final = 40
MAX_PARAMETERS: Final = 30
MAX_TESTED: Final = 5_000
MAX_STEPS: Final = 15
_RING_BITS: Final = 61
_FEWEST_BITS: Final = 24
_INVERSE_BITS: Final = 120
_CONVERGED: Final = (1 << POINT_BITS) // 10**7
_FARTHEST: Final = 100 << POINT_BITS
_DIGITS: Final = 6
_LIKELIHOOD: Final = 64  # units of a log-likelihood: no row of a fit that converges has a lower mean


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What is public between two steps.

    Attributes:
        phase: what comes next; ``over`` and ``closed`` are ends.
        point: the parameters of the design.
        n_steps: Newton steps taken.
        hessian: the last one opened, its upper half row by row.
    """

    phase: Literal["guard", "fit", "over", "closed"]
    point: tuple[int, ...]
    n_steps: int = 0
    hessian: tuple[int, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Glm(Statistic[_State]):
    """The fit of a true-or-false outcome on covariates.

    Attributes:
        outcome: the outcome.
        covariates: in the order asked.
        max_steps: most Newton steps.
    """

    name: ClassVar[str] = "glm"
    summary: ClassVar[str] = "logistic regression by Newton steps over opened sums"
    modes: ClassVar = EXACT
    no_private: ClassVar[str] = (
        "must be exact: each Newton step of glm opens a gradient and a Hessian; FederatedLogisticRegression fits with noise"
    )
    parameters: ClassVar = (
        Parameter(name="outcome", meaning="a true-or-false column"),
        Parameter(name="covariates", meaning="a list of columns"),
        Parameter(name="family", meaning="binomial, with the logit link", default="binomial"),
        Parameter(name="max_steps", meaning="most Newton steps", default=8),
    )
    outcome: BooleanColumn
    covariates: tuple[GroupColumn, ...]
    max_steps: int

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        if arguments.text("family") != "binomial":
            raise InvalidRequestError(parameter="family", reason="must be binomial")
        outcome = arguments.flag_column("outcome", table)
        covariates = tuple(column_of(name, table, "covariates") for name in arguments.texts("covariates"))
        names = [column.name for column in covariates]
        if outcome.name in names or len(set(names)) < len(names):
            raise InvalidRequestError(
                parameter="covariates", reason="must be different columns, without the outcome"
            )
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            outcome=outcome,
            covariates=covariates,
            max_steps=arguments.whole("max_steps", low=2, high=MAX_STEPS),
        )
        bound._check_size()
        return bound

    def _check_size(self) -> None:
        if any(not _terms(column) for column in self.covariates):
            raise PlanRejectedError(position="covariates", reason="a column has one category only")
        if self.n_parameters > MAX_PARAMETERS or self._n_tested > MAX_TESTED:
            reason = f"must make at most {MAX_PARAMETERS} parameters and {MAX_TESTED} guarded counts"
            raise InvalidRequestError(parameter="covariates", reason=reason)
        if self.bits < _FEWEST_BITS:
            raise OverflowRiskError(figure="a gradient", bits=64, limit_bits=_RING_BITS)

    @property
    def columns(self) -> tuple[str, ...]:
        """The outcome, then the covariates."""
        return (self.outcome.name, *(column.name for column in self.covariates))

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return ("intercept", *(term for column in self.covariates for term in _terms(column)))

    @property
    def n_parameters(self) -> int:
        """Columns of the design."""
        return len(self.terms)

    @property
    def n_sums(self) -> int:
        """Of each step: the gradient, the upper half of the Hessian, the log-likelihood."""
        return self.n_parameters * (self.n_parameters + 3) // 2 + 1

    @property
    def bits(self) -> int:
        """Binary places of a site's sums."""
        rows = self.limits.n_sites * self.limits.rows_max
        return min(POINT_BITS, _RING_BITS - rows.bit_length())

    @property
    def most_opened(self) -> int:
        """Numbers that a run can open, the bit among them."""
        return 1 + self.max_steps * self.n_sums

    @property
    def fewest_rows(self) -> int:
        """Rows that all sites together must have: see the module."""
        by_numbers = 3 * self.limits.sites_per_unit * self.most_opened
        return max(self.limits.threshold * self.n_parameters, by_numbers)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "outcome": self.outcome.name,
            "covariates": [column.name for column in self.covariates],
            "family": "binomial",
            "max_steps": self.max_steps,
            "bits": self.bits,
            "fewest_rows": self.fewest_rows if self.limits.threshold else 0,
        }

    # -- steps ---------------------------------------------------------------------------------------------

    def start(self) -> _State:
        """At zero; without a minimum cell there is no guard."""
        return _State(phase="guard" if self.limits.threshold else "fit", point=(0,) * self.n_parameters)

    def step(self, state: _State) -> Step | None:
        """The guard, then Newton steps."""
        if state.phase == "guard":
            return self._guard_step()
        return self._fit_step(state.point) if state.phase == "fit" else None

    def every_step(self) -> tuple[Step, ...]:
        """The guard and as many Newton steps as there can be."""
        fits = (self._fit_step((0,) * self.n_parameters),) * self.max_steps
        return (self._guard_step(), *fits) if self.limits.threshold else fits

    def advance(self, state: _State, opened: Ints) -> _State:
        """See ``Statistic``: integers alone."""
        values = tuple(int(value) for value in opened)
        if state.phase == "guard":
            return _State(phase="fit" if values == (1,) else "closed", point=state.point)
        count, n_steps = self.n_parameters, state.n_steps + 1
        gradient, hessian = values[:count], values[count:-1]
        move = solve_exactly(hessian, gradient, POINT_BITS)
        point = None if move is None else tuple(a + b for a, b in zip(state.point, move, strict=True))
        if move is None or point is None or max(map(abs, point)) > _FARTHEST:
            return _State(phase="closed", point=state.point, n_steps=n_steps)
        if max(map(abs, move)) <= _CONVERGED:
            return _State(phase="over", point=point, n_steps=n_steps, hessian=hessian)
        phase: Literal["fit", "closed"] = "fit" if n_steps < self.max_steps else "closed"
        return _State(phase=phase, point=point, n_steps=n_steps)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> GlmAnswer:
        """See ``Statistic``."""
        del noise
        params, errors, n_steps = self.fitted(opened)
        if not len(params):
            return GlmAnswer(terms=self.terms, n_steps=n_steps, closed=FIT_CLOSED)
        steps = [step for step in opened if len(step) == self.n_sums]
        first, count = steps[0], self.n_parameters
        unit = 2.0**-self.bits
        nobs = round(4 * unit * int(first[count]))  # at 0 every row weighs a quarter
        return GlmAnswer(
            terms=self.terms,
            params=tuple(float(f"{value:.{_DIGITS}g}") for value in params),
            bse=tuple(float(f"{value:.{_DIGITS}g}") for value in errors),
            n_steps=n_steps,
            nobs=nobs,
            n_events=round(unit * int(first[0]) + nobs / 2),
            llf=_LIKELIHOOD * unit * int(steps[-1][-1]),
        )

    def fitted(self, opened: Sequence[Ints]) -> tuple[Floats, Floats, int]:
        """Parameters and standard errors before they are rounded, and the steps taken; empty where the fit is closed."""
        state = self.start()
        for values in opened:
            state = self.advance(state, values)
        nothing = np.zeros(0)
        if state.phase != "over":
            return nothing, nothing, state.n_steps
        point = np.array(state.point, dtype=np.float64) / 2.0**POINT_BITS
        covariance = np.array(inverse(state.hessian, self.n_parameters, _INVERSE_BITS), dtype=np.float64)
        units = self._units()
        variances = np.diag(units @ covariance @ units.T) * 2.0 ** (self.bits - _INVERSE_BITS)
        return units @ point, np.sqrt(np.maximum(variances, np.finfo(np.float64).tiny)), state.n_steps

    def _units(self) -> Floats:
        """From parameters of the design to those of the columns' own units."""
        found = np.eye(self.n_parameters)
        place = 1
        for column in self.covariates:
            if isinstance(column, NumericColumn):
                span = float(column.upper - column.lower)
                found[place, place] = 2 / span
                found[0, place] = -float(column.upper + column.lower) / span
            place += len(_terms(column))
        return found

    def _fit_step(self, point: tuple[int, ...]) -> Step:
        return Step(
            name="Newton step: gradient, Hessian and log-likelihood",
            to="sites",
            clamps=(self.limits.rows_max << self.bits,) * self.n_sums,
            local=lambda rows: self._sums(rows, point),
            joint=lambda _session, sums: sums,
            n_values=self.n_sums,
        )

    def _guard_step(self) -> Step:
        return Step(
            name="guard of the fit",
            to="sites",
            clamps=(self.limits.rows_max,) * self._n_tested,
            local=self._tested,
            joint=self._all_reached,
            n_values=0,
            n_flags=1,
            has_products=True,
        )

    def _all_reached(self, session: Session, counts: Shared) -> Shared:
        least = [self.limits.threshold] * (counts.size - 1) + [self.fewest_rows]
        flags = self.limits.reached(session, counts, least)
        return all_of(session, *(take(flags, [place]) for place in range(flags.size)))

    # -- one site's rows -----------------------------------------------------------------------------------

    def _sums(self, rows: Ints, point: tuple[int, ...]) -> Ints:
        """Gradient and Hessian of this site's rows; shape ``(n_sums,)``; within the clamps however floats round."""
        design, truths = self._design(rows), rows[:, 1].astype(np.float64)
        odds = design @ (np.array(point, dtype=np.float64) / 2.0**POINT_BITS)
        small = np.exp(-np.abs(odds))
        chance = np.where(odds >= 0, 1.0, small) / (1 + small)
        gradient = design.T @ (truths - chance)
        hessian = (design * (small / (1 + small) ** 2)[:, np.newaxis]).T @ design
        likely = np.where(truths == 1, odds, -odds)  # log odds of what was observed
        total = float((np.minimum(likely, 0) - np.log1p(small)).sum()) / _LIKELIHOOD
        sums = np.concatenate([gradient, hessian[np.triu_indices(self.n_parameters)], [total]])
        most = float(len(rows))
        found: Ints = np.rint(np.clip(sums, -most, most) * 2.0**self.bits).astype(np.int64)
        return found

    def _design(self, rows: Ints) -> Floats:
        """Shape ``(n_rows, n_parameters)``, between -1 and 1; of rows the unit and the outcome come first."""
        return design_of(self.covariates, rows[:, 2:])

    def _tested(self, rows: Ints) -> Ints:
        """The guard's counts of this site's rows; all rows are the last."""
        outcome: Sets = [rows[:, 1] == 1, rows[:, 1] == 0]
        apart = [atoms(column, rows[:, place]) for place, column in enumerate(self.covariates, start=2)]
        by_column = [
            each
            for place, column in enumerate(self.covariates, start=2)
            for each in alone(column, rows[:, place])
        ]
        pairs = [
            one & other
            for first, second in combinations([outcome, *apart], 2)
            for one in first
            for other in second
        ]
        sets = [*outcome, *(each for found in apart for each in found), *by_column, *pairs]
        counts = [*(int(each.sum()) for each in sets), *self._combinations(rows)]
        counts += spanning_counts((Places(2), *self.covariates), rows[:, 1:], self.limits.threshold)
        return np.array([*counts, len(rows)], dtype=np.int64)

    def _combinations(self, rows: Ints) -> list[int]:
        """Rows of each combination of the values of all covariates, or else of those with few values: see the module."""
        spans = [(place, *value_span(column)) for place, column in enumerate(self.covariates, start=2)]
        few = [(place, low, high) for place, low, high in spans if self._is_discrete(place - 2)]
        for chosen in (spans, few):
            sizes = [high - low + 1 for _, low, high in chosen]
            if chosen and math.prod(sizes) <= self.most_opened:
                place = np.zeros(len(rows), dtype=np.int64)
                for (number, low, _), size in zip(chosen, sizes, strict=True):
                    place = place * size + rows[:, number] - low
                return [int(count) for count in np.bincount(place, minlength=math.prod(sizes))]
        return []

    def _is_discrete(self, place: int) -> bool:
        column = self.covariates[place]
        return not isinstance(column, NumericColumn) or has_few_values(column.grid_lower, column.grid_upper)

    @property
    def _n_tested(self) -> int:
        return len(self._tested(np.zeros((0, 2 + len(self.covariates)), dtype=np.int64)))


def _terms(column: GroupColumn) -> tuple[str, ...]:
    if isinstance(column, CategoricalColumn):
        return tuple(f"{column.name}={value}" for value in column.domain[1:])
    return (column.name,)
