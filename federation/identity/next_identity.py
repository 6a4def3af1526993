"""A renewed identity beside the present one, and its exchange once the ledger has the new key.

Layer:       federation.identity.next_identity, above certificates.
Terms:       the *next* identity is the certificate and key that a member renews its own with; it lies beside the present one
             as ``NAME.next.pem``, and before it has a certificate as ``NAME.next.key``.
Guarantees:  the present identity is exchanged only where the keys of the ledger name the next one. The earlier identity is
             kept as ``NAME.NUMBER.pem``; at every moment the identity file is whole. Each step can be run again.
See instead: making and certifying the next key (``federation.setup.several_machines.renewing``).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from federation.consortium.identity_paths import next_identity
from federation.errors import ConfigError
from federation.identity.certificates import Identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def exchange_identity(
    path: Path,
    keys: Mapping[str, str],
    carry: Callable[[Identity, Identity], None] = lambda _present, _next: None,
) -> tuple[Identity, Ed25519PrivateKey | None]:
    """Choose a member's identity by the keys of the ledger; exchange the identity file once the renewal is entered.

    Args:
        path: the identity file.
        keys: each member's key by the ledger, hex.
        carry: called with both identities before the exchange; again where that was interrupted.

    Returns:
        The identity to use, and the key that is to follow, where one is prepared.

    Raises:
        ConfigError: a file is not an identity of this member, or cannot be renamed.
    """
    current, following = Identity.load(path), next_identity(path)
    if not following.exists():
        return current, None
    upcoming = Identity.load(following)
    if (upcoming.name, upcoming.role) != (current.name, current.role):
        raise ConfigError(mistakes=[f"{following} is of {upcoming.role} {upcoming.name}"])
    if upcoming.fingerprint == current.fingerprint:  # a start was interrupted between the two names
        following.unlink()
        return current, None
    if keys.get(current.name) != upcoming.public_hex:
        return current, upcoming.signing_key
    carry(current, upcoming)
    kept = path.with_suffix(f".{current.fingerprint[:8]}.pem")
    try:
        if not kept.exists():
            os.link(path, kept)
        following.replace(path)
    except OSError as error:
        raise ConfigError(mistakes=[f"cannot rename {following}: {error.strerror}"]) from error
    return Identity.load(path), None
