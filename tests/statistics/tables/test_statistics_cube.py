"""The release of a cube: joint sensitivity against people counted one by one, rows of every marginal, size limits."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.plans.context import PlanContext
from analytics.plans.statistic_plan import make_statistic_plan
from analytics.results.cube_answers import fit_cube
from analytics.results.cube_reuse import cube_identities
from analytics.schema import Schema
from analytics.statistics.blocks import Measure
from privacy_accounting.noise import discrete_gaussian

CONTEXT = PlanContext(
    n_sites=4,
    colluding=1,
    relation="add_or_remove_one",
    delta=Fraction(4, 10**7),
    minimum_cell=10,
    order=Fraction(13),
)


def schema(columns, **settings):
    table = {"privacy_unit": "row", "max_rows_per_unit": 1, "max_sites_per_unit": 1, "rows_max": 1000}
    return Schema.from_dict({"tables": {"t": table | settings | {"columns": columns}}})


def groups(count, **more):
    return {"type": "categorical", "domain": [f"g{number}" for number in range(count)], **more}


NUMBER = {"type": "numeric", "lower": -40, "upper": 60, "resolution": 1}
COLUMNS = {"a": groups(3), "b": groups(2, nullable=True), "c": {"type": "boolean"}, "x": NUMBER}


def plan(arguments, known=None, epsilon=1, context=CONTEXT):
    question = {"statistic": "cube", "table": "t", "arguments": arguments}
    return make_statistic_plan(
        question, mode="private", epsilon=Fraction(epsilon), schema=known or schema(COLUMNS), context=context
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(["SUM(x)", "STDDEV(x)", "AVG(x)"]), max_size=1),
    st.integers(1, 3),
)
def test_the_charged_sensitivity_is_the_most_that_one_person_changes(dimensions, measures, sites):
    """One person's integers in every block, over the values at the ends and in the middle, against each event's norm."""
    known = schema(COLUMNS, max_sites_per_unit=sites)
    found = plan({"dimensions": dimensions, "measures": ["COUNT(*)", *measures]}, known)
    counts, cube = found.counts, found.statistic
    n_sets, total = len(cube.sets), Fraction()
    for value in (-40, 10, 60, 0):
        spent = Fraction()
        for number, block in enumerate(counts.blocks):
            spec = cube.figures[number // n_sets]
            moved = value - spec.center
            added = {Measure.SUM: moved, Measure.SQUARES: moved**2 - spec.offset}.get(spec.measure, 1)
            spent += Fraction((sites * added * block.weight) ** 2, block.sigma2_local)
        total = max(total, spent)
    charged = sum(event.l2**2 / event.sigma2_local for event in counts.cost)
    assert total <= charged
    assert charged <= total * Fraction(102, 100) or len(measures) == 1


def test_every_figure_of_a_unit_is_clamped_and_the_figures_add_up():
    found = plan({"dimensions": ["a", "b", "c"], "measures": ["STDDEV(x)"]})
    counts = found.counts
    assert counts.n_figures == sum(counts.sizes) == found.statistic.n_figures == len(counts.clamps)
    assert counts.opened == tuple(range(counts.n_figures))
    assert [slice_.stop - slice_.start for slice_ in counts.slices] == list(counts.sizes)
    assert len(found.statistic.every_step()[0].clamps) == counts.n_figures


def test_a_cube_of_more_cells_than_allowed_is_refused_before_anything_is_planned():
    wide = schema({name: groups(30) for name in ("a", "b", "c", "d", "e")})
    with pytest.raises(InvalidRequestError, match=r"cube of 810000 cells.*at most 100000"):
        plan({"dimensions": ["a", "b", "c", "d"]}, wide)
    with pytest.raises(InvalidRequestError, match="at most 100000"):
        plan(
            {"dimensions": ["a", "b", "c"], "measures": ["SUM(x)"] * 1 + ["COUNT(*)"]},
            schema({name: groups(47) for name in "abc"} | {"x": NUMBER}),
        )
    assert plan({"dimensions": ["a", "b", "c"]}, wide).counts.n_figures == 30**3 + 3 * 30**2 + 3 * 30


def test_a_dimension_without_public_groups_and_units_of_several_rows_are_refused():
    with pytest.raises(PlanRejectedError, match="x has no bins"):
        plan({"dimensions": ["x"]})
    several = schema({"id": {"type": "identifier"}, "a": groups(2)}, privacy_unit="id", max_rows_per_unit=3)
    with pytest.raises(PlanRejectedError, match="may have several"):
        plan({"dimensions": ["a"]}, several)


def truth_of(cube, people):
    """Figures of every block, one person after the other."""
    labels = [[str(label) for label in each.labels] for each in cube.query.groups]
    blocks = []
    for spec, each in itertools.product(cube.figures, cube.sets):
        table = np.zeros([len(labels[key]) for key in each.keys])
        for person in people:
            moved = person["x"] - spec.center
            added = {Measure.SUM: moved, Measure.SQUARES: moved**2 - spec.offset}.get(spec.measure, 1)
            table[tuple(labels[key].index(str(person[cube.axes[key].name])) for key in each.keys)] += added
        blocks.append(table.ravel())
    return blocks


class Source:
    """Bytes of a seed: the same draws in every run."""

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def bytes(self, n, /):
        return self.generator.bytes(n)


def released(found, truth, draws, seed=5):
    """So many releases: the truth, weighted, with the noise of every site; shape of each block ``(draws, cells)``."""
    source, counts = Source(seed), found.counts
    noisy = []
    for block, values in zip(counts.blocks, truth, strict=True):
        noise = sum(
            discrete_gaussian(block.sigma2_local, draws * values.size, source).astype(float)
            for _ in range(found.context.n_sites)
        )
        noisy.append(values + noise.reshape(draws, -1) / block.weight)
    return noisy


ASKED = (
    "SELECT COUNT(*) AS n FROM t",
    "SELECT a, COUNT(*) AS n, SUM(x) AS s, AVG(x) AS m, VAR_SAMP(x) AS v FROM t GROUP BY a",
    "SELECT c, COUNT(*) AS n FROM t WHERE a <> 'g0' OR b = 'g1' GROUP BY c",
    "SELECT a, b, c, COUNT(*) AS n FROM t GROUP BY a, b, c",
)


def people_of(count):
    generator = np.random.default_rng(count)
    return [
        {
            "a": f"g{generator.integers(3)}",
            "b": [None, "g0", "g1"][generator.integers(3)],
            "c": bool(generator.integers(2)),
            "x": int(generator.integers(-40, 61)),
        }
        for _ in range(count)
    ]


def answers(found, noisy, draw, text):
    sds = [law.sd for law in found.noise]
    blocks = [(values[draw], sd) for values, sd in zip(noisy, sds, strict=True)]
    return fit_cube(found, blocks).answer(text, cost={}, receipt={})


def exact_rows(found, truth, text):
    """The rows without noise: the same questions of a fit to the true figures, whose values are exact."""
    return fit_cube(found, [(values, 1e-9) for values in truth]).answer(text, cost={}, receipt={}).rows


def test_the_rows_without_noise_are_those_of_people_counted_one_by_one():
    people = people_of(300)
    found = plan({"dimensions": ["a", "b", "c"], "measures": ["STDDEV(x)"]})
    truth = truth_of(found.statistic, people)
    ((whole,),) = exact_rows(found, truth, ASKED[0])
    assert whole == 300
    for name, n, total, mean, variance in exact_rows(found, truth, ASKED[1]):
        xs = [each["x"] for each in people if each["a"] == name]
        assert (n, total) == (len(xs), sum(xs))
        assert mean == pytest.approx(np.mean(xs))
        assert variance == pytest.approx(np.var(xs, ddof=1), rel=1e-6)
    for c, n in exact_rows(found, truth, ASKED[2]):
        assert n == sum(each["c"] == c and (each["a"] != "g0" or each["b"] == "g1") for each in people)
    for a, b, c, n in exact_rows(found, truth, ASKED[3]):
        assert n == sum((each["a"], each["b"], each["c"]) == (a, b, c) for each in people)


def test_a_site_scans_every_marginal_over_the_same_rows():
    duckdb = pytest.importorskip("duckdb")
    found = plan({"dimensions": ["a", "b"], "measures": ["SUM(x)"]})
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (a INTEGER, b INTEGER, x INTEGER)")
    connection.execute("INSERT INTO t VALUES (0, 1, 5), (2, NULL, 7), (NULL, 0, 9), (1, 0, NULL), (2, 1, -3)")
    rows = connection.execute(found.counts.local_sql).fetchall()
    sizes, total, first = found.counts.query.set_sizes, {}, 0
    for size in sizes:
        of_set = [row for row in rows if first <= row[0] < first + size]
        total[first] = (sum(row[1] for row in of_set), sum(row[2] for row in of_set))
        first += size
    assert set(total.values()) == {(3, 5 + 7 - 3 - 3 * 10)}  # the rows with a and x, whose middle is 10


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("text", ASKED)
def test_intervals_of_a_cube_cover(text):
    """Coverage of at least 94 % is rejected at 1e-6 (binomial) nowhere; 4,000 releases."""
    draws, people = 4_000, people_of(400)
    found = plan({"dimensions": ["a", "b", "c"], "measures": ["STDDEV(x)"]})
    truth = truth_of(found.statistic, people)
    noisy = released(found, truth, draws)
    expected = exact_rows(found, truth, text)
    figures = [number for number, column in enumerate(expected[0]) if type(column) in {int, float}]
    inside = []
    for draw in range(draws):
        bounds = answers(found, noisy, draw, text).interval_rows()
        inside.append(
            [
                [found_row[n][0] <= row[n] <= found_row[n][1] for n in figures]
                for row, found_row in zip(expected, bounds, strict=True)
            ]
        )
    covered = np.array(inside).sum(axis=0)
    least = 0.94 * draws - 4.9 * math.sqrt(draws * 0.94 * 0.06)
    assert covered.min() >= least, covered / draws
    print(text, covered.min() / draws, covered.max() / draws)


@pytest.mark.slow
def test_the_fitted_figures_vary_as_their_standard_errors_say():
    """Before values are moved into their public range: each cell's spread over releases, from all sites' noise."""
    draws = 4_000
    found = plan({"dimensions": ["a", "b", "c"]})
    truth = truth_of(found.statistic, people_of(200))
    noisy = released(found, truth, draws, seed=9)
    sds = [law.sd for law in found.noise]
    fits = [
        fit_cube(found, [(values[draw], sd) for values, sd in zip(noisy, sds, strict=True)]).measures[0]
        for draw in range(draws)
    ]
    for axes in ((), (0,), (1, 2), (0, 1, 2)):
        tables = np.array([each.table(axes) for each in fits])
        spread = fits[0].group_variances(axes, tuple(range(len(axes))), (), np.ones(tables.shape[1:]))
        np.testing.assert_allclose(tables.var(axis=0), spread, rtol=0.15)
        lost = tuple(axis for axis in range(3) if axis not in axes)
        exact = truth[0].reshape(found.statistic.shape).sum(axis=lost)
        assert np.all(np.abs(tables.mean(axis=0) - exact) < 5 * np.sqrt(spread / draws))


def test_the_noise_of_a_heavier_marginal_is_less():
    found = plan({"dimensions": ["a", "b", "c"]})
    weights = [each.weight for each in found.statistic.sets]
    products = [law.sd * weight for law, weight in zip(found.noise, weights, strict=True)]
    np.testing.assert_allclose(products, products[0])


FACTS = {"configuration": "1" * 64, "cohort": {"anna": "aa", "bert": "bb"}, "version": "1.0"}


@pytest.mark.parametrize(
    ("columns", "table"),
    [
        (COLUMNS | {"x": NUMBER | {"upper": 61}}, {}),
        (COLUMNS | {"x": NUMBER | {"nullable": True}}, {}),
        (COLUMNS | {"a": {"type": "categorical", "domain": ["g1", "g0", "g2"]}}, {}),
        (COLUMNS | {"a": groups(4)}, {}),
        (COLUMNS | {"y": NUMBER}, {}),
        (COLUMNS, {"rows_max": 1001}),
        (COLUMNS, {"max_sites_per_unit": 2}),
    ],
)
def test_attack_a_cube_of_an_earlier_schema_has_another_identity(columns, table):
    asked = {"dimensions": ["a", "c"], "measures": ["SUM(x)"]}
    earlier, now = plan(asked), plan(asked, schema(columns, **table))
    assert cube_identities(earlier, FACTS) == cube_identities(plan(asked), FACTS)
    assert not set(cube_identities(earlier, FACTS)) & set(cube_identities(now, FACTS))


@pytest.mark.parametrize(
    "changed",
    [
        {"configuration": "2" * 64},
        {"version": "1.1"},
        {"cohort": {"anna": "aa"}},
        {"cohort": {"anna": "aa", "bert": "cc"}},
    ],
)
def test_attack_a_cube_of_another_agreement_version_or_cohort_has_another_identity(changed):
    found = plan({"dimensions": ["a", "c"]})
    assert not set(cube_identities(found, FACTS)) & set(cube_identities(found, FACTS | changed))


NONNEGATIVE = (
    "SELECT COUNT(*) AS n FROM t",
    "SELECT c, COUNT(*) AS n FROM t GROUP BY c",
    "SELECT a, b, COUNT(*) AS n FROM t GROUP BY a, b",
    "SELECT c, COUNT(*) AS n FROM t WHERE a <> 'g0' OR b = 'g1' GROUP BY c",
    "SELECT a, b, c, COUNT(*) AS n FROM t GROUP BY a, b, c",
)


def nonnegative(found, noisy, draw):
    sds = [law.sd for law in found.noise]
    cube = fit_cube(found, [(values[draw], sd) for values, sd in zip(noisy, sds, strict=True)])
    return [cube.answer(text, cost={}, receipt={}, nonnegative=True) for text in NONNEGATIVE]


def coverage_of_nonnegative(people, draws):
    found = plan({"dimensions": ["a", "b", "c"]})
    truth = truth_of(found.statistic, people)
    noisy = released(found, truth, draws)
    expected = [[row[-1] for row in exact_rows(found, truth, text)] for text in NONNEGATIVE]
    inside = [np.zeros(len(each)) for each in expected]
    for draw in range(draws):
        for number, result in enumerate(nonnegative(found, noisy, draw)):
            ends = [row[-1] for row in result.interval_rows(0.95)]
            inside[number] += [
                low <= true <= high for (low, high), true in zip(ends, expected[number], strict=True)
            ]
    return np.concatenate(inside)


@pytest.mark.parametrize("count", [0, 9, 400])
def test_nonnegative_counts_are_consistent_have_no_standard_error_and_hold_in_their_intervals(count):
    draws = 30
    found = plan({"dimensions": ["a", "b", "c"]})
    noisy = released(found, truth_of(found.statistic, people_of(count)), draws, seed=count)
    for draw in range(draws):
        results = nonnegative(found, noisy, draw)
        totals = [sum(row[-1] for row in result.rows) for result in results]
        for place in (1, 2, 4):  # shown as whole numbers
            assert totals[place] == pytest.approx(totals[0], abs=len(results[place].rows) / 2 + 0.5)
        for result in results:
            for row, error, ends in zip(result.rows, result.errors, result.interval_rows(), strict=True):
                assert error[-1] is None
                assert 0 <= ends[-1][0] <= row[-1] <= ends[-1][1]
            assert not any(map(any, result.samplings))
            with pytest.raises(InvalidRequestError, match="nonnegative table, which are biased"):
                result.interval(sampling=True)


def test_intervals_of_nonnegative_counts_cover_in_a_few_draws():
    assert coverage_of_nonnegative(people_of(9), 40).min() >= 30


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [0, 9, 400])
def test_intervals_of_nonnegative_counts_cover(count):
    draws = 3_000
    covered = coverage_of_nonnegative(people_of(count), draws)
    print(count, covered.min() / draws, covered.max() / draws)
    for each in covered:
        assert stats.binomtest(int(each), draws, 0.95, alternative="less").pvalue > 1e-6


def test_nonnegative_figures_are_counts_alone():
    found = plan({"dimensions": ["a", "c"], "measures": ["SUM(x)"]})
    cube = fit_cube(found, [([5.0] * size, 1.0) for size in found.counts.sizes])
    with pytest.raises(PlanRejectedError, match="nonnegative figures are counts"):
        cube.answer("SELECT a, AVG(x) AS m FROM t GROUP BY a", cost={}, receipt={}, nonnegative=True)
    ordered = cube.answer(
        "SELECT c, COUNT(*) AS n FROM t GROUP BY c ORDER BY n DESC LIMIT 1",
        cost={},
        receipt={},
        nonnegative=True,
    )
    assert len(ordered.rows) == 1


def independent_people(count, generator):
    """People of whom no column tells another."""
    return [
        {"a": f"g{min(2, generator.integers(5))}", "b": "g0", "c": bool(generator.random() < 0.3), "x": 0}
        for _ in range(count)
    ]


def rejections(count, draws):
    """How often independence is rejected at 5 % where it holds; new people and new noise in each draw."""
    found, generator, rejected = plan({"dimensions": ["a", "c"]}), np.random.default_rng(count), 0
    sds = [law.sd for law in found.noise]
    for draw in range(draws):
        truth = truth_of(found.statistic, independent_people(count, generator))
        noisy = released(found, truth, 1, seed=draw)
        cube = fit_cube(found, [(values[0], sd) for values, sd in zip(noisy, sds, strict=True)])
        rejected += cube.chi_square("a", "c").pvalue <= 0.05
    return rejected


def test_chi_square_of_a_cube_names_where_its_p_value_comes_from():
    found = plan({"dimensions": ["a", "c"]})
    cube = fit_cube(found, [([50.0] * size, 3.0) for size in found.counts.sizes])
    answer = cube.chi_square("a", "c")
    assert answer.pvalue_from == "the noise's law, 1999 simulated tables"
    assert answer.values()["pvalue_from"] == answer.pvalue_from


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("count", [40, 300])
def test_chi_square_of_a_cube_rejects_true_independence_in_one_of_twenty(count):
    draws = 2_000
    found = rejections(count, draws)
    print(count, found / draws)
    assert stats.binomtest(found, draws, 0.05, alternative="greater").pvalue > 1e-6
