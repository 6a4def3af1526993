"""Cox regression over shares: guarded as the tables that it implies, equal to a pooled fit, with nothing but sums of a step."""

import numpy as np
import pandas as pd
import pytest
from statistic_world import StatisticWorld
from survival_reference import TABLES, columns_of, frame_of

from analytics.disclosure.recombine import recombine_statistic
from analytics.disclosure.statistic_run import run_cost
from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from analytics.statistics.hazards.partial_likelihood import (
    OPENED_BITS,
    RATIO_BITS,
    TOTAL_BITS,
    RiskSums,
    score_and_information,
)
from smpc.operations.inputs import contribute
from smpc.operations.reveal import reveal_to_all
from smpc.simulator import simulate

EDGES = list(range(0, 241, 4))
COLUMNS = {
    "days": {"type": "numeric", "lower": 0, "upper": 240, "resolution": 0.5, "bins": EDGES, "nullable": True},
    "died": {"type": "boolean"},
    "smoker": {"type": "boolean"},
    "ward": {"type": "categorical", "domain": ["a", "b", "c"]},
    "age": {"type": "numeric", "lower": 20, "upper": 100, "resolution": 0.5},
    "stage": {"type": "numeric", "lower": 0, "upper": 3, "resolution": 1},
}
ASKED = {"duration": "days", "event": "died", "covariates": ["age", "ward", "smoker"]}


def patients(n=1500, seed=1, beta=0.04):
    generator = np.random.default_rng(seed)
    age = np.round(generator.uniform(25, 95, n) * 2) / 2
    ward = generator.choice(["a", "b", "c"], n)
    smoker = generator.random(n) < 0.4
    hazard = np.exp(beta * (age - 60) + 0.7 * smoker - 0.5 * (ward == "c"))
    times, leaves = generator.exponential(150 / hazard), generator.uniform(10, 300, n)
    return pd.DataFrame(
        {
            "days": np.floor(np.minimum(np.minimum(times, leaves), 240) * 2) / 2,
            "died": (times <= leaves) & (times <= 240),
            "smoker": smoker,
            "ward": ward,
            "age": age,
            "stage": generator.integers(0, 4, n),
        }
    )


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(patients(), COLUMNS, rows_max=2000)


def pooled(frame, edges=EDGES, covariates=("age", "ward", "smoker")):
    """Breslow's partial likelihood, from single people, grid point by grid point."""
    columns = []
    for name in covariates:
        columns += [frame.ward == level for level in "bc"] if name == "ward" else [frame[name]]
    design = np.stack(columns, axis=1).astype(float)
    place, died = np.digitize(frame.days, edges[1:-1]), frame.died.to_numpy()
    beta = np.zeros(design.shape[1])
    for _ in range(30):
        weights = np.exp((design - design.mean(axis=0)) @ beta)
        score, information = np.zeros(len(beta)), np.zeros((len(beta),) * 2)
        for time in np.unique(place[died]):
            at_risk, seen = place >= time, died & (place == time)
            shares = weights[at_risk] / weights[at_risk].sum()
            mean = shares @ design[at_risk]
            score += (design[seen] - mean).sum(axis=0)
            spread = (design[at_risk] * shares[:, None]).T @ design[at_risk] - np.outer(mean, mean)
            information += seen.sum() * spread
        beta = beta + np.linalg.solve(information, score)
    return beta, np.sqrt(np.diag(np.linalg.inv(information)))


# attacks


def one_in_ward_c(frame):
    frame.loc[frame.ward == "c", "ward"] = "a"
    frame.loc[7, "ward"] = "c"


def one_death_among_smokers(frame):
    frame.loc[frame.smoker, "died"] = False
    frame.loc[frame[frame.smoker].index[0], "died"] = True


def one_smoker_in_ward_c(frame):
    frame.loc[(frame.ward == "c") & frame.smoker, "smoker"] = False
    frame.loc[frame[frame.ward == "c"].index[0], "smoker"] = True


def one_off_the_lowest_age(frame):
    frame.loc[frame.index != 5, "age"] = 20.0


def a_sum_but_for_one(frame):
    frame["age"] = 40.0 + 4 * (frame.ward == "b") + 12 * (frame.ward == "c") + 10 * frame.smoker
    frame.loc[7, "age"] = 90


def one_far_from_all_others(frame):
    frame["age"] = 30 + frame.age // 20
    frame.loc[7, "age"] = 99


def no_death(frame):
    frame["died"] = False


def no_censoring(frame):
    frame["died"] = True


def few_people(frame):
    frame.loc[200:, "days"] = np.nan


