"""Mining plans: equal at all sites, refused before a charge, exact thresholds, bounded widths."""

import json
from fractions import Fraction

import pytest

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError, ReleaseRefusedError
from analytics.mining.candidates import LevelIterator, join, parents
from analytics.mining.request import MiningRequest
from analytics.mining.site_run import block_cost, most_memory, pieces_of

BINNED = {
    "exact_dimensions": ["age", "a"],
    "columns": {
        "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": [0, 40, 60, 120]},
        "a": {"type": "boolean"},
    },
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_support", Fraction(0)), ("min_support", Fraction(-1, 5)), ("min_support", Fraction(11, 10)),
        ("min_support", 0.2), ("min_support", "0.25"), ("min_support", True), ("min_support", Fraction(1, 3)),
        ("min_confidence", Fraction(0)), ("min_confidence", Fraction(3, 2)), ("min_confidence", None),
        ("max_len", 0), ("max_len", -1), ("max_len", True), ("max_len", 2.0), ("max_len", 100_001),
        ("max_candidates", 0), ("max_candidates", 100_001), ("max_candidates", None),
        ("nested_supports", "open"), ("nested_supports", None),
    ],
)  # fmt: skip
def test_a_parameter_out_of_range_is_named(plan_of, field, value) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        plan_of(**{field: value})
    assert caught.value.parameter == field


def test_a_request_survives_its_plain_form() -> None:
    request = MiningRequest(
        table="t", items=("a", "b=c"), min_support=Fraction(1, 8), min_confidence=Fraction(1), max_len=3,
        nested_supports="allow",
    )  # fmt: skip
    assert MiningRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request
    assert request.to_dict()["min_support"] == "0.125"
    short = {"table": "t", "items": ["a"], "min_support": "0.2", "min_confidence": "1"}
    assert MiningRequest.from_dict(short).nested_supports == "guard"


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"min_support": 0.2}, "min_support"), ({"min_support": "1e-1"}, "min_support"), ({"min_support": " 0.2"}, "min_support"),
        ({"min_support": "nan"}, "min_support"), ({"min_support": "0"}, "min_support"), ({"min_confidence": "1.1"}, "min_confidence"),
        ({"items": "a"}, "items"), ({"items": [1]}, "items"), ({"table": 3}, "table"), ({"max_len": "4"}, "max_len"),
        ({"epsilon": "1"}, "epsilon"), ({"max_candidates": None}, "max_candidates"), ({"nested_supports": True}, "nested_supports"),
    ],
)  # fmt: skip
def test_a_plain_form_is_read_strictly(change, parameter) -> None:
    good = {"table": "t", "items": ["a"], "min_support": "0.2", "min_confidence": "0.5"}
    with pytest.raises(InvalidRequestError) as caught:
        MiningRequest.from_dict(good | change)
    assert caught.value.parameter == parameter
    for key in good:
        with pytest.raises(InvalidRequestError) as caught:
            MiningRequest.from_dict({k: v for k, v in good.items() if k != key})
        assert caught.value.parameter == key


def test_sites_derive_one_plan_for_any_order_of_items(plan_of) -> None:
    one, other = plan_of(items=("a", "b", "c")), plan_of(items=("C", "b = true", "a"))
    assert one.digest() == other.digest()
    assert [item.name for item in one.items] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "changes",
    [
        {"min_support": Fraction(1, 4)}, {"min_confidence": Fraction(1, 4)}, {"max_len": 2}, {"max_candidates": 50},
        {"nested_supports": "guard"}, {"items": ("a", "b")}, {"context": {"minimum_cell": 10}}, {"n_sites": 4},
        {"table": {"rows_max": 99}}, {"context": {"colluding": 0}},
    ],
)  # fmt: skip
def test_every_choice_is_in_the_digest(plan_of, changes) -> None:
    assert plan_of(**changes).digest() != plan_of().digest()


def test_the_digest_holds_no_float(plan_of) -> None:
    def walk(value):
        assert not isinstance(value, float)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    walk(json.loads(json.dumps(plan_of().to_dict())))


def test_who_sees_what_stands_in_the_plan(plan_of) -> None:
    opened = plan_of().to_dict()["opened_to"]
    assert set(opened) == {"all_sites", "analyst"}
    assert "bit" in opened["all_sites"]
    assert plan_of(nested_supports="guard", context={"minimum_cell": 7}).cost() == {
        "mode": "exact", "population": "baskets", "privacy_unit": "row", "max_sites_per_unit": 1, "minimum_cell": 7, "threshold": 7,
        "nested_supports": "guard",
    }  # fmt: skip


def test_the_threshold_counts_units(plan_of) -> None:
    """Units may have rows at several sites and several rows at one; that many rows may be one person."""
    cell = {"minimum_cell": 10}
    assert plan_of(context=cell).floor_count == 10
    assert plan_of(context=cell, table={"max_sites_per_unit": None}, n_sites=4).floor_count == 40
    several = {"max_sites_per_unit": 2, "privacy_unit": "who", "max_rows_per_unit": 3}
    assert plan_of(context=cell, table=several).floor_count == 60
    assert plan_of().floor_count == 1
    assert plan_of(nested_supports="guard").minimum_difference == 0
    assert plan_of(nested_supports="guard", context=cell).minimum_difference == 10
    assert plan_of(context=cell).minimum_difference == 0


