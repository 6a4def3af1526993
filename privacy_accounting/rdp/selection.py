"""Curve of running a mechanism a secret random number of times and releasing the best run.

Terms:       a order, r(a) cost of one run, ``mean`` expected number of runs, ``shape`` of its distribution.
Guarantees:  an upper bound at every order.
Source:      Papernot and Steinke 2110.03620 v2: truncated negative binomial, Definition 1 and Theorem 2; Poisson,
             Theorem 6.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from privacy_accounting.rdp.conversion import log_deltas
from privacy_accounting.rdp.special import ROUND_UP

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BISECTIONS: Final = 200


def repeat_and_select(
    costs: NDArray[np.float64],
    orders: NDArray[np.float64],
    *,
    mean: float,
    shape: float | None,
    pure_epsilon: float,
) -> NDArray[np.float64]:
    """Compute the curve of the selection from the curve of one run.

    Args:
        costs: of one run, shape ``(n,)``.
        orders: above 1, ascending, shape ``(n,)``.
        mean: expected number of runs, at least 1.
        shape: at least 0; None for the Poisson distribution.
        pure_epsilon: of one run, infinite if it has none.

    Returns:
        Cost at each order, shape ``(n,)``.
    """
    own = costs + math.log(mean) / (orders - 1)
    if shape is None:
        extra = mean * _deltas(costs, orders, pure_epsilon)
    elif mean == 1:
        return costs  # exactly one run
    else:
        log_inverse = -math.log(_stopping_probability(mean, shape))
        others = np.min((1 - 1 / orders) * costs + log_inverse / orders)
        extra = np.full_like(orders, (1 + shape) * min(float(others), pure_epsilon))
    result: NDArray[np.float64] = own + extra
    return result * ROUND_UP


def _deltas(
    costs: NDArray[np.float64], orders: NDArray[np.float64], pure_epsilon: float
) -> NDArray[np.float64]:
    """Compute for each order a the least delta of one run at epsilon ``log(1 + 1/(a - 1))``."""
    hats = [math.log1p(1 / (a - 1)) for a in orders.tolist()]
    return np.array(
        [
            0.0 if pure_epsilon <= hat else math.exp(float(log_deltas(costs, orders, hat).min()))
            for hat in hats
        ]
    )


def _stopping_probability(mean: float, shape: float) -> float:
    """Solve ``mean == expected number of runs`` for the distribution's gamma, from below.

    The mean falls as gamma grows; a smaller gamma only raises the bound.
    """
    if shape == 1:
        return 1 / mean * (2 - ROUND_UP)
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2 if low > 0 else high / 16
        if _mean_runs(middle, shape) >= mean:
            low = middle
        else:
            high = middle
        if high - low <= low * (ROUND_UP - 1):
            break
    return low * (2 - ROUND_UP)


def _mean_runs(gamma: float, shape: float) -> float:
    """Compute ``shape (1/gamma - 1) / (1 - gamma**shape)``.

    At shape 0 its limit is ``(1/gamma - 1) / log(1/gamma)``.
    """
    log_inverse = -math.log(gamma)
    scaled = shape * log_inverse
    if scaled < 1e-9:  # noqa: PLR2004  (the next term of -expm1(-y)/y is y/2)
        return math.expm1(log_inverse) / log_inverse * (1 + scaled / 2)
    return shape * math.expm1(log_inverse) / -math.expm1(-scaled)
