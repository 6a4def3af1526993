"""Association rules over four hospitals, in memory and over TLS processes, against mlxtend on the pooled file."""

import json
from pathlib import Path

import pytest
from hospitals import POLICY, in_threads

from analytics.errors import InvalidRequestError, PlanRejectedError
from federation.errors import PolicyRefusedError
from privacy_accounting.errors import BudgetExceededError

CASES = json.loads((Path(__file__).parents[2] / "oracles/mining/mlxtend_numbers.json").read_text())["cases"]
ITEMS = [
    "sex=M", "age>=60", "cp=asymptomatic", "trestbps>=140", "chol>=240", "fbs", "ecg_abnormal", "thalach<130", "exang",
    "oldpeak>=1", "disease",
]  # fmt: skip


def test_itemsets_equal_the_oracle_and_are_one_exact_disclosure(session):
    before = session.budget_rows()[0]["exact_disclosures"]
    found = session.table("patients").frequent_itemsets(ITEMS, min_support=0.2, max_len=4, exact=True)
    case = next(case for name, case in CASES.items() if name.startswith("heart"))
    assert len(found.itemsets) == 49  # the guard closes four of the 53
    counts = {frozenset(items): count for items, count in case["itemsets"]}
    assert (
        dict(zip(found.itemsets["itemsets"], found.itemsets["count"], strict=True)).items() <= counts.items()
    )
    assert found.n_rows == 920
    assert session.budget_rows()[0]["exact_disclosures"] == before + 1
    assert found.receipt["kind"] == "exact"


def test_rules_have_the_known_columns(session):
    rules = (
        session.table("patients")
        .association_rules(ITEMS, min_support=0.2, min_confidence=0.6, exact=True)
        .rules
    )
    assert {"antecedents", "consequents", "support", "confidence", "lift", "leverage", "conviction"} <= set(
        rules.columns
    )
    assert (rules["confidence"] >= 0.6).all()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"min_support": 0}, InvalidRequestError),
        ({"min_support": 1.5}, InvalidRequestError),
        ({"min_support": float("nan")}, InvalidRequestError),
        ({"min_confidence": 0}, InvalidRequestError),
        ({"items": ["shoe_size"]}, PlanRejectedError),
        ({"items": []}, (PlanRejectedError, InvalidRequestError)),
        ({"items": ["disease", "disease"]}, (PlanRejectedError, InvalidRequestError)),
        ({"items": ["age>=57"]}, PlanRejectedError),
        ({"items": ["disease"] * 10_000}, (PlanRejectedError, InvalidRequestError)),
        ({"max_len": 0}, InvalidRequestError),
        ({"exact": False}, InvalidRequestError),
        ({"max_items_per_unit": 5}, InvalidRequestError),
        ({"basket": "patient"}, InvalidRequestError),
        ({"thresholds": {"lifts": 1}}, InvalidRequestError),
        ({"thresholds": {"lift": "1"}}, InvalidRequestError),
        ({"items": ["disease under I21"]}, PlanRejectedError),
        ({"items": ["not"]}, PlanRejectedError),
    ],
)
def test_bad_requests_are_refused_before_any_site_is_asked(session, changes, error):
    before = session.budget_rows()[0]["exact_disclosures"]
    arguments = {"items": ITEMS, "min_support": 0.2, "min_confidence": 0.6, "exact": True} | changes
    with pytest.raises(error):
        session.table("patients").association_rules(**arguments)
    assert session.budget_rows()[0]["exact_disclosures"] == before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"epsilon": 0}, InvalidRequestError),
        ({"epsilon": float("nan")}, InvalidRequestError),
        ({"exact": True}, InvalidRequestError),
        ({"nested_supports": "allow"}, InvalidRequestError),
        ({"max_items_per_unit": 0}, InvalidRequestError),
        ({"max_items_per_unit": 10**6}, InvalidRequestError),
        ({"thresholds": {"p_adjusted": 0.05}}, InvalidRequestError),
        ({"min_support": 0}, InvalidRequestError),
        ({"items": ["shoe_size"]}, PlanRejectedError),
        ({"items": ["disease"] * 10**6}, InvalidRequestError),
        ({"epsilon": 20}, BudgetExceededError),
    ],
)
def test_bad_private_requests_spend_nothing(session, changes, error):
    before = session.budget_rows()
    arguments = {"items": ITEMS, "min_support": 0.2, "min_confidence": 0.6, "epsilon": 1} | changes
    with pytest.raises(error):
        session.table("patients").association_rules(**arguments)
    assert session.budget_rows() == before


