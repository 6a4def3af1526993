"""Private Cox regression: the fit of a released table, which covers what it says, at the price of a count."""

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest
from statistic_world import StatisticWorld
from survival_reference import TABLES, frame_of

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.hazards.noisy_cox import CoxTable, _nodes
from tests.statistics.survival.test_statistics_cox import COLUMNS, patients

GRID = [20, 40, 60, 80, 120, 160]
BINNED = COLUMNS | {"age": COLUMNS["age"] | {"bins": [20, 50, 70, 100]}}
ASKED = {"duration": "days", "event": "died", "covariates": ["ward", "smoker"], "grid": GRID}


def table_of(name, strata, has_efron, noise_sd=0.0):
    """Of the table's rows: arms, and the clinic as covariate or stratum."""
    frame, edges = frame_of(name), TABLES[name]["edges"]
    place = np.digitize(frame.days, edges[1:-1])
    arm, clinic, died = frame.arm.astype(int), frame.clinic.astype(int), frame.died.astype(int)
    cells = np.zeros((2, 3, len(edges) - 1, 2))
    np.add.at(cells, (clinic, arm, place, died), 1)
    if strata:
        return CoxTable(cells, np.eye(3)[:, 1:], noise_sd, has_efron)
    both = np.concatenate([np.eye(3)[:, 1:].repeat(2, axis=0), np.tile([[0.0], [1.0]], (3, 1))], axis=1)
    return CoxTable(np.swapaxes(cells, 0, 1).reshape(1, 6, -1, 2), both, noise_sd, has_efron)


