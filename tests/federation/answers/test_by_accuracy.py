"""Questions by accuracy through a session: the cheapest release, its price before, refusals that are free."""

import math
from fractions import Fraction

import pytest
from hospitals import in_threads

from analytics.errors import InvalidRequestError
from federation.client.kept.kept_answers import KeptAnswers, plan_of
from privacy_accounting.errors import BudgetExceededError
from tests.federation.failures.test_federation_attacks import head

COUNT = "SELECT COUNT(*) AS n FROM patients"
BY_SEX = "SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex"
MEAN = "SELECT AVG(age) AS a FROM patients"


@pytest.fixture(scope="module")
def world():
    with in_threads(budget={"epsilon": "8", "query": {"share": "1"}}) as opened:
        yield opened


@pytest.fixture
def session(world):
    world._kept = KeptAnswers(world._identity, world._declared)
    return world


def test_a_question_by_accuracy_pays_what_its_quote_said_and_says_what_it_promises(session):
    (quoted,) = session.quote(BY_SEX, within=40)
    assert (quoted["fits"], quoted["from_store"]) == (True, False)
    assert quoted["accuracy"]["n"] <= 40
    assert f"epsilon {quoted['asked_epsilon']} at delta" in session.explain(BY_SEX, within=40).text
    answer = session.sql(BY_SEX, within=40)
    assert answer.cost["epsilon"] == quoted["asked_epsilon"]
    assert float(answer.receipt["charged"]) == pytest.approx(float(quoted["cost"]), rel=1e-6)
    assert answer.receipt["promise"] == {"within": "40", "confidence": "0.95"}
    for row, errors in zip(answer.rows, answer.errors, strict=True):
        assert 1.959 * errors[1] <= 40.5  # whole numbers: noise of 40 is within, 41 is not
        low, high = answer.interval_rows()[answer.rows.index(row)][1]
        assert high - low <= 81


def test_a_mean_needs_the_number_of_rows_stated_or_released(session):
    before = head(session)
    with pytest.raises(InvalidRequestError, match="how many rows it is over") as caught:
        session.sql(MEAN, within=3)
    assert caught.value.parameter == "expected_units"
    assert head(session) == before
    stated = session.sql(MEAN, within=3, expected_units=500)
    assert stated.receipt["promise"] == {"within": "3", "confidence": "0.95", "expected_units": 500}
    assert 1.959 * stated.errors[0][0] <= 3


def test_a_released_count_serves_a_mean_with_a_part_of_the_doubt(session):
    count = session.sql("SELECT COUNT(age) AS n FROM patients", epsilon=0.2)
    answer = session.sql(MEAN, within=3)
    promise = answer.receipt["promise"]
    ((value,),), ((error,),) = count.rows, count.errors
    width = 2.5758293035489  # 1 - 0.05 / 10, one-sided
    assert promise == {
        "within": "3",
        "confidence": "0.95",
        "released_units": math.floor(value - width * error),
    }
    assert "from_store" not in answer.receipt  # the count that chose epsilon is no part of the answer
    stated = session.quote(MEAN, within=3, expected_units=promise["released_units"])[0]["asked_epsilon"]
    assert Fraction(stated) < Fraction(answer.cost["epsilon"])
    (quoted,) = session.quote("SELECT AVG(disease) AS s FROM patients", within="0.2", expected_units=500)
    assert quoted["accuracy"]["s"] <= 0.2


def test_a_released_count_that_may_be_below_one_is_refused(session):
    session.sql("SELECT COUNT(age) AS n FROM patients WHERE age < 29", epsilon=0.05)
    before = head(session)
    with pytest.raises(InvalidRequestError, match="may have fewer than 1"):
        session.sql("SELECT AVG(age) AS a FROM patients WHERE age < 29", within=3)
    assert head(session) == before


def test_what_the_store_has_at_this_accuracy_is_free(session):
    first, before = session.sql(COUNT, within=50), head(session)
    again = session.sql(COUNT, within=60)
    assert again.rows == first.rows
    assert again.receipt["from_store"]["free"]
    assert again.receipt["promise"]["within"] == "60"
    assert session.quote(COUNT, within=60)[0]["from_store"]
    assert head(session) == before
    assert not session.sql(COUNT, within=45).receipt["from_store"]["free"]


