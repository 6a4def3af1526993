"""Functions of shared numbers against numpy in float64, on grids with every edge of every piece."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpc.cost import dry_run
from smpc.engine.tensors import from_crypten, to_crypten
from smpc.errors import PartyLostError, RingRangeError
from smpc.operations.numeric import functions
from smpc.operations.numeric.approximation import MOST_PIECES, fit, odd
from smpc.operations.numeric.fixed_point import FixedPoint
from smpc.operations.numeric.functions import Function, evaluate, table
from smpc.simulator import DEALER, Fault, FaultKind, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import THREE, THREE_OF_FOUR, compute, parties, split_input

SCALE = FixedPoint(fraction=16, integer=24)
ORACLES = {
    Function.RECIPROCAL: lambda x: 1 / x,
    Function.SQUARE_ROOT: np.sqrt,
    Function.EXPONENTIAL: np.exp,
    Function.LOGARITHM: np.log,
    Function.SIGMOID: lambda x: 1 / (1 + np.exp(-x)),
}
NAMED = {
    Function.RECIPROCAL: functions.reciprocal,
    Function.SQUARE_ROOT: functions.square_root,
    Function.EXPONENTIAL: functions.exponential,
    Function.LOGARITHM: functions.logarithm,
    Function.SIGMOID: functions.sigmoid,
}
RANGES = [
    (Function.RECIPROCAL, 2**-6, 2.0**6),
    (Function.RECIPROCAL, 1.0, 1000.0),
    (Function.SQUARE_ROOT, 0.0, 1000.0),
    (Function.SQUARE_ROOT, 0.0, 2.0**20),
    (Function.EXPONENTIAL, -8.0, 8.0),
    (Function.EXPONENTIAL, -20.0, 0.0),
    (Function.LOGARITHM, 2.0**-16, 2.0**20),
    (Function.LOGARITHM, 0.5, 2.0),
    (Function.SIGMOID, -16.0, 16.0),
    (Function.SIGMOID, 1.0, 1.1),
]


def grid(pieces, count=3000):
    """Arguments (units): evenly, geometrically from the lowest, and both sides of every piece's start."""
    spread = np.linspace(pieces.first, pieces.last, count).astype(np.int64)
    crowded = pieces.first + np.geomspace(1, pieces.last - pieces.first, count).astype(np.int64)
    return np.unique(np.concatenate([spread, crowded, pieces.starts, pieces.starts[1:] - 1]))


def missed(function, x, got, scale):
    """By how many units an answer is off."""
    exact = ORACLES[function](np.ldexp(x.astype(np.float64), -scale.fraction))
    return np.max(np.abs(got - np.ldexp(exact, scale.fraction)))


@pytest.mark.parametrize(("function", "low", "high"), RANGES)
def test_less_than_one_unit_off_everywhere_on_the_range(function, low, high):
    pieces = table(function, low, high, SCALE)
    x = grid(pieces)
    got = compute(lambda s, a: NAMED[function](s, a, low, high, SCALE), x, n=2)
    assert missed(function, x, got, SCALE) <= pieces.error + 0.01
    assert pieces.error < 1
    assert len(pieces.starts) <= MOST_PIECES


def both_signs(pieces):
    """Arguments of both signs, without the gap around 0."""
    x = grid(pieces)
    return np.concatenate([-x[x > 0][::-1], x])


