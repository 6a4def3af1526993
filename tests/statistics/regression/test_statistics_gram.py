"""Correlation and least squares: equal to pooled fits, and closed where sums of products tell of few people."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LinearRegression
from statistic_world import StatisticWorld, heart_world

from analytics.errors import InvalidRequestError, OverflowRiskError, PlanRejectedError
from tests.examples import costly_law

COLUMNS = {
    "arm": {"type": "categorical", "domain": ["new", "old", "none"], "nullable": True},
    "ill": {"type": "boolean"},
    "x": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 0.5, "nullable": True},
    "y": {"type": "numeric", "lower": -50, "upper": 250, "resolution": 1},
    "z": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1},
    "few": {"type": "numeric", "lower": 0, "upper": 2, "resolution": 1},
    "one": {"type": "categorical", "domain": ["only"]},
}


def frame(n=500, seed=1):
    generator = np.random.default_rng(seed)
    arm = np.array(["new", "old", "none"], dtype=object)[generator.integers(0, 3, n)]
    x = np.round(generator.uniform(1, 99, n) * 2) / 2
    ill = generator.random(n) < 0.4
    y = np.clip(np.rint(20 + 1.3 * x - 9 * ill + 15 * (arm == "old") + generator.normal(0, 20, n)), -49, 249)
    x[:5], arm[9:12] = np.nan, None
    few = generator.integers(0, 3, n)
    return pd.DataFrame(
        {
            "arm": arm,
            "ill": ill,
            "x": x,
            "y": y,
            "z": generator.integers(1, 100, n),
            "few": few,
            "one": "only",
        }
    )


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


@pytest.fixture(scope="module")
def heart():
    return heart_world()


def gram_of(world, name, **arguments):
    """What a run opens, as the analyst puts it together."""
    plan = world.plan(name, **arguments)
    total = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    return plan.statistic, total


def least_squares(data, outcome, covariates):
    """The oracle: numpy's QR of a centered design in floating point."""
    known = data[[outcome, *covariates]].dropna()
    parts = [
        pd.get_dummies(known[name], dtype=float).reindex(columns=COLUMN_LEVELS.get(name, [])).iloc[:, 1:]
        if name in COLUMN_LEVELS
        else known[[name]].astype(float)
        for name in covariates
    ]
    x = pd.concat(parts, axis=1).to_numpy()
    y = known[outcome].to_numpy(float)
    q, r = np.linalg.qr(x - x.mean(axis=0))
    slopes = np.linalg.solve(r, q.T @ (y - y.mean()))
    params = np.array([y.mean() - x.mean(axis=0) @ slopes, *slopes])
    resid = y - params[0] - x @ slopes
    df = len(y) - x.shape[1] - 1
    full = np.column_stack([np.ones(len(y)), x])
    root = np.linalg.inv(np.linalg.qr(full, mode="r"))
    bse = np.sqrt((root**2).sum(axis=1) * (resid @ resid) / df)
    return params, bse, resid @ resid, ((y - y.mean()) ** 2).sum(), df


COLUMN_LEVELS = {
    "arm": ["new", "old", "none"],
    "sex": ["F", "M"],
    "cp": ["typical", "atypical", "non_anginal", "asymptomatic"],
}


# -- equal to the pooled fit ---------------------------------------------------------------------------------------


def test_the_hospitals_correlations_equal_numpys_and_scipys(heart):
    names = ["age", "thalach", "oldpeak", "exang"]
    answer = heart.ask("correlation", columns=names)
    known = heart.frame[names].dropna().astype(float)
    assert np.array(answer.correlation) == pytest.approx(np.corrcoef(known.T), rel=1e-9)
    assert np.array(answer.covariance) == pytest.approx(np.cov(known.T), rel=1e-9)
    assert answer.means == pytest.approx(tuple(known.mean()), rel=1e-12)
    assert answer.n == len(known)
    for i in range(4):
        for j in range(i):
            assert answer.pvalues[i][j] == pytest.approx(
                stats.pearsonr(known.iloc[:, i], known.iloc[:, j]).pvalue, rel=1e-9
            )
    tested = stats.pearsonr(known.age, known.thalach)
    assert (answer.statistic, answer.pvalue) == pytest.approx((tested.statistic, tested.pvalue), rel=1e-9)
    assert answer.confidence_interval(0.9) == pytest.approx(tuple(tested.confidence_interval(0.9)), rel=1e-9)
    assert answer.frame.loc["age", "oldpeak"] == answer.correlation[0][2]
    pair = heart.ask("correlation", columns=["age", "thalach"]).values()
    assert pair["low"] < pair["statistic"] < pair["high"]


