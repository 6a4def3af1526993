"""The answer of a penalised fit, with the names that scikit-learn uses.

Layer:       analytics.statistics.linear_models above base.
Guarantees:  exact parameters have six digits. There are no standard errors and no p-values: a penalty moves parameters
             towards 0 by an amount that the data do not tell. The interval of a private answer is that of the fit
             without noise, not of the population: it holds the noise alone.
Visible to:  the analyst.
Source:      see penalties.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.base import Answer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class PenalisedAnswer(Answer):
    """The fit.

    Attributes:
        terms: the intercept, which has no penalty, then those of the formula.
        params: for each unit of the column. Empty where it is closed.
        nobs: rows; noisy in private mode.
        rsquared: share of the outcome's variance, between 0 and 1.
        noise_errors: standard deviation of the noise on each parameter; empty in exact mode.
        too_few: whether the noise hides the design in some direction.
        distances: of refits under fresh noise from this one; shape ``(refits, terms)``.
    """

    terms: tuple[str, ...]
    params: tuple[float, ...] = ()
    nobs: float = 0
    rsquared: float | None = None
    noise_errors: tuple[float, ...] = ()
    too_few: bool = False
    distances: npt.NDArray[np.float64] | None = field(default=None, compare=False)

    @property
    def intercept_(self) -> float:
        """The first parameter."""
        return self.params[0]

    @property
    def coef_(self) -> tuple[float, ...]:
        """The parameters of the columns."""
        return self.params[1:]

    @property
    def chosen(self) -> tuple[str, ...]:
        """The terms whose parameter is not 0, without the intercept."""
        return tuple(term for term, value in zip(self.terms, self.params, strict=False) if value)[1:]

    def noise_interval(self, level: float = 0.95) -> tuple[tuple[float, float], ...]:
        """Interval of each parameter of the same fit without noise.

        Raises:
            InvalidRequestError: an exact answer, which has no noise, or no such level.
        """
        if self.distances is None:
            raise InvalidRequestError(parameter="noise_interval", reason="needs a private answer")
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        far = np.sort(np.abs(self.distances), axis=0)
        widths = far[min(math.ceil(level * (len(far) + 1)), len(far)) - 1]
        return tuple(
            (value - width, value + width) for value, width in zip(self.params, widths.tolist(), strict=True)
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter."""
        import pandas as pd

        columns = {"coef": self.params}
        if self.noise_errors:
            columns["noise"] = self.noise_errors
        return pd.DataFrame(columns, index=list(self.terms) if self.params else [], dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "terms": list(self.terms),
            "params": list(self.params),
            "nobs": self.nobs,
            "rsquared": self.rsquared,
            "chosen": list(self.chosen),
            "noise_errors": list(self.noise_errors),
            "noise_interval": []
            if self.distances is None
            else [list(pair) for pair in self.noise_interval()],
            "too_few": self.too_few,
        }
