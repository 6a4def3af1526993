"""Asynchronous descent: each site computes its sum when it can, and K announced sums at a time are one step.

Layer:       federation.training.strategies.buffered, above sum_gradient. Pure integers.
Terms:       the *buffer* holds K sums. The *staleness* of a sum is the number of rounds that were opened after the
             model at which it was computed: the attempt's round less that of the model, both public.
Guarantees:  the weight of a sum is a whole number, a function of its staleness alone: ``16 / sqrt(1 + staleness)``,
             rounded down and at least 1. It multiplies the sum before the noise, which is calibrated to the largest
             weight and to K contributors. So no weight follows from data, and no noise is multiplied. A public divisor
             is scaled to K of n sites.
See instead: who is in a buffer (``federation.training.running.ready_sites``), what a site keeps until then
             (``federation.training.prepared_updates``).
Source:      Nguyen and others, Federated Learning with Buffered Asynchronous Aggregation, AISTATS 2022;
             docs/guarantees.md P13, form (a), and P17.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from federation.paillier.packing import MINIMUM_CONTRIBUTORS, half_range
from federation.training.options import Option
from federation.training.strategies.sum_gradient import SumGradient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.training.optimizer import UpdateRule
    from federation.training.options import Value
    from federation.training.strategies.base import RunShape

WEIGHT: Final = 16


class Buffered(SumGradient):
    """Asynchronous: K sites that are ready make a step; none waits for the slowest."""

    name: ClassVar[str] = "buffered"
    largest_weight: ClassVar[int] = WEIGHT
    sends_loss: ClassVar[bool] = False
    options: ClassVar[Mapping[str, Option]] = {
        "buffer": Option(default=MINIMUM_CONTRIBUTORS, lowest=MINIMUM_CONTRIBUTORS, highest=64),
        "tick_s": Option(default=Fraction(1), lowest=Fraction(1, 100), highest=Fraction(600), is_whole=False),
    }

    def buffer(self, options: Mapping[str, Value]) -> int:
        """Return K."""
        return int(options["buffer"])

    def weight(self, staleness: int) -> int:
        """Return ``16 / sqrt(1 + staleness)``, rounded down, at least 1."""
        return max(1, math.isqrt(WEIGHT * WEIGHT // (1 + staleness)))

    def half_range(self, shape: RunShape, sigma2: int) -> int:
        """Return H: a sum of the largest weight, and its noise."""
        return half_range(clamp=WEIGHT * shape.clamp, sigma2_local=sigma2)

    def rule(self, rule: UpdateRule, options: Mapping[str, Value], n_sites: int) -> UpdateRule:
        """Count a sum in units of the largest weight, and a public divisor for K of n sites."""
        divisor = rule.divisor
        if divisor is not None:
            divisor = math.ceil(Fraction(divisor * self.buffer(options), n_sites))
        return replace(rule, step=rule.step / WEIGHT, divisor=divisor)

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        return (
            f"each step adds up {self.buffer(shape.options)} of {shape.n_sites} sites' sums, those that are ready, looked for "
            f"every {float(shape.options['tick_s']):g} s; a sum at a model of s steps ago counts 1 / sqrt(1 + s); "
            f"{super().step_sentence(shape)}"
        )
