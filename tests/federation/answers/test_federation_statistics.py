"""Statistics by name, from an analyst's call to answer, ledger entry and receipt."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import federation
from analytics.errors import InvalidRequestError, PlanRejectedError
from federation.errors import PolicyRefusedError
from federation.requests.kinds.registry import statistic_kind

SCHEMA = {
    "tables": {
        "patients": {
            "privacy_unit": "row",
            "rows_max": 1000,
            "max_sites_per_unit": 1,
            "exact_dimensions": ["sex", "disease", "days", "age"],
            "columns": {
                "sex": {"type": "categorical", "domain": ["F", "M"]},
                "disease": {"type": "boolean"},
                "days": {
                    "type": "numeric",
                    "lower": 0,
                    "upper": 90,
                    "resolution": 1,
                    "bins": [0, 30, 60, 90],
                },
                "age": {"type": "numeric", "lower": 0, "upper": 120, "resolution": 1},
            },
        }
    }
}


@pytest.fixture(scope="module")
def frame():
    place = np.arange(300)
    return pd.DataFrame(
        {
            "sex": np.where(place % 2 == 0, "F", "M"),
            "disease": place * place % 7 < 3,
            "days": place * 11 % 90,
            "age": 20 + place % 70,
        }
    )


@pytest.fixture(scope="module")
def session(frame):
    sites = {name: frame.iloc[place::3] for place, name in enumerate(("anna", "bert", "cleo"))}
    with federation.local(sites, schema=SCHEMA, engine="numpy") as session:
        yield session


def test_an_exact_statistic_equals_the_pooled_one(session, frame):
    answer = session.table("patients").chi_square("sex", "disease", exact=True)
    known = stats.chi2_contingency(pd.crosstab(frame.sex, frame.disease).to_numpy())
    assert (answer.statistic, answer.pvalue) == pytest.approx((known.statistic, known.pvalue), rel=1e-9)
    assert answer.cost["mode"] == "exact"
    assert answer.receipt["kind"] == "exact"
    assert answer.receipt["secrecy"]["trust"] == "dealer"
    assert answer.receipt["exact_requests"]["used"] >= 1


def test_a_private_statistic_is_charged(session):
    answer = session.statistic(
        "chi_square", a="sex", b="disease", table="patients", epsilon=0.5, purpose="study"
    )
    assert answer.cost["epsilon"] == "0.5"
    assert float(answer.cost["epsilon_at_t"]) <= 0.5
    receipt = answer.receipt
    assert (receipt["kind"], receipt["sub_budget"], receipt["purpose"]) == ("charge", "query", "study")
    assert receipt["secrecy"]["trust"] == "sites"


def test_a_curve_runs_from_a_table_of_the_session(session):
    answer = session.table("patients").kaplan_meier("days", "disease", by="sex", exact=True)
    assert len(answer.frame) == 6
    assert answer.to_dict()["receipt"]["number"] > 0


def test_columns_are_described_at_once_exact_and_private(session, frame):
    columns = ["sex", "disease", "days", "age"]
    answer = session.table("patients").describe(columns, exact=True)
    assert answer.summaries["age"].mean.value == pytest.approx(frame.age.mean(), rel=1e-9)
    assert answer.summaries["days"].sd.value == pytest.approx(frame.days.std(), rel=1e-9)
    assert [count.value for count in answer.summaries["sex"].counts] == [150, 150]
    table = session.table("patients").table_one(["age", "days"], "sex", smd=True, exact=True)
    women = frame[frame.sex == "F"]
    assert table.summaries["F"]["age"].mean.value == pytest.approx(women.age.mean(), rel=1e-9)
    private = session.table("patients").describe(columns, epsilon=1)
    assert (private.receipt["kind"], private.cost["epsilon"]) == ("charge", "1")
    explained = session.table("patients").explain("describe", columns, exact=True)
    assert "each site reads the rows of sex, disease, days, age, for itself alone" in explained.text


def test_a_fit_opens_its_steps_to_all_sites(session):
    table = session.table("patients")
    answer = table.glm("disease ~ sex + age", max_steps=5, exact=True)
    assert (answer.closed, answer.terms) == ("", ("intercept", "sex=M", "age"))
    explained = table.explain("glm", "disease ~ sex + age", max_steps=5, exact=True)
    assert "5 times: 10 integers of each site as shares; 10 number(s) opened to all sites" in explained.text
    assert explained.to_dict()["most_opened"] == 1 + 5 * 10
    with pytest.raises(PlanRejectedError, match="age has no bins"):
        table.glm("disease ~ sex + age", epsilon=1)


def test_three_computing_sites_and_crypten_give_the_same_answer(session, frame):
    sites = {name: frame.iloc[place::3] for place, name in enumerate(("anna", "bert", "cleo"))}
    three = ("bert", "cleo", "anna")
    with federation.local(sites, schema=SCHEMA, three_sites=three, engine="crypten") as other:
        for name, arguments in (
            ("chi_square", ("sex", "disease")),
            ("kaplan_meier", ("days", "disease", "sex")),
        ):
            answers = [
                each.statistic(name, *arguments, table="patients", exact=True) for each in (session, other)
            ]
            assert answers[0].values() == answers[1].values()
        assert answers[1].receipt["secrecy"]["trust"] == "three-sites"
        assert set(answers[1].receipt["engines"].values()) == {"crypten"}
        fits = [each.table("patients").glm("disease ~ sex", exact=True) for each in (session, other)]
        assert fits[0].values() == fits[1].values()


def test_what_is_explained_is_what_is_entered(session):
    table = session.table("patients")
    explained = table.explain("chi_square", "sex", "disease", exact=True)
    shape = explained.to_dict()
    answer = table.chi_square("sex", "disease", exact=True)
    fetches = answer.receipt["rounds"] - (shape["rounds"] - 1)
    assert fetches in {0, 1}
    assert shape["steps"] == [
        {"name": "cells", "opened_to": "analyst", "figures": 4, "largest": 1000, "values": 4, "flags": 1}
    ]
    assert shape["most_opened"] == 4
    assert "opened to the analyst alone" in explained.text
    private = table.explain("chi_square", "sex", "disease", epsilon=1)
    assert private.to_dict()["rounds"] == 2
    assert "epsilon 1 at delta" in private.text


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (("sex",), {"exact": True}, InvalidRequestError, "b is missing"),
        (("sex", "disease"), {}, InvalidRequestError, "epsilon must be given"),
        (("sex", "disease"), {"exact": True, "epsilon": 1}, InvalidRequestError, "not both"),
        (("sex", "disease"), {"exact": "yes"}, InvalidRequestError, "exact must be true or false"),
        (("sex", "disease"), {"a": "sex", "exact": True}, InvalidRequestError, "a is given twice"),
        (
            ("sex", "disease", True, None, 1),
            {"exact": True},
            InvalidRequestError,
            "takes at most a, b, correction, reveal",
        ),
        (("sex", "age"), {"exact": True}, PlanRejectedError, "no bins"),
        (("sex", object()), {"exact": True}, InvalidRequestError, "b must be"),
    ],
)
def test_a_wrong_call_is_refused_by_the_client(session, arguments, options, error, text):
    with pytest.raises(error, match=text):
        session.table("patients").chi_square(*arguments, **options)


def test_an_unknown_name_is_no_method_and_no_statistic(session):
    table = session.table("patients")
    assert not hasattr(table, "chi_squared")
    assert {"chi_square", "kaplan_meier", "association_rules"} <= set(dir(table))
    with pytest.raises(InvalidRequestError, match="statistic must be one of"):
        session.statistic("chi_squared", "sex", "disease", table="patients", exact=True)


def test_a_site_that_gives_no_exact_answers_refuses_them_by_its_rule(frame):
    sites = {name: frame.iloc[place::3] for place, name in enumerate(("anna", "bert", "cleo"))}
    with federation.local(sites, schema=SCHEMA, engine="numpy", policy={"exact": False}) as session:
        with pytest.raises(PolicyRefusedError, match=r"policy\.exact"):
            session.table("patients").chi_square("sex", "disease", exact=True)


def test_the_kind_is_one_line_of_the_registry():
    assert statistic_kind().sub_budget == "query"
