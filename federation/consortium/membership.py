"""The agreement as the sites carry it on that are still members.

Layer:       federation.consortium.membership. Pure.
Guarantees:  what is planned is planned for the sites that are left, its noise included; where one of three computing
             sites is gone, nobody is left to help with comparisons and products, and what needs them is refused
             before its charge (two of them would otherwise read what they share). The agreement's digest, which opens
             the ledger and stands in every request, stays that of the founding.
See instead: leaving a site out (``federation.consortium.amendments``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from federation.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from federation.consortium.consortium_file import Consortium


def restrict_to_members(founded: Consortium, members: Collection[str], *, sequencer: str) -> Consortium:
    """Give the agreement among the sites that are left.

    Args:
        founded: the agreement, as its file says.
        members: the sites that are left, by the ledger.
        sequencer: who orders now, by the ledger.

    Returns:
        An agreement with those sites alone, and the same digest.

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
    return replace(founded, file=founded.file.model_copy(update=update))
