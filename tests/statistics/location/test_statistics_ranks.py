"""Mann-Whitney and Kruskal-Wallis over bins: equal to scipy's, closed where a cell is small, and honest under noise."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.tables import independence

COLUMNS = {
    "arm": {"type": "categorical", "domain": ["new", "old", "none"], "nullable": True},
    "ill": {"type": "boolean"},
    "pain": {
        "type": "numeric",
        "lower": 0,
        "upper": 10,
        "resolution": 1,
        "bins": [0, 2, 4, 7, 10],
        "nullable": True,
    },
    "wide": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1, "bins": [0, 10]},
    "free": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1},
}
EDGES = [2, 4, 7]


def frame(n=400, seed=2):
    generator = np.random.default_rng(seed)
    pain = generator.integers(0, 11, n).astype(float)
    pain[:6] = np.nan
    arm = np.array(["new", "old", "none"], dtype=object)[generator.integers(0, 3, n)]
    arm[8:11] = None
    return pd.DataFrame({"arm": arm, "ill": generator.random(n) < 0.5, "pain": pain, "wide": 5, "free": 5})


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


@pytest.fixture(scope="module")
def heart():
    return heart_world()


def places(world, column, by, labels, edges):
    known = world.frame.dropna(subset=[column])
    bins = np.digitize(known[column], edges)
    return [bins[(known[by] == label).to_numpy()] for label in labels]


# -- equal to the pooled test --------------------------------------------------------------------------------------


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_the_hospitals_mann_whitney_equals_scipys(heart, alternative):
    answer = heart.ask("mann_whitney", column="thalach", by="disease", alternative=alternative)
    first, second = places(heart, "thalach", "disease", [False, True], [110, 130, 150, 170])
    known = stats.mannwhitneyu(first, second, alternative=alternative, method="asymptotic")
    assert answer.statistic == pytest.approx(known.statistic, rel=1e-9)
    assert answer.pvalue == pytest.approx(known.pvalue, rel=1e-9)
    pairs = (first[:, None] > second) + (first[:, None] == second) / 2
    assert answer.auc == pytest.approx(pairs.mean(), rel=1e-12)
    # DeLong's variance from single people
    error = np.sqrt(
        pairs.mean(axis=1).var(ddof=1) / len(first) + pairs.mean(axis=0).var(ddof=1) / len(second)
    )
    assert answer.sampling_error == pytest.approx(error, rel=1e-9)


def test_the_hospitals_kruskal_wallis_equals_scipys(heart):
    answer = heart.ask("kruskal_wallis", column="age", by="cp", grid=[50, 60])
    labels = ["typical", "atypical", "non_anginal", "asymptomatic"]
    samples = places(heart, "age", "cp", labels, [50, 60])
    known = stats.kruskal(*samples)
    assert (answer.statistic, answer.pvalue) == pytest.approx((known.statistic, known.pvalue), rel=1e-9)
    assert (answer.dof, answer.closed) == (3, "")
    assert answer.frame.to_numpy().tolist() == [np.bincount(each, minlength=3).tolist() for each in samples]


@pytest.mark.parametrize("seed", [0, 1])
def test_rows_may_lie_at_any_site(seed):
    data = frame(seed=4).sample(frac=1, random_state=seed)
    parts = [
        [data[data.arm == "old"], data[data.arm != "old"], data.iloc[:0]],
        [data.iloc[::3], data.iloc[1::3], data.iloc[2::3]],
    ]
    for name, arguments in (("mann_whitney", {"groups": ["none", "old"]}), ("kruskal_wallis", {})):
        first, second = (
            StatisticWorld(data, COLUMNS, parts=each).ask(name, column="pain", by="arm", **arguments)
            for each in parts
        )
        assert first.values() == second.values()
        known = places(StatisticWorld(data, COLUMNS), "pain", "arm", first.labels, EDGES)
        expected = (
            stats.kruskal(*known)
            if name == "kruskal_wallis"
            else stats.mannwhitneyu(*known, method="asymptotic")
        )
        assert (first.statistic, first.pvalue) == pytest.approx(
            (expected.statistic, expected.pvalue), rel=1e-9
        )


# -- attacks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("few", [0, 1, 9])
def test_one_small_cell_closes_all_and_looks_like_none(few):
    data = frame()
    last = np.flatnonzero((data.pain >= 7) & data.ill)
    data.loc[last[few:], "pain"] = 5
    small = StatisticWorld(data, COLUMNS)
    for name in ("mann_whitney", "kruskal_wallis"):
        plan = small.plan(name, column="pain", by="ill")
        opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in small.answers(plan))
        assert opened.tolist() == [0] * (8 + 1)
        assert small.ask(name, column="pain", by="ill").closed == "minimum_cell"
        assert small.ask(name, column="pain", by="ill", grid=[2, 4]).closed == ""  # coarser bins hold enough


def test_no_edge_comes_from_the_request_alone(world):
    """The attack: an edge that separates one person from the others."""
    with pytest.raises(InvalidRequestError, match="edges of the declared bins alone"):
        world.plan("mann_whitney", column="pain", by="ill", grid=[3])


def test_the_threshold_counts_a_unit_at_every_site():
    closed = [
        StatisticWorld(frame(), COLUMNS, max_sites_per_unit=sites, minimum_cell=20)
        .ask("mann_whitney", column="pain", by="ill")
        .closed
        for sites in (1, 3)
    ]
    assert closed == ["", "minimum_cell"]


# -- private -------------------------------------------------------------------------------------------------------


def test_a_private_test_is_one_release_without_a_guard(world):
    for name in ("mann_whitney", "kruskal_wallis"):
        plan = world.plan(name, column="pain", by="ill", epsilon="1")
        assert (len(plan.cost), plan.has_products) == (1, False)
        assert 0 < world.ask(name, column="pain", by="ill", epsilon="1").pvalue <= 1
    vacant = StatisticWorld(frame().iloc[:0], COLUMNS)
    for name in ("mann_whitney", "kruskal_wallis"):
        for _ in range(3):
            answer = vacant.ask(name, column="pain", by="ill", epsilon="0.5")
            assert (answer.closed, 0 < answer.pvalue <= 1) == ("", True)


def test_without_noise_private_statistics_are_the_exact_ones(heart):
    for name, arguments in (("mann_whitney", {"by": "disease"}), ("kruskal_wallis", {"by": "disease"})):
        exact = heart.ask(name, column="thalach", **arguments)
        private = heart.clear(name, column="thalach", epsilon="1", **arguments)
        assert private.statistic == pytest.approx(exact.statistic, rel=1e-12)
        assert private.table == exact.table
    assert private.noise_sd > 0


def releases(plan, shares, sizes, trials, generator):
    """What a private plan opens of tables drawn from known shares of the bins in each group."""
    (law,) = plan.noise
    drawn = np.concatenate(
        [generator.multinomial(n, p, size=trials) for n, p in zip(sizes, shares, strict=True)], axis=1
    )
    noisy = drawn + law.draw(drawn.size, generator).reshape(drawn.shape)
    return np.rint(noisy * law.weight).astype(np.int64)


@pytest.fixture(scope="module")
def heart_shares(heart):
    found = places(heart, "thalach", "disease", [False, True], [110, 130, 150, 170])
    return [np.bincount(each, minlength=5) / len(each) for each in found]


@pytest.mark.slow
def test_intervals_of_the_area_cover_as_often_as_they_say(heart, heart_shares, monkeypatch):
    """4,000 releases of the hospitals' distribution, at an epsilon whose noise is as large as sampling's."""
    monkeypatch.setattr(independence, "REPLICATES", 1)
    plan = heart.plan("mann_whitney", column="thalach", by="disease", epsilon="0.4")
    first, second = heart_shares
    truth = float((first * (np.cumsum(second) - second / 2)).sum())
    trials, covered, noise = 4000, 0, []
    for opened in releases(plan, heart_shares, (400, 450), trials, np.random.default_rng(3)):
        answer = plan.statistic.estimate((opened,), plan.noise)
        low, high = answer.interval()
        covered += low <= truth <= high
        noise.append(answer.noise_error / answer.sampling_error)
    assert np.median(noise) > 0.5
    assert stats.binomtest(covered, trials, 0.94, alternative="less").pvalue > 1e-6
    assert covered < 0.975 * trials


@pytest.mark.parametrize("name", ["mann_whitney", "kruskal_wallis"])
def test_private_pvalues_keep_their_level(heart, heart_shares, name, monkeypatch):
    monkeypatch.setattr(independence, "REPLICATES", 199)
    plan = heart.plan(name, column="thalach", by="disease", epsilon="0.2")
    equal = [np.mean(heart_shares, axis=0)] * 2
    trials, found, classical = 100, 0, 0
    for opened in releases(plan, equal, (300, 300), trials, np.random.default_rng(6)):
        answer = plan.statistic.estimate((opened,), plan.noise)
        found += answer.pvalue <= 0.05
        cells = np.maximum(np.rint(opened / plan.noise[0].weight), 0).astype(int).reshape(2, -1)
        samples = [np.repeat(np.arange(5), row) for row in cells]
        classical += stats.kruskal(*samples).pvalue <= 0.05
    assert stats.binomtest(found, trials, 0.05, alternative="greater").pvalue > 1e-6
    assert classical > 2 * found


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"column": "pain"}, InvalidRequestError, "by is missing"),
        ({"column": "pain", "by": "pain"}, InvalidRequestError, "another column"),
        ({"column": "pain", "by": "arm"}, InvalidRequestError, "must name two groups of arm, which has 3"),
        (
            {"column": "pain", "by": "arm", "groups": ["new", "gone"]},
            InvalidRequestError,
            "has no group gone",
        ),
        ({"column": "free", "by": "ill"}, PlanRejectedError, "free has no bins"),
        ({"column": "wide", "by": "ill"}, InvalidRequestError, "at least two bins"),
        ({"column": "arm", "by": "ill"}, PlanRejectedError, "arm must be numeric"),
        ({"column": "pian", "by": "ill"}, PlanRejectedError, "did you mean pain"),
        (
            {"column": "pain", "by": "ill", "alternative": "more"},
            InvalidRequestError,
            "must be one of two-sided",
        ),
    ],
)
def test_arguments_are_refused_before_a_charge(world, arguments, error, text):
    for epsilon in (None, "1"):
        with pytest.raises(error, match=text):
            world.plan("mann_whitney", epsilon=epsilon, **arguments)
    with pytest.raises(InvalidRequestError, match="at least two groups"):
        world.plan("kruskal_wallis", column="pain", by="arm", groups=["new"])


@pytest.mark.parametrize("values", [5.0, np.nan])
def test_rows_that_are_all_tied_or_missing_are_undefined_without_a_guard(values):
    world = StatisticWorld(frame().assign(pain=values), COLUMNS, minimum_cell=0)
    for name in ("mann_whitney", "kruskal_wallis"):
        answer = world.ask(name, column="pain", by="ill")
        assert (answer.closed, answer.statistic, answer.pvalue) == ("undefined", None, None)
        assert len(answer.frame) == 0


def test_one_group_alone_is_undefined_without_a_guard():
    world = StatisticWorld(frame().assign(ill=True), COLUMNS, minimum_cell=0)
    for name in ("mann_whitney", "kruskal_wallis"):
        assert world.ask(name, column="pain", by="ill").closed == "undefined"