# values


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("name", TABLES)
def test_without_noise_a_fit_equals_that_of_statsmodels_and_concordance_that_of_lifelines(name, ties):
    table = table_of(name, strata=False, has_efron=ties == "efron")
    fit, oracle = table.fit(), TABLES[name]["models"][ties]
    assert fit.params == pytest.approx(oracle["params"], abs=1e-7)
    assert np.sqrt(np.diag(fit.sampling)) == pytest.approx(oracle["bse"], rel=1e-6)
    assert not fit.noise.any()
    assert table.concordance(fit)[0] == pytest.approx(oracle["concordance"], abs=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_without_noise_strata_equal_those_of_statsmodels(name):
    fit, oracle = table_of(name, strata=True, has_efron=False).fit(), TABLES[name]["models"]["stratified"]
    assert fit.params == pytest.approx(oracle["params"], abs=1e-7)
    assert np.sqrt(np.diag(fit.sampling)) == pytest.approx(oracle["bse"], rel=1e-6)


@pytest.mark.parametrize("total", [1.0, 2.0, 5.0, 6.0, 7.0, 40.0])
def test_law_efrons_quadrature_is_the_sum_over_tied_events(total):
    """Of up to six events to the last digit; beyond, while they are at most half of those at risk, to 1e-8."""
    nodes, weights = _nodes(np.array([total]))
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    for share in (0.1, 0.5):
        each = 1 / (1 - share * np.arange(int(total)) / total)
        close = 1e-13 if total <= 6 else 1e-8
        assert (weights / (1 - share * nodes)).sum() == pytest.approx(each.mean(), abs=close)


def test_without_noise_the_checks_equal_those_of_an_exact_fit():
    """Shares and the table have no code in common."""
    frame = patients(n=4000)
    asked = {
        "duration": "days",
        "event": "died",
        "covariates": ["smoker"],
        "strata": "ward",
        "grid": [32, 80, 140],
    }
    world = StatisticWorld(frame, COLUMNS, rows_max=2000)
    exact = world.ask("cox", **asked, proportional=True, baseline=True)
    place = np.digitize(frame.days, [32, 80, 140])
    cells = np.zeros((3, 2, 4, 2))
    ward = frame.ward.map({"a": 0, "b": 1, "c": 2})
    np.add.at(cells, (ward, frame.smoker.astype(int), place, frame.died.astype(int)), 1)
    table = CoxTable(cells, np.array([[0.0], [1.0]]), 0.0, has_efron=False)
    fit = table.fit()
    assert fit.params == pytest.approx(exact.params, rel=1e-4)
    score, covariance = table.later(fit)
    assert score**2 / np.diag(covariance) == pytest.approx(exact.proportional.statistics, rel=1e-3)
    sums, _, noise = table.baseline(fit)
    for stratum, each in enumerate(exact.baselines):
        assert each.cumulative_hazard == pytest.approx(sums[stratum], abs=4 * 2.0**-13)
    assert not noise.any()


@pytest.mark.parametrize(("strata", "has_efron"), [(True, True), (False, False)])
def test_law_errors_of_the_noise_are_the_derivatives_by_the_cells(strata, has_efron):
    """Each cell moved a little: the fit, the cumulative hazard, the test's score and concordance move as stated."""
    plain = table_of("heart_failure", strata, has_efron)
    noisy = CoxTable(plain.cells + 40, plain.design, 1.0, has_efron)  # so many that every interval is used
    fit, step = noisy.fit(), 1e-3
    found = []
    for place in range(plain.cells.size):
        ends = []
        for sign in (-1, 1):
            cells = noisy.cells.copy()
            cells.ravel()[place] += sign * step
            table = CoxTable(cells, plain.design, 1.0, has_efron)
            moved = table.fit()
            hazard = table.baseline(moved)[0][:, -1]
            ends.append([*moved.params, *hazard, *table.later(moved)[0], table.concordance(moved)[0]])
        found.append((np.array(ends[1]) - ends[0]) / (2 * step))
    sizes = np.sqrt((np.array(found) ** 2).sum(axis=0))
    p, strata_count = len(fit.params), len(noisy.cells)
    close = 0.02 if has_efron else 1e-3  # of Efron's nodes, that they move with the events is left out
    assert np.sqrt(np.diag(fit.noise)) == pytest.approx(sizes[:p], rel=close)
    assert noisy.baseline(fit)[2][:, -1] == pytest.approx(sizes[p : p + strata_count], rel=close)
    _, covariance = noisy.later(fit)
    _, sampling = CoxTable(noisy.cells, plain.design, 0.0, has_efron).later(fit)
    noise = np.sqrt(np.diag(covariance - sampling))
    assert noise == pytest.approx(
        sizes[p + strata_count : -1], rel=0.2
    )  # the information moves with the cells too
    assert noisy.concordance(fit)[1] == pytest.approx(sizes[-1], rel=close)


def test_a_private_answer_is_one_release_of_counts_that_opens_noise():
    world = StatisticWorld(patients(n=4000), BINNED, rows_max=4000)
    asked = ASKED | {"covariates": ["age", "smoker"], "strata": "ward"}
    plan = world.plan("cox", epsilon="4", **asked)
    table = world.plan("survival_table", epsilon="4", duration="days", event="died", by="ward", grid=GRID)
    (mine,), (counts,) = plan.cost, table.cost
    assert (mine.sigma2_local, mine.l1, mine.l2) == (counts.sigma2_local, counts.l1, counts.l2)
    answer = world.ask("cox", epsilon="4", **asked)
    assert answer.terms == ("age=[50, 70)", "age=[70, 100]", "smoker")
    assert answer.closed == ""
    assert all(
        error > noise > 0 for error, noise in zip(answer.standard_errors, answer.noise_errors, strict=True)
    )
    assert [each.name for each in answer.baselines] == ["a", "b", "c"]
    assert answer.baseline.low.le(answer.baseline.survival).all()
    assert 0.5 < answer.concordance < 1
    assert answer.picture().labels == list(answer.terms)
    assert "noise_sd" in answer.summary()
    again = world.clear("cox", epsilon="4", **asked)
    assert again.params == pytest.approx(answer.params, abs=5 * max(answer.noise_errors))


@pytest.mark.parametrize(
    "frame",
    [patients().iloc[:0], patients().assign(died=False), patients().assign(ward="a"), patients().iloc[:40]],
)
def test_nothing_to_fit_is_an_ordinary_answer(frame):
    """No error and no guard follows from data: the code is that of the noisy table."""
    world = StatisticWorld(frame, COLUMNS, rows_max=2000)
    answer = world.ask("cox", epsilon="1", **ASKED)
    assert answer.closed in {"too_few", ""}
    assert answer.to_dict()["noise_sd"] > 0
    assert len(answer.frame) == 3


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"covariates": ["age"]}, PlanRejectedError, "age has no bins"),
        ({"covariates": ["ward", "died"]}, InvalidRequestError, "must not hold duration or event"),
        ({"covariates": ["warp"]}, PlanRejectedError, "unknown column"),
        ({"covariates": "ward"}, InvalidRequestError, "list of at most"),
        ({"ties": "exact"}, InvalidRequestError, "one of efron, breslow"),
        ({"strata": "ward"}, InvalidRequestError, "none of the others"),
        ({"grid": None}, InvalidRequestError, "at most 60 intervals"),
        ({"grid": [21]}, InvalidRequestError, "edges of the declared bins alone"),
    ],
)
def test_arguments_are_refused_before_a_charge(changed, error, text):
    fine = COLUMNS | {"days": COLUMNS["days"] | {"bins": list(range(0, 241, 2))}}
    world = StatisticWorld(patients().iloc[:30], COLUMNS if changed.get("grid", 1) else fine, rows_max=2000)
    with pytest.raises(error, match=text):
        world.plan("cox", epsilon="1", **ASKED | changed)


