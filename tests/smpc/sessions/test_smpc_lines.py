"""Piecewise linear functions against numpy's search, the sigmoid's pieces against its formula, and the bytes sent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smpc.cost import dry_run
from smpc.dealer import requests
from smpc.dealer.correlations import recipe_of
from smpc.errors import PartyLostError, PeerRejectedError, RingRangeError
from smpc.operations.numeric.piecewise_linear import PiecewiseLinear, piecewise_linear, value_range
from smpc.operations.numeric.sigmoid_approximation import sigmoid_lines
from smpc.ring import unpack
from smpc.simulator import DEALER, Fault, FaultKind, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import compute, parties, split_input


def lines_of(thresholds, slopes, intercepts):
    return PiecewiseLinear(
        thresholds=np.array(thresholds, np.int64),
        slopes=np.array(slopes, np.int64),
        intercepts=np.array(intercepts, np.int64),
    )


def clear(lines, x):
    """The oracle: a search among the thresholds, then Python's integers."""
    piece = np.searchsorted(lines.thresholds, np.ravel(x), side="right")
    values = [
        int(lines.slopes[p]) * int(v) + int(lines.intercepts[p])
        for p, v in zip(piece, np.ravel(x), strict=True)
    ]
    return np.array([(v + (1 << 63)) % (1 << 64) - (1 << 63) for v in values], np.int64).reshape(np.shape(x))


@given(data=st.data(), bits=st.integers(3, 64), n=parties(5))
def test_law_any_lines_widths_and_parties(data, bits, n):
    quarter = 1 << (bits - 3)
    inside = st.integers(-quarter, quarter)
    thresholds = sorted(data.draw(st.lists(inside, min_size=1, max_size=6)))
    pieces = len(thresholds) + 1
    words = st.lists(st.integers(-(1 << 62), 1 << 62), min_size=pieces, max_size=pieces)
    lines = lines_of(thresholds, data.draw(words), data.draw(words))
    x = np.array(data.draw(st.lists(inside, min_size=1, max_size=11)) + thresholds[:2], np.int64)
    np.testing.assert_array_equal(
        compute(lambda s, a: piecewise_linear(s, a, lines, bits), x, n=n), clear(lines, x)
    )


@given(data=st.data())
def test_law_the_range_is_that_of_every_argument(data):
    thresholds = sorted(data.draw(st.lists(st.integers(-20, 20), min_size=1, max_size=5)))
    middle = st.lists(st.integers(-9, 9), min_size=len(thresholds) - 1, max_size=len(thresholds) - 1)
    size = len(thresholds) + 1
    intercepts = data.draw(st.lists(st.integers(-50, 50), min_size=size, max_size=size))
    lines = lines_of(thresholds, [0, *data.draw(middle), 0], intercepts)
    values = clear(lines, np.arange(-30, 31))
    assert value_range(lines) == (values.min(), values.max())


@pytest.mark.parametrize("slopes", [[1, 0], [0, 1]])
def test_lines_that_rise_for_ever_have_no_range(slopes):
    with pytest.raises(RingRangeError):
        value_range(lines_of([0], slopes, [0, 0]))


def test_every_argument_of_a_small_width_and_its_shape_is_kept():
    lines = lines_of([-20, -3, -3, 0, 17], [0, 3, 99, -1, 4, 0], [5, 6, 7, 8, 9, 10])
    x = np.arange(-48, 48).reshape(2, 6, 8)
    np.testing.assert_array_equal(compute(lambda s, a: piecewise_linear(s, a, lines, 8), x), clear(lines, x))


@pytest.mark.parametrize(
    ("tolerance", "slope_bits", "pieces"), [(0.01, 8, 7), (0.004, 8, 11), (0.002, 8, 15), (0.001, 10, 21)]
)
def test_the_sigmoids_lines_keep_their_tolerance_everywhere(tolerance, slope_bits, pieces):
    lines = sigmoid_lines(tolerance, slope_bits, 28)
    assert lines.slopes.size == pieces
    edges = np.concatenate([lines.thresholds, lines.thresholds - 1])
    units = np.concatenate([np.linspace(-40 * 2**28, 40 * 2**28, 40_001).astype(np.int64), edges])
    got = np.ldexp(clear(lines, units).astype(np.float64), -28 - slope_bits)
    z = np.ldexp(units.astype(np.float64), -28)
    worst = np.max(np.abs(got - 1 / (1 + np.exp(-z))))
    assert 0.5 * tolerance < worst <= tolerance * (1 + 1e-6)
    assert clear(lines, np.array([0])).tolist() == [1 << (27 + slope_bits)]
    # monotone, so nothing can leave [0, 1] either
    ordered = clear(lines, np.sort(units))
    assert np.all(np.diff(ordered) >= -(2**8))
    assert ordered[0] >= 0
    assert ordered[-1] <= 1 << (28 + slope_bits)


@pytest.mark.parametrize(
    "bad", [(0.0001, 4, 20), (0.0, 8, 20), (0.3, 8, 20), (0.01, 1, 20), (0.01, 8, 0), (float("nan"), 8, 20)]
)
def test_a_tolerance_that_the_slopes_cannot_keep_is_refused(bad):
    with pytest.raises(RingRangeError):
        sigmoid_lines(*bad)


