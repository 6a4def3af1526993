"""Mining attacks: values that leave a site, differences that an analyst can take, and lying sites."""

from fractions import Fraction

import numpy as np
import pytest

from analytics.errors import ReleaseRefusedError
from analytics.mining.answer import SiteAnswer
from analytics.mining.bitmaps import local_bitmaps
from analytics.mining.finish import finish_mining
from analytics.sources import open_frame
from smpc.errors import PartyLostError
from smpc.operations.reveal import recombine
from smpc.ring import pack
from smpc.simulator import Fault, FaultKind, simulate
from smpc.transport.mesh import Step

# Three sites whose counts, alone and in sum, have distinctive values: a and b are frequent, c, d and ab are not.
SITES = [
    ["a"] * 1409 + ["b"] * 1301 + ["c"] * 307 + ["d"] * 311 + ["ab"] * 211,
    ["a"] * 1511 + ["b"] * 1427 + ["c"] * 401 + ["d"] * 419 + ["ab"] * 223,
    ["a"] * 1613 + ["b"] * 1549 + ["c"] * 503 + ["d"] * 521 + ["ab"] * 227,
]
ITEMS = ("a", "b", "c", "d")


def count(baskets, itemset):
    return sum(set(itemset) <= set(basket) for basket in baskets)


def patterns(number):
    """The two ways in which a number stands in a ring element; 8 bytes, so that chance does not make one."""
    return {number.to_bytes(8, order) for order in ("little", "big")}


def found_in(numbers, messages):
    return {number for number in numbers for p in patterns(number) for message in messages if p in message}


HEAD = 40  # a frame to the dealer starts with session id and batch number: 1 batch in 256 spells some count below 512


def everything_sent(run):
    return [
        payload[HEAD:] if peer == "dealer" else payload
        for sent in run.sent.values()
        for one in sent
        for peer, payload in one.outgoing.items()
    ]


@pytest.fixture(scope="module")
def ran(miner):
    return miner(SITES, items=ITEMS, min_support=Fraction(1, 4), context={"minimum_cell": 10})


def secrets():
    everybody = [basket for site in SITES for basket in site]
    itemsets = ["", "a", "b", "c", "d", "ab"]
    pooled = {count(everybody, itemset) for itemset in itemsets}
    return pooled | {count(site, itemset) for site in SITES for itemset in itemsets}


def test_no_byte_that_a_party_sends_is_a_count(ran) -> None:
    assert ran.supports == {frozenset("a"): 5194, frozenset("b"): 4938}
    messages = [*everything_sent(ran.run), *ran.answers]
    assert sum(map(len, messages)) > 4_000
    assert found_in(secrets(), messages) == set()


def test_nothing_that_travels_between_sites_depends_on_the_rows_alone(miner) -> None:
    """Whatever is not masked afresh is the same in two runs over the same rows; packed widths hide from a search."""
    one, two = (
        miner(SITES, items=ITEMS, min_support=Fraction(1, 4), nested_supports="guard") for _ in range(2)
    )
    compared = 0
    for name in one.run.names:
        for first, second in zip(one.run.sent[name], two.run.sent[name], strict=True):
            assert first.step == second.step
            for peer in set(first.outgoing) - {"dealer"}:
                if len(first.outgoing[peer]) >= 8:
                    assert first.outgoing[peer] != second.outgoing[peer]
                    compared += 1
    assert compared > 20


def test_what_the_dealer_hears_is_sizes(miner) -> None:
    """Other rows with the same frequent itemsets: the same requests, but for the session's fresh name."""
    other = [[*site, *["c"] * 5, *["a"] * 11] for site in SITES]
    one, two = (
        miner(sites, items=ITEMS, min_support=Fraction(1, 4), run={"session_id": b"s" * 32})
        for sites in (SITES, other)
    )
    for name in one.run.names:
        heard = [
            [s.outgoing["dealer"] for s in r.run.sent[name] if "dealer" in s.outgoing] for r in (one, two)
        ]
        assert heard[0] == heard[1]
        assert heard[0]


def test_the_search_finds_a_count_that_is_sent() -> None:
    """The control: a party that sends its own counts is seen."""

    def careless(session):
        session.exchange(Step.GATHER, pack(np.array([count(SITES[0], "c")], np.int64), 64))

    run = simulate(careless, 3, prefetch=False)
    assert found_in(secrets(), everything_sent(run)) == {307}


def test_mining_opens_only_bits_and_frequent_supports(ran) -> None:
    assert ran.openings["ada"] == [
        [1, 1] + [0] * 13
    ]  # four items, then every larger set of them: all at once
    assert SiteAnswer.from_bytes(ran.answers[0], ran.plan).trail == ((True, True, False, False), (False,))
    assert all(levels == ran.openings["ada"] for levels in ran.openings.values())
    assert ran.blinded == {name: [3] for name in ran.openings}  # rows, a, b
    total = recombine([SiteAnswer.from_bytes(answer, ran.plan).summand for answer in ran.answers])
    assert total.tolist() == [sum(map(len, SITES)), 5194, 4938]


