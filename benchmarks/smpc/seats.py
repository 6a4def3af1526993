"""Processes and channels of a benchmark: one process a party over mutual TLS on loopback, or threads over queues.

Terms:       a *program* is the whole benchmark; with processes every party runs the same one from its own seat, so
             that the sessions follow each other everywhere in one order, and the dealer serves them in that order.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import multiprocessing
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

from smpc.dealer.service import DealerService
from smpc.session import Session
from smpc.simulator import DEALER, party_names, simulate
from smpc.transport.connecting.endpoint import Endpoint
from tests.transport.tls_world import CONFIGURATION, REQUEST, Node, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from smpc.transport.connecting.endpoint import Address
    from smpc.transport.mesh import Mesh
    from smpc.transport.wire.peer_identity import Trust

    Program = Callable[["Seat"], object]

T = TypeVar("T")
SILENCE_S = 60.0
DEADLINE_S = 240.0
START_S = 60.0


class Seat(ABC):
    """A place from which joint functions run.

    Attributes:
        n_parties: how many compute.
    """

    def __init__(self, n_parties: int) -> None:
        """Sit among so many parties."""
        self.n_parties = n_parties

    @abstractmethod
    def play(self, joint: Callable[[Session], T]) -> T:
        """Run a joint function in a session of its own; return what it gave here."""


class Threads(Seat):
    """All parties as threads of this process, over queues in memory."""

    def play(self, joint: Callable[[Session], T]) -> T:
        """See ``Seat``; returns what the first party was given."""
        return simulate(joint, self.n_parties, prefetch=False, timeout_s=DEADLINE_S).values()[0]


class Own(Seat):
    """One party in this process; the others and the dealer in theirs."""

    def __init__(self, n_parties: int, node: Node) -> None:
        """Take a seat at a node that knows the others."""
        super().__init__(n_parties)
        self._node, self._ids = node, session_ids()

    def play(self, joint: Callable[[Session], T]) -> T:
        """See ``Seat``."""
        mesh, session_id = self._meet()
        with Session(mesh, session_id) as session:
            return joint(session)

    def deal(self) -> None:
        """Serve one session after the other as the dealer, until the process is ended."""
        service = DealerService()
        while True:
            service.serve(*self._meet())

    def _meet(self) -> tuple[Mesh, bytes]:
        session_id = next(self._ids)
        parties = party_names(self.n_parties)
        return self._node.plane.open_mesh(
            session_id, REQUEST, parties, DEALER, deadline_s=DEADLINE_S
        ), session_id


def session_ids() -> Iterator[bytes]:
    """Name the sessions alike in every process."""
    return (hashlib.sha256(b"%d" % number).digest() for number in itertools.count())


@contextmanager
def processes(n_parties: int, program: Program) -> Iterator[Seat]:
    """Start a process for every party but the first and for the dealer; give the first party's seat.

    Args:
        n_parties: how many compute.
        program: what the other parties run; the first has to run the same. It can be pickled.
    """
    names = (*party_names(n_parties), DEALER)
    spawning = multiprocessing.get_context("spawn")
    lines: dict[str, Connection] = {}
    children = []
    with TemporaryDirectory() as folder:
        world = World(folder=Path(folder), roles=dict.fromkeys(names[:-1], "site") | {DEALER: "dealer"})
        node = node_of(world.folder, world.trust, names[0])
        try:
            for name in names[1:]:
                lines[name], theirs = spawning.Pipe()
                body = Own.deal if name == DEALER else program
                settings = (theirs, world.folder, world.trust, name, n_parties, body)
                children.append(spawning.Process(target=sit, args=settings, name=name, daemon=True))
                children[-1].start()
            addresses = {names[0]: node.address} | {name: line.recv() for name, line in lines.items()}
            for line in lines.values():
                line.send(addresses)
            yield Own(n_parties, started(node, addresses))
        finally:
            logging.getLogger("smpc.transport").setLevel(logging.ERROR)  # the end of all parties is expected
            for child in reversed(children):
                child.kill()
            for child in children:
                child.join()
            node.stop()


def sit(
    line: Connection, folder: Path, trust: Trust, name: str, n_parties: int, program: Callable[[Own], object]
) -> None:
    """Run one party's process: exchange addresses, run, and stay, since a party that leaves early counts as lost."""
    node = node_of(folder, trust, name)
    line.send(node.address)
    program(Own(n_parties, started(node, line.recv())))
    line.recv()


def node_of(folder: Path, trust: Trust, name: str) -> Node:
    """Make one party's node, from the certificate in the folder."""
    return Node(
        Endpoint(name=name, identity_file=folder / f"{name}.pem", trust=trust, configuration=CONFIGURATION)
    )


def started(node: Node, addresses: dict[str, Address]) -> Node:
    """Let a node find all others."""
    node.start(addresses, silence_s=SILENCE_S)
    missing = node.hearts.liveness.wait_alive([name for name in addresses if name != node.name], START_S)
    if missing is not None:
        raise SystemExit(f"{node.name} does not find {missing}")
    return node