COSTS = {
    # (bits, thresholds): rounds, bytes a peer for 80 numbers
    (5, 1): (2, 640 + 10),
    (20, 2): (3, 640 + 20 * (8 + 1)),
    (44, 3): (4, 640 + 30 * (18 + 4 + 1)),
}


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("case", COSTS)
def test_rounds_and_bytes_equal_the_dry_run_for_any_data(case, n):
    bits, n_steps = case
    lines = lines_of(range(n_steps), range(n_steps + 1), range(n_steps + 1))
    for value in (-3, 3):

        def joint(session, value=value):
            return piecewise_linear(session, split_input(session, np.full(80, value)), lines, bits)

        cost = dry_run(joint, n)
        assert (cost.rounds, cost.bytes_per_peer) == COSTS[case]
        run = simulate(joint, n)
        run.values()
        for party in run.names:
            sent = {peer: count for peer, count in run.counters[party].bytes_sent.items() if peer != DEALER}
            assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
        assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


@pytest.mark.parametrize("value", [-(1 << 30), 0, 1 << 30])
def test_what_all_see_is_uniform_in_every_piece(value):
    """The attack: put together what all parties sent in every opening, and look for bytes that lean to one side."""
    lines = lines_of([-1000, 1000], [3, 5, 7], [1, 2, 3])
    run = simulate(lambda s: piecewise_linear(s, split_input(s, np.full(4000, value)), lines, 40), 2)
    run.values()
    n_openings = 0
    for mine, other in zip(*(run.sent[name] for name in run.names), strict=True):
        payloads = [next(iter(sent.outgoing.values()), b"") for sent in (mine, other)]
        if mine.step == Step.OPEN_MASKED:
            opened = np.add(*(unpack(payload, 4000, 64) for payload in payloads)).view(np.uint8)
        elif mine.step == Step.OPEN_PLANES:
            opened = np.bitwise_xor(*(np.frombuffer(payload, np.uint8) for payload in payloads))
        else:
            continue
        n_openings += 1
        assert stats.chisquare(np.bincount(opened, minlength=256)).pvalue > 1e-9
    assert n_openings == 4


@pytest.mark.parametrize("n", [2, 4])
def test_the_material_obeys_its_relation(n):
    request = requests.threshold_bits(11, 13, 3)
    recipe = recipe_of(request)
    held = simulate(lambda s: s.supply.take(request), n).values()
    parts = recipe.free + recipe.bound
    r, plane, words, ones, masked = (part.combine([own[i] for own in held]) for i, part in enumerate(parts))
    bits = np.unpackbits(plane, bitorder="little")[:33].reshape(3, 11)
    np.testing.assert_array_equal(ones, bits)
    np.testing.assert_array_equal(masked, bits * r)
    for element in range(11):
        digits = [sum((int(words[g, element]) >> (1 << i) & 1) << i for i in range(4)) for g in range(4)]
        assert sum(digit << 4 * g for g, digit in enumerate(digits)) == int(r[element]) % (1 << 13)


@pytest.mark.parametrize("parameters", [(), (5, 8), (5, 0, 1), (5, 65, 1), (5, 8, 1, 1)])
def test_requests_without_sense_are_refused(parameters):
    with pytest.raises(PeerRejectedError):
        recipe_of(requests.Request(kind=requests.Correlation.THRESHOLD_BITS, parameters=parameters))


@pytest.mark.parametrize(
    "bad",
    [
        ([], [1], [1]),
        ([2, 1], [1, 1, 1], [1, 1, 1]),
        ([1], [1], [1, 1]),
        ([1], [1, 1], [1]),
        ([[1]], [1, 1], [1, 1]),
    ],
)
def test_lines_without_sense_are_refused(bad):
    with pytest.raises(RingRangeError):
        lines_of(*bad)


@pytest.mark.parametrize("bits", [0, 65, True])
def test_widths_that_do_not_exist_are_refused_before_anything_is_sent(bits):
    lines = lines_of([0], [0, 1], [0, 0])
    run = simulate(lambda s: piecewise_linear(s, split_input(s, [1]), lines, bits), 2, prefetch=False)
    assert all(isinstance(run.errors[name], RingRangeError) for name in run.names)
    assert all(run.counters[name].rounds <= 1 for name in run.names)


def test_nothing_costs_nothing():
    lines = lines_of([0], [0, 1], [0, 0])
    cost = dry_run(lambda s: piecewise_linear(s, split_input(s, np.zeros((0, 2))), lines, 9), 3)
    assert (cost.rounds, cost.bytes_per_peer, cost.requests) == (0, 0, ())


@pytest.mark.parametrize("party", ["bob", DEALER])
def test_a_killed_party_or_dealer_ends_all_others_with_an_error(party):
    lines = lines_of([0], [0, 1], [0, 0])
    fault = Fault(party=party, at_round=0 if party == DEALER else 3, kind=FaultKind.KILL)
    run = simulate(
        lambda s: piecewise_linear(s, split_input(s, [5, 6]), lines, 30), 3, faults=[fault], timeout_s=3
    )
    assert all(isinstance(run.errors[name], PartyLostError) for name in ("ada", "cyd"))
