"""Private generalised linear models: one release of sufficient figures, the fit without noise, its errors and its coverage."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from generalised_patients import COLUMNS, patients
from scipy.special import expit, ndtr
from scipy.stats import binomtest
from statistic_world import StatisticWorld, heart_world

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.group_models import released_glm
from analytics.statistics.uncertainty.noise_law import NoiseLaw

ORACLE = json.loads(
    (Path(__file__).resolve().parents[2] / "oracles" / "statistics" / "generalised.json").read_text("utf-8")
)["groups"]
BINNED = COLUMNS | {"age": COLUMNS["age"] | {"bins": [20, 40, 60, 80, 100]}}
ASKED = {
    "logit": {},
    "probit": {"link": "probit"},
    "cloglog": {"link": "cloglog"},
    "risk": {"family": "poisson"},
    "counts": {"family": "poisson"},
    "rates": {"family": "poisson", "exposure": "years"},
}
COVARIATES = " ~ ward + age + smoker"
TERMS = ("intercept", "ward=b", "ward=c", "age=[40, 60)", "age=[60, 80)", "age=[80, 100]", "smoker")


def arguments(name):
    outcome = "visits" if name in {"counts", "rates"} else "ill"
    return {"formula": outcome + COVARIATES, **ASKED[name]}


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(patients(), BINNED)


def opened(plan, figures, noise=None):
    """What a release of figures opens; shape of ``figures`` (2, combinations)."""
    laws = (plan.noise[0], plan.noise[-1])
    drawn = np.zeros_like(figures, dtype=float) if noise is None else noise
    parts = [np.rint((figures[k] + drawn[k]) * laws[k].weight).astype(np.int64) for k in (0, 1)]
    return np.stack(parts, 1).ravel() if plan.statistic.has_chances else np.concatenate(parts)


def silent(plan):
    """The same release without any noise: a build for tests, not a plan that could be made."""
    return [NoiseLaw(n_sites=law.n_sites, sigma2_local=0, weight=law.weight) for law in plan.noise]


def without_noise(world, plan):
    statistic = plan.statistic
    total = np.sum(world.scanned(plan), axis=0)[list(statistic.places)]
    figures = total.reshape(-1, 2).T if statistic.has_chances else total.reshape(2, -1)
    return statistic.estimate((opened(plan, figures),), silent(plan))


# values


@pytest.mark.parametrize("name", ASKED)
def test_without_noise_a_fit_equals_statsmodels_on_the_groups(world, name, monkeypatch):
    monkeypatch.setattr(released_glm, "REPLICATES", 99)
    answer, known = without_noise(world, world.plan("glm", epsilon="1", **arguments(name))), ORACLE[name]
    assert answer.terms == TERMS
    assert answer.params == pytest.approx(known["params"], rel=1e-9, abs=1e-11)
    assert answer.sampling_errors == pytest.approx(known["bse"], rel=1e-7)
    assert answer.bse == answer.sampling_errors
    assert not any(answer.noise_errors)
    assert (
        answer.n_events
        == (
            patients().dropna().visits if "visits" in arguments(name)["formula"] else patients().dropna().ill
        ).sum()
    )


def test_without_noise_a_fit_of_groups_equals_the_exact_one(monkeypatch):
    """Newton steps over shares and the table have no code in common but the link."""
    monkeypatch.setattr(released_glm, "REPLICATES", 99)
    world = StatisticWorld(patients(), BINNED, minimum_cell=2)
    for more in ({}, {"family": "poisson"}):
        asked = {"formula": "ill ~ ward + smoker", **more}
        private = without_noise(world, world.plan("glm", epsilon="1", **asked))
        assert private.params == pytest.approx(world.ask("glm", **asked).params, rel=1e-5)


def test_a_release_of_chances_costs_one_count_and_of_rates_one_joint_release(world):
    chances = world.plan("glm", epsilon="1", **arguments("logit"))
    counts = world.plan("crosstab", epsilon="1", a="ward", b="smoker")
    (mine,), (other,) = chances.cost, counts.cost
    assert (mine.sigma2_local, mine.l1, mine.l2) == (other.sigma2_local, other.l1, other.l2)
    rates = world.plan("glm", epsilon="1", **arguments("rates"))
    assert len(rates.cost) == 1
    assert not rates.has_products
    assert rates.most_opened == 2 * 24


@pytest.mark.parametrize("name", ["logit", "rates"])
def test_a_private_answer_opens_noise_and_says_what_it_is(world, name):
    plan = world.plan("glm", epsilon="4", **arguments(name))
    answers = world.answers(plan)
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    again = recombine_statistic(plan, answers, cost={}, receipt={})
    assert again.pvalues == answer.pvalues
    assert again.conf_int() == answer.conf_int()
    assert answer.closed == ""
    for both, one, other in zip(answer.bse, answer.sampling_errors, answer.noise_errors, strict=True):
        assert both == pytest.approx(np.hypot(one, other))
    clear = without_noise(world, plan)
    assert answer.params == pytest.approx(clear.params, abs=5 * max(answer.noise_errors))
    for (low, high), (lower, higher) in zip(answer.interval(0.5), answer.conf_int(0.01), strict=True):
        assert lower < low < high < higher
    assert answer.frame.shape == (7, 7)
    assert answer.picture().labels == list(TERMS[1:])
    assert answer.picture().is_ratio
    assert "nobs" in answer.summary()
    assert answer.to_dict()["family"] == plan.statistic.family.name


def test_a_number_is_that_of_ols(world):
    mine = world.plan("glm", epsilon="1", formula="cost ~ age + smoker", family="gaussian")
    other = world.plan("ols", epsilon="1", formula="cost ~ age + smoker")
    assert mine.cost == other.cost
    found = np.array([7] * len(mine.counts.blocks), dtype=np.int64)
    assert (
        mine.statistic.estimate((found,), mine.noise).params
        == other.statistic.estimate((found,), other.noise).params
    )


# the law of the noise


@pytest.mark.parametrize("name", ["logit", "cloglog", "counts", "rates"])
def test_law_errors_of_the_noise_are_the_derivatives_by_the_figures(world, name, monkeypatch):
    """Each figure moved a little from its expectation under a fit: the parameters move as stated."""
    monkeypatch.setattr(released_glm, "REPLICATES", 99)
    plan = world.plan("glm", epsilon="1", **arguments(name))
    statistic = plan.statistic
    odds = statistic.design @ np.array([-0.5, 0.2, -0.3, 0.3, 0.5, 0.8, 0.4])
    size = np.random.default_rng(1).integers(2000, 9000, len(odds)) * 10_000
    if statistic.has_chances:
        chance = 1 / (1 + np.exp(-odds)) if name == "logit" else -np.expm1(-np.exp(odds))
        figures = np.stack([size * (1 - chance), size * chance])
    else:
        unit = 1.0 if name == "counts" else 0.1
        figures = np.stack([size, size * unit * np.exp(odds)])
    laws = (plan.noise[0], plan.noise[-1])
    fit = statistic.estimate((opened(plan, figures),), plan.noise)
    found = []
    for k, law in enumerate(laws):
        for cell in range(len(odds)):
            ends = []
            for sign in (-1, 1):
                moved = figures.copy()
                moved[k, cell] *= 1 + sign * 1e-3
                ends.append(np.array(statistic.estimate((opened(plan, moved),), plan.noise).params))
            found.append((ends[1] - ends[0]) / (2e-3 * figures[k, cell]) * law.sd)
    assert fit.noise_errors == pytest.approx(np.sqrt((np.array(found) ** 2).sum(axis=0)), rel=2e-2)


def test_no_row_changes_the_release_by_more_than_its_norm(world):
    for name in ("counts", "rates"):
        plan = world.plan("glm", epsilon="1", **arguments(name))
        norm, (size, counts) = plan.statistic.norm, plan.statistic.figures
        largest = (norm.weights[0] * size.bound) ** 2 + (norm.weights[1] * counts.bound) ** 2
        assert (size.bound, counts.bound) == ((1 if name == "counts" else 100), 40)
        assert largest == norm.square
        (event,) = plan.cost
        assert event.l2**2 >= norm.square  # times the common factor, at one site of each person
        assert plan.noise[0].sigma2_local == plan.noise[1].sigma2_local


# bad input and attacks


@pytest.mark.parametrize(
    "frame",
    [
        patients().iloc[:0],
        patients().assign(ill=False, visits=0),
        patients().assign(ward="a"),
        patients().assign(ill=patients().smoker),
        patients().iloc[:1],
    ],
    ids=["empty", "no event", "one group", "separated", "one person"],
)
@pytest.mark.parametrize("name", ["logit", "rates"])
def test_nothing_to_fit_is_an_ordinary_answer(frame, name):
    """No error, guard or message follows from data: the code is that of the noisy table."""
    world = StatisticWorld(frame, BINNED)
    answer = world.ask("glm", epsilon="1", **arguments(name))
    assert answer.closed in {"too_few", ""}
    assert min(answer.noise_sds) > 0
    assert len(answer.frame) == len(TERMS)
    assert answer.to_dict()["noise_sds"]


def test_a_person_alone_in_a_group_moves_the_answer_no_more_than_the_noise():
    """A dummy of one person has that person's outcome as its parameter in an exact fit; here it has noise of many people."""
    frame = patients().assign(ward="a")
    found = []
    for outcome in (True, False):
        frame.loc[3, ["ward", "ill"]] = "b", outcome
        world = StatisticWorld(frame, BINNED)
        plan = world.plan("glm", epsilon="1", formula="ill ~ ward")
        noise = 3 * plan.noise[0].sd * np.random.default_rng(4).standard_normal((2, 3))
        total = np.sum(world.scanned(plan), axis=0)[list(plan.statistic.places)].reshape(-1, 2).T
        answer = plan.statistic.estimate((opened(plan, total, noise),), plan.noise)
        found.append(answer.closed)
    assert found == ["too_few", "too_few"]


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"formula": "ill ~ cost"}, PlanRejectedError, "cost has no bins"),
        ({"formula": "ill ~ ill"}, InvalidRequestError, "each column once"),
        ({"formula": "ill ~ warp"}, PlanRejectedError, "unknown column"),
        ({"formula": "ill ~ age * ward"}, InvalidRequestError, "declared columns alone"),
        ({"formula": "visits ~ ward"}, PlanRejectedError, "must be true or false for binomial"),
        ({"formula": "cost ~ ward", "family": "gamma"}, InvalidRequestError, "dispersion of gamma"),
        ({"cov_type": "HC0"}, InvalidRequestError, "must be nonrobust"),
        ({"max_steps": 4}, InvalidRequestError, "one release"),
        ({"exposure": "years"}, InvalidRequestError, "no meaning for binomial"),
        ({"formula": "visits ~ ward", "family": "poisson", "offset": "log_years"}, InvalidRequestError, "give an exposure"),
        ({"formula": "visits ~ ward", "family": "poisson", "exposure": "visits"}, InvalidRequestError, "another column"),
        ({"formula": "half ~ ward", "family": "poisson"}, PlanRejectedError, "steps of 1"),
        ({"formula": "ill ~ only"}, InvalidRequestError, "one group only"),
        ({"formula": "ill ~ ward + age + c0 + c1"}, InvalidRequestError, "not 16 and 432"),
        ({"formula": "ill ~ ward", "family": "gaussian"}, InvalidRequestError, "must be numeric for gaussian"),
        ({"formula": "cost ~ ward", "family": "gaussian", "link": "log"}, InvalidRequestError, "must be identity"),
        ({"link": "log"}, InvalidRequestError, "must be one of logit"),
    ],
)  # fmt: skip
def test_arguments_are_refused_before_a_charge(changed, error, text):
    more = {f"c{place}": {"type": "categorical", "domain": list("abcdef")} for place in range(2)}
    more |= {
        "only": {"type": "categorical", "domain": ["one"]},
        "half": {"type": "numeric", "lower": 0, "upper": 8, "resolution": 2},
    }
    frame = patients().iloc[:0].assign(c0="a", c1="a", only="one", half=0)
    world = StatisticWorld(frame, BINNED | more)
    with pytest.raises(error, match=text):
        world.plan("glm", epsilon="1", **{"formula": "ill ~ ward"} | changed)


