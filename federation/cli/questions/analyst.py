"""Commands of the analyst: query, budget, quote.

Layer:       federation.cli.questions.analyst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.cli.options import (
    PURPOSE,
    AsCsv,
    AsJson,
    Confidence,
    ConsortiumFile,
    Epsilon,
    Exact,
    ExpectedUnits,
    Explain,
    Fresh,
    IdentityFile,
    NamedNoise,
    Purpose,
    QuestionFile,
    Sampling,
    Within,
    Yes,
    never_lost,
    one_output,
    open_session,
    positive_decimal,
    print_csv,
    print_json,
    read_questions,
)
from federation.cli.outcome import UsageError
from federation.cli.progress import progress_of
from federation.cli.questions.accuracy import accuracy_terms, agree_to
from federation.cli.questions.budget_line import budget_line
from federation.cli.questions.gate import Require, RequireEpsilon, read_gate
from federation.cli.questions.picture_file import PlotCurve, PlotFile, picture_file
from federation.display.accuracy import QuotedAccuracy, accuracy_text

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.results.result import Result
    from federation.cli.questions.gate import Gate
    from federation.client.session import Session
    from federation.requests.explanation import Explanation


SqlText = Annotated[
    str | None, typer.Argument(help="One SELECT over one table of the schema; - for standard input.")
]


def query(  # noqa: PLR0913, PLR0917 - every one an option of its own
    consortium: ConsortiumFile,
    sql: SqlText = None,
    file: QuestionFile = None,
    epsilon: Epsilon = None,
    within: Within = None,
    confidence: Confidence = None,
    expected_units: ExpectedUnits = None,
    exact: Exact = False,
    fresh: Fresh = False,
    sampling: Sampling = False,
    mechanism: NamedNoise = None,
    yes: Yes = False,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    require: Require = None,
    require_epsilon: RequireEpsilon = None,
    explain: Explain = False,
    plot: PlotFile = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Ask all sites one question."""
    gate = read_gate(require, require_epsilon, exact=exact)
    said = [epsilon is not None, within is not None, exact].count(True)
    if said > 1 or not (said or explain):
        reason = (
            "say --epsilon E for a private answer, the usual one, --within W for one of that accuracy, "
            "or --exact for one without noise; one of them"
        )
        raise UsageError(reason=reason)
    if fresh and exact:
        raise UsageError(reason="--fresh has no meaning beside --exact: exact answers are not kept")
    one_output(as_json=as_json, as_csv=as_csv)
    amount = None if epsilon is None else positive_decimal(epsilon, name="epsilon")
    goal: dict[str, Any] = accuracy_terms(within, confidence, expected_units)
    (text,) = read_questions([] if sql is None else [sql], file)
    with open_session(consortium, identity) as session, picture_file(plot) as drawn:
        if explain:
            price: dict[str, Any] = {"exact": exact, "purpose": purpose, "mechanism": mechanism, "goal": goal}
            plan = _explained(session, text, amount, **price)
            _show_explanation(plan, session, gate, purpose, as_json=as_json)
            return
        if within is not None:
            (quoted,) = session.quote([text], purpose=purpose, mechanism=mechanism, **goal)
            agree_to(quoted, fresh=fresh, without_question=yes)
        if gate is not None:
            gate.check(session, purpose)
        with progress_of(session):
            result = session.sql(
                text, epsilon=amount, exact=exact, fresh=fresh, purpose=purpose, mechanism=mechanism, **goal
            )
        with never_lost(result):
            if as_json:
                print_json({"question": text, **result.to_dict(sampling=sampling)})
            elif as_csv:
                print_csv(*result.spreadsheet(sampling=sampling))
            else:
                _print_answer(result, session, sampling=sampling)
        drawn(result)


def _show_explanation(
    explanation: Explanation, session: Session, gate: Gate | None, purpose: str, *, as_json: bool
) -> None:
    """Show plan and price; before them those of the release that a requirement makes first."""
    first = None if gate is None else gate.explained(session, purpose)
    if as_json:
        print_json(explanation.to_dict() | ({} if first is None else {"first": first.to_dict()}))
    elif first is None:
        typer.echo(explanation.text)
    else:
        typer.echo(f"{first.text}\n\nthen, if it is met:\n\n{explanation.text}")


