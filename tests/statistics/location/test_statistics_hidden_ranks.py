"""z of Mann and Whitney that opens alone: scipy's and rational numbers' figures to three digits, closed where people are few, refusals."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.disclosure.statistic_run import run_cost
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.hidden.hidden_ranks import z_bits, z_ratio
from smpc.operations.arithmetic import concatenate, reshape
from tests.examples import costly_law
from tests.smpc.joint import compute

COLUMNS = {
    "x": {"type": "numeric", "lower": 0, "upper": 48, "resolution": 1, "bins": list(range(0, 49, 2))},
    "arm": {"type": "categorical", "domain": ["a", "b", "c"], "nullable": True},
}
ASKED = {"column": "x", "by": "arm", "groups": ["a", "b"], "reveal": "statistic"}
SMALL = {**ASKED, "grid": [0, 16, 32, 48]}
ALTERNATIVES = ["two-sided", "less", "greater"]


def frame(n=900, seed=3):
    generator = np.random.default_rng(seed)
    arm = generator.choice(["a", "b", "c"], n)
    x = np.clip(np.rint(22 + 2 * (arm == "b") + generator.normal(0, 11, n)), 0, 48)
    arm[:4] = "c"
    return pd.DataFrame({"x": x, "arm": np.where(np.arange(n) < 4, None, arm.astype(object))})


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


def three_digits(value):
    return float(f"{value:.3g}") if abs(value) >= 0.01 else round(value, 4)


def scipys_z(first, second, alternative):
    """From the p-value of scipy's test of the bins' places, with ties and continuity corrected."""
    pvalue = stats.mannwhitneyu(first, second, alternative=alternative, method="asymptotic").pvalue
    if alternative == "two-sided":
        sign = np.sign(stats.mannwhitneyu(first, second).statistic - len(first) * len(second) / 2)
        return sign * stats.norm.isf(pvalue / 2)
    return stats.norm.isf(pvalue) if alternative == "greater" else stats.norm.ppf(pvalue)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("asked", [ASKED, SMALL])
def test_z_is_scipys_to_three_digits(world, asked, alternative):
    edges = asked.get("grid", COLUMNS["x"]["bins"])
    place = np.digitize(world.frame.x, edges[1:-1])
    groups = [place[(world.frame.arm == label).to_numpy()] for label in "ab"]
    answer = world.ask("mann_whitney", **asked, alternative=alternative)
    assert answer.statistic == three_digits(scipys_z(*groups, alternative))
    expected = stats.mannwhitneyu(*groups, alternative=alternative, method="asymptotic").pvalue
    assert answer.pvalue == pytest.approx(expected, rel=0.03)
    assert (answer.quantity, answer.df, answer.closed) == ("z", None, "")


@pytest.mark.parametrize(("column", "grid"), [("thalach", None), ("age", [0, 50, 60, 120]), ("chol", None)])
def test_z_of_real_records_at_a_minimum_cell_of_10(column, grid):
    hearts = heart_world()
    edges = grid or hearts.schema.to_dict()["tables"]["patients"]["columns"][column]["bins"]
    rows = hearts.frame[[column, "disease"]].dropna()
    place = np.digitize(rows[column], [float(edge) for edge in edges[1:-1]])
    ill = rows.disease.to_numpy(bool)
    answer = hearts.ask("mann_whitney", column=column, by="disease", grid=grid, reveal="statistic")
    assert answer.statistic == three_digits(scipys_z(place[~ill], place[ill], "two-sided"))


def test_the_table_stays_hidden_and_one_number_opens(world):
    plan = world.plan("mann_whitney", **ASKED)
    (step,) = plan.statistic.every_step()
    assert (step.n_values, step.n_flags, step.to) == (1, 1, "analyst")
    assert {len(part) for part in world.answers(plan)} == {16}
    open_table = world.plan(
        "mann_whitney", **{name: value for name, value in ASKED.items() if name != "reveal"}
    )
    assert open_table.statistic.every_step()[0].clamps == step.clamps
    assert open_table.digest() != plan.digest()
    cost = run_cost(plan, lambda *_: None)
    assert cost.rounds <= 60
    assert run_cost(world.plan("mann_whitney", **SMALL), lambda *_: None).rounds <= 60


# -- before rounding, against rational numbers ----------------------------------------------------------------------


def squared(table, alternative):
    """The oracle: pairs of people counted bin by bin, over the textbook's variance with ties."""
    first, second = table
    n, m, everyone = sum(first), sum(second), sum(first) + sum(second)
    twice = sum(a * b * (2 if i > j else i == j) for i, a in enumerate(first) for j, b in enumerate(second))
    apart = twice - n * m
    if alternative == "two-sided":
        apart = max(abs(apart) - 1, 0) * (1 if apart > 0 else -1)
    else:
        apart += -1 if alternative == "greater" else 1
    ties = sum((a + b) ** 3 - a - b for a, b in zip(first, second, strict=True))
    variance = Fraction(n * m, 3) * (everyone + 1 - Fraction(ties, everyone * (everyone - 1)))
    return (Fraction(apart**2) / variance if variance else None), int(np.sign(apart))


