"""Shuffles and sorts against numpy; openings reveal nothing; the bound on pairs holds."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smpc.cost import dry_run
from smpc.dealer import requests
from smpc.dealer.correlations import deal, expand, permutation_of, recipe_of
from smpc.dealer.seeds import material_stream
from smpc.errors import MaterialError, PeerRejectedError, RingRangeError
from smpc.operations import sort_schedule, sorting
from smpc.operations.reveal import reveal_to_all
from smpc.randomness import fresh_key
from smpc.session import active_session
from smpc.sharing import Shared
from smpc.simulator import DEALER, simulate
from smpc.transport.mesh import Step
from tests.smpc.joint import compute, parties, split_input

FALSE_ALARM = 1e-9
WORDS = st.integers(-(1 << 63), (1 << 63) - 1)


def pairs_of(sizes):
    return sum(size * (size - 1) // 2 for size in sizes)


# shuffling


@given(rows=st.lists(st.tuples(WORDS, WORDS), min_size=0, max_size=12), n=parties(5))
def test_a_shuffle_keeps_whole_rows_and_their_number(rows, n):
    x = np.array(rows, np.int64).reshape(len(rows), 2)
    got = compute(sorting.shuffle, x, n=n)
    assert sorted(map(tuple, got.tolist())) == sorted(rows)


@pytest.mark.parametrize("n", [2, 3])
def test_every_order_of_four_rows_comes_equally_often(n):
    trials = 600

    def joint(session):
        x = split_input(session, np.arange(4))
        return [reveal_to_all(session, sorting.shuffle(session, x)) for _ in range(trials)]

    seen = [tuple(row.tolist()) for row in simulate(joint, n).values()[0]]
    counts = [seen.count(order) for order in itertools.permutations(range(4))]
    assert sum(counts) == trials
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


@pytest.mark.parametrize("honest", [0, 1, 2])
def test_two_of_three_colluders_lack_the_order_of_the_third(honest, monkeypatch):
    """The rows follow the parties' own orders one after the other; who lacks one of them guesses in vain."""
    own = {}

    def noted(words):
        own[active_session().rank] = permutation_of(words)
        return own[active_session().rank]

    monkeypatch.setattr(sorting, "permutation_of", noted)
    x = np.arange(1000)
    got = simulate(lambda s: reveal_to_all(s, sorting.shuffle(s, split_input(s, x))), 3).values()[0]
    np.testing.assert_array_equal(got, x[own[0]][own[1]][own[2]])
    guess = x
    for rank in {0, 1, 2} - {honest}:
        guess = guess[own[rank]]
    assert np.count_nonzero(guess == got) < 20  # one in expectation; 20 come with less than 1e-18


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_shuffle_material_permutes_rows_in_an_order_known_to_one_party(rank):
    request, session_id = requests.shuffle(rank, (50, 2)), bytes(32)
    seeds = [fresh_key() for _ in range(3)]
    streams = [material_stream(seed, session_id, i) for i, seed in enumerate(seeds)]
    correction = deal(request, streams)
    held = [
        expand(request, material_stream(seed, session_id, i), correction if i == 0 else None)
        for i, seed in enumerate(seeds)
    ]
    mask, permuted = (sum(shares[i] for shares in held) for i in (1, 2))
    np.testing.assert_array_equal(permuted, mask[permutation_of(held[rank][0])])
    for other in {0, 1, 2} - {rank}:
        assert not np.array_equal(permuted, mask[permutation_of(held[other][0])])


@pytest.mark.parametrize("parameters", [(), (0,), (8, 4)], ids=["none", "no shape", "rank"])
def test_a_senseless_shuffle_is_refused_by_the_dealer(parameters):
    with pytest.raises(PeerRejectedError):
        recipe_of(requests.Request(kind=requests.Correlation.SHUFFLE, parameters=parameters))


def test_a_shuffle_by_a_party_that_there_is_not_is_refused():
    streams = [material_stream(fresh_key(), bytes(32), rank) for rank in range(2)]
    with pytest.raises(PeerRejectedError):
        deal(requests.shuffle(2, (4,)), streams)


# sorting


@given(data=st.data(), bits=st.integers(2, 60), n=parties(5))
def test_sorting_is_numpys_and_stable(data, bits, n):
    half = st.integers(-(1 << (bits - 2)), (1 << (bits - 2)) - 1) | st.integers(0, 0)
    x = np.array(data.draw(st.lists(half, min_size=0, max_size=16)), np.int64)
    values, positions = compute(lambda s, a: sorting.sort(s, a, bits), x, n=n)
    np.testing.assert_array_equal(values, np.sort(x))
    np.testing.assert_array_equal(positions, np.argsort(x, kind="stable"))


