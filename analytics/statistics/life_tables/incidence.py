"""Cumulative incidence of competing causes in one group, with the errors of sampling and of noise apart.

Layer:       analytics.statistics.life_tables above curves; pure, public arithmetic after the opening.
Terms:       in interval i: ``d_j`` events of cause j, n at risk, ``h_j = d_j / n``. The incidence of j after interval k is
             the sum of ``S h_j`` up to it, S being the curve of no event before each. *Cells* of an interval are its
             censorings, then the events of each cause.
Guarantees:  one formula for exact and private answers. An incidence rises and stays between 0 and 1. Where too few are at risk,
             as in curves, the limits reach from the last lower limit to 1.
See instead: which intervals are open (survival_cells); one cause as the only one, the others censored (curves).
Source:      Aalen, Johansen 1978; delta method over the multinomial of each interval, as Dinse, Larson 1986; limits on the scale
             of log(-log), Choudhury 2002; sampling and noise together as in curves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.statistics.life_tables.curves import (
    LEVEL,
    UNSEEN,
    Bools,
    Floats,
    Part,
    at_risk_of,
    few_at_risk,
    rising,
    width_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidence:
    """One cause in one group; shape ``(n_intervals,)`` each, NaN where the guard closed it.

    Attributes:
        value: after each interval.
        sampling: its standard deviation by sampling.
        noise: its standard deviation by the noise; 0 in exact mode.
        few: where so few are at risk that the noise leaves it open.
    """

    value: Floats
    sampling: Floats
    noise: Floats
    few: Bools

    @property
    def error(self) -> Floats:
        """Of sampling and noise."""
        found: Floats = np.hypot(self.sampling, self.noise)
        return found

    def interval(self, level: float = LEVEL, part: Part = "both") -> tuple[Floats, Floats]:
        """Limits that cover the incidence in the population (both), or that without noise (noise).

        Args:
            level: between 0 and 1.
            part: which error they hold.
        """
        width, value = width_of(level), self.value
        spread = width * self.sampling
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            power = np.exp(spread / np.abs(value * np.log(value)))
            low, high = value**power, value ** (1 / power)
            # less than one event: on its own scale
            is_flat = ~((value > self.sampling * 0.9) & (value < 1))
        low = np.where(is_flat, np.maximum(value - spread, 0.0), low)
        high = np.where(is_flat, np.minimum(value + spread, 1.0), high)
        below, above = (value - low, high - value) if part != "noise" else (0.0 * value, 0.0 * value)
        noise = 0.0 * value if part == "sampling" else width * self.noise
        lower = np.clip(value - np.hypot(below, noise), 0.0, 1.0)
        upper = np.clip(value + np.hypot(above, noise), 0.0, 1.0)
        good = int(np.count_nonzero(~self.few & ~np.isnan(value)))
        is_open = ~np.isnan(value[good:])
        lower[good:] = np.where(is_open, lower[good - 1] if good else 0.0, np.nan)
        upper[good:] = np.where(is_open, 1.0, np.nan)
        return lower, upper


def incidences_of(events: Floats, at_risk: Floats, noise_sd: float) -> tuple[Incidence, ...]:
    """The incidence of each cause.

    Args:
        events: shape ``(n_causes, n_intervals)``; NaN where closed.
        at_risk: at the start of each interval, shape ``(n_intervals,)``.
        noise_sd: of each cell; 0 in exact mode.
    """
    n_causes, count = events.shape
    size = n_causes + 1
    risking = at_risk_of(count, size)
    staying = risking - np.kron(np.eye(count), np.array([0.0] + [1.0] * n_causes))
    few = few_at_risk(at_risk, risking, noise_sd) | few_at_risk(
        at_risk - events.sum(axis=0), staying, noise_sd
    )
    few = np.logical_or.accumulate(few)
    closed = np.where(np.isnan(at_risk), np.nan, 0.0)
    n = np.maximum(np.nan_to_num(at_risk), 1.0)
    hazards = np.nan_to_num(events) / n
    leaving = np.minimum(hazards.sum(axis=0), 1.0)
    before = np.concatenate([[1.0], np.cumprod(1 - leaving)[:-1]])
    totals = np.cumsum(before * hazards, axis=1)
    # of each cause after k: its change by the hazard of cause l in interval i; after its own end an interval changes nothing
    stays = np.where(leaving < 1, 1 - leaving, np.inf)
    until = np.tril(np.ones((count, count)))
    later = -(totals[:, :, np.newaxis] - totals[:, np.newaxis, :]) / stays * until  # (cause, k, i)
    found = []
    for cause in range(n_causes):
        own = np.zeros((n_causes, count, count))
        own[cause] = before * until
        slopes = own + later[cause]
        means = np.einsum("lki,li->ki", slopes, hazards)
        squares = np.einsum("lki,li->ki", slopes**2, np.maximum(hazards, 0.0))
        variance = np.maximum((squares - means**2) / n, 0.0).sum(axis=1)
        if noise_sd:
            variance = variance + UNSEEN * (before / n) ** 2
        # a cell of events changes its own hazard; every later or own cell changes those at risk
        gradient = -(means / n) @ risking
        for other in range(n_causes):
            gradient[:, other + 1 :: size] += slopes[other] / n
        noise = noise_sd * np.sqrt((gradient**2).sum(axis=1))
        found.append(
            Incidence(
                value=np.clip(rising(totals[cause], noise, few), 0.0, 1.0) + closed,
                sampling=np.sqrt(variance) + closed,
                noise=noise + closed,
                few=few,
            )
        )
    return tuple(found)
