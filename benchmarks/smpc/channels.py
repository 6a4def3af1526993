"""Channels over mutual TLS on loopback, and over queues in memory."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from smpc.simulator import DEALER, party_names
from tests.transport.tls_world import Nodes, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smpc.simulator import Channels


@contextmanager
def tls_channels(parties: int) -> Iterator[Channels]:
    """Start a node for each party and the dealer, on loopback, with certificates of their own."""
    names = party_names(parties)
    with TemporaryDirectory() as folder:
        world = World(folder=Path(folder), roles=dict.fromkeys(names, "site") | {DEALER: "dealer"})
        with Nodes(world, (*names, DEALER), silence_s=60.0) as nodes:
            yield lambda members, helper: nodes.meshes(members, helper, deadline_s=60.0)