@pytest.mark.parametrize(("n_sites", "colluding"), [(2, 0), (2, 1), (3, 2)])
def test_too_few_sites(plan_of, n_sites, colluding) -> None:
    with pytest.raises(ReleaseRefusedError) as caught:
        plan_of(n_sites=n_sites, context={"colluding": colluding})
    assert caught.value.rule == "exact_sites"


def test_a_table_that_is_none(plan_of) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        plan_of_unknown(plan_of)
    assert caught.value.parameter == "table"


def plan_of_unknown(plan_of):
    from analytics.mining.plan import make_mining_plan
    from analytics.schema import Schema

    plan = plan_of()
    request = MiningRequest(
        table="absent's", items=("a",), min_support=Fraction(1), min_confidence=Fraction(1)
    )
    make_mining_plan(request, Schema(tables={"baskets": plan.table}), plan.context)


def test_items_that_do_not_fit_the_cap(plan_of) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        plan_of(max_candidates=7)
    assert caught.value.parameter == "max_candidates"
    assert plan_of(max_candidates=8).max_candidates == 8


def test_the_number_of_rows_counts_among_the_numbers_that_open(plan_of) -> None:
    assert plan_of(items=("a", "b"), max_len=2).most_opened == 2 + 1 + 1
    assert plan_of(max_candidates=8).most_opened == 8 + 1


def test_the_guard_refuses_overlapping_ranges(plan_of) -> None:
    """The attack: the supports of age>=40 and age>=60 differ by the people between; no subset shows it."""
    items = ("age>=40", "age>=60", "a")
    plan_of(table=BINNED, items=items, context={"minimum_cell": 10})
    with pytest.raises(PlanRejectedError) as caught:
        plan_of(table=BINNED, items=items, context={"minimum_cell": 10}, nested_supports="guard")
    assert "age>=40 and age>=60 overlap" in caught.value.reason
    apart = ("age<40", "age in [40, 60)", "age>=60", "a")
    plan_of(table=BINNED, items=apart, context={"minimum_cell": 10}, nested_supports="guard")


def test_a_threshold_too_fine_for_the_ring(plan_of) -> None:
    fine = Fraction(123456789, 10**9)
    assert plan_of(min_support=fine, table={"rows_max": 2**26}).comparison_bits <= 62
    with pytest.raises(OverflowRiskError) as caught:
        plan_of(min_support=fine, table={"rows_max": 2**31})
    assert caught.value.limit_bits == 62


def test_the_scan_is_one_statement_over_words(plan_of) -> None:
    names = [f"c{number}" for number in range(130)]
    columns = {name: {"type": "boolean"} for name in names}
    plan = plan_of(table={"exact_dimensions": names, "columns": columns}, items=tuple(names))
    assert plan.local_sql.count("SELECT") == plan.local_sql.count("FROM") == 1
    assert [plan.local_sql.count(f'AS "w{number}"') for number in range(4)] == [1, 1, 1, 0]
    assert str(2**61) in plan.local_sql
    assert str(2**62) not in plan.local_sql


def test_join_and_prune() -> None:
    frequent = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 4)]
    assert list(join(frequent, lambda a, b: False)) == [(0, 1, 2), (0, 1, 3)]
    assert list(join([(0,), (1,), (2,)], lambda a, b: (a, b) == (0, 2))) == [(0, 1), (1, 2)]
    assert list(join([], lambda a, b: False)) == []
    assert list(parents((3, 5, 8))) == [(5, 8), (3, 8), (3, 5)]
    assert list(parents((3,))) == [()]


def walk_of(n_items, **changes):
    return LevelIterator(
        n_items, **({"max_levels": n_items, "max_candidates": 100, "excludes": lambda a, b: False} | changes)
    )


def test_a_walk_ends_at_its_caps() -> None:
    walk = walk_of(4)
    while not walk.is_over:
        walk.advance([True] * len(walk.candidates))
    assert len(walk.frequent) == 15
    assert not walk.is_capped
    short = walk_of(4, max_levels=2)
    while not short.is_over:
        short.advance([True] * len(short.candidates))
    assert len(short.frequent) == 10
    assert not short.is_capped
    tight = walk_of(4, max_candidates=9)  # 4 items and 6 pairs do not fit
    assert tight.advance([True] * 4) == (0, 1, 2, 3)
    assert tight.is_over
    assert tight.is_capped
    with pytest.raises(ValueError, match="one bit"):
        walk_of(4).advance([True] * 3)
    exact = walk_of(4, max_candidates=10)
    exact.advance([True] * 4)
    assert len(exact.candidates) == 6


def test_a_wide_first_level_stops_without_building_all_pairs() -> None:
    walk = walk_of(1_000, max_candidates=1_500)
    walk.advance([True] * 1_000)
    assert walk.is_capped
    assert walk.is_over


def test_the_most_memory_of_a_run_covers_every_level_that_can_come(plan_of) -> None:
    for guard in ("guard", "allow"):
        plan = plan_of(nested_supports=guard)
        most = most_memory(plan)
        walk = plan.walk()
        while not walk.is_over:
            levels = plan.block(walk)
            for piece in pieces_of(plan, levels):
                assert block_cost(plan, piece.parts).memory_bytes <= most
            walk.advance_block(levels, dict.fromkeys((i for level in levels for i in level), True))
