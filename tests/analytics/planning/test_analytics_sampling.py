"""Intervals for all patients like these: sampling beside noise, and refusals where it is not defined."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from analytics.errors import InvalidRequestError
from analytics.plans.context import PlanContext
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.results.assemble import finish
from analytics.schema import Schema
from analytics.statistics.blocks import Measure
from analytics.statistics.uncertainty.intervals import Ends, SumInterval
from analytics.statistics.uncertainty.sampling import (
    NoInterval,
    PoissonSampling,
    Rows,
    ShareSampling,
    width_of,
)

COLUMNS = {
    "x": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1},
    "b": {"type": "boolean"},
    "y": {"type": "numeric", "lower": 0, "upper": 9, "resolution": 1},
}
TABLE = {"privacy_unit": "row", "max_sites_per_unit": 1, "rows_max": 2000, "columns": COLUMNS}
SCHEMA = Schema.from_dict({"tables": {"patients": TABLE}})
CONTEXT = PlanContext(
    n_sites=3, colluding=1, relation="add_or_remove_one", delta=Fraction(1, 10**6), minimum_cell=0,
    order=Fraction(13),
)  # fmt: skip
EVERY = (
    "SELECT COUNT(*) AS n, SUM(x) AS s, AVG(x) AS m, VAR_SAMP(x) AS v, STDDEV(x) AS d, VAR_POP(x) AS vp, AVG(b) AS share,"
    " SUM(b) AS cases FROM patients"
)
FEW = "SELECT COUNT(*) AS n, AVG(b) AS share, SUM(b) AS cases FROM patients"  # the squares of x are too wide for Laplace noise
MEAN, SD, SHARE = 50, 15, 0.3
SIZES = [5, 30, 300]
VARIANCE = SD**2 + 1 / 12  # of rounded normal values (Sheppard)
OPEN_SIZE = {"n", "s", "cases"}  # figures in which the number of patients is open


def planned(sql, epsilon, schema=SCHEMA, mechanism="gaussian"):
    if epsilon is None:
        return make_plan(bind(sql, schema), mode="exact", epsilon=None, context=CONTEXT)
    return make_plan(
        bind(sql, schema), mode="private", epsilon=Fraction(epsilon), context=CONTEXT, mechanism=mechanism
    )


class Draws:
    """Answers over samples of one population, with drawn noise."""

    def __init__(self, sql, epsilon, seed, mechanism="gaussian") -> None:
        self.plan = planned(sql, epsilon, mechanism=mechanism)
        self.generator = np.random.default_rng(seed)
        self.is_noisy = epsilon is not None

    def answer(self, n):
        generator = self.generator
        x = np.clip(np.rint(generator.normal(MEAN, SD, n)), 0, 100).astype(int)
        b = (generator.random(n) < SHARE).astype(int)
        opened = []
        for place, block in enumerate(self.plan.blocks):
            column = next(each for each in self.plan.columns if place in dict(each.blocks).values())
            output = next(each for each in self.plan.query.outputs if each.name == column.name)
            d = (x if output.name in {"s", "m", "v", "d", "vp"} else b) - column.center
            total = {
                Measure.SUM: int(d.sum()),
                Measure.SQUARES: int((d * d).sum()) - column.offset * n,
            }.get(block.measure, n)
            noise = self.plan.noise_law(place).draw(1, generator)[0] if self.is_noisy else 0.0
            opened.append(total * block.weight + round(noise * block.weight))
        return finish(self.plan, opened)


def coverage(epsilon, size, draws, level=0.95, mechanism="gaussian", sql=EVERY):
    """How many of the draws every figure's interval covers, of the population's value."""
    truth = {
        "n": size, "s": size * MEAN, "m": MEAN, "v": VARIANCE, "d": math.sqrt(VARIANCE), "vp": VARIANCE,
        "share": SHARE, "cases": size * SHARE,
    }  # fmt: skip
    world = Draws(sql, epsilon, seed=size, mechanism=mechanism)
    truth = {name: truth[name] for name in truth if name in {each.name for each in world.plan.columns}}
    hits = dict.fromkeys(truth, 0)
    for _ in range(draws):
        for n, names in ((size, truth.keys() - OPEN_SIZE), (int(world.generator.poisson(size)), OPEN_SIZE)):
            result = world.answer(n)
            for name, ends in zip(result.columns, result.interval_rows(level, sampling=True)[0], strict=True):
                if name in names and ends is not None:
                    hits[name] += ends[0] <= truth[name] <= ends[1]
    return hits


def check(hits, draws, level=0.95) -> None:
    for name, hit in hits.items():
        assert stats.binomtest(hit, draws, level, alternative="less").pvalue > 1e-6, (name, hit)


@pytest.mark.parametrize("size", SIZES)
def test_intervals_with_sampling_cover_the_population_in_a_few_draws(size) -> None:
    check(coverage("1", size, 60), 60)


def test_intervals_with_sampling_cover_under_laplace_noise_in_a_few_draws() -> None:
    check(coverage("1", 30, 60, mechanism="laplace", sql=FEW), 60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("epsilon", [None, "30", "1"])
def test_intervals_with_sampling_cover_the_population(epsilon, size) -> None:
    check(coverage(epsilon, size, 10_000), 10_000)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", SIZES)
def test_intervals_with_sampling_cover_under_laplace_noise(size) -> None:
    check(coverage("1", size, 10_000, mechanism="laplace", sql=FEW), 10_000)


@pytest.mark.parametrize("sd", [0, 1, 3, 10])
@pytest.mark.parametrize("size", SIZES)
def test_the_interval_of_a_count_covers_by_enumeration(size, sd) -> None:
    """Every count and every noise, each with its probability; no draw."""
    counts = np.arange(int(size + 12 * math.sqrt(size) + 12))
    noise = np.arange(-8 * sd, 8 * sd + 1)
    weights = np.exp(-(noise**2) / (2 * sd**2)) if sd else np.ones(1)
    chances = np.convolve(stats.poisson.pmf(counts, size), weights / weights.sum())
    covered = 0.0
    for place, chance in enumerate(chances):
        ends = Ends(value=max(0.0, place - 8 * sd), low=0, high=6000)
        noisy = SumInterval(ends=ends, error=float(sd)) if sd else NoInterval(value=ends.value)
        low, high = PoissonSampling(ends=ends, noise=noisy).between(0.95)
        covered += float(chance) if low <= size <= high else 0.0
    assert covered >= 0.95


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("cases", [0, 2, 5])
def test_the_interval_of_an_exact_share_is_wilsons_with_half_a_step(n, cases) -> None:
    """Newcombe's closed form, in which the limits are written out."""
    ends = Ends(value=cases / n, low=0, high=1)
    low, high = ShareSampling(
        ends=ends, noise=NoInterval(value=ends.value), rows=Rows(count=n, sd=0)
    ).between(0.95)
    z, p = width_of(0.95), cases / n
    below = (2 * n * p + z**2 - 1 - z * math.sqrt(z**2 - 2 - 1 / n + 4 * p * (n * (1 - p) + 1))) / (
        2 * (n + z**2)
    )
    above = (2 * n * p + z**2 + 1 + z * math.sqrt(z**2 + 2 - 1 / n + 4 * p * (n * (1 - p) - 1))) / (
        2 * (n + z**2)
    )
    assert low == pytest.approx(below if cases else 0, abs=1e-9)
    assert high == pytest.approx(above if cases < n else 1, abs=1e-9)


