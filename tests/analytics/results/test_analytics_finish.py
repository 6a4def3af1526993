"""Finishing: formulas, standard errors, suppression, order, frames."""

import dataclasses
import math
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.errors import InvalidRequestError, ReleaseRefusedError
from analytics.results.assemble import finish
from analytics.results.result import Result
from analytics.sql.query import Form
from analytics.statistics.aggregate import PlanColumn
from analytics.statistics.aggregates import AGGREGATES
from analytics.statistics.blocks import Measure
from analytics.statistics.uncertainty.estimates import Estimate, Opened

if TYPE_CHECKING:
    from analytics.plans.plan import Plan

SQL = "SELECT k, COUNT(*) AS n, AVG(x) AS m FROM visits GROUP BY k"


def finished(world, sql: str, values: list[int | None], mode: str = "exact") -> Result:
    return finish(world.plan(sql, mode), values)


# suppression


def test_closed_figures_are_na_and_listed(world) -> None:
    plan = world.plan(SQL)
    values: list[int | None] = list(range(1, len(plan.opened) + 1))
    values[1] = None  # COUNT(*) of green
    values[2 * plan.n_groups + 2] = None  # the sum of x of blue
    result = finish(plan, values)
    assert result.suppressed == ((1, "n"), (2, "m"))
    assert [row[1] for row in result.rows] == [1, None, 3, 4]
    assert result.rows[2][2] is None
    assert result.errors[1] == (None, None, 0.0)
    assert result.frame["n"].isna().tolist() == [False, True, False, False]


def test_na_without_suppression_is_not_listed(world) -> None:
    result = finished(world, "SELECT AVG(x) AS m FROM visits", [0, 0])
    assert (result.rows, result.errors, result.suppressed) == (((None,),), ((None,),), ())


@pytest.mark.parametrize("length", [0, 11, 13])
def test_the_number_of_openings_must_fit(world, length: int) -> None:
    with pytest.raises(ReleaseRefusedError) as caught:
        finished(world, SQL, [0] * length)
    assert caught.value.rule == "opening_length"


# order and limit


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("", ["red", "green", "blue", None]),
        ("ORDER BY k", ["blue", "green", "red", None]),
        ("ORDER BY k DESC", ["red", "green", "blue", None]),
        ("ORDER BY k NULLS FIRST", [None, "blue", "green", "red"]),
        ("ORDER BY k DESC NULLS FIRST", [None, "red", "green", "blue"]),
        ("ORDER BY n DESC, k", ["green", "blue", "red", None]),
        ("ORDER BY 2, 1 DESC", [None, "red", "blue", "green"]),
        ("ORDER BY COUNT(*), k LIMIT 2", [None, "blue"]),
        ("LIMIT 0", []),
    ],
)
def test_order_and_limit(world, tail: str, expected: list) -> None:
    sql = f"SELECT k, COUNT(*) AS n FROM visits GROUP BY k {tail}"
    assert [row[0] for row in finished(world, sql, [5, 9, 5, 1]).rows] == expected


def test_bands_sort_by_their_edges_and_suppressed_cells_by_their_nulls(world) -> None:
    sql = "SELECT x, COUNT(*) AS n FROM visits GROUP BY x ORDER BY x DESC"
    result = finished(world, sql, [1, 2, 3, 4])
    assert [row[0] for row in result.rows] == ["[2.5, 5]", "[0, 2.5)", "[-3, 0)", None]
    result = finished(world, sql.replace("ORDER BY x DESC", "ORDER BY n"), [3, None, 1, 2])
    assert [row[1] for row in result.rows] == [1, 2, 3, None]
    assert result.suppressed == ((3, "n"),)


# types and frames


