"""Partial and intraclass correlations, and means with weights: from the sums of products that correlation opens."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.association import icc, released_correlation
from tests.examples import costly_law
from tests.statistics.regression.test_statistics_gram_release import covers, released, without_noise

NUMBER = {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1}
COLUMNS = {
    "x": NUMBER | {"resolution": 0.5, "nullable": True},
    "y": NUMBER | {"lower": -50, "upper": 250},
    "z": NUMBER,
    "arm": {"type": "categorical", "domain": ["new", "old", "none"], "nullable": True},
    "ill": {"type": "boolean"},
    "weight": NUMBER | {"resolution": 0.1, "lower": 0.1, "upper": 10},
    "share": NUMBER | {"upper": 10},
    "first": NUMBER,
    "second": NUMBER,
    "third": NUMBER,
    "change": NUMBER | {"lower": -5},
}
ASKED = {
    "partial_correlation": {"columns": ["x", "y"], "controls": ["z", "arm", "ill"]},
    "weighted_mean": {"column": "y", "weights": "weight"},
    "icc": {"columns": ["first", "second", "third"]},
}
TRIALS = 4000


def frame(n=600, seed=1):
    generator = np.random.default_rng(seed)
    arm = np.array(["new", "old", "none"], dtype=object)[generator.integers(0, 3, n)]
    x = np.round(generator.uniform(1, 99, n) * 2) / 2
    z = np.rint(np.clip(0.5 * x + generator.normal(25, 15, n), 1, 99))
    ill = generator.random(n) < 0.4
    y = np.clip(
        np.rint(20 + 1.3 * x - 9 * ill - z + 15 * (arm == "old") + generator.normal(0, 20, n)), -49, 249
    )
    target = generator.normal(50, 18, n)
    raters = {
        name: np.clip(np.rint(target + shift + generator.normal(0, 9, n)), 1, 99)
        for name, shift in (("first", 0), ("second", 4), ("third", -3))
    }
    x[:5], arm[9:12] = np.nan, None
    weight = generator.integers(1, 100, n) / 10
    return pd.DataFrame({"x": x, "y": y, "z": z, "arm": arm, "ill": ill, "weight": weight, **raters}).assign(
        change=generator.integers(-5, 100, n), share=generator.integers(0, 11, n)
    )


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


# -- equal to the pooled figures -------------------------------------------------------------------------------------


def residuals(data, columns, controls):
    """The oracle: of least squares of each column on a design of dummies, by numpy."""
    known = data[[*columns, *controls]].dropna()
    parts = [np.ones((len(known), 1))]
    for name in controls:
        levels = COLUMNS[name].get("domain", [])[1:]
        parts += [(known[name] == level).to_numpy(float)[:, None] for level in levels]
        parts += [] if levels else [known[[name]].to_numpy(float)]
    design, wanted = np.hstack(parts), known[columns].to_numpy(float)
    return wanted - design @ np.linalg.lstsq(design, wanted, rcond=None)[0], design.shape[1] - 1


@pytest.mark.parametrize("controls", [["z"], ["z", "arm", "ill"]])
def test_partial_correlations_are_those_of_residuals(world, controls):
    columns = ["x", "y", "weight"]
    left, n_fixed = residuals(world.frame, columns, controls)
    exact = world.ask("partial_correlation", columns=columns, controls=controls)
    for answer in (exact, without_noise(world, "partial_correlation", columns=columns, controls=controls)):
        assert np.array(answer.correlation) == pytest.approx(np.corrcoef(left.T), rel=1e-9)
        assert answer.names == ("x", "y", "weight")
        assert answer.n == len(left)
    n = len(left)
    assert np.array(exact.covariance) == pytest.approx(left.T @ left / (n - 1 - n_fixed), rel=1e-9)
    # as pingouin.partial_corr has them
    value, free = exact.correlation[0][1], n - 2 - n_fixed
    t = abs(value) * np.sqrt(free / (1 - value**2))
    assert exact.pvalue == pytest.approx(2 * stats.t.sf(t, free), rel=1e-9)
    width = stats.norm.ppf(0.975) / np.sqrt(n - n_fixed - 3)
    expected = np.tanh(np.arctanh(value) + np.array([-width, width]))
    assert exact.confidence_interval() == pytest.approx(tuple(expected), rel=1e-9)
    plain = world.ask("correlation", columns=["x", "y"])
    assert abs(plain.statistic - exact.statistic) > 0.05


def test_a_private_partial_correlation_is_near_its_bootstrap(world):
    asked = {"columns": ["x", "y"], "controls": ["z", "ill"]}
    exact, silent = (
        world.ask("partial_correlation", **asked),
        without_noise(world, "partial_correlation", **asked),
    )
    assert silent.confidence_interval() == pytest.approx(exact.confidence_interval(), abs=0.03)
    noisy = world.ask("partial_correlation", epsilon="20", **asked)
    low, high = noisy.confidence_interval()
    assert low < exact.statistic < high
    assert noisy.values()["pvalues"][0][1] == noisy.pvalue


def shrout_fleiss(values):
    """The oracle: mean squares by loops over a table of targets and raters, then Shrout and Fleiss' six formulas."""
    n, k = values.shape
    grand = values.mean()
    msr = k * sum((row.mean() - grand) ** 2 for row in values) / (n - 1)
    msc = n * sum((column.mean() - grand) ** 2 for column in values.T) / (k - 1)
    left = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + grand
    mse = (left**2).sum() / ((n - 1) * (k - 1))
    msw = sum(((row - row.mean()) ** 2).sum() for row in values) / (n * (k - 1))
    return (
        (msr - msw) / (msr + (k - 1) * msw),
        (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n),
        (msr - mse) / (msr + (k - 1) * mse),
        (msr - msw) / msr,
        (msr - mse) / (msr + (msc - mse) / n),
        (msr - mse) / msr,
    ), (msr, msc, mse, msw)


