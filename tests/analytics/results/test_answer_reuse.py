"""Released blocks used again: identities, combination against numpy's least squares, changed rows."""

import copy
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analytics.errors import ReleaseRefusedError
from analytics.plans.plan import make_plan
from analytics.plans.question import bind
from analytics.results.assemble import finish
from analytics.results.reuse import (
    Observation,
    block_identities,
    combine,
    finish_combined,
    is_accurate_enough,
    observations_of,
)
from analytics.schema import Schema
from analytics.statistics.uncertainty.noise_law import NoiseLaw
from tests.analytics.conftest import SCHEMA

COUNT = "SELECT COUNT(*) AS n FROM visits GROUP BY k"
FACTS = {"configuration": "a" * 64}


def law(sigma2=64, weight=1, n_sites=3):
    return NoiseLaw(n_sites=n_sites, sigma2_local=sigma2, weight=weight)


def seen(number, values, **terms):
    return Observation(number=number, law=law(**terms), values=tuple(values))


# identities


def identities(world, sql, *, facts=FACTS, epsilon=1, **changes):
    return block_identities(world.plan(sql, "private", Fraction(epsilon), **changes), facts)


def test_a_block_is_the_same_in_every_question_that_has_it(world):
    (alone,) = identities(world, COUNT)
    with_more = identities(
        world, "SELECT k, COUNT(*) AS c, AVG(x) AS m FROM visits GROUP BY k ORDER BY k LIMIT 1"
    )
    assert with_more[0] == alone
    assert len(set(with_more)) == 3
    assert identities(world, COUNT, epsilon=2) == (alone,)  # the noise is not a part of the block


@pytest.mark.parametrize(
    "other",
    [
        "SELECT COUNT(*) AS n FROM visits",
        "SELECT COUNT(*) AS n FROM visits GROUP BY c",
        "SELECT COUNT(*) AS n FROM visits WHERE b GROUP BY k",
        "SELECT COUNT(x) AS n FROM visits GROUP BY k",
        "SELECT COUNT(y) AS n FROM visits GROUP BY k",
        "SELECT SUM(x) AS n FROM visits GROUP BY k",
        "SELECT AVG(x) AS n FROM visits GROUP BY k",
        "SELECT SUM(x * 2) AS n FROM visits GROUP BY k",
    ],
)
def test_another_figure_is_another_block(world, other):
    questions = [COUNT, other]
    first, second = (set(identities(world, sql)) for sql in questions)
    assert not first & second


@pytest.mark.parametrize(
    "where",
    ["x > 0", "x > 0.5", "x >= 0", "x > 0 OR x IS NULL", "x > 0 AND k = 'red'", "k = 'red'", "k = 'blue'"],
)
def test_every_filter_is_a_block_of_its_own(world, where):
    others = {"x < 0", "x > 1", "k IN ('red', 'blue')"}
    text = "SELECT COUNT(*) AS n FROM visits WHERE {}"
    mine = identities(world, text.format(where))
    assert all(mine != identities(world, text.format(other)) for other in others)


def changed_schema(**changes):
    schema = copy.deepcopy(SCHEMA)
    table = schema["tables"]["visits"]
    for name, value in changes.items():
        place = table["columns"][name] if isinstance(value, dict) else table
        place.update(value) if isinstance(value, dict) else place.update({name: value})
    return Schema.from_dict(schema)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows_max": 999},
        {"max_sites_per_unit": 2},
        {"x": {"upper": 6, "bins": [-3, 0, 2.5, 6]}},
        {"k": {"domain": ["red", "green", "blue", "pink"]}},
        {"k": {"nullable": False}},
        {"y": {"upper": "10"}},
        {"population": "others"},
    ],
    ids=str,
)
def test_attack_another_schemas_block_has_another_identity(world, changes):
    def identity(schema):
        return block_identities(
            make_plan(bind(COUNT, schema), mode="private", epsilon=Fraction(1), context=world.context()),
            FACTS,
        )

    assert identity(changed_schema()) == identity(world.schema)
    assert identity(changed_schema(**changes)) != identity(world.schema)


