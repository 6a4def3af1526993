"""Sites, identities, roles, encrypted model training, and the commands: the roof of the house.

Rooms, bottom first: errors · computation, limits, ledger_place, config (the agreement), site_file (a site's own) ·
secrecy (on whose honesty an answer rests) · identity (who is who) · messages · faults (errors on the wire) · network
and lines (between nodes) · tls_network, pulse (the same over mutual TLS) · genesis · planning (what a request becomes) ·
motions (changes that all agree to), membership (who is left) · policy · paillier and aggregation (encrypted sums) ·
training · node (a site's process, and the dealer's) · receipt · lines_pool · given (what an analyst hands
in) · tables, explanation · client (the analyst's session) · remote, in_process (how one begins) · setup, processes,
doctor (running a consortium) · show · demo · cli.

Nothing heavier than the standard library is loaded by importing this package.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from federation.client import Session
    from federation.in_process import local
    from federation.remote import connect

__all__ = ["Session", "connect", "local"]

_PLACES = {"Session": "federation.client", "connect": "federation.remote", "local": "federation.in_process"}


def __dir__() -> list[str]:
    """What there is to use, also before it is loaded."""
    return sorted({*globals(), *__all__} - {"Any", "TYPE_CHECKING"})


def __getattr__(name: str) -> Any:
    """Load what is asked for, once it is asked for (PEP 562)."""
    place = _PLACES.get(name)
    if place is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(place), name)
