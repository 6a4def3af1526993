"""Power and sample size of private tests: how many rows show a difference, under sampling and the noise of epsilon.

Layer:       analytics.plans above question; pure: no data, no charge.
Terms:       *power* is the chance that the test with two sides finds the difference at level ``alpha``.
Guarantees:  the noise is that of the plan that the sites would make: the same calibration, shares of noise and
             mechanism. Without an epsilon the figures are those of the exact test. Normal approximation for proportions,
             noncentral Student for means; the noise enters both variances to first order, so groups below four standard
             deviations of their size's noise get a power of 0: no answer would be usable.
See instead: a real question's price and noise (``explain``).
Source:      Fleiss, Levin, Paik 2003, chapter 4, as ``statsmodels.stats.proportion.power_proportions_2indep``; Cohen 1988,
             as ``statsmodels.stats.power.TTestIndPower``; the noise's terms: delta_method, group_moments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from analytics.errors import InvalidRequestError
from analytics.plans.context import PlanContext
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from analytics.schema.numbers import exact_number
from analytics.statistics.uncertainty.bounded import FEW
from analytics.statistics.uncertainty.distributions import noncentral_student_power

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.statistics.uncertainty.noise_law import NoiseLaw

MAX_ROWS: Final = 100_000_000
_COUNTS: Final = "SELECT a, b, COUNT(*) AS n FROM t GROUP BY a, b"
_MOMENTS: Final = "SELECT a, VAR_SAMP(x) AS v FROM t GROUP BY a"
Number = float | str | Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What the noise follows from, beside epsilon.

    Attributes:
        n_sites: sites that compute.
        colluding: sites that may pool what they know with the analyst.
        sites_per_unit: sites at which one person may have a row; all by default.
        delta: of the sub-budget that questions are calibrated at.
        relation: which data sets are neighbors.
    """

    n_sites: int = 3
    colluding: int = 1
    sites_per_unit: int | None = None
    delta: Number = "0.000001"
    relation: str = "add_or_remove_one"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """How many rows are needed.

    Attributes:
        n1: of the first group.
        n2: of the second.
        power: with so many.
        without_noise: rows of the first group that the exact test would need.
    """

    n1: int
    n2: int
    power: float
    without_noise: int


def proportions_power(
    p1: float,
    p2: float,
    n1: int,
    n2: int,
    *,
    epsilon: Number | None = None,
    alpha: float = 0.05,
    design: Design | None = None,
) -> float:
    """Power of ``two_proportions``.

    Args:
        p1: proportion of the first group, above 0 and below 1.
        p2: of the second.
        n1: rows of the first group.
        n2: of the second.
        epsilon: of the private test; None for the exact one.
        alpha: the level.
        design: what else the noise follows from.

    Raises:
        InvalidRequestError: a number is out of range.
    """
    sd = 0.0 if epsilon is None else _noise(_COUNTS, epsilon, design or Design())[0].sd
    return _proportions(p1, p2, n1, n2, sd, alpha)


def proportions_sample_size(
    p1: float,
    p2: float,
    *,
    epsilon: Number | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    ratio: float = 1.0,
    design: Design | None = None,
) -> SampleSize:
    """The least rows with which ``two_proportions`` reaches a power.

    Args:
        p1: proportion of the first group, above 0 and below 1.
        p2: of the second, another one.
        epsilon: of the private test; None for the exact one.
        power: to be reached.
        alpha: the level.
        ratio: rows of the second group over those of the first.
        design: what else the noise follows from.

    Raises:
        InvalidRequestError: a number is out of range, or more than 100,000,000 rows are needed.
    """
    if p1 == p2:
        raise InvalidRequestError(parameter="p2", reason="must differ from p1")
    sd = 0.0 if epsilon is None else _noise(_COUNTS, epsilon, design or Design())[0].sd
    return _least(
        lambda n1, n2: _proportions(p1, p2, n1, n2, sd, alpha),
        lambda n1, n2: _proportions(p1, p2, n1, n2, 0.0, alpha),
        power,
        ratio,
    )


def means_power(  # noqa: PLR0913  the names of the field
    mean1: float,
    mean2: float,
    sd: float,
    n1: int,
    n2: int,
    *,
    bounds: tuple[Number, Number],
    resolution: Number = 1,
    epsilon: Number | None = None,
    alpha: float = 0.05,
    design: Design | None = None,
) -> float:
    """Power of ``t_test`` with one variance.

    Args:
        mean1: of the first group, in the column's unit.
        mean2: of the second.
        sd: standard deviation in both groups, above 0.
        n1: rows of the first group.
        n2: of the second.
        bounds: declared lower and upper bound of the column.
        resolution: its declared resolution.
        epsilon: of the private test; None for the exact one.
        alpha: the level.
        design: what else the noise follows from.

    Raises:
        InvalidRequestError: a number is out of range.
    """
    noise = _means_noise(mean1, mean2, bounds, resolution, epsilon, design or Design())
    return _means(mean1 - mean2, sd, n1, n2, noise, alpha)


