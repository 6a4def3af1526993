"""Turns the demo's results into the page.

Layer:       federation.demo.report_sections, above page and pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.demo.page import Page, Section, render
from federation.demo.pictures import Bar, bars, gauge
from federation.demo.questions import (
    ANSWERED,
    EXPLAINED,
    MINED,
    MODEL_EPSILON,
    MODELED,
    REFUSED,
    DemoQuestion,
)
from federation.display.terminal import LEVEL, answer_cells, cost_lines, terms_line

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.results.result import Result
    from federation.demo.results import DemoResults
    from federation.demo.single_site_reference import Comparison

MOST_RULES = 8
LEAD = (
    "Cleveland, Budapest, Zurich with Basel, and Long Beach each keep their patients in their own process. An analyst asked all "
    "of them together; no hospital showed a row to another or to the analyst."
)


def write_page(path: Path, results: DemoResults, *, note: str) -> None:
    """Write the HTML page.

    Args:
        path: where.
        results: the demo's results.
        note: on the declaration behind the noise.
    """
    sections = [_answer(question, results.answers[question.key]) for question in ANSWERED]
    sections += _mined(results)
    sections += _modeled(results)
    sections.append(
        Section(title=f"Explained before it is paid: {EXPLAINED.title}", text=results.explanation)
    )
    sections += [
        Section(
            title=f"{question.title} (epsilon {question.epsilon})",
            sql=question.sql,
            refusal=results.refusals[question.key],
        )
        for question in REFUSED
    ]
    sections += [_budget(results), _audit(results)]
    private = next(result for result in results.answers.values() if result.cost.get("mode") == "private")
    sites = [
        {"name": name, "process": str(pid), "rows": "its own"}
        for name, pid in sorted(results.pids.items())
        if name not in {"dealer", "aggregator", "keyholder"}
    ]
    page = Page(
        lead=LEAD,
        terms=f"Of every private answer: {terms_line(private.cost)}. {note}",
        sites=sites,
        sections=sections,
    )
    path.write_text(render(page), encoding="utf-8")


def _answer(question: DemoQuestion, result: Result) -> Section:
    if len(result.rows) == 1 and result.cost.get("mode") == "private":
        return _one_row(question, result)
    columns: list[str] = []
    for place, name in enumerate(result.columns):
        columns.append(name)
        if result.cost.get("mode") == "private" and any(row[place] is not None for row in result.errors):
            columns += ["standard error", "95 % interval"]
    pictures = [_picture(question, result)] if question.figure else []
    return Section(
        title=question.title,
        sql=question.sql,
        columns=columns,
        rows=answer_cells(result),
        pictures=pictures,
        notes=[line for line in cost_lines(result) if line],
    )


def _one_row(question: DemoQuestion, result: Result) -> Section:
    """One row of many figures, from top to bottom."""
    cells = iter(answer_cells(result)[0])
    rows = []
    for name, error in zip(result.columns, result.errors[0], strict=True):
        value = next(cells)
        rows.append([name, value, *([next(cells), next(cells)] if error is not None else ["", ""])])
    return Section(
        title=question.title,
        sql=question.sql,
        columns=["figure", "value", "standard error", "95 % interval"],
        rows=rows,
        notes=[line for line in cost_lines(result) if line],
    )


def _picture(question: DemoQuestion, result: Result) -> str:
    place = result.columns.index(question.figure)
    keys = [
        number for number, row in enumerate(zip(*result.errors, strict=True)) if all(e is None for e in row)
    ]
    items = []
    for row, interval in zip(result.rows, result.interval_rows(LEVEL), strict=True):
        value, around = row[place], interval[place]
        number = float(value) if isinstance(value, int | float) else None
        is_noisy = around is not None and around[0] != around[1]
        items.append(
            Bar(
                label=" ".join(str(row[key]) for key in keys),
                value=number,
                low=around[0] if around is not None and is_noisy else None,
                high=around[1] if around is not None and is_noisy else None,
            )
        )
    return bars(question.title, "", items)


def _mined(results: DemoResults) -> list[Section]:
    if results.mined is None:
        return []
    measures = ("support", "confidence", "lift", "leverage", "conviction")
    rows = [
        [
            ", ".join(rule.antecedents),
            ", ".join(rule.consequents),
            *(f"{rule.measures[name]:.3f}" for name in measures),
        ]
        for rule in results.mined.found_rules[:MOST_RULES]
    ]
    note = (
        f"{len(results.mined.found)} frequent itemsets of {results.mined.n_rows} patients, "
        f"{len(results.mined.found_rules)} rules, the strongest shown; one exact disclosure. "
        "The sites saw one bit a candidate; counts below the threshold never left shares."
    )
    return [Section(title=MINED, columns=["if", "then", *measures], rows=rows, notes=[note])]


def comparison_rows(comparison: Comparison) -> list[list[str]]:
    """Return one row for all hospitals together, then one for each hospital."""
    rows = [
        [
            "all four together",
            str(comparison.n_cases),
            f"{comparison.pooled:.3f} (pooled)",
            f"{comparison.joint:.3f}",
        ]
    ]
    for name, (n_cases, clear, private) in comparison.alone.items():
        rows.append([f"{name} alone", str(n_cases), f"{clear:.3f}", f"{private:.3f}"])
    return rows


def _modeled(results: DemoResults) -> list[Section]:
    if results.comparison is None:
        return []
    joint = results.comparison.joint
    gain = [name for name, (_, _, private) in results.comparison.alone.items() if private < joint]
    lose = [name for name in results.comparison.alone if name not in gain]
    verdict = f"At this epsilon {', '.join(gain) or 'no hospitals'} gain by training together"
    verdict += f"; {', '.join(lose)} would have done as well alone." if lose else "."
    items = [Bar(label="all four together", value=joint)]
    items += [
        Bar(label=f"{name} alone", value=private)
        for name, (_, _, private) in results.comparison.alone.items()
    ]
    return [
        Section(
            title=MODELED,
            columns=["trained by", "cases", "AUC without privacy", f"AUC at epsilon {MODEL_EPSILON}"],
            rows=comparison_rows(results.comparison),
            pictures=[bars("AUC at the same epsilon", "", items)],
            notes=[verdict, results.model_note],
        )
    ]


def _budget(results: DemoResults) -> Section:
    whole = [row for row in results.budget if not row["purpose"] and not row["analyst"]]
    rows = [
        [
            str(row["sub_budget"]),
            str(row["epsilon"]),
            str(row["delta"]),
            f"{100 * float(str(row['fraction_spent'])):.1f} %",
            str(row["epsilon_spent"]),
            str(row["largest_epsilon_that_fits"] or "nothing"),
        ]
        for row in whole
    ]
    return Section(
        title="What is spent, what is left",
        columns=[
            "sub-budget",
            "epsilon",
            "delta",
            "spent",
            "epsilon spent",
            "largest epsilon that still fits",
        ],
        rows=rows,
        pictures=[gauge(str(row["sub_budget"]), float(str(row["fraction_spent"]))) for row in whole],
        notes=[
            f"{whole[0]['exact_disclosures']} exact disclosures were made: epsilon holds given these."
            if whole
            else ""
        ],
    )


def _audit(results: DemoResults) -> Section:
    if results.audit is None:
        return Section(title="Audit", text="not done")
    rows = [
        [report.owner, str(report.entries), report.head[:16], "whole" if report.ok else report.reason]
        for report in results.audit.files
    ]
    return Section(
        title="Audit: every hospital's own ledger, checked against the others",
        columns=["ledger of", "entries", "last entry", "verdict"],
        rows=rows,
        notes=[
            "Every entry is signed by all four hospitals; check them yourself: crossward audit verify ledgers/*.sqlite"
        ],
    )
