"""Relations of second degree that hold for all but few people close a fit; ordinary patients leave it open."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statistic_world import StatisticWorld, heart_world

from analytics.disclosure.statistic_run import run_cost
from analytics.schema import Schema
from analytics.statistics.guards import fit_guard
from analytics.statistics.guards.relation_guard import (
    Places,
    _is_definite,
    monomials,
    n_monomials,
    spanning_counts,
)
from analytics.statistics.matrices import gram_rows
from smpc.operations.reveal import reveal_to_all
from tests.examples import costly_law

N = 600


def number(reach):
    return {"type": "numeric", "lower": -reach, "upper": reach, "resolution": 1}


COLUMNS = {
    **{name: number(8) for name in "abcd"},
    "e": number(100),
    "fine": number(10_000),
    "left": number(100),
    "right": number(100),
    "ill": {"type": "boolean"},
    "arm": {"type": "categorical", "domain": ["new", "old", "none"]},
    "days": {"type": "numeric", "lower": 0, "upper": 100, "resolution": 1, "bins": list(range(0, 101, 5))},
}
TABLE = {"privacy_unit": "row", "rows_max": 1000, "exact_dimensions": list(COLUMNS), "columns": COLUMNS}
DECLARED = Schema.from_dict({"tables": {"patients": TABLE}}).tables["patients"].columns


def patients(n=N, seed=3):
    generator = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            **{name: generator.integers(-8, 9, n) for name in "abcd"},
            "e": generator.integers(-100, 101, n),
            "fine": generator.integers(-10_000, 10_001, n),
            "left": generator.integers(-95, 96, n),
            "right": generator.integers(-95, 96, n),
            "ill": generator.random(n) < 0.4,
            "arm": generator.choice(["new", "old", "none"], n),
            "days": generator.integers(0, 100, n),
        }
    )


# attacks: each is 0 for everybody but the person; its sum over all people follows from what an exact fit opens


def product_of_two(data, off):
    data["e"] = np.where(off, data.e, data.a * data.b)
    return data.e - data.a * data.b


def shifted_product(data, off):
    data["c"] = np.where(off | (data.index % 2 == 0), data.c, data.a)
    data["d"] = np.where(off | (data.index % 2 == 1), data.d, data.b)
    return (data.a - data.c) * (data.b - data.d)


def two_values(data, off):
    data["a"] = np.where(off, data.a, np.where(data.index % 3 == 0, 5, -3))
    return (data.a - 5) * (data.a + 3)


def square_of_one(data, off):
    data["e"] = np.where(off, data.e, data.a**2)
    return data.e - data.a**2


def number_of_the_ill(data, off):
    data["a"] = two_but_for_some(data.a, data.ill, off.sum())
    return data.ill * (data.a - 2)


def number_of_an_arm(data, off):
    data["a"] = two_but_for_some(data.a, data.arm == "none", off.sum())
    return (data.arm == "none") * (data.a - 2)


def two_but_for_some(values, among, n_off):
    others = among & (np.cumsum(among) <= n_off)
    return np.where(others, values + (values == 2), np.where(among, 2, values))


def circle(data, off):
    """Everybody lies on a circle, as sine and cosine of an angle do."""
    points = [(x, y) for x in range(-8, 9) for y in range(-8, 9) if x * x + y * y == 65]
    chosen = np.array(points)[np.arange(len(data)) % len(points)]
    data["a"], data["b"] = (np.where(off, data[name], chosen[:, place]) for place, name in enumerate("ab"))
    return data.a**2 + data.b**2 - 65


ATTACKS = {
    product_of_two: ("a", "b", "e"),
    shifted_product: ("a", "b", "c", "d"),
    two_values: ("a", "b"),
    square_of_one: ("a", "e"),
    number_of_the_ill: ("a", "ill", "b"),
    number_of_an_arm: ("a", "arm", "b"),
    circle: ("a", "b", "c"),
}


def attacked(attack, n_off, seed=3):
    """People of whom so many are off the relation, and what is left of it in each."""
    data = patients(seed=seed)
    off = np.isin(np.arange(len(data)), np.random.default_rng(seed).permutation(len(data))[:n_off])
    left = attack(data, off)
    return data, np.asarray(left)


def counts_of(data, names, most=10, n_sites=3):
    """What the sites together count, in each cell."""
    columns = [DECLARED[name] for name in names]
    coded = np.stack([coded_values(DECLARED[name], data[name]) for name in names], axis=1)
    return np.sum([spanning_counts(columns, coded[site::n_sites], most) for site in range(n_sites)], axis=0)


def coded_values(column, values):
    if hasattr(column, "domain"):
        return values.map({level: code for code, level in enumerate(column.domain)}).to_numpy(np.int64)
    return values.to_numpy().astype(np.int64)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_relation_that_fails_for_few_is_never_counted_in_more(attack):
    for n_off in (0, 1, 9):
        data, left = attacked(attack, n_off)
        failing = np.count_nonzero(left)
        assert (failing > 0) == (n_off > 0)
        assert min(counts_of(data, ATTACKS[attack])) <= failing < 10
    assert min(counts_of(attacked(attack, N)[0], ATTACKS[attack])) >= 10  # none on it: ordinary people


def quadratic_sum(statistic, opened, of_row):
    """The attack: the sum of a relation over all people, from the sums of products alone.

    The relation is fitted to its values at rows drawn at random, so that the test has no algebra of its own.
    """
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({name: generator.integers(-8, 9, 400) for name in "abcde"})
    rows = rows.assign(ill=generator.random(400) < 0.5, arm=generator.choice(["new", "old", "none"], 400))
    parts = [np.ones(400)]
    for column in statistic.modelled:
        values = rows[column.name]
        domain = getattr(column, "domain", None)
        parts += [values == level for level in domain[1:]] if domain else [values]
    design = np.stack(parts, axis=1).astype(float)
    first, second = np.triu_indices(design.shape[1])
    products = design[:, first] * design[:, second]
    form = np.linalg.lstsq(products, np.asarray(of_row(rows), dtype=float), rcond=None)[0]
    assert products @ form == pytest.approx(np.asarray(of_row(rows), dtype=float), abs=1e-8)
    return float(form @ opened[: statistic.n_sums])


FORMS = {
    product_of_two: lambda row: row.e - row.a * row.b,
    shifted_product: lambda row: (row.a - row.c) * (row.b - row.d),
    two_values: lambda row: (row.a - 5) * (row.a + 3),
    square_of_one: lambda row: row.e - row.a**2,
    number_of_the_ill: lambda row: row.ill * (row.a - 2),
    number_of_an_arm: lambda row: (row.arm == "none") * (row.a - 2),
    circle: lambda row: row.a**2 + row.b**2 - 65,
}


def asked(attack):
    names = ATTACKS[attack]
    return {"formula": f"{names[0]} ~ {' + '.join(names[1:])}"}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_without_the_guard_least_squares_tell_the_persons_relation(attack):
    """And no other count of the guard is too small: without the counts of relations each of these fits would open."""
    data, left = attacked(attack, 1)
    world = StatisticWorld(data, COLUMNS)
    plan = world.plan("ols", **asked(attack))
    statistic, step = plan.statistic, plan.statistic.every_step()[0]
    opened = np.sum([step.local(rows) for rows in world.scanned(plan)], axis=0)
    assert quadratic_sum(statistic, opened, FORMS[attack]) == pytest.approx(left.sum(), abs=1e-4)
    assert abs(left.sum()) > 0.5
    reached = opened[statistic.n_sums :] >= statistic.least
    n_cells = len(spanning_counts(statistic.modelled, np.zeros((0, 9), dtype=np.int64), 1))
    assert reached[: -1 - n_cells].all()
    assert reached[-1]
    assert not reached[-1 - n_cells : -1].all()


@pytest.mark.parametrize("attack", [product_of_two, number_of_an_arm], ids=lambda attack: attack.__name__)
def test_the_sites_open_nothing_of_such_a_fit(attack, monkeypatch):
    world = StatisticWorld(attacked(attack, 1)[0], COLUMNS)
    assert world.ask("ols", **asked(attack)).closed == "fit_closed"
    monkeypatch.setattr(
        gram_rows, "spanning_counts", lambda *_: [10] * 3 if "arm" in ATTACKS[attack] else [10]
    )
    assert world.ask("ols", **asked(attack)).closed == ""


def test_a_rounded_product_but_for_one_is_closed():
    """The attack: a derived column is rounded, so no one satisfies the relation exactly, and the person's part stands out."""
    data = patients()
    rounding = np.random.default_rng(1).integers(-4, 5, N)
    data["fine"] = data.left * data.right + rounding
    data.loc[17, "fine"] = -data.left[17] * data.right[17]
    assert min(counts_of(data, ("left", "right", "fine"))) < 10
    left = data.fine - data.left * data.right
    assert np.count_nonzero(left) > 500
    assert abs(left.sum() - left[17]) < 300 < abs(left[17])
    assert min(counts_of(patients(), ("left", "right", "fine"))) >= 10


