"""Ours against CrypTen in one process, the contenders taking turns over the same channels: mutual TLS on loopback.

Every party is a thread with one torch thread; material is fetched before the clock starts, for both. Seconds
are the slowest party's, the 10th percentile of some repetitions. With --memory the channels are queues without
TLS. Prints a table (with --json the rows) and writes build/bench/smpc.json.
"""

from __future__ import annotations

import argparse
import functools
import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.smpc.alone import SOLOS, alone
from benchmarks.smpc.channels import tls_channels
from benchmarks.smpc.contests import CONTESTS, contend, their_sign
from benchmarks.smpc.exactness import CHUNK, products_exact
from benchmarks.smpc.regression import logistic_secret
from benchmarks.smpc.rows import timed, values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.smpc.rows import Row
    from smpc.simulator import Channels

    Maker = Callable[[int, Channels | None], Row]

TARGET = Path("build/bench/smpc.json")


def makers() -> dict[str, Maker]:
    """Return what makes each row, by its name."""
    contests: dict[str, Maker] = {
        contest.name: lambda parties, channels, contest=contest: contend(contest, parties, channels)
        for contest in CONTESTS
    }
    solos: dict[str, Maker] = {
        solo.name: lambda parties, channels, solo=solo: alone(solo, parties, channels) for solo in SOLOS
    }
    return contests | {"products_exact": products_exact, "logistic_secret": logistic_secret} | solos


def show(rows: Sequence[Row]) -> None:
    """Print the table, and below it what single works tell."""
    print(f"{'work':18} n rounds  bytes/peer dealer bytes   ours ms crypten ms")
    for row in rows:
        theirs = "-" if row.peer_seconds is None else f"{1000 * row.peer_seconds:.2f}"
        print(
            f"{row.work:18} {row.parties} {row.rounds:6} {row.bytes_per_peer:11,} "
            f"{row.dealer_bytes:12,} {1000 * row.seconds:9.2f} {theirs:>10}"
        )
    for row in rows:
        if row.extra:
            print(
                f"{row.work}, {row.parties} parties: "
                + ", ".join(f"{k} {v:.4g}" for k, v in row.extra.items())
            )


def main() -> None:
    """Run what was asked for, at two and three parties."""
    known = makers()
    parser = argparse.ArgumentParser(prog="benchmarks.smpc", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the rows instead of a table")
    parser.add_argument("--memory", action="store_true", help="channels in memory, without TLS")
    parser.add_argument("--only", nargs="+", choices=known, default=list(known), help="these rows alone")
    parser.add_argument("--parties", nargs="+", type=int, default=[2, 3], help="how many compute")
    parser.add_argument(
        "--products", type=int, default=CHUNK, help="how many products_exact checks, in chunks"
    )
    asked = parser.parse_args()
    known["products_exact"] = functools.partial(products_exact, count=asked.products)
    torch.set_num_threads(1)
    timed(their_sign, 2, None, [values(10)])  # loads CrypTen outside the clock
    rows = []
    for parties in asked.parties:
        with nullcontext() if asked.memory else tls_channels(parties) as channels:
            rows += [known[name](parties, channels) for name in asked.only]
    written = json.dumps([row.as_json() for row in rows], indent=1)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(written + "\n", encoding="utf-8")
    if asked.json:
        print(written)
    else:
        show(rows)


if __name__ == "__main__":
    main()
