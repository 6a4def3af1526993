"""The strategy of boosted trees: each opened sum makes one level of a tree, or the leaves of a tree with public splits.

Layer:       federation.training.models.trees.growth, above gradient_sums. Pure integers.
Terms:       G and H are sums of first and second derivatives, grid units; *penalty* is what is added to H before a division.
             The *gain* of a split is ``GL^2 / (HL + p) + GR^2 / (HR + p) - G^2 / (H + p)``.
Guarantees:  splits and values are made of opened sums and public numbers alone, in integers, so that every party holds the
             same trees and all of it costs nothing more. A round is one clipped sum, whose noise all sites share: its price
             is that of a round of ``sum_gradient``. A node is split only where each side has a sum of second derivatives of at
             least the penalty. A cut lies between bins that the public bounds allow; bins that no value can be in are left out,
             with their noise.
See instead: what a site adds up (``gradient_sums``).
Source:      Friedman, Greedy Function Approximation, 2001; Chen and Guestrin, XGBoost, KDD 2016, for the gain; docs/guarantees.md
             P13, form (a).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from federation.training.models.trees.ensemble import Sizes, bins_of
from federation.training.models.trees.gradient_sums import PAIR
from federation.training.optimizer import MODEL_BITS, Descent, within
from federation.training.strategies.base import PrivateForm, RunShape, Strategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from federation.training.encodings.features import Encoding, Feature
    from federation.training.optimizer import UpdateRule
    from federation.training.options import Value

_GAIN_BITS: Final = 24
_MANY: Final = 4  # a column of this many values a bin has a value in every bin


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A split of one node: a column from 1, a cut, and the sums on its two sides."""

    column: int
    cut: int
    left: tuple[int, int]
    right: tuple[int, int]


class TreeGrowth(Strategy):
    """One level of a tree a round."""

    name: ClassVar[str] = "tree_growth"
    private_form: ClassVar[PrivateForm | None] = PrivateForm.ONE_SUM

    def __init__(
        self, sizes: Sizes, used_bins: tuple[tuple[int, ...], ...], *, is_random: bool, sum_size: int
    ) -> None:
        """Take what is public of a model and its columns.

        Args:
            sizes: of the ensemble.
            used_bins: for each column the bins that a value can be in, rising.
            is_random: whether the splits are public, so that a round makes the leaves of a tree.
            sum_size: numbers in a clipped sum.
        """
        self._sizes, self._used, self._is_random, self._sum_size = sizes, used_bins, is_random, sum_size

    def mistakes(self, rule: UpdateRule) -> list[str]:
        """Refuse what only steps along a gradient have."""
        given = {"momentum": rule.momentum, "l2": rule.l2, "expected_units": rule.divisor}
        return [
            f"{name}: trees have none, so it has to be left out" for name, value in given.items() if value
        ]

    def n_rounds(self, options: Mapping[str, Value]) -> int:
        """Return the number of rounds that make all trees."""
        del options
        return self._sizes.n_trees * (1 if self._is_random else self._sizes.depth)

    def length(self, shape: RunShape) -> int:
        """Return the number of integers in an update."""
        return self._sum_size + int(shape.has_loss)

    def next(self, shape: RunShape, state: Descent, total: Sequence[int]) -> Descent:
        """Make the next level, or the leaves of the next tree, of an opened sum."""
        if state.n_steps >= self.n_rounds(shape.options):
            return state
        tree, level = (state.n_steps, 0) if self._is_random else divmod(state.n_steps, self._sizes.depth)
        parameters = list(state.parameters)
        block = 1 + tree * self._sizes.block
        n_cells = 1 if self._is_random else len(self._used)
        penalty = penalty_of(shape, n_cells)
        if self._is_random:
            first = block + 2 * self._sizes.n_inner + self._sizes.n_inner
            for leaf in range(1 << self._sizes.depth):
                sums = (total[PAIR * leaf], total[PAIR * leaf + 1])
                parameters[first + leaf] = leaf_value(shape, sums, penalty)
        else:
            self._split_level(shape, parameters, total, block=block, level=level, penalty=penalty)
        parameters[0] = (state.n_steps + 1) << MODEL_BITS
        return replace(state, parameters=tuple(parameters), n_steps=state.n_steps + 1)

    def _split_level(
        self,
        shape: RunShape,
        parameters: list[int],
        total: Sequence[int],
        *,
        block: int,
        level: int,
        penalty: int,
    ) -> None:
        """Write the splits of a level and the values below them into the parameters."""
        inner = self._sizes.n_inner
        for place in range(1 << level):
            node = (1 << level) - 1 + place
            split = best_split(self._histogram(total, place), penalty)
            if split is None:
                continue
            parameters[block + node] = split.column << MODEL_BITS
            parameters[block + inner + node] = split.cut << MODEL_BITS
            values = block + 2 * inner + 2 * node + 1
            parameters[values] = leaf_value(shape, split.left, penalty)
            parameters[values + 1] = leaf_value(shape, split.right, penalty)

    def _histogram(self, total: Sequence[int], place: int) -> Iterator[list[tuple[int, int, int]]]:
        """Give for each column its used bins of a node, with G and H."""
        n_bins, n_columns = self._sizes.n_bins, len(self._used)
        for column, used in enumerate(self._used):
            first = PAIR * n_bins * (place * n_columns + column)
            yield [(each, total[first + PAIR * each], total[first + PAIR * each + 1]) for each in used]

    def step_sentence(self, shape: RunShape) -> str:
        """See ``Strategy``."""
        del shape
        sizes = self._sizes
        if self._is_random:
            return (
                f"each opened sum gives the values of a tree of depth {sizes.depth}, whose splits are public"
            )
        return f"each opened histogram gives one level of a tree; {sizes.depth} levels are a tree, {sizes.n_trees} trees a model"