def test_too_many_combinations_are_refused():
    columns = {f"c{place}": {"type": "categorical", "domain": list("abcdef")} for place in range(3)}
    world = StatisticWorld(
        patients().iloc[:0].assign(c0="a", c1="a", c2="a"), COLUMNS | columns, rows_max=2000
    )
    with pytest.raises(InvalidRequestError, match="not 15 and 216"):
        world.plan("cox", epsilon="1", **ASKED | {"covariates": list(columns)})


# coverage

TRUE = {"ward": [0.0, 0.4, -0.6], "smoker": 0.7}
HAZARD = 1 / 150


def drawn(n, generator):
    """Counts of people whose hazards are proportional: shape (ward, smoker, interval, event), for each stratum of one."""
    ward, smoker = generator.choice(3, n, p=[0.5, 0.3, 0.2]), generator.random(n) < 0.4
    hazard = HAZARD * np.exp(np.array(TRUE["ward"])[ward] + TRUE["smoker"] * smoker)
    times, leaves = generator.exponential(1 / hazard), generator.uniform(10, 300, n)
    seen = np.minimum(np.minimum(times, leaves), 239.9)
    cells = np.zeros((3, 2, len(GRID) + 1, 2))
    died = ((times <= leaves) & (times < 240)).astype(int)
    np.add.at(cells, (ward, smoker.astype(int), np.digitize(seen, GRID), died), 1)
    return cells


