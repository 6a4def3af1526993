"""Benchmark of Paillier and of sums by shares: ours against python-paillier, in turns in one process.

Times are CPU seconds of this process and its children, or wall seconds where a row says so; rows say what was timed on a
sample and scaled. Every opening is timed beside python-paillier's raw decryption of the same ciphertexts, in turns.
Prints a table (with --json the rows) and writes build/bench/paillier.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import secrets
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import phe

from federation.aggregation.claims import Claims
from federation.aggregation.manifest import Attempt, Manifest, vector_for
from federation.aggregation.masks import masked
from federation.aggregation.open_sum import KeyHolder
from federation.aggregation.opened_sums import OpenedSums
from federation.aggregation.secure_sum import SecureSum
from federation.aggregation.shared_sum import SharedSum
from federation.aggregation.update_cipher import UpdateCipher
from federation.network.in_memory import MemoryExchange
from federation.paillier.cipher import Encryptor
from federation.paillier.keys import generate_private_key
from federation.paillier.packing import Layout, pack
from federation.paillier.short_keys import generate_short_key
from federation.paillier.validation import parse_ciphertexts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CLAMP = (1 << 23) - 1
SAMPLED = ("phe packed (sampled)", "phe one by one (sampled)")
RAW = "phe raw decryption, same"
CORES = 2


def used() -> tuple[float, float]:
    """CPU seconds of this process, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time(), children.ru_utime + children.ru_stime


def seconds(work: Callable[[], object]) -> tuple[float, float, float]:
    """Time one call: CPU, wall, and the CPU of its longest path: this process and an equal part of ``CORES`` children.

    On a machine with idle cores the wall time is that of the path; a busy one shows nothing but its load there.
    """
    start, (own_before, children_before) = time.perf_counter(), used()
    work()
    own, children = used()
    own, children = own - own_before, children - children_before
    return own + children, time.perf_counter() - start, own + children / CORES


def cpu_seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    return seconds(work)[0]


def updates(length: int, sites: int) -> list[np.ndarray]:
    """Draw uniform integers within the clamp, one vector a site."""
    words = (np.frombuffer(secrets.token_bytes(8 * length), "<u8") for _ in range(sites))
    return [(w % (2 * CLAMP + 1)).astype(np.int64) - CLAMP for w in words]


