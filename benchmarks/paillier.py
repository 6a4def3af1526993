"""Benchmark of Paillier: ours against python-paillier, packed and one value each, in turns in one process.

Times are CPU seconds of this process. What would take an hour is timed on a sample and scaled; its row
says so.
Prints a table (with --json the rows) and writes build/bench/paillier.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import phe

from federation.aggregation.claims import Claims
from federation.aggregation.manifest import Attempt, Manifest, vector_for
from federation.aggregation.masks import masked
from federation.aggregation.open_sum import KeyHolder
from federation.aggregation.secure_sum import SecureSum
from federation.paillier.cipher import Encryptor
from federation.paillier.keys import generate_private_key
from federation.paillier.packing import Layout, pack
from federation.paillier.validation import parse_ciphertexts

if TYPE_CHECKING:
    from collections.abc import Callable

CLAMP = (1 << 23) - 1
PEERS = ("phe packed (sampled)", "phe one by one (sampled)")


def cpu_seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def updates(length: int, sites: int) -> list[np.ndarray]:
    """Draw uniform integers within the clamp, one vector a site."""
    words = (np.frombuffer(secrets.token_bytes(8 * length), "<u8") for _ in range(sites))
    return [(w % (2 * CLAMP + 1)).astype(np.int64) - CLAMP for w in words]


class Contest:
    """One key, one set of updates, and every contender's step as a function."""

    def __init__(self, *, length: int, sites: int, bits: int, sample: int, directory: Path) -> None:
        self.key = generate_private_key(bits=bits)
        self.layout = Layout(key_bits=bits, length=length, contributors=sites, half_range=CLAMP)
        self.names = tuple(f"site{i:02}" for i in range(sites))
        self.values, self.sample = updates(length, sites), sample
        self.theirs_public, self.theirs = self.key.public.to_phe(), self.key.to_phe()
        self.holder = KeyHolder(self.key, Claims(directory / "answers.sqlite"))
        self.round_number = 0
        pairs = {pair: secrets.token_bytes(32) for pair in itertools.combinations(self.names, 2)}
        self.pair_keys: dict[str, dict[str, bytes]] = {name: {} for name in self.names}
        for (one, other), pair_key in pairs.items():
            self.pair_keys[one][other] = self.pair_keys[other][one] = pair_key

    def manifest(self) -> Manifest:
        """Return the manifest of the round under way."""
        return Manifest(
            attempt=Attempt(run="bench", round_number=self.round_number, attempt=0),
            cohort=self.names,
            layout=self.layout,
            key_fingerprint=self.key.public.fingerprint,
        )

    def masked(self, site: str, values: np.ndarray) -> list[int]:
        """Pack and mask one site's values."""
        rows = pack(values, self.layout, site=site)
        keys = self.pair_keys[site]
        return masked(rows, self.manifest(), site=site, keys=keys, n=self.key.public.n)

    def masks(self) -> list[float]:
        """Time one site's masks beside the encryption of the same plaintexts, table included."""
        name, rows = self.names[0], pack(self.values[0], self.layout, site="a")
        manifest, keys, n = self.manifest(), self.pair_keys[name], self.key.public.n
        ours = cpu_seconds(lambda: masked(rows, manifest, site=name, keys=keys, n=n))
        return [ours, cpu_seconds(lambda: Encryptor(self.key.public).encrypt(rows))]

    def encrypt(self) -> list[float]:
        """Time one site's encryption: ours (first round, its table included), packed phe, plain phe."""
        layout, update = self.layout, self.values[0]
        ours = cpu_seconds(lambda: Encryptor(self.key.public).encrypt(self.masked(self.names[0], update)))
        rows = pack(update, layout, site="a")[: self.sample]
        packed = cpu_seconds(lambda: [self.theirs_public.raw_encrypt(row) for row in rows])
        naive = cpu_seconds(lambda: [self.theirs_public.encrypt(int(v)) for v in update[: self.sample]])
        return [ours, packed * layout.count / len(rows), naive * layout.length / self.sample]

    def sum_and_open(self, vectors: list[bytes]) -> tuple[list[float], list[float]]:
        """Time the aggregator's sum (ours with every check) and the key holder's opening."""
        layout, n = self.layout, self.key.public.n
        manifest = self.manifest()
        aggregator = SecureSum(self.key.public)
        aggregator.begin(manifest)

        def collect() -> None:
            for name, vector in zip(self.names, vectors, strict=True):
                aggregator.accept(vector_for(manifest, vector), sender=name)

        added = [cpu_seconds(collect)]
        raw = [[int(c) for c in parse_ciphertexts(v, n=n, count=layout.count)] for v in vectors]
        numbers = [[phe.EncryptedNumber(self.theirs_public, c, 0) for c in column] for column in raw]
        added.append(
            cpu_seconds(lambda: [sum(column[1:], column[0]) for column in zip(*numbers, strict=True)])
        )
        added.append(added[1] * layout.length / layout.count)

        opened = [0.0]
        answer = []
        opened[0] = cpu_seconds(
            lambda: answer.append(
                self.holder.open_sum(manifest, aggregator.total(manifest), sender="aggregator")
            )
        )
        assert answer[0].tolist() == np.sum(self.values, axis=0).tolist(), (
            "the opened sum is not the integer sum"
        )
        self.round_number += 1
        few = raw[0][: self.sample]
        one = cpu_seconds(lambda: [self.theirs.raw_decrypt(c) for c in few]) / len(few)
        return added, [*opened, one * layout.count, one * layout.length]


