"""The counts of people who span are those of their definition, computed as it is written down, whichever way they are sped up."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.schema import BooleanColumn, CategoricalColumn
from analytics.statistics.guards.relation_guard import MARGIN, Places, design_of, monomials, spanning_counts
from tests.examples import costly_law

ARM = CategoricalColumn(name="arm", nullable=False, domain=("new", "old", "none"))
ILL = BooleanColumn(name="ill", nullable=False)
SIZES = [0, 1, 7, 40, 200, 1500]


def ends_of(column):
    return (len(column.domain) if column is ARM else 2) if column in (ARM, ILL) else column.count


def lifted(columns, values):
    """Each monomial a column, in any order: it turns no relation into another."""
    single, squares = [], []
    for place, column in enumerate(columns):
        x = values[:, place]
        if column is ARM:
            single.append([x == 1, x == 2])
        elif column is ILL:
            single.append([x])
        else:
            top = column.count - 1
            single.append([(2 * x - top) / top] if top > 0 else [])
            squares += [(3 * ((2 * x - top) / top) ** 2 - 1) / 2] if top > 1 else []
    rows = [np.ones(len(values)), *(x for found in single for x in found), *squares]
    rows += [a * b for one, other in combinations(single, 2) for a in one for b in other]
    return np.array(rows, dtype=float).T


def counted(columns, values, most):
    """The definition for one set of rows: eigenvalues of the mean square of each union of groups."""
    rows = lifted(columns, values)
    p = rows.shape[1]
    inverse = np.linalg.pinv(rows.T @ rows, rcond=1e-12, hermitian=True)
    order = np.argsort(-np.round(((rows @ inverse) * rows).sum(axis=1), 9), kind="stable")
    half = 4 * p * most
    if len(order) > 2 * half:
        others = order[half:]
        order = np.concatenate([order[:half], others[:: -(-len(others) // half)]])
    values, rows = values[order], rows[order]
    few = [place for place, column in enumerate(columns) if ends_of(column) <= 2 or column is ARM]
    kinds = [tuple(row) for row in values[:, few]]
    by_kind = sorted(range(len(rows)), key=lambda row: (kinds.count(kinds[row]), kinds[row], row))
    best = 0
    for deal in (list(range(len(rows))), by_kind):
        for share, united in product((100, 70, 50, 30, 20, 10), (1, 2, 3)):
            failing = math.ceil(most * share / 100)
            groups = failing + united - 1
            if united > 1 and math.comb(groups, united) > (300 if p <= 64 else 60):
                continue
            dealt = [rows[deal[place::groups]] for place in range(groups)]
            unions = [np.concatenate(some) for some in combinations(dealt, united)]
            if all(np.linalg.eigvalsh(each.T @ each / max(1, len(each))).min() > MARGIN for each in unions):
                best = max(best, failing)
    return best


def drawn(columns, n, seed):
    """Rows of which some columns are skewed and one may nearly follow from another."""
    generator = np.random.default_rng(seed)
    values = []
    for column in columns:
        top = max(1, ends_of(column))
        found = generator.integers(0, top, n)
        if generator.random() < 0.4:
            found = np.minimum(found, generator.exponential(top / 5, n).astype(int))
        if generator.random() < 0.3:
            found = np.where(generator.random(n) < generator.choice([0.01, 0.1]), found, 0)
        values.append(found)
    if len(columns) > 1 and generator.random() < 0.3:
        values[1] = np.where(generator.random(n) < 0.05, values[1], values[0] % min(2, ends_of(columns[1])))
    found = np.stack(values, axis=1).astype(np.int64)
    return found[np.lexsort(found.T)]


SOME = [
    (Places(5), ILL),
    (Places(41), Places(3), ILL, ILL),
    (Places(0), Places(2), Places(12), ILL),
    (Places(500), Places(41), Places(7)),
    (Places(9),),
]


@costly_law(25)
@given(
    st.sampled_from(SOME), st.sampled_from(SIZES), st.integers(0, 10**6), st.sampled_from([1, 2, 5, 10, 13])
)
def test_law_what_is_counted_is_what_the_definition_counts(columns, n, seed, most):
    values = drawn(columns, n, seed)
    expected = counted(columns, values, most) if n else 0
    assert spanning_counts(columns, values, most) == [expected]


@costly_law(10)
@given(st.sampled_from(SIZES[1:]), st.integers(0, 10**6), st.sampled_from([1, 3, 10]))
def test_law_of_a_category_each_cell_counts_the_best_of_three_sets(n, seed, most):
    """The cell's people, those of it and of the most common other level, and all."""
    columns = (ARM, Places(6), ILL)
    values = drawn(columns, n, seed)
    expected = []
    for level in range(3):
        sizes = np.bincount(values[:, 0], minlength=3)
        sizes[level] = -1
        alone = values[values[:, 0] == level][:, 1:]
        both = values[np.isin(values[:, 0], [level, int(np.argmax(sizes))])]
        both[:, 0] = both[:, 0] == level
        sets = [
            (columns, values),
            (columns[1:], alone),
            ((Places(2), *columns[1:]), both),
        ]
        expected.append(max(counted(*each, most) if len(each[1]) else 0 for each in sets))
    assert spanning_counts(columns, values, most) == expected


@pytest.mark.parametrize("columns", [(ARM, Places(6), ILL), (ILL,), (Places(1), Places(4))])
def test_monomials_and_designs_are_those_of_the_definition(columns):
    values = drawn(columns, 50, 1)
    own, known = monomials(columns, values), lifted(columns, values)
    assert own.shape == known.shape
    assert sorted(map(tuple, own.T)) == sorted(map(tuple, known.T))
    assert design_of(columns, values).tolist() == known[:, : design_of(columns, values).shape[1]].tolist()
