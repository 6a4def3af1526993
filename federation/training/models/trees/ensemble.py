"""Trees as a list of numbers, and the node that a row falls into.

Layer:       federation.training.models.trees.ensemble. Pure numpy.
Terms:       a *column* is an encoded feature without the intercept, cut into *bins* of equal width between -1 and 1. The
             nodes of a tree have the places of a heap: the root 0, below node k the nodes 2 k + 1 and 2 k + 2. A node is
             *split* by a column, counted from 1, and a *cut*, the last bin that goes to the left; column 0 is a leaf.
Shapes:      parameters float64 ``(1 + n_trees * block,)``: the number of opened rounds, then for each tree the columns and the
             cuts of its inner nodes and the values of all its nodes. Bins int64 ``(n, n_columns)``.
Guarantees:  any numbers are trees: what is no column is taken for the nearest one, so that an evaluation of parameters that an
             analyst made up fails at no row. A row's node and score are the same bits beside any other rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from federation.training.encodings.features import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The public sizes of an ensemble.

    Attributes:
        n_trees: of the ensemble.
        depth: splits above a leaf.
        n_bins: of each column.
    """

    n_trees: int
    depth: int
    n_bins: int

    @property
    def n_inner(self) -> int:
        """Nodes of a tree that can be split."""
        return (1 << self.depth) - 1

    @property
    def n_nodes(self) -> int:
        """Nodes of a tree."""
        return (1 << (self.depth + 1)) - 1

    @property
    def block(self) -> int:
        """Numbers of a tree."""
        return 2 * self.n_inner + self.n_nodes

    @property
    def n_parameters(self) -> int:
        """Numbers of the ensemble."""
        return 1 + self.n_trees * self.block


def bins_of(columns: Floats, n_bins: int) -> npt.NDArray[np.int64]:
    """Return the bin of each number between -1 and 1."""
    scaled = np.floor((columns + 1.0) * (n_bins / 2.0))
    found: npt.NDArray[np.int64] = np.clip(np.nan_to_num(scaled), 0, n_bins - 1).astype(np.int64)
    return found


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trees that were read from parameters.

    Attributes:
        sizes: of the ensemble.
        columns: int64 ``(n_trees, n_inner)``.
        cuts: int64 ``(n_trees, n_inner)``.
        weights: of all nodes, float64 ``(n_trees, n_nodes)``.
        n_opened: rounds that were opened.
    """

    sizes: Sizes
    columns: npt.NDArray[np.int64]
    cuts: npt.NDArray[np.int64]
    weights: Floats
    n_opened: int

    @classmethod
    def read(cls, parameters: Floats, sizes: Sizes, n_columns: int) -> Ensemble:
        """Read trees over so many columns."""
        numbers = np.nan_to_num(parameters[1:]).reshape(sizes.n_trees, sizes.block)
        inner = sizes.n_inner
        return cls(
            sizes=sizes,
            columns=np.clip(np.rint(numbers[:, :inner]), 0, n_columns).astype(np.int64),
            cuts=np.clip(np.rint(numbers[:, inner : 2 * inner]), 0, sizes.n_bins).astype(np.int64),
            weights=numbers[:, 2 * inner :],
            n_opened=max(0, round(float(np.nan_to_num(parameters[0])))),
        )

    def nodes(self, bins: npt.NDArray[np.int64], tree: int, levels: int) -> npt.NDArray[np.int64]:
        """Return the node that each row reaches after so many levels; a row stays where a node is not split."""
        found = np.zeros(len(bins), np.int64)
        rows = np.arange(len(bins))
        for _ in range(levels):
            columns = self.columns[tree][found]
            is_right = bins[rows, np.maximum(columns - 1, 0)] > self.cuts[tree][found]
            found = np.where(columns > 0, 2 * found + 1 + is_right, found)
        return found

    def scores(self, bins: npt.NDArray[np.int64], n_trees: int) -> Floats:
        """Return each row's sum of values over the first trees, added up in their order."""
        total: Floats = np.zeros(len(bins))
        for tree in range(n_trees):
            total += self.weights[tree][self.nodes(bins, tree, self.sizes.depth)]
        return total
