"""Sequential patterns: every pair and triple of days by brute force; small patterns never leave shares."""

from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from event_world import COLUMNS, event_world, reports
from hypothesis import given, settings
from hypothesis import strategies as st
from statistic_world import N_SITES, StatisticWorld

from analytics.disclosure.release import send_statistic
from analytics.errors import InvalidRequestError, PlanRejectedError, ReleaseRefusedError
from analytics.statistics.pairs.person_items import PersonItem
from analytics.statistics.sequences.occurrences import Window, days_of
from analytics.statistics.sequences.pattern_guard import cells_of, parts_of, patterns_of
from privacy_accounting.noise import SystemSource
from smpc.simulator import simulate


def holds(days, pattern, *, least, within, is_next=False):
    """Whether a person whose items have these days has a pattern: all choices of days."""
    if is_next and len(pattern) == 2:
        for first in days[pattern[0]]:
            later = [
                day
                for day in days[pattern[1]]
                if day > first or (day == first and pattern[0] != pattern[1] and not least)
            ]
            if later and least <= min(later) - first <= within:
                return True
        return False
    for chosen in product(*(days[item] for item in pattern)):
        gaps = [after - before for before, after in pairwise(chosen)]
        needed = [max(1, least) if one == other else least for one, other in pairwise(pattern)]
        if (
            all(gap >= need for gap, need in zip(gaps, needed, strict=True))
            and chosen[-1] - chosen[0] <= within
        ):
            return True
    return False


def people_days(frame, items):
    known = frame[frame.day.notna()]
    return {
        person: [sorted(set(rows.day[rows[column] == value])) for column, value in items]
        for person, rows in known.groupby("patient")
    }


def brute(frame, items, patterns, **window):
    people = people_days(frame, items)
    return {pattern: sum(holds(days, pattern, **window) for days in people.values()) for pattern in patterns}


ITEMS = ["drug=d0", "drug=d1", "event=e0", "event=e1"]
PAIRS = [tuple(item.split("=")) for item in ITEMS]


@pytest.fixture(scope="module")
def world():
    return event_world(reports(n_rows=9))


def opens(counts, n_people, least=10):
    """Which patterns open: their cells by inclusion and exclusion over all parts."""
    known = {**counts, (): n_people}
    found = set()
    for pattern in sorted(counts, key=len):
        parts = [part for part in parts_of(pattern) if part]
        cells = [sum(sign * known[part] for part, sign in cell) for cell in cells_of(pattern)]
        if min([counts[pattern], *cells]) >= least and all(part in found for part in parts):
            found.add(pattern)
    return found


@pytest.mark.parametrize(
    ("arguments", "window", "length"),
    [
        ({"within": 90}, {"least": 1, "within": 90}, 2),
        ({"within": 56, "after": 14}, {"least": 15, "within": 56}, 2),
        ({"within": 56, "after": 14, "next_only": True}, {"least": 15, "within": 56, "is_next": True}, 2),
        ({"within": 30, "same_day": True}, {"least": 0, "within": 30}, 2),
        ({"max_len": 3}, {"least": 1, "within": 10**6}, 3),
        ({"max_len": 3, "within": 180}, {"least": 1, "within": 180}, 3),
    ],
)
def test_open_patterns_are_those_of_a_brute_force_count(world, arguments, window, length):
    answer = world.ask("sequential_patterns", items=ITEMS, day="day", **arguments)
    counts = brute(world.frame, PAIRS, patterns_of(4, length), **window)
    expected = {
        " then ".join(ITEMS[item] for item in pattern): counts[pattern]
        for pattern in opens(counts, 900)
        if len(pattern) > 1
    }
    assert len(expected) > 3
    assert {row["pattern"]: row["count"] for row in answer.rows} == expected
    assert answer.n_people == 900
    assert answer.n_closed == answer.n_patterns - len(expected)
    if length == 3:
        assert max(row["length"] for row in answer.rows) == 3
    for row in answer.rows:
        names = row["pattern"].split(" then ")
        pattern = tuple(ITEMS.index(name) for name in names)
        assert row["support"] == counts[pattern] / 900
        assert row["confidence"] == counts[pattern] / counts[pattern[:-1]]
        assert row["lift"] == pytest.approx(row["confidence"] / (counts[pattern[-1:]] / 900))
        back = " then ".join(names[::-1])
        if back in expected and back != row["pattern"]:
            assert row["reverse_count"] == counts[pattern[::-1]]
            assert row["order_ratio"] == counts[pattern] / counts[pattern[::-1]]
        else:
            assert row["reverse_count"] is row["order_ratio"] is None


def test_items_count_people_with_a_known_day(world):
    answer = world.ask("sequential_patterns", items=ITEMS, day="day", within=90)
    people = people_days(world.frame, PAIRS)
    for place, name in enumerate(ITEMS):
        assert answer.item_counts[name] == sum(bool(days[place]) for days in people.values())


day_lists = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-1, 12)), max_size=30)