def test_a_level_of_an_interval_is_between_0_and_1(world):
    plan = world.plan("glm", epsilon="4", formula="ill ~ ward")
    answer = without_noise(world, plan)
    for call in (lambda: answer.interval(1), lambda: answer.conf_int(0)):
        with pytest.raises(InvalidRequestError, match="above 0 and below 1"):
            call()


def test_law_no_table_of_noise_makes_an_error(world, monkeypatch):
    """Empty tables, far too much noise and tables of one cell: an answer or one code, never an exception or a warning."""
    monkeypatch.setattr(released_glm, "REPLICATES", 49)
    plans = [
        world.plan("glm", epsilon=epsilon, **arguments(name)) for epsilon in ("0.1", "3") for name in ASKED
    ]
    generator, shown = np.random.default_rng(2), 0
    for trial in range(120):
        plan = plans[trial % len(plans)]
        laws = (plan.noise[0], plan.noise[-1])
        count = len(plan.statistic.design)
        figures = np.zeros((2, count))
        figures[:, generator.integers(0, count, trial % 5)] = generator.choice([3, 100, 2000])
        if trial % 3 == 0:
            figures += generator.integers(0, 40 * int(laws[1].sd), (2, count))
        noise = np.stack([law.normal((count,), generator) for law in laws])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = plan.statistic.estimate((opened(plan, figures, noise),), plan.noise)
            str(answer), answer.to_dict(), answer._repr_html_(), answer.picture()
        shown += not answer.closed
        if not answer.closed:
            assert np.isfinite([*answer.params, *answer.bse, *answer.pvalues]).all()
    assert 5 < shown < 115


