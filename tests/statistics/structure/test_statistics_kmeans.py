"""Private k-means: one released table, scikit-learn's steps, errors of the noise, no start from a request."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.structure.kmeans import halton, lloyd, nearest

ORACLE = Path(__file__).resolve().parents[2] / "oracles" / "statistics" / "clusters.json"
COLUMNS = {
    "age": {"type": "numeric", "lower": 20, "upper": 100, "resolution": 0.5, "bins": list(range(20, 101, 8))},
    "bmi": {"type": "numeric", "lower": 15, "upper": 45, "resolution": 0.1, "bins": list(range(15, 46, 3))},
    "ward": {"type": "categorical", "domain": ["a", "b"]},
    "plain": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1},
}
ASKED = {"columns": ["age", "bmi"], "k": 3}
MIDDLES = np.array([[30.0, 22.0], [60.0, 36.0], [85.0, 24.0]])


def people(n=3000, seed=1, spread=(5.0, 2.5)):
    """Three groups of different sizes."""
    generator = np.random.default_rng(seed)
    group = generator.choice(3, n, p=[0.5, 0.3, 0.2])
    drawn = MIDDLES[group] + generator.normal(0, 1, (n, 2)) * spread
    frame = pd.DataFrame(np.round(np.clip(drawn, [20, 15], [100, 45]) * 2) / 2, columns=["age", "bmi"])
    return frame.assign(ward="a", plain=1)


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(people(), COLUMNS, rows_max=2000)


@pytest.mark.parametrize("known", json.loads(ORACLE.read_text("utf-8"))["tables"])
def test_steps_from_one_start_equal_those_of_scikit_learn(known):
    points, counts, start = (np.array(known[name]) for name in ("points", "counts", "start"))
    run = lloyd(points, counts, start, 0.0, 100)
    assert run.centers == pytest.approx(np.array(known["cluster_centers_"]), abs=1e-9)
    assert run.inertia == pytest.approx(known["inertia_"], rel=1e-9)
    assert run.n_steps == known["n_iter_"]


def test_the_clusters_of_people_are_found_with_their_sizes(world):
    answer = world.ask("kmeans", epsilon="1", **ASKED)
    assert answer.closed == ""
    assert np.array(answer.cluster_centers_) == pytest.approx(MIDDLES, abs=2.5)
    assert answer.sizes == pytest.approx([1500, 900, 600], abs=150)
    assert list(answer.sizes) == sorted(answer.sizes, reverse=True)
    assert not any(answer.hidden)
    assert answer.frame.columns.tolist() == [
        "size",
        "size error",
        "hidden",
        "age",
        "age error",
        "bmi",
        "bmi error",
    ]
    assert answer.predict(pd.DataFrame(MIDDLES, columns=["age", "bmi"])).tolist() == [0, 1, 2]
    (low, high), _ = answer.interval(0.9)[0]
    assert low < answer.cluster_centers_[0][0] < high
    assert answer.to_dict()["ranges"] == [80.0, 30.0]
    with pytest.raises(InvalidRequestError, match="above 0 and below 1"):
        answer.interval(1)
    with pytest.raises(InvalidRequestError, match="nothing to draw"):
        answer.plot()


def test_one_table_is_the_price_of_a_count_whatever_k(world):
    plans = [world.plan("kmeans", epsilon="1", columns=["age", "bmi"], k=k) for k in (2, 9)]
    crosstab = world.plan("crosstab", epsilon="1", a="age", b="bmi")
    assert plans[0].cost == plans[1].cost == crosstab.cost
    assert [len(plan.statistic.every_step()) for plan in plans] == [1, 1]


def test_no_request_chooses_a_start(world):
    """The attack: starts that cut a half-space around one person. There is no argument for one, and they are in the bounds."""
    with pytest.raises(InvalidRequestError, match="is not an argument of kmeans"):
        world.plan("kmeans", epsilon="1", **ASKED, init=[[30, 20]])
    statistic = world.plan("kmeans", epsilon="1", **ASKED).statistic
    starts = statistic.starts(np.zeros(len(statistic.points)))
    assert starts.shape == (8, 3, 2)
    scaled = starts * [80, 30]
    assert np.all(scaled.min(axis=(0, 1)) >= np.array([20, 15]) - 1e-9)
    assert np.all(scaled.max(axis=(0, 1)) <= [100, 45])
    with pytest.raises(
        InvalidRequestError, match="must be private: two steps of k-means differ by the few people"
    ):
        world.plan("kmeans", **ASKED)


@pytest.mark.parametrize("frame", [people().iloc[:0], people().iloc[:1], people().assign(age=20.0, bmi=20.0)])
def test_nothing_to_cluster_is_an_ordinary_answer_whose_clusters_are_hidden(frame):
    answer = StatisticWorld(frame, COLUMNS, rows_max=2000).ask("kmeans", epsilon="1", **ASKED)
    assert answer.closed == ""
    assert sum(answer.hidden) >= 1
    assert np.isfinite(np.array(answer.cluster_centers_)).all()


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"columns": []}, InvalidRequestError, "list of different texts"),
        ({"columns": ["plain"]}, PlanRejectedError, "plain has no bins"),
        ({"columns": ["ward"]}, PlanRejectedError, "ward must be numeric"),
        ({"columns": ["agee"]}, PlanRejectedError, "unknown column"),
        ({"k": 1}, InvalidRequestError, "from 2 to 20"),
        ({"k": 2.0}, InvalidRequestError, "from 2 to 20"),
        ({"columns": ["age"], "k": 11}, InvalidRequestError, "at most the number of cells"),
        ({"max_iter": 0}, InvalidRequestError, "from 1 to 100"),
    ],
)
def test_arguments_are_refused_before_a_charge(world, changed, error, text):
    with pytest.raises(error, match=text):
        world.plan("kmeans", epsilon="1", **ASKED | changed)


def test_too_many_cells_are_refused():
    fine = {"type": "numeric", "lower": 0, "upper": 200, "resolution": 1, "bins": list(range(201))}
    world = StatisticWorld(
        people().iloc[:0].assign(x=1, y=1), COLUMNS | {"x": fine, "y": fine}, rows_max=2000
    )
    with pytest.raises(InvalidRequestError, match="at most 10000 cells"):
        world.plan("kmeans", epsilon="1", columns=["x", "y"], k=2)


def test_haltons_points_are_those_of_the_book():
    known = np.array([[1 / 2, 1 / 3], [1 / 4, 2 / 3], [3 / 4, 1 / 9], [1 / 8, 4 / 9]])
    assert halton(4, 2) == pytest.approx(known)
    assert nearest(np.array([[0.0], [1.0]]), np.array([[0.5], [0.5]])).tolist() == [0, 0]


def coverage(n, epsilon, count):
    """How often limits of noise hold: the centre of the same cells without noise, and that of the fit without noise."""
    world = StatisticWorld(people(n), COLUMNS, rows_max=2000)
    plan = world.plan("kmeans", epsilon=epsilon, **ASKED)
    (law,) = plan.noise
    statistic, generator = plan.statistic, np.random.default_rng(7)
    points, ranges = statistic.points, statistic.ranges
    total = np.sum(world.scanned(plan), axis=0)[list(statistic.places)]
    clear = statistic.estimate(((total * law.weight).astype(np.int64),), plan.noise)
    hits = []
    for _ in range(count):
        noise = law.draw(len(total), generator)
        answer = statistic.estimate((np.rint((total + noise) * law.weight).astype(np.int64),), plan.noise)
        centers, errors = np.array(answer.cluster_centers_), np.array(answer.noise_errors)
        own = nearest(points, centers / ranges)
        sizes = np.bincount(own, total, 3)
        means = (
            np.stack([np.bincount(own, total * axis, 3) for axis in points.T], axis=1)
            / sizes[:, None]
            * ranges
        )
        place = nearest(centers, np.array(clear.cluster_centers_))
        hits.append(
            [
                np.mean(np.abs(centers - means) <= 1.96 * errors),
                np.mean(np.abs(centers - np.array(clear.cluster_centers_)[place]) <= 1.96 * errors),
                np.mean(np.abs(np.array(answer.sizes) - sizes) <= 1.96 * np.array(answer.size_errors)),
                not any(answer.hidden),
            ]
        )
    return np.mean(hits, axis=0)


def test_a_few_releases_cover_what_they_say():
    assert coverage(3000, "1", 60)[[0, 2]].min() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("n", "epsilon"), [(1000, "1"), (3000, "1"), (10_000, "0.5")])
def test_releases_cover_centres_and_sizes_of_their_cells_as_often_as_they_say(n, epsilon):
    found = coverage(n, epsilon, 4_000)
    assert min(found[0], found[2]) >= 0.94, found
