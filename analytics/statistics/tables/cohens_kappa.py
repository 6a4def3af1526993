"""Cohen's kappa: the agreement of two columns beyond chance.

Layer:       analytics.statistics.tables above figure_table.
Terms:       a *disagreement* of two groups weighs 1; with ``weights`` linear the distance of their places, quadratic its
             square.
Guarantees:  standard error of sampling as ``statsmodels.stats.inter_rater.cohens_kappa``, for any true kappa, so the
             interval holds away from 0 too. Both columns in one group alone are undefined, not 0. The whole table opens,
             or nothing does; private: one release, the interval holds sampling and noise.
Visible to:  the analyst: the table.
See instead: whether the columns' shares differ (mcnemar); independence (chi_square).
Source:      Cohen 1960, 1968; Fleiss, Cohen, Everitt 1969; delta_method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.figure_table import UNDEFINED, FigureTable, TableAnswer, check_same_groups
from analytics.statistics.uncertainty.delta_method import Complex, figure, share

if TYPE_CHECKING:
    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
_WEIGHTS: Final = {"none": 0, "linear": 1, "quadratic": 2}


@dataclass(frozen=True, kw_only=True)
class CohensKappa(FigureTable):
    """The agreement.

    Attributes:
        weights: none, linear or quadratic.
    """

    name: ClassVar[str] = "cohens_kappa"
    summary: ClassVar[str] = "Cohen's kappa of two columns of the same groups, weighted or not"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="a", meaning="a column with public groups"),
        Parameter(name="b", meaning="another one with the same groups"),
        Parameter(name="weights", meaning="none, linear or quadratic", default="none"),
    )
    weights: str

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        weights = arguments.text("weights")
        if weights not in _WEIGHTS:
            reason = f"must be one of {', '.join(_WEIGHTS)}"
            raise InvalidRequestError(parameter="weights", reason=reason)
        axes = [(name, arguments.group_column(name, table)) for name in ("a", "b")]
        bound = cls.bind_axes(table, mode, limits, axes, weights=weights)
        check_same_groups(bound)
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return super().describe() | {"weights": self.weights}

    def answer(self, cells: Floats, law: NoiseLaw | None, opened: Ints) -> TableAnswer:
        """See ``FigureTable``."""
        del opened
        sd, power = 0.0 if law is None else law.sd, _WEIGHTS[self.weights]
        place = np.arange(len(cells), dtype=np.float64)
        apart = np.abs(place[:, np.newaxis] - place)
        cost = apart**power if power else (apart > 0).astype(np.float64)

        def kappa(tables: Complex) -> Complex:
            total = tables.sum(axis=(1, 2))
            rows, columns = tables.sum(axis=2), tables.sum(axis=1)
            by_chance = np.einsum("nr,rc,nc->n", rows, cost, columns) / total
            found: Complex = 1 - (tables * cost).sum(axis=(1, 2)) / by_chance
            return found

        everyone = np.ones(cells.shape, dtype=np.bool_)
        found = figure(kappa, cells, sd, needs=[everyone], most=1.0)
        agreement = share(np.eye(len(cells), dtype=np.bool_), everyone, cells, sd)
        is_undefined = law is None and found.value is None
        figures = {"kappa": found, "agreement": agreement}
        return TableAnswer(figures=figures, closed=UNDEFINED if is_undefined else "")
