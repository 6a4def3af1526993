"""Survival curves equal lifelines' on gridded times, and private limits cover as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statistic_world import StatisticWorld
from survival_reference import TABLES, cells_of, columns_of, frame_of, rows_of, table_of

from analytics.disclosure.site_noise import noisy_contribution
from analytics.errors import InvalidRequestError
from analytics.statistics.life_tables.curve_answer import kaplan_meier_of
from analytics.statistics.life_tables.curves import hazard_interval
from analytics.statistics.life_tables.group_table import limits_of

ASKED = {"duration": "days", "event": "died"}
GROUPS = [(name, group) for name, table in TABLES.items() for group in table["curves"]]


def known(values):
    return np.array([math.nan if value is None else value for value in values])


@pytest.mark.parametrize(("name", "group"), GROUPS)
def test_curves_limits_and_hazards_equal_those_of_lifelines(name, group):
    rows, edges, oracle = rows_of(name), TABLES[name]["edges"], TABLES[name]["curves"][group]
    table = table_of(cells_of(rows[rows.group == int(group)], len(edges) - 1), edges)
    curve = table.survival()
    assert curve.value == pytest.approx(known(oracle["survival"]), rel=1e-9, abs=1e-12)
    inside = (curve.value > 0) & (curve.value < 1)
    for found, side in zip(curve.interval(), ("low", "high"), strict=True):
        assert found[inside] == pytest.approx(known(oracle[side])[inside], rel=1e-9)
    assert table.follow_up().value == pytest.approx(known(oracle["follow_up"]), rel=1e-9, abs=1e-12)
    hazard, seen = table.hazard(), table.events.cumsum() > 0
    assert hazard.value == pytest.approx(known(oracle["hazard"]), rel=1e-9, abs=1e-12)
    for found, side in zip(hazard_interval(hazard), ("hazard_low", "hazard_high"), strict=True):
        assert found[seen] == pytest.approx(known(oracle[side])[seen], rel=1e-9)


@pytest.mark.parametrize(("name", "group"), GROUPS)
def test_quantiles_and_restricted_means_equal_those_of_lifelines(name, group):
    rows, edges, oracle = rows_of(name), TABLES[name]["edges"], TABLES[name]["curves"][group]
    table = table_of(cells_of(rows[rows.group == int(group)], len(edges) - 1), edges)
    for q, figure in ((0.5, "median"), (0.25, "upper_quartile")):
        place = table.quantile(q)[0]
        assert (None if place is None else place + 1) == oracle[figure]
    mean = table.restricted_mean(float(edges[-1]))
    assert (mean.latest, mean.earliest) == pytest.approx(
        (oracle["rmst_latest"], oracle["rmst_earliest"]), rel=1e-9
    )
    assert mean.value == pytest.approx((mean.latest + mean.earliest) / 2, rel=1e-12)
    assert mean.sampling == pytest.approx(oracle["rmst_error"], rel=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_over_shares_and_however_rows_are_dealt_the_curves_are_the_same(name):
    frame, answers = frame_of(name), []
    for seed in (1, 2):
        order = np.random.default_rng(seed).permutation(len(frame))
        parts = np.split(order, [len(frame) // 5, len(frame) // 2])
        world = StatisticWorld(
            frame, columns_of(name), minimum_cell=0, parts=[frame.iloc[part] for part in parts]
        )
        answers.append(world.ask("kaplan_meier", by="arm", **ASKED))
    assert answers[0].frame.equals(answers[1].frame)
    for group, rows in answers[0].frame.groupby("group"):
        assert rows.survival.to_numpy() == pytest.approx(
            known(TABLES[name]["curves"][group]["survival"]), abs=1e-12
        )


def test_a_curve_that_is_one_half_has_reached_its_median():
    """lifelines and SAS differ from R, which takes the middle of the step: four of six are left, then three."""
    table = table_of(np.array([[0, 2.0], [0, 1.0], [1.0, 2.0]]), [0, 10, 20, 30])
    assert table.survival().value[1] == pytest.approx(0.5, abs=1e-15)
    assert table.quantile(0.5)[0] == 1
    thirds = table_of(
        np.array([[0, 1.0]] * 6), [0, 1, 2, 3, 4, 5, 6]
    )  # 5/6 * 4/5 * 3/4 is 0.5000000000000001
    assert thirds.quantile(0.5)[0] == 2


@pytest.mark.parametrize("name", TABLES)
def test_without_noise_a_private_answer_is_the_exact_one(name):
    """The answers, not only the curves: sigma forced to 0."""
    world = StatisticWorld(frame_of(name), columns_of(name), minimum_cell=0)
    plan = world.plan("kaplan_meier", epsilon="1", by="arm", **ASKED)
    cells = np.sum(world.scanned(plan), axis=0)[list(plan.statistic.places)]
    exact = world.plan("kaplan_meier", by="arm", **ASKED)
    figures = exact.statistic._figures()[0] @ cells
    silent = [type(law)(n_sites=law.n_sites, sigma2_local=0, weight=law.weight) for law in plan.noise]
    found = plan.statistic.estimate((cells * silent[0].weight,), silent)
    again = exact.statistic.estimate((figures,), ())
    for one, other in ((found, again),):
        assert one.frame.drop(columns=["group", "too_few"]).to_numpy(float) == pytest.approx(
            other.frame.drop(columns=["group", "too_few"]).to_numpy(float), rel=1e-12, abs=1e-12
        )
        assert one.nelson_aalen().equals(other.nelson_aalen())
        assert one.follow_up().equals(other.follow_up())
        assert one.quantile().equals(other.quantile())


def releases(name, epsilon, trials, arguments, copies=1):
    """Noisy cells of a whole run at three sites with an injected source, as they are opened; and the true ones."""
    frame = frame_of(name)
    world = StatisticWorld(frame, columns_of(name), rows_max=10_000)
    plan = world.plan("kaplan_meier", epsilon=epsilon, **arguments)
    own = [rows * copies for rows in world.scanned(plan)]
    source = np.random.default_rng(31)
    places = list(plan.statistic.places)
    shape = (len(plan.statistic.names), plan.statistic.n_intervals, 2)
    true = np.sum(own, axis=0)[places].reshape(shape)
    law = plan.noise[0]
    for _ in range(trials):
        opened = sum(noisy_contribution(plan.counts, rows, source) for rows in own)[places]
        yield true, (opened / law.weight).reshape(shape), law


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("epsilon", "copies", "trials"),
    [
        ("1", 1, 500),
        *(
            pytest.param(*each, 4_000, marks=pytest.mark.slow)
            for each in [("1", 1), ("0.3", 1), ("3", 1), ("1", 17)]
        ),
    ],
)
def test_limits_of_4000_releases_cover(epsilon, copies, trials):
    """Noise alone: the curve without noise. Both: the curve of the people from whom rows are drawn."""
    edges, generator = TABLES["heart_failure"]["edges"], np.random.default_rng(8)
    tau, hits = float(edges[7]), np.zeros((8, len(edges) - 1))
    for true, noisy, law in releases("heart_failure", epsilon, trials, ASKED, copies):
        table = table_of(true[0], edges)
        follow_up = table.follow_up().value
        curve, hazard, mean = table.survival().value, table.hazard().value, table.restricted_mean(tau).value
        drawn = generator.multinomial(int(true.sum()), (true[0] / true.sum()).ravel()).reshape(true[0].shape)
        for first, cells, part in ((0, noisy[0], "noise"), (4, drawn + noisy[0] - true[0], "both")):
            found = table_of(cells, edges, law.sd)
            low, high = found.survival().interval(part=part)
            hits[first] += (low - 1e-12 <= curve) & (curve <= high + 1e-12)
            low, high = hazard_interval(found.hazard(), part=part)
            hits[first + 1] += (low - 1e-12 <= hazard) & (hazard <= high + 1e-12)
            low, high = limits_of(found.restricted_mean(tau), (0.0, tau), part=part)
            hits[first + 2] += low - 1e-9 <= mean <= high + 1e-9
            low, high = found.follow_up().interval(part=part)
            hits[first + 3] += (low - 1e-12 <= follow_up) & (follow_up <= high + 1e-12)
    for covered in hits.ravel():
        assert stats.binomtest(int(covered), trials, 0.94, alternative="less").pvalue > 1e-6, hits / trials
    assert hits[:, 0].max() < trials  # limits that cover always would say nothing


@given(
    st.lists(st.tuples(st.integers(-40, 300), st.integers(-40, 300)), min_size=1, max_size=12),
    st.floats(0.5, 40),
)
@settings(max_examples=60, deadline=None)
def test_law_whatever_the_noise_a_curve_falls_within_its_limits(cells, noise_sd):
    cells = np.array(cells, dtype=np.float64)
    table = table_of(cells, list(range(len(cells) + 1)), noise_sd)
    answer = kaplan_meier_of([table], [str(place) for place in range(len(cells))])
    for curve in (table.survival(), table.follow_up()):
        for part in ("both", "noise", "sampling"):
            low, high = curve.interval(part=part)
            assert not np.isnan([low, high, curve.value]).any()
            assert np.all((low >= 0) & (low <= curve.value) & (curve.value <= high) & (high <= 1))
        assert np.all(np.diff(curve.value) <= 0)
    low, high = hazard_interval(table.hazard())
    good = ~table.hazard().few
    assert np.all((low <= table.hazard().value + 1e-12)[good] & (table.hazard().value <= high + 1e-12)[good])
    mean = table.restricted_mean(float(len(cells)))
    bottom, top = limits_of(mean, (0.0, float(len(cells))))
    assert 0 <= bottom <= mean.value <= top <= len(cells)
    assert len(answer.frame) == len(answer.nelson_aalen()) == len(answer.follow_up()) == len(cells)


def test_what_stands_beside_the_curve():
    frame = frame_of("heart_failure")
    answer = StatisticWorld(frame, columns_of("heart_failure"), minimum_cell=0).ask(
        "kaplan_meier", by="arm", **ASKED
    )
    assert answer.risk_table(3).columns.tolist() == [0, 90, 180, 270]
    assert answer.risk_table().loc["0", 0] == (frame.arm == "0").sum()
    quartile = answer.quantile(0.25)
    assert quartile.columns.tolist() == ["group", "interval", "from", "to"]
    oldest = quartile[quartile.group == "2"].iloc[0]
    assert (oldest["interval"], oldest["from"]) == ("[30, 60)", "[0, 30)")
    assert answer.interval(0.5).low.iloc[0] > answer.interval(0.99).low.iloc[0]
    assert (answer.interval(part="noise").low == answer.frame.survival).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda answer: answer.interval(1.5), "level must be a number above 0 and below 1"),
        (lambda answer: answer.interval(0.9, "all"), "part must be one of both, sampling, noise"),
        (lambda answer: answer.quantile(0), "q must be a number above 0"),
        (lambda answer: answer.risk_table(0), "every must be a whole number"),
    ],
)
def test_arguments_after_the_opening_are_checked(call, text):
    answer = kaplan_meier_of([table_of(np.array([[5.0, 5.0]]), [0, 1])], ["[0, 1)"])
    with pytest.raises(InvalidRequestError, match=text):
        call(answer)
