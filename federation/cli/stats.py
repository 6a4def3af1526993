"""The command ``crossward stats``: any statistic of the registry by its name.

Layer:       federation.cli.stats.
Guarantees:  knows no statistic; names, parameters and their meaning come from the registry.
See instead: questions in SQL (``federation.cli.analyst``).
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path  # noqa: TC003 - read at run time by typer
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.options import (
    PURPOSE,
    AsCsv,
    AsJson,
    Epsilon,
    Exact,
    Explain,
    IdentityFile,
    NamedNoise,
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
    from collections.abc import Sequence

    from analytics.statistics.base import Answer


def stats(  # noqa: PLR0913, PLR0917 - every one an option of its own
    name: Annotated[str | None, typer.Argument(help="The statistic; without it, all are listed.")] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            help="Its arguments as NAME=VALUE; a list as a,b,c, a list of one as a, with the comma."
        ),
    ] = None,
    consortium: Annotated[
        Path | None,
        typer.Option(
            "-c", "--consortium", help="The consortium file, or its folder.", envvar="CROSSWARD_CONSORTIUM"
        ),
    ] = None,
    table: TableName = None,
    epsilon: Epsilon = None,
    exact: Exact = False,
    mechanism: NamedNoise = None,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    explain: Explain = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compute a statistic by its name, such as chi_square; without a name, list all."""
    one_output(as_json=as_json, as_csv=as_csv)
    if name is None:
        _list(as_json=as_json)
        return
    given = read_arguments(arguments or [])
    if consortium is None:
        raise UsageError(reason="say which consortium: -c with its file or folder")
    if exact == (epsilon is not None):
        raise UsageError(
            reason="say --epsilon E for a private answer, or --exact for one without noise; not both"
        )
    how = {"exact": True} if epsilon is None else {"epsilon": positive_decimal(epsilon, name="epsilon")}
    with open_session(consortium, identity) as session:
        where = only_table(session.consortium, table)
        options: dict[str, object] = {**how, "purpose": purpose, "mechanism": mechanism, **given}
        if explain:
            explanation = session.explain_statistic(name, table=where, **options)
            if as_json:
                print_json(explanation.to_dict())
            else:
                typer.echo(explanation.text)
            return
        answer = session.statistic(name, table=where, **options)
    with never_lost(answer):
        if as_json:
            print_json(answer.to_dict())
        elif as_csv:
            print_csv(*answer.cells())
        else:
            _print(answer)


_OURS = frozenset({"table", "epsilon", "exact", "purpose", "mechanism"})


def read_arguments(texts: Sequence[str]) -> dict[str, object]:
    """Read NAME=VALUE.

    Args:
        texts: a value that is JSON (a number, true, false, null, a quoted text, a list) is that; one with a comma is a
            list, its items read in the same way; anything else is a text.

    Raises:
        UsageError: a text has no name, or a name comes twice.
    """
    found: dict[str, object] = {}
    for text in texts:
        name, is_given, value = text.partition("=")
        if not name or not is_given or name in found or name in _OURS:
            raise UsageError(reason=f"arguments are NAME=VALUE, each name once, not {text[:80]!r}")
        found[name] = _read(value)
    return found


def _read(text: str) -> object:
    if "," in text and not text.startswith(("[", '"')):
        return [_read(item) for item in text.removesuffix(",").split(",")]
    try:
        value: object = json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, dict) else value


def _list(*, as_json: bool) -> None:
    from analytics.statistics.arguments import REQUIRED
    from analytics.statistics.registry import STATISTICS

    if as_json:
        print_json(
            {
                name: {
                    "summary": found.summary,
                    "modes": sorted(found.modes),
                    "parameters": {each.name: each.meaning for each in found.parameters},
                }
                for name, found in STATISTICS.items()
            }
        )
        return
    for name, found in STATISTICS.items():
        typer.echo(f"{name}: {found.summary}; {' and '.join(sorted(found.modes, reverse=True))}")
        for each in found.parameters:
            rest = "" if each.default is REQUIRED else f" (default: {each.default})"
            typer.echo(f"    {each.name}: {each.meaning}{rest}")


def _print(answer: Answer) -> None:
    from federation.display.terminal import console, exact_lines, grid, guard_of, plain, secrecy_line

    screen = console()
    for line in answer.lines():
        screen.print(plain(line), highlight=False, markup=False)
    if not answer.closed:
        names, rows = answer.cells()
        if rows:
            from analytics.text_tables import cell_text

            screen.print(grid("", names, [[cell_text(cell) for cell in row] for row in rows]))
    cost, receipt = answer.cost, answer.receipt
    price = (
        f"cost: an exact disclosure, without epsilon; {guard_of(cost)}"
        if cost.get("epsilon") is None
        else f"cost: epsilon {cost['epsilon']}"
    )
    below = [price, *(exact_lines(receipt) if cost.get("epsilon") is None else []), secrecy_line(receipt)]
    for line in filter(None, below):
        screen.print(plain(line), style="dim", highlight=False, markup=False)
