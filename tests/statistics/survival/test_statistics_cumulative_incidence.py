"""Cumulative incidence of competing causes: statsmodels' without noise, guarded cause by cause, covering with noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld
from survival_reference import TABLES, columns_of, frame_of, rows_of

from analytics.disclosure.site_noise import noisy_contribution
from analytics.errors import InvalidRequestError, PlanRejectedError
from analytics.statistics.life_tables.incidence import incidences_of

ASKED = {"duration": "days", "cause": "cause", "censored": "none"}
COMPETING = [name for name in TABLES if name != "heart_failure"]


def counted(name, n_causes=2):
    """Events of each cause and those at risk, person by person."""
    rows, count = rows_of(name), len(TABLES[name]["edges"]) - 1
    events = [
        [((rows.time == k + 1) & (rows.event == j + 1)).sum() for k in range(count)] for j in range(n_causes)
    ]
    return np.array(events, float), np.array([(rows.time > k).sum() for k in range(count)], float)


@pytest.mark.parametrize("name", COMPETING)
def test_over_shares_without_a_guard_it_is_that_of_statsmodels(name):
    world = StatisticWorld(frame_of(name), columns_of(name), minimum_cell=0)
    frame = world.ask("cumulative_incidence", **ASKED).frame
    for cause, key in (("first", "1"), ("second", "2")):
        mine, oracle = frame[frame.cause == cause], TABLES[name]["incidences"][key]
        assert mine.incidence.to_numpy(float) == pytest.approx(oracle["value"], rel=1e-9, abs=1e-12)
        known = np.array([np.nan if each is None else each for each in oracle["error"]])
        has = ~np.isnan(known)  # where no person is left statsmodels divides by zero
        assert mine.standard_error.to_numpy(float)[has] == pytest.approx(known[has], rel=1e-9, abs=1e-12)
        assert mine.events.sum() == (world.frame.cause == cause).sum()


def test_limits_are_on_the_scale_of_log_minus_log():
    events, at_risk = counted("random 1")
    found = incidences_of(events, at_risk, 0.0)[0]
    low, high = found.interval(0.9)
    power = np.exp(stats.norm.ppf(0.95) * found.sampling / (found.value * np.log(found.value)))
    assert low == pytest.approx(found.value ** (1 / power), rel=1e-9)
    assert high == pytest.approx(found.value**power, rel=1e-9)


def test_an_interval_with_one_event_of_one_cause_closes_it_and_all_later_ones():
    """The attack: the step of one cause's incidence at an interval with one event is that person."""
    frame = frame_of("random 1")
    frame = frame.loc[frame.index.repeat(12)]
    columns = columns_of("random 1")
    early = frame.days < TABLES["random 1"]["edges"][3]
    frame = frame[early]
    few = frame.copy()
    second = (few.days >= TABLES["random 1"]["edges"][1]) & (few.days < TABLES["random 1"]["edges"][2])
    second &= few.cause == "second"
    few = few[~second | (second.cumsum() <= 1)]
    found = {}
    for name, data in (("many", frame), ("few", few)):
        answer = StatisticWorld(data, columns, rows_max=5000).ask("cumulative_incidence", **ASKED)
        found[name] = answer.frame.incidence.notna().to_numpy().reshape(2, -1)
        assert not answer.closed
    assert found["many"][:, :2].all()
    assert found["few"].sum() == 2  # the first interval, of both causes
    assert found["few"][:, 0].all()


