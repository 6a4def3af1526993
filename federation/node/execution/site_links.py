"""Gives a site's tables its linkages: its own key, the peers' present keys, and the declared versions.

Layer:       federation.node.execution.site_links.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from analytics.sources.links.kept_links import SiteLinks
from privacy_accounting.ledger.changes.table_version import FIRST

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from analytics.sources import LocalTable
    from federation.identity.certificates import Identity
    from privacy_accounting.ledger.replication.replica import Replica

FOLDER: Final = "links"
COMMITMENT_TAG: Final = b"crossward/link-commitment/1\n"


@dataclass(frozen=True, slots=True)
class LinkIdentity:
    """A site's key and its peers' keys, by its ledger, for commitments to a set."""

    identity: Identity
    replica: Replica

    def sign(self, data: bytes) -> bytes:
        """Sign with the site's own key."""
        return self.identity.sign(COMMITMENT_TAG + data)

    def has_signed(self, party: str, data: bytes, signature: bytes) -> bool:
        """Whether a present member has signed."""
        key = self.replica.core.state.members().keys.get(party, "")
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(signature, COMMITMENT_TAG + data)
        except (InvalidSignature, ValueError):
            return False
        return True


def give_links(
    sources: Iterable[LocalTable], *, identity: Identity, replica: Replica, state: Path | None
) -> SiteLinks:
    """Give each table of a site the site's linkages.

    Args:
        sources: its tables.
        identity: its certificate and key.
        replica: its ledger.
        state: the site's own folder; None: linkages are kept in memory.

    Returns:
        The linkages.
    """
    links = SiteLinks(
        owner=identity.name,
        identity=LinkIdentity(identity, replica),
        version=lambda table: replica.core.state.tables.get(table, (FIRST, 0))[0],
        folder=None if state is None else state / FOLDER,
    )
    for source in sources:
        source.links = links
    return links
