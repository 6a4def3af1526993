"""Transactions: a person's rows are one basket; codes with their hierarchy; negations; a public universe."""

from fractions import Fraction
from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.mining.bitmaps import local_bitmaps
from analytics.mining.hierarchy import codes_under
from analytics.mining.plan import make_mining_plan
from analytics.mining.request import MiningRequest
from analytics.plans.context import PlanContext
from analytics.schema import Schema
from analytics.sources import open_frame
from tests.examples import costly_law

CODES = ["I21", "I21.4", "I25", "I10", "E11", "E11.9", "E78", "J45"]
UNDER = {  # by hand, from the classification's table of contents
    "dx under chapter 9": {"I21", "I21.4", "I25", "I10"},
    "dx under I20-I25": {"I21", "I21.4", "I25"},
    "dx under I21": {"I21", "I21.4"},
    "dx under chapter 4": {"E11", "E11.9", "E78"},
}


def schema_of(**changes):
    table = {
        "privacy_unit": "patient",
        "max_sites_per_unit": 1,
        "max_rows_per_unit": 50,
        "rows_max": 10_000,
        "exact_dimensions": ["dx", "sex"],
        "columns": {
            "patient": {"type": "identifier"},
            "dx": {"type": "categorical", "domain": CODES, "nullable": True},
            "sex": {"type": "categorical", "domain": ["F", "M"], "nullable": True},
            "day": {"type": "numeric", "lower": 0, "upper": 5000, "resolution": 1, "nullable": True},
        },
    }
    return Schema.from_dict({"tables": {"visits": table | changes}})


def plan_of(items, *, cell=0, nested="allow", basket="unit", schema=None, **changes):
    request = MiningRequest(
        table="visits",
        items=tuple(items),
        min_support=Fraction(1, 1000),
        min_confidence=Fraction(1, 1000),
        nested_supports=nested,
        basket=basket,
        **changes,
    )
    context = PlanContext(
        n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=cell
    )
    return make_mining_plan(request, schema or schema_of(), context)


def sources_of(baskets, schema):
    """Three sites; of each person one row a code, some twice, and one without any."""
    sites = []
    for site in range(3):
        rows = [
            (f"{site}-{number}", code, "M" if number % 2 else "F", 1582)
            for number, basket in enumerate(baskets[site::3])
            for code in [*basket, *basket[:1], None]
        ]
        frame = pd.DataFrame(rows, columns=["patient", "dx", "sex", "day"]).astype(
            {"patient": "string", "dx": "object"}
        )
        sites.append(open_frame(frame, schema.tables["visits"], site_key=b"k" * 32))
    return sites


def run(run_of, baskets, items, **options):
    plan = plan_of(items, **options)
    sources = sources_of(baskets, schema_of())
    try:
        return run_of(plan, sources)
    finally:
        for source in sources:
            source.close()


def holds(item, basket):
    if item.startswith("not "):
        return not holds(item[4:], basket)
    if item in UNDER:
        return not UNDER[item].isdisjoint(basket)
    return item.removeprefix("dx=") in basket


def test_a_person_counts_once_whatever_the_number_of_rows(run_of) -> None:
    ran = run(run_of, [["I21"] * 7, ["I21", "E11"], ["E11"] * 3, []], ["dx=I21", "dx=E11"])
    assert ran.result.n_rows == 4
    assert ran.supports == {
        frozenset({"dx=I21"}): 2,
        frozenset({"dx=E11"}): 2,
        frozenset({"dx=I21", "dx=E11"}): 1,
    }
    assert "GROUP BY" in ran.plan.local_sql


def test_by_rows_no_row_holds_two_codes(run_of) -> None:
    ran = run(run_of, [["I21"] * 7, ["I21", "E11"]], ["dx=I21", "dx=E11"], basket="row")
    assert set(ran.supports) == {frozenset({"dx=I21"}), frozenset({"dx=E11"})}


def test_the_guard_counts_persons_and_not_their_rows() -> None:
    assert plan_of(["dx=I21"], cell=10).floor_count == 10
    assert plan_of(["dx=I21"], cell=10, basket="row").floor_count == 500
    assert plan_of(["dx=I21"], cell=10).digest() != plan_of(["dx=I21"], cell=10, basket="row").digest()


