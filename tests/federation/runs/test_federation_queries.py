"""Queries to four hospitals, in memory and over TLS processes, with one suite for both."""

import io
import math
import pickle
import threading
import time

import numpy as np
import pandas as pd
import pytest
from hospitals import BY_SEX, NAMES, files
from scipy import stats
from sklearn.linear_model import LogisticRegression

from analytics.errors import InvalidRequestError, PlanRejectedError
from federation.errors import PolicyRefusedError
from federation.protocol.messages import Health
from privacy_accounting.errors import BudgetExceededError


@pytest.fixture(scope="module")
def pooled():
    frame = pd.concat([pd.read_csv(path) for path in files().values()], ignore_index=True)
    return frame.assign(sex=frame["sex"].map({1: "M", 0: "F"}), disease=frame["num"] > 0)


def test_exact_answer_equals_the_pooled_file(session, pooled):
    result = session.sql(BY_SEX, exact=True)
    expected = pooled.groupby("sex").agg(n=("age", "size"), age=("age", "mean"), share=("disease", "mean"))
    assert [row[0] for row in result.rows] == ["F", "M"]
    for sex, n, age, share in result.rows:
        assert (n, age, share) == pytest.approx(tuple(expected.loc[sex]), rel=1e-9)
    assert result.suppressed == ()
    assert result.cost["mode"] == "exact"
    assert result.receipt["signed_by"] == sorted(NAMES)


def test_statistics_by_name_equal_the_pooled_file(session, pooled):
    table = session.table("patients")
    test = table.chi_square("cp", "disease", exact=True)
    known = stats.chi2_contingency(pd.crosstab(pooled.cp, pooled.disease).to_numpy())
    assert (test.statistic, test.pvalue) == pytest.approx((known.statistic, known.pvalue), rel=1e-9)
    fit = table.glm("disease ~ age + sex", exact=True)
    design = pooled.assign(male=pooled.sex == "M", one=1.0)[["one", "age", "male"]].to_numpy(float)
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, solver="newton-cholesky")
    assert fit.params == pytest.approx(reference.fit(design, pooled.disease).coef_[0], rel=1e-5)
    noisy = table.chi_square("cp", "disease", epsilon=1)
    assert abs(np.array(noisy.observed) - np.array(test.observed)).max() < 8 * noisy.noise_sd


def test_small_groups_are_closed_on_shares(session, pooled):
    names = {1: "typical", 2: "atypical", 3: "non_anginal", 4: "asymptomatic"}
    result = session.sql("SELECT cp, age, COUNT(*) AS n FROM patients GROUP BY cp, age", exact=True)
    bands = pd.cut(
        pooled.age, [0, 40, 50, 60, 121], right=False, labels=["[0, 40)", "[40, 50)", "[50, 60)", "[60, 120]"]
    )
    truth = pooled.groupby([pooled.cp.map(names), bands], observed=False).size()
    small = {key for key, n in truth.items() if n < 10}
    assert small
    opened = {(cp, band): n for cp, band, n in result.rows}
    assert {key for key, n in opened.items() if n is None} == small
    assert {(result.rows[row][0], result.rows[row][1]) for row, _ in result.suppressed} == small
    assert all(opened[key] == n for key, n in truth.items() if key not in small)


def test_a_small_complement_is_closed_too(session, pooled):
    outside = int((pooled.cp != 1).sum())
    assert outside >= 10
    result = session.sql("SELECT COUNT(*) AS n FROM patients WHERE cp <> 'typical'", exact=True)
    assert result.rows == ((outside,),)
    young = "(cp = 'typical' AND age < 40)"
    assert 0 < int(((pooled.cp == 1) & (pooled.age < 40)).sum()) < 10
    for where in (young, f"NOT {young}"):
        closed = session.sql(f"SELECT COUNT(*) AS n FROM patients WHERE {where}", exact=True)
        assert closed.rows == ((None,),)


def test_private_answer_is_near_and_says_how_near(session, pooled):
    result = session.sql("SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex", epsilon=0.5)
    truth = pooled.groupby("sex").size()
    for (sex, n), (_, error), (_, interval) in zip(
        result.rows, result.errors, result.interval_rows(0.95), strict=True
    ):
        assert error > 0
        assert abs(n - truth[sex]) < 8 * error  # false alarm below 1e-14
        assert interval[0] < n < interval[1]


def test_noise_is_fresh_for_every_question(session):
    sql = "SELECT COUNT(*) AS n, SUM(age) AS s FROM patients"
    answers = {session.sql(sql, epsilon=0.01, fresh=True).rows[0] for _ in range(4)}
    assert len(answers) == 4


def test_the_receipt_names_all_that_epsilon_depends_on(session):
    result = session.sql("SELECT COUNT(*) AS n FROM patients", epsilon=0.25, purpose="receipt-test")
    cost, receipt = result.cost, result.receipt
    assert cost["epsilon"] == "0.25"
    assert cost["relation"] == "add_or_remove_one"
    assert (cost["colluding"], cost["max_sites_per_unit"], cost["privacy_unit"]) == (1, 1, "row")
    assert float(cost["epsilon_at_t"]) <= 0.25
    assert float(cost["epsilon_if_all_but_one_collude"]) > 0.25
    assert float(cost["delta"]) == pytest.approx(5e-7)  # the sub-budget's share of the population's
    assert (receipt["sub_budget"], receipt["purpose"], receipt["kind"]) == ("query", "receipt-test", "charge")
    assert float(receipt["charged"]) > 0


