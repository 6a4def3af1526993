"""Table 1: equal to pandas and scipy where it is open; a column is closed in all groups where one group would tell of few."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.profiles.group_comparisons import (
    adjusted,
    counts_test,
    means_difference,
    means_test,
    ranks_test,
    shares_difference,
)
from analytics.statistics.uncertainty.noise_law import NoiseLaw

SHOWN = ["age", "cp", "sex", "chol", "exang"]
COLUMNS = {
    "arm": {"type": "categorical", "domain": ["a", "b", "c"], "nullable": True},
    "k": {"type": "categorical", "domain": ["p", "q"], "nullable": True},
    "x": {"type": "numeric", "lower": 0, "upper": 40, "resolution": 0.5, "bins": [0, 10, 20, 40]},
}


def people(n=600, seed=0):
    draws = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "arm": draws.choice(["a", "b", "c", None], n, p=[0.4, 0.3, 0.2, 0.1]),
            "k": draws.choice(["p", "q", None], n),
            "x": draws.integers(0, 81, n) / 2,
        }
    )
    return frame.astype({"arm": object, "k": object})


def ask(frame, columns=("k", "x"), world=None, **arguments):
    fields = world or {}
    return StatisticWorld(frame, COLUMNS, **fields).ask(
        "table_one", columns=list(columns), groupby="arm", **arguments
    )


def open_columns(answer):
    return list(answer.summaries["Overall"])


def check_against_pandas(answer, frame, by):
    groups = {str(label): part for label, part in frame.groupby(by)} | {"Overall": frame[frame[by].notna()]}
    for arm, part in groups.items():
        assert answer.n_rows[arm] == len(part)
        for name, each in answer.summaries[arm].items():
            known = part[name].dropna()
            assert (each.n.value, each.missing.value) == (len(known), part[name].isna().sum())
            if each.is_numeric:
                assert each.mean.value == pytest.approx(known.astype(float).mean(), rel=1e-9)
                assert each.sd.value == pytest.approx(known.astype(float).std(), rel=1e-9)
            else:
                counts = known.astype(str).value_counts()
                assert [count.value for count in each.counts] == [
                    counts.get(label, 0) for label in each.labels
                ]


# -- equal to the pooled table -------------------------------------------------------------------------------------


def test_the_hospitals_equal_pandas_and_scipy():
    world = heart_world()
    answer = world.ask(
        "table_one",
        columns=SHOWN,
        groupby="disease",
        pval=True,
        smd=True,
        htest_name=True,
        pval_adjust="holm",
    )
    assert open_columns(answer) == SHOWN[:4] or open_columns(answer) == SHOWN
    check_against_pandas(answer, world.frame, "disease")
    well, ill = (world.frame[world.frame.disease == value] for value in (False, True))
    for name in ("age", "chol"):
        known = stats.ttest_ind(well[name].dropna(), ill[name].dropna(), equal_var=False)
        assert answer.pvalues[name] == ("Welch's t-test", pytest.approx(known.pvalue, rel=1e-9))
        spread = np.sqrt((well[name].var() + ill[name].var()) / 2)
        assert answer.smd[name]["False,True"] == pytest.approx(
            (ill[name].mean() - well[name].mean()) / spread, rel=1e-9
        )
    for name in ("cp", "sex"):
        known = stats.chi2_contingency(pd.crosstab(world.frame.disease, world.frame[name]))
        assert answer.pvalues[name] == ("Chi-squared", pytest.approx(known.pvalue, rel=1e-9))
    table = answer.frame.set_index(["variable", "level"])
    count = (well.sex == "F").sum()
    assert table.loc[("sex, n (%)", "F"), "False"] == f"{count} ({100 * count / len(well):.1f})"
    assert table.loc[("age, mean (SD)", ""), "True"] == f"{ill.age.mean():.1f} ({ill.age.std():.1f})"
    assert table.loc[("n", ""), "Overall"] == "920"
    assert table.loc[("chol, mean (SD)", ""), "Missing"] == "202"


@settings(max_examples=3)
@given(st.integers(0, 10**6))
def test_law_random_tables_equal_pandas_however_rows_are_dealt_to_sites(seed):
    frame = people(seed=seed).sort_values("arm")  # whole groups at one site
    parts = [frame.iloc[:200], frame.iloc[200:], frame.iloc[:0]]
    first, again = ask(frame, smd=True), ask(frame, world={"parts": parts}, smd=True)
    assert first.values() == again.values()
    assert open_columns(first) == ["k", "x"]
    check_against_pandas(first, frame, "arm")


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.integers(0, 10**6))
def test_law_tests_and_differences_equal_scipy_and_plain_numpy(n_groups, seed):
    draws = np.random.default_rng(seed)
    groups = [draws.normal(place / 3, 1 + place, draws.integers(5, 40)) for place in range(n_groups)]
    sizes, means, deviations = (
        np.array([f(each) for each in groups]) for f in (len, np.mean, lambda one: one.std(ddof=1))
    )
    known = stats.ttest_ind(*groups, equal_var=False) if n_groups == 2 else stats.f_oneway(*groups)
    assert means_test(sizes.astype(float), means, deviations) == pytest.approx(known.pvalue, rel=1e-8)
    table = draws.integers(1, 30, (n_groups, 3)).astype(float)
    assert counts_test(table) == pytest.approx(stats.chi2_contingency(table).pvalue, rel=1e-9)
    ranked = [np.repeat(np.arange(3), row.astype(int)) for row in table]
    assert ranks_test(table) == pytest.approx(stats.kruskal(*ranked).pvalue, rel=1e-9)
    one, two = (row / row.sum() for row in table[:2])
    spread = (np.cov(ranked[0] == 1, bias=True) + np.cov(ranked[1] == 1, bias=True)) / 2
    if n_groups == 2:
        narrow = np.array([table[0][:2], table[1][:2]])
        p, q = (row[1] / row.sum() for row in narrow)
        assert shares_difference(*narrow) == pytest.approx(
            abs(q - p) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2), rel=1e-9
        )
    codes = [np.eye(3)[each][:, 1:] for each in ranked[:2]]
    spread = (np.cov(codes[0].T, bias=True) + np.cov(codes[1].T, bias=True)) / 2
    step = (two - one)[1:]
    assert shares_difference(table[0], table[1]) == pytest.approx(
        np.sqrt(step @ np.linalg.inv(spread) @ step), rel=1e-9
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_law_adjusted_pvalues_follow_their_definitions(values):
    count = len(values)
    ranks = sorted(values)
    holm = [
        max(min(1, (count - place) * ranks[place]) for place in range(ranks.index(p) + 1)) for p in values
    ]
    # of equal p-values the largest of all their steps counts
    holm = [max(holm[place] for place in range(count) if values[place] == p) for p in values]
    last = [max(place for place in range(count) if ranks[place] == p) for p in values]
    bh = [min(min(1, ranks[place] * count / (place + 1)) for place in range(first, count)) for first in last]
    assert adjusted(values, "bonferroni") == [min(1, count * p) for p in values]
    assert adjusted(values, "fdr_bh") == pytest.approx(bh)
    found = adjusted(values, "holm")
    assert all(one >= other - 1e-12 for one, other in zip(found, holm, strict=True))
    if len(set(values)) == count:
        assert found == pytest.approx(holm)


def test_what_is_not_defined_is_none():
    assert means_test(np.array([5.0, 5]), np.array([1.0, 2]), np.zeros(2)) is None
    assert means_test(np.array([5.0, 1]), np.array([1.0, 2]), np.ones(2)) is None
    assert means_test(np.array([5.0, 5, 5]), np.array([1.0, 2, 3]), np.zeros(3)) is None
    assert counts_test(np.array([[3.0, 0], [4, 0]])) is None
    assert ranks_test(np.array([[3.0, 0], [4, 0]])) is None
    assert means_difference((1, 2), (0, 0)) is None
    assert shares_difference(np.array([3.0, 0]), np.array([4.0, 0])) is None


# -- attacks -------------------------------------------------------------------------------------------------------


def test_a_person_alone_in_one_group_closes_the_column_in_all_of_them():
    """The attack: all groups together less the other groups."""
    answers = []
    for few in (0, 1, 9, 10):
        frame = people()
        at_c = frame.index[frame.arm == "c"]
        frame.loc[at_c, "k"] = "p"
        frame.loc[at_c[:30], "k"], frame.loc[at_c[30 : 30 + few], "k"] = "q", None
        answers.append(ask(frame, ["x", "k"]))
    assert [open_columns(answer) for answer in answers] == [["x"]] * 3 + [["x", "k"]]
    assert len({str(answer.values()) for answer in answers[:3]}) == 1
    assert answers[0].frame.iloc[-1].tolist() == ["k", "", "", *["closed"] * 4]


def test_a_small_or_empty_group_closes_everything_by_one_code():
    answers = []
    for few in (0, 1, 9):
        frame = people().replace({"arm": {"c": "a"}})
        frame.loc[: few - 1, "arm"] = "c"
        answers.append(ask(frame))
    assert {(answer.closed, answer.n_rows["a"], answer.n_rows["Overall"]) for answer in answers} == {
        ("minimum_cell", None, None)
    }
    assert len({str(answer.values()) for answer in answers}) == 1


def test_columns_that_differ_in_few_people_of_one_group_are_not_both_open():
    columns = {"arm": {"type": "boolean"}, "x": {"type": "boolean"}, "y": {"type": "boolean"}}
    frame = pd.DataFrame({"arm": np.arange(400) % 2 == 0, "x": np.arange(400) // 2 % 2 == 0})
    for few, expected in ((0, ["x"]), (9, ["x"]), (10, ["x", "y"])):
        other = frame.x.to_numpy().copy()
        other[1:200:2] ^= True  # in the group False they differ in many
        other[: 2 * few : 2] ^= True
        world = StatisticWorld(frame.assign(y=other), columns)
        assert open_columns(world.ask("table_one", columns=["x", "y"], groupby="arm")) == expected


# -- private -------------------------------------------------------------------------------------------------------


def test_without_noise_the_private_path_equals_the_exact_one():
    world = StatisticWorld(people(), COLUMNS)
    plan = world.plan("table_one", columns=["k", "x"], groupby="arm", epsilon="1")
    figures = np.sum(world.scanned(plan), axis=0)[plan.statistic.private_places()]
    weight = 10**40
    silent = tuple(NoiseLaw(n_sites=3, sigma2_local=1, weight=weight) for _ in plan.noise)
    answer = plan.statistic.estimate(
        (np.array([int(each) * weight for each in figures], dtype=object),), silent
    )
    exact = ask(people(), world={"minimum_cell": 0})
    assert answer.frame.equals(exact.frame)
    for arm, found in exact.summaries.items():
        for name, each in found.items():
            other = answer.summaries[arm][name]
            pairs = [
                (each.n, other.n),
                (each.missing, other.missing),
                *zip(each.counts, other.counts, strict=True),
            ]
            pairs += [(each.mean, other.mean), (each.sd, other.sd)] if each.is_numeric else []
            for one, two in pairs:
                assert one.value == pytest.approx(two.value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("count", [150, pytest.param(4_000, marks=pytest.mark.slow)])
def test_private_intervals_cover_what_there_is_without_noise(count):
    world = heart_world()
    asked = {"columns": ["age", "cp", "chol"] if count > 1_000 else ["age", "cp"], "groupby": "disease"}
    truth = heart_world(minimum_cell=0).ask("table_one", **asked)
    plan = world.plan("table_one", **asked, epsilon="1")
    figures = np.sum(world.scanned(plan), axis=0)[plan.statistic.private_places()]
    draws, arms = np.random.default_rng(8), len(plan.statistic.arms)
    weights = np.array([law.weight for law in plan.noise] * arms)
    spread = np.array([law.sd * law.weight for law in plan.noise] * arms)
    hits = {}
    for _ in range(count):
        opened = np.rint(figures * weights + draws.normal(0, spread)).astype(np.int64)
        found = plan.statistic.estimate((opened,), plan.noise).interval(0.95)
        for arm, columns in truth.summaries.items():
            for name, each in columns.items():
                known = {"n": each.n, "missing": each.missing, "mean": each.mean, "sd": each.sd}
                for figure, value in known.items():
                    if value is not None:
                        low, high = found[arm][name][figure]
                        hits.setdefault((arm, name, figure), []).append(
                            low - 1e-9 <= value.value <= high + 1e-9
                        )
                for place, cell in enumerate(each.counts):
                    low, high = found[arm][name]["cells"][place]
                    hits.setdefault((arm, name, place), []).append(low <= cell.value <= high)
    for what, each in hits.items():
        assert stats.binom.cdf(sum(each), count, 0.94) > 1e-6, what


def test_a_private_table_is_one_charge_whatever_the_data():
    for frame in (people(1), people().assign(arm=None), people().assign(arm="a", k=None)):
        answer = ask(frame, epsilon="1")
        assert (answer.closed, open_columns(answer)) == ("", ["k", "x"])
    assert ask(people(), epsilon="1").noise_sd > 0


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"groupby": "k"}, InvalidRequestError, "must be another column"),
        ({"groupby": "y"}, PlanRejectedError, "unknown column y"),
        ({"columns": ["k", "nothing"]}, PlanRejectedError, "unknown column nothing"),
        ({"pval_adjust": "holm"}, InvalidRequestError, "with pval = true"),
        ({"pval": True, "pval_adjust": "sidak"}, InvalidRequestError, "bonferroni, holm, fdr_bh"),
        ({"nonnormal": ["k"]}, InvalidRequestError, "with declared bins"),
        ({"pval": "yes"}, InvalidRequestError, "true or false"),
        ({"decimals": 9}, InvalidRequestError, "from 0 to 6"),
        ({"pval": True, "epsilon": "1"}, InvalidRequestError, "figures with noise"),
        ({"smd": True, "epsilon": "1"}, InvalidRequestError, "figures with noise"),
    ],
)
def test_wrong_arguments_are_refused_before_a_charge(arguments, error, text):
    world = StatisticWorld(people(10), COLUMNS)
    with pytest.raises(error, match=text):
        world.plan("table_one", **({"columns": ["k"], "groupby": "arm"} | arguments))


def test_a_group_column_has_two_groups_and_none_called_overall():
    for domain in (["a"], ["a", "Overall"]):
        columns = COLUMNS | {"arm": {"type": "categorical", "domain": domain}}
        with pytest.raises(InvalidRequestError, match="two groups"):
            StatisticWorld(people(10).assign(arm="a"), columns).plan(
                "table_one", columns=["k"], groupby="arm"
            )


def test_constant_columns_and_one_group_alone_have_a_named_answer():
    answer = ask(people().assign(x=7, arm="a"), world={"minimum_cell": 0}, pval=True, smd=True)
    assert answer.pvalues == {"k": ("Chi-squared", None), "x": ("One-way ANOVA", None)}
    assert set(answer.smd["x"].values()) == {None}
    assert answer.summaries["b"]["x"].mean.value is None


def test_texts_are_escaped_and_the_forms_agree():
    frame = people().replace({"k": {"p": "<b>5 % & more", "q": "a_b"}})
    columns = COLUMNS | {"k": COLUMNS["k"] | {"domain": ["<b>5 % & more", "a_b"]}}
    answer = StatisticWorld(frame, columns).ask(
        "table_one",
        columns=["k", "x"],
        groupby="arm",
        pval=True,
        nonnormal=["x"],
        overall=False,
        missing=False,
    )
    assert list(answer.frame.columns) == ["variable", "level", "a", "b", "c", "P-Value"]
    assert "&lt;b&gt;5 % &amp; more" in answer.to_html()
    assert r"$<$b$>$5 \% \& more" in answer.to_latex()
    assert answer.to_latex().count(r"\\") == len(answer.frame) + 1
    assert answer.frame.variable.iloc[-1] == "x, median [Q1,Q3]"
    assert answer.frame.a.iloc[-1] == "[20, 40] [[10, 20); [20, 40]]"
    assert answer.pvalues["x"][0] == "Kruskal-Wallis over bins"