def test_frame_has_exactly_the_selects_columns(world) -> None:
    sql = "SELECT COUNT(*) AS n, b, AVG(x) AS m, SUM(y) AS s, SUM(x) AS t FROM visits GROUP BY b"
    result = world.answer(sql, "private", Fraction(1, 4))
    assert list(result.frame.columns) == ["n", "b", "m", "s", "t"]
    assert [str(t) for t in result.frame.dtypes][1:3] == ["boolean", "Float64"]
    for frame in (result.standard_errors, result.interval(0.9)):
        assert (list(frame.columns), frame.shape) == (list(result.columns), result.frame.shape)
        assert frame["b"].tolist() == result.frame["b"].tolist()  # a figure without its group says nothing
    assert list(result.flags.columns) == list(result.columns)
    assert result.flags["b"].tolist() == result.frame["b"].tolist()


def test_types_never_depend_on_the_data(world) -> None:
    result = finished(world, "SELECT COUNT(*), SUM(x), SUM(y) FROM visits", [4, 8, 8])
    assert [type(cell) for cell in result.rows[0]] == [int, float, int]
    assert result.rows == ((4, 4.0, 8),)
    assert world.answer("SELECT c, COUNT(*) FROM visits GROUP BY c", "private").kinds[0] == "integer"


def test_to_dict_is_what_json_shows(world) -> None:
    result = finish(world.plan(SQL), [1] * 12, receipt={"entry": 7})
    shape = result.to_dict()
    assert set(shape) == {
        "columns", "rows", "standard_errors", "intervals", "suppressed", "too_few", "cost", "receipt",
    }  # fmt: skip
    assert shape["intervals"]["level"] == 0.95
    assert shape["intervals"]["rows"][0] == [None, (1.0, 1.0), (0.5, 0.5)]
    assert (shape["columns"], shape["rows"][0]) == (["k", "n", "m"], ["red", 1, 0.5])
    assert shape["receipt"] == {"entry": 7}
    assert shape["cost"] == {
        "mode": "exact", "population": "visits", "privacy_unit": "row", "max_sites_per_unit": 1, "minimum_cell": 0,
        "threshold": 0, "suppressed_where": "no minimum cell is set, so no cell is suppressed",
    }  # fmt: skip
    private = world.answer("SELECT COUNT(*) FROM visits", "private").cost
    assert (private["epsilon"], private["delta"], private["colluding"]) == ("1", "0.000001", 1)


# standard errors


def test_exact_errors_are_zero(world) -> None:
    assert world.answer(SQL).errors[0] == (None, 0.0, 0.0)


def test_intervals(world) -> None:
    result = world.answer("SELECT COUNT(*) AS n FROM visits", "private")
    [[(low, high)]] = result.interval_rows(0.9)
    [[error]] = result.errors
    assert (low + high) / 2 == pytest.approx(60)
    assert high - low == pytest.approx(2 * NormalDist().inv_cdf(0.95) * error)


@pytest.mark.parametrize("level", [0, 1, -1, 2, math.nan, True, "0.95", None])
def test_levels_of_intervals(world, level: float) -> None:
    with pytest.raises(InvalidRequestError):
        world.answer("SELECT COUNT(*) FROM visits").interval_rows(level)


COLUMNS = [a for a in AGGREGATES.values() if a.form in {Form.VALUE, Form.NUMBER}]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([a for a in COLUMNS if a.adds_values]),
    st.lists(st.integers(-50, 50), min_size=5, max_size=30).filter(lambda xs: len(set(xs)) > 2),
    st.integers(-40, 40),
    st.integers(0, 900),
    st.sampled_from([Fraction(1), Fraction(1, 10), Fraction(5, 2)]),
)
def test_standard_errors_are_the_gradient(aggregate, xs, center, offset, unit) -> None:
    """Against finite differences of the estimate itself."""
    column = PlanColumn(name="a", aggregate=aggregate, unit=unit, center=center, offset=offset)
    shifted = [x - center for x in xs]
    values = {
        Measure.COUNT: len(xs), Measure.SUM: sum(shifted), Measure.SQUARES: sum(d * d - offset for d in shifted),
    }  # fmt: skip
    sds = {Measure.COUNT: 0.3, Measure.SUM: 2.0, Measure.SQUARES: 31.0}

    def at(**nudge: float) -> Fraction | float:
        parts = {
            m: Opened(value=Fraction(v) + Fraction(nudge.get(m.value, 0)), noise_sd=sds[m])
            for m, v in values.items()
        }
        return aggregate.estimate(column, parts)

    step = 2.0**-20
    slopes = [
        (float(at(**{m.value: step}).value) - float(at(**{m.value: -step}).value)) / (2 * step) * sds[m]
        for m in values
    ]
    assert at().standard_error == pytest.approx(math.hypot(*slopes), rel=1e-4, abs=1e-7)


