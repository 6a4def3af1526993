"""Faults below the frames on real TLS connections: the same guarantees as between threads, and usable connections.

Two operations in every run; all of them, two parties and CrypTen's calls in ``make slow-faults``.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from smpc.dealer.service import DealerService
from smpc.simulator import DEALER, FaultKind, party_names, simulate
from tests.smpc.every_crypten_call import BASIC
from tests.smpc.every_operation import OPERATIONS, WITHOUT_DEALER, fetched, n_exchanges
from tests.smpc.failing_party import Stumble, Stumbling
from tests.smpc.fault_walk import check, same, struck, undisturbed
from tests.smpc.joint import THREE_OF_FOUR, Sites
from tests.smpc.pace import deadline_s, patiently
from tests.transport.tls_world import Nodes, World

DEADLINE_S = 1.2  # at least
LONG_S = 20.0
SLACK = 3.0  # deadlines that everything but waiting may take
AT_ONCE = 12
LATE = (Stumble.HALF, Stumble.CRAWL)
BROKEN = [kind for kind in Stumble if kind is not Stumble.DRIP]
SOME = ("arithmetic.multiply", "comparison.equals")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    names = party_names(4)
    world = World(
        folder=tmp_path_factory.mktemp("tls"), roles=dict.fromkeys(names, "site") | {DEALER: "dealer"}
    )
    with Nodes(world, (*names, DEALER)) as running:
        yield running


def run(nodes, name, service, n, stumbling=None):
    """A session; when each party was done, besides."""
    done, joint = {}, fetched(name, n)

    def timed(session):
        try:
            return joint(session)
        finally:
            done[session.names[session.rank]] = time.monotonic()

    limit_s = stumbling.deadline_s if stumbling else LONG_S

    def channels(names, helper):
        meshes = nodes.meshes(names, helper, deadline_s=limit_s)
        return stumbling.over(meshes) if stumbling else meshes

    begin = time.monotonic()
    outcome = simulate(
        timed,
        int(n),
        prefetch=False,
        has_three_sites=isinstance(n, Sites),
        dealer=service,
        channels=channels,
    )
    return outcome, {party: at - begin for party, at in done.items()}


def walk(nodes, names, kind, n, turn=0):
    """A stumble at every exchange of those operations; then each operation undisturbed."""
    service = DealerService()
    wholes = {name: undisturbed(name, n) for name in names}

    def strike(case, wait_s):
        name, at = case
        fault = struck(n, at, FaultKind.KILL, turn)  # no party has a whole frame of it
        stumbling = Stumbling(fault.party, at, kind, wait_s if kind in LATE else LONG_S)
        outcome, done = run(nodes, name, service, n, stumbling)
        check(name, outcome, fault, wholes[name])
        for other in set(outcome.names) - {fault.party}:
            # during the agreement on keys the session has not begun for the function that is timed
            assert done.get(other, 0) < ((2 if kind in LATE else 0) + SLACK) * wait_s, case

    wait_s = deadline_s(DEADLINE_S, at_once=AT_ONCE, channels=nodes.meshes)
    cases = [(name, at) for name in names for at in range(n_exchanges(name, n))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda case: patiently(strike, case, wait_s), cases))
    for name, whole in wholes.items():
        outcome, _ = run(nodes, name, service, n)
        for party, value in zip(outcome.names, outcome.values(), strict=True):
            same(name, value, whole.results[party])


@pytest.mark.parametrize(("names", "n"), [(SOME, 3), (SOME, THREE_OF_FOUR)])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_frame_that_is_not_finished_names_its_sender(nodes, kind, names, n):
    walk(nodes, names, kind, n)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("n", [2, 3, THREE_OF_FOUR])
@pytest.mark.parametrize("kind", BROKEN)
def test_at_every_exchange_of_every_operation(nodes, kind, n):
    walk(nodes, WITHOUT_DEALER if n is THREE_OF_FOUR else OPERATIONS, kind, n)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("kind", BROKEN)
def test_whichever_of_the_sites_stumbles(nodes, kind, turn):
    walk(nodes, SOME, kind, THREE_OF_FOUR, turn)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("kind", BROKEN)
def test_at_every_exchange_of_cryptens_calls(nodes, kind, n):
    walk(nodes, BASIC, kind, n)


def slowly(nodes, names, n):
    service = DealerService()
    wholes = {name: undisturbed(name, n) for name in names}

    def strike(case):
        name, at = case
        stumbling = Stumbling(struck(n, at, FaultKind.TRICKLE).party, at, Stumble.DRIP, LONG_S)
        outcome, _ = run(nodes, name, service, n, stumbling)
        for party, value in zip(outcome.names, outcome.values(), strict=True):
            same(name, value, wholes[name].results[party])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(strike, [(name, at) for name in names for at in range(n_exchanges(name, n))]))


@pytest.mark.parametrize(("names", "n"), [(SOME, 3), (SOME, THREE_OF_FOUR)])
def test_bytes_that_trickle_in_time_only_delay(nodes, names, n):
    slowly(nodes, names, n)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("n", [2, 3, THREE_OF_FOUR])
def test_bytes_that_trickle_in_time_delay_every_operation(nodes, n):
    slowly(nodes, WITHOUT_DEALER if n is THREE_OF_FOUR else (*OPERATIONS, *BASIC), n)