def test_with_nothing_frequent_nothing_but_bits_is_opened(miner) -> None:
    ran = miner(SITES, items=ITEMS, min_support=Fraction(9, 10))
    assert ran.openings["ada"] == [[0] * 15]
    assert ran.blinded == {name: [] for name in ran.openings}
    assert ran.answers == [b"\x00"] * 3
    assert (ran.result.found, ran.result.n_rows) == ((), None)


def test_all_answers_but_one_say_nothing(miner) -> None:
    """Two sites and the analyst: what they lack is uniform, so two runs over the same rows differ everywhere."""
    one, two = (miner(SITES, items=ITEMS, min_support=Fraction(1, 4)) for _ in range(2))
    for first, second in zip(one.answers, two.answers, strict=True):
        a, b = SiteAnswer.from_bytes(first, one.plan), SiteAnswer.from_bytes(second, two.plan)
        assert a.trail == b.trail
        assert not np.any(a.summand == b.summand)
        assert not secrets() & {*a.summand.tolist(), *b.summand.tolist()}


def near_world(both, only_a):
    """a and b in 100 rows each of 400; their pair in ``both`` rows."""
    rows = ["ab"] * both + ["a"] * only_a + ["b"] * (100 - both)
    rows += [""] * (400 - len(rows))
    return [rows[::3], rows[1::3], rows[2::3]]


def test_the_difference_of_nested_supports_singles_out_unless_guarded(miner) -> None:
    """One patient has a and not b: with the allowing policy the analyst subtracts and has found him."""
    sites = near_world(99, 1)
    options = {"items": ("a", "b"), "min_support": Fraction(1, 10), "context": {"minimum_cell": 10}}
    allowed = miner(sites, nested_supports="allow", **options).supports
    assert allowed[frozenset("a")] - allowed[frozenset("ab")] == 1
    guarded = miner(sites, nested_supports="guard", **options).supports
    assert guarded == {frozenset("a"): 100, frozenset("b"): 100}


@pytest.mark.parametrize(("both", "opens"), [(90, True), (91, False), (100, False)])
def test_the_guard_is_exact(miner, both, opens) -> None:
    options = {"items": ("a", "b"), "min_support": Fraction(1, 10), "context": {"minimum_cell": 10}}
    guarded = miner(near_world(both, 100 - both), nested_supports="guard", **options).supports
    assert (frozenset("ab") in guarded) == opens


def test_a_closed_candidate_does_not_say_why(miner) -> None:
    """Too rare and too near look alike: the same bits, the same integers, the same lengths on every line."""
    options = {
        "items": ("a", "b"), "min_support": Fraction(1, 10), "context": {"minimum_cell": 10}, "nested_supports": "guard",
    }  # fmt: skip
    rare, near = (miner(near_world(both, 100 - both), **options) for both in (3, 97))
    assert rare.openings == near.openings
    assert rare.result.to_dict() == near.result.to_dict()
    for name in rare.run.names:
        shapes = [
            [
                (one.step, {peer: len(payload) for peer, payload in one.outgoing.items()})
                for one in run.sent[name]
            ]
            for run in (rare.run, near.run)
        ]
        assert shapes[0] == shapes[1]


def test_an_item_without_holders_looks_like_one_with_few(miner) -> None:
    options = {"items": ("a", "b"), "min_support": Fraction(1, 1000), "context": {"minimum_cell": 10}}
    runs = [
        miner([["a"] * few, ["b"] * 50, [""] * 350], nested_supports="guard", **options) for few in (0, 1, 9)
    ]
    assert [run.supports for run in runs] == [{frozenset("b"): 50}] * 3
    assert runs[0].openings == runs[1].openings == runs[2].openings


@pytest.mark.parametrize("with_none", [[95, 5], [100, 0]], ids=["few without", "none without"])
def test_an_item_that_nearly_all_have_is_closed_under_the_guard(miner, with_none) -> None:
    """N is the support of the empty itemset: N minus an item's support counts those without it."""
    sites = [["a"] * 100, ["a"] * 100, ["a"] * with_none[0] + [""] * with_none[1]]
    options = {"items": ("a",), "context": {"minimum_cell": 10}}
    assert miner(sites, nested_supports="guard", **options).result.found == ()
    assert miner(sites, nested_supports="allow", **options).supports == {frozenset("a"): 200 + with_none[0]}


def test_a_site_that_reports_other_bits_is_found(ran) -> None:
    answers = list(ran.answers)
    answer = SiteAnswer.from_bytes(answers[1], ran.plan)
    lie = SiteAnswer(trail=((True, False, False, True), (True,)), summand=np.zeros(4, np.int64))
    assert answer.trail != lie.trail
    answers[1] = lie.to_bytes()
    with pytest.raises(ReleaseRefusedError) as caught:
        finish_mining(ran.plan, answers, recombine=recombine)
    assert caught.value.rule == "sites_agree"


