"""Logistic regression over opened sums: guarded as the tables that it implies, equal to a pooled fit."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from statistic_world import StatisticWorld

from analytics.disclosure.recombine import recombine_statistic
from analytics.errors import InvalidRequestError, PlanRejectedError, ReleaseRefusedError

COLUMNS = {
    "ill": {"type": "boolean"},
    "smoker": {"type": "boolean"},
    "ward": {"type": "categorical", "domain": ["a", "b", "c"]},
    "age": {"type": "numeric", "lower": 20, "upper": 100, "resolution": 0.5, "nullable": True},
    "stage": {"type": "numeric", "lower": 0, "upper": 3, "resolution": 1},
}
ASKED = {"outcome": "ill", "covariates": ["age", "ward", "smoker"]}


def patients(n=900, seed=1):
    generator = np.random.default_rng(seed)
    age = np.round(generator.uniform(25, 95, n) * 2) / 2
    ward = generator.choice(["a", "b", "c"], n)
    smoker = generator.random(n) < 0.4
    odds = 0.05 * (age - 60) + 0.8 * smoker + np.where(ward == "c", -0.7, 0.2)
    return pd.DataFrame(
        {
            "ill": generator.random(n) < 1 / (1 + np.exp(-odds)),
            "smoker": smoker,
            "ward": ward,
            "age": age,
            "stage": generator.integers(0, 4, n),
        }
    )


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(patients(), COLUMNS)


def pooled(frame, covariates=("age", "ward", "smoker")):
    """Parameters by sklearn, without a penalty; errors from the information at them, in numpy."""
    columns = [np.ones(len(frame))]
    for name in covariates:
        if name == "ward":
            columns += [(frame.ward == level).to_numpy(float) for level in "bc"]
        else:
            columns.append(frame[name].to_numpy(float))
    design = np.stack(columns, axis=1)
    fit = LogisticRegression(
        C=np.inf, fit_intercept=False, tol=1e-13, max_iter=1000, solver="newton-cholesky"
    )
    fit.fit(design, frame.ill)
    chance = fit.predict_proba(design)[:, 1]
    information = (design * (chance * (1 - chance))[:, None]).T @ design
    return fit.coef_[0], np.sqrt(np.diag(np.linalg.inv(information)))


def opened(plan, answers):
    """What each site says was opened to all; the sites agree."""
    assert len(set(answers)) == 1
    return np.frombuffer(answers[0], dtype="<i8")


# attacks


def one_smoker_in_ward_c(frame):
    frame.loc[(frame.ward == "c") & frame.smoker, "smoker"] = False
    frame.loc[frame[frame.ward == "c"].index[0], "smoker"] = True


def one_in_ward_c(frame):
    frame.loc[frame.ward == "c", "ward"] = "a"
    frame.loc[7, "ward"] = "c"


def one_ill_smoker(frame):
    frame.loc[frame.smoker, "ill"] = False
    frame.loc[frame[frame.smoker].index[0], "ill"] = True


def one_off_the_lowest_age(frame):
    frame.loc[frame.index != 5, "age"] = 20.0


def a_sum_but_for_one(frame):
    """The age is twice the stage plus a number by ward, of all but one person."""
    frame["age"] = 40.0 + 8 * frame.stage + 4 * (frame.ward == "b") + 10 * frame.smoker
    frame.loc[7, "age"] = 90


def far_from_all_others(frame):
    frame["age"] = 30 + frame.age // 20
    frame.loc[7, "age"] = 99


@pytest.mark.parametrize(
    ("attack", "covariates"),
    [(a_sum_but_for_one, ["age", "ward", "smoker", "stage"]), (far_from_all_others, ["age", "smoker"])],
)
def test_a_relation_of_covariates_that_fails_for_one_person_closes_the_fit(attack, covariates):
    """The attack: the Hessian's form at the relation is the square of this person's difference, weighted."""
    frame = patients(1200)
    asked = {"outcome": "ill", "covariates": covariates, "max_steps": 6}
    assert StatisticWorld(frame, COLUMNS).ask("glm", **asked).closed == ""
    attack(frame)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("glm", **asked)
    assert opened(plan, world.answers(plan)).tolist() == [0]


@pytest.mark.parametrize(
    "attack",
    [one_smoker_in_ward_c, one_in_ward_c, one_ill_smoker, one_off_the_lowest_age],
)
def test_a_fit_that_singles_out_a_person_is_closed_before_a_sum_opens(attack):
    """The attack: a dummy of one person has that person's residual as its parameter."""
    frame = patients()
    attack(frame)
    world = StatisticWorld(frame, COLUMNS)
    plan = world.plan("glm", **ASKED)
    answers = world.answers(plan)
    assert opened(plan, answers).tolist() == [0]
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    assert (answer.closed, answer.params, answer.n_steps) == ("fit_closed", (), 0)
    assert answer.frame["coef"].isna().all()


