"""t tests of one sample and of pairs, and two-way analysis of variance: as scipy and statsmodels; closed where few show."""

import math

import numpy as np
import pandas as pd
import pytest
from location_world import COLUMNS, REFERENCE, moments, never_missing, released, rows, with_missing, world
from scipy import stats

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.comparisons import one_mean, two_way_anova

ONE = {"column": "before", "popmean": 132.5}
PAIRS = {"column": "after", "paired": "before"}
TWO_WAY = {"column": "before", "by": ["sex", "arm"]}


def opened(found, name, **arguments):
    plan = found.plan(name, **arguments)
    return sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in found.answers(plan)).tolist()


@pytest.mark.parametrize(
    "alternative", ["two-sided", pytest.param("less", marks=pytest.mark.slow), "greater"]
)
@pytest.mark.parametrize(("kind", "arguments"), [("one_sample", ONE), ("pairs", PAIRS)])
def test_one_sample_and_pairs_equal_scipys(kind, arguments, alternative):
    known = REFERENCE[kind][alternative]
    full = with_missing(rows(), "before")
    # a small cell: the guard of relations needs many people for two columns that go together
    answer = world(full, minimum_cell=2).ask("t_test", alternative=alternative, **arguments)
    assert answer.statistic == pytest.approx(known["statistic"], rel=1e-9)
    assert answer.pvalue == pytest.approx(known["pvalue"], rel=1e-9)
    assert (answer.df, answer.n[-1]) == (known["df"], 600)
    for end, each in zip(answer.confidence_interval(), known["interval"], strict=True):
        assert math.isinf(end) if each is None else end == pytest.approx(each, rel=1e-9)
    assert answer.picture().labels == [answer.labels[-1]]


def test_pairs_show_both_columns_and_one_sample_what_it_was_tested_against():
    frame = rows()
    answer = world(minimum_cell=2).ask("t_test", **PAIRS)
    assert answer.labels == ("after", "before", "after - before")
    apart = frame.after - frame.before
    assert answer.means == pytest.approx([frame.after.mean(), frame.before.mean(), apart.mean()], rel=1e-12)
    assert answer.sds == pytest.approx([frame.after.std(), frame.before.std(), apart.std()], rel=1e-12)
    one = world().ask("t_test", **ONE)
    assert one.values()["popmean"] == 132.5
    assert one.difference == pytest.approx(frame.before.mean() - 132.5, rel=1e-12)
    assert "popmean" not in answer.values()


@pytest.mark.parametrize(
    ("key", "by", "few"), [("two_way", ["sex", "arm"], False), ("two_way_few", ["arm", "sex"], True)]
)
def test_two_way_equals_statsmodels_type_ii(key, by, few):
    frame = rows()
    frame = frame[frame.index % 7 > 0] if few else frame
    answer = world(with_missing(frame, "sex", "arm", "before")).ask("anova", column="before", by=by)
    known = list(REFERENCE[key].values())
    for place, each in enumerate(known):
        assert answer.sum_sq[place] == pytest.approx(each["sum_sq"], rel=1e-8), place
        assert answer.df[place] == each["df"]
        if each["F"] is not None:
            assert answer.statistics[place] == pytest.approx(each["F"], rel=1e-8)
            assert answer.pvalues[place] == pytest.approx(each["PR(>F)"], rel=1e-7)
    assert answer.effects == (*by, ":".join(by))
    assert list(answer.frame.index) == [*answer.effects, "Residual"]
    assert sum(answer.n) == len(frame)
    assert len(answer.frame) == 4


def test_rows_may_lie_at_any_site():
    frame = rows()
    parts = [frame[frame.sex == "f"], frame[frame.sex == "m"], frame.iloc[:0]]
    everywhere = world(parts=parts)
    for name, arguments in (("t_test", ONE), ("anova", TWO_WAY)):
        assert everywhere.ask(name, **arguments).values() == world().ask(name, **arguments).values()


# -- attacks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("few", [*(pytest.param(few, marks=pytest.mark.slow) for few in (0, 1)), 9])
def test_few_who_differ_between_two_columns_close_the_pairs(few):
    """The attack: the sum of differences is that of the few who changed."""
    frame = rows()
    found = world(frame.assign(after=frame.before + np.where(np.arange(600) < few, 3.0, 0.0)))
    assert set(opened(found, "t_test", **PAIRS)) == {0}


def test_few_off_two_neighbouring_differences_close_the_pairs():
    """The attack: with d in {3, 3.5} for all but few, the sum of (d - 3)(d - 3.5) is that of the few."""
    frame = rows()
    apart = np.where(np.arange(600) % 2 == 0, 3.0, 3.5)
    apart[:5] = 9.0
    found = world(frame.assign(after=frame.before + apart))
    assert found.ask("t_test", **PAIRS).closed == "minimum_cell"


