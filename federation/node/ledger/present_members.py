"""The members as a site's ledger has them now, and the exchange of the site's own key after a renewal.

Layer:       federation.node.ledger.present_members, above storage. Used at a start, before the network is opened.
Guarantees:  a site changes its identity file only once its ledger holds the entry that renews its key, signed by all.
             The earlier identity is kept; at every moment the identity file is whole.
See instead: making and certifying the new key (``federation.setup.several_machines.renewing``), the amendment
             (``federation.consortium.amending.amendments``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from federation.consortium.amending.administrator_approvals import Approvals
from federation.consortium.consortium_file import consortium_path
from federation.consortium.members_file import MEMBERS_FILE, keep_members, load_members, write_members
from federation.errors import ConfigError
from federation.identity.next_identity import exchange_identity
from federation.node.ledger.storage import is_in_postgres, ledger_file, read_ledger
from federation.node.ledger.summary import read_state
from privacy_accounting.errors import LedgerRefusedError
from privacy_accounting.ledger.agreements import Amended
from privacy_accounting.ledger.changes.agreement_change import AgreementChange
from privacy_accounting.ledger.changes.members_change import MembersChange

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from federation.consortium.consortium_model import Member
    from federation.consortium.site_file import SiteConfig
    from federation.identity.certificates import Identity
    from privacy_accounting.ledger.entries import Entry
    from privacy_accounting.ledger.state import ChainState


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The members by a site's ledger.

    Attributes:
        keys: of each member, hex; none where the ledger has no entry yet.
        sequencer: the site that orders now; empty where there is no entry.
        entries: those that changed the sites or other members, complete and in their order.
        changes: what they changed of the sites and of the agreement.
        awaited: sites that this site's administrator has approved to be added or replaced, and that no entry has yet.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    sequencer: str = ""
    entries: tuple[Entry, ...] = ()
    changes: tuple[MembersChange | Amended, ...] = ()
    awaited: Mapping[str, Member] = field(default_factory=dict)


def present_members(state: ChainState | None, approvals: Approvals) -> Present:
    """Gather what a site's ledger says of its members.

    Args:
        state: the ledger; None where it has no entry yet.
        approvals: of this site's administrator.
    """
    if state is None:
        return Present()
    return Present(
        keys=dict(state.members().keys),
        sequencer=state.members().sequencer,
        entries=tuple(state.member_entries),
        changes=changes_of(state),
        awaited=approvals.awaited_sites(state),
    )


def members_here(config: SiteConfig) -> Present:
    """Gather what this site's ledger says of its members, for commands beside the node.

    Args:
        config: the site's configuration.
    """
    return present_members(state_here(config), Approvals(config.consents))


def changes_of(state: ChainState) -> tuple[MembersChange | Amended, ...]:
    """What the entries of a ledger changed of the sites and of the agreement, in their order."""
    found: list[MembersChange | Amended] = []
    for entry in state.member_entries:
        content = entry.body.content
        if isinstance(content, MembersChange):
            found.append(content)
        if isinstance(content, AgreementChange):
            found.append(Amended(number=entry.body.number, change=content))
    return tuple(found)


def state_here(config: SiteConfig) -> ChainState | None:
    """Return what follows from this site's ledger, for commands beside the node; None where it has none yet.

    Args:
        config: the site's configuration.
    """
    if not is_in_postgres(config) and not ledger_file(config).exists():
        return None
    try:
        store = read_ledger(config)
    except (LedgerRefusedError, ConfigError):  # the check of the ledger names it
        return None
    try:
        return read_state(store) if store.height() else None
    except LedgerRefusedError:
        return None
    finally:
        store.close()


def in_force(config: SiteConfig) -> SiteConfig:
    """Return a site's configuration under the agreement in force by its own ledger.

    Args:
        config: as the site's files give it, which may lack the last entries.

    Raises:
        ConfigError: an entry brings what cannot be, or the site file does not give a table that one brings.
    """
    state = state_here(config)
    if (
        state is None or state.chain != config.consortium.digest()
    ):  # an earlier agreement's: the start puts it aside
        return config
    return config.under(config.among(changes_of(state)))


def publish_members(config: SiteConfig, site_file: Path, state: ChainState) -> None:
    """Write ``members.json`` beside the consortium file, for those who hold no ledger.

    Args:
        config: the site's configuration.
        site_file: the site file.
        state: the site's ledger; without a change of members, or with no more than the file has, nothing is written.

    Raises:
        ConfigError: the file cannot be written.
    """
    entries = state.member_entries
    path = consortium_path(site_file.parent / config.file.consortium).with_name(MEMBERS_FILE)
    data = write_members(entries)
    if not entries or len(data) <= len(load_members(path)):
        return
    keep_members(path, data, by=config.file.site)


def take_renewed(config: SiteConfig, keys: Mapping[str, str]) -> tuple[Identity, Ed25519PrivateKey | None]:
    """Choose this site's identity by its ledger; exchange the identity file once the renewal is entered.

    Args:
        config: the site's configuration.
        keys: each member's key by the ledger; empty before its first entry.

    Returns:
        The identity for connections and signatures, and the key that is to follow, where one is prepared.

    Raises:
        ConfigError: a file is not an identity of this site, or cannot be renamed.
    """
    return exchange_identity(config.identity, keys)
