"""Turns the demo's results into the page.

Layer:       federation.demo.report_sections, above page and pictures.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from federation.demo.hospitals import HOSPITALS, patients_of
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
from federation.display.terminal import LEVEL, answer_cells, cost_lines, share_charged, terms_line
from federation.node.clock import installed_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from analytics.mining.result import NamedRule
    from analytics.results.result import Result
    from federation.demo.results import DemoResults
    from federation.demo.single_site_reference import Comparison

MOST_RULES = 8
LEAD = (
    "Cleveland, Budapest, Zurich with Basel, and Long Beach each keep their patients in their own process. An analyst asked all "
    "of them together; no hospital showed a row to another or to the analyst."
)


WORDS = (
    ("epsilon", "the most that an answer may tell about one row; twice the epsilon is half the noise"),
    ("delta", "the chance with which epsilon may be exceeded"),
    (
        "private",
        "noise is added, so that no single row shows; the interval covers the answer without noise 95 times of 100",
    ),
    ("standard error", "the size of that noise"),
    ("exact", "no noise; figures about few people are suppressed instead"),
    ("add_or_remove_one", "epsilon compares the data with the data without one row"),
    ("colluding", "hospitals that may pool what they know; the noise of the others still hides each row"),
    (
        "secrecy threshold",
        "so many hospitals would have to pool their shares before they could read a sum of others",
    ),
    (
        "budget",
        "what may be learned in all, for ever; every answer takes a share of it, entered in a ledger that all sign",
    ),
)


def write_page(path: Path, results: DemoResults, *, note: str) -> None:
    """Write the HTML page.

    Args:
        path: where.
        results: the demo's results.
        note: on the declaration behind the noise.
    """
    sections = [_answer(question, results.answers[question.key], results.budget) for question in ANSWERED]
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
    made = f"Made on {datetime.now(UTC):%Y-%m-%d} with crossward {installed_version()}."
    page = Page(
        lead=LEAD,
        made=made,
        words=WORDS,
        terms=f"Of every private answer: {terms_line(private.cost)}. {note}",
        sites=[{"name": name, "rows": str(patients_of(name))} for name in HOSPITALS],
        sections=sections,
    )
    path.write_text(render(page), encoding="utf-8")


def _answer(question: DemoQuestion, result: Result, budget: Sequence[Mapping[str, Any]]) -> Section:
    if len(result.rows) == 1 and result.cost.get("mode") == "private":
        return _one_row(question, result, budget)
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
        caption=_caption(question, result) if pictures else "",
        notes=_notes(result, budget),
    )


def _one_row(question: DemoQuestion, result: Result, budget: Sequence[Mapping[str, Any]]) -> Section:
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
        notes=_notes(result, budget),
    )


def _notes(result: Result, budget: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what an answer cost, its price as a share of the budget."""
    share = ""
    for row in budget:
        is_whole = not row["purpose"] and not row["analyst"]
        if is_whole and row["sub_budget"] == result.receipt.get("sub_budget"):
            share = f"This answer took {share_charged(result, row)} of the {row['sub_budget']} budget."
    return list(filter(None, [share, *cost_lines(result)]))


def _caption(question: DemoQuestion, result: Result) -> str:
    noise = "; the line on each bar is the 95 % interval, ± is half of it"
    return f"{question.figure.replace('_', ' ')}{noise if result.cost.get('mode') == 'private' else ''}"


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
        for rule in _different(results.mined.found_rules)[:MOST_RULES]
    ]
    note = (
        f"{len(results.mined.found)} frequent itemsets of {results.mined.n_rows} patients, "
        f"{len(results.mined.found_rules)} rules; shown: of each itemset the strongest rule, {MOST_RULES} in all; "
        "one exact disclosure. "
        "The sites saw one bit a candidate; counts below the threshold never left shares."
    )
    return [Section(title=MINED, columns=["if", "then", *measures], rows=rows, notes=[note])]


def _different(rules: Sequence[NamedRule]) -> list[NamedRule]:
    """Keep the first rule of each itemset; the others say the same turned around."""
    first: dict[frozenset[str], NamedRule] = {}
    for rule in rules:
        first.setdefault(frozenset(rule.antecedents) | frozenset(rule.consequents), rule)
    return list(first.values())


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
            "part of the budget",
            "its epsilon",
            "delta",
            "share spent",
            "spent, as one epsilon",
            "a single question that still fits",
        ],
        rows=rows,
        pictures=[gauge(str(row["sub_budget"]), float(str(row["fraction_spent"]))) for row in whole],
        notes=[
            "The share grows with the square of epsilon: a question of half the part's epsilon takes about a quarter of it.",
            f"{whole[0]['exact_disclosures']} exact disclosures were made: epsilon holds given these."
            if whole
            else "",
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
