"""Opens a session with a running consortium, over mutual TLS.

Layer:       federation.client.connect, above session.
See instead: consortia inside one process (``federation.local``).
"""

from __future__ import annotations

from pathlib import Path

from federation.client.session import Session
from federation.consortium.consortium_file import load_consortium
from federation.errors import ConfigError
from federation.identity.certificates import Identity
from federation.network.delay import distance_s
from federation.network.tls import TlsNetwork

ANALYST = "analyst"


def connect(consortium: str | Path, *, identity: str | Path) -> Session:
    """Open a session as an analyst.

    Args:
        consortium: the consortium file.
        identity: the analyst's certificate and key, one PEM.

    Returns:
        An open session; close it, or use it in a ``with`` statement.

    Raises:
        ConfigError: with every mistake in the files, or when the identity is not an analyst's.
    """
    agreement = load_consortium(Path(consortium))
    who = Identity.load(Path(identity))
    if who.role != ANALYST:
        raise ConfigError(mistakes=[f"{who.name} is a {who.role}; only analysts may ask questions"])
    return Session(
        consortium=agreement,
        identity=who,
        network=TlsNetwork(consortium=agreement, identity=who, delay_s=distance_s()),
    )
