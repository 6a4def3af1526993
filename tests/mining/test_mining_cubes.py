"""The guard over full cubes and blocks of levels: attacks first, then brute force that shares no code."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analytics.mining.plan as plan_module
from analytics.mining.answer import SiteAnswer
from analytics.mining.candidates import LevelIterator
from smpc.operations.bit_planes import from_ring
from smpc.operations.grouped_and import all_of_each
from smpc.operations.inputs import contribute
from smpc.ring import plane_bits
from smpc.simulator import simulate
from smpc.transport.mesh import Step
from tests.examples import costly_law

ABC = ("a", "b", "c")
GUARD = {"nested_supports": "guard", "min_support": Fraction(1, 1000), "context": {"minimum_cell": 10}}


def world(**cells):
    """Rows by cell of the cube of a, b and c: ``none``, ``a``, ``ab``, ...; 20 where nothing is said."""
    every = ["none", *("".join(part) for size in (1, 2, 3) for part in combinations("abc", size))]
    rows = [("" if cell == "none" else cell) for cell in every for _ in range(cells.get(cell, 20))]
    return [rows[::3], rows[1::3], rows[2::3]]


@pytest.mark.parametrize("cell", ["none", "a", "b", "c", "ab", "ac", "bc", "abc"])
@pytest.mark.parametrize("few", [0, 1, 9])
def test_a_small_cell_that_no_pair_shows_closes_the_itemset(miner, cell, few) -> None:
    """One person has a alone: n(a) - n(ab) - n(ac) + n(abc) counts this person though no two supports are near."""
    ran = miner(world(**{cell: few}), items=ABC, **GUARD)
    assert frozenset("abc") not in ran.supports
    assert {frozenset(pair) for pair in combinations("abc", 2)} <= set(ran.supports)


@pytest.mark.parametrize(("few", "opens"), [(10, True), (9, False)])
def test_the_guard_over_cells_is_exact(miner, few, opens) -> None:
    assert (frozenset("abc") in miner(world(a=few), items=ABC, **GUARD).supports) == opens


def test_which_cell_is_small_does_not_show(miner) -> None:
    """The same bits and lengths on every line whether a cell is empty, one, nine, or the support itself too rare."""
    runs = [
        miner(world(**cells), items=ABC, **GUARD) for cells in ({"a": 0}, {"bc": 9}, {"abc": 1}, {"none": 1})
    ]
    assert all(run.openings == runs[0].openings for run in runs)
    for name in runs[0].run.names:
        sizes = [
            [
                (one.step, {peer: len(data) for peer, data in one.outgoing.items()})
                for one in run.run.sent[name]
            ]
            for run in runs
        ]
        assert all(each == sizes[0] for each in sizes)


def small_cells(rows, itemset):
    """Of each combination of an itemset's items, how many rows hold these and no others of it."""
    counts = {frozenset(part): 0 for size in range(len(itemset) + 1) for part in combinations(itemset, size)}
    for row in rows:
        counts[frozenset(row) & itemset] += 1
    return min(counts.values())


@costly_law(6)
@given(
    st.lists(st.text("abcd", max_size=4), max_size=60),
    st.sampled_from([Fraction(1, 10), Fraction(1, 4), Fraction(1, 2)]),
    st.integers(1, 4),
)
def test_law_what_opens_is_what_brute_force_over_cells_keeps(miner, apriori, rows, support, cell) -> None:
    ran = miner(
        [rows[::3], rows[1::3], rows[2::3]], items=("a", "b", "c", "d"), min_support=support, nested_supports="guard",
        context={"minimum_cell": cell},
    )  # fmt: skip
    plain = apriori(rows, support, least=cell)
    assert ran.supports == {items: n for items, n in plain.items() if small_cells(rows, items) >= cell}


@costly_law(4)
@given(
    st.lists(st.text("abcde", max_size=5), min_size=1, max_size=60),
    st.sampled_from([Fraction(1, 10), Fraction(1, 4)]),
    st.sampled_from(["guard", "allow"]),
    st.sampled_from([5, 11, 23]),
)
def test_law_levels_at_once_open_the_bits_of_levels_one_by_one(miner, rows, support, nested, most) -> None:
    options = {
        "items": tuple("abcde"), "min_support": support, "nested_supports": nested, "context": {"minimum_cell": 2},
    }  # fmt: skip
    sites = [rows[::3], rows[1::3], rows[2::3]]
    trails, answers, rounds = [], [], []
    with pytest.MonkeyPatch.context() as patch:
        for candidates in (0, most, 1 << 12):
            patch.setattr(plan_module, "BLOCK_CANDIDATES", candidates)
            ran = miner(sites, **options)
            trails.append(SiteAnswer.from_bytes(ran.answers[0], ran.plan).trail)
            answers.append(ran.result.to_dict())
            rounds.append(len([one for one in ran.run.sent["ada"] if one.step == Step.REVEAL]))
            opened = sum(sum(bits) for bits in ran.openings["ada"])
            assert opened == sum(sum(level) for level in trails[-1])  # what no level reaches is 0
    assert trails[0] == trails[1] == trails[2]
    assert answers[0] == answers[1] == answers[2]
    assert rounds[2] <= rounds[1] <= rounds[0]


def test_a_bit_whose_subset_is_closed_is_multiplied_to_zero(miner, monkeypatch) -> None:
    """A lying site adds rows to a pair alone: in shares the pair's bit is multiplied by its items' closed bits."""
    from analytics.mining.bitmaps import Bitmaps

    honest = Bitmaps.counts

    def lying(self, candidates):
        return honest(self, candidates) + np.array([1000 * (len(c) > 1) for c in candidates])

    monkeypatch.setattr(Bitmaps, "counts", lying)
    for nested in ("guard", "allow"):
        ran = miner(
            [["a"], ["b"], [""] * 90], items=("a", "b"), nested_supports=nested, context={"minimum_cell": 5}
        )
        assert ran.openings["ada"] == [[0, 0, 0]]