@pytest.mark.parametrize(
    "values",
    [np.where(np.arange(600) < 4, 100, 130), np.where(np.arange(600) < 9, 61, 60), np.full(600, 130)],
)
def test_one_sample_closes_where_sums_tell_of_few(values):
    found = world(rows().assign(before=values))
    assert set(opened(found, "t_test", **ONE)) == {0}


@pytest.mark.parametrize("few", [*(pytest.param(few, marks=pytest.mark.slow) for few in (0, 1)), 9])
def test_one_small_cell_closes_the_two_way_table(few):
    frame = rows()
    cell = frame.index[(frame.sex == "f") & (frame.arm == "none")]
    found = world(frame.drop(cell[few:]))
    assert set(opened(found, "anova", **TWO_WAY)) == {0}
    answer = found.ask("anova", **TWO_WAY)
    assert (answer.closed, answer.effects, len(answer.frame)) == ("minimum_cell", (), 0)


def test_undefined_without_a_guard():
    flat = rows().assign(before=130)
    for name, arguments in (("t_test", ONE), ("anova", TWO_WAY)):
        assert world(flat, minimum_cell=0).ask(name, **arguments).closed == "undefined"
    same = rows().assign(after=lambda frame: frame.before)
    assert world(same, minimum_cell=0).ask("t_test", **PAIRS).closed == "undefined"
    empty = rows().iloc[:0]
    nowhere = world(empty, minimum_cell=0, parts=[empty] * 3)
    for name, arguments in (("t_test", ONE), ("t_test", PAIRS), ("anova", TWO_WAY)):
        assert nowhere.ask(name, **arguments).closed == "undefined"


# -- private -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arguments"), [("t_test", ONE), ("t_test", PAIRS), ("anova", TWO_WAY)])
def test_a_private_answer_is_one_release_without_a_guard(name, arguments):
    plan = world().plan(name, epsilon="2", **arguments)
    assert (len(plan.cost), plan.has_products) == (1, False)
    for frame in (rows(), rows().assign(before=130.0, after=130.0)):
        answer = world(frame).ask(name, epsilon="0.5", **arguments)
        assert answer.closed == ""
        str(answer), answer._repr_html_(), answer.to_dict()


def test_without_noise_private_answers_are_the_exact_ones():
    frame = rows()
    plan = world().plan("t_test", epsilon="1", **ONE)
    found, exact = released(plan, moments(plan, [frame.before])), world().ask("t_test", **ONE)
    assert (found.statistic, found.df) == pytest.approx((exact.statistic, exact.df), rel=1e-9)
    plan = world().plan("t_test", epsilon="1", **PAIRS)
    found = released(plan, moments(plan, [frame.after - frame.before]))
    exact = world(minimum_cell=2).ask("t_test", **PAIRS)
    assert (found.statistic, found.means[0]) == pytest.approx((exact.statistic, exact.means[-1]), rel=1e-9)
    cells = [each for _, each in frame.groupby(["sex", "arm"]).before]
    by_label = dict(frame.groupby(["sex", "arm"]).before.__iter__())
    assert len(cells) == 6
    ordered = [by_label[sex, arm] for sex in ("f", "m") for arm in ("new", "old", "none")]
    plan = never_missing().plan("anova", epsilon="1", **TWO_WAY)
    found, exact = released(plan, moments(plan, ordered)), world().ask("anova", **TWO_WAY)
    assert found.statistics == pytest.approx(exact.statistics, rel=1e-8)


