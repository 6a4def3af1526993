"""Tukey's differences, equivalence of means, and the Brier score: exact ones equal the libraries', private ones keep their level."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.comparisons.group_moments import shift_of
from analytics.statistics.location import tost, tukey_hsd

KNOWN = json.loads(
    (Path(__file__).parents[2] / "oracles" / "statistics" / "planning_numbers.json").read_text("utf-8")
)
ARMS = {
    "x": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1, "nullable": True},
    "arm": {"type": "categorical", "domain": ["a", "b", "c"], "nullable": True},
    "p": {"type": "numeric", "lower": 0, "upper": 1, "resolution": 0.01, "nullable": True},
    "ill": {"type": "boolean", "nullable": True},
}
ASKED = {
    "tukey_hsd": {"column": "x", "by": "arm"},
    "tost": {"column": "x", "by": "arm", "groups": ["a", "b"], "low": -8, "upp": "6.5"},
    "brier": {"score": "p", "truth": "ill"},
}


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-12)


def rows(n=600, seed=1):
    generator = np.random.default_rng(seed)
    chance = generator.integers(5, 96, n) / 100
    arm = generator.choice(np.array(["a", "b", "c", None], dtype=object), n, p=[0.3, 0.3, 0.3, 0.1])
    values = np.clip(np.rint(generator.normal(50, 15, n)), 1, 99)
    return pd.DataFrame(
        {
            "x": np.where(generator.random(n) < 0.05, np.nan, values),
            "arm": arm,
            "p": chance,
            "ill": generator.random(n) < chance,
        }
    )


def world_of(frame=None, **fields):
    fields = {"exact_dimensions": ["arm", "ill"]} | fields
    return StatisticWorld(rows() if frame is None else frame, ARMS, **fields)


def released(plan, groups, generator, noise=1.0):
    """What a release of these groups' values opens; values in the column's unit."""
    statistic = plan.statistic
    unit, center = float(statistic.column.resolution), statistic._center
    offset = shift_of(statistic._value).offset
    moved = [np.rint(np.asarray(each) / unit) - center for each in groups]
    figures = [[each.size, each.sum(), (each**2 - offset).sum()] for each in moved]
    parts = []
    for row, law in zip(np.array(figures, dtype=float).T, plan.noise, strict=True):
        parts.append(np.rint((row + noise * law.normal(row.shape, generator)) * law.weight))
    return (np.concatenate(parts).astype(np.int64),)


def groups_of(frame):
    known = frame.dropna(subset=["x", "arm"])
    return [known.x[known.arm == arm].to_numpy() for arm in "abc"]


@pytest.mark.parametrize("seed", [1, 2])
def test_tukeys_differences_equal_scipys(seed):
    frame = rows(seed=seed)
    answer, known = world_of(frame).ask("tukey_hsd", **ASKED["tukey_hsd"]), stats.tukey_hsd(*groups_of(frame))
    ends = known.confidence_interval(0.95)
    for place, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        assert answer.pairs[place] == ("abc"[i], "abc"[j])
        assert answer.differences[place] == near(known.statistic[i, j])
        assert answer.pvalues[place] == pytest.approx(known.pvalue[i, j], rel=1e-6)
        assert (answer.low[place], answer.high[place]) == pytest.approx(
            (ends.low[i, j], ends.high[i, j]), rel=1e-6
        )
    assert answer.noise_errors == (0.0, 0.0, 0.0)
    assert answer.frame.shape == (3, 7)


def test_hospitals_differences_equal_scipys():
    world = heart_world()
    groups = ["atypical", "non_anginal", "asymptomatic"]
    answer = world.ask("tukey_hsd", column="thalach", by="cp", groups=groups)
    values = world.frame.dropna(subset=["thalach"])
    known = stats.tukey_hsd(*(values.thalach[values.cp == group].to_numpy() for group in groups))
    assert answer.differences == near((known.statistic[0, 1], known.statistic[0, 2], known.statistic[1, 2]))
    assert answer.pvalues == pytest.approx(
        (known.pvalue[0, 1], known.pvalue[0, 2], known.pvalue[1, 2]), rel=1e-6
    )


@pytest.mark.parametrize("known", KNOWN["equivalence"])
def test_equivalence_equals_statsmodels(known):
    first, second = known["groups"]
    frame = pd.DataFrame(
        {"x": [*first, *second], "arm": ["a"] * len(first) + ["b"] * len(second), "p": 0.5, "ill": True}
    )
    world = world_of(frame.sample(frac=1, random_state=2))
    for name, equal in (("unequal", False), ("pooled", True)):
        answer = world.ask("tost", **ASKED["tost"], equal_var=equal)
        found = [
            answer.pvalue,
            *(answer.lower_statistic, answer.lower_pvalue, answer.df),
            *(answer.upper_statistic, answer.upper_pvalue, answer.df),
        ]
        assert found == near(known[name])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_brier_score_equals_scikit_learns(seed):
    frame = rows(seed=seed)
    answer = world_of(frame).ask("brier", **ASKED["brier"])
    assert answer.value == near(brier_score_loss(frame.ill.astype(int), frame.p))
    assert answer.figures["scaled"] == near(1 - answer.value / (frame.ill.mean() * (1 - frame.ill.mean())))
    assert answer.figures["calibration_in_the_large"] == near(frame.ill.mean() - frame.p.mean())
    assert answer.figures["slope"] == near(frame.p[frame.ill].mean() - frame.p[~frame.ill].mean())
    assert answer.interval(part="noise") == (answer.value, answer.value)
    with pytest.raises(InvalidRequestError, match="both or noise"):
        answer.interval(part="sampling")
    gap = frame.ill.astype(int) - frame.p
    errors = {
        "prevalence": frame.ill.std(ddof=0) / len(frame) ** 0.5,
        "mean_prediction": frame.p.std(ddof=0) / len(frame) ** 0.5,
        "calibration_in_the_large": gap.std(ddof=0) / len(frame) ** 0.5,
        "slope": sum(frame.p[frame.ill == value].var() / (frame.ill == value).sum() for value in (0, 1))
        ** 0.5,
    }
    for name, value in errors.items():
        assert answer.sampling_errors[name] == pytest.approx(value, rel=2e-3)
    assert answer.sampling_errors["brier"] >= (gap**2).std() / len(frame) ** 0.5
    assert answer.sampling_errors["scaled"] > answer.sampling_errors["brier"]
    assert answer.frame.loc["brier", "noise_error"] == 0


@pytest.mark.parametrize("name", sorted(ASKED))
@pytest.mark.parametrize("few", [1, 9])
def test_one_small_group_closes_all_and_looks_like_none(name, few):
    frame = rows()
    if name == "brier":
        keep = frame.ill | (np.arange(len(frame)) < 0)
        keep[np.flatnonzero(~frame.ill)[:few]] = True
    else:
        keep = (frame.arm != "a").to_numpy().copy()
        keep[np.flatnonzero((frame.arm == "a") & frame.x.notna())[:few]] = True
    world = world_of(frame[keep])
    plan = world.plan(name, **ASKED[name])
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    assert set(opened.tolist()) == {0}
    answer = world.ask(name, **ASKED[name])
    assert answer.closed == "minimum_cell"
    assert answer.to_dict()["closed"] == "minimum_cell"


@pytest.mark.parametrize("name", sorted(ASKED))
def test_one_person_off_a_bound_closes_all(name):
    """The attack: all at the lowest value but one, whose value the mean would tell."""
    frame = rows().assign(x=0.0, p=0.0)
    frame.loc[frame.index[frame.arm.notna()][:1], ["x", "p"]] = [57.0, 0.57]
    assert world_of(frame).ask(name, **ASKED[name]).closed == "minimum_cell"


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_private_answer_is_one_release_without_a_guard(name):
    world = world_of()
    plan = world.plan(name, epsilon="1", **ASKED[name])
    assert (len(plan.cost), plan.has_products) == (1, False)
    for frame in (rows().iloc[:0], rows().assign(x=0.0, p=0.0, arm="a", ill=True)):
        assert world_of(frame).ask(name, epsilon="1", **ASKED[name]).closed == ""


@pytest.mark.parametrize("name", sorted(ASKED))
def test_without_noise_private_answers_are_the_exact_ones(name):
    frame = rows(n=3000)
    world, generator = world_of(frame, rows_max=3000), np.random.default_rng(0)
    exact = world.ask(name, **ASKED[name])
    plan = world.plan(name, epsilon="8", **ASKED[name])
    groups = groups_of(frame) if name != "brier" else [frame.p[~frame.ill], frame.p[frame.ill]]
    groups = groups[: len(plan.statistic.labels)]
    private = plan.statistic.estimate(released(plan, groups, generator, noise=0.0), plan.noise)
    for field in ("differences", "lower_statistic", "upper_statistic", "difference"):
        if hasattr(exact, field):
            assert getattr(private, field) == pytest.approx(getattr(exact, field), rel=1e-9)
    if name == "brier":
        assert list(private.figures.values()) == pytest.approx(list(exact.figures.values()), rel=1e-9)
        assert min(private.noise_errors.values()) > 0
    assert private == plan.statistic.estimate(released(plan, groups, generator, noise=0.0), plan.noise)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["1", "5"])
def test_tukeys_intervals_and_pvalues_of_4000_releases_keep_their_level(epsilon, monkeypatch):
    monkeypatch.setattr(tukey_hsd, "REPLICATES", 399)
    plan = world_of().plan("tukey_hsd", epsilon=epsilon, **ASKED["tukey_hsd"])
    generator, trials, missed, rejected = np.random.default_rng(6), 4000, 0, 0
    for _ in range(trials):
        groups = [np.clip(np.rint(generator.normal(50, 15, n)), 0, 100) for n in (250, 300, 350)]
        answer = plan.statistic.estimate(released(plan, groups, generator), plan.noise)
        rejected += min(answer.pvalues) <= 0.05
        missed += not all(low <= 0 <= high for low, high in zip(answer.low, answer.high, strict=True))
    for count in (missed, rejected):
        assert stats.binomtest(count, trials, 0.06, alternative="greater").pvalue > 1e-6, count
        assert count > 0.01 * trials


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["1", "5"])
def test_equivalence_at_a_margin_is_found_at_most_as_often_as_said(epsilon, monkeypatch):
    monkeypatch.setattr(tost, "REPLICATES", 199)
    plan = world_of().plan("tost", epsilon=epsilon, **ASKED["tost"])
    generator, trials = np.random.default_rng(6), 4000
    for shift in (-8, 6.5):
        found = 0
        for _ in range(trials):
            groups = [
                np.clip(np.rint(generator.normal(mean, 12, n)), 0, 100)
                for mean, n in ((50 + shift, 400), (50, 500))
            ]
            answer = plan.statistic.estimate(released(plan, groups, generator), plan.noise)
            found += answer.pvalue <= 0.05
        assert stats.binomtest(found, trials, 0.06, alternative="greater").pvalue > 1e-6, found


@pytest.mark.slow
@pytest.mark.parametrize(("n", "epsilon"), [(500, "2"), (1500, "1"), (3000, "5")])
def test_intervals_of_4000_brier_scores_cover_those_of_the_population(n, epsilon):
    """Of brier and scaled generously: their sampling errors are upper bounds."""
    people = rows(40_000, seed=8).dropna()
    plan = world_of().plan("brier", epsilon=epsilon, **ASKED["brier"])
    p, ill = people.p.to_numpy(), people.ill.to_numpy(bool)
    share, score = ill.mean(), ((p - ill) ** 2).mean()
    truth = {
        "brier": score,
        "scaled": 1 - score / (share * (1 - share)),
        "prevalence": share,
        "mean_prediction": p.mean(),
        "calibration_in_the_large": share - p.mean(),
        "slope": p[ill].mean() - p[~ill].mean(),
    }
    generator, trials, hits = np.random.default_rng(6), 4000, dict.fromkeys(truth, 0)
    for _ in range(trials):
        place = generator.integers(0, len(p), n)
        groups = [pd.Series(p[place][ill[place] == value]) for value in (False, True)]
        answer = plan.statistic.estimate(released(plan, groups, generator), plan.noise)
        for name, value in truth.items():
            low, high = answer.interval(name)
            hits[name] += low <= value <= high
    for name, count in hits.items():
        assert stats.binomtest(count, trials, 0.94, alternative="less").pvalue > 1e-6, (name, count)
        if name not in {"brier", "scaled"}:
            assert count < 0.985 * trials, (name, count)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["1", "5"])
def test_intervals_of_4000_brier_scores_cover_the_figure_without_noise(epsilon):
    frame = rows(1500)
    plan = world_of().plan("brier", epsilon=epsilon, **ASKED["brier"])
    groups = [frame.p[~frame.ill], frame.p[frame.ill]]
    truth = world_of(frame, rows_max=3000).ask("brier", **ASKED["brier"]).figures
    generator, trials, hits = np.random.default_rng(6), 4000, dict.fromkeys(truth, 0)
    for _ in range(trials):
        answer = plan.statistic.estimate(released(plan, groups, generator), plan.noise)
        for name, value in truth.items():
            low, high = answer.interval(name, part="noise")
            hits[name] += low <= value <= high
    for name, count in hits.items():
        assert stats.binomtest(count, trials, 0.94, alternative="less").pvalue > 1e-6, (name, count)
        assert count < 0.985 * trials, (name, count)


@pytest.mark.parametrize(
    ("name", "change", "error", "text"),
    [
        ("tukey_hsd", {"groups": ["a"]}, InvalidRequestError, "2 to 30 groups"),
        ("tukey_hsd", {"by": "x"}, Exception, "by"),
        ("tost", {"groups": ["a", "b", "c"]}, InvalidRequestError, "two groups of arm, which has 3"),
        ("tost", {"low": 7}, InvalidRequestError, "upp must be above low"),
        ("tost", {"low": [1, 2]}, InvalidRequestError, "low must be one number"),
        ("brier", {"score": "x"}, PlanRejectedError, "between 0 and 1"),
        ("brier", {"truth": "arm"}, InvalidRequestError, "two groups, not 3"),
        ("brier", {"groups": ["a"]}, InvalidRequestError, "is not an argument"),
    ],
)
def test_arguments_are_refused_before_a_charge(name, change, error, text):
    with pytest.raises(error, match=text):
        world_of().plan(name, **ASKED[name] | change)


def test_constant_groups_without_a_guard_are_undefined():
    world = world_of(rows().assign(x=5.0, ill=True), minimum_cell=0)
    for name, asked in ASKED.items():
        assert world.ask(name, **asked).closed == "undefined"
