"""Pearson's chi-square test of independence of two columns.

Layer:       analytics.statistics.tables above counts and distributions.
Terms:       the *table* has a row for each group of the first column and a column for each group of the second; NULL is
             no group of it.
Guarantees:  exact: the whole table opens or nothing does: one flag, which is 1 where every cell reaches the threshold;
             no party learns which cell did not. Private: the p-value is a parametric bootstrap over the mechanism under
             independence: the law of the noise on each cell enters it, and no classical p-value is given. Its seed
             follows from the answer. With ``reveal="statistic"`` the table stays hidden, and the statistic opens alone,
             rounded on shares (module revealed): of up to 20 cells where each reaches the threshold, of more where each
             group does.
See instead: expected counts below 5, which the test itself does not refuse; ``expected`` shows them.
Source:      K. Pearson 1900; F. Yates 1934 for the correction of 2 x 2 tables, as ``scipy.stats.chi2_contingency`` has it.
             Parametric bootstrap over a noise mechanism: Gaboardi et al. 1602.03090, Monte Carlo test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError
from analytics.statistics.arguments import Arguments, Parameter
from analytics.statistics.base import BOTH, MINIMUM_CELL
from analytics.statistics.counts import WholeTable
from analytics.statistics.hidden.hidden_ratios import (
    check_table,
    check_two_by_two,
    chi_square_of_table,
    chi_square_ratio,
    rows_bits,
)
from analytics.statistics.hidden.revealed import (
    DIGITS,
    REVEAL,
    SMALL_TABLE,
    Hidden,
    HiddenRatio,
    RevealedAnswer,
    is_hidden,
)
from analytics.statistics.tables.chi_square_answer import ChiSquareAnswer
from analytics.statistics.tables.independence import (
    expected_counts,
    noisy_pvalue,
    pearson,
    pearson_under_noise,
)
from analytics.statistics.uncertainty.distributions import chi_square_tail
from smpc.operations.arithmetic import concatenate, take
from smpc.operations.numeric.significant import Rounding
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.schema import Table
    from analytics.statistics.base import Ints, Limits, Mode
    from analytics.statistics.uncertainty.noise_law import NoiseLaw
    from smpc.session import Session

Floats = npt.NDArray[np.float64]
MAX_CELLS: Final = 1_000
ROUNDING: Final = Rounding(digits=DIGITS, places=4, decades=7)
UNDEFINED: Final = "undefined"
_FEWEST_BITS: Final = 5  # of quotients


@dataclass(frozen=True, kw_only=True)
class ChiSquare(WholeTable):
    """The test of independence of ``a`` and ``b``.

    Attributes:
        correction: Yates' correction of a table with one degree of freedom; of exact answers alone.
        reveal: whether the statistic opens alone.
    """

    name: ClassVar[str] = "chi_square"
    any_noise: ClassVar[bool] = True
    summary: ClassVar[str] = "chi-square test of independence of two columns"
    modes: ClassVar = BOTH
    promoted: ClassVar = BOTH
    parameters: ClassVar = (
        Parameter(name="a", meaning="a column with public groups: the table's rows"),
        Parameter(name="b", meaning="another one: the table's columns"),
        Parameter(name="correction", meaning="Yates' correction where dof is 1, as in scipy", default=True),
        REVEAL,
    )
    is_whole_table: ClassVar[bool] = True
    correction: bool = True
    reveal: bool = False

    @classmethod
    def bind(cls, table: Table, arguments: Arguments, mode: Mode, limits: Limits) -> Self:
        """See ``Statistic``."""
        first, second = (arguments.group_column(name, table) for name in ("a", "b"))
        if first == second:
            raise InvalidRequestError(parameter="b", reason="must be another column than a")
        bound = cls(
            table=table,
            mode=mode,
            limits=limits,
            keys=(("a", first), ("b", second)),
            correction=arguments.flag("correction"),
            reveal=is_hidden(arguments, mode),
        )
        if len(bound.places) > MAX_CELLS or min(bound._table_shape) < 2:  # noqa: PLR2004  a table has two rows
            reason = f"must have at least two groups, and with a at most {MAX_CELLS} cells"
            raise InvalidRequestError(parameter="b", reason=reason)
        if bound.reveal:
            if bound._is_two_by_two:
                check_two_by_two(bound._table_shape, "a", limits)
            else:
                check_table(bound._table_shape, "a", limits)
        return bound

    @property
    def hidden(self) -> Hidden | None:
        """See ``CountStatistic``."""
        if not self.reveal:
            return None
        n_cells, n_groups, least = len(self.places), sum(self._table_shape), self.limits.threshold
        # a group of no people is closed without a minimum cell too: its quotients mean nothing
        cells = (least,) * n_cells if n_cells <= SMALL_TABLE else ()
        return Hidden(
            quantity="chi-square",
            rule=ROUNDING,
            limits=self.limits,
            guards=self._guards,
            ratio=self._ratio,
            least=cells if self._is_two_by_two else (*cells, *(max(1, least),) * n_groups),
        )

    def _guards(self, figures: Shared) -> Shared:
        """The cells of a small table; the people of each group of any but one of four cells."""
        cells = take(figures, self.places)
        if self._is_two_by_two:
            return cells
        table = cells.share.reshape(self._table_shape)
        groups = Shared(share=np.concatenate([table.sum(axis=1), table.sum(axis=0)]))
        return concatenate([cells, groups]) if len(self.places) <= SMALL_TABLE else groups

    def _ratio(self, session: Session, figures: Shared) -> HiddenRatio:
        cells, bits = take(figures, self.places), rows_bits(self.limits)
        if self._is_two_by_two:
            return chi_square_ratio(session, cells, bits, has_correction=self.correction)
        return chi_square_of_table(session, cells, self._table_shape, max(_FEWEST_BITS, bits))

    def describe(self) -> dict[str, object]:
        """See ``Statistic``."""
        found = {"a": self.keys[0][1].name, "b": self.keys[1][1].name, "correction": self.correction}
        return found if self.hidden is None else {**found, **self.hidden.describe()}

    def estimate(self, opened: Sequence[Ints], noise: Sequence[NoiseLaw]) -> ChiSquareAnswer | RevealedAnswer:
        """See ``Statistic``."""
        (values,) = opened
        dof = (self._table_shape[0] - 1) * (self._table_shape[1] - 1)
        if self.hidden is not None:
            return self.hidden.answer(values, lambda value: chi_square_tail(value, dof), dof)
        if self.is_guarded and not values[-1]:
            return ChiSquareAnswer(
                statistic=None, pvalue=None, dof=dof, labels=self._labels, closed=MINIMUM_CELL
            )
        law = noise[0] if noise else None
        cells = values[: len(self.places)].astype(np.float64) / (1 if law is None else law.weight)
        table = cells.reshape(self._table_shape)
        expected = np.nan_to_num(expected_counts(table[np.newaxis])[0])
        correction = 0.5 if self.correction and dof == 1 and law is None else 0.0
        statistic = float(
            (
                pearson(table[np.newaxis], correction)
                if law is None
                else pearson_under_noise(table[np.newaxis])
            )[0]
        )
        is_defined = not np.isnan(statistic)
        by_noise = None if law is None else noisy_pvalue(table, pearson_under_noise, law, values)
        pvalue = chi_square_tail(statistic, dof) if by_noise is None else by_noise
        return ChiSquareAnswer(
            statistic=statistic if is_defined else None,
            pvalue=pvalue if is_defined else None,
            dof=dof,
            observed=tuple(map(tuple, table.tolist())),
            expected=tuple(map(tuple, expected.tolist())) if is_defined else (),
            labels=self._labels,
            noise_sd=0.0 if law is None else law.sd,
            closed="" if is_defined else UNDEFINED,
        )

    @property
    def _is_two_by_two(self) -> bool:
        return self._table_shape == (2, 2)

    @property
    def _table_shape(self) -> tuple[int, int]:
        rows, columns = (len(names) for names in self._labels)
        return rows, columns

    @property
    def _labels(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        rows, columns = (
            tuple(str(label) for label in key.labels if label is not None) for key in self.groups
        )
        return rows, columns
