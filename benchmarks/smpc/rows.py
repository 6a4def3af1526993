"""Rows of the benchmark, and the timing of one run of a joint function.

A row is plain data: the table, the JSON and any comparison with others are made from it alone.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from smpc.cost import dry_run
from smpc.operations.inputs import contribute
from smpc.operations.reveal import reveal_to_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.smpc.seats import Seat
    from smpc.session import Session
    from smpc.sharing import Shared

    Joint = Callable[[Session], Shared]

LOCAL_MAGNITUDE = 1 << 20
TRUST = "semi-honest: any n-1 of n parties may collude; one dealer that does not collude"
NO_DEALER = "semi-honest: any n-1 of n parties may collude; no dealer"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One work at one number of parties.

    Attributes:
        work: short name, the same in every version.
        description: the work in words.
        parties: how many compute.
        rounds: exchanges among them; fetching the material is one more, outside the clock.
        bytes_per_peer: payload that a party sends to each other party.
        dealer_bytes: payload that the dealer sends to all.
        seconds: the slowest party's, 10th percentile of the repetitions.
        peer: who did the same work in turns, on the same channels.
        peer_seconds: likewise, of the same run.
        trust: the model under which the work is private.
        extra: facts of this work alone, such as errors.
    """

    work: str
    description: str
    parties: int
    rounds: int
    bytes_per_peer: int
    dealer_bytes: int
    seconds: float
    peer: str | None = None
    peer_seconds: float | None = None
    trust: str = TRUST
    extra: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the row as it is written: one level deep."""
        row = asdict(self)
        return {**row, "bytes_per_party": self.bytes_per_peer * (self.parties - 1), **row.pop("extra")}


def row_of(
    name: str,
    description: str,
    work: Callable[[Session], object],
    parties: int,
    times: Sequence[Sequence[float]],
    **extra: float,
) -> Row:
    """Make a row: cost by a dry run, ours and (where there is a second list) CrypTen's seconds."""
    cost = dry_run(work, parties)
    fast = [float(np.percentile(seconds, 10)) for seconds in times]
    return Row(
        work=name,
        description=description,
        parties=parties,
        rounds=cost.rounds,
        bytes_per_peer=cost.bytes_per_peer,
        dealer_bytes=cost.dealer_bytes,
        seconds=fast[0],
        peer="crypten" if len(fast) > 1 else None,
        peer_seconds=fast[1] if len(fast) > 1 else None,
        trust=TRUST if cost.dealer_bytes else NO_DEALER,
        extra=extra,
    )


def values(count: int) -> np.ndarray:
    """Draw numbers of both signs, within 22 bits."""
    return np.random.default_rng(20).integers(-LOCAL_MAGNITUDE, LOCAL_MAGNITUDE, count)


def contribution(session: Session, numbers: np.ndarray) -> Shared:
    """Share what the first party holds."""
    return contribute(session, numbers if session.is_first else np.zeros_like(numbers))


def timed(
    work: Callable[[Session], Shared | np.ndarray], seat: Seat, inputs: Sequence[np.ndarray] = ()
) -> tuple[float, np.ndarray]:
    """Time one joint function at the slowest party and open its outcome where it is shared; the same at all parties.

    The inputs are shared, and the material fetched, before the clock starts.
    """

    def rehearsed(session: Session) -> object:
        return work(session, *(contribution(session, numbers) for numbers in inputs))

    needed = dry_run(rehearsed, seat.n_parties).requests

    def joint(session: Session) -> tuple[float, np.ndarray]:
        session.prefetch(needed)
        shares = [contribution(session, numbers) for numbers in inputs]
        reveal_to_all(session, contribution(session, np.zeros(1, np.int64)))  # all parties start together
        start = time.perf_counter()
        outcome = work(session, *shares)
        seconds = slowest(session, time.perf_counter() - start)
        return seconds, outcome if isinstance(outcome, np.ndarray) else reveal_to_all(session, outcome)

    return seat.play(joint)


def slowest(session: Session, seconds: float) -> float:
    """Tell all parties what the slowest took."""
    nanoseconds = np.zeros(session.n_parties, np.int64)
    nanoseconds[session.rank] = round(seconds * 1e9)
    return float(reveal_to_all(session, contribute(session, nanoseconds)).max()) / 1e9


def in_turns(
    works: Sequence[Callable[..., Shared | np.ndarray]],
    seat: Seat,
    inputs: Sequence[np.ndarray] = (),
    repeats: int = 3,
) -> tuple[list[list[float]], list[np.ndarray]]:
    """Run joint functions in turns; return each one's seconds and each one's last outcome."""
    runs = [[timed(work, seat, inputs) for work in works] for _ in range(repeats)]
    return [[run[i][0] for run in runs] for i in range(len(works))], [outcome for _, outcome in runs[-1]]