def test_without_noise_the_intervals_are_the_usual_ones() -> None:
    values = np.array([31, 44, 52, 58, 73, 49, 61])
    n, total, squares = len(values), int(values.sum()), int((values**2).sum())
    plan = planned("SELECT COUNT(*) AS n, AVG(x) AS m, VAR_SAMP(x) AS v FROM patients", None)
    amounts = {Measure.SUM: total, Measure.SQUARES: squares}
    result = finish(plan, [amounts.get(block.measure, n) for block in (plan.blocks[f] for f in plan.opened)])
    count, mean, variance = result.interval_rows(0.9, sampling=True)[0]
    spread = stats.sem(values)
    assert result.sampling_rows()[0][1] == pytest.approx(spread)
    assert mean == pytest.approx(stats.t.interval(0.9, n - 1, values.mean(), spread))
    ratio = stats.chi2.ppf([0.95, 0.05], n - 1)
    assert variance == pytest.approx(tuple((n - 1) * values.var(ddof=1) / ratio))
    assert count == pytest.approx((stats.chi2.ppf(0.05, 2 * n) / 2, stats.chi2.ppf(0.95, 2 * n + 2) / 2))


def test_law_an_interval_with_sampling_holds_that_of_the_noise() -> None:
    generator = np.random.default_rng(8)
    plan = planned(EVERY, "0.5")
    for size in (1, 30, 10**4, 10**7):
        for _ in range(10):
            result = finish(plan, generator.integers(-size, size, plan.n_figures, endpoint=True).tolist())
            pairs = zip(
                result.interval_rows(0.9)[0], result.interval_rows(0.9, sampling=True)[0], strict=True
            )
            for noise, both in pairs:
                assert both[0] <= noise[0] + 1e-9
                assert noise[1] <= both[1] + 1e-9
                assert all(map(math.isfinite, both))


