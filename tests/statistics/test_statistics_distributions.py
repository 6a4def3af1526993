"""Upper tails equal scipy's, and what comes from scipy equals integrals of the density."""

import math

import numpy as np
import pytest
from scipy import stats

from analytics.statistics.uncertainty.distributions import (
    chi_square_tail,
    f_tail,
    student_quantile,
    student_tail,
)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 17, 60, 999])
@pytest.mark.parametrize("value", [-1.0, 0.0, 1e-9, 0.1, 3.84, 77.0, 900.0, 1600.0, 3000.0])
def test_chi_square_tail_equals_scipys(value, degrees):
    assert chi_square_tail(value, degrees) == pytest.approx(
        stats.chi2.sf(value, degrees), rel=1e-11, abs=1e-290
    )


def integral(density, low, high, n=200_001):
    """Simpson's rule: the oracle of tails that come from a library."""
    points = np.linspace(low, high, n)
    weights = np.ones(n)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    return float((weights * density(points)).sum() * (high - low) / (n - 1) / 3)


@pytest.mark.parametrize("degrees", [1, 3.7, 30, 917.25])
@pytest.mark.parametrize("value", [0.0, 0.4, 1.96, 5.0])
def test_student_tails_and_quantiles_are_integrals_of_the_density(value, degrees):
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)
    below = integral(lambda x: scale * (1 + x**2 / degrees) ** (-(degrees + 1) / 2), 0, value)
    assert student_tail(value, degrees) == pytest.approx(0.5 - below, abs=1e-12)
    assert student_tail(-value, degrees) == pytest.approx(0.5 + below, rel=1e-9)
    assert student_quantile(0.5 + below, degrees) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("above", "below"), [(2, 10), (3, 900), (7, 2.5)])
@pytest.mark.parametrize("value", [0.3, 1.0, 4.2])
def test_tails_of_ratios_of_variances_are_integrals_of_the_density(value, above, below):
    a, b = above / 2, below / 2
    scale = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b))

    def density(x):  # of the beta variable that belongs to it
        return scale * x ** (a - 1) * (1 - x) ** (b - 1)

    part = above * value / (above * value + below)
    start = 1e-9 if above < 2 else 0.0
    assert f_tail(value, above, below) == pytest.approx(1 - integral(density, start, part), abs=5e-8)
