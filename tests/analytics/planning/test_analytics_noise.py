"""A site's own noise has the planned variance for each figure."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from analytics.disclosure.site_noise import noisy_contribution
from analytics.errors import ReleaseRefusedError
from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from privacy_accounting.noise import SystemSource

GROUPS = 200
DRAWS = 4_000
DEVIATIONS = 8  # beyond them lies less than 1e-14 of a normal law
SCHEMA = {
    "tables": {
        "visits": {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "columns": {
                "grade": {"type": "numeric", "lower": 0, "upper": 2, "resolution": 1},
                "ward": {"type": "categorical", "domain": list(range(GROUPS - 1))},
            },
        }
    }
}


def plan_of(sql, epsilon, *, n_sites=4, colluding=1):
    context = PlanContext(
        n_sites=n_sites,
        colluding=colluding,
        relation="add_or_remove_one",
        delta=Fraction(1, 10**6),
        minimum_cell=10,
    )
    return make_plan(bind(sql, Schema.from_dict(SCHEMA)), mode="private", epsilon=epsilon, context=context)


@pytest.mark.parametrize(("epsilon", "n_sites", "colluding"), [("0.5", 3, 1), ("2", 5, 3), ("0.01", 4, 0)])
def test_p7_the_noise_of_every_figure_has_the_planned_variance(epsilon, n_sites, colluding):
    """E[X**2] of one figure's noise, over many draws, is the plan's variance up to what so many draws can differ by.

    The discrete Gaussian's fourth moment is at most three times its variance squared (plus a vanishing rest), so the mean of
    N squares deviates by at most sqrt(2/N) of the variance.
    """
    plan = plan_of(
        "SELECT ward, COUNT(*) AS n, AVG(grade) AS m FROM visits GROUP BY ward",
        Fraction(epsilon),
        n_sites=n_sites,
        colluding=colluding,
    )
    zeros = np.zeros(plan.n_figures, dtype=np.int64)
    draws = [noisy_contribution(plan, zeros, SystemSource()) for _ in range(DRAWS // plan.n_groups)]
    for number, block in enumerate(plan.blocks):
        own = [draw[number * plan.n_groups : (number + 1) * plan.n_groups] for draw in draws]
        noise = np.concatenate(own).astype(float)
        allowed = DEVIATIONS * math.sqrt(2 / len(noise))
        assert abs((noise**2).mean() / float(block.sigma2_local) - 1) < allowed
        assert abs(noise.mean()) < DEVIATIONS * math.sqrt(float(block.sigma2_local) / len(noise))
        assert ((noise // 2) ** 2).mean() / float(
            block.sigma2_local
        ) < 1 - allowed  # half of it would be seen


def test_p7_the_honest_sites_together_have_the_variance_of_the_price():
    """What the sites beyond those that collude add is what the events of the charge were priced at."""
    plan = plan_of("SELECT COUNT(*) AS n FROM visits", Fraction(1))
    (event,) = plan.cost
    context = plan.context
    assert (event.parties, event.colluding) == (context.n_sites, context.colluding)
    assert event.sigma2_local == plan.blocks[0].sigma2_local


def test_p7_a_block_without_noise_is_refused_whatever_the_plan_says():
    plan = plan_of("SELECT COUNT(*) AS n FROM visits", Fraction(1))
    bare = dataclasses.replace(plan, blocks=(dataclasses.replace(plan.blocks[0], sigma2_local=0),))
    with pytest.raises(ReleaseRefusedError, match="variance of at least 1"):
        noisy_contribution(bare, np.zeros(1, dtype=np.int64), SystemSource())


def test_p7_noise_is_fresh_at_every_call():
    plan = plan_of("SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward", Fraction(1, 10))
    zeros = np.zeros(plan.n_figures, dtype=np.int64)
    first, second = (noisy_contribution(plan, zeros, SystemSource()) for _ in range(2))
    assert (first != second).any()
