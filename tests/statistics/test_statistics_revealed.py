"""Statistics that open alone: scipy's and rational numbers' figures to three digits, the attacks on small tables, and what is refused."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld, heart_world

from analytics.disclosure.statistic_run import run_cost
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.results.explain_statistic import explain_statistic_text
from analytics.statistics.hidden.hidden_ratios import (
    chi_square_of_table,
    chi_square_ratio,
    correlation_ratio,
    odds_ratio,
    t_bits,
    t_ratio,
)
from tests.smpc.joint import compute

CLOSE = Fraction(1, 2**25)


@pytest.fixture(scope="module")
def hearts():
    return heart_world()


def three_digits(value):
    return float(f"{value:.3g}")


def known(world, *names):
    return world.frame[list(names)].dropna()


@pytest.mark.parametrize(("a", "b"), [("sex", "disease"), ("fbs", "disease")])
def test_chi_square_and_odds_ratio_of_real_records(hearts, a, b):
    rows = known(hearts, a, b).reset_index(drop=True).astype(str)
    table = pd.crosstab(rows[a], rows[b]).to_numpy()
    for correction in (True, False):
        answer = hearts.ask("chi_square", a=a, b=b, correction=correction, reveal="statistic")
        oracle = stats.chi2_contingency(table, correction=correction)
        assert answer.statistic == three_digits(oracle.statistic)
        assert answer.pvalue == pytest.approx(stats.chi2.sf(answer.statistic, 1), rel=1e-9)
        assert (answer.quantity, answer.df, answer.closed) == ("chi-square", 1, "")
        assert answer.frame.iloc[0].tolist() == ["chi-square", answer.statistic, 1.0, answer.pvalue]
    measure = hearts.ask("crosstab", a=a, b=b, reveal="statistic")
    (one, two), (three, four) = table.tolist()
    assert measure.statistic == three_digits(one * four / (two * three))
    assert measure.values() == {
        "quantity": "odds ratio",
        "statistic": measure.statistic,
        "df": None,
        "pvalue": None,
    }


def test_chi_square_of_a_larger_table_of_real_records(hearts):
    rows = known(hearts, "cp", "sex").reset_index(drop=True).astype(str)
    oracle = stats.chi2_contingency(pd.crosstab(rows.cp, rows.sex).to_numpy())
    answer = hearts.ask("chi_square", a="cp", b="sex", reveal="statistic")
    assert (answer.statistic, answer.df) == (three_digits(oracle.statistic), 3)
    assert answer.pvalue == pytest.approx(stats.chi2.sf(answer.statistic, 3), rel=1e-9)
    cost = run_cost(hearts.plan("chi_square", a="cp", b="sex", reveal="statistic"), lambda *_: None)
    assert cost.rounds <= 60
    assert cost.bytes_per_peer <= 80_000


def of_cells(a, b, table, **fields):
    """A table of so many people, in a frame."""
    places = [
        (row, column) for row, line in enumerate(table) for column, n in enumerate(line) for _ in range(n)
    ]
    columns = {name: COLUMNS[name] for name in (a, b)}
    frame = pd.DataFrame(
        {name: [columns[name]["domain"][place[axis]] for place in places] for axis, name in enumerate((a, b))}
    )
    return StatisticWorld(frame, columns, **fields)


def test_attack_a_small_cell_of_a_small_table_and_a_small_group_of_a_large_one_close_it():
    asked = {"a": "arm", "b": "ward"}
    large = np.full((3, 8), 4)  # 24 cells: its groups are guarded, of 12 and 32 people
    assert opened(of_cells("arm", "ward", large), "chi_square", **asked)[1] == 1
    large[:, 5] = 3
    assert opened(of_cells("arm", "ward", large), "chi_square", **asked) == [0, 0]
    three = COLUMNS["ward"]["domain"]
    small = np.zeros((3, 8), dtype=int)
    small[:, :3] = 12
    declared = {"arm": COLUMNS["arm"], "ward": {"type": "categorical", "domain": three[:3]}}
    for cell, is_open in ((12, 1), (9, 0), (0, 0)):
        small[1, 1] = cell
        world = of_cells("arm", "ward", small)
        assert opened(StatisticWorld(world.frame, declared), "chi_square", **asked)[1] == is_open
    empty = of_cells("arm", "ward", np.where(np.arange(8) < 7, 4, 0) * np.ones((3, 1), int), minimum_cell=0)
    assert opened(empty, "chi_square", **asked) == [0, 0]


@pytest.mark.parametrize("equal_var", [False, True])
@pytest.mark.parametrize("column", ["age", "oldpeak"])
def test_t_of_real_records_with_a_pvalue_that_is_never_too_small(hearts, column, equal_var):
    rows = known(hearts, column, "disease")
    groups = [rows[column][~rows.disease], rows[column][rows.disease]]
    oracle = stats.ttest_ind(*groups, equal_var=equal_var)
    answer = hearts.ask("t_test", column=column, by="disease", equal_var=equal_var, reveal="statistic")
    assert answer.statistic == three_digits(oracle.statistic)
    assert answer.df == (18 if equal_var else 9)
    assert answer.pvalue == pytest.approx(2 * stats.t.sf(abs(answer.statistic), answer.df), rel=1e-9)
    assert answer.pvalue > oracle.pvalue
    assert answer.quantity == "t"


@pytest.mark.parametrize("pair", [("age", "thalach"), ("trestbps", "exang")])
def test_correlation_of_real_records(hearts, pair):
    rows = known(hearts, *pair)
    oracle = stats.pearsonr(*(rows[name].astype(float) for name in pair))
    answer = hearts.ask("correlation", columns=list(pair), reveal="statistic")
    assert answer.statistic == three_digits(oracle.statistic)
    assert (answer.quantity, answer.pvalue, answer.df) == ("correlation", None, None)
    assert "statistic" in repr(answer)


# -- before rounding, against rational numbers ----------------------------------------------------------------------


def opened_ratio(ratio, figures):
    """The ratio as the parties hold it, opened: in tests alone. Also its sign, where it has one."""

    def joint(session, shared):
        found = ratio(session, shared)
        parts = [found.numerator, found.denominator]
        sign = [] if found.sign is None else [found.sign]
        return [part for each in parts for part in (each.mantissa, each.exponent)] + sign

    above, up, below, down, *sign = (int(each[0]) for each in compute(joint, np.array(figures, np.int64)))
    value = Fraction(above, below) * Fraction(2) ** (up - down) if below else None
    return value, (sign or [1])[0]


CELL = st.one_of(st.integers(1, 50), st.integers(1, 2**20))


@settings(max_examples=20)
@given(cells=st.tuples(CELL, CELL, CELL, CELL), has_correction=st.booleans())
def test_law_chi_square_and_odds_ratio_before_rounding(cells, has_correction):
    a, b, c, d = cells
    n, apart = sum(cells), abs(a * d - b * c)
    numerator = max(Fraction(apart) - Fraction(n, 2), 0) if has_correction else Fraction(apart)
    oracle = n * numerator**2 / ((a + b) * (c + d) * (a + c) * (b + d))
    found, _ = opened_ratio(lambda s, x: chi_square_ratio(s, x, 22, has_correction=has_correction), cells)
    assert abs(found - oracle) <= CLOSE * oracle
    odds, _ = opened_ratio(lambda s, x: odds_ratio(s, x, 22), cells)
    assert abs(odds * b * c - a * d) <= CLOSE * a * d


TABLES = st.sampled_from([(2, 3), (3, 2), (4, 5), (8, 3), (8, 8)])


@settings(max_examples=12)
@given(shape=TABLES, seed=st.integers(0, 10**6), largest=st.sampled_from([30, 400, 4_000]))
def test_law_chi_square_of_a_table_before_rounding(shape, seed, largest):
    cells = np.random.default_rng(seed).integers(1, largest, shape)
    n, rows, columns = int(cells.sum()), cells.sum(axis=1), cells.sum(axis=0)
    apart = [
        (Fraction(n * int(o) - r * c, n * r), Fraction(n * int(o) - r * c, n * c))
        for r, row in zip(rows.tolist(), cells, strict=True)
        for c, o in zip(columns.tolist(), row, strict=True)
    ]
    oracle = n * sum(d * e for d, e in apart)
    found, _ = opened_ratio(lambda s, x: chi_square_of_table(s, x, shape, 22), cells.ravel())
    allowed = n * sum(abs(d) + abs(e) for d, e in apart) / 2**27 + oracle * CLOSE
    assert abs(found - oracle) <= allowed
    assert allowed <= Fraction(1, 2_000) * max(oracle, 1)


ROWS = st.lists(st.tuples(st.integers(-200, 200), st.integers(-200, 200)), min_size=3, max_size=30)


@settings(max_examples=15)
@given(rows=ROWS)
def test_law_the_square_of_a_correlation_before_rounding(rows):
    x, y = np.array(rows).T
    n = len(rows)
    sums = [n, x.sum(), y.sum(), (x * x).sum(), (x * y).sum(), (y * y).sum()]
    xx, xy, yy = (
        n * int(sums[k]) - int(sums[i]) * int(sums[j]) for k, i, j in ((3, 1, 1), (4, 1, 2), (5, 2, 2))
    )
    found, sign = opened_ratio(lambda s, v: correlation_ratio(s, v, 50), sums)
    if xx * yy == 0:
        assert found is None
    else:
        assert abs(found - Fraction(xy**2, xx * yy)) <= CLOSE * Fraction(xy**2, xx * yy)
        assert sign == np.sign(xy)


VALUES = st.lists(st.integers(-500, 500), min_size=2, max_size=40)


@settings(max_examples=15)
@given(first=VALUES, second=VALUES, equal_var=st.booleans())
def test_law_the_square_of_t_before_rounding(first, second, equal_var):
    groups = [np.array(first), np.array(second)]
    n = [len(each) for each in groups]
    means = [Fraction(int(each.sum()), len(each)) for each in groups]
    spread = [sum((int(v) - m) ** 2 for v in each) for each, m in zip(groups, means, strict=True)]
    if equal_var:
        error = sum(spread) / (sum(n) - 2) * (Fraction(1, n[0]) + Fraction(1, n[1]))
    else:
        error = sum(each / (k - 1) / k for each, k in zip(spread, n, strict=True))
    figures = [*n, *(int(each.sum()) for each in groups), *(int((each**2).sum()) for each in groups)]
    bits = t_bits(10, 500, equal_var=equal_var)
    found, sign = opened_ratio(lambda s, v: t_ratio(s, v, bits, equal_var=equal_var), figures)
    if error == 0:
        assert found is None
    else:
        oracle = (means[0] - means[1]) ** 2 / error
        assert abs(found - oracle) <= CLOSE * oracle
        assert sign == np.sign(means[0] - means[1])


# -- what opens, and what stays closed ------------------------------------------------------------------------------


COLUMNS = {
    "ill": {"type": "boolean"},
    "old": {"type": "boolean"},
    "arm": {"type": "categorical", "domain": ["a", "b", "c"]},
    "ward": {"type": "categorical", "domain": list("stuvwxyz")},
    "many": {"type": "categorical", "domain": [f"m{place}" for place in range(67)]},
    "x": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1},
    "y": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1},
    "long": {"type": "numeric", "lower": 0, "upper": 1_000_000, "resolution": 0.001},
}


def world_of(a, b, c, d, **fields):
    """Four cells of so many people, in a frame."""
    ill = np.repeat([False, False, True, True], [a, b, c, d])
    old = np.repeat([False, True, False, True], [a, b, c, d])
    n = np.arange(ill.size)
    frame = pd.DataFrame(
        {
            "ill": ill,
            "old": old,
            "arm": "a",
            "ward": "s",
            "many": "m0",
            "x": n * 7 % 101,
            "y": (n * 7 % 101 + n * 3 % 11) % 101,
            "long": 0.0,
        }
    )
    return StatisticWorld(frame, COLUMNS, **fields)


def opened(world, name, **asked):
    sent = world.answers(world.plan(name, reveal="statistic", **asked))
    return sum(np.frombuffer(part, "<i8") for part in sent).tolist()


PAIR = {"a": "ill", "b": "old"}


@pytest.mark.parametrize("name", ["chi_square", "crosstab"])
@pytest.mark.parametrize("cells", [(9, 40, 40, 40), (40, 40, 40, 0), (0, 0, 40, 40)])
def test_attack_a_small_or_empty_cell_closes_the_statistic_and_nothing_else_opens(name, cells):
    assert opened(world_of(*cells), name, **PAIR) == [0, 0]
    answer = world_of(*cells).ask(name, reveal="statistic", **PAIR)
    assert answer.closed == "minimum_cell"
    assert opened(world_of(10, 40, 40, 41), name, **PAIR)[1] == 1


def test_attack_three_digits_give_a_small_table_away_so_its_cells_are_guarded():
    """Of 60 people in four cells of at least ten, who knows the 60 finds the table from three digits as well as from nine,
    up to its symmetries. So a hidden table opens its statistic only where its cells could open too."""
    n = 60
    tables = [
        (a, b, c, n - a - b - c)
        for a in range(10, n)
        for b in range(10, n - a)
        for c in range(10, n - a - b)
        if n - a - b - c >= 10
    ]
    odds = [f"{a * d / (b * c):.3g}" for a, b, c, d in tables]
    counts = Counter(odds)
    assert sorted(counts[each] for each in odds)[len(odds) // 2] <= 4
    assert opened(world_of(9, 17, 17, 17), "crosstab", **PAIR) == [0, 0]


def test_without_a_minimum_cell_a_denominator_of_zero_is_closed_by_the_same_code():
    for name, asked in (("crosstab", PAIR), ("chi_square", PAIR)):
        world = world_of(5, 0, 3, 0, minimum_cell=0)
        assert opened(world, name, **asked) == [0, 0]
    assert world_of(5, 3, 3, 5, minimum_cell=0).ask("crosstab", reveal="statistic", **PAIR).statistic == 2.78


def test_attack_values_of_few_people_close_a_hidden_t_and_a_hidden_correlation():
    """All people of one group but nine at the lower bound: number, sum and squares would tell these nine."""
    world = world_of(40, 40, 40, 40)
    frame = world.frame.assign(x=np.where(np.arange(160) < 9, 50, 0))
    few = StatisticWorld(frame, COLUMNS)
    assert opened(few, "t_test", column="x", by="ill") == [0, 0]
    assert opened(few, "correlation", columns=["x", "y"]) == [0, 0]
    constant = StatisticWorld(world.frame.assign(x=7), COLUMNS, minimum_cell=0)
    assert opened(constant, "t_test", column="x", by="ill") == [0, 0]
    assert opened(constant, "correlation", columns=["x", "y"]) == [0, 0]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("chi_square", PAIR),
        ("crosstab", PAIR),
        ("t_test", {"column": "x", "by": "ill"}),
        ("correlation", {"columns": ["x", "y"]}),
    ],
)
def test_repeated_questions_give_equal_digits_and_cost_does_not_depend_on_rows(name, asked):
    large, small = world_of(100, 90, 80, 70), world_of(30, 30, 30, 30)
    assert opened(large, name, **asked) == opened(large, name, **asked)
    costs = [
        run_cost(each.plan(name, reveal="statistic", **asked), lambda *_: None) for each in (large, small)
    ]
    assert costs[0] == costs[1]
    assert costs[0].rounds <= 50
    plan = large.plan(name, reveal="statistic", **asked)
    assert (plan.most_opened, plan.to_dict()["arguments"]["reveal"]) == (1, "statistic")
    text = explain_statistic_text(plan)
    assert "statistic of a hidden table, rounded to 3 digits" in text
    assert "1 number(s) and 1 bit(s) opened to the analyst alone" in text
    assert plan.digest() != large.plan(name, **asked).digest()


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        ("chi_square", PAIR | {"reveal": "cells"}, "must be table or statistic"),
        ("chi_square", PAIR | {"reveal": True}, "must be a text"),
        ("chi_square", PAIR | {"reveal": "statistic", "epsilon": "1"}, "must be table for a private answer"),
        ("correlation", {"columns": ["x", "y"], "reveal": "statistic", "epsilon": "1"}, "must be table"),
        ("t_test", {"column": "x", "by": "ill", "reveal": "statistic", "epsilon": "1"}, "must be table"),
        ("chi_square", {"a": "arm", "b": "many", "reveal": "statistic"}, "at most 200 cells"),
        ("crosstab", {"a": "ill", "b": "old", "c": "arm", "reveal": "statistic"}, "2 x 2 x 3 groups"),
        ("correlation", {"columns": ["x", "y", "ill"], "reveal": "statistic"}, "must be two"),
        ("correlation", {"columns": ["x", "long"], "reveal": "statistic"}, "integers of .* bits"),
        ("t_test", {"column": "long", "by": "ill", "reveal": "statistic"}, "integers of .* bits"),
    ],
)
def test_what_is_refused_before_anything_runs(name, asked, words):
    with pytest.raises((InvalidRequestError, PlanRejectedError), match=words):
        world_of(10, 10, 10, 10).plan(name, **asked)
