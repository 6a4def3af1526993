"""Statistics of one whole table: what every one of them owes, whatever it says of the table."""

import numpy as np
import pytest
from scipy import stats
from statistic_world import StatisticWorld
from table_world import frame_of, released, table_world

from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.tables import independence
from analytics.statistics.uncertainty.delta_method import figure

PAIR = {"a": "a", "b": "b"}
STRATA = {"by": "a", "exposure": "b", "outcome": "c"}
SQUARE = [[40, 22], [18, 55]]
DEEP = [[[40, 22], [18, 55]], [[30, 12], [25, 31]]]
TREND = [[40, 22], [18, 55], [30, 31]]
SAME = [[195, 105], [50, 150], [100, 100]]
CHANCES = {"calibration", "levene", "net_benefit", "signed_rank"}
# of each statistic its arguments, a table, whether both columns have one domain, and a table without an effect
CASES = {
    "cochran_armitage": ({"by": "a", "outcome": "b"}, TREND, False, [[50, 100]] * 3),
    "cohens_kappa": (PAIR, SQUARE, True, None),
    "g_computation": (
        {"exposure": "a", "outcome": "b", "confounders": ["c"]},
        DEEP,
        False,
        None,
    ),
    "fisher_exact": (PAIR, SQUARE, False, None),
    "policy_value": (
        {"treatment": "a", "outcome": "b", "confounders": ["c"], "policies": ["a1", "c=a1/a0"]},
        DEEP,
        False,
        None,
    ),
    "g_test": (PAIR, TREND, False, [[50, 100]] * 3),
    "kendall": (PAIR, TREND, False, [[50, 100]] * 3),
    "ks_test": (
        {"by": "a", "column": "b"},
        [[40, 22, 31], [18, 55, 20]],
        False,
        [[50, 80, 70], [100, 160, 140]],
    ),
    "levene": ({"column": "a", "by": "b"}, TREND, False, None),
    "mutual_information": (PAIR, TREND, False, [[50, 100]] * 3),
    "spearman": (PAIR, TREND, False, [[50, 100]] * 3),
    "signed_rank": (
        PAIR,
        [[40, 22, 18], [30, 55, 31], [12, 20, 61]],
        True,
        [[90, 45, 20], [45, 80, 35], [20, 35, 70]],
    ),
    "mantel_haenszel": (STRATA, DEEP, False, [[[60, 90], [40, 60]], [[40, 20], [80, 40]]]),
    "mcnemar": (PAIR, SQUARE, True, [[150, 45], [45, 160]]),
    "calibration": ({"score": "a", "truth": "b"}, TREND, False, None),
    "diagnostic_accuracy": ({"test": "a", "truth": "b"}, SQUARE, False, None),
    "net_benefit": ({"score": "a", "truth": "b"}, TREND, False, None),
    "smr": ({"strata": "a", "outcome": "b", "rates": [0.35, 0.75, 0.5]}, TREND, False, SAME),
    "standardised_rate": (
        {"by": "a", "strata": "b", "outcome": "c", "standard": [2, 3]},
        DEEP,
        False,
        None,
    ),
    "two_proportions": ({"by": "a", "outcome": "b"}, SQUARE, False, [[100, 60], [150, 90]]),
}
PRIVATE = sorted(set(CASES) - {"fisher_exact", "levene"})
FEW = {"cohens_kappa", "g_test", "mantel_haenszel", "net_benefit", "smr", "signed_rank"}  # of every kind one
TESTS = sorted(name for name in PRIVATE if CASES[name][3])


def named(names):
    """All of them, and by default one of every kind."""
    return [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in sorted(names)]


def world_of(name, table=None, **fields):
    _, own, paired, _ = CASES[name]
    return table_world(own if table is None else table, paired=paired, chances=name in CHANCES, **fields)


def asked(name):
    return CASES[name][0]


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize(
    "few", [pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.slow), 9]
)
def test_one_cell_below_the_minimum_closes_all_and_looks_like_none(name, few):
    """The attacks: a person alone in a cell, a zero, and margins that would give the cell."""
    table = np.array(CASES[name][1])
    table[(0,) * table.ndim] = few
    world = world_of(name, table)
    plan = world.plan(name, **asked(name))
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    assert opened.tolist() == [0] * (table.size + 1)
    answer = world.ask(name, **asked(name))
    assert (answer.closed, answer.statistic, answer.pvalue) == ("minimum_cell", None, None)
    assert (dict(answer.figures), answer.counts, len(answer.frame)) == ({}, (), 0)


@pytest.mark.parametrize("name", named(CASES))
def test_the_least_open_table_opens_and_a_unit_at_several_sites_closes_it(name):
    table = np.array(CASES[name][1])
    table[(0,) * table.ndim] = 10
    assert world_of(name, table).ask(name, **asked(name)).closed == ""
    assert world_of(name, table, max_sites_per_unit=3).ask(name, **asked(name)).closed == "minimum_cell"