def test_a_numeric_dummy_is_guarded_by_each_of_its_few_values():
    frame = patients()
    frame["stage"] = np.where(np.arange(900) % 2, 0, 3)
    frame.loc[4, "stage"] = 1
    assert (
        StatisticWorld(frame, COLUMNS).ask("glm", outcome="ill", covariates=["stage"]).closed == "fit_closed"
    )


FLAGS = {
    "ill": {"type": "boolean"},
    "x": {"type": "boolean"},
    "y": {"type": "boolean"},
    "z": {"type": "boolean"},
}


def flags(alone):
    """720 rows; each two values hold many, and so many rows have all three."""
    cells = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)]
    counts = [200, 100, 80, 90, 60, 70, 120 - alone, alone]
    rows = [
        (place % 3 == 0, *map(bool, cell))
        for cell, n in zip(cells, counts, strict=True)
        for place in range(n)
    ]
    return pd.DataFrame(rows, columns=list(FLAGS)).sample(frac=1, random_state=1, ignore_index=True)


def cells_from_steps(plan, answers):
    """The attack: the Hessians' weights differ by combination, so a few steps give the rows of each."""
    statistic, data = plan.statistic, opened(plan, answers)
    cells = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    design = np.hstack([np.ones((8, 1)), cells])
    state, rows, values = statistic.start(), [], []
    for step in data.reshape(-1, statistic.n_sums):
        odds = design @ (np.array(state.point) / 2.0**40)
        weights = 1 / (2 + 2 * np.cosh(odds))
        for one, other in zip(*np.triu_indices(4), strict=True):
            rows.append(weights * design[:, one] * design[:, other])
        values += list(step[4:-1] / 2.0**statistic.bits)
        state = statistic.advance(state, step)
    return np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]


def test_a_combination_of_three_flags_that_the_steps_would_count_is_guarded():
    asked = {"outcome": "ill", "covariates": ["x", "y", "z"]}
    frame = flags(1)
    frame.loc[frame.z & frame.y, "ill"] = True  # weights that differ
    open_world = StatisticWorld(frame, FLAGS, minimum_cell=0)
    plan = open_world.plan("glm", **asked)
    assert cells_from_steps(plan, open_world.answers(plan))[-1] == pytest.approx(1, abs=0.1)
    for alone, closed in ((0, "fit_closed"), (1, "fit_closed"), (9, "fit_closed"), (10, "")):
        assert StatisticWorld(flags(alone), FLAGS).ask("glm", **asked).closed == closed


@pytest.mark.parametrize("alone", [1, 10])
def test_a_number_of_little_weight_beside_the_flags_changes_nothing(alone):
    frame = flags(alone).assign(age=np.arange(720) * 7 % 150 / 2 + 22)
    world = StatisticWorld(frame, FLAGS | {"age": COLUMNS["age"]})
    answer = world.ask("glm", outcome="ill", covariates=["x", "age", "y", "z"])
    assert answer.closed == ("fit_closed" if alone == 1 else "")


