"""The commands ``crossward harmonise``: a site's mapping, step by step, for its administrator.

Layer:       federation.cli.harmonise, below app.
Guarantees:  counts of a site's own data appear only where its own site file was given (P19 i).
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli import completion
from federation.cli.options import (
    PURPOSE,
    AsJson,
    ConsortiumFile,
    IdentityFile,
    Purpose,
    TableName,
    only_table,
    open_session,
    positive_decimal,
    print_json,
)
from federation.cli.outcome import FAILED, UsageError
from federation.cli.progress import progress_of

if TYPE_CHECKING:
    from analytics.sources.preparation.run import Prepared

app = typer.Typer(
    help="A site's mapping from its own tables to the consortium's schema.", no_args_is_help=True
)


@app.command()
def check(
    site_file: Annotated[Path, typer.Argument(help="This site's own file, or its folder.")],
    table: TableName = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the SQL of every step too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a site's mapping and show rows before and after each step, and the share that each rule touched."""
    from federation.diagnostics.mappings import checked_mappings

    found = checked_mappings(site_file)
    if table is not None and table not in found:
        raise UsageError(
            reason=f"there is no table {table} with a mapping, only {', '.join(found) or 'none'}"
        )
    if not found:
        raise UsageError(reason='no table of the site file names a mapping: harmonise = "mapping.toml"')
    chosen = {name: done for name, done in found.items() if table in {None, name}}
    if as_json:
        print_json({name: _document(done, explain=explain) for name, done in chosen.items()})
    else:
        for name, done in chosen.items():
            _print(name, done, explain=explain)
    if any(step.refusals for done in chosen.values() for step in done.steps):
        raise typer.Exit(FAILED)


@app.command()
def fit(
    fits: Annotated[
        list[str],
        typer.Argument(
            help="COLUMN=FIT, or COLUMN=FIT,FIT: median, mean, iqr, z_fences, z_score, min_max.",
            autocompletion=completion.fits,
        ),
    ],
    consortium: ConsortiumFile,
    epsilon: Annotated[str, typer.Option("--epsilon", help="For all constants together.")],
    table: TableName = None,
    mapping: Annotated[
        list[Path] | None,
        typer.Option("--mapping", help="A mapping to write the constants into; may be given again."),
    ] = None,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    as_json: AsJson = False,
) -> None:
    """Release public constants over all sites (medians, fences, scales) and write them into mappings."""
    from analytics.harmonise.constants import check_mapping_takes, written
    from analytics.harmonise.mapping import MappingFile
    from analytics.harmonise.reading import read_mapping
    from federation.client.fitting import Fitted, fit_constants

    asked: dict[str, list[str]] = {}
    for text in fits:
        column, is_given, names = text.partition("=")
        if not is_given or not column or column in asked:
            raise UsageError(reason=f"a constant is COLUMN=FIT, each column once; not {text!r}")
        asked[column] = names.split(",")
    for path in mapping or []:
        file = read_mapping(path).file
        if not isinstance(file, MappingFile):
            raise UsageError(reason=f"{path.name} maps OMOP tables: copy the constants from the screen")
        check_mapping_takes(file, asked)  # before any charge
    done = Fitted()
    with open_session(consortium, identity) as session:
        where = only_table(session.consortium, table)
        price = positive_decimal(epsilon, name="epsilon")
        try:
            with progress_of(session, lambda: f"release {len(done.releases) + 1} of {done.n_releases}: "):
                fit_constants(session, where, asked, epsilon=price, purpose=purpose, into=done)
        finally:
            for line in done.releases:
                typer.echo(f"released {line}", err=True)
            if as_json and done.releases:
                print_json({"constants": done.constants, "releases": done.releases})
            for path in (mapping or []) if done.constants else []:
                path.write_text(written(path.read_text("utf-8"), done.constants), "utf-8")
            if done.constants and not as_json:
                typer.echo(written("", done.constants).rstrip())


def _document(done: Prepared, *, explain: bool) -> dict[str, object]:
    from analytics.harmonise.explaining import explained

    steps = [
        {
            "block": step.block,
            "step": step.what,
            "rows_before": step.rows_before,
            "rows_after": step.rows_after,
            "rules": [
                {
                    "rule": rule,
                    "rows": count,
                    "share": step.share(rule),
                    "refused": step.refusals.get(rule),
                }
                for rule, count in step.touched.items()
            ],
        }
        for step in done.steps
    ]
    return {"steps": steps} | ({"sql": explained(done)} if explain else {})


def _print(name: str, done: Prepared, *, explain: bool) -> None:
    from analytics.harmonise.explaining import explained

    typer.echo(f"table {name}")
    for step in done.steps:
        for line in step.lines():
            typer.echo(f"  {line}")
    if explain:
        typer.echo(explained(done))
