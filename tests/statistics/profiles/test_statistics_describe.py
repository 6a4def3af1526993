"""Summaries of many columns: equal to pandas where they are open, and closed where one of their counts tells of few people."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from location_world import REFERENCE, never_missing, rows
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.statistics.blocks import BlockSpec, Measure, disjoint_runs
from analytics.statistics.guards.column_cells import ColumnCells
from analytics.statistics.uncertainty.noise_law import NoiseLaw

EVERY = [
    "age",
    "sex",
    "cp",
    "trestbps",
    "chol",
    "thalach",
    "oldpeak",
    "disease",
    "fbs",
    "exang",
    "ecg_abnormal",
]
COLUMNS = {
    "k": {"type": "categorical", "domain": ["p", "q", "r"], "nullable": True},
    "f": {"type": "boolean"},
    "x": {
        "type": "numeric",
        "lower": 0,
        "upper": 40,
        "resolution": 0.5,
        "bins": [0, 10, 20, 40],
        "nullable": True,
    },
    "few": {"type": "numeric", "lower": 1, "upper": 5, "resolution": 1},
    "plain": {"type": "numeric", "lower": -50, "upper": 50, "resolution": 1},
}


def people(n=400, seed=0):
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "k": draws.choice(["p", "q", "r", None], n),
            "f": draws.random(n) < 0.4,
            "x": np.where(draws.random(n) < 0.2, np.nan, draws.integers(0, 81, n) / 2),
            "few": draws.integers(1, 6, n),
            "plain": draws.integers(-50, 51, n),
        }
    )
    return frame.astype({"k": object})


def ask(frame, names, **fields):
    return StatisticWorld(frame, COLUMNS, **fields).ask("describe", columns=names)


def closed(answer):
    return [name for name in answer.columns if name not in answer.summaries]


def parts_of(frame, name, column):
    """The people of each cell of a column, by pandas alone: a list of truth values for each."""
    values = frame[name]
    if column["type"] == "numeric":
        found = []
        edges = column.get("bins", [])
        for low, high in pairwise(edges):
            found.append(
                ((values >= low) & ((values < high) | ((high == edges[-1]) & (values == high)))).to_numpy()
            )
        found = found or [values.notna().to_numpy()]
        if (column["upper"] - column["lower"]) / column["resolution"] < 7:
            steps = np.arange(column["lower"], column["upper"] + 1, column["resolution"])
            found += [(values == step).to_numpy() for step in steps]
    else:
        found = [(values == value).to_numpy() for value in column.get("domain", [False, True])]
    return found + ([values.isna().to_numpy()] if column.get("nullable") else [])


def should_open(frame, names, columns, least=10):
    """The rule in words, person by person: nothing of the product's."""
    parts = {name: parts_of(frame, name, columns[name]) for name in names}
    found = []
    for place, name in enumerate(names):
        column, values = columns[name], frame[name].dropna()
        counts = [part.sum() for part in parts[name]]
        if column["type"] == "numeric" and (column["upper"] - column["lower"]) / column["resolution"] >= 7:
            low, high = column["lower"], column["upper"]
            counts += [(values > low).sum(), (values < high).sum(), ((values > low) & (values < high)).sum()]
            steps = int((high - low) / column["resolution"]) + 1
            width = -(-steps // 32) * column["resolution"]
            for first in np.arange(low, high + column["resolution"] - width, width):
                counts.append(((values < first) | (values >= first + 2 * width)).sum())
            edges = column.get("bins", [])
            if len(edges) > 2:
                last = [*(edge - column["resolution"] for edge in edges[1:-1]), edges[-1]]
                inside = [((values > a) & (values < b)).sum() for a, b in zip(edges, last, strict=False)]
                counts += [sum(inside) - each for each in inside]
        for other in names[:place]:
            for one in parts[name]:
                for two in parts[other]:
                    if one.all() or two.all():
                        continue
                    differ = (one != two).sum()
                    counts += [differ, len(frame) - differ]
        found.append(min(counts) >= least and len(frame) >= least)
    return [name for name, is_open in zip(names, found, strict=True) if is_open]


def check_against_pandas(answer, frame, columns):
    assert answer.n_rows == len(frame)
    for name, each in answer.summaries.items():
        known = frame[name].dropna()
        assert (each.n.value, each.missing.value) == (len(known), len(frame) - len(known))
        if each.mean is not None:
            known = known.astype(float)
            assert each.mean.value == pytest.approx(known.mean(), rel=1e-9, abs=1e-12)
            assert each.sd.value == pytest.approx(known.std(ddof=1), rel=1e-9)
        if each.is_binned:
            quartiles = np.quantile(known, [0.25, 0.5, 0.75], method="inverted_cdf")
            edges = columns[name]["bins"]
            bins = np.minimum(np.searchsorted(edges, quartiles, side="right") - 1, len(edges) - 2)
            assert each.quartiles == tuple(each.labels[place] for place in bins)
        elif each.mean is None:
            counted = known.astype(str).value_counts()
            assert [count.value for count in each.counts] == [counted.get(label, 0) for label in each.labels]


# -- equal to the pooled table -------------------------------------------------------------------------------------


def test_shape_mode_and_distances_are_those_of_the_rows():
    """DuckDB's and pandas' convention: G1 and G2, corrected for n."""
    import duckdb

    frame = rows().assign(fell=lambda each: each.fell.astype(bool))
    answer = never_missing().ask("describe", columns=["before", "years", "fell"], shape=True)
    years, before = answer.summaries["years"], answer.summaries["before"]
    pinned = duckdb.sql("SELECT skewness(years), kurtosis(years) FROM frame").fetchall()[0]
    for expected in (pinned, (frame.years.skew(), frame.years.kurt())):
        assert (years.skewness, years.kurtosis) == pytest.approx(expected, rel=1e-9)
    known = REFERENCE["jarque_bera"]
    assert (years.skewness, years.kurtosis) == pytest.approx((known["G1"], known["G2"]), rel=1e-9)
    assert (before.mode, answer.summaries["fell"].mode, years.mode) == ("[120, 130)", "False", None)
    middles = np.array(before.middles)[np.digitize(frame.before, [110, 120, 130, 140, 150])]
    apart = np.sort(np.abs(middles - np.sort(middles)[299]))
    assert before.mad == apart[299]
    assert before.iqr == np.sort(middles)[449] - np.sort(middles)[149]
    assert before.geometric_mean == pytest.approx(stats.gmean(middles), rel=1e-12)
    assert years.geometric_mean is None
    assert {"skewness", "kurtosis", "mode", "iqr", "mad", "geometric_mean"} <= set(answer.frame.columns)
    assert "skewness" not in never_missing().ask("describe", columns=["years"]).frame.columns
    with pytest.raises(InvalidRequestError, match="jarque_bera"):
        never_missing().plan("describe", columns=["years"], shape=True, epsilon="1")


def test_four_powers_close_where_bins_and_powers_tell_of_few():
    """The attack: at the ends of every bin a polynomial that each bin moves by its own number can be 0."""
    ends = np.array([60, 109, 110, 119, 120, 129, 130, 139, 140, 149, 150, 220])
    for inside in ([101], [101, 102, 125, 126] * 40 + [64] * 9):
        values = np.concatenate([np.resize(ends, 600 - len(inside)), inside])
        frame = rows().assign(before=values)
        answer = never_missing(frame).ask("describe", columns=["before", "arm"], shape=True)
        assert list(answer.summaries) == ["arm"]
        assert answer.closed == ""


def test_the_hospitals_equal_pandas_where_they_are_open():
    world = heart_world()
    columns = {name: column.to_dict() for name, column in world.schema.tables["patients"].columns.items()}
    for column in columns.values():
        column |= {key: float(column[key]) for key in ("lower", "upper", "resolution") if key in column}
        column["bins"] = [float(edge) for edge in column.get("bins", [])]
    answer = world.ask("describe", columns=EVERY)
    check_against_pandas(answer, world.frame, columns)
    assert list(answer.summaries) == should_open(world.frame, EVERY, columns)
    # the same people lack the values of an exercise test
    assert closed(answer) == ["thalach", "oldpeak", "exang", "ecg_abnormal"]
    assert world.ask("describe", columns=["thalach"]).summaries["thalach"].missing.value == 55


@settings(max_examples=6)
@given(st.integers(40, 500), st.integers(0, 10**6), st.permutations(list(COLUMNS)))
def test_law_random_tables_open_by_the_rule_and_equal_pandas(n, seed, names):
    frame = people(n, seed)
    answer = ask(frame, list(names))
    assert list(answer.summaries) == should_open(frame, list(names), COLUMNS)
    check_against_pandas(answer, frame, COLUMNS)


@settings(max_examples=3)
@given(st.integers(0, 10**6))
def test_law_a_summary_does_not_depend_on_how_rows_are_dealt_to_sites(seed):
    frame = people(300, seed).sort_values("k")  # whole categories at one site
    first = ask(frame, list(COLUMNS)).values()
    assert ask(frame.sample(frac=1, random_state=seed), list(COLUMNS)).values() == first
    parts = [frame.iloc[:130], frame.iloc[130:], frame.iloc[:0]]
    assert ask(frame, list(COLUMNS), parts=parts).values() == first


def test_rows_that_lack_a_value_which_is_always_known_are_in_no_figure():
    frame = people(300).astype({"f": object})
    frame.loc[:2, "f"] = None
    answer = ask(frame, ["f", "k"])
    assert answer.n_rows == 297
    assert answer.summaries["k"].n.value == frame.iloc[3:].k.notna().sum()


# -- attacks -------------------------------------------------------------------------------------------------------


def test_a_person_alone_in_a_category_closes_the_column_and_looks_like_none_or_nine():
    """The attack: all rows less the open categories."""
    base = people().assign(k="p")
    answers = []
    for few in (0, 1, 9, 10):
        frame = base.copy()
        frame.loc[:99, "k"], frame.loc[100:150, "k"] = "q", None
        frame.loc[200 : 199 + few, "k"] = "r"
        answers.append(ask(frame, ["f", "k"]))
    assert [closed(answer) for answer in answers] == [["k"], ["k"], ["k"], []]
    assert len({str(answer.values()) for answer in answers[:3]}) == 1


def test_few_missing_values_close_a_column_that_may_lack_them():
    """The attack: all rows less the known ones; and a mean over all but three says who they are."""
    base = people().assign(x=lambda frame: frame.x.fillna(5))
    answers = []
    for few in (0, 1, 9, 10):
        frame = base.copy()
        frame.loc[: few - 1, "x"] = np.nan
        answers.append(ask(frame, ["f", "x"]))
    assert [closed(answer) for answer in answers] == [["x"], ["x"], ["x"], []]
    assert len({str(answer.values()) for answer in answers[:3]}) == 1


@pytest.mark.parametrize("agrees", [True, False])
def test_a_column_that_differs_from_one_before_in_few_people_is_closed(agrees):
    """The attack: the counts of two columns differ by the few in whom the columns differ, or agree."""
    columns = {name: {"type": "boolean"} for name in "abc"}
    frame = pd.DataFrame({"a": np.arange(200) % 2 == 0, "c": np.arange(200) % 3 == 0})
    for few, expected in ((0, ["b"]), (1, ["b"]), (9, ["b"]), (10, [])):
        other = frame.a.to_numpy() == agrees
        other[:few] = ~other[:few]
        world = StatisticWorld(frame.assign(b=other), columns)
        assert closed(world.ask("describe", columns=["a", "b", "c"])) == expected
        assert closed(world.ask("describe", columns=["b", "c"])) == []


def test_one_person_more_or_less_changes_only_what_stands_at_the_threshold():
    frame = people()
    for count, expected in ((9, ["k"]), (10, []), (11, [])):
        changed = frame.assign(
            k=np.where(np.arange(400) < count, "r", np.where(np.arange(400) < 200, "p", "q"))
        )
        changed.loc[300:330, "k"] = None
        assert closed(ask(changed, ["f", "k", "plain"])) == expected


def test_moments_of_few_values_do_not_tell_the_count_of_each():
    frame = people().assign(few=lambda frame: frame.few.replace(3, 2))
    frame.loc[7, "few"] = 3
    assert closed(ask(frame, ["few"])) == ["few"]


def test_a_sum_over_many_at_a_bound_is_not_that_of_the_few_others():
    for value, expected in ((-50, ["plain"]), (50, ["plain"]), (0, ["plain"])):
        frame = people().assign(plain=value)
        frame.loc[:8, "plain"] = 17
        assert closed(ask(frame, ["plain"])) == expected


@pytest.mark.parametrize("edges", [[0, 10, 20], [9.5, 19.5, 40]])
def test_values_at_the_edges_of_bins_do_not_leave_the_sum_of_the_few_others(edges):
    """The attack: the counts of bins times their edges, less the sum, is what the few others add."""
    frame = people().assign(x=np.array(edges)[np.arange(400) % 3])
    frame.loc[:80, "x"] = np.nan
    frame.loc[100:105, "x"] = [3, 4, 13, 14, 25, 33]
    assert closed(ask(frame, ["x"])) == ["x"]
    frame.loc[110:139, "x"] = [3, 13, 25] * 10
    assert closed(ask(frame, ["x"])) == []


def test_a_quartile_is_given_with_people_on_both_sides():
    frame = pd.DataFrame({"x": np.tile([4, 5, 14, 15, 25, 30], 6)})
    columns = {"x": COLUMNS["x"] | {"nullable": False}}
    quartiles = StatisticWorld(frame, columns).ask("describe", columns=["x"]).summaries["x"].quartiles
    assert quartiles == (None, "[10, 20)", None)


def test_fewer_people_than_the_minimum_close_everything_by_one_code():
    answers = [ask(people(n), list(COLUMNS)) for n in (0, 1, 9)]
    assert {(answer.closed, answer.n_rows, len(answer.summaries)) for answer in answers} == {
        ("minimum_cell", None, 0)
    }
    assert len({str(answer.values()) for answer in answers}) == 1


def test_a_unit_with_rows_at_several_sites_counts_as_one_for_the_threshold():
    frame = people().assign(f=np.arange(400) < 25)
    assert closed(ask(frame, ["f"], max_sites_per_unit=2)) == []
    assert closed(ask(frame, ["f"], max_sites_per_unit=3)) == ["f"]


# -- private -------------------------------------------------------------------------------------------------------


def test_without_noise_the_private_path_equals_the_exact_one():
    frame = people()
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("describe", columns=list(COLUMNS), epsilon="1")
    weight = 10**40
    figures = np.sum(world.scanned(plan), axis=0)[plan.statistic.private_places()]
    silent = tuple(NoiseLaw(n_sites=3, sigma2_local=1, weight=weight) for _ in plan.noise)
    answer = plan.statistic.estimate(
        (np.array([int(each) * weight for each in figures], dtype=object),), silent
    )
    exact = ask(frame, list(COLUMNS), minimum_cell=0)
    for name, each in exact.summaries.items():
        found = answer.summaries[name]
        assert found.quartiles == each.quartiles
        if each.geometric_mean is not None:
            assert found.geometric_mean == pytest.approx(each.geometric_mean, rel=1e-12)
        assert not found.too_few
        pairs = [
            (found.n, each.n),
            (found.missing, each.missing),
            *zip(found.counts, each.counts, strict=True),
        ]
        pairs += [(found.mean, each.mean), (found.sd, each.sd)] if each.mean else []
        for one, other in pairs:
            assert one.value == pytest.approx(other.value, rel=1e-12, abs=1e-12)


def releases(plan, figures, count, seed):
    """What a private release opens, again and again, with noise from an injected source."""
    draws = np.random.default_rng(seed)
    laws = plan.noise
    for _ in range(count):
        noise = [draws.normal(0, law.sd * law.weight) for law in laws]
        yield plan.statistic.estimate(
            (np.rint(figures * [law.weight for law in laws] + noise).astype(np.int64),), laws
        )


def covered(world, names, truth, count, epsilon):
    """By column and figure, how often the interval at 95 % holds the figure without noise."""
    plan = world.plan("describe", columns=names, epsilon=epsilon)
    figures = np.sum(world.scanned(plan), axis=0)[plan.statistic.private_places()]
    hits = {}
    for answer in releases(plan, figures, count, 5):
        for name, found in answer.interval(0.95).items():
            each = truth.summaries[name]
            known = {"n": each.n, "missing": each.missing, "mean": each.mean, "sd": each.sd}
            for figure, value in known.items():
                if value is not None:
                    low, high = found[figure]
                    hits.setdefault((name, figure), []).append(low - 1e-9 <= value.value <= high + 1e-9)
            if each.geometric_mean is not None:
                low, high = found["geometric_mean"]
                hits.setdefault((name, "geometric_mean"), []).append(low <= each.geometric_mean <= high)
            for place, ((low, high), cell) in enumerate(zip(found["cells"], each.counts, strict=True)):
                hits.setdefault((name, f"cell {place}"), []).append(low <= cell.value <= high)
            for quartile, label in zip(("q1", "median", "q3"), each.quartiles, strict=True):
                if label is not None:
                    first, last = (each.labels.index(one) for one in found[quartile])
                    hits.setdefault((name, quartile), []).append(first <= each.labels.index(label) <= last)
    return {what: sum(each) for what, each in hits.items()}


@pytest.mark.parametrize("count", [300, pytest.param(4_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("epsilon", ["0.3", "3"])
def test_private_intervals_cover_what_there_is_without_noise(count, epsilon):
    world = heart_world()
    names = EVERY if count > 1_000 else ["age", "cp", "oldpeak"]
    truth = heart_world(minimum_cell=0).ask("describe", columns=names)
    for what, hits in covered(world, names, truth, count, epsilon).items():
        assert stats.binom.cdf(hits, count, 0.94) > 1e-6, (what, hits / count)


def test_a_private_summary_is_one_release_whatever_the_data():
    for frame in (people(0), people(1), people(300).assign(k=None, x=np.nan, f=False)):
        answer = StatisticWorld(frame, COLUMNS).ask("describe", columns=list(COLUMNS), epsilon="1")
        assert (answer.closed, list(answer.summaries)) == ("", list(COLUMNS))
        assert answer.n_rows is not None
        assert all(each.too_few for name, each in answer.summaries.items() if name in "kx")


def test_cells_of_one_column_cost_what_a_group_by_costs():
    world = StatisticWorld(people(), COLUMNS)
    plan = world.plan("describe", columns=["k", "few"], epsilon="1")
    assert [(event.dim, event.l1 == event.l2) for event in plan.cost] == [
        (1, True),
        (4, True),
        (1, True),
        (1, True),
        (1, True),
    ]
    wide = world.plan("describe", columns=["k"], epsilon="1")
    rows, *cells = wide.noise
    assert all(law == rows for law in cells)


def test_only_cells_that_no_row_shares_are_one_part_of_a_release():
    column = ColumnCells(column=StatisticWorld(people(), COLUMNS).schema.tables["patients"].columns["plain"])
    other = ColumnCells(column=StatisticWorld(people(), COLUMNS).schema.tables["patients"].columns["few"])

    def cells(*ranges, of=column):
        return [BlockSpec(measure=Measure.CELL, argument=of.argument, cell=each) for each in ranges]

    assert disjoint_runs(cells((0, 4), (5, 9), (-3, -1))) == (3,)
    assert disjoint_runs(cells((0, 5), (5, 9), (10, 12))) == (1, 2)
    assert disjoint_runs([*cells((0, 1)), *cells((2, 3), of=other)]) == (1, 1)
    count = BlockSpec(measure=Measure.COUNT, argument=column.argument)
    assert disjoint_runs([count, count, *cells((0, 1)), count, *cells((2, 3))]) == (1, 1, 1, 1, 1)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_law_one_person_changes_a_part_of_the_release_by_no_more_than_its_price(seed):
    """What a site adds for one person, part by part, against what the events state."""
    frame = people(1, seed)
    world = StatisticWorld(frame, COLUMNS, parts=[frame, frame.iloc[:0], frame.iloc[:0]])
    plan = world.plan("describe", columns=list(COLUMNS), epsilon="1")
    figures = np.sum(world.scanned(plan), axis=0) * [block.weight for block in plan.counts.blocks]
    start = 0
    for event in plan.cost:
        part = figures[start : start + event.dim].astype(float)
        assert np.abs(part).sum() <= event.l1
        assert np.sqrt((part**2).sum()) <= event.l2
        start += event.dim
    assert start == figures.size


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"columns": ["k", "nothing"]}, PlanRejectedError, "unknown column nothing"),
        ({"columns": ["k", "k"]}, InvalidRequestError, "different"),
        ({"columns": ["k", "K"]}, InvalidRequestError, "different columns"),
        ({"columns": []}, InvalidRequestError, "must be a list"),
        ({"columns": "k"}, InvalidRequestError, "must be a list"),
        ({"columns": [1]}, InvalidRequestError, "must be a list"),
        ({}, InvalidRequestError, "columns is missing"),
        ({"columns": ["k"], "by": "f"}, InvalidRequestError, "is not an argument of describe"),
    ],
)
@pytest.mark.parametrize("epsilon", [None, "1"])
def test_wrong_arguments_are_refused_before_a_charge(arguments, error, text, epsilon):
    world = StatisticWorld(people(10), COLUMNS)
    with pytest.raises(error, match=text):
        world.plan("describe", **arguments, **({} if epsilon is None else {"epsilon": epsilon}))


