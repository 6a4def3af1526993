"""Whole runs over real hospitals against mlxtend's numbers on the pooled files."""

import json
import math
import tomllib
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest

from analytics.mining.answer import SiteAnswer
from analytics.mining.explain import explain_mining, explain_mining_text, run_cost
from analytics.mining.plan import make_mining_plan
from analytics.mining.request import MiningRequest
from analytics.plans.context import PlanContext
from analytics.schema import Schema
from analytics.sources import SourceSpec, open_table
from smpc.transport.mesh import Step

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "tests/oracles/mining/mlxtend_numbers.json").read_text())["cases"]
DEMO = ROOT / "federation" / "demo" / "data"
HEART_ITEMS = [
    "sex=M", "age>=60", "cp = asymptomatic", "trestbps >= 140", "chol in [240, 620]", "fbs", "ecg_abnormal = true",
    "thalach<130", "exang", "oldpeak>=1", "disease",
]  # fmt: skip
FLAGS = [
    "on_thyroxine", "query_on_thyroxine", "on_antithyroid_meds", "sick", "pregnant", "thyroid_surgery",
    "I131_treatment", "query_hypothyroid", "query_hyperthyroid", "lithium", "goitre", "tumor", "hypopituitary", "psych",
]  # fmt: skip
LABS = {
    "TSH_high": "as_number(TSH) > 4.5", "TSH_low": "as_number(TSH) < 0.4", "T3_low": "as_number(T3) < 1.2", "T3_high": "as_number(T3) > 2.8", "TT4_low": "as_number(TT4) < 60",
    "TT4_high": "as_number(TT4) > 150", "FTI_low": "as_number(FTI) < 65", "FTI_high": "as_number(FTI) > 155", "condition": "target <> '-'",
}  # fmt: skip
THYROID_VIEW = (
    "SELECT CASE WHEN as_number(age) <= 120 THEN age END AS age, sex, "
    + ", ".join(FLAGS)
    + "".join(f", {text} AS {name}" for name, text in LABS.items())
    + " FROM source"
)
THYROID = Schema.from_dict(
    {
        "tables": {
            "patients": {
                "privacy_unit": "row",
                "max_sites_per_unit": 1,
                "rows_max": 6000,
                "exact_dimensions": ["age", "sex", *FLAGS, *LABS],
                "columns": {
                    "age": {
                        "type": "numeric",
                        "lower": 0,
                        "upper": 120,
                        "resolution": 1,
                        "bins": [0, 60, 120],
                        "nullable": True,
                    },
                    "sex": {"type": "categorical", "domain": ["F", "M"], "nullable": True},
                    **{name: {"type": "boolean", "nullable": True} for name in [*FLAGS, *LABS]},
                },
            }
        }
    }
)
THYROID_ITEMS = [*FLAGS, *LABS, "sex=F", "age>=60"]


def opened(schema, paths, view):
    return [
        open_table(
            SourceSpec(kind="csv", path=path, view=view),
            schema.tables["patients"],
            site_key=bytes(32),
            threads=1,
        )
        for path in sorted(paths)
    ]


@pytest.fixture(scope="module")
def heart():
    schema = Schema.from_dict(tomllib.loads((DEMO / "schema.toml").read_text()))
    sources = opened(schema, (DEMO / "heart_disease").glob("*.csv"), (DEMO / "view.sql").read_text())
    yield schema, HEART_ITEMS, sources
    for source in sources:
        source.close()


@pytest.fixture(scope="module")
def thyroid():
    sources = opened(THYROID, (ROOT / "tests/data/thyroid").glob("*.csv"), THYROID_VIEW)
    yield THYROID, THYROID_ITEMS, sources
    for source in sources:
        source.close()


def planned(world, case, nested="allow", minimum_cell=10):
    schema, items, sources = world
    request = MiningRequest(
        table="patients",
        items=tuple(items),
        min_support=Fraction(case["min_support"]),
        min_confidence=Fraction(case["min_confidence"]),
        max_len=case["max_len"],
        nested_supports=nested,
    )
    context = PlanContext(
        n_sites=len(sources),
        colluding=1,
        relation="add_or_remove_one",
        delta=Fraction(1, 10**6),
        minimum_cell=minimum_cell,
    )
    return make_mining_plan(request, schema, context)


def agree(result, case):
    assert {frozenset(e.items): e.count for e in result.found} == {
        frozenset(i): c for i, c in case["itemsets"]
    }
    assert result.n_rows == case["n_rows"]
    assert result.is_complete
    assert all(e.support == e.count / result.n_rows for e in result.found)
    rules = {(frozenset(r.antecedents), frozenset(r.consequents)): r.measures for r in result.found_rules}
    assert len(rules) == len(result.found_rules) == case["n_rules"]
    assert math.fsum(m["lift"] for m in rules.values()) == pytest.approx(case["sum_of_lifts"], rel=1e-12)
    assert len(case["rules"]) >= 12
    for known in case["rules"]:
        found = rules[frozenset(known.pop("antecedents")), frozenset(known.pop("consequents"))]
        expected = {name: math.inf if value is None else value for name, value in known.items()}
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12, abs=1e-15)


def case_of(name):
    return json.loads(json.dumps(CASES[name]))


def test_heart_disease_at_a_fifth(heart, run_of) -> None:
    ran = run_of(planned(heart, CASES["heart_disease"]), heart[2])
    assert len(ran.result.found) == 53
    agree(ran.result, case_of("heart_disease"))


