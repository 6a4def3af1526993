"""Weighted log-rank statistics and the test for trend on shares, from a table that no party sees.

Layer:       analytics.statistics.life_tables above hidden_log_rank_groups.
Terms:       as there; *w* is the weight of a time, between 0 and 1. Of wilcoxon it is n over all people of all strata, of
             tarone-ware the root of that; of peto the product of ``1 - d / (n + 1)`` up to this time; of fleming-harrington
             ``S**p (1 - S)**q``, with S the product of ``1 - d / n`` before this time. A common factor of all weights changes
             nothing. *Scores* c of the groups make the trend: U adds up ``w (sum of c d_g - d m)``, V ``w**2 d (s - m**2)
             (n - d) / (n - 1)``, with m and s the means of c and its square over those at risk. Two groups are the scores 1, 0.
Guarantees:  before rounding a weight is within ``2**-29`` (the root ``2**-25``, curves ``2**-30`` for each time), so U is off by
             less than ``2**-28`` and V by less than ``2**-27`` of the events; within 1e-5 of the statistic where V is at least a
             hundredth of the events. Rounds and bytes follow from grid, groups and weighting alone.
Visible to:  the parties see masked values and masked bits, all uniform.
Cost:        the whole test of two groups, or for a trend, has 89 rounds for wilcoxon, 109 for tarone-ware, 139 at most for curves
             of 512 times; of three groups 35 more. 0.5 to 1 MB a peer for 512 times.
See instead: the plain test (hidden_log_rank, hidden_log_rank_groups), private tests of all weightings (log_rank_cells).
Source:      as log_rank_cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from analytics.statistics.life_tables.hidden_log_rank_groups import GroupSums, links_of
from smpc.operations.arithmetic import (
    add_public,
    concatenate,
    matmul,
    multiply,
    multiply_public,
    reshape,
    square,
    subtract,
    subtract_from_public,
    take,
    total,
)
from smpc.operations.numeric.fixed_point import FixedPoint
from smpc.operations.numeric.functions import square_root
from smpc.operations.numeric.quotients import QUOTIENT_BITS, quotients
from smpc.operations.truncation import truncate
from smpc.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.statistics.life_tables.log_rank_cells import TestForm
    from smpc.session import Session

MOST_CURVE_TIMES: Final = 512  # of weights that are a curve or a root
WEIGHT_BITS: Final = 30
LEAST_SHARE: Final = 18  # V is at least 2^-18 of the events
_NARROW: Final = 31
_WIDE: Final = 63
_ROOT: Final = FixedPoint(fraction=26, integer=2)
_AT_RISK: Final = ("wilcoxon", "tarone-ware")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RiskTerms:
    """What follows from the table at each of K times of all strata.

    Attributes:
        events: of each of k groups, shape ``(k, K)``.
        parts: the groups' shares of those at risk, ``2**-38``, shape ``(k, K)``.
        staying: ``(n - d) / (n - 1)``, ``2**-31``, shape ``(K,)``.
        weights: ``2**-30``, shape ``(K,)``; None for 1.
        squares: of the weights, likewise.
        ends: the squared weight of the last time of each stratum, of weights that never fall; else None.
    """

    events: Shared
    parts: Shared
    staying: Shared
    weights: Shared | None
    squares: Shared | None
    ends: Shared | None


def risk_terms(session: Session, table: Shared, bits: int, form: TestForm) -> RiskTerms:
    """The terms of a table.

    Visible to: no party.

    Args:
        session: of all sites.
        table: censorings and events at each time, shape ``(k, n_strata, n_times, 2)``.
        bits: all people together, and one more, are fewer than ``2**bits``.
        form: the weighting.
    """
    n_groups, n_strata = table.shape[:2]
    flat = (n_groups, -1)
    events = reshape(Shared(share=table.share[..., 1].copy()), flat)
    leaving = table.share.sum(axis=3)
    at_risk = reshape(Shared(share=np.cumsum(leaving[..., ::-1], axis=2)[..., ::-1]), flat)
    d, n = total(events, axis=0), total(at_risk, axis=0)
    count = n.size
    above = concatenate([take(at_risk, range(n_groups - 1)), reshape(add_public(session, d, -1), (1, -1))])
    divided = _divided(session, d, n, Shared(share=np.array([leaving.sum()])), form)
    if divided is not None:
        nothing = np.zeros((n_groups - 1, count), dtype=np.int64)
        more = Shared(share=np.concatenate([divided[0].share[np.newaxis], nothing]))
        above = concatenate([above, more], axis=1)
        n = concatenate([n, divided[1]])
    found = quotients(session, above, n, (0,) * (n_groups - 1) + (1,), bits)
    own = take(found, range(count), axis=1)
    shares = take(own, range(n_groups - 1))
    last = subtract_from_public(session, 1 << QUOTIENT_BITS, reshape(total(shares, axis=0), (1, -1)))
    staying = subtract_from_public(session, 1 << QUOTIENT_BITS, reshape(take(own, [n_groups - 1]), (-1,)))
    weights = squares = ends = None
    if divided is not None:
        ratio = reshape(take(take(found, [0]), range(count, 2 * count), axis=1), (-1,))
        weights = _weights(session, ratio, n_strata, form)
        squares = truncate(session, square(session, weights), WEIGHT_BITS, _WIDE, is_rounded=True)
        if form.q and not form.p:
            ends = take(squares, range(count // n_strata - 1, count, count // n_strata))
    return RiskTerms(
        events=events,
        parts=concatenate([shares, last]),
        staying=truncate(session, staying, QUOTIENT_BITS - _NARROW, QUOTIENT_BITS + 2, is_rounded=True),
        weights=weights,
        squares=squares,
        ends=ends,
    )


def trend_sums(session: Session, terms: RiskTerms, scores: Sequence[int]) -> Shared:
    """U and V of scores of the groups, in units of ``2**-38``, shape ``(2,)``.

    Visible to: no party.

    Args:
        session: of all sites.
        terms: of the table.
        scores: whole numbers from 0 on, one a group.
    """
    own = np.array(scores, dtype=np.int64)[:, np.newaxis]
    reach = (max(scores) - 1).bit_length()  # 2**reach is at least the largest score
    mean = total(multiply_public(terms.parts, own), axis=0)
    mean_square = total(multiply_public(terms.parts, own**2), axis=0)
    narrow = truncate(
        session, mean, QUOTIENT_BITS - _NARROW + reach, QUOTIENT_BITS + 2 + reach, is_rounded=True
    )
    aligned = multiply_public(mean_square, 1 << (2 * (_NARROW - reach) - QUOTIENT_BITS))
    spread = truncate(
        session, subtract(aligned, square(session, narrow)), _NARROW, _WIDE, is_rounded=True
    )  # in units of 2^-(31 - 2 reach)
    observed = reshape(total(multiply_public(terms.events, own), axis=0), (1, -1))
    score = _score(session, terms, observed, reshape(mean, (1, -1)), narrow_bits=_NARROW - reach)
    return concatenate([score, _variances(session, terms, reshape(spread, (1, -1)), _NARROW - 2 * reach)])


def weighted_links(session: Session, terms: RiskTerms) -> GroupSums:
    """U of all groups but the last, and the links of each two groups.

    Visible to: no party.
    """
    n_groups = terms.events.shape[0]
    ends = links_of(n_groups)
    narrow = truncate(session, terms.parts, QUOTIENT_BITS - _NARROW, QUOTIENT_BITS + 2, is_rounded=True)
    products = multiply(
        session, take(narrow, [one for one, _ in ends]), take(narrow, [other for _, other in ends])
    )
    both = truncate(session, products, _NARROW, _WIDE, is_rounded=True)
    others = range(n_groups - 1)
    score = _score(session, terms, take(terms.events, others), take(terms.parts, others), narrow_bits=_NARROW)
    return GroupSums(scores=score, links=_variances(session, terms, both, _NARROW))


def weighted_events(session: Session, terms: RiskTerms, least: int) -> Shared | None:
    """Of each group its events by squared weight, less ``least`` times the largest one: at least 0 where no few events carry it.

    Visible to: no party.

    Args:
        session: of all sites.
        terms: of the table.
        least: the fewest events.

    Returns:
        One number for each group (and stratum, where weights never fall), in ``2**-30``; None without weights.
    """
    if terms.squares is None:
        return None
    found = reshape(matmul(session, terms.events, reshape(terms.squares, (-1, 1))), (-1,))
    if terms.ends is None:
        return add_public(session, found, -(least << WEIGHT_BITS))
    largest = multiply_public(terms.ends, least).share
    return Shared(share=(found.share[:, np.newaxis] - largest).ravel())


def _divided(
    session: Session, d: Shared, n: Shared, everyone: Shared, form: TestForm
) -> tuple[Shared, Shared] | None:
    """Numerator and denominator of what the weights are made from; None where all are 1."""
    if form.weightings in _AT_RISK:
        return n, Shared(share=np.repeat(everyone.share, n.size))
    if form.weightings == "peto":
        return d, add_public(session, n, 1)
    return (d, n) if form.p or form.q else None


def _weights(session: Session, ratio: Shared, n_strata: int, form: TestForm) -> Shared:
    """The weights, from the quotients of ``_divided``."""
    if form.weightings == "tarone-ware":
        cut = truncate(session, ratio, QUOTIENT_BITS - _ROOT.fraction, QUOTIENT_BITS + 2, is_rounded=True)
        return multiply_public(
            square_root(session, cut, 0.0, 1.0, _ROOT), 1 << (WEIGHT_BITS - _ROOT.fraction)
        )
    kept = ratio
    if form.weightings != "wilcoxon":
        kept = subtract_from_public(session, 1 << QUOTIENT_BITS, ratio)
    cut = truncate(session, kept, QUOTIENT_BITS - WEIGHT_BITS, QUOTIENT_BITS + 2, is_rounded=True)
    if form.weightings == "wilcoxon":
        return cut
    curve = _running_product(session, reshape(cut, (n_strata, -1)))
    if form.weightings == "peto":
        return reshape(curve, (-1,))
    one = np.full((n_strata, 1), (1 << WEIGHT_BITS) * int(session.is_first), dtype=np.int64)
    before = Shared(share=np.concatenate([one, curve.share[:, :-1]], axis=1).ravel())
    after = subtract_from_public(session, 1 << WEIGHT_BITS, before)
    if not form.q:
        return before
    if not form.p:
        return after
    return truncate(session, multiply(session, before, after), WEIGHT_BITS, _WIDE, is_rounded=True)


def _running_product(session: Session, x: Shared) -> Shared:
    """The products along the last axis up to each place; each round doubles how many factors are in."""
    span, count = 1, x.shape[1]
    while span < count:
        raw = multiply(
            session, Shared(share=x.share[:, span:].copy()), Shared(share=x.share[:, :-span].copy())
        )
        cut = truncate(session, raw, WEIGHT_BITS, _WIDE, is_rounded=True)
        x = Shared(share=np.concatenate([x.share[:, :span], cut.share], axis=1))
        span *= 2
    return x


def _score(
    session: Session, terms: RiskTerms, observed: Shared, expected: Shared, *, narrow_bits: int
) -> Shared:
    """Sum of weighted events less those expected, ``2**-38``; rows of both are groups or scores."""
    d = reshape(total(terms.events, axis=0), (1, -1))
    if terms.weights is None:
        seen = multiply_public(total(observed, axis=1), 1 << QUOTIENT_BITS)
        return subtract(seen, reshape(matmul(session, d, Shared(share=expected.share.T.copy())), (-1,)))
    cut = truncate(session, expected, QUOTIENT_BITS - narrow_bits, QUOTIENT_BITS + 4, is_rounded=True)
    weights = Shared(share=np.broadcast_to(terms.weights.share, cut.shape).copy())
    shift = WEIGHT_BITS + narrow_bits - QUOTIENT_BITS
    weighed = truncate(session, multiply(session, cut, weights), shift, _WIDE, is_rounded=True)
    seen = reshape(matmul(session, observed, reshape(terms.weights, (-1, 1))), (-1,))
    seen = multiply_public(seen, 1 << (QUOTIENT_BITS - WEIGHT_BITS))
    return subtract(seen, reshape(matmul(session, d, Shared(share=weighed.share.T.copy())), (-1,)))


def _variances(session: Session, terms: RiskTerms, spread: Shared, spread_bits: int) -> Shared:
    """Sum of events by spread, staying and squared weight, ``2**-38``; shape of the rows of ``spread``."""
    staying = Shared(share=np.broadcast_to(terms.staying.share, spread.shape).copy())
    raw, places = multiply(session, spread, staying), spread_bits + _NARROW
    if terms.squares is not None:
        cut = truncate(session, raw, _NARROW, _WIDE, is_rounded=True)
        squares = Shared(share=np.broadcast_to(terms.squares.share, spread.shape).copy())
        raw, places = multiply(session, cut, squares), spread_bits + WEIGHT_BITS
    each = truncate(session, raw, places - QUOTIENT_BITS, _WIDE, is_rounded=True)
    d = reshape(total(terms.events, axis=0), (1, -1))
    return reshape(matmul(session, d, Shared(share=each.share.T.copy())), (-1,))
