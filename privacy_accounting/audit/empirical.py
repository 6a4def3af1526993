"""Empirical audit of a mechanism: exact enumeration, chi-square, and the two-neighbour threshold test.

Layer:       privacy_accounting.audit, beside ``price``. Pure, but for the mechanism that the caller passes.
Terms:       a *mass* is an array of probabilities over ``-reach .. reach``; two *neighbours* are the two datasets of
             the claim; a lower bound on epsilon is a number that, but for the stated chance of a false alarm, no
             mechanism of that epsilon would have shown.
Guarantees:  a failed test means the mechanism breaks its claim, up to ``alpha``. The threshold test sees gross faults
             only (measured: halved noise passes it at epsilon 1); smaller ones are for enumeration and chi-square. A
             green audit says nothing until ``power`` showed that broken mechanisms turn it red.
See instead: running a consortium (the caller's callable), the claims (``rdp``).
Source:      Clopper and Pearson, Biometrika 26 (1934); Jagielski, Ullman, Oprea 2006.07709, section 3; hockey-stick
             divergence: Balle, Barthe, Gaboardi 1807.01647, section 2. Chi-square by its cube root: Wilson and
             Hilferty, PNAS 17 (1931).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.errors import InvalidCostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Run = Callable[[bool, int], NDArray[np.int64]]
    """Runs the mechanism ``n`` times on the first (False) or second (True) neighbour; shape ``(n,)``."""

_SMALLEST_CELL: Final = 10.0
_BISECTIONS: Final = 60
_CHOOSING: Final = 4  # a quarter of the runs chooses the threshold, the rest tests it
_QUANTILES: Final = 50


# -- exact enumeration -------------------------------------------------------------------------------------


def discrete_gaussian_mass(sigma2: float, reach: int) -> NDArray[np.float64]:
    """Enumerate a discrete Gaussian on ``-reach .. reach``; shape ``(2 reach + 1,)``."""
    x = np.arange(-reach, reach + 1)
    mass: NDArray[np.float64] = np.exp(-(x**2) / (2 * sigma2))
    total: NDArray[np.float64] = mass / mass.sum()
    return total


def sum_of_shares_mass(sigma2_local: float, shares: int, reach: int) -> NDArray[np.float64]:
    """Enumerate the sum of independent shares of noise; shape ``(2 shares reach + 1,)``."""
    one = discrete_gaussian_mass(sigma2_local, reach)
    total = one
    for _ in range(shares - 1):
        total = np.convolve(total, one)
    return total


def shifted(mass: NDArray[np.float64], by: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give a mass and the same moved by an integer, on one support, each of shape ``(n + by,)``."""
    pad = np.zeros(by)
    return np.concatenate([mass, pad]), np.concatenate([pad, mass])


def renyi_divergence(p: NDArray[np.float64], q: NDArray[np.float64], order: float) -> float:
    """Compute the Rényi divergence of two masses at an order above 1; infinite where q lacks mass of p."""
    inside = p > 0
    if np.any(q[inside] == 0):
        return math.inf
    logs = order * np.log(p[inside]) + (1 - order) * np.log(q[inside])
    top = float(logs.max())
    return (top + math.log(float(np.exp(logs - top).sum()))) / (order - 1)


def hockey_stick(p: NDArray[np.float64], q: NDArray[np.float64], epsilon: float) -> float:
    """Compute the least delta at one epsilon for two masses, the worse of both directions."""
    ratio = math.exp(epsilon)
    return float(max(np.maximum(p - ratio * q, 0).sum(), np.maximum(q - ratio * p, 0).sum()))


# -- samplers ----------------------------------------------------------------------------------------------


