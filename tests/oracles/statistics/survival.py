"""Reference values of survival statistics, from lifelines and statsmodels; writes survival.json beside this file.

Run in an environment that has them: ``python tests/oracles/statistics/survival.py heart_failure.csv``. The file is the
data set of that name (UCI Heart Failure Clinical Records, Faisalabad 2015, CC BY 4.0); the other tables are random. Times
are put on a grid: interval k becomes time k + 1, so that events and censorings of an interval are ties. What neither
library gives correctly (the error of a restricted mean, stratified and trend tests with ties) is counted here row by row.
"""

import json
import sys
import warnings
from pathlib import Path

import lifelines
import numpy as np
import pandas as pd
import statsmodels
from lifelines import KaplanMeierFitter, NelsonAalenFitter
from lifelines.statistics import logrank_test, multivariate_logrank_test
from lifelines.utils import concordance_index, restricted_mean_survival_time
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import CumIncidenceRight, survdiff

warnings.simplefilter("ignore")
WEIGHTINGS = {"wilcoxon": {}, "tarone-ware": {}, "peto": {}, "fleming-harrington": {"p": 1, "q": 0.5}}


def numbers(values):
    return [None if not np.isfinite(value) else float(value) for value in np.asarray(values, float).ravel()]


def curves(rows, edges):
    """Of one group: at every interval, also those without an event."""
    times = np.arange(1, len(edges))
    km = KaplanMeierFitter().fit(rows.time, rows.event > 0, timeline=times)
    limits = km.confidence_interval_
    sums = km.survival_function_at_times(times).to_numpy()
    # censorings follow the events of their interval
    reverse = KaplanMeierFitter().fit(
        rows.time + 0.5 * (rows.event == 0), rows.event == 0, timeline=times + 0.5
    )
    na = NelsonAalenFitter(nelson_aalen_smoothing=False).fit(rows.time, rows.event > 0, timeline=times)
    hazard = na.confidence_interval_
    ends = KaplanMeierFitter().fit(np.array(edges)[rows.time.to_numpy()], rows.event > 0)
    starts = KaplanMeierFitter().fit(np.array(edges)[rows.time.to_numpy() - 1], rows.event > 0)
    tau = float(edges[-1])
    return {
        "survival": numbers(sums),
        "low": numbers(limits.iloc[:, 0]),
        "high": numbers(limits.iloc[:, 1]),
        "follow_up": numbers(reverse.survival_function_at_times(times + 0.5)),
        "hazard": numbers(na.cumulative_hazard_at_times(times)),
        "hazard_low": numbers(hazard.iloc[:, 0]),
        "hazard_high": numbers(hazard.iloc[:, 1]),
        "median": numbers([km.median_survival_time_])[0],
        "upper_quartile": numbers([km.percentile(0.75)])[0],
        "rmst_latest": float(restricted_mean_survival_time(ends, tau)),
        "rmst_earliest": float(restricted_mean_survival_time(starts, tau)),
        "rmst_error": rmst_error(rows, edges),
    }


def rmst_error(rows, edges):
    """The delta method by pairs: covariance of S_i and S_j is S_i S_j times Greenwood's sum up to the earlier one."""
    count, value, green, curve, sums = len(edges) - 1, 1.0, 0.0, [1.0], [0.0]
    for k in range(1, count + 1):
        at_risk, died = int((rows.time >= k).sum()), int(((rows.time == k) & (rows.event > 0)).sum())
        if at_risk:
            value *= 1 - died / at_risk
            green += died / (at_risk * (at_risk - died)) if at_risk > died else 0.0
        curve.append(value)
        sums.append(green)
    total = 0.0
    for i in range(count):
        for j in range(count):
            for a in (i, i + 1):
                for b in (j, j + 1):
                    weight = (edges[i + 1] - edges[i]) * (edges[j + 1] - edges[j]) / 4
                    total += weight * curve[a] * curve[b] * sums[min(a, b)]
    return float(np.sqrt(total))


def tests(rows):
    found = {}
    plain = multivariate_logrank_test(rows.time, rows.group, rows.event > 0)
    found["plain"] = [plain.test_statistic, plain.p_value]
    for name, more in WEIGHTINGS.items():
        two = rows[rows.group < 2]
        one, other = two[two.group == 0], two[two.group == 1]
        test = logrank_test(one.time, other.time, one.event > 0, other.event > 0, weightings=name, **more)
        found[name] = [test.test_statistic, test.p_value]
    found["stratified"] = list(
        map(float, survdiff(rows.time, rows.event > 0, rows.group, strata=rows.stratum))
    )
    found["trend"] = trend(rows)
    return found


