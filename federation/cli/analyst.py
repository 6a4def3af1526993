"""What an analyst types: query and budget.

Floor:    federation.cli.analyst.
"""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.options import (
    AsJson,
    ConsortiumFile,
    IdentityFile,
    open_session,
    positive_decimal,
    print_json,
)
from federation.cli.outcome import UsageError


def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over one table of the schema.")],
    consortium: ConsortiumFile,
    epsilon: Annotated[
        str | None, typer.Option("--epsilon", help="Private: what the answer may cost.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="No noise; only where every site allows it.")
    ] = False,
    purpose: Annotated[str, typer.Option("--purpose", help="Written to the ledger.")] = "analysis",
    identity: IdentityFile = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show plan and cost, spend nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask all sites one question."""
    if exact == (epsilon is not None):
        raise UsageError(reason="say --epsilon E for a private answer, or --exact for one without noise")
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
        if as_json:
            print_json(result.to_dict())
            return
        rows = session.budget_rows()
    from rich.console import Console

    from federation.show import answer_table, cost_lines, left_line

    console = Console()
    console.print(answer_table(result))
    for line in [*cost_lines(result), left_line(result, rows)]:
        if line:
            console.print(line, style="dim", highlight=False, markup=False)


def budget(consortium: ConsortiumFile, identity: IdentityFile = None, as_json: AsJson = False) -> None:
    """Show what is spent and what still fits."""
    with open_session(consortium, identity) as session:
        rows = session.budget_rows()
    if as_json:
        print_json(rows)
        return
    from rich.console import Console

    from federation.show import budget_table

    Console().print(budget_table(rows))
