"""Drift between sites: equal to numpy's index and distance to three digits; no figure of one site opens; each site's cells are guarded."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistic_world import StatisticWorld, heart_world, hearts

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError

EDGES = {"age": [0, 40, 50, 60, 120], "thalach": [40, 110, 130, 150, 170, 240]}
COLUMNS = {
    "g": {"type": "categorical", "domain": ["a", "b", "c"], "nullable": True},
    "f": {"type": "boolean"},
    "x": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1},
}


def reference(tables):
    """Index and distance of counts, site by site; nothing of the product's."""
    shares = [np.asarray(each) / np.sum(each) for each in tables]
    pairs = list(combinations(shares, 2))
    index = np.mean([np.sum((p - q) * np.log(p / q)) for p, q in pairs])
    distance = max(np.abs(np.cumsum(p) - np.cumsum(q)).max() for p, q in pairs)
    return index, distance


def world_of(tables, **fields):
    parts = [
        pd.DataFrame({"g": list("abc")[: len(t)], "n": t})
        .loc[lambda f: f.index.repeat(f.n)]
        .assign(f=True, x=1)
        for t in tables
    ]
    return StatisticWorld(pd.concat(parts), COLUMNS, parts=parts, **fields)


@pytest.mark.parametrize("column", EDGES)
def test_the_hospitals_are_as_far_apart_as_numpy_says(column):
    index, distance = reference([np.histogram(each[column].dropna(), EDGES[column])[0] for each in hearts()])
    world = heart_world(minimum_cell=2)
    answer = world.ask("site_drift", column=column)
    assert answer.psi == pytest.approx(index, rel=5.1e-3)
    assert answer.ks == pytest.approx(distance, abs=0.0101)
    assert (answer.closed, answer.n_sites, answer.frame.shape) == ("", 4, (1, 3))
    for above, expected in ((index * 0.99, True), (index * 1.01, False)):
        bit = world.ask("site_drift", column=column, above=f"{above:.3g}")
        assert (bit.is_above, bit.psi, bit.ks) == (expected, None, None)


@settings(max_examples=6, deadline=None)
@given(tables=st.lists(st.lists(st.integers(10, 300), min_size=3, max_size=3), min_size=3, max_size=3))
def test_law_index_and_distance_are_those_of_the_tables(tables):
    index, distance = reference(tables)
    answer = world_of(tables).ask("site_drift", column="g")
    assert answer.psi == pytest.approx(index, rel=5.1e-3, abs=1e-4)
    assert answer.ks == pytest.approx(distance, abs=0.0101)


def test_equal_sites_are_not_apart():
    answer = world_of([[20, 30, 50], [40, 60, 100], [10, 15, 25]]).ask("site_drift", column="g")
    assert (answer.psi, answer.ks) == (0.0, 0.0)
    assert world_of([[20, 30, 50]] * 3).ask("site_drift", column="g", above="0.0001").is_above is False


# attacks


def test_rounded_figures_alone_open():
    world = world_of([[20, 30, 50], [60, 60, 100], [10, 15, 25]])
    plan = world.plan("site_drift", column="g")
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    assert len(opened) == 3
    assert int(opened[0]) == int(float(f"{int(opened[0]):.3g}"))
    assert 0 <= opened[1] <= 100
    assert plan.most_opened == 2
    bit = world.plan("site_drift", column="g", above="0.1")
    assert bit.most_opened == 1  # a bit counts against the caps as a number does
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(bit))
    assert len(opened) == 2
    assert set(opened.tolist()) <= {0, 1}


@pytest.mark.parametrize("above", [None, "0.1"])
@pytest.mark.parametrize("small", [[20, 30, 0], [20, 9, 30], [0, 0, 0]])
def test_a_site_with_few_people_in_a_group_closes_all_and_none_learns_which(small, above):
    arguments = {"column": "g"} | ({} if above is None else {"above": above})
    for place in range(3):
        tables = [[200, 300, 500], [40, 60, 100], [100, 15, 25]]
        tables[place] = small
        world = world_of(tables)
        plan = world.plan("site_drift", **arguments)
        answers = world.answers(plan)
        opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in answers)
        assert recombine_statistic(plan, answers, cost={}, receipt={}).closed == "minimum_cell"
        assert opened.tolist() == [0] * len(opened)


def test_the_guard_counts_what_a_unit_can_have_at_all_its_sites():
    tables = [[20, 20, 20], [20, 30, 40], [20, 25, 25]]
    assert world_of(tables, max_sites_per_unit=1).ask("site_drift", column="g").closed == ""
    assert world_of(tables, max_sites_per_unit=3).ask("site_drift", column="g").closed == "minimum_cell"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"column": "x"}, PlanRejectedError, "no bins"),
        ({"column": "g", "above": 0}, InvalidRequestError, "above 0"),
        ({"column": "g", "above": 101}, InvalidRequestError, "at most 100"),
        ({"column": "g", "above": "0.1234"}, InvalidRequestError, "of 3 digits"),
        ({"column": "g", "above": "0.00001"}, InvalidRequestError, "4 decimals"),
        ({"column": "g", "above": "much"}, InvalidRequestError, "one number"),
        ({"column": "g", "epsilon": "1"}, InvalidRequestError, "must be exact"),
    ],
)
def test_arguments_are_refused_before_a_charge(arguments, error, text):
    with pytest.raises(error, match=text):
        world_of([[20, 20, 20]] * 3).plan("site_drift", **arguments)


def test_a_column_must_be_an_exact_dimension_and_sums_must_fit():
    with pytest.raises(PlanRejectedError):
        world_of([[20, 20, 20]] * 3, exact_dimensions=["f"]).plan("site_drift", column="g")
    parts = [pd.DataFrame({"g": ["a"], "f": True, "x": 1})] * 3
    world = StatisticWorld(pd.concat(parts), COLUMNS, parts=parts)
    many = world.context.__class__(
        **{name: getattr(world.context, name) for name in ("colluding", "relation", "delta", "minimum_cell")}
        | {"n_sites": 5000}
    )
    world.context = many
    with pytest.raises(OverflowRiskError):
        world.plan("site_drift", column="g")