def _explained(
    session: Session,
    text: str,
    amount: Fraction | None,
    *,
    exact: bool,
    purpose: str,
    mechanism: str | None,
    goal: dict[str, Any],
) -> Explanation:
    """Explain as asked; at several prices where no price was said."""
    from federation.client.questions.price_list import at_several_prices

    if exact or amount is not None or any(value is not None for value in goal.values()):
        return session.explain(
            text, epsilon=amount, exact=exact, purpose=purpose, mechanism=mechanism, **goal
        )
    return at_several_prices(
        lambda epsilon: session.explain(text, epsilon=epsilon, purpose=purpose, mechanism=mechanism)
    )


def budget(
    consortium: ConsortiumFile, identity: IdentityFile = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """Show the spent and the remaining budget."""
    one_output(as_json=as_json, as_csv=as_csv)
    with open_session(consortium, identity) as session:
        rows = session.budget_rows()
    if as_json:
        print_json(rows)
        return
    if as_csv:
        names = list(dict.fromkeys(name for row in rows for name in row))
        print_csv(names, ([row.get(name) for name in names] for row in rows))
        return
    from federation.display.terminal import budget_table, console

    console().print(budget_table(rows))


def quote(  # noqa: PLR0913, PLR0917 - every one an option of its own
    consortium: ConsortiumFile,
    sql: Annotated[
        list[str] | None,
        typer.Argument(
            help="Questions, one SELECT each, in the order in which to ask; - for standard input."
        ),
    ] = None,
    epsilon: Annotated[
        list[str] | None,
        typer.Option(
            "--epsilon",
            help="What each answer may cost; given several times, alternatives. Left out: 0.1, 0.25, 0.5, 1 and 2.",
        ),
    ] = None,
    within: Within = None,
    confidence: Confidence = None,
    expected_units: ExpectedUnits = None,
    file: QuestionFile = None,
    mechanism: NamedNoise = None,
    purpose: Annotated[
        str, typer.Option("--purpose", help="The purpose whose cap the questions would count against.")
    ] = PURPOSE,
    identity: IdentityFile = None,
    plot: PlotCurve = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show price and accuracy of private questions and the budget they would leave; free."""
    one_output(as_json=as_json, as_csv=as_csv)
    if within is not None and (epsilon or plot):
        reason = (
            "say --epsilon E or --within W, not both"
            if epsilon
            else "--plot needs several epsilons, not --within"
        )
        raise UsageError(reason=reason)
    from federation.client.questions.price_list import PRICES

    amounts = [positive_decimal(each, name="epsilon") for each in epsilon or ()] or list(PRICES)
    terms: dict[str, Any] = accuracy_terms(within, confidence, expected_units)
    if within is None:
        terms["epsilon"] = amounts[0] if len(amounts) == 1 else amounts
    texts = read_questions(sql or [], file)
    with picture_file(plot) as drawn:
        with open_session(consortium, identity) as session:
            rows = session.quote(texts, purpose=purpose, mechanism=mechanism, **terms)
        drawn(QuotedAccuracy(rows))
    if as_json:
        print_json(rows)
        return
    if as_csv:
        names = [name for name in rows[0] if name != "alternatives"]
        shown = [row | {"accuracy": accuracy_text(row["accuracy"])} for row in rows]
        print_csv(names, ([row.get(name) for name in names] for row in shown))
        return
    from federation.display.terminal import alternatives_tables, console, quote_table

    one_price = within is not None or len(amounts) == 1
    console().print(quote_table(rows), *(alternatives_tables(rows) if one_price else ()))


def _print_answer(result: Result, session: Session, *, sampling: bool) -> None:
    """Show the answer before anything else can fail: it is paid for."""
    from federation.display.terminal import (
        answer_table,
        console,
        cost_lines,
        plain,
        sampling_lines,
    )

    screen = console()
    screen.print(answer_table(result, sampling=sampling))
    for line in filter(None, [*(sampling_lines(result) if sampling else ()), *cost_lines(result)]):
        screen.print(plain(line), style="dim", highlight=False, markup=False)
    screen.print(plain(budget_line(result, session)), style="dim", highlight=False, markup=False)
