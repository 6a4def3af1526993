"""A fit by steps: rows stay at their sites, sums of gradients and curvatures open to all of them, behind one guard bit.

Layer:       analytics.statistics.linear_models above fit_guard.
Terms:       covariates become columns of the *design* between -1 and 1: the intercept, a numeric column between its declared
             bounds, one column for each category but the first. A site's *sums* are gradient and curvature of the
             log-likelihood over its complete rows, then extras, as integers of ``2^-bits``; the *point* is the parameters,
             as integers of ``2^-40``.
Guarantees:  exact mode alone. The first step opens one bit to all sites (fit_guard). Where it is 0 nothing else opens, for
             whichever cause. The start is zero and the next point follows from opened integers by exact arithmetic, so it
             is the same at every site; no request chooses a point. A fit that is singular, leaves the range or has not
             converged at the cap is closed by the same code.
Visible to:  all sites and the analyst: the bit; the sums of each step; of robust errors the meat at the end.
Source:      Newton's method; docs/guarantees.md P16, P21.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.schema import CategoricalColumn, NumericColumn
from analytics.statistics.base import EXACT, Statistic, Step
from analytics.statistics.matrices.integer_solve import inverse, solve_exactly, symmetric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints
    from analytics.statistics.guards.fit_guard import FitGuard

Floats = npt.NDArray[np.float64]
Phase = Literal["guard", "fit", "meat", "over", "closed"]
POINT_BITS: Final = 40
MAX_PARAMETERS: Final = 30
MAX_TESTED: Final = 5_000
MAX_STEPS: Final = 15
DIGITS: Final = 6
_RING_BITS: Final = 61
_FEWEST_BITS: Final = 24
_INVERSE_BITS: Final = 120
_FARTHEST: Final = 100 << POINT_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class FitState:
    """What is public between two steps.

    Attributes:
        phase: what comes next; ``over`` and ``closed`` are ends.
        point: the parameters of the design.
        n_steps: steps taken.
        curvature: the last one opened, its upper half row by row.
        meat: the sums of squared scores and products, where they were asked, likewise.
    """

    phase: Phase
    point: tuple[int, ...]
    n_steps: int = 0
    curvature: tuple[int, ...] = ()
    meat: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A fit before anything is rounded for the answer.

    Attributes:
        params: in the columns' own units.
        covariance: inverse of the curvature, likewise; with a meat on both sides of it.
        n_steps: steps taken.
    """

    params: Floats
    covariance: Floats
    n_steps: int

    @property
    def bse(self) -> Floats:
        """Standard errors of a dispersion of 1."""
        found: Floats = np.sqrt(np.maximum(np.diag(self.covariance), np.finfo(np.float64).tiny))
        return found


