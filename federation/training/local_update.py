"""One site's part of a round: from its rows to integers that it may encrypt.

Layer:       federation.training.local_update. Reads rows; no key, no channel.
Shapes:      rows int64 ``(n, 1 + n_features + 1)`` with the unit first and the target last; units' vectors float64 and
             int64 ``(n_units, size)``; an update int64 ``(length,)``.
Guarantees:  in this order: a unit's vector is clipped to C, truncated toward zero on the grid, and checked against C
             again in integers; then the integer sum, the clamp, the noise. What one unit adds is a function of its
             own rows alone, to the last bit (``models.base``). So the L2 sensitivity of the sum is an integer that
             holds whatever floats did before. With epsilon the noise is added before the strategy sees a sum, so no
             strategy can lower it, ask for a sum that is not charged, or weigh by a count; where all sites share the
             noise, exactly the noisy sum is sent. After the charge data never cause an error: no complete case, one
             class, a late or lost database give zero and noise (an exact run raises the error then). No row can make
             the scan fail in another way; if it fails, every run raises the error.
See instead: packing and encryption (``federation.paillier``), the note that must be durable before this
             (``site_worker``).
Source:      docs/guarantees.md P1, P7, P13, P19.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import LocalTimeoutError, SourceLostError
from federation.errors import UpdateRejectedError
from federation.training.encodings.features import Cases, Floats
from federation.training.encodings.picture_features import PictureEncoding
from federation.training.optimizer import floats_of
from federation.training.rounds.round_plan import GRID, LOSS_CLIP
from federation.training.strategies.base import PrivateForm
from privacy_accounting.noise import discrete_gaussian

if TYPE_CHECKING:
    from analytics.sources import LocalTable
    from federation.training.optimizer import Descent
    from federation.training.rounds.round_plan import RoundPlan, RunPlan
    from privacy_accounting.noise import ByteSource

LOG: Final = logging.getLogger(__name__)
Integers = npt.NDArray[np.int64]
NO_RESULT: Final = "the local stage gave no result (%s); the site sends zero and noise instead"
_BLOCK_NUMBERS: Final = 1 << 22


def load_cases(plan: RunPlan, source: LocalTable, limit_s: float | None) -> Cases:
    """Read the rows that have all features and the target; missing values are handled inside each site.

    Visible to: the site alone.

    Raises:
        LocalTimeoutError: not read in time, in an exact run.
        SourceLostError: the database is gone, in an exact run.
        SourceFailedError: the database failed; no row can cause that.
    """
    encoding = plan.encoding
    if isinstance(encoding, PictureEncoding):
        return _picture_cases(plan, encoding, source, limit_s)
    names = [*(feature.name for feature in encoding.features), encoding.target]
    try:
        rows = source.complete_cases(names, limit_s)
    except (LocalTimeoutError, SourceLostError) as error:
        if plan.task.exact:
            raise
        LOG.warning(NO_RESULT, type(error).__name__)
        rows = np.zeros((0, 1 + len(names)), np.int64)
    return encoding.cases(rows)


def _picture_cases(
    plan: RunPlan, encoding: PictureEncoding, source: LocalTable, limit_s: float | None
) -> Cases:
    try:
        return encoding.picture_cases(
            *source.complete_pictures(encoding.columns, encoding.picture_names, limit_s)
        )
    except (LocalTimeoutError, SourceLostError) as error:
        if plan.task.exact:
            raise
        LOG.warning(NO_RESULT, type(error).__name__)
        return encoding.no_cases()


class SiteSums:
    """The ``ClippedSums`` of one site in one attempt: what a strategy may know of its rows."""

    def __init__(self, plan: RunPlan, round_plan: RoundPlan, cases: Cases, noise: ByteSource) -> None:
        """Take one attempt; arguments as ``site_update``."""
        self._plan, self._sigma2, self._cases, self._noise = plan, round_plan.sigma2_local, cases, noise
        self._left = plan.strategy.n_sums(plan.shape.options)
        self.last: list[int] = []

    def __repr__(self) -> str:
        return "SiteSums()"

    def at(self, parameters: tuple[int, ...]) -> list[int]:
        """Return the clipped sum at a point, with noise where the run has an epsilon.

        Raises:
            UpdateRejectedError: the attempt is not charged for one more sum.
        """
        if self._left == 0:
            raise UpdateRejectedError(site="this site", reason="the attempt is not charged for one more sum")
        self._left -= 1
        total = clamped_sum(self._plan, self._cases, floats_of(parameters))
        if self._sigma2:
            total += discrete_gaussian(self._sigma2, len(total), self._noise)
        self.last = total.tolist()
        return list(self.last)


def site_update(
    plan: RunPlan, round_plan: RoundPlan, cases: Cases, state: Descent, noise: ByteSource, kept: Any = None
) -> tuple[Integers, Any]:
    """Compute what one site contributes to one attempt.

    Visible to: the site alone, until it is encrypted.
    Cost: the attempt's event, charged before.

    Args:
        plan: of the run.
        round_plan: of the attempt.
        cases: this site's.
        state: the public model.
        noise: system entropy; drawn afresh for every attempt and never kept.
        kept: what the site kept from its last round.

    Returns:
        Shape ``(length,)``, each within ``+-half_range``; and what the site keeps for its next round.

    Raises:
        UpdateRejectedError: the strategy asks for a sum that is not charged, or changes one whose noise is shared.
    """
    strategy, sums = plan.strategy, SiteSums(plan, round_plan, cases, noise)
    values, after = strategy.local_update(plan.shape, state, sums, kept if strategy.keeps_state else None)
    is_shared = round_plan.event is not None and strategy.private_form is PrivateForm.ONE_SUM
    if is_shared and list(values) != sums.last:
        raise UpdateRejectedError(
            site="this site", reason=f"the strategy {strategy.name} changed a sum whose noise all sites share"
        )
    limit = round_plan.manifest.layout.half_range
    if not is_shared:
        values = [max(-limit, min(limit, value)) for value in values]
    return np.array(values, np.int64), after if strategy.keeps_state else None


def weighted_update(round_plan: RoundPlan, total: Integers, weight: int, noise: ByteSource) -> Integers:
    """Compute what one site contributes of a sum that it computed before.

    Visible to: the site alone, until it is encrypted.
    Cost: the attempt's event, charged before.

    Args:
        round_plan: of the attempt.
        total: the clamped sum without noise, shape ``(length,)``.
        weight: at most the strategy's largest, to which the noise is calibrated.
        noise: system entropy; drawn afresh for every attempt and never kept.

    Returns:
        Shape ``(length,)``.

    Raises:
        UpdateRejectedError: the attempt has no noise.
    """
    if round_plan.event is None:
        raise UpdateRejectedError(site="this site", reason="a prepared sum leaves with noise only")
    return total * weight + discrete_gaussian(round_plan.sigma2_local, len(total), noise)


def clamped_sum(plan: RunPlan, cases: Cases, parameters: Floats) -> Integers:
    """Return the site's integer sum without noise; it never leaves the site like this in a private run."""
    total = np.zeros(plan.sum_length, np.int64)
    n_rows = len(cases.target)
    block_rows = max(1, _BLOCK_NUMBERS // plan.sum_length)
    for first, last in _blocks(cases.starts, n_rows, block_rows):
        begin = int(cases.starts[first])
        end = int(cases.starts[last]) if last < len(cases.starts) else n_rows
        part = Cases(
            matrix=cases.matrix[begin:end],
            target=cases.target[begin:end],
            starts=cases.starts[first:last] - begin,
        )
        total += unit_vectors(plan, part, parameters).sum(axis=0)
    return np.clip(total, -plan.clamp, plan.clamp)


def unit_vectors(plan: RunPlan, cases: Cases, parameters: Floats) -> Integers:
    """Return each unit's contribution in grid units, shape ``(n_units, sum_length)``."""
    if len(cases.starts) == 0:
        return np.zeros((0, plan.sum_length), np.int64)
    vectors = plan.model.unit_vectors(cases, parameters)
    clip = None if plan.task.exact else float(plan.task.clip_norm)
    parts = [quantized(vectors.gradients, float(plan.step), clip)]
    if plan.task.report_loss:
        most = np.inf if plan.task.exact else LOSS_CLIP
        kept = np.minimum(np.nan_to_num(vectors.losses, nan=0.0, posinf=0.0), most)
        parts.append(np.trunc(kept * plan.loss_units).astype(np.int64)[:, None])
    return np.concatenate(parts, axis=1)


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


def _blocks(starts: npt.NDArray[np.intp], n_rows: int, block_rows: int) -> list[tuple[int, int]]:
    """Cut the units into runs of about ``block_rows`` rows: (first unit, one past the last)."""
    if len(starts) == 0:
        return []
    edges = [0]
    for goal in range(block_rows, n_rows, block_rows):
        place = int(np.searchsorted(starts, goal))
        if edges[-1] < place < len(starts):
            edges.append(place)
    edges.append(len(starts))
    return list(pairwise(edges))
