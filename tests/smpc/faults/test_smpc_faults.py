"""A fault at each exchange of each operation: the others name the party in time, none learns a value, the next run works.

Sessions with a dealer, sessions of three computing sites, and CrypTen's own calls: some in every run (``is_quick``), all in
``make slow-faults``.
"""

import ast
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from smpc.dealer.service import DealerService
from smpc.engine.crypten_patches import crypten
from smpc.errors import PartyLostError, PeerRejectedError
from smpc.fault_injection import FaultInjectingMesh
from smpc.randomness import fresh_key
from smpc.session import Session, active_session
from smpc.simulator import DEALER, Fault, FaultKind, party_names
from smpc.transport.memory import memory_meshes
from smpc.transport.mesh import Step
from tests.smpc.every_crypten_call import BASIC, CALLS, QUICK, communicator_methods, engine_state
from tests.smpc.every_operation import OPERATIONS, WITHOUT_DEALER, fetched, n_exchanges
from tests.smpc.fault_walk import LONG_S, WRONG, bites, check, run, same, stops, struck, undisturbed
from tests.smpc.joint import THREE, THREE_OF_FOUR
from tests.smpc.pace import deadline_s, patiently
from tests.transport.tls_world import run_all

ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S, ENGINE_S = 1.0, 2.0  # at least; CrypTen's calls are longer at work
SLACK, ENGINE_SLACK = 3.0, 6.0  # deadlines that everything but waiting may take
LONG = {"crypten.softmax", "crypten.nn"}  # made of the others: a hundred exchanges of three parties
OURS = [(name, n) for name in OPERATIONS for n in (2, 3)]
SITES = [(name, n) for name in WITHOUT_DEALER for n in (THREE_OF_FOUR, THREE)]
ENGINE = [(name, n) for name in CALLS for n in (2, 3) if n == 2 or name not in LONG]


def is_quick(name, n):
    """What every run has: three parties, and every second operation without a dealer."""
    if n is THREE_OF_FOUR:
        return name in list(WITHOUT_DEALER)[::2]
    return n is not THREE and n == 3 and name != "crypten.less" and (name in OPERATIONS or name in QUICK)


def walked(cases, *, is_slow=False):
    slow = (pytest.mark.slow, pytest.mark.timeout(600))
    return [
        pytest.param(name, n, marks=() if is_quick(name, n) and not is_slow else slow) for name, n in cases
    ]


EVERY = walked([*OURS, *SITES, *ENGINE])


def public_operations():
    """Functions of a session, as the source says."""
    paths = [*sorted((ROOT / "smpc" / "operations").rglob("*.py")), ROOT / "smpc" / "engine" / "products.py"]
    for path in paths:
        for node in ast.parse(path.read_text("utf-8")).body:
            is_public = isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
            if is_public and node.args.args and node.args.args[0].arg == "session":
                yield f"{path.stem}.{node.name}"


def test_every_public_operation_is_in_the_table():
    assert set(public_operations()) == set(OPERATIONS)


def test_every_call_of_the_communicator_is_in_the_table():
    assert {f"communicator.{method}" for method in communicator_methods()} == {
        name for name in CALLS if name.startswith("communicator.")
    }


def beside(name):
    """How many sessions there are beside each other: most of them wait, CrypTen's less."""
    return 12 if name in CALLS else 48


def at_once(function, name, cases):
    with ThreadPoolExecutor(beside(name)) as pool:
        return list(pool.map(function, cases))


def at_its_pace(strike, name, cases):
    """Each case with a deadline that follows the machine's speed."""
    wait_s = deadline_s(ENGINE_S if name in CALLS else DEADLINE_S, at_once=beside(name))
    at_once(lambda case: patiently(strike, case, wait_s), name, cases)


def strike_all(name, n, turns, every=1):
    """Everybody whose turn it is fails in every way that ends a session, at every exchange; or in some ways at each."""
    service = DealerService()
    whole = undisturbed(name, n, service)
    assert len(whole.sent[whole.names[0]]) == n_exchanges(name, n)

    def strike(fault):
        outcome = run(name, n, fault, service=service)
        assert outcome.seconds < LONG_S / 2, fault  # no party waited for the deadline
        check(name, outcome, fault, whole)

    kinds = (FaultKind.KILL, FaultKind.PARTIAL, *WRONG)
    faults = [
        struck(n, at, kind, turn)
        for turn in turns
        for place, kind in enumerate(kinds)
        for at in range(n_exchanges(name, n))
        if (place + at) % every == 0
    ]
    at_once(strike, name, [fault for fault in faults if bites(fault, whole)])
    same(name, undisturbed(name, n, service).results[whole.names[1]], whole.results[whole.names[1]])