def test_public_limits_are_checked_before_a_charge():
    frame = people(10)
    with pytest.raises(PlanRejectedError, match="privacy unit of patients may have several"):
        StatisticWorld(
            frame.assign(id="a"),
            COLUMNS | {"id": {"type": "identifier"}},
            privacy_unit="id",
            exact_dimensions=["k"],
            max_rows_per_unit=2,
        ).plan("describe", columns=["k"])
    with pytest.raises(PlanRejectedError, match="exact dimensions: f"):
        StatisticWorld(frame, COLUMNS, exact_dimensions=["f"]).plan("describe", columns=["f", "k"])
    wide = {"x": {"type": "numeric", "lower": -(2**30), "upper": 2**30, "resolution": 1}}
    for how in ({}, {"epsilon": "1"}):
        with pytest.raises(OverflowRiskError):
            StatisticWorld(frame[["x"]], wide).plan("describe", columns=["x"], **how)
    many = {
        f"c{place}": {"type": "categorical", "domain": [f"v{value}" for value in range(60)]}
        for place in range(8)
    }
    with pytest.raises(InvalidRequestError, match="ask for fewer columns"):
        StatisticWorld(pd.DataFrame({name: ["v1"] for name in many}), many).plan(
            "describe", columns=list(many)
        )
    guessed = COLUMNS | {"k": COLUMNS["k"] | {"guessed": True}}
    with pytest.raises(PlanRejectedError, match="was guessed from data"):
        StatisticWorld(frame, guessed).plan("describe", columns=["k"], epsilon="1")


