"""The statistics of the register over the four hospitals, from an analyst's call to answer and receipt, and on the command line."""

import json
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

import federation
from analytics.errors import InvalidRequestError
from analytics.statistics.register import register

DATA = Path(federation.__file__).parent / "demo" / "data"
HOSPITALS = {
    name: DATA / "heart_disease" / f"{name}.csv"
    for name in ("cleveland", "hungary", "switzerland", "va_long_beach")
}
TWO = {"a": "sex", "b": "disease"}
BINNED = {"a": "thalach", "b": "chol"}
ASKED = {
    "anova": {"column": "age", "by": "cp"},
    "chi_square": TWO,
    "cochran_armitage": {"outcome": "disease", "by": "age"},
    "cohens_kappa": {"a": "exang", "b": "disease"},
    "comorbidity": {"items": ["cp=asymptomatic", "disease"]},
    "correlation": {"columns": ["age", "thalach"]},
    "crosstab": TWO,
    "cube": {"dimensions": ["sex", "disease"]},
    "describe": {"columns": ["age", "sex", "chol", "cp"]},
    "diagnostic_accuracy": {"test": "exang", "truth": "disease"},
    "elastic_net": {"formula": "thalach ~ age + sex", "alpha": 1},
    "fisher_exact": TWO,
    "g_computation": {"exposure": "exang", "outcome": "disease", "confounders": ["sex"]},
    "policy_value": {
        "treatment": "exang",
        "outcome": "disease",
        "confounders": ["sex"],
        "policies": ["True"],
    },
    "g_test": TWO,
    "glm": {"formula": "disease ~ age + sex"},
    "goodness_of_fit": {"column": "age"},
    "icc": {"columns": ["age", "thalach"]},
    "incidence_rate": {"duration": "age", "event": "disease", "by": "sex"},
    "jarque_bera": {"column": "age"},
    "kendall": BINNED,
    "kmeans": {"columns": ["age", "thalach"], "k": 3},
    "kruskal_wallis": {"column": "age", "by": "disease"},
    "ks_test": {"column": "age", "by": "disease"},
    "lasso": {"formula": "thalach ~ age + sex", "alpha": 0.1},
    "levene": {"column": "age", "by": "disease"},
    "mann_whitney": {"column": "age", "by": "disease"},
    "mantel_haenszel": {"exposure": "exang", "outcome": "disease", "by": "sex"},
    "mcnemar": {"a": "exang", "b": "disease"},
    "meta_analysis": {"outcome": "age", "exposure": "exang", "measure": "mean_difference"},
    "mnlogit": {"formula": "sex ~ age"},
    "mrmr": {"target": "disease", "features": ["sex", "exang", "age"]},
    "mutual_information": BINNED,
    "ols": {"formula": "thalach ~ age + sex"},
    "partial_correlation": {"columns": ["age", "thalach"], "controls": ["sex"]},
    "pca": {"columns": ["age", "thalach"]},
    "quality": {"columns": ["chol", "trestbps"]},
    "quantile": {"column": "age", "q": [0.25, 0.5], "by": "disease"},
    "ridge": {"formula": "thalach ~ age + sex", "alpha": 1},
    "roc_auc": {"score": "age", "truth": "disease"},
    "signals": {"drug": "cp=asymptomatic", "event": "disease"},
    "site_drift": {"column": "thalach"},
    "smr": {"outcome": "disease", "strata": "age", "rates": [0.3, 0.4, 0.5, 0.6]},
    "spearman": BINNED,
    "standardised_rate": {
        "outcome": "disease",
        "strata": "thalach",
        "by": "exang",
        "standard": [1, 1],
    },
    "table_one": {"columns": ["age", "sex", "chol", "cp"], "groupby": "disease"},
    "t_test": {"column": "thalach", "by": "disease"},
    "tost": {"column": "thalach", "by": "disease", "low": -5, "upp": 5},
    "tukey_hsd": {"column": "age", "by": "cp"},
    "two_proportions": {"outcome": "disease", "by": "sex"},
    "weighted_mean": {"column": "age", "weights": "thalach"},
}
WITHOUT_DATA = {
    "cox",
    "cumulative_incidence",
    "kaplan_meier",
    "log_rank",
    "rmst",
    "survival_table",
    # ... no predicted chances, and no columns of the same bins
    "brier",
    "calibration",
    "friedman",
    "net_benefit",
    "signed_rank",
    # ... no second row of a person
    "sequential_patterns",
}  # the hospitals have no durations


@pytest.fixture(scope="module")
def session():
    schema, view = (
        tomllib.loads((DATA / "schema.toml").read_text("utf-8")),
        (DATA / "view.sql").read_text("utf-8"),
    )
    with federation.local(HOSPITALS, schema=schema, view=view, engine="numpy") as session:
        yield session


def test_every_statistic_is_a_method_of_a_table_and_has_an_explanation(session):
    names = {
        entry.name for entry in register() if "refused" not in {entry.exact.level} & {entry.private.level}
    }
    assert names - WITHOUT_DATA == set(ASKED)
    table = session.table("patients")
    for entry in register():
        name = entry.name
        if entry.exact.level == "refused" or name not in ASKED:
            continue
        arguments = ASKED[name]
        explained = table.explain(name, exact=True, **arguments)
        assert "guard, on shares" in explained.text
        answer = getattr(table, name)(exact=True, **arguments)
        assert (answer.closed, answer.receipt["kind"]) == ("", "exact"), name
        assert answer.to_dict()["cost"]["mode"] == "exact"
        assert repr(answer)
        assert answer._repr_html_()
        assert json.loads(answer.to_json())["receipt"]["kind"] == "exact"
        assert answer.to_latex().count(r"\\") == len(answer.frame) + 1


def test_private_statistics_are_charged_once(session):
    table = session.table("patients")
    for entry in register():
        if entry.private.level != "refused" and entry.name in ASKED:
            # a pair of which the noise swamps a cell is left out
            epsilon = 1 if entry.name in {"comorbidity", "signals"} else 0.2
            answer = getattr(table, entry.name)(epsilon=epsilon, **ASKED[entry.name])
            assert (answer.receipt["kind"], answer.cost["epsilon"]) == ("charge", str(epsilon))
            # of a fit of groups the noise may leave nothing
            assert answer.closed == "" or (entry.name, answer.closed) == ("glm", "too_few")


def test_answers_equal_those_of_the_pooled_rows(session):
    rows = pd.concat([pd.read_csv(path).apply(pd.to_numeric, errors="coerce") for path in HOSPITALS.values()])
    known = rows.dropna(subset=["thalach"])
    found = session.table("patients").t_test("thalach", by="disease", exact=True)
    pooled = stats.ttest_ind(known.thalach[known.num == 0], known.thalach[known.num > 0], equal_var=False)
    assert (found.statistic, found.pvalue) == pytest.approx((pooled.statistic, pooled.pvalue), rel=1e-9)


def test_a_refused_statistic_says_why(session):
    table = session.table("patients")
    with pytest.raises(InvalidRequestError, match="cannot be mice, which is refused: each of its"):
        table.mice(["age"], exact=True)
    with pytest.raises(InvalidRequestError, match="must be exact"):
        table.mnlogit("sex ~ age", epsilon=1)
    with pytest.raises(InvalidRequestError, match="must be private"):
        table.pca(["age", "thalach"], exact=True)
    with pytest.raises(AttributeError):
        table.anything  # noqa: B018
