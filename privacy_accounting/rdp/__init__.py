"""Rényi prices of events.

orders                the grid
special               functions that do not cancel
conversion            (epsilon, delta) and back
additive              gaussian, laplace, discrete, distributed, skellam, tree
guarantees            zcdp, pure, randomized response, exponential, top-k
subsampled_gaussian   poisson_gaussian
subsampled            poisson of anything
without_replacement   fixed-size samples
selection             repeat and select
curves                one event: its curve, its pure epsilon
composition           many events: units, epsilon
"""

from privacy_accounting.rdp.composition import (
    INFINITE_UNITS,
    UNITS_PER_ONE,
    EpsilonAt,
    cost_units,
    epsilon,
    pure_sum,
    pure_units,
    total_curve,
    with_colluding,
)
from privacy_accounting.rdp.conversion import epsilons, log_deltas, rdp_allowance
from privacy_accounting.rdp.curves import at_order, curve, exact_pure_epsilon, own_delta, pure_epsilon
from privacy_accounting.rdp.orders import ORDERS, order_floats

__all__ = [
    "INFINITE_UNITS",
    "ORDERS",
    "UNITS_PER_ONE",
    "EpsilonAt",
    "at_order",
    "cost_units",
    "curve",
    "epsilon",
    "epsilons",
    "exact_pure_epsilon",
    "log_deltas",
    "order_floats",
    "own_delta",
    "pure_epsilon",
    "pure_sum",
    "pure_units",
    "rdp_allowance",
    "total_curve",
    "with_colluding",
]
