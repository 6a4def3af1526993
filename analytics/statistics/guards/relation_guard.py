"""The guard of relations of second degree: each site counts people for whom no relation of a fit's columns can hold.

Layer:       analytics.statistics above base; below the statistics of sums of products.
Terms:       a *relation* is a sum of public multiples of a fit's *monomials*: 1, the columns between -1 and 1, for a number
             also ``(3 x x - 1) / 2``, and the products of two different columns. What is the same for every possible row
             has no monomial: the square of a 0 or 1, the product of two categories of one column. Its *size* is the root
             of the sum of squares of the multiples. Some people *span* where each relation of size 1 has a mean square of
             at least ``MARGIN`` among them: then each misses 0 by 1/181 in one of them, and none holds for all of them.
             A *cell* is one level of each column of more than two categories.
Guarantees:  a site deals its rows to groups of which any c span. A relation that fails in fewer people than groups less c - 1
             leaves c groups untouched, which cannot be; so it fails in as many people. A site may look at those
             people alone who have a cell's levels, or these and the site's most common ones: a relation that is none for one
             cell is none for another one, where at most two levels are not the first. So where the sites together
             reach the threshold in each of these cells, each relation, known or not, linear or of second degree, exact or up to
             rounding, fails for at least the minimum cell of people. The reverse is not so: a site whose own people
             do not span counts 0. Operations follow from the number of rows and public numbers alone; the counts from
             the people, not from their order.
Visible to:  no party: the counts are shared as the other counts of a guard are, and compared with them.
See instead: how a fit asks: ``*spanning_counts(columns, values, threshold)`` are more of the counts that must reach the
             threshold, as in ``fit_guard``, ``gram_rows`` and ``regression.glm``; ``columns`` are all that the fit reads, its
             outcome among them. Relations of third degree are not tested: no sum of products opens them. One person's part in a
             linear relation is bounded by ``leverage_guard``, on shares and at more cost.
Source:      ours; docs/guarantees.md P21; docs/adr/0027-people-who-span.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from analytics.schema import BooleanColumn, CategoricalColumn, NumericColumn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.sql.query import GroupColumn
    from analytics.statistics.base import Ints

Floats = npt.NDArray[np.float64]
MARGIN: Final = 2.0**-15
_SHARES: Final = (100, 70, 50, 30, 20, 10)  # hundredths of the threshold that are tried
_UNITED: Final = (1, 2, 3)  # groups that together have to span
_MANY: Final = 64  # monomials; with more, fewer unions are tried
_UNIONS: Final = (300, 60)
_ROWS: Final = 8  # rows looked at, for each monomial and person of the threshold
_BLOCK: Final = 4096
_DEGREE: Final = 2
_LEVELS: Final = 3  # of a category that makes cells


@dataclass(frozen=True, slots=True)
class Places:
    """A column that a fit makes itself: whole numbers, as the intervals of a grid.

    Attributes:
        count: they lie from 0 to ``count - 1``; with at most one there is nothing to tell apart.
    """

    count: int


Columns = Sequence["GroupColumn | Places"]


def spanning_counts(columns: Columns, values: Ints, most: int) -> list[int]:
    """Of each cell, in how many people of a site a relation fails at least that is one in the cell.

    Args:
        columns: all that the fit reads, in the order of the values.
        values: shape ``(n_rows, len(columns))``.
        most: the threshold; no more are counted.

    Returns:
        As many as cells, each from 0 to ``most``; the number of cells follows from the columns alone.
    """
    wide = [place for place, column in enumerate(columns) if _n_levels(column) >= _LEVELS]
    cells = _cells([_n_levels(columns[place]) for place in wide])
    if not len(values):
        return [0] * len(cells)
    ordered = values[np.lexsort(values.T)]
    whole = _count(columns, ordered, most)
    if not wide:
        return [whole]
    return [
        max(
            whole,
            *(_count(*part, most) for part in _parts(columns, ordered, dict(zip(wide, cell, strict=True)))),
        )
        for cell in cells
    ]


def n_monomials(columns: Columns) -> int:
    """Monomials of the columns."""
    return int(monomials(columns, np.zeros((0, len(columns)), dtype=np.int64)).shape[1])


def monomials(columns: Columns, values: Ints) -> Floats:
    """The monomials of rows, each between -1 and 1; shape ``(n_rows, n_monomials)``.

    Args:
        columns: in the order of the values.
        values: shape ``(n_rows, len(columns))``.
    """
    single = [_between(column, values[:, place]) for place, column in enumerate(columns)]
    squares = [
        (3 * found[0] ** 2 - 1) / 2
        for found, column in zip(single, columns, strict=True)
        if _n_steps(column) > 1
    ]
    products = [a * b for one, other in combinations(single, 2) for a in one for b in other]
    parts = [np.ones(len(values)), *(each for found in single for each in found), *squares, *products]
    return np.stack(parts, axis=1)


def design_of(columns: Sequence[GroupColumn], values: Ints) -> Floats:
    """The design of a site's rows: the intercept, then each column, between -1 and 1.

    Args:
        columns: in the order of the values.
        values: shape ``(n_rows, len(columns))``.

    Returns:
        Shape ``(n_rows, 1 + n)``; a category but the first has a column of its own.
    """
    found = [np.ones(len(values))]
    for place, column in enumerate(columns):
        found += _between(column, values[:, place])
    return np.stack(found, axis=1)


# -- which people --------------------------------------------------------------------------------------------------


def _cells(n_levels: Sequence[int]) -> list[tuple[int, ...]]:
    """All choices of one level each in which at most two are not the first: no monomial is a product of three."""
    return [
        cell for cell in product(*(range(count) for count in n_levels)) if sum(map(bool, cell)) <= _DEGREE
    ]


def _parts(columns: Columns, values: Ints, cell: dict[int, int]) -> Iterator[tuple[Columns, Ints]]:
    """The people with the levels of a cell, then those with these or the site's most common other ones."""
    alone = np.ones(len(values), dtype=np.bool_)
    both = alone.copy()
    for place, level in cell.items():
        counts = np.bincount(values[:, place], minlength=_n_levels(columns[place]))
        counts[level] = -1
        alone &= values[:, place] == level
        both &= (values[:, place] == level) | (values[:, place] == int(np.argmax(counts)))
    others = [place for place in range(len(columns)) if place not in cell]
    yield [columns[place] for place in others], values[alone][:, others]
    marked = values[both]
    for place, level in cell.items():
        marked[:, place] = marked[:, place] == level
    yield [Places(2) if place in cell else column for place, column in enumerate(columns)], marked


