"""The agreement restricted to the sites that are still members.

Layer:       federation.consortium.membership. Pure.
Guarantees:  plans and their noise are made for the remaining sites. Where one of three computing sites is gone,
             requests that need comparisons or products are refused before their charge: the other two could read what
             they share. The agreement's digest, which opens the ledger and stands in every request, does not change.
See instead: removing a site (``federation.consortium.amendments``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from federation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from federation.consortium.consortium_file import Consortium


def restrict_to_members(founded: Consortium, members: Collection[str], *, sequencer: str) -> Consortium:
    """Restrict the agreement to the remaining sites.

    Args:
        founded: the agreement as its file states it.
        members: the remaining sites, by the ledger.
        sequencer: the present sequencer, by the ledger.

    Returns:
        An agreement with those sites alone and the same digest.

    Raises:
        ConfigError: no more sites are left than may collude.
    """
    kept = {name: member for name, member in founded.file.sites.items() if name in members}
    if founded.file.colluding >= len(kept):
        raise ConfigError(
            mistakes=[f"colluding: must be less than the number of sites that are left ({len(kept)})"]
        )
    update: dict[str, object] = {"sites": kept, "sequencer": sequencer}
    computation = founded.file.computation
    if computation is not None and not kept.keys() >= set(computation.sites):
        update["computation"] = None
    return replace(founded, file=founded.file.model_copy(update=update), founding=founded.founded)
