"""The curve of every event of the vocabulary under every relation, and its pure epsilon.

Guarantees:  an event that has no proven price under a relation is refused; a price is never below the true
             divergence; the same event always has the same price (curves are cached, read-only).
See instead: the formulas (one file a family beside this one), sums over events (``composition``).
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting import events as ev
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Event, Relation
from privacy_accounting.rdp import additive, guarantees, selection, shared_laplace, subsampled
from privacy_accounting.rdp.orders import frozen, order_floats, order_positions
from privacy_accounting.rdp.special import ROUND_UP
from privacy_accounting.rdp.subsampled_gaussian import poisson_gaussian
from privacy_accounting.rdp.without_replacement import without_replacement_gaussian

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LEAST_ORDER: Final = 1 + Fraction(1, 2**20)
_LARGEST_ORDER: Final = Fraction(2**30)
_CACHED_EVENTS: Final = 4096
_EPSILON_PAD: Final = 1 + Fraction(1, 2**48)

# Relations under which a mechanism has a price; all others have one under every relation.
_PRICED_UNDER: Final[tuple[tuple[type[Event], frozenset[Relation]], ...]] = (
    (ev.Tree, frozenset({Relation.REPLACE_SPECIAL})),
    (ev.WithoutReplacementGaussian, frozenset({Relation.REPLACE_ONE})),
    (ev.RandomizedResponse, frozenset({Relation.REPLACE_ONE, Relation.REPLACE_SPECIAL})),
    (ev.PoissonGaussian, frozenset({Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_SPECIAL})),
    (ev.Poisson, frozenset({Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_SPECIAL})),
)


def curve(event: Event, relation: Relation) -> NDArray[np.float64]:
    """Price an event, all its ``count`` uses, at every order of the grid.

    Args:
        event: any event of the vocabulary.
        relation: which datasets are neighbours.

    Returns:
        Rényi cost at each of ``ORDERS``, float64, shape ``(len(ORDERS),)``, read-only; infinite where
        unknown.

    Raises:
        InvalidCostError: the event has no price under this relation.
    """
    if event.count == 1:
        return _single_curve(event, Relation(relation))
    return _single_curve(replace(event, count=1), Relation(relation)) * float(event.count)


def at_order(event: Event, order: Fraction, relation: Relation) -> float:
    """Price an event, all its ``count`` uses, at one order, of the grid or not.

    Args:
        event: any event of the vocabulary.
        order: above 1 + 2**-20, at most 2**30.
        relation: which datasets are neighbours.

    Returns:
        Rényi cost; infinite where unknown.

    Raises:
        InvalidCostError: the event has no price under this relation, or the order is out of range.
    """
    position = order_positions().get(order)
    if position is not None and not _is_enumerated(event):
        return float(curve(event, relation)[position])
    if not _LEAST_ORDER <= order <= _LARGEST_ORDER:
        raise InvalidCostError(what="order", reason="must be between 1 + 2^-20 and 2^30")
    return _single_at(replace(event, count=1), Fraction(order), Relation(relation)) * float(event.count)


def _is_enumerated(event: Event) -> bool:
    """Whether a curve takes so long that one order is priced alone."""
    return isinstance(event, ev.DistributedDiscreteLaplace) and event.honest < event.shares


def pure_epsilon(event: Event, relation: Relation) -> float:
    """Bound the privacy loss of an event, all its ``count`` uses, with probability 1.

    Args:
        event: any event of the vocabulary.
        relation: which datasets are neighbours.

    Returns:
        Pure epsilon, rounded up; infinite for Gaussian-like noise.

    Raises:
        InvalidCostError: the event has no price under this relation.
    """
    exact = exact_pure_epsilon(event, relation)
    return math.inf if exact is None else float_above(exact)


def exact_pure_epsilon(event: Event, relation: Relation) -> Fraction | None:
    """Bound the privacy loss as a rational number, exact where the parameters are; None where unbounded."""
    require_relation(event, Relation(relation))
    single = _single_pure(event, Relation(relation))
    return None if single is None else event.count * single


def float_above(value: Fraction) -> float:
    """Round a rational number up to a float, infinite above the largest."""
    try:
        near = float(value)
    except OverflowError:
        return math.inf
    return near if Fraction(near) >= value else math.nextafter(near, math.inf)


def require_relation(event: Event, relation: Relation) -> None:
    """Refuse an event, or one inside it, that has no price under a relation.

    Raises:
        InvalidCostError: naming the event and the relations under which it has a price.
    """
    for cls, relations in _PRICED_UNDER:
        if isinstance(event, cls) and relation not in relations:
            allowed = " or ".join(sorted(relations))
            raise InvalidCostError(
                what=event.mechanism, reason=f"has a price under {allowed} only, not {relation}"
            )
    if isinstance(event, ev.Poisson | ev.RepeatAndSelect):
        if own_delta(event.inner) > 0:
            raise InvalidCostError(
                what=event.mechanism, reason="has no price around a mechanism with a delta"
            )
        require_relation(event.inner, relation)
    if isinstance(event, ev.Threshold):
        require_relation(event.inner, relation)


def own_delta(event: Event) -> Fraction:
    """Add up the probability that an event fails outright, all its ``count`` uses; 0 for most mechanisms."""
    inside = Fraction(0)
    if isinstance(event, ev.Threshold):
        inside = event.delta + own_delta(event.inner)
    elif isinstance(event, ev.Poisson | ev.RepeatAndSelect):
        inside = own_delta(event.inner)
    return event.count * inside


@lru_cache(maxsize=_CACHED_EVENTS)
def _single_curve(event: Event, relation: Relation) -> NDArray[np.float64]:
    require_relation(event, relation)
    return frozen(_priced(event, order_floats(), relation))


@lru_cache(maxsize=_CACHED_EVENTS)
def _single_at(event: Event, order: Fraction, relation: Relation) -> float:
    require_relation(event, relation)
    return float(_priced(event, np.array([float(order)]), relation)[0])


def _priced(event: Event, orders: NDArray[np.float64], relation: Relation) -> NDArray[np.float64]:
    """Price one use at given orders; no divergence exceeds the largest possible loss, nor is any below 0."""
    costs = _formula(event, orders, relation)
    pure = _single_pure(event, relation)
    capped = costs if pure is None else np.minimum(costs, float_above(pure))
    return np.where(capped >= 0, capped, np.inf)  # what is not a number is unknown


def _formula(event: Event, orders: NDArray[np.float64], relation: Relation) -> NDArray[np.float64]:
    """Apply the formula of one use. Replacing a unit moves a sum twice as far as removing it."""
    stretch = 2 if relation is Relation.REPLACE_ONE else 1
    match event:
        case ev.Gaussian():
            return additive.gaussian(event, orders, stretch)
        case ev.DistributedDiscreteGaussian():
            return additive.distributed_discrete_gaussian(event, orders, stretch)
        case ev.DiscreteGaussian():
            return additive.discrete_gaussian(event, orders, stretch)
        case ev.Laplace():
            return additive.laplace(event, orders, stretch)
        case ev.DiscreteLaplace():
            return additive.discrete_laplace(event, orders, stretch)
        case ev.DistributedDiscreteLaplace():
            return shared_laplace.distributed_discrete_laplace(event, orders, stretch)
        case ev.Skellam():
            return additive.skellam(event, orders, stretch)
        case ev.Tree():
            return additive.tree(event, orders)
        case _:
            return _other_formula(event, orders, relation)


def _other_formula(event: Event, orders: NDArray[np.float64], relation: Relation) -> NDArray[np.float64]:
    match event:
        case ev.ZCDP():
            return guarantees.zcdp(event, orders)
        case ev.Pure():
            return guarantees.pure(event.epsilon, orders)
        case ev.RandomizedResponse():
            return guarantees.randomized_response(event, orders, relation)
        case ev.Exponential():
            return guarantees.exponential(event.epsilon, orders)
        case ev.TopK():
            return event.k * guarantees.exponential(event.epsilon, orders)
        case ev.PoissonGaussian():
            return poisson_gaussian(event.sampling_rate, event.noise_multiplier**2, orders)
        case ev.WithoutReplacementGaussian():
            share = Fraction(event.sample, event.population)
            return without_replacement_gaussian(share, event.noise_multiplier**2, orders)
        case _:
            return _nested_formula(event, orders, relation)


def _nested_formula(event: Event, orders: NDArray[np.float64], relation: Relation) -> NDArray[np.float64]:
    match event:
        case ev.Poisson():
            return _poisson(event, orders, relation)
        case ev.RepeatAndSelect():
            return _selection(event, orders, relation)
        case ev.Threshold():
            return _threshold(event, orders, relation)
        case _:
            raise InvalidCostError(what=event.mechanism or type(event).__name__, reason="has no price")


def _poisson(event: ev.Poisson, orders: NDArray[np.float64], relation: Relation) -> NDArray[np.float64]:
    rate, inner = event.sampling_rate, event.inner
    while isinstance(inner, ev.Poisson) and inner.count == 1:  # a sample of a sample is a smaller sample
        rate, inner = rate * inner.sampling_rate, inner.inner
    if isinstance(inner, ev.Gaussian):  # count uses on one sample are one use with less noise
        return poisson_gaussian(rate, inner.noise_multiplier**2 / inner.count, orders)
    if isinstance(inner, ev.PoissonGaussian) and inner.count == 1:
        return poisson_gaussian(rate * inner.sampling_rate, inner.noise_multiplier**2, orders)

    def whole(wanted: NDArray[np.float64]) -> NDArray[np.float64]:
        return _priced(inner, wanted, relation) * float(inner.count)

    def priced(grid: NDArray[np.float64]) -> NDArray[np.float64]:
        if _absence_shows(inner, relation):
            return subsampled.mixture(rate, whole(grid), grid)
        return subsampled.poisson(rate, whole, grid)

    return _over_all_orders(priced, orders)


def _over_all_orders(
    priced: Callable[[NDArray[np.float64]], NDArray[np.float64]], orders: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Price at the grid's orders and these, and let a bound at a higher order hold at a lower one too."""
    grid = np.union1d(order_floats(), orders)
    rising = np.minimum.accumulate(priced(grid)[::-1])[::-1]
    wanted: NDArray[np.float64] = rising[np.searchsorted(grid, orders)]
    return wanted


