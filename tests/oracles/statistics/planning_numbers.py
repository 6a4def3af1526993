"""Reference values of power, sample size, equivalence and multiplicity, by statsmodels; run where it is installed.

Writes planning_numbers.json beside this file.
"""

import json
from pathlib import Path

import numpy as np
import statsmodels
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import power_proportions_2indep
from statsmodels.stats.weightstats import ttost_ind

SEED = 41


def equivalence(seed):
    draw = np.random.default_rng(seed)
    groups = [draw.integers(low, high, size).tolist() for low, high, size in ((20, 80, 90), (22, 81, 120))]
    found = {}
    for usevar in ("unequal", "pooled"):
        pvalue, lower, upper = ttost_ind(*map(np.array, groups), -8, 6.5, usevar=usevar)
        found[usevar] = [pvalue, *map(float, lower), *map(float, upper)]
    return {"groups": groups, **found}


def main():
    draw = np.random.default_rng(SEED)
    lists = [draw.random(9).tolist(), (draw.random(12) ** 3).tolist(), [0.01, 0.01, 0.04, 0.5]]
    methods = ("bonferroni", "holm", "fdr_bh", "fdr_by")
    proportions = [(0.2, 0.3, 250, 250, 0.05), (0.55, 0.4, 120, 200, 0.01), (0.1, 0.12, 4000, 2000, 0.05)]
    means = [(5.0, 22.0, 300, 300, 0.05), (1.5, 2.0, 20, 31, 0.01)]
    found = {
        "versions": {"statsmodels": statsmodels.__version__, "numpy": np.__version__},
        "seed": SEED,
        "multiplicity": [
            {
                "pvalues": each,
                **{
                    method: [part.tolist() for part in multipletests(each, 0.05, method)[:2]]
                    for method in methods
                },
            }
            for each in lists
        ],
        "proportions": [
            [
                *each,
                power_proportions_2indep(
                    each[0] - each[1],
                    each[1],
                    each[2],
                    ratio=each[3] / each[2],
                    alpha=each[4],
                    return_results=False,
                ),
            ]
            for each in proportions
        ],
        "means": [
            [*each, TTestIndPower().power(each[0] / each[1], each[2], each[4], ratio=each[3] / each[2])]
            for each in means
        ],
        "equivalence": [equivalence(seed) for seed in (1, 2)],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