def test_what_the_budget_does_not_pay_for_is_refused_with_what_it_pays_for(session):
    before = head(session)
    with pytest.raises(InvalidRequestError, match="which the budget does not pay for") as caught:
        session.sql(COUNT, within=1, fresh=True)
    assert head(session) == before
    reached = str(caught.value).rsplit("n ± ", 1)[1]
    largest = str(caught.value).rsplit("; epsilon ", 1)[1].split(",")[0]
    assert session.quote(COUNT, epsilon=largest)[0]["fits"]
    assert session.quote(COUNT, within=reached)[0]["fits"]
    nearer = Fraction(largest) * Fraction(102, 100)
    assert not session.quote(COUNT, epsilon=nearer)[0]["fits"]


def test_nothing_is_left_to_be_paid_with(session, monkeypatch):
    refused = {"fits": False, "refusal": "it is spent"}
    monkeypatch.setattr(session, "_priced", lambda requests: [refused for _ in requests])
    with pytest.raises(InvalidRequestError, match="the budget pays for no answer: it is spent"):
        session.sql(COUNT, within=20)


def test_a_budget_that_falls_meanwhile_spends_nothing(session, monkeypatch):
    before = head(session)
    monkeypatch.setattr(session, "_check_payable", lambda *_: None)
    with pytest.raises(BudgetExceededError):
        session.sql(COUNT, within=1, fresh=True)
    assert head(session) == before


@pytest.mark.parametrize(
    ("terms", "parameter"),
    [
        ({"within": 0}, "within"),
        ({"within": -3}, "within"),
        ({"within": float("nan")}, "within"),
        ({"within": float("inf")}, "within"),
        ({"within": "5 %"}, "within"),
        ({"within": "5 %%"}, "within"),
        ({"within": ""}, "within"),
        ({"within": "1e2"}, "within"),
        ({"within": True}, "within"),
        ({"within": [20]}, "within"),
        ({"within": 20, "mechanism": "other"}, "mechanism"),
        ({"within": 20, "epsilon": 1}, "within"),
        ({"within": 20, "exact": True}, "within"),
        ({"within": 20, "confidence": 95}, "confidence"),
        ({"within": 20, "confidence": "95 %"}, "confidence"),
        ({"within": 20, "confidence": 0}, "confidence"),
        ({"within": 20, "confidence": 1}, "confidence"),
        ({"within": 20, "expected_units": 0}, "expected_units"),
        ({"within": 20, "expected_units": "many"}, "expected_units"),
        ({"within": 20, "expected_units": 1.5}, "expected_units"),
        ({"epsilon": 1, "confidence": 0.9}, "confidence"),
        ({"epsilon": 1, "expected_units": 9}, "expected_units"),
        ({}, "epsilon"),
    ],
    ids=str,
)
def test_bad_input_is_refused_with_its_name_and_free(session, terms, parameter):
    before = head(session)
    for ask in (session.sql, session.explain):
        with pytest.raises(InvalidRequestError) as caught:
            ask(COUNT, **terms)
        assert caught.value.parameter == parameter
    assert head(session) == before


def test_an_accuracy_below_what_any_noise_gives_is_refused_with_what_is_reached(session):
    before = head(session)
    for ask in (session.sql, session.explain, session.quote):
        with pytest.raises(
            InvalidRequestError, match=r"is not reached: at 95 % epsilon 1000.* gives a ± "
        ) as caught:
            ask(MEAN, within="0.0000001", expected_units=500)
        assert caught.value.parameter == "within"
    assert head(session) == before


