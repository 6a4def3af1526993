"""Completeness and validity over all sites: equal to pandas where they open, closed where a count tells of few people; private ones
cover the shares without noise; invalid cells are not missing ones."""

import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, PlanRejectedError, SchemaMismatchError
from analytics.schema import Schema
from analytics.sources import open_frame
from analytics.statistics.blocks import Measure
from analytics.statistics.profiles.quality_answer import ColumnQuality, QualityAnswer
from analytics.statistics.profiles.requirements import Requirement, read_requirements
from analytics.statistics.uncertainty.ratio_interval import ratio_interval

HEART = Path(__file__).resolve().parents[3] / "federation" / "demo" / "data" / "heart_disease"
COLUMNS = {
    "k": {"type": "categorical", "domain": ["p", "q"], "nullable": True},
    "f": {"type": "boolean"},
    "x": {"type": "numeric", "lower": 0, "upper": 40, "resolution": 0.5, "nullable": True},
}


def people(n=400, seed=0):
    draws = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "k": draws.choice(["p", "q", "wrong", None], n, p=[0.4, 0.3, 0.1, 0.2]),
            "f": draws.choice([True, False, None], n, p=[0.5, 0.4, 0.1]),
            "x": np.where(draws.random(n) < 0.3, np.nan, draws.integers(-20, 121, n) / 2),
        }
    ).astype({"k": object, "f": object})


def cells(frame):
    """Missing and invalid people of each column, by pandas alone."""
    return {
        "k": (frame.k.isna(), frame.k.notna() & ~frame.k.isin(["p", "q"])),
        "f": (frame.f.isna(), frame.f.isna() & False),
        "x": (frame.x.isna(), frame.x.notna() & ~frame.x.between(0, 40)),
    }


def should_open(frame, names, least):
    """The rule in words, person by person: nothing of the product's."""
    found, n = {}, len(frame)
    sets = {
        name: (missing.to_numpy(), invalid.to_numpy(), (~missing & ~invalid).to_numpy())
        for name, (missing, invalid) in cells(frame).items()
    }
    for place, name in enumerate(names):
        missing, invalid, valid = (each.sum() for each in sets[name])
        complete = n >= least and missing >= least and n - missing >= least
        valid_open = invalid >= least and valid >= least
        for other in names[:place]:
            for (i, one), (j, two) in itertools.product(enumerate(sets[other]), enumerate(sets[name])):
                differ = (one ^ two).sum()
                is_apart = differ >= least and n - differ >= least
                if i == j == 0:
                    complete = complete and is_apart
                else:
                    valid_open = valid_open and is_apart
        found[name] = (complete, complete and valid_open)
    return found


def opened(answer):
    return {
        name: (each.missing is not None, each.invalid is not None) for name, each in answer.columns.items()
    }


@pytest.mark.parametrize("least", [0, 10, 45])
def test_shares_are_those_of_pandas_and_open_by_the_rule(least):
    frame = people()
    answer = StatisticWorld(frame, COLUMNS, minimum_cell=least).ask("quality")
    assert opened(answer) == should_open(frame, list(COLUMNS), least)
    for name, (missing, invalid) in cells(frame).items():
        each = answer.columns[name]
        if each.missing is not None:
            assert each.completeness == pytest.approx(1 - missing.mean())
            assert each.completeness_between(0.95) == (each.completeness, each.completeness)
        if each.invalid is not None:
            assert each.validity == pytest.approx(1 - invalid.sum() / (~missing).sum())
    if least == 10:
        assert opened(answer) == {"k": (True, True), "f": (True, False), "x": (True, True)}
        assert answer.frame.shape == (3, 8)
        assert answer.picture().labels == ["k", "f", "x"]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 60), least=st.integers(1, 12))
def test_law_a_column_opens_exactly_where_the_rule_says(seed, n, least):
    frame = people(n, seed)
    try:
        world = StatisticWorld(frame, COLUMNS, minimum_cell=least)
    except SchemaMismatchError:  # of a few rows no value may be understood
        reject()
    plan = world.plan("quality", columns=["x", "k", "f"])
    total = np.sum([plan.statistic.count_rows(rows) for rows in world.scanned(plan)], axis=0)
    tested, n_values = total[7:], 7
    owners = np.array(plan.statistic._owners())
    assert len(total) == len(plan.statistic.every_step()[0].clamps) == n_values + len(owners)
    reached = tested >= least
    flag = [all(reached[owners == owner]) for owner in range(n_values)]
    expected = should_open(frame, ["x", "k", "f"], least)
    for place, name in enumerate(("x", "k", "f")):
        complete = flag[0] and flag[1 + 2 * place]
        assert (complete, complete and flag[2 + 2 * place]) == expected[name]


