"""Reference values of tests of means and of the shape of a distribution, by scipy and statsmodels; prints nothing.

Writes location.json beside this file: rows, drawn from one seed, and what the libraries say of them.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import statsmodels
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.rates import confint_poisson, confint_poisson_2indep, test_poisson_2indep

SEED = 14


def rows():
    generator = np.random.default_rng(SEED)
    n = 600
    sex = generator.choice(["f", "m"], n)
    arm = generator.choice(["new", "old", "none"], n, p=[0.5, 0.3, 0.2])
    before = np.clip(np.rint(generator.normal(130 + 6 * (sex == "m"), 15, n)), 60, 220)
    after = np.clip(np.rint((before - 4 * (arm == "new") + generator.normal(0, 8, n)) * 2) / 2, 60, 220)
    later = np.clip(np.rint(before - 3 + generator.normal(0, 12, n)), 60, 220)
    return pd.DataFrame(
        {
            "sex": sex,
            "arm": arm,
            "before": before,
            "after": after,
            "later": later,
            "years": np.rint(generator.gamma(2, 2, n) * 10 + 1).clip(0, 250) / 10,
            "fell": generator.random(n) < np.where(arm == "new", 0.3, 0.45),
        }
    )


def of_one_mean(found, interval):
    low, high = interval
    ends = [None if np.isinf(each) else each for each in (low, high)]
    return {"statistic": found.statistic, "pvalue": found.pvalue, "df": float(found.df), "interval": ends}


def rates(frame):
    cases = {arm: [int(each.fell.sum()), float(each.years.sum())] for arm, each in frame.groupby("arm")}
    (one, first), (other, second) = cases["new"], cases["old"]
    test = test_poisson_2indep(one, first, other, second, method="exact-cond")
    return {
        "cases": cases,
        "interval": {
            arm: list(confint_poisson(n, time, method="exact-c")) for arm, (n, time) in cases.items()
        },
        "ratio": list(confint_poisson_2indep(one, first, other, second, method="wald-log", compare="ratio")),
        "difference": list(confint_poisson_2indep(one, first, other, second, method="wald", compare="diff")),
        "pvalue": test.pvalue,
    }


def main():
    frame = rows()
    alternatives = ("two-sided", "less", "greater")
    one = {each: stats.ttest_1samp(frame.before, 132.5, alternative=each) for each in alternatives}
    pairs = {each: stats.ttest_rel(frame.after, frame.before, alternative=each) for each in alternatives}
    two_way = anova_lm(ols("before ~ C(sex) * C(arm)", frame).fit(), typ=2)
    few = frame[frame.index % 7 > 0]
    covariance = anova_lm(ols("after ~ C(arm) + before + C(sex)", frame).fit(), typ=2)
    bera = stats.jarque_bera(frame.years)
    ranked = [np.digitize(frame[name], [110, 120, 130, 140, 150]) for name in ("before", "after", "later")]
    friedman = stats.friedmanchisquare(*ranked)
    found = {
        "versions": {"scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
        "rows": frame.to_dict("list"),
        "one_sample": {name: of_one_mean(each, each.confidence_interval()) for name, each in one.items()},
        "pairs": {name: of_one_mean(each, each.confidence_interval()) for name, each in pairs.items()},
        "two_way": json.loads(two_way.to_json(orient="index")),
        "two_way_few": json.loads(
            anova_lm(ols("before ~ C(arm) * C(sex)", few).fit(), typ=2).to_json(orient="index")
        ),
        "covariance": json.loads(covariance.to_json(orient="index", double_precision=15)),
        "jarque_bera": {
            "statistic": bera.statistic,
            "pvalue": bera.pvalue,
            "skewness": stats.skew(frame.years),
            "kurtosis": stats.kurtosis(frame.years),
            "G1": stats.skew(frame.years, bias=False),
            "G2": stats.kurtosis(frame.years, bias=False),
            "geometric_mean": stats.gmean(frame.before),
        },
        "friedman": {"statistic": friedman.statistic, "pvalue": friedman.pvalue},
        "rates": rates(frame),
    }
    found["two_way"] = {
        name: {key: None if np.isnan(each) else each for key, each in row.items()}
        for name, row in two_way.to_dict("index").items()
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
