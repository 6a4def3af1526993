"""Private correlations, least squares and components: one release, its norm, the exact figures without noise, coverage."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.association import released_correlation
from analytics.statistics.linear_models import released_ols
from analytics.statistics.uncertainty.noise_law import NoiseLaw
from tests.examples import costly_law

COLUMNS = {
    "arm": {"type": "categorical", "domain": ["new", "old", "none"], "nullable": True},
    "ill": {"type": "boolean", "nullable": True},
    "x": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 0.5, "nullable": True},
    "y": {"type": "numeric", "lower": -50, "upper": 250, "resolution": 1},
    "odd": {"type": "numeric", "lower": -3, "upper": 4, "resolution": 1},
    "one": {"type": "categorical", "domain": ["only"]},
}
FORMULA = "y ~ arm + ill + x + odd"
TRIALS = 4000


def frame(n=600, seed=1):
    generator = np.random.default_rng(seed)
    arm = np.array(["new", "old", "none"], dtype=object)[generator.integers(0, 3, n)]
    x = np.round(generator.uniform(1, 99, n) * 2) / 2
    ill = np.where(generator.random(n) < 0.4, True, False).astype(object)
    flag = (ill == True).astype(float)  # noqa: E712  objects
    y = np.clip(np.rint(20 + 1.3 * x - 9 * flag + 15 * (arm == "old") + generator.normal(0, 20, n)), -49, 249)
    x[:5], arm[9:12], ill[20:22] = np.nan, None, None
    return pd.DataFrame(
        {"arm": arm, "ill": ill, "x": x, "y": y, "odd": generator.integers(-3, 5, n), "one": "only"}
    )


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


@pytest.fixture(scope="module")
def heart():
    return heart_world()


def silent(plan):
    """The same release without any noise: a build for tests, not a plan that could be made."""
    return [NoiseLaw(n_sites=law.n_sites, sigma2_local=0, weight=law.weight) for law in plan.noise]


def without_noise(world, name, **arguments):
    plan = world.plan(name, epsilon="1", **arguments)
    weights = np.array([law.weight for law in plan.noise])
    total = np.sum(world.scanned(plan), axis=0) * weights
    return plan.statistic.estimate((total.astype(np.int64),), silent(plan))


def design(data, names):
    """The oracle's design, without the 1: pandas' dummies, numbers as they are."""
    known = data[names].dropna()
    parts = []
    for name in names:
        if COLUMNS[name]["type"] == "categorical":
            parts.append(
                pd.get_dummies(known[name], dtype=float).reindex(columns=COLUMNS[name]["domain"]).iloc[:, 1:]
            )
        else:
            parts.append(known[[name]].astype(float))
    return pd.concat(parts, axis=1).to_numpy()


# -- what is released ------------------------------------------------------------------------------------------------


def test_each_sum_of_products_is_opened_once(world):
    plan = world.plan("ols", epsilon="1", formula=FORMULA)
    # 1; five parts and the outcome; three squares of numbers; 15 pairs, less the two arms'
    assert len(plan.counts.blocks) == 1 + 6 + 3 + 14
    assert len(plan.cost) == 1
    assert plan.most_opened == 24
    total = np.sum(world.scanned(plan), axis=0)
    rows = design(world.frame, ["arm", "ill", "x", "odd", "y"])
    assert total[0] == len(rows)
    x = rows[:, 3] * 2 - 100  # steps of 0.5 around 50
    assert total[4] == x.sum()
    assert total[1] == rows[:, 0].sum()
    assert total[7] == (x**2 - 100**2 // 2).sum()
    assert total[-1] == (rows[:, 4] * (rows[:, 5] - 100)).sum()  # odd, whose middle is 0, and y


def vectors(plan, rows):
    """Of rows of the design without the 1: the weighted integers that each adds, by the definition of the release."""
    statistic = plan.statistic
    terms = statistic.design
    found = [np.ones(len(rows), dtype=object)]
    found += [rows[:, place] for place in range(len(terms))]
    found += [rows[:, p] ** 2 - terms[p].reach ** 2 // 2 for p in range(len(terms)) if terms[p].is_number]
    found += [
        rows[:, p] * rows[:, q]
        for p in range(len(terms))
        for q in range(p + 1, len(terms))
        if terms[p].column != terms[q].column
    ]
    return np.stack(found, axis=1) * np.array(statistic.norm.weights, dtype=object)


@costly_law(40)
@given(
    numbers=st.lists(
        st.tuples(st.sampled_from([0, 1, 2]), st.integers(0, 1), st.integers(0, 200))
        | st.tuples(st.sampled_from([0, 1, 2]), st.integers(0, 1), st.sampled_from([0, 200])),
        min_size=1,
        max_size=8,
    ),
    odd=st.integers(-3, 4),
    y=st.sampled_from([-50, 250]) | st.integers(-50, 250),
)
def test_no_row_changes_the_release_by_more_than_its_norm(world, numbers, odd, y):
    plan = world.plan("ols", epsilon="1", formula=FORMULA)
    rows = np.array(
        [[arm == 1, arm == 2, ill, x - 100, odd - 0, y - 100] for arm, ill, x in numbers], dtype=object
    )
    norms = (vectors(plan, rows) ** 2).sum(axis=1)
    assert max(norms) <= plan.statistic.norm.square


def test_the_norm_is_reached(world):
    plan = world.plan("ols", epsilon="1", formula=FORMULA)
    rows = np.array([[1, 0, 1, 100, 4, 150]], dtype=object)
    (reached,) = (vectors(plan, rows) ** 2).sum(axis=1)
    assert reached > 0.98 * plan.statistic.norm.square
    (event,) = plan.cost
    factor = plan.counts.blocks[0].weight // plan.statistic.norm.weights[0]
    assert int(event.l2) ** 2 >= plan.statistic.norm.square * factor**2
    assert {block.sigma2_local for block in plan.counts.blocks} == {int(event.sigma2_local)}


# -- without noise, the exact figures --------------------------------------------------------------------------------


def test_least_squares_without_noise_is_the_pooled_fit(world):
    rows = design(world.frame, ["arm", "ill", "x", "odd", "y"])
    answer = without_noise(world, "ols", formula=FORMULA)
    pooled = LinearRegression().fit(rows[:, :-1], rows[:, -1])
    assert answer.params == pytest.approx([pooled.intercept_, *pooled.coef_], rel=1e-10)
    left = rows[:, -1] - pooled.predict(rows[:, :-1])
    scale = left @ left / (len(rows) - 6)
    full = np.column_stack([np.ones(len(rows)), rows[:, :-1]])
    root = np.linalg.inv(np.linalg.qr(full, mode="r"))
    assert answer.bse == pytest.approx(np.sqrt((root**2).sum(axis=1) * scale), rel=1e-9)
    assert answer.noise_errors == (0.0,) * 6
    assert answer.scale == pytest.approx(scale, rel=1e-9)
    assert answer.rsquared == pytest.approx(pooled.score(rows[:, :-1], rows[:, -1]), rel=1e-9)
    assert not answer.too_few
    exact = world.ask("ols", formula="y ~ ill + x")
    again = without_noise(world, "ols", formula="y ~ ill + x")
    assert again.params == pytest.approx(exact.params, rel=1e-5)
    # the bootstrap's p-values are about Student's, and its intervals agree with them
    assert again.pvalues == pytest.approx(exact.pvalues, abs=0.05)
    for epsilon in ("3", "30"):
        noisy = world.ask("ols", epsilon=epsilon, formula="y ~ ill + x")
        inside = [low <= 0 <= high for low, high in noisy.conf_int()]
        assert inside == [pvalue > 0.05 for pvalue in noisy.pvalues]


def test_correlations_without_noise_are_numpys(world):
    names = ["x", "y", "ill", "odd"]
    rows = design(world.frame, names)
    answer = without_noise(world, "correlation", columns=names)
    assert np.array(answer.correlation) == pytest.approx(np.corrcoef(rows.T), rel=1e-9)
    assert np.array(answer.covariance) == pytest.approx(np.cov(rows.T), rel=1e-9)
    assert answer.means == pytest.approx(tuple(rows.mean(axis=0)), rel=1e-9)
    tested = stats.pearsonr(rows[:, 1], rows[:, 3])
    assert answer.pvalues[1][3] == pytest.approx(tested.pvalue, abs=0.06)
    low, high = answer.confidence_interval(first=0, second=1)
    assert (low, high) == pytest.approx(
        tuple(stats.pearsonr(rows[:, 0], rows[:, 1]).confidence_interval()), abs=0.02
    )


@pytest.mark.parametrize("standardize", [False, True])
def test_components_without_noise_are_scikit_learns(world, standardize):
    names = ["x", "y", "ill", "odd"]
    rows = design(world.frame, names)
    answer = without_noise(world, "pca", columns=names, n_components=3, standardize=standardize)
    scaled = (rows - rows.mean(axis=0)) / (rows.std(axis=0, ddof=1) if standardize else 1)
    pooled = PCA(n_components=3).fit(scaled)
    assert np.array(answer.components_) == pytest.approx(pooled.components_, abs=1e-9)
    assert answer.explained_variance_ == pytest.approx(pooled.explained_variance_, rel=1e-9)
    assert answer.explained_variance_ratio_ == pytest.approx(pooled.explained_variance_ratio_, rel=1e-9)
    known = world.frame[names].dropna()
    assert answer.transform(known).to_numpy() == pytest.approx(pooled.transform(scaled), abs=1e-8)
    assert not any(answer.hidden)


# -- with noise ------------------------------------------------------------------------------------------------------


def test_a_release_over_shares_is_near_and_says_how_near(world):
    answer = world.ask("ols", epsilon="20", formula=FORMULA)
    exact = without_noise(world, "ols", formula=FORMULA)
    apart = (np.array(answer.params) - exact.params) / answer.noise_errors
    assert np.abs(apart).max() < 6
    assert answer.frame.shape == (6, 7)
    assert "arm=old" in answer.summary()
    components = world.ask("pca", epsilon="20", columns=["x", "y", "odd"])
    assert components.explained_variance_[0] == pytest.approx(np.var(world.frame.y), rel=0.5)
    found = world.ask("correlation", epsilon="20", columns=["x", "y"])
    assert found.statistic == pytest.approx(
        without_noise(world, "correlation", columns=["x", "y"]).statistic, abs=0.2
    )
    assert found.values()["low"] < found.statistic < found.values()["high"]


def test_a_hidden_design_is_flagged_not_refused():
    """A constant column, and one that follows from another: in exact mode closed, here an answer with a flag."""
    rows = frame()
    rows["twin"] = rows["odd"]
    rows["flat"] = 7
    columns = COLUMNS | {
        "twin": COLUMNS["odd"],
        "flat": {"type": "numeric", "lower": 0, "upper": 10, "resolution": 1},
    }
    world = StatisticWorld(rows, columns)
    for formula in ("y ~ odd + twin", "y ~ x + flat"):
        answer = world.ask("ols", epsilon="5", formula=formula)
        assert answer.too_few
        assert np.isfinite(answer.params).all()
    assert not world.ask("ols", epsilon="20", formula="y ~ x").too_few
    found = world.ask("correlation", epsilon="5", columns=["flat", "x"])
    assert found.too_few[0][1]
    assert "too few for this epsilon: the noise hides the spread of flat" in found.lines()
    assert world.ask("pca", epsilon="1", columns=["flat", "odd", "twin"]).hidden[-1]


@pytest.mark.parametrize("epsilon", ["0.1", "1"])
def test_a_column_of_100_000_steps_leaves_space_for_its_noise(epsilon):
    rows = frame().assign(fine=np.arange(600) * 1.5)
    columns = COLUMNS | {"fine": {"type": "numeric", "lower": 0, "upper": 1000, "resolution": 0.01}}
    plan = StatisticWorld(rows, columns).plan("ols", epsilon=epsilon, formula="fine ~ x + ill")
    norm = plan.statistic.norm
    most = np.array([[100, 1, 50_000]], dtype=object)
    assert 0.5 * norm.square < (vectors(plan, most) ** 2).sum() <= norm.square


def test_what_cannot_be_released_is_refused(world):
    for name, arguments, error in (
        ("ols", {"formula": "ill ~ x"}, InvalidRequestError),
        ("ols", {"formula": "y ~ one"}, PlanRejectedError),
        ("ols", {"formula": "y ~ nothing"}, PlanRejectedError),
        ("correlation", {"columns": ["x"]}, InvalidRequestError),
        ("correlation", {"columns": ["x", "arm"]}, PlanRejectedError),
        ("pca", {"columns": ["x", "y"], "n_components": 3}, InvalidRequestError),
    ):
        with pytest.raises(error):
            world.plan(name, epsilon="1", **arguments)
    with pytest.raises(InvalidRequestError, match="must be private"):
        world.plan("pca", columns=["x", "y"])


# -- coverage --------------------------------------------------------------------------------------------------------


def totals(plan, rows):
    """What all sites hold of the release before weights, of rows of the design."""
    return vectors(plan, rows.astype(object)).sum(axis=0) / np.array(
        plan.statistic.norm.weights, dtype=object
    )


def released(plan, rows, generator):
    laws = plan.noise
    noise = np.array([float(law.normal((1,), generator)[0]) for law in laws])
    weights = np.array([law.weight for law in laws])
    opened = np.rint((totals(plan, rows).astype(float) + noise) * weights).astype(np.int64)
    return plan.statistic.estimate((opened,), laws)


def covers(hits, trials):
    assert stats.binomtest(int(hits), trials, 0.94, alternative="less").pvalue > 1e-6, hits / trials
    assert hits < 0.985 * trials, hits / trials


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["2", "8"])
def test_intervals_of_4000_fits_cover_as_often_as_they_say(heart, epsilon, monkeypatch):
    monkeypatch.setattr(released_ols, "REPLICATES", 199)
    plan = heart.plan("ols", epsilon=epsilon, formula="thalach ~ age + exang + oldpeak")
    known = heart.frame[["age", "exang", "oldpeak"]].dropna()
    base = np.column_stack(
        [known.age - 60, known.exang.astype(float), np.rint(known.oldpeak * 10).astype(int) - 20]
    )
    truth = np.array([150.0, -0.6, -12.0, -4.0])
    generator, hits, trials = np.random.default_rng(4), np.zeros(4), TRIALS
    for _ in range(trials):
        x = base[generator.integers(0, len(base), 2500)]
        y = truth[0] + truth[1] * (x[:, 0] + 60) + truth[2] * x[:, 1] + truth[3] * (x[:, 2] + 20) / 10
        y = np.clip(np.rint(y + generator.normal(0, 18, len(y))), 40, 240) - 140
        answer = released(plan, np.column_stack([x, y]), generator)
        low, high = np.array(answer.conf_int()).T
        hits += (low <= truth) & (truth <= high)
    for each in hits:
        covers(each, trials)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["2", "8"])
def test_intervals_of_4000_correlations_cover_as_often_as_they_say(heart, epsilon, monkeypatch):
    monkeypatch.setattr(released_correlation, "REPLICATES", 199)
    plan = heart.plan("correlation", epsilon=epsilon, columns=["age", "thalach"])
    known = heart.frame[["age", "thalach"]].dropna()
    rows = np.column_stack([known.age - 60, known.thalach - 140])
    truth = np.corrcoef(rows.T)[0, 1]
    generator, hits, level = np.random.default_rng(5), 0, 0
    for _ in range(TRIALS):
        drawn = rows[generator.integers(0, len(rows), 2500)]
        answer = released(plan, drawn, generator)
        low, high = answer.confidence_interval()
        hits += low <= truth <= high
        drawn[:, 1] = generator.permutation(drawn[:, 1])
        level += released(plan, drawn, generator).pvalue > 0.05
    covers(hits, TRIALS)
    covers(level, TRIALS)
