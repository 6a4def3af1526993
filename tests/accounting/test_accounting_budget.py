"""Quotes cost nothing; only proven parallel composition gets its lower price; thresholds stay within their delta."""

import decimal
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from privacy_accounting.budget import (
    Partition,
    PopulationBudget,
    PrivacyFilter,
    Spend,
    allowance_units,
    parallel_events,
    plan_sub_budget,
    quote,
    quote_batch,
)
from privacy_accounting.errors import BudgetExceededError, InvalidCostError, LedgerRefusedError
from privacy_accounting.events import (
    DistributedDiscreteGaussian,
    Gaussian,
    Laplace,
    Pure,
    Relation,
    Threshold,
)
from privacy_accounting.rdp import cost_units, epsilon, total_curve

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE
DELTA = Fraction(1, 10**6)


def a_book(plan=(), analyst_caps=None, purpose_caps=None):
    part = plan_sub_budget(epsilon=Fraction(4), delta=DELTA, share=Fraction(1), plan=plan, relation=ADD)
    book = PrivacyFilter(relation=ADD)
    budget = PopulationBudget(
        epsilon=Fraction(4),
        delta=DELTA,
        sub_budgets={"query": part},
        analyst_caps=analyst_caps or {},
        purpose_caps=purpose_caps or {},
    )
    book.set_budget("cardiology", budget)
    return book, part


def a_spend(part, *events, analyst="ada"):
    units = cost_units(events, part.order, ADD)
    return Spend(
        population="cardiology",
        sub_budget="query",
        purpose="audit",
        analyst=analyst,
        units=units,
        events=events,
    )


def test_p4_a_quote_is_free_and_predicts_the_outcome():
    book, part = a_book()
    spend = a_spend(part, Gaussian(noise_multiplier=4))
    before = book.totals()
    asked = quote(book, spend)
    assert book.totals() == before
    assert asked.fits
    assert (asked.spent, asked.remaining, asked.left) == (0, part.allowance, part.allowance - spend.units)
    book.check(spend)
    book.add(spend)
    assert book.remaining("cardiology", "query") == asked.left
    assert quote(book, spend).spent == spend.units


def test_p4_a_quote_of_a_refused_request_gives_the_reason_and_is_free():
    book, part = a_book(analyst_caps={"*": Fraction(1, 10)})
    costly = a_spend(part, Gaussian(noise_multiplier=Fraction(1, 2)))
    asked = quote(book, costly)
    assert not asked.fits
    assert "analyst ada" in asked.scope
    assert asked.left == asked.remaining == part.allowance // 10
    with pytest.raises(BudgetExceededError) as caught:
        book.check(costly)
    assert (caught.value.requested, caught.value.spent, caught.value.remaining) == (
        costly.units,
        0,
        asked.remaining,
    )
    assert quote(book, a_spend(part, Gaussian(noise_multiplier=20))).fits


def test_a_batch_counts_earlier_requests_but_not_refused_ones():
    book, part = a_book()
    units = part.allowance // 2 - 1000
    half = Spend(population="cardiology", sub_budget="query", purpose="p", analyst="a", units=units)
    whole = Spend(population="cardiology", sub_budget="query", purpose="p", analyst="a", units=part.allowance)
    quotes = quote_batch(book, [half, whole, half, half])
    assert [each.fits for each in quotes] == [True, False, True, False]
    assert quotes[2].left == part.allowance - 2 * units
    assert book.spent("cardiology", "query") == 0
    assert quotes[1].to_dict()["fits"] is False


@pytest.mark.parametrize("kind", ["purpose", "analyst"])
@pytest.mark.parametrize("where", ["complete", "in doubt", "earlier in the proposal"])
def test_p4_a_cap_counts_complete_pending_and_proposed_charges(kind, where):
    caps = {"audit" if kind == "purpose" else "ada": Fraction(1, 10)}
    book, part = a_book(**{f"{kind}_caps": caps})
    cap = part.allowance // 10
    first = Spend(population="cardiology", sub_budget="query", purpose="audit", analyst="ada", units=cap - 5)
    other = replace(first, units=1, **{kind: "another"})
    book.add(other)  # of another analyst, for another purpose: it does not count
    also = ()
    if where == "complete":
        book.add(first)
    elif where == "in doubt":
        book.hold("entry", [first])
    else:
        also = (first,)
    book.check(replace(first, units=5), also=also)
    with pytest.raises(BudgetExceededError) as caught:
        book.check(replace(first, units=6), also=also)
    assert caught.value.remaining == 5
    assert f"{kind} {caps.popitem()[0]}" in caught.value.sub_budget
    book.check(replace(other, units=cap), also=also)


