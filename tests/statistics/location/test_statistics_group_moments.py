"""t test and analysis of variance: equal to scipy's in exact mode; closed where moments tell of few; honest under noise."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.statistics.aggregate import shift_of
from analytics.statistics.location import anova as anova_module
from analytics.statistics.location import t_test as t_test_module
from tests.examples import costly_law

COLUMNS = {
    "arm": {"type": "categorical", "domain": ["new", "old", "none"], "nullable": True},
    "ill": {"type": "boolean"},
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 0.5, "nullable": True},
    "score": {"type": "numeric", "lower": 0, "upper": 4, "resolution": 1},
    "years": {"type": "numeric", "lower": 0, "upper": 90, "resolution": 1, "bins": [0, 30, 60, 90]},
}


def frame(n=300, seed=1, counts=(120, 100, 80)):
    generator = np.random.default_rng(seed)
    arm = np.repeat(np.array(["new", "old", "none"], dtype=object), counts)
    ages = np.round(np.clip(generator.normal(50, 18, n), 1, 119) * 2) / 2
    ages[:7] = np.nan
    arm[10:14] = None
    return pd.DataFrame(
        {
            "arm": arm,
            "ill": generator.random(n) < 0.4,
            "age": ages,
            "score": generator.integers(0, 5, n),
            "years": generator.integers(0, 91, n),
        }
    )


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS, exact_dimensions=["arm", "ill", "years"])


@pytest.fixture(scope="module")
def heart():
    return heart_world()


def groups(world, column, by, labels):
    known = world.frame.dropna(subset=[column])
    return [known[column][known[by] == label].to_numpy(float) for label in labels]


# -- equal to the pooled test --------------------------------------------------------------------------------------


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("equal_var", [False, True])
def test_the_hospitals_t_test_equals_scipys(heart, equal_var, alternative):
    answer = heart.ask("t_test", column="thalach", by="disease", equal_var=equal_var, alternative=alternative)
    samples = groups(heart, "thalach", "disease", [False, True])
    known = stats.ttest_ind(*samples, equal_var=equal_var, alternative=alternative)
    assert answer.statistic == pytest.approx(known.statistic, rel=1e-9)
    assert answer.pvalue == pytest.approx(known.pvalue, rel=1e-9)
    assert answer.df == pytest.approx(known.df, rel=1e-9)
    for level in (0.95, 0.8):
        assert answer.confidence_interval(level) == pytest.approx(
            tuple(known.confidence_interval(level)), rel=1e-9
        )
    assert answer.n == tuple(map(float, map(len, samples)))
    assert answer.means == pytest.approx([each.mean() for each in samples], rel=1e-12)
    assert answer.sds == pytest.approx([each.std(ddof=1) for each in samples], rel=1e-12)
    assert (answer.noise_error, answer.closed) == (0.0, "")


def test_a_decimal_column_and_named_groups_equal_scipys(heart):
    answer = heart.ask("t_test", column="oldpeak", by="cp", groups=["asymptomatic", "atypical"])
    known = stats.ttest_ind(*groups(heart, "oldpeak", "cp", ["asymptomatic", "atypical"]), equal_var=False)
    assert (answer.statistic, answer.pvalue) == pytest.approx((known.statistic, known.pvalue), rel=1e-9)
    assert answer.labels == ("asymptomatic", "atypical")
    back = heart.ask("t_test", column="oldpeak", by="cp", groups=["atypical", "asymptomatic"])
    assert back.statistic == -answer.statistic


def test_the_hospitals_anova_equals_scipys(heart):
    answer = heart.ask("anova", column="thalach", by="cp")
    labels = ["typical", "atypical", "non_anginal", "asymptomatic"]
    samples = groups(heart, "thalach", "cp", labels)
    known = stats.f_oneway(*samples)
    assert (answer.statistic, answer.pvalue) == pytest.approx((known.statistic, known.pvalue), rel=1e-9)
    total = np.concatenate(samples)
    assert answer.ss_between + answer.ss_within == pytest.approx(
        ((total - total.mean()) ** 2).sum(), rel=1e-9
    )
    assert (answer.df_between, answer.df_within) == (3, len(total) - 4)
    assert answer.frame["mean"].tolist() == pytest.approx([each.mean() for each in samples], rel=1e-12)


def test_groups_of_a_numeric_column_are_its_bins(world):
    answer = world.ask("anova", column="age", by="years")
    known = world.frame.dropna(subset=["age"])
    bins = np.digitize(known.years, [30, 60])
    expected = stats.f_oneway(*(known.age[bins == place] for place in range(3)))
    assert answer.statistic == pytest.approx(expected.statistic, rel=1e-9)


@costly_law(1)
@given(st.integers(0, 10**6))
def test_law_rows_may_lie_at_any_site(seed):
    data = frame(seed=3)
    at_one_site = [
        data[data.arm == "new"],
        data[data.arm == "old"],
        data[(data.arm == "none") | data.arm.isna()],
    ]
    dealt = data.sample(frac=1, random_state=seed)
    for name, arguments in (("t_test", {"groups": ["new", "old"]}), ("anova", {})):
        answers = [
            StatisticWorld(data, COLUMNS, parts=parts).ask(name, column="age", by="arm", **arguments).values()
            for parts in (
                at_one_site,
                [dealt.iloc[:20], dealt.iloc[20:190], dealt.iloc[190:]],
                [*at_one_site, data.iloc[:0]],
            )
        ]
        assert answers[0] == answers[1] == answers[2]


def test_means_far_from_zero_lose_no_digit():
    """Sums of squares of values near the upper bound would cancel in floating point."""
    generator = np.random.default_rng(4)
    data = pd.DataFrame(
        {"ill": np.arange(200) % 2 == 0, "x": 9 * 10**5 + np.round(generator.normal(0, 3, 200), 1)}
    )
    columns = {
        "ill": {"type": "boolean"},
        "x": {"type": "numeric", "lower": -(10**6), "upper": 10**6, "resolution": 0.1},
    }
    answer = StatisticWorld(data, columns, minimum_cell=0).ask("t_test", column="x", by="ill")
    shifted = data.x - 9 * 10**5
    known = stats.ttest_ind(shifted[~data.ill], shifted[data.ill], equal_var=False)
    assert (answer.statistic, answer.pvalue) == pytest.approx((known.statistic, known.pvalue), rel=1e-9)


# -- attacks -------------------------------------------------------------------------------------------------------


def opened(world, name, **arguments):
    plan = world.plan(name, **arguments)
    total = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    return total.tolist()


@pytest.mark.parametrize("size", [0, 1, 9])
def test_one_small_group_closes_all_and_looks_like_none(size):
    counts = (150 - size, 150, size) if size else (150, 150, 0)
    for name, arguments in (("anova", {}), ("t_test", {"groups": ["none", "old"]})):
        small = StatisticWorld(frame(counts=counts).assign(age=lambda d: d.age.fillna(40)), COLUMNS)
        assert opened(small, name, column="age", by="arm", **arguments) == [0] * (
            3 * len(arguments.get("groups", "abc")) + 1
        )
        answer = small.ask(name, column="age", by="arm", **arguments)
        assert (answer.closed, answer.statistic, answer.pvalue) == ("minimum_cell", None, None)


TELLING = {
    "one person off a constant": ("age", lambda place: np.where(place < 1, 100, 40)),
    "few above the lower bound": ("age", lambda place: np.where(place < 9, 0.5, 0)),
    "few between the bounds": ("age", lambda place: np.where(place < 9, 60, 120 * (place % 2))),
    "few with one of five values": ("score", lambda place: np.where(place < 4, 3, place % 3)),
    "none off a constant": ("age", lambda place: np.full(len(place), 40)),
}


@pytest.mark.parametrize("case", TELLING)
def test_sums_that_tell_of_few_people_are_closed(case):
    """The attacks: what is left of sum and squares after the many is the few."""
    data, (column, values) = frame(), TELLING[case]
    data[column] = values(np.arange(len(data)))
    world = StatisticWorld(data.sample(frac=1, random_state=2), COLUMNS)
    assert world.ask("t_test", column=column, by="ill").closed == "minimum_cell"
    assert set(opened(world, "t_test", column=column, by="ill")) == {0}


def test_the_threshold_counts_a_unit_at_every_site(world):
    answers = [
        StatisticWorld(frame(), COLUMNS, max_sites_per_unit=sites, minimum_cell=30).ask(
            "anova", column="age", by="arm"
        )
        for sites in (1, 3)
    ]
    assert [answer.closed for answer in answers] == ["", "minimum_cell"]


def test_the_guard_counts_what_the_guard_of_the_same_variance_in_sql_counts(world):
    from analytics.plans.plan import make_plan

    statistic = world.plan("anova", column="age", by="arm").statistic
    query = world.plan("anova", column="age", by="arm", epsilon="1").statistic.query
    plan = make_plan(query, mode="exact", epsilon=None, context=world.context)
    n_groups = plan.n_groups
    rows = [source.complete_cases(("arm", "age")) for source in world.sources]
    own = sum(statistic._figures(each) for each in rows)[9:].reshape(3, -1)
    figures = sum(source.local_figures(plan) for source in world.sources).reshape(-1, n_groups)
    for group in range(3):
        tested = {figures[place // n_groups, group] for guard in plan.guards for place in guard.at_least}
        assert tested == set(own[group].tolist())


# -- private -------------------------------------------------------------------------------------------------------


def test_a_private_test_is_one_release_without_a_guard(world):
    for name, arguments in (("t_test", {"groups": ["new", "old"]}), ("anova", {})):
        plan = world.plan(name, column="age", by="arm", epsilon="2", **arguments)
        assert not plan.has_products
        assert len(plan.cost) == 1  # number, sum and squares are one event
        answer = world.ask(name, column="age", by="arm", epsilon="2", **arguments)
        assert answer.closed == ""
        assert 0 < answer.pvalue <= 1
        known = groups(world, "age", "arm", answer.labels)
        for mean, each in zip(answer.means, known, strict=True):
            assert abs(mean - each.mean()) < 30


@pytest.mark.parametrize("name", ["t_test", "anova"])
def test_private_figures_with_hardly_any_noise_are_the_exact_ones(world, name):
    """The fault: sums of squares were centered by one number in the plan and by another in the estimate."""
    arguments = {"column": "age", "by": "arm"} | ({"groups": ["new", "old"]} if name == "t_test" else {})
    private = world.ask(name, epsilon="20000", **arguments)
    exact = world.ask(name, **arguments)
    assert private.means == pytest.approx(exact.means, rel=1e-2)
    assert private.sds == pytest.approx(exact.sds, rel=3e-2)


def test_an_empty_group_gives_an_ordinary_noisy_answer():
    empty = StatisticWorld(frame(counts=(150, 150, 0)), COLUMNS)
    for _ in range(3):
        answer = empty.ask("t_test", column="age", by="arm", groups=["none", "old"], epsilon="0.5")
        assert (answer.closed, answer.too_few) == ("", True)
        assert 0 <= answer.means[0] <= 120


class Releases:
    """Releases of a private plan over rows drawn from real ones: what the sites would add up, with the plan's noise."""

    def __init__(self, world, epsilon, name, **arguments):
        self.plan = world.plan(name, epsilon=epsilon, **arguments)
        statistic = self.plan.statistic
        self.center, self.offset = statistic._center, shift_of(statistic._value).offset
        self.step = float(statistic.column.resolution)

    def opened(self, samples, generator, noisy=True):
        steps = [np.rint(each / self.step) - self.center for each in samples]
        figures = [[each.size for each in steps], [each.sum() for each in steps]]
        figures.append([(each**2 - self.offset).sum() for each in steps])
        rows = []
        for row, law in zip(figures, self.plan.noise, strict=True):
            noise = law.normal((len(row),), generator) if noisy else 0
            rows.append(np.rint((np.array(row) + noise) * law.weight))
        return np.concatenate(rows).astype(np.int64)

    def answer(self, samples, generator, noisy=True):
        return self.plan.statistic.estimate((self.opened(samples, generator, noisy),), self.plan.noise)


