"""Private mining: what one basket changes, where noise is, what is charged; without noise it is exact mining of the bases."""

import math
from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analytics.mining.private.run as run_module
from analytics.errors import InvalidRequestError, PlanRejectedError, ReleaseRefusedError
from analytics.mining.bitmaps import Bitmaps
from analytics.mining.private.bases import MAX_BASES, MAX_BASIS, chosen_bases, selected_items
from analytics.mining.private.estimates import superset_sums
from analytics.mining.private.explain import explain_private, explain_private_text
from analytics.mining.private.finish import finish_private, read_answers
from analytics.mining.private.plan import make_private_plan
from analytics.mining.private.result import lift_interval, ratio_interval
from analytics.mining.private.run import _Site, mine_privately
from analytics.mining.private.sensitivity import most_held
from analytics.mining.private.truncation import truncated
from analytics.mining.request import MiningRequest
from analytics.plans.context import PlanContext
from analytics.schema import Schema
from privacy_accounting.events import Relation
from privacy_accounting.noise import SystemSource
from privacy_accounting.rdp import standalone_epsilon
from smpc.operations.reveal import blinded_share, recombine, reveal_to_all
from smpc.simulator import party_names, simulate
from tests.examples import costly_law

NAMES = "abcdefgh"


def plan_of(names=NAMES, *, table=None, context=None, epsilon="1", **request):
    columns = {name: {"type": "boolean"} for name in names}
    fields = {
        "privacy_unit": "row",
        "max_sites_per_unit": 1,
        "rows_max": 100_000,
        "exact_dimensions": [*columns],
        "columns": columns,
    } | (table or {})
    asked = {
        "table": "baskets",
        "items": tuple(names),
        "min_support": Fraction(1, 5),
        "min_confidence": Fraction(1, 2),
    } | request
    where = {
        "n_sites": 3,
        "colluding": 1,
        "relation": "add_or_remove_one",
        "delta": Fraction(1, 10**6),
        "minimum_cell": 10,
    } | (context or {})
    schema = Schema.from_dict({"tables": {"baskets": fields}})
    return make_private_plan(MiningRequest(**asked), Fraction(epsilon), schema, PlanContext(**where))


