"""Logistic regression on secret rows by full gradient steps: rows are masked once, with one truncation a step.

Layer:       smpc.operations.numeric.logistic. Above ``fixed_matrix``, ``piecewise_linear``, ``truncation``.
Terms:       features and coefficients are fixed-point; the logits ``x @ w``, the residuals and the gradient are kept
             as exact products of units, without truncation (delayed), until the coefficients move.
Guarantees:  every step is exact but for two things: the sigmoid is replaced by lines within ``tolerance``, and the
             step is rounded to units of the coefficients once. As long as features keep to their scale and outcomes
             are 0 or 1, nothing can leave its width: the plan proves it from the bounds, or refuses. Nothing is
             opened.
Visible to:  the parties see masked values and masked bits, all uniform; no party learns how large a logit is.
Cost:        rounds: 5 for the first step, 10 for each further one. Bytes a peer: ``8 * n * d`` once and, a step, ``16
             * n + 8 * d``, the lines' trees and one truncation of d numbers.
Accuracy: of the coefficients against exact sigmoids: 0.002 for 1,000 x 30 after 10 steps with the default
          tolerance (measured); the fit itself is that of so many steps, not converged.
See instead: an intercept (a column of ones), stopping rules, noise.
Source:      gradient descent, textbook; masks and lines as in the modules named; decision record 19.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from smpc.errors import RingRangeError
from smpc.operations.arithmetic import multiply_public, reshape, subtract, subtract_from_public
from smpc.operations.numeric.fixed_matrix import FixedMatrix
from smpc.operations.numeric.fixed_point import FixedPoint
from smpc.operations.numeric.piecewise_linear import PiecewiseLinear, piecewise_linear, value_range
from smpc.operations.numeric.sigmoid_approximation import sigmoid_lines
from smpc.operations.truncation import WIDEST, truncate
from smpc.ring import RING_BITS
from smpc.sharing import Shared

if TYPE_CHECKING:
    import numpy.typing as npt

    from smpc.ring import RingArray
    from smpc.session import Session

FEATURES: Final = FixedPoint(fraction=12, integer=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticPlan:
    """What is public about a fit.

    Attributes:
        n_rows: of all sites together.
        n_columns: features, a column of ones included where there is an intercept.
        n_steps: at least 1, from coefficients of 0.
        step_bits: each step subtracts the sum of gradients over the rows divided by ``2**step_bits``.
        features: scale of the rows; their entries are at most ``2**integer - 1``.
        fraction: binary places of the coefficients.
        slope_bits: binary places of the lines' slopes.
        tolerance: largest error of the sigmoid.
    """

    n_rows: int
    n_columns: int
    n_steps: int
    step_bits: int
    features: FixedPoint = FEATURES
    fraction: int = 16
    slope_bits: int = 8
    tolerance: float = 0.002

    def __post_init__(self) -> None:
        """Refuse a plan under which something could leave its width."""
        counts = (self.n_rows, self.n_columns, self.n_steps, self.fraction)
        if any(type(count) is not int or count < 1 for count in counts) or self.step_bits < 0:
            raise RingRangeError(what="counts of a logistic regression")
        if self.gradient_bits > WIDEST or self.logit_bits > RING_BITS:
            raise RingRangeError(what="gradient of a logistic regression")

    @property
    def lines(self) -> PiecewiseLinear:
        """The sigmoid, from units of a logit to units of a residual."""
        return _lines(self.tolerance, self.slope_bits, self.features.fraction + self.fraction)

    @property
    def one(self) -> int:
        """An outcome of 1 in units of a residual."""
        return 1 << (self.features.fraction + self.fraction + self.slope_bits)

    @property
    def shift(self) -> int:
        """Binary places from a gradient to units of the coefficients."""
        return 2 * self.features.fraction + self.slope_bits + self.step_bits

    @property
    def largest_residual(self) -> int:
        """Bound of a residual (its units), from the lines' values at both ends of every piece."""
        lowest, highest = value_range(self.lines)
        return max(highest, self.one - lowest)

    @property
    def largest_gradient(self) -> int:
        """Bound of a gradient's entries (its units)."""
        entry = ((1 << self.features.integer) - 1) << self.features.fraction
        return self.n_rows * entry * self.largest_residual

    @property
    def gradient_bits(self) -> int:
        """Width of a gradient, half a unit of the coefficients added."""
        return (self.largest_gradient + (1 << (self.shift - 1))).bit_length() + 1

    @property
    def logit_bits(self) -> int:
        """Width of a logit less a threshold, for coefficients as far from 0 as the steps can take them."""
        coefficient = self.n_steps * ((self.largest_gradient >> self.shift) + 1)
        entry = ((1 << self.features.integer) - 1) << self.features.fraction
        threshold = int(np.abs(self.lines.thresholds).max())
        return (self.n_columns * entry * coefficient + threshold).bit_length() + 1

    def decode(self, units: RingArray) -> npt.NDArray[np.float64]:
        """Return opened coefficients as floats."""
        return np.ldexp(units.astype(np.float64), -self.fraction)


@functools.lru_cache(maxsize=16)
def _lines(tolerance: float, slope_bits: int, argument_bits: int) -> PiecewiseLinear:
    return sigmoid_lines(tolerance, slope_bits, argument_bits)


def fit(session: Session, x: Shared, y: Shared, plan: LogisticPlan) -> Shared:
    """Return shares of the coefficients after the plan's steps.

    Visible to, Cost: see the module.

    Args:
        session: an open session.
        x: units of ``plan.features``, shape ``(n_rows, n_columns)``.
        y: outcomes 0 or 1 as integers, shape ``(n_rows,)``.
        plan: the same at all parties.

    Returns:
        Units of ``2**-plan.fraction``, shape ``(n_columns,)``.

    Raises:
        RingRangeError: shapes other than the plan's, before anything is sent.
    """
    if x.shape != (plan.n_rows, plan.n_columns) or y.shape != (plan.n_rows,):
        raise RingRangeError(what="rows of a logistic regression")
    rows = FixedMatrix(session, x, n_forward=plan.n_steps - 1, n_backward=plan.n_steps)
    outcomes = reshape(multiply_public(y, plan.one), (plan.n_rows, 1))
    fitted = Shared(share=np.zeros((plan.n_columns, 1), dtype=np.int64))
    for step in range(plan.n_steps):
        if step == 0:  # at coefficients of 0 every chance is 1/2, exactly
            residuals = subtract_from_public(session, plan.one // 2, outcomes)
        else:
            chances = piecewise_linear(session, rows.times(fitted), plan.lines, plan.logit_bits)
            residuals = subtract(chances, outcomes)
        gradient = rows.transposed_times(residuals)
        moved = truncate(session, gradient, plan.shift, plan.gradient_bits, is_rounded=True)
        fitted = subtract(fitted, moved)
    return reshape(fitted, (plan.n_columns,))
