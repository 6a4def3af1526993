"""A score card for a terminal: shares by dimension, what failed and how to mend it.

Layer:       federation.display.score_card, above terminal.
Visible to:  the administrator of the site whose rows it counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from analytics.quality.check import Dimension, State
from federation.display.terminal import grid, plain

if TYPE_CHECKING:
    from rich.table import Table

    from analytics.quality.check import CheckResult
    from analytics.quality.score_card import ScoreCard

_LEFT: Final = frozenset({"dimension", "column", "check", "violating", "state"})


def scores_table(card: ScoreCard) -> Table:
    """One line a dimension."""
    rows = []
    for each in Dimension:
        score = card.score(each)
        share = "" if score.share is None else f"{100 * score.share:.0f} %"
        rows.append(
            [
                each.value,
                f"{score.passed} of {score.applicable}",
                share,
                str(score.not_applicable or ""),
                str(score.errors or ""),
            ]
        )
    names = ["dimension", "passed", "share", "not applicable", "errors"]
    return grid(f"{card.table}: {card.rows} rows of {plain(card.source)}", names, rows, _LEFT)


def failed_table(card: ScoreCard) -> Table | None:
    """One line a check that failed or could not be computed; None without any."""
    failed = [each for each in card.results if each.state in {State.FAILED, State.ERROR}]
    if not failed:
        return None
    names = ["column", "check", "violating", "rows", "share", "at most", "state"]
    return grid("", names, [_line(each) for each in failed], _LEFT)


def _line(result: CheckResult) -> list[str]:
    check = result.check
    if result.state is State.ERROR:
        return [check.column, check.type.name, result.reason, "", "", "", result.state.value]
    return [
        check.column,
        check.type.name,
        check.what,
        f"{result.violating} of {result.rows}",
        f"{100 * (result.share or 0):.2f} %",
        f"{100 * float(check.most):g} %",
        result.state.value,
    ]


def repairs_of(card: ScoreCard) -> list[str]:
    """The suggested repairs, each once."""
    return list(dict.fromkeys(each.repair for each in card.results if each.repair))