def bitmaps_of(held):
    held = np.asarray(held, dtype=bool)
    packed = np.packbits(held.T, axis=1, bitorder="little")
    words = np.zeros((held.shape[1], 8 * -(-len(held) // 64)), dtype=np.uint8)
    words[:, : packed.shape[1]] = packed
    return Bitmaps(n_rows=len(held), words=words.view(np.uint64))


def world(n_rows=900, n_items=8, seed=17):
    """Baskets in which the first five items often come together."""
    generator = np.random.default_rng(seed)
    held = generator.random((n_rows, n_items)) < 0.1
    held[:, :5] |= (generator.random(n_rows) < 0.5)[:, np.newaxis] & (generator.random((n_rows, 5)) < 0.9)
    return held


def answers_of(plan, held, *, late=(), seen=None):
    names = party_names(plan.context.n_sites)
    parts = {
        name: None if name in late else bitmaps_of(held[place :: len(names)])
        for place, name in enumerate(names)
    }

    def joint(session):
        def open_to_all(shared):
            if seen is not None:
                seen.append(shared.size)
            return reveal_to_all(session, shared)

        return mine_privately(
            session, plan, parts[session.names[session.rank]], SystemSource(), open_to_all=open_to_all,
            blind=lambda shared: blinded_share(session, shared),
        )  # fmt: skip

    return simulate(joint, len(names), prefetch=False).values()


@pytest.fixture
def no_noise(monkeypatch):
    monkeypatch.setattr(run_module, "discrete_gaussian", lambda _s, size, _b: np.zeros(size, dtype=np.int64))


class KeySource:
    """The same key of truncation at every run."""

    def bytes(self, n):
        return bytes(n)


@pytest.mark.usefixtures("no_noise")
@costly_law(15)
@given(
    st.lists(st.sets(st.integers(0, 7)), max_size=12),
    st.sets(st.integers(0, 7)),
    st.sampled_from([None, 1, 2, 3, 5]),
    st.sets(st.integers(0, 7), min_size=1),
    st.lists(st.sets(st.integers(0, 7), min_size=1, max_size=5), min_size=1, max_size=4),
)
def test_law_one_basket_changes_each_release_by_no_more_than_what_is_charged(
    rows, one, most, items, bases
) -> None:
    plan = plan_of(max_items_per_unit=most)
    held = np.zeros((len(rows) + 1, 8), dtype=bool)
    for number, row in enumerate([*rows, one]):
        held[number, list(row)] = True
    items, bases = tuple(sorted(items)), [tuple(sorted(basis)) for basis in bases]
    pairs = tuple(combinations(items, 2))

    def releases(part):
        site = _Site(plan, bitmaps_of(part), KeySource())
        return [
            site.noised(0, site.item_counts(), plan.held + 1),
            site.noised(1, site.pair_counts(items, pairs), plan.pair_counts(len(items))),
            site.noised(2, site.cell_counts(bases), len(bases)),
        ]

    for noise, with_one, without in zip(plan.noises, releases(held), releases(held[:-1]), strict=True):
        change = (with_one - without).astype(float)
        assert math.hypot(*change) <= noise.l2 == float(noise.event.l2)
        assert np.abs(change).sum() <= float(noise.event.l1)


def test_a_unit_of_several_baskets_and_sites_is_priced_with_all_of_them() -> None:
    one = plan_of()
    table = {
        "privacy_unit": "who", "max_rows_per_unit": 3, "max_sites_per_unit": 2,
        "columns": {"who": {"type": "identifier"}, **{name: {"type": "boolean"} for name in NAMES}},
    }  # fmt: skip
    several = plan_of(table=table)
    assert (one.baskets, several.baskets) == (1, 6)
    for first, second in zip(one.noises, several.noises, strict=True):
        assert second.sd(3, 4) == pytest.approx(6 * first.sd(3, 4), rel=0.02)
    units = plan_of(table=table, basket="unit", max_items_per_unit=4)
    assert (units.baskets, units.held, units.is_truncated) == (2, 4, True)


@pytest.mark.parametrize("relation", ["add_or_remove_one", "replace_one"])
@pytest.mark.parametrize("epsilon", ["0.1", "1", "3"])
def test_the_charge_is_at_most_what_was_asked_and_follows_from_the_noise(relation, epsilon) -> None:
    """Independently: rho of Gaussian noise of the honest sites, and epsilon <= rho + 2 sqrt(rho log(1/delta))."""
    plan = plan_of(epsilon=epsilon, context={"relation": relation})
    delta = plan.context.delta
    assert standalone_epsilon(plan.events, delta, Relation(relation)).epsilon <= float(epsilon)
    factor = 2 if relation == "replace_one" else 1
    rho = sum((factor * noise.l2) ** 2 / (2 * 2 * noise.sigma2_local) for noise in plan.noises)
    bound = rho + 2 * math.sqrt(rho * math.log(1 / float(delta)))
    assert float(epsilon) <= bound <= 2 * float(epsilon)


def test_every_opened_count_has_every_sites_noise(monkeypatch) -> None:
    """Each site draws as many variables of the planned variance as it has counts, also where its scan was late."""
    drawn = []

    def recording(sigma2, size, _source):
        drawn.append((sigma2, size))
        return np.zeros(size, dtype=np.int64)

    monkeypatch.setattr(run_module, "discrete_gaussian", recording)
    plan, seen = plan_of(), []
    answers = answers_of(plan, world(), late={"bob"}, seen=seen)
    choice, cells = read_answers(plan, answers, recombine)
    sizes = [9, len(choice.pairs), len(cells)]
    assert min(sizes) > 0
    assert sorted(drawn) == sorted(
        (noise.sigma2_local, size) for noise, size in zip(plan.noises, sizes, strict=True) for _ in range(3)
    )
    assert sorted(seen) == sorted(3 * sizes[:2])  # the cells go to the analyst alone


@pytest.mark.usefixtures("no_noise")
def test_without_noise_it_is_exact_mining_of_the_bases() -> None:
    held, plan = world(), plan_of()
    answers = answers_of(plan, held)
    result = finish_private(plan, answers, recombine=recombine)
    choice, _ = read_answers(plan, answers, recombine)
    exact = {
        frozenset(NAMES[item] for item in itemset): int(held[:, itemset].all(axis=1).sum())
        for size in range(1, 9)
        for itemset in combinations(range(8), size)
    }
    frequent = {itemset: count for itemset, count in exact.items() if 5 * count >= len(held)}
    covered = {
        itemset
        for itemset in frequent
        if len(itemset) <= 2 or any(itemset <= {NAMES[item] for item in basis} for basis in choice.bases)
    }
    assert {frozenset(entry.items): entry.count for entry in result.found} == {
        itemset: frequent[itemset] for itemset in covered
    }
    assert covered == set(frequent)  # five items that come together are one clique
    assert len(frequent) > 25
    assert result.n_rows == len(held)
    assert result.is_complete
    for rule in result.found_rules:
        both = exact[frozenset((*rule.antecedents, *rule.consequents))]
        left, right = exact[frozenset(rule.antecedents)], exact[frozenset(rule.consequents)]
        assert rule.measures["confidence"] == pytest.approx(both / left, rel=1e-9)
        assert rule.measures["lift"] == pytest.approx(both * len(held) / left / right, rel=1e-9)


def test_an_answer_with_noise_is_near_and_says_how_near() -> None:
    held, plan = world(30_000), plan_of(epsilon="2")
    result = finish_private(plan, answers_of(plan, held), recombine=recombine)
    for entry in result.found:
        true = held[:, [NAMES.index(name) for name in entry.items]].all(axis=1).mean()
        assert entry.interval[0] - 0.01 < true < entry.interval[1] + 0.01
    assert {"count_sd", "support_low", "support_high"} <= set(result.itemsets.columns)
    assert {"confidence_low", "lift_high"} <= set(result.rules.columns)
    assert (result.where(lift=1.2).rules["lift"] >= 1.2).all()
    assert "epsilon 2" in repr(result)
    with pytest.raises(InvalidRequestError):
        result.where(p_value=0.05)
    with pytest.raises(InvalidRequestError):
        result.closed()
    assert len(result.maximal().found) < len(result.found)


def test_sites_that_report_other_counts_and_other_lengths_are_refused() -> None:
    plan = plan_of()
    answers = answers_of(plan, world())
    other = bytearray(answers[1])
    other[0] ^= 1
    for bad in (
        [answers[0], bytes(other), answers[2]],
        answers[:2],
        [*answers[:2], answers[2][:-8]],
        [b"", b"", b""],
    ):
        with pytest.raises(ReleaseRefusedError):
            finish_private(plan, bad, recombine=recombine)


def test_attack_a_site_takes_its_own_noise_from_the_counts_that_open_to_all() -> None:
    """What is left of the noise of the others has the variance that is priced, also for each site by itself."""
    for colluding in (1, 2):
        plan = plan_of(context={"n_sites": 4, "colluding": colluding})
        for noise in plan.noises[:2]:  # the third one opens to the analyst alone
            assert noise.event.parties - noise.event.colluding <= plan.context.n_sites - 1
    with pytest.raises(PlanRejectedError, match="takes its own part of the noise away"):
        plan_of(context={"n_sites": 4, "colluding": 0})


def test_a_basket_is_cut_by_itself_alone() -> None:
    held = world(500)
    key = b"k" * 32
    words = truncated(bitmaps_of(held).words, 2, key)
    whole = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :500].T.astype(bool)
    assert (whole.sum(axis=1) == np.minimum(held.sum(axis=1), 2)).all()
    assert not (whole & ~held).any()
    fewer = truncated(bitmaps_of(held[1:]).words, 2, key)
    rest = np.unpackbits(fewer.view(np.uint8), axis=1, bitorder="little")[:, :499].T.astype(bool)
    assert (rest == whole[1:]).all()
    other = truncated(bitmaps_of(held).words, 2, b"x" * 32)
    assert (other != words).any()


def test_items_that_exclude_each_other_count_once() -> None:
    columns = {
        "dx": {"type": "categorical", "domain": ["I20", "I21", "J45"], "nullable": True},
        "age": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1, "bins": [0, 40, 60, 100]},
        "sick": {"type": "boolean"},
    }
    table = {"columns": columns, "exact_dimensions": [*columns]}
    plan = plan_of(table=table, items=("dx=*", "dx under I20-I25", "age<40", "age>=60", "sick", "not sick"))
    assert plan.held == most_held(plan.base.items, is_one_row=True) == 4
    names = [item.name for item in plan.base.items]
    block, code, other, young = (names.index(n) for n in ("dx under I20-I25", "dx=I20", "dx=J45", "age<40"))
    pairs = plan.pairs_after(tuple(range(len(names))))
    assert tuple(sorted((block, code))) not in pairs  # one implies the other
    assert tuple(sorted((code, other))) not in pairs
    assert tuple(sorted((code, young))) in pairs


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda p: p[0] < p[1]), st.integers(-5, 50)
    )
)
def test_law_bases_are_small_few_and_hold_every_clique(counts) -> None:
    pairs = sorted(counts)
    bases, is_whole = chosen_bases(pairs, [counts[pair] for pair in pairs], lambda count: count >= 5)
    assert len(bases) <= MAX_BASES
    assert all(3 <= len(basis) <= MAX_BASIS for basis in bases)
    frequent = {pair for pair in pairs if counts[pair] >= 5}
    triples = [
        part for part in combinations(range(15), 3) if all(pair in frequent for pair in combinations(part, 2))
    ]
    if is_whole:
        assert all(any(set(part) <= set(basis) for basis in bases) for part in triples)
    assert not bases or triples


