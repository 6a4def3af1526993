"""Standardised morbidity or mortality ratio: observed cases over those that known rates of the strata lead to expect.

Layer:       analytics.statistics.tables above figure_table.
Terms:       *indirect* standardisation: the rates are public numbers between 0 and 1, one for each stratum, such as a
             country's. ``expected`` is the sum of persons times rate.
Guarantees:  exact: the interval is the exact Poisson one of the observed cases (Garwood), the test its two-sided tail
             by doubling, both over expected cases as a known number. The whole table opens, or nothing does. Private: one
             release; the interval is that of the logarithm with the sampling variance of a Poisson number of cases and
             that of the noise on cases and persons; the p-value is a parametric bootstrap over the mechanism
             with a ratio of 1 and the released persons, seeded by the answer.
Visible to:  the analyst: the table of strata and outcome.
See instead: standard populations (standardised_rate).
Source:      Breslow, Day 1987, chapter 2; Garwood 1936; the noise's term by delta_method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.epidemiology.poisson_ratio import PoissonRatio
from analytics.statistics.figure_table import FigureTable, TableAnswer, gridded, two_groups
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.delta_method import Complex, Figure, figure
from analytics.statistics.uncertainty.distributions import poisson_test
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 1_999


@dataclass(frozen=True, kw_only=True)
class Smr(FigureTable):
    """The ratio; rows of the table are the strata, columns the outcome.

    Attributes:
        rates: of the strata.
    """

    name: ClassVar[str] = "smr"
    summary: ClassVar[str] = "standardised ratio of observed to expected cases"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="outcome", meaning="a column with two public groups; the second one is counted"),
        Parameter(name="strata", meaning="a column with public groups, such as age bins"),
        Parameter(name="rates", meaning="a known rate between 0 and 1 for each stratum"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser strata", default=None),
    )
    rates: tuple[Fraction, ...]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [("strata", gridded(arguments, "strata", table))]
        axes.append(("outcome", two_groups(arguments, "outcome", table)))
        bound = cls.bind_axes(table, mode, limits, axes, None, rates=arguments.numbers("rates"))
        count = bound.table_shape[0]
        if len(bound.rates) != count or min(bound.rates) <= 0 or max(bound.rates) >= 1:
            reason = f"must be {count} numbers above 0 and below 1, one a stratum"
            raise InvalidRequestError(parameter="rates", reason=reason)
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"rates": [str(each) for each in self.rates]}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; ``tests`` holds observed and expected cases."""
        rates = np.array([float(each) for each in self.rates])
        observed, expected = float(cells[:, 1].sum()), float((cells.sum(axis=1) * rates).sum())
        counts: dict[str, float | None] = {"observed": observed, "expected": expected}
        if law is None:
            if expected <= 0:
                return TableAnswer(tests=counts, figures={"smr": Figure(value=None)})
            found: Figure = PoissonRatio(
                value=observed / expected,
                sampling_error=1 / math.sqrt(observed) if observed > 0 else None,
                noise_error=0.0,
                kind="ratio",
                cases=observed,
                expected=expected,
            )
            return TableAnswer(pvalue=poisson_test(observed, expected), tests=counts, figures={"smr": found})

        return self._noisy(cells, law, opened, rates, counts)

    def _noisy(
        self, cells: Floats, law: NoiseLaw, opened: Ints, rates: Floats, counts: dict[str, float | None]
    ) -> TableAnswer:
        def ratio(tables: Complex) -> Complex:
            found: Complex = tables[:, :, 1].sum(axis=1) / (tables.sum(axis=2) * rates).sum(axis=1)
            return found

        cases = np.indices(cells.shape)[1] == 1
        noisy = figure(ratio, cells, law.sd, kind="ratio", needs=[cases])
        is_few = (counts["expected"] or 0.0) < FEW * law.sd * math.sqrt(2 * float((rates**2).sum()))
        if noisy.value is None or is_few:
            noisy = Figure(value=None, kind="ratio")
        else:
            noisy = replace(noisy, sampling_error=1 / math.sqrt(float(cells[:, 1].sum())))
        persons = np.rint(np.maximum(cells.sum(axis=1), 0.0))
        generator = simulation(opened)
        drawn = generator.poisson(persons * rates, size=(REPLICATES, len(rates))).astype(np.float64)
        tables = np.stack([persons - drawn, drawn], axis=-1)
        found = _distance(tables + law.draw(tables.size, generator).reshape(tables.shape), rates)
        farther = int(np.count_nonzero(found >= _distance(cells[np.newaxis], rates)[0]))
        return TableAnswer(pvalue=(1 + farther) / (1 + REPLICATES), tests=counts, figures={"smr": noisy})


def _distance(tables: Floats, rates: Floats) -> Floats:
    """How far observed and expected cases are apart, by their logarithms; those below one half count as one half."""
    observed = np.maximum(tables[:, :, 1].sum(axis=1), 0.5)
    found: Floats = np.abs(np.log(observed / np.maximum((tables.sum(axis=2) * rates).sum(axis=1), 0.5)))
    return found
