"""Rank correlations, and tests over bins, against scipy and scikit-learn on the rows' own places."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score
from statistic_world import StatisticWorld, heart_world
from table_world import EDGES, frame_of, table_world

from analytics.errors import InvalidRequestError, PlanRejectedError

TABLES = [
    np.random.default_rng(seed).integers(11, 60, shape).tolist()
    for seed, shape in enumerate([(3, 4), (2, 3), (4, 4), (2, 2)])
]
STRONG = [[60, 14, 12], [15, 70, 13], [11, 16, 80]]


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-12)


def places(table):
    rows = frame_of(table, missing=0)
    return [rows[name].str[1:].astype(int).to_numpy() for name in "ab"]


@pytest.mark.parametrize("table", [*TABLES, STRONG])
def test_rank_correlations_equal_scipys(table):
    a, b = places(table)
    world = table_world(table)
    answer, known = world.ask("spearman", a="a", b="b"), stats.spearmanr(a, b)
    assert (answer.statistic, answer.pvalue) == near((known.statistic, known.pvalue))
    answer, known = world.ask("kendall", a="a", b="b"), stats.kendalltau(a, b, method="asymptotic")
    assert (answer.statistic, answer.pvalue) == near((known.statistic, known.pvalue))
    same = np.sign(a[:, None] - a) * np.sign(b[:, None] - b)
    assert answer.figures["gamma"].value == near(same.sum() / np.abs(same).sum())


@pytest.mark.parametrize("name", ["spearman", "kendall"])
def test_the_standard_error_of_a_rank_correlation_is_that_of_resampled_patients(name):
    a, b = places(STRONG)
    answer = table_world(STRONG).ask(name, a="a", b="b")
    generator, found = np.random.default_rng(2), []
    measure = stats.spearmanr if name == "spearman" else stats.kendalltau
    for _ in range(400):
        chosen = generator.integers(0, len(a), len(a))
        found.append(measure(a[chosen], b[chosen]).statistic)
    (figure,) = [each for key, each in answer.figures.items() if key in {"rho", "tau"}]
    assert figure.sampling_error == pytest.approx(np.std(found), rel=0.15)


def test_hospitals_rank_correlation_over_bins():
    world = heart_world()
    rows = world.frame.dropna(subset=["thalach"])
    known = stats.spearmanr(
        np.digitize(rows.age, [40, 50, 60]), np.digitize(rows.thalach, [110, 130, 150, 170])
    )
    answer = world.ask("spearman", a="age", b="thalach")
    if answer.closed:  # few old people with a high rate
        assert (
            pd.crosstab(np.digitize(rows.age, [40, 50, 60]), np.digitize(rows.thalach, [110, 130, 150, 170]))
            .to_numpy()
            .min()
            < 10
        )
        answer = heart_world(minimum_cell=1).ask("spearman", a="age", b="thalach")
    assert (answer.statistic, answer.pvalue) == near((known.statistic, known.pvalue))


@pytest.mark.parametrize("table", [*TABLES, STRONG])
def test_mutual_information_equals_scikit_learns(table):
    a, b = places(table)
    answer = table_world(table).ask("mutual_information", a="a", b="b")
    assert answer.tests["information"] == near(mutual_info_score(a, b))
    assert answer.tests["normalised"] == near(normalized_mutual_info_score(a, b))
    known = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert (answer.statistic, answer.pvalue, answer.dof) == near((known.statistic, known.pvalue, known.dof))


@pytest.mark.parametrize("name", ["spearman", "kendall", "mutual_information"])
def test_a_column_in_one_group_alone_is_undefined(name):
    answer = table_world([[40, 0], [30, 0]], minimum_cell=0).ask(name, a="a", b="b")
    assert (answer.closed, answer.statistic) == ("undefined", None)


def test_complete_order_and_zero_cells():
    answer = table_world([[40, 0], [0, 30]], minimum_cell=0).ask("spearman", a="a", b="b")
    assert (answer.statistic, answer.pvalue) == near((1.0, 0.0))
    assert table_world([[40, 0], [0, 30]], minimum_cell=0).ask("kendall", a="a", b="b").statistic == near(1.0)


@pytest.mark.parametrize("by", ["disease", "sex"])
def test_the_distance_of_distributions_equals_scipys_at_the_hospitals(by):
    world = heart_world()
    answer = world.ask("ks_test", column="thalach", by=by, grid=[110, 130, 150])
    rows = world.frame.dropna(subset=["thalach"])
    bins = np.digitize(rows.thalach, [110, 130, 150])
    groups = [bins[rows[by] == label] for label in sorted(rows[by].unique())]
    known = stats.ks_2samp(*groups, method="asymp")
    assert (answer.statistic, answer.pvalue) == near((known.statistic, known.pvalue))
    with pytest.raises(InvalidRequestError, match="two groups of cp"):
        world.plan("ks_test", column="thalach", by="cp")


MIDDLES = np.array([0.1, 0.325, 0.575, 0.85])


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("seed", [1, 2])
def test_signed_ranks_equal_scipys(alternative, seed):
    table = np.random.default_rng(seed).integers(11, 60, (4, 4))
    table[0] += 20
    answer = table_world(table, paired=True, chances=True).ask(
        "signed_rank", a="a", b="b", alternative=alternative
    )
    a, b = places(table)
    apart = np.round(MIDDLES[a] - MIDDLES[b], 9)
    known = stats.wilcoxon(apart, alternative=alternative, method="asymptotic", correction=False)
    assert (answer.statistic, answer.pvalue) == near((known.statistic, known.pvalue))


def test_pairs_without_a_difference_have_a_pvalue_of_1_and_other_bins_are_refused():
    table = np.diag([40, 30, 20, 10])
    for alternative in ("two-sided", "less"):
        answer = table_world(table, paired=True, chances=True, minimum_cell=0).ask(
            "signed_rank", a="a", b="b", alternative=alternative
        )
        assert (answer.statistic, answer.pvalue) == (0.0, 1.0)
    hearts = heart_world()
    with pytest.raises(PlanRejectedError, match="groups of a"):
        hearts.plan("signed_rank", a="age", b="thalach")
    with pytest.raises(PlanRejectedError, match="must be numeric"):
        hearts.plan("signed_rank", a="sex", b="thalach")


@pytest.mark.parametrize("center", ["median", "mean"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_levene_equals_scipys(center, seed):
    table = np.random.default_rng(seed).integers(11, 60, (4, 3))
    answer = table_world(table, chances=True).ask("levene", column="a", by="b", center=center)
    a, b = places(table)
    known = stats.levene(*(MIDDLES[a][b == group] for group in range(3)), center=center)
    assert (answer.statistic, answer.pvalue) == near((known.statistic, known.pvalue))
    assert list(answer.tests.values()) == [2.0, table.sum() - 3]


def test_levene_takes_the_median_between_two_bins_and_refuses_what_has_none():
    table = np.array([[20, 30], [20, 11], [11, 11], [11, 40]])
    table[2, 0] = 40 - 11  # half of the first group lies below the third bin
    answer = table_world(table, chances=True).ask("levene", column="a", by="b")
    a, b = places(table)
    known = stats.levene(*(MIDDLES[a][b == group] for group in range(2)))
    assert answer.statistic == near(known.statistic)
    one_bin = table_world([[20, 30], [0, 0]], chances=True, minimum_cell=0)
    assert one_bin.ask("levene", column="a", by="b").closed == "undefined"
    with pytest.raises(InvalidRequestError, match="median or mean"):
        one_bin.plan("levene", column="a", by="b", center="trimmed")
    with pytest.raises(InvalidRequestError, match="must be exact"):
        one_bin.plan("levene", column="a", by="b", epsilon="1")


def test_random_rows_with_values_in_no_group_count_nowhere():
    generator = np.random.default_rng(5)
    n = 600
    frame = pd.DataFrame(
        {
            "a": np.where(generator.random(n) < 0.1, np.nan, generator.integers(0, 100, n) / 100),
            "b": generator.choice(np.array(["x", "y", None], dtype=object), n),
        }
    )
    chance = {"type": "numeric", "lower": 0, "upper": 1, "resolution": 0.01, "bins": EDGES, "nullable": True}
    group = {"type": "categorical", "domain": ["x", "y"], "nullable": True}
    world = StatisticWorld(frame, {"a": chance, "b": group})
    rows = frame.dropna()
    known = stats.kendalltau(
        np.digitize(rows.a, EDGES[1:-1]), (rows.b == "y").astype(int), method="asymptotic"
    )
    answer = world.ask("kendall", a="a", b="b")
    assert (answer.statistic, answer.pvalue) == near((known.statistic, known.pvalue))
