"""Adverse-event signals: the published formulas over sets of people; small cells of one pair never leave shares."""

import numpy as np
import pandas as pd
import pytest
from event_world import COLUMNS, event_world, reports, tables
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from statistic_world import N_SITES, StatisticWorld

from analytics.disclosure.release import send_statistic
from analytics.errors import InvalidRequestError, PlanRejectedError, ReleaseRefusedError
from analytics.statistics.pairs.gamma_poisson import Prior, fit_prior, shrunk
from analytics.statistics.pairs.noisy_pairs import noisy_pair
from analytics.statistics.pairs.signal_measures import information_component, odds_ratio, reporting_ratio
from analytics.statistics.profiles.group_comparisons import ADJUSTMENTS
from privacy_accounting.noise import SystemSource
from smpc.simulator import simulate


@pytest.fixture(scope="module")
def world():
    return event_world()


@pytest.fixture(scope="module")
def answer(world):
    return world.ask("signals", drug="drug", event="event")


def test_exactly_the_pairs_whose_four_cells_reach_the_threshold_open(world, answer):
    expected = {pair: cells for pair, cells in tables(world.frame).items() if min(cells) >= 10}
    assert 20 < len(expected) < 56
    frame = answer.frame
    found = {
        (row.drug, row.event): (
            row["count"],
            row.drug_count - row["count"],
            row.event_count - row["count"],
            answer.n_people - row.drug_count - row.event_count + row["count"],
        )
        for _, row in frame.iterrows()
    }
    assert found == expected
    assert (answer.n_people, answer.n_pairs) == (900, 56)
    assert answer.n_closed == 56 - len(expected)


def test_the_measures_are_those_of_the_published_formulas(answer):
    """scipy and numpy alone: odds ratio of contingency tables, relative risk, Fisher's cousins."""
    frame = answer.frame.astype({"drug": object, "event": object})
    for _, row in frame.iterrows():
        a, n = int(row["count"]), answer.n_people
        b, c = int(row.drug_count) - a, int(row.event_count) - a
        d = n - a - b - c
        odds = stats.contingency.odds_ratio([[a, b], [c, d]], kind="sample")
        ends = odds.confidence_interval(0.95)
        assert [row.ror, row.ror_low, row.ror_high] == pytest.approx([odds.statistic, *ends], rel=1e-9)
        risk = stats.contingency.relative_risk(a, a + b, c, c + d)
        ends = risk.confidence_interval(0.95)
        assert [row.prr, row.prr_low, row.prr_high] == pytest.approx([risk.relative_risk, *ends], rel=1e-9)
        chi = stats.chi2_contingency([[a, b], [c, d]], correction=False)
        assert [row.chi_square, row.p_value] == pytest.approx([chi.statistic, chi.pvalue], rel=1e-6)
        assert row.expected == pytest.approx(chi.expected_freq[0, 0])
        posterior = stats.gamma(a + 0.5, scale=1 / (row.expected + 0.5))
        assert row.ic == pytest.approx(np.log2((a + 0.5) / (row.expected + 0.5)))
        assert [row.ic_low, row.ic_high] == pytest.approx(np.log2(posterior.ppf([0.025, 0.975])), abs=1e-8)
    order = stats.false_discovery_control(frame.p_value.to_numpy(dtype=float))
    assert frame.p_adjusted.to_numpy(dtype=float) == pytest.approx(order)
    assert (frame.drug[0], frame.event[0]) == ("drug=d2", "event=e3")
    assert frame.ic_low.is_monotonic_decreasing


def test_the_closed_form_of_the_information_components_interval_is_near():
    """Noren et al. 2013 give an approximation of the gamma posterior's ends."""
    for count, expected in ((10, 4.0), (25, 30.0), (400, 250.0)):
        middle, low, high = information_component(count, expected)
        assert low == pytest.approx(
            middle - 3.3 * (count + 0.5) ** -0.5 - 2 * (count + 0.5) ** -1.5, abs=0.06
        )
        assert high == pytest.approx(
            middle + 2.4 * (count + 0.5) ** -0.5 - 0.5 * (count + 0.5) ** -1.5, abs=0.05
        )


