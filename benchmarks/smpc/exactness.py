"""Fixed-point products up to 2^30 by both; how many are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.smpc.rows import Row, contribution, in_turns, row_of, timed
from smpc.engine.tensors import from_crypten, to_crypten
from smpc.operations.numeric import fixed_point
from smpc.operations.numeric.fixed_point import FixedPoint

if TYPE_CHECKING:
    from benchmarks.smpc.seats import Seat
    from smpc.session import Session
    from smpc.sharing import Shared

SCALE = FixedPoint(fraction=16, integer=30)
CHUNK = 1_000_000
FIRST_SEED = 21


def pairs_up_to(count: int, bits: int, seed: int = FIRST_SEED) -> tuple[np.ndarray, np.ndarray]:
    """Draw fixed-point numbers whose products have all magnitudes below a power of two."""
    random = np.random.default_rng(seed)
    exponents, part = random.uniform(0, bits - 0.01, count), random.uniform(0, 1, count)
    signs = random.choice([-1.0, 1.0], (2, count))
    x, y = signs[0] * np.exp2(exponents * part), signs[1] * np.exp2(exponents * (1 - part))
    return SCALE.encode(x), SCALE.encode(y)


def mine(session: Session, x: Shared, y: Shared) -> Shared:
    """Multiply and round exactly."""
    return fixed_point.multiply(session, x, y, SCALE)


def theirs(_: Session, x: Shared, y: Shared) -> Shared:
    """Multiply by CrypTen, with its truncation."""
    return from_crypten(
        to_crypten(x, precision_bits=16) * to_crypten(y, precision_bits=16), precision_bits=16
    )


def wrong_among(count: int, seat: Seat) -> int:
    """Multiply what is beyond the first chunk of so many numbers, each chunk drawn anew, and count the wrong."""
    wrong = 0
    for chunk in range(1, -(-count // CHUNK)):
        left, right = pairs_up_to(min(CHUNK, count - chunk * CHUNK), 30, FIRST_SEED + chunk)
        _, opened = timed(mine, seat, [left, right])
        wrong += int(np.sum(opened != (left * right + (1 << 15)) >> 16))
    return wrong


def products_exact(seat: Seat, count: int = CHUNK) -> Row:
    """Count the wrong among products with 16 binary places; time the first million, by both in turns.

    Ours is wrong where it is not the exact product rounded; CrypTen's where it is off by more than 1.
    """
    left, right = pairs_up_to(CHUNK, 30)
    exact = (left * right + (1 << 15)) >> 16
    times, (opened, other) = in_turns([mine, theirs], seat, [left, right])
    wrong = int(np.sum(opened != exact)) + wrong_among(count, seat)

    def priced(session: Session) -> Shared:
        return mine(session, contribution(session, left), contribution(session, right))

    return row_of(
        "products_exact",
        "1,000,000 fixed-point products up to 2^30, rounded",
        priced,
        seat.n_parties,
        times,
        products=max(count, CHUNK),
        wrong=wrong,
        peer_products=CHUNK,
        peer_wrong=int(np.sum(np.abs(other - exact) > 1 << 16)),
    )
