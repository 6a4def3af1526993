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
_TERMS_HEAD = """\
# The terms of the consortium, for the founder to edit until all sites have signed them. The members' keys are
# added by crossward admit; every member then gets the same file.
"""
_MEMBERS_HEAD = """\

# The members: each made its key on its own machine. fingerprint: SHA-256 of the certificate (DER); public_key: its
# Ed25519 key. Trusted is what stands here and all sites have signed, and nothing else that the authority certifies.
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
    document = _terms(terms, authority, sequencer=min(sites))
    document["sites"] = _tables(sites)
    for role, helper in helpers.items():
        document[role] = _table(helper)
    document["analysts"] = _tables(analysts)
    document["budgets"] = _tables(terms.budgets)
    return _HEAD + tomlkit.dumps(document).rstrip() + "\n\n" + terms.schema.strip() + "\n"


def terms_toml(terms: ConsortiumSettings, *, authority: str, sequencer: str) -> str:
    """Write the consortium file without its members, for the founder to edit.

    Args:
        terms: the members' settings.
        authority: path of the authority's certificate, beside the file.
        sequencer: the site that orders the ledger.

    Returns:
        TOML; ``members_toml`` completes it.
    """
    document = _terms(terms, authority, sequencer=sequencer)
    document["budgets"] = _tables(terms.budgets)
    return _TERMS_HEAD + tomlkit.dumps(document).rstrip() + "\n\n" + terms.schema.strip() + "\n"


def members_toml(members: Mapping[str, Mapping[str, Mapping[str, str]]], helpers: Mapping[str, Any]) -> str:
    """Write the members' part of the consortium file.

    Args:
        members: by section (sites, analysts, auditors), the keys of each member.
        helpers: by role, the keys of the helper.

    Returns:
        TOML, to follow the terms.
    """
    document = tomlkit.document()
    for section, inner in members.items():
        if inner:
            document[section] = _tables(inner)
    for role, helper in helpers.items():
        document[role] = _table(helper)
    return _MEMBERS_HEAD + tomlkit.dumps(document).strip() + "\n"


def _terms(terms: ConsortiumSettings, authority: str, *, sequencer: str) -> tomlkit.TOMLDocument:
    document = tomlkit.document()
    lines: list[tuple[str, Any, str]] = [
        ("version", 1, ""),
        ("name", terms.name, ""),
        ("authority", authority, "certificate that issued all others"),
        ("relation", terms.relation, "which two data sets count as neighbors; it has no default"),
        ("colluding", terms.colluding, "t: so many sites may pool what they know, with the analyst"),
        ("delta", terms.delta, ""),
        ("minimum_cell", terms.minimum_cell, "fewest privacy units behind an exact figure; 0 for no guard"),
        ("sequencer", sequencer, "proposes the ledger's entries and signs last"),
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
    return document


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