def test_without_noise_private_statistics_are_the_exact_ones(heart):
    samples = groups(heart, "thalach", "disease", [False, True])
    exact = heart.ask("t_test", column="thalach", by="disease")
    found = Releases(heart, "1", "t_test", column="thalach", by="disease").answer(samples, None, noisy=False)
    for name in ("statistic", "df", "difference", "sampling_error"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=1e-12), name
    assert found.noise_error > 0
    samples = groups(heart, "thalach", "cp", ["typical", "atypical", "non_anginal", "asymptomatic"])
    exact = heart.ask("anova", column="thalach", by="cp")
    found = Releases(heart, "1", "anova", column="thalach", by="cp").answer(samples, None, noisy=False)
    assert (found.statistic, found.eta_squared) == pytest.approx(
        (exact.statistic, exact.eta_squared), rel=1e-12
    )


@pytest.mark.slow
def test_intervals_of_private_differences_cover_as_often_as_they_say(heart, monkeypatch):
    """4,000 releases over rows drawn from the hospitals' own, at an epsilon whose noise is as large as sampling's."""
    monkeypatch.setattr(t_test_module, "REPLICATES", 1)
    pools = groups(heart, "thalach", "disease", [False, True])
    truth = pools[0].mean() - pools[1].mean()
    generator = np.random.default_rng(8)
    releases = Releases(heart, "0.5", "t_test", column="thalach", by="disease")
    trials, covered, noise = 4000, 0, []
    for _ in range(trials):
        answer = releases.answer([generator.choice(each, 300) for each in pools], generator)
        low, high = answer.confidence_interval()
        covered += low <= truth <= high
        noise.append(answer.noise_error / answer.sampling_error)
    assert np.median(noise) > 0.5
    assert stats.binomtest(covered, trials, 0.94, alternative="less").pvalue > 1e-6
    assert covered < 0.975 * trials


