"""The ROC curve of a score over its declared bins, and the area under it.

Layer:       analytics.statistics.diagnostics above rank_table.
Terms:       a row is *positive* at a threshold where its score is at least the threshold; thresholds are the lower edges
             of the bins. *Sensitivity* is the share of positive rows among those whose truth is true, *specificity* that
             of the others among those whose truth is false. Rows that lack one of both values count nowhere.
Guarantees:  the area is that of the trapezoids between the points, which counts ties within a bin half; its standard error
             of sampling is DeLong's. Exact: the whole table of truth and bins opens, or nothing does. Private: its cells
             are one release; errors of the noise are of first order, and ``interval`` holds sampling and noise. No
             p-value is given: mann_whitney tests the same area.
Visible to:  the analyst: the table of truth and bins.
Source:      Hanley, McNeil 1982; DeLong, DeLong, Clarke-Pearson 1988; docs/guarantees.md P5, P8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Curve, Curves
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH
from analytics.statistics.comparisons.rank_table import RankAnswer, RankTable, area
from analytics.statistics.grids import coarser
from analytics.statistics.uncertainty.bounded import FEW

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
MAX_BINS: Final = 500
UNDEFINED: Final = "undefined"
_POINTS: Final = ("threshold", "sensitivity", "specificity", "sensitivity_noise", "specificity_noise")


@dataclass(frozen=True, kw_only=True)
class RocAucAnswer(RankAnswer):
    """The curve; ``statistic`` is the area. See ``RankAnswer`` for ``table`` (true first), ``labels`` and ``bins``.

    Attributes:
        points: one for each threshold, from the lowest on: ``threshold``, ``sensitivity``, ``specificity``, and the
            standard errors of the noise on both, 0 in exact mode.
        sampling_error: standard error of sampling of the area.
        noise_error: that of the noise; 0 in exact mode.
        too_few: private: whether the noise leaves the number of rows of a truth open (below 4 of its deviations).
    """

    points: tuple[Mapping[str, float], ...] = ()
    sampling_error: float | None = None
    noise_error: float = 0.0
    too_few: bool = False

    @property
    def auc(self) -> float | None:
        """The area under the curve."""
        return self.statistic

    def interval(self, level: float = 0.95) -> tuple[float | None, float | None]:
        """Of the area, with sampling and noise, between 0 and 1."""
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if self.statistic is None or self.sampling_error is None:
            return None, None
        width = NormalDist().inv_cdf((1 + level) / 2) * math.hypot(self.sampling_error, self.noise_error)
        return max(0.0, self.statistic - width), min(1.0, self.statistic + width)

    @property
    def frame(self) -> pd.DataFrame:
        """The points."""
        import pandas as pd

        columns = {name: [point[name] for point in self.points] for name in _POINTS}
        return pd.DataFrame(columns, dtype="Float64")

    def picture(self) -> Curves:
        """The curve, with the line of a score that says nothing."""
        points = sorted((1 - point["specificity"], point["sensitivity"]) for point in self.points)
        area_text = "" if self.statistic is None else f"AUC {self.statistic:.3f}"
        ends = [(0.0, 0.0), *points, (1.0, 1.0)]
        curve = Curve(label=area_text, x=[x for x, _ in ends], y=[y for _, y in ends])
        return Curves(
            curves=[curve],
            x_name="1 - specificity",
            y_name="sensitivity",
            has_diagonal=True,
            y_range=(-0.02, 1.02),
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data, with the interval at 95 %."""
        low, high = self.interval()
        return {
            "auc": self.statistic,
            "auc_low": low,
            "auc_high": high,
            "sampling_error": self.sampling_error,
            "noise_error": self.noise_error,
            "too_few": self.too_few,
            "points": [dict(point) for point in self.points],
            "truths": list(self.labels),
            "bins": list(self.bins),
            "table": [list(row) for row in self.table],
            "noise_sd": self.noise_sd,
        }


@dataclass(frozen=True, kw_only=True)
class RocAuc(RankTable):
    """The curve of ``score`` for ``truth``; the keys are the truth and the gridded score."""

    name: ClassVar[str] = "roc_auc"
    summary: ClassVar[str] = "ROC curve of a score over declared bins, and its area with DeLong's interval"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="score", meaning="a numeric column with declared bins; larger ones say true"),
        Parameter(name="truth", meaning="a true-or-false column"),
        Parameter(name="grid", meaning="edges of the declared bins that make coarser bins", default=None),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        score, truth = arguments.number_column("score", table), arguments.flag_column("truth", table)
        gridded = replace(score, bins=coarser(arguments, score, "score", MAX_BINS))
        if len(gridded.bins) < 3:  # noqa: PLR2004  two bins have three edges
            raise InvalidRequestError(parameter="score", reason="must have at least two bins")
        keys = (("truth", truth), ("score", gridded))
        return cls(table=table, mode=mode, limits=limits, keys=keys, chosen=(1, 0))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        (_, truth), (_, score) = self.keys
        return {"score": score.name, "truth": truth.name, "bins": list(self.bins)}

    def closed_answer(self, reason: str) -> RocAucAnswer:
        """See ``RankTable``."""
        return RocAucAnswer(statistic=None, labels=self.labels, bins=self.bins, closed=reason)

    def answer(self, table: Floats, law: NoiseLaw | None, opened: Ints) -> RocAucAnswer:
        """See ``RankTable``."""
        del opened
        known = np.maximum(table, self.least)
        if (known.sum(axis=1) <= 0).any():
            return self.closed_answer(UNDEFINED)
        auc, gradient, sampling_error = area(known)
        noise_sd = 0.0 if law is None else law.sd
        least = FEW * noise_sd * math.sqrt(table.shape[1])
        return RocAucAnswer(
            statistic=auc,
            labels=self.labels,
            bins=self.bins,
            table=tuple(map(tuple, table.tolist())),
            noise_sd=noise_sd,
            points=self._points(known, noise_sd),
            sampling_error=sampling_error,
            noise_error=noise_sd * math.sqrt(float((gradient**2).sum())),
            too_few=law is not None and bool((table.sum(axis=1) < least).any()),
        )

    def _points(self, known: Floats, noise_sd: float) -> tuple[dict[str, float], ...]:
        """Shares of both rows at or above, and below, each bin's lower edge."""
        score, n_bins = self.keys[1][1], known.shape[1]
        edges = score.bins if isinstance(score, NumericColumn) else ()
        sizes = known.sum(axis=1)
        found = []
        for place in range(n_bins):
            sensitivity, fall_out = (known[:, place:].sum(axis=1) / sizes).tolist()
            # a share's error: of its own cells (n_bins - place) and of the others, by first order
            errors = [
                noise_sd / size * math.sqrt((n_bins - place) * (1 - share) ** 2 + place * share**2)
                for share, size in zip((sensitivity, fall_out), sizes.tolist(), strict=True)
            ]
            point = (float(edges[place]), sensitivity, 1 - fall_out, *errors)
            found.append(dict(zip(_POINTS, point, strict=True)))
        return tuple(found)
