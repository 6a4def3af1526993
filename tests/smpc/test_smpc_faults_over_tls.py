"""Faults below the frames, on real TLS connections: the same promises as between threads, and connections that stay usable."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from smpc.dealer.service import DealerService
from smpc.errors import PartyLostError
from smpc.simulator import DEALER, party_names, simulate
from tests.smpc.every_operation import OPERATIONS, fetched, n_exchanges
from tests.smpc.stumbling import Stumble, Stumbling
from tests.transport.tls_world import Nodes, World

DEADLINE_S = 1.2
LONG_S = 20.0
SLACK_S = 3.0
AT_ONCE = 12
LATE = (Stumble.HALF, Stumble.CRAWL)
SOME = ("arithmetic.multiply", "comparison.equals")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    names = party_names(3)
    world = World(
        folder=tmp_path_factory.mktemp("tls"), roles=dict.fromkeys(names, "site") | {DEALER: "dealer"}
    )
    with Nodes(world, (*names, DEALER)) as running:
        yield running


def run(nodes, name, service, stumbling=None, n=3):
    """A session; when each party was done, besides."""
    done, joint = {}, fetched(name, n)

    def timed(session):
        try:
            return joint(session)
        finally:
            done[session.names[session.rank]] = time.monotonic()

    deadline_s = stumbling.deadline_s if stumbling else LONG_S

    def channels(names, helper):
        meshes = nodes.meshes(names, helper, deadline_s=deadline_s)
        return stumbling.over(meshes) if stumbling else meshes

    begin = time.monotonic()
    outcome = simulate(timed, n, prefetch=False, dealer=service, channels=channels)
    return outcome, {party: at - begin for party, at in done.items()}


def walk(nodes, names, kinds, n):
    """Every stumble of those kinds at every exchange of those operations; then each operation undisturbed."""
    service = DealerService()

    def strike(case):
        name, kind, at = case
        party = party_names(n)[at % n]
        deadline_s = DEADLINE_S if kind in LATE else LONG_S
        outcome, done = run(nodes, name, service, Stumbling(party, at, kind, deadline_s), n)
        others = [other for other in outcome.names if other != party]
        assert not set(others) & set(outcome.results), case
        for other in others:
            error = outcome.errors[other]
            assert isinstance(error, PartyLostError), case
            assert error.name == party, case
            # during the agreement on keys the session has not begun for the function that is timed
            assert done.get(other, 0) < (2 * DEADLINE_S if kind in LATE else 0) + SLACK_S, case
            assert len(outcome.sent[other]) <= at + 1, case

    cases = [(name, kind, at) for name in names for kind in kinds for at in range(n_exchanges(name, n))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(strike, cases))
    for name in names:
        outcome, _ = run(nodes, name, service, n=n)
        first, *others = outcome.values()
        for other in others:
            np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("kind", [kind for kind in Stumble if kind is not Stumble.DRIP])
def test_a_frame_that_is_not_finished_names_its_sender(nodes, kind, n):
    walk(nodes, SOME, [kind], n)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("kind", [kind for kind in Stumble if kind is not Stumble.DRIP])
def test_at_every_exchange_of_every_operation(nodes, kind, n):
    walk(nodes, OPERATIONS, [kind], n)


def slowly(nodes, names, n):
    service = DealerService()

    def strike(case):
        name, at = case
        outcome, _ = run(nodes, name, service, Stumbling(party_names(n)[at % n], at, Stumble.DRIP, LONG_S), n)
        return name, outcome.values()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(strike, [(name, at) for name in names for at in range(n_exchanges(name, n))]))
    for name in names:
        seen = [value for key, values in answers if key == name for value in values]
        for value in seen:
            np.testing.assert_array_equal(value, seen[0])


def test_bytes_that_trickle_in_time_only_delay(nodes):
    slowly(nodes, SOME, 3)


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 3])
def test_bytes_that_trickle_in_time_delay_every_operation(nodes, n):
    slowly(nodes, OPERATIONS, n)
