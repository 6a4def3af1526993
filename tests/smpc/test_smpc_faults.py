"""A fault at each exchange of each operation: the others raise the right name in time, nobody learns, the next run works."""

import ast
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from smpc.dealer.service import DealerService
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.simulator import DEALER, Fault, FaultKind, party_names, simulate
from smpc.transport.mesh import Step
from tests.smpc.every_operation import OPERATIONS, fetched, n_exchanges

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 1.0  # long, so that a busy machine makes nobody late who is not
LONG_S = 30.0
SLACK_S = 3.0
AT_ONCE = 48
GONE = (FaultKind.KILL, FaultKind.PARTIAL, FaultKind.FREEZE)
WRONG = (FaultKind.TRUNCATE, FaultKind.EXTEND, FaultKind.EXTRA)
BOTH = [(name, n) for name in OPERATIONS for n in (2, 3)]


def public_operations():
    """Functions of a session, as the source says."""
    paths = [*sorted((ROOT / "smpc" / "operations").glob("*.py")), ROOT / "smpc" / "engine" / "products.py"]
    for path in paths:
        for node in ast.parse(path.read_text("utf-8")).body:
            is_public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if is_public and node.args.args and node.args.args[0].arg == "session":
                yield f"{path.stem}.{node.name}"


def test_every_public_operation_is_in_the_table():
    assert set(public_operations()) == set(OPERATIONS)


def run(name, n, *faults, timeout_s, service):
    return simulate(fetched(name, n), n, faults=faults, prefetch=False, dealer=service, timeout_s=timeout_s)


def right_answer(name, n, service):
    first, *others = run(name, n, timeout_s=LONG_S, service=service).values()
    for other in others:
        np.testing.assert_array_equal(first, other)
    return first


def check(outcome, fault, n_all, answer):
    """The right error with the right name for everybody else; no number but the whole answer, and that only at the end."""
    is_last = fault.at_round == n_all - 1
    for name in outcome.names:
        if name in outcome.results:
            # who bends its own last frame still gets the others'; of two peers of a party that dies while it
            # sends its last frames, one has them all
            assert is_last
            assert (name == fault.party) == (fault.kind in WRONG)
            assert fault.kind in (*WRONG, FaultKind.PARTIAL)
            np.testing.assert_array_equal(outcome.results[name], answer)
        elif name != fault.party:
            error = outcome.errors[name]
            assert isinstance(
                error, PartyLostError if fault.kind in GONE else (PartyLostError, PeerRejectedError)
            )
            assert error.name == fault.party
            # whoever has not got a frame goes no further: nothing more is opened
            assert len(outcome.sent[name]) <= fault.at_round + (2 if fault.kind is FaultKind.PARTIAL else 1)
    assert sum(name in outcome.results for name in outcome.names) <= 1


def struck(n, at, kind, **more):
    return Fault(party=party_names(n)[at % n], at_round=at, kind=kind, **more)


def at_once(function, cases):
    """Sessions beside each other: most of them wait."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(function, cases))


@pytest.mark.parametrize(("name", "n"), BOTH)
def test_killed_or_out_of_step_at_each_exchange(name, n):
    service, n_all = DealerService(), n_exchanges(name, n)
    answer = right_answer(name, n, service)

    def strike(fault):
        outcome = run(name, n, fault, timeout_s=LONG_S, service=service)
        assert outcome.seconds < SLACK_S, fault
        check(outcome, fault, n_all, answer)

    kinds = (FaultKind.KILL, FaultKind.PARTIAL, *WRONG)
    at_once(strike, [struck(n, at, kind) for kind in kinds for at in range(n_all)])
    np.testing.assert_array_equal(right_answer(name, n, service), answer)


@pytest.mark.parametrize("n", [2, 3])
def test_silent_at_each_exchange_of_each_operation(n):
    service = DealerService()
    answers = {name: right_answer(name, n, service) for name in OPERATIONS}

    def strike(case):
        name, at = case
        fault = struck(n, at, FaultKind.FREEZE)
        outcome = run(name, n, fault, timeout_s=DEADLINE_S, service=service)
        # the dealer waits for all parties, so who waits for the dealer waits longer
        assert DEADLINE_S <= outcome.seconds < 2 * DEADLINE_S + SLACK_S, case
        check(outcome, fault, n_exchanges(name, n), answers[name])

    at_once(strike, [(name, at) for name in OPERATIONS for at in range(n_exchanges(name, n))])
    for name, answer in answers.items():
        np.testing.assert_array_equal(right_answer(name, n, service), answer)


@pytest.mark.parametrize(("name", "n"), BOTH)
def test_a_slow_party_only_delays(name, n):
    service, n_all = DealerService(), n_exchanges(name, n)
    answer = right_answer(name, n, service)

    def strike(at):
        fault = struck(n, at, FaultKind.TRICKLE, pause_s=0.01)
        for outcome in run(name, n, fault, timeout_s=LONG_S, service=service).values():
            np.testing.assert_array_equal(outcome, answer)

    at_once(strike, range(n_all))


def test_a_party_that_is_slower_than_the_deadline_is_lost():
    service = DealerService()
    names = ["arithmetic.multiply", "comparison.is_negative", "sorting.sort"]

    def strike(case):
        name, at = case
        fault = struck(3, at, FaultKind.TRICKLE, pause_s=2.5 * DEADLINE_S)
        outcome = run(name, 3, fault, timeout_s=DEADLINE_S, service=service)
        others = [other for other in outcome.names if other != fault.party]
        assert not set(others) & set(outcome.results)
        assert {outcome.errors[other].name for other in others} == {fault.party}

    at_once(strike, [(name, at) for name in names for at in range(n_exchanges(name, 3))])


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind is not FaultKind.TRICKLE])
@pytest.mark.parametrize("at", [0, 1])
def test_a_dealer_that_fails_is_named_by_all(kind, at):
    """Before it heard the list (0: it sends nothing there, so that only its end is felt) and when it should answer (1)."""
    service = DealerService()
    fault = Fault(party=DEALER, at_round=at, kind=kind)
    begin = time.monotonic()
    outcome = run("comparison.is_negative", 3, fault, timeout_s=DEADLINE_S, service=service)
    assert time.monotonic() - begin < 2 * DEADLINE_S + SLACK_S
    if at == 0 and kind in WRONG:
        np.testing.assert_array_equal(outcome.values()[0], right_answer("comparison.is_negative", 3, service))
        return
    # of a dealer that dies while it answers some have the answer; then they miss those who have not
    lacking = [name for name in outcome.names if getattr(outcome.errors[name], "name", "") == DEALER]
    assert outcome.results == {}
    assert lacking
    for name in outcome.names:
        assert isinstance(outcome.errors[name], PartyLostError | PeerRejectedError)
        assert outcome.errors[name].name == DEALER
        assert not {Step.REVEAL} & {sent.step for sent in outcome.sent[name]}
    right_answer("comparison.is_negative", 3, service)
