"""The command ``crossward quality``: a site's own checks for its administrator, or shares over all sites for the analyst.

Layer:       federation.cli.questions.quality, above options.
Guarantees:  counts of a site's own data appear only where its own site file was given (P19 i). What is asked of all sites is
             the statistic ``quality``, charged or guarded as every statistic.
See instead: the checks (``analytics.quality``), the statistic (``analytics.statistics.profiles.quality``).
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003  typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from federation.cli.options import (
    PURPOSE,
    AsJson,
    Epsilon,
    Exact,
    Explain,
    IdentityFile,
    Purpose,
    TableName,
    print_json,
)
from federation.cli.outcome import FAILED, UsageError
from federation.cli.questions.output_file import output_file
from federation.cli.questions.stats import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.quality.score_card import ScoreCard


def quality(  # noqa: PLR0913, PLR0917 - every one an option of its own
    site_file: Annotated[
        Path | None,
        typer.Option("--site", help="Check this site's own tables: its site file, or its folder."),
    ] = None,
    consortium: Annotated[
        Path | None,
        typer.Option(
            "-c", "--consortium", help="Ask all sites together: the consortium file, or its folder."
        ),
    ] = None,
    table: TableName = None,
    rules: Annotated[
        Path | None, typer.Option("--rules", help="With --site: a file of thresholds, TOML.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="With --site: write the score card here, as one page.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="With -c: names with commas; all columns if left out.")
    ] = None,
    for_sites: Annotated[
        bool,
        typer.Option(
            "--for-sites",
            help="With -c: open the figures to every site too, for policies that require a quality.",
        ),
    ] = False,
    epsilon: Epsilon = None,
    exact: Exact = False,
    purpose: Purpose = PURPOSE,
    identity: IdentityFile = None,
    explain: Explain = False,
    as_json: AsJson = False,
) -> None:
    """Check the data: with --site a site's own rows, rule by rule; with -c completeness and validity over all sites."""
    if (site_file is None) == (consortium is None):
        raise UsageError(reason="say --site for a site's own tables, or -c for all sites together; not both")
    if site_file is not None:
        if columns is not None or epsilon is not None or exact or explain or for_sites:
            raise UsageError(reason="--columns, --for-sites, --epsilon, --exact and --explain go with -c")
        _check_site(site_file, table, rules, html, as_json=as_json)
        return
    if rules is not None or html is not None:
        raise UsageError(reason="--rules and --html go with --site")
    from analytics.statistics.profiles.requirements import STATISTIC

    stats(
        STATISTIC,
        ([] if columns is None else [f"columns={columns},"]) + ["for_sites=true"] * for_sites,
        consortium=consortium,
        table=table,
        epsilon=epsilon,
        exact=exact,
        purpose=purpose,
        identity=identity,
        explain=explain,
        as_json=as_json,
    )


def _check_site(
    site_file: Path, table: str | None, rules: Path | None, html: Path | None, *, as_json: bool
) -> None:
    from analytics.quality.page import page_of
    from federation.diagnostics.score_cards import score_cards

    now = datetime.now(UTC)
    with nullcontext() if html is None else output_file(html, "--html") as place:
        cards = score_cards(site_file, today=now.date(), rules=rules, table=table)
        if place is not None:
            text = page_of(cards, made=f"{now:%Y-%m-%d %H:%M} UTC")
            place.write(lambda path: _write(path, text))
    if as_json:
        print_json([card.to_dict() for card in cards])
    else:
        _print(cards)
    if not all(card.is_good for card in cards):
        raise typer.Exit(FAILED)


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _print(cards: Sequence[ScoreCard]) -> None:
    from federation.display.score_card import failed_table, repairs_of, scores_table
    from federation.display.terminal import console, plain

    screen = console()
    for card in cards:
        screen.print(scores_table(card))
        failed = failed_table(card)
        if failed is None:
            screen.print("no check failed", style="dim")
            continue
        screen.print(failed)
        screen.print("what would mend it, as steps of a mapping (docs/harmonising.md):", style="dim")
        for repair in repairs_of(card):
            for line in repair.splitlines():
                screen.print(plain(line), highlight=False, markup=False)
            screen.print()
