"""Cox regression on a declared grid by Newton's method: sums over risk sets stay on shares, score and information open.

Layer:       analytics.statistics.survival above fit_guard and life_tables.
Terms:       covariates become columns of the *design* between -1 and 1: a numeric column between its declared bounds, one
             column for each category but the first. The *point* is the parameters, as integers of ``2^-40``. Times are put
             on the grid; those censored in an interval are at risk for its events; ties are Breslow's.
Guarantees:  exact mode; released_cox is the other. The first step opens one bit, see fit_guard: the event is its outcome, and the
             intervals, with and without the event, are its splits. Where the bit is 0 nothing else opens, for whichever
             cause. The start is zero, and the next point follows from opened integers by exact arithmetic, so it is the
             same at every site; no request chooses a point. Sums over risk sets, events and means at a grid point never
             open; score and information are rounded to ``2^-16``, about six digits. A fit that is singular, leaves the
             range or has not converged at the cap is closed by the same code, whatever the cause: no event, separation, or
             parameters that are too far apart. With strata, risk sets are those of each stratum, and the guard takes
             the stratum as one more covariate.
Visible to:  all sites and the analyst: the bit; score and information of each step. The analyst alone: see cox_checks.
See instead: curves by group (kaplan_meier), private fits (released_cox). Efron's ties need as many terms at a grid point
             as it has events, which is a secret; a finer grid has fewer ties. Concordance needs the order of all people's
             risks. A grid so coarse that its table could be
             solved for is tested cell by cell, where a finer one need not be. What score and information tell of few
             people at far values, and to an analyst who knows that cells are empty: as in regression.glm.
Source:      Cox 1972, Breslow 1974; see hazards.partial_likelihood; docs/guarantees.md P21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self

import numpy as np

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit, column_of
from analytics.statistics.base import BOTH, Statistic, Step
from analytics.statistics.fit_guard import FitGuard
from analytics.statistics.grids import coarser
from analytics.statistics.hazards.cox_answer import FIT_CLOSED, Baseline, CoxAnswer, Proportionality
from analytics.statistics.hazards.cox_checks import LastOpening, baselines, proportionality
from analytics.statistics.hazards.cox_design import POINT_BITS, CoxDesign, names_of, stratum_of, terms_of
from analytics.statistics.hazards.partial_likelihood import (
    OPENED_BITS,
    RATIO_BITS,
    TOTAL_BITS,
    RiskSums,
    score_and_information,
)
from analytics.statistics.hazards.released_cox import ReleasedCox
from analytics.statistics.integer_solve import inverse, solve_exactly

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import BooleanColumn, NumericColumn, Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.life_tables.curves import Floats
    from analytics.statistics.noise_law import NoiseLaw

NAME: Final = "cox"
SUMMARY: Final = "Cox regression on a declared grid"
MAX_POINTS: Final = 512
MAX_PARAMETERS: Final = 20
MAX_TESTED: Final = 5_000
MAX_STEPS: Final = 12
_FEWEST_BITS: Final = 20
_INVERSE_BITS: Final = 120
_CONVERGED: Final = 1 << (POINT_BITS - 17)
_FARTHEST: Final = 16  # largest range of x b: a weight is at least e^-16 of the largest
_DIGITS: Final = 6
_NO_EFRON: Final = (
    "must be breslow: Efron's ties need as many terms at a time as it has events, which stays secret; "
    "a finer grid has fewer ties"
)
_FIRST: Final = 3  # of the rows' columns: unit, time, event, then the covariates


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What is public between two steps.

    Attributes:
        phase: what comes next, of which ``last`` is the opening after the steps; ``over`` and ``closed`` are ends.
        point: the parameters of the design.
        n_steps: Newton steps taken.
        information: the last one opened, its upper half row by row.
    """

    phase: Literal["guard", "fit", "last", "over", "closed"]
    point: tuple[int, ...]
    n_steps: int = 0
    information: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PrivateCox(ReleasedCox):
    """The fit of a released table."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY


@dataclass(frozen=True, kw_only=True)
class Cox(Statistic[_State]):
    """The fit of the hazard of an event on covariates.

    Attributes:
        time: the duration, whose bins are the grid.
        event: the event.
        covariates: in the order asked.
        strata: each of its categories has a baseline of its own.
        max_steps: most Newton steps.
        proportional: whether proportional hazards are tested.
        baseline: whether the baseline hazard is opened.
    """

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = SUMMARY
    modes: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="duration", meaning="a numeric column with declared bins: the time"),
        Parameter(name="event", meaning="true where the event was seen, false where the time was censored"),
        Parameter(
            name="covariates", meaning="a list of columns; private: numbers enter by their declared bins"
        ),
        Parameter(
            name="grid", meaning="edges of the declared bins that make coarser intervals", default=None
        ),
        Parameter(name="max_steps", meaning="exact: most Newton steps", default=6),
        Parameter(name="strata", meaning="a category: each has a baseline hazard of its own", default=None),
        Parameter(name="ties", meaning="exact: breslow; private: efron, or breslow", default=None),
        Parameter(name="proportional", meaning="exact: true: test proportional hazards too", default=False),
        Parameter(
            name="baseline",
            meaning="exact: true: give the baseline hazard too, on at most 60 intervals",
            default=False,
        ),
    )
    time: NumericColumn
    event: BooleanColumn
    covariates: tuple[GroupColumn, ...]
    max_steps: int
    strata: GroupColumn | None
    proportional: bool
    baseline: bool

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self | PrivateCox:
        """See ``Statistic``."""
        if mode == "private":
            return PrivateCox.bind(table, arguments, mode, limits)
        check_one_row_a_unit(table, cls.name)
        time = arguments.number_column("duration", table)
        event = arguments.flag_column("event", table)
        covariates = tuple(column_of(name, table, "covariates") for name in arguments.texts("covariates"))
        if {time.name, event.name} & {column.name for column in covariates}:
            raise InvalidRequestError(parameter="covariates", reason="must not hold duration or event")
        if arguments.is_given("ties") and arguments.text("ties") != "breslow":
            raise InvalidRequestError(parameter="ties", reason=_NO_EFRON)
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            time=replace(time, bins=coarser(arguments, time, "duration", MAX_POINTS)),
            event=event,
            covariates=covariates,
            max_steps=arguments.whole("max_steps", low=2, high=MAX_STEPS),
            strata=stratum_of(arguments, table, {time.name, event.name, *(each.name for each in covariates)}),
            proportional=arguments.flag("proportional"),
            baseline=arguments.flag("baseline"),
        )
        bound._check_size()
        return bound

    def _check_size(self) -> None:
        if any(not terms_of(column) for column in self.covariates):
            raise PlanRejectedError(position="covariates", reason="a column has one category only")
        if len(self.terms) > MAX_PARAMETERS or self.guard.n_tested > MAX_TESTED:
            reason = f"must make at most {MAX_PARAMETERS} parameters and {MAX_TESTED} guarded counts"
            raise InvalidRequestError(parameter="covariates", reason=reason)
        if self.layout.n_points > MAX_POINTS:
            reason = f"must make at most {MAX_POINTS} intervals of all strata: {self.layout.n_points}"
            raise InvalidRequestError(parameter="grid", reason=reason)
        self.last.check_size()
        if self.layout.sum_bits < _FEWEST_BITS:
            raise OverflowRiskError(figure="a sum over a risk set", bits=64, limit_bits=TOTAL_BITS)

    @property
    def columns(self) -> tuple[str, ...]:
        """Time, event, then the covariates and the stratum."""
        return (self.time.name, self.event.name, *(column.name for column in self._guarded))

    @property
    def _guarded(self) -> tuple[GroupColumn, ...]:
        """The covariates and the stratum."""
        return self.covariates if self.strata is None else (*self.covariates, self.strata)

    @property
    def design(self) -> CoxDesign:
        """Of the covariates."""
        return CoxDesign(self.covariates)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return self.design.terms

    @property
    def layout(self) -> RiskSums:
        """Of a site's contributions."""
        rows = self.limits.n_sites * self.limits.rows_max
        return RiskSums(
            n_points=self.n_intervals * self.n_strata,
            n_parameters=len(self.terms),
            sum_bits=TOTAL_BITS - rows.bit_length(),
        )

    @property
    def n_intervals(self) -> int:
        """Of the grid."""
        return len(self.time.bins) - 1

    @property
    def n_strata(self) -> int:
        """1 where none were asked for."""
        return len(names_of(self.strata)) if self.strata is not None else 1

    @property
    def last(self) -> LastOpening:
        """What opens after the last step."""
        return LastOpening(
            layout=self.layout,
            n_strata=self.n_strata,
            limits=self.limits,
            has_test=self.proportional,
            has_baseline=self.baseline,
        )

    @property
    def guard(self) -> FitGuard:
        """Of the fit; the bit and every number of every step count."""
        return FitGuard(
            covariates=self._guarded,
            limits=self.limits,
            n_parameters=len(self.terms),
            most_opened=1 + self.max_steps * self.layout.n_opened + self.last.n_values,
            first=_FIRST - 1,
            n_splits=2 * self.n_intervals,
            splits=lambda rows: 2 * self._interval(rows[:, 1]) + rows[:, 2],
            made=lambda rows: self._interval(rows[:, 1]),
            n_made=self.n_intervals,
        )

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "duration": self.time.name,
            "event": self.event.name,
            "covariates": [column.name for column in self.covariates],
            "grid": [str(edge) for edge in self.time.bins],
            "max_steps": self.max_steps,
            "strata": None if self.strata is None else self.strata.name,
            "ties": "breslow",
            "proportional": self.proportional,
            "baseline": self.baseline,
            "bits": self.layout.sum_bits,
            "fewest_rows": self.guard.fewest_rows if self.limits.threshold else 0,
        }

    # -- steps ---------------------------------------------------------------------------------------------

    def start(self) -> _State:
        """At zero; without a minimum cell there is no guard."""
        return _State(phase="guard" if self.limits.threshold else "fit", point=(0,) * len(self.terms))

    def step(self, state: _State) -> Step | None:
        """The guard, then Newton steps."""
        if state.phase == "guard":
            return self.guard.step()
        if state.phase == "last":
            return self._last_step(state.point)
        return self._fit_step(state.point) if state.phase == "fit" else None

    def every_step(self) -> tuple[Step, ...]:
        """The guard, as many Newton steps as there can be, and what opens after them."""
        zero = (0,) * len(self.terms)
        steps = (self._fit_step(zero),) * self.max_steps
        if self.last.n_values:
            steps = (*steps, self._last_step(zero))
        return (self.guard.step(), *steps) if self.limits.threshold else steps

    def advance(self, state: _State, opened: Ints) -> _State:
        """See ``Statistic``: integers alone."""
        values = tuple(int(value) for value in opened)
        if state.phase == "guard":
            return _State(phase="fit" if values == (1,) else "closed", point=state.point)
        if state.phase == "last":
            return replace(state, phase="over")
        count, n_steps = len(self.terms), state.n_steps + 1
        score, information = values[:count], values[count:]
        move = solve_exactly(information, score, POINT_BITS)
        point = None if move is None else tuple(a + b for a, b in zip(state.point, move, strict=True))
        if move is None or point is None or self.design.spread(point) > _FARTHEST << POINT_BITS:
            return _State(phase="closed", point=state.point, n_steps=n_steps)
        if max(map(abs, move)) <= _CONVERGED:
            end: Literal["last", "over"] = "last" if self.last.n_values else "over"
            return _State(phase=end, point=point, n_steps=n_steps, information=information)
        phase: Literal["fit", "closed"] = "fit" if n_steps < self.max_steps else "closed"
        return _State(phase=phase, point=point, n_steps=n_steps)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> CoxAnswer:
        """See ``Statistic``."""
        del noise
        state = self._end(opened)
        params, errors, covariance = self._fit_of(state)
        if not len(params):
            return CoxAnswer(terms=self.terms, n_steps=state.n_steps, closed=FIT_CLOSED)
        first = next(values for values in opened if len(values) == self.layout.n_opened)
        score, information = first[: len(params)], first[len(params) :]
        moved = solve_exactly(information.tolist(), score.tolist(), POINT_BITS) or ()
        pairs = zip(moved, score.tolist(), strict=True)
        test, curves = self._checks(opened[-1], state)
        return CoxAnswer(
            terms=self.terms,
            params=tuple(_six(value) for value in params),
            standard_errors=tuple(_six(value) for value in errors),
            n_steps=state.n_steps,
            covariance=tuple(tuple(_six(value) for value in row) for row in covariance),
            score_statistic=_six(
                sum(move * value for move, value in pairs) / 2.0 ** (POINT_BITS + OPENED_BITS)
            ),
            proportional=test,
            baselines=curves,
        )

    def fitted(self, opened: Sequence[Ints]) -> tuple[Floats, Floats, int]:
        """Parameters and standard errors before they are rounded, and the steps taken; empty where the fit is closed."""
        state = self._end(opened)
        params, errors, _ = self._fit_of(state)
        return params, errors, state.n_steps

    def _end(self, opened: Sequence[Ints]) -> _State:
        state = self.start()
        for values in opened:
            state = self.advance(state, values)
        return state

    def _fit_of(self, state: _State) -> tuple[Floats, Floats, Floats]:
        """Parameters, standard errors and covariance in the columns' own units; empty where the fit is closed."""
        nothing = np.zeros(0)
        if state.phase != "over":
            return nothing, nothing, nothing
        point = np.array(state.point, dtype=np.float64) / 2.0**POINT_BITS
        found = np.array(inverse(state.information, len(point), _INVERSE_BITS), dtype=np.float64)
        units = self.design.units
        covariance = found * 2.0 ** (OPENED_BITS - _INVERSE_BITS) * np.outer(units, units)
        errors = np.sqrt(np.maximum(np.diag(covariance), np.finfo(np.float64).tiny))
        return units * point, errors, covariance

    def _checks(self, opened: Ints, state: _State) -> tuple[Proportionality | None, tuple[Baseline, ...]]:
        """Of the opening after the last step."""
        if not self.last.n_values:
            return None, ()
        tested, hazard = self.last.read(opened)
        # where the design is 0, a site's weights are exp(-largest)
        hazard = hazard * math.exp(-self.design.largest(state.point))
        names = ("",) if self.strata is None else names_of(self.strata)
        test = proportionality(tested, state.information) if self.proportional else None
        return test, baselines(hazard, names, self.time) if self.baseline else ()

    def _spread(self, point: tuple[int, ...]) -> float:
        return self.design.spread(point) / 2.0**POINT_BITS

    def _last_step(self, point: tuple[int, ...]) -> Step:
        last, spread = self.last, self._spread(point)

        def local(rows: Ints) -> Ints:
            own = last.figures(
                self._design(rows),
                self._place(rows),
                rows[:, 2] == 1,
            )
            return np.concatenate([self._sums(rows, point), own])

        return Step(
            name="after the last step: what was asked for besides",
            to="analyst",
            clamps=last.clamps(self.limits.rows_max),
            local=local,
            joint=lambda session, sums: last.joint(session, sums, spread),
            n_values=last.n_values,
            n_flags=last.n_flags,
            has_products=True,
        )

    def _fit_step(self, point: tuple[int, ...]) -> Step:
        layout = self.layout
        return Step(
            name="Newton step: score and information",
            to="sites",
            clamps=layout.clamps(self.limits.rows_max),
            local=lambda rows: self._sums(rows, point),
            joint=lambda session, sums: score_and_information(session, sums, layout),
            n_values=layout.n_opened,
            has_products=True,
        )

    # -- one site's rows -----------------------------------------------------------------------------------

    def _sums(self, rows: Ints, point: tuple[int, ...]) -> Ints:
        """This site's sums over risk sets, events of each grid point, and the sum of x over events."""
        layout, design, place = (
            self.layout,
            self._design(rows),
            self._place(rows),
        )
        largest = self.design.largest(point)
        odds = design @ (np.array(point, dtype=np.float64) / 2.0**POINT_BITS)
        weights = np.exp(np.minimum(odds - largest, 0.0))
        first, second = np.triu_indices(layout.n_parameters)
        figures = np.column_stack([np.ones(len(rows)), design, design[:, first] * design[:, second]])
        at = np.zeros((layout.n_points, figures.shape[1]))
        np.add.at(at, place, figures * weights[:, np.newaxis])
        by_stratum = at.reshape(self.n_strata, self.n_intervals, -1)
        sets = np.cumsum(by_stratum[:, ::-1], axis=1)[:, ::-1].reshape(at.shape)
        most = float(len(rows))
        sums = np.rint(np.clip(sets, -most, most) * 2.0**layout.sum_bits).astype(np.int64)
        died = rows[:, 2] == 1
        events = np.bincount(place[died], minlength=layout.n_points)
        seen = np.rint(np.clip(design[died].sum(axis=0), -most, most) * 2.0**RATIO_BITS).astype(np.int64)
        return np.concatenate([sums.ravel(), events, seen])

    def _place(self, rows: Ints) -> Ints:
        """The point of each row: strata one after the other."""
        found = self._interval(rows[:, 1])
        return found if self.strata is None else rows[:, -1] * self.n_intervals + found

    def _design(self, rows: Ints) -> Floats:
        return self.design.rows(rows[:, _FIRST : _FIRST + len(self.covariates)])

    def _interval(self, times: Ints) -> Ints:
        """The interval of each time."""
        edges = [math.ceil(edge / self.time.resolution) for edge in self.time.bins[1:-1]]
        found: Ints = np.searchsorted(np.array(edges, dtype=np.int64), times, side="right")
        return found


def _six(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
