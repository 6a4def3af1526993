"""Logistic regression on secret rows: the same integers as Python's, near exact sigmoids, and its exact cost."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from smpc.cost import dry_run
from smpc.errors import PartyLostError, RingRangeError
from smpc.operations.numeric.fixed_point import FixedPoint
from smpc.operations.numeric.logistic import LogisticPlan, fit
from smpc.operations.reveal import reveal_to_all
from smpc.ring import unpack
from smpc.simulator import DEALER, Fault, FaultKind, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import THREE, THREE_OF_FOUR, compute, split_input

TARGET = LogisticPlan(n_rows=1000, n_columns=30, n_steps=10, step_bits=9)
SMALL = LogisticPlan(n_rows=60, n_columns=3, n_steps=4, step_bits=5)


def rows_of(plan, seed=22):
    """Normal features, outcomes of a logistic model."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((plan.n_rows, plan.n_columns)).clip(-4, 4)
    truth = np.linspace(-1, 1, plan.n_columns)
    return x, (rng.uniform(size=plan.n_rows) < 1 / (1 + np.exp(-x @ truth))).astype(np.int64)


def same_steps(x, y, plan):
    """The first oracle: the same lines and roundings on Python's integers, from the definition."""
    thresholds, slopes, intercepts = (
        [int(v) for v in part] for part in (plan.lines.thresholds, plan.lines.slopes, plan.lines.intercepts)
    )
    rows = [[int(v) for v in row] for row in x]
    fitted = [0] * plan.n_columns
    for _ in range(plan.n_steps):
        gradient = [0] * plan.n_columns
        for row, outcome in zip(rows, y, strict=True):
            logit = sum(a * b for a, b in zip(row, fitted, strict=True))
            piece = sum(logit >= threshold for threshold in thresholds)
            residual = slopes[piece] * logit + intercepts[piece] - int(outcome) * plan.one
            assert abs(residual) <= plan.largest_residual <= plan.one
            gradient = [g + a * residual for g, a in zip(gradient, row, strict=True)]
        assert max(map(abs, gradient)) <= plan.largest_gradient
        fitted = [
            w - ((g + (1 << (plan.shift - 1))) >> plan.shift) for w, g in zip(fitted, gradient, strict=True)
        ]
    return fitted


def exact_sigmoids(x, y, plan):
    """The second oracle: float64, exact sigmoids, no rounding."""
    fitted = np.zeros(plan.n_columns)
    for _ in range(plan.n_steps):
        fitted -= x.T @ (1 / (1 + np.exp(-x @ fitted)) - y) / 2.0**plan.step_bits
    return fitted


@pytest.mark.parametrize("n", [2, 3, 4, 5, THREE, THREE_OF_FOUR])
def test_every_step_is_exact_but_for_the_lines_and_one_rounding(n):
    x, y = rows_of(SMALL)
    units = SMALL.features.encode(x)
    got = compute(lambda s, a, b: fit(s, a, b, SMALL), units, y, n=n)
    assert got.tolist() == same_steps(units, y, SMALL)