def test_intraclass_correlations_are_shrouts_and_fleiss(world):
    raters = ["first", "second", "third"]
    values = world.frame[raters].to_numpy(float)
    expected, (msr, _, mse, msw) = shrout_fleiss(values)
    exact, silent = world.ask("icc", columns=raters), without_noise(world, "icc", columns=raters)
    assert exact.icc == pytest.approx(expected, rel=1e-9)
    assert silent.icc == pytest.approx(expected, rel=1e-9)
    n, k = values.shape
    for place, (below, free) in enumerate(((msw, n * (k - 1)), (mse, (n - 1) * (k - 1)))):
        found = msr / below / np.array([stats.f.ppf(0.975, n - 1, free), 1 / stats.f.ppf(0.975, free, n - 1)])
        low, high = exact.interval()[(0, 2)[place]]
        assert (low, high) == pytest.approx(tuple((found - 1) / (found + k - 1)), rel=1e-9)
        mean = exact.interval()[(3, 5)[place]]
        assert mean == pytest.approx(tuple(1 - 1 / found), rel=1e-9)
        assert exact.pvalues[(0, 2)[place]] == pytest.approx(stats.f.sf(msr / below, n - 1, free), rel=1e-9)
    # the bootstrap takes the columns as they are, so it leaves out that other raters may differ by other numbers
    assert silent.interval()[2] == pytest.approx(exact.interval()[2], abs=0.03)
    assert exact.interval()[1][0] < silent.interval()[1][0] < silent.icc[1] < silent.interval()[1][1]
    assert exact.frame.loc["ICC2", "ICC"] == exact.statistic
    assert world.ask("icc", columns=raters, epsilon="30").values()["ICC2"] == pytest.approx(
        expected[1], abs=0.15
    )


def test_the_table_of_shrout_and_fleiss_gives_the_published_figures():
    """Their table 2: six targets, four judges; 0.17, 0.29, 0.71, 0.44, 0.62, 0.91 in their table 4."""
    judges = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    data = pd.DataFrame(judges, columns=list("abcd"))
    world = StatisticWorld(data, {name: NUMBER | {"upper": 10} for name in "abcd"}, minimum_cell=0)
    answer = world.ask("icc", columns=list("abcd"))
    assert [round(value, 2) for value in answer.icc] == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]
    # 95 % limits, as R's psych::ICC and pingouin print them
    low, high = np.array(answer.interval()).T
    assert low[:3].round(2).tolist() == [-0.13, 0.02, 0.34]
    assert high[:3].round(2).tolist() == [0.72, 0.76, 0.95]


def test_a_weighted_mean_is_numpys(world):
    data = world.frame
    exact = world.ask("weighted_mean", column="y", weights="weight")
    silent = without_noise(world, "weighted_mean", column="y", weights="weight")
    expected = np.average(data.y, weights=data.weight)
    effective = data.weight.sum() ** 2 / (data.weight**2).sum()
    for answer, close in ((exact, 1e-12), (silent, 1e-9)):
        assert answer.value == pytest.approx(expected, rel=close)
        assert answer.effective_n == pytest.approx(effective, rel=close)
        assert answer.sum_weights == pytest.approx(data.weight.sum(), rel=close)
        assert answer.sampling_error == pytest.approx(data.y.std(ddof=1) / np.sqrt(effective), rel=1e-9)
        assert answer.noise_error == 0
    half = stats.norm.ppf(0.95) * exact.sampling_error
    assert exact.interval(0.9) == pytest.approx((expected - half, expected + half), rel=1e-9)
    noisy = world.ask("weighted_mean", column="y", weights="weight", epsilon="5")
    assert abs(noisy.value - expected) < 6 * noisy.noise_error
    assert noisy.frame.shape == (1, 8)


