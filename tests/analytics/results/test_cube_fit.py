"""The fit of a cube against dense least squares, which share no code; the choice of its marginals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.cubes.effects import NoisyMarginal, fit
from analytics.cubes.marginals import chosen_marginals, subsets

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


@st.composite
def releases(draw):
    """A true table, the marginals that are released of it, and their variances; the whole table among them."""
    shape = draw(SHAPES)
    whole = tuple(range(len(shape)))
    others = st.sampled_from(subsets(whole))
    chosen = [whole, *draw(st.lists(others, max_size=5))]
    variances = [draw(st.floats(0.1, 50)) for _ in chosen]
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    return shape, list(zip(chosen, variances, strict=True)), generator


def summing(shape, axes):
    """The matrix that sums a flat table over the axes that a marginal lacks, one person's cell after the other."""
    kept = [shape[axis] for axis in axes]
    rows = np.zeros((int(np.prod(kept)), int(np.prod(shape))))
    for column, cell in enumerate(np.ndindex(*shape)):
        rows[np.ravel_multi_index([cell[axis] for axis in axes], kept) if axes else 0, column] = 1
    return rows


def noisy(truth, shape, chosen, generator):
    return [
        NoisyMarginal(
            axes=axes,
            table=(summing(shape, axes) @ truth + np.sqrt(variance) * generator.standard_normal(1)).reshape(
                [shape[axis] for axis in axes]
            )
            + generator.standard_normal([shape[axis] for axis in axes]),
            variance=variance,
        )
        for axes, variance in chosen
    ]


def dense(shape, marginals):
    """Weighted least squares by the normal equations: the estimate and its covariance."""
    matrix = np.vstack([summing(shape, each.axes) for each in marginals])
    values = np.concatenate([each.table.ravel() for each in marginals])
    weights = np.concatenate([np.full(each.table.size, 1 / each.variance) for each in marginals])
    covariance = np.linalg.inv(matrix.T @ (weights[:, None] * matrix))
    return covariance @ (matrix.T @ (weights * values)), covariance


@settings(max_examples=60, deadline=None)
@given(releases())
def test_every_marginal_of_the_fit_and_its_variance_are_those_of_dense_least_squares(release):
    shape, chosen, generator = release
    truth = generator.uniform(-50, 50, int(np.prod(shape)))
    marginals = noisy(truth, shape, chosen, generator)
    expected, covariance = dense(shape, marginals)
    found = fit(shape, marginals)
    for axes in subsets(tuple(range(len(shape)))):
        matrix = summing(shape, axes)
        np.testing.assert_allclose(found.table(axes).ravel(), matrix @ expected, rtol=1e-7, atol=1e-7)
        weights = generator.standard_normal(matrix.shape[0])
        exact = weights @ matrix @ covariance @ matrix.T @ weights
        functional = weights.reshape([shape[axis] for axis in axes])
        assert found.variance(axes, functional) == pytest.approx(exact, rel=1e-7)


@settings(max_examples=40, deadline=None)
@given(releases(), st.data())
def test_the_variance_of_filtered_groups_is_that_of_dense_least_squares(release, data):
    shape, chosen, generator = release
    axes = tuple(range(len(shape)))
    groups = tuple(data.draw(st.lists(st.sampled_from(axes), unique=True)))
    others = tuple(axis for axis in axes if axis not in groups)
    marginals = noisy(np.zeros(int(np.prod(shape))), shape, chosen, generator)
    _, covariance = dense(shape, marginals)
    kept = generator.integers(0, 2, [shape[axis] for axis in (*groups, *others)]).astype(float)
    found = fit(shape, marginals).group_variances(axes, groups, others, kept)
    for group in np.ndindex(*found.shape):
        only = np.zeros(kept.shape)
        only[group] = kept[group]
        weights = only.transpose(np.argsort((*groups, *others))).ravel()
        assert found[group] == pytest.approx(weights @ covariance @ weights, rel=1e-7, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(releases())
def test_the_fit_is_unbiased_and_totals_are_sums_of_their_groups(release):
    shape, chosen, generator = release
    truth = generator.integers(0, 1000, shape).astype(float)
    exact = [
        NoisyMarginal(
            axes=axes,
            table=truth.sum(axis=tuple(axis for axis in range(len(shape)) if axis not in axes)),
            variance=variance,
        )
        for axes, variance in chosen
    ]
    np.testing.assert_allclose(fit(shape, exact).table(tuple(range(len(shape)))), truth, atol=1e-7)
    found = fit(shape, noisy(truth.ravel(), shape, chosen, generator))
    whole = found.table(tuple(range(len(shape))))
    for axes in subsets(tuple(range(len(shape)))):
        lost = tuple(axis for axis in range(len(shape)) if axis not in axes)
        np.testing.assert_allclose(whole.sum(axis=lost), found.table(axes), atol=1e-6)


def test_drawn_noise_has_the_covariance_of_the_fit():
    shape = (2, 3)
    found = fit(
        shape,
        [
            NoisyMarginal(axes=(0, 1), table=np.zeros(shape), variance=4.0),
            NoisyMarginal(axes=(1,), table=np.zeros(3), variance=1.0),
        ],
    )
    drawn = found.draw((0, 1), 200_000, np.random.default_rng(1)).reshape(-1, 6)
    _, covariance = dense(
        shape, noisy(np.zeros(6), shape, [((0, 1), 4.0), ((1,), 1.0)], np.random.default_rng(2))
    )
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.06)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() > 0.5  # a diagonal one would be seen


@pytest.mark.parametrize("shape", [(2,), (10,), (2, 6), (2, 6, 8), (2, 6, 8, 5), (3, 3, 3, 3)])
def test_the_choice_releases_the_whole_table_and_is_not_worse_than_equal_weights(shape):
    chosen = dict(chosen_marginals(shape))
    whole = tuple(range(len(shape)))
    assert chosen[whole] >= 1
    assert set(chosen) <= {whole} | {axes for axes in subsets(whole) if 1 <= len(axes) <= 2}
    equal = dict.fromkeys(
        [whole, *(axes for axes in subsets(whole) if len(axes) in {1, 2} and axes != whole)], 1
    )
    assert mean_variance(shape, chosen) <= mean_variance(shape, equal) * (1 + 1e-9)


def mean_variance(shape, weights):
    """Of the total, marginals over one and two dimensions, and the whole table; by the dense covariance."""
    spent = sum(weight**2 for weight in weights.values())
    marginals = [
        NoisyMarginal(axes=axes, table=np.zeros([shape[axis] for axis in axes]), variance=spent / weight**2)
        for axes, weight in weights.items()
    ]
    _, covariance = dense(shape, marginals)
    whole = tuple(range(len(shape)))
    likely = {axes for axes in subsets(whole) if len(axes) <= 2} | {whole}
    return np.mean(
        [np.diag(summing(shape, axes) @ covariance @ summing(shape, axes).T).mean() for axes in likely]
    )


def test_one_dimension_is_one_marginal_with_all_of_the_privacy():
    assert chosen_marginals((7,)) == (((0,), 1),)
