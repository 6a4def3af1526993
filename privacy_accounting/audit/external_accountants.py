"""External accountants: events as dp-accounting's ``DpEvent``, and the price that dp-accounting gives them.

Layer:       privacy_accounting.audit, beside ``price``. Imports dp-accounting when called, and only then.
Guarantees:  an export is never cheaper than the event: an event that dp-accounting lacks is exported as a bound that
             holds at every order (zCDP); sensitivities are doubled by hand under replace-one, which dp-accounting's
             Rényi accountant does not do (its privacy loss distributions do). A price that it cannot give is None,
             never 0.
See instead: prices (``rdp``), which events a ledger holds (``recompute``).
Source:      dp-accounting 0.6.0, ``dp_event``, ``rdp``, ``pld``.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from privacy_accounting import events as ev
from privacy_accounting.errors import InvalidCostError
from privacy_accounting.events import Event, Relation
from privacy_accounting.rdp import curve, order_floats, pure_epsilon, standalone_epsilon

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

_PLD_STEP: Final = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalPrice:
    """The joint cost of events at one delta, by two accountants.

    Attributes:
        own: epsilon of this accountant.
        rdp: epsilon of dp-accounting by Rényi orders; None where it has none.
        pld: epsilon of dp-accounting by privacy loss distributions; None where it has none.
    """

    own: float
    rdp: float | None
    pld: float | None

    @property
    def difference(self) -> float | None:
        """Own over dp-accounting's Rényi epsilon, less 1."""
        return None if not self.rdp else self.own / self.rdp - 1


def is_installed() -> bool:
    """Say whether dp-accounting can be asked."""
    return importlib.util.find_spec("dp_accounting") is not None


def external_price(events: Sequence[Event], delta: Fraction, relation: Relation) -> ExternalPrice:
    """Ask dp-accounting what events cost.

    Args:
        events: each with its count.
        delta: above 0, below 1.
        relation: which datasets are neighbors.

    Raises:
        ModuleNotFoundError: dp-accounting is not installed.
        InvalidCostError: an event has no price here.
    """
    own = standalone_epsilon(events, delta, relation).epsilon
    neighbors = importlib.import_module("dp_accounting").NeighboringRelation[relation.name]
    rdp = importlib.import_module("dp_accounting.rdp").RdpAccountant(neighboring_relation=neighbors)
    pld = importlib.import_module("dp_accounting.pld").PLDAccountant(neighbors, _PLD_STEP)
    return ExternalPrice(
        own=own,
        rdp=_asked(rdp, events, delta, relation, doubled=True),
        pld=_asked(pld, events, delta, relation, doubled=False),
    )


