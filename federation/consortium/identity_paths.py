"""Where the files of a renewal lie: beside the identity that they renew.

Layer:       federation.consortium.identity_paths. Pure.
See instead: making these files (``federation.setup.several_machines.renewing``), the exchange
             (``federation.identity.next_identity``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def next_identity(identity: Path) -> Path:
    """Return where the certificate and key lie that follow those of an identity file."""
    return identity.with_suffix(".next.pem")


def next_key(identity: Path) -> Path:
    """Return where the key of a renewal lies until it has a certificate."""
    return identity.with_suffix(".next.key")
