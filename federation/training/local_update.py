"""One site's part of a round: from its rows to integers that it may encrypt.

Layer:       federation.training.local_update. Reads rows; no key, no channel.
Shapes:      cases int64 ``(n, 1 + n_features + 1)`` with the unit first and the target last; gradients float64 and
             int64 ``(n_units, width)``; an update int64 ``(length,)``.
Guarantees:  in this order: a unit's gradients are summed, clipped to C, truncated toward zero on the grid, and
             checked against C again in integers; then the integer sum, the clamp, the noise. What one unit adds is a
             function of its own rows alone, to the last bit: scores are added up column by column, every function
             works on one number at a time, and rows are added up as integers, so that neither other units' rows nor
             the order of rows has a part in it. So the L2 sensitivity of the sum is an integer that holds whatever
             floats did before. After the charge data never cause an error: no complete case, one class, a late or
             lost database give zero and noise (an exact run raises the error then). No row can make the scan fail in
             another way; if it fails, every run raises the error.
See instead: packing and encryption (``federation.paillier``), the note that must be durable before this
             (``site_worker``).
Source:      PRIVACY P1, P7, P13, P19. The gradient of the logistic loss is ``(sigmoid(x theta) - y) x``.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import LocalTimeoutError, SourceLostError
from federation.training.round_plan import GRID, LOSS_CLIP
from privacy_accounting.noise import discrete_gaussian

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.sources import LocalTable
    from federation.training.round_plan import RoundPlan, RunPlan
    from privacy_accounting.noise import ByteSource

LOG: Final = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_BLOCK_ROWS: Final = 1 << 16
# each number that a row brings is rounded to 2**-40; a unit has at most 2**20 rows, so that its sum is an exact int64
ROW_BITS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """A site's complete cases, encoded; its ``repr`` shows nothing of them.

    Attributes:
        matrix: shape ``(n, width)``.
        target: 0 or 1, shape ``(n,)``.
        starts: index of each unit's first row, rising.
    """

    matrix: Floats
    target: Floats
    starts: npt.NDArray[np.intp]

    def __repr__(self) -> str:
        return "Cases()"


def load_cases(plan: RunPlan, source: LocalTable, limit_s: float | None) -> Cases:
    """Read the rows that have all features and the target; missing values are handled inside each site.

    Visible to: the site alone.

    Raises:
        LocalTimeoutError: not read in time, in an exact run.
        SourceLostError: the database is gone, in an exact run.
        SourceFailedError: the database failed; no row can cause that.
    """
    encoding = plan.encoding
    names = [*(feature.name for feature in encoding.features), encoding.target]
    try:
        rows = source.complete_cases(names, limit_s)
    except (LocalTimeoutError, SourceLostError) as error:
        if plan.task.exact:
            raise
        LOG.warning(
            "the local stage gave no result (%s); the site sends zero and noise instead", type(error).__name__
        )
        rows = np.zeros((0, 1 + len(names)), np.int64)
    return cases_of(plan, rows)


def cases_of(plan: RunPlan, rows: Integers) -> Cases:
    """Encode rows as ``LocalTable.complete_cases`` gives them, unit first and target last."""
    _, starts = np.unique(rows[:, 0], return_index=True)
    matrix = plan.encoding.matrix(rows[:, 1:-1])
    return Cases(matrix=matrix, target=rows[:, -1].astype(np.float64), starts=starts)


def site_update(
    plan: RunPlan, round_plan: RoundPlan, cases: Cases, model: Floats, noise: ByteSource
) -> Integers:
    """Compute what one site contributes to one attempt.

    Visible to: the site alone, until it is encrypted.
    Cost: the attempt's event, charged before.

    Args:
        plan: of the run.
        round_plan: of the attempt.
        cases: this site's.
        model: the public parameters, shape ``(width,)``.
        noise: system entropy; drawn afresh for every attempt and never kept.

    Returns:
        Shape ``(length,)``, each within ``+-half_range``.
    """
    total = clamped_sum(plan, cases, model)
    if round_plan.sigma2_local == 0:
        return total
    return total + discrete_gaussian(round_plan.sigma2_local, len(total), noise)


def clamped_sum(plan: RunPlan, cases: Cases, model: Floats) -> Integers:
    """Return the site's integer sum without noise; it never leaves the site like this in a private run."""
    total = np.zeros(plan.length, np.int64)
    n_rows = len(cases.target)
    for first, last in _blocks(cases.starts, n_rows):
        begin = int(cases.starts[first])
        end = int(cases.starts[last]) if last < len(cases.starts) else n_rows
        part = Cases(
            matrix=cases.matrix[begin:end],
            target=cases.target[begin:end],
            starts=cases.starts[first:last] - begin,
        )
        total += unit_vectors(plan, part, model).sum(axis=0)
    return np.clip(total, -plan.clamp, plan.clamp)


