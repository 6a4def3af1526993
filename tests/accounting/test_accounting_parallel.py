"""Parallel composition against enumerated outputs of small releases over disjoint patients."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from privacy_accounting.budget import Partition, parallel_events
from privacy_accounting.events import (
    DiscreteLaplace,
    DistributedDiscreteGaussian,
    Gaussian,
    Laplace,
    PoissonGaussian,
    Pure,
    RandomizedResponse,
    Relation,
)
from privacy_accounting.rdp import ORDERS, at_order, cost_units, epsilon, exact_pure_epsilon, total_curve

ADD, REPLACE = Relation.ADD_OR_REMOVE_ONE, Relation.REPLACE_ONE
OFF_THE_GRID = Fraction("331.2")
ASKED = (*ORDERS[::24], OFF_THE_GRID)
TWO = Partition(attribute="birth_year", cells=("a", "b"), cells_per_unit=1)
DELTAS = (Fraction(1, 10), Fraction(1, 10**4), Fraction(1, 10**9), Fraction(0))


# -- exact distributions of one cell's output, by what lies in the cell ------------------------------------------------


def shown(event, value):
    """Distribution of one event's output about a cell; ``value`` is the cell's only record, None where it is empty."""
    if isinstance(event, Pure):  # the costliest mechanism of that epsilon states whether a person is there
        e = math.exp(float(event.epsilon))
        low, high = 1 / (1 + e), e / (1 + e)
        return np.array([low, high] if value is None else [high, low])
    if isinstance(event, RandomizedResponse):
        p, k = float(event.p), event.k
        uniform = np.full(k, p / k)
        uniform[0 if value is None else value] += 1 - p
        return uniform
    count = 0 if value is None else event.sensitivity  # a count with two-sided geometric noise
    at = np.arange(-60, 61) - count
    return math.tanh(float(event.a) / 2) * np.exp(-float(event.a) * np.abs(at))


def released(cells, records):
    """Joint distribution of all that is released of all cells."""
    joint = np.ones(1)
    for name, events in sorted(cells.items()):
        for event in events:
            for _ in range(event.count):
                joint = np.outer(joint, shown(event, records.get(name))).ravel()
    return joint


def neighbors(cells, relation, per_unit, k=2):
    """All pairs of neighboring datasets in which one patient makes the difference, both ways round."""
    names, values = sorted(cells), range(k)
    places = [p for size in range(1, per_unit + 1) for p in itertools.combinations(names, size)]
    people = [
        dict(zip(place, vs, strict=True))
        for place in places
        for vs in itertools.product(values, repeat=len(place))
    ]
    if relation is REPLACE:
        return list(itertools.permutations(people, 2))
    return [pair for person in people for pair in (({}, person), (person, {}))]


def divergence(p, q, order):
    with np.errstate(divide="ignore"):
        logs = order * np.log(p) + (1 - order) * np.log(q)
    top = logs.max()
    return (top + math.log(np.exp(logs - top).sum())) / (order - 1)


def failure(p, q, eps):
    """Delta at an epsilon, exactly."""
    return np.maximum(0, p - math.exp(min(eps, 700)) * q).sum()


RR = RandomizedResponse(p=Fraction(1, 2), k=2)
NOISE = DiscreteLaplace(a=Fraction(1, 2), sensitivity=1)
SMALL = {
    "add": [(Pure(epsilon=Fraction(1)),), (NOISE,), (DiscreteLaplace(a=Fraction(1), sensitivity=1),),
            (Pure(epsilon=Fraction(1, 2)), Pure(epsilon=Fraction(1, 2))), (Pure(epsilon=Fraction(2, 5), count=2),),
            (NOISE, Pure(epsilon=Fraction(1, 10)))],
    "replace": [(RR,), (RandomizedResponse(p=Fraction(4, 5), k=2, count=2),), (RandomizedResponse(p=Fraction(9, 10), k=3),),
                (RR, RandomizedResponse(p=Fraction(9, 10), k=2))],
}  # fmt: skip


def check(partition, cells, relation, order):
    charged = parallel_events(partition, cells, relation, order=order)
    units = cost_units(charged, order, relation)
    worst = dict.fromkeys(ASKED, 0.0)
    failures = dict.fromkeys(DELTAS, 0.0)
    promised = {delta: epsilon(charged, delta, relation).epsilon for delta in DELTAS}
    for one, other in neighbors(cells, relation, partition.cells_per_unit):
        p, q = released(cells, one), released(cells, other)
        for each in ASKED:
            worst[each] = max(worst[each], divergence(p, q, float(each)))
        for delta in DELTAS:
            failures[delta] = max(failures[delta], failure(p, q, promised[delta]))
    for each in set(ASKED) & ({order} | set(ORDERS)):
        assert worst[each] <= sum(at_order(event, each, relation) for event in charged) * (1 + 1e-9)
    if order in worst:
        assert worst[order] * 2**40 <= units + 1
    for delta in DELTAS:
        assert failures[delta] <= float(delta) + 1e-12
    return charged


@pytest.mark.parametrize("order", [ASKED[3], OFF_THE_GRID], ids=["grid", "between"])
@pytest.mark.parametrize("relation", [ADD, REPLACE], ids=str)
def test_p6_two_disjoint_cells_cost_at_least_their_enumerated_divergence(relation, order):
    single = 0
    kinds = SMALL["add" if relation is ADD else "replace"]
    for first, second in itertools.combinations_with_replacement(kinds, 2):
        charged = check(TWO, {"a": first, "b": second}, relation, order)
        single += charged in {first, second}
    assert (single > 0) is (relation is ADD)  # replacing touches both cells


@pytest.mark.parametrize(
    ("relation", "cells_per_unit", "n_cells"), [(ADD, 1, 3), (ADD, 2, 3), (REPLACE, 1, 3), (REPLACE, 1, 4)]
)
def test_p6_three_and_four_cells_and_a_patient_in_two(relation, cells_per_unit, n_cells):
    kinds = SMALL["add" if relation is ADD else "replace"]
    names = "abcd"[:n_cells]
    partition = Partition(attribute="birth_year", cells=tuple(names), cells_per_unit=cells_per_unit)
    kinds = [events for events in kinds if not any(isinstance(e, DiscreteLaplace) for e in events)][:3]
    for chosen in itertools.product(kinds, repeat=n_cells):
        check(partition, dict(zip(names, chosen, strict=True)), relation, ASKED[3])


def test_the_oracle_sees_a_charge_that_is_too_low():
    """The enumeration itself: one cell's charge does not cover the same patient in two cells."""
    cells = {"a": (Pure(epsilon=Fraction(1)),), "b": (Pure(epsilon=Fraction(1)),)}
    p, q = released(cells, {}), released(cells, {"a": 0, "b": 0})
    assert divergence(p, q, 64.0) > at_order(cells["a"][0], Fraction(64), ADD) * 1.5
    assert failure(p, q, 1.0) > 0.1


