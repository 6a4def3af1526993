"""Three computing sites against a dealer, in one process and one run: threads over mutual TLS on loopback.

The contenders take turns; a run is keys, input, material and the work itself. Seconds are medians, and mean something as
ratios to the first contender of the same row alone. Bytes are those that all parties together sent, an element.
Prints a table; with --delay every sending waits so many seconds, to see what a distance costs.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from smpc.cost import dry_run
from smpc.operations import arithmetic, comparison
from smpc.operations.inputs import contribute
from smpc.simulator import DEALER, party_names, simulate
from tests.transport.tls_world import Nodes, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from smpc.session import Session
    from smpc.sharing import Shared
    from smpc.simulator import Channels

    Work = Callable[[Session, Shared], Shared]

REPEATS = 5
WORK: dict[str, tuple[int, Work]] = {
    "64-bit comparison": (100_000, lambda session, x: comparison.is_negative(session, x, 64)),
    "24-bit comparison": (100_000, lambda session, x: comparison.is_negative(session, x, 24)),
    "product": (100_000, lambda session, x: arithmetic.multiply(session, x, x)),
    "10 comparisons": (10, lambda session, x: comparison.is_negative(session, x, 24)),
}


class Contender(NamedTuple):
    """So many parties, with a dealer or not."""

    n_parties: int
    has_three_sites: bool

    @property
    def label(self) -> str:
        """For the table."""
        return f"{self.n_parties} sites, " + ("three compute" if self.has_three_sites else "dealer")


PAIRS = [[Contender(n_parties=n, has_three_sites=mode) for mode in (False, True)] for n in (3, 4)]


def main() -> None:
    """Run every work with three and with four sites."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0, help="wait before every sending (s)")
    delay_s = parser.parse_args().delay
    names = party_names(4)
    with TemporaryDirectory() as folder:
        world = World(folder=Path(folder), roles=dict.fromkeys(names, "site") | {DEALER: "dealer"})
        with Nodes(world, (*names, DEALER), delay_s=delay_s) as nodes:
            for name, (count, work) in WORK.items():
                for contenders in PAIRS:
                    compete(name, count, work, contenders, nodes.meshes)


def compete(name: str, count: int, work: Work, contenders: list[Contender], channels: Channels) -> None:
    """Let the contenders take turns and print a line for each."""
    numbers = np.arange(count) - count // 2

    def joint(session: Session) -> int:
        return work(session, contribute(session, numbers)).size

    seconds: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    sent: dict[Contender, int] = {}
    for _ in range(REPEATS):
        for contender in contenders:
            run = simulate(
                joint, contender.n_parties, has_three_sites=contender.has_three_sites, channels=channels
            )
            run.values()
            seconds[contender].append(run.seconds)
            sent[contender] = sum(sum(each.bytes_sent.values()) for each in run.counters.values())
    medians = {contender: statistics.median(times) for contender, times in seconds.items()}
    for contender in contenders:
        rounds = dry_run(joint, contender.n_parties, has_three_sites=contender.has_three_sites).rounds
        ratio = medians[contender] / medians[contenders[0]]
        print(
            f"{name:18} {contender.label:22} {rounds} rounds {sent[contender] / count:8.1f} B "
            f"{1000 * medians[contender]:8.1f} ms {ratio:5.2f}"
        )


if __name__ == "__main__":
    main()
