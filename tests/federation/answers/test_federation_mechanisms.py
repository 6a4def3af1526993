"""Requests that name their noise: what sites derive, what is charged, what is refused, and what is shown before."""

import dataclasses
import json
from fractions import Fraction

import pytest

from analytics.errors import InvalidRequestError
from federation.errors import RequestRejectedError
from federation.protocol.request import Request
from federation.requests.noise_alternatives import success
from smpc.errors import PeerRejectedError
from tests.federation.failures.test_federation_attacks import (
    COUNT,
    head,
    refused_by_every_site,
    request_of,
    signed,
)

MEAN = "SELECT AVG(age) AS a FROM patients"


def test_the_noise_that_is_named_is_added_charged_and_shown_before(private_world):
    session = private_world
    (quoted,) = session.quote([COUNT], epsilon=2)
    shown = {row["mechanism"]: row for row in quoted["alternatives"]}
    explained = session.explain(COUNT, epsilon=2, mechanism="auto").to_dict()["alternatives"]
    assert [row["mechanism"] for row in explained if row["asked"]] == ["auto"]
    results = {
        name: session.sql(COUNT, epsilon=2, mechanism=name, fresh=True)
        for name in ("gaussian", "auto", "laplace")
    }
    for name, result in results.items():
        assert result.cost["mechanism"] == name
        assert result.cost["noise"] == shown[name]["noise"]
        assert float(result.receipt["charged"]) == pytest.approx(float(shown[name]["charge"]), rel=1e-4)
        assert result.errors[0][0] == pytest.approx(float(shown[name]["noise_sd"]), rel=1e-3)
        worst = float(shown[name]["charge_if_all_but_one_collude"])
        assert float(result.receipt["charged_if_all_but_one_collude"]) == pytest.approx(worst, rel=1e-4)
    assert results["laplace"].errors[0][0] < 0.4 * results["gaussian"].errors[0][0]
    assert float(results["auto"].receipt["charged"]) <= float(results["gaussian"].receipt["charged"])
    silent = session.sql(COUNT, epsilon=2, fresh=True)
    assert "mechanism" not in silent.cost
    assert silent.receipt["charged"] == results["gaussian"].receipt["charged"]


def test_statistics_take_a_mechanism_too(private_world):
    table = private_world.table("patients")
    answers = [
        table.chi_square("sex", "disease", epsilon=3, mechanism=name) for name in ("gaussian", "laplace")
    ]
    assert answers[1].noise_sd < answers[0].noise_sd
    assert "alternatives" in table.explain("chi_square", "sex", "disease", epsilon=3).to_dict()


def test_a_statistic_whose_intervals_are_gaussian_takes_no_other_noise(private_world):
    before, table = head(private_world), private_world.table("patients")
    for named in ("auto", "laplace"):
        with pytest.raises(InvalidRequestError, match="must be gaussian for crosstab"):
            table.crosstab("sex", "disease", epsilon=3, mechanism=named)
    assert head(private_world) == before
    assert not table.explain("crosstab", "sex", "disease", epsilon=3).to_dict().get("alternatives")


@pytest.mark.parametrize("named", ["Laplace", "", "none", 3, True, ["auto"]])
def test_an_unknown_mechanism_is_refused_before_any_site_is_asked(private_world, named):
    before = head(private_world)
    for ask in (private_world.sql, private_world.explain):
        with pytest.raises(InvalidRequestError, match="must be one of auto, gaussian, laplace"):
            ask(COUNT, epsilon=1, mechanism=named)
    with pytest.raises(InvalidRequestError, match="has no meaning for an exact answer"):
        private_world.sql(COUNT, exact=True, mechanism="auto")
    assert head(private_world) == before


def test_p3_a_plan_with_other_noise_than_the_request_names_is_refused_by_every_site(private_world):
    """The attack: ask for Laplace noise, be charged for Gaussian noise."""
    session = private_world
    cheap = request_of(session, epsilon=Fraction(1), mechanism="gaussian")
    for named in ("laplace", "auto", None):
        forged = dataclasses.replace(cheap, mechanism=named)
        refused_by_every_site(session, signed(session, forged.to_bytes()), RequestRejectedError)


def test_a_mechanism_is_refused_where_a_request_has_no_choice_of_noise(private_world):
    session = private_world
    mining = request_of(session, kind="mine", mode="exact", mechanism="auto", question={})
    refused_by_every_site(session, signed(session, mining.to_bytes()), InvalidRequestError)
    unknown = request_of(session, mechanism="skellam")
    refused_by_every_site(session, signed(session, unknown.to_bytes()), InvalidRequestError)


def test_a_request_without_a_mechanism_has_no_such_field_and_one_with_it_reads_back(private_world):
    silent, named = request_of(private_world), request_of(private_world, mechanism="laplace")
    assert "mechanism" not in json.loads(silent.to_bytes())
    assert Request.from_bytes(named.to_bytes()) == named
    body = json.loads(silent.to_bytes()) | {"mechanism": None}
    data = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(PeerRejectedError):
        Request.from_bytes(data)


def test_an_attackers_success_is_a_coins_at_nothing_and_certain_at_much():
    assert success(0.0, 0.0) == 0.5
    assert success(0.5, 0.0) == pytest.approx(0.6225, abs=1e-4)
    assert success(0.5, 1e-6) > success(0.5, 0.0)
    assert success(800.0, 1e-6) == 1.0