@given(rows=st.lists(st.tuples(st.integers(-3, 3), WORDS), min_size=1, max_size=12), n=parties(3))
def test_whole_rows_follow_their_column(rows, n):
    x = np.array(rows, np.int64)
    got = compute(lambda s, a: sorting.sort_rows(s, a, 0, 4), x, n=n)
    assert got.tolist() == [list(row) for row in sorted(rows, key=lambda row: row[0])]


@pytest.mark.parametrize(
    ("count", "n", "distinct"), [(257, 2, 1 << 20), (600, 5, 3), (1500, 3, 1), (5000, 2, 1 << 20)]
)
def test_many_rows_go_through_buckets(count, n, distinct):
    x = np.random.default_rng(count).integers(-distinct, distinct, count)
    values, positions = compute(lambda s, a: sorting.sort(s, a, 24), x, n=n)
    np.testing.assert_array_equal(values, np.sort(x))
    np.testing.assert_array_equal(positions, np.argsort(x, kind="stable"))


def test_the_extremes_of_the_declared_width():
    top = (1 << 8) - 1
    x = np.array([top, 0, top, 0, 1, top - 1, 0, top])
    values, positions = compute(lambda s, a: sorting.sort(s, a, 9), x)
    assert values.tolist() == sorted(x.tolist())
    assert positions.tolist() == np.argsort(x, kind="stable").tolist()


@pytest.mark.parametrize("count", [2, 256, 257, 1100])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_dry_run_gives_exact_rounds_and_bytes_for_any_data(count, n):
    inputs = [np.arange(count), np.zeros(count, np.int64), -np.arange(count)]
    cost = dry_run(lambda s: sorting.sort(s, split_input(s, inputs[0]), 13), n)
    for x in inputs[: 3 if n == 2 else 1]:
        run = simulate(lambda s, x=x: sorting.sort(s, split_input(s, x), 13), n)
        run.values()
        for party in run.names:
            counters = run.counters[party]
            assert counters.rounds == 2 + cost.rounds
            sent = {peer: size for peer, size in counters.bytes_sent.items() if peer != DEALER}
            assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}
        assert sum(run.counters[DEALER].bytes_sent.values()) == cost.dealer_bytes


@pytest.mark.parametrize("count", [257, 300, 1000, 4097, 9999, 10_000, 16_384])
def test_a_rehearsal_meets_an_order_with_few_pairs(count):
    zeros = Shared(share=np.zeros(count, np.int64))
    cost = dry_run(lambda s: sorting.sort(s, zeros, 24), 2)
    assert cost.rounds == 2 + 4 * (2 + sort_schedule.schedule(count).n_levels)


def test_ten_thousand_rows_keep_to_the_target():
    zeros = Shared(share=np.zeros(10_000, np.int64))
    cost = dry_run(lambda s: sorting.sort(s, zeros, 24), 2)
    assert cost.rounds == 22
    assert cost.bytes_per_peer < 6_000_000


@pytest.mark.parametrize(
    "operation",
    [
        lambda s, x: sorting.sort(s, x, 0),
        lambda s, x: sorting.sort(s, x, 63),
        lambda s, x: sorting.sort(s, Shared(share=np.zeros((2, 2), np.int64)), 8),
        lambda s, x: sorting.sort_rows(s, x, 0, 8),
        lambda s, x: sorting.sort_rows(s, Shared(share=np.zeros((2, 2), np.int64)), 2, 8),
        lambda s, x: sorting.sort_rows(s, Shared(share=np.zeros((2, 2), np.int64)), -1, 8),
        lambda s, x: sorting.sort(s, Shared(share=np.zeros(sorting.MOST_ROWS + 1, np.int64)), 8),
    ],
    ids=["no width", "tie bits", "two axes", "vector", "column", "negative column", "rows"],
)
def test_senseless_sorts_are_refused_before_anything_is_sent(operation):
    def joint(session):
        x = split_input(session, np.arange(5))
        with pytest.raises(RingRangeError):
            operation(session, x)
        return session.counters.rounds

    assert simulate(joint, 2, prefetch=False).values() == [1, 1]


# what is opened


def opened_outcomes(x, *, is_shuffled, monkeypatch):
    """The bits that a party sees in the clear while two parties sort three values."""
    seen = []
    original = sorting.open_planes

    def watched(session, pairs):
        outcome = original(session, pairs)
        if session.is_first:
            seen.append(int(outcome[0][0]) & 7)
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(sorting, "open_planes", watched)
        if not is_shuffled:
            patch.setattr(sorting, "shuffle", lambda session, rows: rows)
        for _ in range(120):
            simulate(lambda s: sorting.sort(s, split_input(s, x), 8), 2, prefetch=False)
    return seen


