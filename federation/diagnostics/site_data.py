"""Checks of one site's own data, for its administrator: every fault of every table, with its column and reason.

Layer:       federation.diagnostics.site_data, beside checks.
Guarantees:  counts of a site's own data, for its own administrator alone (P19 i). A table that cannot be opened hides no fault
             of another one, and a missing column none of another column.
See instead: printing (``federation.cli``), what an analyst may know of it (``federation.node.preflight``).
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from analytics.errors import SchemaMismatchError
from analytics.schema import BooleanColumn, CategoricalColumn
from analytics.schema.data_faults import LEVEL_MISSING, REMARKS, UNCHECKED
from analytics.sources.dry_opening import opening_faults
from federation.diagnostics.finding import Finding
from federation.errors import ConfigError
from federation.node.preflight.record import read_record
from federation.node.site_process import open_source, source_of

if TYPE_CHECKING:
    from fractions import Fraction

    from analytics.sources import IngestReport, LocalTable
    from federation.consortium.site_file import SiteConfig

LEAST_FREE_BYTES: Final = 1 << 28


def examine_data(config: SiteConfig) -> list[Finding]:
    """Check each table: first without its rows, which names all columns at once, then with them.

    Args:
        config: the site's configuration.
    """
    found: list[Finding] = []
    for name in config.file.tables:
        if name in config.consortium.schema.tables:
            try:
                found += _examine_source(config, name)
            except ConfigError as error:
                found += [Finding(what="data", is_good=False, text=text) for text in error.mistakes]
            except SchemaMismatchError as error:
                found.append(Finding(what="data", is_good=False, text=str(error)))
    return [*found, _examine_disk(config), *_last_preflight(config)]


def _examine_source(config: SiteConfig, name: str) -> list[Finding]:
    table = config.consortium.schema.tables[name]
    said = opening_faults(source_of(config, name), table)
    found = [
        Finding(what="data", is_good=fault.code == LEVEL_MISSING, text=fault.reason)
        for fault in said
        if fault.code != UNCHECKED
    ]
    if any(fault.code not in REMARKS for fault in said):
        return found
    try:
        opened = open_source(config, name)
    except SchemaMismatchError as error:
        return [*found, Finding(what="data", is_good=False, text=str(error))]
    with opened as source:
        most = config.file.tables[name].most_misfits
        return [*found, *_examine_table(name, source.report, most), *empty_levels(source)]


def empty_levels(source: LocalTable) -> list[Finding]:
    """Name the levels that no row of this site has; it may have no such patients, or its view or mapping may lose them.

    Args:
        source: the open table.
    """
    found = []
    for column in source.table.columns.values():
        levels: tuple[object, ...] = ()
        if isinstance(column, CategoricalColumn):
            levels = column.domain
        elif isinstance(column, BooleanColumn):
            levels = ("false", "true")
        if levels:
            seen = source.levels(column.name)
            empty = [str(level) for place, level in enumerate(levels) if place not in seen]
            if empty:
                text = f"column {column.name}: no row has {', '.join(empty)}"
                found.append(Finding(what=f"table {source.table.name}", is_good=True, text=text))
    return found


def _examine_table(name: str, report: IngestReport, most: Fraction) -> list[Finding]:
    """Report the rows, then each column that has a remark."""
    faults = list(report.row_faults(most))
    text = "; ".join([*report.row_lines(), *faults])
    found = [Finding(what=f"table {name}", is_good=report.exact_allowed and not faults, text=text)]
    lines = [line for step in report.steps for line in step.lines()]
    found += [Finding(what=f"mapping of {name}", is_good=True, text=line) for line in lines]
    for column in report.columns:
        texts = list(filter(None, (column.line(), column.fault(most))))
        if texts:
            is_good = not column.fault(most)
            found.append(Finding(what=f"table {name}", is_good=is_good, text="; ".join(texts)))
    return found


def _examine_disk(config: SiteConfig) -> Finding:
    """Check the place of the ledger, the texts and the typed copies."""
    place = next(each for each in (config.state, *config.state.parents) if each.exists())
    free = shutil.disk_usage(place).free
    text = f"{free >> 20} MiB free for the state folder"
    if free < LEAST_FREE_BYTES:
        text += f"; free some space: below {LEAST_FREE_BYTES >> 20} MiB the ledger may soon not be written"
    return Finding(what="disk", is_good=free >= LEAST_FREE_BYTES, text=text)


def _last_preflight(config: SiteConfig) -> list[Finding]:
    """Show what the last preflight found here; it may be mended since, so it is no finding of now."""
    record = read_record(config.state)
    if record is None:
        return []
    try:
        when = datetime.fromtimestamp(int(record["time"]), UTC)
        what = f"preflight of {record['analyst']} at {when:%Y-%m-%d %H:%M} UTC"
        lines = [str(text) for text in record["refusals"]]
        for name, table in sorted(record["tables"].items()):
            lines += _table_lines(name, table)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return [Finding(what="preflight", is_good=True, text="its record cannot be read")]
    return [Finding(what=what, is_good=True, text=line) for line in lines or ["nothing to mend was found"]]


def _table_lines(name: str, table: dict[str, Any]) -> list[str]:
    lines = [f"table {name}: {fault['reason']}" for fault in table["faults"]]
    if table["changed_since_start"]:
        lines.append(
            f"table {name}: its files were written since the node read them; it answers from what it read until it is "
            "started again"
        )
    return lines