def test_a_block_that_opens_a_superset_of_a_closed_set_is_refused() -> None:
    walk = LevelIterator(2, max_levels=2, max_candidates=10, excludes=lambda a, b: False)
    levels = walk.block(100, 100)
    assert levels == (((0,), (1,)), ((0, 1),))
    with pytest.raises(ValueError, match="closed"):
        walk.advance_block(levels, {(0,): True, (1,): False, (0, 1): True})


def test_a_block_of_levels_never_goes_beyond_the_cap_on_candidates() -> None:
    for most in range(4, 16):
        walk = LevelIterator(4, max_levels=4, max_candidates=most, excludes=lambda a, b: False)
        assert sum(map(len, walk.block(10**6, 10**6))) <= most


def test_eleven_items_take_a_bounded_number_of_rounds(miner) -> None:
    """Five levels of eleven items are one block: few exchanges whatever opens, where each level had its own."""
    names = "abcdefghijk"
    columns = {name: {"type": "boolean"} for name in names}
    from analytics.mining.explain import first_block

    rows = [["abcdefgh"[i % 8 :] for i in range(40)]] * 3
    ran = miner(
        rows,
        items=tuple("abcdefgh"),
        min_support=Fraction(1, 4),
        nested_supports="guard",
        context={"minimum_cell": 1},
    )
    plan = ran.plan
    assert first_block(plan)["rounds"] <= 12
    assert columns
    sent = [one for one in ran.run.sent["ada"] if one.step not in {Step.KEYS, Step.MATERIAL}]
    assert len(sent) <= 12 * len(ran.openings["ada"])


def test_a_wide_level_takes_few_rounds_and_bytes_a_condition(plan_of) -> None:
    """10,000 pairs: at most 8 rounds with the opening, and 10 bytes a condition and peer."""
    from analytics.mining.site_run import block_cost
    from analytics.mining.threshold_test import Part

    plan = plan_of(nested_supports="guard", context={"minimum_cell": 10}, table={"rows_max": 200_000})
    for pattern, n_rounds in (((1, 2), 7), ((1, 2, 4), 8)):
        part = Part(size=10_000, pattern=pattern, n_factors=2 ** len(pattern) + 1)
        cost = block_cost(plan, [part])
        assert cost.rounds + 1 <= n_rounds
        assert cost.bytes_per_peer + 8 * part.size <= 10 * part.n_conditions * part.size


@given(st.lists(st.integers(0, 1), min_size=1, max_size=30), st.data())
def test_law_the_and_of_groups(bits, data) -> None:
    sizes = data.draw(st.lists(st.integers(1, 25), min_size=1, max_size=4))
    place = st.integers(0, len(bits) - 1)
    groups = [
        np.array(data.draw(st.lists(st.lists(place, min_size=n, max_size=n), min_size=1, max_size=3))).T
        for n in sizes
    ]

    def joint(session):
        own = np.array(bits if session.is_first else [0] * len(bits), dtype=np.int64)
        shared = plane_bits(from_ring(contribute(session, own)), len(bits))
        return all_of_each(session, shared, groups)

    parts = simulate(joint, 3, prefetch=False).values()
    for number, group in enumerate(groups):
        opened = np.bitwise_xor.reduce([np.asarray(part[number]) for part in parts])
        assert opened.tolist() == np.array(bits)[group].min(axis=0).tolist()


@pytest.mark.parametrize("nested", ["guard", "allow"])
def test_a_level_in_pieces_opens_what_it_opens_whole(miner, monkeypatch, nested) -> None:
    from analytics.mining import site_run

    options = {
        "items": ABC,
        "min_support": Fraction(1, 10),
        "context": {"minimum_cell": 10},
        "nested_supports": nested,
    }
    whole = miner(world(a=9), **options)
    monkeypatch.setattr(plan_module, "BLOCK_CANDIDATES", 0)
    monkeypatch.setattr(site_run, "PIECE_CONDITIONS", 7)
    pieces = miner(world(a=9), **options)
    assert pieces.result.to_dict() == whole.result.to_dict()
    assert [len(bits) for bits in pieces.openings["ada"]] == [
        3,
        3,
        1,
    ]  # one opening a level, however many pieces


def test_a_level_with_too_many_comparisons_ends_the_run_and_says_so() -> None:
    walk = LevelIterator(
        20, max_levels=3, max_candidates=10_000, excludes=lambda a, b: False, conditions_of=lambda s: 2 ** len(s),
        max_conditions=800,
    )  # fmt: skip
    walk.advance([True] * 20)
    assert len(walk.candidates) == 190
    walk.advance([True] * 190)
    assert walk.is_over
    assert walk.is_capped


def test_itemsets_whose_cells_the_rows_cannot_fill_are_never_counted(plan_of) -> None:
    """Three sites of 20 rows and a minimum of 10: eight cells need 80, so that a triple is no candidate."""
    plan = plan_of(nested_supports="guard", context={"minimum_cell": 10}, table={"rows_max": 20})
    assert plan.conditions_of((0, 1)) == 5
    assert plan.conditions_of((0, 1, 2)) == 0
    walk = plan.walk()
    for size in (8, 28):
        assert len(walk.candidates) == size
        walk.advance([True] * size)
    assert walk.is_over
    assert not walk.is_capped
