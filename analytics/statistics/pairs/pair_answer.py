"""Answers with one row a pair: the frame, limits on its measures, and p-values adjusted for their number.

Layer:       analytics.statistics.pairs above base; below signals_answer and comorbidity_answer.
Guarantees:  p-values are adjusted for all open pairs, whatever rows are kept afterwards; which pairs are open was chosen by
             the data, so that they order pairs rather than prove one.
Source:      Benjamini and Hochberg 1995 by default.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final, Self

from analytics.errors import InvalidRequestError
from analytics.statistics.base import Answer
from analytics.statistics.profiles.group_comparisons import ADJUSTMENTS, adjusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Value = float | str | None
Row = dict[str, Value]
DEFAULT_ADJUSTMENT: Final = "fdr_bh"
TOO_FEW: Final = "too_few"
P_VALUES: Final = ("p_value", "p_adjusted")


@dataclass(frozen=True, kw_only=True)
class PairAnswer(Answer):
    """Open pairs of items.

    Attributes:
        rows: one a pair, by the names of the frame's columns.
        n_people: of all sites; None where that is closed; with noise in private mode.
        n_pairs: pairs that were asked.
        n_closed: of these the closed ones; in private mode those of which the noise leaves nothing.
        noise_sd: standard deviation of the noise on each count; 0 in exact mode.
    """

    names: ClassVar[tuple[str, ...]]
    measures: ClassVar[tuple[str, ...]]
    rows: tuple[Row, ...] = ()
    n_people: float | None = None
    n_pairs: int = 0
    n_closed: int = 0
    noise_sd: float = 0.0

    @property
    def frame(self) -> pd.DataFrame:
        """One row a pair."""
        import pandas as pd

        return pd.DataFrame(
            {
                name: pd.Series(
                    [row[name] for row in self.rows], dtype="string" if name in self.names else "Float64"
                )
                for name in (*self.names, *self.measures)
            }
        )

    def where(self, **limits: float) -> Self:
        """Keep the pairs within limits: the least value of a measure, of p-values the largest.

        Args:
            **limits: by names of the frame's columns, such as ``p_adjusted=0.05`` or ``count=20``.

        Raises:
            InvalidRequestError: there is no such measure, or a limit is no number.
        """
        for name, limit in limits.items():
            if name not in self.measures or isinstance(limit, bool) or not isinstance(limit, int | float):
                reason = f"must be a number for one of {', '.join(self.measures)}"
                raise InvalidRequestError(parameter=name[:80], reason=reason)
        return replace(self, rows=tuple(row for row in self.rows if is_within(row, limits)))

    def adjusted(self, method: str) -> Self:
        """Adjust the p-values of the rows that are here by another method.

        Args:
            method: bonferroni, holm, fdr_bh or fdr_by.

        Raises:
            InvalidRequestError: there is no such method.
        """
        if method not in ADJUSTMENTS:
            raise InvalidRequestError(parameter="method", reason=f"must be one of {', '.join(ADJUSTMENTS)}")
        return replace(self, rows=tuple(with_adjusted(self.rows, method)))


def is_within(row: Row, limits: dict[str, float]) -> bool:
    """Whether a row keeps limits; a missing measure keeps none."""
    for name, limit in limits.items():
        value = row[name]
        if not isinstance(value, int | float) or (value > limit if name in P_VALUES else value < limit):
            return False
    return True


def with_adjusted(rows: Sequence[Row], method: str = DEFAULT_ADJUSTMENT) -> list[Row]:
    """Rows with ``p_adjusted`` from their ``p_value``."""
    known = [float(row["p_value"]) for row in rows if row["p_value"] is not None]
    found = iter(adjusted(known, method) if known else [])
    return [row | {"p_adjusted": None if row["p_value"] is None else next(found)} for row in rows]


def number(value: Value) -> float | None:
    """A measure as a number."""
    return float(value) if isinstance(value, int | float) else None