@pytest.mark.parametrize(("name", "epsilon"), [("t_test", "0.3"), ("anova", "0.3")])
def test_private_pvalues_keep_their_level(heart, name, epsilon, monkeypatch):
    """Groups without a difference: at most 5 % reject at 5 %, where the classical p-value rejects far more often."""
    for module in (t_test_module, anova_module):
        monkeypatch.setattr(module, "REPLICATES", 199)
    by = {"t_test": "disease", "anova": "cp"}[name]
    pool = np.concatenate(groups(heart, "thalach", "disease", [False, True]))
    releases = Releases(heart, epsilon, name, column="thalach", by=by)
    generator = np.random.default_rng(9)
    trials, found, classical = 100, 0, 0
    for _ in range(trials):
        samples = [generator.choice(pool, 200) for _ in releases.plan.statistic.labels]
        answer = releases.answer(samples, generator)
        found += answer.pvalue <= 0.05
        if name == "t_test":
            classical += 2 * stats.t.sf(abs(answer.statistic), answer.df) <= 0.05
        else:
            classical += stats.f.sf(answer.statistic, answer.df_between, answer.df_within) <= 0.05
    assert stats.binomtest(found, trials, 0.05, alternative="greater").pvalue > 1e-6, found
    assert classical > 2 * found