@dataclass(frozen=True, kw_only=True)
class NewtonFit(Statistic[FitState]):
    """The fit of an outcome on covariates.

    Attributes:
        outcome: the outcome.
        covariates: in the order asked.
        max_steps: most steps.
    """

    modes: ClassVar = EXACT
    outcome: GroupColumn
    covariates: tuple[GroupColumn, ...]
    max_steps: int

    @property
    @abstractmethod
    def guard(self) -> FitGuard:
        """What is tested before a sum opens."""

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Parameters of the fit."""

    @property
    @abstractmethod
    def n_extras(self) -> int:
        """Sums beside gradient and curvature."""

    @property
    @abstractmethod
    def reach(self) -> int:
        """A site's sums are at most its rows times this."""

    @property
    @abstractmethod
    def precision(self) -> int:
        """A step that moves no parameter of the design by more than one part of this is the last one."""

    @abstractmethod
    def row_sums(self, rows: Ints, point: Floats) -> Floats:
        """One site's gradient, upper half of the curvature, and extras; shape ``(n_sums,)``."""

    def row_meat(self, rows: Ints, point: Floats) -> Floats:
        """One site's squared scores times products of the design, upper half; of those that have a ``meat_reach``."""
        raise NotImplementedError

    @property
    def meat_reach(self) -> int:
        """A site's meat is at most its rows times this; 0: there is none."""
        return 0

    def next_point(self, state: FitState, sums: tuple[int, ...]) -> tuple[int, ...] | None:
        """The point after the sums of a step; None where there is none. Integers alone."""
        count = self.n_parameters
        curvature = sums[count : count * (count + 3) // 2]
        move = solve_exactly(curvature, sums[:count], POINT_BITS)
        return None if move is None else tuple(a + b for a, b in zip(state.point, move, strict=True))

    def can_end(self, state: FitState, sums: tuple[int, ...]) -> bool:
        """Whether the sums can be those of the end of a fit."""
        del state, sums
        return True

    def check_size(self) -> None:
        """Refuse what no run could hold; a subclass calls it where it is bound."""
        if any(not terms_of(column) for column in (*self.covariates, self.outcome)):
            raise PlanRejectedError(position="formula", reason="a column has one category only")
        if self.n_parameters > MAX_PARAMETERS or self.guard.n_tested > MAX_TESTED:
            reason = f"must make at most {MAX_PARAMETERS} parameters and {MAX_TESTED} guarded counts"
            raise InvalidRequestError(parameter="formula", reason=reason)
        if self.bits < _FEWEST_BITS or (self.meat_reach and self.meat_bits < _FEWEST_BITS):
            raise OverflowRiskError(figure="a gradient", bits=64, limit_bits=_RING_BITS)
        if self.limits.threshold and (leverages := self.guard.leverages) is not None:
            leverages.check_size("formula")

    @property
    def columns(self) -> tuple[str, ...]:
        """The outcome, then the covariates."""
        return (self.outcome.name, *(column.name for column in self.covariates))

    @property
    def design_terms(self) -> tuple[str, ...]:
        """Names of the design's columns."""
        return ("intercept", *(term for column in self.covariates for term in terms_of(column)))

    @property
    def n_sums(self) -> int:
        """Of each step: the gradient, the upper half of the curvature, the extras."""
        return self.n_parameters * (self.n_parameters + 3) // 2 + self.n_extras

    @property
    def bits(self) -> int:
        """Binary places of a site's sums."""
        largest = self.limits.n_sites * self.limits.rows_max * self.reach
        return min(POINT_BITS, _RING_BITS - largest.bit_length())

    @property
    def most_opened(self) -> int:
        """Numbers that a run can open, the bit among them."""
        return 1 + self.max_steps * self.n_sums + self.n_meat

    @property
    def n_meat(self) -> int:
        """Numbers of the meat."""
        return self.n_parameters * (self.n_parameters + 1) // 2 if self.meat_reach else 0

    @property
    def meat_bits(self) -> int:
        """Binary places of a site's meat."""
        largest = self.limits.n_sites * self.limits.rows_max * self.meat_reach
        return min(POINT_BITS, _RING_BITS - largest.bit_length())

    # -- steps ---------------------------------------------------------------------------------------------

    def start(self) -> FitState:
        """At zero; without a minimum cell there is no guard."""
        return FitState(phase="guard" if self.limits.threshold else "fit", point=(0,) * self.n_parameters)

    def step(self, state: FitState) -> Step | None:
        """The guard, then the steps of the fit."""
        if state.phase == "guard":
            return self.guard.step()
        if state.phase == "meat":
            return self._meat_step(state.point)
        return self._fit_step(state.point) if state.phase == "fit" else None

    def every_step(self) -> tuple[Step, ...]:
        """The guard and as many steps as there can be."""
        zero = (0,) * self.n_parameters
        fits = (self._fit_step(zero),) * self.max_steps
        fits += (self._meat_step(zero),) if self.meat_reach else ()
        return (self.guard.step(), *fits) if self.limits.threshold else fits

    def advance(self, state: FitState, opened: Ints) -> FitState:
        """See ``Statistic``: integers alone."""
        values = tuple(int(value) for value in opened)
        if state.phase == "guard":
            return FitState(phase="fit" if values == (1,) else "closed", point=state.point)
        if state.phase == "meat":
            return replace(state, phase="over", meat=values)
        count, n_steps = self.n_parameters, state.n_steps + 1
        point = self.next_point(state, values)
        if point is None or max(map(abs, point)) > _FARTHEST:
            return FitState(phase="closed", point=state.point, n_steps=n_steps)
        moved = max(abs(a - b) for a, b in zip(point, state.point, strict=True))
        if moved <= (1 << POINT_BITS) // self.precision:
            last: Phase = "meat" if self.meat_reach else "over"
            phase = last if self.can_end(state, values) else "closed"
            curvature = values[count : count * (count + 3) // 2]
            return FitState(phase=phase, point=point, n_steps=n_steps, curvature=curvature)
        more: Phase = "fit" if n_steps < self.max_steps else "closed"
        return FitState(phase=more, point=point, n_steps=n_steps)

    def fit(self, opened: Sequence[Ints]) -> Fitted | None:
        """The fit from what each step opened; None where it is closed."""
        state = self.end(opened)
        if state.phase != "over":
            return None
        point = np.array(state.point, dtype=np.float64) / 2.0**POINT_BITS
        covariance = np.array(inverse(state.curvature, self.n_parameters, _INVERSE_BITS), dtype=np.float64)
        covariance *= 2.0 ** (self.bits - _INVERSE_BITS)
        if self.meat_reach:
            meat = np.array(symmetric(state.meat, self.n_parameters), dtype=np.float64) * 2.0**-self.meat_bits
            covariance = covariance @ meat @ covariance
        units = self.units()
        return Fitted(
            params=units @ point,
            covariance=units @ covariance @ units.T,
            n_steps=state.n_steps,
        )

    def end(self, opened: Sequence[Ints]) -> FitState:
        """The state after what was opened."""
        state = self.start()
        for values in opened:
            state = self.advance(state, values)
        return state

    def sums_of(self, opened: Sequence[Ints]) -> list[Floats]:
        """The sums of each step, without their unit."""
        return [2.0**-self.bits * step.astype(np.float64) for step in opened if len(step) == self.n_sums]

    def units(self) -> Floats:
        """From parameters of the design to those of the columns' own units."""
        return design_units(self.covariates)

    def _fit_step(self, point: tuple[int, ...]) -> Step:
        return Step(
            name="Newton step: gradient, Hessian and log-likelihood",
            to="sites",
            clamps=((self.limits.rows_max * self.reach) << self.bits,) * self.n_sums,
            local=lambda rows: self._local(rows, point),
            joint=lambda _session, sums: sums,
            n_values=self.n_sums,
        )

    def _meat_step(self, point: tuple[int, ...]) -> Step:
        most = self.limits.rows_max * self.meat_reach

        def local(rows: Ints) -> Ints:
            sums = self.row_meat(rows, np.array(point, dtype=np.float64) / 2.0**POINT_BITS)
            found: Ints = np.rint(np.clip(sums, -most, most) * 2.0**self.meat_bits).astype(np.int64)
            return found

        return Step(
            name="sums of squared scores and products",
            to="sites",
            clamps=(most << self.meat_bits,) * self.n_meat,
            local=local,
            joint=lambda _session, sums: sums,
            n_values=self.n_meat,
        )

    def _local(self, rows: Ints, point: tuple[int, ...]) -> Ints:
        """Gradient, curvature and extras of this site's rows; within the clamps however floats round."""
        sums = self.row_sums(rows, np.array(point, dtype=np.float64) / 2.0**POINT_BITS)
        most = float(self.limits.rows_max * self.reach)
        found: Ints = np.rint(np.clip(sums, -most, most) * 2.0**self.bits).astype(np.int64)
        return found


def terms_of(column: GroupColumn) -> tuple[str, ...]:
    """Names of a column's part of the design."""
    if isinstance(column, CategoricalColumn):
        return tuple(f"{column.name}={value}" for value in column.domain[1:])
    return (column.name,)


def design_units(covariates: Sequence[GroupColumn]) -> Floats:
    """From parameters of the design, the intercept first, to those of the columns' own units."""
    found = np.eye(1 + sum(len(terms_of(column)) for column in covariates))
    place = 1
    for column in covariates:
        if isinstance(column, NumericColumn):
            span = float(column.upper - column.lower)
            found[place, place] = 2 / span
            found[0, place] = -float(column.upper + column.lower) / span
        place += len(terms_of(column))
    return found


def rounded(values: Floats) -> tuple[float, ...]:
    """To the six digits of an answer."""
    return tuple(float(f"{value:.{DIGITS}g}") for value in values)