def coverage(n, epsilon, strata, count):
    """Shares of releases that cover: parameters, those without noise, the cumulative hazard, concordance; and test levels."""
    world = StatisticWorld(patients().iloc[:0], COLUMNS, rows_max=2000)
    asked = ASKED | ({"covariates": ["smoker"], "strata": "ward"} if strata else {})
    plan = world.plan("cox", epsilon=epsilon, **asked)
    (law,) = plan.noise
    generator, hits = np.random.default_rng(n), []
    # of the population on this grid, which takes those censored in an interval as at risk for its events
    everybody = CoxTable(
        drawn(1_000_000, np.random.default_rng(1)).reshape(
            plan.statistic.n_strata, len(plan.statistic.design), -1, 2
        ),
        plan.statistic.design,
        0.0,
        has_efron=True,
    )
    on_grid = everybody.baseline(everybody.fit())[0][0, 2]
    true = [0.7] if strata else [*TRUE["ward"][1:], 0.7]
    for _ in range(count):
        cells = drawn(n, generator)
        noise = law.draw(cells.size, generator)
        values = np.rint((cells.ravel() + noise) * law.weight).astype(np.int64)
        answer = plan.statistic.estimate((values,), plan.noise)
        design = plan.statistic.design
        clear = CoxTable(
            cells.reshape(plan.statistic.n_strata, len(design), -1, 2), design, 0.0, has_efron=True
        )
        known = clear.fit()
        if answer.closed:
            hits.append([0] + [np.nan] * 7)
            continue
        params, errors = np.array(answer.params), np.array(answer.standard_errors)
        row = [1, np.mean(np.abs(params - true) <= 1.96 * errors)]
        row.append(np.mean(np.abs(params - known.params) <= 1.96 * np.array(answer.noise_errors)))
        first = answer.baselines[0]
        sums = clear.baseline(known)[0][0, 2]
        for part, hazard in (("both", on_grid), ("noise", sums)):
            low, high = first.interval(part=part)[2]
            row.append(low <= np.exp(-hazard) <= high if np.isfinite(low) else np.nan)
        concordance = CoxTable(clear.cells, design, 0.0, has_efron=True).concordance(
            type(known)(
                **{name: getattr(known, name) for name in ("params", "sampling", "noise", "n_steps")},
                used=plan_used(plan, values),
            )
        )[0]
        row.append(abs(answer.concordance - concordance) <= 1.96 * answer.concordance_noise)
        row += [answer.proportional.pvalue <= 0.05, answer.wald_pvalue <= 0.05]
        hits.append(row)
    return np.nanmean(np.array(hits, dtype=float), axis=0)


def plan_used(plan, values):
    """The intervals that the noisy table used."""
    design, (law,) = plan.statistic.design, plan.noise
    cells = (values / law.weight).reshape(plan.statistic.n_strata, len(design), -1, 2)
    return CoxTable(cells, design, law.sd, has_efron=True).used


def check(found, trials):
    """Coverage of at least 94 %, which a binomial test of the releases that are shown does not reject at 1e-6."""
    shown, *covered, level, _ = found
    assert shown > 0.5, found
    count = round(shown * trials)
    for share in covered:
        assert binomtest(round(share * count), count, 0.94, alternative="less").pvalue > 1e-6, found
    assert level <= 0.06, found


def test_a_few_releases_cover_what_they_say():
    found = coverage(2000, "1", strata=False, count=60)
    assert min(found[1:6]) > 0.88
    assert found[0] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "epsilon", "strata"),
    [(500, "1", False), (2000, "1", False), (2000, "0.5", True), (10_000, "0.5", False), (2000, "4", False)],
)
def test_releases_cover_parameters_hazards_and_concordance_as_often_as_they_say(n, epsilon, strata):
    check(coverage(n, epsilon, strata, 4_000), 4_000)


def test_law_no_table_of_noise_makes_an_error():
    """Empty tables, far too much noise and tables of one cell: an answer or one code, never an exception or a warning."""
    world = StatisticWorld(patients().iloc[:0], COLUMNS, rows_max=2000)
    plans = [
        world.plan("cox", epsilon=epsilon, **ASKED | more)
        for epsilon in ("0.1", "3")
        for more in ({}, {"covariates": ["smoker"], "strata": "ward"}, {"ties": "breslow"})
    ]
    generator, shown = np.random.default_rng(2), 0
    for trial in range(120):
        plan = plans[trial % len(plans)]
        (law,) = plan.noise
        size = len(plan.statistic.places)
        cells = np.zeros(size)
        cells[generator.integers(0, size, trial % 5)] = generator.choice([3, 100, 2000])
        if trial % 3 == 0:
            cells += generator.integers(0, 12 * int(law.sd), size)
        values = np.rint((cells + law.draw(size, generator)) * law.weight).astype(np.int64)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            answer = plan.statistic.estimate((values,), plan.noise)
            str(answer), answer.to_dict(), answer._repr_html_()
        shown += not answer.closed
        if not answer.closed:
            figures = [
                *answer.params,
                *answer.standard_errors,
                answer.concordance,
                answer.proportional.pvalue,
            ]
            assert np.isfinite(figures).all()
    assert 10 < shown < 110
