"""Events of mechanisms that add noise to a sum.

Guarantees:  noise multipliers and sensitivities are those of ``ADD_OR_REMOVE_ONE``: the norm of one unit's
             contribution. Under ``REPLACE_ONE`` a unit's contribution is replaced by another of the same norm, so the
             distance doubles and the price is that of doubled sensitivities (dp-accounting 0.6.0 omits this in its
             Rényi accountant and does it in its privacy loss distributions); under ``REPLACE_SPECIAL`` it stays.
See instead: the prices (``rdp``), the samplers (``noise``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from privacy_accounting.events.base import Event, integer, real, step_counts_field

if TYPE_CHECKING:
    from fractions import Fraction

# ruff: noqa: RUF009 - real(), integer() and their kin declare a field; nothing is shared between instances


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaussian(Event):
    """Continuous Gaussian noise.

    Attributes:
        noise_multiplier: standard deviation over L2 sensitivity, above 0, no unit.
    """

    mechanism: ClassVar[str] = "gaussian"

    noise_multiplier: Fraction = real(above=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laplace(Event):
    """Continuous Laplace noise, independent in each coordinate.

    Attributes:
        scale_over_l1_sensitivity: the scale b over the L1 sensitivity, above 0, no unit.
    """

    mechanism: ClassVar[str] = "laplace"

    scale_over_l1_sensitivity: Fraction = real(above=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteLaplace(Event):
    """Integer noise of mass ``tanh(a/2) exp(-a |x|)`` on integer sums.

    Attributes:
        a: decay per integer, above 0.
        sensitivity: L1 sensitivity, an integer of at least 1.
    """

    mechanism: ClassVar[str] = "discrete_laplace"

    a: Fraction = real(above=0)
    sensitivity: int = integer(at_least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscreteGaussian(Event):
    """Integer noise of mass proportional to ``exp(-x**2 / (2 sigma2))`` on integer sums, from one party.

    Attributes:
        sigma2: the parameter sigma squared, above 0 (an upper bound on the variance).
        l2_sensitivity: L2 sensitivity, above 0.
    """

    mechanism: ClassVar[str] = "discrete_gaussian"

    sigma2: Fraction = real(above=0)
    l2_sensitivity: Fraction = real(above=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributedDiscreteGaussian(Event):
    """Each party adds its own discrete Gaussian of parameter ``sigma2_local``; ``colluding`` reveal theirs.

    Only the noise of ``parties - colluding`` honest parties counts. Unequal local variances are outside the
    theorem and cannot be expressed.

    Attributes:
        parties: at least 1.
        colluding: below ``parties``.
        sigma2_local: each party's sigma squared, at least 1: below, a sum of discrete Gaussians is no longer
            close to one and the bound explodes.
        l1: L1 sensitivity of the integer vector, at least ``l2``.
        l2: L2 sensitivity of the integer vector, above 0.
        dim: number of coordinates.
    """

    mechanism: ClassVar[str] = "distributed_discrete_gaussian"

    parties: int = integer(at_least=1)
    colluding: int = integer(at_least=0)
    sigma2_local: Fraction = real(at_least=1)
    l1: Fraction = real(above=0)
    l2: Fraction = real(above=0)
    dim: int = integer(at_least=1)

    @property
    def honest(self) -> int:
        """Number of parties whose noise the adversary does not know."""
        return self.parties - self.colluding

    def _check_together(self) -> None:
        if self.colluding >= self.parties:
            raise self._refuse("colluding", "must be below the number of parties")
        if self.l1 < self.l2:
            raise self._refuse("l1", "must be at least l2")


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributedDiscreteLaplace(Event):
    """Each party adds its share of discrete Laplace noise; ``colluding`` reveal theirs.

    A share is the difference of two Pólya variables of shape ``1 / shares`` and ``p = exp(-1/b)``, so that ``shares`` of
    them add up to mass ``tanh(1/(2 b)) exp(-|x| / b)`` at each integer x.

    Attributes:
        parties: at least 1.
        colluding: below ``parties``.
        shares: parties whose noise adds up to one discrete Laplace variable, at most ``parties``: those that were
            planned to be honest. It stays when ``colluding`` is set to another number.
        b: scale of that variable, above 0, at most ``2**12``.
        l1: L1 sensitivity of the integer vector, an integer of at least 1.
        dim: coordinates of which one unit changes any at all, at least 1.
    """

    mechanism: ClassVar[str] = "distributed_discrete_laplace"

    parties: int = integer(at_least=1)
    colluding: int = integer(at_least=0)
    shares: int = integer(at_least=1)
    b: Fraction = real(above=0, at_most=2**12)
    l1: int = integer(at_least=1)
    dim: int = integer(at_least=1)

    @property
    def honest(self) -> int:
        """Number of parties whose noise the adversary does not know."""
        return self.parties - self.colluding

    def _check_together(self) -> None:
        if self.colluding >= self.parties:
            raise self._refuse("colluding", "must be below the number of parties")
        if self.shares > self.parties:
            raise self._refuse("shares", "must be at most the number of parties")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skellam(Event):
    """Integer noise that is the difference of two Poisson variables; closed under addition.

    Attributes:
        variance: total variance of the *honest* noise, above 0.
        l1: L1 sensitivity of the integer vector, at least ``l2``.
        l2: L2 sensitivity of the integer vector, above 0.
    """

    mechanism: ClassVar[str] = "skellam"

    variance: Fraction = real(above=0)
    l1: Fraction = real(above=0)
    l2: Fraction = real(above=0)

    def _check_together(self) -> None:
        if self.l1 < self.l2:
            raise self._refuse("l1", "must be at least l2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree(Event):
    """Gaussian tree aggregation (prefix sums); each unit occurs at most once over all trees.

    Priced under ``REPLACE_SPECIAL`` alone (a unit's contribution is zeroed): adding or removing a unit would
    shift every later leaf, and replacing it is not what the cited proof covers.

    Attributes:
        noise_multiplier: standard deviation at each node over the L2 norm of one contribution, above 0.
        step_counts: number of leaves of each tree.
    """

    mechanism: ClassVar[str] = "tree"

    noise_multiplier: Fraction = real(above=0)
    step_counts: tuple[int, ...] = step_counts_field()
