"""Commands of the analyst: query, budget, quote.

Layer:       federation.cli.analyst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.options import (
    AsJson,
    ConsortiumFile,
    IdentityFile,
    never_lost,
    open_session,
    positive_decimal,
    print_json,
)
from federation.cli.outcome import OURS, UsageError, sentence

if TYPE_CHECKING:
    from analytics.results.result import Result
    from federation.client.session import Session


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over one table of the schema.")],
    consortium: ConsortiumFile,
    epsilon: Annotated[
        str | None, typer.Option("--epsilon", help="Private: what the answer may cost.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="No noise; allowed only where every site's policy permits it.")
    ] = False,
    purpose: Annotated[
        str, typer.Option("--purpose", help="The purpose, as entered in the ledger.")
    ] = "analysis",
    identity: IdentityFile = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the plan and its cost, spend nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask all sites one question."""
    if exact == (epsilon is not None):
        raise UsageError(
            reason="say --epsilon E for a private answer, the usual one, or --exact for one without noise; not both"
        )
    amount = None if epsilon is None else positive_decimal(epsilon, name="epsilon")
    with open_session(consortium, identity) as session:
        if explain:
            explanation = session.explain(sql, epsilon=amount, exact=exact, purpose=purpose)
            if as_json:
                print_json(explanation.to_dict())
            else:
                typer.echo(explanation.text)
            return
        result = session.sql(sql, epsilon=amount, exact=exact, purpose=purpose)
        with never_lost(result):
            if as_json:
                print_json(result.to_dict())
            else:
                _print_answer(result, session)


def budget(consortium: ConsortiumFile, identity: IdentityFile = None, as_json: AsJson = False) -> None:
    """Show the spent and the remaining budget."""
    with open_session(consortium, identity) as session:
        rows = session.budget_rows()
    if as_json:
        print_json(rows)
        return
    from federation.display.terminal import budget_table, console

    console().print(budget_table(rows))


def quote(
    sql: Annotated[
        list[str], typer.Argument(help="Questions, one SELECT each, in the order in which to ask.")
    ],
    consortium: ConsortiumFile,
    epsilon: Annotated[str, typer.Option("--epsilon", help="What each answer may cost.")],
    purpose: Annotated[
        str, typer.Option("--purpose", help="The purpose whose cap the questions would count against.")
    ] = "analysis",
    identity: IdentityFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the price of private questions and the budget they would leave; free."""
    amount = positive_decimal(epsilon, name="epsilon")
    with open_session(consortium, identity) as session:
        rows = session.quote([(text, amount) for text in sql], purpose=purpose)
    if as_json:
        print_json(rows)
        return
    from federation.display.terminal import console, quote_table

    console().print(quote_table(rows))


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
