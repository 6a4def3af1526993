"""The model and its step, in exact integers.

Layer:       federation.training.optimizer. Pure; no float.
Terms:       a parameter is an integer in units of ``2**-32``; so is the velocity of momentum. The *scale* of a sum is
             its divisor.
Guarantees:  the model after some rounds is a function of the task and of the opened sums alone, to the last bit and
             on every machine: ``v = momentum v + sum / scale + l2 theta``, ``theta -= rate v``, each rounded once to
             the grid (ties to even), theta kept within ``+-2**20``. With a divisor the scale is that public number
             (in grid units); without one it is the root of the squared norms of all sums so far, so that a step does
             not depend on the number of units. Both are made of public numbers and of opened sums alone. So every
             site computes the model for itself from the opened sums, and no party sends it. The sums are paid for, so
             all of this costs nothing.
See instead: gradients (``local_update``), the encrypted sum (``federation.aggregation``).
Source:      the divisor is public (rule P13); without one: Ward, Wu, Bottou, AdaGrad stepsizes, JMLR 21, 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from federation.errors import UpdateRejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_BITS: Final = 32
LARGEST_PARAMETER: Final = 1 << 20
_ONE: Final = 1 << MODEL_BITS
_LIMIT: Final = LARGEST_PARAMETER * _ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRule:
    """The update rule: what a step does with an opened sum.

    Attributes:
        width: number of parameters, the intercepts last.
        step: the value of one grid unit of the sum.
        divisor: public number of units; None divides by the root of the squared norms of all sums so far.
        learning_rate: of the task.
        l2: of the task.
        momentum: of the task.
        n_free: how many parameters at the end the penalty leaves free.
    """

    width: int
    step: Fraction
    divisor: int | None
    learning_rate: Fraction
    l2: Fraction
    momentum: Fraction
    n_free: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """The model after some rounds.

    Attributes:
        rule: the update rule.
        parameters: integers in units of ``2**-32``.
        velocity: the same unit.
        squares: squared norms of the opened sums so far, added up, squared grid units.
        move_range: largest move of the next round, as a strategy keeps it; 0 where it keeps none.
        squares_each: squares of each parameter's gradients, as a strategy keeps them; empty where it keeps none.
        n_steps: rounds taken.
    """

    rule: UpdateRule
    parameters: tuple[int, ...]
    velocity: tuple[int, ...]
    squares: int = 0
    squares_each: tuple[int, ...] = ()
    move_range: int = 0
    n_steps: int = 0

    @staticmethod
    def start(rule: UpdateRule, parameters: tuple[int, ...] | None = None) -> Descent:
        """Return the model before the first step; its parameters are 0 where none are given."""
        zero = (0,) * rule.width
        return Descent(rule=rule, parameters=parameters or zero, velocity=zero)

    def stepped(self, total: Sequence[int]) -> Descent:
        """Take one step.

        Args:
            total: the opened sum, grid units, the first ``width`` of it.

        Raises:
            UpdateRejectedError: the sum is too short, or is not a vector of integers.
        """
        rule = self.rule
        check_integers(total, rule.width)
        squares = self.squares + sum(value * value for value in total[: rule.width])
        scale = self._scale(squares)
        moved = []
        for place, (theta, speed) in enumerate(zip(self.parameters, self.velocity, strict=True)):
            penalty = rule.l2 * theta if place < rule.width - rule.n_free else Fraction(0)
            velocity = round(rule.momentum * speed + total[place] * scale + penalty)
            moved.append((within(theta - round(rule.learning_rate * velocity)), velocity))
        return Descent(
            rule=rule,
            parameters=tuple(theta for theta, _ in moved),
            velocity=tuple(velocity for _, velocity in moved),
            squares=squares,
            n_steps=self.n_steps + 1,
        )

    def _scale(self, squares: int) -> Fraction:
        """Return the factor of the opened sum, in parameter units a grid unit."""
        if self.rule.divisor is not None:
            return self.rule.step / self.rule.divisor * _ONE
        root = math.isqrt(squares << 2 * MODEL_BITS)  # in units of 2**-32
        return Fraction(_ONE * _ONE, root) if root else Fraction(0)

    def values(self) -> npt.NDArray[np.float64]:
        """Return the parameters as floats."""
        return floats_of(self.parameters)


def floats_of(parameters: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return parameters as floats: exact, since each has at most 53 bits."""
    return np.array(parameters, dtype=np.float64) / _ONE


def within(parameter: int) -> int:
    """Return the nearest parameter that a model may have."""
    return max(-_LIMIT, min(_LIMIT, parameter))


def check_integers(total: Sequence[int], least: int) -> None:
    """Refuse what is not an opened sum.

    Raises:
        UpdateRejectedError: it is shorter than ``least``, or is not a vector of integers.
    """
    if len(total) < least or any(type(value) is not int for value in total):
        raise UpdateRejectedError(
            site="keyholder", reason="the opened sum is not a vector of integers of this model"
        )