def values_from_steps(plan, data, values):
    """The attack: how many people have each supposed value, from the Hessians, and what these do not explain."""
    statistic, state, rows, sums = plan.statistic, plan.statistic.start(), [], []
    design = np.stack([np.ones(len(values)), np.array(values) / 100], axis=1)
    state = statistic.advance(state, data[:1])
    for step in data[1:].reshape(-1, statistic.n_sums):
        weights = 1 / (2 + 2 * np.cosh(design @ (np.array(state.point) / 2.0**40)))
        rows += [weights * design[:, one] * design[:, other] for one, other in ((0, 0), (0, 1), (1, 1))]
        sums += list(step[2:-1] / 2.0**statistic.bits)
        state = statistic.advance(state, step)
    counts = np.linalg.lstsq(np.array(rows), np.array(sums), rcond=None)[0]
    return counts, np.abs(np.array(rows) @ counts - sums).max()


def test_a_number_that_has_five_values_but_for_one_person_is_not_guarded():
    """What stays open: later steps are no forms of second degree. Exact logistic regression is provisional for it."""
    generator = np.random.default_rng(5)
    x = np.array([-80, -40, 0, 40, 80])[generator.integers(0, 5, 900)]
    frame = pd.DataFrame({"ill": generator.random(900) < 1 / (1 + np.exp(-x / 40)), "x": x})
    frame.loc[17, "x"] = 13
    columns = {"ill": FLAGS["ill"], "x": {"type": "numeric", "lower": -100, "upper": 100, "resolution": 1}}
    world = StatisticWorld(frame, columns)
    plan = world.plan("glm", outcome="ill", covariates=["x"], max_steps=6)
    data = opened(plan, world.answers(plan))
    assert data[0] == 1
    left = {value: values_from_steps(plan, data, [-80, -40, 0, 40, 80, value])[1] for value in range(10, 20)}
    assert min(left, key=left.get) == 13
    counts, _ = values_from_steps(plan, data, [-80, -40, 0, 40, 80, 13])
    assert counts[-1] == pytest.approx(1, abs=1e-6)


def test_more_numbers_than_a_third_of_the_rows_are_not_opened():
    """The attack: with as many sums as rows, the rows follow from the sums."""
    frame = patients(480)
    world = StatisticWorld(frame, COLUMNS)
    few, many = (world.plan("glm", max_steps=steps, **ASKED) for steps in (7, 8))
    assert few.statistic.fewest_rows == 3 * (1 + 7 * 21) <= 480 < many.statistic.fewest_rows
    assert world.ask("glm", max_steps=7, **ASKED).closed == ""
    assert opened(many, world.answers(many)).tolist() == [0]


def test_the_guard_counts_a_unit_at_every_site():
    plan = StatisticWorld(patients(), COLUMNS, max_sites_per_unit=3).plan("glm", **ASKED)
    assert plan.statistic.fewest_rows == 3 * 3 * (1 + 8 * 21)
    assert plan.threshold == 30


def test_separation_and_too_few_steps_are_closed_by_the_same_code():
    frame = patients()
    frame["ill"] = frame.age > 60
    separated = StatisticWorld(frame, COLUMNS).ask("glm", outcome="ill", covariates=["age"])
    short = StatisticWorld(patients(), COLUMNS).ask("glm", max_steps=2, **ASKED)
    assert [each.closed for each in (separated, short)] == ["fit_closed"] * 2
    assert separated.params == short.params == ()


@pytest.mark.parametrize("name", ["start", "weights", "learning_rate", "ridge"])
def test_no_request_chooses_a_point_a_weight_or_a_step(world, name):
    with pytest.raises(InvalidRequestError, match=f"{name} is not an argument of glm"):
        world.plan("glm", **ASKED, **{name: 1})


def test_a_site_that_reports_other_openings_is_refused(world):
    plan = world.plan("glm", **ASKED)
    answers = world.answers(plan)
    changed = bytearray(answers[1])
    changed[8] ^= 1
    for wrong in ([answers[0], bytes(changed), answers[2]], [part[:-8] for part in answers], answers[:2]):
        with pytest.raises(ReleaseRefusedError):
            recombine_statistic(plan, wrong, cost={}, receipt={})