def test_shrinkage_is_the_posterior_by_numerical_integration():
    prior = Prior(shapes=(0.4, 3.0), rates=(0.2, 2.5), weight=0.3)

    def density(rate, count, expected):
        mixture = sum(
            weight * stats.gamma.pdf(rate, shape, scale=1 / slope)
            for weight, shape, slope in zip((0.3, 0.7), prior.shapes, prior.rates, strict=True)
        )
        return mixture * stats.poisson.pmf(count, rate * expected)

    for count, expected in ((12, 4.0), (30, 33.0)):
        ends = (0, 40)
        whole = integrate.quad(density, *ends, args=(count, expected), limit=400)[0]
        log = integrate.quad(
            lambda rate, n, e: np.log(rate) * density(rate, n, e), 1e-9, 40, args=(count, expected), limit=400
        )[0]
        middle, low, high = shrunk(prior, [count], [expected])[0]
        assert middle == pytest.approx(np.exp(log / whole), rel=1e-6)
        for end, chance in ((low, 0.05), (high, 0.95)):
            below = integrate.quad(density, 0, end, args=(count, expected), limit=400)[0]
            assert below / whole == pytest.approx(chance, abs=1e-6)
        assert low < middle < high


def test_the_prior_is_the_likeliest_of_counts_that_reach_the_guard():
    """Counts drawn from a known prior and cut at the guard: the truth is hardly likelier than what is found."""
    generator = np.random.default_rng(4)
    expected = generator.uniform(2, 60, 3000)
    rates = np.where(
        generator.random(3000) < 0.2, generator.gamma(2, 2, 3000), generator.gamma(8, 1 / 8, 3000)
    )
    counts = generator.poisson(rates * expected)
    kept = counts >= 10
    prior = fit_prior(counts[kept].tolist(), expected[kept].tolist(), 10)

    def loss(shapes, slopes, weight):
        seen, whole = 0.0, 0.0
        for share, shape, slope in zip((weight, 1 - weight), shapes, slopes, strict=True):
            law = stats.nbinom(shape, slope / (slope + expected[kept]))
            seen = seen + share * law.pmf(counts[kept])
            whole = whole + share * law.sf(9)
        return -np.log(seen / whole).sum()

    truth = loss((2, 8), (0.5, 8), 0.2)
    assert loss(prior.shapes, prior.rates, prior.weight) < truth + 0.01
    known = Prior(shapes=(2, 8), rates=(0.5, 8), weight=0.2)
    middle = [shrunk(each, [40], [20.0])[0][0] for each in (prior, known)]
    assert middle[0] == pytest.approx(middle[1], rel=0.1)
    assert fit_prior([20] * 19, [10.0] * 19, 10) is None


def test_a_strong_signal_is_shrunk_toward_the_others(answer):
    row = answer.frame.iloc[0]
    assert 1 < row.eb05 < row.ebgm < row.eb95
    assert row.ebgm < row["count"] / row.expected


def test_a_person_counts_once_a_pair_and_a_split_changes_nothing(world, answer):
    again = pd.concat([world.frame, world.frame])
    number = again.patient.str[1:].astype(int)
    other = event_world(
        again, parts=[again[number < 100], again[number.between(100, 700)], again[number > 700]]
    )
    assert other.ask("signals", drug="drug", event="event").frame.equals(answer.frame)


def test_no_count_below_the_threshold_leaves_shares(world):
    """The attack: with a margin open, the count of a closed pair would be a person's."""
    plan = world.plan("signals", drug="drug", event="event")
    opened = np.sum([np.frombuffer(part, dtype="<i8") for part in world.answers(plan)], axis=0)
    size = opened.size // 2
    values, flags = opened[:size], opened[size:]
    assert set(flags) == {0, 1}
    assert (values[flags == 0] == 0).all()
    assert (values[flags == 1] >= 10).all()
    pairs = [
        cells for _, cells in sorted(tables(world.frame).items(), key=lambda each: plan_order(plan, each[0]))
    ]
    assert flags[-len(pairs) :].tolist() == [int(min(cells) >= 10) for cells in pairs]


def plan_order(plan, names):
    items = [item.name for item in plan.statistic.counts.items]
    return plan.statistic.counts.pairs.index(tuple(items.index(name) for name in names))


def test_no_byte_that_a_party_sends_is_a_count_and_sites_are_told_nothing(world):
    plan = world.plan("signals", drug="drug", event="event")
    rows = world.scanned(plan)

    def run():
        return simulate(
            lambda session: send_statistic(session, plan, rows[session.rank], SystemSource()),
            N_SITES,
            prefetch=False,
            timeout_s=60,
        )

    one, two = run(), run()
    secret = {count for cells in tables(world.frame).values() for count in cells if count >= 200}
    assert len(secret) > 20
    sent = [
        payload
        for name in one.names
        for step in one.sent[name]
        for peer, payload in step.outgoing.items()
        if peer != "dealer"
    ]
    for count in secret:
        assert not any(count.to_bytes(8, "little") in payload for payload in [*sent, *one.values()])
    for name in one.names:  # whatever is not masked afresh is the same in two runs over the same rows
        for first, second in zip(one.sent[name], two.sent[name], strict=True):
            for peer in set(first.outgoing) - {"dealer"}:
                if len(first.outgoing[peer]) >= 8:
                    assert first.outgoing[peer] != second.outgoing[peer]
    assert all(step.to == "analyst" for step in plan.statistic.every_step())


