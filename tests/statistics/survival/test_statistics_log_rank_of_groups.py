"""The exact log-rank test of three to five groups: lifelines' statistic to three digits, and attacks on small groups."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.disclosure.statistic_run import run_cost
from analytics.errors import InvalidRequestError
from analytics.statistics.life_tables.hidden_log_rank_groups import (
    cuts,
    groups_ratio,
    links_of,
    scores_and_links,
)
from smpc.operations.arithmetic import concatenate
from tests.smpc.joint import compute
from tests.statistics.survival.test_statistics_exact_log_rank import to_three_digits

ORACLE = json.loads((Path(__file__).parents[2] / "oracles" / "statistics" / "log_rank.json").read_text())
ASKED = {"duration": "days", "event": "died", "by": "arm"}
NAMES = ("a", "b", "c", "d", "e", "f")


def columns(last, groups, bins=()):
    days = {"type": "numeric", "lower": 0, "upper": last, "resolution": 1, "bins": [0, *bins, last]}
    arm = {"type": "categorical", "domain": list(NAMES[:groups])}
    return {"days": days, "died": {"type": "boolean"}, "arm": arm}


def table_of(days, died, arm, **more):
    return pd.DataFrame(
        {"days": days, "died": np.asarray(died, bool), "arm": np.array(NAMES, object)[arm], **more}
    )


def several(seed, n, times, groups):
    """The oracle's random people, from uniform integers alone."""
    generator = np.random.default_rng(seed)
    group = generator.integers(0, groups, n)
    days = generator.integers(0, times, n) * (6 + group) // (6 + groups)
    return days, generator.integers(0, 10, n) < 6, group


def cells_of(days, died, arm, groups):
    found = np.zeros((groups, 1, int(np.max(days)) + 1, 2), dtype=np.int64)
    np.add.at(found, (arm, 0, days, np.asarray(died, int)), 1)
    return found


def determinant(rows):
    """By elimination of rational numbers."""
    rows, found = [list(row) for row in rows], Fraction(1)
    for step in range(len(rows)):
        pivot = rows[step][step]
        found *= pivot
        for row in rows[step + 1 :]:
            factor = row[step] / pivot
            row[:] = [value - factor * other for value, other in zip(row, rows[step], strict=True)]
    return found


def rational(cells):
    """The oracle: U and V of all groups but the last, in rational numbers, and ``U inv(V) U`` by determinants."""
    count = len(cells)
    u = [Fraction(0)] * (count - 1)
    v = [[Fraction(0)] * (count - 1) for _ in range(count - 1)]
    for stratum in range(cells.shape[1]):
        for day in range(cells.shape[2]):
            left = [int(each) for each in cells[:, stratum, day:].sum(axis=(1, 2))]
            dies = [int(each) for each in cells[:, stratum, day, 1]]
            n, d = sum(left), sum(dies)
            if d == 0:
                continue
            for one in range(count - 1):
                u[one] += dies[one] - Fraction(d * left[one], n)
                for other in range(count - 1):
                    if n > 1:
                        part = Fraction(left[one], n) * (Fraction(one == other) - Fraction(left[other], n))
                        v[one][other] += Fraction(d * (n - d), n - 1) * part
    whole = determinant([[*row, score] for row, score in zip(v, u, strict=True)] + [[*u, Fraction(0)]])
    return float(-whole / determinant(v))


def before_rounding(cells, bits=20):
    """The statistic as the parties hold it, opened: in tests alone."""

    def ratio(session, table):
        sums = scores_and_links(session, table, bits)
        found = groups_ratio(session, sums, len(cells))
        both = (found.numerator, found.denominator)
        return concatenate([each for one in both for each in (one.mantissa, one.exponent)])

    above, up, below, down = (int(each) for each in compute(ratio, cells))
    return float(Fraction(above, below) * Fraction(2) ** (up - down))


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("four_groups", lambda each: 2 * each.sex + each.smoking),
        ("three_groups", lambda each: each.anaemia + each.diabetes),
    ],
)
def test_real_records_give_lifelines_statistic_to_three_digits(name, by):
    records = pd.DataFrame(ORACLE["records"])
    arm = by(records).to_numpy()
    world = StatisticWorld(
        table_of(records.time, records.death_event == 1, arm),
        columns(300, int(arm.max()) + 1),
        minimum_cell=2,
    )
    answer = world.ask("log_rank", **ASKED)
    assert answer.statistic == to_three_digits(ORACLE[name]["statistic"])
    assert answer.pvalue == pytest.approx(ORACLE[name]["pvalue"], rel=0.01)
    assert (answer.dof, answer.closed) == (int(arm.max()), "")


@pytest.mark.parametrize("case", ORACLE["several"], ids=["three", "four", "five"])
def test_several_groups_with_ties_are_within_a_millionth_before_rounding(case):
    asked = {name: case[name] for name in ("seed", "n", "times", "groups")}
    days, died, arm = several(**asked)
    cells = cells_of(days, died, arm, case["groups"])
    assert rational(cells) == pytest.approx(case["statistic"], rel=1e-9)
    assert before_rounding(cells) == pytest.approx(case["statistic"], rel=1e-6)
    world = StatisticWorld(table_of(days, died, arm), columns(case["times"], case["groups"]))
    assert world.ask("log_rank", **ASKED).statistic == to_three_digits(case["statistic"])


def test_groups_of_unequal_size_and_strata_of_a_million_people():
    generator = np.random.default_rng(2)
    cells = generator.integers(0, 30_000, (3, 2, 6, 2))
    cells[1] //= 400
    assert before_rounding(cells, 21) == pytest.approx(rational(cells), rel=1e-6)