def test_the_hospitals_least_squares_equals_numpys(heart):
    formula = "thalach ~ age + cp + oldpeak"
    statistic, opened = gram_of(heart, "ols", formula=formula)
    fit = statistic.fitted(tuple(map(int, opened[: statistic.n_sums])))
    params, bse, resid, total, df = least_squares(heart.frame, "thalach", ["age", "cp", "oldpeak"])
    assert fit.params == pytest.approx(params, rel=1e-9)
    assert fit.bse == pytest.approx(bse, rel=1e-9)
    assert (fit.ss_resid, fit.ss_total) == pytest.approx((resid, total), rel=1e-9)
    answer = heart.ask("ols", formula=formula)
    # one woman with typical angina has the disease
    assert heart.ask("ols", formula="thalach ~ sex + cp + disease").closed == "fit_closed"
    assert answer.terms == (
        "intercept",
        "age",
        "cp=atypical",
        "cp=non_anginal",
        "cp=asymptomatic",
        "oldpeak",
    )
    assert answer.params == pytest.approx(params, rel=1e-5)
    assert all(value == float(f"{value:.6g}") for value in (*answer.params, *answer.bse))
    n = df + len(params)
    assert (answer.nobs, answer.df_resid, answer.df_model) == (n, df, len(params) - 1)
    assert answer.rsquared == pytest.approx(1 - resid / total, rel=1e-9)
    assert answer.rsquared_adj == pytest.approx(1 - resid / df / (total / (n - 1)), rel=1e-9)
    assert answer.fvalue == pytest.approx((total - resid) / (len(params) - 1) / (resid / df), rel=1e-9)
    assert answer.f_pvalue == pytest.approx(stats.f.sf(answer.fvalue, len(params) - 1, df), rel=1e-9)
    llf = stats.norm.logpdf(0, scale=np.sqrt(resid / n)) * n - n / 2
    assert answer.llf == pytest.approx(llf, rel=1e-9)
    assert (answer.aic, answer.bic) == pytest.approx((2 * 6 - 2 * llf, 6 * np.log(n) - 2 * llf), rel=1e-9)
    assert answer.pvalues == pytest.approx(2 * stats.t.sf(np.abs(params / bse), df), rel=1e-3)
    low, high = answer.conf_int(0.1)[1]
    assert (low, high) == pytest.approx(stats.t.interval(0.9, df, params[1], bse[1]), rel=1e-4)
    assert "oldpeak" in answer.summary()
    assert "rsquared" in answer.summary()


@costly_law(1)
@given(st.integers(0, 10**6))
def test_law_rows_may_lie_at_any_site(seed):
    data = frame(seed=7)
    dealt = data.sample(frac=1, random_state=seed)
    arms = [data[data.arm == "new"], data[data.arm != "new"], data.iloc[:0]]
    even = [dealt.iloc[:9], dealt.iloc[9:200], dealt.iloc[200:]]
    for name, arguments in (
        ("ols", {"formula": "y ~ x + arm + ill"}),
        ("correlation", {"columns": ["x", "y", "ill"]}),
    ):
        first, second = (
            StatisticWorld(data, COLUMNS, parts=parts).ask(name, **arguments) for parts in (arms, even)
        )
        assert first.values() == second.values()
        assert first.closed == ""
    known = data.dropna(subset=["x"])
    model = LinearRegression().fit(known[["x", "ill"]], known.y)
    found = StatisticWorld(data, COLUMNS, parts=even).ask("ols", formula="y ~ x + ill").params
    assert found == pytest.approx((model.intercept_, *model.coef_), rel=1e-5)


