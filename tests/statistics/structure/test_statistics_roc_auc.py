"""The ROC curve: equal to pairs counted one by one and to scikit-learn; closed where its table has a small cell."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, PlanRejectedError

EDGES = [0, 2, 5, 7, 10]
COLUMNS = {
    "score": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 0.5, "bins": EDGES, "nullable": True},
    "truth": {"type": "boolean", "nullable": True},
    "bare": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1},
    "single": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1, "bins": [0, 10]},
}


def people(n=400, seed=0):
    draws = np.random.default_rng(seed)
    truth = draws.random(n) < 0.5
    score = np.round(np.clip(draws.normal(4 + 2 * truth, 2.5), 0, 10) * 2) / 2
    frame = pd.DataFrame({"score": score, "truth": truth.astype(object), "bare": 1, "single": 1})
    frame.loc[draws.random(n) < 0.1, "score"] = np.nan
    frame.loc[draws.random(n) < 0.1, "truth"] = None
    return frame


def ask(frame, **fields):
    return StatisticWorld(frame, COLUMNS, **fields).ask("roc_auc", score="score", truth="truth")


def binned(frame, score, truth, inner):
    known = frame[[score, truth]].dropna()
    return np.searchsorted(inner, known[score].astype(float), side="right"), known[truth].astype(
        bool
    ).to_numpy()


def delong(places, truth):
    """Area and variance from every pair, one by one."""
    ill, well = places[truth], places[~truth]
    pairs = (ill[:, None] > well) + 0.5 * (ill[:, None] == well)
    by_ill, by_well = pairs.mean(axis=1), pairs.mean(axis=0)
    return pairs.mean(), by_ill.var(ddof=1) / len(ill) + by_well.var(ddof=1) / len(well)


def check(answer, places, truth):
    auc, variance = delong(places, truth)
    assert answer.auc == pytest.approx(auc, rel=1e-9)
    assert answer.auc == pytest.approx(metrics.roc_auc_score(truth, places), rel=1e-9)
    width = stats.norm.ppf(0.975) * np.sqrt(variance)
    assert answer.interval() == pytest.approx((max(0, auc - width), min(1, auc + width)), rel=1e-9)
    for place, point in enumerate(answer.points):
        assert point["sensitivity"] == pytest.approx((places[truth] >= place).mean(), rel=1e-9, abs=1e-12)
        assert point["specificity"] == pytest.approx((places[~truth] < place).mean(), rel=1e-9, abs=1e-12)


def test_the_hospitals_equal_pairs_counted_one_by_one():
    world = heart_world()
    for score, inner in (("age", [40, 50, 60]), ("thalach", [110, 130, 150, 170])):
        answer = world.ask("roc_auc", score=score, truth="disease")
        check(answer, *binned(world.frame, score, "disease", inner))
        assert answer.frame.threshold.tolist()[1:] == inner
        same = world.ask("mann_whitney", column=score, by="disease")
        assert same.auc == pytest.approx(1 - answer.auc, rel=1e-12)  # its first group is false
    coarse = world.ask("roc_auc", score="thalach", truth="disease", grid=[130])
    check(coarse, *binned(world.frame, "thalach", "disease", [130]))


@settings(max_examples=4)
@given(st.integers(0, 10**6))
def test_law_random_tables_equal_pairs_however_rows_are_dealt_to_sites(seed):
    frame = people(seed=seed).sort_values("score")
    places, truth = binned(frame, "score", "truth", EDGES[1:-1])
    smallest = min(np.bincount(places[truth == value], minlength=4).min() for value in (False, True))
    answer = ask(frame)
    assert answer.closed == ("" if smallest >= 10 else "minimum_cell")
    unguarded = ask(frame, minimum_cell=0)
    check(unguarded, places, truth)
    parts = [frame.iloc[:100], frame.iloc[100:], frame.iloc[:0]]
    assert ask(frame, minimum_cell=0, parts=parts).values() == unguarded.values()


def rows(table):
    scores, truths = [0, 3, 6, 9], [True, False]
    cells = [
        (scores[b], truths[t]) for t, row in enumerate(table) for b, n in enumerate(row) for _ in range(n)
    ]
    frame = pd.DataFrame(cells, columns=["score", "truth"])
    return frame.assign(bare=1, single=1, truth=frame.truth.astype(object))


def test_one_small_cell_closes_the_curve_and_none_looks_like_nine():
    """The attack: a sensitivity times the number of ill people counts those of one bin."""
    answers = [ask(rows([[20, 30, few, 40], [50, 30, 20, 11]])) for few in (0, 1, 9, 10)]
    assert [answer.closed for answer in answers] == ["minimum_cell"] * 3 + [""]
    assert len({str(answer.values()) for answer in answers[:3]}) == 1
    assert (answers[0].auc, answers[0].points, answers[0].interval()) == (None, (), (None, None))


def test_one_truth_alone_has_a_named_answer():
    for table in ([[20, 30, 10, 40], [0] * 4], [[0] * 4, [20, 30, 10, 40]], [[0] * 4, [0] * 4]):
        frame = rows(table) if np.sum(table) else rows([[20] * 4, [20] * 4]).iloc[:0]
        assert ask(frame).closed == "minimum_cell"
        assert ask(frame, minimum_cell=0).closed == "undefined"


def test_perfect_and_useless_scores():
    assert ask(rows([[0, 0, 20, 20], [20, 20, 0, 0]]), minimum_cell=0).auc == 1
    useless = ask(rows([[20] * 4, [20] * 4]))
    assert useless.auc == 0.5
    assert useless.points[0]["sensitivity"] == 1
    assert useless.points[0]["specificity"] == 0


# -- private -------------------------------------------------------------------------------------------------------


def test_without_noise_the_private_curve_is_the_exact_one():
    world = heart_world()
    asked = {"score": "thalach", "truth": "disease"}
    exact, private = world.ask("roc_auc", **asked), world.clear("roc_auc", epsilon="1", **asked)
    assert private.auc == pytest.approx(exact.auc, rel=1e-12)
    assert private.sampling_error == pytest.approx(exact.sampling_error, rel=1e-12)
    for one, other in zip(private.points, exact.points, strict=True):
        for name in ("threshold", "sensitivity", "specificity"):
            assert one[name] == pytest.approx(other[name], rel=1e-12, abs=1e-12)
    assert private.noise_error > 0


def test_a_private_curve_is_one_release_without_a_guard_whatever_the_data():
    plan = StatisticWorld(people(), COLUMNS).plan("roc_auc", score="score", truth="truth", epsilon="1")
    assert (len(plan.cost), plan.has_products) == (1, False)
    for frame in (people(), people(1), people().assign(truth=True)):
        answer = StatisticWorld(frame, COLUMNS).ask("roc_auc", score="score", truth="truth", epsilon="0.5")
        assert (answer.closed, 0 <= answer.auc <= 1) == ("", True)


@pytest.mark.parametrize("count", [600, pytest.param(4_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("epsilon", ["0.4", "2"])
def test_private_intervals_cover_the_population_and_noise_errors_the_exact_figures(count, epsilon):
    """Tables drawn from the hospitals' shares, and noise on each: the interval holds both, the noise's error one."""
    world = heart_world()
    asked = {"score": "thalach", "truth": "disease"}
    plan, truth = world.plan("roc_auc", epsilon=epsilon, **asked), world.ask("roc_auc", **asked)
    (law,), table = plan.noise, np.array(truth.table)
    draws = np.random.default_rng(4)
    hits = {"population": 0, "auc": 0, **{(place, side): 0 for place in range(1, 5) for side in (1, 2)}}
    for _ in range(count):
        drawn = np.stack([draws.multinomial(int(row.sum()), row / row.sum()) for row in table])
        noise = law.draw(table.size, draws).reshape(table.shape)
        both, alone = (
            plan.statistic.estimate(
                (np.rint((counts + noise) * law.weight).astype(np.int64).ravel(),), plan.noise
            )
            for counts in (drawn, table)
        )
        low, high = both.interval()
        hits["population"] += low <= truth.auc <= high
        hits["auc"] += abs(alone.auc - truth.auc) <= 1.96 * alone.noise_error
        for place in range(1, 5):
            for side, name in ((1, "sensitivity"), (2, "specificity")):
                error = abs(alone.points[place][name] - truth.points[place][name])
                hits[place, side] += error <= 1.96 * alone.points[place][f"{name}_noise"]
    for what, each in hits.items():
        assert stats.binom.cdf(each, count, 0.94) > 1e-6, (what, each / count)


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"score": "nothing"}, PlanRejectedError, "unknown column nothing"),
        ({"score": "truth"}, PlanRejectedError, "must be numeric"),
        ({"score": "bare"}, PlanRejectedError, "has no bins"),
        ({"score": "single"}, InvalidRequestError, "at least two bins"),
        ({"truth": "score"}, PlanRejectedError, "must be true or false"),
        ({"grid": [3]}, InvalidRequestError, "edges of the declared bins alone"),
        ({"grid": [5, 2]}, InvalidRequestError, "must rise"),
        ({"by": "truth"}, InvalidRequestError, "is not an argument of roc_auc"),
    ],
)
@pytest.mark.parametrize("epsilon", [None, "1"])
def test_wrong_arguments_are_refused_before_a_charge(arguments, error, text, epsilon):
    world = StatisticWorld(people(10), COLUMNS)
    how = {} if epsilon is None else {"epsilon": epsilon}
    with pytest.raises(error, match=text):
        world.plan("roc_auc", **({"score": "score", "truth": "truth"} | arguments | how))