def trend(rows):
    """Tarone's test of the scores 0, 1, 2, ...: the square of the weighted sum of O - E over its variance."""
    scores, apart, variance = rows.group.to_numpy(float), 0.0, 0.0
    for k in sorted(set(rows.time)):
        at_risk = rows.time.to_numpy() >= k
        died = (rows.time.to_numpy() == k) & (rows.event.to_numpy() > 0)
        n, d = at_risk.sum(), died.sum()
        apart += scores[died].sum() - d * scores[at_risk].mean()
        variance += 0.0 if n < 2 else d * (n - d) / (n - 1) * scores[at_risk].var()
    return [float(apart**2 / variance), None]


def incidences(rows, count):
    found = CumIncidenceRight(rows.time.to_numpy(float), rows.event.to_numpy())
    place = np.searchsorted(found.times, np.arange(1, count + 1), side="right")
    return {
        str(cause): {
            "value": numbers(np.concatenate([[0], each])[place]),
            "error": numbers(np.concatenate([[0], found.cinc_se[cause - 1]])[place]),
        }
        for cause, each in enumerate(found.cinc, start=1)
    }


def models(rows):
    design = np.column_stack([rows.group == value for value in sorted(set(rows.group))[1:]]).astype(float)
    design = np.column_stack([design, rows.stratum])
    found = {}
    for ties in ("breslow", "efron"):
        fit = PHReg(rows.time.to_numpy(float), design, status=(rows.event > 0).to_numpy(int), ties=ties).fit()
        risk = design @ fit.params
        found[ties] = {"params": numbers(fit.params), "bse": numbers(fit.bse), "llf": float(fit.llf)}
        found[ties]["concordance"] = float(concordance_index(rows.time, -risk, rows.event > 0))
    arms = design[:, :-1]
    fit = PHReg(
        rows.time.to_numpy(float),
        arms,
        status=(rows.event > 0).to_numpy(int),
        strata=rows.stratum.to_numpy(),
        ties="breslow",
    ).fit()
    found["stratified"] = {"params": numbers(fit.params), "bse": numbers(fit.bse)}
    return found


def heart_failure(path):
    raw = pd.read_csv(path)
    edges = list(range(0, 301, 30))
    rows = pd.DataFrame(
        {
            "time": np.digitize(raw.time, edges[1:-1]) + 1,
            "event": raw.death_event,
            "group": np.digitize(raw.age, [55, 65]),
            "stratum": raw.anaemia,
        }
    )
    return rows, edges


def random_table(seed):
    """Ties, censorings in intervals of events, a small group, intervals without an event, two causes."""
    generator = np.random.default_rng(seed)
    count, n = int(generator.integers(6, 12)), int(generator.integers(150, 320))
    edges = np.concatenate([[0], np.cumsum(generator.integers(1, 9, count))]).tolist()
    group = generator.choice(3, n, p=[0.5, 0.4, 0.1])
    time = np.minimum(generator.geometric(0.12 + 0.05 * group), count)
    leaves = np.minimum(generator.geometric(0.1, n), count)
    event = np.where(time <= leaves, generator.integers(1, 3, n), 0)
    gridded = np.minimum(time, leaves)
    event[gridded == 4] = 0
    return pd.DataFrame(
        {"time": gridded, "event": event, "group": group, "stratum": generator.integers(0, 2, n)}
    ), edges


def main(path):
    tables = {"heart_failure": heart_failure(path)} | {
        f"random {seed}": random_table(seed) for seed in range(4)
    }
    found = {}
    for name, (rows, edges) in tables.items():
        found[name] = {
            "edges": edges,
            "columns": {column: "".join(chr(48 + int(value)) for value in rows[column]) for column in rows},
            "curves": {str(group): curves(part, edges) for group, part in rows.groupby("group")},
            "tests": tests(rows),
            "incidences": incidences(rows, len(edges) - 1),
            "models": models(rows),
        }
    versions = {
        "lifelines": lifelines.__version__,
        "statsmodels": statsmodels.__version__,
        "numpy": np.__version__,
    }
    source = "heart_failure: UCI Heart Failure Clinical Records (Faisalabad, 2015), CC BY 4.0, times put on 30 days"
    text = json.dumps({"versions": versions, "source": source, "tables": found}, indent=1)
    (Path(__file__).with_suffix(".json")).write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
