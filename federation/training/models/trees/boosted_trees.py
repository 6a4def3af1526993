"""Gradient-boosted trees: a sum of small trees, each fitted to what those before it left.

Layer:       federation.training.models.trees.boosted_trees, above growth. Pure numpy.
Terms:       with ``random_splits = 1`` the splits are drawn by a hash of public sizes, and a round opens the sums of a
             tree's leaves; otherwise a round opens the histograms of one level, and depth rounds make a tree.
Guarantees:  number of trees, depth, bins and the draw of random splits are public; all else is made of opened sums. With an
             epsilon these have their noise, and a split, a value and a prediction are functions of them. Without noise the
             histogram of every level is opened: an exact disclosure that shows single rows, which a site allows by
             ``exact_training = "unguarded"`` alone. A form whose histograms stay on shares does not exist.
Source:      docs/guarantees.md P13, P16; Friedman 2001; for random splits with noise in the leaves: Fletcher and Islam,
             Differentially private random decision forests, 2017; Maddock and others, Federated Boosted Decision Trees with
             Differential Privacy, CCS 2022.
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from federation.training.encodings.features import BINARY, Cases, Encoding, Feature, Floats
from federation.training.models.base import Model, UnitVectors
from federation.training.models.generalized_linear import each, unit_losses
from federation.training.models.trees.ensemble import Ensemble, Sizes, bins_of
from federation.training.models.trees.gradient_sums import (
    histogram_cells,
    histogram_size,
    leaves_size,
    unit_sums,
)
from federation.training.models.trees.growth import TreeGrowth, used_bins
from federation.training.optimizer import MODEL_BITS
from federation.training.options import Option, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.training.strategies.base import Strategy

_TAG: Final = b"crossward/boosted-trees/1 random splits\n"
_WORD_BYTES: Final = 8


class _Boosted(Model):
    """Trees whose values are added up to a score."""

    may_exceed_rows: ClassVar[bool] = True
    learning_rate: ClassVar[Fraction] = Fraction(3, 10)
    options: ClassVar[Mapping[str, Option]] = {
        "trees": Option(default=20, lowest=1, highest=200),
        "depth": Option(default=2, lowest=1, highest=6),
        "bins": Option(default=32, lowest=4, highest=64),
        "penalty": Option(default=5, lowest=1, highest=1000),
        "random_splits": Option(default=0, lowest=0, highest=1),
    }

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """Take the values of the options; the defaults where there are none."""
        defaults = {name: option.default for name, option in self.options.items()}
        self._values = defaults | {name: v for name, v in (values or {}).items() if name in defaults}
        self._sizes = Sizes(
            n_trees=int(self._values["trees"]),
            depth=int(self._values["depth"]),
            n_bins=int(self._values["bins"]),
        )
        self._is_random = bool(self._values["random_splits"])

    def configured(self, options: Mapping[str, Value]) -> Self:
        """Return this model with the values of its options."""
        return type(self)(options)

    def size(self, encoding: Encoding) -> int:
        """Return the numbers of all trees, and the number of opened rounds."""
        del encoding
        return self._sizes.n_parameters

    def sum_size(self, encoding: Encoding) -> int:
        """Return the numbers of a histogram, or of the sums of leaves."""
        return (
            leaves_size(self._sizes) if self._is_random else histogram_size(self._sizes, encoding.width - 1)
        )

    def own_strategy(self, encoding: Encoding) -> Strategy:
        """Return how an opened sum makes a tree."""
        return TreeGrowth(
            self._sizes,
            used_bins(encoding, self._sizes.n_bins),
            is_random=self._is_random,
            sum_size=self.sum_size(encoding),
        )

    def initial(self, encoding: Encoding) -> tuple[int, ...]:
        """Return no trees, or the random splits, which a hash draws from the public sizes."""
        found = [0] * self.size(encoding)
        if not self._is_random:
            return tuple(found)
        used, inner = used_bins(encoding, self._sizes.n_bins), self._sizes.n_inner
        n_words = 2 * inner * self._sizes.n_trees
        seed = _TAG + f"{self._sizes.n_trees} {self._sizes.depth} {used}".encode()
        words: list[int] = np.frombuffer(
            hashlib.shake_256(seed).digest(_WORD_BYTES * n_words), "<u8"
        ).tolist()
        drawn = iter(words)
        for tree in range(self._sizes.n_trees):
            for node in range(inner):
                column, cut = next(drawn) % len(used), next(drawn)
                place = 1 + tree * self._sizes.block + node
                found[place] = (column + 1) << MODEL_BITS
                found[place + inner] = used[column][cut % max(1, len(used[column]) - 1)] << MODEL_BITS
        return tuple(found)

    @abstractmethod
    def derivatives(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """Return each row's derivatives, shape ``(n, 2)``, L2 norm about 1 at most, and its loss, one number at a time."""

    def unit_vectors(self, cases: Cases, parameters: Floats) -> UnitVectors:
        """Add up the derivatives at the trees so far, by the cells of the tree that is being made."""
        bins = bins_of(cases.matrix[:, :-1], self._sizes.n_bins)
        trees = Ensemble.read(parameters, self._sizes, bins.shape[1])
        levels = 1 if self._is_random else self._sizes.depth
        opened = min(trees.n_opened, self._sizes.n_trees * levels - 1)
        tree, level = divmod(opened, levels)
        pairs, losses = self.derivatives(trees.scores(bins, tree), cases.target)
        if self._is_random:
            level, size = self._sizes.depth, leaves_size(self._sizes)
        else:
            size = histogram_size(self._sizes, bins.shape[1])
        first = (1 << level) - 1
        places = trees.nodes(bins, tree, level) - first
        is_counted = places >= 0  # a row whose node was not split before stays there
        places = np.maximum(places, 0)
        cells = places[:, None] if self._is_random else histogram_cells(places, bins, self._sizes.n_bins)
        sums = unit_sums(cells, is_counted, pairs, cases.starts, size)
        return UnitVectors(gradients=sums, losses=unit_losses(losses, cases.starts))

    def scores(self, parameters: Floats, matrix: Floats) -> Floats:
        """Return each row's score, shape ``(n,)``."""
        bins = bins_of(matrix[:, :-1], self._sizes.n_bins)
        return Ensemble.read(parameters, self._sizes, bins.shape[1]).scores(bins, self._sizes.n_trees)

    def coefficients(self, encoding: Encoding, parameters: Floats) -> None:
        """No feature has a weight of its own."""


