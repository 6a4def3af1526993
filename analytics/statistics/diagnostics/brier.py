"""The Brier score of a predicted chance, and calibration as a whole, from sums of the predictions by the truth.

Layer:       analytics.statistics.diagnostics above group_moments.
Terms:       the *score* is the mean of ``(chance - outcome)^2``; ``scaled`` is 1 less the score over that of predicting
             the prevalence for all. ``calibration_in_the_large`` is the prevalence less the mean prediction, ``slope`` the mean
             prediction of those with the condition less that of the others (Tjur's coefficient of discrimination).
Guarantees:  exact: as ``sklearn.metrics.brier_score_loss``. Guards of exact answers and the release of private ones:
             module group_moments. ``interval`` holds sampling and noise, which are reported apart too: ``noise_errors`` from
             draws of the noise's own law, ``sampling_errors`` from the same sums. Of ``brier`` and ``scaled`` these would need
             fourth moments; theirs are the largest that values between 0 and 1 of this mean allow, so that intervals are
             never too narrow.
Visible to:  the analyst: number, sum and squares of the predictions of each truth.
See instead: calibration by bins (calibration); order (roc_auc); decisions (net_benefit).
Source:      Brier 1950; Tjur 2009; largest variance of a bounded variable: Bhatia, Davis 2000; simulation of the mechanism's
             noise: ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter, check_one_row_a_unit
from analytics.statistics.base import BOTH, Answer
from analytics.statistics.comparisons.group_moments import GroupMoments
from analytics.statistics.comparisons.group_samples import REPLICATES, Mechanism, Sample
from analytics.statistics.diagnostics.predicted_chances import check_chance
from analytics.statistics.figure_table import two_groups
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode

Floats = npt.NDArray[np.float64]
UNDEFINED: Final = "undefined"


@dataclass(frozen=True, kw_only=True)
class BrierAnswer(Answer):
    """The figures.

    Attributes:
        figures: ``brier``, ``scaled``, ``prevalence``, ``mean_prediction``, ``calibration_in_the_large``, ``slope``.
        noise_errors: standard error of the noise on each; 0 in exact mode.
        sampling_errors: of sampling.
        n: rows; noisy in private mode.
        too_few: private: whether the noise leaves the size of a group open (below 4 of its standard deviations).
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    noise_errors: Mapping[str, float] = field(default_factory=dict)
    sampling_errors: Mapping[str, float] = field(default_factory=dict)
    n: float | None = None
    too_few: bool = False

    @property
    def value(self) -> float | None:
        """The Brier score."""
        return self.figures.get("brier")

    def interval(
        self, name: str = "brier", level: float = 0.95, part: str = "both"
    ) -> tuple[float, float] | None:
        """Interval of a figure; None where the answer is closed.

        Args:
            name: of the figure.
            level: between 0 and 1.
            part: ``both`` covers the population's, ``noise`` what these people's is without noise.
        """
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        if part not in {"both", "noise"}:
            raise InvalidRequestError(parameter="part", reason="must be both or noise")
        if name not in self.figures:
            return None
        sampling = self.sampling_errors[name] if part == "both" else 0.0
        width = NormalDist().inv_cdf((1 + level) / 2) * math.hypot(sampling, self.noise_errors[name])
        return self.figures[name] - width, self.figures[name] + width

    @property
    def frame(self) -> pd.DataFrame:
        """One row a figure."""
        import pandas as pd

        columns = {
            "value": self.figures.values(),
            "sampling_error": self.sampling_errors.values(),
            "noise_error": self.noise_errors.values(),
        }
        return pd.DataFrame(
            {name: list(each) for name, each in columns.items()}, index=list(self.figures), dtype="Float64"
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        errors = {f"{name}_noise": each for name, each in self.noise_errors.items()}
        errors |= {f"{name}_sampling": each for name, each in self.sampling_errors.items()}
        return {**self.figures, **errors, "n": self.n, "too_few": self.too_few}


@dataclass(frozen=True, kw_only=True)
class Brier(GroupMoments):
    """The score of predictions ``column`` of the truth ``by``."""

    name: ClassVar[str] = "brier"
    summary: ClassVar[str] = "Brier score and calibration in the large of a predicted chance"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="score", meaning="a predicted chance: a numeric column with bounds between 0 and 1"),
        Parameter(name="truth", meaning="a column with two public groups; the second has the condition"),
    )

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        column = arguments.number_column("score", table)
        check_chance(column, "score")
        by = two_groups(arguments, "truth", table)
        if by.name == column.name:
            raise InvalidRequestError(parameter="truth", reason="must be another column")
        return cls(table=table, mode=mode, limits=limits, column=column, bys=(by,), chosen=(0, 1))

    def closed_answer(self, reason: str) -> BrierAnswer:
        """See ``GroupMoments``."""
        return BrierAnswer(closed=reason)

    def answer(self, sample: Sample, mechanism: Mechanism | None, opened: Ints) -> BrierAnswer:
        """See ``GroupMoments``."""
        if not (sample.n > 1).all():
            return self.closed_answer(UNDEFINED)
        figures = {name: float(each) for name, each in self._scores(sample).items()}
        errors = dict.fromkeys(figures, 0.0)
        if mechanism is not None:
            drawn = mechanism.perturbed(sample, REPLICATES, simulation(opened))
            errors = {name: float(each.std()) for name, each in self._scores(drawn).items()}
        return BrierAnswer(
            figures=figures,
            noise_errors=errors,
            sampling_errors=self._sampling(sample, figures),
            n=float(sample.n.sum()),
            too_few=mechanism is not None and bool((sample.n < FEW * mechanism.count.sd).any()),
        )

    def _sampling(self, sample: Sample, figures: Mapping[str, float]) -> dict[str, float]:
        """Standard errors of sampling."""
        total, variances = float(sample.n.sum()), float(self.unit) ** 2 * sample.variance
        brier, share = (min(max(figures[name], 0.0), 1.0) for name in ("brier", "prevalence"))
        apart, spread = figures["calibration_in_the_large"], share * (1 - share)
        own, prevalence = math.sqrt(brier * (1 - brier) / total), math.sqrt(spread / total)
        within = float(((sample.n - 1) * variances).sum()) / total
        return {
            "brier": own,
            "scaled": own / spread + brier * abs(1 - 2 * share) / spread**2 * prevalence,
            "prevalence": prevalence,
            "mean_prediction": math.sqrt((within + spread * figures["slope"] ** 2) / total),
            # the mean square of outcome less prediction is the score itself
            "calibration_in_the_large": math.sqrt(max(brier - apart**2, 0.0) / total),
            "slope": math.sqrt(float((variances / sample.n).sum())),
        }

    def _scores(self, sample: Sample) -> dict[str, Floats]:
        """The figures of samples, both groups along the last axis."""
        unit, n = float(self.unit), sample.n
        means = unit * (sample.mean + self._center)
        total, outcome = n.sum(axis=-1), np.array([0.0, 1.0])
        squares = n * (means - outcome) ** 2 + (n - 1) * unit**2 * sample.variance
        brier, prevalence = squares.sum(axis=-1) / total, n[..., 1] / total
        prediction = (n * means).sum(axis=-1) / total
        return {
            "brier": brier,
            "scaled": 1 - brier / (prevalence * (1 - prevalence)),
            "prevalence": prevalence,
            "mean_prediction": prediction,
            "calibration_in_the_large": prevalence - prediction,
            "slope": means[..., 1] - means[..., 0],
        }
