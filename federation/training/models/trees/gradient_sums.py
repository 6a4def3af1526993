"""A unit's vector: the first and second derivatives of its rows' losses, added up by node, column and bin, or by leaf.

Layer:       federation.training.models.trees.gradient_sums, above ensemble. Pure numpy.
Terms:       in a *histogram* a row counts in one bin of every column of the node that it reached; in the sums of *leaves*
             it counts in one leaf of a tree whose splits are public.
Guarantees:  a row whose derivatives have an L2 norm of at most 1 has a vector of at most 1: a histogram divides them by the
             root of the number of columns, and that is its whole sensitivity. The core clips what is longer. Rows are added up as
             integers, so in any order.
Source:      docs/guarantees.md P13; Li and others, Privacy-Preserving Gradient Boosting Decision Trees, AAAI 2020, for the sums.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from federation.training.models.generalized_linear import ROW_BITS

if TYPE_CHECKING:
    import numpy.typing as npt

    from federation.training.encodings.features import Floats
    from federation.training.models.trees.ensemble import Sizes

PAIR: Final = 2  # first and second derivative


def histogram_size(sizes: Sizes, n_columns: int) -> int:
    """Return the numbers of a histogram of the widest level."""
    return (1 << (sizes.depth - 1)) * n_columns * sizes.n_bins * PAIR


def leaves_size(sizes: Sizes) -> int:
    """Return the numbers of the sums of leaves."""
    return (1 << sizes.depth) * PAIR


def histogram_cells(
    nodes: npt.NDArray[np.int64], bins: npt.NDArray[np.int64], n_bins: int
) -> npt.NDArray[np.int64]:
    """Return the cells of each row, shape ``(n, n_columns)``.

    Args:
        nodes: place of each row's node within its level.
        bins: of each row and column.
        n_bins: of each column.
    """
    n_columns = bins.shape[1]
    cells: npt.NDArray[np.int64] = (nodes[:, None] * n_columns + np.arange(n_columns)) * n_bins + bins
    return cells


def unit_sums(
    cells: npt.NDArray[np.int64],
    is_counted: npt.NDArray[np.bool_],
    derivatives: Floats,
    starts: npt.NDArray[np.intp],
    size: int,
) -> Floats:
    """Return each unit's vector, shape ``(n_units, size)``.

    Args:
        cells: of each row, shape ``(n, n_cells)``.
        is_counted: whether a row counts.
        derivatives: of each row, shape ``(n, 2)``, each at most 1 in size.
        starts: index of each unit's first row.
        size: numbers in a vector.
    """
    whole = np.rint(derivatives / math.sqrt(cells.shape[1]) * (1 << ROW_BITS)).astype(np.int64)
    units = np.searchsorted(starts, np.arange(len(cells)), side="right") - 1
    sums = np.zeros((len(starts), size), np.int64)
    rows = np.nonzero(is_counted)[0]
    for part in range(PAIR):
        np.add.at(sums, (units[rows, None], cells[rows] * PAIR + part), whole[rows, part, None])
    found: Floats = sums.astype(np.float64) / (1 << ROW_BITS)
    return found
