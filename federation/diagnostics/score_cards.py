"""Runs the quality checks of a site's tables for its administrator.

Layer:       federation.diagnostics.score_cards, above node.
Guarantees:  counts of a site's own data, for its own administrator alone (P19 i); no table is kept.
See instead: printing (``federation.cli``), the checks (``analytics.quality``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.quality.running import check_table
from analytics.quality.thresholds import Thresholds, read_thresholds
from federation.consortium.site_file import load_site
from federation.errors import ConfigError
from federation.node.site_process import source_of

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from analytics.quality.score_card import ScoreCard


def score_cards(
    site_file: Path, *, today: dt.date, rules: Path | None = None, table: str | None = None
) -> list[ScoreCard]:
    """Check each table of a site.

    Args:
        site_file: the site's own file, or its folder.
        today: the day after which a date lies in the future.
        rules: the site's file of thresholds; None: the schema's declarations alone.
        table: one of its tables; None: all.

    Returns:
        A score card for each.

    Raises:
        ConfigError: with every mistake of the files, or there is no such table.
        QualityFileError: with every mistake of the thresholds.
    """
    config = load_site(site_file)
    schema = config.consortium.schema
    thresholds = Thresholds() if rules is None else read_thresholds(rules, schema)
    if table is not None and table not in config.file.tables:
        raise ConfigError(
            mistakes=[f"this site has no table {table}, only {', '.join(config.file.tables) or 'none'}"]
        )
    chosen = [name for name in config.file.tables if table in {None, name}]
    return [
        check_table(source_of(config, name), schema.tables[name], thresholds, today=today) for name in chosen
    ]