def test_laplace_noise_by_accuracy_pays_what_its_quote_said_and_takes_nothing_from_the_store_by_its_own_tails(
    session,
):
    before = head(session)
    (quoted,) = session.quote(COUNT, within=12, confidence=0.9, mechanism="laplace")
    assert head(session) == before
    assert Fraction(quoted["asked_epsilon"]) < Fraction(session.quote(COUNT, within=12)[0]["asked_epsilon"])
    answer = session.sql(COUNT, within=12, confidence=0.9, mechanism="laplace")
    assert (answer.cost["epsilon"], answer.cost["noise"]) == (quoted["asked_epsilon"], "laplace")
    # at one standard deviation half of all Gaussian noise is farther out than half of all Laplace noise
    rare = {"within": 12, "confidence": 0.5, "mechanism": "laplace"}
    needed, its_own = (
        session.quote(COUNT, **(rare | {"mechanism": "gaussian"}))[0],
        session.quote(COUNT, **rare)[0],
    )
    between = plan_at(session, COUNT, its_own["asked_epsilon"], "laplace").noise_sd(0)
    assert plan_at(session, COUNT, needed["asked_epsilon"]).noise_sd(0) < between
    session.sql(COUNT, epsilon=epsilon_of_sd(session, COUNT, between * 0.99))
    assert not session.quote(COUNT, **rare)[0]["from_store"]
    session.sql(COUNT, epsilon=needed["asked_epsilon"], fresh=True)
    assert session.quote(COUNT, **rare)[0]["from_store"]


def plan_at(session, sql, epsilon, mechanism=None):
    return plan_of(session._planned(sql, epsilon, exact=False, purpose="p", mechanism=mechanism))


def epsilon_of_sd(session, sql, sd):
    low, high = Fraction("0.001"), Fraction(8)
    for _ in range(30):
        middle = (low + high) / 2
        middle = Fraction(round(middle * 10**6), 10**6)
        low, high = (middle, high) if plan_at(session, sql, middle).noise_sd(0) > sd else (low, middle)
    return high


def test_a_quote_shows_alternatives_each_by_itself(session):
    before = head(session)
    rows = session.quote(COUNT, epsilon=[0.1, 0.5, 1], confidence=0.9)
    assert [row["asked_epsilon"] for row in rows] == ["0.1", "0.5", "1"]
    assert len({row["spent"] for row in rows}) == 1  # alternatives, not one after the other
    assert [row["accuracy"]["n"] for row in rows] == sorted(
        (row["accuracy"]["n"] for row in rows), reverse=True
    )
    assert {row["confidence"] for row in rows} == {"0.9"}
    sequence = session.quote([COUNT, COUNT], epsilon=0.5)
    assert float(sequence[1]["spent"]) > float(sequence[0]["spent"])
    several = session.quote([COUNT, BY_SEX], within=30)
    assert len(several) == 2
    assert float(several[1]["spent"]) > float(several[0]["spent"])
    mixed = "SELECT COUNT(*) AS n, AVG(age) AS a, STDDEV_SAMP(age) AS d FROM patients"
    assert session.quote(mixed, epsilon=1)[0]["accuracy"].keys() == {"n", "a", "d"}
    assert [session.quote(mixed, epsilon=1)[0]["accuracy"][name] for name in ("a", "d")] == [None, None]
    with_units = session.quote(mixed, epsilon=1, expected_units=500)[0]["accuracy"]
    assert with_units["a"] < 5
    assert with_units["d"] is None
    for wrong in ({"epsilon": []}, {"epsilon": [0.1, 0]}, {"epsilon": 1, "within": 5}, {"within": 0}, {}):
        with pytest.raises(InvalidRequestError):
            session.quote(COUNT, **wrong)
    assert head(session) == before


@pytest.mark.parametrize("within", [12, 200])
def test_auto_by_accuracy_pays_no_more_than_either_noise_that_keeps_the_promise(session, within):
    text = f"SELECT COUNT(*) AS n FROM patients WHERE age > {within // 4}"  # no other test has released it
    paid = {
        name: session.quote(text, within=within, mechanism=name)[0]
        for name in ("auto", "gaussian", "laplace")
    }
    terms = {name: (each["asked_epsilon"], float(each["cost"])) for name, each in paid.items()}
    assert terms["auto"] in (terms["gaussian"], terms["laplace"])
    assert terms["auto"][1] <= terms["gaussian"][1]
    answer = session.sql(text, within=within, mechanism="auto")
    assert answer.cost["epsilon"] == paid["auto"]["asked_epsilon"]
