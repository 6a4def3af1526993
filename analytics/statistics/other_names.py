"""Names of the field that are no statistic of the registry: why one is refused, or under which name it is given.

Layer:       analytics.statistics; texts alone.
Terms:       *refused*: cannot be asked at all. *part of*: a figure, an argument or a method of the statistic that is named.
Guarantees:  every text says what to use instead, where there is something.
See instead: how far each statistic is tested (register).
Source:      ours.
"""

from __future__ import annotations

from typing import Final

# statistics of the field that people ask for by these names, and why they are not answered
REFUSED: Final[dict[str, str]] = {
    "aft": "its likelihood of a parametric time has no tests here yet; cox and rmst compare the same groups",
    "box_plot": "whiskers end at single people's values; describe has the quartiles as bins, table_one by group",
    "conditional_logit": "its strata are a condition on few people each, and no guard over strata exists yet; "
    "mantel_haenszel and cox take large strata",
    "contour": "a smoothed surface is no more than its cells tell; crosstab of two binned columns is drawn as a heat map",
    "cooks_distance": "it is a figure of one person; ols has variance inflation factors",
    "cox_lasso": "its path over penalties has no tests here yet; cox fits up to 20 parameters, lasso those of a number",
    "cross_validation": "its folds need a fit of each on shares, of which only the average may open; glm has AIC, "
    "brier and roc_auc test a chance that was predicted before",
    "e_value": "it is a formula of a risk ratio alone, without data: RR + sqrt(RR (RR - 1)); crosstab and "
    "mantel_haenszel have the ratio",
    "density": "a kernel puts its peaks on single people's values; describe has the counts of declared bins",
    "difference_in_differences": "it is the product of two columns in a fit, and a formula has no products yet; "
    "anova by a list of two columns has the four means",
    "fine_gray": "its weights of people with another event need the censoring curve at each person's time; "
    "cumulative_incidence has the curves, cox with one cause as its event the cause-specific hazard",
    "firth": "its penalty changes with the determinant of the information at each step, which is not tested here yet; "
    "crosstab and mantel_haenszel have odds ratios without a fit",
    "gee": "its working correlation needs sums over pairs of rows of a person, and a table has one row of each; "
    "ols and glm have robust errors (cov_type)",
    "gmm": "its steps weigh each person by every centre; kmeans is the private clustering",
    "gray": "its weights need the cumulative incidence at each time beside the number at risk; cumulative_incidence "
    "has the curves, log_rank of one cause as event compares the cause-specific hazards",
    "hierarchical_clustering": "it joins single people first; kmeans gives centres, which join in any library",
    "hosmer_lemeshow": "its groups follow from predicted chances, so most are below the minimum; calibration takes declared bins",
    "influence": "it is a figure of one person; ols has variance inflation factors",
    "integrated_brier_score": "it weighs each person by the censoring curve at the person's time; brier has one time",
    "landmark": "who is still at risk at a time is a filter by an outcome; rmst has differences up to a time",
    "likelihood_profile": "each of its points is a further fit that is opened; interval of ols, glm and cox is Wald's",
    "matching": "pairs are of single people; g_computation standardises over the same confounders",
    "max": "a largest value is one person's; quantile has the bin of any share",
    "mean_imputation": "a filled value would count as a known one in every error; describe has mean and median, "
    "table_one counts missing values",
    "mediation": "it needs two fits and their product over the same people; g_computation has the total effect",
    "mice": "each of its imputations is drawn from a model of its own; no release holds all their parameters yet; "
    "every statistic leaves out rows that lack a value, table_one counts them",
    "min": "a smallest value is one person's; quantile has the bin of any share",
    "mixed_glm": "its likelihood is an integral over each site's effect; meta_analysis pools sites with random effects",
    "mixed_model": "its sums are those of each site apart, which policy does not open; meta_analysis has random "
    "effects of sites, anova and ols take a declared column of groups",
    "naive_bayes": "its shares are those of crosstab of the outcome with each column; no release holds all these tables "
    "yet; glm and mnlogit predict the same outcome",
    "negative_binomial": "its dispersion is no sum of a row's own figures; glm with family poisson shows its dispersion",
    "negative_controls": "its null is estimated from many questions that no single release holds; each effect can be "
    "asked by its own name, and crossward.planning adjusts their p-values",
    "ordinal": "its thresholds are steps of a likelihood that has no tests here yet; mnlogit takes the same outcome",
    "piecewise_exponential": "a grid does not tell the time under risk within an interval; survival_table has events and at risk",
    "propensity_score": "a score of each person is that person's; g_computation standardises over the same confounders",
    "quantile_regression": "its fit goes through single people's values; quantile with by compares groups",
    "residual_quantiles": "residuals are never opened; calibration compares by bins, jarque_bera tests a normal distribution",
    "scatter": "its points are single people; crosstab of two binned columns is drawn as a heat map",
    "splines": "a spline of a declared column needs declared knots, which a schema cannot state yet; a column's declared "
    "bins enter cox and anova as groups",
    "stepwise": "each choice of its steps is a further question; lasso chooses in one release",
    "svm": "its support vectors are single people; glm predicts the same outcome",
    "time_varying_cox": "it needs several rows of a person, and an exact table has one of each; rmst and log_rank with "
    "weightings do not need proportional hazards",
    "weibull": "its likelihood of a parametric time has no tests here yet; cox and rmst compare the same groups",
}

