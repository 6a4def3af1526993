"""The answer of ``signals``: the measures of each open pair of a drug and an event.

Layer:       analytics.statistics.pairs above pair_answer, signal_measures and gamma_poisson.
Guarantees:  all that is shown follows from the opened counts; a closed pair does not occur, only how many there are.
Source:      ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from analytics.pictures import Estimates
from analytics.statistics.pairs.gamma_poisson import fit_prior, shrunk
from analytics.statistics.pairs.pair_answer import PairAnswer, Row, number, with_adjusted
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

    from analytics.statistics.pairs.noisy_pairs import NoisyPair

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
_SHOWN: Final = 30


@dataclass(frozen=True, kw_only=True)
class SignalsAnswer(PairAnswer):
    """Signals, those with the largest lower end of the information component first."""

    names: ClassVar = NAMES
    measures: ClassVar = MEASURES

    def values(self) -> dict[str, object]:
        """See ``Answer``."""
        return {
            "n_people": self.n_people,
            "n_pairs": self.n_pairs,
            "n_closed": self.n_closed,
            "noise_sd": self.noise_sd,
            "pairs": [dict(row) for row in self.rows],
        }

    def picture(self) -> Estimates | None:
        """The reporting odds ratios of the first pairs."""
        shown = [row for row in self.rows if row["ror"] is not None][:_SHOWN]
        if not shown:
            return None
        low, middle, high = ([number(row[name]) for row in shown] for name in ("ror_low", "ror", "ror_high"))
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
    return tuple(sorted(with_adjusted(_with_shrunk(rows, least)), key=_order))


def noisy_signal_rows(names: Sequence[tuple[str, str]], pairs: Sequence[NoisyPair]) -> tuple[Row, ...]:
    """The measures of pairs of a private release that the noise leaves any to.

    Args:
        names: drug and event of each.
        pairs: their measures.

    Returns:
        As ``signal_rows``, without a chi-square and without shrinkage, which need exact counts.
    """
    rows: list[Row] = []
    for (drug, event), pair in zip(names, pairs, strict=True):
        if pair.p_value is None:
            continue
        a, b, c, d = pair.cells
        row: Row = {"drug": drug, "event": event, "count": a, "expected": expected_count(a, b, c, d)}
        row |= {"drug_count": a + b, "event_count": a + c}
        row |= _named("ror", pair.odds_ratio) | _named("prr", pair.reporting_ratio)
        row |= {"chi_square": None, "p_value": pair.p_value} | _named("ic", pair.information_component)
        rows.append(row | dict.fromkeys(("ebgm", "eb05", "eb95")))
    return tuple(sorted(with_adjusted(rows), key=_order))


def _with_shrunk(rows: list[Row], least: int) -> list[Row]:
    likely = [row for row in rows if number(row["expected"])]
    counts = [int(number(row["count"]) or 0) for row in likely]
    means = [number(row["expected"]) or 0.0 for row in likely]
    prior = fit_prior(counts, means, least)
    if prior is not None:
        for row, measures in zip(likely, shrunk(prior, counts, means), strict=True):
            row.update(zip(("ebgm", "eb05", "eb95"), measures, strict=True))
    return rows


def _named(name: str, interval: tuple[float | None, float | None, float | None]) -> Row:
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def _order(row: Row) -> tuple[float, str, str]:
    low = number(row["ic_low"])
    return (-(low if low is not None else float("-inf")), str(row["drug"]), str(row["event"]))