def _absence_shows(event: Event, relation: Relation) -> bool:
    """Whether a unit replaced by the special one may look different from a unit that is not in the sample.

    It does not in sums, where the special unit adds 0. It does for randomized response (a report that is
    uniform, against none), and it may for whatever only promises a guarantee.
    """
    if relation is not Relation.REPLACE_SPECIAL:
        return False
    if isinstance(event, ev.Poisson | ev.RepeatAndSelect):
        return _absence_shows(event.inner, relation)
    return isinstance(event, ev.RandomizedResponse | ev.ZCDP | ev.Pure | ev.Exponential | ev.TopK)


def _threshold(event: ev.Threshold, orders: NDArray[np.float64], relation: Relation) -> NDArray[np.float64]:
    """Add ``-log(1 - delta)`` to the inner cost.

    Let p <= delta be the probability that a key of the one unit passes. Seen from the dataset with the unit,
    the mechanism differs from one that never shows such a key by p in total variation: that is the
    event's own delta. Seen from the dataset without it, the other's density is (1 - p) times that of the one that
    never shows one, since noise is independent between keys: that adds ``-log(1 - p)`` to the cost.
    """
    inner = _priced(event.inner, orders, relation) * float(event.inner.count)
    return (inner - math.log1p(-float_above(event.delta))) * ROUND_UP


