"""The effect of an exposure on an outcome, standardised over confounders with public groups.

Layer:       analytics.statistics.tables above figure_table.
Terms:       a *stratum* is a combination of the confounders' groups. ``risk_0`` and ``risk_1`` are the shares of the outcome
             if all people of the *target* were unexposed or exposed: means of the strata's shares, weighted by people
             (``ate``), by the exposed (``att``) or by the unexposed (``atc``).
Guarantees:  every stratum has a share of its own, so that weighting by the inverse of the strata's propensities, standardising
             their shares, and the doubly robust form of both are one and the same figure with the same error; no form of
             a model is assumed. Errors hold that the strata's sizes are estimated too. Exact: the whole table opens, or
             nothing does: no stratum is without exposed or unexposed people. Private: one release, intervals hold
             sampling and noise, and a figure that needs a cell which the noise hides is None.
Visible to:  the analyst: the table of exposure, outcome and confounders.
See instead: a public standard population (standardised_rate), one common odds ratio (mantel_haenszel). That there are no other
             confounders is the analyst's claim; no figure tests it.
Source:      Robins 1986; Rosenbaum, Rubin 1983; Hahn 1998 for the error, which delta_method gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import FigureTable, TableAnswer, two_groups
from analytics.statistics.uncertainty.delta_method import Complex, Figure, Kind, figure

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
TARGETS: Final = ("ate", "att", "atc")
MAX_CONFOUNDERS: Final = 5


@dataclass(frozen=True, kw_only=True)
class GComputation(FigureTable):
    """Standardised risks; the table's axes are exposure, outcome and the confounders.

    Attributes:
        target: whose strata weigh.
    """

    name: ClassVar[str] = "g_computation"
    summary: ClassVar[str] = "effect of an exposure standardised over confounders (also IPW, doubly robust)"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="exposure", meaning="a column with two public groups; the second one is exposed"),
        Parameter(name="outcome", meaning="another one; the second group is counted"),
        Parameter(name="confounders", meaning=f"a list of 1 to {MAX_CONFOUNDERS} columns with public groups"),
        Parameter(
            name="target",
            meaning="ate, att or atc: all people, the exposed, the unexposed",
            default=TARGETS[0],
        ),
    )
    target: str

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        axes = [(name, two_groups(arguments, name, table)) for name in ("exposure", "outcome")]
        confounders = arguments.group_columns("confounders", table)
        if len(confounders) > MAX_CONFOUNDERS:
            reason = f"must be at most {MAX_CONFOUNDERS} columns"
            raise InvalidRequestError(parameter="confounders", reason=reason)
        target = arguments.text("target")
        if target not in TARGETS:
            raise InvalidRequestError(parameter="target", reason=f"must be one of {', '.join(TARGETS)}")
        names = [f"confounder {place}" for place in range(1, len(confounders) + 1)]
        axes += list(zip(names, confounders, strict=True))
        return cls.bind_axes(table, mode, limits, axes, None, target=target)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"target": self.target}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``; ``crude_difference`` is the difference without confounders."""
        del opened
        sd = 0.0 if law is None else law.sd
        table = cells.reshape(2, 2, -1)
        exposure, _, stratum = np.indices(table.shape)
        arms = [(exposure == e) & (stratum == s) for e in range(2) for s in range(table.shape[2])]
        first, second = self._risk(0), self._risk(1)

        def one(function: Callable[[Complex], Complex], kind: Kind = "plain", least: float = -1.0) -> Figure:
            if kind == "ratio":
                return figure(function, table, sd, kind=kind, needs=arms)
            return figure(function, table, sd, needs=arms, least=least, most=1.0)

        return TableAnswer(
            figures={
                "risk_0": one(first, least=0.0),
                "risk_1": one(second, least=0.0),
                "difference": one(lambda tables: second(tables) - first(tables)),
                "ratio": one(lambda tables: second(tables) / first(tables), "ratio"),
                "odds_ratio": one(
                    lambda tables: (
                        second(tables) * (1 - first(tables)) / (first(tables) * (1 - second(tables)))
                    ),
                    "ratio",
                ),
                "crude_difference": one(_crude),
            }
        )

    def _risk(self, arm: int) -> Callable[[Complex], Complex]:
        """The standardised share of the outcome in one arm."""
        weighing = {"ate": (0, 1), "att": (1,), "atc": (0,)}[self.target]

        def function(tables: Complex) -> Complex:
            people = tables[:, list(weighing)].sum(axis=(1, 2))
            own = tables[:, arm]
            found: Complex = (people * own[:, 1] / own.sum(axis=1)).sum(axis=1) / people.sum(axis=1)
            return found

        return function


def _crude(tables: Complex) -> Complex:
    shares = tables[:, :, 1].sum(axis=2) / tables.sum(axis=(2, 3))
    found: Complex = shares[:, 1] - shares[:, 0]
    return found
