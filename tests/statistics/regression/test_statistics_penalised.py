"""Ridge, lasso and elastic net: equal to scikit-learn, exact and without noise; attacks; coverage of the noise's intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from sklearn.preprocessing import StandardScaler
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.linear_models import penalised_fit
from analytics.statistics.linear_models.penalties import Penalty
from analytics.statistics.uncertainty.noise_law import NoiseLaw

COLUMNS = {
    "arm": {"type": "categorical", "domain": ["new", "old", "none"]},
    "ill": {"type": "boolean"},
    "x": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 0.5, "nullable": True},
    "y": {"type": "numeric", "lower": -50, "upper": 250, "resolution": 1},
    "odd": {"type": "numeric", "lower": -30, "upper": 40, "resolution": 1},
}
FORMULA = "y ~ arm + ill + x + odd"
KINDS = {
    "ridge": ({"alpha": 40}, lambda: Ridge(alpha=40, tol=1e-14)),
    "lasso": ({"alpha": 1.5}, lambda: Lasso(alpha=1.5, tol=1e-14, max_iter=100_000)),
    "elastic_net": (
        {"alpha": 2, "l1_ratio": 0.3},
        lambda: ElasticNet(alpha=2, l1_ratio=0.3, tol=1e-14, max_iter=100_000),
    ),
}


def frame(n=900, seed=1):
    generator = np.random.default_rng(seed)
    arm = np.array(["new", "old", "none"], dtype=object)[generator.integers(0, 3, n)]
    x = np.round(generator.uniform(1, 99, n) * 2) / 2
    ill = generator.random(n) < 0.4
    y = np.rint(20 + 1.3 * x - 9 * ill + 15 * (arm == "old") + generator.normal(0, 20, n))
    x[:5] = np.nan
    odd = generator.integers(-29, 40, n)
    return pd.DataFrame({"arm": arm, "ill": ill, "x": x, "y": np.clip(y, -49, 249), "odd": odd})


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


def design(data):
    known = data.dropna()
    parts = [known.arm == "old", known.arm == "none", known.ill, known.x, known.odd]
    return np.column_stack(parts).astype(float), known.y.to_numpy(float)


def pooled(name, *, standardize=False):
    rows, y = design(frame())
    model = KINDS[name][1]()
    if not standardize:
        fit = model.fit(rows, y)
        return [fit.intercept_, *fit.coef_]
    scaler = StandardScaler().fit(rows)
    fit = model.fit(scaler.transform(rows), y)
    coefs = fit.coef_ / scaler.scale_
    return [fit.intercept_ - coefs @ scaler.mean_, *coefs]


def without_noise(world, name, **arguments):
    plan = world.plan(name, epsilon="1", formula=FORMULA, **arguments)
    laws = [NoiseLaw(n_sites=law.n_sites, sigma2_local=0, weight=law.weight) for law in plan.noise]
    total = np.sum(world.scanned(plan), axis=0) * np.array([law.weight for law in plan.noise])
    return plan.statistic.estimate((total.astype(np.int64),), laws)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_a_fit_equals_scikit_learns(world, name, standardize):
    known = pooled(name, standardize=standardize)
    asked = KINDS[name][0] | {"standardize": standardize}
    private = without_noise(world, name, **asked)
    assert private.params == pytest.approx(known, rel=1e-8, abs=1e-9)
    assert np.abs(private.distances).max() == 0
    answer = world.ask(name, formula=FORMULA, **asked)
    assert answer.closed == ""
    assert answer.params == pytest.approx(known, rel=1e-5, abs=1e-6)
    assert answer.terms == ("intercept", "arm=old", "arm=none", "ill", "x", "odd")
    rows, y = design(frame())
    left = y - answer.intercept_ - rows @ np.array(answer.coef_)
    assert answer.rsquared == pytest.approx(1 - left @ left / ((y - y.mean()) ** 2).sum(), rel=1e-4)
    assert answer.chosen == tuple(
        term for term, value in zip(answer.terms[1:], known[1:], strict=True) if abs(value) > 1e-9
    )


@pytest.mark.parametrize("name", KINDS)
def test_without_noise_both_modes_are_the_same_fit(world, name):
    """The integers of both modes differ; unrounded, their fits agree."""
    asked = KINDS[name][0]
    plan = world.plan(name, formula=FORMULA, **asked)
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    statistic = plan.statistic
    centred = statistic.centred(tuple(map(int, opened[: statistic.n_sums])))
    exact = centred.params(statistic.penalty, standardize=False)
    assert without_noise(world, name, **asked).params == pytest.approx(exact, rel=1e-12, abs=1e-12)


def test_a_lasso_has_zeros_and_solves_its_conditions():
    """The oracle is the objective's own condition of optimality, over random problems."""
    generator = np.random.default_rng(3)
    for p in (1, 4, 12):
        rows = generator.normal(size=(60, p)) @ generator.normal(size=(p, p))
        y = rows[:, 0] + generator.normal(size=60)
        products, wanted = rows.T @ rows / 60, rows.T @ y / 60
        for penalty in (Penalty(alpha=0.3, l1_ratio=1.0), Penalty(alpha=0.5, l1_ratio=0.4)):
            found = penalty.solve(products, wanted, np.array(60.0))
            l1, l2 = penalty.alpha * penalty.l1_ratio, penalty.alpha * (1 - penalty.l1_ratio)
            slope = wanted - products @ found - l2 * found
            is_zero = found == 0
            assert np.abs(slope[is_zero]).max(initial=0) <= l1 * (1 + 1e-9)
            assert slope[~is_zero] == pytest.approx(l1 * np.sign(found[~is_zero]), rel=1e-8)