@settings(max_examples=150, deadline=None)
@given(day_lists, st.integers(0, 4), st.integers(1, 12), st.booleans(), st.integers(0, 29))
def test_counts_are_those_of_all_choices_of_days_and_a_split_of_the_people_adds_up(
    rows, least, within, is_next, cut
):
    rows = sorted(rows)
    length = 3 if least and not is_next else 2
    items = [PersonItem(name=str(code), column="code", low=code, high=code) for code in range(3)]
    window = Window(least_gap=least, within=within, first_day=0, span=13, is_next=is_next)
    patterns = patterns_of(3, length)

    def counted(part):
        table = np.array(part, dtype=np.int64).reshape(-1, 3)
        return days_of(table, items, ["code", "day"], window).count(patterns)

    frame = pd.DataFrame(rows, columns=["patient", "code", "day"])
    frame = frame[frame.day >= 0]
    expected = brute(
        frame, [("code", code) for code in range(3)], patterns, least=least, within=within, is_next=is_next
    )
    found = counted(rows)
    assert dict(zip(patterns, found.tolist(), strict=True)) == expected
    border = rows[min(cut, len(rows) - 1)][0] if rows else 0
    parts = [row for row in rows if row[0] < border], [row for row in rows if row[0] >= border]
    assert (counted(parts[0]) + counted(parts[1]) == found).all()
    for pattern in patterns:  # whoever holds a pattern holds its parts
        assert all(expected[pattern] <= expected[part] for part in parts_of(pattern) if part)


def test_people_in_another_order_and_repeated_rows_change_nothing(world):
    again = pd.concat([world.frame, world.frame]).sample(frac=1, random_state=1)
    number = again.patient.str[1:].astype(int)
    other = event_world(
        again, parts=[again[number < 50], again[number.between(50, 800)], again[number > 800]]
    )
    arguments = {"items": ITEMS, "day": "day", "within": 90}
    assert other.ask("sequential_patterns", **arguments) == world.ask("sequential_patterns", **arguments)


def pair_world(n_then, n_other=40, day=10, **fields):
    """So many have d0 and then e0, others d0 alone, e0 alone, neither."""
    rows = [(f"p{n}", "d0", None, 1) for n in range(n_then)] + [
        (f"p{n}", None, "e0", day) for n in range(n_then)
    ]
    rows += [(f"p{1000 + n}", "d0", None, 5) for n in range(n_other)]
    rows += [(f"p{2000 + n}", None, "e0", 5) for n in range(n_other)]
    rows += [(f"p{3000 + n}", "d3", None, 5) for n in range(n_other)]
    return event_world(pd.DataFrame(rows, columns=["patient", "drug", "event", "day"]), **fields)


@pytest.mark.parametrize(
    ("n_then", "n_other", "is_open"), [(9, 40, False), (10, 40, True), (40, 9, False), (40, 10, True)]
)
def test_one_person_more_or_less_opens_a_pattern(n_then, n_other, is_open):
    """The attack: how many have the drug and not the event after it is a difference of two supports."""
    world = pair_world(n_then, n_other)
    answer = world.ask("sequential_patterns", items=["drug=d0", "event=e0"], day="day", within=30)
    assert [row["pattern"] for row in answer.rows] == (["drug=d0 then event=e0"] if is_open else [])
    assert answer.closed == ("" if is_open else "minimum_cell")


def test_the_same_day_is_not_then_unless_it_is_said():
    world = pair_world(20, day=1)
    arguments = {"items": ["drug=d0", "event=e0"], "day": "day", "within": 30}
    assert world.ask("sequential_patterns", **arguments).rows == ()
    found = world.ask("sequential_patterns", **arguments, same_day=True)
    assert {row["pattern"]: row["count"] for row in found.rows} == {
        "drug=d0 then event=e0": 20,
        "event=e0 then drug=d0": 20,
    }


def test_the_last_day_of_the_window_is_in_it():
    for day, is_in in ((31, True), (32, False)):
        answer = pair_world(20, day=day).ask(
            "sequential_patterns", items=["drug=d0", "event=e0"], day="day", within=30
        )
        assert bool(answer.rows) is is_in


def test_a_smallest_support_closes_what_is_rare(world):
    arguments = {"items": ITEMS, "day": "day", "within": 365}
    every = world.ask("sequential_patterns", **arguments)
    kept = world.ask("sequential_patterns", **arguments, min_support="0.2")
    assert kept.rows == tuple(row for row in every.rows if row["support"] >= 0.2)
    assert 0 < len(kept.rows) < len(every.rows)


def test_no_count_below_the_threshold_leaves_shares(world):
    plan = world.plan("sequential_patterns", items=ITEMS, day="day", within=30, max_len=3)
    opened = np.sum([np.frombuffer(part, dtype="<i8") for part in world.answers(plan)], axis=0)
    size = opened.size // 2
    values, flags = opened[:size], opened[size:]
    assert (values[flags == 0] == 0).all()
    assert (values[flags == 1] >= 10).all()
    counts = brute(world.frame, PAIRS, patterns_of(4, 3), least=1, within=30)
    shown = opens(counts, 900)
    assert flags[1:].tolist() == [int(pattern in shown) for pattern in plan.statistic.guard.patterns]
    assert 0 < len(shown) < size - 1
    assert all(step.to == "analyst" for step in plan.statistic.every_step())