def best_split(histogram: Iterator[list[tuple[int, int, int]]], penalty: int) -> Split | None:
    """Return the split of the largest gain, the first of equal ones; None where no split has a gain.

    Args:
        histogram: for each column its bins, rising, with G and H.
        penalty: grid units, positive; also the least H of each side.
    """
    best, most = None, 0
    for column, bins in enumerate(histogram, 1):
        g_all, h_all = sum(g for _, g, _ in bins), sum(h for _, _, h in bins)
        whole = _half_gain(g_all, h_all, penalty)
        g_left = h_left = 0
        for place, g, h in bins[:-1]:
            g_left, h_left = g_left + g, h_left + h
            g_right, h_right = g_all - g_left, h_all - h_left
            if min(h_left, h_right) < penalty:
                continue
            gain = _half_gain(g_left, h_left, penalty) + _half_gain(g_right, h_right, penalty) - whole
            if gain > most:
                most = gain
                best = Split(column=column, cut=place, left=(g_left, h_left), right=(g_right, h_right))
    return best


def _half_gain(g: int, h: int, penalty: int) -> int:
    return (g * g << _GAIN_BITS) // (max(0, h) + penalty)


def leaf_value(shape: RunShape, sums: tuple[int, int], penalty: int) -> int:
    """Return ``-rate G / (H + penalty)`` in units of ``2**-32``; a sum H that noise made negative counts as 0."""
    g, h = sums
    return within(round(-shape.rule.learning_rate * Fraction(g << MODEL_BITS, max(0, h) + penalty)))


def penalty_of(shape: RunShape, n_cells: int) -> int:
    """Return the penalty in grid units of a sum whose rows are divided by the root of so many cells, rounded down."""
    penalty = Fraction(shape.options["penalty"])
    return max(1, math.isqrt(int(penalty**2 / (shape.rule.step**2 * n_cells))))


def used_bins(encoding: Encoding, n_bins: int) -> tuple[tuple[int, ...], ...]:
    """Return for each column the bins that the public facts of its feature allow, rising."""
    return tuple(
        used for feature in encoding.features for used in [_used(feature, n_bins)] * len(feature.labels)
    )


def _used(feature: Feature, n_bins: int) -> tuple[int, ...]:
    if feature.kind != "numeric":
        values = np.array([0.0, 1.0])
    elif feature.upper - feature.lower >= _MANY * n_bins:
        return tuple(range(n_bins))
    else:
        values = feature.columns(np.arange(feature.lower, feature.upper + 1))[:, 0]
    return tuple(sorted(set(bins_of(values, n_bins).tolist())))
