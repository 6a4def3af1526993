"""Statistics of tables against scipy, and against statsmodels' numbers in tests/oracles/statistics."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statistic_world import heart_world
from table_world import table_world

from analytics.errors import InvalidRequestError, PlanRejectedError

KNOWN = json.loads(
    (Path(__file__).parents[2] / "oracles" / "statistics" / "table_numbers.json").read_text("utf-8")
)


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_fisher_equals_scipys_at_the_hospitals(alternative):
    world = heart_world()
    answer = world.ask("fisher_exact", a="sex", b="fbs", alternative=alternative)
    table = pd.crosstab(world.frame.sex, world.frame.fbs.astype("boolean")).to_numpy()
    assert answer.pvalue == near(stats.fisher_exact(table, alternative=alternative).pvalue)
    assert answer.statistic == near(table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0]))
    (a, b), (c, d) = table
    se = np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    assert answer.interval("odds_ratio") == near(
        tuple(answer.statistic * np.exp(sign * stats.norm.ppf(0.975) * se) for sign in (-1, 1))
    )


def test_fisher_has_no_private_form_and_says_what_has():
    world = table_world([[40, 22], [18, 55]])
    with pytest.raises(InvalidRequestError, match="g_test have a private form"):
        world.plan("fisher_exact", a="a", b="b", epsilon="1")
    wide = table_world([[40, 22], [18, 55], [20, 20]])
    with pytest.raises(InvalidRequestError, match="must have two groups, not 3"):
        wide.plan("fisher_exact", a="a", b="b")
    with pytest.raises(InvalidRequestError, match="alternative"):
        world.plan("fisher_exact", a="a", b="b", alternative="both")


@pytest.mark.parametrize(("a", "b"), [("sex", "disease"), ("age", "disease"), ("sex", "age")])
@pytest.mark.parametrize("correction", [True, False])
def test_g_equals_scipys_at_the_hospitals(a, b, correction):
    world = heart_world()
    frame = world.frame.assign(age=pd.cut(world.frame.age, [0, 40, 50, 60, 121], right=False))
    known = stats.chi2_contingency(
        pd.crosstab(frame[a], frame[b]).to_numpy(), correction=correction, lambda_="log-likelihood"
    )
    answer = world.ask("g_test", a=a, b=b, correction=correction)
    assert (answer.statistic, answer.pvalue, answer.dof) == near((known.statistic, known.pvalue, known.dof))


def test_g_of_a_table_with_a_zero_counts_it_as_nothing_and_an_empty_column_is_undefined():
    table = [[40, 0, 12], [18, 55, 3]]
    answer = table_world(table, minimum_cell=0).ask("g_test", a="a", b="b")
    assert answer.statistic == near(stats.chi2_contingency(table, lambda_="log-likelihood").statistic)
    assert table_world([[40, 0], [18, 0]], minimum_cell=0).ask("g_test", a="a", b="b").closed == "undefined"


@pytest.mark.parametrize("known", KNOWN["pairs"])
def test_mcnemar_equals_statsmodels(known):
    world = table_world(known["table"], paired=True)
    for correction, name in ((True, "corrected"), (False, "plain")):
        answer = world.ask("mcnemar", a="a", b="b", correction=correction)
        assert [answer.statistic, answer.pvalue] == near(known[name])
        assert answer.tests["binomial_pvalue"] == near(known["binomial"])
    (a, b), (c, d) = known["table"]
    assert answer.figures["odds_ratio"].value == near(b / c)
    assert answer.figures["odds_ratio"].sampling_error == near(np.sqrt(1 / b + 1 / c))
    n = a + b + c + d
    assert answer.figures["difference"].value == near((b - c) / n)
    assert answer.figures["difference"].sampling_error == near(np.sqrt(b + c - (b - c) ** 2 / n) / n)


def test_mcnemar_without_discordant_rows_finds_nothing():
    """statsmodels 0.15.0 gives p = 0 for the chi-square form."""
    for correction in (True, False):
        answer = table_world([[40, 0], [0, 55]], paired=True, minimum_cell=0).ask(
            "mcnemar", a="a", b="b", correction=correction
        )
        assert (answer.statistic, answer.pvalue, answer.tests["binomial_pvalue"]) == (0.0, 1.0, 1.0)
        assert answer.figures["odds_ratio"].value is None


@pytest.mark.parametrize("known", KNOWN["kappas"])
@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_equals_statsmodels(known, weights):
    answer = table_world(known["table"], paired=True).ask("cohens_kappa", a="a", b="b", weights=weights)
    found = answer.figures["kappa"]
    assert [found.value, found.sampling_error] == near(known[weights])
    assert answer.figures["agreement"].value == near(np.trace(known["table"]) / np.sum(known["table"]))


def test_kappa_of_one_group_alone_is_undefined_and_other_groups_are_refused():
    table = [[40, 0], [0, 0]]
    assert (
        table_world(table, paired=True, minimum_cell=0).ask("cohens_kappa", a="a", b="b").closed
        == "undefined"
    )
    with pytest.raises(PlanRejectedError, match="groups of a"):
        table_world([[40, 20], [20, 30]]).plan("cohens_kappa", a="a", b="b")
    with pytest.raises(PlanRejectedError, match="groups of a"):
        table_world([[40, 20], [20, 30]]).plan("mcnemar", a="a", b="b")
    with pytest.raises(InvalidRequestError, match="weights"):
        table_world([[40, 20], [20, 30]], paired=True).plan("cohens_kappa", a="a", b="b", weights="cubic")


@pytest.mark.parametrize("known", KNOWN["trends"])
def test_the_trend_equals_statsmodels_over_n_and_a_weighted_fit(known):
    table = np.array(known["table"])
    answer = table_world(table).ask("cochran_armitage", by="a", outcome="b", scores=known["scores"])
    n = table.sum()
    assert answer.tests["z"] == near(known["z"] * np.sqrt(n / (n - 1)))
    assert answer.statistic == near(answer.tests["z"] ** 2)
    assert answer.pvalue == near(stats.chi2.sf(answer.statistic, 1))
    sizes, scores = table.sum(axis=1), np.array(known["scores"])
    slope = np.polyfit(scores, table[:, 1] / sizes, 1, w=np.sqrt(sizes))[0]
    assert answer.figures["slope"].value == near(slope)
    for alternative, sign in (("greater", 1), ("less", -1)):
        one = table_world(table).ask(
            "cochran_armitage", by="a", outcome="b", scores=known["scores"], alternative=alternative
        )
        assert one.pvalue == near(stats.norm.sf(sign * answer.tests["z"]))


def test_the_trend_refuses_scores_that_say_nothing_and_takes_bins():
    world = table_world([[40, 22], [18, 55], [30, 31]])
    for scores in ([0, 1], [2, 2, 2], [0, 1, 2, 3]):
        with pytest.raises(InvalidRequestError, match="must be 3 numbers"):
            world.plan("cochran_armitage", by="a", outcome="b", scores=scores)
    with pytest.raises(InvalidRequestError, match="grid"):
        world.plan("cochran_armitage", by="a", outcome="b", grid=[1])
    hearts = heart_world()
    answer = hearts.ask("cochran_armitage", by="age", outcome="disease", grid=[50, 60])
    bins = pd.cut(hearts.frame.age, [0, 50, 60, 121], right=False)
    assert list(answer.counts) == pd.crosstab(bins, hearts.frame.disease).to_numpy().ravel().tolist()
    with pytest.raises(InvalidRequestError, match="declared bins"):
        hearts.plan("cochran_armitage", by="age", outcome="disease", grid=[57])
    one_outcome = table_world([[40, 0], [18, 0]], minimum_cell=0)
    assert one_outcome.ask("cochran_armitage", by="a", outcome="b").closed == "undefined"


@pytest.mark.parametrize("known", KNOWN["strata"])
def test_mantel_haenszel_equals_statsmodels(known):
    world = table_world(known["table"])
    for flag in (False, True):
        answer = world.ask("mantel_haenszel", by="a", exposure="b", outcome="c", correction=flag, adjust=flag)
        assert [answer.statistic, answer.pvalue] == near(known["null"][str(flag)])
        assert list(answer.tests.values()) == near(known["equal"][str(flag)])
    found = answer.figures["odds_ratio"]
    assert (found.value, found.sampling_error) == near((known["odds_ratio"], known["log_odds_se"]))
    assert list(found.interval()) == near(known["interval"])
    # statsmodels has the exposed group and the outcome first
    turned = np.array(known["table"])[:, ::-1, ::-1]
    again = table_world(turned).ask("mantel_haenszel", by="a", exposure="b", outcome="c")
    assert again.figures["risk_ratio"].value == near(known["risk_ratio"])


def test_mantel_haenszel_with_an_empty_stratum_or_no_outcome_is_undefined():
    for table in ([[[40, 22], [18, 55]], [[0, 0], [0, 0]]], [[[40, 0], [18, 0]], [[30, 0], [12, 0]]]):
        answer = table_world(table, minimum_cell=0).ask("mantel_haenszel", by="a", exposure="b", outcome="c")
        assert (answer.closed, answer.statistic) == ("undefined", None)


@pytest.mark.parametrize("known", KNOWN["proportions"])
def test_two_proportions_equal_statsmodels(known):
    world = table_world(known["table"])
    answer = world.ask("two_proportions", by="a", outcome="b")
    assert (answer.statistic, answer.pvalue) == near((known["z"], known["pvalue"]))
    for place in (0, 1):
        assert list(answer.interval(f"proportion_{place + 1}")) == near(known["wilson"][place])
    assert list(answer.interval("difference")) == near(known["wald"])
    turned = world.ask("two_proportions", by="a", outcome="b", groups=["a1", "a0"], alternative="less")
    assert (turned.statistic, turned.pvalue) == near((-known["z"], stats.norm.cdf(-known["z"])))


def test_two_proportions_need_two_groups_and_two_outcomes():
    world = table_world([[40, 22], [18, 55], [30, 31]])
    with pytest.raises(InvalidRequestError, match="two groups of a, which has 3"):
        world.plan("two_proportions", by="a", outcome="b")
    answer = world.ask("two_proportions", by="a", outcome="b", groups=["a2", "a0"])
    assert answer.counts == (30, 31, 40, 22)
    none = table_world([[40, 0], [18, 0]], minimum_cell=0).ask("two_proportions", by="a", outcome="b")
    assert none.closed == "undefined"