def test_columns_far_from_zero_lose_no_digit():
    generator = np.random.default_rng(3)
    x = 9 * 10**5 + generator.integers(0, 9, 300)
    data = pd.DataFrame({"x": x, "y": 8 * 10**5 + (x - 9 * 10**5) + generator.integers(0, 4, 300)})
    columns = {name: {"type": "numeric", "lower": -(10**6), "upper": 10**6, "resolution": 1} for name in "xy"}
    answer = StatisticWorld(data, columns, minimum_cell=0).ask("correlation", columns=["x", "y"])
    known = stats.pearsonr(data.x - 9 * 10**5, data.y - 8 * 10**5)
    assert (answer.statistic, answer.pvalue) == pytest.approx((known.statistic, known.pvalue), rel=1e-9)


# -- attacks -------------------------------------------------------------------------------------------------------


def one_in_an_arm(data):
    data["arm"] = np.where(np.arange(len(data)) == 20, "none", np.where(data.ill, "new", "old"))


def few_ill_in_an_arm(data):
    data["ill"] = np.where(
        data.arm == "none", data.y > data.y[data.arm == "none"].nlargest(9).min(), data.ill
    )


def nearly_all_at_a_bound(data):
    data["x"] = np.where(np.arange(len(data)) < 9, 50, 0)


def equal_but_for_one(data):
    data["z"] = np.clip(np.rint(data.x.fillna(50)), 1, 99)
    data["x"] = data.z + np.where(np.arange(len(data)) == 50, 0.5, 0)


def few_with_a_value(data):
    data["few"] = np.where(np.arange(len(data)) < 4, 2, data.few % 2)


def a_sum_but_for_one(data):
    """One column is the sum of two others, of all but one person: any analyst knows the relation from the names."""
    generator = np.random.default_rng(5)
    data["x"] = np.round(generator.uniform(1, 49, len(data)))
    data["few"] = generator.integers(0, 3, len(data))
    data["z"] = data.x + data.few
    data.loc[data.index[40], "z"] = 90


def a_sum_but_for_nine(data):
    a_sum_but_for_one(data)
    data.loc[data.index[40:48], "z"] = 80


def a_weighted_sum_but_for_one_step(data):
    a_sum_but_for_one(data)
    data["y"] = 3 * data.x - 20 * data.few + 7 * data.ill
    data.loc[data.index[40], "y"] += 1


def one_alone_in_the_middle(data):
    data["x"] = np.where(np.arange(len(data)) == 30, 51, 50)


def one_far_from_all_others(data):
    generator = np.random.default_rng(5)
    data["y"] = np.where(np.arange(len(data)) == 30, 249, generator.integers(0, 4, len(data)))