def measure(contest: Contest, rounds: int) -> list[dict[str, object]]:
    """Run all contenders in turn and give one row for each step and peer."""
    times: dict[str, list[list[float]]] = {"encrypt": [], "aggregate": [], "open": []}
    masks: list[list[float]] = []
    encryptor = Encryptor(contest.key.public)
    for _ in range(rounds):
        times["encrypt"].append(contest.encrypt())
        masks.append(contest.masks())
        vectors = [
            encryptor.encrypt(contest.masked(name, values))
            for name, values in zip(contest.names, contest.values, strict=True)
        ]
        added, opened = contest.sum_and_open(vectors)
        times["aggregate"].append(added)
        times["open"].append(opened)
    bytes_per_party = contest.layout.count * contest.key.public.ciphertext_bytes
    rows: list[dict[str, object]] = []
    setting = f"{contest.layout.length} values, {contest.key.public.bits} bits"
    measurements = {step: (measured, PEERS) for step, measured in times.items()}
    for step, (measured, peers) in (measurements | {"masks": (masks, ("own encryption, whole",))}).items():
        ours, *theirs = (statistics.median(column) for column in zip(*measured, strict=True))
        for peer, seconds in zip(peers, theirs, strict=True):
            rows.append(
                {
                    "work": f"paillier {step}: {setting}",
                    "parties": contest.layout.contributors,
                    "rounds": 1,
                    "bytes_per_party": bytes_per_party,
                    "dealer_bytes": 0,
                    "seconds": round(ours, 4),
                    "peer": peer,
                    "peer_seconds": round(seconds, 4),
                }
            )
    return rows


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=100_000)
    parser.add_argument("--sites", type=int, default=5)
    parser.add_argument("--bits", type=int, default=3072)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON instead of a table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        contest = Contest(
            length=arguments.length,
            sites=arguments.sites,
            bits=arguments.bits,
            sample=arguments.sample,
            directory=Path(directory),
        )
        rows = measure(contest, arguments.rounds)
    text = json.dumps(rows, indent=1)
    target = Path(__file__).parents[1] / "build" / "bench" / "paillier.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n")
    if arguments.json:
        print(text)
        return
    for row in rows:
        ratio = float(str(row["peer_seconds"])) / float(str(row["seconds"]))
        peer = f"{row['peer']:26} {row['peer_seconds']:>10} s"
        print(f"{row['work']:45} {row['seconds']:>9} s   {peer}   {ratio:8.1f}x")
    print(f"bytes per site: {rows[0]['bytes_per_party']}")


if __name__ == "__main__":
    main()