def _asked(
    accountant: Any, events: Sequence[Event], delta: Fraction, relation: Relation, *, doubled: bool
) -> float | None:
    """Compose and convert; None where the accountant does not know a mechanism under the relation."""
    try:
        for event in events:
            if not doubled and event.count > 1 and isinstance(event, ev.RandomizedResponse):
                return None  # loss distributions of dp-accounting 0.6.0 forget this event's count
            exported = _export(event, relation, doubled=doubled)
            if not accountant.supports(exported):
                return None
            accountant.compose(exported)
        found = float(accountant.get_epsilon(float(delta)))
    except (InvalidCostError, ValueError, NotImplementedError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def to_dp_event(event: Event, relation: Relation) -> Any:
    """Give an event, all its uses, as a ``DpEvent``.

    Args:
        event: of the vocabulary.
        relation: which datasets are neighbors; the external accountant must use the same relation.

    Raises:
        InvalidCostError: dp-accounting has neither this mechanism nor a bound on it.
        ModuleNotFoundError: dp-accounting is not installed.
    """
    return _export(event, relation, doubled=True)


def to_dp_events(events: Sequence[Event], relation: Relation) -> Any:
    """Give several events as one composed ``DpEvent``; errors as ``to_dp_event``."""
    vocabulary = importlib.import_module("dp_accounting.dp_event")
    return vocabulary.ComposedDpEvent([to_dp_event(event, relation) for event in events])


def _export(event: Event, relation: Relation, *, doubled: bool) -> Any:
    vocabulary = importlib.import_module("dp_accounting.dp_event")
    stretch = 2 if doubled and relation is Relation.REPLACE_ONE else 1
    single = _additive(vocabulary, event, stretch) or _other(vocabulary, event, relation)
    single = single or _nested(vocabulary, event, relation, doubled=doubled)
    if single is None:
        raise InvalidCostError(what=event.mechanism, reason="has no counterpart in dp-accounting")
    return single if event.count == 1 else vocabulary.SelfComposedDpEvent(single, event.count)


def _additive(vocabulary: Any, event: Event, stretch: int) -> Any:
    match event:
        case ev.Gaussian():
            return vocabulary.GaussianDpEvent(float(event.noise_multiplier / stretch))
        case ev.DiscreteGaussian():
            # costs no more than the continuous one at every order
            return vocabulary.GaussianDpEvent(math.sqrt(event.sigma2) / float(stretch * event.l2_sensitivity))
        case ev.Laplace():
            return vocabulary.LaplaceDpEvent(float(event.scale_over_l1_sensitivity / stretch))
        case ev.DiscreteLaplace():
            # costs no more than the continuous one of the same epsilon: that is randomized response's bound
            return _pure(vocabulary, float(stretch * event.a * event.sensitivity))
        case ev.Tree():
            noise = float(event.noise_multiplier)
            return vocabulary.SingleEpochTreeAggregationDpEvent(noise, list(event.step_counts))
        case _:
            return None


def _other(vocabulary: Any, event: Event, relation: Relation) -> Any:
    match event:
        case ev.RandomizedResponse():
            return vocabulary.RandomizedResponseDpEvent(float(event.p), event.k)
        case ev.ZCDP():
            return vocabulary.ZCDpEvent(float(event.rho), float(event.xi))
        case ev.Pure():
            return _pure(vocabulary, float(event.epsilon))
        case ev.DistributedDiscreteLaplace():
            return _pure(vocabulary, pure_epsilon(replace(event, count=1), relation))
        case ev.Exponential():
            return vocabulary.ZCDpEvent(float(event.epsilon**2 / 8), 0.0)
        case ev.TopK():
            return vocabulary.ZCDpEvent(float(event.k * event.epsilon**2 / 8), 0.0)
        case ev.DistributedDiscreteGaussian() | ev.Skellam():
            # the least line through 0 over the curve
            slope = float((curve(event, relation) / event.count / order_floats()).max())
            return vocabulary.ZCDpEvent(slope, 0.0)
        case _:
            return None


def _nested(vocabulary: Any, event: Event, relation: Relation, *, doubled: bool) -> Any:
    match event:
        case ev.PoissonGaussian():
            inner = vocabulary.GaussianDpEvent(float(event.noise_multiplier))
            return vocabulary.PoissonSampledDpEvent(float(event.sampling_rate), inner)
        case ev.WithoutReplacementGaussian():
            inner = vocabulary.GaussianDpEvent(float(event.noise_multiplier))
            return vocabulary.SampledWithoutReplacementDpEvent(event.population, event.sample, inner)
        case ev.Poisson():
            inner = _export(event.inner, relation, doubled=doubled)
            return vocabulary.PoissonSampledDpEvent(float(event.sampling_rate), inner)
        case ev.RepeatAndSelect():
            shape = math.inf if event.shape is None else float(event.shape)
            inner = _export(event.inner, relation, doubled=doubled)
            return vocabulary.RepeatAndSelectDpEvent(inner, float(event.mean), shape)
        case _:
            return None


def _pure(vocabulary: Any, epsilon: float) -> Any:
    """Every epsilon-DP mechanism satisfies ``epsilon**2 / 2`` zCDP (Bun and Steinke 2016, Prop. 1.4)."""
    return vocabulary.ZCDpEvent(epsilon**2 / 2, 0.0) if epsilon > 0 else vocabulary.NoOpDpEvent()
