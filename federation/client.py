"""The analyst's client: asks all sites, has the request charged, gathers the shares, finishes the answer.

Floor:    federation.client. Never imports torch; sees no row and no single site's share on its own.
Promise:  what it computes before asking is only a forecast: every site derives plan, price and policy again (P3).
Not here: the command line (``federation.cli``), parties as threads of this process (``federation.local``).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from analytics.explain import explain
from analytics.plan import Plan
from analytics.release import recombine
from analytics.result import Result
from federation import messages
from federation.config import Consortium
from federation.errors import ConfigError, FederationError, SiteUnavailableError
from federation.identity import Identity
from federation.lines import expect, receive, send
from federation.network import Line, Network
from federation.planning import Planned, plan_request
from privacy_accounting.decimals import as_fraction
from smpc.errors import PartyLostError

DIAL_S = 5.0
RUN_EXTRA_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof of a charge: the ledger entry under which an answer was given."""

    number: int
    entry_hash: str
    request_hash: str
    kind: str
    signed_by: tuple[str, ...]
    rounds: int
    bytes_sent: int
    statement: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As plain data for ``--json``."""
        return {
            "number": self.number,
            "entry_hash": self.entry_hash,
            "request_hash": self.request_hash,
            "kind": self.kind,
            "signed_by": list(self.signed_by),
            "rounds": self.rounds,
            "bytes_sent_per_site": self.bytes_sent,
            **dict(self.statement),
        }


class Session:
    """An open session with every site of a consortium.

    Args of every question: ``epsilon`` (a number; private, the default) or ``exact=True``; ``purpose`` is written to
    the ledger.
    """

    def __init__(self, *, consortium: Consortium, identity: Identity, network: Network) -> None:
        """Take what ``federation.connect`` and ``federation.local`` put together."""
        self.consortium = consortium
        self.analyst = identity.name
        self._identity = identity
        self._network = network
        self._lines = _LinePool(network, consortium.names)

    def __enter__(self) -> Session:
        """Open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close every line; nothing of a run goes on afterwards."""
        self._lines.close()
        self._network.close()
