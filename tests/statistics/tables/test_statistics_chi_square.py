"""The chi-square test: equal to scipy's in exact mode, with the noise in its p-value in private mode."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statistic_world import StatisticWorld

from analytics.errors import InvalidRequestError, PlanRejectedError

COLUMNS = {
    "sex": {"type": "categorical", "domain": ["F", "M"]},
    "pain": {"type": "categorical", "domain": ["none", "mild", "strong"], "nullable": True},
    "disease": {"type": "boolean"},
    "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1, "bins": [0, 40, 60, 120]},
    "chol": {"type": "numeric", "lower": 0, "upper": 600, "resolution": 1},
}


def frame(n=240, few=0):
    place = np.arange(n)
    pain = np.array(["none", "mild", "strong"], dtype=object)[(place * place + place // 7) % 3]
    pain[:5] = None
    disease = (place % 5 < 2) ^ (pain == "strong")
    if few:  # so many of those with strong pain are without the disease, all others have it
        strong = np.flatnonzero(pain == "strong")
        disease[strong] = True
        disease[strong[:few]] = False
    return pd.DataFrame(
        {
            "sex": np.where(place % 2 == 0, "F", "M"),
            "pain": pain,
            "disease": disease,
            "age": 20 + place % 70,
            "chol": 150 + place,
        }
    )


@pytest.fixture(scope="module")
def world():
    return StatisticWorld(frame(), COLUMNS)


def crosstab(world, a, b):
    data = world.frame.assign(age=pd.cut(world.frame.age, [0, 40, 60, 121], right=False))
    return pd.crosstab(data[a], data[b])


@pytest.mark.parametrize(
    ("a", "b", "arguments"),
    [
        ("pain", "disease", {}),
        ("sex", "disease", {}),
        ("sex", "disease", {"correction": False}),
        ("age", "sex", {}),
    ],
)
def test_exact_answer_equals_scipys(world, a, b, arguments):
    answer = world.ask("chi_square", a=a, b=b, **arguments)
    table = crosstab(world, a, b)
    if a == "pain":
        table = table.loc[["none", "mild", "strong"]]
    known = stats.chi2_contingency(table.to_numpy(), **arguments)
    assert answer.statistic == pytest.approx(known.statistic, rel=1e-9)
    assert answer.pvalue == pytest.approx(known.pvalue, rel=1e-9)
    assert answer.dof == known.dof
    assert np.array(answer.expected) == pytest.approx(known.expected_freq, rel=1e-9)
    assert answer.frame.to_numpy().tolist() == table.to_numpy().tolist()
    assert (answer.closed, answer.noise_sd) == ("", 0.0)


@pytest.mark.parametrize(("few", "is_open"), [(0, False), (1, False), (9, False), (10, True)])
def test_one_cell_below_the_minimum_closes_the_whole_table(few, is_open):
    """The attack: the margins of a table with one closed cell give the cell."""
    data = frame(few=few) if few else frame().assign(disease=lambda d: d.disease | (d.pain == "strong"))
    world = StatisticWorld(data, COLUMNS)
    plan = world.plan("chi_square", a="pain", b="disease")
    answer = world.ask("chi_square", a="pain", b="disease")
    if is_open:
        assert answer.closed == ""
        return
    assert (answer.closed, answer.statistic, answer.pvalue) == ("minimum_cell", None, None)
    assert answer.frame.isna().all(axis=None)
    opened = sum(np.frombuffer(part, dtype="<i8").astype(np.int64) for part in world.answers(plan))
    assert opened.tolist() == [0] * (plan.most_opened + 1)


def test_the_threshold_counts_a_unit_at_every_site():
    world = StatisticWorld(frame(), COLUMNS, max_sites_per_unit=3)
    plan = world.plan("chi_square", a="pain", b="disease")
    assert plan.threshold == 30
    smallest = crosstab(world, "pain", "disease").to_numpy().min()
    assert smallest < 30
    assert world.ask("chi_square", a="pain", b="disease").closed == "minimum_cell"


def test_an_empty_margin_without_a_guard_is_undefined():
    data = frame().assign(disease=True)
    answer = StatisticWorld(data, COLUMNS, minimum_cell=0).ask("chi_square", a="sex", b="disease")
    assert (answer.closed, answer.statistic, answer.pvalue) == ("undefined", None, None)


def test_a_private_answer_runs_over_shares_and_is_priced(world):
    plan = world.plan("chi_square", a="pain", b="disease", epsilon="1")
    answer = world.ask("chi_square", a="pain", b="disease", epsilon="1")
    assert len(plan.cost) == 1
    assert plan.most_opened == 6
    assert not plan.has_products
    table = crosstab(world, "pain", "disease").loc[["none", "mild", "strong"]].to_numpy()
    assert np.abs(np.array(answer.observed) - table).max() < 8 * answer.noise_sd
    assert 0 < answer.pvalue <= 1
    assert answer.closed == ""


def test_an_empty_table_and_an_empty_column_give_ordinary_noisy_answers(world):
    for data in (frame().iloc[:0], frame().assign(disease=True)):
        other = StatisticWorld(data, COLUMNS)
        for noise in (-3.0, 0.0, 3.0):
            answer = other.clear("chi_square", noise, a="pain", b="disease", epsilon="1")
            assert (answer.closed, 0 < answer.pvalue <= 1, answer.statistic >= 0) == ("", True, True)
            assert np.isfinite(answer.expected).all()


def test_one_private_answer_has_one_pvalue(world):
    first, again = (world.clear("chi_square", 3.0, a="pain", b="disease", epsilon="1") for _ in range(2))
    assert first == again


def test_without_much_noise_the_bootstrap_is_the_classical_test(world):
    answer = world.clear("chi_square", a="age", b="sex", epsilon="60")
    known = stats.chi2_contingency(crosstab(world, "age", "sex").to_numpy())
    assert answer.statistic == pytest.approx(known.statistic, rel=1e-9)
    assert answer.pvalue == pytest.approx(known.pvalue, abs=5 / np.sqrt(4 * 1999))


def test_the_pvalue_of_a_noised_table_keeps_its_level():
    """Independent columns: at most 5 % of the tests reject at 5 %, where the classical one rejects far more often."""
    world = StatisticWorld(frame(900), COLUMNS)
    plan = world.plan("chi_square", a="sex", b="age", epsilon="0.2")
    (law,) = plan.noise
    generator = np.random.default_rng(5)
    found, classical, trials = 0, 0, 60
    for _ in range(trials):
        cells = generator.multinomial(900, np.full(6, 1 / 6))
        noisy = (cells + law.draw(6, generator)) * law.weight
        answer = plan.statistic.estimate((noisy.round().astype(np.int64),), plan.noise)
        found += answer.pvalue <= 0.05
        classical += stats.chi2.sf(answer.statistic, answer.dof) <= 0.05
    assert found <= 0.05 * trials + 5 * np.sqrt(0.05 * 0.95 * trials)
    assert classical > 2 * found


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"a": "sex"}, InvalidRequestError, "b is missing"),
        ({"a": "sex", "b": "sex"}, InvalidRequestError, "another column"),
        ({"a": "sex", "b": "sax"}, PlanRejectedError, "did you mean sex"),
        ({"a": "sex", "b": "chol"}, PlanRejectedError, "no bins"),
        ({"a": "sex", "b": 3}, InvalidRequestError, "must be a text"),
        (
            {"a": "sex", "b": "age", "yates": True},
            InvalidRequestError,
            "yates is not an argument of chi_square",
        ),
        ({"a": "sex", "b": "age", "correction": 1}, InvalidRequestError, "true or false"),
    ],
)
def test_arguments_are_refused_before_a_charge(world, arguments, error, text):
    with pytest.raises(error, match=text):
        world.plan("chi_square", **arguments)


def test_columns_outside_the_exact_dimensions_and_several_rows_a_unit_are_refused():
    world = StatisticWorld(frame(), COLUMNS, exact_dimensions=["sex"])
    with pytest.raises(PlanRejectedError, match="disease may not stand"):
        world.plan("chi_square", a="sex", b="disease")
    assert world.plan("chi_square", a="sex", b="disease", epsilon="1").cost
    columns = COLUMNS | {"pid": {"type": "identifier"}}
    several = StatisticWorld(
        frame().assign(pid=range(240)),
        columns,
        privacy_unit="pid",
        max_rows_per_unit=2,
        exact_dimensions=["sex", "disease"],
    )
    with pytest.raises(PlanRejectedError, match="rows as independent"):
        several.plan("chi_square", a="sex", b="disease")


def test_a_guessed_column_gives_no_private_answer():
    columns = COLUMNS | {"sex": COLUMNS["sex"] | {"guessed": True}}
    with pytest.raises(PlanRejectedError, match="guessed"):
        StatisticWorld(frame(), columns).plan("chi_square", a="sex", b="disease", epsilon="1")
