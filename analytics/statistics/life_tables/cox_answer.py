"""The answer of a Cox regression.

Layer:       analytics.statistics.life_tables above base.
See instead: the fit (survival.cox).
Source:      columns as in the summaries of lifelines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import Answer

if TYPE_CHECKING:
    import pandas as pd

FIT_CLOSED: Final = "fit_closed"
_LEVEL: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class CoxAnswer(Answer):
    """The fit.

    Attributes:
        terms: names of the parameters: numeric and true-or-false columns, ``column=category``.
        params: log hazard ratios for each unit of the column; six digits. Empty where it is closed.
        standard_errors: from the inverse of the observed information; six digits.
        n_steps: Newton steps that were taken.
    """

    terms: tuple[str, ...]
    params: tuple[float, ...] = ()
    standard_errors: tuple[float, ...] = ()
    n_steps: int = 0

    @property
    def hazard_ratios(self) -> tuple[float, ...]:
        """For each unit of the column."""
        return tuple(math.exp(value) for value in self.params)

    @property
    def pvalues(self) -> tuple[float, ...]:
        """Of Wald's test that a parameter is 0."""
        pairs = zip(self.params, self.standard_errors, strict=True)
        return tuple(math.erfc(abs(value / error) / math.sqrt(2)) for value, error in pairs)

    def interval(self, level: float = _LEVEL) -> tuple[tuple[float, float], ...]:
        """Wald's confidence interval of each parameter.

        Args:
            level: between 0 and 1.

        Raises:
            InvalidRequestError: the level is out of range.
        """
        if not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be a number above 0 and below 1")
        width = NormalDist().inv_cdf((1 + level) / 2)
        pairs = zip(self.params, self.standard_errors, strict=True)
        return tuple((value - width * error, value + width * error) for value, error in pairs)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter: ``coef``, ``exp(coef)``, ``se(coef)``, ``low``, ``high``, ``pvalue``; NA where it is closed."""
        import pandas as pd

        low, high = zip(*self.interval(), strict=True) if self.params else ((), ())
        columns = {
            "coef": self.params,
            "exp(coef)": self.hazard_ratios,
            "se(coef)": self.standard_errors,
            "low": low,
            "high": high,
            "pvalue": self.pvalues,
        }
        found = {name: list(values) or [None] * len(self.terms) for name, values in columns.items()}
        return pd.DataFrame(found, index=list(self.terms), dtype="Float64")

    def picture(self) -> Estimates:
        """Hazard ratios with their 95 % intervals."""
        ends = self.interval()
        return Estimates(
            labels=list(self.terms),
            values=list(self.hazard_ratios),
            low=[math.exp(low) for low, _ in ends],
            high=[math.exp(high) for _, high in ends],
            x_name="hazard ratio, 95 % interval",
            reference=1.0,
            is_ratio=True,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "terms": list(self.terms),
            "params": list(self.params),
            "hazard_ratios": list(self.hazard_ratios),
            "standard_errors": list(self.standard_errors),
            "pvalues": list(self.pvalues),
            "n_steps": self.n_steps,
        }
