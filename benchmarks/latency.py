"""Latency of the demo's questions at a distance: each byte between processes takes half a round trip.

A proxy stands before each node. The consortium's file names the proxies, each node's own file (``listen``) where it
really binds; handshakes, heartbeats, leases and payloads pass in order, with unbounded bandwidth. Connecting itself is
local, so a new connection costs no SYN.

Each question runs at no distance and at the given one, over the same real processes, TLS and proxies. A *hop* is one
way of the network; the hops of a phase are what it takes longer at the distance, divided by the one-way time. Writes
build/bench/latency.json; prints a table (with --json the rows).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Self

import federation
from analytics.mining.request import MiningRequest
from federation.demo.hospitals import TABLE, found_consortium
from federation.demo.questions import ANSWERED, ITEMS, MIN_CONFIDENCE, MIN_SUPPORT
from federation.processes.launcher import Launcher
from federation.setup.free_ports import free_ports
from privacy_accounting.decimals import parse_decimal

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.consortium.folders import Folders

PIECE = 1 << 16
PURPOSE = "demo"
MEAN = "SELECT AVG(age) AS mean_age FROM patients"
PHASES = ("charge", "run")
HOPS = 5  # of a private answer: to the sites, proposal, signatures, entry, share
LIMIT_S = 0.025


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, one_way_s: float) -> None:
    """Move bytes, each piece ``one_way_s`` after it came; the sender is never held up."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await under_way.get()
            if due > (now := loop.time()):
                await asyncio.sleep(due - now)
            if not piece:
                writer.close()
                return
            writer.write(piece)

    arriving = asyncio.create_task(deliver())
    try:
        while piece := await reader.read(PIECE):
            under_way.put_nowait((loop.time() + one_way_s, piece))
    except OSError:
        pass
    under_way.put_nowait((loop.time() + one_way_s, b""))
    await arriving


async def _serve(routes: dict[int, int], one_way_s: float, ready: object) -> None:
    def joined(port: int):
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.close()
                return
            await asyncio.gather(
                _carry(reader, inner_writer, one_way_s),
                _carry(inner_reader, writer, one_way_s),
                return_exceptions=True,
            )

        return handle

    for outer, inner in routes.items():
        await asyncio.start_server(joined(inner), "127.0.0.1", outer)
    ready.set()
    await asyncio.Event().wait()


def _run(routes: dict[int, int], one_way_s: float, ready: object) -> None:
    asyncio.run(_serve(routes, one_way_s, ready))


class Distance:
    """Puts a proxy before every node of a consortium that was created and not started; a context manager."""

    def __init__(self, folders: Folders, round_trip_s: float) -> None:
        """Write ``listen`` into each node's file and start the proxy process."""
        agreement = tomllib.loads(folders.consortium.read_text("utf-8"))
        files = {name: folders.site(name) for name in agreement["sites"]}
        addresses = {name: member["address"] for name, member in agreement["sites"].items()}
        for role in ("dealer", "aggregator", "keyholder"):
            if role in agreement:
                files[role] = folders.helper_file(role)
                addresses[role] = agreement[role]["address"]
        inner = dict(zip(files, free_ports(len(files)), strict=True))
        for name, path in files.items():
            text = path.read_text("utf-8")
            path.write_text(f'listen = "127.0.0.1:{inner[name]}"\n{text}', "utf-8")
        routes = {int(addresses[name].rpartition(":")[2]): inner[name] for name in files}
        context = multiprocessing.get_context("spawn")
        ready = context.Event()
        self._process = context.Process(target=_run, args=(routes, round_trip_s / 2, ready), daemon=True)
        self._process.start()
        if not ready.wait(30):
            raise TimeoutError("the proxies did not start")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the proxies."""
        self._process.terminate()
        self._process.join()


def questions(session: federation.Session) -> dict[str, Callable[[], dict]]:
    """Every question of the demo, and one private mean; each returns its receipt."""
    asked = {"private_mean": lambda: session.sql(MEAN, epsilon=0.01, purpose=PURPOSE, fresh=True).receipt}
    for question in ANSWERED:
        kind = {"epsilon": 0.02, "fresh": True} if question.epsilon else {"exact": True}
        asked[question.key] = lambda sql=question.sql, kind=kind: (
            session.sql(sql, purpose=PURPOSE, **kind).receipt
        )
    request = MiningRequest(
        table=TABLE,
        items=list(ITEMS),
        min_support=parse_decimal(MIN_SUPPORT),
        min_confidence=parse_decimal(MIN_CONFIDENCE),
    )
    asked["mining"] = lambda: session.mine(request, purpose=PURPOSE).receipt
    return asked


def measure(round_trip_s: float, runs: int) -> dict[str, dict]:
    """Median seconds of each phase of each question, warm."""
    with tempfile.TemporaryDirectory() as folder:
        folders = found_consortium(Path(folder) / "consortium")
        with (
            Distance(folders, round_trip_s),
            Launcher(folders),
            federation.connect(folders.consortium, identity=folders.analyst("analyst")) as session,
        ):
            found = {}
            for name, ask in questions(session).items():
                ask()
                receipts = [ask() for _ in range(1 if name == "mining" else runs)]
                found[name] = {
                    phase: statistics.median(receipt["seconds"][phase] for receipt in receipts)
                    for phase in PHASES
                } | {"rounds": receipts[-1]["rounds"]}
            return found


def main() -> None:
    """Run, assert, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--round-trip-ms", type=float, default=20.0)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    one_way_s = arguments.round_trip_ms / 2000
    near, far = measure(0.0, arguments.runs), measure(2 * one_way_s, arguments.runs)
    rows = []
    for name in far:
        row = {"work": name, "round_trip_ms": arguments.round_trip_ms, "rounds": far[name]["rounds"]}
        for phase in PHASES:
            row[f"{phase}_near_s"], row[f"{phase}_s"] = near[name][phase], far[name][phase]
            row[f"{phase}_hops"] = (far[name][phase] - near[name][phase]) / one_way_s
        rows.append(row)
    target = Path("build/bench/latency.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(rows, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            phases = "  ".join(
                f"{phase} {1000 * row[f'{phase}_s']:7.1f} ms ({row[f'{phase}_hops']:4.1f} hops)"
                for phase in PHASES
            )
            print(f"{row['work']:24} {row['rounds']:3} rounds  {phases}")
    mean = next(row for row in rows if row["work"] == "private_mean")
    most_s, seconds = HOPS * one_way_s + LIMIT_S, sum(mean[f"{phase}_s"] for phase in PHASES)
    verdict = "under" if seconds < most_s else "NOT under"
    print(f"a private mean: {1000 * seconds:.1f} ms, {verdict} {1000 * most_s:.0f} ms")


if __name__ == "__main__":
    main()