@pytest.mark.parametrize(
    "attack",
    [
        one_in_ward_c,
        one_death_among_smokers,
        one_smoker_in_ward_c,
        one_off_the_lowest_age,
        a_sum_but_for_one,
        one_far_from_all_others,
        no_death,
        no_censoring,
        few_people,
    ],
)
def test_a_fit_that_singles_out_a_person_is_closed_before_a_sum_opens(attack):
    """One code for all causes, and one bit."""
    frame = patients()
    attack(frame)
    world = StatisticWorld(frame, COLUMNS, rows_max=2000)
    plan = world.plan("cox", **ASKED)
    answers = world.answers(plan)
    assert np.frombuffer(answers[0], dtype="<i8").tolist() == [0]
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    assert (answer.closed, answer.params, answer.n_steps) == ("fit_closed", (), 0)
    assert answer.frame["coef"].isna().all()


def test_a_grid_so_coarse_that_its_table_could_be_solved_for_is_tested_cell_by_cell():
    """The attack: two intervals, one person at risk in the later one; six steps open more numbers than the table has cells."""
    frame = patients()
    asked = {"duration": "days", "event": "died", "covariates": ["smoker"]}
    late = frame.days >= 120
    frame.loc[late & frame.smoker, "days"] = 100.0
    frame.loc[frame[frame.smoker].index[3], "days"] = 200.0
    world = StatisticWorld(frame, COLUMNS, rows_max=2000)
    assert world.ask("cox", **asked, grid=[120]).closed == "fit_closed"
    assert world.ask("cox", **asked).closed == ""  # 60 intervals: 240 cells, 13 numbers
    assert StatisticWorld(patients(), COLUMNS, rows_max=2000).ask("cox", **asked, grid=[120]).closed == ""


def test_rows_are_at_least_three_times_the_numbers_that_can_open(world):
    plan = world.plan("cox", **ASKED)
    (guard, *fits) = plan.statistic.every_step()
    assert plan.most_opened == 1 + 6 * (4 + 10)
    assert plan.statistic.describe()["fewest_rows"] == 3 * plan.most_opened
    assert [step.to for step in (guard, *fits)] == ["sites"] * 7
    assert {step.n_opened for step in fits} == {14}


# values


@pytest.mark.parametrize("name", TABLES)
def test_parameters_and_errors_equal_those_of_statsmodels_with_breslows_ties(name):
    world = StatisticWorld(frame_of(name), columns_of(name), minimum_cell=0)
    asked = {"duration": "days", "event": "died", "covariates": ["arm", "clinic"]}
    plan = world.plan("cox", **asked)
    answers = world.answers(plan)
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    oracle = TABLES[name]["models"]["breslow"]
    assert answer.terms == ("arm=1", "arm=2", "clinic=1")
    assert answer.params == pytest.approx(oracle["params"], abs=3e-6)
    assert answer.standard_errors == pytest.approx(oracle["bse"], rel=1e-5)


def test_numbers_categories_and_flags_equal_a_fit_over_single_people(world):
    answer = world.ask("cox", **ASKED)
    beta, errors = pooled(world.frame)
    assert answer.terms == ("age", "ward=b", "ward=c", "smoker")
    assert answer.params == pytest.approx(beta, rel=2e-5, abs=2e-6)
    assert answer.standard_errors == pytest.approx(errors, rel=2e-5)
    assert all(value == float(f"{value:.6g}") for value in answer.params)
    assert answer.hazard_ratios == pytest.approx(np.exp(beta), rel=2e-5)
    low, high = answer.interval(0.9)[0]
    assert (low + high) / 2 == pytest.approx(beta[0], rel=2e-5)
    assert answer.frame.loc["smoker", "pvalue"] < 1e-6
    assert 3 <= answer.n_steps <= 6
    picture = answer.picture()
    assert (picture.labels, picture.reference) == (list(answer.terms), 1.0)
    assert all(
        low < value < high for low, value, high in zip(picture.low, picture.values, picture.high, strict=True)
    )


def test_however_rows_are_dealt_the_fit_is_the_same(world):
    order = np.random.default_rng(4).permutation(1500)
    parts = [world.frame.iloc[part] for part in np.split(order, [100, 500, 900])]
    dealt = StatisticWorld(world.frame, COLUMNS, parts=parts, rows_max=2000)
    one, other = world.ask("cox", **ASKED), dealt.ask("cox", **ASKED)
    assert one.params == pytest.approx(other.params, abs=2e-6)
    assert one.standard_errors == pytest.approx(other.standard_errors, rel=1e-5)


def test_a_strong_effect_is_found_and_one_that_has_no_end_is_closed():
    steep = patients(beta=0.15)
    world = StatisticWorld(steep, COLUMNS, rows_max=2000, minimum_cell=0)
    beta, _ = pooled(steep, covariates=("age",))
    answer = world.ask("cox", duration="days", event="died", covariates=["age"], max_steps=12)
    assert answer.params == pytest.approx(beta, rel=2e-5)
    apart = patients()
    apart["died"] = apart.smoker
    world = StatisticWorld(apart, COLUMNS, rows_max=2000, minimum_cell=0)
    asked = {"duration": "days", "event": "died", "covariates": ["smoker"], "max_steps": 12}
    assert world.ask("cox", **asked).closed == "fit_closed"