@pytest.mark.parametrize(("low", "high"), [(2**-6, 2.0**6), (1.0, 1000.0), (0.5, 0.75)])
@pytest.mark.parametrize("n", [2, 3])
def test_the_reciprocal_of_either_sign_is_under_one_unit_off(low, high, n):
    pieces = table(Function.RECIPROCAL, low, high, SCALE)
    x = both_signs(pieces)
    got = compute(lambda s, a: functions.signed_reciprocal(s, a, low, high, SCALE), x, n=n)
    assert missed(Function.RECIPROCAL, x, got, SCALE) <= pieces.error + 0.01
    assert np.max(np.abs(got[: x.size // 2] + got[: x.size // 2 - 1 : -1])) <= 2


def test_every_argument_of_either_sign_of_a_coarse_scale():
    """Down to pieces of four arguments, whose polynomials are good at those alone."""
    scale = FixedPoint(fraction=8, integer=12)
    pieces = table(Function.RECIPROCAL, 1 / 16, 6.0, scale)
    positive = np.arange(pieces.first, pieces.last + 1)
    x = np.concatenate([-positive, positive])
    got = compute(lambda s, a: functions.signed_reciprocal(s, a, 1 / 16, 6.0, scale), x, n=2)
    assert missed(Function.RECIPROCAL, x, got, scale) < 1


def test_a_reciprocal_of_either_sign_costs_the_rounds_of_one():
    def cost(function):
        return dry_run(lambda s: function(s, split_input(s, np.zeros(9)), 1.0, 1000.0, SCALE), 3)

    both, one = cost(functions.signed_reciprocal), cost(functions.reciprocal)
    assert both.rounds == one.rounds == 20
    assert one.bytes_per_peer < both.bytes_per_peer < 2 * one.bytes_per_peer


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_a_reciprocal_of_either_sign_needs_a_gap_around_0(low):
    with pytest.raises(RingRangeError):
        dry_run(lambda s: functions.signed_reciprocal(s, split_input(s, [1]), low, 2.0, SCALE), 2)


def test_more_pieces_of_both_signs_than_there_may_be_are_refused():
    pieces = table(Function.RECIPROCAL, 1.0, 1000.0, SCALE)
    while 2 * pieces.starts.size <= MOST_PIECES:
        pieces = odd(dataclasses.replace(pieces, first=1))
    with pytest.raises(RingRangeError, match="pieces"):
        odd(dataclasses.replace(pieces, first=1))


@pytest.mark.parametrize("n", [3, 8, THREE, THREE_OF_FOUR])
@pytest.mark.parametrize("function", Function)
def test_every_argument_of_a_coarse_scale(function, n):
    scale = FixedPoint(fraction=8, integer=12)
    pieces = table(function, 1 / 16, 6.0, scale)
    x = np.arange(pieces.first, pieces.last + 1)
    got = compute(lambda s, a: evaluate(s, a, pieces), x, n=n)
    assert missed(function, x, got, scale) < 1


@settings(max_examples=25)
@given(
    function=st.sampled_from(list(Function)),
    fraction=st.integers(6, 20),
    low=st.floats(0.05, 5),
    width=st.floats(0.05, 6),
    n=parties(5),
)
def test_any_scale_and_range_is_under_one_unit_or_refused(function, fraction, low, width, n):
    scale = FixedPoint(fraction=fraction, integer=12)
    try:
        pieces = table(function, low, low + width, scale)
    except RingRangeError:
        assert fraction > 16
        return
    x = grid(pieces, 50)
    got = compute(lambda s, a: evaluate(s, a, pieces), x, n=n)
    assert missed(function, x, got, scale) < 1


def test_shapes_are_kept_and_nothing_costs_nothing():
    x = np.full((2, 3), 1 << 16)
    got = compute(lambda s, a: functions.reciprocal(s, a, 0.5, 2.0, SCALE), x)
    assert got.shape == (2, 3)
    cost = dry_run(lambda s: functions.reciprocal(s, split_input(s, np.zeros((0, 2))), 0.5, 2.0, SCALE), 3)
    assert (cost.rounds, cost.bytes_per_peer) == (0, 0)


ROUNDS = {
    (Function.SIGMOID, 1.0, 1.1): 13,
    (Function.EXPONENTIAL, -8.0, 8.0): 18,
    (Function.RECIPROCAL, 1.0, 1000.0): 20,
}


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("case", ROUNDS)
def test_rounds_and_bytes_equal_the_dry_run_for_any_data(case, n):
    pieces = table(*case, SCALE)
    for value in (pieces.first, pieces.last):

        def joint(session, value=value):
            return evaluate(session, split_input(session, np.full(40, value)), pieces)

        cost = dry_run(joint, n)
        assert cost.rounds == ROUNDS[case]
        run = simulate(joint, n)
        run.values()
        for party in run.names:
            sent = {peer: count for peer, count in run.counters[party].bytes_sent.items() if peer != DEALER}
            assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
        assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (Function.RECIPROCAL, 0.0, 1.0),
        (Function.RECIPROCAL, -1.0, 1.0),
        (Function.LOGARITHM, 0.0, 1.0),
        (Function.SQUARE_ROOT, -0.5, 1.0),
        (Function.SIGMOID, 2.0, 1.0),
        (Function.SIGMOID, 1.0, 1.0),
        (Function.SIGMOID, float("nan"), 1.0),
        (Function.SIGMOID, 0.0, float("inf")),
        (Function.SIGMOID, 0.0, 2.0**24),
        (Function.EXPONENTIAL, 0.0, 60.0),
        (Function.EXPONENTIAL, 0.0, 2.0**20),
    ],
)
def test_ranges_without_sense_or_beyond_the_scale_are_refused(function, low, high):
    with pytest.raises(RingRangeError):
        table(function, low, high, SCALE)


def test_an_expression_of_too_many_pieces_is_refused():
    with pytest.raises(RingRangeError, match="pieces"):
        fit(lambda x: np.sin(500 * x), 0.0, 60.0, SCALE)


@pytest.mark.parametrize("function", [Function.EXPONENTIAL, Function.SIGMOID, Function.RECIPROCAL])
def test_crypten_says_the_same_as_far_as_it_can(function):
    """CrypTen's approximations are good to some hundredths on small arguments; ours lie beside them."""
    x = np.ldexp(np.linspace(0.5, 2.0, 40), 16).astype(np.int64)

    def theirs(session, a):
        tensor = to_crypten(a, precision_bits=16)
        outcome = {
            Function.EXPONENTIAL: tensor.exp,
            Function.SIGMOID: tensor.sigmoid,
            Function.RECIPROCAL: tensor.reciprocal,
        }[function]()
        return from_crypten(outcome, precision_bits=16)

    mine = compute(lambda s, a: NAMED[function](s, a, 0.5, 2.0, SCALE), x, n=2)
    other = compute(theirs, x, n=2, prefetch=False)
    assert np.max(np.abs(mine - other)) < 0.08 * 65536


@pytest.mark.parametrize("party", ["bob", DEALER])
def test_a_killed_party_or_dealer_ends_all_others_with_an_error(party):
    def joint(session):
        return functions.sigmoid(session, split_input(session, [5, 6]), -4.0, 4.0, SCALE)

    fault = Fault(party=party, at_round=0 if party == DEALER else 9, kind=FaultKind.KILL)
    run = simulate(joint, 3, faults=[fault], timeout_s=3)
    assert all(isinstance(run.errors[name], PartyLostError) for name in ("ada", "cyd"))


@pytest.mark.parametrize("end", ["first", "last"])
def test_opened_values_are_uniform_at_both_ends_of_the_range(end):
    """The attack: put together what all parties sent in every opening, and look for bits that lean to one side."""
    pieces = table(Function.SIGMOID, -8.0, 8.0, SCALE)
    x = np.full(1600, getattr(pieces, end))
    run = simulate(lambda s: evaluate(s, split_input(s, x), pieces), 2)
    run.values()
    n_openings = 0
    for mine, other in zip(*(run.sent[name] for name in run.names), strict=True):
        payloads = [next(iter(sent.outgoing.values()), b"") for sent in (mine, other)]
        if mine.step == Step.OPEN_PLANES:
            opened = np.bitwise_xor(*(np.frombuffer(payload, np.uint8) for payload in payloads))
        elif mine.step == Step.OPEN_RING:
            opened = np.add(*(np.frombuffer(payload, np.int64) for payload in payloads)).view(np.uint8)
        else:
            continue
        n_openings += 1
        bits = np.unpackbits(opened)
        assert abs(np.mean(bits) - 0.5) < 3 / bits.size**0.5  # six standard deviations
    assert n_openings == 14