# -- what was charged too low -------------------------------------------------------------------------------------------


def tangent():
    """A cell that costs more at every order of the grid and cheaper between two of them."""
    curved = (Pure(epsilon=Fraction(1)), PoissonGaussian(sampling_rate=Fraction(1, 100), noise_multiplier=6))
    curve = total_curve(curved, ADD)
    slope = min(cost / float(order) for cost, order in zip(curve, ORDERS, strict=True) if math.isfinite(cost))
    multiplier = Fraction(math.sqrt(1 / (2 * slope))).limit_denominator(10**9) * (1 + Fraction(1, 10**9))
    return curved, (Gaussian(noise_multiplier=multiplier),)


def test_p6_an_order_off_the_grid_is_charged_the_costliest_cell():
    curved, straight = tangent()
    assert np.all(total_curve(curved, ADD) >= total_curve(straight, ADD))
    low, high = (cost_units(events, OFF_THE_GRID, ADD) for events in (curved, straight))
    assert low < high * 0.98
    charged = parallel_events(TWO, {"a": curved, "b": straight}, ADD, order=OFF_THE_GRID)
    assert cost_units(charged, OFF_THE_GRID, ADD) >= high
    assert parallel_events(TWO, {"a": curved, "b": straight}, ADD, order=ORDERS[40]) == curved


def test_p6_pure_epsilon_is_compared_exactly_and_not_in_units():
    """Both round up to the same units, one costs more at every order, and the other promises less."""
    guarantee, noise = (Pure(epsilon=1 - Fraction(1, 2**41)),), (Laplace(scale_over_l1_sensitivity=1),)
    assert np.all(total_curve(guarantee, ADD) >= total_curve(noise, ADD))
    charged = parallel_events(TWO, {"a": guarantee, "b": noise}, ADD, order=ORDERS[40])
    assert sum(exact_pure_epsilon(event, ADD) for event in charged) >= 1
    assert epsilon(charged, Fraction(0), ADD).epsilon >= 1


def test_p7_cells_are_compared_at_every_number_of_colluders():
    """Costlier as stated and with one honest party left, and cheaper with one colluder: cohorts of two sizes."""

    def share(parties, sigma2):
        return (
            DistributedDiscreteGaussian(parties=parties, colluding=0, sigma2_local=sigma2, l1=1, l2=1, dim=1),
        )

    three, two = share(3, 40), share(2, 60)
    charged = parallel_events(TWO, {"a": three, "b": two}, ADD, order=ORDERS[40])
    assert set(charged) == {*three, *two}
