"""The answer of ``signals``: the measures of each open pair of a drug and an event.

Layer:       analytics.statistics.pairs above signal_measures and gamma_poisson.
Guarantees:  all that is shown follows from the opened counts; a closed pair does not occur, only how many there are.
             P-values are adjusted for all open pairs, whatever rows are kept afterwards.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.pictures import Estimates
from analytics.statistics.base import Answer
from analytics.statistics.group_comparisons import ADJUSTMENTS, adjusted
from analytics.statistics.pairs.gamma_poisson import fit_prior, shrunk
from analytics.statistics.pairs.signal_measures import (
    chi_square,
    expected_count,
    information_component,
    odds_ratio,
    p_value,
    reporting_ratio,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Value = float | str | None
Row = dict[str, Value]
NAMES: Final = ("drug", "event")
MEASURES: Final = (
    "count",
    "expected",
    "drug_count",
    "event_count",
    "ror",
    "ror_low",
    "ror_high",
    "prr",
    "prr_low",
    "prr_high",
    "chi_square",
    "p_value",
    "p_adjusted",
    "ic",
    "ic_low",
    "ic_high",
    "ebgm",
    "eb05",
    "eb95",
)
P_VALUES: Final = ("p_value", "p_adjusted")
DEFAULT_ADJUSTMENT: Final = "fdr_bh"
_SHOWN: Final = 30


@dataclass(frozen=True, kw_only=True)
class SignalsAnswer(Answer):
    """Signals, those with the largest lower end of the information component first.

    Attributes:
        rows: one a pair, by the names of the frame's columns.
        n_people: of all sites; None where that is closed.
        n_pairs: pairs that were asked.
        n_closed: of these the closed ones.
    """

    rows: tuple[Row, ...] = ()
    n_people: int | None = None
    n_pairs: int = 0
    n_closed: int = 0

    @property
    def frame(self) -> pd.DataFrame:
        """One row a pair."""
        import pandas as pd

        return pd.DataFrame(
            {
                name: pd.Series(
                    [row[name] for row in self.rows], dtype="string" if name in NAMES else "Float64"
                )
                for name in (*NAMES, *MEASURES)
            }
        )

    def where(self, **limits: float) -> SignalsAnswer:
        """Keep the pairs within limits: the least value of a measure, of p-values the largest.

        Args:
            **limits: by names of the frame's columns, such as ``ic_low=0`` or ``count=20``.

        Raises:
            InvalidRequestError: there is no such measure, or a limit is no number.
        """
        for name, limit in limits.items():
            if name not in MEASURES or isinstance(limit, bool) or not isinstance(limit, int | float):
                reason = f"must be a number for one of {', '.join(MEASURES)}"
                raise InvalidRequestError(parameter=name[:80], reason=reason)
        kept = [
            row
            for row in self.rows
            if all(_is_within(row[name], name, limit) for name, limit in limits.items())
        ]
        return replace(self, rows=tuple(kept))

    def adjusted(self, method: str) -> SignalsAnswer:
        """Adjust the p-values of the rows that are here by another method.

        Args:
            method: bonferroni, holm, fdr_bh or fdr_by.

        Raises:
            InvalidRequestError: there is no such method.
        """
        if method not in ADJUSTMENTS:
            raise InvalidRequestError(parameter="method", reason=f"must be one of {', '.join(ADJUSTMENTS)}")
        return replace(self, rows=tuple(_with_adjusted(self.rows, method)))

    def values(self) -> dict[str, object]:
        """See ``Answer``."""
        return {
            "n_people": self.n_people,
            "n_pairs": self.n_pairs,
            "n_closed": self.n_closed,
            "signals": [dict(row) for row in self.rows],
        }

    def picture(self) -> Estimates | None:
        """The reporting odds ratios of the first pairs."""
        shown = [row for row in self.rows if row["ror"] is not None][:_SHOWN]
        if not shown:
            return None
        low, middle, high = ([_number(row[name]) for row in shown] for name in ("ror_low", "ror", "ror_high"))
        return Estimates(
            labels=[f"{row['drug']} - {row['event']}" for row in shown],
            values=middle,
            low=low,
            high=high,
            x_name="reporting odds ratio",
            reference=1.0,
            is_ratio=True,
        )


def signal_rows(
    names: Sequence[tuple[str, str]],
    cells: Sequence[tuple[int, int, int, int]],
    least: int,
) -> tuple[Row, ...]:
    """The measures of open pairs.

    Args:
        names: drug and event of each.
        cells: of each the people with both, the drug alone, the event alone, neither.
        least: the smallest count that could open.

    Returns:
        By falling lower end of the information component, then by names.
    """
    rows: list[Row] = []
    for (drug, event), (a, b, c, d) in zip(names, cells, strict=True):
        expected = expected_count(a, b, c, d) if a + b + c + d else 0.0
        statistic = chi_square(a, b, c, d)
        row: Row = {"drug": drug, "event": event, "count": a, "expected": expected}
        row |= {"drug_count": a + b, "event_count": a + c}
        row |= _named("ror", odds_ratio(a, b, c, d)) | _named("prr", reporting_ratio(a, b, c, d))
        row |= {"chi_square": statistic, "p_value": None if statistic is None else p_value(statistic)}
        row |= {"p_adjusted": None} | _named("ic", information_component(a, expected))
        rows.append(row | dict.fromkeys(("ebgm", "eb05", "eb95")))
    return tuple(sorted(_with_adjusted(_with_shrunk(rows, least), DEFAULT_ADJUSTMENT), key=_order))


def _with_shrunk(rows: list[Row], least: int) -> list[Row]:
    likely = [row for row in rows if _number(row["expected"])]
    pairs = [(int(_number(row["count"]) or 0), _number(row["expected"]) or 0.0) for row in likely]
    prior = fit_prior([count for count, _ in pairs], [mean for _, mean in pairs], least)
    if prior is not None:
        for row, (count, mean) in zip(likely, pairs, strict=True):
            row.update(zip(("ebgm", "eb05", "eb95"), shrunk(prior, count, mean), strict=True))
    return rows


def _with_adjusted(rows: Sequence[Row], method: str) -> list[Row]:
    tested = [row for row in rows if row["p_value"] is not None]
    found = adjusted([_number(row["p_value"]) or 0.0 for row in tested], method) if tested else []
    by_row = {id(row): value for row, value in zip(tested, found, strict=True)}
    return [row | {"p_adjusted": by_row.get(id(row))} for row in rows]


def _named(name: str, interval: tuple[float | None, float | None, float | None]) -> Row:
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def _number(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _is_within(value: Value, name: str, limit: float) -> bool:
    number = _number(value)
    if number is None:
        return False
    return number <= limit if name in P_VALUES else number >= limit


def _order(row: Row) -> tuple[float, str, str]:
    low = _number(row["ic_low"])
    return (-(low if low is not None else float("-inf")), str(row["drug"]), str(row["event"]))
