"""Reference values of generalised linear models, from statsmodels; writes generalised.json beside this file.

Run in an environment that has it: ``python tests/oracles/statistics/generalised.py``. The table is random, with a stated seed;
the tests of the project make the same one.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.outliers_influence import variance_inflation_factor

FAMILIES = {
    "binomial logit": ("ill ~ ward + age + smoker", sm.families.Binomial()),
    "binomial probit": ("ill ~ ward + age + smoker", sm.families.Binomial(sm.families.links.Probit())),
    "binomial cloglog": ("ill ~ ward + age + smoker", sm.families.Binomial(sm.families.links.CLogLog())),
    "poisson log": ("visits ~ ward + age + smoker", sm.families.Poisson()),
    "poisson exposure": ("visits ~ ward + age", sm.families.Poisson()),
    "poisson offset": ("visits ~ ward + age", sm.families.Poisson()),
    "gamma log": ("cost ~ ward + age + smoker", sm.families.Gamma(sm.families.links.Log())),
    "gaussian identity": ("cost ~ ward + age + smoker", sm.families.Gaussian()),
}


def patients(n=2400, seed=14):
    """Kept equal to the one in tests/statistics/generalised_patients.py; rows with a missing age are left out by both."""
    generator = np.random.default_rng(seed)
    age = np.round(generator.uniform(25, 95, n) * 2) / 2
    ward = np.where(np.arange(n) % 3 == 0, "c", np.where(generator.random(n) < 0.5, "a", "b"))
    smoker = generator.random(n) < 0.4
    years = np.round(generator.uniform(0.5, 5, n), 1)
    odds = 0.03 * (age - 60) + 0.7 * smoker + np.where(ward == "c", -0.6, 0.2) - 0.4
    visits = generator.poisson(
        years * np.exp(0.02 * (age - 60) + 0.4 * smoker + np.where(ward == "b", 0.3, 0))
    )
    cost = generator.gamma(2.0, 50 * np.exp(0.01 * (age - 60) + 0.3 * smoker))
    return pd.DataFrame(
        {
            "ill": generator.random(n) < 1 / (1 + np.exp(-odds)),
            "smoker": smoker,
            "ward": ward,
            "age": np.where(np.arange(n) % 40 == 7, np.nan, age),
            "visits": np.minimum(visits, 40),
            "years": years,
            "log_years": np.round(np.log(years), 3),
            "cost": np.clip(np.round(cost), 1, 2000),
        }
    )


def patients_by_site():
    """The same table, whose three sites differ: rows 0, 3, 6, ... are more often ill and cost more where they smoke."""
    data = patients()
    place = np.arange(len(data)) % 3
    data["ill"] = data.ill | ((place == 0) & data.smoker & (np.arange(len(data)) % 4 == 0))
    data["cost"] = np.minimum(data.cost + np.where((place == 1) & data.smoker, 25, 0), 2000)
    return data


def fitted(name, formula, family, data):
    extra = {}
    if name == "poisson exposure":
        extra = {"exposure": data.years}
    elif name == "poisson offset":
        extra = {"offset": data.log_years}
    fit = smf.glm(formula, data, family=family, **extra).fit(tol=1e-14, maxiter=200)
    single = [
        "deviance",
        "null_deviance",
        "llf",
        "aic",
        "nobs",
        "df_model",
        "df_resid",
        "scale",
        "pearson_chi2",
    ]
    rows = {each: float(getattr(fit, each)) for each in single} | {"bic": float(fit.bic_llf)}
    rows["llnull"] = float(fit.llnull)
    lists = {
        each: np.asarray(getattr(fit, each)).tolist() for each in ("params", "bse", "tvalues", "pvalues")
    }
    wanted = np.zeros(len(fit.params))
    wanted[1], wanted[2] = 1, -1
    test = fit.t_test(wanted)
    at = np.array([1, 0, 1, 60.0, *[1.0] * (len(fit.params) - 4)])
    mean = float(family.link.inverse(at @ fit.params))
    return (
        {"formula": formula, "terms": list(fit.params.index)}
        | rows
        | lists
        | {
            "conf_int": np.asarray(fit.conf_int(0.1)).tolist(),
            "contrast": [float(test.effect[0]), float(test.sd[0, 0]), float(test.pvalue)],
            "mean": mean,
        }
    )


def by_groups(data):
    """Fits whose age enters by four groups, as a fit of a released table has them."""
    groups = pd.cut(data.age, [20, 40, 60, 80, 101], right=False, labels=["20", "40", "60", "80"])
    data = data.assign(group=groups.astype(str))
    asked = {
        "logit": ("ill", sm.families.Binomial(), {}),
        "probit": ("ill", sm.families.Binomial(sm.families.links.Probit()), {}),
        "cloglog": ("ill", sm.families.Binomial(sm.families.links.CLogLog()), {}),
        "risk": ("ill", sm.families.Poisson(), {}),
        "counts": ("visits", sm.families.Poisson(), {}),
        "rates": ("visits", sm.families.Poisson(), {"exposure": data.years}),
    }
    found = {}
    for name, (outcome, family, extra) in asked.items():
        fit = smf.glm(f"{outcome} ~ ward + C(group) + smoker", data, family=family, **extra)
        fit = fit.fit(tol=1e-14, maxiter=200)
        found[name] = {"params": np.asarray(fit.params).tolist(), "bse": np.asarray(fit.bse).tolist()}
    return found


def robust(data):
    """HC0 of generalised linear models; a true-or-false outcome by poisson, whose ratios are risk ratios.

    The errors of statsmodels take the observed information where the link is not canonical, and its HC1 of a generalised linear
    model is its HC0. So the expected information and the factor are put together here from its fit and its scores.
    """
    asked = {
        "binomial": ("ill ~ ward + age + smoker", sm.families.Binomial(), {}),
        "poisson": ("visits ~ ward + age", sm.families.Poisson(), {"exposure": data.years}),
        "risk": ("ill ~ ward + age + smoker", sm.families.Poisson(), {}),
        "gamma": ("cost ~ ward + age + smoker", sm.families.Gamma(sm.families.links.Log()), {}),
    }
    found = {}
    for name, (formula, family, extra) in asked.items():
        model = smf.glm(formula, data, family=family, **extra)
        fit = model.fit(cov_type="HC0", tol=1e-14, maxiter=200)
        scores = np.asarray(model.score_obs(fit.params, scale=1.0))
        bread = np.asarray(fit.normalized_cov_params)
        spread = bread @ (scores.T @ scores) @ bread
        errors = np.sqrt(np.diag(spread))
        if name != "gamma":
            assert np.allclose(errors, fit.bse, rtol=1e-9)
        found[name] = {"formula": formula, "params": np.asarray(fit.params).tolist(), "HC0": errors.tolist()}
        found[name]["HC1"] = (errors * np.sqrt(fit.nobs / (fit.nobs - len(fit.params)))).tolist()
    return found


def least_squares(data):
    """Standard errors of HC0 and HC1, weights, and variance inflation factors."""
    formula = "cost ~ ward + age + smoker"
    fits = {
        "HC0": smf.ols(formula, data).fit(cov_type="HC0"),
        "HC1": smf.ols(formula, data).fit(cov_type="HC1"),
    }
    fits["weights"] = smf.wls(formula, data, weights=data.years).fit()
    single = ["fvalue", "f_pvalue", "rsquared", "rsquared_adj", "scale", "nobs", "df_resid"]
    found = {
        name: {each: float(getattr(fit, each)) for each in single}
        | {each: np.asarray(getattr(fit, each)).tolist() for each in ("params", "bse", "pvalues")}
        for name, fit in fits.items()
    }
    for name in ("HC0", "HC1"):  # Student's t, as without them
        again = smf.ols(formula, data).fit().get_robustcov_results(cov_type=name, use_t=True)
        found[name]["pvalues"] = np.asarray(again.pvalues).tolist()
        found[name]["f_pvalue"] = float(again.f_pvalue)
    design = fits["HC0"].model.exog
    found["vif"] = [float(variance_inflation_factor(design, place)) for place in range(1, design.shape[1])]
    return found


def multinomial(data):
    codes = pd.Categorical(data.ward, ["a", "b", "c"]).codes
    design = sm.add_constant(data[["age", "smoker"]].astype(float))
    fit = sm.MNLogit(codes, design).fit(disp=0, method="newton", tol=1e-14, maxiter=100)
    single = ["llf", "llnull", "llr", "llr_pvalue", "prsquared", "aic", "bic", "df_model", "df_resid", "nobs"]
    rows = {each: float(getattr(fit, each)) for each in single}
    lists = {each: np.asarray(getattr(fit, each)).T.ravel().tolist() for each in ("params", "bse", "pvalues")}
    chances = np.asarray(fit.predict(np.array([[1.0, 60.0, 1.0]])))[0].tolist()
    return rows | lists | {"chances": chances}


def pooled_effects(data):
    """Every third row to a site; effects and variances by statsmodels' tables, pooled by its meta-analysis."""
    found = {}
    for measure in ("odds_ratio", "risk_ratio", "risk_difference", "mean_difference"):
        effects, variances = [], []
        for place in range(3):
            rows = data.iloc[place::3]
            if measure == "mean_difference":
                first, second = (rows.cost[rows.smoker == value] for value in (1, 0))
                effects.append(first.mean() - second.mean())
                variances.append(first.var() / len(first) + second.var() / len(second))
                continue
            table = sm.stats.Table2x2(pd.crosstab(rows.smoker, rows.ill).to_numpy()[::-1, ::-1].astype(float))
            if measure == "odds_ratio":
                effects.append(table.log_oddsratio)
                variances.append(table.log_oddsratio_se**2)
            elif measure == "risk_ratio":
                effects.append(table.log_riskratio)
                variances.append(table.log_riskratio_se**2)
            else:
                (a, b), (c, d) = table.table
                effects.append(a / (a + b) - c / (c + d))
                variances.append(a * b / (a + b) ** 3 + c * d / (c + d) ** 3)
        pooled = combine_effects(np.array(effects), np.array(variances), method_re="dl")
        found[measure] = {
            "fixed": [float(pooled.mean_effect_fe), float(pooled.sd_eff_w_fe)],
            "random": [float(pooled.mean_effect_re), float(pooled.sd_eff_w_re)],
            "q": float(pooled.q),
            "tau2": float(max(pooled.tau2, 0)),
            "sites": [[float(y), float(v) ** 0.5] for y, v in zip(effects, variances, strict=True)],
            "weights_fixed": pooled.weights_rel_fe.tolist(),
            "weights_random": pooled.weights_rel_re.tolist(),
        }
    return found


def main():
    data = patients().dropna()
    data = data.assign(ill=data.ill.astype(float), smoker=data.smoker.astype(float))
    found = {
        "versions": {"statsmodels": statsmodels.__version__},
        "glm": {name: fitted(name, formula, family, data) for name, (formula, family) in FAMILIES.items()},
        "groups": by_groups(data),
        "ols": least_squares(data),
        "robust": robust(data),
        "mnlogit": multinomial(data),
        "meta_analysis": pooled_effects(patients_by_site()),
    }
    target = Path(__file__).with_suffix(".json")
    target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


main()
