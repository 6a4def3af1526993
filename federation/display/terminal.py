"""Answers for a terminal: tables with standard errors and intervals, the cost below them, what is left.

Layer:       federation.display.terminal. Uses rich; opens no connection.
Guarantees:  a private figure never stands without its noise and the terms of its epsilon. Text of other people
             (purposes, categories) is shown literally: it can neither format the page nor steer the terminal. No
             figure is shortened to fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from analytics.plans.context import guard_text
from analytics.results.result import SUPPRESSED, origin_text
from federation.display.accuracy import accuracy_text, percent, share_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from analytics.mining.result import MiningResult
    from analytics.results.result import Result
    from analytics.statistics.base import Answer
    from privacy_accounting.audit.statement import Remaining, Spender

LEVEL = 0.95
FEW_MARK = "*"
FEW_NOTE = (
    "* too few for this epsilon: the noise is as large as the figure, which lies in its public range all the same; "
    "read the interval, or ask with a larger epsilon or for fewer groups"
)
COMBINED = (
    "exact answers can be combined, also with earlier ones: what is suppressed in one may follow from the differences of "
    "others; each request counts, the same question asked again too"
)
PAY_AGAIN = "a release of the rows as they are now: --fresh, which pays again"
WIDE = 200
_LEFT = frozenset(
    {
        "whose",
        "population",
        "sub-budget",
        "purpose",
        "analyst",
        "kind",
        "time (UTC)",
        "relation",
        "remark",
        "",
    }
)


def console() -> Console:
    """A console as wide as the terminal, or wide enough for any table where there is no terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=WIDE)