def _selection(
    event: ev.RepeatAndSelect, orders: NDArray[np.float64], relation: Relation
) -> NDArray[np.float64]:
    # one order of the selection draws on all orders of one run
    return _over_all_orders(
        lambda grid: selection.repeat_and_select(
            _priced(event.inner, grid, relation) * float(event.inner.count),
            grid,
            mean=float_above(event.mean),
            shape=None if event.shape is None else float_above(event.shape),
            pure_epsilon=pure_epsilon(event.inner, relation),
        ),
        orders,
    )


def _single_pure(event: Event, relation: Relation) -> Fraction | None:  # noqa: C901  (a table)
    stretch = 2 if relation is Relation.REPLACE_ONE else 1
    match event:
        case ev.Laplace():
            return stretch / event.scale_over_l1_sensitivity
        case ev.DiscreteLaplace():
            return stretch * event.a * event.sensitivity
        case ev.DistributedDiscreteLaplace():
            return shared_laplace.largest_loss(event, stretch)
        case ev.Pure() | ev.Exponential():
            return event.epsilon
        case ev.TopK():
            return event.k * event.epsilon
        case ev.ZCDP():
            return event.xi if event.rho == 0 else None
        case ev.RandomizedResponse():
            return _randomized_response_pure(event, relation)
        case ev.PoissonGaussian():
            return Fraction(0) if event.sampling_rate == 0 else None
        case ev.WithoutReplacementGaussian():
            return Fraction(0) if event.sample == 0 else None
        case ev.Poisson():
            return _poisson_pure(event, relation)
        case ev.RepeatAndSelect():
            return _selection_pure(event, relation)
        case _:
            return None


def _randomized_response_pure(event: ev.RandomizedResponse, relation: Relation) -> Fraction:
    if event.k == 1:
        return Fraction(0)
    if relation is Relation.REPLACE_ONE:
        return _raised(math.log1p(float((1 - event.p) * event.k / event.p)))
    return _raised(max(math.log1p(float((event.k - 1) * (1 - event.p))), -math.log(float(event.p))))


def _poisson_pure(event: ev.Poisson, relation: Relation) -> Fraction | None:
    """Amplify: ``log(1 + q (exp(epsilon) - 1))`` (Li, Qardaji, Su 2012, Theorem 1)."""
    inner = exact_pure_epsilon(event.inner, relation)
    if event.sampling_rate == 0:
        return Fraction(0)
    if _absence_shows(event.inner, relation):
        return inner
    if inner is None or inner > 700:  # noqa: PLR2004  (exp overflows; no amplification to speak of)
        return inner
    return min(inner, _raised(math.log1p(float(event.sampling_rate) * math.expm1(float(inner)))))


def _selection_pure(event: ev.RepeatAndSelect, relation: Relation) -> Fraction | None:
    """Give ``(2 + shape) epsilon`` (Papernot and Steinke 2110.03620, Corollary 3); one run costs one run."""
    inner = exact_pure_epsilon(event.inner, relation)
    if inner is None or event.shape is None:
        return None
    return inner if event.mean == 1 else (2 + event.shape) * inner


def _raised(value: float) -> Fraction:
    return Fraction(value) * _EPSILON_PAD
