"""The command ``crossward preflight``: all that would keep the sites from a run, before anything is charged.

Layer:       federation.cli.questions.preflight, below app.
Guarantees:  free. A site's own words and counts are for its administrator: ``crossward doctor --site`` shows them.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.options import (
    PURPOSE,
    AsJson,
    ConsortiumFile,
    Epsilon,
    Exact,
    IdentityFile,
    NamedNoise,
    Purpose,
    QuestionFile,
    TableName,
    only_table,
    open_session,
    positive_decimal,
    print_json,
    read_questions,
)
from federation.cli.outcome import FAILED, REFUSED, UsageError, printable
from federation.cli.questions.stats import read_arguments

if TYPE_CHECKING:
    from federation.client.questions.preflight import Preflight
    from federation.client.session import Session


def preflight(  # noqa: PLR0913, PLR0917 - every one an option of its own
    consortium: ConsortiumFile,
    sql: Annotated[
        str | None,
        typer.Argument(
            help="The question that is to come; without one, all tables are checked; - for standard input."
        ),
    ] = None,
    file: QuestionFile = None,
    statistic: Annotated[
        str | None, typer.Option("--statistic", help="A statistic that is to come, as crossward stats.")
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Option("--argument", help="NAME=VALUE, an argument of the statistic; again for each."),
    ] = None,
    task: Annotated[
        Path | None, typer.Option("--task", help="The task file of a training that is to come.")
    ] = None,
    table: TableName = None,
    epsilon: Epsilon = None,
    exact: Exact = False,
    mechanism: NamedNoise = None,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask every site what would keep it from a run: data, schema, policy, budget, helpers; free."""
    given = [sql is not None or file is not None, statistic is not None, task is not None]
    if given.count(True) > 1:
        raise UsageError(reason="give one of a question, --statistic and --task")
    asks_price = task is None and any(given)
    if asks_price and (epsilon is None) is not exact:
        raise UsageError(reason="say --epsilon E or --exact, as the run will; one of them")
    if not asks_price and (epsilon is not None or exact):
        raise UsageError(
            reason="--epsilon and --exact are for a question or a statistic; a task file has its own"
        )
    how: dict[str, object] = {"purpose": purpose, "mechanism": mechanism}
    if asks_price:
        how |= {"exact": True} if epsilon is None else {"epsilon": positive_decimal(epsilon, name="epsilon")}
    with open_session(consortium, identity) as session:
        if statistic is not None:
            named = read_arguments(arguments or [], statistic)
            where = only_table(session.consortium, table)
            found = session.preflight_statistic(statistic, table=where, **how, **named)
        elif task is not None:
            found = _of_task(session, task, purpose)
        elif any(given):
            (text,) = read_questions([] if sql is None else [sql], file)
            found = session.preflight(text, **how)  # type: ignore[arg-type]  # the values are of the options' types
        else:
            found = session.preflight()
    _show(found, as_json=as_json)


def _of_task(session: Session, path: Path, purpose: str) -> Preflight:
    from federation.training.task import load_task

    return session.preflight(load_task(path, purpose=None if purpose == PURPOSE else purpose))


def _show(found: Preflight, *, as_json: bool) -> None:
    """Print the findings; end with 3 where rules alone refuse, with 1 where something has to be mended."""
    if as_json:
        print_json(found.to_dict())
    else:
        for line in found.lines():
            typer.echo(printable(line))
    if not found.is_ready:
        raise typer.Exit(REFUSED if all(fault.is_refusal for fault in found.faults) else FAILED)