@costly_law(1)
@given(st.integers(0, 10**6))
def test_law_rows_may_lie_at_any_site(seed):
    data = frame(n=900, seed=7)
    dealt = data.sample(frac=1, random_state=seed)
    halves = [data[data.ill], data[~data.ill], data.iloc[:0]]
    even = [dealt.iloc[:9], dealt.iloc[9:300], dealt.iloc[300:]]
    for name, arguments in ASKED.items():
        fewer = arguments | ({"controls": ["z"]} if "controls" in arguments else {})
        first, second = (
            StatisticWorld(data, COLUMNS, parts=parts).ask(name, **fewer) for parts in (halves, even)
        )
        assert (first.closed, second.closed) == ("", ""), name
        assert first.values() == second.values()


# -- attacks and bad input -------------------------------------------------------------------------------------------


def one_in_an_arm(data):
    data["arm"] = np.where(np.arange(len(data)) == 20, "none", np.where(data.ill, "new", "old"))


def a_control_that_is_a_column_but_for_one(data):
    data["z"] = np.clip(np.rint(data.x.fillna(50)), 1, 99)
    data["x"] = data.z + np.where(np.arange(len(data)) == 50, 0.5, 0)


def one_with_a_weight(data):
    data["weight"] = np.where(np.arange(len(data)) == 30, 9.0, 0.1)


def few_with_a_weight(data):
    data["weight"] = np.where(np.arange(len(data)) < 9, 3.0, 0.1)


def raters_who_differ_for_one(data):
    data["second"] = data["first"] + (np.arange(len(data)) == 40)
    data["third"] = data["first"]


def raters_who_differ_by_a_number_but_for_one(data):
    data["first"] = np.clip(data["first"], 1, 90)
    data["second"] = data["first"] + 3 + (np.arange(len(data)) == 40)
    data["third"] = data["first"] + 5


