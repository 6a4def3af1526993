"""Answers for a terminal: tables with standard errors and intervals, the cost below them, what is left.

Floor:    federation.show. Knows rich; asks nobody.
Promise:  a private figure never stands without its noise and the terms of its epsilon.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.result import Result
    from privacy_accounting.audit.statement import Statement

LEVEL = 0.95


def answer_table(result: Result, title: str = "") -> Table:
    """An answer as a table; private figures with their standard error and 95 % interval.

    Args:
        result: the answer.
        title: above it.

    Returns:
        A rich table.
    """
    table = Table(title=title or None, title_justify="left", header_style="bold")
    is_private = result.cost.get("mode") == "private"
    if is_private and len(result.rows) == 1:
        return _one_row(result, table)
    aggregates = [
        any(row[place] is not None for row in result.errors) for place in range(len(result.columns))
    ]
    for name, is_figure in zip(result.columns, aggregates, strict=True):
        table.add_column(name, justify="right" if is_figure else "left")
        if is_figure and is_private:
            table.add_column("± sd", justify="right", style="dim")
            table.add_column("95 % interval", justify="right", style="dim")
    for cells in answer_cells(result):
        table.add_row(*cells)
    return table


def _one_row(result: Result, table: Table) -> Table:
    """One row of many figures reads better from top to bottom."""
    for name in ("", "value", "± sd", "95 % interval"):
        table.add_column(name, justify="right" if name else "left")
    cells = iter(answer_cells(result)[0])
    for name, error in zip(result.columns, result.errors[0], strict=True):
        value = next(cells)
        table.add_row(
            name, value, next(cells) if error is not None else "", next(cells) if error is not None else ""
        )
    return table


def answer_cells(result: Result) -> list[list[str]]:
    """The rows of ``answer_table`` as text."""
    is_private = result.cost.get("mode") == "private"
    intervals = result.interval_rows(LEVEL)
    closed = set(result.suppressed)
    figures = [any(row[place] is not None for row in result.errors) for place in range(len(result.columns))]
    rows = []
    for number, row in enumerate(result.rows):
        cells: list[str] = []
        for place, value in enumerate(row):
            is_closed = (number, result.columns[place]) in closed
            cells.append("suppressed" if is_closed else _text(value))
            if figures[place] and is_private:
                error, interval = result.errors[number][place], intervals[number][place]
                cells.append("" if error is None else f"{error:.3g}")
                cells.append("" if interval is None else f"{interval[0]:.5g} to {interval[1]:.5g}")
        rows.append(cells)
    return rows


def cost_lines(result: Result) -> list[str]:
    """What an answer cost, with everything that its epsilon depends on."""
    cost, receipt = result.cost, result.receipt
    signers: Any = receipt.get("signed_by", ())
    place = f"ledger entry {receipt['number']}, signed by {', '.join(signers)}" if receipt else ""
    if cost.get("mode") != "private":
        return [
            f"cost: an exact disclosure, without epsilon; minimum cell {cost.get('minimum_cell')} "
            f"(privacy unit {cost.get('privacy_unit')}, at up to {cost.get('max_sites_per_unit')} site(s))",
            place,
        ]
    return [
        terms_line(cost),
        f"charged: {receipt.get('charged')} of {receipt.get('sub_budget')} at order {receipt.get('order')}; {place}",
    ]


def terms_line(cost: Mapping[str, Any]) -> str:
    """Epsilon with delta, relation, privacy unit, sites a unit, t and n - 1."""
    return (
        f"cost: epsilon {cost['epsilon']} at delta {float(str(cost['delta'])):g}, {cost['relation']}, "
        f"privacy unit {cost['privacy_unit']} at up to {cost['max_sites_per_unit']} site(s), "
        f"{cost['colluding']} colluding; epsilon {cost.get('epsilon_if_all_but_one_collude', '?')} "
        f"if {cost.get('all_but_one', '?')} collude"
    )


def left_line(result: Result, rows: Sequence[Mapping[str, Any]]) -> str:
    """What remains of the sub-budget that paid, or would have."""
    sub_budget = result.receipt.get("sub_budget", "query")
    for row in rows:
        is_whole = not row["purpose"] and not row["analyst"]
        if is_whole and (row["population"], row["sub_budget"]) == (result.cost.get("population"), sub_budget):
            fits = row["largest_epsilon_that_fits"] or "nothing"
            spent = 100 * float(str(row["fraction_spent"]))
            return (
                f"left of {sub_budget}: {spent:.1f} % spent, largest single epsilon that still fits: {fits}"
            )
    return ""


def budget_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What is spent and what is left; one line for each sub-budget, purpose and analyst."""
    table = Table(title="Budget", title_justify="left", header_style="bold")
    for name in (
        "population",
        "sub-budget",
        "purpose",
        "analyst",
        "of epsilon",
        "spent",
        "epsilon spent",
        "still fits",
        "exact",
    ):
        table.add_column(
            name, justify="left" if name in {"population", "sub-budget", "purpose", "analyst"} else "right"
        )
    for row in rows:
        table.add_row(
            str(row["population"]),
            str(row["sub_budget"]),
            str(row["purpose"]),
            str(row["analyst"]),
            str(row["epsilon"]),
            f"{100 * float(str(row['fraction_spent'])):.1f} %",
            "" if row["epsilon_spent"] is None else str(row["epsilon_spent"]),
            str(row["largest_epsilon_that_fits"] or "nothing"),
            str(row["exact_disclosures"]),
        )
    return table


def statement_tables(report: Statement) -> list[Table]:
    """A ledger's lines, then what is left of every sub-budget."""
    lines = Table(title=f"Ledger of {report.owner}", title_justify="left", header_style="bold")
    for name in (
        "entry",
        "time (UTC)",
        "kind",
        "population",
        "analyst",
        "purpose",
        "price",
        "left",
        "remark",
    ):
        lines.add_column(name, justify="right" if name in {"entry", "price", "left"} else "left")
    for line in report.lines:
        when = datetime.fromtimestamp(line.time, UTC).strftime("%Y-%m-%d %H:%M:%S") if line.time else ""
        remark = " ".join(filter(None, [line.run, line.remark]))
        lines.add_row(
            str(line.number),
            when,
            line.kind,
            line.population,
            line.analyst,
            line.purpose,
            line.price,
            line.left,
            remark,
        )
    left = Table(
        title="What is left (Rényi cost at the sub-budget's order)", title_justify="left", header_style="bold"
    )
    for name in (
        "population",
        "sub-budget",
        "epsilon",
        "delta",
        "relation",
        "t",
        "spent",
        "left",
        "epsilon spent",
        "remark",
    ):
        left.add_column(name)
    for part in report.remaining:
        left.add_row(
            part.population,
            part.sub_budget,
            part.epsilon,
            part.delta,
            part.relation,
            str(part.colluding),
            part.spent,
            part.left,
            part.epsilon_spent,
            part.remark,
        )
    return [lines, left]


def _text(value: object) -> str:
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