def test_epsilon_is_at_the_delta_that_thresholds_leave():
    inner = Gaussian(noise_multiplier=4)
    half = Threshold(inner=inner, delta=DELTA / 2)
    assert epsilon([half], DELTA, ADD).epsilon > epsilon([inner], DELTA / 2, ADD).epsilon
    assert epsilon([half], DELTA, ADD).epsilon < epsilon([inner], DELTA / 2, ADD).epsilon + 1e-4
    assert epsilon([half, half], DELTA, ADD).epsilon == float("inf")


# -- parallel composition ------------------------------------------------------------------------------------------------

ORDER = Fraction(16)
REGIONS = Partition(attribute="birth_year", cells=("a", "b", "c", "d", "e"), cells_per_unit=1)


def cells(**events):
    return {name: [event] for name, event in events.items()}


def test_equal_releases_over_disjoint_patients_cost_one():
    same = Gaussian(noise_multiplier=4)
    assert parallel_events(REGIONS, dict.fromkeys("abcde", (same,)), ADD, order=ORDER) == (same,)


def test_the_dearest_cell_is_paid_for():
    found = parallel_events(
        REGIONS, cells(a=Gaussian(noise_multiplier=4), b=Gaussian(noise_multiplier=2)), ADD, order=ORDER
    )
    assert found == (Gaussian(noise_multiplier=2),)


def test_a_costlier_cell_does_not_pay_for_the_delta_of_another():
    costly, cheap = Gaussian(noise_multiplier=2), Gaussian(noise_multiplier=50)
    with_delta = Threshold(inner=cheap, delta=DELTA / 10)
    assert parallel_events(REGIONS, cells(a=costly, b=cheap), ADD, order=ORDER) == (costly,)
    assert set(parallel_events(REGIONS, cells(a=costly, b=with_delta), ADD, order=ORDER)) == {
        costly,
        with_delta,
    }


def test_cells_that_cross_are_all_paid_for():
    laplace, gaussian = Laplace(scale_over_l1_sensitivity=1), Gaussian(noise_multiplier=Fraction(3, 2))
    assert set(parallel_events(REGIONS, cells(a=laplace, b=gaussian), ADD, order=ORDER)) == {
        laplace,
        gaussian,
    }


def test_cells_are_compared_at_all_but_one_colluding_too():
    def share(parties, colluding, sigma2):
        return DistributedDiscreteGaussian(
            parties=parties, colluding=colluding, sigma2_local=sigma2, l1=1, l2=1, dim=1
        )

    first, second = (
        share(3, 2, 60),
        share(6, 0, 20),
    )  # second is cheaper at its t, costlier with one honest party
    assert np.all(total_curve([first], ADD) >= total_curve([second], ADD))
    assert set(parallel_events(REGIONS, cells(a=first, b=second), ADD, order=ORDER)) == {first, second}


def test_p6_a_patient_in_several_cells_and_a_replaced_one_pay_for_each():
    same = Gaussian(noise_multiplier=4)
    everywhere = dict.fromkeys("abcde", (same,))
    twice = Partition(attribute="birth_year", cells=REGIONS.cells, cells_per_unit=2)
    assert parallel_events(twice, everywhere, ADD, order=ORDER) == (same,) * 2
    assert parallel_events(REGIONS, everywhere, REPLACE, order=ORDER) == (same,) * 2
    assert parallel_events(twice, everywhere, REPLACE, order=ORDER) == (same,) * 4
    by_site = Partition(attribute="site", cells=REGIONS.cells, cells_per_unit=5)
    assert parallel_events(by_site, everywhere, ADD, order=ORDER) == (same,) * 5