@given(st.lists(st.floats(-50, 50), min_size=16, max_size=16))
def test_law_superset_sums(cells) -> None:
    sums = superset_sums(np.array(cells))
    for mask in range(16):
        assert sums[mask] == pytest.approx(sum(v for c, v in enumerate(cells) if c & mask == mask), abs=1e-9)


def test_selected_items_are_the_most_frequent_ones_and_at_most_so_many() -> None:
    assert selected_items([5, 50, 10], 50, Fraction(1, 5)) == (1, 2)
    assert selected_items([-5, -50], -3, Fraction(1, 5)) == ()
    assert len(selected_items([9] * 500, 10, Fraction(1, 5))) == 64


@pytest.mark.parametrize(("max_len", "releases"), [(1, 1), (2, 2), (3, 3), (None, 3)])
def test_shorter_itemsets_take_fewer_releases(max_len, releases) -> None:
    plan = plan_of(max_len=max_len)
    assert len(plan.noises) == releases
    assert max(
        len(e.items) for e in finish_private(plan, answers_of(plan, world(3000)), recombine=recombine).found
    ) <= (max_len or 8)


def test_nothing_frequent_is_an_empty_answer() -> None:
    result = finish_private(
        plan := plan_of(min_support=Fraction(1)), answers_of(plan, np.zeros((900, 8))), recombine=recombine
    )
    assert not result.found
    assert len(result.itemsets) == len(result.rules) == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"epsilon": "0"}, InvalidRequestError),
        ({"epsilon": "-1"}, InvalidRequestError),
        ({"epsilon": Fraction(1, 3)}, InvalidRequestError),
        ({"nested_supports": "allow"}, InvalidRequestError),
        ({"max_items_per_unit": 0}, InvalidRequestError),
        ({"max_items_per_unit": True}, InvalidRequestError),
        ({"items": ("zzz",)}, PlanRejectedError),
        (
            {"context": {"colluding": 0}},
            PlanRejectedError,
        ),  # a site takes its own noise from what opens to all
        ({"items": ()}, InvalidRequestError),
        (
            {
                "basket": "unit",
                "table": {
                    "privacy_unit": "who",
                    "max_rows_per_unit": 3,
                    "columns": {"who": {"type": "identifier"}, **{n: {"type": "boolean"} for n in NAMES}},
                },
            },
            InvalidRequestError,
        ),
    ],
)
def test_bad_plans_are_refused(changes, error) -> None:
    with pytest.raises(error):
        plan_of(**changes)


