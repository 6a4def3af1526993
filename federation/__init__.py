"""Top layer: consortium, site nodes, identities, federated training, client and command line.

Packages, lowest first: errors · consortium (the agreement, a site's own file) · identity (certificates, keys) · network
(channels, heartbeats) · protocol (messages, requests, errors on the wire) · paillier (keys, packing, encryption) ·
aggregation (encrypted sums) · requests (plan, ledger content, policy, trust, receipt) · training (models, rounds) ·
display (terminal text) · node (a site's process, and the helpers') · client (the analyst's session) · audit
(what was asked), diagnostics (doctor), processes (start and stop nodes), setup (found a consortium) · demo,
dashboard (the local page) · notebook (magic, progress) · cli.

Importing this package loads nothing heavier than the standard library.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from federation import audit
    from federation.client.connect import connect
    from federation.client.local import local
    from federation.client.session import Session
    from federation.setup.infer_schema import guess_schema

__all__ = ["Session", "audit", "connect", "guess_schema", "local"]

_PLACES = {
    "Session": "federation.client.session",
    "connect": "federation.client.connect",
    "guess_schema": "federation.setup.infer_schema",
    "local": "federation.client.local",
}


def __dir__() -> list[str]:
    """List the public names, also before they are loaded."""
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING"})


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    from importlib import import_module

    if name == "audit":
        return import_module("federation.audit")
    place = _PLACES.get(name)
    if place is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(place), name)
