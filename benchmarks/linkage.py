"""Linkage of two sites, each with one worker process, beside openmined-psi.

Two parties with --rows patients each, half of them common, over memory channels; the multiplications run in one process a party.
openmined-psi runs in an environment of its own (--peers PYTHON): set-up, request, response and comparison one after the other
in one process, raw sets, the intersection revealed to one side only. Writes build/bench/linkage.json; prints a table (with
--json the rows).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import time
from pathlib import Path

from smpc.set_intersection.protocol import SetIntersection, bytes_of, exchanges_of
from smpc.set_intersection.workers import Workers
from smpc.simulator import simulate

TARGET = Path("build/bench/linkage.json")
TARGET_SECONDS = 20.0
PEER = """
import json, sys, time
import private_set_intersection.python as psi
count = int(sys.argv[1])
mine = [f"patient {n}" for n in range(count)]
theirs = [f"patient {n}" for n in range(count // 2, count // 2 + count)]
start = time.perf_counter()
client, server = psi.client.CreateWithNewKey(True), psi.server.CreateWithNewKey(True)
setup = server.CreateSetupMessage(1e-9, count, theirs, psi.DataStructure.RAW)
request = client.CreateRequest(mine)
response = server.ProcessRequest(request)
found = client.GetIntersection(setup, response)
print(json.dumps({"seconds": time.perf_counter() - start, "found": len(found)}))
"""


class Names:
    """Signs with the party's name as its key: the bench measures no signature."""

    def __init__(self, own: str) -> None:
        self._own = own

    def sign(self, data: bytes) -> bytes:
        """Sign."""
        return hashlib.sha512(self._own.encode() + data).digest()

    def has_signed(self, party: str, data: bytes, signature: bytes) -> bool:
        """Check."""
        return signature == hashlib.sha512(party.encode() + data).digest()


def digests(first: int, count: int) -> bytes:
    """Digests of patients."""
    return b"".join(hashlib.sha256(f"patient {n}".encode()).digest() for n in range(first, first + count))


def linked(count: int) -> dict[str, object]:
    """One linkage, and what it took."""
    sets = (digests(0, count), digests(count // 2, count))

    def joint(session):
        own = session.names[session.rank]
        with Workers(1) as workers:
            return SetIntersection(
                session,
                session.names[1 - session.rank],
                size=count,
                learns="rows",
                signer=Names(own),
                workers=workers,
            ).run(sets[session.rank])

    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    start = time.perf_counter()
    found = simulate(joint, 2, prefetch=False, timeout_s=600).values()
    seconds = time.perf_counter() - start
    worked = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    assert found[0].count == found[1].count == count - count // 2
    return {
        "work": f"linkage {count:,} x {count:,}",
        "parties": 2,
        "rounds": exchanges_of(count),
        "bytes_per_party": bytes_of(count),
        "dealer_bytes": 0,
        "seconds": round(seconds, 2),
        "worker_cpu_seconds_per_party": round(worked / 2, 2),
        "target_seconds": TARGET_SECONDS,
        "peer": None,
        "peer_seconds": None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--peers", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    row = linked(options.rows)
    if options.peers and Path(options.peers).exists():
        ran = subprocess.run(
            [options.peers, "-c", PEER, str(options.rows)], capture_output=True, text=True, check=True
        )
        row |= {"peer": "openmined-psi", "peer_seconds": round(json.loads(ran.stdout)["seconds"], 2)}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps([row], indent=1))
    if options.json:
        print(json.dumps([row], indent=1))
        return
    for name, value in row.items():
        print(f"{name:32} {value}")


if __name__ == "__main__":
    main()
