"""Laws of whole mining runs: results depend on rows alone, not on their split, order or query form."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.mining.rules import MEASURES, find_rules, measures_of
from tests.examples import costly_law

BASKETS = st.lists(st.text("abcdeABC", min_size=0, max_size=5), max_size=40)  # capitals are missing values
SUPPORTS = st.sampled_from([Fraction(n, d) for d in (1, 2, 4, 5, 8, 10) for n in range(1, d + 1)])
ITEMS = ("a", "b", "c", "d", "e")


def held(baskets):
    """What a basket holds once missing values are false: a letter beside its own capital is missing."""
    return [
        "".join(letter for letter in basket if letter.islower() and letter.upper() not in basket)
        for basket in baskets
    ]


@costly_law(6)
@given(BASKETS, SUPPORTS, st.lists(st.integers(0, 3), min_size=40, max_size=40), st.integers(0, 6))
def test_a_run_is_a_plain_apriori_over_all_rows(miner, apriori, baskets, support, dealt, cell) -> None:
    sites = [[b for b, site in zip(baskets, dealt, strict=False) if site == number] for number in range(4)]
    ran = miner(sites, items=ITEMS, min_support=support, context={"minimum_cell": cell})
    assert ran.supports == apriori(held(baskets), support, least=max(1, cell))
    result = ran.result
    assert result.is_complete
    assert result.n_rows == (len(baskets) if ran.supports else None)
    one_site = miner([baskets, [], []], items=ITEMS, min_support=support, context={"minimum_cell": cell})
    assert one_site.result.found == result.found
    assert one_site.result.found_rules == result.found_rules


@costly_law(6)
@given(BASKETS, SUPPORTS, st.permutations(ITEMS))
def test_the_order_of_items_and_rows_changes_nothing(miner, baskets, support, order) -> None:
    one = miner([baskets[::2], baskets[1::2], []], items=ITEMS, min_support=support)
    other = miner([baskets[::-2], [], baskets[-2::-2]], items=tuple(order), min_support=support)
    assert one.result.to_dict() == other.result.to_dict()


@costly_law(8)
@given(BASKETS, SUPPORTS)
def test_supports_fall_towards_larger_itemsets_and_lift_is_symmetric(miner, baskets, support) -> None:
    ran = miner([baskets, [], []], items=ITEMS, min_support=support, min_confidence=Fraction(1, 1000))
    supports = ran.supports
    for itemset, count in supports.items():
        for item in itemset:
            assert itemset == {item} or supports[itemset - {item}] >= count
    lifts = {(r.antecedents, r.consequents): r.measures["lift"] for r in ran.result.found_rules}
    assert all(lifts[right, left] == lift for (left, right), lift in lifts.items() if (right, left) in lifts)
    large = [entry for entry in ran.result.found if len(entry.items) > 1]
    assert len(lifts) == sum(2 ** len(entry.items) - 2 for entry in large)


@given(st.integers(1, 300), st.data())
def test_measures_are_the_textbook_fractions(n_rows, data) -> None:
    together = data.draw(st.integers(1, n_rows))
    left, right = data.draw(st.integers(together, n_rows)), data.draw(st.integers(together, n_rows))
    m = dict(zip(MEASURES, measures_of(together, left, right, n_rows), strict=False))
    s, a, c = together / n_rows, left / n_rows, right / n_rows
    assert m["support"] == s
    assert m["confidence"] == pytest.approx(s / a)
    assert m["lift"] == pytest.approx(s / (a * c))
    assert m["leverage"] == pytest.approx(s - a * c, abs=1e-12)
    if together == left:
        assert m["conviction"] == math.inf
    else:
        assert m["conviction"] == pytest.approx((1 - c) / (1 - s / a), abs=1e-12)


def test_a_rule_at_exactly_the_smallest_confidence_is_kept() -> None:
    supports = {(0,): 10, (1,): 9, (0, 1): 3}
    kept = find_rules(supports, 30, Fraction(3, 10))
    assert [(r.antecedent, r.consequent) for r in kept] == [((0,), (1,)), ((1,), (0,))]
    assert [(r.antecedent, r.consequent) for r in find_rules(supports, 30, Fraction(31, 100))] == [
        ((1,), (0,))
    ]


@pytest.mark.parametrize(("count", "is_frequent"), [(20, True), (19, False)])
def test_the_threshold_is_exact(miner, count, is_frequent) -> None:
    """20 of 80 rows are a quarter; one row less is not."""
    sites = [["a"] * (count - 7) + [""] * 20, ["a"] * 7, [""] * (60 - count)]
    assert bool(miner(sites, items=("a",), min_support=Fraction(1, 4)).supports) == is_frequent


@pytest.mark.parametrize(("cell", "is_open"), [(10, True), (11, False)])
def test_the_minimum_cell_is_exact_and_times_sites(miner, cell, is_open) -> None:
    sites = [["a"] * 10, ["a"] * 10, ["a"] * 10 + ["b"] * 100]
    ran = miner(
        sites, items=("a", "b"), min_support=Fraction(1, 1000), context={"minimum_cell": cell},
        table={"max_sites_per_unit": None},
    )  # fmt: skip
    assert ran.plan.floor_count == 3 * cell
    assert (frozenset("a") in ran.supports) == is_open
    assert frozenset("b") in ran.supports


def test_widths_at_the_ring_s_edge(miner) -> None:
    """A fine fraction and a large declared table: the comparison still says the truth about few rows."""
    table = {"rows_max": 2**38}
    fine = Fraction(250_001, 10**6)
    rows = [["a"] * 5 + [""] * 5, ["a"] * 5 + [""] * 5, ["b"] * 10 + [""] * 10]
    ran = miner(rows, items=("a", "b"), min_support=fine, table=table)
    assert ran.plan.comparison_bits == 61
    assert ran.supports == {}
    assert set(miner(rows, items=("a", "b"), min_support=Fraction(25, 100), table=table).supports) == {
        frozenset("a"),
        frozenset("b"),
    }


@pytest.mark.parametrize(
    "sites", [[[], [], []], [["a"], [], []], [[""] * 5, ["A"] * 5, []], [["ab"] * 4, ["ab"], ["ab"]]], ids=str
)
@pytest.mark.parametrize("nested", ["guard", "allow"])
def test_data_never_cause_an_error(miner, sites, nested) -> None:
    """After the charge: no rows, no frequent item, everything alike."""
    result = miner(sites, items=("a", "b"), nested_supports=nested, context={"minimum_cell": 4}).result
    assert result.is_complete
    assert result.itemsets.shape[1] == 3
    assert result.rules.shape[1] == 17
    if nested == "guard":
        assert result.found == ()
        assert result.n_rows is None


def test_a_run_that_meets_its_cap_keeps_whole_levels_and_says_so(miner) -> None:
    rows = [["abcde"] * 10, ["abcde"] * 10, ["abcde"] * 10]
    result = miner(rows, items=ITEMS, max_candidates=15).result
    assert not result.is_complete
    assert len(result.found) == 15
    assert result.to_dict()["is_complete"] is False
    assert miner(rows, items=ITEMS, max_candidates=31).result.is_complete


def test_items_that_exclude_each_other_are_never_counted_together(miner) -> None:
    ran = miner([["a", "b", ""] * 10] * 3, items=("a", "a=false", "b"), min_support=Fraction(1, 10))
    assert [len(level) for level in ran.openings["ada"]] == [5]  # three items and two pairs, tested at once
    assert ran.result.to_dict()["is_complete"]
