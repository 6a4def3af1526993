"""The table that fits several noisy marginals best: weighted least squares, with its exact covariance.

Layer:       analytics.cubes above marginals.
Terms:       an *effect* over axes T is the part of the marginal over T whose sums along every axis of T are 0. A marginal
             over A is the sum of the effects over all T in A, each spread evenly over the axes of A that T lacks. Effects
             over different axes are orthogonal, so that noise of one variance on a marginal is independent noise on its
             effects.
Shapes:      a marginal over axes A has the shape of A's groups; a functional on it likewise.
Guarantees:  the estimate is the best linear unbiased one by the public variances. Totals are the sums of their groups, up to
             rounding of floats. ``variance`` is that of the estimator, from public numbers alone.
Source:      ours. Effects are those of the analysis of variance. Least squares over effects: Gauss and Markov; each effect
             is the mean of what the marginals say of it, weighted by the inverse of its variance there.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analytics.cubes.marginals import Axes, subsets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator  # noqa: TID251  simulations after the opening

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisyMarginal:
    """One released marginal.

    Attributes:
        axes: of its dimensions, rising.
        table: its figures.
        variance: of the noise on each of them.
    """

    axes: Axes
    table: Floats
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedTable:
    """The fit.

    Attributes:
        shape: groups of each dimension.
        effects: the estimate of each effect, by its axes.
        variances: of each effect: the noise on it is independent noise of this variance, less its means along every axis.
    """

    shape: tuple[int, ...]
    effects: dict[Axes, Floats]
    variances: dict[Axes, float]

    def table(self, axes: Axes) -> Floats:
        """The marginal over some axes, which rise."""
        return self._summed(axes, self.effects)

    def variance(self, axes: Axes, functional: Floats) -> float:
        """The variance of a weighted sum of a marginal's figures.

        Args:
            axes: of the marginal.
            functional: the weight of each figure.
        """
        kept = tuple(range(len(axes)))
        return float(self.group_variances(axes, (), kept, functional))

    def group_variances(self, axes: Axes, groups: Axes, others: Axes, functional: Floats) -> Floats:
        """The variance of a weighted sum for each group of some of a marginal's dimensions.

        Args:
            axes: of the marginal.
            groups: places in ``axes`` of the dimensions that make groups; their axes come first in ``functional``.
            others: places of the dimensions that are summed over.
            functional: shape of the groups, then of the others.

        Returns:
            In the shape of the groups.
        """
        first = len(groups)
        found = np.zeros(functional.shape[:first])
        for kept in subsets(tuple(range(len(axes)))):
            sizes = [self.shape[axis] for axis in axes]
            spread = prod(sizes[place] for place in range(len(axes)) if place not in kept)
            own = prod(1 - 1 / sizes[place] for place in groups if place in kept)
            part = functional
            for number, place in reversed(list(enumerate(others))):
                axis = first + number
                part = _centered(part, axis) if place in kept else part.sum(axis=axis, keepdims=True)
            squares = (part**2).sum(axis=tuple(range(first, functional.ndim)))
            found += self.variances[tuple(axes[place] for place in kept)] * own * squares / spread**2
        return found

    def draw(self, axes: Axes, size: int, generator: Generator) -> Floats:
        """Draw the noise on a marginal; shape ``(size, ...)``. Normal variables in the place of Gaussian integers."""
        effects = {}
        for effect in subsets(axes):
            noise = generator.standard_normal((size, *(self.shape[axis] for axis in effect)))
            for axis in range(1, noise.ndim):
                noise = _centered(noise, axis)
            effects[effect] = np.sqrt(self.variances[effect]) * noise
        return self._summed(axes, effects)

    def _summed(self, axes: Axes, effects: dict[Axes, Floats]) -> Floats:
        """The sum of effects, each spread over the axes that it lacks; an axis before those of the dimensions stays."""
        found: Floats | None = None
        for effect in subsets(axes):
            part = effects[effect]
            lead = part.ndim - len(effect)
            spread = prod(self.shape[axis] for axis in axes if axis not in effect)
            missing = tuple(lead + place for place, axis in enumerate(axes) if axis not in effect)
            part = np.expand_dims(part / spread, missing)
            found = part if found is None else found + part
        sizes = tuple(self.shape[axis] for axis in axes)
        if found is None:  # there is always the effect of no axis
            raise AssertionError
        return np.broadcast_to(found, (*found.shape[: found.ndim - len(sizes)], *sizes)).copy()


def fit(shape: tuple[int, ...], marginals: Sequence[NoisyMarginal]) -> FittedTable:
    """Fit the table to noisy marginals.

    Args:
        shape: groups of each dimension.
        marginals: the whole table among them; several of the same axes count each.

    Returns:
        The fit.
    """
    effects, variances = {}, {}
    for effect in subsets(tuple(range(len(shape)))):
        weighted, precision = np.zeros(tuple(shape[axis] for axis in effect)), 0.0
        for each in marginals:
            if not set(effect) <= set(each.axes):
                continue
            lost = tuple(place for place, axis in enumerate(each.axes) if axis not in effect)
            own = 1 / (each.variance * prod(shape[each.axes[place]] for place in lost))
            weighted += own * each.table.sum(axis=lost)
            precision += own
        mean: Floats = weighted / precision
        for axis in range(mean.ndim):
            mean = _centered(mean, axis)
        effects[effect], variances[effect] = mean, 1 / precision
    return FittedTable(shape=shape, effects=effects, variances=variances)


def _centered(table: Floats, axis: int) -> Floats:
    found: Floats = table - table.mean(axis=axis, keepdims=True)
    return found
