"""F that opens alone: scipy's and rational numbers' figures to three digits, closed where a group is small, and what is refused."""

from fractions import Fraction
from itertools import combinations
from math import prod

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.disclosure.statistic_run import run_cost
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.hidden.hidden_f import f_bits, f_ratio
from smpc.operations.arithmetic import concatenate
from tests.examples import costly_law
from tests.smpc.joint import compute

COLUMNS = {
    "x": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 0.5, "nullable": True},
    "arm": {"type": "categorical", "domain": ["a", "b", "c", "d"]},
    "many": {"type": "categorical", "domain": [str(place) for place in range(9)]},
    "ill": {"type": "boolean"},
}
ASKED = {"column": "x", "by": "arm", "reveal": "statistic"}


def frame(n=800, seed=1):
    generator = np.random.default_rng(seed)
    arm = generator.integers(0, 4, n)
    x = np.clip(np.rint(2 * (50 + arm + generator.normal(0, 14, n))) / 2, 1, 99)
    x[:7] = np.nan
    many = generator.integers(0, 9, n).astype(str)
    return pd.DataFrame({"x": x, "arm": np.array(list("abcd"), object)[arm], "many": many, "ill": arm > 1})


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


def three_digits(value):
    return float(f"{value:.3g}") if value >= 0.01 else round(value, 4)


def oracle_of(data, column, by):
    known = data[[column, by]].dropna()
    return stats.f_oneway(*(group[column].to_numpy(float) for _, group in known.groupby(by)))


@pytest.mark.parametrize(
    ("column", "by"), [("age", "cp"), ("thalach", "cp"), ("age", "disease"), ("age", "sex")]
)
def test_f_of_real_records_is_scipys_to_three_digits(column, by):
    hearts = heart_world()
    answer = hearts.ask("anova", column=column, by=by, reveal="statistic")
    oracle = oracle_of(hearts.frame, column, by)
    assert answer.statistic == three_digits(oracle.statistic)
    groups = hearts.frame[by].nunique()
    assert (answer.df, answer.quantity, answer.closed) == (groups - 1, "F", "")
    fewest = stats.f.sf(answer.statistic, groups - 1, 9 * groups)
    endless = stats.chi2.sf((groups - 1) * answer.statistic, groups - 1)
    assert answer.pvalue == pytest.approx(max(fewest, endless), rel=1e-9)
    assert answer.pvalue > 0.99 * oracle.pvalue


def test_the_table_stays_hidden_and_one_number_opens(world):
    plan = world.plan("anova", **ASKED)
    (step,) = plan.statistic.every_step()
    assert (step.n_values, step.n_flags, step.to) == (1, 1, "analyst")
    sent = world.answers(plan)
    assert {len(part) for part in sent} == {16}
    open_table = world.plan("anova", column="x", by="arm")
    assert open_table.statistic.every_step()[0].clamps == step.clamps
    assert open_table.digest() != plan.digest()
    assert world.ask("anova", **ASKED).statistic == three_digits(
        world.ask("anova", column="x", by="arm").statistic
    )


def exactly(n, s, q):
    """The oracle in rational numbers, by the textbook's sums of squares."""
    everyone, total = sum(n), sum(s)
    between = sum(Fraction(one**2, count) for one, count in zip(s, n, strict=True)) - Fraction(
        total**2, everyone
    )
    within = sum(square - Fraction(one**2, count) for one, square, count in zip(s, q, n, strict=True))
    return between / (len(n) - 1) / (within / (everyone - len(n)))


def before_rounding(n, s, q, bits):
    def ratio(session, figures):
        found = f_ratio(session, figures, len(n), bits)
        return concatenate(
            [each for one in (found.numerator, found.denominator) for each in (one.mantissa, one.exponent)]
        )

    above, up, below, down = (int(each) for each in compute(ratio, np.array([*n, *s, *q], dtype=np.int64)))
    return Fraction(above, below) * Fraction(2) ** (up - down)


