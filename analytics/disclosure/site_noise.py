"""One site's contribution to a private answer: clamped integers, weighted, plus its own share of the noise.

Layer:       analytics above plan.
Guarantees:  integers throughout; every site's noise is its own exact discrete Gaussian of the plan's local variance, or
             its own exact share of discrete Laplace noise, fresh from the operating system at every call; nothing is
             clipped after the noise. A site without figures (it ran out of time) gives zero and noise, which cannot be
             distinguished from any other contribution.
See instead: the local scan and its clamp (sources), shares (release).
Source:      Kairouz, Liu, Steinke 2102.06387 section 3; docs/guarantees.md P7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.errors import ReleaseRefusedError
from privacy_accounting.noise import discrete_gaussian, laplace_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from analytics.plans.block import Block
    from analytics.plans.plan import Plan
    from privacy_accounting.noise import ByteSource

SMALLEST_VARIANCE = 1


def noisy_contribution(
    plan: Plan, figures: npt.NDArray[np.int64] | None, source: ByteSource
) -> npt.NDArray[np.int64]:
    """Weight a site's figures and add its noise.

    Visible to: the site alone.

    Args:
        plan: a private plan.
        figures: the site's clamped integers, shape ``(n_figures,)``; None where its scan did not end in time.
        source: uniform bytes.

    Returns:
        int64, shape ``(n_figures,)``.

    Raises:
        ReleaseRefusedError: the plan is not private, has a variance below 1, or the figures are out of its bounds.
    """
    if plan.mode != "private":
        raise ReleaseRefusedError(rule="noise", reason="noise is added to private plans only")
    weighted = _weighted(plan, figures)
    noise = np.empty(plan.n_figures, dtype=np.int64)
    for block, place, size in zip(plan.blocks, plan.slices, plan.sizes, strict=True):
        noise[place] = _drawn(plan, block, size, source)
    return weighted + noise


def _drawn(plan: Plan, block: Block, size: int, source: ByteSource) -> npt.NDArray[np.int64]:
    """One block's noise of this site."""
    if block.scale is not None:
        return laplace_share(block.scale, plan.context.honest, size, source)
    if block.sigma2_local < SMALLEST_VARIANCE:
        raise ReleaseRefusedError(rule="noise", reason="a site's noise has a variance of at least 1")
    return discrete_gaussian(block.sigma2_local, size, source)


def _weighted(plan: Plan, figures: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
    if figures is None:
        return np.zeros(plan.n_figures, dtype=np.int64)
    check_bounds(plan, figures)
    return figures * np.array(plan.weights, dtype=np.int64)


def check_bounds(plan: Plan, figures: npt.NDArray[np.int64]) -> None:
    """Refuse a site's figures that no rows within the plan's bounds can give.

    Raises:
        ReleaseRefusedError: another shape or type, or one beyond its clamp.
    """
    check_bounds_of(plan.clamps, figures)


def check_bounds_of(clamps: Sequence[int], figures: npt.NDArray[np.int64]) -> None:
    """As ``check_bounds``, for clamps of any plan."""
    limits = np.array(clamps, dtype=np.int64)
    is_figures = figures.shape == limits.shape and figures.dtype == np.int64
    # the lowest integer is its own absolute value, so both sides are looked at
    if not is_figures or bool(np.any((figures > limits) | (figures < -limits))):
        raise ReleaseRefusedError(rule="clamp", reason="the site's figures exceed the plan's bounds")
