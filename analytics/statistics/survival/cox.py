"""Cox regression on a declared grid by Newton's method: sums over risk sets stay on shares, score and information open.

Layer:       analytics.statistics.survival above fit_guard and life_tables.
Terms:       covariates become columns of the *design* between -1 and 1: a numeric column between its declared bounds, one
             column for each category but the first. The *point* is the parameters, as integers of ``2^-40``. Times are put
             on the grid; those censored in an interval are at risk for its events; ties are Breslow's.
Guarantees:  exact mode alone. The first step opens one bit to all sites, see fit_guard: the event is its outcome, and the
             intervals, with and without the event, are its splits. Where the bit is 0 nothing else opens, for whichever
             cause. The start is zero, and the next point follows from opened integers by exact arithmetic, so it is the
             same at every site; no request chooses a point. Sums over risk sets, events and means at a grid point never
             open; score and information are rounded to ``2^-16``, about six digits. A fit that is singular, leaves the
             range or has not converged at the cap is closed by the same code, whatever the cause: no event, separation, or
             parameters that are too far apart.
Visible to:  all sites and the analyst: the bit; score and information of each step.
See instead: curves by group (kaplan_meier), private comparisons (log_rank). Efron's ties need as many terms at a grid point
             as it has events, which is a secret; a finer grid has fewer ties. A grid so coarse that its table could be
             solved for is tested cell by cell, where a finer one need not be. What score and information tell of few
             people at far values, and to an analyst who knows that cells are empty: as in regression.glm.
Source:      Cox 1972, Breslow 1974; see life_tables.partial_likelihood; docs/guarantees.md P21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Self

import numpy as np

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.schema import CategoricalColumn, NumericColumn
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit, column_of
from analytics.statistics.base import EXACT, Statistic, Step
from analytics.statistics.fit_guard import FitGuard
from analytics.statistics.grids import coarser
from analytics.statistics.integer_solve import inverse, solve_exactly
from analytics.statistics.life_tables.cox_answer import FIT_CLOSED, CoxAnswer
from analytics.statistics.life_tables.partial_likelihood import (
    OPENED_BITS,
    RATIO_BITS,
    TOTAL_BITS,
    RiskSums,
    score_and_information,
)
from analytics.statistics.relation_guard import design_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import BooleanColumn, Table
    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.life_tables.curves import Floats
    from analytics.statistics.noise_law import NoiseLaw

POINT_BITS: Final = 40
MAX_POINTS: Final = 512
MAX_PARAMETERS: Final = 20
MAX_TESTED: Final = 5_000
MAX_STEPS: Final = 12
_FEWEST_BITS: Final = 20
_INVERSE_BITS: Final = 120
_CONVERGED: Final = 1 << (POINT_BITS - 17)
_FARTHEST: Final = 16  # largest range of x b: a weight is at least e^-16 of the largest
_DIGITS: Final = 6
_FIRST: Final = 3  # of the rows' columns: unit, time, event, then the covariates


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What is public between two steps.

    Attributes:
        phase: what comes next; ``over`` and ``closed`` are ends.
        point: the parameters of the design.
        n_steps: Newton steps taken.
        information: the last one opened, its upper half row by row.
    """

    phase: Literal["guard", "fit", "over", "closed"]
    point: tuple[int, ...]
    n_steps: int = 0
    information: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cox(Statistic[_State]):
    """The fit of the hazard of an event on covariates.

    Attributes:
        time: the duration, whose bins are the grid.
        event: the event.
        covariates: in the order asked.
        max_steps: most Newton steps.
    """

    name: ClassVar[str] = "cox"
    summary: ClassVar[str] = "Cox regression on a declared grid, by Newton steps over opened scores"
    modes: ClassVar = EXACT
    no_private: ClassVar[str] = (
        "must be exact: a row moves the sums of all earlier risk sets, and no bound on that is proven here; "
        "survival_table and log_rank compare groups with noise"
    )
    parameters: ClassVar = (
        Parameter(name="duration", meaning="a numeric column with declared bins: the time"),
        Parameter(name="event", meaning="true where the event was seen, false where the time was censored"),
        Parameter(name="covariates", meaning="a list of columns"),
        Parameter(
            name="grid", meaning="edges of the declared bins that make coarser intervals", default=None
        ),
        Parameter(name="max_steps", meaning="most Newton steps", default=6),
    )
    time: NumericColumn
    event: BooleanColumn
    covariates: tuple[GroupColumn, ...]
    max_steps: int

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        time = arguments.number_column("duration", table)
        event = arguments.flag_column("event", table)
        covariates = tuple(column_of(name, table, "covariates") for name in arguments.texts("covariates"))
        if {time.name, event.name} & {column.name for column in covariates}:
            raise InvalidRequestError(parameter="covariates", reason="must not hold duration or event")
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            time=replace(time, bins=coarser(arguments, time, "duration", MAX_POINTS)),
            event=event,
            covariates=covariates,
            max_steps=arguments.whole("max_steps", low=2, high=MAX_STEPS),
        )
        bound._check_size()
        return bound

    def _check_size(self) -> None:
        if any(not _terms(column) for column in self.covariates):
            raise PlanRejectedError(position="covariates", reason="a column has one category only")
        if len(self.terms) > MAX_PARAMETERS or self.guard.n_tested > MAX_TESTED:
            reason = f"must make at most {MAX_PARAMETERS} parameters and {MAX_TESTED} guarded counts"
            raise InvalidRequestError(parameter="covariates", reason=reason)
        if self.layout.sum_bits < _FEWEST_BITS:
            raise OverflowRiskError(figure="a sum over a risk set", bits=64, limit_bits=TOTAL_BITS)

    @property
    def columns(self) -> tuple[str, ...]:
        """Time, event, then the covariates."""
        return (self.time.name, self.event.name, *(column.name for column in self.covariates))

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(term for column in self.covariates for term in _terms(column))

    @property
    def layout(self) -> RiskSums:
        """Of a site's contributions."""
        rows = self.limits.n_sites * self.limits.rows_max
        return RiskSums(
            n_points=len(self.time.bins) - 1,
            n_parameters=len(self.terms),
            sum_bits=TOTAL_BITS - rows.bit_length(),
        )

    @property
    def guard(self) -> FitGuard:
        """Of the fit; the bit and every number of every step count."""
        return FitGuard(
            covariates=self.covariates,
            limits=self.limits,
            n_parameters=len(self.terms),
            most_opened=1 + self.max_steps * self.layout.n_opened,
            first=_FIRST - 1,
            n_splits=2 * self.layout.n_points,
            splits=lambda rows: 2 * self._place(rows[:, 1]) + rows[:, 2],
            made=lambda rows: self._place(rows[:, 1]),
            n_made=self.layout.n_points,
        )

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {
            "duration": self.time.name,
            "event": self.event.name,
            "covariates": [column.name for column in self.covariates],
            "grid": [str(edge) for edge in self.time.bins],
            "max_steps": self.max_steps,
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
        return self._fit_step(state.point) if state.phase == "fit" else None

    def every_step(self) -> tuple[Step, ...]:
        """The guard and as many Newton steps as there can be."""
        fits = (self._fit_step((0,) * len(self.terms)),) * self.max_steps
        return (self.guard.step(), *fits) if self.limits.threshold else fits

    def advance(self, state: _State, opened: Ints) -> _State:
        """See ``Statistic``: integers alone."""
        values = tuple(int(value) for value in opened)
        if state.phase == "guard":
            return _State(phase="fit" if values == (1,) else "closed", point=state.point)
        count, n_steps = len(self.terms), state.n_steps + 1
        score, information = values[:count], values[count:]
        move = solve_exactly(information, score, POINT_BITS)
        point = None if move is None else tuple(a + b for a, b in zip(state.point, move, strict=True))
        if move is None or point is None or self._range(point) > _FARTHEST << POINT_BITS:
            return _State(phase="closed", point=state.point, n_steps=n_steps)
        if max(map(abs, move)) <= _CONVERGED:
            return _State(phase="over", point=point, n_steps=n_steps, information=information)
        phase: Literal["fit", "closed"] = "fit" if n_steps < self.max_steps else "closed"
        return _State(phase=phase, point=point, n_steps=n_steps)

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> CoxAnswer:
        """See ``Statistic``."""
        del noise
        params, errors, n_steps = self.fitted(opened)
        return CoxAnswer(
            terms=self.terms,
            params=tuple(float(f"{value:.{_DIGITS}g}") for value in params),
            standard_errors=tuple(float(f"{value:.{_DIGITS}g}") for value in errors),
            n_steps=n_steps,
            closed="" if len(params) else FIT_CLOSED,
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
        found = inverse(state.information, len(point), _INVERSE_BITS)
        variances = np.array([float(row[place]) for place, row in enumerate(found)])
        errors = np.sqrt(
            np.maximum(variances * 2.0 ** (OPENED_BITS - _INVERSE_BITS), np.finfo(np.float64).tiny)
        )
        units = self._units()
        return units * point, units * errors, state.n_steps

    def _units(self) -> Floats:
        """From parameters of the design to those of the columns' own units."""
        return np.array(
            [
                2 / float(column.upper - column.lower) if isinstance(column, NumericColumn) else 1.0
                for column in self.covariates
                for _ in _terms(column)
            ]
        )

    def _range(self, point: tuple[int, ...]) -> int:
        """Largest ``x b`` less the smallest one, over all values that the columns can have."""
        return sum(high - low for low, high in self._ends(point))

    def _ends(self, point: tuple[int, ...]) -> list[tuple[int, int]]:
        """The smallest and largest term of each column."""
        found, place = [], 0
        for column in self.covariates:
            mine = point[place : place + len(_terms(column))]
            place += len(mine)
            ends = (-mine[0], mine[0]) if isinstance(column, NumericColumn) else (0, *mine)
            found.append((min(ends), max(ends)))
        return found

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
        layout, design, place = self.layout, self._design(rows), self._place(rows[:, 1])
        largest = sum(high for _, high in self._ends(point)) / 2.0**POINT_BITS
        odds = design @ (np.array(point, dtype=np.float64) / 2.0**POINT_BITS)
        weights = np.exp(np.minimum(odds - largest, 0.0))
        first, second = np.triu_indices(layout.n_parameters)
        figures = np.column_stack([np.ones(len(rows)), design, design[:, first] * design[:, second]])
        at = np.zeros((layout.n_points, figures.shape[1]))
        np.add.at(at, place, figures * weights[:, np.newaxis])
        sets = np.cumsum(at[::-1], axis=0)[::-1]
        most = float(len(rows))
        sums = np.rint(np.clip(sets, -most, most) * 2.0**layout.sum_bits).astype(np.int64)
        died = rows[:, 2] == 1
        events = np.bincount(place[died], minlength=layout.n_points)
        seen = np.rint(np.clip(design[died].sum(axis=0), -most, most) * 2.0**RATIO_BITS).astype(np.int64)
        return np.concatenate([sums.ravel(), events, seen])

    def _place(self, times: Ints) -> Ints:
        """The interval of each time."""
        edges = [math.ceil(edge / self.time.resolution) for edge in self.time.bins[1:-1]]
        found: Ints = np.searchsorted(np.array(edges, dtype=np.int64), times, side="right")
        return found

    def _design(self, rows: Ints) -> Floats:
        """Shape ``(n_rows, n_parameters)``, between -1 and 1."""
        return design_of(self.covariates, rows[:, _FIRST:])[:, 1:]


def _terms(column: GroupColumn) -> tuple[str, ...]:
    if isinstance(column, CategoricalColumn):
        return tuple(f"{column.name}={value}" for value in column.domain[1:])
    return (column.name,)