@pytest.mark.parametrize("name", named(CASES))
def test_how_rows_are_dealt_to_sites_changes_nothing(name):
    answers = [world_of(name, seed=seed).ask(name, **asked(name)).values() for seed in (1, 2)]
    assert answers[0] == answers[1]
    world = world_of(name)
    frame, alone = world.frame, world.frame.a == world.frame.a.dropna().iloc[0]
    parts = [frame.iloc[:0], frame[alone], frame[~alone]]  # a category at one site alone
    columns = world.schema.tables["patients"].to_dict()["columns"]
    split = StatisticWorld(frame, columns, parts=parts)
    assert split.ask(name, **asked(name)).values() == answers[0]


@pytest.mark.parametrize("name", named(PRIVATE))
def test_a_private_answer_is_one_release_without_a_guard_whatever_the_data(name, monkeypatch):
    monkeypatch.setattr(independence, "REPLICATES", 99)
    world = world_of(name)
    plan = world.plan(name, epsilon="1", **asked(name))
    assert (len(plan.cost), plan.has_products) == (1, False)
    empty = np.zeros(np.shape(CASES[name][1]), dtype=int)
    for table in (empty, np.where(np.arange(empty.size).reshape(empty.shape) == 0, 50, 0), None):
        answer = world_of(name, table).ask(name, epsilon="0.5", **asked(name))
        assert answer.closed == ""
        assert len(answer.counts) == empty.size
        if name in TESTS:
            assert 0 < answer.pvalue <= 1
    generator = np.random.default_rng(4)
    for _ in range(8):
        answer = plan.statistic.estimate(released(plan, empty, generator), plan.noise)
        assert answer.closed == ""
        str(answer), answer._repr_html_(), answer.to_dict()


@pytest.mark.parametrize("name", named(PRIVATE))
def test_without_noise_the_private_answer_is_the_exact_one(name):
    table = np.array(CASES[name][1]) * 10
    world = world_of(name, table)
    options = {"correction": False} if name in {"g_test", "mcnemar"} else {}
    exact = world.ask(name, **asked(name), **options)
    private = world.clear(name, epsilon="60", **asked(name), **options)
    assert private.counts == exact.counts
    if exact.statistic is not None:
        assert private.statistic == pytest.approx(exact.statistic, rel=1e-12)
    for key, each in exact.figures.items():
        assert private.figures[key].value == pytest.approx(each.value, rel=1e-12)
        assert private.figures[key].sampling_error == pytest.approx(each.sampling_error, rel=1e-12)
        assert private.figures[key].noise_error > 0
    assert world.clear(name, epsilon="1", **asked(name)) == world.clear(name, epsilon="1", **asked(name))