# values


def test_the_fit_equals_a_pooled_one(world):
    plan = world.plan("glm", **ASKED)
    answers = world.answers(plan)
    answer = recombine_statistic(plan, answers, cost={}, receipt={})
    params, errors = pooled(world.frame)
    data = opened(plan, answers)
    steps = [data[:1], *data[1:].reshape(-1, plan.statistic.n_sums)]
    fit = plan.statistic.fit(steps)
    assert fit.params == pytest.approx(params, rel=1e-6)
    assert fit.bse == pytest.approx(errors, rel=1e-6)
    assert answer.terms == ("intercept", "age", "ward=b", "ward=c", "smoker")
    assert answer.params == tuple(float(f"{value:.6g}") for value in fit.params)
    assert answer.standard_errors == tuple(float(f"{value:.6g}") for value in fit.bse)
    assert answer.n_steps == fit.n_steps < 8
    assert len(steps) <= 1 + 8


def test_wald_tests_and_intervals_follow_from_what_is_shown(world):
    answer = world.ask("glm", outcome="ill", covariates=["age"])
    (_, age), (_, error) = answer.params, answer.standard_errors
    low, high = answer.interval(0.95)[1]
    assert (low, high) == pytest.approx((age - 1.959963984540054 * error, age + 1.959963984540054 * error))
    assert answer.pvalues[1] < 1e-6
    assert list(answer.frame.index) == ["intercept", "age"]
    assert answer.to_dict()["closed"] == ""


def test_rows_with_a_missing_value_are_left_out():
    frame = patients()
    frame.loc[:30, "age"] = None
    world = StatisticWorld(frame, COLUMNS)
    answer = world.ask("glm", outcome="ill", covariates=["age"])
    params, _ = pooled(frame[31:], ("age",))
    assert answer.params == pytest.approx(params, rel=1e-5)


def test_without_a_minimum_cell_there_is_no_guard_step():
    world = StatisticWorld(patients(60), COLUMNS, minimum_cell=0)
    plan = world.plan("glm", outcome="ill", covariates=["smoker"])
    assert not plan.has_products
    assert world.ask("glm", outcome="ill", covariates=["smoker"]).closed == ""


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"outcome": "ward", "covariates": ["age"]}, PlanRejectedError, "true or false"),
        ({"outcome": "ill", "covariates": []}, InvalidRequestError, "list of different texts"),
        ({"outcome": "ill", "covariates": ["ill"]}, InvalidRequestError, "without the outcome"),
        ({"outcome": "ill", "covariates": "age"}, InvalidRequestError, "must be a list"),
        ({"outcome": "ill", "covariates": ["agee"]}, PlanRejectedError, "did you mean age"),
        ({**ASKED, "family": "tweedie"}, InvalidRequestError, "must be one of binomial"),
        ({**ASKED, "max_steps": 16}, InvalidRequestError, "from 2 to 15"),
        ({**ASKED, "max_steps": True}, InvalidRequestError, "from 2 to 15"),
    ],
)
def test_arguments_are_refused_before_a_charge(world, arguments, error, text):
    with pytest.raises(error, match=text):
        world.plan("glm", **arguments)


def test_columns_outside_the_exact_dimensions_are_refused():
    world = StatisticWorld(patients(), COLUMNS, exact_dimensions=["ill", "age"])
    with pytest.raises(PlanRejectedError, match="smoker may not stand in a model"):
        world.plan("glm", outcome="ill", covariates=["age", "smoker"])


def test_the_plan_names_what_opens_to_all_sites(world):
    plan = world.plan("glm", **ASKED)
    shape = plan.to_dict()
    assert [step["opened_to"] for step in shape["steps"]] == ["sites"] * 9
    assert plan.most_opened == 1 + 8 * 21
    assert plan.noise == ()
    assert plan.cost == ()