def test_real_hospitals_have_their_zeros_as_invalid_and_their_gaps_as_missing():
    parts = [
        pd.read_csv(HEART / f"{name}.csv")
        for name in ("cleveland", "hungary", "switzerland", "va_long_beach")
    ]
    whole = pd.concat(parts)
    columns = {
        "chol": {"type": "numeric", "lower": 60, "upper": 620, "resolution": 1, "nullable": True},
        "ca": {"type": "numeric", "lower": 0, "upper": 3, "resolution": 1, "nullable": True},
    }
    answer = StatisticWorld(whole, columns, parts=parts).ask("quality")
    assert answer.columns["chol"].completeness == pytest.approx(whole.chol.notna().mean())
    assert answer.columns["chol"].validity == pytest.approx((whole.chol.dropna() > 0).mean())
    assert answer.columns["ca"].completeness == pytest.approx(whole.ca.notna().mean())
    assert answer.columns["ca"].validity is None  # no invalid cell: zero is a small number


# attacks


def closed_bits(frame, least=10, columns=("x",)):
    answer = StatisticWorld(frame, COLUMNS, minimum_cell=least).ask("quality", columns=list(columns))
    return opened(answer)


def test_one_person_without_a_value_does_not_show():
    """With a count of missing cells of 0 or 1 the analyst would know of one person; both are closed alike."""
    whole = pd.DataFrame({"k": "p", "f": True, "x": [1.0] * 100})
    one = whole.assign(x=[np.nan] + [1.0] * 99)
    nine = whole.assign(x=[np.nan] * 9 + [1.0] * 91)
    for frame in (whole, one, nine):
        world = StatisticWorld(frame, COLUMNS)
        plan = world.plan("quality", columns=["x"])
        parts = [np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan)]
        assert sum(parts).tolist() == [100, 0, 0, 1, 0, 0]
    assert closed_bits(whole.assign(x=[np.nan] * 10 + [1.0] * 90)) == {"x": (True, False)}


def test_one_invalid_person_does_not_show_and_neither_do_nested_gaps():
    frame = pd.DataFrame({"k": ["p"] * 60 + [None] * 40, "f": True, "x": [1.0] * 70 + [np.nan] * 29 + [99.0]})
    assert closed_bits(frame) == {"x": (True, False)}
    # the gaps of x are those of k but for one person: the difference of both counts would be this person
    nested = frame.assign(x=[1.0] * 61 + [np.nan] * 39)
    assert closed_bits(nested, columns=("k", "x")) == {"k": (True, False), "x": (False, False)}
    assert closed_bits(nested, columns=("x",)) == {"x": (True, False)}


def test_few_rows_close_all():
    answer = StatisticWorld(people(9), COLUMNS).ask("quality")
    assert (answer.closed, answer.n_rows) == ("minimum_cell", None)


def test_no_question_can_name_the_hidden_column():
    frame = people(60)
    world = StatisticWorld(frame, COLUMNS)
    with pytest.raises(PlanRejectedError):
        world.plan("quality", columns=["x#invalid"])
    with pytest.raises(PlanRejectedError):
        world.plan("describe", columns=["x#invalid"], epsilon="1")


# private


@pytest.fixture(scope="module")
def plan():
    return StatisticWorld(people(10), COLUMNS).plan("quality", epsilon="1")


def truth_of(frame):
    return {
        name: (1 - missing.mean(), 1 - invalid.sum() / (~missing).sum())
        for name, (missing, invalid) in cells(frame).items()
    }


def release(world, plan, seed):
    """One release from the true counts and noise that numpy draws."""
    draws = np.random.default_rng(seed)
    figures = np.sum(world.scanned(plan), axis=0)
    noise = np.array([round(draws.normal(0, law.sd) * law.weight) for law in plan.noise])
    weights = np.array([law.weight for law in plan.noise])
    return plan.statistic.estimate((figures * weights + noise,), plan.noise)


