"""The finished answer.

Floor:    analytics beside errors; pandas is loaded only where a frame is asked for.
Promise:  ``rows``, ``errors`` and ``interval_rows`` are plain; ``frame``, ``standard_errors`` and
          ``interval`` have exactly the SELECT's columns. Cells that the guard closed are NA and listed in
          ``suppressed``.
Source:   ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from analytics.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

Cell = int | float | bool | str | None
Kind = Literal["integer", "number", "boolean", "text"]
_DTYPES = {"integer": "Int64", "number": "Float64", "boolean": "boolean", "text": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """An answer.

    Attributes:
        columns: the SELECT's columns.
        kinds: their types.
        rows: the cells; None is NA.
        errors: standard error of the noise on each cell, 0 in exact answers; None for group keys and NA.
        suppressed: (row, column) of each cell that the guard closed.
        cost: what was charged, with everything that epsilon depends on.
        receipt: the ledger's receipt.
    """

    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    rows: tuple[tuple[Cell, ...], ...]
    errors: tuple[tuple[float | None, ...], ...]
    suppressed: tuple[tuple[int, str], ...] = ()
    cost: Mapping[str, object] = field(default_factory=dict)
    receipt: Mapping[str, object] = field(default_factory=dict)

    @property
    def frame(self) -> pd.DataFrame:
        """The answer as a pandas frame with nullable types."""
        return self._frame(self.rows, [_DTYPES[kind] for kind in self.kinds])

    @property
    def standard_errors(self) -> pd.DataFrame:
        """Standard errors of the noise, in the shape of ``frame``."""
        return self._frame(self.errors, ["Float64"] * len(self.columns))

    def interval(self, level: float = 0.95) -> pd.DataFrame:
        """Intervals that cover the answer without noise, in the shape of ``frame``.

        Args:
            level: coverage, above 0 and below 1.

        Returns:
            A frame of ``(low, high)``; None for group keys and NA.
        """
        return self._frame(self.interval_rows(level), ["object"] * len(self.columns))

    def interval_rows(self, level: float = 0.95) -> tuple[tuple[tuple[float, float] | None, ...], ...]:
        """Intervals that cover the answer without noise, plain.

        The noise is Gaussian on each figure; for ratios and variances the interval is of first order.

        Args:
            level: coverage, above 0 and below 1.

        Returns:
            In the shape of ``rows``: ``(low, high)``; None for group keys and NA.

        Raises:
            InvalidRequestError: the level is not above 0 and below 1.
        """
        if isinstance(level, bool) or not 0 < level < 1:
            raise InvalidRequestError(parameter="level", reason="must be above 0 and below 1")
        width = NormalDist().inv_cdf((1 + level) / 2)
        return tuple(
            tuple(_around(cell, error, width) for cell, error in zip(cells, errors, strict=True))
            for cells, errors in zip(self.rows, self.errors, strict=True)
        )

    def to_dict(self) -> dict[str, object]:
        """The answer for ``--json``."""
        return {
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "standard_errors": [list(row) for row in self.errors],
            "suppressed": [{"row": row, "column": column} for row, column in self.suppressed],
            "cost": dict(self.cost),
            "receipt": dict(self.receipt),
        }

    def _frame(self, rows: Sequence[Sequence[object]], dtypes: Sequence[str]) -> pd.DataFrame:
        import pandas as pd

        columns = {
            name: pd.Series([row[place] for row in rows], dtype=dtype)
            for place, (name, dtype) in enumerate(zip(self.columns, dtypes, strict=True))
        }
        return pd.DataFrame(columns)


def _around(cell: Cell, error: float | None, width: float) -> tuple[float, float] | None:
    if cell is None or error is None or isinstance(cell, str | bool):
        return None
    return float(cell) - width * error, float(cell) + width * error