def test_noise_is_as_large_as_stated(world) -> None:
    """400 fresh noises: the spread of the answers is the stated standard error, within 5 of its own."""
    sql = "SELECT COUNT(*) AS n, SUM(y) AS s, AVG(x) AS m FROM visits"
    plan = world.plan(sql, "private", Fraction(40))
    clear = np.array(world.total(plan)) * np.array(plan.weights)
    generator = np.random.default_rng(7)
    noise = generator.normal(0, np.sqrt(3 * np.array(plan.sigma2_local)), (400, plan.n_figures)).round()
    answers = np.array([finish(plan, [int(v) for v in clear + one]).rows[0] for one in noise], dtype=float)
    stated = np.array(finish(plan, [int(v) for v in clear]).errors[0])
    assert answers.std(axis=0) == pytest.approx(stated, rel=5 / math.sqrt(800))


# undefined answers


def estimate_of(name: str, parts: dict[str, Opened]) -> Estimate:
    aggregate = AGGREGATES[name]
    return aggregate.estimate(PlanColumn(name="a", aggregate=aggregate, unit=Fraction(1)), parts)


@pytest.mark.parametrize("aggregate", [a.name for a in COLUMNS if a.is_centered])
@pytest.mark.parametrize("count", [Fraction(-3), Fraction(0), Fraction(1, 2), Fraction(1)])
def test_counts_that_are_not_above_zero_give_na(aggregate: str, count: Fraction) -> None:
    parts = {m: Opened(value=Fraction(2), noise_sd=1.0) for m in Measure} | {
        Measure.COUNT: Opened(value=count, noise_sd=1.0)
    }
    sample = aggregate.endswith("_sample")
    undefined = count <= (1 if sample else 0)
    found = estimate_of(aggregate, parts)
    if undefined:
        assert (found.value, found.standard_error) == (None, None)


def test_a_noisy_variance_below_zero_has_no_deviation() -> None:
    parts = {
        Measure.COUNT: Opened(value=Fraction(10), noise_sd=1.0),
        Measure.SUM: Opened(value=Fraction(100), noise_sd=1.0),
        Measure.SQUARES: Opened(value=Fraction(10), noise_sd=1.0),
    }
    assert estimate_of("variance_population", parts).value == -99
    assert estimate_of("deviation_population", parts).value is None


def test_exact_values_are_rounded_once() -> None:
    """A variance whose textbook form cancels: 1e9 rows around 1e9."""
    n, x = 10**9, 10**9
    parts = {
        Measure.COUNT: Opened(value=Fraction(2 * n), noise_sd=0.0),
        Measure.SUM: Opened(value=Fraction(n * x + n * (x + 1)), noise_sd=0.0),
        Measure.SQUARES: Opened(value=Fraction(n * x**2 + n * (x + 1) ** 2), noise_sd=0.0),
    }
    assert estimate_of("variance_population", parts).value == Fraction(1, 4)


def test_results_are_frozen_and_need_no_pandas(world) -> None:
    result = world.answer(SQL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.rows = ()
    assert isinstance(result.frame, pd.DataFrame)


def test_plans_are_frozen(world) -> None:
    plan: Plan = world.plan(SQL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.blocks = ()
