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
from dataclasses import dataclass, replace
from functools import cache
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
Rough = npt.NDArray[np.float32]
MARGIN: Final = 2.0**-15
_SHARES: Final = (100, 70, 50, 30, 20, 10)  # hundredths of the threshold that are tried
_UNITED: Final = (1, 2, 3)  # groups that together have to span
_MANY: Final = 64  # monomials; with more, fewer unions are tried
_UNIONS: Final = (300, 60)
_ROWS: Final = 8  # rows looked at, for each monomial and person of the threshold
_BLOCK: Final = 1024  # rows whose monomials fit into a core's cache
_RELATIVE: Final = 1e-12  # of the largest eigenvalue; below it a relation is taken to hold for all
_MULTIPLE: Final = 30  # groups whose sums of products are kept at a time
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
    ordered = values[np.lexsort(_packed(values))]
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
    return _Singles.of(columns, np.zeros((0, len(columns)), dtype=np.int64)).n_monomials


def monomials(columns: Columns, values: Ints) -> Floats:
    """The monomials of rows, each between -1 and 1; shape ``(n_rows, n_monomials)``.

    Args:
        columns: in the order of the values.
        values: shape ``(n_rows, len(columns))``.
    """
    return np.ascontiguousarray(_Singles.of(columns, values).lifted(slice(None)).T)