class Contest:
    """A key of each type, one set of updates, and every contender's step as a function."""

    def __init__(self, *, length: int, sites: int, bits: int, sample: int, directory: Path) -> None:
        self.keys = {"full": generate_private_key(bits=bits), "short": generate_short_key(bits=bits)}
        self.key = self.keys["full"]
        self.layout = Layout(key_bits=bits, length=length, contributors=sites, half_range=CLAMP)
        self.names = tuple(f"site{i:02}" for i in range(sites))
        self.values, self.sample = updates(length, sites), sample
        self.total = np.sum(self.values, axis=0).tolist()
        self.theirs_public = self.key.public.to_phe()
        self.claims = Claims(directory / "answers.sqlite")
        self.holders = {
            "alone": KeyHolder(self.key, self.claims),
            "processes": KeyHolder(self.key, self.claims, processes=CORES),
            "short": KeyHolder(self.keys["short"], self.claims),
        }
        self.round_number = 0
        self.encryptors = {name: Encryptor(key.public) for name, key in self.keys.items()}
        pairs = {pair: secrets.token_bytes(32) for pair in itertools.combinations(self.names, 2)}
        self.pair_keys: dict[str, dict[str, bytes]] = {name: {} for name in self.names}
        for (one, other), pair_key in pairs.items():
            self.pair_keys[one][other] = self.pair_keys[other][one] = pair_key
        self.shares = self._share_ports()

    def _share_ports(self) -> dict[str, SharedSum]:
        exchange = MemoryExchange()
        networks = {name: exchange.network(name, "site") for name in self.names}
        return {
            name: SharedSum(site=name, network=networks[name], store=lambda: OpenedSums(None), deadline_s=60)
            for name in self.names
        }

    def manifest(self, *, run: str = "bench", kind: str = "full") -> Manifest:
        """Return the manifest of the round under way."""
        key = self.keys[kind].public
        return Manifest(
            attempt=Attempt(run=run, round_number=self.round_number, attempt=0),
            cohort=self.names,
            layout=self.layout,
            key_fingerprint=key.fingerprint,
            key_type=key.key_type,
        )

    def masked(self, site: str, manifest: Manifest, *, kind: str = "full") -> list[int]:
        """Pack and mask one site's values."""
        rows = pack(self.values[self.names.index(site)], self.layout, site=site)
        return masked(rows, manifest, site=site, keys=self.pair_keys[site], n=self.keys[kind].public.n)

    def masks(self) -> list[float]:
        """Time one site's masks beside the encryption of the same plaintexts, table included."""
        name, rows = self.names[0], pack(self.values[0], self.layout, site="a")
        manifest, keys, n = self.manifest(), self.pair_keys[name], self.key.public.n
        ours = cpu_seconds(lambda: masked(rows, manifest, site=name, keys=keys, n=n))
        return [ours, cpu_seconds(lambda: Encryptor(self.key.public).encrypt(rows))]

    def encrypt(self) -> list[float]:
        """Time one site's encryption: ours (its table included), packed phe, plain phe."""
        layout, update, manifest = self.layout, self.values[0], self.manifest()
        ours = cpu_seconds(lambda: Encryptor(self.key.public).encrypt(self.masked(self.names[0], manifest)))
        rows = pack(update, layout, site="a")[: self.sample]
        packed = cpu_seconds(lambda: [self.theirs_public.raw_encrypt(row) for row in rows])
        naive = cpu_seconds(lambda: [self.theirs_public.encrypt(int(v)) for v in update[: self.sample]])
        return [ours, packed * layout.count / len(rows), naive * layout.length / self.sample]

    def online(self, whole: float) -> list[float]:
        """Time pack, masks and encryption of one update with a full pool, beside the whole encryption."""
        encryptor = Encryptor(self.key.public)
        cipher = UpdateCipher(encryptor, SimpleNamespace(site=self.names[0]))  # type: ignore[arg-type]
        manifest, keys = self.manifest(), self.pair_keys[self.names[0]]
        cipher.prepare(manifest)
        while len(encryptor.pool) < self.layout.count:
            time.sleep(0.05)
        ours = cpu_seconds(lambda: cipher.update(self.values[0], manifest, keys))
        cipher.close()
        return [ours, whole]

    def aggregate(self, vectors: Sequence[bytes], manifest: Manifest) -> list[float]:
        """Time the aggregator's sum, ours with every check."""
        layout, n = self.layout, self.key.public.n
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
        return added

    def opened(self, holder: str, kind: str, vectors: Sequence[bytes]) -> list[tuple[float, float, float]]:
        """Time one opening, then phe's raw decryption of the same ciphertexts: CPU and wall of each.

        The masks cancel in the sum, so that the same updates serve under every manifest.
        """
        manifest, key = self.manifest(run=holder, kind=kind), self.keys[kind]
        aggregator = SecureSum(key.public)
        aggregator.begin(manifest)
        for name, vector in zip(self.names, vectors, strict=True):
            aggregator.accept(vector_for(manifest, vector), sender=name)
        total, answer = aggregator.total(manifest), []
        ours = seconds(
            lambda: answer.append(self.holders[holder].open_sum(manifest, total, sender="aggregator"))
        )
        assert answer[0].tolist() == self.total, "the opened sum is not the integer sum"
        theirs = key.to_phe()
        ciphertexts = parse_ciphertexts(total.ciphertexts, n=key.public.n, count=self.layout.count)
        numbers = [int(c) for c in ciphertexts]
        return [ours, seconds(lambda: [theirs.raw_decrypt(c) for c in numbers])]

    def vectors(self, manifest: Manifest, kind: str = "full") -> list[bytes]:
        """Encrypt every site's update."""
        return [self.encryptors[kind].encrypt(self.masked(name, manifest, kind=kind)) for name in self.names]

    def share(self) -> tuple[float, float, float]:
        """Time a whole round of all sites by shares: CPU and wall."""
        manifest = Manifest(
            attempt=Attempt(run="shares", round_number=self.round_number, attempt=0),
            cohort=self.names,
            layout=self.layout,
            key_fingerprint="",
            key_type="shares",
        )
        by_name = dict(zip(self.names, self.values, strict=True))

        def part(name: str) -> object:
            return self.shares[name].contribute(by_name[name], manifest, receivers=self.names)

        with ThreadPoolExecutor(len(self.names)) as threads:
            spent = seconds(lambda: list(threads.map(part, self.names)))
        kept = self.shares[self.names[0]]._opened.find("shares", self.round_number, 0)  # noqa: SLF001
        assert kept is not None
        assert np.frombuffer(kept.values, "<i8").tolist() == self.total
        return spent


