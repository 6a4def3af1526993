"""Rényi prices of events.

orders                the grid
special               functions that do not cancel
conversion            (epsilon, delta) and back
additive              gaussian, laplace, discrete, distributed, skellam, tree
shared_laplace        distributed discrete Laplace
guarantees            zcdp, pure, randomized response, exponential, top-k
subsampled_gaussian   poisson_gaussian
subsampled            poisson of anything
without_replacement   fixed-size samples
selection             repeat and select
curves                one event: its curve, its pure epsilon
composition           many events: units, epsilon
profile               Gaussian releases: exact epsilon
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
from privacy_accounting.rdp.profile import gaussian_delta, standalone_delta, standalone_epsilon
from privacy_accounting.rdp.shared_laplace import log_masses

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
    "gaussian_delta",
    "log_deltas",
    "log_masses",
    "order_floats",
    "own_delta",
    "pure_epsilon",
    "pure_sum",
    "pure_units",
    "rdp_allowance",
    "standalone_delta",
    "standalone_epsilon",
    "total_curve",
    "with_colluding",
]