def test_a_constant_column_has_no_parameter():
    products, wanted = np.diag([2.0, 0.0]), np.array([1.0, 0.0])
    for ratio in (None, 1.0, 0.5):
        found = Penalty(alpha=0.1, l1_ratio=ratio).solve(products, wanted, np.array(10.0))
        assert found[1] == 0
        assert np.isfinite(found).all()


# attacks


def one_old(rows):
    rows.loc[rows.arm == "old", "arm"] = "new"
    rows.loc[7, "arm"] = "old"


def a_sum_but_for_one(rows):
    rows["odd"] = 10.0 * rows.ill + 3 * (rows.arm == "old")
    rows.loc[7, "odd"] = 39


@pytest.mark.parametrize(
    ("name", "attack"),
    [
        ("ridge", one_old),
        ("ridge", a_sum_but_for_one),
        ("lasso", one_old),
        ("lasso", a_sum_but_for_one),
        ("elastic_net", one_old),
        ("elastic_net", a_sum_but_for_one),
    ],
)
def test_a_penalty_does_not_open_what_least_squares_closes(name, attack):
    """The attack: a penalised fit opens the same sums, whatever its alpha, so a dummy of one person tells the same."""
    rows = frame().dropna()
    attack(rows)
    world = StatisticWorld(rows, COLUMNS)
    plan = world.plan(name, formula=FORMULA, **KINDS[name][0])
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    assert not opened.any()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"formula": FORMULA, "alpha": 0}, InvalidRequestError, "above 0"),
        ({"formula": FORMULA, "alpha": "a"}, InvalidRequestError, "alpha must be a number"),
        ({"formula": FORMULA, "alpha": [1, 2]}, InvalidRequestError, "above 0"),
        ({"formula": FORMULA}, InvalidRequestError, "alpha is missing"),
        ({"formula": "ill ~ x", "alpha": 1}, InvalidRequestError, "must be numeric"),
        ({"formula": "y ~ x + 1", "alpha": 1}, InvalidRequestError, "declared columns alone"),
        ({"formula": FORMULA, "alpha": 1, "standardize": 1}, InvalidRequestError, "true or false"),
        ({"formula": "y ~ nothing", "alpha": 1}, PlanRejectedError, "unknown column"),
    ],
)
@pytest.mark.parametrize("epsilon", [None, "1"])
def test_arguments_are_refused_before_a_charge(world, arguments, error, text, epsilon):
    with pytest.raises(error, match=text):
        world.plan("ridge", epsilon=epsilon, **arguments)
    with pytest.raises(InvalidRequestError, match="l1_ratio must be a number above 0, at most 1"):
        world.plan("elastic_net", epsilon=epsilon, formula=FORMULA, alpha=1, l1_ratio=1.5)