def test_noise_and_sampling_are_shown_apart() -> None:
    result = Draws(EVERY, "1", seed=3).answer(300)
    frame, keys = result.sampling_errors, list(result.columns)
    assert list(frame.columns) == keys
    assert frame["n"][0] == pytest.approx(math.sqrt(result.rows[0][0]))
    assert result.standard_errors["n"][0] != frame["n"][0]
    assert frame["m"][0] == pytest.approx(SD / math.sqrt(300), rel=0.5)
    assert result.interval(0.95, sampling=True)["m"][0] == result.interval_rows(0.95, sampling=True)[0][2]


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        (
            "SELECT AVG(x) AS m FROM patients",
            "m: the sampling error of AVG needs the spread of its column: ask STDDEV",
        ),
        ("SELECT SUM(y) AS t, STDDEV(x) AS d FROM patients", "t: the sampling error of SUM needs the spread"),
        ("SELECT VAR_SAMP(b) AS v FROM patients", "v: the sampling error of a column of two values"),
    ],
)
@pytest.mark.parametrize("epsilon", ["1", None])
def test_what_does_not_follow_from_the_answer_is_refused_with_what_to_ask(sql, what, epsilon) -> None:
    plan = planned(sql, epsilon)
    result = finish(plan, [40] * len(plan.opened))
    with pytest.raises(InvalidRequestError, match=what):
        result.interval(sampling=True)
    result.interval()
    assert result.sampling_errors.isna().all(axis=None) or "d" in result.columns


def test_rows_that_hang_together_have_no_sampling_error_but_units_have() -> None:
    several = TABLE | {"privacy_unit": "person", "max_rows_per_unit": 3}
    schema = Schema.from_dict({"tables": {"patients": several}})
    result = finish(planned("SELECT COUNT(*) AS n FROM patients", "1", schema), [40])
    with pytest.raises(InvalidRequestError, match=r"rows of one person .* COUNT\(DISTINCT person\)"):
        result.interval(sampling=True)
    units = finish(planned("SELECT COUNT(DISTINCT person) AS n FROM patients", "1", schema), [40])
    assert units.interval_rows(sampling=True)[0][0][0] >= 0


@pytest.mark.parametrize("level", [0, 1, -1, "0.9", True, None, float("nan")])
def test_a_level_out_of_range_is_refused(level) -> None:
    result = finish(planned("SELECT COUNT(*) AS n FROM patients", "1"), [40])
    with pytest.raises(InvalidRequestError, match="level"):
        result.interval(level, sampling=True)
