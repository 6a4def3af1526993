"""Every statistic, exact, on real records with a minimum cell of 10: an answer that an independent library gives too, or closed.

The hospitals' patients are 920 at four sites, those with heart failure 299 at three.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss, roc_auc_score
from statistic_world import StatisticWorld, heart_world, hearts
from survival_reference import columns_of, frame_of

from analytics.statistics.register import register
from tests.statistics.survival.test_statistics_exact_log_rank import to_three_digits

BINS = [40, 110, 130, 150, 240]
SURVIVAL = {"duration": "days", "event": "died"}
GRID = {"grid": [150]}
TWO = {"a": "sex", "b": "disease"}
BINNED = {"a": "thalach", "b": "chol"}
FORMULA = {"formula": "thalach ~ age + exang"}
STATISTIC = {"reveal": "statistic"}


def hospitals():
    """The hospitals' patients with what some statistics need besides: a chance, and two columns of the same bins."""
    parts = []
    for part in hearts():
        chance = np.round(1 / (1 + np.exp(-(part.age - 54) / 10)), 2)
        half = (part.chol / 2).round().clip(40, 240)
        own = {
            "before": part.trestbps.clip(40, 240),
            "after": part.thalach,
            "third": half,
            "rate": part.thalach,
        }
        parts.append(part.assign(chance=chance, **own))
    same = {"type": "numeric", "lower": 40, "upper": 240, "resolution": 1, "nullable": True, "bins": BINS}
    columns = heart_world().schema.to_dict()["tables"]["patients"]["columns"]
    columns |= {"before": same, "after": same, "third": same, "rate": same | {"bins": [40, 130, 240]}}
    chance = {"type": "numeric", "lower": 0, "upper": 1, "resolution": 0.01, "bins": [0, 0.3, 0.5, 0.7, 1]}
    columns |= {"chance": chance}
    return StatisticWorld(pd.concat(parts), columns, parts=parts)


@pytest.fixture(scope="module")
def worlds():
    failure = StatisticWorld(frame_of("heart_failure"), columns_of("heart_failure"))
    return {"heart": hospitals(), "failure": failure}


def groups(frame, column, by):
    known = frame[[column, by]].dropna()
    return [part[column].astype(float) for _, part in known.groupby(by)]


def table(frame, a, b):
    known = frame[[a, b]].dropna().astype(str)
    return pd.crosstab(known[a], known[b]).to_numpy()


def bins_of(frame, column, edges):
    return pd.Series(np.digitize(frame[column], edges), index=frame.index).where(frame[column].notna())


