"""The exact privacy profile of Gaussian noise, and a sound bound of it for discrete noise in shares.

Terms:       ``mu`` is what one unit can change over the standard deviation, all releases together: ``mu**2 = sum
             (l2 / sigma)**2``. The profile of Gaussian noise is ``delta(epsilon) = Phi(mu/2 - epsilon/mu) -
             exp(epsilon) Phi(-mu/2 - epsilon/mu)``. *Stand-alone* epsilon is that of these releases and no others.
Guarantees:  ``standalone_epsilon`` is the smaller of the Rényi conversion and the profile, rounded up. The profile is
             known for lists of Gaussian releases and for one use of discrete Laplace noise; for any other list the
             result is the Rényi conversion alone.
See instead: charges, which stay Rényi costs at one fixed order (``composition``); a filter adds these up, and no profile.
Source:      Balle and Wang 1805.06530, Theorem 8, for the profile; composition by adding squares: Dong, Roth, Su
             1905.02383, Corollary 3.3. The bound for discrete noise is ours: round a continuous Gaussian of variance
             ``sigma2 - s2`` at random, ``z`` with mass proportional to ``exp(-(z - x)**2 / (2 s2))``. Poisson
             summation says that the masses' sum is the same at every ``x`` up to a factor of ``1 +- 2.01 exp(-2 pi**2
             s2)``, so the result is the discrete Gaussian of ``sigma2`` up to such a factor at every integer, and
             rounding at random takes nothing from privacy. A sum of discrete Gaussians is one up to ``exp(+- tau)``
             (Kairouz, Liu, Steinke 2102.06387, Theorem 12). A factor of ``exp(+- slack)`` on both sides gives ``delta(
             epsilon) <= exp(slack) profile(epsilon - 2 slack)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final

from privacy_accounting.events import (
    DiscreteGaussian,
    DistributedDiscreteGaussian,
    DistributedDiscreteLaplace,
    Event,
    Gaussian,
    Relation,
)
from privacy_accounting.rdp.additive import tau_of
from privacy_accounting.rdp.composition import EpsilonAt
from privacy_accounting.rdp.composition import epsilon as renyi_epsilon
from privacy_accounting.rdp.shared_laplace import laplace_delta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LARGEST_EPSILON: Final = 600.0  # exp(epsilon) stays a float
_SMOOTHING: Final = 1.5
_LEAST_RATIO: Final = 16  # below, too much of the variance would go into the rounding
_LARGEST_SQUARE: Final = 2.0**20  # beyond, nothing is private
_HALVINGS: Final = 80
_ULP: Final = 2.0**-53
_ROUND_UP: Final = 1 + 2.0**-40


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianNoise:
    """Gaussian releases together, as far as they are Gaussian.

    Attributes:
        mu: rounded up.
        slack: each probability is that of Gaussian releases up to ``exp(+- slack)``; 0 for continuous noise.
    """

    mu: float
    slack: float


def standalone_epsilon(events: Iterable[Event], delta: Fraction, relation: Relation) -> EpsilonAt:
    """Convert what releases cost, if there are no others, into epsilon.

    Args:
        events: each with its count.
        delta: 0 <= delta < 1.
        relation: which datasets are neighbours.

    Returns:
        The least epsilon; its order is None where the profile gave it, or the sum of pure epsilons.

    Raises:
        InvalidCostError: an event has no price under the relation, or delta is out of range.
    """
    listed = list(events)
    by_orders = renyi_epsilon(listed, delta, relation)
    profile = _profile_of(listed, relation)
    if profile is None:
        return by_orders
    exact = _epsilon_of(profile, delta, min(by_orders.epsilon, LARGEST_EPSILON))
    return EpsilonAt(epsilon=exact, order=None) if exact < by_orders.epsilon else by_orders


def standalone_delta(events: Iterable[Event], epsilon: float, relation: Relation) -> float | None:
    """Give the delta of releases, if there are no others, at one epsilon.

    Args:
        events: each with its count.
        epsilon: from 0 to ``LARGEST_EPSILON``.
        relation: which datasets are neighbours.

    Returns:
        Delta, rounded up; None where the list has no known profile.
    """
    profile = _profile_of(list(events), relation)
    return None if profile is None else profile(epsilon)


def gaussian_noise(events: Iterable[Event], relation: Relation) -> GaussianNoise | None:
    """Say how far releases differ from Gaussian ones; None where one of them is of another kind, or too coarse."""
    stretch = _stretch(relation)
    square, slack = 0.0, 0.0
    for event in events:
        found = _part(event, stretch)
        if found is None:
            return None
        square += float(event.count * found[0])
        slack += event.count * found[1]
    if not 2.0**-80 < square < _LARGEST_SQUARE:
        return None
    return GaussianNoise(mu=math.sqrt(square) * _ROUND_UP, slack=slack * _ROUND_UP)


def gaussian_delta(mu: float, epsilon: float) -> float:
    """Compute the profile of Gaussian noise, rounded up.

    Args:
        mu: above 0.
        epsilon: at most ``LARGEST_EPSILON``; it may be a little below 0.
    """
    near, far = mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu
    first, second = _phi(near), math.exp(epsilon) * _phi(far)
    # an argument is off by some units in the last place, which its tail multiplies by the argument squared
    pad = (32 + 8 * (near * near + far * far) + 2 * abs(epsilon)) * _ULP * (first + second)
    return min(1.0, max(0.0, first - second) + pad)


def _part(event: Event, stretch: int) -> tuple[Fraction, float] | None:
    """``mu**2`` and slack of one use."""
    match event:
        case Gaussian():
            return Fraction(stretch) ** 2 / event.noise_multiplier**2, 0.0
        case DiscreteGaussian():
            return _discrete((stretch * event.l2_sensitivity) ** 2, event.sigma2, None, 0.0)
        case DistributedDiscreteGaussian():
            tau = tau_of(event.honest, float(event.sigma2_local))
            total = event.honest * event.sigma2_local
            return _discrete((stretch * event.l2) ** 2, total, event.dim, tau)
        case _:
            return None


def _discrete(
    square: Fraction, sigma2: Fraction, dim: int | None, tau: float
) -> tuple[Fraction, float] | None:
    """Take the rounding's variance off, and bound what it leaves.

    Only coordinates that one unit changes matter, by integers, so that there are at most as many as the squared norm.
    """
    changed = max(1, math.floor(square)) if dim is None else min(dim, max(1, math.floor(square)))
    smoothing = _SMOOTHING + math.log(changed) / (2 * math.pi**2)
    if sigma2 < _LEAST_RATIO * smoothing:
        return None
    factor = 3 * math.exp(-2 * math.pi**2 * smoothing)
    return square / (sigma2 - Fraction(smoothing)), changed * (factor + 2 * tau)


def _bounded(noise: GaussianNoise, epsilon: float) -> float:
    if noise.slack > 1:
        return 1.0
    return min(1.0, math.exp(noise.slack) * gaussian_delta(noise.mu, epsilon - 2 * noise.slack) * _ROUND_UP)


def _profile_of(events: Sequence[Event], relation: Relation) -> Callable[[float], float] | None:
    """Epsilon to delta, falling; None where it is not known."""
    if len(events) == 1 and isinstance(event := events[0], DistributedDiscreteLaplace) and event.count == 1:
        return partial(laplace_delta, event, stretch=_stretch(relation))
    noise = gaussian_noise(events, relation)
    return None if noise is None else partial(_bounded, noise)


def _stretch(relation: Relation) -> int:
    return 2 if relation is Relation.REPLACE_ONE else 1


def _epsilon_of(profile: Callable[[float], float], delta: Fraction, most: float) -> float:
    """The least epsilon of a profile's, up to ``most``, found by halving; infinite where there is none."""
    wanted = math.nextafter(float(delta), 0.0)
    low, high = 0.0, most
    if wanted <= 0 or profile(high) > wanted:
        return math.inf
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (low, middle) if profile(middle) <= wanted else (middle, high)
    return high


def _phi(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2
