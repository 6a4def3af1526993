"""The test of shares: equal to scipy's in exact mode, closed with one small count, with the noise in its private p-value."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.tables import independence

COLUMNS = {
    "blood": {"type": "categorical", "domain": ["0", "A", "B", "AB"], "nullable": True},
    "one": {"type": "categorical", "domain": ["x"]},
    "free": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1},
}


def world_of(counts, missing=7, **fields):
    blood = np.repeat(np.array(["0", "A", "B", "AB", None], dtype=object), [*counts, missing])
    data = pd.DataFrame({"blood": blood, "one": "x", "free": 1}).sample(frac=1, random_state=3)
    return StatisticWorld(data, COLUMNS, **fields)


def test_the_hospitals_test_equals_scipys():
    world = heart_world()
    counts = pd.cut(world.frame.age, [0, 40, 50, 60, 121], right=False).value_counts(sort=False).to_numpy()
    answer = world.ask("goodness_of_fit", column="age", expected=["1", "2.5", "3", "2"])
    known = stats.chisquare(counts, np.array([1, 2.5, 3, 2]) / 8.5 * counts.sum())
    assert (answer.statistic, answer.pvalue) == pytest.approx((known.statistic, known.pvalue), rel=1e-9)
    assert answer.observed == tuple(map(float, counts))
    equal = world.ask("goodness_of_fit", column="age")
    known = stats.chisquare(counts)
    assert (equal.statistic, equal.pvalue, equal.dof) == pytest.approx(
        (known.statistic, known.pvalue, 3), rel=1e-9
    )
    assert equal.frame["expected"].tolist() == pytest.approx([counts.sum() / 4] * 4)


@pytest.mark.parametrize("few", [0, 1, 9])
def test_one_small_count_closes_all_and_looks_like_none(few):
    world = world_of([40, 50, 30, few])
    plan = world.plan("goodness_of_fit", column="blood")
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    assert opened.tolist() == [0] * 5
    answer = world.ask("goodness_of_fit", column="blood")
    assert (answer.closed, answer.statistic, len(answer.frame)) == ("minimum_cell", None, 0)


def test_the_threshold_counts_a_unit_at_every_site():
    closed = [
        world_of([40, 50, 30, 20], max_sites_per_unit=sites).ask("goodness_of_fit", column="blood").closed
        for sites in (1, 3)
    ]
    assert closed == ["", "minimum_cell"]


def test_a_private_test_is_one_release_without_a_guard():
    world = world_of([40, 50, 30, 0])
    plan = world.plan("goodness_of_fit", column="blood", epsilon="1")
    assert (len(plan.cost), plan.has_products) == (1, False)
    assert 0 < world.ask("goodness_of_fit", column="blood", epsilon="1").pvalue <= 1
    for _ in range(3):
        answer = world_of([0, 0, 0, 0]).ask("goodness_of_fit", column="blood", epsilon="0.5")
        assert (answer.closed, 0 < answer.pvalue <= 1) == ("", True)
    exact, private = (
        world.ask("goodness_of_fit", column="blood"),
        world.clear("goodness_of_fit", column="blood", epsilon="9"),
    )
    assert exact.closed == "minimum_cell"
    assert private.observed == (40, 50, 30, 0)
    assert private.statistic == pytest.approx(stats.chisquare([40, 50, 30, 0]).statistic, rel=1e-12)


def test_the_private_pvalue_keeps_its_level(monkeypatch):
    monkeypatch.setattr(independence, "REPLICATES", 199)
    plan = world_of([40, 50, 30, 20]).plan(
        "goodness_of_fit", column="blood", expected=[4, 3, 2, 1], epsilon="0.2"
    )
    (law,), generator, trials = plan.noise, np.random.default_rng(2), 300
    found, classical = 0, 0
    for _ in range(trials):
        counts = generator.multinomial(400, [0.4, 0.3, 0.2, 0.1])
        opened = np.rint((counts + law.draw(4, generator)) * law.weight).astype(np.int64)
        answer = plan.statistic.estimate((opened,), plan.noise)
        found += answer.pvalue <= 0.05
        classical += stats.chi2.sf(answer.statistic, 3) <= 0.05
    assert stats.binomtest(found, trials, 0.05, alternative="greater").pvalue > 1e-6
    assert classical > 2 * found > 0


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, InvalidRequestError, "column is missing"),
        ({"column": "bloot"}, PlanRejectedError, "did you mean blood"),
        ({"column": "free"}, PlanRejectedError, "no bins"),
        ({"column": "one"}, InvalidRequestError, "must have 2 to"),
        ({"column": "blood", "expected": [1, 2]}, InvalidRequestError, "must be 4 numbers above 0"),
        ({"column": "blood", "expected": [1, 2, 3, 0]}, InvalidRequestError, "must be 4 numbers above 0"),
        ({"column": "blood", "expected": "equal"}, InvalidRequestError, "must be a list"),
    ],
)
def test_arguments_are_refused_before_a_charge(arguments, error, text):
    for epsilon in (None, "1"):
        with pytest.raises(error, match=text):
            world_of([1, 1, 1, 1]).plan("goodness_of_fit", epsilon=epsilon, **arguments)


def test_no_row_without_a_guard_is_undefined():
    answer = world_of([0, 0, 0, 0], minimum_cell=0).ask("goodness_of_fit", column="blood")
    assert (answer.closed, answer.statistic) == ("undefined", None)