def test_a_thousand_rows_of_thirty_columns_match_exact_sigmoids():
    x, y = rows_of(TARGET)
    units = TARGET.features.encode(x)
    got = compute(lambda s, a, b: fit(s, a, b, TARGET), units, y, n=2)
    assert got.tolist() == same_steps(units, y, TARGET)
    exact = exact_sigmoids(x, y, TARGET)
    assert np.max(np.abs(exact)) > 0.5
    assert np.max(np.abs(TARGET.decode(got) - exact)) < 0.005


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1 << 30),
    n_rows=st.integers(1, 12),
    n_columns=st.integers(1, 4),
    n_steps=st.integers(1, 4),
    step_bits=st.integers(0, 6),
    n=st.integers(2, 5),
)
def test_law_extreme_rows_stay_in_their_widths(seed, n_rows, n_columns, n_steps, step_bits, n):
    plan = LogisticPlan(n_rows=n_rows, n_columns=n_columns, n_steps=n_steps, step_bits=step_bits)
    rng = np.random.default_rng(seed)
    x = plan.features.encode(rng.choice([-7.0, 7.0, 0.0, 0.5], (n_rows, n_columns)))
    y = rng.integers(0, 2, n_rows)
    got = compute(lambda s, a, b: fit(s, a, b, plan), x, y, n=n)
    assert got.tolist() == same_steps(x, y, plan)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_the_cost_of_the_target_is_known_exactly_and_keeps_to_it(n):
    x, y = np.zeros((1000, 30)), np.zeros(1000)
    cost = dry_run(lambda s: fit(s, split_input(s, x), split_input(s, y), TARGET), n)
    assert cost.rounds == 5 + 9 * 10 <= 110
    # the rows once, a residual a step, the coefficients a step after the first
    products = 8 * 30_000 + 10 * 8 * 1000 + 9 * 8 * 30
    # a logit's opening; for each of 14 thresholds in 44 bits 22 bits of the tree, and one on the way to the ring
    lines = 9 * (8 * 1000 + 23 * (1000 * 14 // 8))
    # 63 bits opened of 30 numbers; 11 groups of four bits below the shift, and the way to the ring
    truncations = 10 * (-(-30 // 8) * (63 % 8) + 30 * 7 + 23 * -(-30 // 8))
    assert cost.bytes_per_peer == products + lines + truncations
    assert cost.bytes_per_peer <= 1_500_000


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_sent_bytes_equal_the_dry_run_for_any_data(n):
    for value in (-7.0, 7.0):
        x = SMALL.features.encode(np.full((60, 3), value))

        def joint(session, x=x):
            return fit(session, split_input(session, x), split_input(session, np.arange(60) % 2), SMALL)

        cost = dry_run(joint, n)
        assert cost.rounds == 5 + 3 * 10
        run = simulate(joint, n)
        run.values()
        for party in run.names:
            sent = {peer: count for peer, count in run.counters[party].bytes_sent.items() if peer != DEALER}
            assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
            assert run.counters[party].rounds == 2 + cost.rounds
        assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


@pytest.mark.parametrize("value", [-7.0, 0.0, 7.0])
def test_what_all_see_is_uniform_whatever_the_rows(value):
    """The attack: put together what all parties sent in every large opening, and look for bytes that lean to one side."""
    plan = LogisticPlan(n_rows=2000, n_columns=4, n_steps=3, step_bits=11)
    x = plan.features.encode(np.full((2000, 4), value))
    run = simulate(lambda s: fit(s, split_input(s, x), split_input(s, np.ones(2000)), plan), 2)
    run.values()
    n_openings = 0
    for mine, other in zip(*(run.sent[name] for name in run.names), strict=True):
        payloads = [next(iter(sent.outgoing.values()), b"") for sent in (mine, other)]
        if mine.step == Step.OPEN_MASKED and len(payloads[0]) == 16_000:
            opened = np.add(*(unpack(payload, 2000, 64) for payload in payloads)).view(np.uint8)
        elif mine.step == Step.OPEN_RING and len(payloads[0]) >= 16_000:
            opened = np.add(*(np.frombuffer(payload, np.int64) for payload in payloads)).view(np.uint8)
        elif mine.step == Step.OPEN_PLANES and len(payloads[0]) > 2000:
            opened = np.bitwise_xor(*(np.frombuffer(payload, np.uint8) for payload in payloads))
        else:
            continue
        n_openings += 1
        assert stats.chisquare(np.bincount(opened, minlength=256)).pvalue > 1e-9
    # 3 residuals, 2 logits and their bits: two levels of the tree and the way to the ring
    assert n_openings == 3 + 2 * 4


@pytest.mark.parametrize(
    "bad",
    [
        {"n_rows": 0},
        {"n_columns": True},
        {"n_steps": 0},
        {"fraction": 1.0},
        {"step_bits": -1},
        {"n_rows": 10_000},  # the gradient would need more than its width
        {"features": FixedPoint(fraction=20, integer=3)},
        {"n_steps": 1 << 30, "step_bits": 0},  # the logits could leave the ring
        {"tolerance": 1e-6},
        {"slope_bits": 1},
    ],
)
def test_a_plan_under_which_something_could_leave_its_width_is_refused(bad):
    with pytest.raises(RingRangeError):
        LogisticPlan(**({"n_rows": 1000, "n_columns": 30, "n_steps": 10, "step_bits": 9} | bad))


@pytest.mark.parametrize(
    ("x", "y"), [((60, 4), (60,)), ((59, 3), (59,)), ((60, 3), (60, 1)), ((180,), (60,))]
)
def test_other_shapes_than_the_plans_are_refused_before_anything_is_sent(x, y):
    def joint(session):
        with pytest.raises(RingRangeError):
            fit(session, split_input(session, np.zeros(x)), split_input(session, np.zeros(y)), SMALL)
        return sum(session.counters.bytes_sent.get(name, 0) for name in session.peers)

    assert simulate(joint, 2, prefetch=False).values() == [32, 32]


@pytest.mark.parametrize("at_round", [2, 4, 9, 13, 20])
def test_a_party_killed_at_any_step_ends_all_others_with_an_error(at_round):
    def joint(session):
        x, y = split_input(session, np.zeros((60, 3))), split_input(session, np.zeros(60))
        return reveal_to_all(session, fit(session, x, y, SMALL))

    run = simulate(joint, 3, faults=[Fault(party="bob", at_round=at_round, kind=FaultKind.KILL)], timeout_s=3)
    assert all(isinstance(run.errors[name], PartyLostError) for name in ("ada", "cyd"))