@pytest.mark.parametrize(
    "frame", [patients().iloc[:0], patients().assign(died=False), patients().assign(ward="a")]
)
def test_nothing_to_fit_is_one_code_without_a_guard_too(frame):
    world = StatisticWorld(frame, COLUMNS, rows_max=2000, minimum_cell=0)
    assert world.ask("cox", **ASKED).closed == "fit_closed"


def test_what_a_step_opens_is_rounded_and_its_rounds_do_not_depend_on_rows(world):
    plan = world.plan("cox", **ASKED)
    more = StatisticWorld(patients(), COLUMNS, rows_max=20_000).plan("cox", **ASKED)
    costs = [run_cost(each, reveal_to_all) for each in (plan, more)]
    assert costs[0].rounds == costs[1].rounds <= 6 * 60
    data = np.frombuffer(world.answers(plan)[0], dtype="<i8")[1:15]
    assert abs(data).max() < 2**26  # at 2^-16: up to a thousand


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"covariates": ["age", "days"]}, InvalidRequestError, "must not hold duration or event"),
        ({"covariates": []}, InvalidRequestError, "list of different texts"),
        ({"covariates": ["agee"]}, PlanRejectedError, "unknown column agee"),
        ({"duration": "stage"}, PlanRejectedError, "no bins"),
        ({"event": "ward"}, PlanRejectedError, "true or false"),
        ({"grid": [120, 60]}, InvalidRequestError, "must rise"),
        ({"grid": [121]}, InvalidRequestError, "edges of the declared bins alone"),
        ({"max_steps": 30}, InvalidRequestError, "from 2 to 12"),
    ],
)
def test_arguments_are_refused_before_anything_runs(world, changed, error, text):
    with pytest.raises(error, match=text):
        world.plan("cox", **ASKED | changed)


def test_tables_that_are_too_large_are_refused():
    with pytest.raises(OverflowRiskError, match="a sum over a risk set"):
        StatisticWorld(patients(), COLUMNS, rows_max=2**30).plan("cox", **ASKED)


@pytest.mark.parametrize(("n_points", "width", "n"), [(1, 1, 40), (17, 3, 400), (512, 10, 10_000)])
def test_score_and_information_on_shares_are_those_of_single_people(n_points, width, n):
    """Within one unit of 2^-16, whatever is at risk: at late points few or none are."""
    generator = np.random.default_rng(n)
    design, beta = generator.uniform(-1, 1, (n, width)), generator.normal(0, 1, width)
    place = np.minimum(generator.geometric(3 / n_points if n_points > 3 else 1, n) - 1, n_points - 1)
    died = generator.random(n) < 0.4
    weights = np.exp(design @ beta - np.abs(beta).sum())
    first, second = np.triu_indices(width)
    figures = np.column_stack([np.ones(n), design, design[:, first] * design[:, second]]) * weights[:, None]
    layout = RiskSums(n_points=n_points, n_parameters=width, sum_bits=TOTAL_BITS - n.bit_length())

    def sums(rows):
        at = np.zeros((n_points, figures.shape[1]))
        np.add.at(at, place[rows], figures[rows])
        return np.cumsum(at[::-1], axis=0)[::-1], np.bincount(place[rows][died[rows]], minlength=n_points)

    own = []
    for site in range(3):
        rows = np.arange(n) % 3 == site
        sets, events = sums(rows)
        seen = design[rows & died].sum(axis=0) * 2.0**RATIO_BITS
        own.append(
            np.rint(np.concatenate([(sets * 2.0**layout.sum_bits).ravel(), events, seen])).astype(np.int64)
        )
        assert np.all(np.abs(own[-1]) <= np.array(layout.clamps(n)))
    sets, events = sums(np.ones(n, dtype=bool))
    means = np.divide(sets[:, 1:], sets[:, :1], out=np.zeros_like(sets[:, 1:]), where=sets[:, :1] > 0)
    spread = means[:, width:] - means[:, first] * means[:, second]
    known = np.concatenate([design[died].sum(axis=0) - events @ means[:, :width], events @ spread])

    def run(session):
        return reveal_to_all(
            session, score_and_information(session, contribute(session, own[session.rank]), layout)
        )

    opened = simulate(run, 3, prefetch=False, timeout_s=60).values()[0]
    assert opened / 2.0**OPENED_BITS == pytest.approx(known, abs=2.0**-OPENED_BITS)