def test_law_parallel_never_costs_less_than_any_cell_nor_more_than_the_sum():
    one = cells(
        a=Gaussian(noise_multiplier=3), b=Pure(epsilon=Fraction(1, 2)), c=Laplace(scale_over_l1_sensitivity=3)
    )
    paid = total_curve(parallel_events(REGIONS, one, ADD, order=ORDER), ADD)
    assert np.all(paid <= total_curve([e for es in one.values() for e in es], ADD) * (1 + 1e-12))
    for events in one.values():
        assert np.all(paid >= total_curve(events, ADD) * (1 - 1e-12))


@pytest.mark.parametrize(
    "wrong",
    [
        {"attribute": "", "cells": ("a",), "cells_per_unit": 1},
        {"attribute": "x", "cells": (), "cells_per_unit": 1},
        {"attribute": "x", "cells": ("a", "a"), "cells_per_unit": 1},
        {"attribute": "x", "cells": ("a",), "cells_per_unit": 0},
        {"attribute": "x", "cells": ("a",), "cells_per_unit": True},
    ],
)
def test_partitions_that_say_nothing_are_refused(wrong):
    with pytest.raises(InvalidCostError):
        Partition(**wrong)


def test_an_undeclared_cell_is_refused():
    with pytest.raises(InvalidCostError):
        parallel_events(REGIONS, cells(z=Gaussian(noise_multiplier=4)), ADD, order=ORDER)


# -- a threshold's own delta ---------------------------------------------------------------------------------------------


def a_threshold(delta):
    return Threshold(inner=Gaussian(noise_multiplier=10), delta=Fraction(delta))


def test_the_plan_sets_delta_aside_for_thresholds_and_no_more_is_spent():
    planned = a_threshold("0.0000001")
    book, part = a_book(plan=(planned, Gaussian(noise_multiplier=5, count=10)))
    plain = a_book(plan=(planned.inner, Gaussian(noise_multiplier=5, count=10)))[1]
    assert part.reserved_delta == Fraction(1, 10**7)
    if part.order == plain.order:
        assert part.allowance < plain.allowance
    spend = a_spend(part, planned)
    book.check(spend)
    with pytest.raises(LedgerRefusedError, match="delta"):
        book.check(spend, also=[spend])
    book.hold("doubt", [spend])
    with pytest.raises(LedgerRefusedError, match="delta"):
        book.check(spend)
    book.release("doubt")
    book.add(spend)
    with pytest.raises(LedgerRefusedError, match="delta"):
        book.check(spend)
    assert not quote(book, spend).fits
    book.give_back(spend)
    book.check(spend)
    book.check(a_spend(part, Gaussian(noise_multiplier=5)))


def test_no_plan_no_threshold():
    book, part = a_book()
    with pytest.raises(LedgerRefusedError):
        book.check(a_spend(part, a_threshold("0.000000001")))


def test_a_plan_whose_thresholds_need_the_whole_delta_is_refused():
    with pytest.raises(InvalidCostError):
        a_book(plan=(a_threshold("0.000001"),))


def test_an_allowance_that_spends_the_thresholds_delta_too_cannot_be_built():
    part = a_book(plan=(a_threshold("0.0000005"), Gaussian(noise_multiplier=5, count=10)))[1]
    whole = allowance_units(part.epsilon, part.delta, part.order)
    assert whole > part.allowance
    with pytest.raises(InvalidCostError, match="allowance"):
        replace(part, allowance=whole)


@pytest.mark.parametrize("order", [Fraction(3, 2), Fraction(8), Fraction(63)], ids=str)
def test_an_allowance_is_rounded_down(order):
    units = allowance_units(Fraction(40), DELTA, order)
    with decimal.localcontext(prec=100):
        a, delta = (decimal.Decimal(x.numerator) / x.denominator for x in (order, DELTA))
        exact = (40 - (1 - 1 / a).ln() + (a * delta).ln() / (a - 1)) * 2**40
    assert units <= exact < units + 1
