"""Log-rank statistics by lifelines, for ``log_rank.json``; run where lifelines is installed, on the UCI heart failure records.

    python tests/oracles/statistics/log_rank.py heart_failure.csv > tests/oracles/statistics/log_rank.json

The file holds the records it used (CC BY 4.0), so that the tests need neither them nor lifelines.
"""

import json
import sys

import lifelines
import numpy as np
import pandas as pd
from lifelines.statistics import logrank_test, multivariate_logrank_test

GROUPS = ("anaemia", "high_blood_pressure", "sex", "smoking", "diabetes")


def test_of(days, died, group):
    found = logrank_test(days[group], days[~group], died[group], died[~group])
    return {"statistic": float(found.test_statistic), "pvalue": float(found.p_value)}


def tied(seed, n, times, part):
    """Many ties, from uniform integers alone."""
    generator = np.random.default_rng(seed)
    group = generator.integers(0, 1000, n) < part
    days = generator.integers(0, times, n)
    days = np.where(group, days * 3 // 4, days)
    return days, generator.integers(0, 10, n) < 6, group


def several(seed, n, times, groups):
    """Several groups with many ties, from uniform integers alone."""
    generator = np.random.default_rng(seed)
    group = generator.integers(0, groups, n)
    days = generator.integers(0, times, n) * (6 + group) // (6 + groups)
    return days, generator.integers(0, 10, n) < 6, group


def test_of_groups(days, died, group):
    found = multivariate_logrank_test(days, group, died)
    return {"statistic": float(found.test_statistic), "pvalue": float(found.p_value)}


def main():
    frame = pd.read_csv(sys.argv[1])
    days, died = frame.time, frame.death_event == 1
    by_quarter = days // 30
    random = [
        dict(zip(("seed", "n", "times", "part"), each, strict=True))
        for each in ((1, 500, 8, 500), (2, 2000, 300, 100), (3, 300, 1000, 700))
    ]
    groups = [
        dict(zip(("seed", "n", "times", "groups"), each, strict=True))
        for each in ((4, 700, 9, 3), (5, 900, 300, 4), (6, 1500, 40, 5))
    ]
    found = {
        "lifelines": lifelines.__version__,
        "records": {name: [int(value) for value in frame[name]] for name in ("time", "death_event", *GROUPS)},
        "by_day": {name: test_of(days, died, frame[name] == 1) for name in GROUPS},
        "by_thirty_days": {name: test_of(by_quarter, died, frame[name] == 1) for name in GROUPS},
        "tied": [each | test_of(*tied(**each)) for each in random],
        "four_groups": test_of_groups(days, died, 2 * frame.sex + frame.smoking),
        "three_groups": test_of_groups(days, died, frame.anaemia + frame.diabetes),
        "several": [each | test_of_groups(*several(**each)) for each in groups],
    }
    json.dump(found, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")


main()
