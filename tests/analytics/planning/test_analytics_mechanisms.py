"""The noise that a request names: what it buys, what it costs, what every site adds, and intervals under it."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from analytics.disclosure.site_noise import noisy_contribution
from analytics.errors import InvalidRequestError
from analytics.plans.noise.mechanisms import MOST_WITH_ONE_HONEST, worst_units
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.plans.statistic_plan import make_statistic_plan
from analytics.results.assemble import finish, plan_cost
from analytics.statistics.uncertainty.noise_law import NoiseLaw, simulation
from privacy_accounting.events import DistributedDiscreteLaplace, Relation
from privacy_accounting.noise import SystemSource
from privacy_accounting.rdp import cost_units, standalone_epsilon
from tests.accounting.test_accounting_shared_laplace import chi_square_excess
from tests.analytics.planning.test_analytics_plan import CONTEXT, ROWS, UNITS, schema_of

ADD, ORDER = Relation.ADD_OR_REMOVE_ONE, Fraction(13)
WITH_ORDER = dataclasses.replace(CONTEXT, order=ORDER, delta=Fraction(4, 10**7))
COUNT = "SELECT COUNT(*) AS n FROM visits"
MEAN = "SELECT AVG(age) AS m FROM visits"
EPSILONS = [Fraction(1, 10), Fraction(1, 2), Fraction(1), Fraction(2), Fraction(5)]


def planned(mechanism, eps=Fraction(1, 2), sql=COUNT, schema=ROWS, **changes):
    context = dataclasses.replace(WITH_ORDER, **changes)
    return make_plan(bind(sql, schema), mode="private", epsilon=eps, context=context, mechanism=mechanism)


def charge(plan):
    return cost_units(plan.cost, ORDER, Relation(plan.context.relation))


def alone(plan):
    return standalone_epsilon(plan.cost, plan.context.delta, Relation(plan.context.relation)).epsilon


def test_laplace_by_name_has_the_epsilon_that_is_asked_for_and_a_third_of_the_noise_at_a_larger_charge():
    gaussian, laplace = planned("gaussian"), planned("laplace")
    assert alone(laplace) <= 0.5 < alone(laplace) * 1.01
    assert laplace.noise_sd(0) <= 3.3 < 0.34 * gaussian.noise_sd(0)
    assert charge(laplace) > 4 * charge(gaussian)
    (event,) = laplace.cost
    assert event == DistributedDiscreteLaplace(
        parties=4, colluding=1, shares=3, b=laplace.blocks[0].scale, l1=1, dim=1
    )
    assert (laplace.blocks[0].weight, laplace.blocks[0].sigma2_local) == (1, 0)


@pytest.mark.parametrize("eps", EPSILONS)
@pytest.mark.parametrize("relation", ["add_or_remove_one", "replace_one"])
@pytest.mark.parametrize("sql", [COUNT, MEAN, "SELECT b, COUNT(*), SUM(two) FROM visits GROUP BY b"])
def test_law_auto_never_has_more_noise_nor_charge_nor_epsilon_and_is_held_at_one_honest_site(
    eps, relation, sql
):
    gaussian, auto = (planned(each, eps, sql, relation=relation) for each in ("gaussian", "auto"))
    assert charge(auto) <= charge(gaussian)
    assert alone(auto) <= eps
    assert all(auto.noise_sd(place) <= gaussian.noise_sd(place) for place in range(len(auto.blocks)))
    worst = worst_units(auto.cost, ORDER, Relation(relation))
    if auto.noise_name == "laplace":
        assert worst <= MOST_WITH_ONE_HONEST * charge(auto)
    else:
        assert auto.cost == gaussian.cost


def test_auto_takes_laplace_where_it_is_less_noise_and_gaussian_where_a_lone_honest_site_would_hide_too_little():
    assert planned("auto", Fraction(2)).noise_name == "laplace"
    assert planned("auto", Fraction(1, 10)).noise_name == "gaussian"
    # at epsilon 1 the Laplace release of the same charge has less noise, and is left for its price at n - 1
    gaussian, laplace = planned("gaussian", Fraction(1)), planned("laplace", Fraction(37, 100))
    assert charge(laplace) < charge(gaussian)
    assert laplace.noise_sd(0) < gaussian.noise_sd(0)
    assert worst_units(laplace.cost, ORDER, ADD) > 3 * charge(laplace)
    assert planned("auto", Fraction(1)).noise_name == "gaussian"


def test_a_request_without_a_mechanism_keeps_its_plan_to_the_last_byte():
    silent = make_plan(bind(COUNT, ROWS), mode="private", epsilon=Fraction(1, 2), context=CONTEXT)
    assert "mechanism" not in silent.to_dict()
    assert all("scale" not in block for block in silent.to_dict()["blocks"])
    with_order = make_plan(bind(COUNT, ROWS), mode="private", epsilon=Fraction(1, 2), context=WITH_ORDER)
    same = make_plan(
        bind(COUNT, ROWS),
        mode="private",
        epsilon=Fraction(1, 2),
        context=dataclasses.replace(WITH_ORDER, order=None),
    )
    assert with_order.digest() == same.digest()
    named = planned("gaussian")
    assert named.cost == with_order.cost
    assert named.digest() != with_order.digest()
    assert len({planned(each, Fraction(2)).digest() for each in ("auto", "gaussian", "laplace")}) == 3


def test_what_cannot_be_had_is_refused_before_any_charge():
    with pytest.raises(InvalidRequestError, match="mechanism"):
        make_plan(bind(COUNT, ROWS), mode="exact", epsilon=None, context=WITH_ORDER, mechanism="auto")
    with pytest.raises(InvalidRequestError, match="order"):
        planned("auto", order=None)
    with pytest.raises(InvalidRequestError, match="scale above 4096"):
        planned("laplace", Fraction(1, 1000), MEAN)
    assert planned("auto", Fraction(1, 1000), MEAN).noise_name == "gaussian"


def test_one_unit_in_several_groups_is_priced_for_all_that_it_touches():
    plan = planned("laplace", sql="SELECT b, COUNT(*) FROM visits GROUP BY b", schema=UNITS)
    (event,) = plan.cost
    assert (event.l1, event.dim) == (2 * 3, 2)  # two sites, three rows each, two groups
    units = planned("laplace", sql="SELECT k, COUNT(DISTINCT pid) FROM visits GROUP BY k", schema=UNITS)
    (event,) = units.cost
    assert (event.l1, event.dim) == (2 * 3, 3)


@pytest.mark.parametrize("t", [0, 1, 3])
def test_p7_opened_noise_without_the_shares_of_t_sites_is_the_planned_laplace_variable(t):
    """Also the power of the test: one more site's share missing is seen."""
    plan = planned(
        "laplace", Fraction(1), "SELECT age, k, b, COUNT(*) FROM visits GROUP BY age, k, b", colluding=t
    )
    copies = 400
    drawn = [
        np.concatenate([noisy_contribution(plan, None, SystemSource()) for _ in range(copies)])
        for _ in range(4)
    ]
    b, x = float(plan.blocks[0].scale), np.arange(-60, 61)
    mass = math.tanh(1 / (2 * b)) * np.exp(-np.abs(x) / b)
    assert chi_square_excess(sum(drawn[t:]), mass, 60) < 6
    assert chi_square_excess(sum(drawn[t + 1 :], np.zeros_like(drawn[0])), mass, 60) > 6


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(2), Fraction(30)])
def test_the_law_of_all_sites_has_the_deviation_and_the_tails_of_its_draws(scale):
    law, n = NoiseLaw(n_sites=4, sigma2_local=0, weight=1, scale=scale, shares=3), 200_000
    draws = law.draw(n, simulation(np.arange(3)))
    assert draws.std() == pytest.approx(law.sd, rel=0.03)
    for width in (0.5, 1.96, 3.0):
        level = math.erf(width / math.sqrt(2))
        inside = np.mean(np.abs(draws) <= law.deviations(width) * law.sd + 1e-9)
        assert inside >= level - 6 * math.sqrt(level * (1 - level) / n)
    assert scale < 2 or law.deviations(1.96) > 1.96
    gaussian = NoiseLaw(n_sites=4, sigma2_local=100, weight=1)
    assert gaussian.deviations(1.96) == 1.96


def test_receipt_and_explanation_name_the_noise():
    cost = plan_cost(planned("auto", Fraction(2)))
    assert (cost["mechanism"], cost["noise"]) == ("auto", "laplace")
    assert "mechanism" not in plan_cost(
        make_plan(bind(COUNT, ROWS), mode="private", epsilon=Fraction(1), context=CONTEXT)
    )
    shown = finish(planned("laplace"), [412])
    assert shown.rows == ((412,),)
    assert shown.kinds == ("integer",)


def test_a_statistic_takes_the_noise_that_is_named():
    schema = schema_of(
        exact_dimensions=["b", "k"], privacy_unit="row", max_rows_per_unit=1, max_sites_per_unit=1
    )
    question = {"statistic": "chi_square", "table": "visits", "arguments": {"a": "b", "b": "k"}}
    plans = [
        make_statistic_plan(
            question, mode="private", epsilon=Fraction(2), schema=schema, context=WITH_ORDER, mechanism=each
        )
        for each in (None, "gaussian", "laplace")
    ]
    assert [plan.noise[0].scale is None for plan in plans] == [True, True, False]
    assert plans[2].noise[0].sd < plans[1].noise[0].sd
    assert len({plan.digest() for plan in plans}) == 3
