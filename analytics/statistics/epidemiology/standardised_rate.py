"""Directly standardised shares: what an outcome's share would be with the strata of a standard population.

Layer:       analytics.statistics.tables above figure_table.
Terms:       the *standard* is a positive number for each stratum, such as persons of each age group in a country. The
             standardised share of a group is the mean of its strata's shares, weighted by the standard.
Guarantees:  the standard is public and used after the opening alone. Crude and standardised share of each group with
             intervals; of two groups also the ratio and the difference (second to first) of the standardised ones. The
             whole table opens, or nothing does; private: one release, intervals hold sampling and noise.
Visible to:  the analyst: the table of strata, groups and outcome.
See instead: expected cases by known rates (smr); strata as nuisance (mantel_haenszel).
Source:      Breslow, Day 1987, chapter 2; binomial variance of each stratum, by delta_method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import FigureTable, TableAnswer, gridded, two_groups
from analytics.statistics.uncertainty.delta_method import Complex, Figure, figure, share

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
_TWO: Final = 2


@dataclass(frozen=True, kw_only=True)
class StandardisedRate(FigureTable):
    """Standardised shares; the table's axes are group, stratum and outcome.

    Attributes:
        standard: of the strata, in any unit.
    """

    name: ClassVar[str] = "standardised_rate"
    summary: ClassVar[str] = "directly standardised shares of an outcome in groups"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="outcome", meaning="a column with two public groups; the second one is counted"),
        Parameter(name="strata", meaning="a column with public groups, such as age bins"),
        Parameter(name="by", meaning="a column with public groups to compare"),
        Parameter(name="standard", meaning="a positive number for each stratum"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser strata", default=None),
    )
    standard: tuple[Fraction, ...]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [("by", arguments.group_column("by", table)), ("strata", gridded(arguments, "strata", table))]
        axes.append(("outcome", two_groups(arguments, "outcome", table)))
        bound = cls.bind_axes(table, mode, limits, axes, None, standard=arguments.numbers("standard"))
        check_strata(bound.standard, bound.table_shape[1], "standard")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"standard": [str(each) for each in self.standard]}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; ``crude_`` and ``standardised_`` of each group."""
        del opened
        sd = 0.0 if law is None else law.sd
        group, stratum, outcome = np.indices(cells.shape)
        n_groups, n_strata, _ = cells.shape
        figures: dict[str, Figure] = {}
        rows = [[(group == g) & (stratum == s) for s in range(n_strata)] for g in range(n_groups)]
        for place, label in enumerate(self.labels[0]):
            own = group == place
            figures[f"crude_{label}"] = share(own & (outcome == 1), own, cells, sd)
            figures[f"standardised_{label}"] = figure(
                self._share(place), cells, sd, needs=rows[place], least=0.0, most=1.0
            )
        if n_groups == _TWO:
            first, second = self._share(0), self._share(1)
            needs = [*rows[0], *rows[1], (group == 0) & (outcome == 1), (group == 1) & (outcome == 1)]
            figures["ratio"] = figure(
                lambda tables: second(tables) / first(tables), cells, sd, kind="ratio", needs=needs
            )
            figures["difference"] = figure(
                lambda tables: second(tables) - first(tables),
                cells,
                sd,
                needs=[*rows[0], *rows[1]],
                least=-1.0,
                most=1.0,
            )
        return TableAnswer(figures=figures)

    def _share(self, place: int) -> Callable[[Complex], Complex]:
        total = sum(self.standard)
        weights = np.array([float(each / total) for each in self.standard])

        def function(tables: Complex) -> Complex:
            own = tables[:, place]
            found: Complex = (weights * own[:, :, 1] / own.sum(axis=2)).sum(axis=1)
            return found

        return function


def check_strata(numbers: tuple[Fraction, ...], count: int, parameter: str) -> None:
    """Refuse numbers that are not one above 0 for each stratum.

    Raises:
        InvalidRequestError: so.
    """
    if len(numbers) != count or min(numbers) <= 0:
        raise InvalidRequestError(
            parameter=parameter, reason=f"must be {count} numbers above 0, one a stratum"
        )