@pytest.mark.parametrize("groups", [3, 4])
def test_two_groups_that_are_one_give_what_the_others_do(groups):
    """Without events apart from their share a group adds nothing: the statistic is that of the formula, near 0 too."""
    cells = np.full((groups, 1, 5, 2), 40)
    assert before_rounding(cells) < 1e-9


def test_strata_are_compared_within_themselves():
    days, died, arm = several(7, 900, 30, 3)
    ward = np.arange(900) % 3 == 0
    cells = np.stack([cells_of(days[w], died[w], arm[w], 3)[:, 0, :20] for w in (ward, ~ward)], axis=1)
    frame = table_of(days, died, arm, ward=np.where(ward, "north", "south"))
    wards = {"ward": {"type": "categorical", "domain": ["north", "south"]}}
    keep = frame[frame.days < 20]
    world = StatisticWorld(keep, columns(19, 3) | wards)
    assert world.ask("log_rank", strata="ward", **ASKED).statistic == to_three_digits(rational(cells))


def test_how_the_rows_are_dealt_to_the_sites_changes_nothing():
    frame = table_of(*several(4, 700, 9, 3))
    shuffled = frame.sample(frac=1, random_state=3)
    parts = [shuffled.iloc[:20], shuffled.iloc[20:60], shuffled.iloc[60:]]
    dealt = StatisticWorld(frame, columns(9, 3), parts=parts).ask("log_rank", **ASKED)
    assert dealt.statistic == to_three_digits(ORACLE["several"][0]["statistic"])


# -- what stays closed ------------------------------------------------------------------------------------------------


def opened_of(world):
    sent = world.answers(world.plan("log_rank", **ASKED))
    return sum(np.frombuffer(part, "<i8") for part in sent).tolist()


def few_events(n_events):
    days, arm = np.tile(np.arange(100), 6), np.repeat([0, 1, 2], 200)
    died = np.where(arm == 2, np.arange(600) < 400 + n_events, days % 2 == 0)
    return StatisticWorld(table_of(days, died, arm), columns(100, 3))


def test_attack_a_group_with_few_events_or_people_closes_the_statistic_and_nothing_else_opens():
    assert opened_of(few_events(9)) == [0, 0]
    statistic, flag = opened_of(few_events(10))
    assert (statistic > 0, flag) == (True, 1)
    days, died, arm = several(4, 700, 9, 3)
    keep = (arm != 1) | (np.cumsum(arm == 1) < 10)
    assert opened_of(StatisticWorld(table_of(days, died, arm)[keep], columns(9, 3))) == [0, 0]
    assert few_events(9).ask("log_rank", **ASKED).closed == "minimum_cell"


def test_groups_that_are_never_at_risk_together_close_it():
    """Two pairs of groups in different strata: V is singular."""
    days, arm = np.concatenate([np.tile(np.arange(20), 40)]), np.repeat([0, 1, 2, 3], 200)
    died = np.ones(800, dtype=bool)
    late = arm >= 2
    # both pairs have a stratum of their own
    frame = table_of(days, died, arm, ward=np.where(late, "north", "south"))
    wards = {"ward": {"type": "categorical", "domain": ["north", "south"]}}
    world = StatisticWorld(frame, columns(20, 4) | wards)
    assert world.ask("log_rank", strata="ward", **ASKED).closed == "minimum_cell"
    assert world.ask("log_rank", **ASKED).closed == ""


def test_a_small_table_is_closed_by_one_empty_cell():
    days, arm = np.tile(np.arange(3), 300), np.repeat([0, 1, 2], 300)
    died = np.arange(900) % 2 == 0
    whole = table_of(days, died, arm)
    assert opened_of(StatisticWorld(whole, columns(2, 3)))[1] == 1
    emptied = whole[~((whole.days == 1) & whole.died & (whole.arm == "b"))]
    assert opened_of(StatisticWorld(emptied, columns(2, 3))) == [0, 0]


def test_links_with_all_others_are_the_variance_of_each_group():
    days, died, arm = several(5, 900, 60, 4)
    cells = cells_of(days, died, arm, 4)
    found = compute(lambda session, table: cuts(scores_and_links(session, table, 20), 4), cells)
    at_risk = cells[:, 0].sum(axis=-1)[:, ::-1].cumsum(axis=-1)[:, ::-1].astype(float)
    d, n = cells[:, 0, :, 1].sum(axis=0).astype(float), at_risk.sum(axis=0)
    for place in range(3):
        p = at_risk[place] / n
        expected = (d * p * (1 - p) * (n - d) / np.maximum(n - 1, 1)).sum()
        assert int(found[place]) / 2**38 == pytest.approx(expected, rel=1e-8)
    assert len(links_of(4)) == 6


# -- cost and refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("groups", "rounds"), [(3, 97), (5, 148)])
def test_rounds_follow_from_the_number_of_groups_alone(groups, rounds):
    def cost(last, n):
        world = StatisticWorld(table_of(*several(1, n, 8, groups)), columns(last, groups), rows_max=300_000)
        return run_cost(world.plan("log_rank", **ASKED), lambda session, shared: None)

    found = cost(2047, 200)
    assert found.rounds <= rounds
    assert found.bytes_sent <= 10_000_000
    assert cost(2047, 900) == found
    assert cost(30, 200).rounds == found.rounds


def test_six_groups_are_refused_before_anything_runs():
    world = StatisticWorld(table_of(*several(1, 300, 8, 6)), columns(8, 6))
    with pytest.raises(InvalidRequestError, match="at most 5 groups of arm"):
        world.plan("log_rank", **ASKED)
    assert world.ask("log_rank", groups=["a", "c", "f"], **ASKED).dof == 2
