"""Margins over closed cells of a table: which of them open, on shares, and what the analyst adds up from open cells.

Layer:       analytics.statistics, above base.
Terms:       a *margin* is the sum over some axes of a table; one of its sums is a *line*. A cell is *closed* where it
             is below the threshold T. A line's *rest* is its closed cells that no open line inside it has.
Guarantees:  a line opens where its rest has k cells of sum S with ``T <= S <= (k - 1)(T - 1)``, so at least three, and
             no open line shares a closed cell with it without lying inside it. The open lines' rests are then disjoint,
             so no sums and differences of open figures give a smaller rest; and within such a rest each cell alone can
             still be any number below T. This is stricter than two closed cells whose sum reaches T: two cells below
             10 that add up to 18 are 9 and 9, and two that add up to 10 are both above 0. The order of the margins is
             public, so nothing is chosen by data but the flags. All of it happens on shares; no party learns which
             condition failed.
See instead: the cells' own guard (crosstab). Several answers can be combined, as any exact answers.
Source:      ours; docs/guarantees.md P8. Complementary suppression in the literature searches for secondary cells, and
             the pattern that it finds tells about the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from smpc.operations.arithmetic import (
    add_public,
    concatenate,
    matmul_public,
    multiply,
    multiply_public,
    negate,
    subtract,
    subtract_from_public,
    take,
)
from smpc.operations.comparison import at_least
from smpc.operations.selection import all_of

if TYPE_CHECKING:
    from smpc.session import Session
    from smpc.sharing import Shared

Floats = npt.NDArray[np.float64]
Lines = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """One margin of a table.

    Attributes:
        kept: the axes that it keeps; none for the total.
        lines: 1 where a cell lies on a line, shape ``(n_lines, n_cells)``.
    """

    kept: tuple[int, ...]
    lines: Lines


def margins_of(shape: tuple[int, ...]) -> tuple[Margin, ...]:
    """Every margin of a table, those with more axes first; the total is the last."""
    places = np.arange(int(np.prod(shape))).reshape(shape)
    found = []
    for count in reversed(range(len(shape))):
        for kept in combinations(range(len(shape)), count):
            dropped = tuple(axis for axis in range(len(shape)) if axis not in kept)
            rows = np.transpose(places, kept + dropped).reshape(
                int(np.prod([shape[axis] for axis in kept], dtype=np.int64)), -1
            )
            lines = np.zeros((len(rows), places.size), dtype=np.int64)
            np.put_along_axis(lines, rows, 1, axis=1)
            found.append(Margin(kept=kept, lines=lines))
    return tuple(found)


def open_margins(
    session: Session, cells: Shared, flags: Shared, shape: tuple[int, ...], threshold: int
) -> tuple[Shared, Shared]:
    """Open the lines that give no closed cell away.

    Visible to: no party.
    Cost: for each margin one batch of comparisons, an AND and two products.

    Args:
        session: of all sites, with a dealer or three that compute.
        cells: the table's counts, shape ``(n_cells,)``.
        flags: 1 where a cell is open, same shape.
        shape: of the table.
        threshold: T, at least 1.

    Returns:
        The lines' sums, closed ones as 0, and their flags, of all margins in the order of ``margins_of``.
    """
    most = int(np.prod(shape)) * threshold
    bits = (2 * most).bit_length() + 2
    closed = subtract_from_public(session, 1, flags)
    # what no open line has so far: 1 for each such closed cell, and its count
    rest, counts = closed, subtract(cells, multiply(session, cells, flags))
    taken: list[tuple[tuple[int, ...], Shared]] = []
    values, opened = [], []
    for margin in margins_of(shape):
        lines, n_lines = margin.lines, len(margin.lines)
        n_rest, total = matmul_public(lines, rest), matmul_public(lines, counts)
        most_total = multiply_public(add_public(session, n_rest, -1), threshold - 1)
        crossing = [each for kept, each in taken if not set(margin.kept) <= set(kept)]
        tests = [add_public(session, total, -threshold), subtract(most_total, total)]
        tests += [negate(matmul_public(lines, each)) for each in crossing]
        passed = at_least(session, concatenate(tests), 0, bits)
        parts = [take(passed, range(place * n_lines, (place + 1) * n_lines)) for place in range(len(tests))]
        flag = all_of(session, *parts)
        values.append(multiply(session, matmul_public(lines, cells), flag))
        opened.append(flag)
        now = matmul_public(np.ascontiguousarray(lines.T), flag)
        both = multiply(session, concatenate([rest, counts]), concatenate([now, now]))
        newly, with_counts = take(both, range(rest.size)), take(both, range(rest.size, 2 * rest.size))
        taken.append((margin.kept, newly))
        rest, counts = subtract(rest, newly), subtract(counts, with_counts)
    return concatenate(values), concatenate(opened)


def known_margins(cells: Floats, opened: Floats) -> dict[tuple[int, ...], Floats]:
    """Every margin with what is known of it: opened lines, and sums of known figures.

    Args:
        cells: the table, NaN where a cell is closed; any shape.
        opened: the lines' sums of all margins in the order of ``margins_of``, NaN where one is closed.

    Returns:
        By the axes kept: the margin, NaN where it is not known.
    """
    found: dict[tuple[int, ...], Floats] = {tuple(range(cells.ndim)): cells}
    start = 0
    for margin in margins_of(cells.shape):
        shape = tuple(cells.shape[axis] for axis in margin.kept)
        known = opened[start : start + len(margin.lines)].reshape(shape)
        start += len(margin.lines)
        for finer, sums in list(found.items()):
            if set(margin.kept) < set(finer):
                over = tuple(place for place, axis in enumerate(finer) if axis not in margin.kept)
                known = np.where(np.isnan(known), sums.sum(axis=over), known)
        found[margin.kept] = known
    return found
