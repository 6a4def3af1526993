"""Ordinary least squares with noise, from one release of all sums of products.

Layer:       analytics.statistics above gram_release and released_fit; below regression.
Terms:       as of the exact fit (ols): a number enters as it is, a true-or-false column as 0 and 1, a category by one
             term for each level but the first. There is always an intercept.
Guarantees:  over the rows that lack none of the columns. P-values and intervals hold sampling and noise both (bootstrap
             over the mechanism, seeded by the answer), and the standard errors of both are given apart. A fit whose
             design the noise hides, in some direction, is flagged ``too_few``: a constant column, columns that follow
             from each other, or too few rows for this epsilon; its intervals need not hold.
Visible to:  the analyst: the noisy sums.
Source:      released_fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.schema import NumericColumn
from analytics.statistics.arguments import Arguments, check_one_row_a_unit
from analytics.statistics.base import Answer
from analytics.statistics.linear_models.released_fit import fit, replicates, variances
from analytics.statistics.matrices.formulas import read_formula
from analytics.statistics.matrices.gram_release import GramRelease
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.noise_law import simulation

if TYPE_CHECKING:
    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.matrices.noisy_gram import NoisyGram

Floats = npt.NDArray[np.float64]
REPLICATES: Final = 999
_LEVEL: Final = 0.95
_LEAST_STEPS: Final = 1 / 12  # variance of rounding to whole steps


@dataclass(frozen=True, kw_only=True)
class ReleasedOlsAnswer(Answer):
    """The fit.

    Attributes:
        terms: the intercept, then those of the formula.
        params: for each unit of the column.
        bse: standard errors, of sampling and noise together.
        sampling_errors: of sampling alone.
        noise_errors: of the noise alone, first order.
        pvalues: of the tests that a parameter is 0, with two sides.
        nobs: rows, noisy.
        scale: variance of the residuals.
        rsquared: share of the outcome's variance, between 0 and 1.
        too_few: whether the noise hides the design in some direction.
        distances: of the replicates, for intervals; shape ``(replicates, terms)``.
    """

    terms: tuple[str, ...]
    params: tuple[float, ...]
    bse: tuple[float, ...]
    sampling_errors: tuple[float, ...]
    noise_errors: tuple[float, ...]
    pvalues: tuple[float, ...]
    nobs: float
    scale: float
    rsquared: float
    too_few: bool
    distances: Floats = field(compare=False)

    def conf_int(self, alpha: float = 1 - _LEVEL) -> tuple[tuple[float, float], ...]:
        """Interval of each parameter at ``1 - alpha``, with sampling and noise."""
        if not 0 < alpha < 1:
            raise InvalidRequestError(parameter="alpha", reason="must be a number above 0 and below 1")
        widths = _quantiles(np.abs(self.distances), 1 - alpha)
        rows = zip(self.params, self.bse, widths, strict=True)
        return tuple((value - width * error, value + width * error) for value, error, width in rows)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter."""
        import pandas as pd

        low, high = zip(*self.conf_int(), strict=True)
        columns = {
            "coef": self.params,
            "std err": self.bse,
            "sampling": self.sampling_errors,
            "noise": self.noise_errors,
            "P": self.pvalues,
            "low": low,
            "high": high,
        }
        return pd.DataFrame(columns, index=list(self.terms), dtype="Float64")

    def summary(self) -> str:
        """The fit as text."""
        from analytics.text_tables import as_text

        names, rows = self.cells()
        return as_text(names, rows, self.lines())

    def picture(self) -> Estimates:
        """The parameters with their 95 % intervals, without the intercept."""
        rows = list(zip(self.terms, self.params, self.conf_int(), strict=True))[1:]
        return Estimates(
            labels=[term for term, _, _ in rows],
            values=[value for _, value, _ in rows],
            low=[low for _, _, (low, _) in rows],
            high=[high for _, _, (_, high) in rows],
            x_name="change of the outcome, 95 % interval",
            reference=0.0,
        )

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "terms": list(self.terms),
            "params": list(self.params),
            "bse": list(self.bse),
            "sampling_errors": list(self.sampling_errors),
            "noise_errors": list(self.noise_errors),
            "pvalues": list(self.pvalues),
            "conf_int": [list(pair) for pair in self.conf_int()],
            "nobs": self.nobs,
            "scale": self.scale,
            "rsquared": self.rsquared,
            "too_few": self.too_few,
        }


