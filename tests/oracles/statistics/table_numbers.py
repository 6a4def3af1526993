"""Reference values of statistics of tables, by statsmodels; run in an environment that has it.

Writes table_numbers.json beside this file: the tables, drawn from one seed, and what statsmodels says of each.
"""

import json
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from statsmodels.stats.contingency_tables import StratifiedTable, Table, mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportions_ztest,
)

SEED = 14


def strata(table):
    found = StratifiedTable([np.array(each) for each in table])
    null = {str(each): found.test_null_odds(correction=each) for each in (False, True)}
    equal = {str(each): found.test_equal_odds(adjust=each) for each in (False, True)}
    return {
        "table": table,
        "odds_ratio": found.oddsratio_pooled,
        "log_odds_se": found.logodds_pooled_se,
        "interval": list(found.oddsratio_pooled_confint()),
        "risk_ratio": found.riskratio_pooled,
        "null": {name: [each.statistic, each.pvalue] for name, each in null.items()},
        "equal": {name: [each.statistic, each.pvalue] for name, each in equal.items()},
    }


def pair(table):
    corrected = mcnemar(table, exact=False, correction=True)
    plain = mcnemar(table, exact=False, correction=False)
    binomial = mcnemar(table, exact=True)
    return {
        "table": table,
        "corrected": [corrected.statistic, corrected.pvalue],
        "plain": [plain.statistic, plain.pvalue],
        "binomial": binomial.pvalue,
    }


def kappas(table):
    found = {}
    for name, weight in (("none", None), ("linear", "linear"), ("quadratic", "quadratic")):
        each = cohens_kappa(np.array(table), wt=weight)
        found[name] = [each.kappa, each.std_kappa]
    return {"table": table, **found}


def trend(table, scores):
    found = Table(np.array(table), shift_zeros=False).test_ordinal_association(
        row_scores=np.array(scores), col_scores=np.array([0, 1])
    )
    return {"table": table, "scores": scores, "z": found.zscore}


def proportions(table):
    (out0, in0), (out1, in1) = table
    counts, sizes = [in0, in1], [out0 + in0, out1 + in1]
    z, pvalue = proportions_ztest(counts, sizes)
    return {
        "table": table,
        "z": z,
        "pvalue": pvalue,
        "wilson": [
            list(proportion_confint(n, size, method="wilson")) for n, size in zip(counts, sizes, strict=True)
        ],
        "wald": list(
            confint_proportions_2indep(
                counts[0], sizes[0], counts[1], sizes[1], method="wald", compare="diff"
            )
        ),
    }


def main():
    draw = np.random.default_rng(SEED)
    squares = [draw.integers(11, 90, (3, 3)).tolist() for _ in range(3)]
    squares += [(draw.integers(11, 30, (3, 3)) + np.diag([60, 80, 40])).tolist() for _ in range(2)]
    twos = [draw.integers(11, 120, (2, 2)).tolist() for _ in range(4)]
    found = {
        "seed": SEED,
        "versions": {
            "statsmodels": statsmodels.__version__,
            "scipy": scipy.__version__,
            "numpy": np.__version__,
        },
        "strata": [strata(draw.integers(11, 120, (k, 2, 2)).tolist()) for k in (2, 3, 4)],
        "pairs": [pair(each) for each in twos],
        "kappas": [kappas(each) for each in squares],
        "trends": [
            trend(draw.integers(11, 90, (4, 2)).tolist(), scores)
            for scores in ([0, 1, 2, 3], [0, 1, 4, 5.5], [3, 2, 1, 0])
        ],
        "proportions": [proportions(each) for each in twos],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