def test_too_few_rows_and_an_outcome_without_spread_are_closed_by_one_code():
    for rows in (frame(40), frame().assign(y=7)):
        assert StatisticWorld(rows, COLUMNS).ask("ridge", formula=FORMULA, alpha=1).closed == "fit_closed"


def test_a_hidden_design_is_flagged_not_refused():
    rows = frame().assign(odd=lambda each: each.ill * 1)
    world = StatisticWorld(rows, COLUMNS)
    for name in ("ridge", "lasso"):
        answer = world.ask(name, epsilon="1", formula="y ~ ill + odd", **KINDS[name][0])
        assert np.isfinite(answer.params).all()
        assert answer.to_dict()["closed"] == ""
    empty = StatisticWorld(frame()[:0], COLUMNS).ask("lasso", epsilon="1", formula=FORMULA, alpha=1)
    assert empty.too_few


def test_a_release_over_shares_is_near_and_says_how_near(world):
    for name, (asked, _) in KINDS.items():
        noisy = world.ask(name, epsilon="30", formula=FORMULA, **asked)
        far = np.abs(np.array(noisy.params) - pooled(name))
        assert (far <= 6 * np.array(noisy.noise_errors) + 1e-9).all()
        assert noisy.frame.shape == (6, 2)
    exact = world.ask("ridge", formula=FORMULA, alpha=1)
    with pytest.raises(InvalidRequestError, match="needs a private answer"):
        exact.noise_interval()
    with pytest.raises(InvalidRequestError, match="below 1"):
        noisy.noise_interval(2)


def coverage(world, name, epsilon, trials, monkeypatch):
    """How often the interval of the noise holds the fit without noise, for each parameter."""
    monkeypatch.setattr(penalised_fit, "REPLICATES", 199)
    plan = world.plan(name, epsilon=epsilon, formula=FORMULA, **KINDS[name][0])
    total = np.sum(world.scanned(plan), axis=0) * 4  # the same rows four times, as of a larger trial
    truth = np.array(without_noise_of(plan, total).params)
    generator, hits = np.random.default_rng(6), np.zeros(len(truth))
    weights = np.array([law.weight for law in plan.noise])
    for _ in range(trials):
        noise = np.array([float(law.normal((1,), generator)[0]) for law in plan.noise])
        answer = plan.statistic.estimate((np.rint((total + noise) * weights).astype(np.int64),), plan.noise)
        low, high = np.array(answer.noise_interval()).T
        hits += (low - 1e-9 <= truth) & (truth <= high + 1e-9)
    return hits


def without_noise_of(plan, total):
    laws = [NoiseLaw(n_sites=law.n_sites, sigma2_local=0, weight=law.weight) for law in plan.noise]
    weights = np.array([law.weight for law in plan.noise])
    return plan.statistic.estimate(((total * weights).astype(np.int64),), laws)


def test_intervals_of_the_noise_hold_the_fit_without_it(world, monkeypatch):
    hits = coverage(world, "ridge", "8", 60, monkeypatch)
    assert (hits >= 50).all()


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["2", "8"])
@pytest.mark.parametrize("name", KINDS)
def test_intervals_of_4000_releases_cover_as_often_as_they_say(world, name, epsilon, monkeypatch):
    for hits in coverage(world, name, epsilon, 4000, monkeypatch):
        assert stats.binomtest(int(hits), 4000, 0.94, alternative="less").pvalue > 1e-6, hits / 4000
