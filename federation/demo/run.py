"""The demo from start to end: four processes, real TLS, one analyst, an audit, a page.

Layer:       federation.demo.run, the top of the room.
Guarantees:  what it prints was answered by the processes that it started; it leaves none behind.
Visible to:  as the demo it owns all four files and compares with them in the clear, and says so; the analyst's
             session does not.
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
from federation.training.models.logistic_regression import FederatedLogisticRegression
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


def main(out: Path) -> int:
    """Run the demo.

    Args:
        out: folder for the page, the JSON file and the sites' ledgers; made where it is missing.

    Returns:
        The exit code: 1 if the joint answers differ from the pooled ones or a ledger does not hold.
    """
    console, story, began = Console(), DemoResults(), time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    folders = found_consortium(out / "consortium")
    console.print(f"[bold]Four hospitals, one question.[/] Keys and certificates are in {folders.root}")
    with Launcher(folders) as nodes:
        story.pids = dict(nodes.pids)
        story.seconds["start"] = time.monotonic() - began
        processes = ", ".join(f"{name} ({pid})" for name, pid in sorted(nodes.pids.items()))
        console.print(f"processes, each with its own data, key and ledger: {processes}\n")
        with connect(folders.consortium, identity=folders.analyst("analyst")) as session:
            _converse(session, console, story)
    _audit(folders, out, console, story)
    story.seconds["whole"] = time.monotonic() - began
    _write(out, story)
    console.print(
        f"\n{story.seconds['whole']:.1f} s in all. Page: {out / 'report.html'}; data: {out / 'demo.json'}"
    )
    is_right = story.difference <= TOLERANCE and story.audit is not None and story.audit.ok
    return 0 if is_right else 1


def _converse(session: Session, console: Console, story: DemoResults) -> None:
    for question in ANSWERED:
        began = time.monotonic()
        result = _ask(session, question)
        story.answers[question.key] = result
        story.seconds[question.key] = time.monotonic() - began
        console.print(answer_table(result, question.title))
        for line in cost_lines(result):
            console.print(line, style="dim", highlight=False)
        console.print()
    console.print(SITES_NOTE, style="dim", highlight=False)
    story.difference = largest_difference(story.answers[EXACT.key], story.answers[WHOLE.key])
    console.print(
        f"exact answers against all four files pooled in the clear (only the demo can do that): largest relative "
        f"difference {story.difference:.1e}\n",
        highlight=False,
    )
    _mine(session, console, story)
    _train(session, console, story)
    story.explanation = session.explain(EXPLAINED.sql, epsilon=parse_decimal(EXPLAINED.epsilon)).text
    console.print(f"[bold]--explain of: {EXPLAINED.title}[/]")
    console.print(story.explanation + "\n", highlight=False, markup=False)
    for question in REFUSED:
        story.refusals[question.key] = _refusal(session, question)
        console.print(
            f"[bold]{question.title}[/] (epsilon {question.epsilon}): {question.sql}", highlight=False
        )
        console.print(f"  {story.refusals[question.key]}\n", style="red", highlight=False, markup=False)
    story.budget = session.budget_rows()
    console.print(budget_table(story.budget))


def _mine(session: Session, console: Console, story: DemoResults) -> None:
    began = time.monotonic()
    story.mined = session.table(TABLE).association_rules(
        ITEMS,
        min_support=parse_decimal(MIN_SUPPORT),
        min_confidence=parse_decimal(MIN_CONFIDENCE),
        exact=True,
        purpose=PURPOSE,
    )
    story.seconds["mined"] = time.monotonic() - began
    console.print(f"[bold]{MINED}[/]")
    for part in rule_tables(story.mined, most=MOST_RULES):
        console.print(part, highlight=False)
    console.print()


def comparison_table(comparison: Comparison) -> Table:
    """Who gains by training together, and who does not."""
    table = Table(
        title=f"AUC on {comparison.n_cases} complete cases", title_justify="left", header_style="bold"
    )
    for name in ("trained by", "cases", "without privacy", f"at epsilon {MODEL_EPSILON}"):
        table.add_column(name, justify="left" if name == "trained by" else "right")
    for row in comparison_rows(comparison):
        table.add_row(*row)
    return table


def _train(session: Session, console: Console, story: DemoResults) -> None:
    began = time.monotonic()
    console.print(f"[bold]{MODELED}[/]")
    model = FederatedLogisticRegression(
        epsilon=float(MODEL_EPSILON), rounds=MODEL_ROUNDS, learning_rate=MODEL_RATE, purpose=PURPOSE
    ).fit(session, table=TABLE, features=FEATURES, target=TARGET)
    story.seconds["trained"] = time.monotonic() - began
    table = session.consortium.schema.tables[TABLE]
    delta = model.outcome_.plan.terms.delta
    story.comparison = compare(model, table, epsilon=parse_decimal(MODEL_EPSILON), delta=delta)
    console.print(comparison_table(story.comparison), highlight=False)
    story.model_note = (
        f"{model.n_iter_} rounds, epsilon {model.epsilon_:.3g} at delta {float(delta):g}, "
        f"{model.outcome_.bytes_sent:,} bytes of ciphertexts; aggregator and key holder are processes of their own: the one "
        "never sees a plaintext, the other never a single hospital's update. AUC on all complete cases, computed in the clear by "
        "the demo, which owns all four files."
    )
    console.print(story.model_note + "\n", style="dim", highlight=False)


def _ask(session: Session, question: DemoQuestion) -> Result:
    epsilon: Fraction | None = parse_decimal(question.epsilon) if question.epsilon else None
    return session.sql(question.sql, epsilon=epsilon, exact=epsilon is None, purpose=PURPOSE)


def _refusal(session: Session, question: DemoQuestion) -> str:
    try:
        _ask(session, question)
    except PolicyRefusedError as error:
        return str(error)
    except BudgetExceededError as error:
        return refusal_text(error)
    msg = f"{question.key} was answered, which nobody should have done"
    raise FederationError(msg)


def refusal_text(error: BudgetExceededError) -> str:
    """A refusal by the budget in the units that people use."""
    unit = 2**40
    fits = f"epsilon {error.largest_epsilon} still fits" if error.largest_epsilon else "nothing more fits"
    return (
        f"the {error.sub_budget} budget of {error.population} refuses: requested {error.requested / unit:.4f}, spent "
        f"{error.spent / unit:.4f}, remaining {error.remaining / unit:.4f} (Rényi cost at its order); {fits}"
    )


def _audit(folders: Folders, out: Path, console: Console, story: DemoResults) -> None:
    ledgers = out / "ledgers"
    if ledgers.exists():
        shutil.rmtree(ledgers)
    ledgers.mkdir()
    copies = []
    for name in HOSPITALS:
        copies.append(ledgers / f"{name}.sqlite")
        shutil.copyfile(folders.ledger(name), copies[-1])
    story.audit = verify(copies)
    heads = {report.owner: (report.entries, report.head[:16]) for report in story.audit.files}
    is_equal = len(set(heads.values())) == 1
    console.print(
        f"\n[bold]Audit[/]: {len(heads)} ledgers, {'all whole' if story.audit.ok else 'NOT WHOLE'}, "
        f"{'equal' if is_equal else 'DIFFERENT'}: {next(iter(heads.values()), ('?', '?'))[0]} entries each",
        highlight=False,
    )
    for total in story.audit.totals:
        console.print(
            f"  {total.population}, {total.sub_budget}: {float(total.fraction_spent):.1%} spent, "
            f"{total.exact_disclosures} exact disclosures",
            highlight=False,
        )


def _write(out: Path, story: DemoResults) -> None:
    document = {
        "answers": {key: result.to_dict() for key, result in story.answers.items()},
        "mined": None if story.mined is None else story.mined.to_dict(),
        "model": None if story.comparison is None else asdict(story.comparison),
        "refusals": story.refusals,
        "explain": story.explanation,
        "budget": story.budget,
        "largest_relative_difference": story.difference,
        "audit": None if story.audit is None else story.audit.to_dict(),
        "seconds": {key: round(value, 3) for key, value in story.seconds.items()},
    }
    (out / "demo.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    write_page(out / "report.html", story, note=SITES_NOTE)
