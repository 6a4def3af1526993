"""Ours against CrypTen in one process, the contenders taking turns over the same channels: mutual TLS on loopback.

Every party is a thread with one torch thread; material is fetched before the clock starts, for both. Seconds
are the slowest party's, the median of some repetitions. With --memory the channels are queues without TLS.
Prints a table (with --json the rows) and writes build/bench/smpc.json.
"""

# ruff: noqa: E402  (the search path is put right first)

from __future__ import annotations

import argparse
import functools
import json
import math
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
from smpc.engine.tensors import from_crypten, to_arithmetic, to_crypten
from smpc.operations import arithmetic, comparison, fixed_point, functions, truncation
from smpc.operations.fixed_point import FixedPoint
from smpc.operations.gram import gram, gram_of_rows
from smpc.operations.inputs import contribute
from smpc.operations.order import quantile_by_digits
from smpc.operations.reveal import reveal_to_all
from smpc.operations.sorting import sort
from smpc.simulator import DEALER, party_names, simulate
from tests.transport.tls_world import Nodes, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smpc.session import Session
    from smpc.sharing import Shared
    from smpc.simulator import Channels

    Work = Callable[[Session, Shared], Shared]
    Joint = Callable[[Session], Shared]

TARGET = Path("build/bench/smpc.json")
LOCAL_MAGNITUDE = 1 << 20
GRAM_COLUMNS = 20
SCALE = FixedPoint(fraction=16, integer=30)
LOGIT_BOUND = 16.0


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


def gram_of_shared(session: Session, x: Shared) -> Shared:
    """Multiply the transpose of 10,000 shared rows of 20 columns by them."""
    return gram(session, arithmetic.reshape(x, (-1, GRAM_COLUMNS)))


def their_gram(_: Session, x: Shared) -> Shared:
    """Do the same by CrypTen, on integers."""
    rows = to_arithmetic(arithmetic.reshape(x, (-1, GRAM_COLUMNS)))
    return from_crypten(rows.t().matmul(rows))


def matrix_product(session: Session, x: Shared) -> Shared:
    """Multiply two square matrices."""
    square = arithmetic.reshape(x, (math.isqrt(x.size), -1))
    return arithmetic.matmul(session, square, square)


def their_matrix_product(_: Session, x: Shared) -> Shared:
    """Do the same by CrypTen, on integers."""
    square = to_arithmetic(arithmetic.reshape(x, (math.isqrt(x.size), -1)))
    return from_crypten(square.matmul(square))


def sorted_values(session: Session, numbers: np.ndarray) -> np.ndarray:
    """Share what the first party holds, sort it in secret, open the outcome."""
    values, _ = sort(session, contribution(session, numbers), 24)
    return reveal_to_all(session, values)


def median_of_rows(session: Session, numbers: np.ndarray) -> np.ndarray:
    """Open the median of rows of which each party holds a part."""
    own = numbers[session.rank :: session.n_parties]
    bounds = (-LOCAL_MAGNITUDE, LOCAL_MAGNITUDE)
    door = functools.partial(reveal_to_all, session)
    return np.array([quantile_by_digits(session, own, bounds, (1, 2), numbers.size, door)])


def gram_of_own_rows(session: Session, numbers: np.ndarray) -> np.ndarray:
    """Open the Gram matrix of rows of which each party holds a part."""
    rows = numbers.reshape(-1, GRAM_COLUMNS)
    own = rows[session.rank :: session.n_parties]
    return reveal_to_all(session, gram_of_rows(session, own, LOCAL_MAGNITUDE, len(rows)))


def gram_in_the_clear(numbers: np.ndarray) -> np.ndarray:
    """Return what ``gram_of_own_rows`` opens."""
    rows = numbers.reshape(-1, GRAM_COLUMNS)
    return (rows.T @ rows)[np.triu_indices(GRAM_COLUMNS)]


def median_in_the_clear(numbers: np.ndarray) -> np.ndarray:
    """Return what ``median_of_rows`` opens."""
    return np.quantile(numbers, [0.5], method="inverted_cdf")


class Solo(NamedTuple):
    """One row without a contender, opening included: its name, how many numbers, ours, numpy's, and how often."""

    name: str
    count: int
    ours: Callable[[Session, np.ndarray], np.ndarray]
    clear: Callable[[np.ndarray], np.ndarray]
    repeats: int


SOLOS = (
    Solo("sort_10000", 10_000, sorted_values, np.sort, 5),
    Solo("median_10000", 10_000, median_of_rows, median_in_the_clear, 7),
    Solo("xtx_rows", 10_000 * GRAM_COLUMNS, gram_of_own_rows, gram_in_the_clear, 7),
)


