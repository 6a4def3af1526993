"""What exclusive items of one column leave over: every product of values that opened supports give, by linear algebra."""

from fractions import Fraction
from itertools import chain, combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.mining.plan import make_mining_plan
from analytics.mining.request import MiningRequest
from analytics.plans.context import PlanContext
from analytics.schema import Schema
from analytics.sources import open_frame
from tests.examples import costly_law

CODES = ["I20", "I21", "J45"]
VALUES = {"sex": ["F", "M"], "dx": CODES, "sick": [False, True]}
HOLDS = {
    "sex=F": ("sex", {"F"}), "sex=M": ("sex", {"M"}), "dx=I20": ("dx", {"I20"}), "dx=I21": ("dx", {"I21"}),
    "dx=J45": ("dx", {"J45"}), "dx under I20-I25": ("dx", {"I20", "I21"}), "sick": ("sick", {True}),
}  # fmt: skip
MINIMUM = 3


def schema_of(nullable):
    columns = {
        "sex": {"type": "categorical", "domain": VALUES["sex"], "nullable": "sex" in nullable},
        "dx": {"type": "categorical", "domain": CODES, "nullable": "dx" in nullable},
        "sick": {"type": "boolean", "nullable": "sick" in nullable},
    }
    table = {
        "privacy_unit": "row",
        "max_sites_per_unit": 1,
        "rows_max": 1000,
        "exact_dimensions": [*columns],
        "columns": columns,
    }
    return Schema.from_dict({"tables": {"patients": table}})


def plan_of(items, nullable, minimum=MINIMUM):
    request = MiningRequest(
        table="patients", items=tuple(items), min_support=Fraction(1, 1000), min_confidence=Fraction(1, 2)
    )
    context = PlanContext(
        n_sites=3,
        colluding=1,
        relation="add_or_remove_one",
        delta=Fraction(1, 10**6),
        minimum_cell=minimum,
    )
    return make_mining_plan(request, schema_of(nullable), context)


def opened(run_of, rows, items, nullable, minimum=MINIMUM):
    """Supports and number of rows of a whole run; a row is (sex, dx, sick)."""
    plan = plan_of(items, nullable, minimum)
    frame = pd.DataFrame(rows, columns=[*VALUES]).astype({"sex": "string", "dx": "string", "sick": "boolean"})
    sources = [
        open_frame(frame.iloc[place::3].reset_index(drop=True), plan.table, site_key=b"k" * 32)
        for place in range(3)
    ]
    try:
        ran = run_of(plan, sources)
        return ran.supports, ran.result.n_rows
    finally:
        for source in sources:
            source.close()


def small_targets(rows, supports, nullable):
    """Products of sets of values, one a column, that the opened supports count exactly and that few rows hold."""
    if not supports:
        return []
    axes = [[*values, *([None] if name in nullable else [])] for name, values in VALUES.items()]
    types = [*product(*axes)]
    kept = [row for row in rows if row in set(types)]

    def indicator(sets):
        return np.array([
            all(value in allowed for value, allowed in zip(one, sets, strict=True)) for one in types
        ])  # fmt: skip

    known = [np.ones(len(types))]
    for itemset in supports:
        sets = dict(zip(VALUES, map(set, axes), strict=True))
        for item in itemset:
            name, values = HOLDS[item]
            sets[name] = sets[name] & values
        known.append(indicator(sets.values()))
    basis = np.linalg.svd(np.array(known, dtype=float), full_matrices=False)
    span = basis.Vh[basis.S > 1e-9]
    found = []
    parts = [
        [set(part) for size in range(1, len(axis) + 1) for part in combinations(axis, size)] for axis in axes
    ]
    for sets in product(*parts):
        target = indicator(sets).astype(float)
        if np.linalg.norm(target - span.T @ (span @ target)) < 1e-6:
            count = sum(
                all(value in allowed for value, allowed in zip(row, sets, strict=True)) for row in kept
            )
            if count < MINIMUM:
                found.append((sets, count))
    return found


@pytest.mark.parametrize("few", [0, 1, 2])
def test_who_has_neither_of_two_exclusive_values_is_not_left_over(run_of, few) -> None:
    """N - n(F) - n(M) counts those whose sex is missing."""
    rows = [("F", "I20", True)] * 9 + [("M", "I20", True)] * 9 + [(None, "I20", True)] * few
    supports, n_rows = opened(run_of, rows, ["sex=F", "sex=M", "sick"], {"sex", "dx", "sick"})
    assert not {frozenset({"sex=F"}), frozenset({"sex=M"})} & set(supports)
    assert n_rows is None or not small_targets(rows, supports, {"sex", "dx", "sick"})


def test_with_enough_people_of_neither_value_both_open(run_of) -> None:
    rows = [(sex, dx, sick) for sex in ("F", "M", None) for dx in CODES for sick in (True, False)] * 3
    supports, _ = opened(run_of, rows, ["sex=F", "sex=M", "sick"], {"sex"})
    assert {frozenset({"sex=F", "sick"}), frozenset({"sex=M", "sick"})} <= set(supports)


def test_a_closed_value_of_a_complete_column_is_not_the_difference_of_the_open_ones(run_of) -> None:
    """N - n(I20) - n(I21) counts those with J45, which stays closed; the schema says that there is no other value."""
    rows = [("F", "I20", True)] * 9 + [("F", "I21", True)] * 9 + [("F", "J45", True)] * 2
    supports, _ = opened(run_of, rows, ["dx=*"], {"sick"})
    assert not small_targets(rows, supports, {"sick"})
    enough, _ = opened(run_of, rows + [("F", "J45", True)] * 7, ["dx=*"], {"sick"})
    assert len(enough) == 3


def test_codes_of_a_block_that_are_not_asked_are_not_the_difference(run_of) -> None:
    rows = [("F", code, True) for code, n in (("I20", 9), ("I21", 2), ("J45", 9)) for _ in range(n)]
    supports, _ = opened(run_of, rows, ["dx under I20-I25", "dx=I20"], set())
    assert not small_targets(rows, supports, set())


def test_a_row_without_the_value_that_a_complete_column_must_have_is_left_out(run_of) -> None:
    rows = [("F", "I20", True)] * 9 + [("M", "I20", False)] * 9 + [(None, "I20", True)]
    supports, n_rows = opened(run_of, rows, ["sex=*"], set())
    assert n_rows == 18 == sum(supports.values())


def test_one_item_of_a_column_has_no_rest() -> None:
    plan = plan_of(["sex=M", "dx=I20", "sick"], {"sex", "dx"})
    assert not plan.rests.rests
    assert not plan.rests.alternatives


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["F", "M", None]), st.sampled_from([*CODES, None]), st.sampled_from([True, False, None])
    ),
    min_size=1,
    max_size=12,
)  # fmt: skip


@costly_law(12)
@given(
    ROWS,
    st.lists(st.integers(1, 9), min_size=12, max_size=12),
    st.sets(st.sampled_from(sorted(HOLDS)), min_size=2),
    st.sets(st.sampled_from(["sex", "dx", "sick"])),
)
def test_law_no_product_of_values_that_few_rows_hold_can_be_computed(
    run_of, kinds, times, items, nullable
) -> None:
    rows = [*chain.from_iterable([row] * n for row, n in zip(kinds, times, strict=False))]
    known = [
        tuple(
            VALUES[name][0] if value is None and name not in nullable else value
            for name, value in zip(VALUES, row, strict=True)
        )
        for row in rows
    ]
    supports, _ = opened(run_of, known, sorted(items), nullable)
    assert not small_targets(known, supports, nullable)
