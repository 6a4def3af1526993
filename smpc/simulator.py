"""A whole session in one process: a thread a party and one for the dealer, with faults on demand.

Floor:    smpc.simulator. Over ``session``, ``cost`` and memory meshes; no sockets, no torch.
Terms:    a fault strikes one party (or the dealer) when it begins its exchange number ``at_round``, counted
          from 0; the agreement on keys is exchange 0 of a party, fetching the material mostly exchange 1. With three
          computing sites the first two of the names evaluate, the third deals, and there is no dealer.
Promise:  the parties run the code that they run over TLS; every thread has ended when ``simulate`` returns,
          whatever happened.
Not here: what a dead socket looks like (``transport``, tested over TLS).
"""

from __future__ import annotations

import functools
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from smpc.cost import dry_run
from smpc.dealer.service import DealerService
from smpc.errors import PartyLostError
from smpc.randomness import fresh_key
from smpc.session import Session
from smpc.three_sites import COMPUTING_SITES, ThreeSites
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Counters, Mesh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Channels = Callable[[tuple[str, ...], str | None], Mapping[str, Mesh]]

DEALER: Final = "dealer"
_NAMES: Final = ("ada", "bob", "cyd", "dan", "eve", "fay", "gus", "hal")
T = TypeVar("T")


class FaultKind(StrEnum):
    """What happens to a party."""

    KILL = "kill"
    FREEZE = "freeze"
    TRUNCATE = "truncate"
    TRICKLE = "trickle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        party: whom it strikes; ``DEALER`` for the dealer.
        at_round: at the beginning of which of its exchanges, from 0.
        kind: killed; frozen until all others are done; its frames one byte short; or its frames ``pause_s``
            apart.
        pause_s: only for trickling (s).
    """

    party: str
    at_round: int
    kind: FaultKind
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One exchange of one party.

    Attributes:
        step: what it was for.
        outgoing: payload for each peer.
        expected: length of what each peer owed (bytes).
    """

    step: int
    outgoing: Mapping[str, bytes] = field(repr=False)
    expected: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Generic[T]):
    """What became of a session.

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
) -> Run[T]:
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
        channels: makes everybody's mesh from the parties' names and the dealer's, if there is one; memory by
            default.
    """
    names = party_names(n_parties)
    identity = fresh_key() if session_id is None else session_id
    sites = ThreeSites.of(names[:COMPUTING_SITES]) if has_three_sites else None
    requests = dry_run(joint, names, has_three_sites=has_three_sites).requests if prefetch else ()
    thaw = threading.Event()
    meshes_of: Channels = channels or functools.partial(memory_meshes, timeout_s=timeout_s)
    meshes = {
        name: _ScriptedMesh(mesh, name, [fault for fault in faults if fault.party == name], thaw)
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
    meshes: Mapping[str, _ScriptedMesh],
    seconds: float,
) -> Run[T]:
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
    return Run(
        names=names,
        results=results,
        errors=errors,
        counters={name: mesh.counters for name, mesh in meshes.items()},
        sent={name: mesh.sent for name, mesh in meshes.items()},
        seconds=seconds,
    )


class _ScriptedMesh(Mesh):
    """A mesh that notes what is sent and lets faults happen."""

    def __init__(self, inner: Mesh, name: str, faults: Sequence[Fault], thaw: threading.Event) -> None:
        self.names, self.rank, self.helper = inner.names, inner.rank, inner.helper
        self.counters = Counters()
        self.sent: list[Sent] = []
        self._inner, self._name, self._thaw = inner, name, thaw
        self._faults = {fault.at_round: fault for fault in faults}

    def exchange(
        self, kind: int, outgoing: Mapping[str, bytes | memoryview], expected: Mapping[str, int]
    ) -> dict[str, bytes]:
        """See ``Mesh.exchange``."""
        fault = self._faults.get(len(self.sent))
        copies = {id(payload): bytes(payload) for payload in outgoing.values()}  # one, however many get it
        payloads = {name: copies[id(payload)] for name, payload in outgoing.items()}
        self.sent.append(Sent(step=kind, outgoing=payloads, expected=dict(expected)))
        self.counters.count(payloads)
        if fault is None:
            return self._inner.exchange(kind, payloads, expected)
        if fault.kind is FaultKind.TRUNCATE:
            short = {name: payload[:-1] for name, payload in payloads.items()}
            return self._inner.exchange(kind, short, expected)
        if fault.kind is FaultKind.TRICKLE:
            for name, payload in payloads.items():
                time.sleep(fault.pause_s)
                self._inner.exchange(kind, {name: payload}, {})
            return self._inner.exchange(kind, {}, expected)
        if fault.kind is FaultKind.FREEZE:
            self._thaw.wait()
        error = PartyLostError(name=self._name)
        self._inner.close(error)
        raise error

    def close(self, error: BaseException | None = None) -> None:
        """See ``Mesh.close``."""
        self._inner.close(error)