def plain(text: object) -> str:
    """Replace each control character with a question mark."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def grid(
    title: str, names: Sequence[str], rows: Iterable[Sequence[object]], left: Collection[str] = _LEFT
) -> Table:
    """Build a table; empty columns are left out, and cells are plain text.

    Args:
        title: above it.
        names: of the columns.
        rows: cells in the order of the columns.
        left: names of the columns whose cells begin at the left.

    Returns:
        A rich table.
    """
    filled = [[plain(cell) for cell in row] for row in rows]
    table = Table(title=title or None, title_justify="left", header_style="bold")
    kept = [place for place, _ in enumerate(names) if any(row[place] for row in filled)] if filled else []
    for place in kept or range(len(names)):
        justify = "left" if names[place] in left else "right"
        table.add_column(
            Text(names[place]), justify="left" if justify == "left" else "right", overflow="fold"
        )
    for row in filled:
        table.add_row(*(Text(row[place]) for place in kept))
    return table


def answer_table(result: Result, title: str = "", *, sampling: bool = False) -> Table:
    """Build the table of an answer; private figures with their standard error and 95 % interval.

    Args:
        result: the answer.
        title: above it.
        sampling: show the sampling error of each figure and the interval with it, too.

    Returns:
        A rich table.
    """
    table = Table(title=title or None, title_justify="left", header_style="bold")
    beside = _beside(result, sampling=sampling)
    if beside and len(result.rows) == 1:
        return _one_row(result, table, beside, sampling=sampling)
    for name, is_figure in zip(result.columns, figure_places(result), strict=True):
        table.add_column(Text(plain(name)), justify="right" if is_figure else "left", overflow="fold")
        for each in beside if is_figure else ():
            table.add_column(each, justify="right", style="dim", overflow="fold")
    for cells in answer_cells(result, sampling=sampling):
        table.add_row(*map(Text, cells))
    return table


def _beside(result: Result, *, sampling: bool) -> tuple[str, ...]:
    """The columns beside each figure."""
    noise = ("± sd", "95 % interval") if result.cost.get("mode") == "private" else ()
    return (*noise, "± sampling", "with sampling") if sampling else noise


def _one_row(result: Result, table: Table, beside: Sequence[str], *, sampling: bool) -> Table:
    """Show one row of many figures from top to bottom."""
    for name in ("", "value", *beside):
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    cells = iter(answer_cells(result, sampling=sampling)[0])
    for name, is_figure in zip(result.columns, figure_places(result), strict=True):
        value = next(cells)
        more = [next(cells) if is_figure else "" for _ in beside]
        table.add_row(*map(Text, (plain(name), value, *more)))
    return table


def answer_cells(result: Result, *, sampling: bool = False) -> list[list[str]]:
    """Return the rows of ``answer_table`` as text."""
    is_private = result.cost.get("mode") == "private"
    intervals = result.interval_rows(LEVEL)
    sampled, errors = (result.sampled_rows(LEVEL), result.sampling_rows()) if sampling else ((), ())
    closed, few = set(result.suppressed), set(result.too_few)
    figures = figure_places(result)
    rows = []
    for number, row in enumerate(result.rows):
        cells: list[str] = []
        for place, value in enumerate(row):
            cell = (number, result.columns[place])
            mark = f" {FEW_MARK}" if cell in few else ""
            cells.append(SUPPRESSED if cell in closed else f"{_text(value)}{mark}")
            if figures[place] and is_private:
                cells += _around(result.errors[number][place], intervals[number][place])
            if figures[place] and sampling:
                cells += _around(errors[number][place], sampled[number][place])
        rows.append(cells)
    return rows


def figure_places(result: Result) -> list[bool]:
    """Which columns are figures."""
    noisy = zip(result.errors, result.intervals, strict=True)
    rows = [[a is not None or b is not None for a, b in zip(*pair, strict=True)] for pair in noisy]
    return [any(row[place] for row in rows) for place in range(len(result.columns))]


def _around(error: float | None, interval: tuple[float, float] | None) -> tuple[str, str]:
    """An error and an interval as text; empty where there is none."""
    between = "" if interval is None else f"{interval[0]:.5g} to {interval[1]:.5g}"
    return "" if error is None else f"{error:.3g}", between


def sampling_lines(result: Result) -> list[str]:
    """Return which figures have no sampling error, and why."""
    return [plain(f"{name}: the sampling error {why}") for name, why in result.no_sampling.items()]


def cost_lines(result: Result) -> list[str]:
    """Return the cost of an answer, with everything that its epsilon depends on."""
    cost, receipt = result.cost, result.receipt
    origin = receipt.get("from_store")
    if isinstance(origin, dict) and origin["free"]:
        note = FEW_NOTE if result.too_few else ""
        return [note, f"cost: nothing; {origin_text(origin)}. The rows are those of that time", PAY_AGAIN]
    if cost.get("mode") != "private":
        unit = f"privacy unit {cost.get('privacy_unit')}, at up to {cost.get('max_sites_per_unit')} site(s)"
        cost_line = f"cost: an exact disclosure, without epsilon; {guard_of(cost)} ({unit})"
        return [
            cost_line,
            plain(cost.get("suppressed_where", "")),
            *exact_lines(receipt),
            secrecy_line(receipt),
            ledger_place(receipt),
        ]
    note = FEW_NOTE if result.too_few else ""
    made = origin_text(origin) if isinstance(origin, dict) else ""
    kept = f"not kept for later: {receipt['not_kept']}" if "not_kept" in receipt else ""
    return [note, *charge_lines(cost, receipt), made, plain(kept)]


def charge_lines(cost: Mapping[str, Any], receipt: Mapping[str, Any]) -> list[str]:
    """Return the terms of a private answer's epsilon, the trust model, and the ledger entry that paid."""
    charged = f"charged to the {receipt.get('sub_budget')} budget"
    return [terms_line(cost), secrecy_line(receipt), f"{charged}; {ledger_place(receipt)}"]


def ledger_place(receipt: Mapping[str, Any]) -> str:
    """Return the ledger entry of an answer, with who signed it; empty without a receipt."""
    signers: Any = receipt.get("signed_by", ())
    return f"ledger entry {receipt['number']}, signed by {', '.join(signers)}" if receipt else ""


def guard_of(cost: Mapping[str, Any]) -> str:
    """Return the guard of an exact answer with its reason, from its cost."""
    return guard_text(int(cost.get("minimum_cell", 0)), int(cost.get("max_sites_per_unit", 1)))


