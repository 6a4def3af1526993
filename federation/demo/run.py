"""Runs the demo: four processes, real TLS, one analyst, an audit, a page.

Layer:       federation.demo.run, the topmost module of this package.
Guarantees:  the processes that it started gave every printed answer; none of them is left behind.
Visible to:  the demo owns all four files and compares with them in the clear, and says so; the analyst's session does
             not.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from federation.client.connect import connect
from federation.demo.hospitals import HOSPITALS, TABLE, found_consortium
from federation.demo.pooled_reference import FEATURES, TARGET, TOLERANCE, largest_difference
from federation.demo.questions import (
    ANSWERED,
    EXACT,
    EXPLAINED,
    ITEMS,
    MIN_CONFIDENCE,
    MIN_SUPPORT,
    MINED,
    MODEL_EPSILON,
    MODEL_RATE,
    MODEL_ROUNDS,
    MODELED,
    REFUSED,
    WHOLE,
    DemoQuestion,
)
from federation.demo.report_sections import comparison_rows, write_page
from federation.demo.results import DemoResults
from federation.demo.single_site_reference import Comparison, compare
from federation.display.terminal import answer_table, budget_table, cost_lines, rule_tables
from federation.errors import FederationError, PolicyRefusedError
from federation.processes.launcher import Launcher
from federation.training.estimators import FederatedLogisticRegression
from privacy_accounting.audit.verify import verify
from privacy_accounting.decimals import parse_decimal
from privacy_accounting.errors import BudgetExceededError

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from analytics.results.result import Result
    from federation.client.session import Session
    from federation.consortium.folders import Folders

PURPOSE: Final = "demo"
MOST_RULES: Final = 8
SITES_NOTE: Final = (
    "max_sites_per_unit = 1 is a signed declaration: four hospitals in different countries share no patient. "
    "With the default, the number of sites, the noise would be four times larger "
    "(docs/examples/consortium.toml, max_sites_per_unit)."
)


def main(out: Path, *, quiet: bool = False) -> int:
    """Run the demo.

    Args:
        out: folder for the page, the JSON file and the sites' ledgers; made where it is missing.
        quiet: print on standard error.

    Returns:
        The exit code: 1 if the joint answers differ from the pooled ones or a ledger does not hold.
    """
    console, results, began = Console(stderr=quiet), DemoResults(), time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    folders = found_consortium(out / "consortium")
    console.print(f"[bold]Four hospitals, one question.[/] Keys and certificates are in {folders.root}")
    with Launcher(folders) as nodes:
        results.pids = dict(nodes.pids)
        results.seconds["start"] = time.monotonic() - began
        processes = ", ".join(f"{name} ({pid})" for name, pid in sorted(nodes.pids.items()))
        console.print(f"processes, each with its own data, key and ledger: {processes}\n")
        with connect(folders.consortium, identity=folders.analyst("analyst")) as session:
            _converse(session, console, results)
    _audit(folders, out, console, results)
    results.seconds["whole"] = time.monotonic() - began
    _write(out, results)
    console.print(
        f"\n{results.seconds['whole']:.1f} s in all. Page: {out / 'report.html'}; data: {out / 'demo.json'}"
    )
    is_right = results.difference <= TOLERANCE and results.audit is not None and results.audit.ok
    return 0 if is_right else 1


def _converse(session: Session, console: Console, results: DemoResults) -> None:
    for question in ANSWERED:
        began = time.monotonic()
        result = _ask(session, question)
        results.answers[question.key] = result
        results.seconds[question.key] = time.monotonic() - began
        console.print(answer_table(result, question.title))
        for line in cost_lines(result):
            console.print(line, style="dim", highlight=False)
        console.print()
    console.print(SITES_NOTE, style="dim", highlight=False)
    results.difference = largest_difference(results.answers[EXACT.key], results.answers[WHOLE.key])
    console.print(
        f"exact answers against all four files pooled in the clear (only the demo can do that): largest relative "
        f"difference {results.difference:.1e}\n",
        highlight=False,
    )
    _mine(session, console, results)
    _train(session, console, results)
    results.explanation = session.explain(EXPLAINED.sql, epsilon=parse_decimal(EXPLAINED.epsilon)).text
    console.print(f"[bold]--explain of: {EXPLAINED.title}[/]")
    console.print(results.explanation + "\n", highlight=False, markup=False)
    for question in REFUSED:
        results.refusals[question.key] = _refusal(session, question)
        console.print(
            f"[bold]{question.title}[/] (epsilon {question.epsilon}): {question.sql}", highlight=False
        )
        console.print(f"  {results.refusals[question.key]}\n", style="red", highlight=False, markup=False)
    results.budget = session.budget_rows()
    console.print(budget_table(results.budget))


def _mine(session: Session, console: Console, results: DemoResults) -> None:
    began = time.monotonic()
    results.mined = session.table(TABLE).association_rules(
        ITEMS,
        min_support=parse_decimal(MIN_SUPPORT),
        min_confidence=parse_decimal(MIN_CONFIDENCE),
        exact=True,
        purpose=PURPOSE,
    )
    results.seconds["mined"] = time.monotonic() - began
    console.print(f"[bold]{MINED}[/]")
    for part in rule_tables(results.mined, most=MOST_RULES):
        console.print(part, highlight=False)
    console.print()


def comparison_table(comparison: Comparison) -> Table:
    """Return which hospitals gain by training together, and which do not."""
    table = Table(
        title=f"AUC on {comparison.n_cases} complete cases", title_justify="left", header_style="bold"
    )
    for name in ("trained by", "cases", "without privacy", f"at epsilon {MODEL_EPSILON}"):
        table.add_column(name, justify="left" if name == "trained by" else "right")
    for row in comparison_rows(comparison):
        table.add_row(*row)
    return table


def _train(session: Session, console: Console, results: DemoResults) -> None:
    began = time.monotonic()
    console.print(f"[bold]{MODELED}[/]")
    model = FederatedLogisticRegression(
        epsilon=float(MODEL_EPSILON), rounds=MODEL_ROUNDS, learning_rate=MODEL_RATE, purpose=PURPOSE
    ).fit(session, table=TABLE, features=FEATURES, target=TARGET)
    results.seconds["trained"] = time.monotonic() - began
    table = session.consortium.schema.tables[TABLE]
    delta = model.outcome_.plan.terms.delta
    results.comparison = compare(model, table, epsilon=parse_decimal(MODEL_EPSILON), delta=delta)
    console.print(comparison_table(results.comparison), highlight=False)
    results.model_note = (
        f"{model.n_iter_} rounds, epsilon {model.epsilon_:.3g} at delta {float(delta):g}, "
        f"{model.outcome_.bytes_sent:,} bytes of ciphertexts; aggregator and key holder are processes of their own: the one "
        "never sees a plaintext, the other never a single hospital's update. AUC on all complete cases, computed in the clear by "
        "the demo, which owns all four files."
    )
    console.print(results.model_note + "\n", style="dim", highlight=False)


def _ask(session: Session, question: DemoQuestion) -> Result:
    epsilon: Fraction | None = parse_decimal(question.epsilon) if question.epsilon else None
    return session.sql(question.sql, epsilon=epsilon, exact=epsilon is None, purpose=PURPOSE)


def _refusal(session: Session, question: DemoQuestion) -> str:
    try:
        _ask(session, question)
    except (PolicyRefusedError, BudgetExceededError) as error:
        return str(error)
    msg = f"{question.key} was answered and should have been refused"
    raise FederationError(msg)


def _audit(folders: Folders, out: Path, console: Console, results: DemoResults) -> None:
    ledgers = out / "ledgers"
    if ledgers.exists():
        shutil.rmtree(ledgers)
    ledgers.mkdir()
    copies = []
    for name in HOSPITALS:
        copies.append(ledgers / f"{name}.sqlite")
        shutil.copyfile(folders.ledger(name), copies[-1])
    results.audit = verify(copies)
    heads = {report.owner: (report.entries, report.head[:16]) for report in results.audit.files}
    is_equal = len(set(heads.values())) == 1
    console.print(
        f"\n[bold]Audit[/]: {len(heads)} ledgers, {'all whole' if results.audit.ok else 'NOT WHOLE'}, "
        f"{'equal' if is_equal else 'DIFFERENT'}: {next(iter(heads.values()), ('?', '?'))[0]} entries each",
        highlight=False,
    )
    for total in results.audit.totals:
        console.print(
            f"  {total.population}, {total.sub_budget}: {float(total.fraction_spent):.1%} spent, "
            f"{total.exact_disclosures} exact disclosures",
            highlight=False,
        )


def _write(out: Path, results: DemoResults) -> None:
    document = {
        "answers": {key: result.to_dict() for key, result in results.answers.items()},
        "mined": None if results.mined is None else results.mined.to_dict(),
        "model": None if results.comparison is None else asdict(results.comparison),
        "refusals": results.refusals,
        "explain": results.explanation,
        "budget": results.budget,
        "largest_relative_difference": results.difference,
        "audit": None if results.audit is None else results.audit.to_dict(),
        "seconds": {key: round(value, 3) for key, value in results.seconds.items()},
    }
    (out / "demo.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    write_page(out / "report.html", results, note=SITES_NOTE)