def test_all_pairs_are_asked_in_few_rounds_whatever_their_number(world):
    from analytics.disclosure.release import statistic_cost

    few = statistic_cost(world.plan("signals", drug="drug=d0", event="event=e0"))
    many = statistic_cost(world.plan("signals", drug="drug", event="event"))
    assert many.rounds == few.rounds <= 8


def test_one_person_more_or_less_opens_a_pair():
    def ask(n_people):
        rows = [(f"p{n}", "d0", "e0", 1) for n in range(n_people)]
        rows += [(f"p{1000 + n}", "d0", None, 1) for n in range(40)]
        rows += [(f"p{2000 + n}", None, "e0", 1) for n in range(40)]
        rows += [(f"p{3000 + n}", "d1", None, 1) for n in range(40)]
        frame = pd.DataFrame(rows, columns=["patient", "drug", "event", "day"])
        return event_world(frame).ask("signals", drug="drug", event="event")

    closed, opened = ask(9), ask(10)
    assert (closed.closed, closed.rows, closed.n_closed) == ("minimum_cell", (), 56)
    assert [row["count"] for row in opened.rows] == [10]
    assert opened.rows[0]["ebgm"] is None  # one pair gives no prior


def test_the_threshold_counts_a_person_at_every_site():
    world = event_world(max_sites_per_unit=3)
    answer = world.ask("signals", drug="drug", event="event")
    least = min(min(row["count"], row["drug_count"] - row["count"]) for row in answer.rows)
    assert least >= 30


WIDE = {
    "aspirin": {"type": "boolean", "nullable": True},
    "statin": {"type": "boolean"},
    "bleeding": {"type": "boolean"},
    "sex": {"type": "categorical", "domain": ["F", "M"]},
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": [0, 40, 60, 120]},
    "weight": {"type": "numeric", "lower": 0, "upper": 300, "resolution": 1},
}


def wide(n=600, **fields):
    generator = np.random.default_rng(1)
    aspirin = (generator.random(n) < 0.4).astype(object)
    aspirin[:15] = None
    frame = pd.DataFrame(
        {
            "aspirin": aspirin,
            "statin": generator.random(n) < 0.3,
            "bleeding": generator.random(n) < 0.2 + 0.2 * (aspirin == 1),
            "sex": np.where(generator.random(n) < 0.5, "F", "M"),
            "age": generator.integers(0, 120, n),
            "weight": 70,
        }
    )
    return StatisticWorld(frame, WIDE, **fields)


def test_a_wide_table_has_a_column_for_each_drug():
    world = wide()
    answer = world.ask("signals", drug=["aspirin", "statin"], event=["bleeding", "sex=F", "age=[40, 60)"])
    taken, bleeds = world.frame.aspirin == 1, world.frame.bleeding
    first = next(row for row in answer.rows if (row["drug"], row["event"]) == ("aspirin", "bleeding"))
    assert first["count"] == (taken & bleeds).sum()
    assert (first["drug_count"], answer.n_people) == (taken.sum(), 600)
    assert len(answer.rows) == 6