def design_of(columns: Sequence[GroupColumn], values: Ints) -> Floats:
    """The design of a site's rows: the intercept, then each column, between -1 and 1.

    Args:
        columns: in the order of the values.
        values: shape ``(n_rows, len(columns))``.

    Returns:
        Shape ``(n_rows, 1 + n)``; a category but the first has a column of its own.
    """
    linear = _Singles.of(columns, values, has_squares=False).linear
    found = np.empty((len(values), 1 + len(linear)))
    found[:, 0] = 1
    found[:, 1:] = linear.T
    return found


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
    tried = []
    for share, united in product(_SHARES, _UNITED):
        failing = -(-most * share // 100)
        n_groups = failing + united - 1
        if math.comb(n_groups, united) <= n_unions or united == 1:
            tried.append((failing, n_groups, united))
    found = 0
    for order in orders:
        dealt = _sums_of(rows if order is None else rows[order], {n_groups for _, n_groups, _ in tried})
        for failing, n_groups, united in tried:
            found = max(found, failing if _any_span(*dealt[n_groups], united) else 0)
    return found


def _sums_of(rows: Floats, every: set[int]) -> dict[int, tuple[Floats, Ints]]:
    """Of each number of groups, sums of products and sizes of the groups to which rows are dealt in turn.

    Rows are multiplied once for several numbers of groups: dealt to a common multiple of them.
    """
    found = {}
    for numbers in _with_common_multiple(every):
        n_groups = math.lcm(*numbers)
        dealt = [rows[place::n_groups] for place in range(n_groups)]
        sums = np.empty((n_groups, rows.shape[1], rows.shape[1]))
        for group, into in zip(dealt, sums, strict=True):
            np.matmul(group.T, group, out=into)
        sizes = np.array([len(group) for group in dealt])
        for count in numbers:
            shape = (n_groups // count, count)
            parts = sums.reshape(*shape, *sums.shape[1:]).sum(axis=0), sizes.reshape(shape).sum(axis=0)
            found[count] = parts
    return found


def _with_common_multiple(every: set[int]) -> list[list[int]]:
    """The numbers, those together that have a common multiple of at most ``_MULTIPLE``."""
    found: list[list[int]] = []
    for count in sorted(every, reverse=True):
        for numbers in found:
            if math.lcm(count, *numbers) <= max(_MULTIPLE, numbers[0]):
                numbers.append(count)
                break
        else:
            found.append([count])
    return found


def _any_span(sums: Floats, sizes: Ints, united: int) -> bool:
    """Whether any so many groups together span."""
    spans = True
    # all of them are looked at, also after one that does not span: how long this takes follows from public numbers
    for some in combinations(range(len(sums)), united):
        mean = sums[some[0]].copy()
        for place in some[1:]:
            mean += sums[place]
        mean /= max(1, int(sizes[list(some)].sum()))
        mean.reshape(-1)[:: len(mean) + 1] -= MARGIN
        spans &= _is_definite(mean)
    return spans


def _is_definite(matrix: Floats) -> bool:
    """Whether a symmetric matrix is positive definite, by factors of which the signs are read (Bunch, Kaufman 1977).

    Unlike a Cholesky factor they are computed to the end for every matrix.
    """
    from scipy.linalg import lapack

    # its transpose is laid out as Fortran has it, which saves a copy
    factors, pivots, info = lapack.dsytrf(matrix.T, lower=1, lwork=_work_length(len(matrix)))
    return bool(info == 0 and (pivots >= 0).all() and (np.diagonal(factors) > 0).all())


@cache
def _work_length(size: int) -> int:
    from scipy.linalg import lapack

    return int(lapack.dsytrf_lwork(size, lower=1)[0])


def _looked_at(columns: Columns, values: Ints, most: int) -> tuple[Floats, list[Ints | None]]:
    """The monomials of the rows that are looked at, and the orders in which they are dealt; None: as they are."""
    count = n_monomials(columns)
    limit = _ROWS * count * most
    leverage = np.round(_leverage(_Singles.of(columns, values), count, is_rough=len(values) > limit), 9)
    order = np.argsort(-leverage, kind="stable")
    if len(order) > limit:
        # the half that relations tell apart best, and of the others some at equal distances
        others = order[limit // 2 :]
        order = np.concatenate([order[: limit // 2], others[:: -(-len(others) // (limit // 2))]])
    chosen = values[order]
    rows = monomials(columns, chosen)
    few = [place for place, column in enumerate(columns) if -1 < _n_steps(column) <= 1]
    if not few:
        return rows, [None]
    kind = _kinds(chosen[:, few])
    by_kind = np.lexsort((kind, np.bincount(kind)[kind]))  # rare kinds are dealt evenly
    return rows, [None, by_kind]


def _leverage(single: _Singles, count: int, *, is_rough: bool) -> Floats:
    """Of each row the part that it has at most of the sum of squares of a relation; with ``is_rough`` to six digits.

    They say which people are looked at and in which order, no more: groups span or not whatever is looked at.
    """
    blocks = [slice(start, start + _BLOCK) for start in range(0, single.n_rows, _BLOCK)]
    whole = np.zeros((count, count))
    for block in blocks:
        lifted = single.lifted(block)
        whole += lifted @ lifted.T
    values, vectors = np.linalg.eigh(whole)
    is_kept = values > values.max(initial=0) * _RELATIVE
    root = vectors[:, is_kept].T / np.sqrt(values[is_kept])[:, np.newaxis]
    if is_rough:
        single, root = single.rough(), root.astype(np.float32)
    found = np.zeros(single.n_rows)
    for block in blocks:
        parts = root @ single.lifted(block)
        found[block] = np.einsum("ij,ij->j", parts, parts)
    return found


# -- sorting -------------------------------------------------------------------------------------------------------


def _packed(values: Ints) -> list[Ints]:
    """Fewer columns of which a ``lexsort`` is that of these, for several in one machine word; of ``values.T``."""
    found: list[Ints] = []
    taken = 0
    if not len(values):
        return [np.zeros(0, dtype=np.int64)]
    for column in values.T:
        low = int(column.min())
        width = int(column.max()) - low + 1
        if not found or taken * width >= 1 << 62:
            found.append(column - low)
            taken = width
        else:  # later columns are of more weight
            found[-1] = found[-1] + (column - low) * taken
            taken *= width
    return found


def _kinds(values: Ints) -> Ints:
    """Of each row which of the different rows it is, these in the order of their columns, the first of most weight."""
    keys = _packed(values[:, ::-1])
    order = np.lexsort(keys)
    ordered = [key[order] for key in keys]
    is_new = np.any([np.diff(key) != 0 for key in ordered], axis=0)
    kind = np.zeros(len(values), dtype=np.int64)
    kind[order[1:]] = np.cumsum(is_new)
    return kind


# -- monomials -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Singles:
    """What the monomials are products of.

    Attributes:
        linear: columns between -1 and 1, shape ``(n_linear, n_rows)``.
        ends: of each of them, where the next column of the fit begins.
        squares: of numbers, shape ``(n_numbers, n_rows)``.
    """

    linear: Floats | Rough
    ends: tuple[int, ...]
    squares: Floats | Rough

    @classmethod
    def of(cls, columns: Columns, values: Ints, *, has_squares: bool = True) -> _Singles:
        """Those of rows, as ``monomials`` takes them."""
        linear: list[Floats] = []
        squares: list[Floats] = []
        ends: list[int] = []
        for place, column in enumerate(columns):
            found = _between(column, values[:, place])
            linear += found
            ends += [len(linear)] * len(found)
            if has_squares and _n_steps(column) > 1:
                squares.append((3 * found[0] ** 2 - 1) / 2)
        empty = np.zeros((0, len(values)))
        return cls(
            linear=np.stack(linear) if linear else empty,
            ends=tuple(ends),
            squares=np.stack(squares) if squares else empty,
        )

    @property
    def n_rows(self) -> int:
        """Rows."""
        return int(self.linear.shape[1])

    @property
    def n_monomials(self) -> int:
        """Monomials."""
        return 1 + len(self.linear) + len(self.squares) + sum(len(self.linear) - end for end in self.ends)

    def rough(self) -> _Singles:
        """The same in half the precision."""
        return replace(self, linear=self.linear.astype(np.float32), squares=self.squares.astype(np.float32))

    def lifted(self, rows: slice) -> Floats | Rough:
        """The monomials of some rows, shape ``(n_monomials, n_rows)``."""
        linear, squares = self.linear[:, rows], self.squares[:, rows]
        found = np.empty((self.n_monomials, linear.shape[1]), dtype=linear.dtype)
        found[0] = 1
        place = 1
        for part in (linear, squares):
            found[place : place + len(part)] = part
            place += len(part)
        for one, end in zip(linear, self.ends, strict=True):
            np.multiply(one, linear[end:], out=found[place : place + len(linear) - end])
            place += len(linear) - end
        return found


# -- one column ----------------------------------------------------------------------------------------------------


def _between(column: GroupColumn | Places, values: Ints) -> list[Floats]:
    """A column between -1 and 1; of a category but the first a column of its own; of one value nothing."""
    if isinstance(column, CategoricalColumn):
        return [(values == code).astype(np.float64) for code in range(1, len(column.domain))]
    if isinstance(column, BooleanColumn):
        return [values.astype(np.float64)]
    lower, upper = _ends(column)
    if upper <= lower:
        return []
    found = values.astype(np.float64)
    found *= 2
    found -= lower + upper  # whole numbers until the last step
    found /= upper - lower
    return [found]


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