def test_without_noise_a_private_answer_is_the_exact_one():
    world = StatisticWorld(frame_of("random 2"), columns_of("random 2"), minimum_cell=0)
    plan = world.plan("cumulative_incidence", epsilon="1", by="arm", **ASKED)
    exact = world.plan("cumulative_incidence", by="arm", **ASKED)
    cells = np.sum(world.scanned(plan), axis=0)[list(plan.statistic.places)]
    silent = [type(law)(n_sites=law.n_sites, sigma2_local=0, weight=1) for law in plan.noise]
    one = plan.statistic.estimate((cells,), silent).frame
    other = exact.statistic.estimate((exact.statistic._figures()[0] @ cells,), ()).frame
    numbers = one.columns.drop(["group", "cause", "too_few"])
    assert one[numbers].to_numpy(float) == pytest.approx(other[numbers].to_numpy(float), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("epsilon", "trials"),
    [("1", 400), *(pytest.param(each, 4_000, marks=pytest.mark.slow) for each in ("0.3", "1", "3"))],
)
def test_limits_of_4000_releases_cover(epsilon, trials):
    frame, columns = frame_of("random 3"), columns_of("random 3")
    world = StatisticWorld(frame, columns)
    plan = world.plan("cumulative_incidence", epsilon=epsilon, **ASKED)
    own, source, generator = world.scanned(plan), np.random.default_rng(3), np.random.default_rng(4)
    places, law, count = list(plan.statistic.places), plan.noise[0], plan.statistic.n_intervals
    true = np.sum(own, axis=0)[places].reshape(count, 3).astype(float)

    def made(cells, sd):
        at_risk = np.cumsum(cells.sum(axis=1)[::-1])[::-1]
        return incidences_of(cells[:, 1:].T, at_risk, sd)

    known = [each.value for each in made(true, 0.0)]
    hits = np.zeros((4, count))
    for _ in range(trials):
        opened = sum(noisy_contribution(plan.counts, rows, source) for rows in own)[places]
        noise = (opened / law.weight).reshape(true.shape) - true
        drawn = generator.multinomial(int(true.sum()), (true / true.sum()).ravel()).reshape(true.shape)
        for first, cells, part in ((0, true + noise, "noise"), (2, drawn + noise, "both")):
            for cause, found in enumerate(made(cells, law.sd)):
                low, high = found.interval(part=part)
                hits[first + cause] += (low - 1e-12 <= known[cause]) & (known[cause] <= high + 1e-12)
    for covered in hits.ravel():
        assert stats.binomtest(int(covered), trials, 0.94, alternative="less").pvalue > 1e-6, hits / trials


@given(
    st.lists(st.tuples(*[st.integers(-40, 300)] * 3), min_size=1, max_size=10),
    st.sampled_from([0.0, 0.7, 9.0, 40.0]),
)
@settings(max_examples=60, deadline=None)
def test_law_incidences_rise_within_their_limits(cells, noise_sd):
    cells = np.array(cells, dtype=np.float64)
    cells = np.maximum(cells, 0.0) if noise_sd == 0 else cells
    at_risk = np.cumsum(cells.sum(axis=1)[::-1])[::-1]
    for found in incidences_of(cells[:, 1:].T, at_risk, noise_sd):
        for part in ("both", "noise", "sampling"):
            low, high = found.interval(part=part)
            assert not np.isnan([low, high, found.value]).any()
            assert np.all(
                (low >= 0) & (low <= found.value + 1e-12) & (found.value <= high + 1e-12) & (high <= 1)
            )
        assert np.all(np.diff(found.value) >= 0)


def test_empty_data_give_ordinary_private_answers():
    world = StatisticWorld(frame_of("random 0").iloc[:0], columns_of("random 0"))
    answer = world.ask("cumulative_incidence", epsilon="1", by="arm", **ASKED)
    assert answer.frame.incidence.notna().all()
    assert [curve.label for curve in answer.picture().curves][:2] == ["0: first", "0: second"]
    assert world.ask("cumulative_incidence", by="arm", **ASKED).closed == "minimum_cell"


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        (
            {"censored": "alive"},
            InvalidRequestError,
            "is no category of cause, which has none, first, second",
        ),
        ({"cause": "died"}, PlanRejectedError, "died must have categories"),
        ({"by": "cause"}, InvalidRequestError, "another column than duration and cause"),
        ({"duration": "arm"}, PlanRejectedError, "must be numeric"),
    ],
)
def test_arguments_are_refused_before_a_charge(changed, error, text):
    world = StatisticWorld(frame_of("random 0"), columns_of("random 0"))
    with pytest.raises(error, match=text):
        world.plan("cumulative_incidence", epsilon="1", **ASKED | changed)
