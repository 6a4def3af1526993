"""The commands ``crossward harmonise``: a site's mapping, step by step, for its administrator.

Layer:       federation.cli.harmonise, below app.
Guarantees:  counts of a site's own data appear only where its own site file was given (P19 i).
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.options import AsJson, TableName, print_json
from federation.cli.outcome import FAILED, UsageError

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