def turns_of(name, n):
    """What only some of the parties wait for is short, so that everybody has a turn."""
    return range(n) if name.startswith("communicator.") else [0]


@pytest.mark.parametrize(("name", "n"), EVERY)
def test_killed_or_out_of_step_at_each_exchange(name, n):
    strike_all(name, n, turns_of(name, n), every=2 if is_quick(name, n) else 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "n"), [case for case in [*OURS, *SITES, *ENGINE] if is_quick(*case)])
def test_killed_or_out_of_step_in_every_way_at_each_exchange(name, n):
    strike_all(name, n, turns_of(name, n))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "n"),
    [case for case in [*OURS, *SITES, *ENGINE] if case[0] not in CALLS or case[0] in BASIC],
)
def test_a_party_killed_or_out_of_step_at_any_exchange(name, n):
    strike_all(name, n, range(1, n))


def silent(cases, turn=0):
    service = DealerService()
    wholes = {case: undisturbed(*case, service) for case in cases}

    def strike(case, wait_s):
        name, n, at = case
        fault = struck(n, at, FaultKind.FREEZE, turn)
        slack = ENGINE_SLACK if name in CALLS else SLACK
        outcome = run(name, n, fault, timeout_s=wait_s, service=service)
        # the dealer waits for all parties, so who waits for the dealer waits longer
        is_missed = len(stops(fault, wholes[name, n])) > 1
        assert wait_s * is_missed <= outcome.seconds < (2 + slack) * wait_s, case
        check(name, outcome, fault, wholes[name, n])

    at_its_pace(
        strike, cases[0][0], [(name, n, at) for name, n in cases for at in range(n_exchanges(name, n))]
    )
    for (name, n), whole in wholes.items():
        again = undisturbed(name, n, service)
        same(name, again.results[again.names[1]], whole.results[again.names[1]])


@pytest.mark.parametrize("n", [pytest.param(3, marks=pytest.mark.slow), THREE_OF_FOUR])
def test_silent_at_each_exchange_of_every_second_operation(n):
    silent([case for case in [*OURS, *SITES] if case[1] is n][::2])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("n", [2, 3, THREE_OF_FOUR, THREE])
def test_silent_at_each_exchange_of_each_operation(n):
    silent([case for case in [*OURS, *SITES] if case[1] is n])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("n", "turn"), [(n, turn) for n in (THREE, THREE_OF_FOUR) for turn in range(1, n)])
def test_any_site_silent_at_any_exchange_of_any_operation_is_named(n, turn):
    silent([case for case in SITES if case[1] is n], turn)


@pytest.mark.slow
def test_silent_at_each_exchange_of_cryptens_calls():
    silent([(name, 3) for name in QUICK if is_quick(name, 3)])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("turn", [1, 2])
def test_a_party_silent_at_any_exchange_of_a_crypten_call(turn):
    silent([(name, 3) for name in BASIC], turn)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "n"), ENGINE)
def test_silent_at_each_exchange_of_each_call_of_cryptens(name, n):
    silent([(name, n)])


@pytest.mark.parametrize(("name", "n"), [*walked([*OURS, *ENGINE]), *walked(SITES, is_slow=True)])
def test_a_slow_party_only_delays(name, n):
    service = DealerService()
    whole = undisturbed(name, n, service)

    def strike(at):
        fault = struck(n, at, FaultKind.TRICKLE, pause_s=0.01)
        outcome = run(name, n, fault, service=service)
        outcome.values()
        for party in outcome.names:
            same(name, outcome.results[party], whole.results[party])

    at_once(strike, name, range(n_exchanges(name, n)))


SLOWEST = ["arithmetic.multiply", "comparison.is_negative", "sorting.sort"]