def test_of_a_logistic_fit_the_first_step_tells_an_ill_persons_number():
    """The attack: gradient and Hessian at zero hold the sums of outcome times covariate."""
    data, left = attacked(number_of_the_ill, 8)
    arguments = {"outcome": "ill", "covariates": ["a", "b"], "max_steps": 4}
    world = StatisticWorld(data, COLUMNS, minimum_cell=0)
    plan = world.plan("glm", **arguments)
    statistic, step = plan.statistic, plan.statistic.every_step()[0]
    opened = np.sum([step.local(rows) for rows in world.scanned(plan)], axis=0) / 2.0**statistic.bits
    gradient, hessian = opened[:3], opened[3:]
    sum_ill, sum_of_the_ill = gradient[:2] + 2 * hessian[:2]  # the covariate is in eighths
    assert 8 * sum_of_the_ill - 2 * sum_ill == pytest.approx(left.sum(), abs=1e-4)
    assert StatisticWorld(data, COLUMNS).ask("glm", **arguments).closed == "fit_closed"
    assert StatisticWorld(patients(), COLUMNS).ask("glm", **arguments).closed == ""


def test_times_of_the_dead_that_are_one_but_for_few_close_a_cox_fit(monkeypatch):
    """The attack: all who died did so in one interval, but for three people: an intervals' event is one person's."""
    data = patients()
    early = data.ill & (np.cumsum(data.ill) > 3)
    data["days"] = np.where(early, 42, data.days)
    arguments = {"duration": "days", "event": "ill", "covariates": ["a", "b"], "max_steps": 4}
    world = StatisticWorld(data, COLUMNS)
    assert world.ask("cox", **arguments).closed == "fit_closed"
    monkeypatch.setattr(fit_guard, "spanning_counts", lambda *_: [10])
    assert world.ask("cox", **arguments).closed == ""