# coverage

FITS = {
    "heart 500": ("disease ~ sex + exang", {}, "1", 500, [-1.0, 0.9, 1.2]),
    "heart 900": ("disease ~ age + sex + exang", {}, "2", 900, [-1.6, 0.3, 0.7, 1.0, 0.9, 1.2]),
    "heart 2000": ("disease ~ age + sex + cp", {}, "1", 2000, [-1.2, 0.3, 0.6, 0.9, 0.8, -0.2, 0.1, 1.4]),
    "heart 10000": ("disease ~ age + sex + cp", {}, "1", 10_000, [-1.2, 0.3, 0.6, 0.9, 0.8, -0.2, 0.1, 1.4]),
    "rare": ("disease ~ age + sex", {}, "3", 3000, [-3.0, 0.3, 0.6, 0.9, 0.5]),
    "probit": ("disease ~ sex + exang", {"link": "probit"}, "1", 1500, [-0.6, 0.5, 0.7]),
    "risk": ("disease ~ sex + exang", {"family": "poisson"}, "1", 1500, [-1.6, 0.5, 0.6]),
    "counts": ("stays ~ sex + exang", {"family": "poisson"}, "1", 3000, [0.4, 0.5, 0.6]),
    "rates": ("stays ~ sex + exang", {"family": "poisson", "exposure": "years"}, "1", 5000, [-0.6, 0.5, 0.6]),
}  # fmt: skip


