"""All rows of the benchmark under their names, and the run of some of them by one party."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from benchmarks.smpc.alone import SOLOS, alone
from benchmarks.smpc.contests import CONTESTS, contend, their_sign
from benchmarks.smpc.exactness import CHUNK, products_exact
from benchmarks.smpc.regression import logistic_secret
from benchmarks.smpc.rows import timed, values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.smpc.rows import Row
    from benchmarks.smpc.seats import Seat

    Maker = Callable[[Seat], Row]


def makers(n_products: int = CHUNK) -> dict[str, Maker]:
    """Return what makes each row, by its name."""
    contests: dict[str, Maker] = {contest.name: functools.partial(contend, contest) for contest in CONTESTS}
    solos: dict[str, Maker] = {solo.name: functools.partial(alone, solo) for solo in SOLOS}
    exactness = functools.partial(products_exact, count=n_products)
    return contests | {"products_exact": exactness, "logistic_secret": logistic_secret} | solos


def work_through(names: Sequence[str], n_products: int, seat: Seat) -> list[Row]:
    """Make these rows in order; every party calls this with the same arguments."""
    torch.set_num_threads(1)
    timed(their_sign, seat, [values(10)])  # loads CrypTen outside the clock
    known = makers(n_products)
    return [known[name](seat) for name in names]
