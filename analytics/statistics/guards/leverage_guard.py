"""The guard of linear relations by leverages on shares: none holds for all but few people, and none is mostly one person's.

Layer:       analytics.statistics above base; below the statistics of sums over rows.
Terms:       a site deals its rows to public *parts*, one after the other; a row's *design* is its columns between -1 and 1,
             the intercept first. The *leverage* of a row is its part in the sum of squares of the linear relation in which
             it has most of it; ``x @ inv(X.T @ X) @ x``.
Guarantees:  a relation that fails for fewer people than ``least`` has one person with more than ``1 / least`` of its sum of
             squares. The bit is 1 only where each part has at most that much of every relation, known or not, so none
             fails in fewer than ``least`` rows. This holds however the rows were dealt. It covers a dummy, a saturated
             design, columns that follow from each other and more parameters than ``rows / least``. A design near a
             singular one is closed (``smpc.operations.numeric.leverage``). The bit can be 0 where a part of several rows or a
             row has some 0.8 of the limit: it depends a little on the order of rows.
Visible to:  no party learns a sum, a leverage or the bit, until the bit is opened with others.
See instead: relations of second degree, and of less cost (relation_guard): those bound no one's part in a relation.
Source:      ours; docs/guarantees.md P21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, OverflowRiskError
from smpc.operations.arithmetic import reshape
from smpc.operations.numeric.leverage import TRACE_BITS, leverage_at_most

if TYPE_CHECKING:
    from analytics.statistics.base import Ints, Limits
    from smpc.session import Session
    from smpc.sharing import Shared

MAX_FIGURES: Final = 300_000
_UNIT_BITS: Final = 24
_MANY_FIGURES: Final = 60_000
_PARTS: Final = (2, 4, 10)  # fewest, usual, most for each column and unit of the threshold; more close less


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageGuard:
    """The guard of a design.

    Attributes:
        n_columns: of the design.
        limits: the public numbers; its threshold is the fewest rows.
    """

    n_columns: int
    limits: Limits

    def check_size(self, position: str) -> None:
        """Refuse what no run could hold.

        Raises:
            InvalidRequestError: too many figures.
            OverflowRiskError: too many rows.
        """
        if self.n_figures > MAX_FIGURES:
            reason = f"must make at most {MAX_FIGURES} guarded sums, not {self.n_figures}"
            raise InvalidRequestError(parameter=position, reason=reason)
        bits = (self.n_columns * self.limits.n_sites * self.limits.rows_max).bit_length() + _UNIT_BITS
        if bits >= TRACE_BITS:
            raise OverflowRiskError(figure="a guarded sum", bits=bits, limit_bits=TRACE_BITS - 1)

    @property
    def n_parts(self) -> int:
        """Parts of a site's rows; fewer of them where there are many columns."""
        fewest, usual, most = (each * self.n_columns * self.limits.threshold for each in _PARTS)
        within = min(usual, max(fewest, MAX_FIGURES // self._n_sums))
        return min(most, max(within, _MANY_FIGURES // self._n_sums))

    @property
    def n_figures(self) -> int:
        """Sums of one site."""
        return self.n_parts * self._n_sums

    @property
    def clamps(self) -> tuple[int, ...]:
        """Bounds of a site's sums."""
        return (self.limits.rows_max << _UNIT_BITS,) * self.n_figures

    @property
    def _n_sums(self) -> int:
        return self.n_columns * (self.n_columns + 1) // 2

    def figures(self, design: npt.NDArray[np.float64]) -> Ints:
        """One site's sums of products: of each part the upper half of its Gram matrix, in units of ``2**-24``.

        Args:
            design: shape ``(n_rows, n_columns)``, between -1 and 1.
        """
        sums = np.zeros((self.n_parts, self._n_sums))
        rows, columns = np.triu_indices(self.n_columns)
        start = len(design) * 7919 % self.n_parts  # sites of different sizes begin at different parts
        for place in range(0, len(design), self.n_parts):
            block = design[place : place + self.n_parts]
            where = (start + np.arange(len(block))) % self.n_parts
            sums[where] += block[:, rows] * block[:, columns]
        # rounding leaves the sum of all parts as it is, up to one unit
        total = np.rint(np.cumsum(sums, axis=0) * (1 << _UNIT_BITS)).astype(np.int64)
        return np.diff(total, axis=0, prepend=0).reshape(-1)

    def holds(self, session: Session, figures: Shared) -> Shared:
        """Return shares of 1 where every relation fails in enough rows, shape ``(1,)``.

        Visible to: no party.
        Cost: see ``leverage``: 108 rounds.

        Args:
            session: of all sites.
            figures: the sums of all sites, shape ``(n_figures,)``.
        """
        parts = reshape(figures, (self.n_parts, self._n_sums))
        return leverage_at_most(session, parts, self.limits.threshold)