def test_attack_another_tables_block_has_another_identity_at_equal_columns(world):
    twin = replace(world.schema.tables["visits"], name="others")
    schema = replace(world.schema, tables=dict(world.schema.tables) | {"others": twin})

    def identities(name):
        sql = f"SELECT k, COUNT(*) AS n, AVG(y) AS m FROM {name} GROUP BY k"
        plan = make_plan(bind(sql, schema), mode="private", epsilon=Fraction(1), context=world.context())
        return set(block_identities(plan, {}))

    assert len(identities("visits")) == len(identities("others"))
    assert not identities("visits") & identities("others")


def test_attack_other_facts_sites_and_relations_have_other_identities(world):
    found = [
        identities(world, COUNT),
        identities(world, COUNT, facts={"configuration": "b" * 64}),
        identities(world, COUNT, n_sites=4),
        identities(world, COUNT, relation="replace_one"),
    ]
    assert len(set(found)) == len(found)


# combination


@given(
    st.lists(
        st.tuples(st.integers(64, 10**6), st.integers(1, 50), st.integers(-50, 50)), min_size=1, max_size=6
    )
)
def test_law_a_combination_is_weighted_least_squares(terms):
    observations = [
        seen(number, [1000 * weight + shift], sigma2=sigma2, weight=weight)
        for number, (sigma2, weight, shift) in enumerate(terms)
    ]
    # oracle: numpy's least squares on rows scaled by 1 / sd
    scale = np.array([1 / each.law.sd for each in observations])
    values = np.array([each.values[0] / each.law.weight for each in observations])
    (expected,), *_ = np.linalg.lstsq(scale[:, None], scale * values, rcond=None)
    combined = combine(observations)
    if not combined.left_out:
        assert float(combined.figures[0].value) == pytest.approx(expected, rel=1e-9)
        assert combined.noise_sd == pytest.approx(1 / np.sqrt(np.sum(scale**2)), rel=1e-9)
        assert combined.noise_sd <= min(each.law.sd for each in observations) * (1 + 1e-12)


def test_the_noise_of_a_combination_has_the_stated_law():
    generator = np.random.Generator(np.random.PCG64(7))
    laws = [law(64, 1), law(900, 3), law(100, 2)]
    draws = [each.draw(4000, generator) * each.weight for each in laws]
    observations = [
        Observation(number=number, law=each, values=tuple(int(v) for v in drawn))
        for number, (each, drawn) in enumerate(zip(laws, draws, strict=True))
    ]
    combined = combine(observations)
    assert combined.numbers == (0, 1, 2)
    errors = np.array([float(each.value) for each in combined.figures]) / combined.noise_sd
    assert stats.kstest(errors, "norm").pvalue > 1e-6
    inside = int(np.sum(np.abs(errors) <= 1.959964))
    assert stats.binomtest(inside, len(errors), 0.95).pvalue > 1e-6


def test_order_does_not_matter_and_one_release_stays_whole():
    first, second = seen(4, [10, 20]), seen(9, [14, 18], sigma2=128)
    assert combine([first, second]) == combine([second, first])
    alone = combine([first])
    assert [each.value for each in alone.figures] == [10, 20]


def test_releases_that_differ_by_more_than_noise_are_not_combined():
    sd = law().sd
    old, new = seen(3, [100]), seen(8, [round(100 + 8 * sd)])
    combined = combine([new, old])
    assert (combined.numbers, combined.left_out) == ((8,), (3,))
    assert combined.figures[0].value == new.values[0]
    assert combine([old, seen(8, [round(100 + 6 * sd)])]).left_out == ()