def truth_of(plan, table):
    """The figures of a population: its shares, on a table so large that rounding says nothing."""
    exact = plan.statistic.answer(np.array(table, dtype=float) * 1e6, None, np.zeros(1, dtype=np.int64))
    return {name: each.value for name, each in exact.figures.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("epsilon", ["0.7", "3"])
def test_private_intervals_of_4000_releases_cover(name, epsilon, monkeypatch):
    monkeypatch.setattr(independence, "REPLICATES", 3)
    table = np.array(CASES[name][1]) * 6
    plan = world_of(name).plan(name, epsilon=epsilon, **asked(name))
    truth, generator = truth_of(plan, table), np.random.default_rng(9)
    if not truth:
        pytest.skip("has no interval")
    trials, total = 4000, int(table.sum())
    hit, given = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for _ in range(trials):
        drawn = generator.multinomial(total, table.ravel() / total)
        answer = plan.statistic.estimate(released(plan, drawn, generator), plan.noise)
        for key, value in truth.items():
            low, high = answer.figures[key].interval()
            given[key] += low is not None
            hit[key] += low is not None and low <= value <= high
    for key, count in hit.items():
        assert given[key] == trials, (key, given)
        assert stats.binomtest(count, trials, 0.94, alternative="less").pvalue > 1e-6, (key, count / trials)
        if name != "smr":  # its cases are taken as Poisson's; of common outcomes they vary half as much
            assert count < 0.985 * trials, (key, count / trials)


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", ["1", "3"])
def test_intervals_and_level_of_4000_private_smrs_of_a_rare_outcome(epsilon):
    """Where the outcome is rare its cases are Poisson's, and intervals are not wider than they say."""
    rates = np.array([0.02, 0.04, 0.06])
    plan = world_of("smr", rows_max=20_000).plan(
        "smr", epsilon=epsilon, strata="a", outcome="b", rates=rates.tolist()
    )
    persons, generator, trials = np.array([9_000, 8_000, 4_000]), np.random.default_rng(2), 4000
    for ratio in (1.0, 1.3):
        hit, rejected = 0, 0
        for _ in range(trials):
            cases = generator.binomial(persons, ratio * rates)
            drawn = np.stack([persons - cases, cases], axis=1).ravel()
            answer = plan.statistic.estimate(released(plan, drawn, generator), plan.noise)
            low, high = answer.figures["smr"].interval()
            hit += low <= ratio <= high
            rejected += answer.pvalue <= 0.05
        assert stats.binomtest(hit, trials, 0.94, alternative="less").pvalue > 1e-6, hit / trials
        assert hit < 0.985 * trials, hit / trials
        if ratio == 1:
            assert stats.binomtest(rejected, trials, 0.06, alternative="greater").pvalue > 1e-6, rejected
            assert rejected > 0.01 * trials
        else:
            assert rejected > 0.9 * trials


@pytest.mark.slow
@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("epsilon", ["0.3", "2"])
def test_pvalues_of_4000_releases_keep_their_level(name, epsilon, monkeypatch):
    monkeypatch.setattr(independence, "REPLICATES", 199)
    table = np.array(CASES[name][3])
    plan = world_of(name).plan(name, epsilon=epsilon, **asked(name))
    generator, trials, rejected, others = np.random.default_rng(8), 4000, 0, 0
    for _ in range(trials):
        drawn = generator.multinomial(int(table.sum()), table.ravel() / table.sum())
        answer = plan.statistic.estimate(released(plan, drawn, generator), plan.noise)
        rejected += answer.pvalue <= 0.05
        others += answer.tests.get("breslow_day_pvalue", 0.5) <= 0.05
    for count in (rejected, others):
        assert stats.binomtest(count, trials, 0.06, alternative="greater").pvalue > 1e-6, count
    if name != "smr":
        assert rejected > 0.01 * trials


@pytest.mark.parametrize("name", sorted(CASES))
def test_arguments_are_refused_before_a_charge(name):
    world = world_of(name)
    good = asked(name)
    first, second = list(good)[:2]
    with pytest.raises(InvalidRequestError, match=r"is missing"):
        world.plan(name, **{first: good[first]})
    with pytest.raises(InvalidRequestError, match=r"another column|two groups"):
        world.plan(name, **good | {second: good[first]})
    with pytest.raises(PlanRejectedError, match="unknown column"):
        world.plan(name, **good | {first: "z"})
    with pytest.raises(InvalidRequestError, match="is not an argument"):
        world.plan(name, **good, z=1)
    other = StatisticWorld(
        world.frame, world.schema.tables["patients"].to_dict()["columns"], exact_dimensions=["a"]
    )
    with pytest.raises(PlanRejectedError, match="may not stand"):
        other.plan(name, **good)


def test_a_figure_with_its_gradient_equals_small_differences():
    cells = np.array([[40.0, 22], [18, 55]])
    everyone = np.ones((2, 2), dtype=bool)

    def function(tables):
        return np.log(tables[:, 0, 0] / tables[:, 1, 1]) + np.sqrt(tables[:, 0, 1] / tables.sum(axis=(1, 2)))

    found = figure(function, cells, 2.0, needs=[everyone])
    slopes = np.zeros((2, 2))
    for place in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[place] = 1e-5
        slopes[place] = (function((cells + step)[None]) - function((cells - step)[None]))[0] / 2e-5
    assert found.sampling_error == pytest.approx(np.sqrt((slopes**2 * cells).sum()), rel=1e-7)
    assert found.noise_error == pytest.approx(2 * np.sqrt((slopes**2).sum()), rel=1e-7)
    assert figure(function, cells, 10.0, needs=[everyone]).value is not None
    assert figure(function, cells, 17.0, needs=[everyone]).value is None  # 135 is below 4 * 17 * 2
    assert figure(function, cells * 0, 0.0, needs=[everyone]).value is None


def test_an_answer_refuses_unknown_figures_and_levels():
    answer = world_of("cohens_kappa").ask("cohens_kappa", **PAIR)
    with pytest.raises(InvalidRequestError, match="kappa"):
        answer.interval("odds_ratio")
    with pytest.raises(InvalidRequestError, match="level"):
        answer.interval("kappa", 1.0)
    assert answer.frame.loc["kappa", "low"] == answer.interval("kappa")[0]
    assert answer.table.to_numpy().tolist() == SQUARE


def test_frames_have_a_value_lost_in_every_nullable_column():
    frame = frame_of(SQUARE, missing=7)
    assert (frame.a.isna().sum(), len(frame)) == (7, np.sum(SQUARE) + 7)
