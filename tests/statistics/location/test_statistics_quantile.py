"""Quantiles over bins: equal to the sorted values' bin, closed near the ends of the data, with possible bins under noise."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.location.quantile import _possible
from tests.examples import costly_law

EDGES = [0, 10, 20, 30, 40, 50]
COLUMNS = {
    "x": {"type": "numeric", "lower": 0, "upper": 50, "resolution": 1, "bins": EDGES, "nullable": True},
    "free": {"type": "numeric", "lower": 0, "upper": 50, "resolution": 1},
    "arm": {"type": "categorical", "domain": ["new", "old", "none"], "nullable": True},
}


def frame_of(counts, arms=("new",)):
    """People in each bin, of each arm."""
    parts = [
        pd.DataFrame({"x": np.repeat(np.array(EDGES[:-1]) + 3.0, row), "arm": arm, "free": 1})
        for arm, row in zip(arms, np.atleast_2d(counts), strict=True)
    ]
    return pd.concat(parts).sample(frac=1, random_state=1)


def known_bin(counts, q):
    """The oracle: the value at the place of the quantile in the sorted rows."""
    rows = np.repeat(np.arange(len(counts)), counts)
    return int(rows[-(-Fraction(q) * len(rows) // 1) - 1])


def bins_of(answer):
    return [None if row["bin"] is None else EDGES.index(row["start"]) for row in answer.rows]


def test_the_hospitals_quantiles_are_those_of_the_sorted_values():
    world = heart_world()
    asked = ["0.25", "0.5", "0.75"]
    answer = world.ask("quantile", column="thalach", q=asked, by="sex")
    edges = [40, 110, 130, 150, 170, 240]
    for row in answer.rows:
        values = world.frame[world.frame.sex == row["group"]].thalach.dropna()
        value = np.quantile(values, row["q"], method="inverted_cdf")
        place = min(np.digitize(value, edges) - 1, 4)
        counts = np.histogram(values, edges)[0]
        if min(counts[:place].sum(), counts[place], counts[place + 1 :].sum()) >= 10:
            assert (row["start"], row["end"]) == (edges[place], edges[place + 1])
            assert row["low_bin"] == row["bin"] == row["high_bin"]
        else:
            assert row["bin"] is None
    assert sum(row["bin"] is not None for row in answer.rows) >= 4
    assert len(answer.frame) == 6


@costly_law(5)
@given(st.lists(st.integers(0, 12), min_size=5, max_size=5), st.integers(1, 999))
def test_law_without_a_guard_every_quantile_is_the_sorted_one(counts, thousandths):
    world = StatisticWorld(frame_of(counts), COLUMNS, minimum_cell=0)
    q = Fraction(thousandths, 1000)
    answer = world.ask("quantile", column="x", q=[str(float(q)), "0.5"] if q != Fraction(1, 2) else "0.5")
    if not sum(counts):
        assert (answer.closed, set(bins_of(answer))) == ("undefined", {None})
    else:
        assert bins_of(answer) == [known_bin(counts, each) for each in dict.fromkeys((q, Fraction(1, 2)))]


def test_rows_may_lie_at_any_site_and_missing_values_count_nowhere():
    data = frame_of([[12, 30, 20, 15, 11], [20, 11, 40, 12, 13]], ("new", "old"))
    data = pd.concat([data, data.assign(x=np.nan), data.assign(arm=None)])
    parts = [
        [data[data.arm == "new"], data[data.arm != "new"], data.iloc[:0]],
        [data.iloc[::3], data.iloc[1::3], data.iloc[2::3]],
    ]
    answers = [
        StatisticWorld(data, COLUMNS, parts=each).ask("quantile", column="x", q=["0.5", "0.3"], by="arm")
        for each in parts
    ]
    assert answers[0].values() == answers[1].values()
    assert bins_of(answers[0]) == [2, 2, None, 1, 1, None]


# -- attacks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "q", "expected"),
    [
        ([10, 50, 40, 0, 0], "0.5", 1),
        ([9, 51, 40, 0, 0], "0.5", None),  # too few before it
        ([10, 81, 9, 0, 0], "0.5", None),  # too few after it
        ([50, 9, 41, 0, 0], "0.55", None),  # too few in it
        ([60, 40, 0, 0, 0], "0.5", None),  # the first bin is the smallest value's
        ([10, 40, 50, 0, 0], "0.99", None),  # the last one is the largest value's
        ([0, 0, 0, 0, 0], "0.5", None),
        ([1, 0, 0, 0, 0], "0.5", None),
    ],
)
def test_few_people_in_before_or_after_the_bin_close_it(counts, q, expected):
    world = StatisticWorld(frame_of(counts), COLUMNS)
    assert bins_of(world.ask("quantile", column="x", q=q)) == [expected]
    if expected is None:
        plan = world.plan("quantile", column="x", q=q)
        opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
        assert opened.tolist() == [0, 0]


def test_many_quantiles_do_not_tell_of_a_bin_of_one():
    """The attack: quantiles a person apart walk through the running counts."""
    asked = [str(0.3 + 0.002 * step)[:5] for step in range(20)]
    answers = [
        StatisticWorld(frame_of([100, 65 - one, one, 70, 65]), COLUMNS).ask("quantile", column="x", q=asked)
        for one in (0, 1)
    ]
    assert 2 not in bins_of(answers[1])


def test_the_threshold_counts_a_unit_at_every_site():
    found = [
        bins_of(
            StatisticWorld(frame_of([25, 50, 25, 0, 0]), COLUMNS, max_sites_per_unit=sites).ask(
                "quantile", column="x"
            )
        )
        for sites in (1, 3)
    ]
    assert found == [[1], [None]]


# -- private -------------------------------------------------------------------------------------------------------


def test_a_private_quantile_is_one_release_without_a_guard():
    world = StatisticWorld(frame_of([100, 300, 200, 50, 40]), COLUMNS)
    plan = world.plan("quantile", column="x", q=["0.1", "0.5"], epsilon="1")
    assert (len(plan.cost), plan.has_products, plan.most_opened) == (1, False, 5)
    answer = world.ask("quantile", column="x", q=["0.1", "0.5"], epsilon="1")
    assert bins_of(answer)[1] == 1
    empty = StatisticWorld(frame_of([0, 0, 0, 0, 0]), COLUMNS)
    for _ in range(3):
        answer = empty.ask("quantile", column="x", epsilon="0.5")
        assert (answer.closed, answer.rows[0]["bin"] is None) == ("", False)


def test_without_noise_the_private_quantile_is_the_exact_one():
    world = StatisticWorld(frame_of([100, 300, 200, 50, 40]), COLUMNS)
    private = world.clear("quantile", column="x", q=["0.3", "0.8"], epsilon="9")
    exact = world.ask("quantile", column="x", q=["0.3", "0.8"])
    assert bins_of(private) == bins_of(exact) == [1, 2]


@pytest.mark.parametrize("q", ["0.5", "0.9"])
def test_the_possible_bins_cover_as_often_as_they_say(q):
    """4,000 releases of the hospitals' heart rates in 20 bins, some of which lie at the quantile's edge."""
    world = heart_world()
    counts = np.histogram(world.frame.thalach.dropna(), np.linspace(40, 240, 21))[0]
    truth, generator, trials = known_bin(counts, q), np.random.default_rng(12), 4000
    found = [_possible(counts + generator.normal(0, 12, 20), Fraction(q), 12.0) for _ in range(trials)]
    covered = sum(low <= truth <= high for _, low, high in found)
    assert all(low <= own <= high for own, low, high in found)
    assert stats.binomtest(covered, trials, 0.94, alternative="less").pvalue > 1e-6
    assert np.mean([high - low for _, low, high in found]) < 6


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, InvalidRequestError, "column is missing"),
        ({"column": "free"}, PlanRejectedError, "free has no bins"),
        ({"column": "arm"}, PlanRejectedError, "arm must be numeric"),
        ({"column": "xx"}, PlanRejectedError, "unknown column xx"),
        ({"column": "x", "by": "x"}, InvalidRequestError, "another column"),
        ({"column": "x", "q": 1}, InvalidRequestError, "above 0 and below 1"),
        ({"column": "x", "q": "0"}, InvalidRequestError, "above 0 and below 1"),
        ({"column": "x", "q": "0.12345"}, InvalidRequestError, "three decimals"),
        ({"column": "x", "q": ["0.5", "0.50"]}, InvalidRequestError, "different numbers"),
        ({"column": "x", "q": "half"}, InvalidRequestError, "must be a number or a list of numbers"),
        ({"column": "x", "q": []}, InvalidRequestError, "must be a number or a list of numbers"),
        ({"column": "x", "grid": [15]}, InvalidRequestError, "edges of the declared bins alone"),
    ],
)
def test_arguments_are_refused_before_a_charge(arguments, error, text):
    world = StatisticWorld(frame_of([1, 1, 1, 1, 1]), COLUMNS)
    for epsilon in (None, "1"):
        with pytest.raises(error, match=text):
            world.plan("quantile", epsilon=epsilon, **arguments)
