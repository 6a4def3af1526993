"""Integer works that CrypTen does too: comparison, product, matrix product, Gram matrix."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.smpc.rows import Row, contribution, in_turns, row_of, values
from smpc.engine import kernels
from smpc.engine.tensors import from_crypten, to_arithmetic, to_crypten
from smpc.operations import arithmetic, comparison, selection
from smpc.operations.numeric.gram import gram

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.smpc.seats import Seat
    from smpc.session import Session
    from smpc.sharing import Shared

    Work = Callable[[Session, Shared], Shared]

GRAM_COLUMNS = 20


class Contest(NamedTuple):
    """One row: its name, how many elements, ours, CrypTen's, how often, and in words."""

    name: str
    count: int
    ours: Work
    theirs: Work
    repeats: int
    description: str


def sign(bits: int) -> Work:
    """Return our comparison at a width."""
    return lambda session, x: comparison.is_negative(session, x, bits)


def their_sign(_: Session, x: Shared) -> Shared:
    """Compare by CrypTen's circuit, always of 64 bits."""
    return from_crypten(to_crypten(x) < 0)


def threshold(session: Session, x: Shared) -> Shared:
    """Keep what is at least 0 and blank the rest."""
    return selection.keep_at_least(session, x, 0, 24)


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


def matrix_product_by_torch(session: Session, x: Shared) -> Shared:
    """Do the same with the kernel that CrypTen uses."""
    session.matmul = kernels.matmul
    return matrix_product(session, x)


def their_matrix_product(_: Session, x: Shared) -> Shared:
    """Do the same by CrypTen, on integers."""
    square = to_arithmetic(arithmetic.reshape(x, (math.isqrt(x.size), -1)))
    return from_crypten(square.matmul(square))


def compared(bits: int, count: int, repeats: int) -> Contest:
    """Return the row of so many comparisons of a width."""
    words = f"the signs of {count:,} numbers of {bits} bits"
    return Contest(f"compare{bits}_{count}", count, sign(bits), their_sign, repeats, words)


CONTESTS = (
    *(compared(bits, count, 5 if count > 1000 else 9) for bits in (64, 24) for count in (100_000, 1000, 10)),
    Contest("threshold_1000", 1000, threshold, their_threshold, 9, "1,000 numbers, kept from 0 upwards"),
    Contest("multiply_1000000", 1_000_000, product, their_product, 5, "1,000,000 products"),
    Contest(
        "xtx_secret", 10_000 * GRAM_COLUMNS, gram_of_shared, their_gram, 7, "X^T X, 10,000 x 20 secret rows"
    ),
    Contest("matmul_500", 500 * 500, matrix_product, their_matrix_product, 5, "a 500 x 500 matrix product"),
    Contest(
        "matmul_500_torch",
        500 * 500,
        matrix_product_by_torch,
        their_matrix_product,
        5,
        "the same with torch's kernel at the parties",
    ),
)


def contend(contest: Contest, seat: Seat) -> Row:
    """Let both work in turns, check that they agree, and make the row."""
    numbers = values(contest.count)
    times, (mine, other) = in_turns([contest.ours, contest.theirs], seat, [numbers], contest.repeats)
    if not np.array_equal(mine, other):
        raise SystemExit(f"{contest.name}: the contenders disagree")

    def priced(session: Session) -> Shared:
        return contest.ours(session, contribution(session, numbers))

    return row_of(contest.name, contest.description, priced, seat.n_parties, times)