ATTACKS = {
    a_sum_but_for_one: ("ols", {"formula": "y ~ x + few + z"}),
    a_sum_but_for_nine: ("correlation", {"columns": ["few", "y", "z", "x"]}),
    a_weighted_sum_but_for_one_step: ("ols", {"formula": "y ~ x + few + ill"}),
    one_alone_in_the_middle: ("correlation", {"columns": ["x", "y"]}),
    one_far_from_all_others: ("ols", {"formula": "y ~ x + ill"}),
    one_in_an_arm: ("ols", {"formula": "y ~ arm"}),
    few_ill_in_an_arm: ("ols", {"formula": "y ~ arm + ill"}),
    nearly_all_at_a_bound: ("correlation", {"columns": ["x", "y"]}),
    equal_but_for_one: ("correlation", {"columns": ["x", "z"]}),
    few_with_a_value: ("correlation", {"columns": ["few", "y"]}),
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_sums_of_products_that_tell_of_few_people_are_closed(attack):
    data = frame()
    attack(data)
    name, arguments = ATTACKS[attack]
    world = StatisticWorld(data.sample(frac=1, random_state=1), COLUMNS)
    _, opened = gram_of(world, name, **arguments)
    assert set(opened.tolist()) == {0}
    assert world.ask(name, **arguments).closed == {"ols": "fit_closed", "correlation": "minimum_cell"}[name]


def form(statistic, opened, relation):
    """The attack: the sum of squares of a linear relation of the design, from the sums of products alone."""
    count = statistic.n_parameters
    matrix = np.zeros((count, count), dtype=object)
    matrix[np.triu_indices(count)] = [int(value) for value in opened[: statistic.n_sums]]
    matrix = matrix + matrix.T - np.diag(np.diag(matrix))
    return relation @ matrix @ relation


def test_without_a_guard_the_sums_give_one_persons_value():
    data = frame()
    a_sum_but_for_one(data)
    person = data.iloc[40]
    world = StatisticWorld(data, COLUMNS, minimum_cell=0)
    statistic, opened = gram_of(world, "ols", formula="y ~ x + few + z")
    # in steps around the middles: x has steps of one half, 100 is its middle; z has 50; few has 1
    relation = np.array([2 * (50 - 50 - 1), -1, -2, 2, 0], dtype=object)
    assert form(statistic, opened, relation) == 4 * (90 - person.x - person.few) ** 2 > 0
    # enough people off the relation: the sum is theirs together
    data.loc[data.index[::3], "z"] = np.random.default_rng(2).integers(1, 100, len(data.index[::3]))
    assert StatisticWorld(data, COLUMNS).ask("ols", formula="y ~ x + few + z").closed == ""


def test_of_two_fits_that_differ_in_a_column_none_opens_where_the_column_tells_of_few():
    data = frame()
    a_sum_but_for_one(data)
    world = StatisticWorld(data, COLUMNS)
    assert world.ask("ols", formula="y ~ x + few").closed == ""
    assert world.ask("ols", formula="y ~ x + few + z").closed == "fit_closed"
    assert world.ask("ols", formula="z ~ x + few").closed == "fit_closed"


def test_more_columns_than_a_tenth_of_the_rows_are_closed():
    """The attack: with nearly as many columns as rows a fit gives every outcome."""
    generator = np.random.default_rng(8)
    names = [f"f{place}" for place in range(10)]
    data = pd.DataFrame({name: generator.random(119) < 0.5 for name in names}).assign(
        y=generator.integers(0, 99, 119)
    )
    columns = {name: {"type": "boolean"} for name in names} | {"y": COLUMNS["y"]}
    world = StatisticWorld(data, columns, minimum_cell=1)
    assert world.ask("ols", formula="y ~ " + " + ".join(names)).closed == "fit_closed"


def test_a_combination_of_three_flags_is_guarded():
    """The attack: the products of three flags nearly tell how many have all of them."""
    place = np.arange(640)
    data = pd.DataFrame({name: (place >> shift) % 2 == 1 for shift, name in enumerate("abc")})
    data.loc[data.a & data.b & data.c, "c"] = [True] + [False] * 79
    data = data.assign(y=place % 50)
    columns = {name: {"type": "boolean"} for name in "abc"} | {
        "y": {"type": "numeric", "lower": 0, "upper": 99, "resolution": 1}
    }
    world = StatisticWorld(data, columns)
    assert world.ask("ols", formula="y ~ a + b + c").closed == "fit_closed"
    assert world.ask("ols", formula="y ~ a + b").closed == ""


def test_fewer_rows_than_the_numbers_need_are_closed():
    small = frame(130).drop(columns="arm")
    columns = {name: column for name, column in COLUMNS.items() if name != "arm"}
    asked = {"formula": "y ~ x + ill + z"}
    assert StatisticWorld(small, columns, minimum_cell=2).ask("ols", **asked).closed == ""
    plan = StatisticWorld(small, columns, minimum_cell=2).plan("ols", **asked)
    assert plan.statistic.fewest_rows == 3 * plan.most_opened
    assert (
        StatisticWorld(small, columns, minimum_cell=2, max_sites_per_unit=3).ask("ols", **asked).closed
        == "fit_closed"
    )


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + x^2",
        "y ~ I(x > 37)",
        "y ~ x:ill",
        "y ~ x*ill",
        "y ~ x - 1",
        "y ~ 0 + x",
        "y ~ bs(x)",
        "y ~ log(x)",
        "y ~ x + 37",
    ],
)
def test_a_formula_makes_no_condition_of_its_own(world, formula):
    with pytest.raises(InvalidRequestError, match="declared columns alone, joined by"):
        world.plan("ols", formula=formula)


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, InvalidRequestError, "formula is missing"),
        ({"formula": "y"}, InvalidRequestError, "outcome ~ column"),
        ({"formula": "y ~"}, InvalidRequestError, "outcome ~ column"),
        ({"formula": "y ~ x ~ z"}, InvalidRequestError, "outcome ~ column"),
        ({"formula": "y ~ x + x"}, InvalidRequestError, "each column once"),
        ({"formula": "y ~ y"}, InvalidRequestError, "each column once"),
        ({"formula": "y ~ xx"}, PlanRejectedError, "unknown column xx"),
        ({"formula": "ill ~ x"}, InvalidRequestError, "must be numeric: it is the outcome"),
        ({"formula": "y ~ one"}, PlanRejectedError, "one category only"),
        ({"formula": 3}, InvalidRequestError, "must be a text"),
    ],
)
def test_arguments_of_least_squares_are_refused_before_a_charge(world, arguments, error, text):
    with pytest.raises(error, match=text):
        world.plan("ols", **arguments)


