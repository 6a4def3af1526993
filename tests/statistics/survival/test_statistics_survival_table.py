"""One released survival table gives curves, restricted means and log-rank tests; each equals its own statistic's."""

import math
import time

import numpy as np
import pytest
from scipy import stats
from statistic_world import StatisticWorld
from survival_reference import TABLES, cells_of, columns_of, frame_of, rows_of, table_of

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.life_tables import log_rank_cells
from analytics.statistics.life_tables.log_rank_cells import TestForm as Form
from analytics.statistics.life_tables.log_rank_cells import log_rank_of
from analytics.statistics.life_tables.mean_answer import rmst_of

ASKED = {"duration": "days", "event": "died", "by": "arm"}


def stacked(name, *, strata):
    """Cells of strata, groups and intervals."""
    rows, count = rows_of(name), len(TABLES[name]["edges"]) - 1
    layers = [rows[rows.stratum == value] for value in (0, 1)] if strata else [rows]
    return np.stack([[cells_of(part[part.group == group], count) for group in range(3)] for part in layers])


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "test", ["plain", "stratified", "trend", "wilcoxon", "tarone-ware", "peto", "fleming-harrington"]
)
def test_weighted_stratified_and_trend_tests_equal_those_of_the_libraries(name, test):
    cells = stacked(name, strata=test == "stratified")
    if test not in {"plain", "stratified", "trend"}:
        cells = cells[:, :2]  # lifelines weighs tests of two groups
    named = test if test in log_rank_cells.WEIGHTINGS else "log-rank"
    exponents = {"p": 1.0, "q": 0.5} if test == "fleming-harrington" else {}
    form = Form(weightings=named, trend=test == "trend", **exponents)
    statistic, pvalue = TABLES[name]["tests"][test]
    found = log_rank_of(cells[np.newaxis], form)[0][0]
    assert found == pytest.approx(statistic, rel=1e-9, abs=1e-9)
    if pvalue is not None:
        assert stats.chi2.sf(found, form.degrees(cells.shape[1])) == pytest.approx(pvalue, rel=1e-7)


@pytest.mark.parametrize(
    "more",
    [
        {"strata": "clinic"},
        {"trend": True},
        {"weightings": "wilcoxon"},
        {"weightings": "fleming-harrington", "p": 1, "q": "0.5", "strata": "clinic"},
    ],
)
def test_log_rank_over_shares_takes_the_form_that_is_asked(more):
    world = StatisticWorld(frame_of("heart_failure"), columns_of("heart_failure"))
    assert 0 < world.ask("log_rank", epsilon="1", **ASKED, **more).pvalue <= 1
    answer = world.clear("log_rank", epsilon="40", **ASKED, **more)  # what is opened, without noise
    form = Form(
        weightings=more.get("weightings", "log-rank"),
        p=1.0 if "p" in more else 0.0,
        q=0.5 if "q" in more else 0.0,
        trend="trend" in more,
    )
    known = log_rank_of(stacked("heart_failure", strata="strata" in more)[np.newaxis], form)[0][0]
    assert answer.statistic == pytest.approx(known, rel=1e-9)
    assert (answer.dof, len(answer.n)) == (1 if "trend" in more else 2, 3)
    rows = rows_of("heart_failure")
    assert answer.observed == tuple(rows.groupby("group").event.sum())


def test_everything_from_one_table_is_free_and_the_same():
    world = StatisticWorld(frame_of("heart_failure"), columns_of("heart_failure"))
    plan = world.plan("survival_table", epsilon="2", **ASKED)
    assert (len(plan.cost), plan.has_products, len(plan.statistic.every_step())) == (1, False, 1)
    answer = world.ask("survival_table", epsilon="2", **ASKED)
    found = answer.kaplan_meier(), answer.rmst(210.0), answer.log_rank(), answer.log_rank(trend=True)
    for each in found:
        assert (each.cost, each.receipt) == (answer.cost, answer.receipt)
    for kind, own in (("kaplan_meier", found[0]), ("rmst", found[1]), ("log_rank", found[2])):
        other = world.plan(kind, epsilon="2", **ASKED | ({"tau": 210} if kind == "rmst" else {}))
        assert other.noise == plan.noise
        opened = (answer.seed,)
        assert other.statistic.estimate(opened, other.noise).to_dict() == own.to_dict()