@costly_law(6)
@given(
    groups=st.lists(
        st.tuples(st.integers(2, 4000), st.integers(-900, 900), st.integers(1, 10**5)), min_size=2, max_size=8
    )
)
def test_law_before_rounding_it_is_the_rational_number(groups):
    n = [count for count, _, _ in groups]
    s = [mean * count // 10 for count, mean, _ in groups]
    # at least what the mean allows, and some spread
    q = [one**2 // count + spread for (count, _, spread), one in zip(groups, s, strict=True)]
    expected = exactly(n, s, q)
    found = before_rounding(n, s, q, f_bits(16, 2000, len(n)))
    assert abs(found - expected) <= expected / (1 << 22)


def test_equal_means_give_zero_and_a_million_rows_lose_no_digit():
    n, s, q = [400, 500, 600], [800, 1000, 1200], [4000, 5000, 6000]
    assert before_rounding(n, s, q, f_bits(12, 100, 3)) == 0
    n = [300_000, 299_999, 400_001]
    s, q = [3 * n[0] + 5_000, 3 * n[1], 3 * n[2] - 4_000], [109 * each for each in n]
    assert before_rounding(n, s, q, f_bits(20, 100, 3)) == pytest.approx(float(exactly(n, s, q)), rel=1e-6)
    assert prod(n) > 1 << 53
    assert len(list(combinations(n, 2))) == 3


# -- what stays closed ------------------------------------------------------------------------------------------------


def opened_of(data, **fields):
    world = StatisticWorld(data.sample(frac=1, random_state=2), COLUMNS, **fields)
    sent = world.answers(world.plan("anova", **ASKED))
    return sum(np.frombuffer(part, "<i8") for part in sent).tolist()


def nine_in_a_group(data):
    data.loc[data[data.arm == "c"].index[9:], "arm"] = "a"


def an_empty_group(data):
    data["arm"] = data.arm.replace("c", "a")


def all_of_a_group_at_a_bound_but_few(data):
    own = data.index[(data.arm == "b") & data.x.notna()]
    data.loc[own[9:], "x"] = 0.0


def no_spread(data):
    data["x"] = 50.0


def one_group_with_two_values_but_for_one(data):
    own = data.index[(data.arm == "d") & data.x.notna()]
    data.loc[own, "x"] = np.where(np.arange(len(own)) % 2, 50.0, 50.5)
    data.loc[own[3], "x"] = 90.0


@pytest.mark.parametrize(
    "attack",
    [
        nine_in_a_group,
        an_empty_group,
        all_of_a_group_at_a_bound_but_few,
        no_spread,
        one_group_with_two_values_but_for_one,
    ],
    ids=lambda each: each.__name__,
)
def test_attack_what_closes_the_table_closes_f_by_one_code(attack):
    data = frame()
    attack(data)
    assert opened_of(data) == [0, 0]
    world = StatisticWorld(data, COLUMNS)
    answer = world.ask("anova", **ASKED)
    assert (answer.statistic, answer.pvalue, answer.closed) == (None, None, "minimum_cell")


@pytest.mark.parametrize("attack", [no_spread, an_empty_group], ids=lambda each: each.__name__)
def test_without_a_minimum_cell_what_is_undefined_is_closed(attack):
    data = frame()
    attack(data)
    assert opened_of(data, minimum_cell=0) == [0, 0]


def test_a_repeated_question_gives_equal_digits_and_new_shares(world):
    first, second = (world.answers(world.plan("anova", **ASKED)) for _ in range(2))
    assert all(one != other for one, other in zip(first, second, strict=True))
    totals = [sum(np.frombuffer(part, "<i8") for part in sent).tolist() for sent in (first, second)]
    assert totals[0] == totals[1]


# -- cost and refusals --------------------------------------------------------------------------------------------------


def test_rounds_and_bytes_do_not_depend_on_rows(world):
    costs = [
        run_cost(StatisticWorld(frame(n), COLUMNS).plan("anova", **ASKED), lambda *_: None)
        for n in (400, 800)
    ]
    assert costs[0] == costs[1]
    assert costs[0].rounds <= 120
    assert costs[0].bytes_per_peer <= 200_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"by": ["arm", "ill"]}, "one F opens alone"),
        ({"by": "many"}, "at most 8 groups"),
        ({"reveal": "everything"}, "table or statistic"),
        ({"epsilon": "1"}, "must be table for a private answer"),
        ({"groups": ["a"]}, "two groups"),
    ],
)
def test_what_is_refused_before_anything_runs(world, arguments, words):
    with pytest.raises((InvalidRequestError, PlanRejectedError), match=words):
        world.plan("anova", **(ASKED | arguments))


def test_integers_beyond_the_ring_are_refused():
    wide = COLUMNS | {"x": COLUMNS["x"] | {"upper": 10**6, "resolution": 0.01}}
    with pytest.raises(PlanRejectedError, match="of at most 61"):
        StatisticWorld(frame(), wide, rows_max=10**5).plan("anova", **ASKED)
