"""The opened numbers of one group on a grid, and what follows from them: curves, quantiles, restricted means.

Layer:       analytics.statistics.life_tables, above curves; pure, public arithmetic after the opening.
Terms:       see curves. Times are known to their interval: a curve is given at the edges of the grid alone.
Guarantees:  everything here is computed from opened numbers, so it discloses and costs nothing more. A quantile is a
             declared interval. A restricted mean is given up to an edge before which all intervals are open.
See instead: how the numbers are opened (survival_cells).
Source:      quantiles: Brookmeyer, Crowley 1982, with the first time at which the curve is at most ``1 - q``. Follow-up:
             Schemper, Smith 1996, in which censorings of an interval follow its events. Restricted mean: Royston, Parmar
             2013; its variance is that of the estimate (Greenwood), not of the times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analytics.statistics.life_tables.curves import (
    LEVEL,
    Curve,
    Floats,
    Part,
    at_risk_of,
    cell_of,
    cumulative_hazard,
    product_limit,
    width_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedMean:
    """The mean time up to an edge of the grid.

    Attributes:
        value: with events spread evenly over their intervals.
        earliest: with all events at the start of their intervals.
        latest: with all events at their end.
        sampling: standard deviation by sampling.
        noise: standard deviation by the noise; 0 in exact mode.
        few: so few at risk that the noise leaves it open.
    """

    value: float
    earliest: float
    latest: float
    sampling: float
    noise: float
    few: bool

    @property
    def standard_error(self) -> float:
        """Of sampling and noise."""
        return float(np.hypot(self.sampling, self.noise))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTable:
    """One group; shape ``(n_intervals,)`` each, NaN where the guard closed it.

    Attributes:
        name: of the group; empty where there are none.
        edges: of the grid, one more than intervals.
        events: in each interval.
        censored: in each interval.
        at_risk: at its start.
        noise_sd: of each event and censoring; 0 in exact mode.
    """

    name: str
    edges: tuple[float, ...]
    events: Floats
    censored: Floats
    at_risk: Floats
    noise_sd: float

    @property
    def n_open(self) -> int:
        """Intervals that are open; the rest follows them."""
        return int(np.count_nonzero(~np.isnan(self.events)))

    def survival(self) -> Curve:
        """Kaplan and Meier's curve."""
        count = len(self.events)
        by_cells = at_risk_of(count) - cell_of(count, 1), at_risk_of(count)
        return product_limit(self.at_risk - self.events, self.at_risk, by_cells, self.noise_sd)

    def follow_up(self) -> Curve:
        """The curve of the time until censoring, had there been no events."""
        count = len(self.events)
        stay = at_risk_of(count) - cell_of(count, 1) - cell_of(count, 0)
        by_cells = stay, at_risk_of(count) - cell_of(count, 1)
        risk = self.at_risk - self.events
        return product_limit(risk - self.censored, risk, by_cells, self.noise_sd)

    def hazard(self) -> Curve:
        """Nelson and Aalen's cumulative hazard."""
        count = len(self.events)
        by_cells = cell_of(count, 1), at_risk_of(count)
        return cumulative_hazard(self.events, self.at_risk, by_cells, self.noise_sd)

    def quantile(self, q: float, level: float = LEVEL) -> tuple[int | None, int | None, int | None]:
        """Intervals by number: in which a share q has had the event, and its limits; None beyond the open ones.

        Args:
            q: between 0 and 1.
            level: of the limits, which hold sampling and noise.
        """
        curve = self.survival()
        low, high = curve.interval(level)
        # limits of single intervals need not fall; those of the quantile hold every interval that they leave possible
        low[: self.n_open] = np.minimum.accumulate(low[: self.n_open])
        high[: self.n_open] = np.maximum.accumulate(high[: self.n_open][::-1])[::-1]
        found = curve.first_at_most(1 - q)
        return found, curve.first_at_most(1 - q, low), curve.first_at_most(1 - q, high)

    def restricted_mean(self, tau: float) -> RestrictedMean | None:
        """The mean time up to an edge; None where an interval before it is closed.

        Args:
            tau: one of ``edges`` but the first.
        """
        count = self.edges.index(tau)
        if count > self.n_open:
            return None
        curve = self.survival()
        steps = np.diff(np.array(self.edges[: count + 1]))
        after = curve.value[:count]
        before = np.concatenate([[1.0], after[:-1]])
        earliest, latest = float(steps @ after), float(steps @ before)
        # what the curve after interval i weighs in the mean: half of its own interval and half of the next
        weights = (steps + np.append(steps[1:], 0.0)) / 2
        area = np.cumsum((weights * after)[::-1])[::-1]
        with np.errstate(invalid="ignore"):
            variances = np.diff(np.concatenate([[0.0], curve.sampling[:count] ** 2]))
        is_left = area > 0
        sampling = np.sqrt(np.sum(area[is_left] ** 2 * variances[is_left]))
        noise = (
            self.noise_sd * np.linalg.norm((weights * after) @ curve.gradient[:count])
            if self.noise_sd
            else 0.0
        )
        return RestrictedMean(
            value=self.edges[0] + (earliest + latest) / 2,
            earliest=self.edges[0] + earliest,
            latest=self.edges[0] + latest,
            sampling=float(sampling),
            noise=float(noise),
            few=bool(curve.few[:count].any()),
        )


def limits_of(
    mean: RestrictedMean, edges: tuple[float, float], level: float = LEVEL, part: Part = "both"
) -> tuple[float, float]:
    """Limits of a restricted mean; the whole range where the noise leaves it open.

    Args:
        mean: the mean.
        edges: the first of the grid, and the one up to which it is.
        level: between 0 and 1.
        part: which error they hold.
    """
    if mean.few:
        return edges
    errors = {"both": mean.standard_error, "sampling": mean.sampling, "noise": mean.noise}
    each = width_of(level) * errors[part]
    return max(edges[0], mean.value - each), min(edges[1], mean.value + each)
