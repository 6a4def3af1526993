"""The exact log-rank test: lifelines' statistic to three digits, from a table that no party sees; attacks on small tables."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.disclosure.statistic_run import run_cost
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.life_tables.hidden_log_rank import score_and_variance
from smpc.operations.reveal import reveal_to_all
from smpc.simulator import simulate
from tests.smpc.joint import compute, split_input

ORACLE = json.loads((Path(__file__).parents[2] / "oracles" / "statistics" / "log_rank.json").read_text())
GROUPS = ("anaemia", "high_blood_pressure", "sex", "smoking", "diabetes")
ASKED = {"duration": "days", "event": "died", "by": "arm"}


def columns(last, bins=()):
    days = {"type": "numeric", "lower": 0, "upper": last, "resolution": 1, "bins": [0, *bins, last]}
    return {"days": days, "died": {"type": "boolean"}, "arm": {"type": "boolean"}}


def table_of(days, died, arm, **more):
    return pd.DataFrame({"days": days, "died": np.asarray(died, bool), "arm": np.asarray(arm, bool), **more})


def to_three_digits(value):
    """The oracle's rounding, by decimals: three digits, and no digit below 10^-4."""
    unit = max(1e-4, 10.0 ** (math.floor(math.log10(value)) - 2)) if value > 0 else 1e-4
    return float(f"{round(value / unit) * unit:.4f}")


@pytest.fixture(scope="module")
def heart_failure():
    records = pd.DataFrame(ORACLE["records"])
    kept = {name: records[name] == 1 for name in GROUPS}
    frame = pd.DataFrame({"days": records.time, "died": records.death_event == 1, **kept})
    declared = columns(300, range(30, 300, 30))
    del declared["arm"]
    return StatisticWorld(frame, declared | {name: {"type": "boolean"} for name in GROUPS})


@pytest.mark.parametrize("by", GROUPS)
def test_real_records_give_lifelines_statistic_to_three_digits(heart_failure, by):
    asked = {"duration": "days", "event": "died", "by": by}
    daily = heart_failure.ask("log_rank", **asked)
    assert daily.statistic == to_three_digits(ORACLE["by_day"][by]["statistic"])
    assert daily.pvalue == pytest.approx(ORACLE["by_day"][by]["pvalue"], rel=0.01)
    coarse = heart_failure.ask("log_rank", grid=list(range(30, 300, 30)), **asked)
    assert coarse.statistic == to_three_digits(ORACLE["by_thirty_days"][by]["statistic"])
    assert (daily.dof, daily.closed, daily.n, daily.labels) == (1, "", (), ("False", "True"))