def _count(columns: Columns, values: Ints, most: int) -> int:
    """In how many people each relation fails at least, from groups of rows of which any few span."""
    rows, orders = _looked_at(columns, values, most)
    n_unions = _UNIONS[rows.shape[1] > _MANY]
    found = 0
    for order in orders:
        dealt: dict[int, tuple[Floats, Ints]] = {}
        for share, united in product(_SHARES, _UNITED):
            failing = -(-most * share // 100)
            n_groups = failing + united - 1
            if math.comb(n_groups, united) <= n_unions or united == 1:
                if n_groups not in dealt:
                    dealt[n_groups] = _sums_of([rows[order[place::n_groups]] for place in range(n_groups)])
                found = max(found, failing if _any_span(*dealt[n_groups], united) else 0)
    return found


def _sums_of(groups: Sequence[Floats]) -> tuple[Floats, Ints]:
    """Sums of products and sizes of groups of rows."""
    return np.stack([group.T @ group for group in groups]), np.array([len(group) for group in groups])


def _any_span(sums: Floats, sizes: Ints, united: int) -> bool:
    """Whether any so many groups together span."""
    count = sums.shape[-1]
    margin = MARGIN * np.eye(count)
    spans = True
    # all of them are looked at, also after one that does not span: how long this takes follows from public numbers
    for some in combinations(range(len(sums)), united):
        means = sums[list(some)].sum(axis=0) / max(1, int(sizes[list(some)].sum()))
        spans &= _is_definite(means - margin)
    return spans


def _is_definite(matrix: Floats) -> bool:
    """Whether a symmetric matrix is positive definite, by factors of which the signs are read (Bunch, Kaufman 1977).

    Unlike a Cholesky factor they are computed to the end for every matrix.
    """
    from scipy.linalg import lapack

    length = int(lapack.dsytrf_lwork(len(matrix), lower=1)[0])
    factors, pivots, info = lapack.dsytrf(matrix, lower=1, lwork=length)
    return bool(info == 0 and (pivots >= 0).all() and (np.diagonal(factors) > 0).all())


def _looked_at(columns: Columns, values: Ints, most: int) -> tuple[Floats, list[Ints]]:
    """The monomials of the rows that are looked at, and two orders in which they are dealt."""
    count = n_monomials(columns)
    leverage = np.round(_leverage(columns, values, count), 9)
    order = np.argsort(-leverage, kind="stable")
    limit = _ROWS * count * most
    if len(order) > limit:
        # the half that relations tell apart best, and of the others some at equal distances
        others = order[limit // 2 :]
        order = np.concatenate([order[: limit // 2], others[:: -(-len(others) // (limit // 2))]])
    chosen = values[order]
    few = [place for place, column in enumerate(columns) if _n_steps(column) <= 1]
    _, kind, sizes = np.unique(chosen[:, few], axis=0, return_inverse=True, return_counts=True)
    kind = kind.reshape(-1)
    by_kind = np.lexsort((np.arange(len(chosen)), kind, sizes[kind]))  # rare kinds are dealt evenly
    return monomials(columns, chosen), [np.arange(len(chosen)), by_kind]


def _leverage(columns: Columns, values: Ints, count: int) -> Floats:
    """Of each row the part that it has at most of the sum of squares of a relation."""
    starts = range(0, len(values), _BLOCK)
    whole = np.zeros((count, count))
    for start in starts:
        block = monomials(columns, values[start : start + _BLOCK])
        whole += block.T @ block
    inverse = np.linalg.pinv(whole, rcond=1e-12, hermitian=True)
    found = np.zeros(len(values))
    for start in starts:
        block = monomials(columns, values[start : start + _BLOCK])
        found[start : start + _BLOCK] = ((block @ inverse) * block).sum(axis=1)
    return found


# -- one column ----------------------------------------------------------------------------------------------------


def _between(column: GroupColumn | Places, values: Ints) -> list[Floats]:
    """A column between -1 and 1; of a category but the first a column of its own; of one value nothing."""
    if isinstance(column, CategoricalColumn):
        return [(values == code).astype(np.float64) for code in range(1, len(column.domain))]
    if isinstance(column, BooleanColumn):
        return [values.astype(np.float64)]
    lower, upper = _ends(column)
    return [(2 * values - lower - upper) / (upper - lower)] if upper > lower else []


def _n_levels(column: GroupColumn | Places) -> int:
    return len(column.domain) if isinstance(column, CategoricalColumn) else 0


def _n_steps(column: GroupColumn | Places) -> int:
    """Steps between the bounds of a number; with more than one its square says something of its own."""
    if isinstance(column, CategoricalColumn | BooleanColumn):
        return 0
    lower, upper = _ends(column)
    return upper - lower


def _ends(column: NumericColumn | Places) -> tuple[int, int]:
    return (0, column.count - 1) if isinstance(column, Places) else (column.grid_lower, column.grid_upper)
