"""Exact weighted log-rank tests and the test for trend: lifelines' statistics to three digits, before rounding, attacks on few events."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld
from survival_reference import TABLES, columns_of, frame_of

from analytics.disclosure.statistic_run import run_cost
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.life_tables.hidden_log_rank import log_rank_ratio
from analytics.statistics.life_tables.hidden_log_rank_groups import groups_ratio
from analytics.statistics.life_tables.hidden_weights import risk_terms, trend_sums, weighted_links
from analytics.statistics.life_tables.log_rank_cells import TestForm as Form
from smpc.operations.arithmetic import concatenate
from tests.examples import costly_law
from tests.smpc.joint import compute
from tests.statistics.survival.test_statistics_exact_log_rank import to_three_digits

FORMS = {
    "wilcoxon": Form(weightings="wilcoxon"),
    "tarone-ware": Form(weightings="tarone-ware"),
    "peto": Form(weightings="peto"),
    "early": Form(weightings="fleming-harrington", p=1),
    "late": Form(weightings="fleming-harrington", q=1),
    "middle": Form(weightings="fleming-harrington", p=1, q=1),
    "plain": Form(),
}
ASKED = {"duration": "days", "event": "died", "by": "arm"}


def arguments(form):
    found = {"weightings": form.weightings, "trend": form.trend}
    return found | ({"p": int(form.p), "q": int(form.q)} if form.p or form.q else {})


# -- the oracle, in rational numbers, from single times ---------------------------------------------------------------


def weight(form, n, d, everyone, before, peto):
    if form.weightings == "wilcoxon":
        return Fraction(n, everyone)
    if form.weightings == "tarone-ware":
        return Fraction(math.sqrt(n / everyone))
    if form.weightings == "peto":
        return peto * (1 - Fraction(d, n + 1))
    return before ** int(form.p) * (1 - before) ** int(form.q)


def rational(cells, form):
    """U and V of all groups in rational numbers; the statistic of the trend, or by the pseudo-inverse."""
    count = len(cells)
    u, v = [Fraction(0)] * count, [[Fraction(0)] * count for _ in range(count)]
    everyone = int(cells.sum())
    for stratum in range(cells.shape[1]):
        before = peto = Fraction(1)
        for day in range(cells.shape[2]):
            left = [int(each) for each in cells[:, stratum, day:].sum(axis=(1, 2))]
            dies = [int(each) for each in cells[:, stratum, day, 1]]
            n, d = sum(left), sum(dies)
            if n == 0:
                break
            w = weight(form, n, d, everyone, before, peto)
            before, peto = before * (1 - Fraction(d, n)), peto * (1 - Fraction(d, n + 1))
            for one in range(count):
                u[one] += w * (dies[one] - Fraction(d * left[one], n))
                for other in range(count):
                    if n > 1:
                        part = Fraction(left[one], n) * (Fraction(one == other) - Fraction(left[other], n))
                        v[one][other] += w * w * Fraction(d * (n - d), n - 1) * part
    if form.trend:
        score = sum(place * each for place, each in enumerate(u))
        spread = sum(i * j * v[i][j] for i in range(count) for j in range(count))
        return float(score**2 / spread)
    short, square = np.array(u[:-1], float), np.array([row[:-1] for row in v[:-1]], float)
    return float(short @ np.linalg.solve(square, short))


def before_rounding(cells, form, bits=20):
    """The statistic as the parties hold it, opened: in tests alone."""
    count = len(cells)

    def ratio(session, table):
        terms = risk_terms(session, table, bits, form)
        if form.trend or count == 2:
            found = log_rank_ratio(session, trend_sums(session, terms, range(count)))
        else:
            found = groups_ratio(session, weighted_links(session, terms), count)
        both = (found.numerator, found.denominator)
        return concatenate([each for one in both for each in (one.mantissa, one.exponent)])

    above, up, below, down = (int(each) for each in compute(ratio, cells))
    return float(Fraction(above, below) * Fraction(2) ** (up - down))


def random_cells(seed, n, times, groups, strata=1):
    generator = np.random.default_rng(seed)
    group = generator.integers(0, groups, n)
    days = generator.integers(0, times, n) * (6 + group) // (6 + groups)
    found = np.zeros((groups, strata, times, 2), dtype=np.int64)
    died = (generator.random(n) < 0.6).astype(int)
    np.add.at(found, (group, generator.integers(0, strata, n), days, died), 1)
    return found


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("test", ["wilcoxon", "tarone-ware", "peto", "trend"])
def test_real_records_give_lifelines_statistic_to_three_digits(name, test):
    frame = frame_of(name)
    world = StatisticWorld(frame, columns_of(name), minimum_cell=2)
    edges = TABLES[name]["edges"][1:-1]
    more = {"trend": True} if test == "trend" else {"weightings": test, "groups": ["0", "1"]}
    answer = world.ask("log_rank", **ASKED, grid=edges, **more)
    statistic, pvalue = TABLES[name]["tests"][test]
    assert answer.statistic == to_three_digits(statistic)
    assert answer.dof == 1
    assert answer.pvalue == pytest.approx(stats.chi2.sf(answer.statistic, 1), rel=1e-9)
    if pvalue is not None:
        assert answer.pvalue == pytest.approx(pvalue, rel=0.02)


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("name", FORMS)
def test_before_rounding_it_is_the_rational_number(name, groups):
    cells = random_cells(groups, 900, 37, groups, strata=2)
    for form in [FORMS[name]] + (
        [Form(weightings=FORMS[name].weightings, p=FORMS[name].p, q=FORMS[name].q, trend=True)]
        if groups > 2
        else []
    ):
        assert before_rounding(cells, form) == pytest.approx(rational(cells, form), rel=1e-6, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_half_a_million_people_and_512_times_lose_no_digit(name):
    cells = random_cells(5, 500_000, 512, 2)
    assert before_rounding(cells, FORMS[name]) == pytest.approx(
        rational(cells, FORMS[name]), rel=2e-5, abs=2e-5
    )


@costly_law(4)
@given(
    seed=st.integers(0, 10**6),
    n=st.sampled_from([60, 400, 5000]),
    times=st.integers(2, 40),
    groups=st.integers(2, 4),
    name=st.sampled_from([*FORMS]),
    trend=st.booleans(),
)
def test_law_before_rounding_it_is_the_rational_number(seed, n, times, groups, name, trend):
    form = FORMS[name]
    form = Form(weightings=form.weightings, p=form.p, q=form.q, trend=trend)
    cells = random_cells(seed, n, times, groups)
    assert before_rounding(cells, form) == pytest.approx(rational(cells, form), rel=2e-4, abs=2e-4)


def test_weights_of_one_are_the_plain_test_and_order_does_not_matter():
    cells = random_cells(9, 700, 20, 3)
    assert before_rounding(cells, Form(trend=True)) == pytest.approx(
        before_rounding(cells[::-1].copy(), Form(trend=True)), rel=1e-6
    )
    frame = frame_of("heart_failure")
    world = StatisticWorld(frame, columns_of("heart_failure"), minimum_cell=2)
    plain = world.ask("log_rank", **ASKED)
    none = world.ask("log_rank", **ASKED, weightings="fleming-harrington")
    assert none.statistic == plain.statistic
    two = {**ASKED, "groups": ["0", "1"]}
    assert world.ask("log_rank", **two, trend=True).statistic == world.ask("log_rank", **two).statistic


# -- what opens, and what stays closed --------------------------------------------------------------------------------


def people(late_events, n=400):
    """Two arms; many early events, and so many late ones in the second arm."""
    place = np.arange(n)
    days = np.where(place % 2 == 0, 2 + place % 20, 90)
    died = place % 2 == 0
    late = np.flatnonzero((place % 4 == 1) & ~died)[:late_events]
    days[late], died[late] = 80, True
    return pd.DataFrame({"days": days, "died": died, "arm": place % 4 >= 2})


DECLARED = {
    "days": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1},
    "died": {"type": "boolean"},
    "arm": {"type": "boolean"},
}


def opened_of(frame, **more):
    world = StatisticWorld(frame, DECLARED, rows_max=2000)
    sent = world.answers(world.plan("log_rank", **ASKED, **more))
    assert {len(part) for part in sent} == {16}
    return sum(np.frombuffer(part, "<i8") for part in sent).tolist()


@pytest.mark.parametrize("form", ["wilcoxon", "tarone-ware", "peto", "early", "late", "middle"])
def test_attack_a_group_of_few_people_or_events_closes_every_weighting(form):
    frame = people(0)
    few = frame.assign(died=frame.died & ((~frame.arm) | (frame.index < 38)))  # 9 events of one arm
    assert int(few.died[few.arm].sum()) == 9
    assert opened_of(few, **arguments(FORMS[form])) == [0, 0]


def test_attack_weights_that_few_events_carry_close_it():
    """In the second arm all events but nine have nearly no weight: late weights would show these nine."""
    early = pd.DataFrame({"days": [99] * 4000, "died": [False] * 4000, "arm": [False, True] * 2000})
    early.loc[:39, ["days", "died"]] = 1, True  # a hundredth dies at once: weight 0
    days, late = 50 + np.arange(400) % 20, []
    for events in (400, 400), (400, 9):
        died = [place < each for each in events for place in range(400)]
        late.append(pd.DataFrame({"days": [*days, *days], "died": died, "arm": [False] * 400 + [True] * 400}))
    for part, is_open in zip(late, (True, False), strict=True):
        frame = pd.concat([early, part], ignore_index=True)
        value, flag = opened_of(frame, weightings="fleming-harrington", q=1)
        assert flag == is_open
        assert is_open or value == 0
        assert opened_of(frame)[1] == 1  # the plain test counts the early ones too


def test_rounds_and_bytes_do_not_depend_on_rows_and_stay_in_their_limits():
    for name, most in (("wilcoxon", 89), ("tarone-ware", 109), ("peto", 134), ("late", 134)):
        costs = []
        for n in (40, 400):
            plan = StatisticWorld(people(0, n), DECLARED).plan("log_rank", **ASKED, **arguments(FORMS[name]))
            costs.append(run_cost(plan, lambda *_: None))
        assert costs[0] == costs[1]
        assert costs[0].rounds <= most, (name, costs[0].rounds)
        assert costs[0].bytes_per_peer < 400_000


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"weightings": "fleming-harrington", "p": "0.5"}, "must be 0 or 1 for an exact test"),
        ({"weightings": "fleming-harrington", "q": 2}, "must be 0 or 1 for an exact test"),
        ({"weightings": "gehan"}, "must be one of log-rank"),
        ({"p": 1}, "belongs to weightings"),
    ],
)
def test_what_is_refused_before_anything_runs(more, text):
    with pytest.raises(InvalidRequestError, match=text):
        StatisticWorld(people(0), DECLARED).plan("log_rank", **ASKED, **more)


def test_more_rows_and_times_than_weights_hold_are_refused_or_coarser():
    large = StatisticWorld(people(0), DECLARED, rows_max=400_000)
    large.plan("log_rank", **ASKED)
    with pytest.raises(PlanRejectedError, match="at most 1048575"):
        large.plan("log_rank", **ASKED, weightings="peto")
    long = DECLARED | {"days": DECLARED["days"] | {"upper": 2000}}
    StatisticWorld(people(0), long).plan("log_rank", **ASKED, weightings="wilcoxon")
    with pytest.raises(PlanRejectedError, match="no bins"):
        StatisticWorld(people(0), long).plan("log_rank", **ASKED, weightings="peto")
