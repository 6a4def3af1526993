"""The release of shares refuses figures beyond the plan, and suppresses small cells that follow from moments."""

from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest
from exact_world import ExactWorld

from analytics.disclosure.recombine import recombine_answer
from analytics.disclosure.release import send_answer
from analytics.disclosure.site_noise import noisy_contribution
from analytics.errors import ReleaseRefusedError
from analytics.plans.plan import PlanContext, make_plan
from analytics.plans.question import bind
from analytics.schema import Schema
from privacy_accounting.noise import SystemSource
from smpc.ring import HIGHEST, LOWEST
from smpc.simulator import simulate
from smpc.transport.mesh import Step

GRADES = {
    "tables": {
        "visits": {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "exact_dimensions": ["k"],
            "columns": {
                "grade": {"type": "numeric", "lower": 0, "upper": 2, "resolution": 1},
                "many": {"type": "numeric", "lower": 0, "upper": 3, "resolution": 1},
                "k": {"type": "categorical", "domain": ["red", "green"]},
            },
        }
    }
}
CONTEXT = PlanContext(
    n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=10
)


def plan_of(sql, mode="exact"):
    epsilon = None if mode == "exact" else Fraction(1)
    return make_plan(bind(sql, Schema.from_dict(GRADES)), mode=mode, epsilon=epsilon, context=CONTEXT)


def rows_of(n_of_grade, sql):
    """What three sites answer that hold together so many rows of each grade."""
    many = pd.Series([grade for grade, count in enumerate(n_of_grade) for _ in range(count)])
    frame = pd.DataFrame({"grade": many.clip(upper=2), "many": many, "k": "red"})
    return ExactWorld(frame, GRADES).rows(sql)


def fitting(n, total, squares):
    """Every way in which so many values of 0, 1, 2 can have these moments."""
    return [
        counts
        for counts in product(range(n + 1), repeat=3)
        if sum(counts) == n and counts[1] + 2 * counts[2] == total and counts[1] + 4 * counts[2] == squares
    ]


def test_moments_that_reveal_one_person_are_suppressed():
    """The attack: number, mean and variance of a column of three values tell how many have each."""
    sql = "SELECT COUNT(grade) AS n, AVG(grade) AS m, VAR_POP(grade) AS v FROM visits"
    ((n, mean, variance),) = rows_of((40, 29, 1), sql)
    assert fitting(70, 31, 33) == [(40, 29, 1)]  # so the variance would have told it
    assert (n, round(n * mean), variance) == (70, 31, None)
    alone = "SELECT VAR_POP(grade) AS v FROM visits"
    assert rows_of((40, 20, 10), alone)[0][0] == pytest.approx((20 + 40) / 70 - (40 / 70) ** 2)
    assert rows_of((40, 0, 30), alone)[0][0] is None  # zero is a small number too


def test_the_guard_of_squares_counts_every_value_of_a_few():
    def others(sql, block):
        plan = plan_of(sql)
        return [len(g.at_least) - 1 for g in plan.guards if plan.blocks[g.figure].measure.value == block]

    assert others("SELECT VAR_POP(grade) FROM visits", "squares") == [3]
    assert others("SELECT VAR_POP(grade), SUM(grade) FROM visits", "sum") == [2]
    assert others("SELECT VAR_POP(many) FROM visits", "squares") == [4]


@pytest.mark.parametrize(
    "counts",
    [(69, 0, 0, 1), (61, 0, 0, 9), (9, 0, 0, 61), (1, 0, 0, 69), (0, 1, 0, 69), (70, 0, 0, 0), (0, 0, 0, 70)],
)
def test_a_sum_that_depends_on_few_people_is_suppressed(counts):
    """The attack: the exact sum of a number that nearly all have at 0 is the number of the few who have more."""
    sql = "SELECT COUNT(many) AS n, AVG(many) AS m, VAR_POP(many) AS v FROM visits"
    assert rows_of(counts, sql) == ((70, None, None),)


@pytest.mark.parametrize(
    "counts", [(60, 3, 3, 4), (5, 30, 30, 5), (35, 0, 0, 35), (60, 10, 0, 0), (0, 0, 10, 60)]
)
def test_a_sum_of_enough_people_on_both_sides_is_opened(counts):
    ((mean,),) = rows_of(counts, "SELECT AVG(many) AS m FROM visits")
    assert mean == pytest.approx(sum(value * n for value, n in enumerate(counts)) / 70)


@pytest.mark.parametrize("wrong", [1001, -1, -1001, LOWEST, HIGHEST])
def test_exact_figures_beyond_the_plans_bounds_do_not_reach_the_guard(wrong):
    """The guard compares within a width that follows from the bounds; beyond it its answer means nothing."""
    plan = plan_of("SELECT COUNT(*) AS n FROM visits")

    def joint(session):
        figures = np.full(plan.n_figures, 20, dtype=np.int64)
        figures[0] = wrong if session.rank == 1 else 20
        return send_answer(session, plan, figures, SystemSource())

    run = simulate(joint, 3, prefetch=False, timeout_s=5)
    if wrong == -1:  # within the bounds on both sides, which a sum's are
        assert recombine_answer(plan, run.values()) == [39]
        return
    assert isinstance(run.errors["bob"], ReleaseRefusedError)
    assert [sent.step for sent in run.sent["bob"]] == [Step.KEYS]


@pytest.mark.parametrize("wrong", [LOWEST, LOWEST + 1, HIGHEST])
def test_no_private_figure_is_so_low_that_its_absolute_value_is_not(wrong):
    plan = plan_of("SELECT COUNT(*) AS n FROM visits", "private")
    with pytest.raises(ReleaseRefusedError, match="clamp"):
        noisy_contribution(plan, np.array([wrong], dtype=np.int64), SystemSource())


def test_an_answer_share_of_another_type_is_refused():
    plan = plan_of("SELECT COUNT(*) AS n FROM visits")

    def joint(session):
        return send_answer(session, plan, np.full(plan.n_figures, 20.0), SystemSource())

    assert all(
        isinstance(error, ReleaseRefusedError)
        for name, error in simulate(joint, 3, prefetch=False, timeout_s=5).errors.items()
        if name != "dealer"
    )