class Hearts:
    """Patients drawn anew from the real ones' covariates; outcomes follow a known model."""

    def __init__(self, name):
        formula, more, epsilon, self.n, true = FITS[name]
        real = heart_world()
        bins = dict(real.schema.to_dict()["tables"]["patients"]["columns"])
        bins |= {
            "stays": {"type": "numeric", "lower": 0, "upper": 12, "resolution": 1},
            "years": {"type": "numeric", "lower": 0.5, "upper": 5, "resolution": 0.5},
        }
        world = StatisticWorld(real.frame.iloc[:0].assign(stays=0, years=1), bins, rows_max=10_000)
        self.plan = world.plan("glm", epsilon=epsilon, formula=formula, **more)
        self.true, self.more = np.array(true), more
        statistic = self.plan.statistic
        columns = [column for _, column in statistic.keys if column.name != statistic.outcome.name]
        known = real.frame[[column.name for column in columns]].dropna()
        place = np.zeros(len(known), dtype=int)
        for column in columns:
            values = known[column.name]
            if column.name == "age":
                codes = np.digitize(values, [40, 50, 60])
                size = 4
            elif column.name == "exang":
                codes, size = values.astype(int).to_numpy(), 2
            else:
                codes, size = pd.Categorical(values, list(column.domain)).codes, len(column.domain)
            place = place * size + codes
        self.places = place

    def release(self, generator):
        statistic, plan = self.plan.statistic, self.plan
        count = len(statistic.design)
        cell = self.places[generator.integers(0, len(self.places), self.n)]
        odds = statistic.design[cell] @ self.true
        if statistic.has_chances:
            chance = {"probit": ndtr, "log": np.exp}.get(statistic.family.link, expit)(odds)
            ill = generator.random(self.n) < chance
            figures = np.stack(
                [np.bincount(cell[~ill], minlength=count), np.bincount(cell[ill], minlength=count)]
            )
        else:
            years = generator.integers(1, 11, self.n) if statistic.exposure else np.ones(self.n)
            mean = np.exp(odds) * (years * 0.5 if statistic.exposure else 1)
            stays = np.minimum(generator.poisson(mean), 12)
            figures = np.stack([np.bincount(cell, weights=each, minlength=count) for each in (years, stays)])
        laws = (plan.noise[0], plan.noise[-1])
        noise = np.stack([law.normal((count,), generator) for law in laws])
        return statistic.estimate((opened(plan, figures, noise),), plan.noise)