CONTESTS = (
    Contest("compare64_100000", 100_000, sign(64), their_sign, 3),
    Contest("compare64_1000", 1000, sign(64), their_sign, 7),
    Contest("compare64_10", 10, sign(64), their_sign, 7),
    Contest("compare24_100000", 100_000, sign(24), their_sign, 3),
    Contest("compare24_1000", 1000, sign(24), their_sign, 7),
    Contest("compare24_10", 10, sign(24), their_sign, 7),
    Contest("threshold_1000", 1000, threshold, their_threshold, 7),
    Contest("multiply_1000000", 1_000_000, product, their_product, 3),
    Contest("xtx_secret", 10_000 * GRAM_COLUMNS, gram_of_shared, their_gram, 5),
    Contest("matmul_500", 500 * 500, matrix_product, their_matrix_product, 3),
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


def pairs_up_to(count: int, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw fixed-point numbers whose products have all magnitudes below a power of two."""
    random = np.random.default_rng(21)
    exponents, part = random.uniform(0, bits - 0.01, count), random.uniform(0, 1, count)
    signs = random.choice([-1.0, 1.0], (2, count))
    x, y = signs[0] * np.exp2(exponents * part), signs[1] * np.exp2(exponents * (1 - part))
    return SCALE.encode(x), SCALE.encode(y)


def products_exact(parties: int, channels: Channels | None, count: int = 1_000_000) -> dict[str, object]:
    """Multiply numbers with 16 binary places, products up to 2^30, by both; count the wrong ones.

    Ours is wrong where it is not the exact product rounded; CrypTen's where it is off by more than 1.
    """
    left, right = pairs_up_to(count, 30)
    exact = (left * right + (1 << 15)) >> 16

    def mine(session: Session) -> Shared:
        x, y = contribution(session, left), contribution(session, right)
        return fixed_point.multiply(session, x, y, SCALE)

    def theirs(session: Session) -> Shared:
        x, y = (to_crypten(contribution(session, n), precision_bits=16) for n in (left, right))
        return from_crypten(x * y, precision_bits=16)

    (seconds, opened), (their_seconds, other) = in_turns(mine, theirs, parties, channels)
    return {
        **priced("products_exact", mine, parties),
        "seconds": seconds,
        "peer_seconds": their_seconds,
        "products": count,
        "wrong": int(np.sum(opened != exact)),
        "peer_wrong": int(np.sum(np.abs(other - exact) > 1 << 16)),
    }


def logistic_data(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw standard normal features and outcomes of a logistic model."""
    random = np.random.default_rng(22)
    x = random.standard_normal((rows, columns)).clip(-4, 4)
    truth = np.linspace(-1, 1, columns)
    y = random.uniform(size=rows) < 1 / (1 + np.exp(-x @ truth))
    return x, y.astype(np.float64)[:, np.newaxis]


def logistic_secret(parties: int, channels: Channels | None, steps: int = 10) -> dict[str, object]:
    """Fit a logistic regression on secret features and outcomes, nothing opened but the coefficients.

    1024 rows, 8 features, some full gradient steps; errors are against the same steps in float64.
    """
    features, outcomes = logistic_data(1024, 8)
    exact = np.zeros((8, 1))
    for _ in range(steps):
        logits = features @ exact
        if np.max(np.abs(logits)) >= LOGIT_BOUND:
            raise SystemExit("logistic_secret: a logit outside the declared range")
        exact -= features.T @ (1 / (1 + np.exp(-logits)) - outcomes) / 512
    encoded, labels = SCALE.encode(features), SCALE.encode(outcomes)

    def mine(session: Session) -> Shared:
        x, y = contribution(session, encoded), contribution(session, labels)
        columns, fitted = arithmetic.transpose(x), contribution(session, np.zeros((8, 1), np.int64))
        for _ in range(steps):
            logits = fixed_point.matmul(session, x, fitted, SCALE)
            chances = functions.sigmoid(session, logits, -LOGIT_BOUND, LOGIT_BOUND, SCALE)
            raw = arithmetic.matmul(session, columns, arithmetic.subtract(chances, y))
            step = truncation.truncate(session, raw, 16 + 9, SCALE.wide_bits, is_rounded=True)
            fitted = arithmetic.subtract(fitted, step)
        return fitted

    def theirs(session: Session) -> Shared:
        x, y, fitted = (
            to_crypten(contribution(session, part), precision_bits=16)
            for part in (encoded, labels, np.zeros((8, 1), np.int64))
        )
        for _ in range(steps):
            fitted = fitted - x.t().matmul(x.matmul(fitted).sigmoid() - y) / 512
        return from_crypten(fitted, precision_bits=16)

    (seconds, opened), (their_seconds, other) = in_turns(mine, theirs, parties, channels)
    return {
        **priced("logistic_secret", mine, parties),
        "seconds": seconds,
        "peer_seconds": their_seconds,
        "error": float(np.max(np.abs(SCALE.decode(opened) - exact))),
        "peer_error": float(np.max(np.abs(SCALE.decode(other) - exact))),
    }


def in_turns(
    mine: Joint, theirs: Joint, parties: int, channels: Channels | None, repeats: int = 3
) -> list[tuple[float, np.ndarray]]:
    """Return, for each of two joint functions that take turns, the median time and the last outcome."""
    runs = [[timed(work, parties, channels) for work in (mine, theirs)] for _ in range(repeats)]
    return [(statistics.median(run[i][0] for run in runs), runs[-1][i][1]) for i in range(2)]


def timed(work: Joint, parties: int, channels: Channels | None) -> tuple[float, np.ndarray]:
    """Time one joint function at the slowest party, its material fetched beforehand, and open its outcome."""
    needed = dry_run(work, parties).requests

    def joint(session: Session) -> tuple[float, np.ndarray]:
        session.prefetch(needed)
        reveal_to_all(session, contribution(session, np.zeros(1, np.int64)))  # all parties start together
        start = time.perf_counter()
        outcome = work(session)
        seconds = time.perf_counter() - start
        return seconds, reveal_to_all(session, outcome)

    outcomes = simulate(joint, parties, prefetch=False, timeout_s=240, channels=channels).values()
    return max(seconds for seconds, _ in outcomes), outcomes[0][1]


def priced(name: str, work: Joint, parties: int) -> dict[str, object]:
    """Return what every row says of our cost."""
    cost = dry_run(work, parties)
    return {
        "work": name,
        "parties": parties,
        "rounds": cost.rounds,
        "bytes_per_party": cost.bytes_per_peer * (parties - 1),
        "dealer_bytes": cost.dealer_bytes,
        "peer": "crypten",
    }


def alone(solo: Solo, parties: int, channels: Channels | None) -> dict[str, object]:
    """Time a work from the parties' numbers to the opened outcome, check it against numpy, and make the row."""
    numbers = values(solo.count)
    cost = dry_run(lambda session: solo.ours(session, numbers), parties)

    def joint(session: Session) -> tuple[float, np.ndarray]:
        session.prefetch(cost.requests)
        reveal_to_all(session, contribution(session, numbers[:1]))  # all parties start together
        start = time.perf_counter()
        outcome = solo.ours(session, numbers)
        return time.perf_counter() - start, outcome

    seconds = []
    for _ in range(solo.repeats):
        outcomes = simulate(joint, parties, prefetch=False, timeout_s=120, channels=channels).values()
        seconds.append(max(own for own, _ in outcomes))
        if not np.array_equal(outcomes[0][1], solo.clear(numbers)):
            raise SystemExit(f"{solo.name}: not what numpy finds")
    return {
        "work": solo.name,
        "parties": parties,
        "rounds": cost.rounds,
        "bytes_per_party": cost.bytes_per_peer * (parties - 1),
        "dealer_bytes": cost.dealer_bytes,
        "seconds": statistics.median(seconds),
        "peer": None,
        "peer_seconds": None,
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
    rows, exact, solos = [], [], []
    for parties in (2, 3):
        with nullcontext() if asked.memory else tls_channels(parties) as channels:
            rows += [contend(contest, parties, channels) for contest in CONTESTS]
            exact += [products_exact(parties, channels), logistic_secret(parties, channels)]
            solos += [alone(solo, parties, channels) for solo in SOLOS]
    rows += exact + solos
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if asked.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'work':20} n rounds   bytes/party  dealer bytes      ours ms   crypten ms")
    for row in rows:
        theirs = "-" if row["peer_seconds"] is None else f"{1000 * row['peer_seconds']:.2f}"
        print(
            f"{row['work']:20} {row['parties']} {row['rounds']:6} {row['bytes_per_party']:13,} "
            f"{row['dealer_bytes']:13,} {1000 * row['seconds']:12.2f} {theirs:>12}"
        )
    for row in exact:
        if "wrong" in row:
            wrong = f"{row['wrong']} of ours and {row['peer_wrong']} of crypten's wrong"
            print(f"{row['parties']} parties, {row['products']:,} products: {wrong}")
        else:
            print(
                f"{row['parties']} parties, errors: ours {row['error']:.1e}, crypten's {row['peer_error']:.1e}"
            )


if __name__ == "__main__":
    main()
