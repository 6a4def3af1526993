"""A fault at each exchange of each operation: the others raise the right name in time, nobody learns, the next run works."""

import numpy as np
import pytest

from smpc.cost import dry_run
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.operations import arithmetic, comparison, selection
from smpc.operations.reveal import reveal_to_all
from smpc.simulator import DEALER, Fault, FaultKind, simulate
from tests.smpc.joint import split_input

X = np.array([5, -6, 7, 0])
DEADLINE_S = 0.25
OPERATIONS = {
    "sum": lambda s, x: arithmetic.add(x, x),
    "multiply": lambda s, x: arithmetic.multiply(s, x, x),
    "square": arithmetic.square,
    "matmul": lambda s, x: arithmetic.matmul(s, arithmetic.reshape(x, (2, 2)), arithmetic.reshape(x, (2, 2))),
    "sign": lambda s, x: comparison.is_negative(s, x, 24),
    "zero": lambda s, x: comparison.is_zero(s, x, 24),
    "clip": lambda s, x: selection.clip(s, x, -2, 2, 8),
    "all": lambda s, x: selection.all_of(s, *[comparison.is_negative(s, x, 4)] * 2),
    "largest": lambda s, x: selection.maximum(s, x, 5),
}


def opened(operation):
    return lambda session: reveal_to_all(session, operation(session, split_input(session, X)))


def n_exchanges(name):
    """Keys, material if any, the operation, the opening."""
    cost = dry_run(opened(OPERATIONS[name]), 3)
    return 1 + bool(cost.requests) + cost.rounds


CASES = [
    (name, at, kind)
    for name in OPERATIONS
    for at in range(n_exchanges(name))
    for kind in (FaultKind.KILL, FaultKind.TRUNCATE)
]
# what a party sends at exchange 1 goes to the dealer alone and has a test of its own
CASES = [case for case in CASES if case[1:] != (1, FaultKind.TRUNCATE) or case[0] == "sum"]
FROZEN = [(name, at) for name in ("multiply", "sign") for at in range(n_exchanges(name))]


def check(name, fault, timeout_s, seconds):
    run = simulate(opened(OPERATIONS[name]), 3, faults=[fault], timeout_s=timeout_s)
    # who cuts its own last frame short still gets the others': no party but that one has an answer
    assert run.results.keys() <= {"bob"}
    for other in ("ada", "cyd"):
        error = run.errors[other]
        assert isinstance(error, PartyLostError | PeerRejectedError)
        assert error.name == "bob"
    assert run.seconds < seconds


@pytest.mark.parametrize(("name", "at", "kind"), CASES)
def test_killed_or_cut_short_at_any_exchange(name, at, kind):
    check(name, Fault(party="bob", at_round=at, kind=kind), timeout_s=20, seconds=5)


@pytest.mark.parametrize(("name", "at"), FROZEN)
def test_frozen_at_any_exchange(name, at):
    check(
        name,
        Fault(party="bob", at_round=at, kind=FaultKind.FREEZE),
        timeout_s=DEADLINE_S,
        seconds=8 * DEADLINE_S,
    )


def test_a_request_cut_short_ends_the_session_with_the_partys_name():
    fault = Fault(party="bob", at_round=1, kind=FaultKind.TRUNCATE)
    run = simulate(opened(OPERATIONS["sign"]), 3, faults=[fault], timeout_s=DEADLINE_S)
    assert run.results == {}
    assert {error.name for error in run.errors.values()} == {"bob"}


@pytest.mark.parametrize("at", [0, 1, 3, 6])
def test_a_trickling_party_only_delays(at):
    fault = Fault(party="bob", at_round=at, kind=FaultKind.TRICKLE, pause_s=0.02)
    run = simulate(opened(OPERATIONS["sign"]), 3, faults=[fault])
    for outcome in run.values():
        np.testing.assert_array_equal(outcome, X < 0)


def test_a_party_that_trickles_too_slowly_is_lost():
    fault = Fault(party="bob", at_round=2, kind=FaultKind.TRICKLE, pause_s=0.6)
    run = simulate(opened(OPERATIONS["sign"]), 3, faults=[fault], timeout_s=0.2)
    assert run.results == {}
    assert {run.errors[name].name for name in ("ada", "cyd")} == {"bob"}


@pytest.mark.parametrize("kind", list(FaultKind)[:3])
def test_a_dealer_that_fails_is_named_by_all(kind):
    run = simulate(
        opened(OPERATIONS["multiply"]),
        3,
        faults=[Fault(party=DEALER, at_round=1, kind=kind)],
        timeout_s=DEADLINE_S,
    )
    assert run.results == {}
    assert {run.errors[name].name for name in run.names} <= {DEALER, "ada", "bob", "cyd"}
    if kind is not FaultKind.TRUNCATE:
        assert {run.errors[name].name for name in run.names} == {DEALER}


def test_after_a_fault_the_next_session_works():
    from smpc.dealer.service import DealerService

    service = DealerService()
    for at in range(6):
        fault = Fault(party="cyd", at_round=at, kind=FaultKind.KILL)
        assert simulate(opened(OPERATIONS["sign"]), 3, faults=[fault], dealer=service).results == {}
        for outcome in simulate(opened(OPERATIONS["sign"]), 3, dealer=service).values():
            np.testing.assert_array_equal(outcome, X < 0)
