"""Leverages of parts of a Gram matrix, compared on shares, against numpy's inverse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.cost import dry_run
from smpc.errors import RingRangeError
from smpc.operations.numeric.leverage import leverage_at_most
from tests.examples import costly_law
from tests.smpc.joint import THREE, compute, split_input

UNIT = 1 << 24


def parts_of(rows, n_parts):
    """Of each part the upper half of its Gram matrix, in units."""
    found = [rows[place::n_parts].T @ rows[place::n_parts] for place in range(n_parts)]
    upper = np.triu_indices(rows.shape[1])
    return np.array([np.rint(each[upper] * UNIT).astype(np.int64) for each in found])


def largest(parts):
    """The oracle: the largest leverage of a part, by numpy's inverse of the whole."""
    count = round((2 * parts.shape[1] + 0.25) ** 0.5 - 0.5)
    matrices = np.zeros((len(parts), count, count))
    rows, columns = np.triu_indices(count)
    matrices[:, rows, columns] = matrices[:, columns, rows] = parts
    return np.einsum("ij,kij->k", np.linalg.inv(matrices.sum(axis=0)), matrices).max()


def asked(parts, least, n=2):
    return int(compute(lambda session, x: leverage_at_most(session, x, least), parts, n=n)[0])


def design(n=400, columns=4, seed=1, spread=0.5):
    generator = np.random.default_rng(seed)
    numbers = np.clip(generator.normal(0.1, spread, (n, columns - 1)), -1, 1)
    return np.column_stack([np.ones(n), numbers])


@costly_law(1)
@given(
    seed=st.integers(0, 10**6),
    columns=st.integers(1, 8),
    spread=st.floats(0.02, 1),
    least=st.integers(1, 30),
)
def test_law_it_is_one_far_below_the_limit_and_never_above_it(seed, columns, spread, least):
    parts = parts_of(design(columns=columns, seed=seed, spread=spread), 200)
    found, most = asked(parts, least), largest(parts)
    if most > 1 / least:
        assert found == 0
    if most < 0.7 / least:
        assert found == 1


@pytest.mark.parametrize("n", [3, THREE])
def test_every_number_of_parties(n):
    parts = parts_of(design(), 200)
    assert largest(parts) < 0.07
    assert asked(parts, 10, n=n) == 1
    assert asked(parts, 30, n=n) == 0


@pytest.mark.parametrize("few", [0, 1, 3, 9])
@pytest.mark.parametrize("size", [1.0, 0.01, 0.0001, 2.0**-24])
def test_a_relation_that_fails_in_few_rows_is_found_however_little_it_fails(few, size):
    rows = design()
    rows[:, 3] = (rows[:, 1] + rows[:, 2]) / 2
    rows[:few, 3] += size
    assert asked(parts_of(rows, 400), 10) == 0


def test_a_relation_that_fails_in_enough_rows_passes():
    rows = design()
    rows[:, 3] = (rows[:, 1] + rows[:, 2]) / 2
    rows[::13, 3] += 0.3
    assert largest(parts_of(rows, 400)) < 0.07
    assert asked(parts_of(rows, 400), 10) == 1


@pytest.mark.parametrize("rows", [np.zeros((50, 3)), np.ones((50, 3)), np.eye(3), np.ones((1, 3))])
def test_a_singular_whole_and_too_few_rows_never_pass(rows):
    assert asked(parts_of(rows, 20), 2) == 0


@pytest.mark.parametrize("scale", [2.0**-20, 1, 2.0**14])
def test_the_scale_changes_nothing(scale):
    assert asked(parts_of(design() * scale**0.5, 200), 10) == 1


def test_wrong_shapes_are_refused_before_anything_is_sent():
    for shape, least in (((4, 2), 3), ((6,), 3), ((0, 3), 3), ((4, 3), 0), ((4, 3), 50_000)):
        with pytest.raises(RingRangeError):
            dry_run(
                lambda session, shape=shape, least=least: leverage_at_most(
                    session, split_input(session, np.zeros(shape)), least
                ),
                2,
            )


def test_rounds_do_not_depend_on_parts_or_columns():
    costs = [
        dry_run(lambda s, shape=shape: leverage_at_most(s, split_input(s, np.zeros(shape)), 10), 3)
        for shape in ((40, 3), (400, 21), (800, 210))
    ]
    assert {cost.rounds for cost in costs} == {108}
    assert costs[1].bytes_per_peer < 30 * 400 * 21
