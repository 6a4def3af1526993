"""The commands ``crossward cube``: release a cube, ask it, list the released ones.

Layer:       federation.cli.questions.cube.
Guarantees:  only ``release`` asks a site or spends anything; ``ask`` and ``list`` read the analyst's own store.
See instead: single questions (``federation.cli.questions.analyst``), the cube in Python (``federation.client.questions.cube``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli import completion
from federation.cli.options import (
    PURPOSE,
    AsCsv,
    AsJson,
    ConsortiumFile,
    Explain,
    Fresh,
    IdentityFile,
    Purpose,
    QuestionFile,
    Sampling,
    TableName,
    one_output,
    only_table,
    open_session,
    positive_decimal,
    print_csv,
    print_json,
    read_questions,
)
from federation.cli.progress import progress_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.results.result import Result
    from federation.client.questions.cube import ReleasedCube

app = typer.Typer(
    help="One noisy table of counts and sums, and free questions to it.",
    no_args_is_help=True,
)
Dimensions = Annotated[
    list[str],
    typer.Argument(
        help="Columns with public groups: categories, true or false, numbers with bins.",
        autocompletion=completion.columns,
    ),
]
Measures = Annotated[
    list[str] | None,
    typer.Option(
        "--measure",
        help="SUM(column), AVG(column), STDDEV(column) and the like; again for each. COUNT(*) is in.",
        autocompletion=completion.measures,
    ),
]
Number = Annotated[
    int | None,
    typer.Option(
        "--number", help="The ledger entry that paid for the cube; default: the newest that can be used."
    ),
]


@app.command()
def release(  # noqa: PLR0913, PLR0917 - every one an option of its own
    consortium: ConsortiumFile,
    dimensions: Dimensions,
    epsilon: Annotated[str, typer.Option("--epsilon", help="What the cube may cost.")],
    measure: Measures = None,
    table: TableName = None,
    fresh: Fresh = False,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    explain: Explain = False,
    as_json: AsJson = False,
) -> None:
    """Release a cube, or find it in your own store; questions to it are free."""
    amount = positive_decimal(epsilon, name="epsilon")
    measures = measure or ["COUNT(*)"]
    with open_session(consortium, identity) as session:
        where = only_table(session.consortium, table)
        if explain:
            explanation = session.explain_cube(
                where, dimensions=dimensions, measures=measures, epsilon=amount, purpose=purpose
            )
            if as_json:
                print_json(explanation.to_dict())
            else:
                typer.echo(explanation.text)
            return
        with progress_of(session):
            cube = session.cube(
                where, dimensions=dimensions, measures=measures, epsilon=amount, fresh=fresh, purpose=purpose
            )
    if as_json:
        print_json(cube.to_dict())
        return
    _print(_lines(cube))


@app.command()
def ask(  # noqa: PLR0913, PLR0917 - every one an option of its own
    consortium: ConsortiumFile,
    sql: Annotated[
        str | None,
        typer.Argument(help="One SELECT over the cube's measures and dimensions; - for standard input."),
    ] = None,
    file: QuestionFile = None,
    number: Number = None,
    nonnegative: Annotated[
        bool,
        typer.Option("--nonnegative", help="Counts alone: none below 0, all of them from one table; biased."),
    ] = False,
    sampling: Sampling = False,
    identity: IdentityFile = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Answer a question from a released cube; free, no site is asked."""
    one_output(as_json=as_json, as_csv=as_csv)
    (text,) = read_questions([] if sql is None else [sql], file)
    with open_session(consortium, identity) as session:
        result = session.released_cube(number).sql(text, nonnegative=nonnegative)
    if as_json:
        print_json({"question": text, **result.to_dict(sampling=sampling)})
    elif as_csv:
        print_csv(*result.spreadsheet(sampling=sampling))
    else:
        _print_answer(result, sampling=sampling)


@app.command(name="list")
def list_cubes(
    consortium: ConsortiumFile, identity: IdentityFile = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """List the cubes in your own store; free, no site is asked."""
    one_output(as_json=as_json, as_csv=as_csv)
    with open_session(consortium, identity) as session:
        rows = session.cubes()
    if as_json:
        print_json(rows)
        return
    names = ["number", "table", "dimensions", "measures", "epsilon", "usable"]
    cells = [[_cell(row[name]) for name in names] for row in rows]
    if as_csv:
        print_csv(names, cells)
        return
    _print(_listed(names, cells) if rows else ["no cube in your store; crossward cube release makes one"])


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _listed(names: Sequence[str], cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (names, *cells)
    ]


def _lines(cube: ReleasedCube) -> list[str]:
    origin: Mapping[str, object] = cube.origin
    paid = "free: from your own store" if origin["free"] else f"epsilon {cube.cost['epsilon']}"
    return [
        f"cube of {cube.table}: dimensions {', '.join(cube.dimensions)}; measures {', '.join(cube.measures)}",
        f"{len(cube.marginals)} marginals; {paid}; ledger entries {', '.join(map(str, cube.numbers))}",
        *([f"not kept: {cube.receipt['not_kept']}"] if "not_kept" in cube.receipt else []),
        'ask it: crossward cube ask "SELECT ..."; every answer is free',
    ]


def _print(lines: Sequence[str]) -> None:
    for line in lines:
        typer.echo(line)


def _print_answer(result: Result, *, sampling: bool) -> None:
    from federation.display.terminal import answer_table, console, cost_lines, plain, sampling_lines

    screen = console()
    screen.print(answer_table(result, sampling=sampling))
    for line in filter(None, [*(sampling_lines(result) if sampling else ()), *cost_lines(result)]):
        screen.print(plain(line), style="dim", highlight=False, markup=False)
