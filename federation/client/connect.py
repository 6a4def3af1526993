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

CALLERS = ("analyst", "auditor")


def connect(consortium: str | Path, *, identity: str | Path) -> Session:
    """Open a session as an analyst, or as an auditor, whose questions every node refuses.

    Args:
        consortium: the consortium file.
        identity: the analyst's or auditor's certificate and key, one PEM.

    Returns:
        An open session; close it, or use it in a ``with`` statement.

    Raises:
        ConfigError: with every mistake in the files, or when the identity is that of a node.
    """
    agreement = load_consortium(Path(consortium))
    who = Identity.load(Path(identity))
    if who.role not in CALLERS:
        raise ConfigError(mistakes=[f"{who.name} is a node ({who.role}); only analysts may ask questions"])
    return Session(
        consortium=agreement,
        identity=who,
        network=TlsNetwork(consortium=agreement, identity=who, delay_s=distance_s()),
    )