@pytest.mark.parametrize(
    ("columns", "error", "text"),
    [
        (["x"], InvalidRequestError, "at least two"),
        (["x", "x"], InvalidRequestError, "different texts"),
        ("x", InvalidRequestError, "must be a list"),
        (["x", "arm"], PlanRejectedError, "arm must be numeric"),
        (["x", "yy"], PlanRejectedError, "unknown column yy"),
    ],
)
def test_columns_of_a_correlation_are_refused_before_a_charge(world, columns, error, text):
    with pytest.raises(error, match=text):
        world.plan("correlation", columns=columns)


def test_exact_dimensions_private_mode_and_overflow():
    data = frame()
    with pytest.raises(PlanRejectedError, match="y may not stand"):
        StatisticWorld(data, COLUMNS, exact_dimensions=["x"]).plan("correlation", columns=["x", "y"])
    wide = COLUMNS | {"z": {"type": "numeric", "lower": 0, "upper": 2**35, "resolution": 1}}
    with pytest.raises(OverflowRiskError):
        StatisticWorld(data, wide).plan("correlation", columns=["x", "z"])


@pytest.mark.parametrize("values", [40.0, np.nan])
def test_constant_and_missing_columns_without_a_guard(values):
    data = frame().assign(x=values)
    world = StatisticWorld(data, COLUMNS, minimum_cell=0)
    answer = world.ask("correlation", columns=["x", "y"])
    assert (answer.statistic, answer.pvalue) == (None, None)
    assert (answer.closed == "undefined") == bool(np.isnan(values))
    for formula in ("y ~ x", "x ~ y"):
        fit = world.ask("ols", formula=formula)
        assert (fit.closed, fit.params, len(fit.frame)) == ("fit_closed", (), 0)
        assert "fit_closed" in fit.summary()


def test_a_singular_design_and_a_perfect_fit_are_closed_by_the_same_code():
    data = frame()
    data["z"] = np.clip(np.rint(data.y / 3), 1, 99)
    world = StatisticWorld(data.assign(y=data.z * 2), COLUMNS, minimum_cell=0)
    assert world.ask("ols", formula="y ~ z").closed == "fit_closed"
    same = StatisticWorld(data.assign(x=data.z), COLUMNS, minimum_cell=0)
    assert same.ask("ols", formula="y ~ x + z").closed == "fit_closed"
    assert same.ask("correlation", columns=["x", "z"]).statistic == 1
