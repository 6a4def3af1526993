"""The command ``crossward count``: how many privacy units of the network match a condition.

Layer:       federation.cli.count above analyst, whose question in SQL it asks.
Guarantees:  the condition stands in brackets, so that it stays one condition; what it may hold is decided where every
             question is read. Where a privacy unit may have several rows, units are counted, not rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli import analyst
from federation.cli.options import (
    PURPOSE,
    AsCsv,
    AsJson,
    Confidence,
    ConsortiumFile,
    Epsilon,
    Exact,
    Explain,
    Fresh,
    IdentityFile,
    Purpose,
    TableName,
    Within,
    Yes,
    only_table,
)

NAME = "matching"


def count(  # noqa: PLR0913, PLR0917 - every one an option of its own
    consortium: ConsortiumFile,
    condition: Annotated[
        str | None,
        typer.Argument(
            help="What stands after WHERE in SQL, such as \"age >= 65 AND icd10 IN ('I50', 'I11')\"; without it all are counted."
        ),
    ] = None,
    table: TableName = None,
    epsilon: Epsilon = None,
    within: Within = None,
    confidence: Confidence = None,
    exact: Exact = False,
    fresh: Fresh = False,
    yes: Yes = False,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    explain: Explain = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Count the patients, or other privacy units, of all sites that match a condition."""
    text, counted_at = question(Path(consortium), table, condition)
    analyst.query(
        consortium,
        text,
        epsilon=epsilon,
        within=within,
        confidence=confidence,
        exact=exact,
        fresh=fresh,
        yes=yes,
        purpose=purpose,
        identity=identity,
        explain=explain,
        as_json=as_json,
        as_csv=as_csv,
    )
    if counted_at > 1 and not (explain or as_json or as_csv):
        typer.echo(
            f"who has rows at several sites counts at each of them: up to {counted_at} times, by the schema's "
            "max_sites_per_unit",
            err=True,
        )


def question(consortium: Path, table: str | None, condition: str | None) -> tuple[str, int]:
    """Write the question, and say at how many sites one unit may be counted.

    Args:
        consortium: the consortium file, or its folder.
        table: a table of its schema; None where there is only one.
        condition: what stands after WHERE; None counts all.

    Returns:
        One SELECT, and the sites at which one privacy unit may have rows.
    """
    from analytics.errors import InvalidRequestError
    from federation.consortium.consortium_file import load_consortium

    agreement = load_consortium(consortium)
    name = only_table(agreement, table)
    declared = agreement.schema.table(name)
    if declared is None:
        known = ", ".join(agreement.schema.tables)
        raise InvalidRequestError(
            parameter="table", reason=f"is not one of this consortium, which has {known}"
        )
    what = "*" if declared.units_are_rows else f"DISTINCT {declared.privacy_unit}"
    where = "" if condition is None else f" WHERE (\n{condition}\n)"
    # the analyst's own text, read like every question; nothing of it reaches a database
    text = f"SELECT COUNT({what}) AS {NAME} FROM {declared.name}{where}"  # noqa: S608
    return text, declared.sites_per_unit(len(agreement.names))
