"""Text of consortium.toml, with a comment on each setting that a person must choose.

Layer:       federation.setup.consortium_toml. Pure.
See instead: reading it (``federation.consortium.consortium_file``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tomlkit

if TYPE_CHECKING:
    from tomlkit.items import Table

    from federation.setup.settings import ConsortiumSettings

_HEAD = """\
# The agreement of the consortium. Every member holds the same file; its hash opens the ledger.
# Compare the fingerprints with the other members over the telephone before the first start.
"""


def consortium_toml(
    terms: ConsortiumSettings,
    *,
    authority: str,
    sites: Mapping[str, Mapping[str, str]],
    helpers: Mapping[str, Mapping[str, str]],
    analysts: Mapping[str, Mapping[str, str]],
) -> str:
    """Write the consortium file.

    Args:
        terms: the members' settings.
        authority: path of the authority's certificate, beside the file.
        sites: address, fingerprint and public key of each site.
        helpers: the same and a name, by role.
        analysts: fingerprint and public key of each analyst.

    Returns:
        TOML.
    """
    document = tomlkit.document()
    lines: list[tuple[str, Any, str]] = [
        ("version", 1, ""),
        ("name", terms.name, ""),
        ("authority", authority, "certificate that issued all others"),
        ("relation", terms.relation, "which two data sets count as neighbors; it has no default"),
        ("colluding", terms.colluding, "t: so many sites may pool what they know, with the analyst"),
        ("delta", terms.delta, ""),
        ("minimum_cell", terms.minimum_cell, "fewest privacy units behind an exact figure; 0 for no guard"),
        ("sequencer", min(sites), "proposes the ledger's entries and signs last"),
        ("deadline_s", terms.deadline_s, "a silent party counts as lost after this"),
        ("local_limit_s", terms.local_limit_s, "longest local scan"),
    ]
    for key, value, remark in lines:
        item = tomlkit.item(value)
        if remark:
            item.comment(remark)
        document[key] = item
    if terms.three_sites:
        document["computation"] = _computation(terms)
    document["sites"] = _tables(sites)
    for role, helper in helpers.items():
        document[role] = _table(helper)
    document["analysts"] = _tables(analysts)
    document["budgets"] = _tables(terms.budgets)
    return _HEAD + tomlkit.dumps(document).rstrip() + "\n\n" + terms.schema.strip() + "\n"


def _computation(terms: ConsortiumSettings) -> Table:
    table = _table({"mode": "three-sites", "sites": list(terms.three_sites)})
    table.comment(
        "no dealer: the first two evaluate, the last deals; any two of them together could read the shares"
    )
    return table


def _tables(mapping: Mapping[str, Mapping[str, Any]]) -> Table:
    outer = tomlkit.table(is_super_table=True)
    for name, inner in mapping.items():
        outer[name] = _table(inner)
    return outer


def _table(mapping: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for key, value in mapping.items():
        table[key] = _table(value) if isinstance(value, Mapping) else value
    return table