def test_a_large_difference_is_found_under_noise(heart):
    answer = heart.ask("t_test", column="thalach", by="disease", epsilon="3")
    assert answer.pvalue < 0.05
    assert answer.statistic > 0


def test_one_private_answer_has_one_pvalue(heart):
    releases = Releases(heart, "1", "t_test", column="thalach", by="disease")
    opened_once = releases.opened(
        groups(heart, "thalach", "disease", [False, True]), np.random.default_rng(1)
    )
    first, again = (releases.plan.statistic.estimate((opened_once,), releases.plan.noise) for _ in range(2))
    assert first == again


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"column": "age"}, InvalidRequestError, "by is missing"),
        ({"column": "years", "by": "years"}, InvalidRequestError, "another column"),
        ({"column": "age", "by": "arm"}, InvalidRequestError, "must name two groups of arm, which has 3"),
        (
            {"column": "age", "by": "arm", "groups": ["new", "newer"]},
            InvalidRequestError,
            "has no group newer",
        ),
        ({"column": "age", "by": "arm", "groups": ["new", "new"]}, InvalidRequestError, "different groups"),
        ({"column": "age", "by": "arm", "groups": "new"}, InvalidRequestError, "must be a list"),
        ({"column": "ill", "by": "arm"}, PlanRejectedError, "ill must be numeric"),
        ({"column": "age", "by": "score"}, PlanRejectedError, "score has no bins"),
        ({"column": "aeg", "by": "ill"}, PlanRejectedError, "did you mean age"),
        (
            {"column": "age", "by": "ill", "alternative": "both"},
            InvalidRequestError,
            "must be one of two-sided",
        ),
        ({"column": "age", "by": "ill", "equal_var": 1}, InvalidRequestError, "true or false"),
    ],
)
def test_arguments_are_refused_before_a_charge(world, arguments, error, text):
    for epsilon in (None, "1"):
        with pytest.raises(error, match=text):
            world.plan("t_test", epsilon=epsilon, **arguments)