# -- laws ----------------------------------------------------------------------------------------------------------


def fewest_failing(columns, values):
    """The oracle: over all relations that hold for as many people as they can, the fewest for whom one fails.

    Such a relation is fixed by people that it holds for, one fewer than monomials.
    """
    rows = monomials(columns, values)
    count, best = rows.shape[1], len(rows)
    if np.linalg.matrix_rank(rows) < count:
        return 0
    for chosen in combinations(range(len(rows)), count - 1):
        _, sizes, vectors = np.linalg.svd(rows[list(chosen)])
        if sizes.min(initial=1) > 1e-9:
            best = min(best, int((np.abs(rows @ vectors[-1]) > 1e-9).sum()))
    return best


SMALL = [
    (Places(5), Places(2)),
    (DECLARED["ill"], DECLARED["ill"]),
    (DECLARED["arm"], Places(3)),
    (DECLARED["arm"], DECLARED["ill"]),
    (Places(12),),
]


@given(st.sampled_from(SMALL), st.integers(0, 10**6), st.integers(0, 14), st.integers(1, 6))
def test_law_no_more_people_are_counted_than_a_relation_fails_in(columns, seed, n, most):
    generator = np.random.default_rng(seed)
    reach = [len(c.domain) if hasattr(c, "domain") else getattr(c, "count", 2) for c in columns]
    values = np.stack([generator.integers(0, count, n) ** 2 // max(1, count - 1) for count in reach], axis=1)
    found = spanning_counts(columns, values, most)
    assert all(0 <= count <= most for count in found)
    assert min(found) <= fewest_failing(columns, values)


@costly_law(6)
@given(st.sampled_from(list(ATTACKS)), st.integers(0, 10**6), st.integers(0, 25), st.integers(2, 4))
def test_law_sites_together_count_no_more_than_fail(attack, seed, n_off, n_sites):
    data, left = attacked(attack, n_off, seed)
    assert min(counts_of(data, ATTACKS[attack], n_sites=n_sites)) <= np.count_nonzero(left)


@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(-1e-6, 1e-6))
def test_law_a_matrix_is_definite_where_its_least_eigenvalue_is_above_zero(seed, size, least):
    """The oracle: eigenvalues that are put in, among them some of both signs next to 0."""
    generator = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(generator.normal(size=(size, size)))
    values = np.concatenate([[least], generator.uniform(1e-5, 1, size - 1)])
    matrix = (turned * values) @ turned.T
    matrix = (matrix + matrix.T) / 2
    if abs(least) > 1e-12:
        assert _is_definite(matrix) == (least > 0)
    assert not _is_definite(matrix - 2 * np.eye(size))
    assert not _is_definite(np.zeros((size, size)))


def test_the_counts_do_not_depend_on_the_order_of_people_and_need_as_many_as_monomials():
    data, names = patients(), ("a", "arm", "ill")
    known = counts_of(data, names, n_sites=1)
    assert counts_of(data.sample(frac=1, random_state=4), names, n_sites=1).tolist() == known.tolist()
    columns = [DECLARED[name] for name in names]
    assert n_monomials(columns) == 1 + 4 + 1 + (2 + 1 + 2)  # single ones, a's square, products
    assert max(counts_of(data.iloc[:2], names, n_sites=1)) == 0
    assert counts_of(data.iloc[:0], names, n_sites=1).tolist() == [0, 0, 0]
    assert len(spanning_counts([DECLARED["arm"]] * 3, np.zeros((0, 3), dtype=np.int64), 1)) == 1 + 6 + 12


def test_a_level_that_one_site_has_is_counted_there():
    """A site that lacks a level still counts for the others."""
    data = patients(900)
    parts = [
        data[data.arm != "none"].iloc[:200],
        data[data.arm != "old"].iloc[:200],
        data[data.arm == "new"].iloc[:90],
    ]
    columns = [DECLARED[name] for name in ("arm", "a", "ill")]
    found = []
    for part in parts:
        coded = np.stack([coded_values(DECLARED[name], part[name]) for name in ("arm", "a", "ill")], axis=1)
        found.append(spanning_counts(columns, coded, 10))
    assert [count > 0 for count in found[0]] == [True, True, False]
    assert [count > 0 for count in found[1]] == [True, False, True]
    assert np.sum(found, axis=0).min() >= 10


# -- ordinary patients and what they cost --------------------------------------------------------------------------

SIX = "thalach ~ age + sex + exang + disease + oldpeak + trestbps"


@pytest.mark.parametrize(
    "formula", ["thalach ~ cp + age + oldpeak", pytest.param(SIX, marks=pytest.mark.slow)]
)
def test_usual_formulas_of_four_hospitals_stay_open(formula):
    world = heart_world()
    plan = world.plan("ols", formula=formula)
    step, statistic = plan.statistic.every_step()[0], plan.statistic
    figures = np.sum([step.local(rows) for rows in world.scanned(plan)], axis=0)[statistic.n_sums :]
    assert (figures >= statistic.least).all()


def test_the_guard_of_relations_takes_no_round_of_its_own_and_few_bytes():
    world = heart_world()
    costs = [
        run_cost(world.plan("ols", formula=formula), reveal_to_all) for formula in ("thalach ~ age", SIX)
    ]
    assert [cost.rounds for cost in costs] == [8, 9]  # the sums' guard; the second one has more counts
    assert max(cost.bytes_per_peer for cost in costs) <= 1_500