# names of the field for what a statistic gives under its own name
PART_OF: Final[dict[str, str]] = {
    "aalen_johansen": "cumulative_incidence",
    "aipw": "g_computation, which over strata of public groups is the same figure",
    "ancova": "ols: anova of the answer (exact)",
    "auc": "roc_auc",
    "breslow_day": "mantel_haenszel: breslow_day",
    "brown_forsythe": "levene, with center median",
    "c_index": "cox, private: concordance",
    "cause_specific_hazard": "cox, with a true-or-false column of one cause as event",
    "clustering": "kmeans",
    "completeness": "describe: missing",
    "contrasts": "ols and glm: t_test of the answer (exact)",
    "count": "SQL: COUNT(*); crossward count",
    "covariance": "correlation: covariance",
    "cramers_v": "crosstab: cramers_v",
    "delong": "roc_auc: interval",
    "disease_network": "comorbidity: graph of the answer",
    "ebgm": "signals: ebgm, eb05 and eb95 of the answer",
    "feature_selection": "mrmr; lasso",
    "five_number_summary": "describe: q1, median and q3 as bins; least and largest values are single people's",
    "geometric_mean": "describe: geometric_mean, of the middles of declared bins",
    "heat_map": "crosstab and correlation: plot",
    "histogram": "describe: counts of declared bins, and plot",
    "indirect_standardisation": "smr",
    "information_component": "signals: ic of the answer",
    "interquartile_range": "describe: iqr",
    "intraclass_correlation": "icc",
    "ipw": "g_computation, which over strata of public groups is the same figure",
    "kurtosis": "describe with shape (exact), jarque_bera (exact and private)",
    "likelihood_ratio_test": "glm: llr of the answer",
    "linear_regression": "ols",
    "log_rank_trend": "log_rank, with trend",
    "logistic": "glm, with family binomial",
    "mad": "describe: mad",
    "marginal_means": "ols, glm and mnlogit: predict of the answer (exact)",
    "mean": "SQL: AVG(column); describe: mean",
    "median": "quantile",
    "median_survival": "kaplan_meier: quantile of the answer",
    "missing": "describe: missing; table_one",
    "mode": "describe: mode",
    "multinomial": "mnlogit",
    "multiplicity": "crossward.planning.multipletests; table_one: pval_adjust",
    "nelson_aalen": "kaplan_meier: nelson_aalen of the answer",
    "odds_ratio": "crosstab of two columns of two groups",
    "overdispersion": "glm: dispersion",
    "paired_t_test": "t_test, with paired",
    "pearson": "correlation",
    "phi": "crosstab: phi",
    "poisson": "glm, with family poisson and exposure (or, exact, offset)",
    "power": "crossward.planning: means_power, proportions_power",
    "prevalence_ratio": "crosstab of two columns of two groups: risk_ratio",
    "proportional_reporting_ratio": "signals: prr of the answer",
    "pseudo_r_squared": "glm: prsquared of the answer",
    "reporting_odds_ratio": "signals: ror of the answer",
    "reverse_kaplan_meier": "kaplan_meier: follow_up of the answer",
    "risk_difference": "crosstab of two columns of two groups",
    "risk_ratio": "crosstab of two columns of two groups",
    "risk_table": "survival_table; kaplan_meier: plot",
    "sample_size": "crossward.planning: means_sample_size, proportions_sample_size",
    "schoenfeld": "cox: proportional",
    "separation": "glm, mnlogit and cox: a fit that does not converge is closed",
    "sequence_symmetry": "sequential_patterns: order_ratio of the answer",
    "skewness": "describe with shape (exact), jarque_bera (exact and private)",
    "smd": "table_one: smd",
    "standard_deviation": "SQL: STDDEV(column); describe: sd",
    "stratified_log_rank": "log_rank, with strata",
    "sum": "SQL: SUM(column)",
    "two_way_anova": "anova, with a list of two columns as by",
    "variance": "SQL: VARIANCE(column); correlation: covariance",
    "vif": "ols: vif",
    "wald_test": "ols, glm and cox: pvalues of the answer",
    "weighted_log_rank": "log_rank, with weightings",
    "weighted_regression": "ols, with weights (exact)",
    "wilcoxon": "signed_rank",
}