def test_what_is_explained_is_what_happens(session):
    for kind in ({"epsilon": 0.1}, {"exact": True}):
        explained = session.explain(BY_SEX, **kind)
        answer = session.sql(BY_SEX, **kind)
        shape = explained.to_dict()
        # one more for the material, none without a guard or when it was dealt ahead; the analyst's opening is not an
        # exchange among sites
        fetches = answer.receipt["rounds"] - (shape["rounds"] - 1)
        assert fetches in ({0, 1} if shape["dealer"]["bytes"] else {0})
        assert answer.receipt["secrecy"] == shape["secrecy"]
        assert shape["secrecy"]["text"] in explained.text
        assert shape["rounds"] <= 12
        assert answer.cost["mode"] in explained.text
    assert session.explain(BY_SEX, epsilon=0.1).to_dict()["rounds"] == 2


def test_the_budget_refuses_with_the_affordable_amount(session):
    session.sql("SELECT COUNT(*) AS n FROM patients", epsilon=0.01)
    before = {r["sub_budget"]: r for r in session.budget_rows() if not r["purpose"] and not r["analyst"]}
    with pytest.raises(BudgetExceededError) as caught:
        session.sql("SELECT COUNT(*) AS n FROM patients", epsilon=25)
    error = caught.value
    assert error.requested > error.remaining > 0
    assert error.spent > 0
    assert error.largest_epsilon == before["query"]["largest_epsilon_that_fits"]
    after = {r["sub_budget"]: r for r in session.budget_rows() if not r["purpose"] and not r["analyst"]}
    assert after == before  # a refusal costs nothing
    fits = float(error.largest_epsilon) * 0.5
    assert session.explain("SELECT COUNT(*) AS n FROM patients", epsilon=fits).to_dict()["cost"]["epsilon"]


def test_a_policy_refuses_by_name_of_site_and_rule(session):
    with pytest.raises(PolicyRefusedError) as caught:
        session.sql("SELECT COUNT(*) AS n FROM patients", epsilon=31)
    assert caught.value.site in NAMES
    assert "largest_epsilon: at most 30" in caught.value.rule


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("SELECT COUNT(*) FROM absent", "1:22"),
        ("SELECT SUM(shoe_size) FROM patients", "1:12"),
        ("SELECT MEDIAN(age) FROM patients", "1:8"),
        ("SELECT COUNT(*) FROM patients; SELECT 1", "1:32"),
        ("DROP TABLE patients", "1:1"),
        ("SELECT COUNT(*) FROM read_csv('x.csv')", "1:22"),
    ],
)
def test_unsupported_queries_are_refused_with_position(session, sql, position):
    with pytest.raises(PlanRejectedError) as caught:
        session.sql(sql, epsilon=0.1)
    assert caught.value.position == position


@pytest.mark.parametrize("epsilon", [0, -1, math.nan, math.inf, "5e-1", True, 1e-400])
def test_epsilon_out_of_range_is_refused_before_any_site_is_asked(session, epsilon):
    with pytest.raises(InvalidRequestError) as caught:
        session.sql("SELECT COUNT(*) AS n FROM patients", epsilon=epsilon)
    assert caught.value.parameter == "epsilon"


@pytest.mark.parametrize("mode", [{}, {"epsilon": 0.1, "exact": True}])
def test_private_or_exact_must_be_said(session, mode):
    with pytest.raises(InvalidRequestError):
        session.sql("SELECT COUNT(*) AS n FROM patients", **mode)


def test_a_session_is_not_pickled(session):
    with pytest.raises(TypeError, match="open one in each process"):
        pickle.dumps(session)


def test_an_empty_group_gives_an_ordinary_noisy_answer(session):
    sql = "SELECT COUNT(*) AS n FROM patients WHERE age > 119"
    result = session.sql(sql, epsilon=0.5)
    assert result.rows[0][0] is not None
    assert result.suppressed == ()


def test_two_questions_at_once_do_not_disturb_each_other(session):
    answers, errors = [], []

    def ask(number):
        try:
            answers.append(session.sql(BY_SEX, exact=True).rows if number % 2 else None)
            session.sql("SELECT COUNT(*) AS n FROM patients", epsilon=0.01)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len({rows for rows in answers if rows is not None}) == 1


def settled(health):
    """Whether all hear all and hold the same entries; soon after a start or an answer, not at once."""
    heads = {h.ledger_head for h in health.values() if h.role == "site"}
    return len(heads) == 1 and all(all(h.hears.values()) for h in health.values())


def test_every_node_is_well(session):
    ends_at = time.monotonic() + 20
    while not settled(health := session.health()):
        assert time.monotonic() < ends_at, health
        time.sleep(0.1)
    has_dealer = session.consortium.file.dealer is not None
    assert set(health) >= {*NAMES}
    assert ("dealer" in health) is has_dealer
    assert all(isinstance(h, Health) and h.is_ready for h in health.values())


def test_the_answer_as_a_frame_and_as_json(session):
    result = session.sql("SELECT sex, AVG(age) AS a FROM patients GROUP BY sex", epsilon=1)
    assert list(result.frame.columns) == ["sex", "a"]
    assert list(result.standard_errors.columns) == ["sex", "a"]
    shape = result.to_dict()
    expected = {"columns", "rows", "standard_errors", "intervals", "suppressed", "too_few", "cost", "receipt"}
    assert set(shape) == expected
    assert pd.read_json(io.StringIO(result.frame.to_json())).shape == (2, 2)
