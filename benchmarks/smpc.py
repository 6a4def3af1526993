"""Ours against CrypTen in one process, the contenders taking turns over the same channels: mutual TLS on loopback.

Every party is a thread with one torch thread; material is fetched before the clock starts, for both. Seconds
are the slowest party's, the median of some repetitions. With --memory the channels are queues without TLS.
Prints a table (with --json the rows) and writes build/bench/smpc.json.
"""

# ruff: noqa: E402  (the search path is put right first)

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

# this file has the package's name: its own folder must not be searched first
sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).resolve().parent]

from smpc.cost import dry_run
from smpc.engine.seams import crypten
from smpc.engine.tensors import from_crypten, to_arithmetic, to_crypten
from smpc.operations import arithmetic, comparison
from smpc.operations.inputs import contribute
from smpc.operations.reveal import reveal_to_all
from smpc.simulator import DEALER, party_names, simulate
from tests.transport.tls_world import Nodes, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smpc.session import Session
    from smpc.sharing import Shared
    from smpc.simulator import Channels

    Work = Callable[[Session, Shared], Shared]

TARGET = Path("build/bench/smpc.json")
LOCAL_MAGNITUDE = 1 << 20


class Contest(NamedTuple):
    """One row: its name, how many elements, ours, CrypTen's, and how often."""

    name: str
    count: int
    ours: Work
    theirs: Work
    repeats: int


def sign(bits: int) -> Work:
    """Return our comparison at a width."""
    return lambda session, x: comparison.is_negative(session, x, bits)


def their_sign(_: Session, x: Shared) -> Shared:
    """Compare by CrypTen's circuit, always of 64 bits."""
    return from_crypten(to_crypten(x) < 0)


def threshold(session: Session, x: Shared) -> Shared:
    """Keep what is at least 0 and blank the rest."""
    return arithmetic.multiply(session, comparison.at_least(session, x, 0, 24), x)


def their_threshold(_: Session, x: Shared) -> Shared:
    """Do the same by CrypTen."""
    tensor = to_crypten(x)
    return from_crypten((tensor >= 0) * tensor)


def product(session: Session, x: Shared) -> Shared:
    """Multiply elementwise."""
    return arithmetic.multiply(session, x, x)


def their_product(_: Session, x: Shared) -> Shared:
    """Multiply by CrypTen, on integers."""
    return from_crypten(to_arithmetic(x).mul(to_arithmetic(x)))


CONTESTS = (
    Contest("compare64_100000", 100_000, sign(64), their_sign, 3),
    Contest("compare64_1000", 1000, sign(64), their_sign, 7),
    Contest("compare64_10", 10, sign(64), their_sign, 7),
    Contest("compare24_100000", 100_000, sign(24), their_sign, 3),
    Contest("compare24_1000", 1000, sign(24), their_sign, 7),
    Contest("compare24_10", 10, sign(24), their_sign, 7),
    Contest("threshold_1000", 1000, threshold, their_threshold, 7),
    Contest("multiply_1000000", 1_000_000, product, their_product, 3),
)


def values(count: int) -> np.ndarray:
    """Draw numbers of both signs, within 22 bits."""
    return np.random.default_rng(20).integers(-LOCAL_MAGNITUDE, LOCAL_MAGNITUDE, count)


def contribution(session: Session, numbers: np.ndarray) -> Shared:
    """Share what the first party holds."""
    return contribute(session, numbers if session.is_first else np.zeros_like(numbers))


def run_once(work: Work, count: int, parties: int, channels: Channels | None) -> tuple[float, np.ndarray]:
    """Time one run at the slowest party, and open what came out."""
    numbers = values(count)
    needed = dry_run(lambda session: work(session, contribution(session, numbers)), parties).requests

    def joint(session: Session) -> tuple[float, np.ndarray]:
        session.prefetch(needed)
        x = contribution(session, numbers)
        reveal_to_all(session, contribution(session, numbers[:1]))  # all parties start together
        start = time.perf_counter()
        outcome = work(session, x)
        seconds = time.perf_counter() - start
        return seconds, reveal_to_all(session, outcome)

    outcomes = simulate(joint, parties, prefetch=False, timeout_s=120, channels=channels).values()
    return max(seconds for seconds, _ in outcomes), outcomes[0][1]


