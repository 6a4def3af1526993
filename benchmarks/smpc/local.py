"""Local computations of one party: matrix products by shape and kernel, and keystreams.

Run by ``make bench-kernels``; prints milliseconds on one thread, the way that ``smpc.kernels`` chooses
in brackets, and gigabytes a second of keystream beside what OpenSSL says of itself.
"""

from __future__ import annotations

import itertools
import subprocess
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from smpc.kernels import Kernel, chosen, matmul, multiply_by
from smpc.randomness import Keystream, fresh_key

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = (
    (500, 500, 500),
    (200, 200, 200),
    (50, 50, 50),
    (16, 16, 16),
    (20, 10_000, 20),
    (10_000, 20, 20),
    (2000, 3, 2000),
    (1, 1000, 1000),
    (1000, 30, 1),
    (30, 1000, 1),
)
LIMB_BITS = 22
STREAM_BYTES = 8_000_000


def fastest(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the seconds of the fastest repetition."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def limbs(x: np.ndarray) -> list[np.ndarray]:
    """Cut ring elements into three signed limbs of 22 bits (the highest of 20), as floats."""
    parts = []
    for _ in range(2):
        low = ((x + (1 << (LIMB_BITS - 1))) & ((1 << LIMB_BITS) - 1)) - (1 << (LIMB_BITS - 1))
        parts.append(low.astype(np.float64))
        x = (x - low) >> LIMB_BITS
    return [*parts, x.astype(np.float64)]


def by_limbs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply by six float64 products; exact while a sum has at most 2^9 terms, by blocks of that length."""
    total = np.zeros((a.shape[0], b.shape[1]), np.int64)
    for start in range(0, a.shape[1], 1 << 9):
        left, right = limbs(a[:, start : start + (1 << 9)]), limbs(b[start : start + (1 << 9)])
        for i, j in itertools.product(range(3), repeat=2):
            if i + j < 3:
                total += (left[i] @ right[j]).astype(np.int64) << (LIMB_BITS * (i + j))
    return total


def by_torch(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply by torch's integer kernel."""
    return torch.matmul(torch.from_numpy(a), torch.from_numpy(b)).numpy()


def products() -> None:
    """Print every way's time at every shape, having checked that all agree."""
    random = np.random.default_rng(23)
    ways = {kernel.value: lambda a, b, kernel=kernel: multiply_by(kernel, a, b) for kernel in Kernel}
    ways |= {"float64": by_limbs, "torch": by_torch}
    print(f"{'shape (ms)':18}" + "".join(f"{name:>11}" for name in ways))
    for m, k, n in SHAPES:
        a, b = (random.integers(-(1 << 63), (1 << 63) - 1, size) for size in ((m, k), (k, n)))
        exact, cells = matmul(a, b), []
        for name, way in ways.items():
            assert np.array_equal(way(a, b), exact), name
            text = f"{1000 * fastest(lambda way=way, a=a, b=b: way(a, b)):.3f}"
            cells.append(f"[{text}]" if name == chosen(m, k, n) else text)
        print(f"{f'{m} x {k} x {n}':18}" + "".join(f"{cell:>11}" for cell in cells))


def keystreams() -> None:
    """Print gigabytes a second: drawn into new memory, added to numbers in place, and OpenSSL's own."""
    stream, total = Keystream(fresh_key()), np.zeros(STREAM_BYTES // 8, np.int64)
    print(
        f"keystream, new bytes: {STREAM_BYTES / fastest(lambda: stream.draw_bytes(STREAM_BYTES)) / 1e9:.1f} GB/s"
    )
    print(f"keystream, added in place: {STREAM_BYTES / fastest(lambda: stream.add_to(total)) / 1e9:.1f} GB/s")
    command = ["openssl", "speed", "-seconds", "1", "-bytes", "16384", "-evp", "aes-256-ctr"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
    print(f"openssl speed, aes-256-ctr: {float(output.rstrip('k')) / 1e6:.1f} GB/s")


if __name__ == "__main__":
    torch.set_num_threads(1)
    products()
    keystreams()
