"""Benchmark of accounting, noise and the ledger: build/bench/accounting.json, a table on the terminal.

Peers' seconds are those measured beside ours where dp-accounting is at hand (.venv-oracles), else null.
"""

# ruff: noqa: E402, SLF001 - the tests' consortium is imported from the checkout; a cache is emptied to time the first curve

import argparse
import dataclasses
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np

from privacy_accounting import events as ev
from privacy_accounting.audit.verify import verify
from privacy_accounting.budget import PopulationBudget, PrivacyFilter, Spend, plan_sub_budget
from privacy_accounting.events import Relation, event_from_dict
from privacy_accounting.ledger.entries import Body
from privacy_accounting.ledger.replication.replica import Replica
from privacy_accounting.ledger.replication.snapshots import snapshot_draft
from privacy_accounting.ledger.storage.sqlite import SqliteStore
from privacy_accounting.noise import SystemSource, discrete_gaussian, discrete_laplace
from privacy_accounting.rdp import at_order, cost_units, curve
from privacy_accounting.rdp import curves as rdp_curves
from privacy_accounting.rdp import epsilon as epsilon_of
from tests.ledger.ledger_world import CONSORTIUM, World, a_budget, a_charge, complete_of, key_of

ADD = Relation.ADD_OR_REMOVE_ONE
DELTA = Fraction(1, 10**6)
ORACLES = ROOT / "tests" / "oracles" / "accounting"
DIFFERENT = 10_000  # events; each comes from several analysts and for several purposes
ENTRIES = 100_000
PEER = """
import time, dp_accounting.dp_event as de
from dp_accounting import rdp
def timed(event):
    a = rdp.RdpAccountant(); start = time.perf_counter(); a.compose(event); return time.perf_counter() - start
print(min(timed(de.PoissonSampledDpEvent(0.01, de.GaussianDpEvent(1.1))) for _ in range(5)))
"""


def row(work, seconds, *, peer=None, peer_seconds=None, **more):
    base = {"work": work, "parties": None, "rounds": None, "bytes_per_party": None, "dealer_bytes": None}
    return {**base, "seconds": seconds, "peer": peer, "peer_seconds": peer_seconds, **more}


def fastest(call, repeats=5):
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def accuracy():
    """Against 30 digits and against dp-accounting's committed numbers; no time, only ratios."""
    worst, below = 0.0, 0
    for each in json.loads((ORACLES / "renyi_numbers.json").read_text())["rows"]:
        found = Fraction(
            at_order(event_from_dict(each["event"]), Fraction(each["order"]), Relation(each["relation"]))
        )
        true = Fraction(each["value"])
        below += found < true * (1 - Fraction(1, 10**25))
        if each["kind"] != "below":
            worst = max(worst, float(found / true - 1))
    over = 0.0
    for each in json.loads((ORACLES / "dp_accounting_numbers.json").read_text())["rows"]:
        if each["rdp"] is not None:
            events = [event_from_dict(event) for event in each["events"]]
            found = epsilon_of(events, Fraction(each["delta"]), Relation(each["relation"])).epsilon
            over = max(over, found / each["rdp"] - 1)
    return [
        row("Renyi cost against 30 digits", 0.0, largest_relative_excess=worst, values_below_the_truth=below),
        row("epsilon against dp-accounting", 0.0, largest_relative_excess=over),
    ]


