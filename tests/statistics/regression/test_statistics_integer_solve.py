"""Exact solutions of symmetric equations in integers."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.matrices.integer_solve import inverse, solve_exactly

BITS = 40


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32))
def test_a_known_solution_is_found(count, seed):
    generator = np.random.default_rng(seed)
    root = generator.integers(-1000, 1000, (count, count))
    matrix = root @ root.T + np.eye(count, dtype=int)
    wanted = generator.integers(-50, 50, count)
    half = [int(value) for value in matrix[np.triu_indices(count)]]
    found = solve_exactly(half, [int(value) for value in matrix @ wanted], BITS)
    assert found == tuple(int(value) << BITS for value in wanted)


def test_a_solution_is_rounded_to_the_nearest_step():
    assert solve_exactly([3], [1], BITS) == ((2**BITS + 1) // 3,)
    assert solve_exactly([3], [-1], BITS) == (-((2**BITS + 1) // 3),)
    assert solve_exactly([2**61, 2**60, 2**61], [2**60, -(2**60)], 1) == (2, -2)


def test_what_is_not_positive_definite_has_no_solution():
    assert solve_exactly([1, 2, 1], [1, 1], BITS) is None
    assert solve_exactly([1, 1, 1], [1, 1], BITS) is None
    assert solve_exactly([0], [1], BITS) is None


def test_an_inverse_times_its_matrix_is_one():
    matrix = np.array([[4, 1, 2], [1, 3, 0], [2, 0, 5]])
    half = [int(value) for value in matrix[np.triu_indices(3)]]
    found = np.array(inverse(half, 3, 60), dtype=np.float64) / 2.0**60
    assert np.abs(found @ matrix - np.eye(3)).max() < 1e-12
    assert inverse([1, 1, 1], 2, 60) == []


def by_fractions(matrix, wanted):
    """The oracle: elimination with fractions; None where a leading minor is not positive."""
    rows = [[Fraction(value) for value in (*row, side)] for row, side in zip(matrix, wanted, strict=True)]
    for step, chosen in enumerate(rows):
        if chosen[step] <= 0:
            return None
        for place, row in enumerate(rows):
            if place != step:
                factor = row[step] / chosen[step]
                rows[place] = [value - factor * other for value, other in zip(row, chosen, strict=True)]
    return [row[-1] / row[step] for step, row in enumerate(rows)]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(-1, 3), st.integers(0, 2**32))
def test_solutions_and_inverses_are_those_of_fractions(count, more, seed):
    generator = np.random.default_rng(seed)
    root = generator.integers(-9, 10, (max(1, count + more), count)).astype(object)
    matrix = (root.T @ root).tolist()
    matrix[0][0] -= int(generator.integers(0, 3))
    wanted = [int(value) for value in generator.integers(-99, 100, count)]
    half = [matrix[row][column] for row in range(count) for column in range(row, count)]

    def rounded(found):
        return (
            None if found is None else tuple(math.floor(value * 2**BITS + Fraction(1, 2)) for value in found)
        )

    assert solve_exactly(half, wanted, BITS) == rounded(by_fractions(matrix, wanted))
    units = np.eye(count, dtype=int).tolist()
    columns = [rounded(by_fractions(matrix, unit)) for unit in units]
    assert inverse(half, count, BITS) == [column for column in columns if column is not None]
