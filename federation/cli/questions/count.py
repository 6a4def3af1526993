"""The command ``crossward count``: how many privacy units of the network match a condition.

Layer:       federation.cli.questions.count above analyst, whose question in SQL it asks.
Guarantees:  the condition stands in brackets, so that it stays one condition; what it may hold is decided where every
             question is read. Where a privacy unit may have several rows, units are counted, not rows. Where one site refuses,
             all sites are asked what they would refuse, for nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

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
    open_session,
    positive_decimal,
)
from federation.cli.outcome import OURS, printable
from federation.cli.questions import analyst
from federation.errors import PolicyRefusedError, RequestRejectedError, SiteUnavailableError
from privacy_accounting.errors import BudgetExceededError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "matching"
REFUSALS: Final = (PolicyRefusedError, BudgetExceededError, SiteUnavailableError, RequestRejectedError)
"""Of all of them nothing is spent."""


def count(  # noqa: PLR0913, PLR0917 - every one an option of its own
    consortium: ConsortiumFile,
    condition: Annotated[
        str | None,
        typer.Argument(
            help="What stands after WHERE in SQL, such as \"age >= 65 AND icd10 IN ('I50', 'I11')\"; without it all are counted."
        ),
    ] = None,
    codes: Annotated[
        list[str] | None,
        typer.Option(
            "--codes",
            help="COLUMN=LIST, and the column holds one of these codes: a file with a code a line, a value set codes/LIST.txt "
            "beside the consortium file, or codes with commas. I50* is I50 and all below it, I20-I25 a range. Again for each.",
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
    text, counted = question(Path(consortium), table, condition, codes or [])
    is_for_people = not (as_json or as_csv)
    try:
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
    except REFUSALS:
        if is_for_people:
            _say_all_refusals(consortium, identity, text, epsilon=epsilon, exact=exact, purpose=purpose)
        raise
    if explain and is_for_people and (exact or epsilon is not None):
        _say_all_refusals(consortium, identity, text, epsilon=epsilon, exact=exact, purpose=purpose)
    if not explain and is_for_people:
        for line in counted:
            typer.echo(line, err=True)


def _say_all_refusals(
    consortium: Path, identity: Path | None, text: str, *, epsilon: str | None, exact: bool, purpose: str
) -> None:
    """Show what every site would refuse or lacks, on standard error; nothing is spent by that."""
    if epsilon is None and not exact:
        return  # --within has found no epsilon to ask about
    price: dict[str, Any] = (
        {"exact": True} if exact else {"epsilon": positive_decimal(epsilon or "", name="epsilon")}
    )
    try:
        with open_session(consortium, identity) as session:
            found = session.preflight(text, purpose=purpose, **price)
    except OURS:
        return  # the refusal itself is what counts
    for line in found.lines():
        typer.echo(printable(line), err=True)


def question(
    consortium: Path, table: str | None, condition: str | None, codes: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """Write the question, and say what is counted.

    Args:
        consortium: the consortium file, or its folder.
        table: a table of its schema; None where there is only one.
        condition: what stands after WHERE; None counts all.
        codes: lists of codes, each COLUMN=LIST.

    Returns:
        One SELECT, and sentences for who reads its answer.
    """
    from analytics.errors import InvalidRequestError
    from analytics.schema.tables import ROW
    from federation.cli.questions.code_lists import code_conditions
    from federation.consortium.consortium_file import consortium_path, load_consortium

    agreement = load_consortium(consortium)
    name = only_table(agreement, table)
    declared = agreement.schema.table(name)
    if declared is None:
        known = ", ".join(agreement.schema.tables)
        raise InvalidRequestError(
            parameter="table", reason=f"is not one of this consortium, which has {known}"
        )
    what = "*" if declared.units_are_rows else f"DISTINCT {declared.privacy_unit}"
    conditions = [] if condition is None else [f"(\n{condition}\n)"]
    conditions += code_conditions(codes, declared, consortium_path(consortium).parent)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    # the analyst's own text, read like every question; nothing of it reaches a database
    text = f"SELECT COUNT({what}) AS {NAME} FROM {declared.name}{where}"  # noqa: S608
    counted = []
    if declared.privacy_unit == ROW:
        counted.append("rows are counted: by the schema each row is a privacy unit of its own")
    elif not declared.units_are_rows:
        counted.append(
            f"privacy units are counted ({declared.privacy_unit}): one matches where one of its rows meets the whole condition"
        )
    sites = declared.sites_per_unit(len(agreement.names))
    if sites > 1:
        counted.append(
            f"who has rows at several sites counts at each of them: up to {sites} times, by the schema's max_sites_per_unit"
        )
    return text, counted
