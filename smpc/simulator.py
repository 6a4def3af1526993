"""A whole session in one process: one thread for each party and the dealer, with faults on demand.

Layer:       smpc.simulator. Above ``session``, ``cost``, ``fault_injection`` and memory meshes; no sockets, no torch.
Terms:       with three computing sites the first two of the names evaluate, the third deals, and there is no dealer.
Guarantees:  the parties run the code that they run over TLS; every thread has ended when ``simulate`` returns,
             whatever happened.
See instead: what a dead socket looks like (``transport``, tested over TLS).
"""

from __future__ import annotations

import functools
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from smpc.computing_sites import COMPUTING_SITES, ThreeSites
from smpc.cost import dry_run
from smpc.dealer.service import DealerService
from smpc.fault_injection import Fault, FaultInjectingMesh, FaultKind, Sent
from smpc.randomness import fresh_key
from smpc.session import Session
from smpc.transport.memory import memory_meshes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from smpc.transport.mesh import Counters, Mesh

    Channels = Callable[[tuple[str, ...], str | None], Mapping[str, Mesh]]

__all__ = ["DEALER", "Fault", "FaultKind", "Sent", "SimulatedRun", "party_names", "simulate"]

DEALER: Final = "dealer"
_NAMES: Final = ("ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedRun(Generic[T]):
    """The outcome of a simulated session.

    Attributes:
        names: the computing parties in rank order.
        results: what the joint function returned, for every party that came to its end.
        errors: what every other party (or the dealer) raised.
        counters: what each party sent.
        sent: each party's exchanges in order.
        seconds: from the start of the threads to the end of the last one.
    """

    names: tuple[str, ...]
    results: Mapping[str, T] = field(repr=False)
    errors: Mapping[str, BaseException]
    counters: Mapping[str, Counters]
    sent: Mapping[str, Sequence[Sent]] = field(repr=False)
    seconds: float

    def values(self) -> list[T]:
        """Return the results in rank order; raise the first party's error if there is one."""
        for name in (*self.names, DEALER):
            if name in self.errors:
                raise self.errors[name]
        return [self.results[name] for name in self.names]


def party_names(n_parties: int) -> tuple[str, ...]:
    """Return the names that ``simulate`` gives to so many parties."""
    return _NAMES[:n_parties]


def simulate(  # noqa: PLR0913 - every one a setting of its own, by keyword, with a default
    joint: Callable[[Session], T],
    n_parties: int,
    *,
    faults: Sequence[Fault] = (),
    prefetch: bool = True,
    has_three_sites: bool = False,
    session_id: bytes | None = None,
    dealer: DealerService | None = None,
    timeout_s: float = 30.0,
    channels: Channels | None = None,
) -> SimulatedRun[T]:
    """Run a joint function at all parties of a session.

    Args:
        joint: what every party runs; it gets the party's session.
        n_parties: 2 to 8.
        faults: what goes wrong.
        prefetch: fetch the material that a dry run asks for in one go; otherwise piece by piece.
        has_three_sites: the first three of the parties compute without a dealer.
        session_id: 32 bytes; fresh ones by default.
        dealer: a dealer that has served before; a new one by default.
        timeout_s: how long one exchange waits in memory (s).
        channels: makes every party's mesh from the parties' names and the dealer's, if there is one; memory by
            default.
    """
    names = party_names(n_parties)
    identity = fresh_key() if session_id is None else session_id
    sites = ThreeSites.of(names[:COMPUTING_SITES]) if has_three_sites else None
    requests = dry_run(joint, names, has_three_sites=has_three_sites).requests if prefetch else ()
    thaw = threading.Event()
    meshes_of: Channels = channels or functools.partial(memory_meshes, timeout_s=timeout_s)
    meshes = {
        name: FaultInjectingMesh(mesh, name, [fault for fault in faults if fault.party == name], thaw)
        for name, mesh in meshes_of(names, DEALER if sites is None else None).items()
    }
    service = DealerService() if dealer is None else dealer

    def take_part(name: str) -> T:
        with Session(meshes[name], identity, sites) as session:
            session.prefetch(requests)
            return joint(session)

    start = time.monotonic()
    with ThreadPoolExecutor(n_parties + 1) as pool:
        parties = {name: pool.submit(take_part, name) for name in names}
        helper = pool.submit(service.serve, meshes[DEALER], identity) if sites is None else None
        struck = {fault.party for fault in faults}
        wait([future for name, future in parties.items() if name not in struck])
        thaw.set()
        wait(parties.values())
        wait([] if helper is None else [helper])
    return _report(names, parties, helper, meshes, time.monotonic() - start)


def _report(
    names: tuple[str, ...],
    parties: Mapping[str, Future[T]],
    helper: Future[int] | None,
    meshes: Mapping[str, FaultInjectingMesh],
    seconds: float,
) -> SimulatedRun[T]:
    errors: dict[str, BaseException] = {}
    results: dict[str, T] = {}
    for name, future in parties.items():
        error = future.exception()
        if error is None:
            results[name] = future.result()
        else:
            errors[name] = error
    trouble = None if helper is None else helper.exception()
    if trouble is not None:
        errors[DEALER] = trouble
    return SimulatedRun(
        names=names,
        results=results,
        errors=errors,
        counters={name: mesh.counters for name, mesh in meshes.items()},
        sent={name: mesh.sent for name, mesh in meshes.items()},
        seconds=seconds,
    )