BASKETS = st.lists(st.lists(st.sampled_from(CODES), max_size=4, unique=True), min_size=1, max_size=40)
MIXED = [
    "dx under I20-I25",
    "dx=I21",
    "dx under chapter 9",
    "dx under I21",
    "dx=E11",
    "dx under chapter 4",
    "dx=I10",
]


@costly_law(5)
@given(BASKETS, st.sampled_from([0, 1, 2]))
def test_law_the_hierarchy_against_brute_force(run_of, baskets, cell) -> None:
    """Every set of items without an item beside its own ancestor, with the cells that the hierarchy allows."""
    ran = run(run_of, baskets, MIXED, cell=cell, nested="guard" if cell else "allow", max_len=3)
    above = {
        item: {other for other in MIXED if other in UNDER and codes_of(item) < UNDER[other]} for item in MIXED
    }
    expected = {}
    for size in (1, 2, 3):
        for chosen in combinations(MIXED, size):
            if any(above[item] & set(chosen) for item in chosen):
                continue
            whole = set(chosen).union(*(above[item] for item in chosen))
            count = sum(all(holds(item, basket) for item in chosen) for basket in baskets)
            cells = {}
            for basket in baskets:
                present = frozenset(item for item in whole if holds(item, basket))
                cells[present] = cells.get(present, 0) + 1
            possible = [
                frozenset(part)
                for n in range(len(whole) + 1)
                for part in combinations(sorted(whole), n)
                if all(above[item] & whole <= set(part) for item in part)
            ]
            if count >= max(1, cell) and all(cells.get(part, 0) >= cell for part in possible):
                expected[frozenset(chosen)] = count
    assert ran.supports == expected
    for rule in ran.result.found_rules:
        for item in (*rule.antecedents, *rule.consequents):
            assert not above[item] & {*rule.antecedents, *rule.consequents}


def codes_of(item):
    return UNDER.get(item) or {item.removeprefix("dx=")}


def test_the_difference_of_a_block_and_its_code_is_guarded(run_of) -> None:
    """The attack: 31 people in the block, 30 of them with I21: the difference is one person with I25."""
    baskets = [["I21"]] * 30 + [["I25"]] + [[]] * 30
    items = ["dx under I20-I25", "dx=I21"]
    allowed = run(run_of, baskets, items, cell=10).supports
    assert allowed[frozenset({"dx under I20-I25"})] - allowed[frozenset({"dx=I21"})] == 1
    guarded = run(run_of, baskets, items, cell=10, nested="guard").supports
    assert guarded == {frozenset({"dx under I20-I25"}): 31}
    apart = run(run_of, [["I21"]] * 30 + [["I25"]] * 10 + [[]] * 30, items, cell=10, nested="guard").supports
    assert apart == {frozenset({"dx under I20-I25"}): 40, frozenset({"dx=I21"}): 30}


def test_negated_items_hold_where_no_row_of_a_person_does(run_of) -> None:
    ran = run(run_of, [["I21"], ["I21", "E11"], [], ["E11"]], ["not dx=I21", "dx=E11", "dx=I21"])
    assert ran.supports == {
        frozenset({"not dx=I21"}): 2,
        frozenset({"dx=I21"}): 2,
        frozenset({"dx=E11"}): 2,
        frozenset({"not dx=I21", "dx=E11"}): 1,
        frozenset({"dx=I21", "dx=E11"}): 1,
    }