def test_one_group_and_columns_that_exact_mode_may_not_group_by_are_refused(world):
    with pytest.raises(InvalidRequestError, match="at least two groups"):
        world.plan("anova", column="age", by="arm", groups=["new"])
    narrow = StatisticWorld(frame(), COLUMNS, exact_dimensions=["ill"])
    assert narrow.plan("t_test", column="age", by="ill")  # a mean takes any column, as in SQL
    with pytest.raises(PlanRejectedError, match="arm may not stand"):
        narrow.plan("anova", column="age", by="arm")
    guessed = COLUMNS | {"age": COLUMNS["age"] | {"guessed": True}}
    with pytest.raises(PlanRejectedError, match="guessed"):
        StatisticWorld(frame(), guessed).plan("t_test", column="age", by="ill", epsilon="1")
    wide = COLUMNS | {"age": {"type": "numeric", "lower": 0, "upper": 2**31, "resolution": 1}}
    with pytest.raises(OverflowRiskError):
        StatisticWorld(frame(), wide, rows_max=10**6).plan("t_test", column="age", by="ill")


@pytest.mark.parametrize("values", [40.0, np.nan])
def test_constant_and_missing_columns_without_a_guard_are_undefined(values):
    world = StatisticWorld(frame().assign(age=values), COLUMNS, minimum_cell=0)
    for name in ("t_test", "anova"):
        answer = world.ask(name, column="age", by="ill")
        assert (answer.closed, answer.statistic) == ("undefined", None)
        assert "undefined" in repr(answer)
        assert len(answer.frame) == 0


def test_answers_are_shown_and_written(world):
    answer = world.ask("t_test", column="age", by="ill", alternative="less")
    assert answer.values()["low"] is None
    assert answer.confidence_interval()[0] == -math.inf
    assert "statistic" in repr(answer)
    assert "<table>" in answer._repr_html_()
    with pytest.raises(InvalidRequestError, match="level"):
        answer.confidence_interval(95)
