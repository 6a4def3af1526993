"""A party as a process of its own: addresses and tasks come in as JSON lines, outcomes go out as JSON lines.

Run as ``python -m tests.transport.party FOLDER NAME SILENCE_S``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from smpc.errors import SmpcError
from smpc.transport.connecting.endpoint import Endpoint
from smpc.transport.mesh import Mesh, Step
from smpc.transport.wire.peer_identity import Trust
from tests.transport.tls_world import CONFIGURATION, REQUEST, Node, World

ROSTER = "roster.json"
_ROOT = Path(__file__).parents[2]


def write_roster(world: World) -> None:
    """Put what a process needs beside the certificates."""
    roster = {"ca": world.trust.ca_pem.decode(), "roster": world.trust.roster}
    (world.folder / ROSTER).write_text(json.dumps(roster))


class Process:
    """The test's side of one party."""

    def __init__(self, world: World, name: str, *, silence_s: float) -> None:
        self.name = name
        command = [sys.executable, "-m", "tests.transport.party", str(world.folder), name, str(silence_s)]
        self.child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, cwd=_ROOT
        )

    def tell(self, **what: object) -> None:
        self.child.stdin.write(json.dumps(what) + "\n")

    def hear(self) -> dict:
        line = self.child.stdout.readline()
        assert line, f"{self.name} is dead"
        return json.loads(line)

    def end(self) -> None:
        self.child.kill()
        self.child.wait(10)
        self.child.stdin.close()
        self.child.stdout.close()


def _rounds(mesh: Mesh, own: str, n_rounds: int, n_bytes: int) -> list[float]:
    peers = [name for name in mesh.names if name != own]
    payload, times = bytes(n_bytes), []
    while n_rounds < 0 or len(times) < n_rounds:
        begin = time.perf_counter()
        mesh.exchange(Step.OPEN_RING, dict.fromkeys(peers, payload), dict.fromkeys(peers, n_bytes))
        times.append(time.perf_counter() - begin)
        if n_rounds < 0 and len(times) == 20:
            print(json.dumps({"running": True}), flush=True)
    return times


def _session(node: Node, task: dict) -> dict:
    mesh = None
    try:
        mesh = node.plane.open_mesh(
            bytes.fromhex(task["id"]), REQUEST, task["names"], None, deadline_s=task["deadline_s"]
        )
        times = _rounds(mesh, node.name, task["rounds"], task["bytes"])
    except SmpcError as error:
        at = time.monotonic()
        if mesh is not None:
            mesh.close(error)
        return {"error": type(error).__name__, "name": error.name, "at": at}
    mesh.close()
    return {"times": times}


def main() -> None:
    folder, name, silence_s = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    known = json.loads((folder / ROSTER).read_text())
    trust = Trust(ca_pem=known["ca"].encode(), roster={k: tuple(v) for k, v in known["roster"].items()})
    node = Node(
        Endpoint(name=name, identity_file=folder / f"{name}.pem", trust=trust, configuration=CONFIGURATION)
    )
    print(json.dumps({"address": node.address}), flush=True)
    addresses = {peer: tuple(address) for peer, address in json.loads(sys.stdin.readline()).items()}
    node.start(addresses, beat_s=silence_s / 4, silence_s=silence_s)
    for line in sys.stdin:
        print(json.dumps(_session(node, json.loads(line))), flush=True)
    node.stop()


if __name__ == "__main__":
    main()
