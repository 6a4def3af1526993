"""Upper tails equal scipy's."""

import pytest
from scipy import stats

from analytics.statistics.distributions import chi_square_tail


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 17, 60, 999])
@pytest.mark.parametrize("value", [-1.0, 0.0, 1e-9, 0.1, 3.84, 77.0, 900.0, 1600.0, 3000.0])
def test_chi_square_tail_equals_scipys(value, degrees):
    assert chi_square_tail(value, degrees) == pytest.approx(
        stats.chi2.sf(value, degrees), rel=1e-11, abs=1e-290
    )