def test_private_mining_is_one_charge_of_the_mining_budget(session):
    before = {row["sub_budget"]: row["spent"] for row in session.budget_rows()}
    found = session.table("patients").association_rules(
        ITEMS, min_support=0.2, min_confidence=0.5, epsilon=2, max_items_per_unit=8
    )
    after = {row["sub_budget"]: row["spent"] for row in session.budget_rows()}
    assert [name for name in after if after[name] != before[name]] == ["mining"]
    assert found.receipt["kind"] == "charge"
    assert found.cost["epsilon"] == "2"
    assert found.cost["max_items_per_unit"] == 8
    assert len(found.cost["events"]) == 3
    assert {"support_low", "confidence_high", "lift_low"} <= set(found.rules.columns)
    itemsets = session.table("patients").frequent_itemsets(
        ITEMS, min_support=0.3, max_len=2, epsilon=1, keep="maximal"
    )
    assert len(itemsets.frame)
    with pytest.raises(InvalidRequestError):
        session.table("patients").frequent_itemsets(ITEMS, min_support=0.3, epsilon=1, keep="closed")


def test_nothing_frequent_is_an_empty_answer(session):
    found = session.table("patients").frequent_itemsets(ITEMS, min_support=1, exact=True)
    assert len(found.itemsets) == 0
    assert found.n_rows is None


def test_nested_supports_open_only_where_every_sites_policy_says_so():
    with in_threads() as guarded, pytest.raises(PolicyRefusedError, match="nested_supports"):
        guarded.table("patients").frequent_itemsets(
            ITEMS, min_support=0.2, nested_supports="allow", exact=True
        )
    with in_threads(policy={**POLICY, "nested_supports": "allow"}) as allowing:
        found = allowing.table("patients").frequent_itemsets(
            ITEMS, min_support=0.2, nested_supports="allow", exact=True
        )
        assert found.cost["nested_supports"] == "allow"
        assert len(found.itemsets) == 53


def test_an_unknown_table_is_named(session):
    with pytest.raises(InvalidRequestError, match="patients"):
        session.table("absent")


def test_itemsets_are_one_frame_and_rules_another(session):
    table = session.table("patients")
    found = table.frequent_itemsets(ITEMS, min_support=0.2, keep="maximal", exact=True)
    assert list(found.frame.columns) == ["support", "itemsets", "count"]
    assert 0 < len(found.frame) < 49
    assert "itemset" in str(found)
    strong = table.association_rules(
        ["disease", "exang", "not fbs"], min_support=0.2, min_confidence=0.6, exact=True,
        thresholds={"lift": 1.2, "p_adjusted": 0.05},
    )  # fmt: skip
    assert len(strong.frame)
    assert (strong.frame["lift"] >= 1.2).all()
    assert (strong.frame["p_adjusted"] <= 0.05).all()


@pytest.mark.parametrize("changes", [{"keep": "most"}, {"max_support": 0}, {"max_support": "0.5"}])
def test_a_choice_of_itemsets_that_is_none_spends_nothing(session, changes):
    before = session.budget_rows()[0]["exact_disclosures"]
    with pytest.raises(InvalidRequestError):
        session.table("patients").frequent_itemsets(ITEMS, min_support=0.2, exact=True, **changes)
    assert session.budget_rows()[0]["exact_disclosures"] == before
