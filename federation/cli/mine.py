"""The command ``crossward mine``.

Layer:       federation.cli.mine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from federation.cli.options import (
    PURPOSE,
    AsCsv,
    AsJson,
    ConsortiumFile,
    Explain,
    IdentityFile,
    Purpose,
    TableName,
    never_lost,
    one_output,
    only_table,
    open_session,
    positive_decimal,
    print_csv,
    print_json,
)
from federation.cli.outcome import UsageError

if TYPE_CHECKING:
    from analytics.mining.result import MiningResult


def mine(  # noqa: PLR0913, PLR0917
    items: Annotated[list[str], typer.Argument(help="Items such as sex=M, age>=60, disease.")],
    consortium: ConsortiumFile,
    min_support: Annotated[str, typer.Option("--min-support", help="Smallest share of the rows.")],
    table: TableName = None,
    min_confidence: Annotated[str, typer.Option("--min-confidence", help="Smallest confidence.")] = "0.5",
    max_len: Annotated[int | None, typer.Option("--max-len", help="Most items of an itemset.")] = None,
    max_candidates: Annotated[
        int, typer.Option("--max-candidates", help="Most itemsets that are counted in the whole run.")
    ] = 20_000,
    nested: Annotated[
        str, typer.Option("--nested-supports", help="guard, or allow where every site's policy permits it.")
    ] = "guard",
    basket: Annotated[
        str,
        typer.Option(
            "--basket", help="row, or unit: what any row of a person holds, who counts once a site."
        ),
    ] = "row",
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold", help="Least value of a measure, such as lift=1.2; of p_adjusted the largest."
        ),
    ] = None,
    earlier_nested: Annotated[str | None, typer.Option("--nested", hidden=True)] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Exact; private mining is not available yet.")
    ] = False,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    explain: Explain = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Find association rules over all sites."""
    from analytics.mining.request import MiningRequest

    if not exact:
        raise UsageError(reason="give --exact: private mining is not available yet")
    one_output(as_json=as_json, as_csv=as_csv)
    nested = earlier_nested or nested
    if nested not in {"guard", "allow"}:
        raise UsageError(reason=f"--nested-supports must be guard or allow, not {nested[:40]!r}")
    if basket not in {"row", "unit"}:
        raise UsageError(reason=f"--basket must be row or unit, not {basket[:40]!r}")
    limits = _limits(threshold or [])
    shares = [
        positive_decimal(min_support, name="min-support"),
        positive_decimal(min_confidence, name="min-confidence"),
    ]
    with open_session(consortium, identity) as session:
        request = MiningRequest(
            table=only_table(session.consortium, table),
            items=tuple(items),
            min_support=shares[0],
            min_confidence=shares[1],
            max_len=max_len,
            max_candidates=max_candidates,
            nested_supports=cast("Literal['guard', 'allow']", nested),
            basket=cast("Literal['row', 'unit']", basket),
        )
        if explain:
            explanation = session.explain_mining(request, purpose=purpose)
            if as_json:
                print_json(explanation.to_dict())
            else:
                typer.echo(explanation.text)
            return
        result = session.mine(request, purpose=purpose).where(**limits)
    with never_lost(result):
        if as_json:
            print_json(result.to_dict())
        elif as_csv:
            print_csv(*result.spreadsheet())
        else:
            _print_rules(result)


def _limits(texts: list[str]) -> dict[str, float]:
    """Read limits on measures, before anything is asked."""
    from analytics.errors import InvalidRequestError
    from analytics.mining.result import check_limits

    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
            check_limits(found)
        except (ValueError, InvalidRequestError) as error:
            reason = f"--threshold must be a measure and a number, such as lift=1.2, not {text[:40]!r}"
            raise UsageError(reason=reason) from error
    return found


def _print_rules(result: MiningResult) -> None:
    from rich.console import Console

    from federation.display.terminal import rule_tables

    console = Console()
    for part in rule_tables(result):
        console.print(part)