def test_a_code_that_a_site_lacks_is_zero_there_and_never_an_error(run_of) -> None:
    ran = run(
        run_of,
        [["I21"], ["Z99", "E78", "I10"], ["I21", "Z99", "bad code", "E78", "I10"]],
        ["dx=I21", "dx=J45", "dx under I21"],
    )
    assert ran.supports == {frozenset({"dx under I21"}): 2, frozenset({"dx=I21"}): 2}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("dx under i20 - i25", None),
        ("dx UNDER I20-I25", ["dx under I20-I25"]),
        ("dx under  Chapter  9", ["dx under chapter 9"]),
        ("dx under I25", ["dx=I25"]),  # one code: the node is that code
        ("dx under J40-J4A", ["dx=J45"]),
        ("dx under any block", ["dx under E11", "dx=I10", "dx under I20-I25", "dx=J45", "dx=E78"]),
        ("dx under any chapter", ["dx under chapter 4", "dx under chapter 9", "dx=J45"]),
        ("dx=*", [f"dx={code}" for code in CODES]),
        ("NOT dx=I21", ["not dx=I21"]),
        ("not sex=F", ["not sex=F"]),
    ],
)
def test_items_of_a_hierarchy_are_read(text, names) -> None:
    if names is None:
        with pytest.raises(PlanRejectedError):
            plan_of([text])
        return
    assert sorted(item.name for item in plan_of([text]).items) == sorted(names)
    again = plan_of([item.name for item in plan_of([text]).items])
    assert again.items == plan_of([text]).items


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (["dx under Z99"], "no code of dx lies under"),
        (["dx under I20-I26"], "no code of dx lies under"),
        (["dx under chapter 99"], "no code of dx lies under"),
        (["sex under I21"], "no code of sex lies under"),
        (["patient under I21"], "not an exact dimension"),
        (["not not dx=I21"], "negated"),
        (["not"], "no column"),
        (["dx under I25", "dx=I25"], "named twice"),
        (["nothing=*"], "no column"),
    ],
)
def test_what_is_no_item_of_a_hierarchy(items, words) -> None:
    with pytest.raises(PlanRejectedError) as caught:
        plan_of(items)
    assert words in caught.value.reason


def test_too_many_items_are_named_before_anything_is_asked() -> None:
    domain = [f"{letter}{number:02}" for letter in "ABCDEFGHIJKLMN" for number in range(100)]
    columns = {"patient": {"type": "identifier"}, "dx": {"type": "categorical", "domain": domain}}
    with pytest.raises(InvalidRequestError) as caught:
        plan_of(["dx=*"], schema=schema_of(columns=columns, exact_dimensions=["dx"]))
    assert caught.value.parameter == "items"


@pytest.mark.parametrize(
    ("items", "basket"),
    [
        (["not sex=F", "sex=M"], "row"),
        (["not sex=F", "not sex=M"], "row"),
        (["not dx=I21", "dx under I20-I25"], "unit"),
        (["not dx under I20-I25", "dx=I21"], "unit"),
    ],
)
def test_the_guard_refuses_a_negation_whose_support_is_nested_in_another(items, basket) -> None:
    plan_of(items, basket=basket, cell=10)
    with pytest.raises(PlanRejectedError) as caught:
        plan_of(items, basket=basket, cell=10, nested="guard")
    assert "nested" in caught.value.reason


def test_a_hierarchy_looks_at_the_domain_alone() -> None:
    assert codes_under(CODES, "I20-I25") == (0, 1, 2)
    assert codes_under(["i21.4", "I219", "x"], "i21") == (0, 1)
    assert codes_under([1, 2], "I21") == ()


@pytest.mark.parametrize("basket", ["rows", "", None, 1])
def test_a_basket_that_is_none(basket) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        plan_of(["dx=I21"], basket=basket)
    assert caught.value.parameter == "basket"
    plain = {"table": "visits", "items": ["dx=I21"], "min_support": "0.2", "min_confidence": "1"}
    with pytest.raises(InvalidRequestError):
        MiningRequest.from_dict(plain | {"basket": basket})
    assert MiningRequest.from_dict(plain).to_dict().get("basket") is None
    unit = MiningRequest.from_dict(plain | {"basket": "unit"})
    assert MiningRequest.from_dict(unit.to_dict()) == unit


def test_one_transaction_of_very_many_codes_is_one_basket() -> None:
    """A person beyond the rows that count at a site is cut at ingest; duplicates of a code change nothing."""
    schema = schema_of()
    plan = plan_of(["dx=I21", "dx=E11"])
    rows = [("p", CODES[number % 8], "F", 7) for number in range(100_000)]
    frame = pd.DataFrame(rows, columns=["patient", "dx", "sex", "day"]).astype({"patient": "string"})
    with open_frame(frame, schema.tables["visits"], site_key=b"k" * 32) as source:
        bitmaps = local_bitmaps(plan, source)
    assert bitmaps.n_rows == 1
    assert bitmaps.counts([(0,), (1,)]).tolist() == [1, 1]
