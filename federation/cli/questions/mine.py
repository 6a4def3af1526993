"""The command ``crossward mine``.

Layer:       federation.cli.questions.mine.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from federation.cli import completion
from federation.cli.options import (
    PURPOSE,
    AsCsv,
    AsJson,
    ConsortiumFile,
    Epsilon,
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
from federation.cli.progress import progress_of

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.mining.result import MiningResult
    from federation.requests.explanation import Explanation

MaxItems = Annotated[
    int | None,
    typer.Option(
        "--max-items-per-unit",
        help="With --epsilon: items that a basket keeps at its site; the others are left out.",
    ),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold", help="Least value of a measure, such as lift=1.2; of p_adjusted the largest."
    ),
]


Items = Annotated[
    list[str],
    typer.Argument(help="Items such as sex=M, age>=60, disease.", autocompletion=completion.items),
]


def mine(  # noqa: PLR0913, PLR0917
    items: Items,
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
    threshold: Thresholds = None,
    earlier_nested: Annotated[str | None, typer.Option("--nested", hidden=True)] = None,
    max_items: MaxItems = None,
    epsilon: Epsilon = None,
    exact: Annotated[bool, typer.Option("--exact", help="Exact, as one exact disclosure.")] = False,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    explain: Explain = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Find association rules over all sites."""
    from analytics.mining.request import MiningRequest

    price = _price(epsilon, exact=exact)
    one_output(as_json=as_json, as_csv=as_csv)
    limits = _limits(threshold or [], is_private=price is not None)
    wanted: dict[str, Any] = {
        "items": tuple(items),
        "min_support": positive_decimal(min_support, name="min-support"),
        "min_confidence": positive_decimal(min_confidence, name="min-confidence"),
        "max_len": max_len,
        "max_candidates": max_candidates,
        "nested_supports": _choice(
            earlier_nested or nested, name="nested-supports", choices=("guard", "allow")
        ),
        "basket": _choice(basket, name="basket", choices=("row", "unit")),
        "max_items_per_unit": max_items,
    }
    with open_session(consortium, identity) as session:
        request = MiningRequest(table=only_table(session.consortium, table), **wanted)
        if explain:
            _print_explanation(
                session.explain_mining(request, epsilon=price, purpose=purpose), as_json=as_json
            )
            return
        if sys.stderr.isatty():
            typer.echo(_beforehand(session.explain_mining(request, epsilon=price, purpose=purpose)), err=True)
        with progress_of(session):
            result = session.mine(request, epsilon=price, purpose=purpose).where(**limits)
    with never_lost(result):
        _print(result, as_json=as_json, as_csv=as_csv)


def _beforehand(explanation: Explanation) -> str:
    """What a run costs, before it starts."""
    shape = explanation.to_dict()
    cost, first = shape["cost"], shape.get("first_block")
    if first is None:
        return f"asking for epsilon {cost['epsilon']} of the mining budget: {shape['rounds']} releases with noise"
    return (
        f"asking for one exact disclosure: at most {shape['max_levels']} levels and {shape['max_candidates']} candidates; "
        f"the first {first['levels']} levels at once, {first['itemsets']} itemsets in {first['rounds']} rounds"
    )


def _print_explanation(explanation: Explanation, *, as_json: bool) -> None:
    if as_json:
        print_json(explanation.to_dict())
    else:
        typer.echo(explanation.text)


def _print(result: MiningResult, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        print_json(result.to_dict())
    elif as_csv:
        print_csv(*result.spreadsheet())
    else:
        _print_rules(result)


def _choice(value: str, *, name: str, choices: tuple[str, str]) -> str:
    """Check a choice, before anything is asked."""
    if value not in choices:
        raise UsageError(reason=f"--{name} must be {' or '.join(choices)}, not {value[:40]!r}")
    return value


def _price(epsilon: str | None, *, exact: bool) -> Fraction | None:
    """Read what a run may cost: an epsilon, or None for an exact disclosure."""
    if exact == (epsilon is not None):
        raise UsageError(reason="give either --epsilon (private) or --exact")
    return None if epsilon is None else positive_decimal(epsilon, name="epsilon")


def _limits(texts: list[str], *, is_private: bool) -> dict[str, float]:
    """Read limits on measures, before anything is asked."""
    from analytics.errors import InvalidRequestError
    from analytics.mining.private.result import check_private
    from analytics.mining.result import check_limits

    found: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
            check_limits(found)
            if is_private:
                check_private(found)
        except (ValueError, InvalidRequestError) as error:
            reason = f"--threshold must be a measure and a number, such as lift=1.2, not {text[:40]!r}"
            raise UsageError(reason=reason) from error
    return found


def _print_rules(result: MiningResult) -> None:
    from federation.display.terminal import console, rule_tables

    screen = console()
    for part in rule_tables(result):
        screen.print(part)
