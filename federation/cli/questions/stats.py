"""The command ``crossward stats``: any statistic of the registry by its name.

Layer:       federation.cli.questions.stats.
Guarantees:  knows no statistic; names, parameters and their meaning come from the registry.
See instead: questions in SQL (``federation.cli.questions.analyst``).
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read at run time by typer
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli import completion
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
from federation.cli.progress import progress_of
from federation.cli.questions.budget_line import budget_line
from federation.cli.questions.picture_file import PlotFile, picture_file
from federation.client.questions.written_value import read_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.statistics.base import Answer
    from federation.client.session import Session
    from federation.requests.explanation import Explanation


StatisticName = Annotated[
    str | None,
    typer.Argument(help="The statistic; without it, all are listed.", autocompletion=completion.statistics),
]
StatisticArguments = Annotated[
    list[str] | None,
    typer.Argument(
        help="Its arguments as NAME=VALUE; a list as a,b,c, a list of one as a, with the comma.",
        autocompletion=completion.arguments,
    ),
]


def stats(  # noqa: PLR0913, PLR0917 - every one an option of its own
    name: StatisticName = None,
    arguments: StatisticArguments = None,
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
    list_all: Annotated[
        bool, typer.Option("--list", help="List every statistic, and what of it is refused and why.")
    ] = False,
    plot: PlotFile = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Compute a statistic by its name, such as chi_square; without a name, list all."""
    one_output(as_json=as_json, as_csv=as_csv)
    if list_all and name is not None:
        raise UsageError(reason="--list takes no name of a statistic")
    if name is None:
        _list(as_json=as_json)
        return
    given = read_arguments(arguments or [], name)
    _check_given(name, given)
    if consortium is None:
        raise UsageError(reason="say which consortium: -c with its file or folder")
    if (exact and epsilon is not None) or not (exact or epsilon is not None or explain):
        raise UsageError(
            reason="say --epsilon E for a private answer, or --exact for one without noise; not both"
        )
    how = _price(epsilon, exact=exact)
    with open_session(consortium, identity) as session, picture_file(plot) as drawn:
        where = only_table(session.consortium, table)
        options = {**how, "purpose": purpose, "mechanism": mechanism, **given}
        if explain:
            explanation = _explained(session, name, where, options)
            if as_json:
                print_json(explanation.to_dict())
            else:
                typer.echo(explanation.text)
            return
        with progress_of(session):
            answer = session.statistic(name, table=where, **options)
        _show(answer, session, as_json=as_json, as_csv=as_csv)
        drawn(answer)


def _show(answer: Answer, session: Session, *, as_json: bool, as_csv: bool) -> None:
    with never_lost(answer):
        if as_json:
            print_json(answer.to_dict())
        elif as_csv:
            print_csv(*answer.cells())
        else:
            _print(answer, session)


def _price(epsilon: str | None, *, exact: bool) -> dict[str, object]:
    if epsilon is None:
        return {"exact": True} if exact else {}
    return {"epsilon": positive_decimal(epsilon, name="epsilon")}


def _explained(session: Session, name: str, table: str, options: dict[str, object]) -> Explanation:
    """Explain as asked; where no price was said, at several, or exactly if the statistic has no private form."""
    from analytics.statistics.registry import STATISTICS
    from federation.client.questions.price_list import at_several_prices

    if {"epsilon", "exact"}.intersection(options):
        return session.explain_statistic(name, table=table, **options)
    if name in STATISTICS and "private" not in STATISTICS[name].modes:
        return session.explain_statistic(name, table=table, **options, exact=True)
    return at_several_prices(
        lambda epsilon: session.explain_statistic(name, table=table, **options, epsilon=epsilon)
    )


_OURS = frozenset({"table", "epsilon", "exact", "purpose", "mechanism"})


def read_arguments(texts: Sequence[str], statistic: str = "") -> dict[str, object]:
    """Read NAME=VALUE.

    Args:
        texts: a value that is JSON (a number, true, false, null, a quoted text, a list) is that; one with a comma is a
            list, its items read in the same way; anything else is a text.
        statistic: the name of the one that is asked, whose arguments a refusal lists.

    Raises:
        UsageError: a text has no name, or a name comes twice.
    """
    found: dict[str, object] = {}
    for text in texts:
        name, is_given, value = text.partition("=")
        if not name or not is_given or name in found or name in _OURS:
            raise UsageError(
                reason=f"arguments are NAME=VALUE, each name once, not {text[:80]!r}{_takes(statistic)}"
            )
        found[name] = read_value(value)
    return found


def _check_given(statistic: str, given: Mapping[str, object]) -> None:
    """Refuse a call that lacks an argument, with all that the statistic takes."""
    from analytics.statistics.arguments import REQUIRED
    from analytics.statistics.registry import STATISTICS

    if statistic not in STATISTICS or "formula" in given:
        return
    lacking = [
        each.name
        for each in STATISTICS[statistic].parameters
        if each.default is REQUIRED and each.name not in given
    ]
    if lacking:
        raise UsageError(reason=f"{', '.join(lacking)} must be given{_takes(statistic)}")


def _takes(statistic: str) -> str:
    """Say which arguments a statistic has, or that there is none of this name."""
    from analytics.statistics.arguments import REQUIRED
    from analytics.statistics.registry import STATISTICS

    if statistic not in STATISTICS:
        return "; crossward stats lists the statistics and their arguments" if statistic else ""
    names = [
        f"{each.name}=..." if each.default is REQUIRED else f"[{each.name}=...]"
        for each in STATISTICS[statistic].parameters
    ]
    return f"; {statistic} takes {' '.join(names)}"


def _list(*, as_json: bool) -> None:
    from analytics.statistics.arguments import REQUIRED
    from analytics.statistics.other_names import PART_OF
    from analytics.statistics.register import register
    from analytics.statistics.registry import STATISTICS

    entries = register()
    known = {entry.name: STATISTICS[entry.name] for entry in entries if entry.name in STATISTICS}
    if as_json:
        print_json(
            {
                entry.name: {
                    "summary": entry.summary,
                    "modes": sorted(known[entry.name].modes) if entry.name in known else [],
                    "exact": {"level": entry.exact.level, "reason": entry.exact.reason},
                    "private": {"level": entry.private.level, "reason": entry.private.reason},
                    "parameters": {
                        each.name: each.meaning
                        for each in (known[entry.name].parameters if entry.name in known else ())
                    },
                }
                for entry in entries
            }
        )
        return
    for entry in entries:
        if entry.name not in known:
            typer.echo(f"{entry.name}: {entry.exact}")
            continue
        typer.echo(f"{entry.name}: {entry.summary}; exact: {entry.exact}; private: {entry.private}")
        for each in known[entry.name].parameters:
            rest = "" if each.default is REQUIRED else f" (default: {each.default})"
            typer.echo(f"    {each.name}: {each.meaning}{rest}")
    for name, place in PART_OF.items():
        typer.echo(f"{name}: see {place}")


def _print(answer: Answer, session: Session) -> None:
    """Show the answer before anything else can fail: it is paid for."""
    from federation.display.answer_parts import statistic_lines, statistic_table
    from federation.display.terminal import console, grid, plain

    screen = console()
    for line in answer.lines():
        screen.print(plain(line), highlight=False, markup=False)
    names, rows = statistic_table(answer)
    if rows:
        screen.print(grid("", names, rows))
    for line in statistic_lines(answer):
        screen.print(plain(line), style="dim", highlight=False, markup=False)
    screen.print(plain(budget_line(answer, session)), style="dim", highlight=False, markup=False)
