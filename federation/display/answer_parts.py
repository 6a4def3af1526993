"""Parts of answers as text: names and cells of a table, and the lines below it.

Layer:       federation.display.answer_parts, above terminal. For pages and terminals alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.text_tables import cell_text
from federation.display.terminal import (
    answer_cells,
    charge_lines,
    cost_lines,
    exact_lines,
    figure_places,
    guard_of,
    ledger_place,
    secrecy_line,
)

if TYPE_CHECKING:
    from analytics.results.result import Result
    from analytics.statistics.base import Answer


def result_table(result: Result) -> tuple[list[str], list[list[str]]]:
    """Return names and cells of an answer in SQL; beside each private figure its noise and 95 % interval."""
    beside = ("± sd", "95 % interval") if result.cost.get("mode") == "private" else ()
    names = list[str]()
    for name, is_figure in zip(result.columns, figure_places(result), strict=True):
        names += [name, *(beside if is_figure else ())]
    return names, answer_cells(result)


def result_lines(result: Result) -> list[str]:
    """Return what stands below an answer in SQL: cost, trust model, ledger entry."""
    return [line for line in cost_lines(result) if line]


def statistic_table(answer: Answer) -> tuple[list[str], list[list[str]]]:
    """Return names and cells of a statistic; none where it is closed."""
    if answer.closed:
        return [], []
    names, rows = answer.cells()
    return names, [[cell_text(cell) for cell in row] for row in rows]


def statistic_lines(answer: Answer) -> list[str]:
    """Return what stands below a statistic: cost, trust model, ledger entry."""
    cost, receipt = answer.cost, answer.receipt
    if cost.get("epsilon") is not None:
        return [line for line in charge_lines(cost, receipt) if line]
    exact = f"cost: an exact disclosure, without epsilon; {guard_of(cost)}"
    return [
        line for line in (exact, *exact_lines(receipt), secrecy_line(receipt), ledger_place(receipt)) if line
    ]
