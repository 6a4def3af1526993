"""The members' keys as a site's ledger has them now, and the exchange of the site's own after a renewal.

Layer:       federation.node.ledger.present_keys, above storage. Used at a start, before the network is opened.
Guarantees:  a site changes its identity file only once its ledger holds the entry that renews its key, signed by all.
             The earlier identity is kept; at every moment the identity file is whole.
See instead: making and certifying the new key (``federation.setup.renewing``), the amendment
             (``federation.consortium.amendments``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from federation.consortium.consortium_file import consortium_path
from federation.consortium.members_file import MEMBERS_FILE, load_members, write_members
from federation.errors import ConfigError
from federation.identity.certificates import Identity
from federation.node.ledger.storage import is_in_postgres, ledger_file, read_ledger
from federation.node.ledger.summary import read_state
from privacy_accounting.errors import LedgerRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from federation.consortium.site_file import SiteConfig
    from privacy_accounting.ledger.state import ChainState
    from privacy_accounting.ledger.storage.store import Store


def present_keys(store: Store) -> dict[str, str]:
    """Return each member's key by a ledger, hex; none where it has no entry yet.

    Args:
        store: an opened ledger.

    Raises:
        LedgerRefusedError: it is damaged.
    """
    return dict(read_state(store).members().keys) if store.height() else {}


def keys_here(config: SiteConfig) -> dict[str, str]:
    """Return each site's key by this site's ledger, for commands beside the node; none where it has no ledger."""
    state = state_here(config)
    return {} if state is None else dict(state.members().keys)


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
    partial = path.with_name(
        f".{path.name}.{config.file.site}.partial"
    )  # sites of a rehearsal share the folder
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot write {path}: {error.strerror}"]) from error


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
    current = Identity.load(config.identity)
    if not config.next_identity.exists():
        return current, None
    upcoming = Identity.load(config.next_identity)
    if (upcoming.name, upcoming.role) != (current.name, current.role):
        raise ConfigError(mistakes=[f"{config.next_identity} is of {upcoming.role} {upcoming.name}"])
    if upcoming.fingerprint == current.fingerprint:  # a start was interrupted between the two names
        config.next_identity.unlink()
        return current, None
    if keys.get(current.name) != upcoming.public_hex:
        return current, upcoming.signing_key
    kept = config.identity.with_suffix(f".{current.fingerprint[:8]}.pem")
    try:
        if not kept.exists():
            os.link(config.identity, kept)
        config.next_identity.replace(config.identity)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot rename {config.next_identity}: {error.strerror}"]) from error
    return Identity.load(config.identity), None
