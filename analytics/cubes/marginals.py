"""Which marginals a cube releases, and how noise is divided over them: a public choice from the groups' numbers alone.

Layer:       analytics.cubes, the lowest.
Terms:       a *marginal* is a table over some dimensions; its weight u is public: its figures have noise of variance
             ``sum u^2 / u^2``, in units of the variance that one marginal alone would have. The *likely questions* are
             the total, all marginals over one or two dimensions, and the whole table.
Guarantees:  integers and fractions alone, so that every site finds the same. The whole table is always released, so that
             every question over the dimensions has an answer.
Source:      ours. The mean variance of a marginal's figures follows from the effects (``effects``): ``sum over T in A of
             v_T prod_(i in T) (1 - 1/n_i) prod_(i in A, not in T) 1/n_i^2``. The weights are found by a search in single
             steps for the least mean over the likely questions.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import gcd, prod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Axes = tuple[int, ...]
MOST_DIMENSIONS: Final = 5
MOST_WEIGHT: Final = 6
_FIRST_WEIGHT: Final = 3
_PAIRS: Final = 2
_REMEMBERED: Final = 64


def subsets(axes: Axes) -> tuple[Axes, ...]:
    """Every subset of some axes, the empty one first."""
    return tuple(each for size in range(len(axes) + 1) for each in combinations(axes, size))


@lru_cache(maxsize=_REMEMBERED)
def chosen_marginals(shape: tuple[int, ...]) -> tuple[tuple[Axes, int], ...]:
    """Choose marginals and weights.

    Args:
        shape: groups of each dimension, at most ``MOST_DIMENSIONS`` of them.

    Returns:
        Pairs of axes and weight: the whole table first, then by number of dimensions.
    """
    whole = tuple(range(len(shape)))
    weights = dict.fromkeys([whole, *_candidates(whole)], _FIRST_WEIGHT)
    best, is_better = _mean_variance(shape, weights), True
    while is_better:
        is_better = False
        for axes in weights:
            for step in (1, -1):
                moved = weights | {axes: weights[axes] + step}
                if not (axes == whole) <= moved[axes] <= MOST_WEIGHT:
                    continue
                found = _mean_variance(shape, moved)
                if found < best:
                    weights, best, is_better = moved, found, True
    common = gcd(*weights.values())
    return tuple((axes, weight // common) for axes, weight in weights.items() if weight)


def _candidates(whole: Axes) -> list[Axes]:
    return [each for each in subsets(whole) if 1 <= len(each) <= _PAIRS and each != whole]


def _mean_variance(shape: tuple[int, ...], weights: Mapping[Axes, int]) -> Fraction:
    whole = tuple(range(len(shape)))
    spent = sum(weight**2 for weight in weights.values())
    precisions = {axes: Fraction(weight**2, spent) for axes, weight in weights.items() if weight}
    effects = {
        effect: 1 / sum((part for _, part in covering(shape, effect, precisions)), Fraction())
        for effect in subsets(whole)
    }
    questions = [(), *_candidates(whole), whole]
    return sum((_variance(shape, axes, effects) for axes in questions), Fraction()) / len(questions)


def covering(
    shape: tuple[int, ...], effect: Axes, precisions: Mapping[Axes, Fraction]
) -> Iterator[tuple[Axes, Fraction]]:
    """The marginals that say something of an effect, and with what precision.

    Args:
        shape: groups of each dimension.
        effect: its axes.
        precisions: one over the variance of a figure of each marginal.
    """
    for axes, precision in precisions.items():
        if set(effect) <= set(axes):
            yield axes, precision / prod(shape[axis] for axis in axes if axis not in effect)


def _variance(shape: tuple[int, ...], axes: Axes, effects: Mapping[Axes, Fraction]) -> Fraction:
    """Mean variance of a marginal's figures, from the variance of each effect."""
    return sum(
        (
            effects[effect]
            * prod((1 - Fraction(1, shape[axis]) for axis in effect), start=Fraction(1))
            * Fraction(1, prod(shape[axis] for axis in axes if axis not in effect) ** 2)
            for effect in subsets(axes)
        ),
        Fraction(),
    )