def run_round(contest: Contest) -> dict[str, list[float]]:
    """Run every contender once, in turns; for each row its time and its peers'."""
    found = {"encrypt": contest.encrypt(), "masks": contest.masks()}
    found["encrypt, online part"] = contest.online(found["encrypt"][0])
    manifest = contest.manifest()
    vectors = contest.vectors(manifest)
    short = contest.vectors(contest.manifest(kind="short"), "short")
    found["aggregate"] = contest.aggregate(vectors, manifest)
    for label, holder, kind in (
        ("open", "alone", "full"),
        ("open in two processes", "processes", "full"),
        ("open, key of short exponents", "short", "short"),
    ):
        ours, theirs = contest.opened(holder, kind, short if kind == "short" else vectors)
        found[label] = [ours[0], theirs[0]]
        found[f"{label}, wall"] = [ours[1], theirs[1]]
        if holder == "processes":
            found[f"{label}, longest path"] = [ours[2], theirs[2]]
    shared = contest.share()
    paillier = len(contest.names) * found["encrypt"][0] + found["aggregate"][0] + found["open"][0]
    found["round by shares"] = [shared[0], paillier]
    found["round by shares, wall"] = [shared[1], paillier]
    contest.round_number += 1
    return found


PEERS = {
    "encrypt": SAMPLED,
    "aggregate": ("phe packed", "phe one by one (scaled)"),
    "masks": ("own encryption, whole",),
    "encrypt, online part": ("own encryption, whole",),
    "round by shares": ("own Paillier round, CPU",),
    "round by shares, wall": ("own Paillier round, CPU",),
}


def measure(contest: Contest, rounds: int) -> list[dict[str, object]]:
    """Run all contenders in turn and give one row for each step and peer: medians, and the median of the ratios."""
    every = [run_round(contest) for _ in range(rounds)]
    setting = f"{contest.layout.length} values, {contest.key.public.bits} bits"
    rows: list[dict[str, object]] = []
    for step in every[0]:
        for place, peer in enumerate(PEERS.get(step, (RAW,)), start=1):
            ratios = [one[step][place] / one[step][0] for one in every]
            rows.append(
                {
                    "work": f"paillier {step}: {setting}",
                    "parties": contest.layout.contributors,
                    "rounds": 1,
                    "bytes_per_party": contest.layout.count * contest.key.public.ciphertext_bytes,
                    "dealer_bytes": 0,
                    "seconds": round(statistics.median(one[step][0] for one in every), 4),
                    "peer": peer,
                    "peer_seconds": round(statistics.median(one[step][place] for one in every), 4),
                    "ratio": round(statistics.median(ratios), 3),
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
        peer = f"{row['peer']:26} {row['peer_seconds']:>10} s"
        print(f"{row['work']:66} {row['seconds']:>9} s   {peer}   {row['ratio']:10}x")
    print(f"bytes per site: {rows[0]['bytes_per_party']}")


if __name__ == "__main__":
    main()
