"""Figures of diagnosis and of standardisation against scipy, and against sums over single patients."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statistic_world import heart_world
from table_world import table_world

from analytics.errors import InvalidRequestError, PlanRejectedError

TABLES = ([[120, 15], [22, 61]], [[40, 33], [28, 17]], [[310, 12], [14, 88]])


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("table", TABLES)
def test_diagnostic_figures_equal_scipys(table):
    answer = table_world(table).ask("diagnostic_accuracy", test="a", truth="b")
    (tn, fn), (fp, tp) = table
    shares = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "positive_predictive_value": (tp, tp + fp),
        "negative_predictive_value": (tn, tn + fn),
        "accuracy": (tp + tn, tp + tn + fp + fn),
        "prevalence": (tp + fn, tp + tn + fp + fn),
    }
    for name, (part, whole) in shares.items():
        assert answer.figures[name].value == near(part / whole)
        known = stats.binomtest(part, whole).proportion_ci(0.9, method="wilson")
        assert answer.interval(name, 0.9) == near(tuple(known))
    ratios = {
        "positive_likelihood_ratio": stats.contingency.relative_risk(tp, tp + fn, fp, fp + tn),
        "negative_likelihood_ratio": stats.contingency.relative_risk(fn, tp + fn, tn, fp + tn),
    }
    for name, known in ratios.items():
        assert answer.figures[name].value == near(known.relative_risk)
        assert answer.interval(name) == near(tuple(known.confidence_interval()))
    odds = stats.contingency.odds_ratio(np.array(table), kind="sample")
    assert answer.figures["diagnostic_odds_ratio"].value == near(odds.statistic)
    assert answer.interval("diagnostic_odds_ratio") == near(tuple(odds.confidence_interval()))
    found = answer.figures["youden"]
    sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
    assert found.value == near(sensitivity + specificity - 1)
    squares = sensitivity * (1 - sensitivity) / (tp + fn) + specificity * (1 - specificity) / (tn + fp)
    assert found.sampling_error == near(np.sqrt(squares))


def test_a_perfect_test_has_no_ratio_and_its_shares_keep_a_width():
    answer = table_world([[40, 0], [0, 55]], minimum_cell=0).ask("diagnostic_accuracy", test="a", truth="b")
    assert answer.figures["positive_likelihood_ratio"].value is None
    assert answer.figures["sensitivity"].value == 1.0
    low, high = answer.interval("sensitivity")
    assert (low, high) == near(tuple(stats.binomtest(55, 55).proportion_ci(method="wilson")))
    no_truth = table_world([[40, 0], [30, 0]], minimum_cell=0).ask("diagnostic_accuracy", test="a", truth="b")
    assert no_truth.figures["sensitivity"].value is None
    assert no_truth.figures["specificity"].value == near(40 / 70)


def test_net_benefit_equals_sums_over_single_patients():
    world = table_world([[60, 14], [40, 35], [18, 55], [12, 31]], chances=True)
    rows = world.frame.dropna()
    answer = world.ask("net_benefit", score="a", truth="b")
    assert list(answer.figures) == [
        f"{name}_{edge}" for edge in ("0.2", "0.45", "0.7") for name in ("net_benefit", "treat_all")
    ]
    for edge in (0.2, 0.45, 0.7):
        for name, treated in (("net_benefit", rows.a >= edge), ("treat_all", rows.a >= 0)):
            gain = np.where(rows.b == "b1", 1.0, -edge / (1 - edge)) * treated
            found = answer.figures[f"{name}_{edge}"]
            assert found.value == near(gain.mean())
            assert found.sampling_error == near(gain.std(ddof=0) / np.sqrt(len(rows)))
    coarse = world.ask("net_benefit", score="a", truth="b", grid=[0.45])
    assert list(coarse.figures) == ["net_benefit_0.45", "treat_all_0.45"]


def test_calibration_equals_single_patients():
    world = table_world([[60, 14], [40, 35], [18, 55], [12, 31]], chances=True)
    rows = world.frame.dropna()
    answer = world.ask("calibration", score="a", truth="b")
    assert len(answer.figures) == 4
    for (_, own), (name, found) in zip(rows.groupby("a"), answer.figures.items(), strict=True):
        count = int((own.b == "b1").sum())
        assert found.value == near(count / len(own))
        known = stats.binomtest(count, len(own)).proportion_ci(method="wilson")
        assert answer.interval(name) == near(tuple(known))


@pytest.mark.parametrize("name", ["net_benefit", "calibration"])
def test_a_score_that_is_no_chance_is_refused(name):
    world = heart_world()
    with pytest.raises(PlanRejectedError, match="between 0 and 1"):
        world.plan(name, score="age", truth="disease")
    with pytest.raises(PlanRejectedError, match="must be numeric"):
        world.plan(name, score="sex", truth="disease")
    own = table_world([[60, 14], [40, 35]], chances=True)
    with pytest.raises(InvalidRequestError, match="declared bins"):
        own.plan(name, score="a", truth="b", grid=[0.3])


def test_the_ratio_of_cases_equals_poissons_law_at_the_hospitals():
    world = heart_world()
    rates = [0.3, 0.45, 0.5, 0.6]
    answer = world.ask("smr", outcome="disease", strata="age", rates=rates)
    bins = np.digitize(world.frame.age, [40, 50, 60])
    expected, observed = float(np.array(rates)[bins].sum()), int(world.frame.disease.sum())
    assert list(answer.tests.values()) == near([observed, expected])
    assert answer.figures["smr"].value == near(observed / expected)
    for level in (0.95, 0.9):
        outside = (1 - level) / 2
        low = stats.chi2.ppf(outside, 2 * observed) / 2 / expected
        high = stats.chi2.ppf(1 - outside, 2 * observed + 2) / 2 / expected
        assert answer.interval("smr", level) == near((low, high))
    tails = stats.poisson.cdf(observed, expected), stats.poisson.sf(observed - 1, expected)
    assert answer.pvalue == near(min(1, 2 * min(tails)))
    for wrong in ([0.1], [0.1, 0.2, 0.3, 1], [0, 0.2, 0.3, 0.4]):
        with pytest.raises(InvalidRequestError, match="must be 4 numbers above 0 and below 1"):
            world.plan("smr", outcome="disease", strata="age", rates=wrong)


def test_no_case_and_no_person_without_a_guard():
    none = table_world([[40, 0], [18, 0]], minimum_cell=0).ask(
        "smr", outcome="b", strata="a", rates=[0.1, 0.2]
    )
    expected = 40 * 0.1 + 18 * 0.2
    assert none.figures["smr"].value == 0.0
    assert none.interval("smr") == near((0.0, -np.log(0.025) / expected))
    assert none.pvalue == near(min(1, 2 * np.exp(-expected)))
    empty = table_world([[0, 0], [0, 0]], minimum_cell=0, missing=0)
    assert empty.ask("smr", outcome="b", strata="a", rates=[0.1, 0.2]).figures["smr"].value is None


def test_standardised_shares_equal_weighted_means_at_the_hospitals():
    world = heart_world()
    standard = [30, 25.5, 20]
    answer = world.ask(
        "standardised_rate", outcome="disease", strata="age", by="exang", standard=standard, grid=[50, 60]
    )
    rows = world.frame.dropna(subset=["exang"]).assign(
        bins=lambda d: pd.cut(d.age, [0, 50, 60, 121], right=False), exang=lambda d: d.exang.astype(bool)
    )
    weights = np.array(standard) / sum(standard)
    found = {}
    for group, own in rows.groupby("exang"):
        strata = own.groupby("bins", observed=False).disease
        shares, sizes = strata.mean().to_numpy(), strata.size().to_numpy()
        label = str(group).lower()
        name = next(key for key in answer.figures if key.lower() == f"standardised_{label}")
        error = np.sqrt((weights**2 * shares * (1 - shares) / sizes).sum())
        found[group] = (float((weights * shares).sum()), error)
        assert (answer.figures[name].value, answer.figures[name].sampling_error) == near(found[group])
        crude = answer.figures[name.replace("standardised", "crude")]
        assert crude.value == near(own.disease.mean())
    (first, error), (second, other) = found[False], found[True]
    assert answer.figures["difference"].value == near(second - first)
    assert answer.figures["difference"].sampling_error == near(np.hypot(error, other))
    assert answer.figures["ratio"].value == near(second / first)
    assert answer.figures["ratio"].sampling_error == near(np.hypot(error / first, other / second))
    with pytest.raises(InvalidRequestError, match="must be 4 numbers above 0"):
        world.plan("standardised_rate", outcome="disease", strata="age", by="exang", standard=[1, 2, 3])