def exact_lines(receipt: Mapping[str, Any]) -> list[str]:
    """Return the warning on combined exact answers, and how many exact requests this analyst has used."""
    used = receipt.get("exact_requests")
    if not isinstance(used, dict):
        return [COMBINED]
    counted = f"exact requests of this analyst: {used['used']} of {used['of']} that {used['site']} allows"
    return [plain(counted), COMBINED]


def secrecy_line(receipt: Mapping[str, Any]) -> str:
    """Return the trust model of the answer, from its receipt."""
    return plain(receipt.get("secrecy", {}).get("text", ""))


def terms_line(cost: Mapping[str, Any]) -> str:
    """Return epsilon with delta, relation, privacy unit, sites a unit, t and n - 1."""
    return (
        f"cost: epsilon {cost['epsilon']} at delta {float(str(cost['delta'])):g}, {cost['relation']}, "
        f"privacy unit {cost['privacy_unit']} at up to {cost['max_sites_per_unit']} site(s), "
        f"{cost['colluding']} colluding; epsilon {cost.get('epsilon_if_all_but_one_collude', '?')} "
        f"if {cost.get('all_but_one', '?')} collude"
        + (f"; {str(cost['noise']).capitalize()} noise" if "noise" in cost else "")
    )


def left_line(result: Result | Answer, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rest of the sub-budget that paid, or would have paid."""
    sub_budget = result.receipt.get("sub_budget", "query")
    for row in rows:
        is_whole = not row["purpose"] and not row["analyst"]
        if is_whole and (row["population"], row["sub_budget"]) == (result.cost.get("population"), sub_budget):
            fits = row["largest_epsilon_that_fits"]
            spent = 100 * float(str(row["fraction_spent"]))
            own = share_charged(result, row)
            taken = f"this answer took {own} of the {sub_budget} budget; " if own else ""
            rest = f"a question of epsilon {fits} still fits" if fits else "no further question fits"
            return f"{taken}left of {sub_budget}: {spent:.1f} % is spent, {rest}"
    return ""


def share_charged(result: Result | Answer, row: Mapping[str, Any]) -> str:
    """Return what an answer took of its sub-budget, as a share; empty for an exact one."""
    charged, allowance = result.receipt.get("charged"), float(str(row["allowance"]))
    return f"{100 * float(str(charged)) / allowance:.2g} %" if charged and allowance else ""


def budget_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Show the spent and the remaining budget: one line for each sub-budget, under it its purposes and analysts."""
    shown, population = [], None
    for row in rows:
        if row["population"] != population:
            population = row["population"]
            shown.append((population, *[""] * 5))
        shown.append(
            (
                _whose(row),
                "" if row["purpose"] or row["analyst"] else row["epsilon"],
                f"{100 * float(str(row['fraction_spent'])):.1f} %",
                "" if row["epsilon_spent"] is None else row["epsilon_spent"],
                row["largest_epsilon_that_fits"] or "nothing",
                budget_exact(row),
            )
        )
    return grid(
        "Budget; exact answers: yours, of as many as the site that was asked allows an analyst",
        ("whose", "of epsilon", "spent", "epsilon spent", "still fits", "exact answers"),
        shown,
    )


def budget_exact(row: Mapping[str, Any]) -> str:
    """Return the exact requests of this analyst, the limit, and the exact requests of all analysts."""
    if row["purpose"] or row["analyst"]:
        return ""
    in_all, own, limit = row["exact_disclosures"], row.get("exact_by_asker"), row.get("exact_limit")
    if own is None or limit is None:
        return f"{in_all}"
    return f"{own} of {limit}" + (f", {in_all} by all" if in_all != own else "")


def quote_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Show what each question would cost and leave."""
    return grid(
        "Quotes, nothing is spent (takes, leaves: shares of the budget or the cap that is nearest)",
        (
            "question",
            "sub-budget",
            "epsilon",
            "takes",
            "leaves",
            "accuracy",
            "in your store",
            "would be refused",
        ),
        [
            (
                " ".join(row["sql"].split()),
                f"{row['population']} · {row['sub_budget']}",
                row["epsilon"],
                share_of(row["cost"], row),
                share_of(row["left"], row),
                f"{accuracy_text(row['accuracy'])} at {percent(row['confidence'])}",
                "free" if row["from_store"] else "",
                row["refusal"],
            )
            for row in rows
        ],
    )


def alternatives_tables(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Show for each question what other noise would cost."""
    names = {
        "mechanism": "mechanism",
        "noise": "noise",
        "noise_sd": "sd of the noise",
        "epsilon": "epsilon",
        "epsilon_if_all_but_one_collude": "at n - 1",
        "success": "attacker's success",
        "share": "takes",
        "such_questions": "such questions fit",
        "unavailable": "remark",
    }
    return [
        grid(
            f"Noise for {' '.join(row['sql'].split())} (the success of a coin is 0.5)",
            tuple(names.values()),
            [[each.get(name, "") for name in names] for each in row["alternatives"]],
        )
        for row in rows
    ]


def _whose(row: Mapping[str, Any]) -> str:
    """Return the sub-budget, or the part of it that a purpose or an analyst has spent."""
    if row["purpose"]:
        return f"    for {row['purpose']}"
    return f"    by {row['analyst']}" if row["analyst"] else f"  {row['sub_budget']}"


def left_tables(spenders: Sequence[Spender], remaining: Sequence[Remaining]) -> list[Table]:
    """Show the use of every sub-budget by analyst, then its rest."""
    names = ("population", "sub-budget", "epsilon", "delta", "relation", "t", "spent", "left")
    left = grid(
        "What is left (Rényi cost at the sub-budget's order)",
        (*names, "epsilon spent", "remark"),
        [
            (
                part.population,
                part.sub_budget,
                part.epsilon,
                part.delta,
                part.relation,
                part.colluding,
                part.spent,
                part.left,
                part.epsilon_spent,
                part.remark,
            )
            for part in remaining
        ],
    )
    spent = grid(
        "Who spent (Rényi cost at the sub-budget's order)",
        ("population", "analyst", "sub-budget", "spent", "of B", "exact"),
        [
            (
                each.population,
                each.analyst,
                each.sub_budget,
                each.spent,
                f"{100 * float(each.fraction):.2f} %" if each.fraction else "",
                each.exact_disclosures or "",
            )
            for each in spenders
        ],
    )
    return [spent, left]


def rule_tables(result: MiningResult, most: int = 20) -> list[Table | str]:
    """Show itemsets and rules, the strongest first, and their cost."""
    rules = Table(title=f"{len(result.found_rules)} rules", title_justify="left", header_style="bold")
    for name in ("if", "then", "support", "confidence", "lift", "leverage", "conviction"):
        rules.add_column(name, justify="left" if name in {"if", "then"} else "right")
    for rule in result.found_rules[:most]:
        figures = [
            f"{rule.measures[name]:.3f}"
            for name in ("support", "confidence", "lift", "leverage", "conviction")
        ]
        rules.add_row(", ".join(rule.antecedents), ", ".join(rule.consequents), *figures)
    rest = len(result.found_rules) - most
    lines: list[Table | str] = [rules]
    if rest > 0:
        lines.append(f"and {rest} more (--json has all)")
    n_rows = "a suppressed number of rows" if result.n_rows is None else f"{result.n_rows} rows"
    cost = result.cost
    price = (
        f"epsilon {cost['epsilon']} at delta {cost.get('delta')}"
        if "epsilon" in cost
        else "one exact disclosure"
    )
    guard = (
        f"{cost.get('max_items_per_unit')} items of a basket count at most"
        if "epsilon" in cost
        else f"at least {cost.get('threshold')} rows behind a support ({guard_of(cost)}), "
        f"nested supports: {cost.get('nested_supports')}"
    )
    lines.append(f"{len(result.found)} frequent itemsets of {n_rows}; cost: {price}, {guard}")
    lines += filter(None, [*exact_lines(result.receipt), secrecy_line(result.receipt)])
    return lines


def _text(value: object) -> str:
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else plain(value)
