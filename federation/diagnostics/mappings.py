"""Runs the mappings of a site's tables for its administrator.

Layer:       federation.diagnostics.mappings, above node.
Guarantees:  counts of a site's own data, for its own administrator alone (P19 i); no table is kept.
See instead: printing (``federation.cli``).
Source:      ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.errors import SchemaMismatchError
from analytics.sources.preparation.mapped import check_mapping, resolutions_of
from federation.consortium.site_file import load_site
from federation.errors import ConfigError
from federation.node.site_process import source_of

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.sources.preparation.run import Prepared


def checked_mappings(site_file: Path) -> dict[str, Prepared]:
    """Run the mapping of each table that has one.

    Args:
        site_file: the site's own file, or its folder.

    Returns:
        By table, what each step did; refusals are in the reports.

    Raises:
        ConfigError: with every mistake of the files, or a mapping does not fit a file.
    """
    config = load_site(site_file)
    found = {}
    for name in config.file.tables:
        table = config.consortium.schema.tables[name]
        try:
            done = check_mapping(source_of(config, name), resolutions_of(table))
        except SchemaMismatchError as error:
            raise ConfigError(mistakes=[f"tables.{name}: {error}"]) from None
        if done is not None:
            found[name] = done
    return found