def means_sample_size(  # noqa: PLR0913  the names of the field
    mean1: float,
    mean2: float,
    sd: float,
    *,
    bounds: tuple[Number, Number],
    resolution: Number = 1,
    epsilon: Number | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    ratio: float = 1.0,
    design: Design | None = None,
) -> SampleSize:
    """The least rows with which ``t_test`` with one variance reaches a power; arguments as ``means_power``.

    Raises:
        InvalidRequestError: a number is out of range, or more than 100,000,000 rows are needed.
    """
    if mean1 == mean2:
        raise InvalidRequestError(parameter="mean2", reason="must differ from mean1")
    noise = _means_noise(mean1, mean2, bounds, resolution, epsilon, design or Design())
    return _least(
        lambda n1, n2: _means(mean1 - mean2, sd, n1, n2, noise, alpha),
        lambda n1, n2: _means(mean1 - mean2, sd, n1, n2, _Noise(), alpha),
        power,
        ratio,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noise:
    """Standard deviations of the noise: on both sums around their own means, in the column's unit, and on a count."""

    first: float = 0.0
    second: float = 0.0
    count: float = 0.0


def _noise(select: str, epsilon: Number, design: Design, **column: object) -> tuple[NoiseLaw, ...]:
    """The noise of a private question in two groups, from its plan."""
    numeric = {"type": "numeric", "lower": 0, "upper": 1, "resolution": 1, **column}
    table = {
        "privacy_unit": "row",
        "rows_max": 1_000,
        "max_sites_per_unit": design.sites_per_unit or design.n_sites,
        "columns": {"a": {"type": "boolean"}, "b": {"type": "boolean"}, "x": numeric},
    }
    context = PlanContext(
        n_sites=design.n_sites,
        colluding=design.colluding,
        relation=design.relation,
        delta=_exact("delta", design.delta),
        minimum_cell=0,
    )
    query = bind(select, Schema.from_dict({"tables": {"t": table}}))
    plan = make_plan(query, mode="private", epsilon=_exact("epsilon", epsilon), context=context)
    return tuple(plan.noise_law(number) for number in range(len(plan.blocks)))


def _means_noise(
    mean1: float,
    mean2: float,
    bounds: tuple[Number, Number],
    resolution: Number,
    epsilon: Number | None,
    design: Design,
) -> _Noise:
    lower, upper, unit = (
        _exact(name, each)
        for name, each in zip(("bounds", "bounds", "resolution"), (*bounds, resolution), strict=True)
    )
    if not lower < upper or unit <= 0:
        raise InvalidRequestError(parameter="bounds", reason="must rise, with a resolution above 0")
    if not all(lower <= each <= upper for each in (mean1, mean2)):
        raise InvalidRequestError(parameter="bounds", reason="must hold both means")
    if epsilon is None:
        return _Noise()
    count, total, _ = _noise(_MOMENTS, epsilon, design, lower=lower, upper=upper, resolution=unit)
    middle = float(lower + upper) / 2
    sums = [math.hypot(float(unit) * total.sd, (mean - middle) * count.sd) for mean in (mean1, mean2)]
    return _Noise(first=sums[0], second=sums[1], count=count.sd)


def _proportions(p1: float, p2: float, n1: int, n2: int, noise_sd: float, alpha: float) -> float:
    for name, each in (("p1", p1), ("p2", p2), ("alpha", alpha)):
        _check(name, each, 0, 1)
    _check("n1", min(n1, n2), 1, MAX_ROWS)
    if min(n1, n2) < FEW * noise_sd * math.sqrt(2):
        return 0.0
    pooled = (n1 * p1 + n2 * p2) / (n1 + n2)

    def error(first: float, second: float) -> float:
        square = first * (1 - first) / n1 + second * (1 - second) / n2
        for share, n in ((first, n1), (second, n2)):
            square += noise_sd**2 * ((1 - share) ** 2 + share**2) / n**2
        return math.sqrt(square)

    law, apart = NormalDist(), abs(p1 - p2)
    reach = law.inv_cdf(1 - alpha / 2) * error(pooled, pooled)
    spread = error(p1, p2)
    return law.cdf((apart - reach) / spread) + law.cdf((-apart - reach) / spread)


def _means(difference: float, sd: float, n1: int, n2: int, noise: _Noise, alpha: float) -> float:
    _check("alpha", alpha, 0, 1)
    _check("sd", sd, 0, math.inf)
    _check("n1", min(n1, n2), 2, MAX_ROWS)
    if min(n1, n2) < FEW * noise.count:
        return 0.0
    square = sd**2 * (1 / n1 + 1 / n2) + (noise.first / n1) ** 2 + (noise.second / n2) ** 2
    return noncentral_student_power(abs(difference) / math.sqrt(square), n1 + n2 - 2, alpha)


def _least(
    reached: Callable[[int, int], float],
    exact: Callable[[int, int], float],
    power: float,
    ratio: float,
) -> SampleSize:
    _check("power", power, 0, 1)
    _check("ratio", ratio, 0, math.inf)

    def both(n1: int) -> tuple[int, int]:
        return n1, max(2, math.ceil(ratio * n1))

    def first(function: Callable[[int, int], float]) -> int:
        low, high = 1, 2
        while high <= MAX_ROWS / max(ratio, 1) and function(*both(high)) < power:
            low, high = high, 2 * high
        if high > MAX_ROWS / max(ratio, 1):
            reason = f"cannot be reached with {MAX_ROWS} rows"
            raise InvalidRequestError(parameter="power", reason=reason)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if function(*both(middle)) >= power else (middle, high)
        return high

    n1 = first(reached)
    return SampleSize(n1=n1, n2=both(n1)[1], power=reached(*both(n1)), without_noise=first(exact))


def _check(name: str, value: float, low: float, high: float) -> None:
    inside = low < value < high if name != "n1" else low <= value <= high
    if not inside:
        raise InvalidRequestError(parameter=name, reason=f"must lie between {low} and {high}")


def _exact(name: str, value: Number) -> Fraction:
    try:
        return exact_number(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(parameter=name, reason="must be a number") from error
