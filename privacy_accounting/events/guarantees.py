"""Events of stated guarantees, of local randomisation, of sampling and of selection.

Guarantees:  each class says what its parameters mean and under which relation it has a price.
See instead: the prices (``rdp``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from privacy_accounting.events.base import Event, event_field, integer, real, shape_field

if TYPE_CHECKING:
    from fractions import Fraction

# ruff: noqa: RUF009 - real(), integer() and their kin declare a field; nothing is shared between instances


@dataclass(frozen=True, slots=True, kw_only=True)
class ZCDP(Event):
    """Any mechanism known to satisfy ``xi + rho * order`` at every order.

    The guarantee is stated for the relation under which it is priced, whatever that is: nothing is doubled.

    Attributes:
        rho: slope, at least 0.
        xi: offset, at least 0.
    """

    mechanism: ClassVar[str] = "zcdp"

    rho: Fraction = real(at_least=0)
    xi: Fraction = real(at_least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pure(Event):
    """Any mechanism known to be epsilon-DP under the relation at hand.

    Attributes:
        epsilon: at least 0.
    """

    mechanism: ClassVar[str] = "pure"

    epsilon: Fraction = real(at_least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomizedResponse(Event):
    """Each unit reports one of k values, with probability p drawn uniformly instead of its own.

    Priced under ``REPLACE_ONE`` (another value) and ``REPLACE_SPECIAL`` (a uniform answer). Under
    ``ADD_OR_REMOVE_ONE`` it has no finite price: the number of reports shows whether the unit is present.

    Attributes:
        p: probability of a uniform draw, above 0 and at most 1.
        k: number of values, at least 1.
    """

    mechanism: ClassVar[str] = "randomized_response"

    p: Fraction = real(above=0, at_most=1)
    k: int = integer(at_least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential(Event):
    """One choice by the exponential mechanism (or report-noisy-max with Gumbel noise).

    The choice has probability proportional to ``exp(epsilon * score / (2 * sensitivity))``; for a monotone
    score, ``exp(epsilon * score / sensitivity)``. The sensitivity of the score is that of the relation at
    hand.

    Attributes:
        epsilon: at least 0; bounds both the privacy loss and its range.
    """

    mechanism: ClassVar[str] = "exponential"

    epsilon: Fraction = real(at_least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopK(Event):
    """The names of the k best candidates, chosen in one shot with Gumbel noise; not their counts.

    Has the distribution of k exponential mechanisms, each on what the former left, and their price.

    Attributes:
        epsilon: of *each* of the k choices, at least 0.
        k: number of names, at least 1.
    """

    mechanism: ClassVar[str] = "top_k"

    epsilon: Fraction = real(at_least=0)
    k: int = integer(at_least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoissonGaussian(Event):
    """Gaussian noise on a sum over a secret sample; each unit is in it independently.

    Priced under ``ADD_OR_REMOVE_ONE`` and, since a unit that contributes zero is as good as absent, under
    ``REPLACE_SPECIAL``; refused under ``REPLACE_ONE``, where the amplification proof does not hold.

    Attributes:
        sampling_rate: probability of each unit, 0 to 1.
        noise_multiplier: standard deviation over L2 sensitivity, above 0.
    """

    mechanism: ClassVar[str] = "poisson_gaussian"

    sampling_rate: Fraction = real(at_least=0, at_most=1)
    noise_multiplier: Fraction = real(above=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson(Event):
    """Any mechanism on a secret sample that each unit is in independently.

    Relations as for ``PoissonGaussian``. Under ``REPLACE_SPECIAL`` a unit that is not in the sample need not look
    like the special one (randomized response shows that a unit answered): only sums are amplified in full.

    Attributes:
        sampling_rate: probability of each unit, 0 to 1.
        inner: what is done with the sample (its ``count`` uses see one and the same sample).
    """

    mechanism: ClassVar[str] = "poisson"

    sampling_rate: Fraction = real(at_least=0, at_most=1)
    inner: Event = event_field()


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutReplacementGaussian(Event):
    """Gaussian noise on a sum over a secret random subset of fixed size.

    Priced under ``REPLACE_ONE`` alone (population and sample size are public and equal for neighbours).

    Attributes:
        population: number of units, at least 1.
        sample: size of the subset, at most ``population``.
        noise_multiplier: standard deviation over the L2 distance that *replacing* one unit moves the sum,
            above 0. For contributions of norm C that is standard deviation over 2 C. Unlike additive events,
            this one exists under one relation only, so its multiplier is stated for that relation, as the
            cited theorem and dp-accounting do.
    """

    mechanism: ClassVar[str] = "without_replacement_gaussian"

    population: int = integer(at_least=1)
    sample: int = integer(at_least=0)
    noise_multiplier: Fraction = real(above=0)

    def _check_together(self) -> None:
        if self.sample > self.population:
            raise self._refuse("sample", "must not exceed the population")


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatAndSelect(Event):
    """A mechanism is run a secret random number of times; only the best run is released.

    Best is by an order on the outputs alone: a score that reads the data is an output of the run, priced in
    ``inner``. Runs with different settings each draw theirs at random, and ``inner`` prices the most expensive one.

    Attributes:
        inner: one run, priced under the same relation.
        mean: expected number of runs, at least 1.
        shape: of the truncated negative binomial distribution of the number of runs: 1 geometric, 0
            logarithmic, None (in files ``"infinity"``) Poisson.
    """

    mechanism: ClassVar[str] = "repeat_and_select"

    inner: Event = event_field()
    mean: Fraction = real(at_least=1)
    shape: Fraction | None = shape_field()


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold(Event):
    """Noisy figures of undeclared keys; a key is shown only if its noisy figure passes a threshold.

    A key that one unit alone brings in shows that unit; ``delta`` bounds the probability that any such key
    passes, and is spent beside the budget's own (``calibration.key_threshold`` turns it into a threshold).

    Attributes:
        inner: the noisy figures, as if all keys were known.
        delta: above 0 and below 1; of one use.
    """

    mechanism: ClassVar[str] = "threshold"

    inner: Event = event_field()
    delta: Fraction = real(above=0, at_most=1)

    def _check_together(self) -> None:
        if self.delta >= 1:
            raise self._refuse("delta", "must be below 1")