@dataclass(frozen=True, kw_only=True)
class ReleasedOls(GramRelease):
    """The fit; of ``modelled`` the outcome is the last."""

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        check_one_row_a_unit(table, cls.name)
        outcome, covariates = read_formula(arguments.text("formula"), table, "formula")
        if not isinstance(outcome, NumericColumn):
            raise InvalidRequestError(
                parameter="formula", reason=f"{outcome.name} must be numeric: it is the outcome"
            )
        bound = cls(table=table, mode=mode, limits=limits, modelled=(*covariates, outcome))
        bound.check_size("formula")
        return bound

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        *covariates, outcome = (column.name for column in self.modelled)
        return {"outcome": outcome, "covariates": covariates}

    def answer(self, gram: NoisyGram, opened: Ints) -> ReleasedOlsAnswer:
        """See ``GramRelease``."""
        outcome, forms = self.design[-1], self._forms()
        unit = self._unit * outcome.reach
        least = _LEAST_STEPS / outcome.reach**2
        own = fit(gram.matrix, gram, least_variance=least)
        values = forms @ own.params
        values[0] += outcome.center / outcome.reach  # the outcome is centered in the design
        errors = np.sqrt(variances(own, forms))
        drawn = replicates(own, gram, forms, REPLICATES, simulation(opened), least_variance=least)
        farther = (np.abs(drawn) >= np.abs(values / errors)).sum(axis=0)
        total = gram.matrix[-1, -1] - gram.matrix[0, -1] ** 2 / gram.n
        left = float(own.variance) * max(gram.n - len(values), 1.0)
        return ReleasedOlsAnswer(
            terms=("intercept", *(term.name for term in self.design[:-1])),
            params=tuple((unit * values).tolist()),
            bse=tuple((unit * errors).tolist()),
            sampling_errors=tuple((unit * _errors(forms, own.sampling)).tolist()),
            noise_errors=tuple((unit * _errors(forms, own.noise)).tolist()),
            pvalues=tuple(((1 + farther) / (1 + REPLICATES)).tolist()),
            nobs=gram.n,
            scale=unit**2 * float(own.variance),
            rsquared=min(max(1 - left / total, 0.0), 1.0) if total > 0 else 0.0,
            too_few=bool(own.is_raised) or gram.n < FEW * gram.size_sd,
            distances=drawn,
        )

    @property
    def _unit(self) -> float:
        outcome = self.modelled[-1]
        return float(outcome.resolution) if isinstance(outcome, NumericColumn) else 1.0

    def _forms(self) -> Floats:
        """From parameters of the scaled design to those of the columns' own units, the outcome still scaled."""
        found = np.eye(len(self.design))
        for place, term in enumerate(self.design[:-1], start=1):
            column = self.modelled[term.column]
            step = float(column.resolution) if isinstance(column, NumericColumn) else 1.0
            found[place, place] = 1 / (term.reach * step)
            found[0, place] = -term.center / term.reach
        return found


def _errors(forms: Floats, covariance: Floats) -> Floats:
    found: Floats = np.sqrt(np.einsum("qi,ij,qj->q", forms, covariance, forms))
    return found


def _quantiles(distances: Floats, level: float) -> Floats:
    """The distance within which a share of the replicates lies, in each column; rounded up to a replicate."""
    place = min(math.ceil(level * (len(distances) + 1)), len(distances)) - 1
    found: Floats = np.sort(distances, axis=0)[place]
    return found