def test_the_plan_says_who_sees_what_and_for_how_much() -> None:
    plan = plan_of(max_items_per_unit=3)
    shape, text = explain_private(plan), explain_private_text(plan)
    assert shape["is_truncated"]
    assert "keyed hash" in text
    assert "epsilon 1 at delta" in text
    assert plan.digest() != plan_of().digest()
    assert plan.cost()["max_items_per_unit"] == 3


@pytest.mark.slow
def test_intervals_of_supports_confidences_and_lifts_cover(monkeypatch) -> None:
    """Of fixed itemsets and rules, over runs with fresh noise; one test a figure, by the binomial law."""
    from scipy import stats

    held, runs = world(3000), 300
    plan = plan_of(epsilon="2")
    exact = {
        itemset: int(held[:, itemset].all(axis=1).sum())
        for size in range(6)
        for itemset in combinations(range(5), size)
    }
    hits: dict[tuple[object, ...], list[bool]] = {}
    from analytics.mining.private.estimates import estimates

    for _ in range(runs):
        choice, cells = read_answers(plan, answers_of(plan, held), recombine)
        found = estimates(plan, choice, cells)
        rows = found[()]
        for itemset, count in exact.items():
            if not itemset or itemset not in found:
                continue
            low, high = ratio_interval(found[itemset], rows)
            hits.setdefault(("support", itemset), []).append(low <= count / len(held) <= high)
            if len(itemset) > 1:
                left, right = itemset[:1], itemset[1:]
                low, high = ratio_interval(found[itemset], found[left])
                hits.setdefault(("confidence", itemset), []).append(low <= count / exact[left] <= high)
                low, high = lift_interval(found[itemset], found[left], found[right], rows)
                lift = count * len(held) / exact[left] / exact[right]
                hits.setdefault(("lift", itemset), []).append(low <= lift <= high)
    assert len(hits) > 70
    for name, each in hits.items():
        if len(each) >= runs // 2:
            assert stats.binomtest(sum(each), len(each), 0.94, alternative="less").pvalue > 1e-6, name