def test_without_a_guard_empty_cells_leave_ratios_undefined():
    frame = pd.DataFrame({"patient": ["p0"], "drug": ["d0"], "event": ["e0"], "day": [1]})
    answer = event_world(frame, minimum_cell=0).ask("signals", drug="drug=d0", event=["event=e0", "event=e1"])
    assert [row["ror"] for row in answer.rows] == [None, None]
    assert answer.frame.p_value.isna().all()
    empty = event_world(frame.iloc[:0], minimum_cell=0).ask("signals", drug="drug=d0", event="event=e0")
    assert (empty.n_people, empty.rows[0]["expected"]) == (0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "error", "part"),
    [
        ({"drug": "drug"}, InvalidRequestError, "event"),
        ({"drug": "nothing", "event": "event"}, PlanRejectedError, "nothing"),
        ({"drug": "patient", "event": "event"}, PlanRejectedError, "privacy unit"),
        ({"drug": "drug=zz", "event": "event"}, PlanRejectedError, "has no value"),
        ({"drug": "day", "event": "event"}, PlanRejectedError, "bins"),
        ({"drug": [], "event": "event"}, InvalidRequestError, "drug"),
        ({"drug": 5, "event": "event"}, InvalidRequestError, "drug"),
        ({"drug": ["drug", "drug=d0"], "event": "event"}, InvalidRequestError, "twice"),
        ({"drug": "drug", "event": ["event", "drug=d0"]}, InvalidRequestError, "drug names too"),
        ({"drug": "drug", "event": "event", "level": 1}, InvalidRequestError, "level"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_asked(world, arguments, error, part):
    with pytest.raises(error, match=part):
        world.plan("signals", **arguments)


def test_values_that_exclude_each_other_are_refused():
    """The attack: all values of a column but one open, and the closed one is the margin less their sum."""
    world = wide()
    for arguments in ({"drug": "sex", "event": "bleeding"}, {"drug": "sex=F", "event": ["sex=M"]}):
        with pytest.raises((PlanRejectedError, InvalidRequestError), match="sex"):
            world.plan("signals", **arguments)


def test_a_column_that_is_no_exact_dimension_and_a_private_form_are_refused(world):
    with pytest.raises(PlanRejectedError, match="event"):
        event_world(exact_dimensions=["drug"]).plan("signals", drug="drug", event="event")
    with pytest.raises(InvalidRequestError, match="noise"):
        world.plan("signals", drug="drug", event="event", epsilon="1")


def test_too_many_pairs_are_refused():
    columns = COLUMNS | {
        name: {"type": "categorical", "domain": [f"{name}{n}" for n in range(200)]}
        for name in ("drug", "event")
    }
    frame = reports(3).assign(drug="drug1", event="event1")
    fields = {"privacy_unit": "patient", "max_rows_per_unit": 40, "exact_dimensions": ["drug", "event"]}
    with pytest.raises(InvalidRequestError, match="20000 pairs, not 40000"):
        StatisticWorld(frame, columns, **fields).plan("signals", drug="drug", event="event")


def test_counts_that_do_not_fit_their_bits_are_refused(world):
    plan = world.plan("signals", drug="drug=d0", event="event=e0")
    with pytest.raises(ReleaseRefusedError, match="do not fit"):
        plan.statistic.estimate((np.array([100, 50, 60, 55, 1, 1, 1, 1]),), ())


def test_rows_are_kept_by_limits_and_adjusted_by_any_method(answer):
    strong = answer.where(ic_low=0, p_adjusted=0.01)
    assert 0 < len(strong.rows) < len(answer.rows)
    for method in ADJUSTMENTS:
        assert len(answer.adjusted(method).rows) == len(answer.rows)
    for limits in ({"nothing": 1}, {"ror": "x"}, {"ror": True}):
        with pytest.raises(InvalidRequestError):
            answer.where(**limits)
    with pytest.raises(InvalidRequestError, match="method"):
        answer.adjusted("none")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=4, max_size=4))
def test_measures_are_ordered_and_symmetric(cells):
    a, b, c, d = cells
    for measure in (odds_ratio, reporting_ratio):
        middle, low, high = measure(a, b, c, d)
        assert 0 < low <= middle <= high
    assert odds_ratio(a, b, c, d)[0] == pytest.approx(odds_ratio(a, c, b, d)[0])
    assert odds_ratio(b, a, d, c)[0] == pytest.approx(1 / odds_ratio(a, b, c, d)[0])


PRIVATE = {"drug": ["aspirin", "statin"], "event": ["bleeding", "sex=F", "age=[40, 60)"]}


