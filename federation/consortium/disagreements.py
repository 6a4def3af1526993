"""Mistakes of a consortium file that no single key shows: names, numbers of sites, populations without a budget.

Layer:       federation.consortium.disagreements, below consortium_file. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.statistics.profiles.requirements import rule_mistakes
from federation.consortium.computing_sites import computation_mistakes

if TYPE_CHECKING:
    from analytics.schema import Schema
    from federation.consortium.consortium_model import ConsortiumFile


def disagreements(file: ConsortiumFile, schema: Schema | None) -> list[str]:
    """Name what does not fit together in a consortium file.

    Args:
        file: each key of it is valid.
        schema: its tables; None where these hold mistakes of their own.
    """
    found = []
    if file.sequencer not in file.sites:
        found.append(f"sequencer: {file.sequencer} is not one of the sites")
    if file.colluding >= len(file.sites):
        found.append(f"colluding: must be less than the number of sites ({len(file.sites)})")
    if file.computation is not None:
        found += computation_mistakes(
            file.computation,
            sites=file.sites,
            has_dealer=file.dealer is not None,
            colluding=file.colluding,
        )
    helpers = [helper.name for helper in (file.dealer, file.aggregator, file.keyholder) if helper is not None]
    names = [*file.sites, *file.analysts, *file.auditors, *helpers]
    found += [
        f"name {name} is given to more than one member"
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    if schema is not None:
        if file.floor is not None:
            found += rule_mistakes(file.floor.require, schema.tables, "floor.require")
        populations = {table.population for table in schema.tables.values()}
        found += [
            f"budgets: population {name} has no budget" for name in sorted(populations - set(file.budgets))
        ]
        found += [
            f"budgets: no table belongs to population {name}"
            for name in sorted(set(file.budgets) - populations)
        ]
    return found