def test_a_summand_that_does_not_fit_is_refused_or_visible(ran) -> None:
    for place, change in ((0, 10**9), (0, -20_000), (1, -4000), (2, 10**6), (1, 2**62)):
        answer = SiteAnswer.from_bytes(ran.answers[2], ran.plan)
        summand = answer.summand.copy()
        summand[place : place + 1] += np.int64(change)  # an array wraps as the ring does
        spoiled = [*ran.answers[:2], SiteAnswer(trail=answer.trail, summand=summand).to_bytes()]
        with pytest.raises(ReleaseRefusedError) as caught:
            finish_mining(ran.plan, spoiled, recombine=recombine)
        assert caught.value.rule == "shares"


@pytest.mark.parametrize("change", ["short", "long", "empty", "padding", "fewer"])
def test_bytes_that_are_no_answer(ran, change) -> None:
    good = ran.answers
    data = {
        "short": good[0][:-1],
        "long": good[0] + b"\0",
        "empty": b"",
        "padding": bytes([good[0][0] | 0x80]) + good[0][1:],
        "fewer": good[0],
    }[change]
    answers = good[:2] if change == "fewer" else [data, *good[1:]]
    with pytest.raises(ReleaseRefusedError) as caught:
        finish_mining(ran.plan, answers, recombine=recombine)
    assert caught.value.rule == "shares"


def test_reprs_show_no_share_and_no_count(ran) -> None:
    answer = SiteAnswer.from_bytes(ran.answers[0], ran.plan)
    assert str(answer.summand[1]) not in repr(answer)
    assert "summand" not in repr(answer)


@pytest.mark.parametrize("at_round", [0, 2, 4, 6])
def test_a_killed_site_is_named_and_nothing_hangs(miner, at_round) -> None:
    fault = Fault(party="cyd", at_round=at_round, kind=FaultKind.KILL)
    ran = miner(SITES, items=ITEMS, min_support=Fraction(1, 4), run={"faults": [fault], "timeout_s": 5})
    assert {name: type(error) for name, error in ran.run.errors.items() if name in {"ada", "bob"}} == {
        "ada": PartyLostError,
        "bob": PartyLostError,
    }
    assert {ran.run.errors[name].name for name in ("ada", "bob")} == {"cyd"}
    assert ran.run.results == {}


def test_a_wrong_bit_stops_a_site() -> None:
    """An opening that is neither 0 nor 1 means that a site sent wrong shares."""
    from analytics.mining.site_run import _checked

    for bits in ([0, 2], [-1, 1], [1], [[0, 1]]):
        with pytest.raises(ReleaseRefusedError) as caught:
            _checked(np.array(bits, np.int64), 2)
        assert caught.value.rule == "shares"


def test_counts_of_long_and_wide_tables_are_exact(plan_of, monkeypatch) -> None:
    """More rows than one block of words, more items than one integer of the scan, and not a multiple of 64."""
    import pandas as pd

    from analytics.mining import bitmaps

    monkeypatch.setattr(bitmaps, "_BLOCK_WORDS", 3)
    names = [f"c{number}" for number in range(70)]
    n_rows = 777
    columns = {name: {"type": "boolean"} for name in names}
    plan = plan_of(table={"exact_dimensions": names, "columns": columns}, items=tuple(names), max_len=2)
    held = np.random.default_rng(7).random((70, n_rows)) < 0.5
    with open_frame(
        pd.DataFrame(dict(zip(names, held, strict=True))), plan.table, site_key=b"k" * 32
    ) as source:
        bitmaps = local_bitmaps(plan, source, limit_s=60)
    rows = [held[names.index(item.name)] for item in plan.items]
    candidates = [(0,), (61,), (62,), (69,), (0, 1), (0, 69), (3, 62), (3, 63), (1, 2, 3), (1, 2, 69)]
    expected = [int(np.logical_and.reduce([rows[i] for i in c]).sum()) for c in candidates]
    assert bitmaps.n_rows == n_rows
    assert bitmaps.counts(candidates).tolist() == expected


def test_a_sum_over_several_open_itemsets_can_count_few_people(miner) -> None:
    """A limit that SECURITY.md names: three open pairs whose triple is closed tell how many have none or all of the three.

    One person has none; all cells of each pair are large, and those of the triple are guarded by closing it.
    """
    site = ["a", "b", "c", "ab", "ac", "bc"] * 20
    asked = {"items": ("a", "b", "c"), "min_support": Fraction(1, 100), "context": {"minimum_cell": 10}}
    ran = miner([[*site, ""], site, site], **asked)
    supports = {"".join(sorted(itemset)): count for itemset, count in ran.supports.items()}
    assert set(supports) == {"a", "b", "c", "ab", "ac", "bc"}
    singles, pairs = (sum(supports[name] for name in supports if len(name) == size) for size in (1, 2))
    assert ran.result.n_rows - singles + pairs == 1
