"""The same joint functions over mutual TLS: same answers, same rounds and bytes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from smpc.cost import dry_run
from smpc.dealer.service import DealerService
from smpc.operations import arithmetic, comparison, selection
from smpc.operations.numeric.logistic import LogisticPlan, fit
from smpc.operations.quantiles import median_bin
from smpc.operations.reveal import reveal_to_all
from smpc.randomness import fresh_key
from smpc.session import Session
from smpc.simulator import DEALER, Fault, FaultKind, party_names, simulate
from tests.smpc.joint import split_input
from tests.transport.tls_world import Nodes, World

X = np.array([5, -6, 7, 0, -(1 << 22)])
# bins 5, 0, 7, 0, 0 of 12 rows: the sixth row lies in bin 2
EXPECTED = [*(X < 0), *(X == 0), *(X * X), 2]


def everything(session):
    x = split_input(session, X)
    sign = comparison.is_negative(session, x, 24)
    counts = selection.keep_where(session, selection.negation(session, sign), x)
    parts = [
        sign,
        comparison.is_zero(session, x, 24),
        arithmetic.square(session, x),
        median_bin(session, counts, 100),
    ]
    return reveal_to_all(session, arithmetic.concatenate(parts))


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    names = party_names(3)
    world = World(
        folder=tmp_path_factory.mktemp("tls"), roles=dict.fromkeys(names, "site") | {DEALER: "dealer"}
    )
    with Nodes(world, (*names, DEALER)) as running:
        yield running


def test_answers_and_costs_are_those_of_memory_channels(nodes):
    service = DealerService()
    cost = dry_run(everything, party_names(3))
    for _ in range(2):
        run = simulate(everything, 3, dealer=service, channels=nodes.meshes)
        for outcome in run.values():
            np.testing.assert_array_equal(outcome, EXPECTED)
        for name in run.names:
            assert run.counters[name].rounds == 2 + cost.rounds
            peers = {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != name}
            assert {p: b for p, b in run.counters[name].bytes_sent.items() if p != DEALER} == peers


def test_three_sites_alone_give_the_same(nodes):
    cost = dry_run(everything, party_names(3), has_three_sites=True)
    for prefetch in (True, False):
        run = simulate(everything, 3, has_three_sites=True, prefetch=prefetch, channels=nodes.meshes)
        for outcome in run.values():
            np.testing.assert_array_equal(outcome, EXPECTED)
        if prefetch:
            assert {counters.rounds for counters in run.counters.values()} == {2 + cost.rounds}
            ada = run.counters["ada"].bytes_sent
            assert sum(ada.values()) == 2 * 32 + cost.bytes_sent


def test_large_openings_are_sent_without_a_copy_and_arrive_whole(nodes):
    """Sessions on the bare meshes, without the simulator's copies: a payload must not change while it is under way."""
    names, identity = party_names(3), fresh_key()
    x = np.arange(-150_000, 150_000)
    meshes = nodes.meshes(names, DEALER)

    def take_part(name):
        with Session(meshes[name], identity) as session:
            shared = split_input(session, x)
            for _ in range(3):
                shared = arithmetic.multiply(session, shared, shared)
            return reveal_to_all(session, shared)

    with ThreadPoolExecutor(4) as pool:
        helper = pool.submit(DealerService().serve, meshes[DEALER], identity)
        outcomes = list(pool.map(take_part, names))
        assert helper.result() == 4
    with np.errstate(over="ignore"):
        for outcome in outcomes:
            np.testing.assert_array_equal(outcome, x**8)


def test_a_logistic_regression_on_secret_rows_is_that_of_memory_channels(nodes):
    plan = LogisticPlan(n_rows=2500, n_columns=3, n_steps=3, step_bits=11)
    rng = np.random.default_rng(7)
    rows = plan.features.encode(rng.standard_normal((plan.n_rows, 3)).clip(-4, 4))
    outcomes = rng.integers(0, 2, plan.n_rows)

    def joint(session):
        return reveal_to_all(
            session, fit(session, split_input(session, rows), split_input(session, outcomes), plan)
        )

    cost = dry_run(joint, party_names(3))
    assert cost.rounds == 5 + 2 * 10 + 1
    run = simulate(joint, 3, channels=nodes.meshes)
    expected = simulate(joint, 3).values()[0]
    for outcome in run.values():
        np.testing.assert_array_equal(outcome, expected)
    for name in run.names:
        peers = {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != name}
        assert {p: b for p, b in run.counters[name].bytes_sent.items() if p != DEALER} == peers


@pytest.mark.parametrize("party", party_names(3))
def test_any_of_three_sites_lost_at_any_exchange_is_named_by_the_others(nodes, party):
    for at in range(2 + dry_run(everything, 3, has_three_sites=True).rounds):
        fault = Fault(party=party, at_round=at, kind=FaultKind.KILL)
        run = simulate(everything, 3, faults=[fault], has_three_sites=True, channels=nodes.meshes)
        assert run.results == {}
        assert {error.name for error in run.errors.values()} == {party}
