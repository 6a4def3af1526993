"""The answer of ``sequential_patterns``.

Layer:       analytics.statistics.sequences above base.
Terms:       of a pattern A then B over N people: support n / N; confidence n / n(A); lift the confidence over the share of the
             people who have B; ``reverse_count`` the people with B then A, ``order_ratio`` n over it. Of three items the
             confidence is over the first two, and the reverse order is that of all three.
Guarantees:  a closed pattern does not occur; a measure of a closed one is missing.
Source:      R. Agrawal, R. Srikant, ICDE 1995; J. Hallas, Epidemiology 7, 1996 (order ratio: sequence symmetry).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.pictures import Bars
from analytics.statistics.base import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from analytics.statistics.sequences.occurrences import Pattern

Row = dict[str, float | str | None]
THEN: Final = " then "
TEXTS: Final = ("pattern",)
MEASURES: Final = ("length", "count", "support", "confidence", "lift", "reverse_count", "order_ratio")
_SHOWN: Final = 20


@dataclass(frozen=True, kw_only=True)
class SequencesAnswer(Answer):
    """Patterns of two and three items, those of the largest support first.

    Attributes:
        rows: one a pattern, by the names of the frame's columns.
        item_counts: people who have each item; None where that is closed.
        n_people: of all sites; None where that is closed.
        n_patterns: patterns of two and three items that were asked.
        n_closed: of these the closed ones.
    """

    rows: tuple[Row, ...] = ()
    item_counts: Mapping[str, int | None]
    n_people: int | None = None
    n_patterns: int = 0
    n_closed: int = 0

    @property
    def frame(self) -> pd.DataFrame:
        """One row a pattern."""
        import pandas as pd

        return pd.DataFrame(
            {
                name: pd.Series(
                    [row[name] for row in self.rows], dtype="string" if name in TEXTS else "Float64"
                )
                for name in (*TEXTS, *MEASURES)
            }
        )

    def values(self) -> dict[str, object]:
        """See ``Answer``."""
        return {
            "n_people": self.n_people,
            "n_patterns": self.n_patterns,
            "n_closed": self.n_closed,
            "item_counts": dict(self.item_counts),
            "patterns": [dict(row) for row in self.rows],
        }

    def picture(self) -> Bars | None:
        """The supports of the first patterns."""
        shown = self.rows[:_SHOWN]
        if not shown:
            return None
        supports = [row["support"] if isinstance(row["support"], float) else None for row in shown]
        return Bars(
            labels=[str(row["pattern"]) for row in shown],
            series={"support": supports},
            x_name="pattern",
            y_name="share of the people",
        )


def pattern_rows(counts: Mapping[Pattern, int], n_people: int, names: Sequence[str]) -> tuple[Row, ...]:
    """The measures of open patterns of two items or more.

    Args:
        counts: people of each open pattern; with a pattern all its parts.
        n_people: above 0 where there are patterns.
        names: of the items.

    Returns:
        By falling support, then by names.
    """
    rows: list[Row] = []
    for pattern, count in counts.items():
        if len(pattern) == 1:
            continue
        reverse = counts.get(pattern[::-1]) if pattern != pattern[::-1] else None
        confidence = count / counts[pattern[:-1]]
        rows.append(
            {
                "pattern": THEN.join(names[item] for item in pattern),
                "length": len(pattern),
                "count": count,
                "support": count / n_people,
                "confidence": confidence,
                "lift": confidence * n_people / counts[pattern[-1:]],
                "reverse_count": reverse,
                "order_ratio": None if reverse is None else count / reverse,
            }
        )
    return tuple(sorted(rows, key=lambda row: (-float(row["count"] or 0), str(row["pattern"]))))