def tied(seed, n, times, part):
    """The oracle's random people, from uniform integers alone."""
    generator = np.random.default_rng(seed)
    arm = generator.integers(0, 1000, n) < part
    days = generator.integers(0, times, n)
    return np.where(arm, days * 3 // 4, days), generator.integers(0, 10, n) < 6, arm


def before_rounding(cells, bits=20):
    """U and V as the parties hold them, opened: in tests alone."""
    u, v = compute(lambda session, table: score_and_variance(session, table, bits), cells)
    return (int(u) / 2**38) ** 2 / (int(v) / 2**38)


@pytest.mark.parametrize("case", ORACLE["tied"], ids=["few times", "unequal groups", "few people"])
def test_with_many_ties_it_is_within_a_millionth_before_rounding(case):
    asked = {name: case[name] for name in ("seed", "n", "times", "part")}
    world = StatisticWorld(table_of(*tied(**asked)), columns(case["times"]))
    plan = world.plan("log_rank", **ASKED)
    (step,) = plan.statistic.every_step()
    cells = sum(step.local(rows) for rows in world.scanned(plan))
    found = before_rounding(cells.reshape(plan.statistic.exact.shape))
    assert found == pytest.approx(case["statistic"], rel=1e-6)
    assert world.ask("log_rank", **ASKED).statistic == to_three_digits(case["statistic"])


def person_by_person(frame):
    """A second oracle, with strata: rational numbers, from single people."""
    u, v = Fraction(0), Fraction(0)
    for _, stratum in frame.groupby("ward"):
        for day in sorted(set(stratum.days[stratum.died])):
            left, dies = stratum[stratum.days >= day], stratum[(stratum.days == day) & stratum.died]
            n, n1, d = len(left), int((~left.arm).sum()), len(dies)
            u += int((~dies.arm).sum()) - Fraction(d * n1, n)
            v += Fraction(d * n1 * (n - n1) * (n - d), n * n * (n - 1)) if n > 1 else 0
    return u, v


def test_strata_are_compared_within_themselves():
    days, died, arm = tied(7, 700, 40, 400)
    ward = np.where(np.arange(700) % 3 == 0, "north", "south")
    frame = table_of(np.where(ward == "north", days // 3, days), died, arm, ward=ward)
    world = StatisticWorld(
        frame, columns(40) | {"ward": {"type": "categorical", "domain": ["north", "south"]}}
    )
    u, v = person_by_person(frame)
    assert world.ask("log_rank", strata="ward", **ASKED).statistic == to_three_digits(float(u**2 / v))
    everyone, variance = person_by_person(frame.assign(ward="one"))
    assert world.ask("log_rank", **ASKED).statistic == to_three_digits(float(everyone**2 / variance))


def test_how_the_rows_are_dealt_to_the_sites_changes_nothing():
    frame = table_of(*tied(1, 500, 8, 500))
    shuffled = frame.sample(frac=1, random_state=3)
    parts = [shuffled.iloc[:20], shuffled.iloc[20:60], shuffled.iloc[60:]]
    dealt = StatisticWorld(frame, columns(8), parts=parts).ask("log_rank", **ASKED)
    assert dealt.statistic == to_three_digits(ORACLE["tied"][0]["statistic"])


# -- what opens, and what stays closed ------------------------------------------------------------------------------


def opened_of(world, **asked):
    """The integers that the analyst adds up."""
    sent = world.answers(world.plan("log_rank", **ASKED, **asked))
    return sum(np.frombuffer(part, "<i8") for part in sent).tolist()


def few_events(n_events):
    """200 people of each arm; of one arm so many die."""
    days = np.tile(np.arange(100), 4)
    arm = np.repeat([False, True], 200)
    died = np.where(arm, np.arange(400) < 200 + n_events, days % 2 == 0)
    return StatisticWorld(table_of(days, died, arm), columns(100))


def test_attack_a_group_with_few_events_closes_the_statistic_and_nothing_else_opens():
    assert opened_of(few_events(9)) == [0, 0]
    statistic, flag = opened_of(few_events(10))
    assert (statistic > 0, flag) == (True, 1)
    answer = few_events(9).ask("log_rank", **ASKED)
    assert (answer.statistic, answer.pvalue, answer.closed) == (None, None, "minimum_cell")
    assert "closed" in repr(answer)


@pytest.mark.parametrize(
    "few", ["people", "events of both", "everybody dies at once", "no event", "one arm alone"]
)
def test_all_causes_close_it_by_one_code(few):
    days, arm = np.tile(np.arange(100), 4), np.repeat([False, True], 200)
    died = days % 2 == 0
    keep = np.ones(400, dtype=bool)
    if few == "people":
        keep = ~arm | (np.arange(400) < 209)
    elif few == "events of both":
        died = np.arange(400) % 200 < 5
    elif few == "everybody dies at once":
        days, died = np.full(400, 50), np.ones(400, dtype=bool)
    elif few == "no event":
        died = np.zeros(400, dtype=bool)
    else:
        keep = arm
    world = StatisticWorld(table_of(days, died, arm)[keep], columns(100))
    assert opened_of(world) == [0, 0]


def test_attack_a_table_of_up_to_twenty_cells_is_closed_by_one_empty_cell():
    """Five times of two arms are twenty cells: three digits would tell them from their neighbours."""
    days, arm, died = np.tile(np.arange(5), 200), np.repeat([False, True], 500), np.arange(1000) % 3 > 0
    whole = table_of(days, died, arm)
    assert opened_of(StatisticWorld(whole, columns(4)))[1] == 1
    emptied = whole[~((whole.days == 2) & whole.died & whole.arm)]
    assert opened_of(StatisticWorld(emptied, columns(4))) == [0, 0]
    # of a larger table an empty cell is no obstacle, since its cells do not follow from three digits
    larger = emptied.assign(days=emptied.days * 2)
    assert opened_of(StatisticWorld(larger, columns(8)))[1] == 1


def in_floats(cells):
    """The statistic of each of some tables, shape ``(n, 2, n_times, 2)``."""
    events = cells[..., 1].astype(float)
    at_risk = cells.sum(axis=-1)[..., ::-1].cumsum(axis=-1)[..., ::-1].astype(float)
    d, n = events.sum(axis=1), np.maximum(at_risk.sum(axis=1), 1)
    p = at_risk[:, 0] / n
    v = (d * p * (1 - p) * (n - d) / np.maximum(n - 1, 1)).sum(axis=-1)
    return (events[:, 0] - d * p).sum(axis=-1) ** 2 / v


def test_attack_the_difference_of_two_answers_tells_less_of_one_person_than_nine_digits_would():
    """Who knows everybody else asks before and after one person came. Nine digits tell the person's day, arm and fate; of
    three digits a tenth of all fates is left in half of the cases. Not none: differences of answers are not prevented."""
    days, died, arm = tied(2, 900, 60, 400)
    cells = np.zeros((2, 60, 2), np.int64)
    np.add.at(cells, (arm.astype(int), days, died.astype(int)), 1)
    assert in_floats(cells[None])[0] == pytest.approx(before_rounding(cells[:, None]), rel=1e-6)
    fates = in_floats(cells + np.eye(240, dtype=np.int64).reshape(240, 2, 60, 2))

    def left(digits):
        shown = [f"{value:.{digits}g}" for value in fates]
        return sorted(shown.count(each) for each in shown)

    assert left(9)[120] <= 2
    assert left(3)[120] >= 10


def test_a_repeated_question_gives_equal_digits_and_new_shares():
    world = StatisticWorld(table_of(*tied(1, 500, 8, 500)), columns(8))
    first, second = (world.answers(world.plan("log_rank", **ASKED)) for _ in range(2))
    assert all(one != other for one, other in zip(first, second, strict=True))
    totals = [sum(np.frombuffer(part, "<i8") for part in sent).tolist() for sent in (first, second)]
    assert totals[0] == totals[1] == [269_000, 1]


def test_two_tables_of_one_statistic_give_transcripts_of_one_law():
    """Steps and lengths are equal frame by frame; masks and their uniformity are tested for every operation."""
    shapes = []
    for factor in (1, 3):  # three times the people at a quarter of the distance
        cells = np.zeros((2, 1, 40, 2), np.int64)
        days, died, arm = tied(3, 300 * factor, 40, 500)
        np.add.at(cells, (arm.astype(int), 0, days, died.astype(int)), 1)
        run = simulate(
            lambda session, cells=cells: reveal_to_all(
                session, score_and_variance(session, split_input(session, cells), 20)
            ),
            3,
        )
        run.values()
        shapes.append(
            [
                [
                    (sent.step, {to: len(payload) for to, payload in sent.outgoing.items()})
                    for sent in run.sent[name]
                ]
                for name in run.names
            ]
        )
    assert shapes[0] == shapes[1]


# -- cost -----------------------------------------------------------------------------------------------------------


def cost_of(last, rows_max=300_000, n=200):
    days, died, arm = tied(1, n, 8, 500)
    world = StatisticWorld(table_of(days, died, arm), columns(last), rows_max=rows_max)
    return run_cost(world.plan("log_rank", **ASKED), lambda session, shared: None)


def test_rounds_and_bytes_of_8192_times_are_within_the_target_whatever_the_rows():
    cost = cost_of(8191)
    assert cost.rounds <= 64
    assert cost.bytes_sent <= 10_000_000
    assert cost_of(8191, n=2000) == cost
    assert cost_of(30).rounds == cost.rounds


# -- what is refused ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def refusing():
    frame = table_of(*tied(1, 500, 8, 500)).assign(ward="a", late=0)
    wards = {"ward": {"type": "categorical", "domain": ["a", "b", "c"]}}
    late = {"late": {"type": "numeric", "lower": 0, "upper": 9000, "resolution": 1}}
    return StatisticWorld(frame, columns(8, [4]) | wards | late)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"duration": "late"}, "no bins"),
        ({"grid": [3]}, "edges of the declared bins"),
        ({"by": "died"}, "another column"),
        ({"event": "days"}, "true or false"),
    ],
)
def test_what_is_refused_before_anything_runs(refusing, arguments, words):
    with pytest.raises((InvalidRequestError, PlanRejectedError), match=words):
        refusing.plan("log_rank", **(ASKED | arguments))


def test_more_rows_than_the_quotients_hold_are_refused():
    world = StatisticWorld(table_of(*tied(1, 50, 8, 500)), columns(8), rows_max=2_000_000)
    with pytest.raises(PlanRejectedError, match="at most 4194303"):
        world.plan("log_rank", **ASKED)


def test_columns_that_are_no_exact_dimensions_are_refused():
    world = StatisticWorld(table_of(*tied(1, 50, 8, 500)), columns(8), exact_dimensions=["arm", "died"])
    with pytest.raises(PlanRejectedError, match="exact"):
        world.plan("log_rank", **ASKED)
