"""The nonnegative table against dense least squares with bounds, which share no code."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.optimize import nnls

from analytics.cubes.effects import NoisyMarginal, fit
from analytics.cubes.nonnegative import nearest_nonnegative, nonnegative_table
from tests.analytics.results.test_cube_fit import noisy, releases, summing


@settings(max_examples=40, deadline=None)
@given(releases())
def test_the_table_is_that_of_dense_nonnegative_least_squares_with_the_fits_total(release):
    shape, chosen, generator = release
    truth = np.maximum(generator.uniform(-6, 4, int(np.prod(shape))), 0)
    marginals = noisy(truth, shape, chosen, generator)
    fitted, found = fit(shape, marginals), nonnegative_table(fit(shape, marginals))
    total = max(0.0, float(fitted.table(())))
    assert found.min() >= 0
    assert found.sum() == pytest.approx(
        total, abs=1e-2 * max(variance for _, variance in chosen) ** 0.5 + 1e-9
    )
    matrix = np.vstack([summing(shape, each.axes) / each.variance**0.5 for each in marginals])
    values = np.concatenate([each.table.ravel() / each.variance**0.5 for each in marginals])
    heavy = 1e5
    expected, _ = nnls(np.vstack([matrix, heavy * np.ones(found.size)]), np.append(values, heavy * total))
    np.testing.assert_allclose(matrix @ found.ravel(), matrix @ expected, atol=2e-2)


def test_a_fit_without_a_negative_cell_stays_as_it_is():
    table = np.array([[3.0, 0.5], [7.0, 2.0]])
    fitted = fit((2, 2), [NoisyMarginal(axes=(0, 1), table=table, variance=4.0)])
    np.testing.assert_allclose(nonnegative_table(fitted), table)


def test_a_negative_total_gives_an_empty_table():
    fitted = fit((2, 3), [NoisyMarginal(axes=(0, 1), table=np.full((2, 3), -4.0), variance=4.0)])
    np.testing.assert_allclose(nonnegative_table(fitted), 0, atol=1e-3)


def test_a_stack_of_tables_is_moved_table_by_table():
    generator = np.random.default_rng(2)
    shape = (2, 3, 4)
    chosen = [((0, 1, 2), 4.0), ((0,), 1.0), ((1, 2), 2.0)]
    fitted = fit(shape, noisy(np.ones(24), shape, chosen, generator))
    stack = fitted.table((0, 1, 2)) + fitted.draw((0, 1, 2), 5, generator)
    together = nearest_nonnegative(fitted, stack)
    for one, table in zip(stack, together, strict=True):
        np.testing.assert_allclose(nearest_nonnegative(fitted, one), table, atol=1e-3)


def test_sparse_tables_come_nearer_to_the_truth_and_keep_their_total_unbiased():
    generator = np.random.default_rng(4)
    shape, draws, whole = (3, 4, 3), 400, (0, 1, 2)
    truth = np.where(generator.random(shape) < 0.2, 9.0, 0.0)
    released = [((0, 1, 2), 40.0), ((0,), 20.0), ((0, 1), 30.0), ((1, 2), 30.0)]
    fitted = fit(
        shape,
        [
            NoisyMarginal(
                axes=axes,
                table=(summing(shape, axes) @ truth.ravel()).reshape([shape[a] for a in axes]),
                variance=v,
            )
            for axes, v in released
        ],
    )
    plain = truth + fitted.draw(whole, draws, generator)
    moved = nearest_nonnegative(fitted, plain)
    assert ((moved - truth) ** 2).sum() < ((plain - truth) ** 2).sum() / 2
    np.testing.assert_allclose(moved.sum(axis=(1, 2, 3)), np.maximum(0, plain.sum(axis=(1, 2, 3))), atol=0.05)
