"""The command ``crossward schema``: tables, columns and domains; it reads the consortium file alone.

Layer:       federation.cli.schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.cli.options import AsCsv, AsJson, ConsortiumFile, TableName, one_output, print_csv, print_json
from federation.cli.outcome import UsageError

if TYPE_CHECKING:
    from analytics.schema import Table


def schema(
    consortium: ConsortiumFile, table: TableName = None, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """Show the tables, their columns and what values these may have; no site is asked."""
    from federation.client.schema_view import COLUMNS, SchemaView
    from federation.consortium.consortium_file import load_consortium

    one_output(as_json=as_json, as_csv=as_csv)
    agreement = load_consortium(consortium).schema
    if table is not None and agreement.table(table) is None:
        raise UsageError(reason=f"there is no table {table}, only {', '.join(agreement.tables)}")
    wanted = {
        name: found
        for name, found in agreement.tables.items()
        if table is None or found is agreement.table(table)
    }
    rows = SchemaView(wanted).rows()
    if as_json:
        print_json({name: found.to_dict() for name, found in wanted.items()})
    elif as_csv:
        print_csv(COLUMNS, ([row[name] for name in COLUMNS] for row in rows))
    else:
        _print(wanted, rows)


def _print(tables: dict[str, Table], rows: list[dict[str, str]]) -> None:
    from federation.client.schema_view import COLUMNS, about
    from federation.display.terminal import console, grid, plain

    screen = console()
    for name, table in tables.items():
        mine = [[row[key] for key in COLUMNS[1:]] for row in rows if row["table"] == name]
        screen.print(grid(plain(name), COLUMNS[1:], mine, left=COLUMNS))
        screen.print(plain(about(table)), style="dim", highlight=False, markup=False)
