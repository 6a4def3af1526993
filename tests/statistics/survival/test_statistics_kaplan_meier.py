"""Kaplan-Meier curves on a declared grid: equal to the product limit of gridded times, guarded along the curve."""

import math

import numpy as np
import pandas as pd
import pytest
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError, PlanRejectedError

EDGES = [0, 30, 60, 90, 120]
COLUMNS = {
    "days": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": EDGES, "nullable": True},
    "died": {"type": "boolean", "nullable": True},
    "arm": {"type": "categorical", "domain": ["a", "b"]},
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
}
ASKED = {"duration": "days", "event": "died"}


def people(cells, arm="a"):
    """One row for each person: for each interval so many deaths and so many censorings."""
    rows = []
    for place, (deaths, censored) in enumerate(cells):
        rows += [(EDGES[place] + n % 30, True, arm, 50) for n in range(deaths)]
        rows += [(EDGES[place] + n % 30, False, arm, 50) for n in range(censored)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"days": "Int64", "died": "boolean"})


def product_limit(frame, edges=EDGES):
    """The product limit over single people, with times moved to the start of their interval."""
    people = [
        (max(edge for edge in edges[:-1] if edge <= row.days), bool(row.died)) for row in frame.itertuples()
    ]
    curve, value, green = [], 1.0, 0.0
    for edge in edges[:-1]:
        at_risk = sum(1 for time, _ in people if time >= edge)
        deaths = sum(1 for time, died in people if time == edge and died)
        value *= 1 - deaths / at_risk
        green += deaths / (at_risk * (at_risk - deaths))
        curve.append((at_risk, deaths, value, value * math.sqrt(green)))
    return curve


GOOD = [(12, 15), (20, 11), (13, 14), (10, 25)]


def opened(world, plan):
    return sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))


# attacks


@pytest.mark.parametrize(
    ("cells", "n_open"),
    [
        (GOOD, 4),
        ([(12, 15), (1, 11), (13, 14), (10, 25)], 1),  # one death in the second interval
        ([(12, 15), (0, 11), (13, 14), (10, 25)], 1),  # zero is a small number too
        ([(12, 15), (20, 9), (13, 14), (10, 25)], 1),  # nine censored
        ([(12, 15), (20, 11), (13, 14), (1, 3)], 2),  # four are left after the third interval
        ([(12, 15), (20, 11), (13, 14), (9, 25)], 3),
        ([(9, 15), (20, 11), (13, 14), (10, 25)], 0),
    ],
)
def test_the_curve_closes_at_the_first_small_interval_and_stays_closed(cells, n_open):
    """The attack: the drop of an open curve at an interval with one death is that person."""
    world = StatisticWorld(people(cells), COLUMNS)
    answer = world.ask("kaplan_meier", **ASKED)
    assert [row["survival"] is not None for row in answer.rows] == [place < n_open for place in range(4)]
    assert answer.closed == ("" if n_open else "minimum_cell")
    for row, known in zip(answer.rows[:n_open], product_limit(people(cells)), strict=False):
        found = (row["at_risk"], row["events"], row["survival"], row["standard_error"])
        assert found == pytest.approx(known, rel=1e-12)


def test_closed_intervals_are_opened_as_zeros():
    """The attack: what the analyst adds up from the sites' summands says nothing of closed intervals."""
    world = StatisticWorld(people([(12, 15), (1, 11), (13, 14), (10, 25)]), COLUMNS)
    plan = world.plan("kaplan_meier", **ASKED)
    events, censored, at_risk, flags = opened(world, plan).reshape(4, 4).tolist()
    assert flags == [1, 0, 0, 0]
    assert (events, censored, at_risk) == ([12, 0, 0, 0], [15, 0, 0, 0], [101, 0, 0, 0])


def test_one_group_closes_without_the_other():
    data = pd.concat([people(GOOD), people([(12, 15), (3, 11), (13, 14), (10, 25)], "b")])
    answer = StatisticWorld(data, COLUMNS).ask("kaplan_meier", by="arm", **ASKED)
    found = {arm: [row["survival"] for row in answer.rows if row["group"] == arm] for arm in ("a", "b")}
    assert found["a"] == pytest.approx([value for _, _, value, _ in product_limit(people(GOOD))])
    assert found["b"][1:] == [None] * 3
    assert answer.medians["b"] is None


def test_the_threshold_counts_a_unit_at_every_site():
    world = StatisticWorld(people([(29, 40), (31, 31), *GOOD[2:]]), COLUMNS, max_sites_per_unit=3)
    assert world.ask("kaplan_meier", **ASKED).closed == "minimum_cell"


# values


def test_rows_without_a_time_or_an_event_are_left_out():
    lost = pd.DataFrame({"days": [None, 5], "died": [True, None], "arm": "a", "age": 50})
    data = pd.concat([people(GOOD), lost.astype({"days": "Int64", "died": "boolean"})])
    answer = StatisticWorld(data, COLUMNS).ask("kaplan_meier", **ASKED)
    assert answer.rows[0]["at_risk"] == sum(map(sum, GOOD))