@pytest.mark.parametrize("count", [300, pytest.param(4_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("epsilon", ["0.2", "2"])
def test_private_intervals_cover_the_shares_without_noise(count, epsilon):
    frame = people(300)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("quality", epsilon=epsilon)
    truth, hits = truth_of(frame), {}
    figures = np.sum(world.scanned(plan), axis=0)
    world.scanned = lambda _plan: [figures]
    for seed in range(count):
        for name, found in release(world, plan, seed).interval(0.95).items():
            for share, known in zip(("completeness", "validity"), truth[name], strict=True):
                low, high = found[share]
                hits[name, share] = hits.get((name, share), 0) + (low - 1e-12 <= known <= high + 1e-12)
    for what, each in hits.items():
        assert stats.binom.cdf(each, count, 0.94) > 1e-6, (what, each / count)


def test_a_private_release_is_over_shares_and_one_charge():
    frame = people(600)
    world = StatisticWorld(frame, COLUMNS)
    answer = world.ask("quality", epsilon="4")
    for name, (complete, valid) in truth_of(frame).items():
        each = answer.columns[name]
        assert abs(each.completeness - complete) < 6 * each.sd / 500
        assert abs(each.validity - valid) < 12 * each.sd / 300
    plan = world.plan("quality", epsilon="4")
    assert len(plan.cost) == 1
    empty = StatisticWorld(people(0), COLUMNS).ask("quality", epsilon="1")
    assert (empty.closed, list(empty.columns)) == ("", ["k", "f", "x"])
    assert all(each.is_too_few for each in empty.columns.values())


@settings(max_examples=100, deadline=None)
@given(states=st.lists(st.sampled_from(["valid", "missing", "invalid"]), min_size=3, max_size=3))
def test_law_the_norm_bounds_every_row(plan, states):
    """One row's integers in all blocks, computed by hand, stay below the stated norm; the worst row reaches it."""
    row = [1]
    for state in states:
        row += [int(state == "missing"), int(state == "invalid")]
    square = sum(each**2 for each in row)
    assert square <= plan.statistic.norm.square
    if "valid" not in states:
        assert square == plan.statistic.norm.square
    (event,) = plan.cost
    assert event.dim == len(row)
    assert [block.measure for block in plan.statistic.figures] == [Measure.ROWS] + [Measure.CELL] * 6


@settings(max_examples=12, deadline=None)
@given(
    x=st.one_of(st.none(), st.floats(-50, 90), st.sampled_from([float("inf"), 0.0, 40.0, 40.2, -0.1])),
    k=st.sampled_from(["p", "q", "zzz", None, " p "]),
    f=st.sampled_from([True, False, None]),
)
def test_law_the_scan_counts_a_row_as_pandas_sees_it(plan, x, k, f):
    """One row more changes rows by one, and of each column one count at most, by one: the sensitivity, in the database."""
    base = people(30)
    row = pd.DataFrame({"k": [k], "f": [f], "x": [x]}).astype({"k": object, "f": object, "x": float})
    counts = []
    for frame in (base, pd.concat([base, row])):
        with open_frame(frame, plan.table, site_key=b"k" * 32) as source:
            counts.append(source.local_figures(plan.counts))
    change = counts[1] - counts[0]
    outside = x is not None and not 0 <= x <= 40
    assert change.tolist() == [
        1,
        int(k is None),
        int(k == "zzz"),
        int(f is None),
        0,
        int(x is None),
        int(outside),
    ]
    assert (change**2).sum() <= plan.statistic.norm.square


def test_rows_of_one_unit_stay_within_the_limit_whatever_another_unit_has():
    """Which of a unit's rows stay depends neither on their order nor on whether another unit's value is invalid."""
    columns = COLUMNS | {"id": {"type": "identifier"}}
    table = Schema.from_dict(
        {
            "tables": {
                "t": {
                    "privacy_unit": "id",
                    "max_rows_per_unit": 2,
                    "rows_max": 1000,
                    "exact_dimensions": [],
                    "columns": columns,
                }
            }
        }
    ).tables["t"]

    def kept(frame):
        with open_frame(frame, table, site_key=b"k" * 32) as source:
            found = source.every_row(["x", "x#invalid"])
        return sorted(map(tuple, found[:, 1:].tolist()))

    # 40 and 99 are one clean value: 99 is clipped to it
    own = pd.DataFrame({"id": "a", "k": "p", "f": True, "x": [40.0, 99.0, 40.0, 99.0, 40.0]})
    other = pd.DataFrame({"id": ["b"], "k": ["p"], "f": [True], "x": [1.0]})
    first = kept(own)
    assert len(first) == 2
    for seed in range(5):
        assert kept(own.sample(frac=1, random_state=seed)) == first
    with_other = kept(pd.concat([other, own.sample(frac=1, random_state=1)]))
    wrong = kept(pd.concat([other.assign(x=-7.0), other.assign(id="c", k="zzz"), own]))
    assert [each for each in with_other if each != (2, 0)] == first
    assert [each for each in wrong if each not in {(0, 1), (2, 0)}] == first


def test_several_rows_of_a_unit_are_priced_and_not_exact():
    columns = COLUMNS | {"id": {"type": "identifier"}}
    frame = people(60).assign(id=[f"p{n // 2}" for n in range(60)])
    world = StatisticWorld(
        frame, columns, privacy_unit="id", max_rows_per_unit=2, exact_dimensions=list(COLUMNS)
    )
    one = StatisticWorld(people(60), COLUMNS).plan("quality", epsilon="1")
    two = world.plan("quality", epsilon="1")
    assert two.noise[0].sd == pytest.approx(2 * one.noise[0].sd, rel=0.01)
    with pytest.raises(PlanRejectedError, match="rows as independent"):
        world.plan("quality")


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"columns": []}, InvalidRequestError, "list of different texts"),
        ({"columns": ["x", "X"]}, InvalidRequestError, "different columns"),
        ({"columns": ["y"]}, PlanRejectedError, "unknown column"),
        ({"columns": "x"}, InvalidRequestError, "columns"),
    ],
)
def test_arguments_are_refused_before_a_charge(arguments, error, text):
    with pytest.raises(error, match=text):
        StatisticWorld(people(10), COLUMNS).plan("quality", epsilon="1", **arguments)


