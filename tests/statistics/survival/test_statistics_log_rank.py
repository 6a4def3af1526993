"""The private log-rank test: the textbook's statistic without noise, a p-value that keeps its level with it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.life_tables import log_rank_cells as module

EDGES = [0, 30, 60, 90, 120, 180, 240, 300]
COLUMNS = {
    "days": {"type": "numeric", "lower": 0, "upper": 300, "resolution": 1, "bins": EDGES, "nullable": True},
    "died": {"type": "boolean"},
    "arm": {"type": "categorical", "domain": ["new", "old", "none"], "nullable": True},
    "free": {"type": "numeric", "lower": 0, "upper": 300, "resolution": 1},
}
ASKED = {"duration": "days", "event": "died", "by": "arm"}
HAZARDS = {"new": 400, "old": 200, "none": 350}


def frame(n=600, seed=1, scales=HAZARDS):
    generator = np.random.default_rng(seed)
    arm = np.array(list(scales), dtype=object)[generator.integers(0, 3, n)]
    time = generator.exponential(pd.Series(arm).map(scales).to_numpy(float))
    leaves = generator.uniform(20, 300, n)
    days = np.floor(np.minimum(time, leaves))
    data = pd.DataFrame({"days": days, "died": time <= leaves, "arm": arm, "free": 1})
    data.loc[:4, "days"], data.loc[5:7, "arm"] = np.nan, None
    return data


def person_by_person(data, labels):
    """The oracle: each interval's table from single people, and the sums of its hypergeometric law."""
    known = data.dropna(subset=["days"])
    place = np.digitize(known.days, EDGES[1:-1])
    apart, variance, expected = np.zeros(len(labels)), np.zeros((len(labels),) * 2), np.zeros(len(labels))
    for interval in range(len(EDGES) - 1):
        at_risk = [int(((place >= interval) & (known.arm == label)).sum()) for label in labels]
        died = [int(((place == interval) & known.died & (known.arm == label)).sum()) for label in labels]
        n, d = sum(at_risk), sum(died)
        law = stats.multivariate_hypergeom(at_risk, d)
        apart += np.array(died) - law.mean()
        expected += law.mean()
        variance += law.cov() if n > 1 else 0
    kept = slice(0, len(labels) - 1)
    return apart[kept] @ np.linalg.solve(variance[kept, kept], apart[kept]), expected


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


@pytest.mark.parametrize("labels", [["new", "old", "none"], ["old", "new"]])
def test_without_noise_it_is_the_textbooks_test(world, labels):
    statistic, expected = person_by_person(world.frame, labels)
    answer = world.clear("log_rank", epsilon="9", groups=labels, **ASKED)
    assert answer.statistic == pytest.approx(statistic, rel=1e-9)
    assert answer.expected == pytest.approx(tuple(expected), rel=1e-9)
    known = world.frame.dropna(subset=["days"])
    assert answer.observed == tuple(float(known.died[known.arm == label].sum()) for label in labels)
    assert (answer.dof, answer.labels) == (len(labels) - 1, tuple(labels))


def test_with_little_noise_the_bootstrap_is_the_classical_test():
    mild = StatisticWorld(frame(seed=5, scales={"new": 300, "old": 240, "none": 270}), COLUMNS)
    answer = mild.clear("log_rank", epsilon="90", **ASKED)
    classical = stats.chi2.sf(answer.statistic, 2)
    assert 0.01 < classical < 0.9
    assert answer.pvalue == pytest.approx(classical, abs=5 / np.sqrt(4 * 1999))


def test_a_release_runs_over_shares_without_a_guard(world):
    plan = world.plan("log_rank", epsilon="1", **ASKED)
    assert (len(plan.cost), plan.has_products, plan.most_opened) == (1, False, 3 * 7 * 2)
    answer = world.ask("log_rank", epsilon="3", **ASKED)
    assert (answer.closed, 0 < answer.pvalue <= 1) == ("", True)
    assert "statistic" in repr(answer)
    assert len(answer.frame) == 3
    for data in (frame().iloc[:0], frame().assign(died=False), frame().assign(arm="new")):
        for _ in range(2):
            answer = StatisticWorld(data, COLUMNS).ask("log_rank", epsilon="0.5", **ASKED)
            assert (answer.closed, 0 < answer.pvalue <= 1, answer.statistic >= 0) == ("", True, True)


def test_the_pvalue_keeps_its_level_and_finds_a_difference(world, monkeypatch):
    """Equal survival: at most 5 % reject at 5 %, where the classical p-value rejects far more often."""
    monkeypatch.setattr(module, "REPLICATES", 199)
    plan = world.plan("log_rank", epsilon="0.7", groups=["new", "old"], **ASKED)
    (law,), generator, trials = plan.noise, np.random.default_rng(4), 100
    rejected, classical, power = 0, 0, 0
    for trial in range(trials):
        for is_equal in (True, False):
            if not is_equal and trial % 4:
                continue
            data = frame(
                900, seed=trial, scales={"new": 250, "old": 250 if is_equal else 60, "none": 1}
            ).dropna()
            place = np.digitize(data.days, EDGES[1:-1])
            cells = np.zeros((2, 7, 2))
            rows = (data.arm != "none").to_numpy()
            np.add.at(
                cells,
                (
                    (data.arm == "old").to_numpy()[rows].astype(int),
                    place[rows],
                    data.died.to_numpy()[rows].astype(int),
                ),
                1,
            )
            opened = np.rint((cells.ravel() + law.draw(cells.size, generator)) * law.weight).astype(np.int64)
            answer = plan.statistic.estimate((opened,), plan.noise)
            if is_equal:
                rejected += answer.pvalue <= 0.05
                classical += stats.chi2.sf(answer.statistic, 1) <= 0.05
            else:
                power += answer.pvalue <= 0.05
    assert stats.binomtest(rejected, trials, 0.05, alternative="greater").pvalue > 1e-6, rejected
    assert power > 0.9 * trials / 4
    assert classical > 2 * rejected


def test_one_answer_has_one_pvalue(world):
    first, again = (world.clear("log_rank", 2.0, epsilon="1", **ASKED) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"by": "died"}, InvalidRequestError, "another column"),
        ({"duration": "free"}, PlanRejectedError, "no bins"),
        ({"event": "arm"}, PlanRejectedError, "true or false"),
        ({"by": "amr"}, PlanRejectedError, "did you mean arm"),
        ({"groups": ["new"]}, InvalidRequestError, "must be 2 to"),
        ({"grid": [45]}, InvalidRequestError, "edges of the declared bins alone"),
        ({"weights": "wilcoxon"}, InvalidRequestError, "is not an argument of log_rank"),
    ],
)
def test_arguments_are_refused_before_a_charge(world, changed, error, text):
    with pytest.raises(error, match=text):
        world.plan("log_rank", epsilon="1", **ASKED | changed)