def test_a_coarser_grid_adds_up_declared_intervals():
    world = StatisticWorld(people(GOOD), COLUMNS)
    answer = world.ask("kaplan_meier", grid=[60], **ASKED)
    assert [(row["start"], row["end"]) for row in answer.rows] == [(0, 60), (60, 120)]
    known = product_limit(people(GOOD), [0, 60, 120])
    assert [row["survival"] for row in answer.rows] == pytest.approx([value for _, _, value, _ in known])
    assert answer.frame["survival"].is_monotonic_decreasing


def test_without_a_minimum_cell_all_intervals_open():
    cells = [(1, 0), (2, 1), (0, 0), (1, 1)]
    answer = StatisticWorld(people(cells), COLUMNS, minimum_cell=0).ask("kaplan_meier", **ASKED)
    assert [row["at_risk"] for row in answer.rows] == [6, 5, 2, 2]
    assert [row["survival"] for row in answer.rows] == pytest.approx([5 / 6, 1 / 2, 1 / 2, 1 / 4])
    assert answer.medians == {"": "[30, 60)"}


def test_the_median_is_a_declared_interval():
    answer = StatisticWorld(people([(30, 10), (40, 10), (10, 15), (10, 20)]), COLUMNS).ask(
        "kaplan_meier", **ASKED
    )
    assert answer.rows[1]["survival"] <= 0.5 < answer.rows[0]["survival"]
    assert answer.medians == {"": "[30, 60)"}


def test_intervals_hold_the_curve_on_the_scale_of_log_minus_log():
    answer = StatisticWorld(people(GOOD), COLUMNS).ask("kaplan_meier", **ASKED)
    row = answer.rows[1]
    _, _, value, error = product_limit(people(GOOD))[1]
    width = 1.959963984540054 * error / (value * abs(math.log(value)))
    assert (row["low"], row["high"]) == pytest.approx((value ** math.exp(width), value ** math.exp(-width)))


# private


def test_a_private_curve_is_one_release_monotone_and_without_na():
    world = StatisticWorld(people(GOOD), COLUMNS)
    plan = world.plan("kaplan_meier", epsilon="0.3", by="arm", **ASKED)
    assert len(plan.cost) == 1
    assert not plan.has_products
    answer = world.ask("kaplan_meier", epsilon="0.3", by="arm", **ASKED)
    for arm in ("a", "b"):
        rows = [row for row in answer.rows if row["group"] == arm]
        curve = [row["survival"] for row in rows]
        assert curve == sorted(curve, reverse=True)
        assert all(0 <= row["low"] <= row["survival"] <= row["high"] <= 1 for row in rows)


def test_without_noise_the_private_curve_is_the_product_limit():
    answer = StatisticWorld(people(GOOD), COLUMNS).clear("kaplan_meier", epsilon="60", **ASKED)
    assert [row["survival"] for row in answer.rows] == pytest.approx(
        [value for _, _, value, _ in product_limit(people(GOOD))]
    )


@pytest.mark.parametrize("epsilon", ["2", "0.2"])
def test_private_intervals_cover_the_curve_without_noise(epsilon):
    world = StatisticWorld(people(GOOD), COLUMNS)
    plan = world.plan("kaplan_meier", epsilon=epsilon, **ASKED)
    (law,), generator, trials = plan.noise, np.random.default_rng(3), 300
    cells = np.array(GOOD)[:, ::-1].ravel() * law.weight
    known = [value for _, _, value, _ in product_limit(people(GOOD))]
    hits = np.zeros(4)
    for _ in range(trials):
        noisy = cells + (law.draw(8, generator) * law.weight).round().astype(np.int64)
        rows = plan.statistic.estimate((noisy,), plan.noise).rows
        hits += [
            row["low"] - 1e-12 <= value <= row["high"] + 1e-12 for row, value in zip(rows, known, strict=True)
        ]
    assert hits.min() >= 0.95 * trials - 5 * math.sqrt(0.95 * 0.05 * trials)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"event": "died"}, InvalidRequestError, "duration is missing"),
        ({"duration": "age", "event": "died"}, PlanRejectedError, "no bins"),
        ({"duration": "arm", "event": "died"}, PlanRejectedError, "must be numeric"),
        ({"duration": "days", "event": "arm"}, PlanRejectedError, "true or false"),
        ({**ASKED, "grid": [45]}, InvalidRequestError, "edges of the declared bins"),
        ({**ASKED, "grid": [90, 60]}, InvalidRequestError, "must rise"),
        ({**ASKED, "grid": "60"}, InvalidRequestError, "must be a list"),
        ({**ASKED, "by": "days"}, InvalidRequestError, "another column"),
    ],
)
def test_arguments_are_refused_before_a_charge(arguments, error, text):
    world = StatisticWorld(people(GOOD), COLUMNS)
    with pytest.raises(error, match=text):
        world.plan("kaplan_meier", **arguments)


def test_more_than_sixty_intervals_need_a_grid():
    many = COLUMNS | {"days": COLUMNS["days"] | {"bins": list(range(0, 121, 1))}}
    world = StatisticWorld(people(GOOD), many)
    with pytest.raises(InvalidRequestError, match="at most 60 intervals"):
        world.plan("kaplan_meier", **ASKED)
    assert world.plan("kaplan_meier", grid=EDGES[1:-1], **ASKED).most_opened == 12