def test_constant_columns_and_columns_without_a_value_have_a_named_answer():
    frame = people(300).assign(plain=7, x=np.nan)
    guarded, plain = (ask(frame, ["plain", "x"], minimum_cell=cell) for cell in (10, 0))
    assert closed(guarded) == ["plain", "x"]
    assert (plain.summaries["plain"].mean.value, plain.summaries["plain"].sd.value) == (7, 0)
    assert (plain.summaries["x"].n.value, plain.summaries["x"].mean.value, plain.summaries["x"].sd.value) == (
        0,
        None,
        None,
    )
    assert plain.summaries["x"].quartiles == (None, None, None)


def test_the_frame_has_a_row_a_column_and_one_for_each_of_its_cells():
    answer = ask(people(), ["k", "plain", "few"])
    assert answer.frame.column.tolist() == ["k"] * 4 + ["plain", "few"]
    assert answer.frame.cell.tolist() == ["", "p", "q", "r", "", ""]
    assert answer.frame.share[1:4].sum() == pytest.approx(1)
    assert answer.interval()["plain"]["mean"] == (answer.summaries["plain"].mean.value,) * 2
    with pytest.raises(InvalidRequestError, match="level"):
        answer.interval(1)
    assert replace(answer, summaries={}).frame.n.isna().all()