def test_an_exact_table_gives_curves_and_means_of_open_intervals_and_no_test():
    world = StatisticWorld(frame_of("heart_failure"), columns_of("heart_failure"))
    answer = world.ask("survival_table", duration="days", event="died", grid=[90, 180])
    assert answer.frame.events.notna().sum() == answer.kaplan_meier().frame.survival.notna().sum() == 2
    assert answer.rmst().tau == 180
    with pytest.raises(InvalidRequestError, match="must be private"):
        answer.log_rank()


def test_restricted_means_close_with_their_intervals():
    """The attack: a mean up to an interval with one death is that death's."""
    world = StatisticWorld(frame_of("heart_failure"), columns_of("heart_failure"))
    answer = world.ask("rmst", tau=300, **ASKED)
    assert (answer.closed, answer.means) == ("minimum_cell", ())
    assert answer.frame.restricted_mean.isna().all()
    assert answer.contrasts().difference.isna().all()
    assert world.ask("rmst", duration="days", event="died", grid=[90, 180], tau=180).closed == ""


def test_contrasts_are_differences_and_ratios_with_their_errors():
    edges = TABLES["heart_failure"]["edges"]
    rows = rows_of("heart_failure")
    tables = [table_of(cells_of(rows[rows.group == group], len(edges) - 1), edges) for group in range(3)]
    answer = rmst_of(tables, 300.0)
    first, _, last = answer.means
    row = answer.contrasts(0.9).iloc[1]
    error = math.hypot(first.sampling, last.sampling)
    assert (row.difference, row.standard_error) == pytest.approx((last.value - first.value, error), rel=1e-12)
    assert row.pvalue == pytest.approx(2 * stats.norm.sf(abs(row.difference) / error), rel=1e-9)
    spread = stats.norm.ppf(0.95) * math.hypot(first.sampling / first.value, last.sampling / last.value)
    assert row.ratio_high == pytest.approx(last.value / first.value * math.exp(spread), rel=1e-9)
    assert answer.picture().labels == ["all"] * 3
    assert answer.frame.restricted_mean.is_monotonic_decreasing  # the older, the shorter


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["0.3", "1"])
def test_contrasts_of_4000_releases_keep_their_level(epsilon):
    """Two arms of people drawn from one table, released with noise: at most 6 % reject at 5 %."""
    world = StatisticWorld(frame_of("heart_failure"), columns_of("heart_failure"))
    law, edges = world.plan("rmst", epsilon=epsilon, **ASKED).noise[0], TABLES["heart_failure"]["edges"]
    generator, rejected, trials, covered = np.random.default_rng(5), 0, 4_000, 0
    chances = cells_of(rows_of("heart_failure"), len(edges) - 1)
    chances = (chances / chances.sum()).ravel()
    for _ in range(trials):
        drawn = generator.multinomial(300, chances, size=2) + law.draw(2 * chances.size, generator).reshape(
            2, -1
        )
        tables = [table_of(each.reshape(-1, 2), edges, law.sd) for each in drawn]
        row = rmst_of(tables, 180.0).contrasts().iloc[0]
        rejected += row.pvalue <= 0.05
        covered += row.low <= 0 <= row.high and row.ratio_low <= 1 <= row.ratio_high
    assert stats.binomtest(int(rejected), trials, 0.06, alternative="greater").pvalue > 1e-6, rejected
    assert stats.binomtest(int(covered), trials, 0.94, alternative="less").pvalue > 1e-6, covered