class BoostedTrees(_Boosted):
    """Small trees, one after the other, whose sum is the log-odds of the second of two classes."""

    name: ClassVar[str] = "boosted_trees"
    file_format: ClassVar[str] = "crossward/boosted-trees/1"
    has_classes: ClassVar[bool] = True

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        if outcome.is_constant:
            return "is constant: its domain has one value"
        return None if len(outcome.classes) == BINARY else "must be boolean or have a domain of two values"

    def derivatives(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """Return ``p - y`` and ``p (1 - p)``: their norm is below 1."""
        chances, small = _chances(scores)
        losses = np.maximum(scores, 0.0) + each(math.log1p, small) - targets * scores
        return np.stack([chances - targets, chances * (1.0 - chances)], axis=1), losses

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the chance of the second class."""
        del encoding
        return _chances(self.scores(parameters, matrix))[0]


class BoostedTreesRegressor(_Boosted):
    """Small trees, one after the other, whose sum is a number."""

    name: ClassVar[str] = "boosted_trees_regressor"
    file_format: ClassVar[str] = "crossward/boosted-trees-regressor/1"
    has_classes: ClassVar[bool] = False

    def outcome_mistake(self, outcome: Feature) -> str | None:
        """See ``Model``."""
        return None if outcome.kind == "numeric" else "must be numeric"

    def derivatives(self, scores: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """Return half the difference and 1/2, so that a row rarely exceeds a norm of 1."""
        halves = np.clip(scores - targets, -2.0, 2.0) / 2.0
        return np.stack([halves, np.full(len(halves), 0.5)], axis=1), 2.0 * halves**2

    def predict(self, encoding: Encoding, parameters: Floats, matrix: Floats) -> Floats:
        """Return the number on its own scale, within its public bounds."""
        outcome = encoding.outcome
        step = float(outcome.resolution or 1)
        scores = np.clip(self.scores(parameters, matrix), -1.0, 1.0)
        numbers: Floats = (
            (scores * (outcome.upper - outcome.lower) + outcome.upper + outcome.lower) / 2 * step
        )
        return numbers


def _chances(scores: Floats) -> tuple[Floats, Floats]:
    """Return the logistic function of each score, and ``exp(-|score|)``, one number at a time."""
    small = each(lambda score: math.exp(-abs(score)), scores)
    return np.where(scores >= 0, 1.0, small) / (1.0 + small), small