def curves():
    peer = peer_seconds = None
    python = ROOT / ".venv-oracles" / "bin" / "python"
    if python.exists():
        done = subprocess.run([python, "-c", PEER], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            peer, peer_seconds = "dp-accounting RDP", float(done.stdout)
    event = ev.PoissonGaussian(sampling_rate=Fraction(1, 100), noise_multiplier=Fraction(11, 10))

    def first():
        rdp_curves._single_curve.cache_clear()
        curve(event, ADD)

    curve(event, ADD)
    cached = fastest(lambda: [curve(event, ADD) for _ in range(1000)]) / 1000
    return [
        row(
            "Poisson-Gaussian curve, first",
            fastest(first),
            peer=peer,
            peer_seconds=peer_seconds,
            orders=len(curve(event, ADD)),
        ),
        row("Poisson-Gaussian curve, cached", cached),
        row("import privacy_accounting", imported()),
    ]


def imported():
    code = (
        "import time; s = time.perf_counter(); import privacy_accounting, privacy_accounting.rdp\n"
        "print(time.perf_counter() - s)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
        for _ in range(5)
    ]
    return min(float(run.stdout) for run in runs)


def samplers():
    source, n, rows = SystemSource(), 200_000, []
    for sigma in ("0.5", "1", "10", "1000", "1000000"):
        seconds = fastest(lambda sigma=sigma: discrete_gaussian(Fraction(sigma) ** 2, n, source), 3)
        rows.append(row(f"discrete Gaussian, sigma {sigma}, {n} samples", seconds, per_second=n / seconds))
    seconds = fastest(lambda: discrete_laplace(100, n, source), 3)
    rows.append(row(f"discrete Laplace, scale 100, {n} samples", seconds, per_second=n / seconds))
    return rows


def admission():
    part = plan_sub_budget(epsilon=Fraction(4), delta=DELTA, share=Fraction(1), relation=ADD)
    privacy_filter = PrivacyFilter(relation=ADD)
    privacy_filter.set_budget(
        "p", PopulationBudget(epsilon=Fraction(4), delta=DELTA, sub_budgets={"query": part})
    )
    made = [ev.Gaussian(noise_multiplier=Fraction(5000 + i)) for i in range(200)]
    priced = [(event, cost_units([event], part.order, ADD)) for event in made]
    for i in range(ENTRIES):
        event, units = priced[i % 200]
        privacy_filter.add(
            Spend(
                population="p",
                sub_budget="query",
                purpose=f"p{i % 7}",
                analyst=f"a{i % 50}",
                units=units,
                events=(event,),
            )
        )
    taken = []
    for i in range(20_000):
        event, units = priced[i % 200]
        start = time.perf_counter()
        privacy_filter.check(
            Spend(
                population="p", sub_budget="query", purpose="p1", analyst="a1", units=units, events=(event,)
            )
        )
        taken.append(time.perf_counter() - start)
    return [
        row(
            f"admission behind {ENTRIES} entries, p99",
            float(np.quantile(taken, 0.99)),
            median=statistics.median(taken),
        )
    ]


def chain_of(count, world):
    """Entries 1 .. count, signed by all sites, without asking them one by one."""
    place, made = world.head.replica.core.state.place, []
    templates = [a_charge(world.budget, noise=50_000 + each) for each in range(DIFFERENT)]
    number, previous, moment = place.number, place.previous, place.time + 1
    for i in range(count):
        template = templates[i % DIFFERENT]
        asked = dataclasses.replace(
            template.asked, nonce=f"{i + 10**9:032x}", analyst=f"a{i % 50}", purpose=f"p{i % 7}"
        )
        content = dataclasses.replace(template, asked=asked)
        body = Body(
            chain=CONSORTIUM,
            number=number,
            previous=previous,
            time=moment,
            cohort=tuple(world.names),
            content=content,
        )
        entry = complete_of(body.to_bytes(), world.names)
        made.append(entry)
        number, previous, moment = number + 1, entry.hash.hex(), moment + 1
    return made


def appends(folder, entries):
    alone = SqliteStore(folder / "alone.db", owner="ankara")
    alone.append(entries[:1])
    start = time.perf_counter()
    for entry in entries[1:301]:
        alone.append([entry])
    single = (time.perf_counter() - start) / 300
    start = time.perf_counter()
    for at in range(301, 301 + 64 * 30, 64):
        alone.append(entries[at : at + 64])
    grouped = (time.perf_counter() - start) / (64 * 30)
    alone.close()
    return [
        row("durable append, one entry a transaction", single, per_second=1 / single),
        row("durable append, 64 entries a transaction", grouped, per_second=1 / grouped),
    ]


def big_ledger(folder):
    """A ledger of 100,000 charges with a snapshot near its end, as a site holds it."""
    world = World(budget=a_budget(epsilon=Fraction(2**20)))
    world.found()
    entries = [*world.entries(), *chain_of(ENTRIES, world)]
    rows = appends(folder, entries)
    store = SqliteStore(folder / "big.db", owner="ankara")
    for at in range(0, len(entries), 5_000):
        store.append(entries[at : at + 5_000])
    start = time.perf_counter()
    replica = Replica(store, key_of("ankara"), world.clock)
    rows.append(row(f"start with {ENTRIES} entries, folded from the first", time.perf_counter() - start))
    content = snapshot_draft(replica).content
    place = replica.core.state.place
    body = Body(
        chain=CONSORTIUM,
        number=place.number,
        previous=place.previous,
        time=place.time,
        cohort=tuple(world.names),
        content=content,
    )
    replica.catch_up([complete_of(body.to_bytes(), world.names).to_bytes()], source="basel")
    store.close()
    store = SqliteStore(folder / "big.db", owner="ankara")
    start = time.perf_counter()
    replica = Replica(store, key_of("ankara"), world.clock)
    rows.append(
        row(
            f"cold start with {ENTRIES} entries, from a checkpoint",
            time.perf_counter() - start,
            head=replica.head,
        )
    )
    store.close()
    reported = []
    start = time.perf_counter()
    report = verify([folder / "big.db"], progress=reported.append)
    rows.append(row(f"full verification of {ENTRIES} entries, three signatures each", time.perf_counter() - start,
                    ok=report.ok, progress_reports=len(reported)))  # fmt: skip
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    arguments = parser.parse_args()
    rows = [*accuracy(), *curves(), *samplers(), *admission()]
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        rows += big_ledger(Path(folder))
    out = ROOT / "build" / "bench" / "accounting.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(rows))
        return
    for each in rows:
        more = {
            k: v
            for k, v in each.items()
            if k not in {"work", "seconds", "parties", "rounds", "bytes_per_party", "dealer_bytes"}
            and v is not None
        }
        print(f"{each['work']:<58} {each['seconds'] * 1e3:>12.3f} ms  {more}")


if __name__ == "__main__":
    (ROOT / "build").mkdir(exist_ok=True)
    main()