ATTACKS = {
    one_in_an_arm: "partial_correlation",
    a_control_that_is_a_column_but_for_one: "partial_correlation",
    one_with_a_weight: "weighted_mean",
    few_with_a_weight: "weighted_mean",
    raters_who_differ_for_one: "icc",
    raters_who_differ_by_a_number_but_for_one: "icc",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_sums_that_tell_of_few_people_are_closed(attack):
    data = frame()
    attack(data)
    name = ATTACKS[attack]
    world = StatisticWorld(data.sample(frac=1, random_state=1), COLUMNS)
    answer = world.ask(name, **ASKED[name])
    assert answer.closed == "minimum_cell"
    assert not any(isinstance(value, float) and value for value in answer.values().values())
    assert world.ask(name, epsilon="1", **ASKED[name]).closed == ""


def test_what_is_undefined_has_its_code():
    data = frame().assign(weight=0.1, third=7, second=7, first=7)
    data["z"] = data.ill.astype(float)
    world = StatisticWorld(data, COLUMNS, minimum_cell=0)
    collinear = world.ask("partial_correlation", columns=["x", "y"], controls=["z", "ill"])
    assert collinear.closed == "undefined"
    assert world.ask("icc", columns=["first", "second", "third"]).closed == "undefined"
    for name, arguments in ASKED.items():
        assert name == "weighted_mean" or world.ask(name, epsilon="1", **arguments).too_few, name
        assert (
            StatisticWorld(data.iloc[:0], COLUMNS, minimum_cell=0).ask(name, **arguments).closed
            == "undefined"
        )


def test_a_mean_is_closed_where_one_person_leads_the_weights():
    """The attack: nearly the person's own value is the mean."""
    data = frame(n=130)
    data["weight"] = np.concatenate([np.linspace(0.1, 0.9, 65), np.linspace(0.1, 0.9, 64), [10.0]]).round(1)
    world = StatisticWorld(data.sample(frac=1, random_state=3), COLUMNS)
    assert world.ask("weighted_mean", **ASKED["weighted_mean"]).closed == "minimum_cell"
    plan = world.plan("weighted_mean", **ASKED["weighted_mean"])
    statistic = plan.statistic
    opened = sum(statistic._figures(rows) for rows in world.scanned(plan))
    parts = opened[-statistic.leverages.n_figures :] / 2**24
    assert parts.sum() == pytest.approx(data.weight.sum() / 10)
    assert parts.max() > parts.sum() / 10
    # a private one hides the person
    assert world.ask("weighted_mean", epsilon="1", **ASKED["weighted_mean"]).closed == ""


def test_wrong_arguments_are_refused_before_a_charge(world):
    for name, arguments, error, text in (
        ("partial_correlation", {"columns": ["x"], "controls": ["z"]}, InvalidRequestError, "at least two"),
        (
            "partial_correlation",
            {"columns": ["x", "y"], "controls": ["x"]},
            InvalidRequestError,
            "one of columns",
        ),
        ("partial_correlation", {"columns": ["x", "y"], "controls": []}, InvalidRequestError, "list"),
        ("partial_correlation", {"columns": ["x", "arm"], "controls": ["z"]}, PlanRejectedError, "arm"),
        ("partial_correlation", {"columns": ["x", "y"], "controls": ["no"]}, PlanRejectedError, "no"),
        ("weighted_mean", {"column": "y", "weights": "y"}, InvalidRequestError, "another"),
        ("weighted_mean", {"column": "y", "weights": "change"}, PlanRejectedError, "at least 0"),
        ("weighted_mean", {"column": "y", "weights": "arm"}, PlanRejectedError, "numeric"),
        ("weighted_mean", {"column": "arm", "weights": "weight"}, PlanRejectedError, "numeric"),
        ("icc", {"columns": ["first"]}, InvalidRequestError, "at least two"),
        ("icc", {"columns": ["first", "arm"]}, PlanRejectedError, "arm"),
    ):
        for epsilon in (None, "1"):
            with pytest.raises(error, match=text):
                world.plan(name, epsilon=epsilon, **arguments)
    with pytest.raises(PlanRejectedError, match="no condition"):
        world.plan("weighted_mean", column="y", weights="share")
    assert world.ask("weighted_mean", epsilon="1", column="y", weights="share").closed == ""
    answer = world.ask("icc", **ASKED["icc"])
    for level in (0, 1, 2):
        with pytest.raises(InvalidRequestError, match="level"):
            answer.interval(level)
        with pytest.raises(InvalidRequestError, match="level"):
            world.ask("weighted_mean", **ASKED["weighted_mean"]).interval(level)


# -- coverage --------------------------------------------------------------------------------------------------------


def covered(plan, base, truths, seed, read, *, n=2500):
    """Intervals of samples of whole real rows with fresh noise hold the truths as often as they say."""
    generator = np.random.default_rng(seed)
    hits = np.zeros(len(truths))
    for _ in range(TRIALS):
        answer = released(plan, base[generator.integers(0, len(base), n)], generator)
        low, high = np.array(read(answer)).T
        hits += (low <= truths) & (truths <= high)
    for each in hits:
        covers(each, TRIALS)


@pytest.fixture(scope="module")
def heart():
    return heart_world()


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["2", "8"])
def test_intervals_of_4000_partial_correlations_cover_as_often_as_they_say(heart, epsilon, monkeypatch):
    monkeypatch.setattr(released_correlation, "REPLICATES", 199)
    plan = heart.plan(
        "partial_correlation", epsilon=epsilon, columns=["age", "thalach"], controls=["exang", "disease"]
    )
    known = heart.frame[["age", "thalach", "exang", "disease"]].dropna()
    base = np.column_stack([known.age - 60, known.thalach - 140, known.exang, known.disease]).astype(int)
    left = (
        base[:, :2]
        - np.column_stack([np.ones(len(base)), base[:, 2:]])
        @ np.linalg.lstsq(np.column_stack([np.ones(len(base)), base[:, 2:]]), base[:, :2], rcond=None)[0]
    )
    covered(plan, base, np.corrcoef(left.T)[:1, 1], 5, lambda each: [each.confidence_interval()])


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["1", "8"])
def test_intervals_of_4000_weighted_means_cover_as_often_as_they_say(heart, epsilon):
    plan = heart.plan("weighted_mean", epsilon=epsilon, column="thalach", weights="age")
    known = heart.frame[["thalach", "age"]].dropna()
    base = np.column_stack([known.thalach - 140, known.age - 60]).astype(int)
    truth = np.average(known.thalach, weights=known.age)
    covered(plan, base, np.array([truth]), 6, lambda each: [each.interval()])


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["2", "8"])
def test_intervals_of_4000_intraclass_correlations_cover_as_often_as_they_say(heart, epsilon, monkeypatch):
    """Real heart rates, and a second reading of each with an injected error."""
    for module in (released_correlation, icc):
        monkeypatch.setattr(module, "REPLICATES", 199)
    known = heart.frame.thalach.dropna().to_numpy()
    again = np.clip(known + 3 + np.rint(np.random.default_rng(1).normal(0, 20, len(known))), 40, 240)
    column = {"type": "numeric", "lower": 40, "upper": 240, "resolution": 1}
    world = StatisticWorld(pd.DataFrame({"a": known, "b": again}), {"a": column, "b": column})
    plan = world.plan("icc", epsilon=epsilon, columns=["a", "b"])
    base = np.column_stack([known - 140, again - 140]).astype(int)
    truths = np.array(shrout_fleiss(base.astype(float))[0][:3])
    covered(plan, base, truths, 7, lambda each: each.interval()[:3])