def chi_square_excess(values: NDArray[np.int64], mass: Mapping[int, float]) -> float:
    """Say by how many standard deviations samples differ from a mass function.

    Args:
        values: samples, shape ``(n,)``.
        mass: probability of each integer; what is left out is one further cell.

    Returns:
        About standard normal for a right sampler (Wilson and Hilferty); above 6 with chance 1e-9.
    """
    total = len(values)
    expected = {x: p * total for x, p in mass.items() if p * total >= _SMALLEST_CELL}
    found, numbers = np.unique(values, return_counts=True)
    observed = dict(zip(found.tolist(), numbers.tolist(), strict=True))
    statistic = sum((observed.get(x, 0) - e) ** 2 / e for x, e in expected.items())
    rest = total - sum(expected.values())
    outside = total - sum(observed.get(x, 0) for x in expected)
    degrees = len(expected) - 1
    if rest >= _SMALLEST_CELL:
        statistic, degrees = statistic + (outside - rest) ** 2 / rest, degrees + 1
    elif outside > rest + _SMALLEST_CELL * 6:
        return math.inf  # values where there should be next to none
    if degrees < 1:
        return 0.0
    spread = 2 / (9 * degrees)
    return float(((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def repeats(first: NDArray[np.int64], second: NDArray[np.int64], chance: float) -> bool:
    """Say whether two draws of noise that must be fresh agree far more often than by chance.

    Args:
        first: noise of one run, shape ``(n,)``.
        second: noise of another run, same shape.
        chance: probability that two fresh values agree, for example the largest mass.

    Returns:
        True if agreements exceed their expectation by six standard deviations and by one.
    """
    equal = int((first == second).sum())
    expected = len(first) * chance
    return equal > expected + 6 * math.sqrt(expected * (1 - chance)) + 1


# -- two neighbours ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The result of an attack.

    Attributes:
        epsilon: lower bound on epsilon at the claim's delta, at least 0.
        threshold: outputs at or above it were taken for the second neighbour.
        hits: how often that was right, of ``runs``.
        false_alarms: how often it was wrong, of ``runs``.
        runs: for each neighbour, those that chose the threshold left out.
    """

    epsilon: float
    threshold: int
    hits: int
    false_alarms: int
    runs: int

    def breaks(self, claimed: float) -> bool:
        """Say whether the mechanism cannot have the epsilon claimed."""
        return self.epsilon > claimed


def attack(run: Run, *, delta: float, runs: int, alpha: float = 1e-6) -> Bound:
    """Try to distinguish two neighbours by a threshold, and bound epsilon from below.

    ``log((hits_low - delta) / false_alarms_high)`` with Clopper-Pearson bounds at ``alpha / 8`` each, in both
    directions. The threshold is chosen on runs that are not used for the bound.

    Args:
        run: the mechanism, start to end; must be fresh at every call.
        delta: of the claim.
        runs: for each neighbour.
        alpha: chance that a right mechanism is reported broken.

    Returns:
        The better of both directions.

    Raises:
        InvalidCostError: a number is out of range.
    """
    if not (runs >= _CHOOSING * 2 and 0 <= delta < 1 and 0 < alpha < 1):
        raise InvalidCostError(what="attack", reason="needs at least 8 runs, 0 <= delta < 1, 0 < alpha < 1")
    first, second = run(False, runs), run(True, runs)  # noqa: FBT003 - which neighbour
    split = runs // _CHOOSING
    best: Bound | None = None
    for sign in (1, -1):
        low, high = sign * first, sign * second
        threshold = _choose(low[:split], high[:split], delta, alpha)
        bound = _bound(low[split:], high[split:], threshold, delta, alpha)
        if best is None or bound.epsilon > best.epsilon:
            best = bound
    if best is None:  # pragma: no cover - two directions were tried
        raise InvalidCostError(what="attack", reason="found nothing")
    return best


def _choose(first: NDArray[np.int64], second: NDArray[np.int64], delta: float, alpha: float) -> int:
    candidates = np.unique(np.quantile(np.concatenate([first, second]), np.linspace(0, 1, _QUANTILES)))
    found = [_bound(first, second, int(each), delta, alpha) for each in np.unique(np.ceil(candidates))]
    return max(found, key=lambda bound: (bound.epsilon, bound.hits - bound.false_alarms)).threshold


def _bound(
    first: NDArray[np.int64], second: NDArray[np.int64], threshold: int, delta: float, alpha: float
) -> Bound:
    """Bound epsilon by one threshold, as a test for the second neighbour or, below it, for the first."""
    n = len(first)
    false_alarms, hits = int((first >= threshold).sum()), int((second >= threshold).sum())
    above = _epsilon(hits, false_alarms, n, delta, alpha)
    below = _epsilon(n - false_alarms, n - hits, n, delta, alpha)
    return Bound(epsilon=max(above, below), threshold=threshold, hits=hits, false_alarms=false_alarms, runs=n)


def _epsilon(hits: int, false_alarms: int, runs: int, delta: float, alpha: float) -> float:
    low, high = (
        clopper_pearson_low(hits, runs, alpha / 8),
        clopper_pearson_high(false_alarms, runs, alpha / 8),
    )
    return max(0.0, math.log((low - delta) / high)) if low > delta else 0.0


def clopper_pearson_high(successes: int, trials: int, alpha: float) -> float:
    """Give p such that so few successes or fewer have chance ``alpha``; 1 if all succeeded."""
    if successes >= trials:
        return 1.0
    low, high = successes / trials, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if _log_tail(successes, trials, middle) > math.log(alpha) else (low, middle)
        )
    return high


def clopper_pearson_low(successes: int, trials: int, alpha: float) -> float:
    """Give p such that so many successes or more have chance ``alpha``; 0 if none succeeded."""
    return 1 - clopper_pearson_high(trials - successes, trials, alpha)


def _log_tail(successes: int, trials: int, p: float) -> float:
    """Compute ``log P(X <= successes)`` of a binomial; exact sums of terms until they do not matter."""
    if not 0 < p < 1:
        return 0.0 if p <= 0 else -math.inf
    log_term = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(p)
        + (trials - successes) * math.log1p(-p)
    )
    total, term, k = 1.0, 1.0, successes
    while k > 0 and term > total * 1e-17:
        term *= k * (1 - p) / ((trials - k + 1) * p)
        total, k = total + term, k - 1
    return log_term + math.log(total)


def power(
    broken: Mapping[str, Run], *, claimed: float, delta: float, runs: int, alpha: float = 1e-6
) -> dict[str, bool]:
    """Say of each deliberately broken mechanism whether the threshold test catches it.

    Args:
        broken: mechanisms by what is wrong with them.
        claimed: epsilon that they would claim.
        delta: of the claim.
        runs: for each neighbour.
        alpha: as ``attack``.
    """
    return {
        name: attack(run, delta=delta, runs=runs, alpha=alpha).breaks(claimed) for name, run in broken.items()
    }
