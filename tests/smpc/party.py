"""A party, or the dealer, as a process of its own that runs one operation after the other and can be held at an exchange.

Run as ``python -m tests.smpc.party FOLDER NAME SILENCE_S PORT``. Tasks come in as JSON lines, outcomes go out as JSON lines. A
process that is held says so and waits: to be killed, or to be stopped and continued.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from smpc.computing_sites import ThreeSites
from smpc.dealer.service import DealerService
from smpc.errors import SmpcError
from smpc.session import Session
from smpc.transport.connecting.endpoint import Endpoint
from smpc.transport.mesh import Mesh
from smpc.transport.wire.peer_identity import Trust
from tests.smpc.every_operation import fetched
from tests.smpc.joint import Sites
from tests.transport.party import ROSTER, write_roster
from tests.transport.tls_world import CONFIGURATION, REQUEST, Node, World, fresh_id

_ROOT = Path(__file__).parents[2]


class Process:
    """The test's side of one process."""

    def __init__(self, folder, name, silence_s, port=0):
        self.name = name
        command = [sys.executable, "-m", "tests.smpc.party", str(folder), name, str(silence_s), str(port)]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=_ROOT
        )

    def tell(self, **what):
        self.child.stdin.write(json.dumps(what) + "\n")

    def hear(self):
        line = self.child.stdout.readline()
        assert line, f"{self.name} is dead"
        return json.loads(line)

    def end(self):
        self.child.kill()
        self.child.wait(10)
        with contextlib.suppress(BrokenPipeError):  # what it was told last and never read
            self.child.stdin.close()
        self.child.stdout.close()


class Parties:
    """Some sites and a dealer as processes; whoever is killed comes back at its old address."""

    def __init__(self, folder, names, helper, *, silence_s):
        self.names, self.helper, self._folder, self._silence_s = tuple(names), helper, folder, silence_s
        world = World(folder=folder, roles=dict.fromkeys(names, "site") | {helper: "dealer"})
        write_roster(world)
        self.running = {}

    def __enter__(self):
        for name in (*self.names, self.helper):
            self.running[name] = Process(self._folder, name, self._silence_s)
        self._addresses = {name: process.hear()["address"] for name, process in self.running.items()}
        for process in self.running.values():
            process.tell(**self._addresses)
        return self

    def __exit__(self, *_):
        for process in self.running.values():
            process.end()

    def begin(self, operation, n, *, deadline_s, held=None, at=-1):
        """Start an operation everywhere; ``held`` stops at its exchange ``at``."""
        session_id, has_sites = fresh_id().hex(), isinstance(n, Sites)
        what = {"operation": operation, "n": int(n), "has_sites": has_sites}
        for process in self.running.values():  # a process that was stopped has to be heard again
            process.tell(wait=10, **what)
        assert all(process.hear() == {"missing": None} for process in self.running.values())
        names, helper = self.names[:n], None if has_sites else self.helper
        for name in self.members(n):
            self.running[name].tell(
                id=session_id,
                names=names,
                helper=helper,
                deadline_s=deadline_s,
                at=at if name == held else -1,
                **what,
            )
        return names

    def members(self, n):
        """Who takes part in a session of so many, the dealer last if there is one."""
        return self.names[:n] if isinstance(n, Sites) else (*self.names[:n], self.helper)

    def held(self, name, number):
        """Wait until a process is held, then send it a signal; returns when."""
        assert self.running[name].hear() == {"held": True}
        now = time.monotonic()
        self.running[name].child.send_signal(number)
        return now

    def restart(self, name):
        """Put a new process in the place of a dead one."""
        self.running[name].end()
        port = self._addresses[name][1]
        self.running[name] = Process(self._folder, name, self._silence_s, port)
        assert self.running[name].hear()["address"][1] == port
        self.running[name].tell(**self._addresses)

    def run(self, operation, n, *, deadline_s=20.0):
        """Run an operation undisturbed; what every site has."""
        names = self.begin(operation, n, deadline_s=deadline_s)
        heard = [self.running[name].hear() for name in self.members(n)]
        assert not [outcome for outcome in heard if "error" in outcome], heard
        return [outcome["result"] for outcome in heard[: len(names)]]


class _Held(Mesh):
    """A mesh whose party says that it has come to an exchange and waits there for a signal."""

    def __init__(self, inner, at, woken):
        self.names, self.rank, self.helper, self.counters = (
            inner.names,
            inner.rank,
            inner.helper,
            inner.counters,
        )
        self._inner, self._at, self._woken, self._n = inner, at, woken, 0

    def exchange(self, kind, outgoing, expected):
        if self._n == self._at:
            print(json.dumps({"held": True}), flush=True)
            while not self._woken.wait(0.05):  # the signal may reach another thread, which wakes no waiter
                pass
        self._n += 1
        return self._inner.exchange(kind, outgoing, expected)

    def has_ended(self, peer):
        return self._inner.has_ended(peer)

    def has_spoken(self, peer):
        return self._inner.has_spoken(peer)

    def close(self, error=None):
        self._inner.close(error)


def _joint(task):
    """What the sites run; the first time this may load CrypTen, which takes seconds."""
    return fetched(task["operation"], Sites(task["n"]) if task["has_sites"] else task["n"])


def _work(node, service, task, woken):
    session_id, mesh = bytes.fromhex(task["id"]), None
    try:
        mesh = node.plane.open_mesh(
            session_id, REQUEST, task["names"], task["helper"], deadline_s=task["deadline_s"]
        )
        mesh = _Held(mesh, task["at"], woken)
        if node.name == task["helper"]:
            return {"batches": service.serve(mesh, session_id)}
        sites = ThreeSites.of(task["names"][:3]) if task["has_sites"] else None
        with Session(mesh, session_id, sites) as session:
            return {"result": _joint(task)(session).tolist()}
    except SmpcError as error:
        return {
            "error": type(error).__name__,
            "name": error.name,
            "at": time.monotonic(),
            "exchanges": mesh._n if mesh else 0,
        }


def main():
    folder, name, silence_s, port = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
    woken = threading.Event()
    signal.signal(signal.SIGCONT, lambda *_: woken.set())
    known = json.loads((folder / ROSTER).read_text())
    trust = Trust(ca_pem=known["ca"].encode(), roster={k: tuple(v) for k, v in known["roster"].items()})
    endpoint = Endpoint(
        name=name, identity_file=folder / f"{name}.pem", trust=trust, configuration=CONFIGURATION
    )
    node, service = Node(endpoint, port), DealerService()
    print(json.dumps({"address": node.address}), flush=True)
    addresses = {peer: tuple(address) for peer, address in json.loads(sys.stdin.readline()).items()}
    node.start(addresses, beat_s=silence_s / 4, silence_s=silence_s)
    for line in sys.stdin:
        woken.clear()
        task = json.loads(line)
        if "wait" in task:
            _joint(task)
            others = [peer for peer in addresses if peer != name]
            outcome = {"missing": node.hearts.liveness.wait_alive(others, task["wait"])}
        else:
            outcome = _work(node, service, task, woken)
        print(json.dumps(outcome), flush=True)
    node.stop()


if __name__ == "__main__":
    main()