def contend(contest: Contest, parties: int, channels: Channels | None) -> dict[str, object]:
    """Let both work in turns, check that they agree, and make the row."""
    ours, theirs = [], []
    for _ in range(contest.repeats):
        seconds, mine = run_once(contest.ours, contest.count, parties, channels)
        ours.append(seconds)
        seconds, other = run_once(contest.theirs, contest.count, parties, channels)
        theirs.append(seconds)
        if not np.array_equal(mine, other):
            raise SystemExit(f"{contest.name}: the contenders disagree")
    numbers = values(contest.count)
    cost = dry_run(lambda session: contest.ours(session, contribution(session, numbers)), parties)
    return {
        "work": contest.name,
        "parties": parties,
        "rounds": cost.rounds,
        "bytes_per_party": cost.bytes_per_peer * (parties - 1),
        "dealer_bytes": cost.dealer_bytes,
        "seconds": statistics.median(ours),
        "peer": "crypten",
        "peer_seconds": statistics.median(theirs),
    }


def wrong_products(parties: int, channels: Channels | None, count: int = 100_000) -> dict[str, object]:
    """Square 7143 many times: ours on integers, CrypTen's with its default 16 fractional bits; count wrong ones."""
    number = 7143
    numbers = np.full(count, number)

    def joint(session: Session) -> tuple[float, float, int, int]:
        x = contribution(session, numbers)
        start = time.perf_counter()
        mine = arithmetic.square(session, x)
        seconds = time.perf_counter() - start
        opened = reveal_to_all(session, mine)
        fixed = crypten().mpc.MPCTensor.from_shares(torch.from_numpy(x.share << 16), precision=16)
        start = time.perf_counter()
        squared = fixed * fixed
        their_seconds = time.perf_counter() - start
        theirs = reveal_to_all(session, from_crypten(squared, precision_bits=16)) / (1 << 16)
        return (
            seconds,
            their_seconds,
            int(np.sum(opened != number**2)),
            int(np.sum(np.abs(theirs - number**2) > 1)),
        )

    outcomes = simulate(joint, parties, prefetch=False, timeout_s=120, channels=channels).values()
    cost = dry_run(lambda session: arithmetic.square(session, contribution(session, numbers)), parties)
    return {
        "work": "products_exact",
        "parties": parties,
        "rounds": cost.rounds,
        "bytes_per_party": cost.bytes_per_peer * (parties - 1),
        "dealer_bytes": cost.dealer_bytes,
        "seconds": max(outcome[0] for outcome in outcomes),
        "peer": "crypten",
        "peer_seconds": max(outcome[1] for outcome in outcomes),
        "products": count,
        "wrong": outcomes[0][2],
        "peer_wrong": outcomes[0][3],
    }


@contextmanager
def tls_channels(parties: int) -> Iterator[Channels]:
    """Start a node for each party and the dealer, on loopback, with certificates of their own."""
    names = party_names(parties)
    with TemporaryDirectory() as folder:
        world = World(folder=Path(folder), roles=dict.fromkeys(names, "site") | {DEALER: "dealer"})
        with Nodes(world, (*names, DEALER), silence_s=60.0) as nodes:
            yield lambda members, helper: nodes.meshes(members, helper, deadline_s=60.0)


def main() -> None:
    """Run all contests at two and three parties."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the rows instead of a table")
    parser.add_argument("--memory", action="store_true", help="channels in memory, without TLS")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    run_once(their_sign, 10, 2, None)  # loads CrypTen outside the clock
    rows, exact = [], []
    for parties in (2, 3):
        with nullcontext() if asked.memory else tls_channels(parties) as channels:
            rows += [contend(contest, parties, channels) for contest in CONTESTS]
            exact.append(wrong_products(parties, channels))
    rows += exact
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if asked.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'work':20} n rounds   bytes/party  dealer bytes      ours ms   crypten ms")
    for row in rows:
        print(
            f"{row['work']:20} {row['parties']} {row['rounds']:6} {row['bytes_per_party']:13,} "
            f"{row['dealer_bytes']:13,} {1000 * row['seconds']:12.2f} {1000 * row['peer_seconds']:12.2f}"
        )
    for row in rows[-2:]:
        wrong = f"{row['wrong']} of ours and {row['peer_wrong']} of crypten's wrong"
        print(f"{row['parties']} parties, {row['products']:,} products: {wrong}")


if __name__ == "__main__":
    main()