@pytest.mark.parametrize(
    ("names", "n"),
    [
        (SLOWEST, 3),
        pytest.param(SLOWEST, THREE_OF_FOUR, marks=pytest.mark.slow),
        pytest.param(["crypten.mul", "communicator.gather"], 3, marks=pytest.mark.slow),
    ],
)
def test_a_party_that_is_slower_than_the_deadline_is_lost(names, n):
    service = DealerService()
    wholes = {name: undisturbed(name, n, service) for name in names}

    def strike(case, wait_s):
        name, at = case
        fault = struck(n, at, FaultKind.TRICKLE, pause_s=2.5 * wait_s)
        outcome = run(name, n, fault, timeout_s=wait_s, service=service)
        others = [other for other in outcome.names if other != fault.party]
        if not wholes[name].sent[fault.party][at].outgoing:  # nothing of it was late
            assert not outcome.errors
            return
        assert not set(others) & set(outcome.results)
        assert {outcome.errors[other].name for other in others} == {fault.party}

    at_its_pace(strike, names[0], [(name, at) for name in names for at in range(n_exchanges(name, n))])


@pytest.mark.parametrize(
    "name", ["comparison.is_negative", pytest.param("crypten.mul", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind is not FaultKind.TRICKLE])
@pytest.mark.parametrize("at", [0, 1])
def test_a_dealer_that_fails_is_named_by_all(name, kind, at):
    """Before it heard the list (0: it sends nothing there, so that only its end is felt) and when it should answer (1)."""
    wait_s = deadline_s(ENGINE_S if name in CALLS else DEADLINE_S, at_once=1)
    patiently(lambda _, wait_s: one_failing_dealer(name, kind, at, wait_s), None, wait_s)


def one_failing_dealer(name, kind, at, wait_s):
    service = DealerService()
    fault = Fault(party=DEALER, at_round=at, kind=kind)
    begin = time.monotonic()
    outcome = run(name, 3, fault, timeout_s=wait_s, service=service)
    assert time.monotonic() - begin < (2 + ENGINE_SLACK) * wait_s
    if at == 0 and kind in WRONG:
        same(name, outcome.values()[0], undisturbed(name, 3, service).values()[0])
        return
    # of a dealer that dies while it answers some have the answer; then they miss those who have not
    lacking = [party for party in outcome.names if getattr(outcome.errors[party], "name", "") == DEALER]
    assert outcome.results == {}
    assert lacking
    for party in outcome.names:
        assert isinstance(outcome.errors[party], PartyLostError | PeerRejectedError)
        assert outcome.errors[party].name == DEALER
        assert not {Step.REVEAL} & {sent.step for sent in outcome.sent[party]}
    undisturbed(name, 3, service)


@pytest.mark.parametrize("kind", [FaultKind.KILL, FaultKind.PARTIAL, FaultKind.EXTEND])
def test_after_a_loss_the_same_threads_run_new_sessions_on_both_engines(kind):
    names, service, before = party_names(3), DealerService(), engine_state()
    plan = [("crypten.less", [struck(3, at, kind)]) for at in range(n_exchanges("crypten.less", 3))]
    plan += [(name, []) for name in ("crypten.less", "comparison.less_than", "crypten.gradient")]
    meshes = [memory_meshes(names, DEALER) for _ in plan]
    ids = [fresh_key() for _ in plan]

    def deal():
        for at in range(len(plan)):
            with contextlib.suppress(PartyLostError, PeerRejectedError):
                service.serve(meshes[at][DEALER], ids[at])

    def take_part(party):
        ends = []
        for at, (name, faults) in enumerate(plan):
            own = [fault for fault in faults if fault.party == party]
            mesh = FaultInjectingMesh(meshes[at][party], party, own, threading.Event())
            try:
                with Session(mesh, ids[at]) as session:
                    ends.append(fetched(name, 3)(session).tolist())
            except (PartyLostError, PeerRejectedError) as error:
                ends.append(error.name)
            assert active_session() is None
            assert not crypten().is_initialized()
            assert engine_state() == before
        return ends

    results = run_all({name: lambda name=name: take_part(name) for name in names} | {DEALER: deal})
    for party in names:
        *lost, less, ours, gradient = results[party]
        assert (less, ours) == ([1, 0, 0], [0, 0, 0, 0])
        same("crypten.gradient", np.array(gradient), np.array([1, 2, 4]))
        struck_by = [
            fault.party for _, faults in plan[:-4] for fault in faults
        ]  # the last exchange: see above
        assert all(victim in (end, party) for victim, end in zip(struck_by, lost, strict=False))
        assert len(lost) == len(struck_by) + 1