def test_noise_alone_hardly_ever_looks_like_a_change():
    generator = np.random.Generator(np.random.PCG64(11))
    drawn = law().draw(6 * 3000, generator).astype(int).reshape(3000, 2, 3)
    found = [combine([seen(1, first), seen(2, second)]).left_out for first, second in drawn.tolist()]
    assert sum(map(bool, found)) == 0  # expected: 0.003


# the answer


def test_one_release_gives_the_answer_that_was_paid_for(world):
    plan = world.plan(
        "SELECT k, COUNT(*) AS n, AVG(x) AS m, STDDEV_SAMP(x) AS d FROM visits GROUP BY k", "private"
    )
    opened = [100 * number for number in range(len(plan.opened))]
    combined = [combine([each]) for each in observations_of(plan, opened, 5)]
    assert is_accurate_enough(plan, combined)
    again, paid = finish_combined(plan, combined, cost={}, receipt={}), finish(plan, opened, cost={})
    assert again == paid
    assert again.interval_rows() == paid.interval_rows()


def test_a_stored_answer_with_more_noise_than_asked_is_not_enough(world):
    plan, better = (world.plan(COUNT, "private", Fraction(e)) for e in ("1", "1.5"))
    combined = [combine([each]) for each in observations_of(plan, [0] * 4, 1)]
    assert is_accurate_enough(plan, combined)
    assert not is_accurate_enough(better, combined)


def test_a_missing_figure_is_refused(world):
    plan = world.plan(COUNT, "private")
    for opened in ([0] * 3, [0, 0, 0, None]):
        with pytest.raises(ReleaseRefusedError):
            observations_of(plan, opened, 1)


def laplace(number, values, scale):
    heavy = NoiseLaw(n_sites=3, sigma2_local=0, weight=1, scale=Fraction(scale), shares=2)
    return Observation(number=number, law=heavy, values=tuple(values))


def test_a_laplace_release_is_never_mixed_with_another_and_the_least_noise_is_used():
    gaussian = [seen(1, [100, 7]), seen(2, [104, 9])]
    both = combine(gaussian)
    less, more = laplace(3, [102, 8], 2), laplace(4, [99, 5], 40)
    assert combine([*gaussian, more]) == both
    found = combine([*gaussian, less, more])
    assert (found.numbers, found.left_out) == ((3,), ())
    assert [figure.value for figure in found.figures] == [102, 8]
    assert found.noise_sd == pytest.approx(less.law.sd)
    assert found.figures[0].law == less.law
    assert combine([less, laplace(5, [101, 8], 2)]).numbers in {(3,), (5,)}  # two of one noise: one of them
    assert both.figures[0].law is None
    assert found.reach(3) == pytest.approx(less.law.sd * less.law.deviations(3))
    assert found.reach(3) > 3 * found.noise_sd


def test_a_laplace_release_stands_in_for_gaussian_noise_only_where_its_tails_are_within(world):
    plan = world.plan("SELECT COUNT(*) AS n FROM visits", "private", Fraction(1))
    limit = plan.noise_sd(0)
    by_sd = max(scale for scale in range(1, 99) if laplace(1, [5], scale).law.sd <= limit)
    by_reach = max(
        scale
        for scale in range(1, 99)
        if (each := laplace(1, [5], scale).law).sd * each.deviations(1.959964) <= 1.959964 * limit
    )
    assert is_accurate_enough(plan, [combine([laplace(1, [5], min(by_sd, by_reach))])])
    assert not is_accurate_enough(plan, [combine([laplace(1, [5], min(by_sd, by_reach) + 1)])])


def test_the_answer_of_a_laplace_release_has_its_own_tails_whatever_noise_the_question_names(world):
    plan = world.plan("SELECT COUNT(*) AS n FROM visits", "private", Fraction(1))
    found = combine([laplace(1, [500], 2)])
    result = finish_combined(plan, [found], cost={}, receipt={})
    low, high = result.interval_rows(0.999)[0][0]
    assert high - 500 == pytest.approx(found.reach(3.290526731), rel=1e-6)
    assert 500 - low == pytest.approx(high - 500)