def test_a_private_release_is_priced_by_what_one_person_can_change():
    """The attack: whoever is added changes one cell of each pair by one, whatever the person holds."""
    world = wide()
    plan = world.plan("signals", **PRIVATE, epsilon="1")
    assert len(plan.cost) == 1
    assert plan.statistic.norm.square == 6
    assert not plan.has_products
    generator = np.random.default_rng(3)
    for aspirin in (True, False, None):
        person = {
            "aspirin": aspirin,
            "statin": generator.random() < 0.5,
            "bleeding": generator.random() < 0.5,
        }
        person |= {"sex": "F", "age": 50, "weight": 70}
        before, after = (
            StatisticWorld(frame, WIDE, parts=[frame, frame.iloc[:1], frame.iloc[:1]]).scanned(plan)[0]
            for frame in (world.frame, pd.concat([world.frame, pd.DataFrame([person])]))
        )
        changed = (after - before).reshape(6, 4)
        assert sorted(set(changed.ravel().tolist())) == [0, 1]
        assert (changed.sum(axis=1) == 1).all()
    exact = world.ask("signals", **PRIVATE)
    by_pair = {(row["drug"], row["event"]): row for row in exact.rows}
    counts, cells = plan.statistic.counts, np.sum(world.scanned(plan), axis=0).reshape(6, 4)
    for (one, other), (a, b, c, d) in zip(counts.pairs, cells.tolist(), strict=True):
        row = by_pair[counts.items[one].name, counts.items[other].name]
        assert (a, a + b, a + c) == (row["count"], row["drug_count"], row["event_count"])
        assert a + b + c + d == exact.n_people


def test_a_private_answer_runs_over_shares_and_nears_the_exact_one():
    world = wide(rows_max=700)
    exact = world.ask("signals", **PRIVATE)
    answer = world.ask("signals", **PRIVATE, epsilon="30")
    by_pair = {(row["drug"], row["event"]): row for row in exact.rows}
    assert len(answer.rows) == 6
    assert (answer.closed, answer.n_closed, answer.noise_sd > 0) == ("", 0, True)
    for row in answer.rows:
        known = by_pair[row["drug"], row["event"]]
        assert row["count"] == pytest.approx(known["count"], abs=6 * answer.noise_sd)
        assert row["ror_low"] < known["ror"] < row["ror_high"]
        assert (row["chi_square"], row["ebgm"]) == (None, None)
    swamped = world.ask("signals", **PRIVATE, epsilon="0.01")
    assert (swamped.closed, swamped.rows) == ("too_few", ())


def test_without_noise_the_private_measures_are_the_exact_ones():
    a, b, c, d = 120, 400, 300, 5000
    pair = noisy_pair((a, b, c, d), 0.0)
    assert pair.odds_ratio == pytest.approx(odds_ratio(a, b, c, d))
    assert pair.reporting_ratio == pytest.approx(reporting_ratio(a, b, c, d))
    expected = (a + b) * (a + c) / (a + b + c + d)
    # the interval of the gamma posterior takes the expected count as fixed
    assert pair.information_component == pytest.approx(information_component(a, expected), abs=0.1)
    assert pair.cells == (a, b, c, d)


def test_private_intervals_hold_the_truth_as_often_as_they_say():
    """Samples of one population with noise as large as their sampling error: each interval holds the population's value."""
    generator = np.random.default_rng(5)
    chances = np.array([0.05, 0.15, 0.1, 0.7])
    truth = chances[0] * chances[3] / (chances[1] * chances[2])
    ratio = chances[0] / chances[:2].sum() / (chances[2] / chances[2:].sum())
    excess = np.log2(chances[0] / (chances[:2].sum() * (chances[0] + chances[2])))
    trials, held, false = 2000, np.zeros(3), 0
    for _ in range(trials):
        pair = noisy_pair(
            tuple(generator.multinomial(4000, chances) + np.rint(generator.normal(0, 15, 4))), 15.0
        )
        for place, (figure, value) in enumerate(
            ((pair.odds_ratio, truth), (pair.reporting_ratio, ratio), (pair.information_component, excess))
        ):
            held[place] += figure[1] <= value <= figure[2]
        independent = generator.multinomial(4000, [0.04, 0.16, 0.16, 0.64])
        false += noisy_pair(tuple(independent + np.rint(generator.normal(0, 15, 4))), 15.0).p_value <= 0.05
    slack = 5 * np.sqrt(0.05 * 0.95 / trials)
    assert (held / trials >= 0.95 - slack).all(), held
    assert (held[:2] / trials <= 0.95 + slack).all(), held
    assert abs(false / trials - 0.05) <= slack


def test_too_many_private_pairs_are_refused():
    columns = {
        name: {"type": "boolean"} for name in [f"d{n}" for n in range(30)] + [f"e{n}" for n in range(20)]
    }
    world = StatisticWorld(pd.DataFrame({name: [True, False, True] for name in columns}), columns)
    drugs, events = [f"d{n}" for n in range(30)], [f"e{n}" for n in range(20)]
    with pytest.raises(InvalidRequestError, match="at most 500 pairs"):
        world.plan("signals", drug=drugs, event=events, epsilon="1")
    assert world.plan("signals", drug=drugs[:25], event=events, epsilon="1").most_opened == 4 * 500