def test_ten_thousand_people_sixty_intervals_two_groups_at_epsilon_1():
    """The curve is within 0.03 of the one without noise where a tenth is still at risk, in at least 95 of 100 releases."""
    edges, generator, trials, near = list(range(61)), np.random.default_rng(2), 100, 0
    columns = {
        "days": {"type": "numeric", "lower": 0, "upper": 60, "resolution": 1, "bins": edges},
        "died": {"type": "boolean"},
        "arm": {"type": "categorical", "domain": ["0", "1"]},
    }
    world = StatisticWorld(frame_of("heart_failure").iloc[:0], columns, rows_max=10_000)
    plan = world.plan("survival_table", epsilon="1", **ASKED)
    assert (plan.most_opened, len(plan.statistic.every_step())) == (240, 1)
    law = plan.noise[0]
    for _ in range(trials):
        cells = []
        for scale in (60, 45):
            times, leaves = generator.exponential(scale, 5_000), generator.uniform(10, 75, 5_000)
            place = np.minimum(np.minimum(times, leaves).astype(int), 59)
            each = np.zeros((60, 2))
            np.add.at(each, (place, ((times <= leaves) & (times < 60)).astype(int)), 1)
            cells.append(each)
        opened = np.rint((np.array(cells).ravel() + law.draw(240, generator)) * law.weight).astype(np.int64)
        start = time.process_time()
        answer = plan.statistic.estimate((opened,), plan.noise)
        curves = answer.kaplan_meier().frame
        if not near:
            answer.log_rank(), answer.rmst(), print(f"{time.process_time() - start:.3f} s of computing")
        off = 0.0
        for each, (_, found) in zip(cells, curves.groupby("group"), strict=True):
            true = table_of(each, edges)
            counted = true.at_risk >= 500
            off = max(off, np.abs(found.survival.to_numpy(float) - true.survival().value)[counted].max())
        near += off <= 0.03
    assert near >= 95, near


def test_data_without_events_censorings_or_rows_give_ordinary_private_answers():
    frame = frame_of("heart_failure")
    for data in (
        frame.assign(died=False),
        frame.assign(died=True),
        frame.iloc[:0],
        frame.assign(arm="0"),
        frame.assign(days=3),
    ):
        world = StatisticWorld(data, columns_of("heart_failure"))
        answer = world.ask("survival_table", epsilon="0.5", **ASKED)
        assert not answer.closed
        assert answer.kaplan_meier().frame.survival.notna().all()
        assert len(answer.rmst(300.0).contrasts()) == 2
        assert 0 < answer.log_rank().pvalue <= 1
        exact = world.ask("survival_table", **ASKED)
        assert exact.kaplan_meier().medians.keys() == {"0", "1", "2"}
        assert exact.rmst().closed == "minimum_cell"


@pytest.mark.parametrize(
    ("name", "changed", "error", "text"),
    [
        ("rmst", {"tau": 45}, InvalidRequestError, "one edge of the grid, above its first"),
        ("rmst", {"tau": 0}, InvalidRequestError, "one edge of the grid, above its first"),
        ("rmst", {"tau": 90, "grid": [60]}, InvalidRequestError, "one edge of the grid"),
        ("survival_table", {"grid": [90, 60]}, InvalidRequestError, "must rise"),
        ("log_rank", {"strata": "arm"}, InvalidRequestError, "another column"),
        ("log_rank", {"strata": "nurse"}, PlanRejectedError, "unknown column"),
        ("log_rank", {"weightings": "gehan"}, InvalidRequestError, "must be one of log-rank, wilcoxon"),
        ("log_rank", {"p": 1}, InvalidRequestError, "belongs to weightings = fleming-harrington"),
        ("log_rank", {"weightings": "fleming-harrington", "q": 9}, InvalidRequestError, "from 0 to 5"),
        ("log_rank", {"trend": "yes"}, InvalidRequestError, "must be true or false"),
    ],
)
def test_arguments_are_refused_before_a_charge(name, changed, error, text):
    world = StatisticWorld(frame_of("heart_failure"), columns_of("heart_failure"))
    with pytest.raises(error, match=text):
        world.plan(name, epsilon="1", **ASKED | changed)


def test_a_test_of_one_group_is_refused_after_the_opening_without_a_number():
    answer = StatisticWorld(frame_of("heart_failure"), columns_of("heart_failure")).ask(
        "survival_table", epsilon="1", duration="days", event="died"
    )
    with pytest.raises(InvalidRequestError, match="at least 2 groups"):
        answer.log_rank()
    with pytest.raises(InvalidRequestError, match="tau must be one edge"):
        answer.rmst(45.0)
