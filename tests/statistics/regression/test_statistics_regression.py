"""Exact regressions and correlations of four hospitals against statsmodels and scipy (tests/oracles/statistics/regression.py)."""

import json
from pathlib import Path

import location_world
import numpy as np
import pytest
from statistic_world import heart_world

from analytics.disclosure.recombine import recombine_statistic

KNOWN = json.loads(
    (Path(__file__).resolve().parents[2] / "oracles" / "statistics" / "regression.json").read_text("utf-8")
)
ROUNDED = 1e-5  # of figures that follow from parameters and errors of six digits


@pytest.fixture(scope="module")
def heart():
    return heart_world()


@pytest.mark.parametrize("formula", KNOWN["ols"])
def test_least_squares_equal_statsmodels(heart, formula):
    known, plan = KNOWN["ols"][formula], heart.plan("ols", formula=formula)
    answers = heart.answers(plan)
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in answers)
    fit = plan.statistic.fitted(tuple(map(int, opened[: plan.statistic.n_sums])))
    assert fit.params == pytest.approx(known["params"], rel=1e-9)
    assert fit.bse == pytest.approx(known["bse"], rel=1e-9)
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    for name in ("rsquared", "rsquared_adj", "fvalue", "f_pvalue", "llf", "aic", "bic", "scale"):
        assert getattr(answer, name) == pytest.approx(known[name], rel=1e-8), name
    assert (answer.nobs, answer.df_model, answer.df_resid) == tuple(
        known[name] for name in ("nobs", "df_model", "df_resid")
    )
    assert answer.params == tuple(float(f"{value:.6g}") for value in fit.params)
    assert answer.bse == pytest.approx(known["bse"], rel=ROUNDED)
    assert answer.tvalues == pytest.approx(known["tvalues"], rel=ROUNDED)
    assert answer.pvalues == pytest.approx(known["pvalues"], rel=1e-3)
    assert np.array(answer.conf_int(0.1)) == pytest.approx(np.array(known["conf_int"]), rel=1e-4)


@pytest.mark.parametrize("formula", KNOWN["glm"])
def test_logistic_regression_equals_statsmodels(heart, formula):
    known = KNOWN["glm"][formula]
    outcome, covariates = formula.split(" ~ ")
    plan = heart.plan("glm", outcome=outcome, covariates=covariates.split(" + "))
    answers = heart.answers(plan)
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    opened = np.frombuffer(answers[0], dtype="<i8")
    steps = [opened[:1], *opened[1:].reshape(-1, plan.statistic.n_sums)]
    fit = plan.statistic.fit(steps)
    # sums are opened in units of 2**-40 and less; errors are those of the last step's point
    assert fit.params == pytest.approx(known["params"], rel=1e-9)
    assert fit.bse == pytest.approx(known["bse"], rel=1e-6)
    for name in ("deviance", "null_deviance", "llf", "llnull", "aic", "bic", "llr", "prsquared"):
        assert getattr(answer, name) == pytest.approx(known[name], rel=1e-8), name
    assert answer.llr_pvalue == pytest.approx(known["llr_pvalue"], rel=1e-6)
    assert (answer.nobs, answer.df_model, answer.df_resid) == tuple(
        known[name] for name in ("nobs", "df_model", "df_resid")
    )
    assert answer.params == tuple(float(f"{value:.6g}") for value in fit.params)
    assert answer.bse == tuple(float(f"{value:.6g}") for value in fit.bse)
    assert answer.tvalues == pytest.approx(known["tvalues"], rel=ROUNDED)
    assert answer.pvalues == pytest.approx(known["pvalues"], rel=1e-3)
    assert np.array(answer.conf_int(0.1)) == pytest.approx(np.array(known["conf_int"]), rel=1e-4)
    text = answer.summary()
    assert "deviance" in text
    assert all(term in text for term in answer.terms)


def test_correlations_equal_scipys(heart):
    known = KNOWN["correlation"]
    answer = heart.ask("correlation", columns=["age", "thalach", "oldpeak", "exang"])
    assert answer.n == known["n"]
    assert np.array(answer.correlation) == pytest.approx(np.array(known["correlation"]), rel=1e-9)
    assert np.array(answer.covariance) == pytest.approx(np.array(known["covariance"]), rel=1e-9)
    for i, row in enumerate(known["pvalues"]):
        for j, value in enumerate(row):
            assert i == j or answer.pvalues[i][j] == pytest.approx(value, rel=1e-9)


def test_analysis_of_covariance_equals_statsmodels_type_ii():
    found = location_world.never_missing(minimum_cell=0).ask("ols", formula="after ~ arm + before + sex")
    known = location_world.REFERENCE["covariance"]
    for name, own in (("arm", "C(arm)"), ("before", "before"), ("sex", "C(sex)"), ("Residual", "Residual")):
        row = found.anova.loc[name]
        assert row["sum_sq"] == pytest.approx(known[own]["sum_sq"], rel=1e-9)
        assert row["df"] == known[own]["df"]
        if known[own]["F"] is not None:
            assert row["F"] == pytest.approx(known[own]["F"], rel=1e-9)
            assert row["PR(>F)"] == pytest.approx(known[own]["PR(>F)"], rel=1e-6)
    closed = location_world.never_missing(minimum_cell=500).ask("ols", formula="after ~ arm + before + sex")
    assert (closed.closed, len(closed.anova), closed.effects) == ("fit_closed", 0, ())
