"""Private answers over few rows: in their public range, flagged, never NA, under intervals that cover."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.results.assemble import finish
from analytics.results.result import TOO_FEW
from analytics.statistics.aggregate import PlanColumn
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.blocks import Measure
from analytics.statistics.uncertainty.bounded import Span
from analytics.statistics.uncertainty.estimates import Opened

EVERY = (
    "SELECT b, COUNT(*) AS rows_, COUNT(x) AS known, SUM(x) AS s, SUM(y) AS t, AVG(x) AS m, AVG(b) AS share,"
    " VAR_SAMP(x) AS vs, VAR_POP(x) AS vp, STDDEV_SAMP(x) AS ds, STDDEV_POP(x) AS dp,"
    " AVG(CASE WHEN y > 3 THEN 2 * x ELSE y END) AS made FROM visits GROUP BY b"
)
N_ROWS = 3 * 1000  # sites times rows_max
WIDTH = 8  # of x, from -3 to 5
RANGES = {
    "rows_": (0, N_ROWS), "known": (0, N_ROWS), "s": (-3 * N_ROWS, 5 * N_ROWS), "t": (0, 9 * N_ROWS), "m": (-3, 5),
    "share": (0, 1), "vs": (0, WIDTH**2 / 2), "vp": (0, WIDTH**2 / 4), "ds": (0, math.sqrt(WIDTH**2 / 2)),
    "dp": (0, WIDTH / 2), "made": (-6, 10),
}  # fmt: skip


@pytest.fixture(scope="module")
def plans(world):
    """Planned once: a plan is the same for all noise."""
    return [
        world.plan(EVERY, "private", epsilon) for epsilon in (Fraction(1, 100), Fraction(1), Fraction(30))
    ]


@pytest.mark.parametrize("level", [1e-9, 0.95, 1 - 2.0**-53])
@pytest.mark.parametrize("size", [1, 30, 1000, 10**5, 10**8])
def test_law_every_private_value_lies_in_its_public_range(plans, level, size) -> None:
    generator = np.random.default_rng(size)
    for plan in plans * 4:
        noisy = generator.integers(-size, size, plan.n_figures, endpoint=True).tolist()
        check_ranges(finish(plan, noisy), level)


def check_ranges(result, level) -> None:
    intervals = result.interval_rows(level)
    for row, errors, between in zip(result.rows, result.errors, intervals, strict=True):
        for name, value, error, interval in zip(
            result.columns[1:], row[1:], errors[1:], between[1:], strict=True
        ):
            low, high = RANGES[name]
            assert value is not None
            assert low <= interval[0] <= value <= interval[1] <= high
            assert 0 < error < math.inf
    assert {name for _, name in result.too_few} <= set(RANGES)


@pytest.fixture(scope="module")
def one_row(world):
    return world.plan(
        "SELECT COUNT(x) AS n, AVG(x) AS m, VAR_POP(x) AS v, STDDEV_POP(x) AS d FROM visits", "private"
    )


@settings(max_examples=100, deadline=None)
@given(st.tuples(st.integers(-100, 100), st.integers(-400, 400), st.integers(-2000, 2000)))
def test_a_cell_is_flagged_if_clamped_or_below_four_deviations(one_row, noisy) -> None:
    plan = one_row
    result = finish(plan, noisy)
    flagged = {name for _, name in result.too_few}
    count = noisy[0] / plan.weights[0]
    is_few = count < 4 * plan.noise_sd(0)
    n, row = max(count, 1), dict(zip(result.columns, result.rows[0], strict=True))
    total, squares = noisy[1] / plan.weights[1], noisy[2] / plan.weights[2]
    column = plan.columns[1]
    mean = 0.5 * (column.center + total / n)
    variance = 0.25 * (squares / n + plan.columns[2].offset - (total / n) ** 2)
    assert row["m"] == pytest.approx(min(max(mean, -3), 5))
    assert row["v"] == pytest.approx(min(max(variance, 0), 16))
    assert row["d"] ** 2 == pytest.approx(row["v"])
    assert ("n" in flagged) == (count < 0)
    assert ("m" in flagged) == (is_few or not -3 <= mean <= 5)
    assert ("v" in flagged) == ("d" in flagged) == (is_few or not 0 <= variance <= 16)


def test_an_empty_group_has_values_flags_and_intervals_instead_of_na(world) -> None:
    plan = world.plan(
        "SELECT k, AVG(x) AS m, VAR_SAMP(x) AS v, STDDEV_SAMP(x) AS d FROM visits GROUP BY k", "private"
    )
    result = finish(plan, [-5] * plan.n_figures)
    assert not result.frame.isna()[["m", "v", "d"]].any(axis=None)
    assert (result.flags[["m", "v", "d"]] == TOO_FEW).all(axis=None)
    assert result.interval()["m"].tolist() == [(-3.0, 5.0)] * 4
    assert result.to_dict()["too_few"][0] == {"row": 0, "column": "m"}
    assert result.suppressed == ()


def test_an_exact_answer_is_never_flagged_and_keeps_na(world) -> None:
    result = finish(world.plan("SELECT AVG(x) AS m, STDDEV(x) AS d FROM visits"), [0, 0, 0])
    assert (result.rows, result.too_few) == (((None, None),), ())


# intervals cover the answer without noise, whatever the size of the group

LEVEL, Z = 0.95, 1.959963984540054
LOWER, UPPER = -40, 60
NAMES = (
    "mean",
    "variance_sample",
    "variance_population",
    "deviation_sample",
    "count",
    "sum",
)


def true_value(aggregate: str, rows: list[int]) -> float:
    if aggregate == "count":
        return len(rows)
    if aggregate == "sum":
        return sum(rows)
    if aggregate == "mean":
        return float(np.mean(rows))
    variance = float(np.var(rows, ddof=1 if aggregate.endswith("_sample") else 0))
    return math.sqrt(variance) if aggregate == "deviation_sample" else variance


def covered(aggregate: str, rows: list[int], count_sd: float, trials: int, generator) -> int:
    """How many intervals around fresh noise hold the answer without it."""
    is_sum = aggregate in {"count", "sum"}
    center, reach = (0, 60) if is_sum else (10, 50)
    offset = reach**2 // 2
    kind = AGGREGATES[aggregate]
    column = PlanColumn(name="a", aggregate=kind, center=center, offset=offset)
    span = Span(lower=LOWER, upper=UPPER, n_rows=10**4)
    shifted = [row - center for row in rows]
    clear = {
        Measure.COUNT: len(rows), Measure.SUM: sum(shifted), Measure.SQUARES: sum(d * d - offset for d in shifted),
    }  # fmt: skip
    wanted = {"count": [Measure.COUNT], "sum": [Measure.SUM]}.get(aggregate, list(Measure))
    sds = {Measure.COUNT: count_sd, Measure.SUM: reach * count_sd, Measure.SQUARES: offset * count_sd}
    truth = true_value(aggregate, rows)
    low_end, high_end = (float(end) for end in kind.public_range(column, span))
    assert low_end - 1e-9 <= truth <= high_end + 1e-9
    hits = 0
    for draw in generator.standard_normal((trials, 3)):
        noise = dict(zip(clear, draw, strict=True))
        figures = {
            m: Opened(value=Fraction(clear[m]) + Fraction(noise[m] * sds[m]), noise_sd=sds[m])
            for m in clear
            if m in wanted
        }
        low, high = kind.bounded(column, figures, span).interval.between(Z)
        hits += low - 1e-9 <= truth <= high + 1e-9
    return hits


def shapes(n: int) -> list[list[int]]:
    """Rows where intervals are hardest: all at one bound, half at each, all in the middle, spread."""
    halves = [LOWER] * (n // 2) + [UPPER] * (n - n // 2)
    return [[UPPER] * n, halves, [10] * n, [LOWER + 100 * i // max(1, n - 1) for i in range(n)]]


def check_coverage(sizes: list[int], count_sd: float, trials: int) -> None:
    generator = np.random.default_rng(11)
    allowed = 5 * math.sqrt(trials * LEVEL * (1 - LEVEL))  # false alarm below 1e-6 each
    for n in sizes:
        for rows in shapes(n):
            for aggregate in NAMES:
                hits = covered(aggregate, rows, count_sd, trials, generator)
                assert hits >= LEVEL * trials - allowed, (n, rows[:4], aggregate, hits)


def test_intervals_cover_small_groups_as_often_as_they_say() -> None:
    check_coverage([2, 30], 10.0, 120)


@pytest.mark.slow
@pytest.mark.parametrize("count_sd", [1.0, 10.0, 100.0])
def test_intervals_cover_groups_of_every_size_as_often_as_they_say(count_sd) -> None:
    check_coverage([max(2, round(size * count_sd)) for size in (0.02, 1, 2, 4, 6, 20)], count_sd, 200)
