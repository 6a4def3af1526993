"""Reference values of regressions, from statsmodels and scipy; writes regression.json beside this file.

Run in an environment that has them: ``python tests/oracles/statistics/regression.py federation/demo/data/heart_disease``.
The folder has the four hospitals' patients as CSV files (UCI Heart Disease, CC BY 4.0).
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import statsmodels
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats

PAIN = {1: "typical", 2: "atypical", 3: "non_anginal", 4: "asymptomatic"}
# categories first: statsmodels moves them there
LEAST_SQUARES = ["thalach ~ cp + age + oldpeak", "trestbps ~ sex + age + exang", "chol ~ sex + age"]
LOGISTIC = ["disease ~ sex + age", "disease ~ age + exang + oldpeak"]
CORRELATED = ["age", "thalach", "oldpeak", "exang"]


def hearts(folder):
    found = []
    for name in ("cleveland", "hungary", "switzerland", "va_long_beach"):
        raw = pd.read_csv(folder / f"{name}.csv").apply(pd.to_numeric, errors="coerce")
        columns = {
            "age": raw.age,
            "sex": pd.Categorical(raw.sex.map({1: "M", 0: "F"}), ["F", "M"]),
            "cp": pd.Categorical(raw.cp.map(PAIN), list(PAIN.values())),
            "trestbps": raw.trestbps.where(raw.trestbps != 0),
            "chol": raw.chol.where(raw.chol != 0),
            "thalach": raw.thalach,
            "oldpeak": raw.oldpeak,
            "exang": (raw.exang == 1).astype(float).where(raw.exang.notna()),
            "disease": (raw.num > 0).astype(float),
        }
        found.append(pd.DataFrame(columns))
    return pd.concat(found, ignore_index=True)


def least_squares(formula, data):
    fit = smf.ols(formula, data).fit()
    single = [
        "rsquared",
        "rsquared_adj",
        "fvalue",
        "f_pvalue",
        "llf",
        "aic",
        "bic",
        "scale",
        "nobs",
        "df_model",
        "df_resid",
    ]
    rows = {name: float(getattr(fit, name)) for name in single}
    lists = {
        name: np.asarray(getattr(fit, name)).tolist() for name in ("params", "bse", "tvalues", "pvalues")
    }
    return rows | lists | {"conf_int": np.asarray(fit.conf_int(0.1)).tolist()}


def logistic(formula, data):
    fit = smf.glm(formula, data, family=sm.families.Binomial()).fit(tol=1e-14)
    logit = smf.logit(formula, data).fit(disp=0, tol=1e-14)
    single = ["deviance", "null_deviance", "llf", "aic", "nobs", "df_model", "df_resid"]
    rows = {name: float(getattr(fit, name)) for name in single} | {"bic": float(fit.bic_llf)}
    rows |= {name: float(getattr(logit, name)) for name in ("llnull", "llr", "llr_pvalue", "prsquared")}
    lists = {
        name: np.asarray(getattr(fit, name)).tolist() for name in ("params", "bse", "tvalues", "pvalues")
    }
    return rows | lists | {"conf_int": np.asarray(fit.conf_int(0.1)).tolist()}


def correlation(data):
    known = data[CORRELATED].dropna()
    pairs = [[stats.pearsonr(known[a], known[b]) for b in CORRELATED] for a in CORRELATED]
    return {
        "n": len(known),
        "correlation": [[float(each.statistic) for each in row] for row in pairs],
        "pvalues": [[float(each.pvalue) for each in row] for row in pairs],
        "covariance": known.cov().to_numpy().tolist(),
    }


def main():
    data = hearts(Path(sys.argv[1]))
    found = {
        "versions": {"statsmodels": statsmodels.__version__, "scipy": scipy.__version__},
        "ols": {formula: least_squares(formula, data) for formula in LEAST_SQUARES},
        "glm": {formula: logistic(formula, data) for formula in LOGISTIC},
        "correlation": correlation(data),
    }
    target = Path(__file__).with_suffix(".json")
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


main()
