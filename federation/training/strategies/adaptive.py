"""Server optimisers that give each parameter a step of its own: Adagrad, Adam and Yogi.

Layer:       federation.training.strategies.adaptive, above sum_gradient. Pure integers.
Terms:       the *mean* of a parameter's gradients and the *mean square* are kept in units of ``2**-16`` of a grid unit
             and of its square. The *floor* is the part ``tau`` of the root mean square over all parameters: what is
             added to a root before it divides.
Guarantees:  all of it is made of opened sums, which are paid for, so it costs nothing more. Each number is rounded
             once to its unit (ties to even, roots downward), so that every party holds the same bits. The steps do not
             depend on the number of units: a gradient is divided by a root of the gradients so far.
Source:      Reddi and others, Adaptive Federated Optimization, ICLR 2021; Kingma and Ba, Adam, ICLR 2015, with its
             correction of the first rounds; docs/guarantees.md P13, form (a).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from federation.training.optimizer import MODEL_BITS, Descent, within
from federation.training.options import Option
from federation.training.strategies.sum_gradient import SumGradient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from federation.training.optimizer import UpdateRule
    from federation.training.options import Value
    from federation.training.strategies.base import RunShape

_ONE: Final = 1 << MODEL_BITS
FINE: Final = 1 << 16
_GRAIN: Final = 1 << 48


def _share(default: str, highest: str) -> Option:
    return Option(default=Fraction(default), lowest=Fraction(0), highest=Fraction(highest), is_whole=False)


class Adaptive(SumGradient):
    """A step of its own for each parameter."""

    learning_rate: ClassVar[Fraction | None] = Fraction(1, 10)
    options: ClassVar[Mapping[str, Option]] = {
        "tau": Option(
            default=Fraction(1, 10), lowest=Fraction(1, 1000), highest=Fraction(1000), is_whole=False
        )
    }

    def mistakes(self, rule: UpdateRule) -> list[str]:
        """Refuse the momentum of the plain step."""
        found = super().mistakes(rule)
        if rule.momentum:
            found.append(f"momentum: {self.name} has none of this name, so it has to be left out")
        return found

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Move each parameter along the mean of its gradients, over the root of its mean square."""
        rule, options = shape.rule, shape.options
        gradients = [
            FINE * value + pull
            for value, pull in zip(total[: shape.size], _penalty(rule, state.parameters), strict=True)
        ]
        zero = (0,) * shape.size
        before = zip(state.velocity, state.squares_each or zero, gradients, strict=True)
        means, squares = zip(
            *((self.mean(m, g, options), self.square(v, g * g, options)) for m, v, g in before), strict=True
        )
        n_steps = state.n_steps + 1
        scale_m, scale_v = self.corrections(n_steps, options)
        floor = math.isqrt(int(Fraction(sum(squares), shape.size) * scale_v * Fraction(options["tau"]) ** 2))
        # plain integers: fractions would take seconds a round for some ten thousand parameters
        rate = rule.learning_rate * scale_m * _ONE
        moved = []
        for theta, mean, square in zip(state.parameters, means, squares, strict=True):
            root = math.isqrt(square * scale_v.numerator // scale_v.denominator) + floor
            step = rounded(rate.numerator * mean, rate.denominator * root) if root else 0
            moved.append(within(theta - step))
        return replace(state, parameters=tuple(moved), velocity=means, squares_each=squares, n_steps=n_steps)

    def mean(self, before: int, gradient: int, options: Mapping[str, Value]) -> int:
        """Return the mean of gradients after one more."""
        del before, options
        return gradient

    @abstractmethod
    def square(self, before: int, square: int, options: Mapping[str, Value]) -> int:
        """Return the mean square, or the sum of squares, after one more."""

    def corrections(self, n_steps: int, options: Mapping[str, Value]) -> tuple[Fraction, Fraction]:
        """Return the factors that make the first means as large as later ones."""
        del n_steps, options
        return Fraction(1), Fraction(1)

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        del shape
        return "each parameter's mean gradient is divided by the root of its own squares; no number of units is needed"


class Adagrad(Adaptive):
    """Each parameter's step shrinks with the squares of all its gradients."""

    name: ClassVar[str] = "adagrad"
    learning_rate: ClassVar[Fraction | None] = Fraction(1, 2)

    def square(self, before: int, square: int, options: Mapping[str, Value]) -> int:
        """Return the sum of squares."""
        del options
        return before + square


class Adam(Adaptive):
    """Running means of gradients and of their squares."""

    name: ClassVar[str] = "adam"
    options: ClassVar[Mapping[str, Option]] = {
        **Adaptive.options,
        "beta1": _share("0.9", "0.999"),
        "beta2": _share("0.99", "0.9999"),
    }

    def mean(self, before: int, gradient: int, options: Mapping[str, Value]) -> int:
        """Return the running mean."""
        beta = options["beta1"]
        return rounded(
            beta.numerator * before + (beta.denominator - beta.numerator) * gradient, beta.denominator
        )

    def square(self, before: int, square: int, options: Mapping[str, Value]) -> int:
        """Return the running mean."""
        beta = options["beta2"]
        return rounded(
            beta.numerator * before + (beta.denominator - beta.numerator) * square, beta.denominator
        )

    def corrections(self, n_steps: int, options: Mapping[str, Value]) -> tuple[Fraction, Fraction]:
        """Both means began at 0."""
        return _correction(options["beta1"], n_steps), _correction(options["beta2"], n_steps)


class Yogi(Adam):
    """As Adam, but a mean square falls by a part of the new square only."""

    name: ClassVar[str] = "yogi"

    def square(self, before: int, square: int, options: Mapping[str, Value]) -> int:
        """Return the mean square, moved toward the new one by a part of the new one."""
        sign = (square > before) - (square < before)
        return max(0, before + round((1 - Fraction(options["beta2"])) * sign * square))


def rounded(numerator: int, denominator: int) -> int:
    """Return a fraction's nearest integer, ties to even, as ``round`` of a ``Fraction``.

    Args:
        numerator: any integer.
        denominator: above 0.
    """
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole & 1))


def _correction(beta: Value, n_steps: int) -> Fraction:
    """Return ``1 / (1 - beta^n)``, rounded to 2^-48."""
    return Fraction(round(_GRAIN / (1 - Fraction(beta) ** n_steps)), _GRAIN)


def _penalty(rule: UpdateRule, parameters: Sequence[int]) -> list[int]:
    """Return the gradient of the penalty over all units, in the unit of the means."""
    if not rule.l2 or rule.divisor is None:
        return [0] * rule.width
    scale = rule.l2 * rule.divisor * FINE / (rule.step * _ONE)
    held = rule.width - rule.n_free
    return [round(scale * theta) if place < held else 0 for place, theta in enumerate(parameters)]
