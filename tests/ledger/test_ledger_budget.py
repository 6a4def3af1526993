"""Sub-budgets, their orders, and the privacy filter that admits or refuses (P4)."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy_accounting.budget import (
    PopulationBudget,
    PrivacyFilter,
    Spend,
    SubBudget,
    allowance_units,
    plan_sub_budget,
)
from privacy_accounting.budget.privacy_filter import readable
from privacy_accounting.errors import BudgetExceededError, InvalidCostError, LedgerRefusedError
from privacy_accounting.events import Gaussian
from privacy_accounting.rdp import ORDERS, cost_units, standalone_epsilon
from tests.ledger.ledger_world import RELATION, a_budget

DELTA = Fraction(1, 10**6)


def spend(units, *, analyst="ada", purpose="audit", sub_budget="query", population="cardiology", events=()):
    return Spend(
        population=population,
        sub_budget=sub_budget,
        purpose=purpose,
        analyst=analyst,
        units=units,
        events=events,
    )


def a_book(**caps):
    book = PrivacyFilter(relation=RELATION)
    book.set_budget("cardiology", a_budget(**caps))
    return book


# -- allowances ----------------------------------------------------------------------------------------------------------


@given(
    st.fractions(Fraction(1, 100), 20),
    st.integers(2, 12).map(lambda k: Fraction(1, 10**k)),
    st.fractions(Fraction(11, 10), 2000),
)
def test_law_p4_an_allowance_implies_its_epsilon_and_no_unit_more(eps, delta, order):
    """The conversion of Canonne, Kamath, Steinke, in floats, is the oracle."""
    units, a = allowance_units(eps, delta, order), float(order)

    def implied(n):
        return n / 2**40 + math.log1p(-1 / a) - (math.log(delta) + math.log(a)) / (a - 1)

    slack = 1e-9 * (1 + float(eps) + abs(implied(0)))
    if units:
        assert implied(units) <= float(eps) + slack
    assert implied(units + 1) >= float(eps) - slack


def test_an_allowance_is_the_same_integer_everywhere():
    assert allowance_units(Fraction(2), Fraction(1, 2 * 10**6), Fraction(13)) == 1192677289712
    assert allowance_units(Fraction(1, 1000), DELTA, Fraction(2)) == 0


@pytest.mark.parametrize(
    ("eps", "delta", "order"), [(0, DELTA, 2), (-1, DELTA, 2), (1, 0, 2), (1, 1, 2), (1, DELTA, 1)], ids=str
)
def test_allowances_outside_their_range_are_refused(eps, delta, order):
    with pytest.raises(InvalidCostError):
        allowance_units(Fraction(eps), Fraction(delta), Fraction(order))


def test_p4_gaussians_get_the_order_that_fits_most_of_them():
    part = plan_sub_budget(epsilon=Fraction(4), delta=DELTA, share=Fraction(1), relation=RELATION)
    one = (Gaussian(noise_multiplier=Fraction(20), count=1),)
    fits = {
        o: allowance_units(Fraction(4), DELTA, Fraction(o)) / cost_units(one, Fraction(o), RELATION)
        for o in ORDERS
    }
    assert fits[part.order] >= max(fits.values()) * (1 - 1e-6)
    planned = plan_sub_budget(
        epsilon=Fraction(4), delta=DELTA, share=Fraction(1), plan=one, relation=RELATION
    )
    assert planned.order == part.order
    assert planned.plan == one


def test_p4_shares_split_epsilon_and_delta():
    budget = a_budget(
        shares=(("query", Fraction(1, 2)), ("mining", Fraction(1, 4)), ("training", Fraction(1, 4)))
    )
    parts = budget.sub_budgets.values()
    assert sum(part.epsilon for part in parts) == budget.epsilon
    assert sum(part.delta for part in parts) == budget.delta
    with pytest.raises(InvalidCostError, match="more than 1"):
        a_budget(shares=(("query", Fraction(1, 2)), ("mining", Fraction(3, 4))))


def test_budgets_that_contradict_themselves_are_refused():
    part = a_budget().sub_budgets["query"]
    fields = {name: getattr(part, name) for name in SubBudget.__slots__}
    for change in (
        {"allowance": part.allowance + 1},
        {"allowance": 0},
        {"share": Fraction(0)},
        {"order": Fraction(1)},
    ):
        with pytest.raises(InvalidCostError):
            SubBudget(**{**fields, **change})
    with pytest.raises(InvalidCostError):
        PopulationBudget(epsilon=Fraction(5), delta=DELTA, sub_budgets={"query": part})
    for caps in ({"purpose_caps": {"x": Fraction(2)}}, {"analyst_caps": {"x": Fraction(-1)}}):
        with pytest.raises(InvalidCostError):
            a_budget(**caps)


@pytest.mark.parametrize(
    "change",
    [{"epsilon": 0}, {"delta": 1}, {"share": 0}, {"share": 2}, {"orders": [2], "delta": Fraction(1, 10**30)}],
    ids=str,
)
def test_sub_budgets_that_allow_nothing_are_refused(change):
    fields = {"epsilon": Fraction(1), "delta": DELTA, "share": Fraction(1), "relation": RELATION, **change}
    for name in ("epsilon", "delta", "share"):
        fields[name] = Fraction(fields[name])
    with pytest.raises(InvalidCostError):
        plan_sub_budget(**fields)


# -- the filter ----------------------------------------------------------------------------------------------------------


def test_p4_the_last_unit_is_admitted_and_no_more():
    book = a_book()
    allowance = book.sub_budget("cardiology", "query").allowance
    book.check(spend(allowance))
    book.add(spend(allowance - 1))
    book.check(spend(1))
    with pytest.raises(BudgetExceededError):
        book.check(spend(2))
    book.add(spend(1))
    with pytest.raises(BudgetExceededError) as caught:
        book.check(spend(1))
    assert caught.value.largest_epsilon is None
    assert book.remaining("cardiology", "query") == 0
    assert book.fraction_spent("cardiology", "query") == 1


def test_p4_a_refusal_states_the_remaining_budget_and_blocks_nothing():
    book = a_book()
    allowance = book.sub_budget("cardiology", "query").allowance
    book.add(spend(allowance // 2))
    with pytest.raises(BudgetExceededError) as caught:
        book.check(spend(allowance))
    error = caught.value
    assert (error.population, error.sub_budget) == ("cardiology", "query")
    left = allowance - allowance // 2
    assert (error.requested, error.spent, error.remaining) == (allowance, allowance // 2, left)
    largest = Fraction(error.largest_epsilon)
    book.check(spend(allowance // 4))
    # The largest epsilon that fits does fit: a Gaussian with that stand-alone epsilon costs no more than what is left.
    part = book.sub_budget("cardiology", "query")
    low, high = Fraction(1, 100), Fraction(1000)
    for _ in range(60):
        middle = (low + high) / 2
        exceeds = (
            standalone_epsilon([Gaussian(noise_multiplier=middle, count=1)], part.delta, RELATION).epsilon
            > largest
        )
        low, high = (middle, high) if exceeds else (low, middle)
    units = cost_units([Gaussian(noise_multiplier=high, count=1)], part.order, RELATION)
    assert units <= book.remaining("cardiology", "query")
    assert units >= 0.99 * book.remaining("cardiology", "query")


@pytest.mark.parametrize("units", [0, -5, True, 1.0, 2**62, 2**63, float("nan")])
def test_p4_costs_that_are_no_positive_finite_integers_are_refused(units):
    with pytest.raises(InvalidCostError):
        a_book().check(spend(units))


def test_p4_a_tiny_cost_is_refused_after_exhaustion():
    book = a_book()
    book.add(spend(book.sub_budget("cardiology", "query").allowance))
    with pytest.raises(BudgetExceededError):
        book.check(spend(1))


def test_p4_caps_are_fractions_of_an_allowance_shared_by_all_analysts():
    book = a_book(
        analyst_caps={"*": Fraction(1, 4), "bob": Fraction(1, 2)}, purpose_caps={"triage": Fraction(1, 10)}
    )
    allowance = book.sub_budget("cardiology", "query").allowance
    book.check(spend(allowance // 4, analyst="ada"))
    with pytest.raises(BudgetExceededError, match="analyst ada"):
        book.check(spend(allowance // 4 + 1, analyst="ada"))
    book.check(spend(allowance // 2, analyst="bob"))
    with pytest.raises(BudgetExceededError, match="purpose triage"):
        book.check(spend(allowance // 10 + 1, analyst="bob", purpose="triage"))
    book.add(spend(allowance // 2, analyst="bob"))
    for analyst in ("ada", "eve"):
        book.add(spend(allowance // 4, analyst=analyst))
    assert book.remaining("cardiology", "query", analyst="mallory") < 4
    with pytest.raises(BudgetExceededError):
        book.check(spend(allowance // 8, analyst="mallory"))


def test_p4_what_is_in_doubt_counts_as_spent():
    book = a_book()
    allowance = book.sub_budget("cardiology", "query").allowance
    book.hold("proposal", [spend(allowance - 1)])
    book.hold("proposal", [spend(allowance - 1)])
    with pytest.raises(BudgetExceededError):
        book.check(spend(2))
    book.release("proposal")
    book.release("proposal")
    book.check(spend(allowance))
    with pytest.raises(BudgetExceededError):
        book.check(spend(1), also=[spend(allowance)])


def test_an_unknown_population_or_sub_budget_is_refused():
    book = a_book()
    for where in ({"population": "oncology"}, {"sub_budget": "training"}):
        with pytest.raises(LedgerRefusedError):
            book.check(spend(1, **where))


def test_giving_back_restores_every_total():
    book = a_book()
    event = Gaussian(noise_multiplier=Fraction(8), count=2)
    one, two = spend(5, events=(event,)), spend(7, analyst="bob", events=(event,))
    book.add(one)
    book.add(two)
    assert [e.count for e in book.events("cardiology", "query")] == [4]
    book.give_back(two)
    assert book.spent("cardiology", "query") == 5
    assert book.by_analyst("cardiology", "query") == {"ada": 5}
    assert book.by_purpose("cardiology", "query") == {"audit": 5}
    assert book.epsilon_spent("cardiology", "query") == standalone_epsilon([event], DELTA, RELATION).epsilon


def test_p4_epsilon_spent_is_a_figure_and_never_above_the_promise():
    book = a_book()
    part = book.sub_budget("cardiology", "query")
    event = Gaussian(noise_multiplier=Fraction(8), count=1)
    units = cost_units([event], part.order, RELATION)
    assert book.epsilon_spent("cardiology", "query") == 0
    while book.remaining("cardiology", "query") >= units:
        book.add(spend(units, events=(event,)))
    assert 3.5 < book.epsilon_spent("cardiology", "query") <= 4


def test_exact_disclosures_are_counted_per_analyst():
    book = a_book()
    book.add_exact("cardiology", "ada")
    book.add_exact("cardiology", "bob")
    book.add_exact("cardiology", "bob")
    book.add_exact("cardiology", "bob", -1)
    book.add_exact("cardiology", "bob", numbers=7)
    assert book.exact_numbers == {"cardiology": 7}
    assert book.totals()["cardiology"][""]["numbers"] == 7
    book.add_exact("cardiology", "bob", -1, numbers=-7)
    assert book.exact_numbers == {}
    assert book.exact_disclosures("cardiology") == 2
    assert book.exact_disclosures("cardiology", "bob") == 1
    assert book.exact_disclosures("oncology") == 0


@given(st.lists(st.tuples(st.integers(1, 2**41), st.sampled_from("abc"), st.sampled_from("xy")), max_size=40))
def test_law_p4_the_sum_of_admitted_charges_never_exceeds_any_limit(requests):
    book = a_book(analyst_caps={"*": Fraction(1, 2)}, purpose_caps={"x": Fraction(1, 3)})
    allowance = book.sub_budget("cardiology", "query").allowance
    admitted = []
    for units, analyst, purpose in requests:
        try:
            book.check(spend(units, analyst=analyst, purpose=purpose))
        except BudgetExceededError:
            continue
        book.add(spend(units, analyst=analyst, purpose=purpose))
        admitted.append((units, analyst, purpose))
    assert sum(units for units, _, _ in admitted) <= allowance
    assert sum(units for units, _, purpose in admitted if purpose == "x") <= allowance / 3
    for name in "abc":
        assert sum(units for units, analyst, _ in admitted if analyst == name) <= allowance / 2
    assert book.spent("cardiology", "query") == sum(units for units, _, _ in admitted)


def test_readable_figures_round_against_the_analyst():
    assert readable(2**40) == "1"
    assert readable(1) == "0.000000000000909495"
    assert readable(2**40 + 1) == "1.00001"
    assert readable(2**62) == "infinite"
