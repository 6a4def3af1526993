"""Exact figures about one site alone: given where every site consents; each site decides again before its charge."""

import secrets
from contextlib import contextmanager

import pandas as pd
import pytest
from hospitals import NAMES, POLICY, THREE, files, in_threads
from visits import entry_of, to_all

from federation.errors import PolicyRefusedError
from federation.protocol.messages import Ask
from federation.protocol.request import REQUEST_TAG, Request
from federation.requests.kinds.statistic import KIND
from federation.requests.planning import NO_PLAN, new_request

ASKED = {"outcome": "age", "exposure": "exang", "measure": "mean_difference"}
ROUNDED = 5.1e-3  # of three significant digits
RULE = "policy.site_results: this site gives no exact figure about itself alone"


@pytest.fixture(scope="module")
def world():
    with in_threads(names=THREE, policy={**POLICY, "site_results": True}, engine="numpy") as opened:
        yield opened


@contextmanager
def without_consent(world, name):
    """This site's policy as it is without the key."""
    admission = world.nodes[name]._admission
    agreed, admission.policy = admission.policy, admission.policy.model_copy(update={"site_results": False})
    try:
        yield
    finally:
        admission.policy = agreed


def heads(world):
    return [world.nodes[name].replica.head for name in THREE]


def by_site(world, **arguments):
    return world.table("patients").meta_analysis(**ASKED, exact=True, **arguments)


def rows_are_right(answer, names):
    assert answer.closed == ""
    assert [each.name for each in answer.sites] == sorted(names)
    for effect in answer.sites:
        rows = pd.read_csv(files()[effect.name], na_values="?")[["age", "exang"]].apply(
            pd.to_numeric, errors="coerce"
        )
        first, second = (rows.age[rows.exang == value] for value in (1, 0))
        assert effect.estimate == pytest.approx(first.mean() - second.mean(), rel=ROUNDED)
        variance = first.var() / len(first) + second.var() / len(second)
        assert effect.standard_error == pytest.approx(variance**0.5, rel=ROUNDED)


def test_each_row_is_that_sites_own_and_carries_its_name(world):
    answer = by_site(world, by_site=True)
    rows_are_right(answer, THREE)
    assert list(answer.frame.index) == [*sorted(THREE), "fixed", "random"]
    assert "consented to figures about themselves: cleveland, hungary, va_long_beach" in answer.lines()
    assert answer.effects == by_site(world).effects


def test_rows_are_each_sites_own_where_three_of_four_sites_compute():
    settings = {"policy": {**POLICY, "site_results": True}, "three_sites": THREE, "engine": "numpy"}
    with in_threads(**settings) as world:
        rows_are_right(by_site(world, by_site=True, method="fixed"), NAMES)


@pytest.mark.parametrize("name", THREE)
def test_attack_the_row_of_a_site_without_consent_follows_from_the_others(world, name):
    """Two rows and the pooled figure would give the third by subtraction, so no row opens where one site does not consent."""
    with without_consent(world, name):
        before = heads(world)
        with pytest.raises(PolicyRefusedError, match=RULE) as refused:
            by_site(world, by_site=True)
        assert refused.value.site == name
        assert heads(world) == before  # nothing is charged or entered
        assert by_site(world).sites == ()  # the pooled figure needs no consent


def test_no_site_consents_by_default():
    with in_threads(names=THREE, engine="numpy") as world:
        with pytest.raises(PolicyRefusedError, match=RULE):
            by_site(world, by_site=True)
        assert by_site(world).closed == ""


def test_attack_a_consent_that_ended_after_the_plan_is_gone_before_the_charge(world):
    plan = world.table("patients").explain("meta_analysis", **ASKED, by_site=True, exact=True)
    assert "by_site = True" in str(plan)
    assert "policy.site_results of every site must allow them" in str(plan)
    planned = planned_by_site(world)
    with without_consent(world, "hungary"):
        before = heads(world)
        with pytest.raises(PolicyRefusedError, match=RULE):
            world._ask(planned)
        assert heads(world) == before


def test_attack_the_analyst_leaves_out_the_site_that_does_not_consent(world):
    """It then decides by the proposal of the entry, and signs none."""
    planned = planned_by_site(world)
    data = planned.request.to_bytes()
    ask = Ask(request=data, signature=world._identity.sign(REQUEST_TAG + data))
    with without_consent(world, "va_long_beach"):
        before = heads(world)
        with world._pool.question(["cleveland"]) as lines:
            to_all(lines, ask, names=["cleveland"])
            with pytest.raises(PolicyRefusedError, match=RULE) as refused:
                entry_of(lines)
        assert refused.value.site == "va_long_beach"
        assert heads(world) == before


def test_attack_a_request_that_hides_what_it_opens_has_another_plan_at_every_site(world):
    """The sites read the arguments, not what the client says of them: the plan of the pooled figure is another."""
    pooled, rows = planned_by_site(world, by_site=False), planned_by_site(world)
    assert (pooled.work.facts.opens_site_results, rows.work.facts.opens_site_results) == (False, True)
    assert pooled.work.digest() != rows.work.digest()


def planned_by_site(world, *, by_site=True):
    request = Request(
        kind="statistic",
        mode="exact",
        epsilon=None,
        analyst=world.analyst,
        purpose="analysis",
        nonce=secrets.token_hex(16),
        configuration=world.consortium.configuration(),
        plan=NO_PLAN,
        question={
            "statistic": "meta_analysis",
            "table": "patients",
            "arguments": {**ASKED, "by_site": by_site},
        },
    )
    return new_request(KIND, request, world.consortium)
