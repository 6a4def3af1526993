"""The agreement restricted to the sites that are still members.

Layer:       federation.consortium.membership. Pure.
Guarantees:  plans and their noise are made for the remaining sites. Where one of three computing sites is gone,
             requests that need comparisons or products are refused before their charge: the other two could read what
             they share. The agreement's digest, which opens the ledger and stands in every request, does not change.
             A plan is derived again under the members of its time, or not at all.
See instead: removing a site (``federation.consortium.amending.amendments``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from federation.errors import ConfigError
from privacy_accounting.ledger.changes.members_change import MembersChange

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

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


def check_known(consortium: Consortium, members: Collection[str]) -> None:
    """Refuse where a site has joined that an agreement lacks: its key and address come from the entry alone.

    Args:
        consortium: the agreement of an analyst.
        members: as the sites name them.

    Raises:
        ConfigError: one is missing.
    """
    joined = ", ".join(sorted(set(members).difference(consortium.file.sites)))
    if joined:
        raise ConfigError(
            mistakes=[
                f"{joined} joined the consortium: open a new session, which fetches members.json from a site"
            ]
        )


def other_agreement(consortium: Consortium) -> str:
    """Say what is wrong with a request that was planned under another agreement than this member's."""
    amendments = consortium.amendments
    if not amendments:
        return "is not the one of this consortium file"
    return (
        f"is of another agreement: entry {amendments[-1].number} of the ledger changed it; open a new session, which fetches "
        "the agreement in force, and ask again"
    )


def stages(consortium: Consortium) -> Iterator[Consortium]:
    """Give the agreement as it was between the changes of its members and of its terms, the present one first.

    Args:
        consortium: the agreement, with the changes that its ledger or members file brought.

    Yields:
        The agreement with the sites of each time, once with the removed ones, as trainings plan, and once without.
    """
    founded = consortium.as_founded()
    for count in range(len(consortium.changes), -1, -1):
        changes = consortium.changes[:count]
        members = consortium.members
        for change in changes:
            members = members.changed(change) if isinstance(change, MembersChange) else members
        then = founded.with_changes(changes)
        if then.names != members.names:
            yield restrict_to_members(then, members.names, sequencer=members.sequencer)
        yield then
