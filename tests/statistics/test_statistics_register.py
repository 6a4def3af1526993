"""The register: every statistic has a standing in both modes, and what it does not list cannot be asked."""

import json
import re

import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError
from analytics.statistics.other_names import PART_OF, REFUSED
from analytics.statistics.register import register
from analytics.statistics.registry import STATISTICS
from crossward import planning
from tests.cli.conftest import crossward
from tools import reference

# the names that documents and other programs may rely on
CONTRACT = {
    "describe", "table_one", "crosstab", "chi_square", "t_test", "anova", "mann_whitney", "correlation", "quantile",
    "ols", "glm", "kaplan_meier", "log_rank", "cox", "roc_auc", "pca", "kmeans",
}  # fmt: skip


def test_every_statistic_has_one_line_and_every_refusal_a_reason():
    entries = register()
    names = [entry.name for entry in entries]
    assert len(names) == len(set(names))
    assert set(names) == set(STATISTICS) | set(REFUSED)
    assert set(names) >= CONTRACT
    for entry in entries:
        for standing in (entry.exact, entry.private):
            assert standing.level in {"promoted", "provisional", "refused"}
            assert (standing.level == "refused") == bool(standing.reason), entry.name


def test_the_register_says_what_can_be_asked():
    for entry in register():
        kind = STATISTICS.get(entry.name)
        for mode, standing in (("exact", entry.exact), ("private", entry.private)):
            assert (kind is not None and mode in kind.modes) == (standing.level != "refused")


def test_a_statistic_is_in_the_registry_or_refused_and_not_both():
    assert not set(STATISTICS) & set(REFUSED)
    assert not set(PART_OF) & {*STATISTICS, *REFUSED}
    for kind in STATISTICS.values():
        assert kind.promoted <= kind.modes
        assert ("exact" in kind.modes) != bool(kind.no_exact)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mice", "cannot be mice, which is refused: each of its"),
        ("odds_ratio", "cannot be odds_ratio; ask crosstab"),
        ("chi_sqare", "must be one of .*did you mean chi_square"),
        ("eval", "must be one of"),
    ],
)
def test_what_is_not_listed_cannot_be_planned(name, text):
    world = StatisticWorld(pd.DataFrame({"x": [True]}), {"x": {"type": "boolean"}})
    with pytest.raises(InvalidRequestError, match=text):
        world.plan(name, a="x")


def test_a_refused_mode_says_why_before_a_charge():
    world = StatisticWorld(pd.DataFrame({"x": [True]}), {"x": {"type": "boolean"}})
    for entry in register():
        if entry.private.level == "refused" and entry.name in STATISTICS:
            with pytest.raises(InvalidRequestError) as caught:
                world.plan(entry.name, epsilon="1", a="x")
            assert entry.private.reason in str(caught.value)


def test_the_command_lists_the_register():
    listed = json.loads(crossward("stats", "--list", "--json").out)
    assert {name: (each["exact"]["level"], each["private"]["level"]) for name, each in listed.items()} == {
        entry.name: (entry.exact.level, entry.private.level) for entry in register()
    }
    shown = crossward("stats", "--list").out
    assert "glm: " in shown
    assert f"mice: refused ({REFUSED['mice']})" in shown
    assert f"odds_ratio: see {PART_OF['odds_ratio']}" in shown
    assert crossward("stats", "glm", "--list").code == 2


def test_the_page_shows_the_register():
    page = reference.statistics_page()
    for entry in register():
        assert f"| `{entry.name}` | {entry.exact} | {entry.private} |" in page
    for name, place in PART_OF.items():
        assert f"| `{name}` | {place} |" in page


# what epidemiologists reach for, by its name in the field: each can be asked, is part of what can be asked, or is refused
FIELD = """
    count missing mean variance standard_deviation min max sum skewness kurtosis quantile median interquartile_range
    five_number_summary mad mode geometric_mean weighted_mean histogram density contour heat_map box_plot scatter
    completeness table_one describe
    crosstab chi_square goodness_of_fit fisher_exact g_test cramers_v phi odds_ratio risk_ratio risk_difference mcnemar
    cochran_armitage mantel_haenszel breslow_day cohens_kappa prevalence_ratio
    incidence_rate standardised_rate indirect_standardisation smr diagnostic_accuracy roc_auc auc delong calibration
    brier net_benefit
    t_test paired_t_test anova tukey_hsd two_way_anova ancova levene brown_forsythe mann_whitney wilcoxon signed_rank
    kruskal_wallis friedman jarque_bera ks_test two_proportions tost multiplicity power sample_size
    pearson correlation covariance spearman kendall partial_correlation mutual_information icc
    linear_regression ols ridge weighted_regression lasso elastic_net splines stepwise
    glm logistic multinomial mnlogit ordinal poisson negative_binomial firth conditional_logit pseudo_r_squared
    likelihood_ratio_test wald_test contrasts marginal_means
    mixed_model mixed_glm gee meta_analysis
    kaplan_meier risk_table median_survival reverse_kaplan_meier nelson_aalen log_rank weighted_log_rank
    stratified_log_rank log_rank_trend rmst aalen_johansen cumulative_incidence gray cause_specific_hazard fine_gray cox
    time_varying_cox schoenfeld c_index integrated_brier_score piecewise_exponential weibull aft landmark cox_lasso
    propensity_score ipw matching g_computation aipw mediation negative_controls difference_in_differences
    mice mean_imputation
    pca kmeans gmm hierarchical_clustering naive_bayes svm cross_validation
    signals reporting_odds_ratio proportional_reporting_ratio information_component ebgm sequential_patterns
    sequence_symmetry comorbidity disease_network mrmr feature_selection
    vif cooks_distance influence residual_quantiles hosmer_lemeshow overdispersion separation
"""


@pytest.mark.parametrize("name", FIELD.split())
def test_every_name_of_the_field_is_answered_or_refused_with_its_reason(name):
    assert name in {*STATISTICS, *REFUSED, *PART_OF}


def test_a_name_that_is_part_of_another_statistic_names_one_that_can_be_asked():
    other = re.compile(r"SQL|crossward\.(planning|count)|crossward count")
    for name, place in PART_OF.items():
        assert set(re.findall(r"\w+", place)) & set(STATISTICS) or other.search(place), name
        for function in re.findall(r"(?:means|proportions)_\w+|multipletests", place):
            assert hasattr(planning, function)