def test_groups_of_no_value_are_not_opened():
    plan = world().plan("anova", epsilon="1", **TWO_WAY)
    assert plan.most_sent == 18
    big = world(with_missing(rows(), "sex", "arm")).plan("anova", epsilon="1", **TWO_WAY)
    answer = world(with_missing(rows(), "sex", "arm")).ask("anova", epsilon="500", **TWO_WAY)
    assert big.most_sent == 18
    sizes = rows().groupby(["sex", "arm"]).size()
    expected = [sizes[sex, arm] for sex in ("f", "m") for arm in ("new", "old", "none")]
    assert np.rint(answer.n).tolist() == expected


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("epsilon", ["0.5", "3"])
@pytest.mark.parametrize("arguments", [ONE, PAIRS])
def test_private_intervals_of_4000_releases_cover(arguments, epsilon, monkeypatch):
    monkeypatch.setattr(one_mean, "REPLICATES", 1)
    plan = world().plan("t_test", epsilon=epsilon, **arguments)
    frame = rows()
    pool = (frame.before if arguments is ONE else frame.after - frame.before).to_numpy(float)
    generator, trials, covered = np.random.default_rng(3), 4000, 0
    for _ in range(trials):
        answer = released(plan, moments(plan, [generator.choice(pool, 600)]), generator)
        low, high = answer.confidence_interval()
        covered += low <= pool.mean() <= high
    assert stats.binomtest(covered, trials, 0.94, alternative="less").pvalue > 1e-6, covered / trials


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("epsilon", ["0.5", "4"])
@pytest.mark.parametrize(("name", "arguments"), [("t_test", ONE), ("t_test", PAIRS), ("anova", TWO_WAY)])
def test_private_pvalues_of_4000_releases_keep_their_level(name, arguments, epsilon, monkeypatch):
    for module in (one_mean, two_way_anova):
        monkeypatch.setattr(module, "REPLICATES", 199)
    plan = never_missing().plan(name, epsilon=epsilon, **arguments)
    generator, trials, rejected = np.random.default_rng(4), 4000, np.zeros(3)
    for _ in range(trials):
        if name == "anova":
            sexes = np.repeat([0.0, 6.0], 3)  # an effect of one column: the others must keep their level
            samples = [np.rint(generator.normal(130 + each, 15, 100)) for each in sexes]
            pvalues = released(plan, moments(plan, samples), generator).pvalues[1:]
        else:
            middle, sd = (132.5, 14.0) if arguments is ONE else (0.0, 8.0)
            sample = generator.normal(middle, sd, 600)
            pvalues = (released(plan, moments(plan, [sample]), generator).pvalue,)
        rejected[: len(pvalues)] += np.array(pvalues) <= 0.05
    for count in rejected:
        assert stats.binomtest(int(count), trials, 0.06, alternative="greater").pvalue > 1e-6, (
            rejected / trials
        )


def test_a_large_difference_is_found_under_noise():
    frame = rows()
    far = world(frame.assign(after=frame.before + np.where(np.arange(600) % 3 == 0, 20, 30)))
    assert far.ask("t_test", epsilon="4", **PAIRS).pvalue < 0.01
    assert world().ask("t_test", column="before", popmean=100, epsilon="4").pvalue < 0.01
    moved = frame.assign(before=frame.before + 40 * (frame.sex == "m")).assign(
        before=lambda each: each.before.clip(60, 220)
    )
    assert world(moved).ask("anova", epsilon="8", **TWO_WAY).pvalues[0] < 0.01


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"column": "before"}, InvalidRequestError, "by is missing: or popmean"),
        ({**ONE, "paired": "after"}, InvalidRequestError, "only one of them"),
        ({**ONE, "by": "sex"}, InvalidRequestError, "only one of them"),
        ({**ONE, "popmean": "a"}, InvalidRequestError, "one number"),
        ({**ONE, "popmean": [1, 2]}, InvalidRequestError, "one number"),
        ({**ONE, "equal_var": True}, InvalidRequestError, "two groups alone"),
        ({**ONE, "groups": ["a"]}, InvalidRequestError, "two groups alone"),
        ({**PAIRS, "reveal": "statistic"}, InvalidRequestError, "two groups alone"),
        ({"column": "after", "paired": "after"}, InvalidRequestError, "another column"),
        ({"column": "after", "paired": "sex"}, PlanRejectedError, "must be numeric"),
        ({**ONE, "alternative": "both"}, InvalidRequestError, "must be one of"),
    ],
)
def test_arguments_of_one_mean_are_refused_before_a_charge(arguments, error, text):
    for epsilon in (None, "1"):
        with pytest.raises(error, match=text):
            world().plan("t_test", epsilon=epsilon, **arguments)


@pytest.mark.parametrize(
    ("by", "error", "text"),
    [
        (["sex", "sex"], InvalidRequestError, "different texts"),
        (["sex", "arm", "fell"], InvalidRequestError, "one column, or two"),
        (["sex", "before"], InvalidRequestError, "another column"),
        (["sex", "years"], PlanRejectedError, "no bins"),
        ([], InvalidRequestError, "different texts"),
        (["sex", 3], InvalidRequestError, "different texts"),
    ],
)
def test_arguments_of_a_two_way_analysis_are_refused_before_a_charge(by, error, text):
    for epsilon in (None, "1"):
        with pytest.raises(error, match=text):
            world().plan("anova", epsilon=epsilon, column="before", by=by)
    with pytest.raises(InvalidRequestError, match="without groups"):
        world().plan("anova", groups=["f"], **TWO_WAY)
    narrow = world(exact_dimensions=["sex", "before"])
    with pytest.raises(PlanRejectedError, match="arm may not stand"):
        narrow.plan("anova", **TWO_WAY)


def test_units_of_several_rows_are_refused():
    frame = pd.concat([rows()]).assign(who=lambda each: np.arange(len(each)).astype(str))
    columns = {**COLUMNS, "who": {"type": "identifier"}}
    several = world(frame, columns, privacy_unit="who", max_rows_per_unit=2, exact_dimensions=["sex", "arm"])
    for arguments in (ONE, PAIRS):
        with pytest.raises(PlanRejectedError, match="independent"):
            several.plan("t_test", **arguments)