def coverage(name, trials):
    """How many releases show a fit, and of these which share covers each parameter."""
    hearts, generator, hits = Hearts(name), np.random.default_rng(8), []
    for _ in range(trials):
        answer = hearts.release(generator)
        if not answer.closed:
            low, high = np.array(answer.conf_int()).T
            hits.append((low <= hearts.true) & (hearts.true <= high))
    return len(hits), np.array(hits).sum(axis=0)


def test_a_few_releases_cover_what_they_say(monkeypatch):
    monkeypatch.setattr(released_glm, "REPLICATES", 199)
    shown, hits = coverage("heart 500", 80)
    assert shown > 70
    assert hits.min() > 0.85 * shown


@pytest.mark.slow
@pytest.mark.parametrize("name", FITS)
def test_intervals_of_4000_releases_cover_as_often_as_they_say(name, monkeypatch):
    monkeypatch.setattr(released_glm, "REPLICATES", 199)
    shown, hits = coverage(name, 4_000)
    assert shown > 3_000
    for each in hits:
        assert binomtest(int(each), shown, 0.94, alternative="less").pvalue > 1e-6, (name, hits / shown)
        assert each < 0.99 * shown


@pytest.mark.slow
def test_pvalues_without_an_effect_are_level(monkeypatch):
    monkeypatch.setattr(released_glm, "REPLICATES", 199)
    hearts, generator = Hearts("heart 500"), np.random.default_rng(9)
    hearts.true = np.array([-0.4, 0.0, 0.0])
    found = np.array(
        [
            answer.pvalues[1:]
            for answer in (hearts.release(generator) for _ in range(4_000))
            if not answer.closed
        ]
    )
    for column in found.T:
        rejected = int((column <= 0.05).sum())
        assert binomtest(rejected, len(column), 0.06, alternative="greater").pvalue > 1e-6
