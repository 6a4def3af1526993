"""Intervals of private answers cover, by simulation: noise of all sites through the finishing code, many draws.

A test fails where coverage of at least 94 % is rejected at 1e-6 (binomial); coverage above 97 % is printed.
"""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest

from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.results.assemble import finish
from analytics.schema import Schema
from analytics.statistics.blocks import Measure
from privacy_accounting.noise import discrete_gaussian, laplace_share
from tests.analytics.planning.test_analytics_plan import CONTEXT

LEVEL, LEAST, CHANCE = 0.95, 0.94, 1e-6
ASKED = (
    "SELECT COUNT(*) AS n, SUM(x) AS total, AVG(x) AS mean, VAR_SAMP(x) AS v, STDDEV_SAMP(x) AS d, AVG(b) AS share "
    "FROM t"
)
SCHEMA = Schema.from_dict(
    {
        "tables": {
            "t": {
                "privacy_unit": "row",
                "max_rows_per_unit": 1,
                "max_sites_per_unit": 1,
                "rows_max": 1000,
                "columns": {
                    "x": {"type": "numeric", "lower": -40, "upper": 60, "resolution": 1},
                    "b": {"type": "boolean"},
                },
            }
        }
    }
)


class Source:
    """Bytes of a seed: the same draws in every run."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def bytes(self, n, /):
        return self.generator.bytes(n)


def shapes(n):
    """Rows where intervals are hard: spread, all at one bound, half at each."""
    spread = [-40 + 100 * place // max(1, n - 1) for place in range(n)]
    return {"spread": spread, "one bound": [60] * n, "both bounds": [-40, 60] * (n // 2) + [60] * (n % 2)}


def truth_of(xs, bs):
    variance = float(np.var(xs, ddof=1))
    values = {"n": len(xs), "total": sum(xs), "mean": float(np.mean(xs)), "share": float(np.mean(bs))}
    return values | {"v": variance, "d": math.sqrt(variance)}


def clear_figures(plan, xs, bs):
    """The sums without noise, from the plan's blocks."""
    found = []
    for block in plan.blocks:
        text = block.meaning
        values = bs if '"b"' in text else xs
        if block.measure in {Measure.ROWS, Measure.COUNT}:
            found.append(len(xs))
            continue
        center = next((c.center for c in plan.columns if c.aggregate and c.center and '"b"' not in text), 0)
        offset = next((c.offset for c in plan.columns if c.aggregate and c.offset and '"b"' not in text), 0)
        deviations = [value - center for value in values]
        is_sum = block.measure is Measure.SUM
        found.append(sum(deviations) if is_sum else sum(d * d - offset for d in deviations))
    return found


def noise_of(plan, block, size, source):
    """All sites' noise on one block, as each site draws it."""
    sites, honest = plan.context.n_sites, plan.context.honest
    if block.scale is not None:
        return sum(laplace_share(block.scale, honest, size, source) for _ in range(sites))
    return sum(discrete_gaussian(block.sigma2_local, size, source) for _ in range(sites))


def rejected_below(trials):
    """The fewest hits at which coverage of at least ``LEAST`` is not rejected."""
    logs = [
        math.lgamma(trials + 1)
        - math.lgamma(k + 1)
        - math.lgamma(trials - k + 1)
        + k * math.log(LEAST)
        + (trials - k) * math.log1p(-LEAST)
        for k in range(trials + 1)
    ]
    total = 0.0
    for k, log in enumerate(logs):
        total += math.exp(log)
        if total >= CHANCE:
            return k
    return trials


def coverage(mechanism, epsilon, xs, bs, trials, seed):
    context = dataclasses.replace(CONTEXT, order=Fraction(13))
    plan = make_plan(
        bind(ASKED, SCHEMA), mode="private", epsilon=epsilon, context=context, mechanism=mechanism
    )
    source = Source(seed)
    clear = clear_figures(plan, xs, bs)
    opened = np.column_stack(
        [
            figure * block.weight + noise_of(plan, block, trials, source)
            for figure, block in zip(clear, plan.blocks, strict=True)
        ]
    )
    truth, hits = truth_of(xs, bs), dict.fromkeys(truth_of(xs, bs), 0)
    for row in opened.tolist():
        result = finish(plan, row)
        for name, (low, high) in zip(result.columns, result.interval_rows(LEVEL)[0], strict=True):
            hits[name] += low - 1e-9 <= truth[name] <= high + 1e-9
    return hits


def check(mechanism, epsilon, size, trials):
    fewest = rejected_below(trials)
    for seed, (shape, xs) in enumerate(shapes(size).items()):
        bs = [place % 3 == 0 for place in range(size)]
        hits = coverage(mechanism, epsilon, xs, bs, trials, seed)
        for name, found in hits.items():
            assert found >= fewest, (mechanism, size, shape, name, found / trials)
            if found > 0.97 * trials:
                print(
                    f"{mechanism} epsilon {epsilon} n {size} {shape} {name}: {found / trials:.4f}, above 0.97"
                )


def test_the_rejection_has_power_and_no_false_alarm():
    fewest = rejected_below(10_000)
    assert 0.925 < fewest / 10_000 < 0.93
    assert rejected_below(300) < 0.94 * 300


@pytest.mark.parametrize(("mechanism", "epsilon"), [("gaussian", Fraction(2)), ("laplace", Fraction(30))])
def test_intervals_cover_thirty_people(mechanism, epsilon):
    check(mechanism, epsilon, 30, 400)


def test_half_the_deviation_would_be_rejected():
    """Power: the same intervals at half their width do not pass."""
    xs = shapes(30)["spread"]
    context = dataclasses.replace(CONTEXT, order=Fraction(13))
    plan = make_plan(
        bind("SELECT COUNT(*) AS n FROM t", SCHEMA), mode="private", epsilon=Fraction(1), context=context
    )
    noise = noise_of(plan, plan.blocks[0], 1_000, Source(1)).tolist()
    hits = 0
    for drawn in noise:
        result = finish(plan, [len(xs) * plan.blocks[0].weight + drawn])
        low, high = result.interval_rows(math.erf(1.96 / 2 / math.sqrt(2)))[0][0]
        hits += low <= len(xs) <= high
    assert hits < rejected_below(1_000)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", [5, 30, 300])
@pytest.mark.parametrize(
    ("mechanism", "epsilon"),
    [("gaussian", Fraction(1, 2)), ("gaussian", Fraction(2)), ("laplace", Fraction(8))],
)
def test_intervals_cover_groups_of_5_30_and_300_in_ten_thousand_draws(mechanism, epsilon, size):
    check(mechanism, epsilon, size, 10_000)
