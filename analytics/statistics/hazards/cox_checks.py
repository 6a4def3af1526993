"""What a Cox regression opens after its last step: the test of proportional hazards and the baseline hazard.

Layer:       analytics.statistics.hazards above partial_likelihood.
Terms:       the *time* of an interval is ``2 k - (K - 1)`` for k from 0, so that it is 0 in the middle of the grid. The
             test is the score test of a further parameter for each term times the time. The *baseline* is the
             hazard of an interval where the design is 0: numbers in the middle of their bounds, first categories, false.
Guarantees:  the analyst alone gets them. Of the test, sums over all events and points: the score of the further
             parameters, and the information times the time and its square. Of the baseline, events over the sum of
             weights at risk, in each stratum up to the first interval whose events, censorings or those left after it are
             below the threshold; it and all after it stay closed, and no party learns which of them was small. A hazard
             is rounded to ``2^-12`` of the largest weight on shares: with more digits it would tell how many of each
             covariate's value are at risk.
See instead: score and information of each step (partial_likelihood).
Source:      Grambsch, Therneau 1994, as a score test; Breslow 1974 for the baseline; docs/guarantees.md P8, P21.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.errors import InvalidRequestError, OverflowRiskError
from analytics.statistics.hazards.cox_answer import Baseline, Proportionality
from analytics.statistics.hazards.partial_likelihood import (
    OPENED_BITS,
    RATIO_BITS,
    RiskSums,
    RiskTerms,
    risk_terms,
)
from analytics.statistics.matrices.integer_solve import symmetric
from analytics.statistics.uncertainty.distributions import chi_square_tail
from smpc.operations.arithmetic import (
    add,
    concatenate,
    matmul_public,
    multiply,
    multiply_public,
    reshape,
    subtract,
    take,
)
from smpc.operations.selection import all_of
from smpc.operations.truncation import truncate

if TYPE_CHECKING:
    from analytics.schema import NumericColumn
    from analytics.statistics.base import Ints, Limits
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
POINT_BITS: Final = 20  # of the sums at a point that are weighed with the time
HAZARD_BITS: Final = 12  # of a baseline: three digits at most, so that it fixes no number of people
MOST_POINTS: Final = 60  # of a baseline, in each stratum
_RING_BITS: Final = 61
_CUT: Final = 13
_INVERSE_BITS: Final = 73  # see RiskTerms
_HEADROOM: Final = 46


@dataclass(frozen=True, slots=True, kw_only=True)
class LastOpening:
    """What is opened after the last step.

    Attributes:
        layout: of the sums over risk sets; its points are those of all strata, one stratum after the other.
        n_strata: strata.
        limits: the public numbers.
        has_test: whether the test is made.
        has_baseline: whether the baseline is opened.
    """

    layout: RiskSums
    n_strata: int
    limits: Limits
    has_test: bool
    has_baseline: bool

    @property
    def n_intervals(self) -> int:
        """Of each stratum."""
        return self.layout.n_points // self.n_strata

    @property
    def times(self) -> Ints:
        """Of all points."""
        count = self.n_intervals
        found: Ints = np.tile(2 * np.arange(count, dtype=np.int64) - (count - 1), self.n_strata)
        return found

    @property
    def n_values(self) -> int:
        """Numbers that are opened."""
        p, q = self.layout.n_parameters, self.layout.n_pairs
        return self.has_test * (p + 2 * q) + self.has_baseline * self.layout.n_points

    @property
    def n_flags(self) -> int:
        """Bits that are opened after them."""
        return self.layout.n_points if self.has_baseline and self.limits.threshold else 0

    @property
    def time_bits(self) -> int:
        """Binary places of the largest time."""
        return self.n_intervals.bit_length()

    @property
    def bits(self) -> int:
        """The largest sum on shares."""
        rows = self.limits.n_sites * self.limits.rows_max
        return rows.bit_length() + POINT_BITS + 2 * self.n_intervals.bit_length() + 1

    def check_size(self) -> None:
        """Refuse what cannot be opened or does not fit the ring.

        Raises:
            InvalidRequestError: a baseline on too many intervals.
            OverflowRiskError: a test with too many rows.
        """
        if self.has_baseline and self.n_intervals > MOST_POINTS:
            reason = f"must make at most {MOST_POINTS} intervals for a baseline, not {self.n_intervals}"
            raise InvalidRequestError(parameter="grid", reason=reason)
        if self.has_test and self.bits > _RING_BITS:
            raise OverflowRiskError(figure="a sum over time", bits=self.bits, limit_bits=_RING_BITS)

    def clamps(self, rows_max: int) -> tuple[int, ...]:
        """Those of the sums, then of x times the time over events, then of censorings at each point."""
        largest = rows_max * self.n_intervals << POINT_BITS
        timed = (largest,) * (self.layout.n_parameters * self.has_test)
        return self.layout.clamps(rows_max) + timed + (rows_max,) * (self.layout.n_points * self.has_baseline)

    def figures(self, design: Floats, place: Ints, died: npt.NDArray[np.bool_]) -> Ints:
        """One site's part after the sums.

        Args:
            design: shape ``(n_rows, p)``.
            place: the point of each row.
            died: whether the event was seen.
        """
        timed = (design[died] * self.times[place[died], np.newaxis]).sum(axis=0)
        most = float(len(design)) * self.n_intervals
        scaled = np.rint(np.clip(timed, -most, most) * 2.0**POINT_BITS).astype(np.int64)
        censored = np.bincount(place[~died], minlength=self.layout.n_points)
        return np.concatenate(
            [scaled[: len(scaled) * self.has_test], censored[: len(censored) * self.has_baseline]]
        )

    def joint(self, session: Session, sums: Shared, spread: float) -> Shared:
        """What opens: of the test, then of the baseline, then flags.

        Visible to: no party.

        Args:
            session: of all sites, with a dealer or three that compute.
            sums: of all sites, in the order of ``clamps``.
            spread: the largest less the smallest ``x b``.
        """
        first = len(self.layout.clamps(1))
        terms = risk_terms(session, sums, self.layout)
        timed = first + self.layout.n_parameters * self.has_test
        found = []
        if self.has_test:
            found.append(self._tested(session, terms, take(sums, range(first, timed))))
        if self.has_baseline:
            hazard = self._hazard(session, terms, spread)
            censored = take(sums, range(timed, timed + self.layout.n_points))
            found.append(self.closed(session, hazard, terms.events, censored))
        return concatenate(found)

    def _tested(self, session: Session, terms: RiskTerms, seen: Shared) -> Shared:
        p, times = self.layout.n_parameters, self.times
        # all at one precision, so that weighing with the square of the time stays in the ring
        at = truncate(
            session, multiply(session, terms.each, terms.events), RATIO_BITS - POINT_BITS, 63, is_rounded=True
        )
        once = reshape(matmul_public(times[np.newaxis], at), (self.layout.n_opened,))
        twice = reshape(matmul_public(times[np.newaxis] ** 2, at), (self.layout.n_opened,))
        pairs = range(p, self.layout.n_opened)
        score = subtract(seen, take(once, range(p)))
        # as many digits as score and information of a step have: the time counts as one between -1 and 1
        weighed, cut = concatenate([score, take(once, pairs)]), POINT_BITS - OPENED_BITS + self.time_bits
        return concatenate(
            [
                truncate(session, weighed, cut, 63, is_rounded=True),
                truncate(session, take(twice, pairs), cut + self.time_bits, 63, is_rounded=True),
            ]
        )

    def _hazard(self, session: Session, terms: RiskTerms, spread: float) -> Shared:
        """Events over weights at risk, in integers of ``2^-HAZARD_BITS``."""
        events = reshape(terms.events, (self.layout.n_points,))
        raised = self.layout.sum_bits - _raise(spread)
        product = multiply(session, events, terms.factor)
        product = (
            truncate(session, product, -raised, 62) if raised < 0 else multiply_public(product, 1 << raised)
        )
        cut = truncate(session, product, _CUT, _HEADROOM + 2, is_rounded=True)
        wide = multiply(session, cut, terms.inverse)
        bits = _INVERSE_BITS - _CUT - _raise(spread)  # of wide
        return truncate(session, wide, bits - HAZARD_BITS, 63, is_rounded=True)

    def closed(self, session: Session, hazard: Shared, events: Shared, censored: Shared) -> Shared:
        """The hazard up to the first small interval of each stratum, then flags."""
        if not self.limits.threshold:
            return hazard
        count, points = self.n_intervals, self.layout.n_points
        died = reshape(events, (points,))
        leaving = add(died, censored)
        later = np.kron(
            np.eye(self.n_strata, dtype=np.int64), np.triu(np.ones((count, count), dtype=np.int64), 1)
        )
        left = matmul_public(later, leaving)
        least = self.limits.threshold
        is_last = (np.arange(points) + 1) % count == 0
        flags = self.limits.reached(
            session,
            concatenate([died, censored, left]),
            [least] * (2 * points) + np.where(is_last, 0, least).tolist(),
        )
        good = all_of(session, *(take(flags, range(kind * points, (kind + 1) * points)) for kind in range(3)))
        before = np.kron(
            np.eye(self.n_strata, dtype=np.int64), np.tril(np.ones((count, count), dtype=np.int64))
        )
        wanted = (np.arange(points) % count + 1).tolist()
        is_open = self.limits.reached(session, matmul_public(before, good), wanted)
        return concatenate([multiply(session, hazard, is_open), is_open])

    def read(self, opened: Ints) -> tuple[Ints, Floats]:
        """What the step opened: of the test, and the hazard of each point with NaN where it is closed."""
        p, q = self.layout.n_parameters, self.layout.n_pairs
        first = self.has_test * (p + 2 * q)
        hazard = opened[first : self.n_values].astype(np.float64) / 2.0**HAZARD_BITS
        if self.n_flags:
            hazard = np.where(opened[self.n_values :] == 1, hazard, np.nan)
        return opened[:first], hazard


def proportionality(opened: Ints, half: tuple[int, ...]) -> Proportionality:
    """The score test of parameters times the time.

    Args:
        opened: score, and the upper halves of the information times the time and its square.
        half: the upper half of the information, in integers of ``2^-OPENED_BITS``.
    """
    q, unit = len(half), 2.0**-OPENED_BITS
    p = len(opened) - 2 * q
    score = opened[:p] * unit
    matrix, once, twice = (
        np.array(symmetric(values, p), dtype=np.float64) * unit
        for values in (half, opened[p : p + q].tolist(), opened[p + q :].tolist())
    )
    left = twice - once @ np.linalg.pinv(matrix, hermitian=True) @ once
    each = tuple(
        float(score[place] ** 2 / left[place, place]) if left[place, place] > 0 else 0.0 for place in range(p)
    )
    whole = max(0.0, float(score @ np.linalg.pinv(left, hermitian=True) @ score))
    pvalues = tuple(chi_square_tail(value, 1) for value in each)
    return Proportionality(each, whole, pvalues, chi_square_tail(whole, p))


def baselines(hazard: Floats, names: tuple[str, ...], time: NumericColumn) -> tuple[Baseline, ...]:
    """The baseline of each stratum.

    Args:
        hazard: of all points, strata one after the other.
        names: of the strata.
        time: whose bins are the grid.
    """
    edges = tuple(float(edge) for edge in time.bins)
    each = hazard.reshape(len(names), -1)
    return tuple(
        Baseline(name=name, edges=edges, hazard=tuple(row.tolist()))
        for name, row in zip(names, each, strict=True)
    )


def _raise(spread: float) -> int:
    """Events are at most so many octaves more than the weights at risk."""
    return math.ceil(spread / math.log(2)) + 1
