"""Quantiles over bins and the largest few, against numpy on the rows themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smpc.cost import dry_run
from smpc.errors import RingRangeError
from smpc.operations.inputs import contribute
from smpc.operations.quantiles import kth_bin, median_bin, quantile_bin, quantile_by_digits, top_k
from smpc.operations.reveal import reveal_to_all
from smpc.sharing import Shared
from smpc.simulator import DEALER, simulate
from tests.smpc.joint import compute, parties, split_input

N_BINS = 9
ROWS = st.lists(st.integers(0, N_BINS - 1), min_size=1, max_size=60)


def histogram(rows):
    return np.bincount(rows, minlength=N_BINS)


@given(rows=ROWS, part=st.integers(1, 12), extra=st.integers(0, 12), n=parties(4))
def test_quantiles_are_the_inverse_of_the_empirical_distribution(rows, part, extra, n):
    whole = part + extra
    got = compute(lambda s, c: quantile_bin(s, c, part, whole, 60), histogram(rows), n=n)
    # an oracle on rows: the smallest row with at least part / whole of the rows up to it, in integers
    place = -(-part * len(rows) // whole)
    assert got.tolist() == [sorted(rows)[place - 1]]


@given(rows=ROWS)
def test_the_median_is_numpys_lower_one_and_the_extremes_are_the_extremes(rows):
    got = compute(
        lambda s, c: [median_bin(s, c, 60), kth_bin(s, c, 1, 60), quantile_bin(s, c, 1, 1, 60)],
        histogram(rows),
    )
    assert [int(v[0]) for v in got] == [np.quantile(rows, 0.5, method="inverted_cdf"), min(rows), max(rows)]


@given(rows=ROWS, k=st.integers(1, 60))
def test_the_kth_smallest(rows, k):
    got = compute(lambda s, c: kth_bin(s, c, k, 60), histogram(rows))
    assert got.tolist() == [sorted(rows)[k - 1] if k <= len(rows) else N_BINS]


@given(rows=ROWS, n=st.integers(2, 4), data=st.data())
def test_however_the_rows_are_dealt_to_the_sites_the_median_is_the_same(rows, n, data):
    sites = data.draw(st.lists(st.integers(0, n - 1), min_size=len(rows), max_size=len(rows)))

    def joint(session):
        own = [row for row, site in zip(rows, sites, strict=True) if site == session.rank]
        return reveal_to_all(
            session, median_bin(session, contribute(session, histogram(np.array(own, int))), 60)
        )

    for outcome in simulate(joint, n, prefetch=False).values():
        assert outcome.tolist() == [np.quantile(rows, 0.5, method="inverted_cdf")]


def test_groups_side_by_side_and_an_empty_one():
    groups = np.array([histogram([1, 1, 5]), histogram([8]), np.zeros(N_BINS, int), histogram([0, 2, 4, 6])])
    got = compute(lambda s, c: [median_bin(s, c, 100), kth_bin(s, c, 2, 100)], groups)
    assert got[0].tolist() == [1, 8, 0, 2]
    assert got[1].tolist() == [1, N_BINS, N_BINS, 2]


def test_a_full_table_and_the_largest_count_that_the_plan_allows():
    most = (1 << 40) - 1
    counts = np.array([most // 2, 0, most - most // 2])
    assert compute(lambda s, c: median_bin(s, c, most), counts).tolist() == [2]
    assert compute(lambda s, c: kth_bin(s, c, most, most), counts).tolist() == [2]
    assert compute(lambda s, c: kth_bin(s, c, most // 2, most), counts).tolist() == [0]


@given(values=st.lists(st.integers(-100, 100), min_size=1, max_size=12), data=st.data(), n=parties(3))
def test_the_largest_few_are_in_order_with_ties_by_position(values, data, n):
    k = data.draw(st.integers(1, len(values)))
    largest, positions = compute(lambda s, v: top_k(s, v, k, 9), np.array(values), n=n)
    order = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    assert positions.tolist() == order
    assert largest.tolist() == [values[i] for i in order]


@pytest.mark.parametrize("n_bins", [2, 50, 1000])
def test_rounds_do_not_grow_with_the_bins_nor_with_the_values(n_bins):
    counts = Shared(share=np.zeros(n_bins, np.int64))
    assert dry_run(lambda s: median_bin(s, counts, 100_000), 3).rounds == 3
    few = Shared(share=np.zeros(min(n_bins, 50), np.int64))
    assert dry_run(lambda s: top_k(s, few, 2, 20), 3).rounds <= 3 + 3 + 1


@pytest.mark.parametrize(
    "operation",
    [
        lambda s, c: kth_bin(s, c, 0, 10),
        lambda s, c: kth_bin(s, c, 11, 10),
        lambda s, c: quantile_bin(s, c, 0, 2, 10),
        lambda s, c: quantile_bin(s, c, 3, 2, 10),
        lambda s, c: quantile_bin(s, c, 1, 2, 1 << 62),
        lambda s, c: median_bin(s, Shared(share=np.zeros((2, 0), np.int64)), 10),
        lambda s, c: top_k(s, c, 0, 8),
        lambda s, c: top_k(s, c, 10, 8),
        lambda s, c: top_k(s, Shared(share=np.zeros((2, 2), np.int64)), 1, 8),
    ],
    ids=[
        "k 0",
        "k too large",
        "part 0",
        "part over whole",
        "width",
        "no bin",
        "top 0",
        "top too many",
        "two axes",
    ],
)
def test_senseless_orders_are_refused_before_anything_is_sent(operation):
    def joint(session):
        counts = split_input(session, np.ones(N_BINS))
        with pytest.raises(RingRangeError):
            operation(session, counts)
        return session.counters.rounds

    assert simulate(joint, 2, prefetch=False).values() == [1, 1]


def by_digits(session, own, bounds, fraction=(1, 2), most_rows=100, opened=None):
    """The quantile, and every number that was opened."""

    def opening(digit):
        outcome = reveal_to_all(session, digit)
        if opened is not None:
            opened.append(outcome.tolist())
        return outcome

    return quantile_by_digits(session, np.asarray(own, np.int64), bounds, fraction, most_rows, opening)


@given(
    data=st.data(),
    n=st.integers(2, 5),
    low=st.integers(-(1 << 63), (1 << 63) - 1),
    width=st.integers(0, 63).flatmap(lambda bits: st.integers(0, (1 << bits) - 1)),
    part=st.integers(1, 7),
    extra=st.integers(0, 7),
)
def test_the_quantile_of_rows_that_stay_with_their_sites(data, n, low, width, part, extra):
    bounds = (low, min(low + width, (1 << 63) - 1))
    rows = data.draw(st.lists(st.integers(*bounds), min_size=1, max_size=20))
    sites = data.draw(st.lists(st.integers(0, n - 1), min_size=len(rows), max_size=len(rows)))

    def joint(session):
        own = [row for row, site in zip(rows, sites, strict=True) if site == session.rank]
        return by_digits(session, own, bounds, (part, part + extra))

    place = -(-part * len(rows) // (part + extra))
    assert simulate(joint, n, prefetch=False).values() == [sorted(rows)[place - 1]] * n


def test_the_opening_function_sees_only_the_digits_of_the_median():
    """Other rows with the same median open the same numbers; no rows at all look like the lower bound."""
    seen = {}
    for name, rows in {
        "one": [70_000],
        "many": [5, 69_999, 70_000, 70_001, 1 << 23],
        "none": [],
        "least": [3, 3, 9],
    }.items():
        opened = []

        def joint(session, rows=rows, opened=opened):
            noted = opened if session.is_first else None
            by_digits(session, rows[session.rank :: 2], (3, 1 << 24), opened=noted)

        simulate(joint, 2, prefetch=False).values()
        seen[name] = opened
    assert seen["one"] == seen["many"] == [[digit] for digit in (70_000 - 3).to_bytes(3, "big")]
    assert seen["none"] == seen["least"] == [[0]] * 3


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_median_of_ten_thousand_rows_costs_what_the_dry_run_says(n):
    bounds = (0, (1 << 24) - 1)
    cost = dry_run(lambda s: by_digits(s, [], bounds, most_rows=10_000), n)
    assert (cost.rounds, cost.bytes_per_peer) == (12, 2232)
    rows = np.random.default_rng(2).integers(*bounds, 10_000)
    run = simulate(lambda s: by_digits(s, rows[s.rank :: n], bounds, most_rows=10_000), n)
    assert run.values() == [np.quantile(rows, 0.5, method="inverted_cdf")] * n
    for party in run.names:
        assert run.counters[party].rounds == 2 + cost.rounds
        sent = {peer: size for peer, size in run.counters[party].bytes_sent.items() if peer != DEALER}
        assert sent == {peer: 32 + cost.bytes_per_peer for peer in run.names if peer != party}


@pytest.mark.parametrize(
    "arguments",
    [
        ([1], (2, 1)),
        ([1], (2, 9)),
        ([10], (2, 9)),
        ([1], (0, 1 << 63)),
        ([1], (-(1 << 63), 1)),
        ([1], (-(1 << 70), -(1 << 70))),
        ([[1]], (0, 9)),
        ([1] * 101, (0, 9)),
        ([1], (0, 9), (0, 2)),
        ([1], (0, 9), (3, 2)),
        ([1], (0, 9), (1, 1 << 62)),
    ],
    ids=[
        "crossed",
        "below",
        "above",
        "too wide",
        "wider",
        "no words",
        "two axes",
        "too many",
        "part 0",
        "part over whole",
        "width",
    ],
)
def test_senseless_quantiles_of_rows_are_refused_before_anything_is_sent(arguments):
    def joint(session):
        with pytest.raises(RingRangeError):
            by_digits(session, *arguments)
        return session.counters.rounds

    assert simulate(joint, 2, prefetch=False).values() == [1, 1]
