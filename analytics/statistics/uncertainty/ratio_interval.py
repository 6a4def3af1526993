"""The interval of a share whose two counts carry independent noise.

Layer:       analytics.statistics, beside intervals. Pure.
Guarantees:  the set of all shares that the noise of one linear combination does not contradict holds the share without noise
             exactly as often as the width says, at any size of the counts; what is returned is its hull within 0 and 1.
Source:      Fieller 1954: ``a - q d`` has variance ``sa^2 + q^2 sd^2`` around 0 at the true q.
"""

from __future__ import annotations

import math


def ratio_interval(
    part: float, whole: float, part_sd: float, whole_sd: float, width: float
) -> tuple[float, float]:
    """The shares ``part / whole`` between 0 and 1 that the noise does not contradict.

    Args:
        part: noisy count above.
        whole: noisy count below.
        part_sd: standard deviation of its noise; 0 for an exact count.
        whole_sd: likewise.
        width: standard deviations on each side.

    Returns:
        Low and high; both ends are the nearest bound where no share between 0 and 1 agrees, and 0 and 1 where nothing is known.
    """
    if part_sd == 0 and whole_sd == 0:
        share = min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0
        return (share, share) if whole > 0 else (0.0, 1.0)
    # (part - q whole)^2 <= width^2 (part_sd^2 + q^2 whole_sd^2), as a q^2 + b q + c <= 0
    a = whole**2 - (width * whole_sd) ** 2
    b = -2 * part * whole
    c = part**2 - (width * part_sd) ** 2

    def agrees(q: float) -> bool:
        return a * q * q + b * q + c <= 0

    ends = [q for q in (0.0, 1.0, *_roots(a, b, c)) if 0 <= q <= 1]
    inside = [
        q for q in ends if agrees(q) or any(math.isclose(q, root, abs_tol=1e-12) for root in _roots(a, b, c))
    ]
    if inside:
        return min(inside), max(inside)
    distances = [(abs(part - q * whole) / math.hypot(part_sd, q * whole_sd), q) for q in (0.0, 1.0)]
    nearest = min(distances)[1]
    return nearest, nearest


def _roots(a: float, b: float, c: float) -> tuple[float, ...]:
    if a == 0:
        return () if b == 0 else (-c / b,)
    inside = b * b - 4 * a * c
    if inside < 0:
        return ()
    half = -(b + math.copysign(math.sqrt(inside), b)) / 2
    return tuple(sorted({half / a, c / half} if half else {0.0, -b / a}))
