"""CrypTen and numpy as a site's engine, in turns in one run: a guarded question and mining over real TLS processes.

Beside it: how long four sites take until they are ready, and how much memory they hold together (proportional set size,
so that pages which forked processes share count once). Prints a table and writes build/bench/engines.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import federation
from federation.demo.hospitals import BUDGET, HOSPITALS, POPULATION, TABLE, demo_text
from federation.demo.questions import ITEMS, MIN_CONFIDENCE, MIN_SUPPORT
from federation.processes.launcher import Launcher
from federation.setup.create import create_consortium
from federation.setup.settings import ConsortiumSettings, SiteSetup, TableSetup

EXACT = "SELECT sex, COUNT(*) AS n, AVG(age) AS age FROM patients GROUP BY sex"
ENGINES = ("crypten", "numpy")
MOST_REQUESTS = 1000


def with_engine(folder: Path, engine: str):
    """Four hospitals of the demo's rows, whose sites compute with an engine."""
    sites = {}
    for name in HOSPITALS:
        source = folder / f"{name}.csv"
        source.write_text(demo_text(f"heart_disease/{name}.csv"), encoding="utf-8")
        policy = {
            "exact": True,
            "minimum_cell": 10,
            "exact_requests_per_analyst": MOST_REQUESTS,
            "exact_numbers_per_population": 10**6,
        }
        table = TableSetup(source=source, view=demo_text("view.sql"))
        sites[name] = SiteSetup(tables={TABLE: table}, policy=policy, engine=engine)
    settings = ConsortiumSettings(
        name=f"bench_{engine}", budgets={POPULATION: BUDGET}, schema=demo_text("schema.toml"), colluding=1
    )
    return create_consortium(folder / engine, terms=settings, sites=sites)


def memory_bytes(pids) -> int:
    """Proportional set size of processes together."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += 1024 * int(line.split()[1])
    return total


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    seconds: dict[tuple[str, str], list[float]] = {}
    ready, memory = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        made = {engine: with_engine(Path(folder), engine) for engine in ENGINES}
        launchers, sessions = {}, {}
        try:
            for engine, folders in made.items():
                began = time.perf_counter()
                launchers[engine] = Launcher(folders)
                ready[engine] = time.perf_counter() - began
                sessions[engine] = federation.connect(folders.consortium, identity=folders.analyst("analyst"))
            for _ in range(runs):
                for engine, session in sessions.items():
                    began = time.perf_counter()
                    answer = session.sql(EXACT, exact=True)
                    seconds.setdefault(("guarded question", engine), []).append(time.perf_counter() - began)
                    assert set(answer.receipt["engines"].values()) == {engine}
                    began = time.perf_counter()
                    session.table("patients").association_rules(
                        ITEMS,
                        min_support=float(MIN_SUPPORT),
                        min_confidence=float(MIN_CONFIDENCE),
                        exact=True,
                    )
                    seconds.setdefault(("mining", engine), []).append(time.perf_counter() - began)
            for engine, launcher in launchers.items():
                memory[engine] = memory_bytes(launcher.pids[name] for name in HOSPITALS)
        finally:
            for session in sessions.values():
                session.close()
            for launcher in launchers.values():
                launcher.stop()
    rows = []
    for work in ("guarded question", "mining"):
        crypten, numpy = (statistics.median(seconds[work, engine][1:]) for engine in ENGINES)
        rows.append({"work": work, "crypten_s": crypten, "numpy_s": numpy, "ratio": crypten / numpy})
        print(
            f"{work:20} crypten {1000 * crypten:7.1f} ms  numpy {1000 * numpy:7.1f} ms  ratio {crypten / numpy:.2f}"
        )
    for engine in ENGINES:
        rows.append(
            {"work": "four sites", "engine": engine, "ready_s": ready[engine], "bytes": memory[engine]}
        )
        print(
            f"four sites, {engine:8} ready in {ready[engine]:.1f} s, {memory[engine] / 2**20:.0f} MiB together"
        )
    out = Path("build/bench/engines.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
