"""Commands of the analyst: query, budget, quote.

Layer:       federation.cli.analyst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.options import (
    PURPOSE,
    AsCsv,
    AsJson,
    ConsortiumFile,
    Epsilon,
    Exact,
    Explain,
    Fresh,
    IdentityFile,
    NamedNoise,
    Purpose,
    QuestionFile,
    never_lost,
    one_output,
    open_session,
    positive_decimal,
    print_csv,
    print_json,
    read_questions,
)
from federation.cli.outcome import OURS, UsageError, sentence
from federation.cli.picture_file import PlotFile, picture_file

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.results.result import Result
    from federation.client.session import Session
    from federation.requests.explanation import Explanation


def query(  # noqa: PLR0913, PLR0917 - every one an option of its own
    consortium: ConsortiumFile,
    sql: Annotated[
        str | None, typer.Argument(help="One SELECT over one table of the schema; - for standard input.")
    ] = None,
    file: QuestionFile = None,
    epsilon: Epsilon = None,
    exact: Exact = False,
    fresh: Fresh = False,
    mechanism: NamedNoise = None,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    explain: Explain = False,
    plot: PlotFile = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Ask all sites one question."""
    if (exact and epsilon is not None) or not (exact or epsilon is not None or explain):
        raise UsageError(
            reason="say --epsilon E for a private answer, the usual one, or --exact for one without noise; not both"
        )
    if fresh and exact:
        raise UsageError(reason="--fresh has no meaning beside --exact: exact answers are not kept")
    one_output(as_json=as_json, as_csv=as_csv)
    amount = None if epsilon is None else positive_decimal(epsilon, name="epsilon")
    (text,) = read_questions([] if sql is None else [sql], file)
    with open_session(consortium, identity) as session, picture_file(plot) as drawn:
        if explain:
            explanation = _explained(session, text, amount, exact=exact, purpose=purpose, mechanism=mechanism)
            if as_json:
                print_json(explanation.to_dict())
            else:
                typer.echo(explanation.text)
            return
        result = session.sql(
            text, epsilon=amount, exact=exact, fresh=fresh, purpose=purpose, mechanism=mechanism
        )
        with never_lost(result):
            if as_json:
                print_json({"question": text, **result.to_dict()})
            elif as_csv:
                print_csv(*result.spreadsheet())
            else:
                _print_answer(result, session)
        drawn(result)


def _explained(
    session: Session, text: str, amount: Fraction | None, *, exact: bool, purpose: str, mechanism: str | None
) -> Explanation:
    """Explain as asked; at several prices where no price was said."""
    from federation.client.price_list import at_several_prices

    if exact or amount is not None:
        return session.explain(text, epsilon=amount, exact=exact, purpose=purpose, mechanism=mechanism)
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
    epsilon: Annotated[str, typer.Option("--epsilon", help="What each answer may cost.")],
    sql: Annotated[
        list[str] | None,
        typer.Argument(
            help="Questions, one SELECT each, in the order in which to ask; - for standard input."
        ),
    ] = None,
    file: QuestionFile = None,
    mechanism: NamedNoise = None,
    purpose: Annotated[
        str, typer.Option("--purpose", help="The purpose whose cap the questions would count against.")
    ] = PURPOSE,
    identity: IdentityFile = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the price of private questions and the budget they would leave; free."""
    one_output(as_json=as_json, as_csv=as_csv)
    amount = positive_decimal(epsilon, name="epsilon")
    texts = read_questions(sql or [], file)
    with open_session(consortium, identity) as session:
        rows = session.quote(texts, epsilon=amount, purpose=purpose, mechanism=mechanism)
    if as_json:
        print_json(rows)
        return
    if as_csv:
        names = [name for name in rows[0] if name != "alternatives"]
        print_csv(names, ([row.get(name) for name in names] for row in rows))
        return
    from federation.display.terminal import alternatives_tables, console, quote_table

    console().print(quote_table(rows), *alternatives_tables(rows))


def _print_answer(result: Result, session: Session) -> None:
    """Show the answer before anything else can fail: it is paid for."""
    from federation.display.terminal import answer_table, console, cost_lines, left_line, plain

    screen = console()
    screen.print(answer_table(result))
    for line in filter(None, cost_lines(result)):
        screen.print(plain(line), style="dim", highlight=False, markup=False)
    try:
        left = left_line(result, session.budget_rows())
    except OURS as error:
        left = f"what is left could not be asked: {sentence(error)}"
    screen.print(plain(left), style="dim", highlight=False, markup=False)
