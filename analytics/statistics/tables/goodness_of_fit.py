"""Pearson's chi-square test of one column against expected shares.

Layer:       analytics.statistics.tables above counts, distributions and independence.
Terms:       NULL is no group of the column.
Guarantees:  ``expected`` are shares or any positive numbers in their proportion, one for each group in the order of the
             schema; equal shares by default, as ``scipy.stats.chisquare``. They are used after the opening alone. Exact:
             all counts open or none does, by one flag. Private: the p-value is a parametric bootstrap over the mechanism
             under the expected shares, seeded by the answer, and no classical p-value is given.
Visible to:  the analyst: the counts.
See instead: two columns (chi_square).
Source:      K. Pearson 1900; bootstrap: independence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, MINIMUM_CELL, Answer
from analytics.statistics.counts import WholeTable
from analytics.statistics.tables.independence import noisy_pvalue
from analytics.statistics.uncertainty.distributions import chi_square_tail

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    import pandas as pd

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw

Floats = npt.NDArray[np.float64]
MAX_GROUPS: Final = 1_000
UNDEFINED: Final = "undefined"
_FEWEST_GROUPS: Final = 2


@dataclass(frozen=True, kw_only=True)
class GoodnessOfFitAnswer(Answer):
    """The test.

    Attributes:
        statistic: chi-square; None where it is closed, or undefined as there is no row.
        pvalue: exact: the upper tail; private: from the bootstrap.
        dof: groups less one.
        labels: of the groups.
        observed: counts, with noise in private mode.
        expected: counts by the expected shares.
        noise_sd: standard deviation of the noise on each count; 0 in exact mode.
    """

    statistic: float | None
    pvalue: float | None = None
    dof: int
    labels: tuple[str, ...]
    observed: tuple[float, ...] = ()
    expected: tuple[float, ...] = ()
    noise_sd: float = 0.0

    @property
    def frame(self) -> pd.DataFrame:
        """One row a group."""
        import pandas as pd

        columns = {"observed": self.observed, "expected": self.expected}
        return pd.DataFrame(columns, index=list(self.labels) if self.observed else [], dtype="Float64")

    def values(self) -> dict[str, object]:
        """Its fields as plain data."""
        return {
            "statistic": self.statistic,
            "pvalue": self.pvalue,
            "dof": self.dof,
            "groups": list(self.labels),
            "observed": list(self.observed),
            "expected": list(self.expected),
            "noise_sd": self.noise_sd,
        }


@dataclass(frozen=True, kw_only=True)
class GoodnessOfFit(WholeTable):
    """The test of the shares of one column's groups.

    Attributes:
        shares: expected, in any unit.
    """

    name: ClassVar[str] = "goodness_of_fit"
    any_noise: ClassVar[bool] = True
    summary: ClassVar[str] = "chi-square test of a column against expected shares"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="column", meaning="a column with public groups"),
        Parameter(
            name="expected", meaning="a positive number for each group; equal by default", default=None
        ),
    )
    shares: tuple[Fraction, ...]

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        keys = (("column", arguments.group_column("column", table)),)
        bound = cls(table=table, mode=mode, limits=limits, keys=keys, shares=arguments.numbers("expected"))
        count = len(bound.labels)
        if not _FEWEST_GROUPS <= count <= MAX_GROUPS:
            raise InvalidRequestError(
                parameter="column", reason=f"must have 2 to {MAX_GROUPS} groups, not {count}"
            )
        if bound.shares and (len(bound.shares) != count or min(bound.shares) <= 0):
            raise InvalidRequestError(
                parameter="expected", reason=f"must be {count} numbers above 0, one a group"
            )
        return bound

    @property
    def labels(self) -> tuple[str, ...]:
        """Of the groups."""
        return tuple(str(label) for label in self.groups[0].labels if label is not None)

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        return {"column": self.keys[0][1].name, "expected": [str(each) for each in self.shares]}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> GoodnessOfFitAnswer:
        """See ``Statistic``."""
        (values,) = opened
        labels, law = self.labels, noise[0] if noise else None
        dof = len(labels) - 1
        if self.is_guarded and not values[-1]:
            return GoodnessOfFitAnswer(statistic=None, dof=dof, labels=labels, closed=MINIMUM_CELL)
        counts = values[: len(labels)] / (1 if law is None else law.weight)
        statistic = float(self._statistic(counts.reshape(1, 1, -1))[0])
        if np.isnan(statistic):
            return GoodnessOfFitAnswer(statistic=None, dof=dof, labels=labels, closed=UNDEFINED)
        by_noise = (
            None
            if law is None
            else noisy_pvalue(counts[np.newaxis], self._statistic, law, values, self._chances)
        )
        expected = self._chances * max(float(counts.sum()), 0.0)
        return GoodnessOfFitAnswer(
            statistic=statistic,
            pvalue=chi_square_tail(statistic, dof) if by_noise is None else by_noise,
            dof=dof,
            labels=labels,
            observed=tuple(counts.tolist()),
            expected=tuple(expected.tolist()),
            noise_sd=0.0 if law is None else law.sd,
        )

    @property
    def _chances(self) -> Floats:
        total = sum(self.shares)
        if not self.shares:
            return np.full(len(self.labels), 1 / len(self.labels))
        return np.array([float(each / total) for each in self.shares])

    def _statistic(self, tables: Floats) -> Floats:
        """Chi-square of each row of counts, shape ``(n, 1, groups)`` to ``(n,)``; NaN without a row.

        In private mode the counts add up to one at least, so that no private answer is undefined.
        """
        counts = tables[:, 0]
        total = counts.sum(axis=1, keepdims=True)
        if self.mode == "private":
            total = np.maximum(total, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = total * self._chances
            found: Floats = ((counts - expected) ** 2 / expected).sum(axis=1)
        return found