# of each statistic: arguments, and of the frame the field of the answer with what an independent library says of it
HEART = {
    "anova": ({"column": "age", "by": "cp"}, lambda f: {"statistic": stats.f_oneway(*groups(f, "age", "cp")).statistic}),
    "brier": ({"score": "chance", "truth": "disease"}, lambda f: {"value": brier_score_loss(f.disease, f.chance)}),
    "calibration": ({"score": "chance", "truth": "disease"}, None),
    "chi_square": (TWO, lambda f: {"statistic": stats.chi2_contingency(table(f, "sex", "disease")).statistic}),
    "cochran_armitage": ({"outcome": "disease", "by": "age"}, None),
    "cohens_kappa": ({"a": "exang", "b": "disease"}, None),
    "comorbidity": ({"items": ["exang", "disease"]}, None),
    "correlation": ({"columns": ["age", "thalach"]}, None),
    "crosstab": (TWO, None),
    "describe": ({"columns": ["age", "sex", "chol"]}, None),
    "diagnostic_accuracy": ({"test": "exang", "truth": "disease"}, None),
    "elastic_net": ({**FORMULA, "alpha": 1}, None),
    "fisher_exact": (TWO, lambda f: {"pvalue": stats.fisher_exact(table(f, "sex", "disease")).pvalue}),
    "friedman": ({"columns": ["before", "after", "third"], "grid": [130]}, None),
    "g_computation": ({"exposure": "exang", "outcome": "disease", "confounders": ["sex"]}, None),
    "g_test": (TWO, lambda f: {"statistic": stats.chi2_contingency(table(f, "sex", "disease"), lambda_=0).statistic}),
    "glm": ({"formula": "disease ~ age + sex"}, None),
    "goodness_of_fit": ({"column": "age"}, lambda f: {"statistic": stats.chisquare(np.bincount(np.digitize(f.age, [40, 50, 60]))).statistic}),
    "icc": ({"columns": ["age", "thalach"]}, None),
    "incidence_rate": ({"duration": "age", "event": "disease", "by": "sex"}, None),
    "jarque_bera": ({"column": "age"}, lambda f: {"statistic": stats.jarque_bera(f.age).statistic}),
    "kendall": (BINNED, lambda f: {"statistic": stats.kendalltau(bins_of(f, "thalach", [110, 130, 150, 170]), bins_of(f, "chol", [200, 240, 280]), nan_policy="omit").statistic}),
    "kruskal_wallis": ({"column": "age", "by": "disease"}, None),
    "ks_test": ({"column": "age", "by": "disease"}, None),
    "lasso": ({**FORMULA, "alpha": 0.1}, None),
    "levene": ({"column": "age", "by": "disease"}, None),
    "mann_whitney": ({"column": "thalach", "by": "disease"}, lambda f: {"statistic": stats.mannwhitneyu(*(np.digitize(each, [110, 130, 150, 170]) for each in groups(f, "thalach", "disease"))).statistic}),
    "mantel_haenszel": ({"exposure": "exang", "outcome": "disease", "by": "sex"}, None),
    "mcnemar": ({"a": "exang", "b": "disease"}, None),
    "meta_analysis": ({"outcome": "age", "exposure": "exang", "measure": "mean_difference"}, None),
    "mnlogit": ({"formula": "sex ~ age"}, None),
    "mrmr": ({"target": "disease", "features": ["sex", "exang", "age"]}, None),
    "mutual_information": (BINNED, None),
    "net_benefit": ({"score": "chance", "truth": "disease"}, None),
    "ols": (FORMULA, None),
    "partial_correlation": ({"columns": ["age", "thalach"], "controls": ["sex"]}, None),
    "policy_value": ({"treatment": "exang", "outcome": "disease", "confounders": ["sex"], "policies": ["True"]}, None),
    "quality": ({"columns": ["chol", "trestbps"]}, None),
    "quantile": ({"column": "age", "q": [0.25, 0.5], "by": "disease"}, None),
    "ridge": ({**FORMULA, "alpha": 1}, None),
    "roc_auc": ({"score": "age", "truth": "disease"}, lambda f: {"auc": roc_auc_score(f.disease, np.digitize(f.age, [40, 50, 60]))}),
    "signals": ({"drug": "exang", "event": "disease"}, None),
    "signed_rank": ({"a": "before", "b": "after", "grid": [130]}, None),
    "site_drift": ({"column": "rate"}, None),
    "smr": ({"outcome": "disease", "strata": "age", "rates": [0.3, 0.4, 0.5, 0.6]}, None),
    "spearman": (BINNED, lambda f: {"statistic": stats.spearmanr(bins_of(f, "thalach", [110, 130, 150, 170]), bins_of(f, "chol", [200, 240, 280]), nan_policy="omit").statistic}),
    "standardised_rate": ({"outcome": "disease", "strata": "rate", "by": "exang", "standard": [1, 1]}, None),
    "t_test": ({"column": "thalach", "by": "disease"}, lambda f: {"statistic": stats.ttest_ind(*groups(f, "thalach", "disease"), equal_var=False).statistic}),
    "table_one": ({"columns": ["age", "sex", "chol"], "groupby": "disease"}, None),
    "tost": ({"column": "thalach", "by": "disease", "low": -5, "upp": 5}, None),
    "tukey_hsd": ({"column": "age", "by": "cp"}, None),
    "two_proportions": ({"outcome": "disease", "by": "sex"}, None),
    "weighted_mean": ({"column": "age", "weights": "thalach"}, None),
}  # fmt: skip
FAILURE = {
    "cox": (SURVIVAL | {"covariates": ["clinic"]}, None),
    "cumulative_incidence": ({"duration": "days", "cause": "cause", "censored": "none"} | GRID, None),
    "kaplan_meier": (SURVIVAL | GRID, None),
    "log_rank": (SURVIVAL | {"by": "clinic"}, None),
    "rmst": (SURVIVAL | GRID, None),
    "survival_table": (SURVIVAL | GRID, None),
}
# forms that open in another way, by a name of their own
FORMS = {
    "anova alone": ("heart", "anova", HEART["anova"][0] | STATISTIC),
    "chi_square alone": ("heart", "chi_square", {"a": "cp", "b": "sex"} | STATISTIC),
    "correlation alone": ("heart", "correlation", {"columns": ["age", "thalach"]} | STATISTIC),
    "crosstab alone": ("heart", "crosstab", TWO | STATISTIC),
    "mann_whitney alone": ("heart", "mann_whitney", HEART["mann_whitney"][0] | STATISTIC),
    "t_test alone": ("heart", "t_test", HEART["t_test"][0] | STATISTIC),
    "anova two-way": ("heart", "anova", {"column": "thalach", "by": ["sex", "exang"]}),
    "glm probit": ("heart", "glm", {"formula": "disease ~ exang", "link": "probit"}),
    "glm risk ratios": (
        "heart",
        "glm",
        {"formula": "disease ~ exang", "family": "poisson", "cov_type": "HC1"},
    ),
    "ols robust": ("heart", "ols", {"formula": "thalach ~ exang", "cov_type": "HC1"}),
    "meta_analysis by site": ("heart", "meta_analysis", HEART["meta_analysis"][0] | {"by_site": True}),
    "log_rank of three groups": ("failure", "log_rank", SURVIVAL | {"by": "arm"}),
    "log_rank stratified": ("failure", "log_rank", SURVIVAL | {"by": "clinic", "strata": "arm"}),
    "log_rank trend": ("failure", "log_rank", SURVIVAL | {"by": "arm", "trend": True}),
    "log_rank wilcoxon": ("failure", "log_rank", SURVIVAL | {"by": "clinic", "weightings": "wilcoxon"}),
    "log_rank tarone-ware": ("failure", "log_rank", SURVIVAL | {"by": "clinic", "weightings": "tarone-ware"}),
    "log_rank peto": ("failure", "log_rank", SURVIVAL | {"by": "clinic", "weightings": "peto"}),
    "log_rank early": (
        "failure",
        "log_rank",
        SURVIVAL | {"by": "clinic", "weightings": "fleming-harrington", "p": 1},
    ),
    "log_rank late": (
        "failure",
        "log_rank",
        SURVIVAL | {"by": "clinic", "weightings": "fleming-harrington", "q": 1},
    ),
}
# closed on these records, and why that is right
CLOSED = {
    "cumulative_incidence": "minimum_cell",  # no patient died of the second cause
    "log_rank late": "minimum_cell",  # so few deaths are late that ten of them could carry the statistic
}


def test_every_exact_statistic_has_its_line():
    asked = {entry.name for entry in register() if entry.exact.level != "refused"}
    assert set(HEART) | set(FAILURE) | {"sequential_patterns"} == asked  # these records have no days of codes
    assert set(CLOSED) <= asked | set(FORMS)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HEART, *FAILURE])
def test_real_records_give_an_answer_or_a_closed_one(worlds, name):
    which = "heart" if name in HEART else "failure"
    arguments, oracle = (HEART | FAILURE)[name]
    world = worlds[which]
    answer = world.ask(name, **arguments)
    assert answer.closed == CLOSED.get(name, "")
    assert answer.to_dict()
    assert repr(answer)
    if oracle is not None:
        for field, value in oracle(world.frame).items():
            assert getattr(answer, field) == pytest.approx(value, rel=1e-9), field


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_forms_that_open_otherwise_answer_too(worlds, name):
    which, statistic, arguments = FORMS[name]
    answer = worlds[which].ask(statistic, **arguments)
    assert answer.closed == CLOSED.get(name, "")
    if answer.closed == "" and (hasattr(answer, "quantity") or statistic == "log_rank"):
        assert answer.statistic == to_three_digits(abs(answer.statistic)) * np.sign(answer.statistic)
