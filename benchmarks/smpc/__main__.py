"""Ours against CrypTen in one process tree, the contenders taking turns over the same channels: mutual TLS on loopback.

Every party, and the dealer, is a process with one torch thread; material is fetched before the clock starts, for
both. Seconds are the slowest party's, the 10th percentile of some repetitions. With --memory the parties are threads
of one process, and the channels queues without TLS. Prints a table (with --json the rows) and writes build/bench/smpc.json.
"""

from __future__ import annotations

import argparse
import functools
import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.smpc.exactness import CHUNK
from benchmarks.smpc.seats import Threads, processes
from benchmarks.smpc.works import makers, work_through

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.smpc.rows import Row

TARGET = Path("build/bench/smpc.json")


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
    known = list(makers())
    parser = argparse.ArgumentParser(prog="benchmarks.smpc", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the rows instead of a table")
    parser.add_argument("--memory", action="store_true", help="channels in memory, without TLS")
    parser.add_argument("--only", nargs="+", choices=known, default=known, help="these rows alone")
    parser.add_argument("--parties", nargs="+", type=int, default=[2, 3], help="how many compute")
    parser.add_argument(
        "--products", type=int, default=CHUNK, help="how many products_exact checks, in chunks"
    )
    asked = parser.parse_args()
    program = functools.partial(work_through, asked.only, asked.products)
    rows: list[Row] = []
    for parties in asked.parties:
        with nullcontext(Threads(parties)) if asked.memory else processes(parties, program) as seat:
            rows += program(seat)
    written = json.dumps([row.as_json() for row in rows], indent=1)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(written + "\n", encoding="utf-8")
    if asked.json:
        print(written)
    else:
        show(rows)


if __name__ == "__main__":
    main()