def unit_vectors(plan: RunPlan, cases: Cases, model: Floats) -> Integers:
    """Return each unit's contribution in grid units, shape ``(n_units, length)``."""
    if len(cases.starts) == 0:
        return np.zeros((0, plan.length), np.int64)
    gradients, losses = unit_gradients(cases, model)
    clip = None if plan.task.exact else float(plan.task.clip_norm)
    parts = [quantized(gradients, float(plan.step), clip)]
    if plan.task.report_loss:
        most = np.inf if plan.task.exact else LOSS_CLIP
        kept = np.minimum(np.nan_to_num(losses, nan=0.0, posinf=0.0), most)
        parts.append(np.trunc(kept * plan.loss_units).astype(np.int64)[:, None])
    return np.concatenate(parts, axis=1)


def unit_gradients(cases: Cases, model: Floats) -> tuple[Floats, Floats]:
    """Gradient and loss of each unit at a model: sums over its rows.

    Accuracy: ``2**-41`` for each row and coordinate, and a few units in the last place of float64; privacy does not rest
    on it. Privacy rests on this: a unit's numbers do not depend on the rows of others. A matrix product would break it, for
    it adds up in another order for the last rows of a block; so would vector code, which may compute an exponential
    differently at the end of an array.
    """
    score = _scores(cases.matrix, model)
    small = _each(_small_power, score)
    positive = np.where(score >= 0, 1.0, small) / (1.0 + small)
    rows = np.rint((positive - cases.target)[:, None] * cases.matrix * (1 << ROW_BITS)).astype(np.int64)
    sums = np.add.reduceat(rows, cases.starts, axis=0).astype(np.float64) / (1 << ROW_BITS)
    losses = np.maximum(score, 0.0) + _each(math.log1p, small) - cases.target * score
    return sums, _unit_losses(losses, cases.starts)


def _scores(matrix: Floats, model: Floats) -> Floats:
    """Return each row's score, added up column by column."""
    score: Floats = np.zeros(len(matrix))
    for column, weight in zip(matrix.T, model, strict=True):
        score += column * weight
    return score


def _small_power(score: float) -> float:
    return math.exp(-abs(score))


def _each(function: Callable[[float], float], values: Floats) -> Floats:
    """Apply a function of one number to each element on its own."""
    return np.fromiter(map(function, values.tolist()), np.float64, len(values))


def _unit_losses(losses: Floats, starts: npt.NDArray[np.intp]) -> Floats:
    """Return each unit's loss; its rows are added up exactly and rounded once, so in any order."""
    edges = [*starts.tolist(), len(losses)]
    numbers = losses.tolist()
    sums = (math.fsum(numbers[begin:end]) for begin, end in pairwise(edges))
    return np.fromiter(sums, np.float64, len(starts))


def quantized(gradients: Floats, step: float, clip: float | None) -> Integers:
    """Clip each row to an L2 norm and truncate it toward zero on the grid.

    Args:
        gradients: one row a unit; a row that is not finite counts as zero.
        step: of the grid.
        clip: C; None for none. ``C / step`` is ``GRID``.

    Returns:
        Integers; with a clip, each row's L2 norm is at most ``GRID``, exactly.
    """
    finite: npt.NDArray[np.bool_] = np.asarray(np.isfinite(gradients).all(axis=1))
    rows = np.where(finite[:, None], gradients, 0.0)
    if clip is None:
        return np.trunc(rows / step).astype(np.int64)
    largest: Floats = np.abs(rows).max(axis=1, initial=0.0)
    safe: Floats = np.where(largest > 0, largest, 1.0)
    squares: Floats = np.zeros(len(rows))
    for column in rows.T:  # in one order for every row
        squares += (column / safe) ** 2
    with np.errstate(over="ignore"):  # a norm beyond the range of floats is clipped to zero
        norms: Floats = safe * np.sqrt(squares)
    factors = clip / np.maximum(norms, clip)  # never above 1, and no division by a tiny number
    units = np.trunc(rows * factors[:, None] / step).astype(np.int64)
    over = _beyond(units)
    while over.any():
        units[over] -= np.sign(units[over])
        over = _beyond(units)
    return units


def _beyond(units: Integers) -> npt.NDArray[np.bool_]:
    """Find rows whose L2 norm is above GRID, in exact integers."""
    return np.asarray((units * units).sum(axis=1) > GRID * GRID)


def _blocks(starts: npt.NDArray[np.intp], n_rows: int) -> list[tuple[int, int]]:
    """Cut the units into runs of about ``_BLOCK_ROWS`` rows: (first unit, one past the last)."""
    if len(starts) == 0:
        return []
    edges = [0]
    for goal in range(_BLOCK_ROWS, n_rows, _BLOCK_ROWS):
        place = int(np.searchsorted(starts, goal))
        if edges[-1] < place < len(starts):
            edges.append(place)
    edges.append(len(starts))
    return list(pairwise(edges))