def guarded(case, cell=10):
    """The itemsets whose cubes have no cell below the minimum: by counting rows of each combination, subsets first."""
    counts = {frozenset(items): count for items, count in case["itemsets"]} | {frozenset(): case["n_rows"]}
    kept = set()
    for itemset in sorted(counts, key=len):
        if not itemset or any(itemset - {item} not in kept for item in itemset if len(itemset) > 1):
            continue
        smallest = min(
            sum(
                (-1) ** size * counts[frozenset(without) | present]
                for size in range(len(itemset - present) + 1)
                for without in combinations(sorted(itemset - present), size)
            )
            for present in (
                frozenset(p) for n in range(len(itemset)) for p in combinations(sorted(itemset), n)
            )
        )
        if smallest >= cell:
            kept.add(itemset)
    return {itemset: counts[itemset] for itemset in kept}


def test_heart_disease_under_the_guard(heart, run_of) -> None:
    supports = run_of(planned(heart, CASES["heart_disease"], "guard"), heart[2]).supports
    assert len(supports) == 49
    assert supports == guarded(CASES["heart_disease"])


def test_thyroid_at_a_hundredth(thyroid, run_of) -> None:
    ran = run_of(planned(thyroid, CASES["thyroid"]), thyroid[2])
    assert len(ran.result.found) == 256
    agree(ran.result, case_of("thyroid"))


def test_thyroid_without_a_limit(thyroid, run_of) -> None:
    ran = run_of(planned(thyroid, CASES["thyroid_any_length"]), thyroid[2])
    assert len(ran.result.found) == 276
    agree(ran.result, case_of("thyroid_any_length"))


def test_thyroid_under_the_guard_keeps_what_is_apart(thyroid, run_of) -> None:
    """The 256 contain 16 nested pairs that differ by 1 to 9; the guard opens none of them."""
    all_counts = {frozenset(items): count for items, count in CASES["thyroid"]["itemsets"]}
    near = [(a, b) for a in all_counts for b in all_counts if a < b and all_counts[a] - all_counts[b] < 10]
    assert len(near) == 16
    assert all(1 <= all_counts[a] - all_counts[b] <= 9 for a, b in near)
    supports = run_of(planned(thyroid, CASES["thyroid"], "guard"), thyroid[2]).supports
    assert supports == guarded(CASES["thyroid"])
    assert len(supports) == 223
    assert not any(a in supports and b in supports for a, b in near)


def test_a_stricter_cell_closes_small_itemsets(thyroid, run_of) -> None:
    case = CASES["thyroid"]
    supports = run_of(planned(thyroid, case, minimum_cell=200), thyroid[2]).supports
    assert supports == {frozenset(i): c for i, c in case["itemsets"] if c >= 200}
    assert 0 < len(supports) < 256


@pytest.mark.parametrize("nested", ["allow", "guard"])
def test_what_a_run_takes_is_what_explain_says(heart, run_of, nested) -> None:
    plan = planned(heart, CASES["heart_disease"], nested)
    ran = run_of(plan, heart[2])
    walk, blocks = plan.walk(), []
    trail = iter(SiteAnswer.from_bytes(ran.answers[0], plan).trail)
    while not walk.is_over:
        blocks.append(plan.block(walk))
        for _ in range(min(len(blocks[-1]), 20)):
            if not walk.is_over:
                walk.advance(next(trail))
    assert [sum(map(len, levels)) for levels in blocks] == [len(bits) for bits in ran.openings["ada"]]
    cost = run_cost(plan, blocks)
    sent = [one for one in ran.run.sent["ada"] if one.step not in {Step.KEYS, Step.MATERIAL}]
    assert cost["rounds"] == len(sent)
    assert cost["bytes_per_peer"] == sum(len(one.outgoing["bob"]) for one in sent)
    assert cost["dealer_bytes"] == sum(ran.run.counters["dealer"].bytes_sent.values())
    first = explain_mining(plan)["first_block"]
    assert {name: first[name] for name in cost} == run_cost(plan, blocks[:1])
    assert (first["levels"], first["itemsets"]) == (len(blocks[0]), sum(map(len, blocks[0])))
    text = explain_mining_text(plan)
    assert "age>=60" in text
    assert ("nested_supports = allow" in text) == (nested == "allow")


def test_frames_have_the_known_columns(heart, run_of) -> None:
    result = run_of(planned(heart, CASES["heart_disease"]), heart[2]).result
    assert list(result.itemsets.columns) == ["support", "itemsets", "count"]
    assert list(result.rules.columns) == [
        "antecedents", "consequents", "antecedent support", "consequent support", "support", "confidence", "lift",
        "representativity", "leverage", "conviction", "zhangs_metric", "jaccard", "certainty", "kulczynski",
        "chi_square", "p_value", "p_adjusted",
    ]  # fmt: skip
    assert result.frame.equals(result.rules)
    lifts = list(result.rules["lift"])
    assert lifts == sorted(lifts, reverse=True)
    text = json.dumps(result.to_dict(), allow_nan=False)
    assert len(json.loads(text)["rules"]) == 110
    assert result.cost["nested_supports"] == "allow"


def test_eleven_items_are_one_block_of_eight_rounds(heart, run_of) -> None:
    """At a distance rounds are most of a run's time: all four levels are tested at once, and nothing before them."""
    plan = planned(heart, CASES["heart_disease"], "guard")
    first = explain_mining(plan)["first_block"]
    assert (first["levels"], first["itemsets"], first["rounds"]) == (4, 561, 8)
    assert first["bytes_per_peer"] < 100_000
    ran = run_of(plan, heart[2])
    sent = [one for one in ran.run.sent["ada"] if one.step not in {Step.KEYS, Step.MATERIAL}]
    assert len(ran.openings["ada"]) == 1
    assert len(sent) == 8
