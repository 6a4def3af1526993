"""What a draft says, and in what it differs from a site's own data, in words for the site's administrator.

Layer:       federation.setup.several_machines.draft_review, above infer_schema.
Guarantees:  nothing here is written to a file or sent: the sentences are for the administrator's own screen (P19 i), and
             may hold counts and category names of the site's own data.
See instead: signing what was reviewed (``signing``).
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from analytics.errors import SchemaError, SchemaMismatchError
from analytics.schema import CategoricalColumn, NumericColumn, Schema
from analytics.sources.formats import server_kind_of
from federation.consortium.agreement_terms import floor_fields
from federation.consortium.file_format.file_reading import read_toml, validated
from federation.consortium.site_file import SiteConfig, SiteFile
from federation.errors import ConfigError
from federation.node.site_process import open_sources
from federation.setup.infer_schema import guess_table
from federation.setup.site_rows import settings_of, site_rows
from privacy_accounting.decimals import format_decimal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from analytics.schema import Table
    from analytics.sources import IngestReport
    from federation.consortium.consortium_file import Consortium
    from federation.consortium.consortium_model import ConsortiumFile, SubBudget
    from federation.consortium.site_file import SiteTable

OTHER_UNIT: Final = 8


def in_words(consortium: Consortium) -> list[str]:
    """Describe a draft: members, budgets, tables, columns.

    Args:
        consortium: the draft's text, read.

    Returns:
        Sentences; the same at every site. No value of the agreement but keys and their fingerprints is left out.
    """
    file = consortium.file
    lines = [f"consortium {file.name}: {len(file.sites)} sites, {file.sequencer} orders the ledger"]
    lines += _members(file)
    lines.append(
        f"{file.relation}; {file.colluding} sites may pool what they know; at least {file.minimum_cell} persons "
        "behind an exact figure"
    )
    lines.append(
        f"a member that is silent for {format_decimal(file.deadline_s)} s is lost; a local scan takes at most "
        f"{format_decimal(file.local_limit_s)} s"
    )
    if file.floor is not None:
        said = ", ".join(
            f"{key} {value}" for key, value in floor_fields(file.floor).items() if value is not None
        )
        lines.append(f"policy floor of every site: {said}")
    for name, budget in file.budgets.items():
        delta = format_decimal(consortium.delta_of(name))
        lines.append(f"budget of {name}: epsilon {format_decimal(budget.epsilon)}, delta {delta}")
        caps = ", ".join(f"{purpose} {format_decimal(share)}" for purpose, share in budget.purposes.items())
        lines.append(f"  purposes: {caps or 'any'}")
        for part, sub_budget in budget.parts.items():
            lines.append(
                f"  {part}: share {format_decimal(sub_budget.share)}, planned for {_plan(sub_budget)}"
            )
    for name, table in consortium.schema.tables.items():
        lines += [f"table {name}: {_table(table)}"]
        lines += [f"  {column.name}: {_column(column)}" for column in table.columns.values()]
    return lines


def _members(file: ConsortiumFile) -> list[str]:
    lines = [f"site {name} at {each.address}" for name, each in file.sites.items()]
    for role in ("dealer", "aggregator", "keyholder"):
        helper = getattr(file, role)
        if helper is not None:
            lines.append(f"{role} {helper.name} at {helper.address}")
    lines += [
        f"analyst {name}: at most {format_decimal(each.cap)} of each budget"
        for name, each in file.analysts.items()
    ]
    lines += [
        f"auditor {name}: reads the ledger and the texts of all requests, and asks nothing"
        for name in file.auditors
    ]
    if file.computation is not None:
        sites = ", ".join(file.computation.sites)
        lines.append(f"computing sites, without a dealer: {sites}; any two of them could read the shares")
    return lines


def _plan(part: SubBudget) -> str:
    """Describe planned events by their own keys, since each mechanism has others."""
    return "; ".join(" ".join(f"{key} {event[key]}" for key in sorted(event)) for event in part.plan)


def guesses(consortium: Consortium) -> list[str]:
    """Return what of a draft is still guessed, so that no site signs it."""
    found = []
    for name, table in consortium.schema.tables.items():
        found += [f"{name}.{column.name}" for column in table.columns.values() if column.guessed]
        if table.open_guess:
            found.append(f"{name}: {table.open_guess}")
    return found


def differences(site_file: Path, consortium: Consortium) -> list[str]:
    """Compare a draft with a site's own data through the site file's views.

    Visible to: this site's administrator alone.

    Args:
        site_file: this site's own file.
        consortium: the draft's text, read; the agreement that the site file names need not exist yet.

    Returns:
        A sentence on each difference: a level, a unit, a bound, a missing column, too many rows.

    Raises:
        ConfigError: the site file holds mistakes.
    """
    mistakes: list[str] = []
    file = validated(SiteFile, read_toml(site_file), site_file.name, mistakes)
    if file is None:
        raise ConfigError(mistakes=mistakes)
    wanted, given = set(consortium.schema.tables), set(file.tables)
    found = [f"table {name} of the draft is missing in {site_file.name}" for name in sorted(wanted - given)]
    found += [f"table {name} of {site_file.name} is not in the draft" for name in sorted(given - wanted)]
    if found:
        return found
    config = SiteConfig(file=file, folder=site_file.parent, consortium=consortium)
    config.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        sources = open_sources(config)
    except SchemaMismatchError as error:
        return [f"this site's data do not fit the draft: {error}"]
    for name, source in sources.items():
        table = consortium.schema.tables[name]
        found += [f"{name}: {text}" for text in _counted(table, source.report)]
        found += [f"{name}: {text}" for text in _named(site_file.parent, name, table, file.tables[name])]
        source.close()
    return found


def _counted(table: Table, report: IngestReport) -> list[str]:
    found = []
    for each in report.columns:
        column = table.columns[each.name]
        if each.clipped and isinstance(column, NumericColumn):
            bounds = f"{format_decimal(column.lower)} to {format_decimal(column.upper)}"
            found.append(
                f"{each.name}: {each.clipped} of {each.rows} values lie outside the draft's bounds {bounds}"
            )
        if each.outside_domain:
            found.append(
                f"{each.name}: {each.outside_domain} of {each.rows} values are none of the draft's levels"
            )
        if each.missing and not getattr(column, "nullable", True):
            found.append(
                f"{each.name}: {each.missing} of {each.rows} rows lack a value; the draft does not say nullable"
            )
    if report.rows_without_unit:
        found.append(f"{report.rows_without_unit} of {report.rows_read} rows have no {table.privacy_unit}")
    if report.rows_over_cap:
        found.append(
            f"{report.rows_over_cap} rows are above {table.max_rows_per_unit} a person and will not count"
        )
    if not report.exact_allowed:
        found.append(f"{report.rows_kept} rows are more than the draft's rows_max of {table.rows_max}")
    return found


def _named(folder: Path, name: str, table: Table, own: SiteTable) -> list[str]:
    """Name levels and units, as they are guessed from the rows of the site's view."""
    path: Path | str = own.source if server_kind_of(own.source) is not None else folder / own.source
    try:
        data = path if own.table is None else f"{path}#{own.table}"
        rows = site_rows("here", data, settings=settings_of(own, folder), view=own.view)
        guess = guess_table(rows, name)
        mine = Schema.from_dict(tomllib.loads(guess.schema, parse_float=Decimal)).tables[name]
    except (ConfigError, SchemaError):
        return []
    found = []
    for column in table.columns.values():
        here = mine.columns.get(column.name)
        if isinstance(column, CategoricalColumn) and isinstance(here, CategoricalColumn):
            extra = [str(level) for level in here.domain if level not in column.domain]
            if extra:
                found.append(
                    f"{column.name}: this site has the levels {', '.join(extra)}, which the draft lacks"
                )
        if isinstance(column, NumericColumn) and isinstance(here, NumericColumn):
            found += _unit_difference(column, here)
    return found


