"""Laws of what rows add to a fit: scores are slopes of log-likelihoods, figures stay within their reach, effects have a sign."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.schema import BooleanColumn, NumericColumn
from analytics.statistics.base import Limits
from analytics.statistics.epidemiology.site_effects import MEASURES, Measure
from analytics.statistics.linear_models.families import FAMILIES, log_of_ratio
from analytics.statistics.matrices.contrasts import mean_of
from tests.examples import costly_law

FLAG = BooleanColumn(name="ill")
COUNT = NumericColumn(name="visits", lower=Fraction(0), upper=Fraction(40), resolution=Fraction(1))
LIMITS = Limits(n_sites=3, sites_per_unit=1, minimum_cell=10, rows_max=1000)
ODDS = st.lists(st.floats(-6, 3), min_size=1, max_size=5)


def outcome_of(family, size, seed):
    generator = np.random.default_rng(seed)
    if family.name == "binomial":
        return generator.integers(0, 2, size).astype(float)
    return (
        generator.integers(0, 41, size).astype(float)
        if family.name == "poisson"
        else generator.random(size) + 0.01
    )


@costly_law(60)
@given(odds=ODDS, seed=st.integers(0, 1000), place=st.sampled_from(range(len(FAMILIES))))
def test_law_a_score_is_the_slope_of_the_log_likelihood(odds, seed, place):
    family, odds = FAMILIES[place], np.array(odds)
    y = outcome_of(family, len(odds), seed)
    exposure = np.zeros(len(odds))
    step = 1e-5

    def likely(at):
        extras = family.row_figures(at, y, exposure)[2]
        # of gamma the first extra is log(y / mean), from which the likelihood in the odds follows
        return extras[0] - np.exp(extras[0]) if family.name == "gamma" else extras[0]

    slope = (likely(odds + step) - likely(odds - step)) / (2 * step)
    score, weight, extras = family.row_figures(odds, y, exposure)
    assert score == pytest.approx(slope, rel=1e-5, abs=1e-5)
    assert (weight > 0).all()
    assert extras.shape == (family.n_extras, len(odds))
    if family.is_bounded:
        assert np.abs(np.concatenate([score, weight])).max() <= family.reach(FLAG, LIMITS)


@pytest.mark.parametrize("family", FAMILIES)
def test_figures_are_finite_at_every_point(family):
    odds = np.array([-3000.0, -50, 0, 50, 3000])
    for y in (np.zeros(5), np.ones(5)):
        found = family.row_figures(odds, y + (0.5 if family.name == "gamma" else 0), np.full(5, -16.0))
        assert all(np.isfinite(each).all() for each in found)


@given(above=st.integers(1, 2**70), below=st.integers(1, 2**70))
def test_law_a_logarithm_is_that_of_the_ratio(above, below):
    assert log_of_ratio(above, below) / 2**40 == pytest.approx(math.log(above / below), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("above", "below"), [(0, 1), (-1, 1), (1, 0)])
def test_there_is_no_logarithm_of_nothing(above, below):
    with pytest.raises(ValueError, match=r"^$"):
        log_of_ratio(above, below)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mean_is_the_inverse_of_its_link(family):
    score, _, _ = family.row_figures(np.array([0.3]), np.array([1.0]), np.zeros(1))
    mean = mean_of(family.link, 0.3)
    if family.link == "logit" or family.name == "poisson":
        assert score[0] == pytest.approx(1 - mean)
    elif family.name == "gamma":
        assert score[0] == pytest.approx(1 / mean - 1)
    else:
        likely = family.row_figures(np.array([0.3]), np.array([1.0]), np.zeros(1))[2][0, 0]
        assert math.exp(likely) == pytest.approx(mean)


@given(seed=st.integers(0, 10_000), measure=st.sampled_from(MEASURES))
def test_law_an_effect_changes_its_sign_with_the_groups(seed, measure):
    generator = np.random.default_rng(seed)
    outcome = (
        generator.integers(0, 2, 300) if measure != "mean_difference" else generator.integers(0, 41, 300)
    )
    exposure = generator.integers(0, 2, 300)
    asked = Measure(
        name=measure, outcome=COUNT if measure == "mean_difference" else FLAG, rows_max=1000, threshold=10
    )
    one, other = asked.effect(outcome, exposure), asked.effect(outcome, 1 - exposure)
    assert one is not None
    assert one[0] == pytest.approx(-other[0], abs=1e-15)
    assert one[1] == pytest.approx(other[1], rel=1e-12)
    assert abs(one[0]) <= 1
    assert one[1] > 2.0**-asked.weight_bits
