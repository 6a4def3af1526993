"""Product limits and cumulative hazards of one group on a grid, with the errors of sampling and of noise apart.

Layer:       analytics.statistics.life_tables; pure, public arithmetic after the opening.
Terms:       in interval i of a group: d events, c censorings, n at risk at its start. *Cells* are ``c_0, d_0, c_1, d_1,
             ...``; each carries independent noise of one standard deviation, which is 0 in exact mode. A product limit is
             ``prod(stay / risk)``; ``stay`` and ``risk`` are sums of cells.
Guarantees:  one formula for exact and private answers: with noise of 0 they are equal. A curve falls and stays between 0
             and 1. Where ``stay`` or ``risk`` is below ``LEAST_AT_RISK`` standard deviations of its noise, and in all later
             intervals, the limits reach from 0 to the last upper limit.
See instead: which intervals are open (survival_cells), tables of groups (group_table).
Source:      Kaplan, Meier 1958; Greenwood 1926: ``d / (n (n - d)) = 1 / (n - d) - 1 / n``; Kalbfleisch, Prentice 1980 for
             limits on the scale of log(-log); Aalen 1978, with limits on the scale of the logarithm. Noise: delta
             method on the logarithm, ours. Sampling and noise together: Zou, Donner 2008 (the distances from the
             estimate to each limit, as a root of squares). Isotonic regression: Barlow et al. 1972.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Part = Literal["both", "sampling", "noise"]
LEVEL: Final = 0.95
# events that noise may hide where it leaves few: added to the variance of sampling of private curves
UNSEEN: Final = 2.0
LEAST_AT_RISK: Final = 3.5  # standard deviations of its noise: see few
# below so many standard deviations of sampling, which is less than one event, the scale of log(-log) says nothing
_ONE_EVENT: Final = 0.9
_TIE: Final = 1e-12


def width_of(level: float) -> float:
    """Standard deviations on each side of a normal variable at a level between 0 and 1."""
    return NormalDist().inv_cdf((1 + level) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A curve of one group; shape ``(n_intervals,)`` each, NaN where the guard closed it.

    Attributes:
        value: after each interval.
        log: its logarithm before it was moved between 0 and 1 and made to fall; of a cumulative hazard, the hazard.
        sampling: standard deviation of ``log`` by sampling.
        noise: standard deviation of ``log`` by the noise; 0 in exact mode.
        gradient: of ``log`` by the cells, shape ``(n_intervals, 2 n_intervals)``.
        few: where so few are at risk that the noise leaves the curve open.
    """

    value: Floats
    log: Floats
    sampling: Floats
    noise: Floats
    gradient: Floats
    few: Bools

    @property
    def n_open(self) -> int:
        """Intervals that are open."""
        return int(np.count_nonzero(~np.isnan(self.value)))

    def error(self, part: Part = "both") -> Floats:
        """Standard deviation of ``value``; 0 where it is 0."""
        spread = {"both": np.hypot(self.sampling, self.noise), "sampling": self.sampling, "noise": self.noise}
        with np.errstate(invalid="ignore"):
            return np.where(self.value > 0, self.value * spread[part], self.value * 0.0)

    def interval(self, level: float = LEVEL, part: Part = "both") -> tuple[Floats, Floats]:
        """Limits that cover the curve of the population (both), or the curve without noise (noise).

        Args:
            level: between 0 and 1.
            part: which error they hold.
        """
        width = width_of(level)
        low, high = _sampling_limits(self.value, self.sampling, width)
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.log(self.value)
            below = np.zeros_like(at) if part == "noise" else at - np.log(low)
            above = np.zeros_like(at) if part == "noise" else np.log(high) - at
            noise = np.zeros_like(at) if part == "sampling" else self.noise * width
            # without one of the errors, the limits of the other as they are
            lower = np.where(
                noise > 0, np.exp(at - np.hypot(below, noise)), np.where(below > 0, low, self.value)
            )
            upper = np.where(
                noise > 0, np.exp(at + np.hypot(above, noise)), np.where(above > 0, high, self.value)
            )
        is_zero = self.value <= 0
        return self._limits(np.where(is_zero, 0.0, lower), np.where(is_zero & ~self.few, 0.0, upper))

    def first_at_most(self, level: float, values: Floats | None = None) -> int | None:
        """The first interval after which the curve, or limits of it, are at most a level; None where no open one is.

        A value that is equal to the level up to 1e-12 is at most it.
        """
        with np.errstate(invalid="ignore"):
            found = np.flatnonzero((self.value if values is None else values) <= level + _TIE)
        return None if found.size == 0 else int(found[0])

    def _limits(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Limits that hold the curve and lie between 0 and 1; of one interval each, so that they need not fall."""
        count, good = self.n_open, int(np.count_nonzero(~self.few & ~np.isnan(self.value)))
        found_low, found_high = self.value.copy(), self.value.copy()
        found_low[:good] = np.minimum(low[:good], self.value[:good])
        found_high[:good] = np.minimum(1.0, np.maximum(high[:good], self.value[:good]))
        found_low[good:count] = 0.0
        found_high[good:count] = found_high[good - 1] if good else 1.0
        return found_low, found_high


def at_risk_of(count: int, size: int = 2) -> Floats:
    """From cells to those at risk at the start of each interval; shape ``(count, size count)``.

    Args:
        count: intervals.
        size: cells of each interval.
    """
    return np.repeat(np.triu(np.ones((count, count))), size, axis=1)


def cell_of(count: int, place: int, size: int = 2) -> Floats:
    """From cells to those of one place of each interval: censorings 0, events 1; shape ``(count, size count)``."""
    found: Floats = np.kron(np.eye(count), np.eye(size)[place]).astype(np.float64)
    return found


def product_limit(stay: Floats, risk: Floats, by_cells: tuple[Floats, Floats], noise_sd: float) -> Curve:
    """The product of ``stay / risk`` up to each interval.

    Args:
        stay: those that the event left, shape ``(n_intervals,)``; NaN where closed.
        risk: those at risk of it.
        by_cells: how stay and risk add up cells, shape ``(n_intervals, 2 n_intervals)`` each.
        noise_sd: of each cell; 0 in exact mode.
    """
    staying, risking = by_cells
    few = few_at_risk(stay, staying, noise_sd) | few_at_risk(risk, risking, noise_sd)
    few = np.logical_or.accumulate(few)
    # sums of no cell are 0 whatever the noise; others divide, so with noise they count as at least 1
    floors = np.where((staying != 0).any(axis=1), 1.0, 0.0) if noise_sd else np.zeros(len(stay))
    u, v = np.maximum(stay, floors), np.maximum(risk, 1.0 if noise_sd else 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(v > 0, u / v, 1.0)
        ratio = np.where(few, np.minimum(ratio, 1.0), ratio)
        ratio = np.where(np.isnan(stay), np.nan, ratio)
        log = np.cumsum(np.log(ratio))
        raw: Floats = np.cumprod(ratio, dtype=np.float64)
        steps = np.where(u < v, 1 / u - 1 / v, 0.0) if not noise_sd else 1 / u - 1 / v
        dividing = np.where(u > 0, u, np.inf)[:, np.newaxis]
        gradient = np.cumsum(staying / dividing - risking / v[:, np.newaxis], axis=0)
        few_events = UNSEEN / (u * v) if noise_sd else 0.0
    green = np.maximum.accumulate(np.maximum(np.cumsum(steps), 0.0)) + few_events
    closed = np.where(np.isnan(stay), np.nan, 0.0)
    noise = noise_sd * np.sqrt((gradient**2).sum(axis=1)) if noise_sd else np.zeros(len(stay))
    return Curve(
        value=_fallen(raw, few, noise) + closed,
        log=log + closed,
        sampling=np.sqrt(green) + closed,
        noise=noise + closed,
        gradient=gradient,
        few=few,
    )


def cumulative_hazard(
    events: Floats, risk: Floats, by_cells: tuple[Floats, Floats], noise_sd: float
) -> Curve:
    """Nelson and Aalen's sums of ``d / n``, without smoothing of ties, with the variance of tied events (binomial).

    Its limits are those of ``hazard_interval``.

    Args:
        events: shape ``(n_intervals,)``; NaN where closed.
        risk: those at risk.
        by_cells: how events and risk add up cells.
        noise_sd: of each cell; 0 in exact mode.
    """
    seen, risking = by_cells
    few = np.logical_or.accumulate(few_at_risk(risk, risking, noise_sd))
    v = np.maximum(risk, 1.0)
    hazard = np.cumsum(events / v)
    change = seen / v[:, np.newaxis] - risking * (events / v**2)[:, np.newaxis]
    gradient = np.cumsum(np.nan_to_num(change), axis=0)
    closed = np.where(np.isnan(events), np.nan, 0.0)
    noise = noise_sd * np.sqrt((gradient**2).sum(axis=1))
    sums = np.cumsum(events / v * (1 - events / v) / v)
    variance = np.maximum.accumulate(np.maximum(sums, 0.0)) + (UNSEEN / v**2 if noise_sd else 0.0)
    return Curve(
        value=np.maximum(rising(hazard, noise, few), 0.0) + closed,
        log=hazard + closed,
        sampling=np.sqrt(variance) + closed,
        noise=noise + closed,
        gradient=gradient,
        few=few,
    )


def hazard_interval(curve: Curve, level: float = LEVEL, part: Part = "both") -> tuple[Floats, Floats]:
    """Limits of a cumulative hazard: sampling on the scale of its logarithm, noise on its own.

    Args:
        curve: of ``cumulative_hazard``.
        level: between 0 and 1.
        part: which error they hold.
    """
    width = width_of(level)
    value, spread = curve.value, width * curve.sampling
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(value > _ONE_EVENT * curve.sampling, spread / value, np.inf)
        low = np.where(np.isfinite(ratio), value * np.exp(-ratio), np.maximum(value - spread, 0.0))
        high = np.where(np.isfinite(ratio), value * np.exp(ratio), value + spread)
    noise = np.zeros_like(value) if part == "sampling" else width * curve.noise
    if part == "noise":
        low, high = value, value
    lower = np.maximum(value - np.hypot(value - low, noise), 0.0)
    upper = value + np.hypot(high - value, noise)
    good = int(np.count_nonzero(~curve.few & ~np.isnan(value)))
    lower[good:] = np.where(np.isnan(value[good:]), np.nan, lower[good - 1] if good else 0.0)
    upper[good:] = np.where(np.isnan(value[good:]), np.nan, np.inf)
    return lower, upper


def few_at_risk(values: Floats, by_cells: Floats, noise_sd: float) -> Bools:
    """Where a sum of cells is below LEAST_AT_RISK standard deviations of its noise."""
    least = LEAST_AT_RISK * noise_sd * np.sqrt((by_cells**2).sum(axis=1))
    found: Bools = np.nan_to_num(values) < least
    return found


def _sampling_limits(value: Floats, sampling: Floats, deviations: float) -> tuple[Floats, Floats]:
    """Limits on the scale of log(-log); on the scale of the logarithm where less than one event was seen."""
    width = sampling * deviations
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log = np.log(value)
        by_loglog = np.exp(width / np.abs(log))
        low, high = np.exp(log * by_loglog), np.exp(log / by_loglog)
        flat = np.abs(log) < _ONE_EVENT * sampling
        low = np.where(flat, np.exp(log - width), low)
        high = np.where(flat, np.minimum(np.exp(log + width), 1.0), high)
    is_inside = (value > 0) & (value < 1)
    at_one = np.where(value >= 1, np.exp(-width), value)
    return np.where(is_inside, low, np.where(np.isnan(value), np.nan, at_one)), np.where(
        is_inside, high, value
    )


def _fallen(raw: Floats, few: Bools, noise: Floats) -> Floats:
    """The curve nearest to a product that noise may let rise; between 0 and 1."""
    count = int(np.count_nonzero(~np.isnan(raw)))
    good = min(count, int(np.count_nonzero(~few)))
    found = raw.copy()
    found[:good] = _isotonic(raw[:good], noise[:good])
    found[:count] = np.minimum.accumulate(np.clip(found[:count], 0.0, 1.0))
    return found


def rising(values: Floats, noise: Floats, few: Bools) -> Floats:
    """The sums nearest to those that noise may let fall.

    Args:
        values: sums over intervals, NaN where closed.
        noise: standard deviation of each.
        few: where they are open whatever they are.
    """
    found = values.copy()
    good = min(int(np.count_nonzero(~few)), int(np.count_nonzero(~np.isnan(values))))
    found[:good] = -_isotonic(-values[:good], noise[:good])
    found[good:] = np.maximum.accumulate(np.maximum(found[good:], found[good - 1] if good else 0.0))
    return found


def _isotonic(values: Floats, noise: Floats) -> Floats:
    """The nearest values that fall, by pooling neighbours that rise, each weighed by its precision."""
    blocks: list[tuple[float, float, int]] = []
    precisions = 1 / np.maximum(noise, _TIE) ** 2
    for value, precision in zip(values.tolist(), precisions.tolist(), strict=True):
        mean, weight, size = value, precision, 1
        while blocks and blocks[-1][0] < mean:
            before, other, count = blocks.pop()
            mean = (before * other + mean * weight) / (other + weight)
            weight, size = other + weight, size + count
        blocks.append((mean, weight, size))
    return np.array([mean for mean, _, size in blocks for _ in range(size)], dtype=np.float64)
