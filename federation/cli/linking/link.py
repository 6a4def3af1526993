"""The command ``crossward link``.

Layer:       federation.cli.linking.
"""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.options import (
    PURPOSE,
    AsJson,
    ConsortiumFile,
    Explain,
    IdentityFile,
    Purpose,
    TableName,
    never_lost,
    only_table,
    open_session,
    print_json,
)
from federation.cli.outcome import UsageError


def link(  # noqa: PLR0913, PLR0917
    sites: Annotated[list[str], typer.Argument(help="The two sites.")],
    consortium: ConsortiumFile,
    table: TableName = None,
    learns: Annotated[
        str, typer.Option("--learns", help="What each of the two learns: rows (which patients) or count.")
    ] = "rows",
    exact: Annotated[bool, typer.Option("--exact", help="Needed: a linkage has no noise.")] = False,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    explain: Explain = False,
    as_json: AsJson = False,
) -> None:
    """Have two sites find which patients of a table they share."""
    from analytics.linkage.request import PAIR, LinkRequest

    if not exact:
        raise UsageError(reason="give --exact: a linkage is an exact disclosure to both sites")
    if len(set(sites)) != PAIR or len(sites) != PAIR:
        raise UsageError(reason="name two different sites")
    if learns not in {"rows", "count"}:
        raise UsageError(reason=f"--learns must be rows or count, not {learns[:40]!r}")
    with open_session(consortium, identity) as session:
        request = LinkRequest(
            table=only_table(session.consortium, table),
            sites=(sites[0], sites[1]),
            learns="rows" if learns == "rows" else "count",
        )
        if explain:
            explanation = session.explain_link(request, purpose=purpose)
            if as_json:
                print_json(explanation.to_dict())
            else:
                typer.echo(explanation.text)
            return
        result = session.link(request, purpose=purpose)
    with never_lost(result):
        if as_json:
            print_json(result.to_dict())
        else:
            typer.echo(result.text)
            typer.echo(f"entry {result.receipt['number']} of the ledger")