def _unit_difference(column: NumericColumn, here: NumericColumn) -> list[str]:
    """Compare magnitudes: values in another unit of measurement lie far from the draft's bounds."""
    drafted, own = max(abs(column.lower), abs(column.upper)), max(abs(here.lower), abs(here.upper))
    unit = f" ({column.unit})" if column.unit else ""
    if own and drafted >= OTHER_UNIT * own:
        what = "smaller"
    elif drafted and own >= OTHER_UNIT * drafted:
        what = "larger"
    else:
        return []
    return [f"{column.name}: values here are much {what} than the draft's bounds{unit}: is it another unit?"]


def _table(table: Table) -> str:
    return (
        f"population {table.population}, one person is one {table.privacy_unit} as {table.unit_form}, at most "
        f"{table.max_rows_per_unit} rows a person, at {table.max_sites_per_unit or 'all'} sites, {table.rows_max} rows a "
        f"site, exact WHERE and GROUP BY over {_list(table.exact_dimensions)}"
    )


def _column(column: object) -> str:
    marks = "".join(
        text
        for flag, text in (("nullable", ", may be missing"), ("guessed", ", guessed"))
        if getattr(column, flag, False)
    )
    if isinstance(column, NumericColumn):
        unit = f" {column.unit}" if column.unit else ""
        bins = f", bins {_list([format_decimal(edge) for edge in column.bins])}" if column.bins else ""
        bounds = f"{format_decimal(column.lower)} to {format_decimal(column.upper)}{unit}"
        return f"number from {bounds} in steps of {format_decimal(column.resolution)}{bins}{marks}"
    if isinstance(column, CategoricalColumn):
        return f"one of {_list([str(level) for level in column.domain])}{marks}"
    return f"{type(column).__name__.removesuffix('Column').lower()}{marks}"


def _list(values: Sequence[str]) -> str:
    return ", ".join(values) or "no column"
