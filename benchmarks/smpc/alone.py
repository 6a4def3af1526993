"""Works without a contender, from the parties' own numbers to the opened outcome, checked against numpy."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.smpc.contests import GRAM_COLUMNS
from benchmarks.smpc.rows import LOCAL_MAGNITUDE, Row, contribution, row_of, timed, values
from smpc.operations.numeric.gram import gram_of_rows
from smpc.operations.quantiles import quantile_by_digits
from smpc.operations.reveal import reveal_to_all
from smpc.operations.sorting import sort

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.smpc.seats import Seat
    from smpc.session import Session


class Solo(NamedTuple):
    """One row: its name, how many numbers, ours, numpy's, how often, and in words."""

    name: str
    count: int
    ours: Callable[[Session, np.ndarray], np.ndarray]
    clear: Callable[[np.ndarray], np.ndarray]
    repeats: int
    description: str


def sorted_values(session: Session, numbers: np.ndarray) -> np.ndarray:
    """Share what the first party holds, sort it in secret, open the outcome."""
    ordered, _ = sort(session, contribution(session, numbers), 24)
    return reveal_to_all(session, ordered)


def median_of_rows(session: Session, numbers: np.ndarray) -> np.ndarray:
    """Open the median of rows of which each party holds a part."""
    own = numbers[session.rank :: session.n_parties]
    bounds = (-LOCAL_MAGNITUDE, LOCAL_MAGNITUDE)
    open_digit = functools.partial(reveal_to_all, session)
    return np.array([quantile_by_digits(session, own, bounds, (1, 2), numbers.size, open_digit)])


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


SOLOS = (
    Solo("sort_10000", 10_000, sorted_values, np.sort, 5, "sort of 10,000 secret numbers"),
    Solo(
        "median_10000", 10_000, median_of_rows, median_in_the_clear, 7, "median of 10,000 rows held in parts"
    ),
    Solo(
        "xtx_rows",
        10_000 * GRAM_COLUMNS,
        gram_of_own_rows,
        gram_in_the_clear,
        7,
        "X^T X of 10,000 x 20 rows held in parts",
    ),
)


def alone(solo: Solo, seat: Seat) -> Row:
    """Time a work, check it against numpy, and make the row."""
    numbers = values(solo.count)

    def work(session: Session) -> np.ndarray:
        return solo.ours(session, numbers)

    seconds = []
    for _ in range(solo.repeats):
        took, opened = timed(work, seat)
        seconds.append(took)
        if not np.array_equal(opened, solo.clear(numbers)):
            raise SystemExit(f"{solo.name}: not what numpy finds")
    return row_of(solo.name, solo.description, work, seat.n_parties, [seconds])