def test_nothing_that_travels_between_sites_depends_on_the_rows_alone(world):
    plan = world.plan("sequential_patterns", items=ITEMS, day="day", within=90)
    rows = world.scanned(plan)
    one, two = (
        simulate(
            lambda session: send_statistic(session, plan, rows[session.rank], SystemSource()),
            N_SITES,
            prefetch=False,
            timeout_s=60,
        )
        for _ in range(2)
    )
    compared = 0
    for name in one.names:
        for first, second in zip(one.sent[name], two.sent[name], strict=True):
            for peer in set(first.outgoing) - {"dealer"}:
                if len(first.outgoing[peer]) >= 8:
                    assert first.outgoing[peer] != second.outgoing[peer]
                    compared += 1
    assert compared > 10


def test_all_lengths_are_asked_in_few_rounds(world):
    from analytics.disclosure.release import statistic_cost

    found = [
        statistic_cost(world.plan("sequential_patterns", items=items, day="day", max_len=3)).rounds
        for items in (["drug=d0"], ["drug", "event"])
    ]
    assert max(found) <= 9


def test_counts_that_contradict_their_bits_are_refused(world):
    plan = world.plan("sequential_patterns", items=["drug=d0", "event=e0"], day="day")
    values = [900, 100, 100, 0, 95, 0, 0, 1, 1, 1, 0, 1, 0, 0]
    with pytest.raises(ReleaseRefusedError, match="do not fit"):
        plan.statistic.estimate((np.array(values),), ())


def test_no_people_and_no_guard_give_an_empty_answer():
    frame = pd.DataFrame({"patient": ["p0"], "drug": ["d0"], "event": ["e0"], "day": [1]})
    for part in (frame, frame.iloc[:0]):
        world = event_world(part, minimum_cell=0)
        answer = world.ask("sequential_patterns", items=["drug=d0", "event=e0"], day="day")
        assert answer.rows == ()
        assert answer.frame.empty


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        ({"within": 31}, InvalidRequestError, "must be one of"),
        ({"after": 15}, InvalidRequestError, "must be one of"),
        ({"within": 14, "after": 28}, InvalidRequestError, "below within"),
        ({"within": "30"}, InvalidRequestError, "within"),
        ({"max_len": 4}, InvalidRequestError, "max_len"),
        ({"max_len": 3, "next_only": True}, InvalidRequestError, "must be 2"),
        ({"max_len": 3, "same_day": True}, InvalidRequestError, "must be 2"),
        ({"same_day": True, "after": 7}, InvalidRequestError, "beside after"),
        ({"min_support": 2}, InvalidRequestError, "min_support"),
        ({"day": "drug"}, PlanRejectedError, "numeric"),
        ({"day": "nothing"}, PlanRejectedError, "nothing"),
        ({"items": ["drug", "day"]}, PlanRejectedError, "bins"),
        ({"items": []}, InvalidRequestError, "items"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_asked(world, arguments, error, part):
    with pytest.raises(error, match=part):
        world.plan("sequential_patterns", **({"items": ITEMS, "day": "day"} | arguments))


def test_days_that_are_no_days_too_many_items_and_one_row_a_person_are_refused(world):
    asked = {"items": "drug", "day": "day"}
    for day in ({"resolution": 0.5}, {"upper": 300_000}):
        columns = COLUMNS | {"day": COLUMNS["day"] | day}
        fields = {
            "privacy_unit": "patient",
            "max_rows_per_unit": 40,
            "exact_dimensions": ["drug", "event", "day"],
        }
        with pytest.raises(PlanRejectedError, match="day"):
            StatisticWorld(reports(3), columns, **fields).plan("sequential_patterns", **asked)
    with pytest.raises(PlanRejectedError, match="one row a person"):
        event_world(reports(3), max_rows_per_unit=1).plan("sequential_patterns", **asked)
    with pytest.raises(PlanRejectedError, match="day"):
        event_world(reports(3), exact_dimensions=["drug"]).plan("sequential_patterns", **asked)
    columns = COLUMNS | {
        "drug": {"type": "categorical", "domain": [f"x{n}" for n in range(120)], "nullable": True}
    }
    many = StatisticWorld(
        reports(3).assign(drug="x1"),
        columns,
        privacy_unit="patient",
        max_rows_per_unit=40,
        exact_dimensions=["drug", "event", "day"],
    )
    with pytest.raises(InvalidRequestError, match="at most 99 items"):
        many.plan("sequential_patterns", **asked)
    with pytest.raises(InvalidRequestError, match="noise"):
        event_world(reports(3)).plan("sequential_patterns", **asked, epsilon="1")
