"""The command ``crossward mine``.

Layer:       federation.cli.mine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

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
from federation.cli.outcome import UsageError

if TYPE_CHECKING:
    from analytics.mining.result import MiningResult


def mine(  # noqa: PLR0913, PLR0917
    items: Annotated[list[str], typer.Argument(help="Items such as sex=M, age>=60, disease.")],
    consortium: ConsortiumFile,
    table: Annotated[str, typer.Option("--table", help="A table of the schema.")],
    min_support: Annotated[str, typer.Option("--min-support", help="Smallest share of the rows.")],
    min_confidence: Annotated[str, typer.Option("--min-confidence", help="Smallest confidence.")] = "0.5",
    max_len: Annotated[int | None, typer.Option("--max-len", help="Most items of an itemset.")] = None,
    nested: Annotated[
        str, typer.Option("--nested", help="guard, or allow where every site's policy permits it.")
    ] = "guard",
    exact: Annotated[
        bool, typer.Option("--exact", help="Exact; private mining is not available yet.")
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
    """Find association rules over all sites."""
    from analytics.mining.request import MiningRequest

    if not exact:
        raise UsageError(reason="give --exact: private mining is not available yet")
    if nested not in {"guard", "allow"}:
        raise UsageError(reason=f"--nested must be guard or allow, not {nested[:40]!r}")
    request = MiningRequest(
        table=table,
        items=tuple(items),
        min_support=positive_decimal(min_support, name="min-support"),
        min_confidence=positive_decimal(min_confidence, name="min-confidence"),
        max_len=max_len,
        nested_supports=cast("Literal['guard', 'allow']", nested),
    )
    with open_session(consortium, identity) as session:
        if explain:
            explanation = session.explain_mining(request, purpose=purpose)
            if as_json:
                print_json(explanation.to_dict())
            else:
                typer.echo(explanation.text)
            return
        result = session.mine(request, purpose=purpose)
    with never_lost(result):
        if as_json:
            print_json(result.to_dict())
        else:
            _print_rules(result)


def _print_rules(result: MiningResult) -> None:
    from rich.console import Console

    from federation.display.terminal import rule_tables

    console = Console()
    for part in rule_tables(result):
        console.print(part)