def test_outcomes_distinguish_the_data_only_without_the_shuffle(monkeypatch):
    one, other = np.array([1, 2, 3]), np.array([7, 7, 0])
    bare = [opened_outcomes(x, is_shuffled=False, monkeypatch=monkeypatch) for x in (one, other)]
    assert len(set(bare[0])) == len(set(bare[1])) == 1
    assert bare[0][0] != bare[1][0]
    for x in (one, other, np.zeros(3, np.int64)):
        seen = opened_outcomes(x, is_shuffled=True, monkeypatch=monkeypatch)
        orders = sorted(set(seen))
        assert len(orders) == 6  # of eight answers the six that are an order: ties do not show
        assert stats.chisquare([seen.count(order) for order in orders]).pvalue > FALSE_ALARM


def test_a_shuffle_sends_uniform_values_for_any_rows():
    run = simulate(lambda s: sorting.shuffle(s, split_input(s, np.zeros(4000))), 3)
    run.values()
    for party in run.names:
        opening = [sent for sent in run.sent[party] if sent.step == Step.OPEN_RING]
        assert len(opening) == 3
        for sent in opening:
            for payload in sent.outgoing.values():
                counts = np.bincount(np.frombuffer(payload, np.uint8), minlength=256)
                assert stats.chisquare(counts).pvalue > FALSE_ALARM


def test_two_shuffles_of_the_same_rows_give_no_party_equal_shares():
    def joint(session):
        x = split_input(session, np.arange(500))
        return x.share, sorting.shuffle(session, x).share, sorting.shuffle(session, x).share

    for shares in simulate(joint, 3).values():
        for one, another in itertools.combinations(shares, 2):
            assert np.intersect1d(one, another).size == 0


# the bound of pairs


@pytest.mark.parametrize(("n_others", "n_pivots"), [(12, 3), (25, 7), (40, 7)])
@pytest.mark.parametrize("security_bits", [2, 5, 10])
def test_the_bound_is_above_the_exact_tail(n_others, n_pivots, security_bits):
    """All ways to put the others in buckets are equally likely: they are counted, by dynamic programming."""
    ways = {(0, 0): 1}
    for _ in range(n_pivots + 1):
        following = {}
        for (used, pairs), count in ways.items():
            for size in range(n_others - used + 1):
                state = (used + size, pairs + pairs_of([size]))
                following[state] = following.get(state, 0) + count
        ways = following
    limit = sort_schedule.most_pairs(n_others, n_pivots, security_bits)
    above = sum(count for (used, pairs), count in ways.items() if used == n_others and pairs > limit)
    assert above * 2**security_bits <= math.comb(n_others + n_pivots, n_pivots)


@pytest.mark.parametrize(("n_others", "n_pivots"), [(1000, 63), (9489, 511)])
def test_random_orders_stay_below_a_tight_bound(n_others, n_pivots):
    rng, most = np.random.default_rng(4), 0
    for _ in range(300):
        marks = np.sort(rng.choice(n_others + n_pivots, n_pivots, replace=False))
        most = max(most, pairs_of(np.diff([-1, *marks, n_others + n_pivots]) - 1))
    assert most < sort_schedule.most_pairs(n_others, n_pivots) < n_others * (n_others - 1) // 2 // 4


@given(count=st.integers(0, 1 << 14))
def test_a_schedule_fits_its_rows_and_never_costs_more_than_all_pairs(count):
    plan = sort_schedule.schedule(count)
    assert plan.n_pivots <= count
    assert plan.n_pivots == count or plan.n_pivots == sort_schedule.FANOUT**plan.n_levels - 1
    assert plan.comparisons(count) <= max(0, count * (count - 1) // 2)


def test_a_shuffle_that_needs_more_pairs_than_planned_ends_without_a_result(monkeypatch):
    short = sort_schedule.Schedule(n_pivots=7, n_levels=1, n_pairs=0)
    monkeypatch.setattr(sorting, "schedule", lambda count: short)

    def joint(session):
        with pytest.raises(MaterialError) as caught:
            sorting.sort(session, split_input(session, np.arange(60)), 8)
        return str(caught.value)

    messages = simulate(joint, 2, prefetch=False).values()
    assert messages == ["dealer material missing: comparisons within buckets this uneven"] * 2
