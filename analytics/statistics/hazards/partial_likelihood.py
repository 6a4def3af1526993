"""Score and information of Cox's partial likelihood, from sums over risk sets that stay on shares.

Layer:       analytics.statistics.hazards over ``smpc.operations``.
Terms:       at each grid point k: ``S0``, ``S1``, ``S2`` are the sums of ``w``, ``w x`` and ``w x x'`` over those at
             risk, ``w = exp(x b - m)`` at most 1, with m public; d is the number of events. Integers of ``2^-sum_bits``. ``p``
             covariates, q entries of the upper half of ``x x'``.
Guarantees:  the sums at a grid point, its events and its means never open. Ratios are off by a few units of ``2^-28``; where
             S0 is below ``2^(FLOOR_BITS - sum_bits)``, so that nearly nothing is at risk, its ratios are smaller than they
             are. What is returned is rounded to ``2^-OPENED_BITS`` on shares, about six digits.
Visible to:  every party masked values and masked bits, all uniform.
Cost:        of a step: comparisons of S0 with about 40 thresholds, ``4 K (p + q)`` products, 3 truncations of ``K (p + q)``.
See instead: which counts are guarded before (fit_guard), the steps (survival.cox), what follows the last (cox_checks).
Source:      Cox 1972, ties of Breslow 1974. Division: a public power of two chosen by shared comparison bits, then a
             piecewise polynomial and one step of Newton; ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.operations.arithmetic import (
    add,
    add_public,
    concatenate,
    matmul,
    multiply,
    multiply_public,
    reshape,
    subtract,
    subtract_from_public,
    take,
)
from smpc.operations.comparison import at_least_each
from smpc.operations.numeric.fixed_point import FixedPoint
from smpc.operations.numeric.functions import reciprocal
from smpc.operations.truncation import truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from smpc.session import Session

RATIO_BITS: Final = 28
OPENED_BITS: Final = 16
TOTAL_BITS: Final = 45  # of a sum over all sites
FLOOR_BITS: Final = 8
_ROUGH: Final = FixedPoint(fraction=20, integer=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSums:
    """How the contributions of a site are laid out.

    Attributes:
        n_points: K.
        n_parameters: p.
        sum_bits: binary places of the sums over risk sets.
    """

    n_points: int
    n_parameters: int
    sum_bits: int

    @property
    def n_pairs(self) -> int:
        """Entries of the upper half of the information."""
        return self.n_parameters * (self.n_parameters + 1) // 2

    @property
    def n_opened(self) -> int:
        """Score, then the upper half of the information."""
        return self.n_parameters + self.n_pairs

    def clamps(self, rows_max: int) -> tuple[int, ...]:
        """Largest contributions: S0, S1 and S2 point by point, then events of each, then the sum of x over events."""
        sums = self.n_points * (1 + self.n_opened)
        largest = rows_max << self.sum_bits
        return (largest,) * sums + (rows_max,) * self.n_points + (rows_max << RATIO_BITS,) * self.n_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskTerms:
    """What follows from the sums at each grid point, on shares.

    Attributes:
        events: shape ``(K, 1)``.
        seen: sum of x over all events, shape ``(p,)``, integers of ``2^-RATIO_BITS``.
        each: mean of x, then the upper half of its covariance, over those at risk; shape ``(K, p + q)``, likewise.
        factor: the power of two that each S0 is multiplied by, shape ``(K,)``.
        inverse: ``2^73`` over S0 times factor, shape ``(K,)``.
    """

    events: Shared
    seen: Shared
    each: Shared
    factor: Shared
    inverse: Shared


def score_and_information(session: Session, sums: Shared, layout: RiskSums) -> Shared:
    """Score and information, integers of ``2^-OPENED_BITS``; shape ``(layout.n_opened,)``.

    Visible to, Cost: see the module.

    Args:
        session: of all sites, with a dealer or three that compute.
        sums: the contributions of all sites, in the order of ``layout.clamps``.
        layout: see there.
    """
    count, p = layout.n_points, layout.n_parameters
    terms = risk_terms(session, sums, layout)
    found = reshape(matmul(session, reshape(terms.events, (1, count)), terms.each), (layout.n_opened,))
    score = subtract(terms.seen, take(found, range(p)))
    both = concatenate([score, take(found, range(p, layout.n_opened))])
    return truncate(session, both, RATIO_BITS - OPENED_BITS, 63, is_rounded=True)


def risk_terms(session: Session, sums: Shared, layout: RiskSums) -> RiskTerms:
    """Means and covariances at each grid point; arguments as of ``score_and_information``.

    Visible to: no party.
    """
    count, width, p = layout.n_points, 1 + layout.n_opened, layout.n_parameters
    sets = reshape(take(sums, range(count * width)), (count, width))
    events = reshape(take(sums, range(count * width, count * width + count)), (count, 1))
    seen = take(sums, range(count * width + count, count * width + count + p))
    ratios, factor, inverse = _ratios(session, sets)
    means, squares = take(ratios, range(p), axis=1), take(ratios, range(p, p + layout.n_pairs), axis=1)
    upper = np.triu_indices(p)
    first, second = (take(means, list(places), axis=1) for places in upper)
    product = truncate(
        session, multiply(session, first, second), RATIO_BITS, 2 * RATIO_BITS + 3, is_rounded=True
    )
    each = concatenate([means, subtract(squares, product)], axis=1)
    return RiskTerms(events=events, seen=seen, each=each, factor=factor, inverse=inverse)


def _ratios(session: Session, sets: Shared) -> tuple[Shared, Shared, Shared]:
    """S1 / S0 and S2 / S0 in integers of ``2^-RATIO_BITS``, shape ``(K, p + q)``; factor and inverse of ``RiskTerms``."""
    count, width = sets.shape
    weights = reshape(take(sets, [0], axis=1), (count,))
    factor, is_tiny = _power_of_two(session, weights)
    scaled = multiply(session, sets, reshape(factor, (count, 1)))
    shift = TOTAL_BITS - RATIO_BITS
    scaled = truncate(session, scaled, shift, TOTAL_BITS + 3, is_rounded=True)
    # from 2^RATIO_BITS to twice that; where nearly nothing is at risk the missing part is added
    divisor = add(reshape(take(scaled, [0], axis=1), (count,)), multiply_public(is_tiny, 1 << RATIO_BITS))
    inverse = _inverse(session, divisor)
    wide = multiply(session, take(scaled, range(1, width), axis=1), reshape(inverse, (count, 1)))
    return truncate(session, wide, RATIO_BITS, 2 * RATIO_BITS + 4, is_rounded=True), factor, inverse


def _power_of_two(session: Session, weights: Shared) -> tuple[Shared, Shared]:
    """The factor that brings each weight to at least ``2^TOTAL_BITS`` and below twice that; whether it is too small."""
    levels = np.int64(1) << np.arange(FLOOR_BITS, TOTAL_BITS + 1, dtype=np.int64)
    reached = at_least_each(session, weights, levels, TOTAL_BITS + 3)
    factors = np.int64(1) << np.arange(TOTAL_BITS - FLOOR_BITS, -1, -1, dtype=np.int64)
    steps = np.diff(factors)  # from each level to the next
    moved = reshape(take(reached, range(1, len(levels))), (len(steps), weights.size))
    found = Shared(share=steps @ moved.share)
    factor = add_public(session, found, np.full(weights.size, factors[0], dtype=np.int64))
    is_tiny = subtract_from_public(session, 1, reshape(take(reached, [0]), (weights.size,)))
    return factor, is_tiny


def _inverse(session: Session, divisor: Shared) -> Shared:
    """``2^(2 RATIO_BITS) / divisor`` of a divisor from ``2^RATIO_BITS`` to twice that: a rough one, then Newton's step."""
    rough = _ROUGH.fraction
    cut = truncate(session, divisor, RATIO_BITS - rough, RATIO_BITS + 3)
    first = reciprocal(session, cut, 1.0, 2.0 + 2.0**-10, _ROUGH)
    product = multiply(session, divisor, first)
    left = subtract_from_public(
        session, np.full(divisor.size, 1 << (RATIO_BITS + rough), dtype=np.int64), product
    )
    correction = truncate(session, multiply(session, first, left), 2 * rough, 60, is_rounded=True)
    return add(multiply_public(first, 1 << (RATIO_BITS - rough)), correction)