def before_rounding(table, bits, alternative):
    def ratio(session, cells):
        found = z_ratio(session, reshape(cells, (2, len(table[0]))), bits, alternative)
        parts = [
            part for each in (found.numerator, found.denominator) for part in (each.mantissa, each.exponent)
        ]
        return concatenate([*parts, found.sign])

    above, up, below, down, sign = (
        int(each) for each in compute(ratio, np.array(table, dtype=np.int64).ravel())
    )
    return (Fraction(above, below) * Fraction(2) ** (up - down) if below else None), sign


CELLS = st.one_of(st.integers(0, 6), st.integers(0, 20_000))


@costly_law(8)
@given(
    table=st.integers(2, 12).flatmap(
        lambda bins: st.tuples(*[st.lists(CELLS, min_size=bins, max_size=bins)] * 2)
    ),
    alternative=st.sampled_from(ALTERNATIVES),
)
def test_law_before_rounding_it_is_the_rational_number(table, alternative):
    table = [[each + (place == 0) for place, each in enumerate(row)] for row in table]  # both have people
    expected, sign = squared(table, alternative)
    found, found_sign = before_rounding(table, 20, alternative)
    if expected is None:
        assert found is None
    else:
        assert abs(found - expected) <= expected / (1 << 25)
        assert found_sign == sign


def test_a_million_people_lose_no_digit_and_equal_groups_give_zero():
    table = [[100_000, 150_000, 250_000], [120_000, 160_000, 240_000]]
    expected, sign = squared(table, "two-sided")
    found, found_sign = before_rounding(table, 20, "two-sided")
    assert found_sign == sign == 1
    assert abs(found - expected) <= expected / (1 << 25)
    assert before_rounding([[5, 5], [5, 5]], 10, "two-sided") == (0, 0)
    assert z_bits(20) == 60


# -- what stays closed ------------------------------------------------------------------------------------------------


def opened(table, asked=ASKED, **fields):
    """What opens of a table of two groups and the bins of x (or the first of them)."""
    edges = asked.get("grid", COLUMNS["x"]["bins"])
    rows = [
        (edges[place], "ab"[group])
        for group, row in enumerate(table)
        for place, n in enumerate(row)
        for _ in range(n)
    ]
    data = pd.DataFrame(rows, columns=["x", "arm"]).sample(frac=1, random_state=1)
    world = StatisticWorld(data, COLUMNS, **fields)
    return sum(
        np.frombuffer(part, "<i8") for part in world.answers(world.plan("mann_whitney", **asked))
    ).tolist()


def spread(first, second):
    """Two groups over the 24 bins; what is not given is 1 a bin."""
    return [[first.get(place, 1) for place in range(24)], [second.get(place, 1) for place in range(24)]]


@pytest.mark.parametrize(
    ("table", "is_open"),
    [
        (spread({}, {}), True),
        (spread(dict.fromkeys(range(16), 0), {}), False),  # a group of 8
        (spread(dict.fromkeys(range(1, 24), 0) | {0: 30}, {}), False),  # a group in one bin
        (spread(dict.fromkeys(range(1, 24), 0) | {0: 30, 5: 9}, {}), False),  # 9 people off a bin
        (spread(dict.fromkeys(range(1, 24), 0) | {0: 30, 5: 10}, {}), True),
    ],
    ids=["open", "small group", "one bin", "nine off a bin", "ten off a bin"],
)
def test_attack_few_people_of_a_larger_table_close_it(table, is_open):
    value, flag = opened(table)
    assert flag == is_open
    assert is_open or value == 0


@pytest.mark.parametrize(("cell", "is_open"), [(10, True), (9, False), (1, False), (0, False)])
def test_attack_a_small_cell_of_a_small_table_closes_it(cell, is_open):
    assert opened([[20, 30, 15], [25, cell, 40]], SMALL)[1] == is_open


def test_people_in_one_bin_alone_are_closed_without_a_minimum_cell_too():
    table = spread(dict.fromkeys(range(1, 24), 0) | {0: 30}, dict.fromkeys(range(1, 24), 0) | {0: 20})
    assert opened(table, minimum_cell=0) == [0, 0]
    assert opened([[0] * 24, [2] * 24], minimum_cell=0) == [0, 0]


# -- refused before a charge ------------------------------------------------------------------------------------------


def test_what_cannot_open_alone_is_refused(world):
    with pytest.raises(InvalidRequestError, match="must be table for a private answer"):
        world.plan("mann_whitney", epsilon="1", **ASKED)
    with pytest.raises(InvalidRequestError, match="must be table or statistic"):
        world.plan("mann_whitney", **ASKED | {"reveal": "all"})
    large = StatisticWorld(frame(), COLUMNS, rows_max=400_000)
    with pytest.raises(PlanRejectedError, match="integers of 63 bits"):
        large.plan("mann_whitney", **ASKED)
