"""Jarque-Bera, Friedman and incidence rates: as scipy and statsmodels; closed where sums tell of few; honest under noise."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from location_world import COLUMNS, REFERENCE, never_missing, released, rows, with_missing, world
from scipy import stats

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.schema import NumericColumn, Schema
from analytics.statistics.comparisons.power_sums import (
    corrected,
    exact_shape,
    far_counts,
    offsets_of,
    power_sums,
)
from analytics.statistics.epidemiology import incidence_rate
from analytics.statistics.guards.value_windows import windows
from analytics.statistics.location import friedman, jarque_bera

SHAPE = {"column": "years"}
RANKED = {"columns": ["before", "after", "later"]}
RATES = {"duration": "years", "event": "fell", "by": "arm"}
CASES = {"jarque_bera": SHAPE, "friedman": RANKED, "incidence_rate": RATES}


def opened(found, name, **arguments):
    plan = found.plan(name, **arguments)
    return sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in found.answers(plan)).tolist()


# -- equal to the libraries ----------------------------------------------------------------------------------------


def test_jarque_bera_equals_scipys():
    known = REFERENCE["jarque_bera"]
    answer = world(with_missing(rows(), "years")).ask("jarque_bera", **SHAPE)
    for name in ("statistic", "pvalue", "skewness", "kurtosis"):
        assert getattr(answer, name) == pytest.approx(known[name], rel=1e-9), name
    frame = rows()
    assert (answer.n, answer.mean) == (600, pytest.approx(frame.years.mean(), rel=1e-12))
    assert answer.sd == pytest.approx(frame.years.std(ddof=0), rel=1e-12)
    assert len(answer.frame) == 1


def test_friedman_equals_scipys_with_its_ties():
    answer = world(with_missing(rows(), "before", "later")).ask("friedman", **RANKED)
    known = REFERENCE["friedman"]
    assert answer.statistic == pytest.approx(known["statistic"], rel=1e-9)
    assert answer.pvalue == pytest.approx(known["pvalue"], rel=1e-7)
    frame = rows()
    bins = np.stack([np.digitize(frame[name], [110, 120, 130, 140, 150]) for name in RANKED["columns"]])
    ranks = stats.rankdata(bins, axis=0)
    assert answer.mean_ranks == pytest.approx(ranks.mean(axis=1), rel=1e-12)
    assert answer.concordance == pytest.approx(answer.statistic / (600 * 2))
    assert list(answer.frame.index) == RANKED["columns"]


def test_incidence_rates_equal_statsmodels():
    known, answer = REFERENCE["rates"], world(with_missing(rows(), "fell")).ask("incidence_rate", **RATES)
    for arm, (events, time) in known["cases"].items():
        assert answer.tests[f"events[{arm}]"] == events
        assert answer.tests[f"time[{arm}]"] == pytest.approx(time)
        assert answer.interval(f"rate[{arm}]") == pytest.approx(known["interval"][arm], rel=1e-9)
    assert answer.interval("ratio[new, old]") == pytest.approx(known["ratio"], rel=1e-9)
    assert answer.interval("difference[new, old]") == pytest.approx(known["difference"], rel=1e-9)
    events = np.array([each[0] for each in known["cases"].values()], dtype=float)
    expected = events.sum() * np.array([each[1] for each in known["cases"].values()])
    expected /= sum(each[1] for each in known["cases"].values())
    assert answer.pvalue == pytest.approx(stats.chisquare(events, expected).pvalue, rel=1e-9)


def test_two_groups_have_the_conditional_test_of_statsmodels():
    two = COLUMNS | {"arm": {"type": "categorical", "domain": ["new", "old"]}}
    frame = rows()
    answer = world(frame[frame.arm != "none"], two).ask("incidence_rate", **RATES)
    assert answer.pvalue == pytest.approx(REFERENCE["rates"]["pvalue"], rel=1e-9)
    alone = world().ask("incidence_rate", duration="years", event="fell")
    assert (list(alone.figures), alone.pvalue) == (["rate"], None)
    assert alone.figures["rate"].value == pytest.approx(frame.fell.sum() / frame.years.sum())


@pytest.mark.parametrize("name", sorted(CASES))
def test_rows_may_lie_at_any_site(name):
    frame = rows()
    parts = [frame[frame.sex == "f"], frame[frame.sex == "m"], frame.iloc[:0]]
    assert world(parts=parts).ask(name, **CASES[name]).values() == world().ask(name, **CASES[name]).values()


@given(st.lists(st.integers(0, 40), min_size=4, max_size=60).filter(lambda each: len(set(each)) > 1))
def test_law_the_shape_of_sums_is_that_of_the_values(values):
    column = number(0, 40)
    shape = exact_shape(len(values), power_sums(column, np.array(values)))
    assert float(shape.skewness) == pytest.approx(stats.skew(values), rel=1e-7, abs=1e-9)
    assert float(shape.kurtosis) == pytest.approx(stats.kurtosis(values), rel=1e-7, abs=1e-9)
    first, second = corrected(shape)
    assert float(first) == pytest.approx(stats.skew(values, bias=False), rel=1e-7, abs=1e-9)
    assert float(second) == pytest.approx(stats.kurtosis(values, bias=False), rel=1e-7, abs=1e-8)


# -- attacks -------------------------------------------------------------------------------------------------------


def number(lower, upper):
    fields = {"type": "numeric", "lower": lower, "upper": upper, "resolution": 1}
    table = {"privacy_unit": "row", "rows_max": 10, "max_sites_per_unit": 1, "columns": {"x": fields}}
    column = Schema.from_dict({"tables": {"t": table}}).tables["t"].column("x")
    assert isinstance(column, NumericColumn)
    return column


@given(
    st.integers(8, 200),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
    st.booleans(),
    st.lists(st.floats(0, 1), min_size=1, max_size=9),
)
def test_law_four_powers_never_add_up_to_few(span, touched, at_ends, few):
    """The attack: any polynomial of degree 4 that is 0 on all people but a few, and never negative."""
    first, second = (int(each * (span - 1)) for each in touched)
    zeros = [first, first + 1, *([0, span] if at_ends else [second, second + 1])]
    rare = [int(each * span) for each in few]
    people = np.array([*np.repeat(zeros, 30), *rare])
    shifted = people - 7  # bounds need not start at 0
    polynomial = np.prod([people - zero for zero in zeros], axis=0) * (-1 if at_ends else 1)
    assert (polynomial >= 0).all()
    assert far_counts(number(-7, span - 7), shifted).min() < 10


def test_far_counts_are_those_of_a_loop():
    column, values = number(0, 100), np.random.default_rng(1).integers(0, 101, 300)
    every = windows(0, 100)
    inside = values[(values > 0) & (values < 100)]
    outside = [(inside < first) | (inside > last) for first, last in every]
    expected = [
        int((outside[one] & outside[other]).sum())
        for one in range(len(every))
        for other in range(one, len(every))
    ]
    assert far_counts(column, values).tolist() == expected


TELLING = {
    "jarque_bera": (
        lambda frame: frame.assign(years=np.where(frame.index < 9, 9, 4)),
        lambda frame: frame.assign(years=np.select([frame.index < 9, frame.index % 2 == 0], [9, 4], 20)),
    ),
    "friedman": (
        lambda frame: frame.assign(later=np.where(frame.index < 9, 60, 219)),  # last but in nine rows
        lambda frame: frame.assign(
            before=65, after=115, later=np.where(frame.index % 2, 125, 135)
        ),  # no ties
    ),
    "incidence_rate": (
        lambda frame: frame.assign(fell=frame.fell & ((frame.arm != "old") | (frame.index < 30))),
        lambda frame: frame[(frame.arm != "none") | (frame.index < 40)],
        lambda frame: frame.assign(years=np.where(frame.fell & (frame.index > 20), 0, 3.5)),
    ),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_sums_that_tell_of_few_people_are_closed(name):
    for telling in TELLING[name]:
        found = world(telling(rows()))
        assert set(opened(found, name, **CASES[name])) == {0}
    answer = found.ask(name, **CASES[name])
    assert (answer.closed, answer.statistic, len(answer.frame)) == ("minimum_cell", None, 0)


def test_undefined_without_a_guard():
    frame = rows()
    same = frame.assign(years=0.0, before=115.0, after=115.0, later=115.0)
    nowhere = world(frame.iloc[:0], minimum_cell=0, parts=[frame.iloc[:0]] * 3)
    for name, arguments in CASES.items():
        assert world(same, minimum_cell=0).ask(name, **arguments).closed == "undefined", name
        assert nowhere.ask(name, **arguments).closed == "undefined", name


# -- private -------------------------------------------------------------------------------------------------------


def sums(plan, frame):
    """The true figures of a private plan, by the exact sums of its statistic; shape ``(n_blocks, n_groups)``."""
    statistic = plan.statistic
    groups = (
        [frame]
        if statistic.by is None
        else [frame[frame[statistic.by.name] == label] for label in statistic.labels]
    )
    found = []
    for group in groups:
        each = np.stack([_grid(column, group[column.name]) for column in statistic.read], axis=1)
        found.append(statistic.sums_of(each))
        if statistic.name == "jarque_bera":
            offsets = [0, *offsets_of(statistic.column)]
            found[-1] = [
                value - offset * len(group) for value, offset in zip(found[-1], offsets, strict=True)
            ]
    return np.array(found, dtype=float).T


def _grid(column, values):
    if isinstance(column, NumericColumn):
        return np.rint(values.to_numpy(float) / float(column.resolution)).astype(np.int64)
    return values.to_numpy(bool).astype(np.int64)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_private_answer_is_one_release_without_a_guard(name):
    arguments, found = CASES[name], world(with_missing(rows(), "years", "before", "fell"))
    plan = found.plan(name, epsilon="2", **arguments)
    n_events = {"friedman": 1, "incidence_rate": 2, "jarque_bera": 5}[name]  # one a block, or one of all
    assert (len(plan.cost), plan.has_products) == (n_events, False)
    flat = rows().assign(years=0.0, before=115.0, after=115.0, later=115.0, fell=False)
    for frame in (flat, rows().iloc[:0]):
        own = never_missing(frame, parts=[frame.iloc[place::3] for place in range(3)])
        plan = own.plan(name, epsilon="0.5", **arguments)
        generator = np.random.default_rng(1)
        for answer in (
            released(plan, sums(plan, frame), generator),
            own.ask(name, epsilon="0.5", **arguments),
        ):
            assert answer.closed == ""
            assert 0 < answer.pvalue <= 1
            str(answer), answer._repr_html_(), answer.to_dict(), answer.frame


@pytest.mark.parametrize("name", sorted(CASES))
def test_without_noise_private_answers_are_the_exact_ones_and_sites_add_up_the_same(name):
    plan, exact = never_missing().plan(name, epsilon="1", **CASES[name]), world().ask(name, **CASES[name])
    found = released(plan, sums(plan, rows()))
    assert found.statistic == pytest.approx(exact.statistic, rel=1e-6)
    again = released(plan, sums(plan, rows()))
    assert again == found  # one answer has one p-value
    own = never_missing()
    scanned = np.sum([source.local_figures(plan.counts) for source in own.sources], axis=0)
    assert scanned.tolist() == sums(plan, rows()).ravel().tolist()


def test_no_row_changes_more_than_the_norm_of_ranks_says():
    generator, own = np.random.default_rng(5), never_missing()
    plan = own.plan("friedman", epsilon="1", **RANKED)
    norm = plan.statistic.norm
    values = generator.integers(60, 221, (3000, 3))
    values[:1000] = values[:1000, :1]
    values[:, 1] *= 2
    each = np.array([plan.statistic.sums_of(row[np.newaxis]) for row in values]) * np.array(norm.weights)
    squares = (each**2).sum(axis=1)
    assert squares.max() <= norm.square
    assert squares.max() > 0.9 * norm.square


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("epsilon", ["1", "6"])
def test_private_intervals_of_rates_of_4000_releases_cover(epsilon, monkeypatch):
    monkeypatch.setattr(incidence_rate, "REPLICATES", 1)
    plan = never_missing(rows_max=5000).plan("incidence_rate", epsilon=epsilon, **RATES)
    generator, trials = np.random.default_rng(3), 4000
    times = np.array([12240.0, 7867.0, 5597.0]) * 10
    truth = np.array([0.007, 0.01, 0.0095])
    rates = dict(zip(plan.statistic.labels, truth, strict=True))
    wanted = {f"rate[{label}]": rate for label, rate in rates.items()}
    wanted |= {f"ratio[new, {label}]": rates["new"] / rates[label] for label in ("old", "none")}
    wanted |= {f"difference[new, {label}]": rates["new"] - rates[label] for label in ("old", "none")}
    covered, given_ends = dict.fromkeys(wanted, 0), dict.fromkeys(wanted, 0)
    for _ in range(trials):
        events = generator.poisson(truth * times)
        answer = released(plan, [events, times * 10], generator)
        for name, value in wanted.items():
            low, high = answer.interval(name)
            given_ends[name] += low is not None
            covered[name] += low is not None and low <= value / 1.0 <= high
    for name, count in covered.items():
        assert given_ends[name] > 0.99 * trials, (name, given_ends)
        assert stats.binomtest(count, given_ends[name], 0.94, alternative="less").pvalue > 1e-6, (name, count)
        assert count < 0.985 * trials, (name, count)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("epsilon", ["1", "8"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_private_pvalues_of_4000_releases_keep_their_level(name, epsilon, monkeypatch):
    for module in (friedman, jarque_bera, incidence_rate):
        monkeypatch.setattr(module, "REPLICATES", 199)
    plan = never_missing(rows_max=5000).plan(name, epsilon=epsilon, **CASES[name])
    generator, trials, rejected = np.random.default_rng(4), 4000, 0
    for _ in range(trials):
        rejected += released(plan, _null(plan, name, generator), generator).pvalue <= 0.05
    assert stats.binomtest(rejected, trials, 0.06, alternative="greater").pvalue > 1e-6, rejected / trials
    assert rejected > 0.01 * trials, rejected / trials


def _null(plan, name, generator):
    if name == "incidence_rate":
        times = np.array([1224.0, 786.0, 559.0])
        return np.array([generator.poisson(0.09 * times), times * 10])
    statistic = plan.statistic
    if name == "friedman":
        values = np.rint(np.clip(generator.normal(130, 15, (600, 3)), 60, 220)).astype(np.int64)
        values[:, 1] *= 2
        return np.array([statistic.sums_of(values)], dtype=float).T
    values = np.rint(np.clip(generator.normal(12, 3, 3000) * 10, 0, 250)).astype(np.int64)
    found = statistic.sums_of(values[:, np.newaxis])
    offsets = [0, *offsets_of(statistic.column)]
    return np.array(
        [[value - offset * 3000] for value, offset in zip(found, offsets, strict=True)], dtype=float
    )


def test_effects_are_found_under_noise():
    assert world().ask("friedman", epsilon="4", **RANKED).pvalue < 0.01
    frame = rows()
    ten = frame.loc[frame.index.repeat(10)]
    own = never_missing(ten, rows_max=5000)
    plan = own.plan("incidence_rate", epsilon="4", **RATES)
    assert released(plan, sums(plan, ten), np.random.default_rng(1)).pvalue < 0.01
    plan = own.plan("jarque_bera", epsilon="20", **SHAPE)
    found = released(plan, sums(plan, ten), np.random.default_rng(1))
    assert found.pvalue < 0.01
    assert abs(found.skewness - REFERENCE["jarque_bera"]["skewness"]) < 6 * found.noise_errors["skewness"]


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "error", "text"),
    [
        ("jarque_bera", {"column": "fell"}, PlanRejectedError, "must be numeric"),
        ("friedman", {"columns": ["before", "after"]}, InvalidRequestError, "3 to 8"),
        ("friedman", {"columns": ["before", "after", "sex"]}, PlanRejectedError, "must be numeric"),
        ("friedman", {"columns": ["before", "after", "years"]}, PlanRejectedError, "no bins"),
        ("friedman", {**RANKED, "grid": [111]}, InvalidRequestError, "declared bins"),
        ("incidence_rate", {**RATES, "event": "arm"}, PlanRejectedError, "true or false"),
        ("incidence_rate", {**RATES, "by": "fell"}, InvalidRequestError, "another column"),
        ("incidence_rate", {**RATES, "duration": "arm"}, PlanRejectedError, "must be numeric"),
        ("incidence_rate", {"event": "fell"}, InvalidRequestError, "duration is missing"),
    ],
)
def test_arguments_are_refused_before_a_charge(name, arguments, error, text):
    for epsilon in (None, "1"):
        with pytest.raises(error, match=text):
            world().plan(name, epsilon=epsilon, **arguments)


def test_columns_that_do_not_fit_are_refused_before_a_charge():
    negative = world(columns=COLUMNS | {"years": COLUMNS["years"] | {"lower": -1}})
    with pytest.raises(PlanRejectedError, match="at least 0"):
        negative.plan("incidence_rate", **RATES)
    other = world(columns=COLUMNS | {"later": COLUMNS["later"] | {"bins": [60, 120, 220]}})
    with pytest.raises(PlanRejectedError, match="same bins"):
        other.plan("friedman", **RANKED)
    assert world(columns=COLUMNS | {"later": COLUMNS["later"] | {"bins": [60, 120, 220]}}).plan(
        "friedman", grid=[120], **RANKED
    )
    wide = world(
        columns=COLUMNS | {"years": {"type": "numeric", "lower": 0, "upper": 10**5, "resolution": 1}}
    )
    with pytest.raises(OverflowRiskError):
        wide.plan("jarque_bera", **SHAPE)
    with pytest.raises(OverflowRiskError):
        wide.plan("jarque_bera", epsilon="1", **SHAPE)
    with pytest.raises(PlanRejectedError, match="fell may not stand"):
        world(exact_dimensions=["arm"]).plan("incidence_rate", **RATES)
    assert math.isfinite(world().plan("incidence_rate", epsilon="1", **RATES).noise[0].sd)