def test_an_answer_says_each_share():
    plan = StatisticWorld(people(60), COLUMNS).plan("quality")
    zeros = [np.zeros(2 * 7, dtype="<i8").tobytes()] * 3
    answer = recombine_statistic(plan, zeros, cost={}, receipt={})
    assert answer.closed == "minimum_cell"
    assert answer.values()["closed_columns"] == ["k", "f", "x"]
    assert answer.picture() is None


# the interval of a ratio, and requirements


@settings(max_examples=200, deadline=None)
@given(
    part=st.floats(-50, 500),
    whole=st.floats(-50, 500),
    sds=st.tuples(st.floats(0.1, 60), st.floats(0.1, 60)),
    width=st.floats(0.5, 4),
)
def test_law_the_interval_holds_every_share_that_the_noise_does_not_contradict(part, whole, sds, width):
    low, high = ratio_interval(part, whole, *sds, width)
    assert 0 <= low <= high <= 1
    for share in np.linspace(0, 1, 201):
        if abs(part - share * whole) <= width * math.hypot(sds[0], share * sds[1]) * (1 - 1e-9):
            assert low - 1e-9 <= share <= high + 1e-9


def test_intervals_of_exact_and_of_no_counts():
    assert ratio_interval(3, 4, 0, 0, 2) == (0.75, 0.75)
    assert ratio_interval(0, 0, 0, 0, 2) == (0.0, 1.0)
    assert ratio_interval(0, 0, 1, 1, 2) == (0.0, 1.0)
    assert ratio_interval(1000, 10, 1, 1, 2) == (1.0, 1.0)


def answer_of(**columns):
    return QualityAnswer(columns=columns, n_rows=100.0)


def test_a_requirement_is_met_by_what_the_release_shows_alone():
    exact = ColumnQuality(rows=100.0, missing=40.0, invalid=3.0)
    noisy = ColumnQuality(rows=100.0, missing=38.0, invalid=3.0, sd=5.0)
    closed = ColumnQuality(rows=100.0, missing=None, invalid=None)
    wanted = Requirement.read("completeness(ca) >= 0.6")
    assert wanted.is_met_by(answer_of(ca=exact))
    assert wanted.is_met_by(answer_of(CA=exact))
    assert not Requirement.read("completeness(ca) >= 0.61").is_met_by(answer_of(ca=exact))
    assert not wanted.is_met_by(answer_of(ca=noisy))  # 0.62, and the noise leaves 0.5 open
    assert Requirement.read("completeness(ca) >= 0.4").is_met_by(answer_of(ca=noisy))
    assert not wanted.is_met_by(answer_of(ca=closed))
    assert not wanted.is_met_by(answer_of(other=exact))
    assert not Requirement.read("validity(ca) >= 0").is_met_by(answer_of(ca=closed))
    assert Requirement.read("validity(ca) >= 0.9").is_met_by(answer_of(ca=exact))
    assert str(wanted) == "completeness(ca) >= 0.6"
    assert wanted.least == Fraction(3, 5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ca >= 0.6",
        "completeness(ca) > 0.6",
        "mean(ca) >= 0.6",
        "completeness(ca) >= 60",
        "completeness(ca) >= -1",
        "completeness() >= 0.5",
        3,
        None,
        [],
        ["completeness(a) >= 0.1", "x"],
    ],
)
def test_other_requirements_are_refused(text):
    with pytest.raises(InvalidRequestError, match="require"):
        read_requirements(text)
